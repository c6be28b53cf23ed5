//! One HTML file that holds a record's heat maps and everything measured beside them, to be looked at with a mouse, a
//! finger or the keyboard.
//!
//! The page's style and program are in `assets/report`, joined here when this crate is compiled: no network, no other
//! file. The data are made here: for each target the heat map at one fine resolution (the page makes the coarser ones
//! itself, as exact means), packed as 16-bit numbers, zlib and base64, and beside it the tracks on the same time axis.
//! An hour's record stays below 2 MB, because the number of cells is fixed whatever the record's length, and lowered
//! where cells pack badly.

mod map;
mod tracks;

use crate::ReportError;
use crate::colormap::ColorMap;
use crate::heats::{HeatsReport, Scale, Unit};
use crate::picture::Band;
use crate::survey::Identity;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use damo_frame::Record;
use damo_model::human::{Show, Style, format_nr, format_size, is_plain, time_text};
use damo_model::{Nanos, Target, TimeSpan};
use map::{Cut, Maps, TargetMap};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use tracks::{Track, TrackMaker};

/// The page's frame, with places for what the other files hold.
const FRAME: &str = include_str!("../assets/report/page.html");
const STYLE: &str = include_str!("../assets/report/page.css");
/// The page's program, in the order in which its parts build on one another.
const PROGRAM: &str = concat!(
    include_str!("../assets/report/numbers.js"),
    include_str!("../assets/report/view.js"),
    include_str!("../assets/report/heat.js"),
    include_str!("../assets/report/draw.js"),
    include_str!("../assets/report/tracks.js"),
    include_str!("../assets/report/readout.js"),
    include_str!("../assets/report/input.js"),
    include_str!("../assets/report/start.js"),
);
/// Cells in all maps together, to begin with: what usually fits well.
const CELLS: usize = 1 << 20;
/// Where cells are no longer lowered.
const FEWEST_CELLS: usize = 1 << 14;
/// Bytes of data that a page may have; style and program come on top.
const MOST: usize = 1_900_000;
/// Maps that a page has at most: each has a fixed least number of cells, and a page of more could not be handled.
const MOST_MAPS: usize = 100;

/// What to say on the page beside the data.
#[derive(Clone, Debug, Default)]
pub struct HtmlOptions {
    /// The command that makes the page; empty leaves the line out.
    pub command: String,
    /// A hash of the record, so that the page can be told to belong to it.
    pub hash: String,
    /// Colours of the map.
    pub colormap: ColorMap,
    /// What the record tells, in sentences, each with the command that shows its figures.
    pub sentences: Vec<(String, String)>,
    /// Phases of the run, on the record's clock; a single one is not shown.
    pub phases: Vec<Band>,
    /// The hottest functions of each phase, in words; empty if there is no CPU profile.
    pub functions: Vec<String>,
    /// What the hottest colour stands for, so that pages can be compared; `None`: the hottest cell.
    pub scale: Option<Scale>,
}

