//! One line of a trace text.

use super::clock::{Tick, Time, decimal, digits, time};
use super::lost::{Loss, loss};
use super::strange::{self, Strange};
use damo_model::features::TUNE_EVENT;
use damo_model::{Addr, Age, ColumnId, Nanos, NrAccesses, Region};
use damo_trace::assemble::{EventKey, RegionEvent};

/// What a line of a DAMON event says.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// The whole line.
    pub(super) text: &'a str,
    /// Command name of the thread that emitted it.
    pub(super) comm: Option<&'a str>,
    /// Id of the thread that the line is of.
    pub(super) thread: Option<i32>,
    /// Which tool wrote it.
    pub(super) tool: Tool,
    /// What it says.
    pub(super) found: Found<'a>,
}

/// The tool that wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// `perf script` has the event's group before its name.
    PerfScript,
    /// `perf trace` has fields in parentheses, and times in milliseconds.
    PerfTrace,
    /// Others do not.
    Ftrace,
}

#[derive(Debug)]
pub(super) enum Found<'a> {
    Region {
        event: RegionEvent<'a>,
        probed: bool,
    },
    /// The same in a layout that leaves out fields of value 0, so that an age that is missing may be 0.
    Sparse(RegionEvent<'a>),
    /// The Python tool's mark of where one more snapshot would have ended: one region of nothing, with -1 accesses.
    Fake(EventKey, Nanos),
    Lost(Loss),
    Tuned(Nanos, Nanos),
    /// An event that says nothing about regions.
    Other,
    Unreadable,
    /// Of a layout that is not read.
    Strange(Strange),
    /// With a time that is no time, unless somebody tells how long a step of its clock lasts.
    Ticks(u64),
}

#[derive(Clone, Copy)]
enum Kind {
    Aggregated,
    Probed,
    BeforeApply,
    Tune,
    Other,
}

/// The events, by the names that the kernel gives them. A command name has at most 15 bytes, so none can be in one.
const EVENTS: [(&str, Kind); 6] = [
    ("damon_aggregated", Kind::Aggregated),
    ("damos_before_apply", Kind::BeforeApply),
    ("damon_region_aggregated", Kind::Probed),
    (TUNE_EVENT, Kind::Tune),
    ("damos_stat_after_apply_interval", Kind::Other),
    ("damos_esz", Kind::Other),
];

/// Longer lines are no trace lines.
const MAX_LINE: usize = 64 << 10;

/// Reads a line as [`super::lines::Lines`] gives it; `None` if it is of no interest. `tick` is how long a step of a clock
/// lasts that does not count nanoseconds. `extras` is room for values of extra columns.
pub(super) fn read<'a>(raw: &'a [u8], tick: Option<Tick>, extras: &'a mut Vec<(ColumnId, u64)>) -> Option<Line<'a>> {
    if raw.len() > MAX_LINE || raw.len() < 8 {
        return None;
    }
    let Some((at, name, kind)) = find_event(raw) else {
        let found = Found::Lost(loss(raw)?);
        let text = std::str::from_utf8(raw).unwrap_or("(not text)");
        return Some(Line { text, comm: None, thread: None, tool: Tool::Ftrace, found });
    };
    let head = std::str::from_utf8(&raw[..at]).unwrap_or("");
    let after = at + name.len();
    let is_trace = raw.get(after) == Some(&b'(');
    let (head, tool) = match head.strip_suffix("damon:") {
        Some(head) if is_trace => (head, Tool::PerfTrace),
        None if is_trace => (head, Tool::PerfTrace),
        Some(head) => (head, Tool::PerfScript),
        None => (head, Tool::Ftrace),
    };
    let text = std::str::from_utf8(raw).unwrap_or("(not text)");
    let mut line = Line { text, comm: None, thread: None, tool, found: Found::Unreadable };
    let Some(rest) = raw.get(after + 1..).and_then(|rest| std::str::from_utf8(rest).ok()) else { return Some(line) };
    if let Some(strange) = strange::layout(head, rest) {
        line.found = Found::Strange(strange);
        return Some(line);
    }
    let who_and_time = if is_trace { trace_head(head) } else { split_time(head) };
    let Some((who, time)) = who_and_time else { return Some(line) };
    (line.comm, line.thread) = thread(who);
    let time = match (time, tick) {
        (Time::Known(time), _) => time,
        (Time::Ticks(count), Some(tick)) => tick.after(count),
        (Time::Ticks(count), None) => {
            line.found = Found::Ticks(count);
            return Some(line);
        }
    };
    let found = match is_trace.then(|| rest.strip_suffix(')')).flatten() {
        Some(rest) if is_named(rest) => named(kind, line.thread, time, rest),
        Some(rest) => fields(kind, line.thread, time, rest, extras),
        None if is_trace => None,
        None => fields(kind, line.thread, time, rest, extras),
    };
    line.found = found.unwrap_or(Found::Unreadable);
    Some(line)
}

