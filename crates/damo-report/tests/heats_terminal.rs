//! Heat maps on the terminal.

mod common;

use common::{Rows, map, record};
use damo_frame::Record;
use damo_model::{Addr, Intervals, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
use damo_report::heats::{Columns, HeatsOptions};

#[test]
fn the_terminal_map_keeps_the_python_tools_layout() {
    use damo_report::heats::{Depth, TerminalStyle};
    let snapshots: [Rows<'_>; 1] = [(0, 100, &[(0, 4096, 20, 0), (4096, 8192, 0, 0)])];
    let options = HeatsOptions { rows: 2, columns: Columns::Each(4), ..HeatsOptions::terminal() };
    let report = map(record(Some(Intervals::default()), &snapshots), &options);
    let text = |style| {
        let mut out = Vec::new();
        report.write_terminal(&mut out, &style).expect("memory takes text");
        String::from_utf8(out).expect("text")
    };
    let plain = text(TerminalStyle { depth: Depth::Plain, ..TerminalStyle::default() });
    let want = "9900\n9900\n# access_frequency: 0123456789 (0.000-200.000 hz)\n\
                # x-axis: space [0 B, 8.000000 KiB) (8.000 KiB)\n# y-axis: time [0 ns, 100 ms) (100 ms)\n\
                # resolution: 4x2 (2.000 KiB and 50 ms for each character)\n";
    assert_eq!(plain, want);
    let colored = text(TerminalStyle { legend: false, ..TerminalStyle::default() });
    assert!(colored.starts_with("\x1b[48;5;232m\x1b[38;5;255m9\x1b[48;5;232m"), "{colored:?}");
    assert_eq!(colored.lines().count(), 5);
}

/// A map for a window, as its lines.
fn blocks(
    record: Record,
    window: (usize, usize),
    depth: damo_report::heats::Depth,
    scale: Option<&str>,
) -> Vec<String> {
    use damo_report::heats::{Fit, Glyphs, TerminalStyle};
    let Fit { rows, columns, most_panels } = Fit::new(window, 1 + Fit::remarks(std::slice::from_ref(&record)), depth);
    let mut report = map(record, &HeatsOptions { rows, columns, most_panels, ..HeatsOptions::overview() });
    if let Some(scale) = scale {
        report.set_scale(scale.parse().expect("a scale")).expect("in the record's unit");
    }
    let (width, lines) = (window.0, Some(window.1));
    let style = TerminalStyle { glyphs: Glyphs::HalfBlocks, depth, width, lines, ..TerminalStyle::default() };
    let mut out = Vec::new();
    report.write_terminal(&mut out, &style).expect("memory takes text");
    String::from_utf8(out).expect("text").lines().map(str::to_owned).collect()
}

/// Columns of a line, of which escapes take none.
fn columns(line: &str) -> usize {
    use unicode_width::UnicodeWidthStr;
    let parts = line.split('\x1b').enumerate();
    parts.map(|(i, part)| if i == 0 { part } else { part.split_once('m').map_or("", |p| p.1) }.width()).sum()
}

/// Seconds of snapshots from `from` on, of a hot low and a cold high page.
fn two_pages(from: i64, seconds: i64) -> Vec<Item> {
    let target = Target { target_id: Some(7), ..Target::default() };
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(target)];
    for i in from..from + seconds {
        let (start, end) = (Nanos::from_secs(i), Nanos::from_secs(i + 1));
        let mut snapshot = Snapshot::new(TargetKey(0), start, end, Some(Intervals::default()));
        snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(20), None));
        snapshot.regions.push(Region::new(Addr(4096), Addr(8192), NrAccesses(0), None));
        items.push(Item::Snapshot(snapshot));
    }
    items
}