/// What the page's program reads. Times are nanoseconds from the record's start, sizes bytes.
#[derive(Serialize)]
struct Page<'a> {
    title: String,
    subtitle: String,
    facts: Vec<(&'static str, String)>,
    command: String,
    hash: String,
    /// From cold to hot on a light page, where hot is dark, and on a dark one, where it is bright: as in pictures.
    colours: Colours,
    /// Colours of what schemes were applied to, told apart from those of heat.
    scheme_colours: [&'static str; 2],
    duration: i64,
    /// `hz` or `samples`.
    unit: &'static str,
    /// The highest heat possible, where intervals are known, else the highest seen.
    max: f64,
    /// The highest heat seen.
    peak: f64,
    /// What the hottest colour stands for.
    top: f64,
    targets: Vec<TargetMap>,
    /// Tracks of the machine; those of a target are the target's.
    tracks: &'a [Track],
    marks: Vec<MarkAt>,
    /// Sentences and commands.
    sentences: Vec<(String, String)>,
    /// Phases of the run, if there are several.
    phases: Vec<PhaseAt>,
}

#[derive(Serialize)]
struct PhaseAt {
    t: [i64; 2],
    kind: usize,
    label: String,
    /// Its hottest functions, in words; empty if unknown.
    functions: String,
}

#[derive(Serialize)]
struct Colours {
    light: Vec<String>,
    dark: Vec<String>,
}

impl Colours {
    fn of(map: ColorMap) -> Self {
        let all = |dark| (0..64).map(|i| map.color(dark, f64::from(i) / 63.0).css()).collect();
        Self { light: all(false), dark: all(true) }
    }
}

#[derive(Serialize)]
struct MarkAt {
    t: i64,
    text: String,
}

/// Writes the page for one record.
///
/// # Errors
/// If the record cannot be read or holds no snapshots, or `out` takes no more.
pub fn write_html(record: &Record, options: &HtmlOptions, out: &mut dyn Write) -> Result<(), ReportError> {
    let data = fitting(&Prepared::new(record)?, options)?;
    let data = harmless(&data);
    let policy = policy();
    let mut rest = FRAME;
    let parts = [("/*POLICY*/", policy.as_str()), ("/*STYLE*/", STYLE), ("/*DATA*/", &data), ("/*PROGRAM*/", PROGRAM)];
    for (place, content) in parts {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        out.write_all(before.as_bytes())?;
        out.write_all(content.as_bytes())?;
        rest = after;
    }
    out.write_all(rest.as_bytes())?;
    Ok(())
}

/// The page's data, with as many cells as fit.
fn fitting(prepared: &Prepared<'_>, options: &HtmlOptions) -> Result<String, ReportError> {
    let Prepared { record, span, groups, .. } = prepared;
    let cut = |cells| Cut::of(cells, groups.shown.len());
    let mut cells = CELLS;
    let mut maps = Maps::new(record, groups, *span, cut(cells))?;
    loop {
        let json = serde_json::to_string(&page(prepared, options, &maps)?).map_err(io::Error::from)?;
        if json.len() <= MOST {
            return Ok(json);
        }
        // Fewer cells are cut in the same way where there are many targets.
        let now = cut(cells);
        while cells > FEWEST_CELLS && cut(cells) == now {
            cells /= 2;
        }
        if cut(cells) == now {
            return Ok(json);
        }
        maps = maps.cut_again(record, groups, *span, cut(cells))?;
    }
}

/// What is the same of a page however many cells it has.
struct Prepared<'r> {
    record: &'r Record,
    span: TimeSpan,
    groups: Groups<'r>,
    of_targets: TrackMaker<'r>,
    of_machine: Vec<Track>,
}

impl<'r> Prepared<'r> {
    fn new(record: &'r Record) -> Result<Self, ReportError> {
        let span = record.time_span().ok_or_else(|| empty(record))?;
        let of_targets = TrackMaker::new(record, span.start)?;
        let groups = Groups::of(record, &of_targets);
        Ok(Self { record, span, groups, of_targets, of_machine: tracks::of_machine(record, span.start)? })
    }
}

fn empty(record: &Record) -> ReportError {
    let name = record.name();
    let what = "no snapshots, so there is nothing to draw";
    ReportError::invalid(format!("{name}: {what}; `damo info {name}` shows what it holds"))
}

/// What the page may do: run its own program, use its own style, and nothing else. Names in a record may hold anything;
/// should one ever become a part of the page, the browser neither runs nor loads what it asks for.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(PROGRAM),
        hash(STYLE)
    )
}

/// The page's data with all texts in it as they may be shown: characters that are not seen are escaped as everywhere
/// ([`Show`]). Within a script element only what begins with `<` can mean anything.
fn harmless(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    let mut rest = json.chars();
    while let Some(c) = rest.next() {
        let meant = match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    u32::from_str_radix(&digits, 16)
                        .ok()
                        .and_then(char::from_u32)
                        .unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                other => {
                    safe.push(c);
                    safe.extend(other);
                    continue;
                }
            },
            '<' => {
                safe.push_str("\\u003c");
                continue;
            }
            c => c,
        };
        if is_plain(meant) {
            safe.push(meant);
        } else {
            safe.push_str(&meant.to_string().shown().to_string().replace('\\', "\\\\"));
        }
    }
    safe
}

