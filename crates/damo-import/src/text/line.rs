//! One line of a trace text.

use damo_model::assemble::{EventKey, RegionEvent};
use damo_model::{Addr, Age, ColumnId, Nanos, NrAccesses, Region};

/// What a line of a DAMON event says.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// The whole line.
    pub(super) text: &'a str,
    /// Command name of the thread that emitted it.
    pub(super) comm: Option<&'a str>,
    /// That thread.
    pub(super) thread: Option<i32>,
    /// Whether the event's name has the group before it, as perf prints it.
    pub(super) by_perf: bool,
    /// What it says.
    pub(super) found: Found<'a>,
}

#[derive(Debug)]
pub(super) enum Found<'a> {
    Region {
        event: RegionEvent<'a>,
        probed: bool,
    },
    /// The Python tool's mark of where one more snapshot would have ended: one region of nothing, with -1 accesses.
    Fake(EventKey, Nanos),
    Lost(Option<u64>),
    Tuned(Nanos, Nanos),
    /// An event that says nothing about regions.
    Other,
    Unreadable,
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
    ("damon_aggregated:", Kind::Aggregated),
    ("damos_before_apply:", Kind::BeforeApply),
    ("damon_region_aggregated:", Kind::Probed),
    ("damon_monitor_intervals_tune:", Kind::Tune),
    ("damos_stat_after_apply_interval:", Kind::Other),
    ("damos_esz:", Kind::Other),
];

/// Longer lines are no trace lines.
const MAX_LINE: usize = 64 << 10;

/// Reads a line; `None` if it is of no interest. `extras` is room for values of extra columns.
pub(super) fn read<'a>(raw: &'a [u8], extras: &'a mut Vec<(ColumnId, u64)>) -> Option<Line<'a>> {
    if raw.len() > MAX_LINE || raw.len() < 8 {
        return None;
    }
    let Some((at, name, kind)) = find_event(raw) else { return read_lost(raw) };
    let head = std::str::from_utf8(&raw[..at]).unwrap_or("");
    let (head, by_perf) = match head.strip_suffix("damon:") {
        Some(head) => (head, true),
        None => (head, false),
    };
    let text = std::str::from_utf8(raw).unwrap_or("(not text)");
    let mut line = Line { text, comm: None, thread: None, by_perf, found: Found::Unreadable };
    let rest = std::str::from_utf8(&raw[at + name.len()..]).ok();
    let (Some((who, time)), Some(rest)) = (split_time(head), rest) else { return Some(line) };
    (line.comm, line.thread) = thread(who);
    line.found = fields(kind, line.thread, time, rest, extras).unwrap_or(Found::Unreadable);
    Some(line)
}

/// Where an event's name begins, which must be the begin of a word or follow `damon:`.
fn find_event(raw: &[u8]) -> Option<(usize, &'static str, Kind)> {
    let mut from = 0;
    loop {
        // All names begin with "damo"; most lines that have it have it as "damon:".
        let at = from + find(&raw[from..], b"damo")?;
        let begins_word = at == 0 || matches!(raw[at - 1], b' ' | b'\t') || raw[..at].ends_with(b" damon:");
        let known = EVENTS.iter().find(|(name, _)| begins_word && raw[at..].starts_with(name.as_bytes()));
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

/// `CPU:1 [LOST 123 EVENTS]`, `CPU:1 [123 EVENTS DROPPED]`, `... PERF_RECORD_LOST lost 123`.
fn read_lost(raw: &[u8]) -> Option<Line<'_>> {
    // Cheap test first: almost every line of a mixed trace ends here.
    if !raw.ends_with(b"]") && !raw.windows(11).any(|window| window == b"RECORD_LOST") {
        return None;
    }
    let text = std::str::from_utf8(raw).ok()?;
    let after = match text.split_once('[') {
        Some((cpu, after))
            if cpu.trim_start().starts_with("CPU:")
                && (after.starts_with("LOST") || after.ends_with("EVENTS DROPPED]")) =>
        {
            after
        }
        _ => text.split_once("PERF_RECORD_LOST").map(|(_, after)| after)?,
    };
    let number = after.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse().ok());
    Some(Line { text, comm: None, thread: None, by_perf: false, found: Found::Lost(number) })
}

/// What stands before the time, and the time: the last word that is one, as perf may print a period after it.
fn split_time(head: &str) -> Option<(&str, Nanos)> {
    let mut before = head.trim_end();
    for _ in 0..3 {
        let at = before.rfind([' ', '\t']).map_or(0, |at| at + 1);
        if let Some(time) = before[at..].strip_suffix(':').and_then(seconds) {
            return Some((before[..at].trim_end(), time));
        }
        before = before[..at].trim_end();
    }
    None
}