#[test]
fn on_a_terminal_time_runs_to_the_right_and_low_addresses_are_at_the_bottom() {
    use damo_report::heats::Depth;
    let record = Record::from_items(&two_pages(0, 100)).expect("in order");
    let lines = blocks(record, (80, 24), Depth::Plain, None);
    let (hot, cold) = ("█".repeat(20), "·".repeat(20));
    let first = |what: &str| lines.iter().position(|line| line.contains(what)).expect("it is there");
    assert!(first(&cold) < first(&hot), "{lines:#?}");
    assert!(lines.iter().all(|line| !(line.contains(&hot) && line.contains(&cold))));
    let times = lines.iter().find(|line| line.contains("1 min 30 s")).expect("times stand below the map");
    assert!(times.find("30 s") < times.find("1 min 30 s"), "{times}");
    assert!(lines.iter().any(|line| line.starts_with("0 Hz") && line.contains("200 Hz, 100 % of the 200 Hz possible")));
}

#[test]
fn header_map_and_legend_fit_every_window_whatever_the_record_is() {
    use damo_model::{Mapping, Mappings, Mark, Side, Stamp};
    use damo_report::heats::Depth;
    let mut items = two_pages(4000, 200);
    let name = "/usr/lib/x86_64-linux-gnu/内存libwebkit2gtk-4.1.so.0.17.8-with-a-name-that-does-not-end";
    let mappings = (0..30).map(|i| Mapping {
        start: Addr(i << 32),
        end: Addr((i << 32) + 8192),
        name: format!("{name}{i}"),
        ..Mapping::default()
    });
    let at = Stamp::Record(Nanos::from_secs(4000));
    let mappings = Mappings { at, pid: 1, target: Some(TargetKey(0)), mappings: mappings.collect() };
    items.insert(2, Item::Side(Side::Mappings(mappings)));
    for i in 0..40 {
        let at = Stamp::Record(Nanos::from_secs(4000 + i * 5));
        items.push(Item::Side(Side::Mark(Mark { at, text: format!("request {i}: \x1b[2J {name}") })));
    }
    for item in &mut items {
        if let Item::Snapshot(snapshot) = item {
            let more = (1..30_u64).map(|i| Region::new(Addr(i << 32), Addr((i << 32) + 8192), NrAccesses(3), None));
            snapshot.regions.extend(more);
        }
    }
    for depth in [Depth::Plain, Depth::Ansi256, Depth::True] {
        for window in [(80, 24), (100, 30), (132, 43), (200, 60), (80, 50)] {
            let lines = blocks(Record::from_items(&items).expect("in order"), window, depth, None);
            // The prompt needs a line, too.
            assert!(lines.len() < window.1, "{} lines in {window:?}", lines.len());
            for line in &lines {
                assert!(columns(line) <= window.0, "{} columns in {window:?}: {line}", columns(line));
            }
            assert!(lines.iter().any(|line| line.contains("0 Hz")), "{window:?} has a legend");
            assert!(!lines.concat().contains("\x1b[2J"));
        }
    }
}

#[test]
fn a_scale_makes_two_maps_comparable_and_says_what_is_clipped() {
    use damo_report::heats::Depth;
    let lines = |scale| {
        let record = Record::from_items(&two_pages(0, 20)).expect("in order");
        blocks(record, (80, 24), Depth::Plain, Some(scale)).join("\n")
    };
    let half = lines("0..50%");
    assert!(half.contains("100 Hz, 50 % of the 200 Hz possible"), "{half}");
    assert!(half.contains("up to 200 Hz has the colour of 100 Hz"), "{half}");
    assert_eq!(half, lines("0..100Hz"));
    let wide = lines("0..1kHz");
    assert!(wide.contains("1000 Hz") && !wide.contains("colour of"), "{wide}");
    let mut samples = map(record(None, &[(0, 100, &[(0, 100, 3, 5)])]), &HeatsOptions::default());
    let error = samples.set_scale("0..50%".parse().expect("a scale")).expect_err("no rates");
    assert!(error.to_string().contains("--intervals"), "{error}");
    samples.set_scale("0..20samples".parse().expect("a scale")).expect("samples");
    assert_eq!(samples.top(), 20.0);
}

#[test]
fn physical_memory_is_called_that() {
    let mut items = two_pages(0, 3);
    items[0] = Item::Meta(Meta { ops: Some(damo_model::Ops::Paddr), ..Meta::default() });
    let report = map(Record::from_items(&items).expect("in order"), &HeatsOptions::overview());
    assert_eq!(
        (report.subject().as_str(), report.panel_name(&report.panels[0]).as_str()),
        ("physical memory", "physical memory")
    );
}