/// Where an event's name begins, which must be the begin of a word or follow `damon:`.
fn find_event(raw: &[u8]) -> Option<(usize, &'static str, Kind)> {
    let mut from = 0;
    loop {
        // All names begin with "damo"; most lines that have it have it as "damon:".
        let at = from + find(&raw[from..], b"damo")?;
        let begins_word = at == 0 || matches!(raw[at - 1], b' ' | b'\t') || raw[..at].ends_with(b" damon:");
        let is_name = |name: &str| {
            raw[at..].starts_with(name.as_bytes()) && matches!(raw.get(at + name.len()), Some(b':' | b'('))
        };
        let known = EVENTS.iter().find(|(name, _)| begins_word && is_name(name));
        if let Some((name, kind)) = known {
            return Some((at, name, *kind));
        }
        from = at + 4;
    }
}

fn find(haystack: &[u8], needle: &[u8; 4]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// What stands before the time, and the time: the last word that is one, as perf may print a period after it.
fn split_time(head: &str) -> Option<(&str, Time)> {
    let mut before = head.trim_end();
    for _ in 0..3 {
        let at = before.rfind([' ', '\t']).map_or(0, |at| at + 1);
        if let Some(time) = before[at..].strip_suffix(':').and_then(time) {
            return Some((before[..at].trim_end(), time));
        }
        before = before[..at].trim_end();
    }
    None
}

/// Who and when in a line of `perf trace`: `12400.049 (         ): kdamond.0/30572 `, in milliseconds. What is in
/// parentheses is there only if system calls are traced as well.
fn trace_head(head: &str) -> Option<(&str, Time)> {
    let (time, rest) = head.trim().split_once([' ', '\t']).unwrap_or((head.trim(), ""));
    let rest = rest.trim_start();
    let who = rest.strip_prefix('(').and_then(|rest| rest.split_once("):")).map_or(rest, |(_, who)| who);
    Some((who.trim(), Time::Known(decimal(time, 1_000_000)?)))
}

/// Command name and thread from `kdamond.0 231 [001]` (perf) or `kdamond.0-231 (-----) [001] .....` (ftrace).
fn thread(who: &str) -> (Option<&str>, Option<i32>) {
    let mut who = who.trim();
    // The processor, and ftrace's flags after it.
    if let Some(at) = who.rfind(" [") {
        let word = who[at + 2..].split([' ', '\t']).next().unwrap_or("");
        if word.strip_suffix(']').and_then(digits).is_some() {
            who = who[..at].trim_end();
        }
    }
    // The thread group that ftrace can be told to print.
    if let Some(at) = who.rfind('(').filter(|at| who.ends_with(')') && *at > 0) {
        who = who[..at].trim_end();
    }
    let number = |text: &str| digits(text).and_then(|number| i32::try_from(number).ok());
    // perf trace.
    if let Some((comm, thread)) = who.rsplit_once('/')
        && let Some(thread) = number(thread)
        && !comm.rsplit([' ', '\t']).next().is_some_and(|word| comm.len() > word.len() && number(word).is_some())
    {
        return (Some(comm.trim()), Some(thread));
    }
    if let Some((comm, last)) = who.rsplit_once([' ', '\t']) {
        // `-F pid,tid` prints both.
        if let Some(thread) = number(last.rsplit('/').next().unwrap_or(last)) {
            return (Some(comm.trim()), Some(thread));
        }
    }
    if let Some((comm, last)) = who.rsplit_once('-')
        && let Some(thread) = number(last)
    {
        return (Some(comm.trim()), Some(thread));
    }
    (who.split([' ', '\t']).next().filter(|comm| !comm.is_empty()), None)
}

fn fields<'a>(
    kind: Kind,
    thread: Option<i32>,
    time: Nanos,
    rest: &str,
    extras: &'a mut Vec<(ColumnId, u64)>,
) -> Option<Found<'a>> {
    let mut words = rest.split_ascii_whitespace();
    let mut key = EventKey { thread, ..EventKey::default() };
    match kind {
        Kind::Other => return Some(Found::Other),
        Kind::Tune => {
            let sample = i64::try_from(value(words.next()?, "sample_us")?).ok()?;
            return Some(Found::Tuned(Nanos::from_micros(sample), time));
        }
        Kind::Aggregated | Kind::Probed => key.target_id = value(words.next()?, "target_id")?,
        Kind::BeforeApply => {
            key.context = Some(value(words.next()?, "ctx_idx")?.try_into().ok()?);
            key.scheme = Some(value(words.next()?, "scheme_idx")?.try_into().ok()?);
            key.target_id = value(words.next()?, "target_idx")?;
        }
    }
    let nr_regions = u32::try_from(value(words.next()?, "nr_regions")?).ok()?;
    let (start, end) = words.next()?.strip_suffix(':')?.split_once('-')?;
    let (start, end) = (Addr(digits(start)?), Addr(digits(end)?));
    let nr_accesses = words.next()?;
    let mut age = words.next();
    if nr_accesses == "-1" && age == Some("-1") && start == end {
        return Some(Found::Fake(key, time));
    }
    extras.clear();
    if let Some(first) = age.filter(|word| word.starts_with("probe_hits=")) {
        age = None;
        probe_hits(first, &mut words, extras)?;
    } else if let Some(first) = words.next() {
        probe_hits(first, &mut words, extras)?;
    }
    let age = match age {
        // The Python tool's way to write that there is none.
        None | Some("None") => None,
        Some(age) => Some(Age(digits(age)?.try_into().ok()?)),
    };
    let region = Region::new(start, end, NrAccesses(digits(nr_accesses)?.try_into().ok()?), age);
    let event = RegionEvent { key, time, nr_regions, region, extras };
    Some(Found::Region { event, probed: matches!(kind, Kind::Probed) })
}

