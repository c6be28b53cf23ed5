//! Pages of the HTML report to test, and finding one's way on them.

use crate::browser::Browser;
use crate::common;
use damo_frame::Record;
use damo_model::{
    Addr, Age, Bytes, Footprint, Item, Mapping, Mappings, Mark, Meta, Nanos, NrAccesses, Process, ProcessFootprint,
    Region, Side, Snapshot, SnapshotState, Stamp, Target, TargetKey, TimeSpan,
};
use damo_report::heats::{Columns, Grid, HeatsOptions, heats};
use damo_report::html;
use damo_report::range::{TimeBase, TimeRange};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The page of a simulated staircase: a minute, with marks.
pub fn stairs() -> (TempDir, PathBuf) {
    let here = tempfile::tempdir().expect("temporary directory");
    common::record_stairs(here.path());
    common::ok(here.path(), "report html -o page.html");
    let page = here.path().join("page.html");
    (here, page)
}

/// The page of any record.
pub fn page_of(here: &Path, record: &Record) -> PathBuf {
    let mut page = Vec::new();
    html::write_html(record, &html::HtmlOptions::default(), &mut page).expect("page");
    let path = here.join("page.html");
    fs::write(&path, page).expect("page");
    path
}

/// Where a share of a plot's width and height is on the screen: map `i`, from its top left corner.
pub fn spot(browser: &mut Browser, map: usize, across: f64, down: f64) -> (f64, f64) {
    browser.eval(&format!("maps[{map}].canvas.scrollIntoView({{block: 'center'}})"));
    let box_ = browser.eval(&format!(
        "(() => {{ const r = maps[{map}].canvas.getBoundingClientRect(), b = boxOf(maps[{map}].canvas); \
         return [r.left + b.x, r.top, b.width, b.height]; }})()"
    ));
    let [x, y, width, height] = [0, 1, 2, 3].map(|i| box_[i].as_f64().expect("number"));
    (x + across * width, y + down * height)
}

/// The heat maps that the library makes of the time that the page shows: without what ages tell of before.
pub fn maps(record: &Record, rows: usize, columns: Columns) -> Vec<Grid> {
    let TimeSpan { start, end } = record.time_span().expect("snapshots");
    let time_range = Some(TimeRange { start, end, base: TimeBase::At(Nanos(0)) });
    let options = HeatsOptions { time_range, ..HeatsOptions::picture(rows, columns) };
    heats(std::slice::from_ref(record), &options).expect("heats").panels
}

/// The time in view: from and to, ns.
pub fn window(browser: &mut Browser) -> (f64, f64) {
    (browser.number("view.t[0]"), browser.number("view.t[1]"))
}

/// Whether two numbers differ by at most this share of them.
pub fn near(a: f64, b: f64, share: f64) -> bool {
    (a - b).abs() <= share * a.abs().max(b.abs()).max(1e-9)
}

/// A record whose every name is an attack, with a gap, an incomplete snapshot and a target that was never seen.
pub fn hostile() -> Record {
    let evil = "</script><script>window.broken=1</script><!--<script><img src=x onerror=window.broken=2>\u{2028}";
    let process = Process { pid: 7, started: None, comm: evil.to_owned(), cmdline: evil.to_owned() };
    let region = |start: u64, end, samples| Region::new(Addr(start), Addr(end), NrAccesses(samples), Some(Age(0)));
    let snapshot = |at: i64, regions: Vec<Region>| {
        let mut snapshot = Snapshot::new(TargetKey(0), Nanos::from_secs(at), Nanos::from_secs(at + 1), None);
        snapshot.regions = regions;
        snapshot
    };
    let mut lossy = snapshot(5, vec![region(0x1000, 0x3000, 9)]);
    lossy.state = SnapshotState::Partial { expected: 2 };
    let mapping = |start: u64, end: u64, name: &str| Mapping {
        start: Addr(start),
        end: Addr(end),
        name: name.to_owned(),
        ..Mapping::default()
    };
    let footprint = Footprint { rss: Some(Bytes(0x9000)), ..Footprint::default() };
    let at = Stamp::Record(Nanos(0));
    let target = Some(TargetKey(0));
    let items = [
        Item::Meta(Meta { tool: evil.to_owned(), host: evil.to_owned(), ..Meta::default() }),
        Item::Target(Target { target_id: Some(0), process: Some(process), ..Target::default() }),
        Item::Target(Target { key: TargetKey(1), target_id: Some(1), ..Target::default() }),
        Item::Snapshot(snapshot(0, vec![region(0x1000, 0x5000, 10), region(0x5000, 0x9000, 0)])),
        Item::Snapshot(snapshot(1, vec![region(0x1000, 0x2000, 4), region(0x5000, 0x9000, 1)])),
        Item::Snapshot(lossy),
        Item::Snapshot(snapshot(7, vec![region(0x1000, 0x9000, 2)])),
        Item::Side(Side::Mappings(Mappings {
            at,
            pid: 7,
            target,
            mappings: vec![mapping(0x1000, 0x5000, evil), mapping(0x5000, 0x9000, "<!--<script>")],
        })),
        Item::Side(Side::Process(ProcessFootprint { at, pid: 7, target, footprint })),
        Item::Side(Side::Mark(Mark { at, text: evil.to_owned() })),
    ];
    Record::from_items(&items).expect("record")
}