fn page<'a>(prepared: &'a Prepared<'_>, options: &HtmlOptions, maps: &Maps) -> Result<Page<'a>, ReportError> {
    let Prepared { record, span, groups, of_targets, of_machine } = prepared;
    let first = maps.first().ok_or_else(|| empty(record))?;
    let targets = maps.targets(record, groups, of_targets, *span)?;
    let top = options.scale.map(|scale| first.top_of(scale)).transpose()?;
    let peak = targets.iter().filter_map(TargetMap::peak).fold(0.0, f64::max);
    let peak = if peak > 0.0 { peak } else { 1.0 };
    let marks = first.marks.iter().map(|(at, text)| MarkAt { t: at.saturating_sub(span.start).0, text: text.clone() });
    let phase = |(number, band): (usize, &Band)| PhaseAt {
        t: [band.time.start, band.time.end].map(|at| after(span.start, at)),
        kind: band.color,
        label: band.label.clone(),
        functions: options.functions.get(number).cloned().unwrap_or_default(),
    };
    let scheme_colours = match options.colormap {
        ColorMap::Viridis | ColorMap::Cividis => ["#ff5fd2", "#ffffff"],
        _ => ["#2ee6d6", "#7cff6b"],
    };
    Ok(Page {
        title: record.name().rsplit('/').next().unwrap_or_default().to_owned(),
        subtitle: format!("data accesses over {}", time_text(span.length())),
        facts: facts(record, groups, first),
        command: options.command.clone(),
        hash: options.hash.clone(),
        colours: Colours::of(options.colormap),
        scheme_colours,
        duration: span.length().0.max(1),
        unit: first.unit.as_str(),
        max: first.possible.unwrap_or(peak),
        peak,
        top: top.unwrap_or(peak),
        marks: marks.collect(),
        sentences: options.sentences.clone(),
        phases: if options.phases.len() > 1 {
            options.phases.iter().enumerate().map(phase).collect()
        } else {
            Vec::new()
        },
        targets,
        tracks: of_machine,
    })
}

fn facts(record: &Record, groups: &Groups<'_>, report: &HeatsReport) -> Vec<(&'static str, String)> {
    let (meta, totals, coverage) = (record.meta(), record.totals(), record.coverage());
    let nr = |number: u64| format_nr(number.into(), Style::Human);
    let mut facts = vec![
        ("snapshots", nr(totals.snapshots)),
        ("regions", nr(totals.regions)),
        ("file size", record.file_size().map_or_else(String::new, |size| format_size(size, Style::Human))),
        ("kernel", meta.kernel_release.clone()),
        ("recorded by", meta.tool.clone()),
        ("host", meta.host.clone()),
    ];
    if groups.left_out > 0 {
        let (shown, all) = (groups.shown.len(), groups.shown.len() + groups.left_out);
        let which = "those that touched most memory; `damo report heats --tid ID` shows others";
        facts.push(("targets", format!("{} of {}, {which}", nr(shown as u64), nr(all as u64))));
    }
    if let (Some(possible), Unit::Hz) = (report.possible, report.unit) {
        facts.push(("highest rate possible", format!("{possible} Hz")));
    }
    if let Some(intervals) = meta.intervals {
        let [sample, aggregation] = [intervals.sample, intervals.aggregation].map(time_text);
        facts.push(("intervals", format!("sampling {sample}, aggregation {aggregation}")));
    }
    facts.push((
        "coverage",
        if coverage.is_full() {
            "complete".to_owned()
        } else {
            let (share, lost) = (coverage.ratio() * 100.0, nr(coverage.lost_events));
            format!("{share:.1} % of snapshots complete, {lost} events lost")
        },
    ));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// The targets of one identity: the same place in the kernel's numbering, perhaps with one process after another.
struct Group<'a> {
    identity: Identity,
    targets: Vec<&'a Target>,
}

/// A record's groups.
struct Groups<'r> {
    /// Those that have a map, in order of appearance.
    shown: Vec<Group<'r>>,
    /// Schemes' views of some of them.
    schemes: Vec<Group<'r>>,
    /// How many have no map, because there are too many.
    left_out: usize,
}

