//! What the reports say beyond the Python tool: schemes over the heat, working sets by mapping and with their errors,
//! footprints beside working sets, the one-page report, tables that stream. `DAMO_BLESS=1` rewrites what is kept in
//! `testdata/golden/ours` and `testdata/golden/pictures`.

use damo_frame::{OpenOptions, Record};
use damo_model::{
    Addr, Intervals, Item, Mark, Meta, Nanos, NrAccesses, Region, Side, Snapshot, Stamp, Target, TargetKey, TimeSpan,
};
use damo_report::access::{self, Style as AccessStyle};
use damo_report::ages::{self, ages};
use damo_report::distribution::DistributionText;
use damo_report::filter::Filter;
use damo_report::footprints::{self, Metric, footprints};
use damo_report::guide::guide;
use damo_report::heats::{Columns, Depth, Glyphs, HeatMap, HeatsOptions, HeatsReport, TerminalStyle, heats};
use damo_report::holistic::{self, Overview, holistic};
use damo_report::nr_regions::{self, nr_regions};
use damo_report::picture::{Format, Picture, Style, Theme, draw};
use damo_report::profile::{self, profile};
use damo_report::range::{TimeBase, TimeRange};
use damo_report::several::Apart;
use damo_report::wss::{self, wss};
use damo_report::{Form, Report, distribution::SortBy, raw, times};
use std::path::{Path, PathBuf};

const MS: i64 = 1_000_000;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

fn open(name: &str) -> Record {
    Record::open(&testdata().join("real").join(name), &OpenOptions::default()).expect("the recording is readable")
}

fn stairs() -> [Record; 1] {
    [open("stairs/damon.data")]
}

fn kept(path: &str, ours: &[u8]) {
    let path = testdata().join("golden").join(path);
    if std::env::var_os("DAMO_BLESS").is_some() {
        std::fs::write(&path, ours).expect("can write");
    }
    let expected = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if ours == expected {
        return;
    }
    let (ours, expected) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(&expected));
    let differs = ours.lines().zip(expected.lines()).enumerate().find(|(_, (a, b))| a != b);
    panic!("{}: {differs:?}; run with DAMO_BLESS=1 if that is wanted", path.display());
}

fn kept_text(name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    write(&mut out);
    kept(&format!("ours/{name}.txt"), &out);
}

fn kept_picture(name: &str, picture: &dyn Picture, style: &Style) {
    kept(&format!("pictures/{name}.svg"), &draw(picture, Format::Svg, style).expect("drawn"));
    let png = draw(picture, Format::Png, style).expect("drawn");
    assert!(png.starts_with(b"\x89PNG"));
}

fn style(theme: Theme) -> Style {
    Style { width: 1000, height: 600, theme, subtitle: Some("a recording".to_owned()), ..Style::default() }
}

fn terminal(rows: usize) -> HeatsOptions {
    HeatsOptions { rows, columns: Columns::Shared { total: 68, least: 8, between: 1 }, ..HeatsOptions::overview() }
}

fn plain_map(report: &HeatsReport) -> Vec<u8> {
    let style = TerminalStyle { glyphs: Glyphs::HalfBlocks, depth: Depth::Plain, ..TerminalStyle::default() };
    let mut out = Vec::new();
    report.write_terminal(&mut out, &style).expect("memory takes all");
    out
}

#[test]
fn what_a_scheme_was_applied_to_lies_over_the_monitored_targets_heat() {
    let report = heats(&[open("schemes/trace.txt")], &terminal(16)).expect("there is a map");
    assert_eq!(report.identity.scheme, None, "the map is of what was monitored, not of the scheme's view");
    let [layer] = &report.schemes[..] else { panic!("one scheme was applied: {:?}", report.schemes.len()) };
    assert_eq!((layer.scheme, layer.action.as_deref(), layer.times), (0, None, 20));
    kept_text("schemes-map", |out| out.extend(plain_map(&report)));
    let without = HeatsOptions { schemes: false, ..terminal(16) };
    assert!(heats(&[open("schemes/trace.txt")], &without).expect("there is a map").schemes.is_empty());
    for (name, theme) in [("light", Theme::Light), ("dark", Theme::Dark)] {
        let style = style(theme);
        let report = heats(&[open("schemes/trace.txt")], &HeatMap::options(&style)).expect("there is a map");
        kept_picture(&format!("schemes-{name}"), &HeatMap { report: &report }, &style);
    }
}

