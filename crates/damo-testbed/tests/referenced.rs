//! Recordings of referenced pages, of a real process on this machine: its working set is known to the page.

#![allow(clippy::unwrap_used)]

use damo_format::Reader;
use damo_model::human::TimeUnit;
use damo_model::{Bytes, Intervals, Nanos, Selection, Side, Source};
use damo_record::request::{Limits, Request, SourceChoice};
use damo_steer::Notifier;
use damo_steer::plan::TargetSpec;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What the workload accesses.
const HOT: u64 = 96 << 20;
/// What it has and does not access in its phase.
const COLD: u64 = 64 << 20;
/// Signals are the process's: one recording at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Keeps warnings.
#[derive(Default)]
struct Warnings(Vec<String>);

impl Notifier for Warnings {
    fn draw(&mut self, _: &dyn Fn() -> String) {}
    fn say(&mut self, _: &str) {}
    fn note(&mut self, _: &str) {}
    fn warn(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
    fn clear(&mut self) {}
}

/// Records the workload for some seconds, and gives the record and what was warned of.
fn record(dir: &Path, source: SourceChoice, root: &Path, options: &[&str]) -> (Reader, Vec<String>) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let config = dir.join("hot.cfg");
    std::fs::write(&config, format!("hot, {HOT}\ncold, {COLD}\n\nall\n10000\nhot, 0, 4096, 1\n")).unwrap();
    let mut words: Vec<std::ffi::OsString> = vec![env!("CARGO_BIN_EXE_damo-workload").into(), "--quiet".into()];
    // A pause after all pages were accessed once.
    words.extend(["--nr_accesses_per_region", "24576", "--rest", "20000"].map(Into::into));
    words.extend(options.iter().map(Into::into));
    words.push(config.into());
    let mut request = Request::new(TargetSpec::Command { words, ranges: Vec::new() }, Some(dir.join("a.damo")));
    request.source = source;
    request.root = root.to_path_buf();
    let mut warnings = Warnings::default();
    damo_record::run(&request, &mut warnings).unwrap();
    (Reader::open(dir.join("a.damo")).unwrap(), warnings.0)
}

/// Bytes with accesses of each target in each snapshot, and what there is in all.
fn working_sets(reader: &Reader) -> BTreeMap<u32, Vec<(u64, u64)>> {
    let mut found: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    for block in 0..reader.index().len() {
        let batch = reader.read_block(block, &Selection::all()).unwrap();
        for head in &batch.snapshots {
            let size = |row: usize| batch.end[row] - batch.start[row];
            let rows = head.regions.clone();
            let accessed = rows.clone().filter(|row| batch.nr_accesses[*row] > 0).map(size).sum();
            found.entry(head.target.0).or_default().push((accessed, rows.map(size).sum()));
        }
    }
    found
}

#[test]
fn the_working_set_of_a_real_process_is_right_within_two_percent() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, _) = record(dir.path(), SourceChoice::Referenced, Path::new("/"), &[]);
    assert_eq!(reader.meta().source, Source::Referenced);
    let found = working_sets(&reader);
    let (_, snapshots) = found.first_key_value().expect("a target");
    // While it begins and while it ends, other memory is accessed as well, or less of it. How many snapshots there are in
    // between depends on how long this machine takes to read the pages.
    let end = (snapshots.len() - 1).max(2).min(snapshots.len());
    let steady = snapshots.get(1..end).unwrap_or_default();
    assert!(!steady.is_empty(), "{snapshots:?}");
    for (accessed, whole) in steady {
        let error = *accessed as f64 / HOT as f64 - 1.0;
        assert!(error.abs() < 0.02, "{error}: {snapshots:?}");
        assert!(*whole > HOT + COLD, "what is idle is there as well");
    }
    let sides = reader.side_data().unwrap();
    assert!(sides.iter().any(|side| matches!(side, Side::Mappings(_))));
    assert!(sides.iter().any(|side| matches!(side, Side::Process(_))));
}

#[test]
fn children_are_targets_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, _) = record(dir.path(), SourceChoice::Referenced, Path::new("/"), &["--children", "1"]);
    let right = working_sets(&reader)
        .into_values()
        .filter(|snapshots| snapshots.iter().any(|(accessed, _)| (*accessed as f64 / HOT as f64 - 1.0).abs() < 0.02));
    assert_eq!(right.count(), 2, "{:?}", reader.targets());
}

#[test]
fn where_damon_cannot_be_had_referenced_pages_are_recorded_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    // A machine without /sys: there is no DAMON in it.
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink("/proc", root.join("proc")).unwrap();
    let (reader, warnings) = record(dir.path(), SourceChoice::Auto, &root, &[]);
    assert_eq!(reader.meta().source, Source::Referenced);
    assert!(warnings.iter().any(|text| text.contains("DAMON cannot be used here")), "{warnings:?}");

    let request = |what| Request { root: root.clone(), ..Request::new(what, Some(PathBuf::from("b.damo"))) };
    let refused = |request: &Request| damo_record::run(request, &mut Warnings::default()).unwrap_err().to_string();
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let me = TargetSpec::Pids { pids: vec![1], ranges: Vec::new() };
    let said = refused(&Request { source: SourceChoice::Damon, ..request(me) });
    assert!(said.contains("this machine is not ready for recording"), "{said}");
    let said = refused(&request(TargetSpec::PADDR));
    assert!(said.contains("this machine is not ready for recording"), "{said}");
    let said = refused(&Request { source: SourceChoice::Referenced, ..request(TargetSpec::PADDR) });
    assert!(said.contains("physical memory can only be had with DAMON"), "{said}");
}

#[test]
fn intervals_that_are_asked_for_are_used_and_the_time_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let words = ["sleep", "4"].map(Into::into).to_vec();
    let mut request = Request::new(TargetSpec::Command { words, ranges: Vec::new() }, Some(dir.path().join("a.damo")));
    request.source = SourceChoice::Referenced;
    let time = |text| damo_model::human::parse_time(text, TimeUnit::Millis).unwrap();
    request.monitoring.intervals = Intervals { sample: time("50ms"), aggregation: time("300ms"), update: time("1s") };
    request.limits = Limits { timeout: Some(Nanos::from_secs(2)), ..Limits::default() };
    damo_record::run(&request, &mut Warnings::default()).unwrap();
    let reader = Reader::open(dir.path().join("a.damo")).unwrap();
    assert_eq!(reader.meta().intervals.unwrap().aggregation, time("300ms"));
    assert!((2..=6).contains(&reader.totals().snapshots), "{:?}", reader.totals());
    assert!(reader.totals().file < Bytes(1 << 20));
}
