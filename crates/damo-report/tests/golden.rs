//! Text reports against the Python tool's output, byte for byte where it is right.
//!
//! `testdata/golden/python/NAME.txt` is what the Python tool (3.4.3) printed for small made-up records beside it;
//! `testdata/golden/stairs` for a real recording. Where it is wrong (docs/differences.md) or does not know something,
//! `testdata/golden/ours/NAME.txt` is expected instead, rewritten with `DAMO_BLESS=1`.
//!
//! The Python tool pipes outputs of more than 50 lines through a pager, which then lack their last line break.

use damo_frame::Record;
use damo_model::human::Style;
use damo_model::{Addr, AddrRange, Bytes, Nanos, NrAccesses};
use damo_report::access::{self, Area, HistogramOptions, Percentiles, SortKey, Style as AccessStyle};
use damo_report::distribution::{DistributionText, PercentileRange, SortBy};
use damo_report::filter::{Bounds, Filter};
use damo_report::footprints::{self, Metric, footprints};
use damo_report::heats::ColorSet;
use damo_report::nr_regions::{self, nr_regions};
use damo_report::temperature::Weights;
use damo_report::wss::{self, wss};
use damo_report::{Report, raw, times};
use std::path::{Path, PathBuf};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

fn open(path: &Path) -> Record {
    let mut items = Vec::new();
    damo_import::import_path(path, &damo_import::Options::default(), &mut items)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Record::from_items(&items).expect("items are in order")
}

/// A small made-up record.
fn made_up(name: &str) -> Record {
    open(&testdata().join(format!("golden/python/{name}.json.zlib")))
}

