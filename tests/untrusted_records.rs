//! Records and names that strangers chose: whatever is in them, nothing reaches the terminal but what the program itself
//! prints there.

mod common;

use common::damo;
use damo_format::{Writer, WriterOptions};
use damo_model::{
    Addr, Age, Bytes, Clock, ClockPair, ColumnId, CpuTime, ExtraColumn, Footprint, Intervals, Item, Lost, Mapping,
    Mappings, Mark, Meta, Nanos, NodeMemory, NodeThreads, NrAccesses, Params, Placement, Pressure, Process,
    ProcessFootprint, Region, SchemeCounts, SchemeProgress, Side, Snapshot, Source, Stamp, SystemFootprint, Target,
    TargetKey, TracepointFormat,
};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Output;

/// What a stranger would like to print: a title, an empty screen, colours, a line that looks like ours, text that runs
/// backwards, nothing that is seen, and what means something in Markdown, CSV and HTML.
const EVIL: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{1b}[31m\u{9b}2J\u{8}\r\nforged: all is well\n\tforged\u{202e}\u{2066}\
                    \u{200b}\u{feff}\u{7f}\u{e0041}\u{2028}|`<b>=1+1,\"x\"';</script>[l](javascript:x)";

/// Side data that has this in every text.
fn evil_side_data() -> Vec<Side> {
    let evil = || EVIL.to_owned();
    let at = |second| Stamp::Record(Nanos::from_secs(second));
    let names = [format!("/{EVIL}"), EVIL.to_owned(), format!("[anon:{EVIL}]"), "[heap]".to_owned()];
    let mappings = (0..).zip(names).map(|(i, name): (u64, String)| Mapping {
        start: Addr(0x10000 + i * 0x8000),
        end: Addr(0x18000 + i * 0x8000),
        perms: evil(),
        offset: Bytes(0),
        name,
    });
    let mappings: Vec<Mapping> = mappings.collect();
    let footprint = Footprint { rss: Some(Bytes(1 << 20)), vsz: Some(Bytes(1 << 21)), ..Footprint::default() };
    let json = serde_json::json!({"contexts": [{"schemes": [{"action": EVIL}]}], EVIL: EVIL}).to_string();
    let filter = serde_json::json!({"filter_type": "memcg", "path": EVIL, "matching": true, "allow": true});
    let mut side_data = vec![
        Side::Params(Params {
            at: at(0),
            kdamond: Some(damo_model::KdamondIndex(0)),
            context: Some(0),
            intervals: Some(Intervals::default()),
            json,
            ..Params::default()
        }),
        Side::Params(Params {
            at: at(1),
            kdamond: Some(damo_model::KdamondIndex(0)),
            context: Some(0),
            intervals: Some(Intervals::default()),
            json: serde_json::json!({"contexts": [{"probes": [{"filters": [filter]}]}]}).to_string(),
            ..Params::default()
        }),
        Side::Lost(Lost { at: at(2), events: 3, reason: evil() }),
        Side::Mark(Mark { at: at(1), text: evil() }),
    ];
    for pid in [7, 8] {
        let mappings = mappings.clone();
        side_data.push(Side::Mappings(Mappings { at: at(0), pid, target: None, mappings }));
        let row = |start, node, bytes| NodeMemory { start: Addr(start), end: Addr(0x20000), node, bytes: Bytes(bytes) };
        let memory = vec![row(0x10000, 0, u64::MAX), row(0x18000, u32::MAX, u64::MAX), row(0x30000, 1, 1)];
        let threads = vec![NodeThreads { node: 0, threads: u32::MAX }; 2];
        side_data.push(Side::Placement(Placement { at: at(0), pid, target: None, memory, threads }));
    }
    for second in [0, 1, 2, 3, 6] {
        let (user, system) = (Nanos(second), Nanos(second));
        side_data.push(Side::Process(ProcessFootprint { at: at(second), pid: 7, target: None, footprint }));
        side_data.push(Side::Cpu(CpuTime { at: at(second), pid: 7, comm: evil(), kdamond: false, user, system }));
        side_data.push(Side::Cpu(CpuTime { at: at(second), pid: 9, comm: evil(), kdamond: true, user, system }));
        let (resource, some) = (evil(), Nanos(second));
        side_data.push(Side::Pressure(Pressure { at: at(second), resource, some, full: None }));
        let (total, free) = (Bytes(1 << 30), Bytes(1 << 29));
        let (available, buffers, cached, swap_used) = (None, None, None, None);
        let system = SystemFootprint { at: at(second), total, free, available, buffers, cached, swap_used };
        side_data.push(Side::System(system));
        let counts = SchemeCounts { sz_applied: Bytes(second as u64 * 4096), ..SchemeCounts::default() };
        let (kdamond, context, scheme) = (Some(damo_model::KdamondIndex(0)), 0, 0);
        let (effective_quota, counts) = (Some(Bytes(u64::MAX)), Some(counts));
        let at = at(second);
        side_data.push(Side::Scheme(SchemeProgress { at, kdamond, context, scheme, effective_quota, counts }));
    }
    side_data
}

/// A record that has this in every text. Written field by field: a new text does not compile until it is here.
fn evil_items() -> Vec<Item> {
    let evil = || EVIL.to_owned();
    let seconds = Nanos::from_secs;
    let meta = Meta {
        tool: evil(),
        kernel_release: evil(),
        features: vec![evil()],
        formats: vec![TracepointFormat { event: evil(), text: evil() }],
        source: Source::Imported { format: evil() },
        ops: Some(damo_model::Ops::Vaddr),
        intervals: Some(Intervals::default()),
        intervals_goal: None,
        nr_regions: None,
        page_size: Some(Bytes(4096)),
        clock: Clock::Monotonic,
        clock_pair: Some(ClockPair { record: Nanos(0), wall: seconds(1_700_000_000) }),
        boot_id: evil(),
        host: evil(),
        command: vec!["damo".into(), evil()],
        history: vec![evil()],
    };
    let target = |key: u32, pid| {
        let process = Process { pid, started: Some(Nanos(5)), comm: evil(), cmdline: evil() };
        Item::Target(Target {
            key: TargetKey(key),
            kdamond: Some(damo_model::KdamondIndex(0)),
            context: Some(0),
            scheme: None,
            target_id: Some(key.into()),
            process: Some(process),
            data_source: evil(),
            scheme_filters: serde_json::json!([
                {"filter_type": "memcg", "memcg_path": EVIL, "matching": true, "allow": true}, {"filter_type": EVIL}
            ])
            .to_string(),
        })
    };
    let mut items = vec![Item::Meta(meta), target(0, 7), target(1, 8)];
    items.extend(evil_side_data().into_iter().map(Item::Side));
    for i in 0..60 {
        for key in [0, 1] {
            let (start, end) = (Nanos(i * 100_000_000), Nanos((i + 1) * 100_000_000));
            let mut snapshot = Snapshot::new(TargetKey(key), start, end, Some(Intervals::default()));
            let region = |n: u64, samples| {
                Region::new(Addr(0x10000 + n * 0x8000), Addr(0x18000 + n * 0x8000), NrAccesses(samples), Some(Age(3)))
            };
            snapshot.regions = vec![region(0, 20), region(1, 0), region(2, (i % 20) as u32), region(3, 1)];
            snapshot.extras = ColumnId::of_probes().take(1).map(|id| ExtraColumn { id, values: vec![3; 4] }).collect();
            items.push(Item::Snapshot(snapshot));
        }
    }
    items
}

fn write(path: &Path) {
    let mut writer = Writer::new(Vec::new(), WriterOptions::default()).expect("a writer");
    evil_items().iter().for_each(|item| writer.write(item).expect("written"));
    fs::write(path, writer.finish().expect("finished").0).expect("a file");
}

/// A file name as evil as the texts, and not UTF-8 either.
fn evil_name() -> OsString {
    let mut name = b"\x1b[2Ja\nforged: no errors\n\xff".to_vec();
    name.extend("\u{202e}\u{9b}.damo".as_bytes());
    OsString::from_vec(name)
}

/// Colours that the program itself sets.
fn without_colors(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let (before, sequence) = rest.split_at(at);
        kept.push_str(before);
        let end = sequence[2..].find(|c: char| !c.is_ascii_digit() && c != ';').map_or(sequence.len(), |end| end + 2);
        // Anything but a colour stays, and is found.
        rest = match sequence[end..].strip_prefix('m') {
            Some(after) => after,
            None => {
                kept.push_str("\u{1b}[");
                &sequence[2..]
            }
        };
    }
    kept + rest
}

/// What is wrong with a text that goes to a terminal; `None` if nothing is.
fn fault(bytes: &[u8], colors: bool) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Some("it is not UTF-8".into()) };
    let text = if colors { without_colors(text) } else { text.to_owned() };
    for line in text.lines() {
        // Heads of distributions and tables of numbers have tabs, as those of the Python tool.
        let bad = |c: char| {
            (c.is_control() && c != '\t')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
                || ('\u{e0000}'..='\u{e0fff}').contains(&c)
        };
        if let Some(c) = line.chars().find(|c| bad(*c)) {
            return Some(format!("{c:?} is in {line:?}"));
        }
        if line.trim_start().starts_with("forged") || line.contains("\tforged") {
            return Some(format!("a forged line: {line:?}"));
        }
    }
    None
}

struct Trial {
    here: tempfile::TempDir,
    faults: Vec<String>,
    seen: BTreeSet<String>,
}

impl Trial {
    fn new() -> Self {
        let here = tempfile::tempdir().expect("temporary directory");
        write(&here.path().join("evil.damo"));
        Trial { here, faults: Vec::new(), seen: BTreeSet::new() }
    }

    fn run(&mut self, words: &[OsString], colors: bool) -> Output {
        let output = damo(self.here.path()).args(words).output().expect("damo starts");
        for (stream, bytes) in [("output", &output.stdout), ("error", &output.stderr)] {
            if let Some(fault) = fault(bytes, colors) {
                self.faults.push(format!("{words:?}: standard {stream}: {fault}"));
            }
        }
        output
    }

    /// Runs a line with the evil record in the place of `R`, and again with that record under an evil name.
    fn line(&mut self, line: &str) {
        let names: Vec<&str> = line.split(' ').take_while(|word| !word.starts_with('-')).collect();
        self.seen.extend((1..=names.len()).map(|n| names[..n].join(" ")));
        for name in ["evil.damo".into(), evil_name()] {
            let path = self.here.path().join(&name);
            if !path.exists() {
                write(&path);
            }
            let word = |word: &str| match word {
                "R" => name.clone(),
                "EVIL" => EVIL.replace('\0', "").into(),
                word => word.into(),
            };
            let words: Vec<OsString> = line.split(' ').map(word).collect();
            let colors = line.contains("--color always");
            let output = self.run(&words, colors);
            assert!(output.status.code().is_some(), "{words:?}: {:?}", output.status);
        }
    }

    fn end(self) {
        assert!(self.faults.is_empty(), "{} faults:\n{}", self.faults.len(), self.faults.join("\n"));
    }
}

/// Lines that read a record or say something of one. `R` is the record, `EVIL` a text.
const LINES: &[&str] = &[
    "info R",
    "info --format json R",
    "check --wss_p95 1KiB --rss_max 1KiB --coverage 100% --quota held R",
    "check --wss_p50 1KiB --format markdown --baseline R -- R",
    "check --wss_p50 1KiB --format junit R",
    "check --wss_p50 1KiB --format github R",
    "check --wss_p50 1KiB --format json R",
    "check --per_mapping EVIL R",
    "check --condition EVIL R",
    "check --wss_p50 EVIL R",
    "check --conditions EVIL R",
    "query SELECT/**/*/**/FROM/**/targets R",
    "query SELECT/**/*/**/FROM/**/samples R",
    "query SELECT/**/*/**/FROM/**/mappings R",
    "query SELECT/**/record,mapping/**/FROM/**/regions R --format json",
    "query EVIL R",
    "query --describe EVIL",
    "export R --dataset set",
    "export R --dataset set --host EVIL --service EVIL",
    "report raw -i R",
    "report raw --raw_number -i R",
    "report raw --format json -i R",
    "report raw --format markdown -i R",
    "report access -i R",
    "report access --color always --style simple-boxes -i R",
    "report access --format json -i R",
    "report access --style EVIL -i R",
    "report access --format EVIL EVIL -i R",
    "report heats -i R",
    "report phases -i R",
    "explain R",
    "explain R --format markdown",
    "explain R --right-size",
    "report phases --format markdown -i R",
    "report heats --color always -i R",
    "report heats --color always --glyphs digits -i R",
    "report heats --output raw -i R",
    "report heats --guide -i R",
    "report heats --guide_human -i R",
    "report heats --mapping nothing -i R",
    "report heats --mapping EVIL -i R",
    "report heats --mark nothing -i R",
    "report heats --mark EVIL -i R",
    "report heats --time_range 0 1s nothing -i R",
    "report heats --pid 4 -i R",
    "report heats --format json -i R",
    "report heats --format markdown -i R",
    "report heats --format markdown --table events -i R",
    "report heats --heatmap EVIL -i R",
    "report holistic -i R",
    "report holistic --color always --long -i R",
    "report holistic --format json -i R",
    "report holistic --format markdown -i R",
    "report html -o page.html R",
    "report html -o no/such/page.html R",
    "report wss -i R",
    "report wss --per_target -i R",
    "report wss --per_mapping -i R",
    "report wss --per_mapping --format markdown -i R",
    "report wss --per_mapping --format json -i R",
    "report wss -i R evil.damo",
    "report wss --range EVIL 1 2 -i R",
    "report footprints rss -i R",
    "report footprints EVIL -i R",
    "report footprints rss --format markdown -i R",
    "report footprints rss --time_range 0 1s nothing -i R",
    "report nr_regions -i R",
    "report record_info -i R",
    "report record_info --format markdown -i R",
    "report probes -i R",
    "report heats --probe 0 -i R",
    "report nodes -i R",
    "report nodes --format markdown -i R",
    "report ages -i R",
    "report ages --format markdown -i R",
    "report wss_profile -i R",
    "report profile -i R",
    "report profile --format markdown -i R",
    "report profile --folded -i R",
    "report profile --while_hot EVIL -i R",
    "report profile --diff EVIL -i R",
    "symbolize --symfs EVIL R",
    "report schemes -i R",
    "report schemes --interval EVIL -i R",
    "report schemes --format markdown -i R",
    "report times --access_rate 50% 100% -i R",
    "diff R R",
    "diff R R --anyway --align marks",
    "diff R R --mapping EVIL",
    "diff R R --phase 1",
    "diff R R --phase EVIL",
    "diff R R --format json",
    "diff R R --format markdown",
    "diff --base R R --new R",
    "monitor --plain R",
    "monitor --json R",
    "monitor --plain --interval EVIL R",
    "monitor --plain EVIL.damo",
    "monitor --plain --simulate evil.cfg",
    "replay --speed 1000 --force R",
    "replay --speed EVIL R",
    "validate R",
    "doctor R",
    "doctor --root empty",
    "features --root empty",
    "repair R repaired.damo",
    "convert R out.json",
    "convert R out.unknown",
    "convert R --to EVIL",
    "adjust --aggregate_interval 1s -i R -o adjusted.damo --force",
    "cut --time_range 1s 2s -i R -o cut.damo --force",
    "cut --mapping nothing -i R -o cut.damo --force",
    "cut --mapping EVIL -i R -o cut.damo --force",
    "cut --time_range 0 1s nothing -i R -o cut.damo --force",
    "merge R evil.damo -o merged.damo --force",
    "anonymize R -o anonymous.damo --force",
    "schemes --what-if R --damos_action pageout --damos_access_rate 0% 0% --damos_age 5s max",
    "schemes --what-if R --damos_action EVIL",
    "schemes suggest R",
    "schemes suggest R --goal EVIL",
    "args --schemes evil.json",
    "args --kdamonds evil.json",
    "args --sample EVIL",
    "args -s EVIL",
    "status --root empty",
    "report idle --percentiles EVIL",
    "module --root empty",
    "module EVIL --root empty",
    "module reclaim set EVIL --root empty",
    "reclaim set EVIL=EVIL --root empty",
    "lru_sort enable --root empty EVIL",
    "mark --record R EVIL",
    "mark --root empty EVIL",
    "record --simulate EVIL -o x.damo",
    "record --simulate evil.cfg -o x.damo",
    "record --simulate stairs --timeout 1 --force -o R",
    "record --simulate stairs --timeout EVIL",
];

/// Commands that are only tried with an argument that they refuse, because they would change this machine, take long, or
/// print nothing of a record.
const REFUSED_ONLY: [&str; 7] = ["start", "stop", "tune", "demo", "completions", "man", "help"];

#[test]
fn no_text_of_a_stranger_reaches_the_terminal_as_it_is() {
    let mut trial = Trial::new();
    let here = trial.here.path().to_owned();
    let json = serde_json::json!({"kdamonds": [{EVIL: EVIL, "contexts": EVIL}]});
    fs::write(here.join("evil.json"), json.to_string()).expect("a file");
    fs::write(here.join("evil.cfg"), format!("{EVIL}, 1\n\n{EVIL}\n")).expect("a file");
    fs::create_dir(here.join("empty")).expect("a directory");
    for line in LINES {
        trial.line(line);
    }
    let mut all = Vec::new();
    for command in damo::cli::command().get_subcommands() {
        all.push(command.get_name().to_owned());
        all.extend(command.get_subcommands().map(|sub| format!("{} {}", command.get_name(), sub.get_name())));
    }
    for command in all {
        let tried = trial.seen.contains(&command) || REFUSED_ONLY.contains(&command.as_str());
        assert!(tried, "`damo {command}` is not tried with a stranger's record: add a line to LINES");
        let mut words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        words.push(format!("--{EVIL}").into());
        let output = trial.run(&words, false);
        assert_eq!(output.status.code(), Some(2), "{command}");
    }
    trial.end();
}

#[test]
fn foreign_files_of_strangers_are_refused_without_their_escapes() {
    let mut trial = Trial::new();
    let here = trial.here.path().to_owned();
    let regions = |name: &str| {
        let line = |n: u64| {
            format!(
                "{name}  100 [001] {n}.000000: damon:damon_aggregated: target_id={EVIL} nr_regions=1 4096-8192: 1 2\n"
            )
        };
        (1..9).map(line).collect::<String>()
    };
    for (file, text) in [
        ("text.txt", EVIL.repeat(40)),
        ("trace.txt", regions(EVIL)),
        ("kdamond.txt", regions("kdamond.0")),
        ("record.json", format!("[{{{}: 1}}]", serde_json::Value::from(EVIL))),
        ("lines.json", format!("[{{\"{EVIL}")),
    ] {
        fs::write(here.join(file), text).expect("a file");
        for line in ["info", "report wss -i", "convert"] {
            let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            words.push(file.into());
            if line == "convert" {
                words.push("new.damo".into());
            }
            trial.run(&words, false);
        }
    }
    trial.end();
}

#[test]
fn tables_keep_the_texts_as_they_are_for_programs() {
    let trial = Trial::new();
    let run = |line: &str| common::ok(trial.here.path(), line);
    let json: serde_json::Value = serde_json::from_str(&run("info --format json evil.damo")).expect("JSON");
    assert_eq!(json["host"], EVIL);
    let json = run("report wss --per_mapping --format json -i evil.damo");
    assert!(!json.contains('\u{202e}') && !json.contains('\u{9b}'), "escaped in JSON's own way");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let names: BTreeSet<&str> = json["tables"]["percentiles"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["mapping"].as_str())
        .collect();
    assert!(names.iter().any(|name| name.contains(EVIL)), "{names:?}");
    let csv = run("report heats --format csv --table events -i evil.damo");
    assert!(csv.contains(&EVIL.replace('"', "\"\"")), "a CSV field holds the text as it is");
    let markdown = run("report heats --format markdown --table events -i evil.damo");
    let rows = markdown.lines().filter(|line| line.starts_with('|')).count();
    assert_eq!(markdown.lines().count(), rows, "no text ends a row: {markdown}");
    assert!(!markdown.contains("<b>") && !markdown.contains("[l]("), "{markdown}");
}

#[test]
fn names_in_pictures_and_their_metadata_are_escaped_and_the_svg_is_sound() {
    let trial = Trial::new();
    let here = trial.here.path();
    common::ok(here, "report heats -i evil.damo --heatmap map.svg");
    common::ok(here, "report heats -i evil.damo --heatmap map.png");
    common::ok(here, "report wss --per_mapping -i evil.damo --plot wss.svg");
    for picture in ["map.svg", "wss.svg"] {
        let bytes = fs::read(here.join(picture)).expect("a picture");
        assert_eq!(fault(&bytes, false), None, "{picture}");
        let text = String::from_utf8(bytes).expect("text");
        assert!(!text.contains("<b>") && !text.contains("</script>"), "{picture}");
        assert!(picture != "map.svg" || text.contains(r"\x1b]0;pwned"), "{picture}: names are there");
    }
    let png = fs::read(here.join("map.png")).expect("a picture");
    assert!(!png.windows(4).any(|bytes| bytes == b"\x1b]0;"), "no escape in the PNG's metadata");
}
