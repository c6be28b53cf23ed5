//! `damo schemes` as it is typed: trying schemes on records, searching for one, and what docs/schemes.md says of both.

mod common;

use std::path::Path;

const IDLE: &str =
    r#"[{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 s"}}}]"#;
const LIMITED: &str = r#"{"action": "pageout", "access_pattern": {"age": {"min": "1 s"}},
    "quotas": {"sz_bytes": "1 MiB", "reset_interval_ms": "1 s"},
    "filters": [{"filter_type": "anon", "matching": true, "allow": false}]}"#;

fn record(directory: &Path) {
    common::ok(directory, "record --quiet --simulate stairs -o damon.damo");
    std::fs::write(directory.join("idle.json"), IDLE).expect("written");
    std::fs::write(directory.join("limited.json"), LIMITED).expect("written");
}

#[test]
fn lines_of_the_document_that_are_for_records_run() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    for name in ["careful.json", "bold.json"] {
        std::fs::copy(directory.path().join("idle.json"), directory.path().join(name)).expect("copied");
    }
    let mut ran = 0;
    for line in common::commands("docs/schemes.md") {
        let words = common::words(&line);
        if words.iter().any(|word| word == "--what-if" || word == "suggest") {
            let output = common::damo(directory.path()).args(&words[1..]).output().expect("damo starts");
            // The document says that the default goal is met by nothing on the staircase, and its own goals are.
            let by_default = words.iter().any(|word| word == "suggest") && !words.iter().any(|word| word == "--goal");
            assert_eq!(output.status.code(), Some(i32::from(by_default)), "{line}: {output:?}");
            ran += 1;
        }
    }
    assert!(ran >= 8, "the document shows how to try and to choose");
    for picture in ["bold.png", "trade-offs.png"] {
        assert!(directory.path().join(picture).metadata().is_ok_and(|meta| meta.len() > 5_000), "{picture}");
    }
}

#[test]
fn candidates_from_several_files_are_told_one_by_one_and_compared() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    let told = common::ok(directory.path(), "schemes --what-if damon.damo --schemes idle.json --schemes limited.json");
    for line in ["scheme 0: pageout, rate 0 %, age from 2 s", "scheme 1: pageout, age from 1 s, at most 1 MiB per 1 s"]
    {
        assert!(told.contains(line), "{told}");
    }
    assert!(told.contains("filtered out") && told.contains("\ncomparison"), "{told}");
    let wide = told.lines().take_while(|line| !line.starts_with("comparison")).map(|line| line.chars().count()).max();
    assert!(wide.is_some_and(|wide| wide <= 100), "{wide:?} columns:\n{told}");
    let one = common::ok(directory.path(), "schemes --what-if damon.damo --damos_action pageout --damos_age 2s max");
    assert!(!one.contains("comparison"), "one alone is not compared:\n{one}");
}

#[test]
fn every_form_says_the_same() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    let of =
        |rest: &str| common::ok(directory.path(), &format!("schemes --what-if damon.damo --schemes idle.json {rest}"));
    let json: serde_json::Value = serde_json::from_str(&of("--format json")).expect("JSON");
    assert_eq!(json["report"], "schemes");
    let scheme = &json["tables"]["schemes"][0];
    let saved = scheme["saved"].as_i64().expect("a number");
    let (without, with) = (scheme["resident_without"].as_i64(), scheme["resident_with"].as_i64());
    assert!((without.unwrap_or(0) - with.unwrap_or(0) - saved).abs() <= 1 && saved > 30_000_000, "{scheme}");
    let course = json["tables"]["course"].as_array().expect("rows");
    let sum = |name: &str| course.iter().filter_map(|row| row[name].as_i64()).sum::<i64>();
    assert!((sum("changed") - scheme["changed"].as_i64().expect("a number")).abs() <= course.len() as i64);
    let csv = of("--format csv");
    assert!(csv.contains(&format!(",{saved},")), "{csv}");
    assert!(of("--format markdown").contains(&format!("| {saved} |")));
    assert_eq!(of("--format csv --table course").lines().count(), course.len() + 1);
    of("--format parquet --out schemes.parquet");
    assert!(std::fs::read(directory.path().join("schemes.parquet")).expect("a file").starts_with(b"PAR1"));
    assert!(of("--format svg").contains("<svg"));
}

