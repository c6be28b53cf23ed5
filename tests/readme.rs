//! What README.md says works: its two commands, and every `damo` line in it.

mod common;

use std::ffi::OsString;

/// The lines of the ```sh blocks.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(common::top().join("README.md")).expect("README.md");
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && !line.is_empty() {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn every_damo_line_is_understood() {
    let lines: Vec<String> = commands().into_iter().filter(|line| line.starts_with("damo ")).collect();
    assert!(lines.len() > 10, "the README shows commands");
    for line in lines {
        let words = line.replace("$(pidof app)", "4711").replace("$(pidof masim)", "4711");
        let parsed = damo::cli::parse(words.split_whitespace().map(OsString::from));
        assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|error| error.to_string()).unwrap_or_default());
    }
}

#[test]
fn the_first_command_is_the_demo_and_it_shows_and_writes_what_is_promised() {
    assert_eq!(commands()[0], "cargo run --release -- demo");
    let directory = tempfile::tempdir().expect("temporary directory");
    let shown = common::ok(directory.path(), "demo");
    assert!(shown.contains("# access_frequency"), "the heat map's legend:\n{shown}");
    assert!(shown.contains("<percentile> <wss>"), "the working set distribution:\n{shown}");
    for file in ["damon.damo", "heats.png", "heats.svg", "wss.png", "footprints.png"] {
        let path = directory.path().join("damo-demo").join(file);
        assert!(path.metadata().is_ok_and(|meta| meta.len() > 500), "{}", path.display());
    }
}

#[test]
fn the_second_command_is_the_test_script_that_ci_calls() {
    assert_eq!(commands()[1], "scripts/test");
    let ci = std::fs::read_to_string(common::top().join(".ci/run")).expect(".ci/run");
    assert!(ci.contains("\nscripts/test "));
}

#[test]
fn report_lines_of_the_readme_run_on_a_simulated_record() {
    let directory = tempfile::tempdir().expect("temporary directory");
    common::record_stairs(directory.path());
    let lines: Vec<String> = commands()
        .into_iter()
        .filter(|line| ["damo report", "damo info", "damo doctor damon"].iter().any(|start| line.starts_with(start)))
        .filter(|line| !line.contains("damon.data"))
        .collect();
    assert!(lines.len() >= 6, "the README shows reports");
    for line in lines {
        common::ok(directory.path(), line.trim_start_matches("damo "));
    }
}

#[test]
fn files_that_the_readme_links_to_exist() {
    let text = std::fs::read_to_string(common::top().join("README.md")).expect("README.md");
    let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 5);
    for link in links {
        assert!(common::top().join(link).exists(), "{link}");
    }
}