/// Whether fields are `key: value, key: value`.
fn is_named(rest: &str) -> bool {
    rest.split_ascii_whitespace().next().is_none_or(|word| word.ends_with(':') && !word.contains('='))
}

/// `target_id: 0, nr_regions: 1, start: 4096, end: 8192, nr_accesses: 1`: fields by the names that they have in the kernel.
/// Those of value 0 may be missing, and all are printed with a sign.
fn named<'a>(kind: Kind, thread: Option<i32>, time: Nanos, rest: &str) -> Option<Found<'a>> {
    let value = |key: &str| -> Option<u64> {
        let word = rest.split(',').find_map(|field| {
            let (name, value) = field.split_once(':')?;
            (name.trim() == key).then_some(value.trim())
        });
        let Some(word) = word else { return Some(0) };
        match (word.strip_prefix("0x"), word.strip_prefix('-')) {
            (Some(hex), _) => u64::from_str_radix(hex, 16).ok(),
            (_, Some(positive)) => digits(positive).map(u64::wrapping_neg),
            _ => digits(word),
        }
    };
    let has =
        |key: &str| rest.split(',').any(|field| field.split_once(':').is_some_and(|(name, _)| name.trim() == key));
    let mut key = EventKey { thread, ..EventKey::default() };
    match kind {
        Kind::Other => return Some(Found::Other),
        Kind::Tune => {
            let sample = i64::try_from(value("sample_us")?).ok()?;
            return Some(Found::Tuned(Nanos::from_micros(sample), time));
        }
        Kind::Aggregated | Kind::Probed => key.target_id = value("target_id")?,
        Kind::BeforeApply => {
            key.context = Some(value("context_idx")?.try_into().ok()?);
            key.scheme = Some(value("scheme_idx")?.try_into().ok()?);
            key.target_id = value("target_idx")?;
        }
    }
    if !has("nr_regions") || !has("end") {
        return None;
    }
    let nr_regions = u32::try_from(value("nr_regions")?).ok()?;
    let age = if has("age") { Some(Age(value("age")?.try_into().ok()?)) } else { None };
    let nr_accesses = NrAccesses(value("nr_accesses")?.try_into().ok()?);
    let region = Region::new(Addr(value("start")?), Addr(value("end")?), nr_accesses, age);
    Some(Found::Sparse(RegionEvent { key, time, nr_regions, region, extras: &[] }))
}

