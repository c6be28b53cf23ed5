//! A data set of several hosts: records are in it once. scripts/check-fleet tests what engines that are not ours find in it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

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
fn a_record_that_cannot_be_exported_keeps_no_other_from_it() {
    let here = tempfile::tempdir().expect("temporary directory");
    let dir = here.path();
    common::ok(dir, "record --quiet --simulate pair --timeout 5 -o pair.damo");
    fs::write(dir.join("bad.damo"), "no record").expect("written");
    let output = common::run(dir, "export bad.damo missing.damo pair.damo --dataset set");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(["bad.damo", "missing.damo", "pair.damo: "].iter().all(|name| said.contains(name)), "{said}");
    let names = files(&dir.join("set"));
    assert!(names.iter().any(|path| path.display().to_string().contains("table=records")), "{names:?}");
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
