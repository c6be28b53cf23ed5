//! A data set of several hosts: records are in it once, and engines that are not ours find in it what reports and the simulated
//! workloads say.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All files below a directory, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

#[test]
fn a_record_is_in_a_data_set_once_whatever_it_is_called() {
    let here = tempfile::tempdir().expect("temporary directory");
    let dir = here.path();
    common::ok(dir, "record --quiet --simulate pair --timeout 20 -o pair.damo");
    fs::copy(dir.join("pair.damo"), dir.join("other.damo")).expect("a copy");
    let export = "--dataset set --host web-1 --service web --began 2026-11-30T23:59:50Z";
    common::ok(dir, &format!("export pair.damo {export}"));
    let first: Vec<(PathBuf, Vec<u8>)> =
        files(&dir.join("set")).into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect();
    let names: Vec<String> = first.iter().map(|(path, _)| path.display().to_string()).collect();
    for part in
        ["table=regions/date=2026-11-30/host=web-1/", "table=regions/date=2026-12-01/host=web-1/", "table=records/"]
    {
        assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
    }
    let again = common::run(dir, &format!("export pair.damo other.damo {export}"));
    assert!(String::from_utf8_lossy(&again.stderr).matches("in the data set already").count() == 2);
    let second: Vec<(PathBuf, Vec<u8>)> =
        files(&dir.join("set")).into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect();
    assert!(first == second, "{:?}", files(&dir.join("set")));
    // What was cut short is completed: the file that is written last is missing then.
    let last = first.iter().find(|(path, _)| path.display().to_string().contains("table=records")).expect("a file");
    fs::remove_file(&last.0).expect("removed");
    common::ok(dir, &format!("export other.damo {export}"));
    assert_eq!(fs::read(&last.0).expect("a file"), last.1);
}

#[test]
fn an_anonymous_data_set_tells_no_name() {
    let here = tempfile::tempdir().expect("temporary directory");
    let dir = here.path();
    common::ok(dir, "record --quiet --simulate pair --timeout 10 -o pair.damo");
    common::ok(dir, "export pair.damo --dataset open");
    common::ok(dir, "export pair.damo --dataset set --anonymize --service s1");
    let holds = |set: &str, word: &str| {
        files(&dir.join(set)).iter().any(|path| {
            let bytes = fs::read(path).expect("a file");
            bytes.windows(word.len()).any(|part| part == word.as_bytes())
        })
    };
    assert!(holds("open", "masim") && !holds("set", "masim"));
    let names = files(&dir.join("set"));
    assert!(names.iter().any(|path| path.display().to_string().contains("host=anonymous")), "{names:?}");
    let again = common::run(dir, "export pair.damo --dataset set --anonymize --service s1");
    assert!(String::from_utf8_lossy(&again.stderr).contains("in the data set already"));
}

#[test]
fn a_data_set_of_another_version_is_left_alone() {
    let here = tempfile::tempdir().expect("temporary directory");
    let dir = here.path();
    common::ok(dir, "record --quiet --simulate pair --timeout 5 -o pair.damo");
    fs::create_dir(dir.join("set")).expect("a directory");
    fs::write(dir.join("set/_damo.json"), "{\"damo_dataset\": 77}\n").expect("written");
    let output = common::run(dir, "export pair.damo --dataset set");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("version 77") && said.contains("new directory"), "{said}");
    assert_eq!(files(&dir.join("set")).len(), 1);
}

/// The queries of docs/fleet.md on a small fleet of simulated hosts, with DuckDB, and with Spark where it is installed.
#[test]
fn engines_find_what_reports_and_the_simulated_services_say() {
    let python = std::env::var_os("DAMO_FLEET_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let has = |module: &str| {
        Command::new(&python).args(["-c", &format!("import {module}")]).output().is_ok_and(|out| out.status.success())
    };
    for engine in ["duckdb", "pyspark"] {
        if !has(engine) {
            eprintln!(
                "note: Python has no {engine}: its queries of the data set are skipped (scripts/setup installs it)"
            );
            continue;
        }
        let here = tempfile::tempdir().expect("temporary directory");
        let mut command = Command::new(&python);
        command.arg(common::top().join("scripts/fleet")).args(["--hosts", "6", "--engine", engine, "--damo"]);
        let output = command.arg(env!("CARGO_BIN_EXE_damo")).arg(here.path()).output().expect("python starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("all checks passed"), "{engine}: {said}");
    }
}