/// `probe_hits=0a 00 1f`: a byte for each probe, hexadecimal.
fn probe_hits<'a>(
    first: &'a str,
    rest: &mut impl Iterator<Item = &'a str>,
    extras: &mut Vec<(ColumnId, u64)>,
) -> Option<()> {
    let first = first.strip_prefix("probe_hits=")?;
    for (probe, word) in (0..).zip(std::iter::once(first).filter(|word| !word.is_empty()).chain(rest)) {
        extras.push((ColumnId::of_probe(probe)?, u8::from_str_radix(word, 16).ok()?.into()));
    }
    Some(())
}

/// The number in `key=number`.
fn value(word: &str, key: &str) -> Option<u64> {
    digits(word.strip_prefix(key)?.strip_prefix('=')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region_of(text: &str) -> (Option<String>, Option<i32>, i64, u64, Option<u32>) {
        let mut extras = Vec::new();
        let line = read(text.as_bytes(), None, &mut extras).expect("a line of interest");
        let (Found::Region { event, .. } | Found::Sparse(event)) = line.found else {
            panic!("no region in {text}: {:?}", line.found)
        };
        let comm = line.comm.map(str::to_owned);
        (comm, line.thread, event.time.0, event.region.start.0, event.region.age.map(|age| age.0))
    }

    #[test]
    fn every_known_layout_of_a_line_is_understood() {
        let fields = "target_id=0 nr_regions=11 4096-8192: 3 7";
        let expected = |comm: &str, thread| (Some(comm.to_owned()), thread, 10_394_634_000, 4096, Some(7));
        for (head, comm, thread) in [
            ("kdamond.0   231 [001]    10.394634: damon:damon_aggregated: ", "kdamond.0", Some(231)),
            ("kdamond.0   231/231 [001]    10.394634:          1 damon:damon_aggregated: ", "kdamond.0", Some(231)),
            ("kdamond.x xxxx xxxx 10.394634: damon:damon_aggregated: ", "kdamond.x", None),
            ("my cool app 77 [000] 10.394634: damon:damon_aggregated: ", "my cool app", Some(77)),
            ("       kdamond.0-177     [000] .N...    10.394634: damon_aggregated: ", "kdamond.0", Some(177)),
            ("  kdamond.0-177     (-----) [000] .....    10.394634: damon_aggregated: ", "kdamond.0", Some(177)),
            ("  a-b c-177   [000]    10.394634000: damon_aggregated:     ", "a-b c", Some(177)),
            ("  <...>-177   [000]    10.394634: damon_aggregated:     ", "<...>", Some(177)),
            ("  a/b-177   [000]    10.394634: damon_aggregated:     ", "a/b", Some(177)),
        ] {
            assert_eq!(region_of(&format!("{head}{fields}")), expected(comm, thread), "{head}");
        }
    }

    #[test]
    fn both_layouts_of_perf_trace_are_understood() {
        let expected = |comm: Option<&str>, thread| (comm.map(str::to_owned), thread, 12_400_049_000, 4096, Some(7));
        let plain = "target_id=0 nr_regions=11 4096-8192: 3 7";
        let named = "target_id: -121171723722880, nr_regions: 1, start: 4096, end: 8192, nr_accesses: 1, age: 7";
        for fields in [plain, named] {
            for (head, comm, thread) in [
                (" 12400.049 kdamond.0/30572 damon:", Some("kdamond.0"), Some(30_572)),
                (" 12400.049 (         ): my app/30572 damon:", Some("my app"), Some(30_572)),
                (" 12400.049 damon:", None, None),
            ] {
                let line = format!("{head}damon_aggregated({fields})");
                assert_eq!(region_of(&line), expected(comm, thread), "{line}");
            }
        }
    }

    #[test]
    fn fields_of_perf_trace_that_are_missing_are_zero_but_for_the_age() {
        let text = " 0.030 k/1 damon:damon_aggregated(nr_regions: 1, end: 8192)";
        let mut extras = Vec::new();
        let Some(Line { found: Found::Sparse(event), .. }) = read(text.as_bytes(), None, &mut extras) else {
            panic!("not understood");
        };
        assert_eq!((event.key.target_id, event.region.start.0, event.region.nr_accesses.0), (0, 0, 0));
        assert_eq!(event.region.age, None);
        let cut = text.replace(", end: 8192", "");
        assert!(matches!(read(cut.as_bytes(), None, &mut extras), Some(Line { found: Found::Unreadable, .. })));
    }

    #[test]
    fn an_age_may_be_missing_in_two_ways() {
        let head = "kdamond.0-177 [000] 1.5: damon_aggregated: target_id=0 nr_regions=11 4096-8192: 3";
        assert_eq!(region_of(head).4, None);
        assert_eq!(region_of(&format!("{head} None")).4, None);
    }

    #[test]
    fn probe_hits_become_columns() {
        let text = "k-1 [0] 1.5: damon_region_aggregated: target_id=0 nr_regions=11 4096-8192: 3 1 probe_hits=0a ff";
        let mut extras = Vec::new();
        let Some(Line { found: Found::Region { event, probed: true }, .. }) = read(text.as_bytes(), None, &mut extras)
        else {
            panic!("not understood");
        };
        assert_eq!(event.extras, [(ColumnId(0x100), 10), (ColumnId(0x101), 255)]);
    }

    #[test]
    fn a_line_of_a_damon_event_that_says_nonsense_is_told_apart_from_foreign_lines() {
        let mut extras = Vec::new();
        for text in ["a 1 [0] 1.5: sched:sched_switch: x", "# damon_aggregatedx: nothing", "CPU 0 is empty"] {
            assert!(read(text.as_bytes(), None, &mut extras).is_none(), "{text}");
        }
        for fields in [
            "target_id=0 nr_regions=11 4096-8192",
            "target_id=0 nr_regions=-1 4096-8192: 1 2",
            "target_id=0 nr_regions=11 4096-8192: -3 2",
            "target_id=0 nr_regions=11 nan-8192: 3 2",
            "target_id=0 nr_regions=11 4096-8192: 99999999999 2",
        ] {
            let text = format!("k-1 [000] 1.5: damon_aggregated: {fields}");
            let line = read(text.as_bytes(), None, &mut extras).expect("a line of interest");
            assert!(matches!(line.found, Found::Unreadable), "{fields}");
        }
    }
}