/// The real staircase recording.
fn stairs() -> [Record; 1] {
    [open(&testdata().join("real/stairs/damon.data"))]
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares, and shows the first line that differs.
fn same(name: &str, ours: &str, expected: &str) {
    if ours == expected {
        return;
    }
    let differs = ours.lines().zip(expected.lines()).enumerate().find(|(_, (ours, expected))| ours != expected);
    match differs {
        Some((i, (ours, expected))) => {
            panic!("{name}, line {}:\n  ours     {ours:?}\n  expected {expected:?}", i + 1)
        }
        None => panic!(
            "{name}: {} lines and {} bytes instead of {} and {}; ours ends {:?}",
            ours.lines().count(),
            ours.len(),
            expected.lines().count(),
            expected.len(),
            ours.lines().last()
        ),
    }
}

/// Compares with the Python tool's output, less the line breaks at its end, which depend on its pager.
fn as_python(folder: &str, name: &str, ours: &[u8]) {
    let expected = read(&testdata().join(format!("golden/{folder}/{name}.txt")));
    let ours = std::str::from_utf8(ours).expect("text");
    if let Some(head) = name.find(".head") {
        let lines: usize = name[head + 5..].parse().expect("a number of lines");
        let ours: String = ours.split_inclusive('\n').take(lines).collect();
        return same(name, &ours, &expected);
    }
    assert!(ours.ends_with('\n'), "{name} ends within a line");
    // It prints a temperature between -1 and 0 as "-0", and bytes that nobody counted as none.
    let expected = without_scheme_stats(&expected).replace(" -0, ", " 0, ").replace("|0 B||", "|N/A||");
    same(name, ours.trim_end_matches('\n'), expected.trim_end_matches('\n'));
}

/// `none` in place of each snapshot's statistics of the scheme, which our records do not keep.
fn without_scheme_stats(text: &str) -> String {
    let (mut kept, mut stats) = (String::new(), false);
    for line in text.split_inclusive('\n') {
        if line == "scheme stats\n" {
            stats = true;
            kept.push_str("scheme stats\nnone\n");
        } else if !stats {
            kept.push_str(line);
        } else if line.starts_with("tried ") && line.contains(" snapshots (max ") {
            stats = false;
        }
    }
    kept
}

/// Compares with our own expectation.
fn as_ours(name: &str, ours: &[u8]) {
    let path = testdata().join(format!("golden/ours/{name}.txt"));
    if std::env::var_os("DAMO_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("can make the folder");
        std::fs::write(&path, ours).expect("can write");
    }
    same(name, std::str::from_utf8(ours).expect("text"), &read(&path));
}

fn raw_text(record: Record, duration: Option<Bounds<Nanos>>, style: Style) -> Vec<u8> {
    let mut out = Vec::new();
    let options = raw::RawOptions { duration, ..raw::RawOptions::default() };
    raw::raw(&[record], options).expect("a report").write_text(&mut out, &style).expect("memory takes all");
    out
}

#[test]
fn raw_prints_what_the_python_tool_prints() {
    for name in ["one", "two", "nulltarget", "nointervals", "short"] {
        as_python("python", &format!("{name}-raw"), &raw_text(made_up(name), None, Style::Human));
    }
    as_python("python", "one-raw-number", &raw_text(made_up("one"), None, Style::Raw));
    let [stairs] = stairs();
    as_python("stairs", "access-raw.head400", &raw_text(stairs, None, Style::Human));
}

#[test]
fn raw_can_be_limited_to_a_time_from_the_start() {
    let duration = Some(Bounds::new(Nanos::from_millis(150), Nanos::from_millis(250)));
    let text = raw_text(made_up("one"), duration, Style::Human);
    let text = String::from_utf8(text).expect("text");
    let starts: Vec<_> = text.lines().filter(|line| line.starts_with("monitoring_start:")).collect();
    assert_eq!(starts, ["monitoring_start:          202.339 ms"]);
}

fn wss_text(records: &[Record], options: &wss::WssOptions, text: DistributionText) -> Vec<u8> {
    let mut out = Vec::new();
    wss(records, options).expect("a report").write_text(&mut out, &text).expect("memory takes all");
    out
}

const EVERY_FIFTH: PercentileRange = PercentileRange { start: 0, stop: 101, step: 5 };
const EVERY_TENTH: PercentileRange = PercentileRange { start: 0, stop: 101, step: 10 };

#[test]
fn wss_prints_what_the_python_tool_prints() {
    let human = DistributionText::default();
    let numbers = DistributionText { style: Style::Raw, ..human };
    let defaults = wss::WssOptions::default();
    let stairs = stairs();
    as_python("stairs", "wss", &wss_text(&stairs, &defaults, human));
    let every_fifth = wss::WssOptions { range: EVERY_FIFTH, ..defaults.clone() };
    as_python("stairs", "wss-raw", &wss_text(&stairs, &every_fifth, numbers));
    as_python("stairs", "wss-all", &wss_text(&stairs, &defaults, DistributionText { all: true, ..numbers }));
    let by_time = wss::WssOptions { range: EVERY_TENTH, sort: SortBy::Time, ..defaults.clone() };
    as_python("stairs", "wss-time", &wss_text(&stairs, &by_time, human));
    let per_target = wss::WssOptions { per_target: true, ..defaults.clone() };
    as_python("stairs", "wss-pertarget", &wss_text(&stairs, &per_target, human));

    as_python("python", "two-wss-pt", &wss_text(&[made_up("two")], &per_target, human));
    let no_bars = DistributionText { nr_cols_bar: 0, ..numbers };
    as_python("python", "two-wss-rawnum", &wss_text(&[made_up("two")], &per_target, no_bars));
    // The Python tool leaves out the first 20 of however few there are.
    let twenty = wss::WssOptions { exclude_samples: Some(20), ..defaults.clone() };
    as_python("python", "short-wss", &wss_text(&[made_up("short")], &twenty, human));
    as_python("python", "nointervals-wss", &wss_text(&[made_up("nointervals")], &defaults, human));
    let thresholds = wss::WssOptions {
        acc_thres: NrAccesses(5),
        sz_thres: Bytes(1_000_000),
        exclude_samples: Some(0),
        range: PercentileRange { start: 100, stop: -1, step: -20 },
        ..defaults
    };
    as_python("python", "one-wss-thres", &wss_text(&[made_up("one")], &thresholds, human));
}

#[test]
fn working_sets_of_several_targets_add_up_before_they_are_ranked() {
    as_ours("two-wss", &wss_text(&[made_up("two")], &wss::WssOptions::default(), DistributionText::default()));
    let report = wss(&[made_up("two")], &wss::WssOptions::default()).expect("a report");
    let per_target = wss::WssOptions { per_target: true, exclude_samples: Some(0), ..wss::WssOptions::default() };
    let parts = wss(&[made_up("two")], &per_target).expect("a report");
    let largest = |report: &wss::WssReport, i: usize| report.series[i].points.iter().map(|p| p.value).max();
    let (sum, a, b) = (largest(&report, 0), largest(&parts, 0), largest(&parts, 1));
    assert!(sum <= a.zip(b).map(|(a, b)| a + b), "the largest sum is no more than the sum of the largest");
}

#[test]
fn a_working_set_over_a_longer_time_counts_the_bytes_that_were_accessed() {
    let options = wss::WssOptions { work_time: Nanos::from_millis(300), ..wss::WssOptions::default() };
    as_ours("one-wss-work", &wss_text(&[made_up("one")], &options, DistributionText::default()));
}

fn nr_regions_text(record: Record, options: &nr_regions::NrRegionsOptions) -> Vec<u8> {
    let mut out = Vec::new();
    nr_regions(&[record], options).expect("a report").write_text(&mut out, &options.sort).expect("memory takes all");
    out
}

#[test]
fn nr_regions_prints_what_the_python_tool_prints() {
    let defaults = nr_regions::NrRegionsOptions::default();
    let [stairs] = stairs();
    as_python("stairs", "nr_regions", &nr_regions_text(stairs, &defaults));
    as_python("python", "two-nr", &nr_regions_text(made_up("two"), &defaults));
    as_python("python", "nointervals-nr", &nr_regions_text(made_up("nointervals"), &defaults));
    let by_time = nr_regions::NrRegionsOptions { range: EVERY_TENTH, sort: SortBy::Time, ..defaults };
    as_python("python", "two-nr-s", &nr_regions_text(made_up("two"), &by_time));
}

#[test]
fn footprints_prints_what_the_python_tool_prints() {
    let text = |metric, text: DistributionText| {
        let mut out = Vec::new();
        let options =
            footprints::FootprintsOptions { metrics: vec![metric], ..footprints::FootprintsOptions::default() };
        footprints(&stairs(), &options).expect("a report").write_text(&mut out, &text).expect("memory takes all");
        out
    };
    let human = DistributionText::default();
    as_python("stairs", "footprints-vsz", &text(Metric::Vsz, human));
    as_python("stairs", "footprints-rss", &text(Metric::Rss, human));
    as_python("stairs", "footprints-sys", &text(Metric::SysUsed, DistributionText { style: Style::Raw, ..human }));
}

fn times_text(record: Record, filter: &Filter) -> Vec<u8> {
    let mut out = Vec::new();
    times::times(&[record], filter).expect("a report").write_text(&mut out, &()).expect("memory takes all");
    out
}

#[test]
fn times_prints_what_the_python_tool_prints() {
    let hot = Filter { access_rate: Some(Bounds::new(50.0, 100.0)), ..Filter::default() };
    let [stairs] = stairs();
    as_python("stairs", "times", &times_text(stairs, &hot));
    as_python("python", "one-times", &times_text(made_up("one"), &hot));
    let large = Filter { sz_region: Some(Bounds::new(Bytes(10 << 20), Bytes(u64::MAX))), ..Filter::default() };
    as_python("python", "two-times", &times_text(made_up("two"), &large));
}

fn access_text(records: &[Record], options: &access::AccessOptions) -> Vec<u8> {
    let mut out = Vec::new();
    let report = access::AccessReport { records, options: options.clone() };
    report.write_text(&mut out, &()).expect("a report");
    out
}

fn in_style(style: AccessStyle) -> access::AccessOptions {
    access::AccessOptions { style, ..access::AccessOptions::default() }
}

#[test]
fn access_prints_what_the_python_tool_prints_of_a_real_recording() {
    let stairs = stairs();
    as_python("stairs", "access-default.head400", &access_text(&stairs, &access::AccessOptions::default()));
    let histograms = in_style(AccessStyle::TemperatureSzHist);
    as_python("stairs", "access-temp-sz-hist.head400", &access_text(&stairs, &histograms));
    let percentiles = in_style(AccessStyle::RecencyPercentiles);
    as_python("stairs", "access-recency-pct.head400", &access_text(&stairs, &percentiles));
    let total = access::AccessOptions { total_sz_only: true, ..access::AccessOptions::default() };
    as_python("stairs", "access-total-sz", &access_text(&stairs, &total));
}

#[test]
fn access_prints_every_style_as_the_python_tool_does() {
    for (name, record, style) in [
        ("short-default", "short", AccessStyle::Detailed),
        ("two-default", "two", AccessStyle::Detailed),
        ("filters-default", "filters", AccessStyle::Detailed),
        ("probes-default", "probes", AccessStyle::Detailed),
        ("short-boxes", "short", AccessStyle::SimpleBoxes),
        ("filters-boxes", "filters", AccessStyle::SimpleBoxes),
        ("short-hot", "short", AccessStyle::Hot),
        ("short-cold", "short", AccessStyle::Cold),
        ("short-cmt", "short", AccessStyle::RecencySzHist),
        ("filters-rsz", "filters", AccessStyle::RecencySzHist),
        ("filters-tsz", "filters", AccessStyle::TemperatureSzHist),
        ("filters-rp", "filters", AccessStyle::RecencyPercentiles),
        ("filters-tp", "filters", AccessStyle::TemperaturePercentiles),
    ] {
        as_python("python", name, &access_text(&[made_up(record)], &in_style(style)));
    }
    let total = access::AccessOptions { total_sz_only: true, ..access::AccessOptions::default() };
    for record in ["one", "two"] {
        as_python("python", &format!("{record}-tot"), &access_text(&[made_up(record)], &total));
    }
    // The Python tool reads one file only: its output is of a file that holds the records of both.
    as_python("python", "short-multi", &access_text(&[made_up("short"), made_up("goal")], &total));
}

#[test]
fn access_options_do_what_they_do_in_the_python_tool() {
    let defaults = access::AccessOptions::default;
    let percentiles = |numbers: &[i64], style| access::AccessOptions {
        percentiles: Percentiles::from_numbers(numbers).expect("valid"),
        ..in_style(style)
    };
    let histogram = |histogram| access::AccessOptions { histogram, ..in_style(AccessStyle::RecencySzHist) };
    const SECOND: i128 = 1_000_000;
    let ranges = vec![(0, SECOND), (SECOND, 20 * SECOND), (20 * SECOND, 60 * SECOND)];
    let weights = |size, access_rate, age| Weights { size, access_rate, age };
    let cases = [
        ("short-default-rawnum", access::AccessOptions { numbers: Style::Raw, ..defaults() }),
        ("short-pct", access::AccessOptions { numbers: Style::Raw, ..in_style(AccessStyle::RecencyPercentiles) }),
        ("short-pct-range", percentiles(&[0, 101, 10], AccessStyle::TemperaturePercentiles)),
        ("short-pct4", percentiles(&[0, 10, 60, 95, 100], AccessStyle::RecencyPercentiles)),
        ("short-pct1", percentiles(&[50], AccessStyle::RecencyPercentiles)),
        ("short-pct2", percentiles(&[50, 100], AccessStyle::RecencyPercentiles)),
        ("short-hist-cum", histogram(HistogramOptions { cumulate: true, ..HistogramOptions::default() })),
        ("short-hist-log", histogram(HistogramOptions { log: true, ..HistogramOptions::default() })),
        ("short-hist-ranges", histogram(HistogramOptions { ranges, ..HistogramOptions::default() })),
        ("short-hm", access::AccessOptions { heatmap_width: 20, heatmap_colors: ColorSet::Flame, ..defaults() }),
        (
            "short-sort",
            access::AccessOptions { sort_by: vec![SortKey::Size], descending: vec![SortKey::Size], ..defaults() },
        ),
        (
            "short-weights",
            access::AccessOptions { weights: weights(1, 100, 0), ..in_style(AccessStyle::TemperaturePercentiles) },
        ),
        (
            "short-weights2",
            access::AccessOptions { weights: weights(1, 100, 0), ..in_style(AccessStyle::TemperatureSzHist) },
        ),
        (
            "short-weights3",
            access::AccessOptions {
                weights: weights(1, 0, 0),
                sort_by: vec![SortKey::Temperature, SortKey::AccessRate],
                descending: vec![SortKey::AccessRate],
                ..defaults()
            },
        ),
        (
            "short-fmt",
            access::AccessOptions {
                format: vec![
                    (
                        true,
                        Area::Region,
                        "<index>|<start address>|<end address>|<size>|<access rate>|<access hz>|<age>|<temperature>|\
                         <filters passed bytes>|<box>"
                            .to_owned(),
                    ),
                    (
                        false,
                        Area::SnapshotTail,
                        "\\n<total bytes> <duration> <number of regions> <positive access samples ratio> \
                         <intervals tuning status> <abs start time> <recency percentiles>"
                            .to_owned(),
                    ),
                ],
                ..defaults()
            },
        ),
    ];
    for (name, options) in cases {
        as_python("python", name, &access_text(&[made_up("short")], &options));
    }
    let histogram = HistogramOptions { log: true, ..HistogramOptions::default() };
    let options = access::AccessOptions { numbers: Style::Raw, histogram, ..in_style(AccessStyle::TemperatureSzHist) };
    as_python("python", "filters-hist-log", &access_text(&[made_up("filters")], &options));
}

#[test]
fn access_filters_do_what_they_do_in_the_python_tool() {
    let filtered = |filter: Filter| access::AccessOptions { filter, ..access::AccessOptions::default() };
    const MIB: u64 = 1 << 20;
    let range = |start: u64, end: u64| AddrRange::new(Addr(start * MIB), Addr(end * MIB));
    let mut by_address = Filter::default();
    by_address.set_addresses(vec![range(2, 30), range(40, 50)]).expect("disjoint");
    let short = || [made_up("short")];
    as_python("python", "short-addr", &access_text(&short(), &filtered(by_address.clone())));
    let drawn =
        access::AccessOptions { heatmap_static: true, heatmap_colors: ColorSet::Emotion, ..filtered(by_address) };
    as_python("python", "short-addr-static", &access_text(&short(), &drawn));
    let by_position = Filter { snapshot_idx: vec![Bounds::new(1, 2)], ..Filter::default() };
    as_python("python", "short-time", &access_text(&short(), &filtered(by_position)));
    let by_temperature = Filter { temperature: vec![Bounds::new(0, 10_000_000_000)], ..Filter::default() };
    as_python("python", "short-temp", &access_text(&short(), &filtered(by_temperature)));
    let by_size_and_time = Filter {
        sz_snapshot: vec![Bounds::new(Bytes(60 * MIB), Bytes(70 * MIB))],
        snapshot_time: vec![Bounds::new(Nanos(5_000_000_000), Nanos(5_300_000_000))],
        ..Filter::default()
    };
    as_python("python", "short-sztime", &access_text(&short(), &filtered(by_size_and_time)));
    // The Python tool keeps the total size of all regions here.
    let by_pattern = Filter {
        sz_region: Some(Bounds::new(Bytes(MIB), Bytes(u64::MAX))),
        access_rate: Some(Bounds::new(5.0, 100.0)),
        age: Some(Bounds::new(Nanos(0), Nanos::from_secs(30))),
        ..Filter::default()
    };
    as_ours("short-filter", &access_text(&short(), &filtered(by_pattern)));
}

#[test]
fn ages_count_in_the_aggregation_interval_in_force() {
    as_ours("goal-default", &access_text(&[made_up("goal")], &access::AccessOptions::default()));
}

#[test]
fn boxes_beside_regions_keep_the_snapshots_tail() {
    let options = access::AccessOptions { region_box: true, ..access::AccessOptions::default() };
    as_ours("short-box", &access_text(&[made_up("short")], &options));
}

#[test]
fn a_record_without_intervals_has_a_raw_form_only() {
    let records = [made_up("nointervals")];
    let report = access::AccessReport { records: &records, options: access::AccessOptions::default() };
    let error = report.write_text(&mut Vec::new(), &()).unwrap_err();
    assert!(error.to_string().contains("does not tell the monitoring intervals"), "{error}");
}
