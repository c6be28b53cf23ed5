//! Pictures against kept ones. SVG files are compared whole, PNG pixels within a tolerance for letters;
//! `DAMO_BLESS=1` rewrites `testdata/golden/pictures`.

mod common;

use damo_frame::{OpenOptions, Record};
use damo_model::{Addr, AddrRange, Nanos};
use damo_report::Report;
use damo_report::colormap::Rgb;
use damo_report::distribution::{DistributionText, SortBy};
use damo_report::footprints::{self, footprints};
use damo_report::heats::{HeatMap, HeatsReport, Scale, heats};
use damo_report::nr_regions::{self, nr_regions};
use damo_report::picture::canvas::{Align, Canvas, Font, Indexed, PALETTE, Point, Rect, text_width};
use damo_report::picture::{Chart, Format, Line, Picture, PictureError, Style, Theme, Unit, draw};
use damo_report::wss::{self, wss};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// The real staircase recording.
fn stairs() -> [Record; 1] {
    [open("stairs/damon.data")]
}

fn open(name: &str) -> Record {
    Record::open(&testdata().join("real").join(name), &OpenOptions::default()).expect("the recording is readable")
}

fn style(theme: Theme) -> Style {
    Style {
        width: 1000,
        height: 600,
        theme,
        subtitle: Some("a staircase".to_owned()),
        command: Some("damo report heats \"<&>\"".to_owned()),
        record_hash: Some("0123abcd".to_owned()),
        ..Style::default()
    }
}

fn stairs_map(style: &Style) -> HeatsReport {
    heats(&stairs(), &HeatMap::options(style)).expect("there is a map")
}

/// Compares with the kept file, or rewrites it.
fn kept(name: &str, bytes: &[u8], same: impl Fn(&[u8], &[u8]) -> Result<(), String>) {
    let path = testdata().join("golden/pictures").join(name);
    if std::env::var_os("DAMO_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder can be made");
        std::fs::write(&path, bytes).expect("the file can be written");
    }
    let want = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if let Err(what) = same(bytes, &want) {
        panic!("{name} differs from the kept picture ({what}); look at it, then DAMO_BLESS=1 keeps it");
    }
}

fn same_text(got: &[u8], want: &[u8]) -> Result<(), String> {
    let (got, want) = (String::from_utf8_lossy(got), String::from_utf8_lossy(want));
    let differs = got.lines().zip(want.lines()).position(|(a, b)| a != b);
    match differs {
        Some(line) => Err(format!("line {}", line + 1)),
        None if got.len() != want.len() => Err("its length".to_owned()),
        None => Ok(()),
    }
}

struct Pixels {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    texts: Vec<(String, String)>,
}

impl Pixels {
    fn of(bytes: &[u8]) -> Pixels {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a PNG");
        let mut rgb = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut rgb).expect("an image");
        let info = reader.info();
        let text = |chunk: &png::text_metadata::ITXtChunk| {
            (chunk.keyword.clone(), chunk.get_text().expect("metadata are text"))
        };
        let texts = info.utf8_text.iter().map(text).collect();
        Pixels { width: info.width as usize, height: info.height as usize, texts, rgb }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let from = (y * self.width + x) * 3;
        self.rgb[from..from + 3].try_into().expect("three bytes")
    }
}

