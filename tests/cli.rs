//! The command line as its users and their scripts meet it: exit codes, streams, defaults, mistakes.

mod common;

use common::terminal::on_terminal;
use common::{damo, fails, ok, real, record_stairs, run};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn help_is_an_answer_and_a_mistake_is_not() {
    let here = directory();
    assert!(ok(here.path(), "--help").contains("damo demo"));
    assert!(ok(here.path(), "report heats --help").contains("--address_range"));
    assert!(fails(here.path(), "report nonsense", 2).contains("nonsense"));
    assert!(fails(here.path(), "", 2).contains("Usage"));
}

#[test]
fn without_a_record_the_message_says_how_to_get_one() {
    let here = directory();
    let said = fails(here.path(), "report wss", 2);
    assert!(said.contains("damon.damo") && said.contains("damo record") && said.contains("damo demo"), "{said}");
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let here = directory();
    assert!(fails(here.path(), "report wss -i nowhere.damo", 2).contains("nowhere.damo"));
    fs::create_dir(here.path().join("sub")).expect("mkdir");
    let said = fails(here.path(), "report wss -i sub", 2);
    assert!(said.contains("sub") && said.contains("directory"), "{said}");
}

#[test]
fn a_difference_is_no_failure_and_what_cannot_be_compared_is() {
    let here = directory();
    let path = here.path();
    for (seed, config) in [("1", "pair-server"), ("2", "server-grown")] {
        let config = common::top().join(format!("testdata/masim/{config}.cfg")).display().to_string();
        ok(path, &format!("record --quiet --simulate {config} --timeout 20s --seed {seed} -o {seed}.damo"));
    }
    ok(path, "record --quiet --simulate stairs --timeout 2s -o short.damo");
    for line in ["diff 1.damo 2.damo", "diff --base 1.damo 1.damo --new 2.damo", "diff 1.damo 2.damo --align phases"] {
        let text = ok(path, line);
        assert!(text.contains("The working set grew by") && text.contains("): [anon:cache]"), "{line}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
    assert!(ok(path, "diff 1.damo 1.damo").starts_with("No change"));
    assert!(ok(path, "diff 1.damo 2.damo --phase 1").contains("hase 1"));
    assert!(ok(path, "check 1.damo --wss_p95 +5% --baseline 1.damo").contains("1.damo"));
    let json = ok(path, "diff 1.damo 2.damo --format json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["tables"]["figures"][0]["answer"], "changed");
    for (line, wanted) in [
        ("diff", "name two records"),
        ("diff 1.damo", "2 values"),
        ("diff 1.damo nowhere.damo", "nowhere.damo"),
        ("diff 1.damo short.damo", "too few to compare"),
        ("diff 1.damo 2.damo --mapping nothing", "no mapping has this name"),
        ("diff 1.damo 2.damo --base 1.damo --new 2.damo", "cannot be used"),
        ("diff 1.damo 2.damo --phase 99", "phase"),
        ("diff 1.damo 2.damo --phase 1 --snapshot_time 1s 2s", "both name a time"),
        ("check --wss_p95 +5% --baseline 1.damo 2.damo", "none is left to check"),
    ] {
        let said = fails(path, line, 2);
        assert!(said.contains(wanted), "{line}: {said}");
    }
}

#[test]
fn damon_damo_is_read_before_damon_data() {
    let here = directory();
    fs::copy(real("stairs/damon.data"), here.path().join("damon.data")).expect("copy");
    let theirs = ok(here.path(), "report wss");
    record_stairs(here.path());
    let ours = ok(here.path(), "report wss");
    assert_ne!(theirs, ours);
    assert_eq!(ours, ok(here.path(), "report wss -i damon.damo"));
}

#[test]
fn a_record_is_read_from_standard_input() {
    let here = directory();
    record_stairs(here.path());
    let expected = ok(here.path(), "report wss");
    let mut child = damo(here.path())
        .args(["report", "wss", "-i", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("damo starts");
    let bytes = fs::read(here.path().join("damon.damo")).expect("record");
    child.stdin.take().expect("stdin").write_all(&bytes).expect("piped");
    let output = child.wait_with_output().expect("damo ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn a_report_records_for_itself_if_told_so() {
    let here = directory();
    let config = common::top().join("testdata/masim/stairs.cfg");
    let words = format!("--simulate {} --timeout 5s", config.display());
    let report = |args: &[&str]| damo(here.path()).args(args).output().expect("damo starts");
    let live = report(&["report", "wss", &format!("--live={words}")]);
    assert!(live.status.success(), "{}", String::from_utf8_lossy(&live.stderr));
    let recorded = report(&[&["record", "-o", "five.damo"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    assert_eq!(String::from_utf8_lossy(&live.stdout), ok(here.path(), "report wss five.damo"));
    let said = fails(here.path(), "report wss --live=--simulate=nowhere.cfg", 2);
    assert!(said.contains("nowhere.cfg") && said.contains("nothing was recorded"), "{said}");
    assert!(fails(here.path(), "report wss --live five.damo", 2).contains("cannot be used with"));
    let left: Vec<_> =
        fs::read_dir(here.path()).expect("read").map(|entry| entry.expect("entry").file_name()).collect();
    assert_eq!(left, ["five.damo"]);
}

#[test]
fn a_record_goes_to_standard_output() {
    let here = directory();
    record_stairs(here.path());
    let config = common::top().join("testdata/masim/stairs.cfg");
    let output = damo(here.path())
        .args(["record", "--quiet", "-o", "-", "--simulate"])
        .arg(config)
        .output()
        .expect("damo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(here.path().join("piped.damo"), output.stdout).expect("write");
    assert_eq!(ok(here.path(), "report wss -i piped.damo"), ok(here.path(), "report wss"));
}

#[test]
fn a_reader_that_goes_away_is_not_an_error() {
    let here = directory();
    record_stairs(here.path());
    let mut child = damo(here.path())
        .args(["report", "raw"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("damo starts");
    let mut first = [0; 16];
    child.stdout.take().expect("stdout").read_exact(&mut first).expect("some output");
    let output = child.wait_with_output().expect("damo ends");
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_damaged_record_gives_what_is_left_and_exit_code_three() {
    let here = directory();
    record_stairs(here.path());
    let path = here.path().join("damon.damo");
    let whole = fs::read(&path).expect("record");
    fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
    let output = run(here.path(), "report wss");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("<percentile> <wss>"));
    assert!(!output.stderr.is_empty(), "says what was lost");

    let output = run(here.path(), "repair damon.damo saved.damo");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(run(here.path(), "report wss -i saved.damo").stdout, run(here.path(), "report wss").stdout);
}

#[test]
fn text_of_another_kind_is_refused_with_a_sentence() {
    let here = directory();
    fs::write(here.path().join("notes.txt"), "dear diary\n").expect("write");
    fs::write(here.path().join("empty"), "").expect("write");
    for name in ["notes.txt", "empty"] {
        let said = fails(here.path(), &format!("report raw -i {name}"), 2);
        assert!(said.contains(name), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn the_same_command_records_the_same_bytes_and_another_seed_others() {
    let config = common::top().join("testdata/masim/stairs.cfg");
    let record = |seed: &str| {
        let here = directory();
        let output = damo(here.path())
            .args(["record", "--quiet", "--seed", seed, "--simulate"])
            .arg(&config)
            .output()
            .expect("damo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (fs::read(here.path().join("damon.damo")).expect("record"), ok(here.path(), "report raw"))
    };
    let (first, again, other) = (record("1"), record("1"), record("2"));
    assert!(first.0 == again.0, "the bytes differ");
    assert!(first.1 != other.1, "the seed makes no difference");
}

#[test]
fn info_tells_source_targets_span_counts_and_size_per_region() {
    let here = directory();
    record_stairs(here.path());
    let said = ok(here.path(), "info damon.damo");
    for word in ["simulator", "stairs", "snapshots", "regions", "5 ms", "100 ms", "B/region"] {
        assert!(said.contains(word), "{word} in:\n{said}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&ok(here.path(), "info --format json damon.damo")).expect("JSON");
    assert!(json["regions"].as_u64().expect("a number") > 1000);
    let size = fs::metadata(here.path().join("damon.damo")).expect("record").len();
    assert_eq!(json["file_bytes"].as_u64(), Some(size));
}

#[test]
fn completions_and_manual_pages_come_from_the_same_definition() {
    let here = directory();
    for shell in ["bash", "zsh", "fish"] {
        assert!(ok(here.path(), &format!("completions {shell}")).contains("address_range"), "{shell}");
    }
    ok(here.path(), "man pages");
    let page = fs::read_to_string(here.path().join("pages/damo-report-heats.1")).expect("page");
    assert!(page.contains("address_range"), "{page}");
}

#[test]
fn conversion_keeps_what_the_other_format_can_hold() {
    let here = directory();
    fs::copy(real("stairs/damon.data"), here.path().join("damon.data")).expect("copy");
    ok(here.path(), "convert damon.data stairs.damo");
    ok(here.path(), "convert stairs.damo back.json");
    let expected = ok(here.path(), "report raw -i damon.data");
    assert_eq!(ok(here.path(), "report raw -i stairs.damo"), expected);
    assert_eq!(ok(here.path(), "report raw -i back.json"), expected);
    assert!(fs::metadata(here.path().join("stairs.damo")).expect("record").len() < 100_000);
}

#[test]
fn nobody_elses_file_is_overwritten() {
    let here = directory();
    let mine = here.path().join("precious");
    fs::write(&mine, "not a record").expect("write");
    let config = common::top().join("testdata/masim/stairs.cfg");
    let output = damo(here.path())
        .args(["record", "--quiet", "-o", "precious", "--simulate"])
        .arg(config)
        .output()
        .expect("damo starts");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("precious"), "{said}");
    assert_eq!(fs::read_to_string(Path::new(&mine)).expect("still there"), "not a record");
}

#[test]
fn a_record_right_behind_a_range_is_a_record() {
    let here = directory();
    record_stairs(here.path());
    fs::rename(here.path().join("damon.damo"), here.path().join("app.damo")).expect("rename");
    let named = ok(here.path(), "report heats -i app.damo --time_range 5s 9s");
    assert_eq!(ok(here.path(), "report heats --time_range 5s 9s app.damo"), named);
    let said = fails(here.path(), "report heats -i app.damo --time_range 5s 9s nowhere", 2);
    assert!(said.contains("nowhere"), "{said}");
}

#[test]
fn a_target_is_chosen_by_its_process() {
    let here = directory();
    record_stairs(here.path());
    assert_eq!(ok(here.path(), "report heats --pid 1001"), ok(here.path(), "report heats"));
    let said = fails(here.path(), "report heats --pid 1", 2);
    assert!(said.contains("1001"), "{said}");
}

#[test]
fn what_is_no_workload_is_named_with_the_remedy() {
    let here = directory();
    fs::write(here.path().join("picture.cfg"), b"\x89PNG\r\n").expect("write");
    fs::write(here.path().join("typo.cfg"), "a, 10x\n\nphase\n100\na, 1, 64, 1\n").expect("write");
    for (config, word) in
        [("picture.cfg", "no text"), (".", "directory"), ("typo.cfg", "line 1"), ("nowhere.cfg", "built in: stairs")]
    {
        let said = fails(here.path(), &format!("record --simulate {config}"), 2);
        assert!(said.contains(config) && said.contains(word), "{said}");
    }
    assert!(!here.path().join("damon.damo").exists());
}

#[test]
fn a_process_that_no_target_is_and_a_time_that_the_record_has_not_are_told() {
    let here = directory();
    record_stairs(here.path());
    for report in ["wss", "nr_regions", "access", "raw", "ages", "times", "wss_profile"] {
        let said = fails(here.path(), &format!("report {report} --pid 77"), 2);
        assert!(said.contains("damon.damo: no target fits"), "{report}: {said}");
    }
    let said = fails(here.path(), "report heats --time_range 1h 2h", 2);
    assert!(said.contains("the record lasts 1 min"), "{said}");
    assert!(fails(here.path(), "report heats --mark nowhere", 2).contains("on step 3"));
}

#[test]
fn a_record_may_stand_behind_the_form_of_the_access_report() {
    let here = directory();
    record_stairs(here.path());
    let expected = ok(here.path(), "report access damon.damo --format json");
    assert_eq!(ok(here.path(), "report access --format json damon.damo"), expected);
}

/// A record that ends in the middle.
fn cut_record(directory: &Path) {
    record_stairs(directory);
    let path = directory.join("damon.damo");
    let whole = fs::read(&path).expect("record");
    fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
}

#[test]
fn errors_begin_with_error_and_warnings_with_warning() {
    let here = directory();
    for line in ["report wss", "report wss -i nowhere.damo", "report nonsense", "convert a b"] {
        let said = fails(here.path(), line, 2);
        assert!(said.starts_with("error: "), "damo {line}: {said}");
    }
    cut_record(here.path());
    for line in ["report wss", "info", "repair damon.damo saved.damo"] {
        let said = fails(here.path(), line, 3);
        assert!(said.starts_with("warning: "), "damo {line}: {said}");
    }
}

#[test]
fn messages_are_coloured_on_a_terminal_only_and_no_color_is_heeded() {
    let here = directory();
    cut_record(here.path());
    let shown = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = damo(here.path());
        command.args(words).env("TERM", "xterm-256color").envs(variables.iter().copied());
        on_terminal(command).1
    };
    let wrong = ["report", "wss", "-i", "nowhere.damo"];
    assert!(shown(&wrong, &[]).starts_with("\x1b[1;31merror:\x1b[0m nowhere.damo"), "{:?}", shown(&wrong, &[]));
    assert!(shown(&["info"], &[]).contains("\x1b[1;33mwarning:\x1b[0m damon.damo"), "{:?}", shown(&["info"], &[]));
    for variables in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        assert!(shown(&wrong, &[variables]).starts_with("error: nowhere.damo"), "{variables:?}");
        assert!(shown(&["info"], &[variables]).contains("warning: damon.damo"), "{variables:?}");
        assert!(!shown(&["info"], &[variables]).contains('\x1b'), "{variables:?}");
    }
    assert!(!fails(here.path(), "info", 3).contains('\x1b'));
}

#[test]
fn nothing_but_the_function_for_messages_prints_to_standard_error() {
    fn visit(directory: &Path) {
        for entry in fs::read_dir(directory).expect("sources") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                visit(&path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("text");
            let program = text.split("#[cfg(test)]").next().unwrap_or_default();
            assert!(!program.contains("eprint"), "{} prints to standard error by itself", path.display());
        }
    }
    let crates =
        ["damo", "damo-cli", "damo-steer", "damo-record", "damo-report", "damo-frame", "damo-edit", "damo-format"];
    for krate in crates.into_iter().chain(["damo-import", "damo-analysis"]) {
        visit(&common::top().join("crates").join(krate).join("src"));
    }
}

/// Runs a command as on a terminal of 80 columns; what it shows there.
fn shown(directory: &Path, words: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = damo(directory);
    command.args(words).env("TERM", "xterm-256color").env_remove("LESS").env_remove("PAGER");
    let (status, text) = on_terminal({
        command.envs(variables.iter().copied());
        command
    });
    assert!(status.success(), "{words:?}: {text}");
    text
}

#[test]
fn long_reports_go_through_the_users_pager_on_a_terminal_only() {
    let here = directory();
    record_stairs(here.path());
    let plain = ok(here.path(), "report raw");
    let pager = ("PAGER", "sed s/^/paged:/");
    for report in ["raw", "access"] {
        let text = shown(here.path(), &["report", report], &[pager]);
        assert!(text.lines().count() > 1000 && text.lines().all(|line| line.starts_with("paged:")), "{report}");
        let output = damo(here.path()).args(["report", report]).env("PAGER", "false").output().expect("damo starts");
        assert!(output.status.success() && output.stdout.len() > 10_000, "{report}: no pager into a pipe");
    }
    assert_eq!(shown(here.path(), &["report", "raw"], &[("PAGER", "")]), plain);
    assert_eq!(shown(here.path(), &["report", "raw", "--no_pager"], &[pager]), plain);
    assert!(!shown(here.path(), &["report", "wss"], &[pager]).contains("paged:"));
}

#[test]
fn a_pager_that_is_left_early_is_not_an_error_and_one_that_is_missing_loses_nothing() {
    let here = directory();
    record_stairs(here.path());
    let text = shown(here.path(), &["report", "raw"], &[("PAGER", "head -3")]);
    assert_eq!(text.lines().count(), 3, "{text}");
    let none = here.path().display().to_string();
    let mut command = damo(here.path());
    command.args(["report", "raw"]).env_remove("PAGER").env("PATH", none).env("TERM", "xterm");
    let (status, text) = on_terminal(command);
    assert!(status.success());
    assert_eq!(text, ok(here.path(), "report raw"));
}

#[test]
fn under_sudo_no_program_of_the_environments_choice_is_started() {
    let here = directory();
    record_stairs(here.path());
    let text =
        shown(here.path(), &["report", "raw"], &[("PAGER", "echo mine"), ("SUDO_UID", "1000"), ("PATH", "/nowhere")]);
    assert!(!text.contains("mine") && text.lines().count() > 1000, "{text}");
}

#[test]
fn values_that_are_one_of_a_list_are_offered_by_completion_and_named_in_errors() {
    let here = directory();
    let script = ok(here.path(), "completions bash");
    for (option, values) in [
        ("--colormap", "inferno magma viridis cividis gray"),
        ("--theme", "light dark"),
        ("--style", "detailed simple-boxes"),
        ("--style", "blocks digits"),
        ("--format", "text json csv markdown parquet png svg"),
        ("--simulate", "stairs zigzag pair"),
        ("--damos_action", "willneed cold pageout hugepage"),
    ] {
        let offered = script
            .split(&format!("{option})\n"))
            .skip(1)
            .any(|rest| rest.lines().next().is_some_and(|line| line.contains(&format!("-W \"{values}"))));
        assert!(offered, "{option} {values}");
    }
    record_stairs(here.path());
    for (line, value) in [
        ("report heats --colormap red", "viridis"),
        ("report heats --theme red", "dark"),
        ("report heats --style red", "digits"),
        ("report access --style red", "simple-boxes"),
        ("report wss --format red", "markdown"),
        ("report wss --sortby red", "time"),
        ("report access --format red", "markdown"),
        ("args --damos_action red", "pageout"),
        ("record --ops red 1", "fvaddr"),
        ("schemes suggest damon.damo --action red", "pageout"),
    ] {
        let said = fails(here.path(), line, 2);
        assert!(said.starts_with("error: ") && said.contains(value), "damo {line}: {said}");
    }
}

#[test]
fn a_report_without_the_word_report_is_suggested() {
    let here = directory();
    for (typed, meant) in
        [("heats", "heats"), ("heatmap", "heats"), ("wss", "wss"), ("raw", "raw"), ("footprints", "footprints")]
    {
        let said = fails(here.path(), typed, 2);
        assert!(said.contains(&format!("damo report {meant}")), "{said}");
    }
}

#[test]
fn short_help_fits_a_screen_and_the_long_one_has_examples() {
    fn visit(directory: &Path, words: &[String], command: &clap::Command) {
        let line = words.join(" ");
        let short = ok(directory, &format!("{line} -h"));
        let long = ok(directory, &format!("{line} --help"));
        assert!(short.lines().count() <= 60, "damo {line} -h has {} lines:\n{short}", short.lines().count());
        assert!(long.lines().count() >= short.lines().count(), "damo {line}");
        for word in ["Whom", "How closely", "Where to", "Manner", "What to do on it"] {
            assert!(!long.lines().any(|line| line.trim_end_matches(':') == word), "damo {line}: {word}");
        }
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            visit(directory, &[words, &[sub.get_name().to_owned()]].concat(), sub);
        }
    }
    let here = directory();
    visit(here.path(), &[], &damo::cli::command());
    let long = ok(here.path(), "record --help");
    for heading in ["Targets:", "Monitoring parameters:", "Output:", "Stopping:", "Examples:"] {
        assert!(long.contains(heading), "{heading}");
    }
}