#[test]
fn what_is_suggested_can_be_started_and_promises_what_it_was_chosen_for() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    let goal = ["schemes", "suggest", "damon.damo", "--goal", "refault < 50%"];
    let output = common::damo(directory.path()).args(goal).output().expect("damo starts");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.contains("<- chosen"), "{told}");
    let json = told.lines().find(|line| line.starts_with('[')).expect("the scheme as JSON");
    std::fs::write(directory.path().join("chosen.json"), json).expect("written");
    // What `start` would set up, without doing so.
    let started = common::ok(directory.path(), "args paddr --schemes chosen.json");
    let started: serde_json::Value = serde_json::from_str(&started).expect("JSON");
    assert_eq!(started["kdamonds"][0]["contexts"][0]["schemes"][0]["action"], "pageout");
    let again = common::ok(directory.path(), "schemes --what-if damon.damo --schemes chosen.json --format json");
    let again: serde_json::Value = serde_json::from_str(&again).expect("JSON");
    let share = again["tables"]["schemes"][0]["back_share"].as_f64().expect("a number");
    assert!(share < 0.5, "{share}");
}

#[test]
fn a_goal_that_nothing_meets_fails_the_gate() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    let goal = ["schemes", "suggest", "damon.damo", "--goal", "saving > 99%"];
    let output = common::damo(directory.path()).args(goal).output().expect("damo starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("No scheme was chosen"));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    for (line, says) in [
        ("schemes --what-if damon.damo", "no scheme to try"),
        ("schemes --what-if damon.damo --schemes nowhere.json", "nowhere.json"),
        ("schemes --what-if damon.damo --schemes idle.json --damos_age 1s max", "leave out --damos_age"),
        ("schemes --what-if damon.damo 4711 --schemes idle.json", "leave out other targets"),
        ("schemes --schemes idle.json --plot x.png 4711", "--what-if RECORD"),
        ("schemes suggest damon.damo --goal refault", "neither < nor >"),
        ("schemes suggest damon.damo --action stat", "no record shows what stat would change"),
        ("schemes suggest damon.damo --action hugepage", "no goal measures what hugepage is good for"),
        ("schemes suggest damon.damo --action lru_deprio --goal saving>1%", "give `refault < SHARE`"),
    ] {
        let said = common::fails(directory.path(), line, 2);
        assert!(said.contains(says), "damo {line}: {said}");
    }
}

/// Rows of a table of `damo schemes --what-if`.
fn rows(directory: &Path, record: &str, schemes: &[&str], table: &str) -> Vec<serde_json::Value> {
    let mut line = format!("schemes --what-if {record} --format json");
    for scheme in schemes {
        line += &format!(" --schemes {}", case(scheme));
    }
    let json: serde_json::Value = serde_json::from_str(&common::ok(directory, &line)).expect("JSON");
    json["tables"][table].as_array().expect("rows").clone()
}

fn case(name: &str) -> String {
    common::top().join("testdata/cases").join(name).display().to_string()
}

/// Rows of the `nth` scheme, without its number and the text of the scheme itself.
fn figures_of(nth: u64, rows: Vec<serde_json::Value>) -> Vec<serde_json::Value> {
    let mut rows: Vec<_> = rows.into_iter().filter(|row| row["scheme"] == nth).collect();
    for row in &mut rows {
        let row = row.as_object_mut().expect("a row");
        ["scheme", "what", "json"].iter().for_each(|name| drop(row.remove(*name)));
    }
    rows
}

#[test]
fn a_scheme_has_the_same_figures_alone_and_beside_any_other_scheme() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let record = common::real("stairs/perf.data").display().to_string();
    for table in ["schemes", "course"] {
        let of = |schemes: &[&str], nth| figures_of(nth, rows(directory.path(), &record, schemes, table));
        let alone = of(&["prcl.json"], 0);
        assert!(!alone.is_empty());
        assert_eq!(of(&["prcl.json", "prcl-quota.json"], 0), alone);
        assert_eq!(of(&["prcl.json", "thp.json"], 0), alone);
        assert_eq!(of(&["thp.json", "prcl-quota.json", "prcl.json"], 2), alone);
        assert_eq!(of(&["prcl-quota.json"], 0), alone, "a quota that is never used up changes nothing");
        assert_eq!(of(&["thp.json", "prcl.json"], 0), of(&["thp.json"], 0));
    }
}

#[test]
fn what_is_resident_without_a_scheme_does_not_depend_on_schemes() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let record = common::real("stairs/perf.data").display().to_string();
    let mut without = Vec::new();
    for schemes in [&["prcl.json"][..], &["thp.json"], &["thp.json", "prcl-quota.json"]] {
        let rows = rows(directory.path(), &record, schemes, "schemes");
        without.extend(rows.iter().map(|row| row["resident_without"].as_u64().expect("a number")));
    }
    assert!(without[0] > 50 << 20 && without.iter().all(|bytes| *bytes == without[0]), "{without:?}");
}

