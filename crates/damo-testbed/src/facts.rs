//! What is in a record, as numbers that a shell script can compare: one `name=value` per line.

use crate::score::{PhaseScore, Scorer};
use crate::truth::Truth;
use damo_format::{ReadError, Reader};
use damo_model::{Bytes, Clock, Footprint, Intervals, Nanos, Process, Selection, Side, TargetKey, TimeSpan};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Snapshots at the end of the record over which `last_accessed` is averaged.
const LAST: usize = 20;

/// Counts over a whole record.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    lines: String,
}

impl Facts {
    /// Reads all of a record.
    ///
    /// # Errors
    /// When the record cannot be read at all; damaged parts are counted instead.
    pub fn of(reader: &Reader) -> Result<Facts, ReadError> {
        let mut facts = Facts::default();
        let totals = reader.totals();
        facts.add("finished", u8::from(reader.is_finished()));
        facts.add("damage", reader.damage().len());
        // Damage that reaches the end is what a killed recorder leaves; any other is a fault.
        let inner = reader.damage().iter().filter(|d| d.offset.0 + d.length.0 < totals.file.0);
        facts.add("damage_before_the_end", inner.count());
        facts.add("snapshots", totals.snapshots);
        facts.add("partial", totals.partial);
        facts.add("regions", totals.regions);
        facts.add("lost", totals.lost_events);
        facts.add("file_bytes", totals.file.0);
        facts.add("bytes_per_region", format!("{:.2}", totals.file.0 as f64 / totals.regions.max(1) as f64));
        facts.targets(reader);
        facts.snapshots(reader)?;
        facts.side_data(&reader.side_data()?);
        if let Some(intervals) = reader.meta().intervals.or_else(|| first_params(&reader.side_data().ok()?)) {
            facts.add("sample_us", intervals.sample.as_micros());
            facts.add("aggregation_us", intervals.aggregation.as_micros());
        }
        Ok(facts)
    }

