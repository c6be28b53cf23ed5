//! `scripts/memory-check` from a clean directory, with a real program whose change makes it fail, as docs/ci.md says.

mod common;

use common::top;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the step on the program with a table of so many numbers.
fn step(directory: &Path, numbers: u32) -> Output {
    let mut command = Command::new(top().join("scripts/memory-check"));
    command.current_dir(directory).env("DAMO", env!("CARGO_BIN_EXE_damo"));
    command.env("GITHUB_STEP_SUMMARY", directory.join("summary.md"));
    // Between two looks at the pages the program goes over its table many times, also on a busy machine.
    let record = "--source referenced -s 200ms -a 400ms";
    command.args(["--conditions", "conditions.toml", "--runs", "2", "--record", record, "--", "awk"]);
    command.args(["-v", &format!("N={numbers}"), "-v", "SECONDS=3", "-f", "table.awk"]);
    command.output().expect("a shell")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_program_that_grew_fails_and_one_that_did_not_passes() {
    let here = tempfile::tempdir().expect("temporary directory");
    fs::copy(top().join("testdata/ci/table.awk"), here.path().join("table.awk")).expect("copied");
    // Much less than what doubles, and much more than virtual machines and busy ones blur: there a page that is used can
    // count as not referenced, because the processor is not told to look it up anew.
    let conditions = fs::read_to_string(top().join("testdata/ci/memory.toml")).expect("read").replace("+5%", "+50%");
    fs::write(here.path().join("conditions.toml"), conditions).expect("written");
    let first = step(here.path(), 100_000);
    if said(&first).contains("cannot be recorded") || said(&first).contains("not tell which pages") {
        // Where nobody may read which pages a process references, there is nothing to check.
        return;
    }
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    assert!(said(&first).contains("there is no baseline"), "{}", said(&first));
    fs::rename(here.path().join("memory-check"), here.path().join("baseline")).expect("renamed");

    let same = step(here.path(), 100_000);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    let grown = step(here.path(), 200_000);
    assert_eq!(grown.status.code(), Some(1), "{}", said(&grown));
    assert!(said(&grown).contains("FAILS       [heap]:wss-p50 +50 %"), "{}", said(&grown));
    let results = here.path().join("memory-check");
    for (file, begins) in [
        ("run-1.damo", ""),
        ("run-2.damo", ""),
        ("check.md", "### damo check: "),
        ("check.xml", "<?xml"),
        ("check.json", "{"),
        ("check.png", ""),
        ("report.html", "<!doctype html>"),
    ] {
        let bytes = fs::read(results.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(bytes.len() > 200 && bytes.starts_with(begins.as_bytes()), "{file}");
    }
    let summary = fs::read_to_string(here.path().join("summary.md")).expect("a summary");
    assert_eq!(summary.matches("### damo check: ").count(), 3, "{summary}");
}

#[test]
fn the_program_that_cannot_start_and_the_missing_conditions_are_told() {
    let here = tempfile::tempdir().expect("temporary directory");
    let run = |words: &[&str]| {
        let mut command = Command::new(top().join("scripts/memory-check"));
        command.current_dir(here.path()).env("DAMO", env!("CARGO_BIN_EXE_damo")).args(words).output().expect("a shell")
    };
    assert_eq!(run(&[]).status.code(), Some(2));
    let without = run(&["--", "true"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(said(&without).contains("memory.toml does not exist"), "{}", said(&without));
    fs::write(here.path().join("memory.toml"), "[conditions]\nwss-p95 = \"1GiB\"\n").expect("written");
    let nothing = run(&["--record", "--source referenced", "--", "./no-such-program"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", said(&nothing));
    assert!(said(&nothing).contains("no-such-program"), "{}", said(&nothing));
}

#[test]
fn the_workflow_calls_the_script_with_options_that_it_has_and_files_that_it_makes() {
    let workflow = fs::read_to_string(top().join("docs/memory-check.yml")).expect("the workflow");
    let script = fs::read_to_string(top().join("scripts/memory-check")).expect("the script");
    let call = workflow.lines().find(|line| line.contains("scripts/memory-check --")).expect("a call");
    let options = call.split(' ').filter(|word| word.starts_with("--") && word.len() > 2 && *word != "--benchmark");
    for option in options.filter(|option| *option != "--source") {
        assert!(script.contains(&format!("        {option}) ")), "{option}");
    }
    assert!(workflow.contains("memory-check/check.md") && script.contains("$out/check.md"));
}