#[test]
fn the_mean_of_what_matched_times_the_applications_is_the_sum() {
    let directory = tempfile::tempdir().expect("temporary directory");
    const GIB: f64 = (1u64 << 30) as f64;
    for (name, applications) in [("cold-1.txt", 1), ("cold-2.txt", 2), ("cold-5.txt", 5)] {
        let rows = rows(directory.path(), &case(name), &["prcl.json"], "schemes");
        let number = |column: &str| rows[0][column].as_f64().expect("a number");
        // The three idle regions match once; being paged out makes them young again.
        assert_eq!(number("applications"), f64::from(applications), "{name}");
        assert_eq!((number("matched"), number("applied")), (3.0 * GIB, 3.0 * GIB), "{name}");
        assert!((number("matched_mean") * number("applications") - number("matched")).abs() < 1.0, "{name}");
        assert!((number("matched_regions_mean") * number("applications") - 3.0).abs() < 1e-6, "{name}");
        let told =
            common::ok(directory.path(), &format!("schemes --what-if {} --schemes {}", case(name), case("prcl.json")));
        let plural = if applications == 1 { "" } else { "s" };
        for text in [
            format!("(mean of {applications} application{plural}; 3.000 GiB in total)"),
            format!("3 regions, 3.000 GiB (total of {applications} application{plural})"),
        ] {
            assert!(told.contains(&text), "{text}:\n{told}");
        }
    }
}

#[test]
fn the_example_of_the_readme_suggests_a_scheme_for_the_record_of_the_readme() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let config = common::top().join("testdata/masim/stairs.cfg").display().to_string();
    let lines = common::commands("README.md");
    let recording = lines.iter().find(|line| line.contains("record --simulate")).expect("an example of a recording");
    let examples: Vec<_> = lines.iter().filter(|line| line.contains("schemes suggest")).collect();
    assert!(!examples.is_empty(), "the README shows `damo schemes suggest`");
    for recording in [recording.as_str(), "damo record --force --simulate stairs"] {
        let recording = recording.replace("testdata/masim/stairs.cfg", &config);
        let words = common::words(&recording);
        let output = common::damo(directory.path()).args(&words[1..]).output().expect("damo starts");
        assert!(output.status.success(), "{recording}: {output:?}");
        for example in &examples {
            let output =
                common::damo(directory.path()).args(&common::words(example)[1..]).output().expect("damo starts");
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && told.contains("<- chosen"), "{example}:\n{told}");
            assert!(told.lines().any(|line| line.starts_with("[{\"action\":\"pageout\"")), "{told}");
        }
    }
}

#[test]
fn without_a_goal_the_default_is_told_and_a_scheme_that_thrashes_is_not_chosen() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    let output = common::run(directory.path(), "schemes suggest damon.damo");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for text in ["# goal: refault < 10 % and waiting < 1 ms/s (the default", "No scheme was chosen", "lowest refault: "]
    {
        assert!(told.contains(text), "{text}:\n{told}");
    }
    // Of two areas one is never used again: paging it out costs nothing.
    let config = "used, 20000000\nidle, 50000000\n\nall\n2000\nused, 0, 4096, 1\nidle, 0, 4096, 1\n\n\
        one\n58000\nused, 0, 4096, 1\n";
    std::fs::write(directory.path().join("idle.cfg"), config).expect("written");
    common::ok(directory.path(), "record --quiet --simulate idle.cfg -o idle.damo");
    let told = common::ok(directory.path(), "schemes suggest idle.damo --format json");
    let json: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let tried = json["tables"]["suggestion"].as_array().expect("rows");
    let chosen = tried.iter().find(|row| row["chosen"] == true).expect("one is chosen");
    assert!(chosen["refault_share"].as_f64().is_some_and(|share| share < 0.1), "{chosen}");
    assert!(chosen["saved_share"].as_f64().is_some_and(|share| share > 0.5), "{chosen}");
}

#[test]
fn the_judge_of_the_guests_saving_is_right_on_fixed_inputs() {
    let script = common::top().join("tests/guest/after-30-pageout.sh");
    let output = std::process::Command::new("sh").arg(script).arg("--self-test").output().expect("sh starts");
    assert!(output.status.success(), "{output:?}");
}