    /// Adds how well the record found what the truth tells.
    ///
    /// # Errors
    /// When the record cannot be read at all.
    pub fn score(&mut self, reader: &Reader, truth: &Truth, hot_share: f64) -> Result<Vec<PhaseScore>, ReadError> {
        let targets = targets_of(reader, truth.pid);
        let intervals = reader.meta().intervals.unwrap_or_default();
        let mut scorer = Scorer::new(truth, to_monotonic(reader, truth), intervals.max_nr_accesses().0);
        let mut snapshots = 0;
        let selection = Selection { targets: targets.clone(), ..Selection::all() };
        if !targets.is_empty() {
            for block in 0..reader.index().len() {
                let Ok(batch) = reader.read_block(block, &selection) else { continue };
                for i in 0..batch.snapshots.len() {
                    scorer.add(&batch.snapshot(i));
                    snapshots += 1;
                }
            }
        }
        let scores = scorer.scores(hot_share);
        let seen = || scores.iter().filter(|s| s.snapshots > 0);
        self.add("target_snapshots", snapshots);
        self.add("phases", scores.len());
        self.add("phases_seen", seen().count());
        let sum = |of: fn(&PhaseScore) -> Bytes| seen().map(|s| of(s).0).sum::<u64>();
        let all = PhaseScore {
            name: String::new(),
            snapshots: 0,
            hot: Bytes(sum(|s| s.hot)),
            accessed: Bytes(sum(|s| s.accessed)),
            both: Bytes(sum(|s| s.both)),
        };
        let (precision, recall) = if all.accessed.0 == 0 { (0.0, 0.0) } else { (all.precision(), all.recall()) };
        self.add("precision", format!("{precision:.3}"));
        self.add("recall", format!("{recall:.3}"));
        let worst = |of: fn(&PhaseScore) -> f64| scores.iter().map(of).fold(1.0, f64::min);
        self.add("worst_precision", format!("{:.3}", worst(PhaseScore::precision)));
        self.add("worst_recall", format!("{:.3}", worst(PhaseScore::recall)));
        Ok(scores)
    }

    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.lines, "{name}={value}");
    }

    fn targets(&mut self, reader: &Reader) {
        let targets = reader.targets();
        let distinct = |count: BTreeSet<Option<u64>>| count.iter().flatten().count();
        let pids = targets.iter().filter_map(|t| t.process.as_ref()).map(Process::identity);
        self.add("targets", targets.len());
        self.add("target_pids", pids.collect::<BTreeSet<_>>().len());
        self.add("target_ids", distinct(targets.iter().map(|t| t.target_id).collect()));
        self.add("kdamonds", distinct(targets.iter().map(|t| t.kdamond.map(|index| u64::from(index.0))).collect()));
        self.add("schemes", distinct(targets.iter().map(|t| t.scheme.map(u64::from)).collect()));
        for (target, process) in targets.iter().filter_map(|target| Some((target, target.process.as_ref()?))) {
            // Writing to a string cannot fail.
            let _ = writeln!(self.lines, "# target {}: {}", target.key.0, process.comm);
        }
    }

    fn snapshots(&mut self, reader: &Reader) -> Result<(), ReadError> {
        let (mut max_regions, mut lowest, mut highest, mut unordered) = (0, u64::MAX, 0, 0);
        let mut accessed: Vec<u64> = Vec::new();
        let (mut unreadable, mut first_end) = (0, None);
        // By target, the intervals change, and an aggregation takes its interval, and not twice that.
        let mut last_end: BTreeMap<TargetKey, Nanos> = BTreeMap::new();
        let (mut last_intervals, mut changes, mut too_short, mut too_long) = (None, 0, 0, 0);
        for block in 0..reader.index().len() {
            let batch = match reader.read_block(block, &Selection::all()) {
                Ok(batch) => batch,
                Err(error) if error.is_damage() => {
                    unreadable += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for i in 0..batch.snapshots.len() {
                let snapshot = batch.snapshot(i);
                max_regions = max_regions.max(snapshot.regions.len());
                first_end.get_or_insert(snapshot.end);
                lowest = snapshot.regions.first().map_or(lowest, |r| lowest.min(r.start.0));
                highest = highest.max(snapshot.regions.last().map_or(0, |r| r.end.0));
                if let Some(intervals) = snapshot.intervals {
                    if last_intervals.is_some_and(|last| last != intervals) {
                        changes += 1;
                        self.add("changed_ns", snapshot.end.0);
                    }
                    last_intervals = Some(intervals);
                    if let Some(last) = last_end.insert(snapshot.target, snapshot.end) {
                        let (took, interval) = (snapshot.end.saturating_sub(last).0, intervals.aggregation.0);
                        too_short += u64::from(took < interval - interval / 20);
                        too_long += u64::from(took > interval * 2);
                    }
                }
                unordered += u64::from(snapshot.regions.windows(2).any(|w| matches!(w, [a, b] if b.start < a.end)));
                accessed.push(snapshot.regions.iter().filter(|r| r.nr_accesses.0 > 0).map(|r| r.size().0).sum());
            }
        }
        self.add("interval_changes", changes);
        self.add("too_short", too_short);
        self.add("too_long", too_long);
        if let Some(intervals) = last_intervals {
            self.add("last_sample_us", intervals.sample.as_micros());
            self.add("last_aggregation_us", intervals.aggregation.as_micros());
        }
        let last = accessed.get(accessed.len().saturating_sub(LAST)..).unwrap_or_default();
        self.add("unreadable_blocks", unreadable);
        self.add("max_regions", max_regions);
        self.add("lowest", lowest.min(highest));
        self.add("highest", highest);
        self.add("unordered", unordered);
        self.add("last_accessed", last.iter().sum::<u64>() / (last.len() as u64).max(1));
        if let Some(span) = reader.index().iter().map(|block| block.time).reduce(TimeSpan::including) {
            self.add("first_ns", span.start.0);
            if let Some(first_end) = first_end {
                self.add("first_end_ns", first_end.0);
            }
            self.add("last_ns", span.end.0);
        }
        Ok(())
    }

    fn side_data(&mut self, side_data: &[Side]) {
        let count = |what: fn(&Side) -> bool| side_data.iter().filter(|side| what(side)).count();
        self.add("mappings", count(|s| matches!(s, Side::Mappings(_))));
        self.add("footprints", count(|s| matches!(s, Side::Process(_))));
        self.add("system_footprints", count(|s| matches!(s, Side::System(_))));
        self.add("cpu_times", count(|s| matches!(s, Side::Cpu(_))));
        self.add("kdamond_cpu_times", count(|s| matches!(s, Side::Cpu(cpu) if cpu.kdamond)));
        self.add("pressures", count(|s| matches!(s, Side::Pressure(_))));
        self.add("params", count(|s| matches!(s, Side::Params(_))));
        self.add("scheme_progress", count(|s| matches!(s, Side::Scheme(_))));
        self.add("marks", count(|s| matches!(s, Side::Mark(_))));
        self.sizes("rss", process_sizes(side_data, |footprint| footprint.rss));
        self.sizes("pss", process_sizes(side_data, |footprint| footprint.pss));
        self.sizes("swap", process_sizes(side_data, |footprint| footprint.swap));
        self.sizes("cgroup", process_sizes(side_data, |footprint| footprint.cgroup));
        let system =
            side_data.iter().filter_map(|side| if let Side::System(system) = side { Some(system) } else { None });
        self.sizes("swap_used", system.filter_map(|system| system.swap_used).collect());
    }

    /// The largest and the last of sizes in the order of time; nothing at all where none was told.
    fn sizes(&mut self, name: &str, sizes: Vec<Bytes>) {
        if let (Some(max), Some(last)) = (sizes.iter().max(), sizes.last()) {
            self.add(&format!("max_{name}"), max.0);
            self.add(&format!("last_{name}"), last.0);
        }
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines)
    }
}