/// Mean difference of a colour value, in 1/255.
fn near(got: &[u8], want: &[u8]) -> Result<(), String> {
    let (got, want) = (Pixels::of(got), Pixels::of(want));
    if (got.width, got.height) != (want.width, want.height) {
        return Err(format!("{}×{} instead of {}×{}", got.width, got.height, want.width, want.height));
    }
    let sum: u64 = got.rgb.iter().zip(&want.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / got.rgb.len() as f64;
    if mean <= 0.25 { Ok(()) } else { Err(format!("a mean difference of {mean:.3}")) }
}

#[test]
fn the_staircase_looks_as_it_did() {
    for (name, theme) in [("light", Theme::Light), ("dark", Theme::Dark)] {
        let style = style(theme);
        let report = stairs_map(&style);
        let picture = HeatMap { report: &report };
        let svg = draw(&picture, Format::Svg, &style).expect("drawn");
        assert!(svg.len() < 1 << 20, "{} bytes", svg.len());
        kept(&format!("stairs-{name}.svg"), &svg, same_text);
        let png = draw(&picture, Format::Png, &style).expect("drawn");
        kept(&format!("stairs-{name}.png"), &png, near);
    }
}

#[test]
fn cells_have_the_colour_of_the_node_that_holds_most_of_them() {
    let record = [common::placed()];
    let style = style(Theme::Light);
    let options = damo_report::heats::HeatsOptions { by_node: true, ..HeatMap::options(&style) };
    let report = heats(&record, &options).expect("a map");
    let svg = draw(&HeatMap { report: &report }, Format::Svg, &style).expect("drawn");
    let svg = String::from_utf8(svg).expect("text");
    assert!(svg.contains("node 0") && svg.contains("node 1") && !svg.contains("node 2"), "the legend");
    let pixels = Pixels::of(&draw(&HeatMap { report: &report }, Format::Png, &style).expect("drawn"));
    // Below the legend, in the map itself, are the whole colours of both nodes: one area of each was hot.
    for color in [[0x00, 0x72, 0xb2], [0xd5, 0x5e, 0x00]] {
        let near = |at: [u8; 3]| at.iter().zip(color).all(|(a, b)| a.abs_diff(b) < 24);
        let count =
            (110..840).flat_map(|x| (60..560).map(move |y| (x, y))).filter(|(x, y)| near(pixels.at(*x, *y))).count();
        assert!(count > 500, "{color:?}: {count} pixels");
    }
    let said = heats(&stairs(), &options).expect_err("no placement").to_string();
    assert!(said.contains("NUMA nodes"), "{said}");
}

#[test]
fn charts_look_as_they_did() {
    let records = stairs();
    let wss = wss(&records, &wss::WssOptions::default()).expect("measured");
    let regions = nr_regions(&records, &nr_regions::NrRegionsOptions::default()).expect("counted");
    let footprints = footprints(&records, &footprints::FootprintsOptions::default()).expect("read");
    let charts = [
        (
            "wss-time",
            wss.picture(&DistributionText { sort: SortBy::Time, ..DistributionText::default() }).expect("a picture"),
        ),
        ("wss-size", wss.picture(&DistributionText::default()).expect("a picture")),
        ("nr_regions-time", regions.picture(&SortBy::Time).expect("a picture")),
        (
            "footprints-time",
            footprints
                .picture(&DistributionText { sort: SortBy::Time, ..DistributionText::default() })
                .expect("a picture"),
        ),
    ];
    for (name, chart) in charts {
        let svg = draw(&*chart, Format::Svg, &style(Theme::Light)).expect("drawn");
        kept(&format!("{name}.svg"), &svg, same_text);
        let png = draw(&*chart, Format::Png, &style(Theme::Dark)).expect("drawn");
        kept(&format!("{name}.png"), &png, near);
    }
}

#[test]
fn panels_are_named_after_what_was_mapped_there() {
    let report = stairs_map(&style(Theme::Light));
    let names: Vec<String> = report.panels.iter().map(|grid| report.panel_name(grid)).collect();
    assert_eq!(names, ["masim + [anon]", "[heap]", "[anon] + 2 more", "[stack]"]);
    let stack = report.names.find("stack");
    assert_eq!(stack, [AddrRange::new(Addr(0x7ffc_03d6_6000), Addr(0x7ffc_03d8_7000))]);
}

#[test]
fn a_picture_says_which_command_made_it_of_which_record() {
    let style = style(Theme::Light);
    let report = stairs_map(&style);
    let picture = HeatMap { report: &report };
    let png = Pixels::of(&draw(&picture, Format::Png, &style).expect("drawn"));
    assert!(png.texts.contains(&("Comment".to_owned(), "damo report heats \"<&>\"".to_owned())));
    assert!(png.texts.contains(&("Source".to_owned(), "0123abcd".to_owned())));
    let svg = String::from_utf8(draw(&picture, Format::Svg, &style).expect("drawn")).expect("text");
    assert!(svg.contains("Comment: damo report heats &quot;&lt;&amp;&gt;&quot;"));
    assert!(svg.contains("Source: 0123abcd"));
}

#[test]
fn an_idle_record_is_not_a_black_picture_and_unknown_is_not_cold() {
    use damo_model::{Intervals, Item, Meta, NrAccesses, Region, Snapshot, Target, TargetKey};
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
    for i in 0..10_i64 {
        let mut snapshot = Snapshot::new(
            TargetKey(0),
            Nanos::from_secs(i * 2),
            Nanos::from_secs(i * 2 + 1),
            Some(Intervals::default()),
        );
        snapshot.regions.push(Region::new(Addr(0), Addr(1 << 20), NrAccesses(0), None));
        items.push(Item::Snapshot(snapshot));
    }
    for theme in [Theme::Light, Theme::Dark] {
        let style = style(theme);
        let record = Record::from_items(&items).expect("in order");
        let report = heats(&[record], &HeatMap::options(&style)).expect("there is a map");
        let png = Pixels::of(&draw(&HeatMap { report: &report }, Format::Png, &style).expect("drawn"));
        // Within the panel, every second second is known to be cold and the others are not known.
        let row: Vec<[u8; 3]> = (150..800).map(|x| png.at(x, 300)).collect();
        let mut colors = row.clone();
        colors.sort_unstable();
        colors.dedup();
        assert_eq!(colors.len(), 2, "{colors:?}");
        assert!(colors.iter().all(|color| *color != [0, 0, 0]));
    }
}

#[test]
fn incomplete_times_are_hatched() {
    let style = style(Theme::Light);
    let report = heats(&[open("lossy/perf.data")], &HeatMap::options(&style)).expect("there is a map");
    assert!(!report.partial.is_empty());
    let svg = String::from_utf8(draw(&HeatMap { report: &report }, Format::Svg, &style).expect("drawn")).expect("text");
    assert!(svg.contains("incomplete data"));
}

#[test]
fn a_size_that_cannot_be_drawn_is_refused() {
    let report = stairs_map(&style(Theme::Light));
    let picture: &dyn Picture = &HeatMap { report: &report };
    for (width, height) in [(0, 600), (100, 600), (1000, 1 << 20)] {
        let style = Style { width, height, ..style(Theme::Light) };
        assert!(matches!(draw(picture, Format::Png, &style), Err(PictureError::Size { .. })));
    }
}

#[test]
fn the_smallest_picture_can_be_drawn() {
    let style = Style { width: 320, height: 320, ..style(Theme::Dark) };
    let report = stairs_map(&style);
    let png = Pixels::of(&draw(&HeatMap { report: &report }, Format::Png, &style).expect("drawn"));
    assert_eq!((png.width, png.height), (320, 320));
}

/// Where texts and ticks are on a page.
#[derive(Default)]
struct Boxes {
    size: (f64, f64),
    texts: Vec<(Rect, String)>,
    ticks: Vec<Rect>,
}

impl Canvas for Boxes {
    fn size(&self) -> Point {
        self.size
    }
    fn rect(&mut self, _: Rect, _: Rgb, _: f64) {}
    fn line(&mut self, points: &[Point], _: Rgb, _: f64) {
        if let [a, b] = points
            && (a.0 - b.0).abs() + (a.1 - b.1).abs() <= 8.0
        {
            let (x, y) = (a.0.min(b.0), a.1.min(b.1));
            self.ticks.push(Rect { x, y, w: (a.0 - b.0).abs(), h: (a.1 - b.1).abs() });
        }
    }
    fn area(&mut self, _: &[Point], _: Rgb, _: f64) {}
    fn text(&mut self, at: Point, text: &str, font: Font) {
        let w = text_width(text, font.size);
        let x = match font.align {
            Align::Left => at.0,
            Align::Center => at.0 - w / 2.0,
            Align::Right => at.0 - w,
        };
        // Capitals and digits stand on the baseline and are about 0.6 of the size high.
        let h = font.size * 0.6;
        self.texts.push((Rect { x, y: at.1 - h, w, h }, text.to_owned()));
    }
    fn image(&mut self, _: Point, _: &Indexed, _: &[Rgb; PALETTE]) {}
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

/// No text on another one, and no tick through a text.
fn tidy(boxes: &Boxes) -> Result<(), String> {
    for (i, (a, text)) in boxes.texts.iter().enumerate() {
        if let Some((_, other)) = boxes.texts.iter().skip(i + 1).find(|(b, _)| overlap(a, b)) {
            return Err(format!("'{text}' lies on '{other}'"));
        }
        if boxes.ticks.iter().any(|tick| overlap(a, tick)) {
            return Err(format!("a tick goes through '{text}'"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn labels_of_charts_lie_neither_on_labels_nor_on_ticks(
        width in 400_usize..1600, height in 320_usize..900,
        from in 0_u64..1 << 44, length in 1_u64..1 << 44, most in 1_u64..1 << 48,
        x in prop_oneof![Just(Unit::Time), Just(Unit::Bytes), Just(Unit::Count)], y in prop_oneof![Just(Unit::Bytes), Just(Unit::Hz)],
    ) {
        let points = vec![(from as f64, most as f64 / 2.0), ((from + length) as f64, most as f64)];
        let series = Line { name: "rss".to_owned(), points, steps: true, filled: false };
        let chart = Chart::new("a chart", ("x", x), ("y", y), vec![series.clone(), Line { name: "vsz".to_owned(), ..series }]);
        let style = Style { width, height, ..Style::default() };
        let mut boxes = Boxes { size: (width as f64, height as f64), ..Boxes::default() };
        chart.draw(&mut boxes, &style, 60.0);
        prop_assert_eq!(tidy(&boxes), Ok(()));
    }

    #[test]
    fn labels_of_maps_lie_neither_on_labels_nor_on_ticks(
        width in 600_usize..1600, height in 400_usize..900, start in 0_i64..1 << 44, bits in 12_u32..46, snapshots in 2_i64..40,
        step in 1_i64..1 << 36, heat in 0_u32..20, percent in proptest::option::of(1_u32..100),
    ) {
        use damo_model::{Intervals, Item, Meta, NrAccesses, Region, Snapshot, Target, TargetKey};
        let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
        for i in 0..snapshots {
            let (from, to) = (Nanos(start + i * step), Nanos(start + (i + 1) * step));
            let mut snapshot = Snapshot::new(TargetKey(0), from, to, Some(Intervals::default()));
            snapshot.regions.push(Region::new(Addr(4096), Addr(4096 + (1 << bits)), NrAccesses(heat), None));
            items.push(Item::Snapshot(snapshot));
        }
        let style = Style { width, height, ..Style::default() };
        let record = Record::from_items(&items).expect("in order");
        let mut report = heats(&[record], &HeatMap::options(&style)).expect("there is a map");
        if let Some(percent) = percent {
            report.set_scale(Scale::Percent(percent.into())).expect("rates");
        }
        let mut boxes = Boxes { size: (width as f64, height as f64), ..Boxes::default() };
        HeatMap { report: &report }.draw(&mut boxes, &style, 60.0);
        prop_assert_eq!(tidy(&boxes), Ok(()));
        let top = report.unit.text(report.top());
        let number = top.split(' ').next().expect("a number");
        prop_assert!(heat == 0 || boxes.texts.iter().any(|(_, text)| text == number), "{} labels the top", top);
    }
}

#[test]
fn a_short_record_after_a_long_silence_is_still_seen() {
    use damo_model::{Intervals, Item, Meta, NrAccesses, Region, Snapshot, Target, TargetKey};
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
    for at in [0, 7200] {
        let start = Nanos::from_secs(at);
        let end = start.saturating_add(Nanos(100_000_000));
        let mut snapshot = Snapshot::new(TargetKey(0), start, end, Some(Intervals::default()));
        snapshot.regions.push(Region::new(Addr(0), Addr(1 << 20), NrAccesses(20), None));
        items.push(Item::Snapshot(snapshot));
    }
    let style = style(Theme::Light);
    let report = heats(&[Record::from_items(&items).expect("in order")], &HeatMap::options(&style)).expect("a map");
    let png = Pixels::of(&draw(&HeatMap { report: &report }, Format::Png, &style).expect("drawn"));
    let hottest = Theme::Light.heat(style.map, 1.0);
    let hot = |x: &usize| png.at(*x, 300) == [hottest.0, hottest.1, hottest.2];
    assert!((100..500).any(|x| hot(&x)) && (500..900).any(|x| hot(&x)), "both ends have a column of their heat");
}

/// What is drawn of each colour along a horizontal line: pixels from and to.
struct Strokes(Vec<(Rgb, f64, f64)>);

impl Canvas for Strokes {
    fn size(&self) -> Point {
        (1000.0, 600.0)
    }
    fn rect(&mut self, _: Rect, _: Rgb, _: f64) {}
    fn line(&mut self, points: &[Point], color: Rgb, _: f64) {
        for pair in points.windows(2) {
            if let [from, to] = pair
                && from.1 == to.1
            {
                self.0.push((color, from.0, to.0));
            }
        }
    }
    fn area(&mut self, _: &[Point], _: Rgb, _: f64) {}
    fn text(&mut self, _: Point, _: &str, _: Font) {}
    fn image(&mut self, _: Point, _: &Indexed, _: &[Rgb; PALETTE]) {}
}

/// A chart of so many lines, all of them the same.
fn same_lines(count: usize) -> Chart {
    let points = vec![(0.0, 1e6), (5e9, 1e6), (1e10, 1e6)];
    let line = |i: usize| Line { name: format!("line {i}"), points: points.clone(), steps: true, filled: false };
    Chart::new("lines that coincide", ("time", Unit::Time), ("memory", Unit::Bytes), (0..count).map(line).collect())
}

#[test]
fn lines_that_coincide_are_all_seen_and_in_the_same_share() {
    let colors = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9].map(Rgb::hex);
    for count in 2..=6 {
        let mut strokes = Strokes(Vec::new());
        same_lines(count).draw(&mut strokes, &Style::default(), 60.0);
        // What is drawn last is seen; samples of the legend lie elsewhere, right of and above the middle.
        let top = |x: f64| {
            let at = |(color, from, to): &&(Rgb, f64, f64)| *from <= x && x < *to && colors.contains(color);
            strokes.0.iter().filter(at).map(|stroke| stroke.0).next_back()
        };
        let seen: Vec<Rgb> = (200..440).filter_map(|x| top(f64::from(x) + 0.25)).collect();
        assert_eq!(seen.len(), 240, "no gap goes through all of {count} lines");
        for color in colors.iter().take(count) {
            let share = seen.iter().filter(|seen| *seen == color).count();
            assert!(share.abs_diff(240 / count) <= 12, "{share} of 240 pixels, {count} lines");
        }
    }
}

#[test]
fn lines_that_coincide_can_be_told_apart_in_files() {
    let style = Style { width: 1000, height: 600, ..Style::default() };
    let png = Pixels::of(&draw(&same_lines(2), Format::Png, &style).expect("drawn"));
    let has = |color: [u8; 3]| (0..600).filter(|y| (200..440).filter(|x| png.at(*x, *y) == color).count() > 80).count();
    assert!(has([0x00, 0x72, 0xb2]) >= 1 && has([0xd5, 0x5e, 0x00]) >= 1, "both colours are on the line");
    let svg = String::from_utf8(draw(&same_lines(2), Format::Svg, &style).expect("drawn")).expect("text");
    let pieces = |color: &str| svg.matches(color).count();
    assert!(pieces("#D55E00") > 20 && pieces("#0072B2") < 6, "the second line is in pieces, the first is whole");
}
