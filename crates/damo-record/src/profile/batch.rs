//! Samples that are put together for the record.

use super::units;
use damo_kernel::sampling::Sample as Taken;
use damo_model::profile::{Sample, Sampled, SampledThread, Samples};
use damo_model::{Addr, Nanos, Stamp};
use std::collections::HashMap;

/// The time between samples is told in so many parts: finer times would be noise.
const PARTS: i64 = 32;
/// Weights are counted in so many events: their last digits are noise as well.
const EVENTS: u64 = 1000;

/// Samples of one kind since the last time.
pub(super) struct Batch {
    sampled: Sampled,
    unit: Nanos,
    /// Each sample stands for equally many events.
    is_even: bool,
    threads: Vec<SampledThread>,
    positions: HashMap<(i32, i32), u32>,
    rows: Vec<Row>,
}

struct Row {
    at: Nanos,
    thread: u32,
    stack: u32,
    weight: u32,
    address: Addr,
}

impl Batch {
    pub(super) fn new(sampled: Sampled, frequency: u32, is_even: bool) -> Self {
        let unit = Nanos(1_000_000_000 / i64::from(frequency.max(1)) / PARTS);
        Self { sampled, unit, is_even, threads: Vec::new(), positions: HashMap::new(), rows: Vec::new() }
    }

    /// When the first sample was taken.
    pub(super) fn first(&self) -> Option<Nanos> {
        self.rows.iter().map(|row| row.at).min()
    }

    pub(super) fn add(&mut self, sample: &Taken, stack: Option<u32>, comm: &str) {
        let next = self.threads.len() as u32;
        let thread = *self.positions.entry((sample.pid, sample.tid)).or_insert(next);
        match self.threads.get_mut(thread as usize) {
            Some(known) if known.comm.is_empty() => comm.clone_into(&mut known.comm),
            Some(_) => {}
            None => self.threads.push(SampledThread { pid: sample.pid, tid: sample.tid, comm: comm.to_owned() }),
        }
        let stack = stack.unwrap_or(Sample::NO_STACK);
        let weight = if self.is_even { 1 } else { rounded(sample.period) };
        self.rows.push(Row { at: sample.time, thread, stack, weight, address: sample.address });
    }

    /// All that came together, whose stacks are in this table.
    pub(super) fn take(&mut self, table: u64) -> Option<Samples> {
        let at = self.first()?;
        self.positions.clear();
        let threads = std::mem::take(&mut self.threads);
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| (units(row.at, at, self.unit), row.thread));
        let sample = |row: &Row| Sample {
            time: units(row.at, at, self.unit),
            thread: row.thread,
            stack: row.stack,
            weight: row.weight,
        };
        let samples = rows.iter().map(sample).collect();
        let addresses = match self.sampled {
            Sampled::Cpu => Vec::new(),
            Sampled::Access => rows.iter().map(|row| row.address).collect(),
        };
        let (sampled, unit) = (self.sampled, self.unit);
        Some(Samples { at: Stamp::Record(at), sampled, table, unit, threads, samples, addresses })
    }
}

/// A number of events as a weight: its first six binary digits, so that it packs well.
fn rounded(events: u64) -> u32 {
    let weight = u32::try_from((events / EVENTS).max(1)).unwrap_or(u32::MAX);
    let shift = weight.ilog2().saturating_sub(5);
    weight >> shift << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(tid: i32, at: i64, period: u64) -> Taken {
        Taken { time: Nanos(at), pid: 1, tid, period, address: Addr(at.cast_unsigned()), ..Taken::default() }
    }

    #[test]
    fn samples_are_put_in_order_with_times_from_the_first_one_on() {
        let mut batch = Batch::new(Sampled::Access, 100, false);
        batch.add(&taken(5, 900_000_000, 1_072_999), Some(7), "a");
        batch.add(&taken(6, 910_000_000, 1), None, "");
        batch.add(&taken(6, 890_000_000, 1), Some(3), "b");
        let told = batch.take(9).unwrap();
        assert_eq!((told.at, told.unit, told.table), (Stamp::Record(Nanos(890_000_000)), Nanos(312_500), 9));
        let rows: Vec<_> = told.samples.iter().map(|s| (s.time, s.thread, s.stack, s.weight)).collect();
        assert_eq!(rows, [(0, 1, 3, 1), (32, 0, 7, 1056), (64, 1, Sample::NO_STACK, 1)]);
        assert_eq!(told.addresses, [890_000_000, 900_000_000, 910_000_000].map(Addr));
        assert_eq!(told.threads.iter().map(|thread| thread.comm.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(batch.take(9), None);
    }
}