fn process_sizes(side_data: &[Side], size: fn(&Footprint) -> Option<Bytes>) -> Vec<Bytes> {
    let told = |side: &Side| if let Side::Process(process) = side { size(&process.footprint) } else { None };
    side_data.iter().filter_map(told).collect()
}

fn first_params(side_data: &[Side]) -> Option<Intervals> {
    side_data.iter().find_map(|side| match side {
        Side::Params(params) => params.intervals,
        _ => None,
    })
}

/// The plain monitoring targets that are this process.
fn targets_of(reader: &Reader, pid: u32) -> Vec<TargetKey> {
    let is_it = |process: &damo_model::Process| u32::try_from(process.pid).is_ok_and(|p| p == pid);
    let of_process = reader.targets().iter().filter(|t| t.scheme.is_none() && t.process.as_ref().is_some_and(is_it));
    of_process.map(|t| t.key).collect()
}

/// What to add to the record's times. Clocks that run alike but started at different moments are matched by the wall
/// clock, if both sides noted it.
fn to_monotonic(reader: &Reader, truth: &Truth) -> Nanos {
    match (reader.meta().clock, reader.meta().clock_pair, truth.clock) {
        (Clock::Monotonic, _, _) => Nanos(0),
        (_, Some(record), Some(truth)) => {
            let record_offset = record.wall.saturating_sub(record.record);
            record_offset.saturating_sub(truth.wall.saturating_sub(truth.record))
        }
        _ => Nanos(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::RanPhase;
    use damo_format::{Writer, WriterOptions};
    use damo_model::{
        Addr, AddrRange, Item, Lost, Meta, NrAccesses, Process, ProcessFootprint, Region, Sink, Snapshot, Stamp, Target,
    };

    fn record(clock: Clock) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), WriterOptions::default()).unwrap();
        let meta = Meta { clock, intervals: Some(Intervals::default()), ..Meta::default() };
        writer.put(&Item::Meta(meta)).unwrap();
        for key in 0..2 {
            let process = Process { pid: 40 + key as i32, ..Process::default() };
            let target = Target {
                key: TargetKey(key),
                kdamond: Some(damo_model::KdamondIndex(key)),
                target_id: Some(0),
                process: Some(process),
                ..Target::default()
            };
            writer.put(&Item::Target(target)).unwrap();
        }
        for i in 0..30 {
            for key in 0..2 {
                let mut snapshot = Snapshot::new(TargetKey(key), Nanos(i * 100), Nanos(i * 100 + 100), None);
                let n = if key == 0 { 20 } else { 0 };
                snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(n), None));
                writer.put(&Item::Snapshot(snapshot)).unwrap();
            }
        }
        let lost = Lost { at: Stamp::Record(Nanos(5)), events: 3, reason: "ring".to_owned() };
        writer.put(&Item::Side(Side::Lost(lost))).unwrap();
        writer.finish().unwrap().0
    }

    fn truth(pid: u32) -> Truth {
        let ranges = vec![AddrRange::new(Addr(0), Addr(4096))];
        let phase = RanPhase { name: "p".to_owned(), start: Nanos(0), end: Some(Nanos(1000)), ranges };
        Truth { pid, phases: vec![phase], ..Truth::default() }
    }

    fn facts(bytes: &[u8], truth: &Truth) -> String {
        let reader = Reader::from_bytes(bytes).unwrap();
        let mut facts = Facts::of(&reader).unwrap();
        facts.score(&reader, truth, 0.1).unwrap();
        facts.to_string()
    }

    fn has(facts: &str, line: &str) -> bool {
        facts.lines().any(|l| l == line)
    }

    #[test]
    fn the_facts_of_a_record_are_counted() {
        let facts = facts(&record(Clock::Monotonic), &truth(40));
        for line in [
            "finished=1",
            "damage=0",
            "snapshots=60",
            "lost=3",
            "targets=2",
            "kdamonds=2",
            "target_ids=1",
            "lowest=0",
            "highest=4096",
        ] {
            assert!(has(&facts, line), "{line} is not in\n{facts}");
        }
    }

    #[test]
    fn snapshots_that_do_not_fit_their_intervals_are_counted() {
        let mut writer = Writer::new(Vec::new(), WriterOptions::default()).unwrap();
        writer.put(&Item::Meta(Meta::default())).unwrap();
        writer.put(&Item::Target(Target::default())).unwrap();
        for (end, aggregation) in [(100, 100), (230, 100), (540, 100), (700, 300), (1010, 300)] {
            let intervals = Intervals { aggregation: Nanos::from_millis(aggregation), ..Intervals::default() };
            let end = Nanos::from_millis(end);
            let start = end.saturating_sub(intervals.aggregation);
            writer.put(&Item::Snapshot(Snapshot::new(TargetKey(0), start, end, Some(intervals)))).unwrap();
        }
        let facts = facts(&writer.finish().unwrap().0, &truth(40));
        for line in ["interval_changes=1", "too_short=1", "too_long=1", "last_aggregation_us=300000"] {
            assert!(has(&facts, line), "{line} is not in\n{facts}");
        }
    }

    #[test]
    fn only_the_process_that_the_truth_is_about_is_scored() {
        let bytes = record(Clock::Monotonic);
        assert!(has(&facts(&bytes, &truth(40)), "recall=1.000"));
        assert!(has(&facts(&bytes, &truth(41)), "recall=0.000"));
        assert!(has(&facts(&bytes, &truth(99)), "phases_seen=0"));
    }

    #[test]
    fn sizes_are_told_by_the_largest_and_the_last_and_unknown_ones_not_at_all() {
        let mut writer = Writer::new(Vec::new(), WriterOptions::default()).unwrap();
        writer.put(&Item::Meta(Meta::default())).unwrap();
        for (second, rss, swap) in [(1, 50, Some(0)), (2, 70, None), (3, 20, Some(30))] {
            let footprint = Footprint { rss: Some(Bytes(rss)), swap: swap.map(Bytes), ..Footprint::default() };
            let at = Stamp::Record(Nanos(second));
            let side = Side::Process(ProcessFootprint { at, pid: 40, target: None, footprint });
            writer.put(&Item::Side(side)).unwrap();
        }
        let facts = facts(&writer.finish().unwrap().0, &truth(40));
        for line in ["max_rss=70", "last_rss=20", "max_swap=30", "last_swap=30"] {
            assert!(has(&facts, line), "{line} is not in\n{facts}");
        }
        assert!(!facts.contains("cgroup") && !facts.contains("swap_used"), "{facts}");
    }

    #[test]
    fn a_record_without_its_end_is_not_finished_but_counted() {
        let mut bytes = record(Clock::Monotonic);
        bytes.truncate(bytes.len() - 5);
        let facts = facts(&bytes, &truth(40));
        assert!(has(&facts, "finished=0") && has(&facts, "damage_before_the_end=0"), "{facts}");
    }
}
