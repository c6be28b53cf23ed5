//! `damo explain` prints commands that run as they are printed.

mod common;

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The commands of a record's sentences, from the JSON and as the text has them.
fn commands(here: &Path, record: &str) -> Vec<String> {
    let json = common::ok(here, &format!("explain {record} --format json"));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let sentences = json["tables"]["sentences"].as_array().expect("sentences").clone();
    let mut all: Vec<String> =
        sentences.iter().map(|said| said["command"].as_str().expect("a command").to_owned()).collect();
    let text = common::ok(here, &format!("explain {record}"));
    let mut printed = String::new();
    for line in text.lines().filter(|line| line.starts_with("    ")) {
        printed += line;
        printed.push('\n');
    }
    // Long ones go on in the next line, as shells have it.
    all.extend(printed.replace("\\\n", " ").lines().map(|line| line.trim().to_owned()));
    all
}

#[test]
fn every_command_runs_as_it_is_printed() {
    let here = tempfile::tempdir().expect("a directory");
    let here = here.path();
    for (workload, name) in [("zigzag", "zigzag.damo"), ("pair", "a b.damo"), ("stairs-30s", "stairs.damo")] {
        let made = common::damo(here).args(["record", "--quiet", "--simulate", workload, "-o", name]).output();
        assert!(made.expect("damo starts").status.success(), "{name}");
    }
    std::fs::copy(common::real("stairs/damon.data"), here.join("real.data")).expect("copied");
    let program = Path::new(env!("CARGO_BIN_EXE_damo")).parent().expect("a directory");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    for record in ["zigzag.damo", "'a b.damo'", "stairs.damo", "real.data"] {
        let all = if record.starts_with('\'') {
            let out =
                common::damo(here).args(["explain", "a b.damo", "--format", "json"]).output().expect("damo starts");
            let json: Value = serde_json::from_slice(&out.stdout).expect("JSON");
            let sentences = json["tables"]["sentences"].as_array().expect("sentences").clone();
            sentences.iter().map(|said| said["command"].as_str().expect("a command").to_owned()).collect()
        } else {
            commands(here, record)
        };
        assert!(all.len() > 5, "{all:?}");
        for command in all {
            assert!(command.starts_with("damo ") && command.contains(record), "{command}");
            let out = Command::new("sh").args(["-c", &command]).current_dir(here).env("PATH", &path).output();
            let out = out.expect("a shell");
            // Doctor has an exit code for what it finds.
            let is_fine = out.status.success() || (command.starts_with("damo doctor") && out.status.code() == Some(1));
            assert!(is_fine && !out.stdout.is_empty() || command.contains(".png"), "{command}: {out:?}");
            assert!(is_fine, "{command}: {out:?}");
        }
    }
}

#[test]
fn all_forms_and_the_curve_of_limits_are_there() {
    let here = tempfile::tempdir().expect("a directory");
    let here = here.path();
    common::ok(here, "record --quiet --simulate zigzag -o zigzag.damo");
    let markdown = common::ok(here, "explain zigzag.damo --format markdown");
    assert!(markdown.contains("| topic") && markdown.contains("damo report wss zigzag.damo"), "{markdown}");
    let text = common::ok(here, "explain zigzag.damo --right-size");
    assert!(text.contains("knee") && text.contains("proposed"), "{text}");
    common::ok(here, "explain zigzag.damo --right-size --plot limit.svg");
    let picture = std::fs::read_to_string(here.join("limit.svg")).expect("a picture");
    assert!(picture.contains("memory limit") && picture.contains("knee"));
    let out = common::damo(here).args(["explain", "zigzag.damo", "--plot", "no.png"]).output().expect("damo starts");
    assert!(out.status.code() == Some(2) && String::from_utf8_lossy(&out.stderr).contains("no picture"), "{out:?}");
    let phase = common::ok(here, "report wss zigzag.damo --phase 2 --phase 4");
    assert!(phase.contains("95.4"), "{phase}");
    for (line, said) in [
        ("report wss zigzag.damo --phase 14", "13 phases, numbers 1 to 13"),
        ("report wss zigzag.damo --phase 2 --snapshot_time 0 1s", "both name a time"),
        ("report heats zigzag.damo --phase 2 --phase 5", "do not follow on one another"),
        ("report heats zigzag.damo --phases", "for pictures"),
        ("report record_info zigzag.damo --phase 1", "whole records"),
    ] {
        let out = common::damo(here).args(line.split(' ')).output().expect("damo starts");
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(2) && error.contains(said), "{line}: {error}");
    }
}