#[test]
fn an_application_is_of_the_moment_and_not_of_the_time_since_the_one_before() {
    let intervals = Some(Intervals::default());
    let target = Target { target_id: Some(0), ..Target::default() };
    let view = Target { key: TargetKey(1), context: Some(0), scheme: Some(3), ..target.clone() };
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(target), Item::Target(view)];
    let region = |start, end| Region::new(Addr(start), Addr(end), NrAccesses(0), None);
    for i in 0..10 {
        let (start, end) = (Nanos(i * 100 * MS), Nanos((i + 1) * 100 * MS));
        let mut snapshot = Snapshot::new(TargetKey(0), start, end, intervals);
        snapshot.regions.push(region(0, 8192));
        items.push(Item::Snapshot(snapshot));
    }
    let mut applied = Snapshot::new(TargetKey(1), Nanos(0), Nanos(1000 * MS), intervals);
    applied.regions.push(region(4096, 8192));
    items.push(Item::Snapshot(applied));
    let record = Record::from_items(&items).expect("in order");
    let options = HeatsOptions { rows: 10, columns: Columns::Each(2), ..HeatsOptions::overview() };
    let report = heats(&[record], &options).expect("there is a map");
    assert_eq!(report.schemes[0].title(), "scheme 3");
    let applied: Vec<usize> = (0..20).filter(|cell| report.schemes[0].is_applied(0, *cell)).collect();
    assert_eq!(applied, [19], "the last row, the second half");
}

#[test]
fn cells_of_too_few_checks_are_marked() {
    // One check in each aggregation: 10 ms / 10 ms.
    let intervals = Intervals { sample: Nanos(10 * MS), aggregation: Nanos(10 * MS), ..Intervals::default() };
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
    for i in 0..40 {
        let (start, end) = (Nanos(i * 10 * MS), Nanos((i + 1) * 10 * MS));
        let mut snapshot = Snapshot::new(TargetKey(0), start, end, Some(intervals));
        snapshot.regions.push(Region::new(Addr(0), Addr(8192), NrAccesses(1), None));
        items.push(Item::Snapshot(snapshot));
    }
    let doubtful = |rows, least| {
        let record = Record::from_items(&items).expect("in order");
        let options = HeatsOptions { rows, columns: Columns::Each(8), min_checks: least, ..HeatsOptions::overview() };
        heats(&[record], &options).expect("there is a map")
    };
    let fine = doubtful(40, 16);
    assert!(fine.has_doubtful_cells() && fine.panels[0].is_doubtful(7, 3, 16));
    assert!(String::from_utf8(plain_map(&fine)).expect("text").contains("? fewer than 16 checks"));
    assert!(!doubtful(2, 16).has_doubtful_cells(), "twenty checks in each cell");
    assert!(!doubtful(40, 0).has_doubtful_cells());
}

#[test]
fn incomplete_times_are_hatched_on_the_terminal() {
    let report = heats(&[open("lossy/perf.data")], &terminal(14)).expect("there is a map");
    kept_text("lossy-map", |out| out.extend(plain_map(&report)));
}

#[test]
fn a_map_zooms_from_a_mark_to_the_next() {
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
    for (at, text) in [(200, "load"), (700, "serve")] {
        items.push(Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(at * MS)), text: text.to_owned() })));
    }
    for i in 0..10 {
        let (start, end) = (Nanos(i * 100 * MS), Nanos((i + 1) * 100 * MS));
        let mut snapshot = Snapshot::new(TargetKey(0), start, end, Some(Intervals::default()));
        snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(5), None));
        items.push(Item::Snapshot(snapshot));
    }
    let time = |mark: &str| {
        let record = Record::from_items(&items).expect("in order");
        heats(&[record], &HeatsOptions { mark: Some(mark.to_owned()), ..HeatsOptions::default() })
            .map(|report| report.time)
    };
    assert_eq!(time("load").expect("a mark"), TimeSpan::new(Nanos(200 * MS), Nanos(700 * MS)));
    assert_eq!(time("serve").expect("a mark"), TimeSpan::new(Nanos(700 * MS), Nanos(1000 * MS)));
    assert!(time("stop").expect_err("no mark").to_string().contains("load, serve"));
}

#[test]
fn working_sets_are_told_apart_by_mapping() {
    let options = wss::WssOptions { per_mapping: true, errors: true, ..wss::WssOptions::default() };
    let report = wss(&stairs(), &options).expect("a report");
    kept_text("stairs-wss-mappings", |out| report.write_text(out, &DistributionText::default()).expect("text"));
    // The parts of each snapshot are the whole.
    let whole = wss(&stairs(), &wss::WssOptions::default()).expect("a report");
    for (i, point) in whole.series[0].points.iter().enumerate() {
        let parts: u64 = report.series.iter().map(|series| series.points[i].value).sum();
        assert_eq!(parts, point.value, "snapshot {i}");
    }
    let error = wss(&[open("thousand-regions/damon.data")], &options).expect_err("no mappings");
    assert!(error.to_string().contains("does not say what was mapped where"), "{error}");
}