impl<'r> Groups<'r> {
    fn of(record: &'r Record, tracks: &TrackMaker<'_>) -> Self {
        let groups = Group::all(record);
        let plain: Vec<Identity> =
            groups.iter().map(|group| group.identity).filter(|identity| identity.scheme.is_none()).collect();
        let is_view = |group: &Group<'_>| {
            group.identity.scheme.is_some() && plain.iter().any(|plain| group.identity.is_scheme_of(*plain))
        };
        let (schemes, mut shown): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_view);
        let left_out = shown.len().saturating_sub(MOST_MAPS);
        if left_out > 0 {
            let mut ranked: Vec<(u128, usize)> =
                shown.iter().enumerate().map(|(i, group)| (tracks.touched(group), i)).collect();
            ranked.sort_by_key(|(touched, i)| (std::cmp::Reverse(*touched), *i));
            let kept: HashSet<usize> = ranked.into_iter().take(MOST_MAPS).map(|(_, i)| i).collect();
            let mut place = 0..;
            shown.retain(|_| place.next().is_some_and(|i| kept.contains(&i)));
        }
        Self { shown, schemes, left_out }
    }
}

impl<'a> Group<'a> {
    /// All of a record's, in order of appearance.
    fn all(record: &'a Record) -> Vec<Self> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut places: HashMap<Identity, usize> = HashMap::new();
        for target in record.targets() {
            let identity = Identity::from(target);
            let place = *places.entry(identity).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => group.targets.push(target),
                None => groups.push(Group { identity, targets: vec![target] }),
            }
        }
        groups
    }

    fn name(&self) -> String {
        let first = self.targets.first();
        let id = first.and_then(|target| target.target_id).map_or_else(String::new, |id| format!(" {id}"));
        let process = self.targets.iter().rev().find_map(|target| target.process.as_ref());
        let mut name = match process {
            Some(process) if !process.comm.is_empty() => format!("target{id}: {} (pid {})", process.comm, process.pid),
            Some(process) => format!("target{id}: pid {}", process.pid),
            None => format!("target{id}"),
        };
        let numbers = [("kdamond", self.identity.kdamond), ("context", self.identity.context)];
        for (what, number) in numbers {
            if let Some(number) = number.filter(|number| *number > 0) {
                name += &format!(", {what} {number}");
            }
        }
        if let Some(scheme) = self.identity.scheme {
            name += &format!(", what scheme {scheme} was applied to");
        }
        name
    }
}

/// Nanoseconds after the record's start.
fn after(start: Nanos, at: Nanos) -> i64 {
    at.saturating_sub(start).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_hold_no_markup_and_nothing_that_is_not_seen() {
        let names = ["</script>\u{1b}[2J", "a\n\t\"\\n\u{202e}", "\u{8}\u{c}\r\u{9b}größe"];
        let safe = harmless(&serde_json::to_string(&names).unwrap());
        assert!(!safe.contains('<') && safe.chars().all(is_plain), "{safe}");
        let read: Vec<String> = serde_json::from_str(&safe).unwrap();
        assert_eq!(read, [r"</script>\x1b[2J", "a\\n\\t\"\\n\\u{202e}", r"\x08\x0c\r\u{9b}größe"]);
    }

    /// A name declared twice is a syntax error in JavaScript: the whole page would stay empty.
    #[test]
    fn the_parts_of_the_program_declare_each_name_once() {
        let mut names = std::collections::HashSet::new();
        for line in PROGRAM.lines() {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let Some(rest) = ["const ", "let ", "function ", "class "].iter().find_map(|it| line.strip_prefix(it))
            else {
                continue;
            };
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').next().unwrap_or_default();
            assert!(name.is_empty() || names.insert(name), "`{name}` is declared twice");
        }
        assert!(names.len() > 50 && names.contains("start"), "{names:?}");
    }

    #[test]
    fn the_policy_has_the_right_hashes() {
        // Of the empty text, as everybody knows it.
        let empty = STANDARD.encode(Sha256::digest(""));
        assert_eq!(empty, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert!(policy().starts_with("default-src 'none'; script-src 'sha256-") && !policy().contains('"'));
    }
}