/// `12.345678` seconds, exactly; digits beyond nanoseconds are cut off.
fn seconds(text: &str) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = digits(whole)?.try_into().ok()?;
    let mut nanos = 0_i64;
    let mut unit = 100_000_000;
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        nanos += i64::from(digit - b'0') * unit;
        unit /= 10;
    }
    Some(Nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
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

/// `probe_hits=0a 00 1f`: a byte for each probe, hexadecimal.
fn probe_hits<'a>(
    first: &'a str,
    rest: &mut impl Iterator<Item = &'a str>,
    extras: &mut Vec<(ColumnId, u64)>,
) -> Option<()> {
    let first = first.strip_prefix("probe_hits=")?;
    for (probe, word) in std::iter::once(first).filter(|word| !word.is_empty()).chain(rest).enumerate() {
        let id = ColumnId::PROBE_HITS.0.checked_add(u16::try_from(probe).ok()?)?;
        extras.push((ColumnId(id), u8::from_str_radix(word, 16).ok()?.into()));
    }
    Some(())
}

/// The number in `key=number`.
fn value(word: &str, key: &str) -> Option<u64> {
    digits(word.strip_prefix(key)?.strip_prefix('=')?)
}

/// A plain decimal number: no sign, no blanks.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let mut number = 0_u64;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region_of(text: &str) -> (Option<String>, Option<i32>, i64, u64, Option<u32>) {
        let mut extras = Vec::new();
        let line = read(text.as_bytes(), &mut extras).expect("a line of interest");
        let Found::Region { event, .. } = line.found else { panic!("no region in {text}: {:?}", line.found) };
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
        ] {
            assert_eq!(region_of(&format!("{head}{fields}")), expected(comm, thread), "{head}");
        }
    }

    #[test]
    fn an_age_may_be_missing_in_two_ways() {
        let head = "kdamond.0-177 [000] 1.5: damon_aggregated: target_id=0 nr_regions=11 4096-8192: 3";
        assert_eq!(region_of(head).4, None);
        assert_eq!(region_of(&format!("{head} None")).4, None);
    }

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        assert_eq!(seconds("4611686018.427387903"), Some(Nanos(4_611_686_018_427_387_903)));
        assert_eq!(seconds("0.0000000019"), Some(Nanos(1)));
        assert_eq!(seconds("12"), Some(Nanos(12_000_000_000)));
        assert_eq!([seconds(""), seconds("1.-5"), seconds("-1.5"), seconds("99999999999.0")], [None; 4]);
    }

    #[test]
    fn probe_hits_become_columns() {
        let text = "k-1 [0] 1.5: damon_region_aggregated: target_id=0 nr_regions=11 4096-8192: 3 1 probe_hits=0a ff";
        let mut extras = Vec::new();
        let Some(Line { found: Found::Region { event, probed: true }, .. }) = read(text.as_bytes(), &mut extras) else {
            panic!("not understood");
        };
        assert_eq!(event.extras, [(ColumnId(0x100), 10), (ColumnId(0x101), 255)]);
    }

    #[test]
    fn losses_are_seen_in_every_wording() {
        for (text, expected) in [
            ("CPU:1 [LOST 123 EVENTS]", Some(123)),
            ("CPU:0 [LOST EVENTS]", None),
            ("CPU:0 [17 EVENTS DROPPED]", Some(17)),
            ("kdamond.0 231 [001] 37.39: PERF_RECORD_LOST lost 853", Some(853)),
        ] {
            let mut extras = Vec::new();
            let line = read(text.as_bytes(), &mut extras).expect("a line of interest");
            assert!(matches!(line.found, Found::Lost(lost) if lost == expected), "{text}: {:?}", line.found);
        }
    }

    #[test]
    fn a_line_of_a_damon_event_that_says_nonsense_is_told_apart_from_foreign_lines() {
        let mut extras = Vec::new();
        for text in ["a 1 [0] 1.5: sched:sched_switch: x", "# damon_aggregatedx: nothing", "CPU 0 is empty"] {
            assert!(read(text.as_bytes(), &mut extras).is_none(), "{text}");
        }
        for fields in [
            "target_id=0 nr_regions=11 4096-8192",
            "target_id=0 nr_regions=-1 4096-8192: 1 2",
            "target_id=0 nr_regions=11 4096-8192: -3 2",
            "target_id=0 nr_regions=11 nan-8192: 3 2",
            "target_id=0 nr_regions=11 4096-8192: 99999999999 2",
        ] {
            let text = format!("k-1 [000] 1.5: damon_aggregated: {fields}");
            let line = read(text.as_bytes(), &mut extras).expect("a line of interest");
            assert!(matches!(line.found, Found::Unreadable), "{fields}");
        }
    }
}
