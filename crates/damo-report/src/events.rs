//! What happened to the processes while the record was made: they came and went, what they have mapped changed, and the
//! monitoring's own parameters changed.
//!
//! Nobody writes such events down; they follow from what is recorded beside snapshots. A process came (or went) when
//! its first (last) footprint lies well inside the record: those are read about once a second. A process's start is
//! exact where the record's clock is the one that its start time is on.

use damo_frame::{FrameError, Record};
use damo_model::human::{Style, format_size, time_text};
use damo_model::{Bytes, Clock, Intervals, KdamondIndex, Mapping, Nanos, Side, TimeSpan};
use std::collections::{BTreeMap, HashSet};

damo_model::words! {
    /// What kind of thing happened.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum EventKind {
        /// A process came.
        Start = "start",
        /// A process went.
        Exit = "exit",
        /// A process mapped or unmapped memory.
        Mapped = "mappings",
        /// The monitoring intervals changed.
        Intervals = "intervals",
    }
}

impl EventKind {
    /// Whether it is worth knowing on the map of another process.
    pub(crate) fn is_about_processes(self) -> bool {
        matches!(self, EventKind::Start | EventKind::Exit | EventKind::Intervals)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, on the record's clock.
    pub at: Nanos,
    /// What kind of thing.
    pub kind: EventKind,
    /// To whom, if to a process.
    pub pid: Option<i32>,
    /// What happened, in words.
    pub text: String,
}

/// Readings are about a second apart; one that is later than this is missing.
const ROUND: Nanos = Nanos(2_500_000_000);

/// The events of a record, by time.
///
/// # Errors
/// When the record cannot be read.
pub fn events(record: &Record) -> Result<Vec<Event>, FrameError> {
    let Some(TimeSpan { start: begin, end }) = record.time_span() else { return Ok(Vec::new()) };
    let mut events = Vec::new();
    let mut lives: BTreeMap<i32, (Nanos, Nanos)> = BTreeMap::new();
    let mut mapped: BTreeMap<i32, &[Mapping]> = BTreeMap::new();
    let mut intervals: BTreeMap<(Option<KdamondIndex>, Option<u32>), Intervals> = BTreeMap::new();
    let mut last_reading = begin;
    for side in record.side_data()? {
        match side {
            Side::Process(process) => {
                let Some(at) = record.on_record_clock(process.at) else { continue };
                last_reading = last_reading.max(at);
                lives.entry(process.pid).and_modify(|life| life.1 = at).or_insert((at, at));
            }
            Side::Mappings(all) => {
                let Some(at) = record.on_record_clock(all.at) else { continue };
                let before = mapped.insert(all.pid, &all.mappings);
                if let Some(text) = before.and_then(|before| difference(before, &all.mappings)) {
                    events.push(Event { at, kind: EventKind::Mapped, pid: Some(all.pid), text });
                }
            }
            Side::Params(params) => {
                let (Some(at), Some(now)) = (record.on_record_clock(params.at), params.intervals) else { continue };
                let before = intervals.insert((params.kdamond, params.context), now);
                if before.is_some_and(|before| before != now) {
                    let [sample, aggregation] = [now.sample, now.aggregation].map(time_text);
                    let text = format!("intervals {sample} / {aggregation}");
                    events.push(Event { at, kind: EventKind::Intervals, pid: None, text });
                }
            }
            _ => {}
        }
    }
    for (pid, (first, last)) in lives {
        let process = record.targets().iter().filter_map(|target| target.process.as_ref()).find(|p| p.pid == pid);
        let name = process.map_or("", |process| process.comm.as_str());
        let who = if name.is_empty() { format!("pid {pid}") } else { format!("{name} ({pid})") };
        let started = process.and_then(|process| process.started);
        let started = started.filter(|at| record.meta().clock != Clock::Unknown && *at > begin && *at <= first);
        if let Some(at) = started.or((first.saturating_sub(begin) > ROUND).then_some(first)) {
            events.push(Event { at, kind: EventKind::Start, pid: Some(pid), text: format!("{who} started") });
        }
        if last_reading.min(end).saturating_sub(last) > ROUND {
            events.push(Event { at: last, kind: EventKind::Exit, pid: Some(pid), text: format!("{who} ended") });
        }
    }
    events.retain(|event| (begin..=end).contains(&event.at));
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// What changed between two lists of mappings; `None` if nothing did.
fn difference(before: &[Mapping], after: &[Mapping]) -> Option<String> {
    fn places(mappings: &[Mapping]) -> HashSet<(u64, u64, &str)> {
        mappings.iter().map(|mapping| (mapping.start.0, mapping.end.0, mapping.name.as_str())).collect()
    }
    let (before, after) = (places(before), places(after));
    let size =
        |places: &HashSet<(u64, u64, &str)>| -> u64 { places.iter().map(|(a, b, _)| b.saturating_sub(*a)).sum() };
    let (come, gone) = (after.difference(&before).count(), before.difference(&after).count());
    let (old, new) = (size(&before), size(&after));
    if come + gone == 0 {
        return None;
    }
    let sign = if new < old { '-' } else { '+' };
    let grown = format_size(Bytes(new.abs_diff(old)), Style::Human);
    Some(format!("mappings: {come} new, {gone} gone ({sign}{grown})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{
        Addr, Footprint, Item, Mappings, Meta, Params, Process, ProcessFootprint, Snapshot, Stamp, Target, TargetKey,
    };

    fn at(seconds: i64) -> Stamp {
        Stamp::Record(Nanos::from_secs(seconds))
    }

    #[test]
    fn a_process_that_came_and_went_and_what_it_mapped_are_told() {
        let process = |pid, comm: &str| Some(Process { pid, comm: comm.into(), ..Process::default() });
        let mut items = vec![
            Item::Meta(Meta::default()),
            Item::Target(Target { process: process(1, "all"), ..Target::default() }),
            Item::Target(Target { key: TargetKey(1), process: process(2, "some"), ..Target::default() }),
        ];
        let mapping = |end| Mapping { start: Addr(0), end: Addr(end), ..Mapping::default() };
        for second in 0..20 {
            let footprint = Footprint::default();
            let pids: &[i32] = if (5..12).contains(&second) { &[1, 2] } else { &[1] };
            for pid in pids {
                let row = ProcessFootprint { at: at(second), pid: *pid, target: None, footprint };
                items.push(Item::Side(Side::Process(row)));
            }
            if second == 0 || second == 9 {
                let mappings = vec![mapping(4096 * (1 + second as u64))];
                items.push(Item::Side(Side::Mappings(Mappings { at: at(second), pid: 1, target: None, mappings })));
                let aggregation = Nanos::from_millis(100 + second);
                let intervals = Some(Intervals { aggregation, ..Intervals::default() });
                let params = Params { at: at(second), intervals, ..Params::default() };
                items.push(Item::Side(Side::Params(params)));
            }
            let (start, end) = (Nanos::from_secs(second), Nanos::from_secs(second + 1));
            items.push(Item::Snapshot(Snapshot::new(TargetKey(0), start, end, None)));
        }
        let events = events(&Record::from_items(&items).unwrap()).unwrap();
        let told: Vec<_> = events.iter().map(|e| (e.at.0 / 1_000_000_000, e.kind, e.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (5, EventKind::Start, "some (2) started"),
                (9, EventKind::Mapped, "mappings: 1 new, 1 gone (+36.000 KiB)"),
                (9, EventKind::Intervals, "intervals 5 ms / 109 ms"),
                (11, EventKind::Exit, "some (2) ended"),
            ]
        );
    }
}