#[test]
fn working_sets_come_with_their_errors_and_as_histograms() {
    let options = wss::WssOptions { errors: true, ..wss::WssOptions::default() };
    let report = wss(&stairs(), &options).expect("a report");
    kept_text("stairs-wss-error", |out| report.write_text(out, &DistributionText::default()).expect("text"));
    let text = DistributionText { histogram: Some(10), ..DistributionText::default() };
    kept_text("stairs-wss-histogram", |out| report.write_text(out, &text).expect("text"));
    // Errors change nothing but what is said of them.
    let plain = wss(&stairs(), &wss::WssOptions::default()).expect("a report");
    assert_eq!(plain.series[0].distribution.percentiles, report.series[0].distribution.percentiles);
    kept_picture(
        "wss-histogram",
        &*report.picture(&DistributionText { histogram: Some(10), ..DistributionText::default() }).expect("a picture"),
        &style(Theme::Light),
    );
}

#[test]
fn the_access_report_prints_errors_if_asked() {
    for (name, of) in [("detailed", AccessStyle::Detailed), ("recency", AccessStyle::RecencyPercentiles)] {
        let mut filter = Filter::default();
        filter.snapshot_idx.push(damo_report::filter::Bounds::new(300, 300));
        let options =
            access::AccessOptions { style: of, errors: true, color: false, filter, ..access::AccessOptions::default() };
        let records = stairs();
        let report = access::AccessReport { records: &records, options };
        kept_text(&format!("stairs-access-{name}-error"), |out| {
            report.write_text(out, &()).expect("a report");
        });
        report.picture(&()).expect("a picture");
    }
}

