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
            let is_choosy = words.iter().any(|word| word == "--goal");
            assert!(output.status.success() || (is_choosy && output.status.code() == Some(1)), "{line}: {output:?}");
            ran += 1;
        }
    }
    assert!(ran >= 8, "the document shows how to try and to choose");
    for picture in ["bold.png", "frontier.png"] {
        assert!(directory.path().join(picture).metadata().is_ok_and(|meta| meta.len() > 5_000), "{picture}");
    }
}

#[test]
fn candidates_from_several_files_are_told_one_by_one_and_compared() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    let told = common::ok(directory.path(), "schemes --what-if damon.damo --schemes idle.json --schemes limited.json");
    for line in ["scheme 1: pageout, rate 0, age from 2 s", "scheme 2: pageout, age from 1 s, at most 1 MiB each 1 s"] {
        assert!(told.contains(line), "{told}");
    }
    assert!(told.contains("kept out") && told.contains("\ncomparison"), "{told}");
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
    let goal = ["schemes", "suggest", "damon.damo", "--goal", "refault < 45%"];
    let output = common::damo(directory.path()).args(goal).output().expect("damo starts");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.contains("<- this one"), "{told}");
    let json = told.lines().find(|line| line.starts_with('[')).expect("the scheme as JSON");
    std::fs::write(directory.path().join("chosen.json"), json).expect("written");
    // What `start` would set up, without doing so.
    let started = common::ok(directory.path(), "args paddr --schemes chosen.json");
    let started: serde_json::Value = serde_json::from_str(&started).expect("JSON");
    assert_eq!(started["kdamonds"][0]["contexts"][0]["schemes"][0]["action"], "pageout");
    let again = common::ok(directory.path(), "schemes --what-if damon.damo --schemes chosen.json --format json");
    let again: serde_json::Value = serde_json::from_str(&again).expect("JSON");
    let share = again["tables"]["schemes"][0]["back_share"].as_f64().expect("a number");
    assert!(share < 0.45, "{share}");
}

#[test]
fn a_goal_that_nothing_meets_fails_the_gate() {
    let directory = tempfile::tempdir().expect("temporary directory");
    record(directory.path());
    let goal = ["schemes", "suggest", "damon.damo", "--goal", "saving > 99%"];
    let output = common::damo(directory.path()).args(goal).output().expect("damo starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Nothing tried meets the goal"));
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
    ] {
        let said = common::fails(directory.path(), line, 2);
        assert!(said.contains(says), "damo {line}: {said}");
    }
}

#[test]
fn the_judge_of_the_guests_saving_is_right_on_fixed_inputs() {
    let script = common::top().join("tests/guest/after-30-pageout.sh");
    let output = std::process::Command::new("sh").arg(script).arg("--self-test").output().expect("sh starts");
    assert!(output.status.success(), "{output:?}");
}
