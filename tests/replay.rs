//! `damo replay`: the accesses of a record on real memory.

mod common;

use common::{damo, fails, ok};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Two areas, of which first one and then the other is accessed.
const WORKLOAD: &str =
    "hot, 4194304\ncold, 8388608\n\nfirst\n1000\nhot, 0, 4096, 1\n\nsecond\n1000\ncold, 1, 4096, 1\n";

fn record(here: &Path) {
    fs::write(here.join("two.cfg"), WORKLOAD).expect("write");
    ok(here, "record --quiet --simulate two.cfg -o two.damo");
}

/// Snapshots, and pages of all regions times their accesses.
fn accesses(here: &Path) -> (usize, u64) {
    let csv = ok(here, "report raw two.damo --format csv");
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().expect("names").split(',').collect();
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
    let (snapshot, start, end, accesses) = (at("start_ns"), at("start"), at("end"), at("nr_accesses"));
    let mut snapshots = std::collections::BTreeSet::new();
    let mut touched = 0;
    for line in lines {
        let values: Vec<&str> = line.split(',').collect();
        let number = |at: usize| values[at].parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
        snapshots.insert(number(snapshot));
        touched += (number(end) - number(start)) / 4096 * number(accesses);
    }
    (snapshots.len(), touched)
}

#[test]
fn each_page_is_touched_as_often_as_the_record_says_in_the_time_that_it_took() {
    let here = TempDir::new().expect("a directory");
    record(here.path());
    let (snapshots, touched) = accesses(here.path());
    let begun = std::time::Instant::now();
    let out = damo(here.path()).args(["replay", "two.damo", "--speed", "4"]).output().expect("damo starts");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(begun.elapsed().as_millis() >= 480, "two seconds at four times the speed");
    assert!(said.contains(&format!("all snapshots are replayed: {snapshots} snapshots")), "{said}");
    assert!(said.contains(&format!("{touched} pages touched")), "{said}\n{touched}");
    assert!(touched > 10_000);
}

#[test]
fn a_replay_can_be_recorded_and_its_memory_is_seen() {
    let here = TempDir::new().expect("a directory");
    record(here.path());
    let program = env!("CARGO_BIN_EXE_damo");
    let line =
        format!("record --quiet --source referenced -s 20ms -a 200ms -o again.damo -- {program} replay two.damo");
    ok(here.path(), &line);
    let text = ok(here.path(), "report wss again.damo --exclude_samples 0 --format csv");
    let largest = text.lines().filter(|line| line.starts_with("100,") || line.contains(",100,"));
    assert!(largest.count() > 0, "{text}");
    let info = ok(here.path(), "info again.damo");
    assert!(info.contains("damo"), "{info}");
}

#[test]
fn what_cannot_be_replayed_is_told_with_the_remedy() {
    let here = TempDir::new().expect("a directory");
    record(here.path());
    assert!(fails(here.path(), "replay two.damo --pid 7", 2).contains("damo info"));
    assert!(fails(here.path(), "replay two.damo --speed 0", 2).contains("greater than 0"));
    assert!(fails(here.path(), "replay none.damo", 2).contains("none.damo"));
}