#[test]
fn every_style_of_the_access_report_has_its_tables() {
    let records = stairs();
    let names = |style, only: Option<&str>| {
        let options = access::AccessOptions { style, ..access::AccessOptions::default() };
        let report = access::AccessReport { records: &records, options };
        let large = only.and_then(|only| report.large_table(only).expect("a table"));
        report
            .tables()
            .expect("tables")
            .iter()
            .chain(&large)
            .map(|table| (table.name, table.frame.height()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(AccessStyle::Detailed, None), [("snapshots", 435)]);
    assert_eq!(names(AccessStyle::Hot, Some("regions")), [("snapshots", 435), ("regions", 8701)]);
    assert_eq!(names(AccessStyle::RecencySzHist, None), [("histogram", 4350), ("snapshots", 435)]);
    assert_eq!(names(AccessStyle::TemperaturePercentiles, None), [("percentiles", 3045), ("snapshots", 435)]);
}

#[test]
fn the_raw_table_streams_the_same_rows_in_every_form() {
    use polars_io::prelude::{ParquetReader, SerReader};
    let records = stairs();
    let found = Apart::look(&records, |records| raw::raw(records, raw::RawOptions::default())).expect("a report");
    let written = |form| {
        let mut out = Vec::new();
        found.write_tables(form, None, &mut out).expect("written");
        out
    };
    let csv = String::from_utf8(written(Form::Csv)).expect("text");
    assert!(csv.starts_with("target,start_ns,end_ns,start,end,nr_accesses,age,partial,record\n"));
    assert_eq!(csv.lines().count(), 8702);
    let json: serde_json::Value = serde_json::from_slice(&written(Form::Json)).expect("JSON");
    assert_eq!(json["tables"]["regions"].as_array().map(Vec::len), Some(8701));
    let frame = ParquetReader::new(std::io::Cursor::new(written(Form::Parquet))).finish().expect("Parquet");
    assert_eq!(frame.height(), 8701);
    assert_eq!(String::from_utf8(written(Form::Markdown)).expect("text").lines().count(), 8703);
}

#[test]
fn footprints_stand_beside_the_working_set_within_a_time() {
    let range = |base| TimeRange { start: Nanos(0), end: Nanos::from_secs(20), base };
    let options = footprints::FootprintsOptions {
        metrics: vec![Metric::Rss, Metric::Wss],
        time: Some(range(TimeBase::Guided)),
        ..footprints::FootprintsOptions::default()
    };
    let report = footprints(&stairs(), &options).expect("a report");
    assert!(report.aligned, "these readings tell wall times only");
    kept_text("stairs-footprints-wss", |out| report.write_text(out, &DistributionText::default()).expect("text"));
    kept_picture(
        "footprints-wss",
        &*report.picture(&DistributionText { sort: SortBy::Time, ..DistributionText::default() }).expect("a picture"),
        &style(Theme::Light),
    );
    let readings = [open("stairs/damon.data.mem_footprint")];
    let error = footprints(&readings, &options).expect_err("no snapshots");
    assert!(error.to_string().contains("name the record itself"), "{error}");
    let time = Some(range(TimeBase::Mark("none".to_owned())));
    let error =
        footprints(&readings, &footprints::FootprintsOptions { time, ..footprints::FootprintsOptions::default() });
    assert!(error.expect_err("no mark").to_string().contains("no mark is called 'none'"));
}

#[test]
fn one_page_tells_what_a_record_is_about_with_and_without_side_files() {
    let page = |records: &[Record]| {
        let options = holistic::HolisticOptions { heats: terminal(12), long: true };
        holistic(records, &options).expect("a page")
    };
    let text = TerminalStyle { glyphs: Glyphs::HalfBlocks, depth: Depth::Plain, ..TerminalStyle::default() };
    kept_text("stairs-holistic", |out| page(&stairs()).write_text(out, &text).expect("text"));
    kept_text("schemes-holistic", |out| page(&[open("schemes/trace.txt")]).write_text(out, &text).expect("text"));
    let tables = page(&stairs()).tables().expect("tables");
    let names: Vec<_> = tables.iter().map(|table| table.name).collect();
    assert_eq!(names, ["distributions", "maps", "regions", "ages"]);
    let style = style(Theme::Dark);
    let options = holistic::HolisticOptions { heats: Overview::options(&style, 1, false), long: false };
    let report = holistic(&stairs(), &options).expect("a page");
    kept_picture("stairs-holistic", &Overview { report: &report }, &style);
}

#[test]
fn reports_of_amounts_and_spans_are_bars() {
    let style = style(Theme::Light);
    let hot = Filter { access_rate: Some(damo_report::filter::Bounds::new(50.0, 100.0)), ..Filter::default() };
    let times = times::times(&stairs(), &hot).expect("a report");
    kept_picture("times", &*times.picture(&()).expect("a picture"), &style);
    let ages = ages(&stairs(), &ages::AgesOptions::default()).expect("a report");
    kept_picture("ages", &*ages.picture(&()).expect("a picture"), &style);
    kept_picture(
        "record_info",
        &*guide(&stairs()).expect("a report").picture(&damo_model::human::Style::Human).expect("a picture"),
        &style,
    );
    let [record] = stairs();
    let profile = profile(&record, &profile::ProfileOptions::default()).expect("a report");
    kept_picture("wss_profile", &*profile.picture(&()).expect("a picture"), &style);
    // Nothing at all can be drawn, too.
    let none = times::TimesReport { spans: Vec::new(), used: Default::default(), zero: Default::default() };
    draw(&*none.picture(&()).expect("a picture"), Format::Png, &style).expect("drawn");
}

#[test]
fn schemes_views_of_monitored_targets_are_left_out_unless_asked_for() {
    let records = [open("schemes/trace.txt")];
    let times = |filter: &Filter| times::times(&records, filter).expect("a report").spans;
    let spans = times(&Filter::default());
    assert_eq!(spans.iter().map(|span| span.target.as_str()).collect::<Vec<_>>(), ["0", "1"], "one span each");
    let mut filter = Filter::default();
    filter.target.scheme = Some(0);
    assert!(times(&filter).iter().all(|span| span.target.ends_with("(scheme 0)")));
    let regions = nr_regions(&records, &nr_regions::NrRegionsOptions::default()).expect("a report");
    assert_eq!(regions.series.iter().map(|series| series.label.as_str()).collect::<Vec<_>>(), ["0", "1"]);
}

#[test]
fn intervals_that_a_trace_does_not_tell_may_be_named() {
    let path = testdata().join("real/trace-text/trace.txt");
    let untold = [Record::open(&path, &OpenOptions::default()).expect("readable")];
    let error = ages(&untold, &ages::AgesOptions::default()).expect_err("no times").to_string();
    assert!(error.contains("--intervals 5ms 100ms"), "{error}");
    let mut options = OpenOptions::default();
    options.import.intervals = Some(Intervals::default());
    let told = [Record::open(&path, &options).expect("readable")];
    let report = ages(&told, &ages::AgesOptions::default()).expect("a report");
    assert!((report.rows.iter().map(|row| row.percent).sum::<f64>() - 100.0).abs() < 1e-6);
    let report = access::AccessReport { records: &told, options: access::AccessOptions::default() };
    report.tables().expect("tables");
}
