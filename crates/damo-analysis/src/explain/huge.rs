//! Which memory huge pages would be good for.

use damo_frame::Record;
use damo_model::{HeatClass, TargetKey};
use damo_report::ReportError;
use damo_report::filter::{Filter, for_each_rows};
use std::collections::BTreeMap;

/// Size of a huge page.
const BLOCK: u64 = 2 << 20;
/// About so many snapshots of a target are looked at.
const SAMPLE: u64 = 200;
/// Memory that is hot in this share of the snapshots is hot throughout.
const HOT: f64 = 0.5;
/// Memory that is touched in less than this share of the snapshots is not touched.
const TOUCHED: f64 = 0.1;
/// A block of which less than this share is touched is touched sparsely.
const SPARSE: f64 = 0.25;

/// Memory by blocks of 2 MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HugePages {
    /// Bytes of blocks that are hot as a whole.
    pub dense: u64,
    /// Blocks of which a little is touched.
    pub sparse: u64,
    /// How many bytes of these are touched.
    pub sparse_touched: u64,
}

/// Looks at some snapshots all over the record.
///
/// # Errors
/// When the record cannot be read.
pub(super) fn huge_pages(record: &Record, filter: &Filter) -> Result<HugePages, ReportError> {
    let filter = filter.plain_monitoring(record);
    let targets = record.targets().len().max(1) as u64;
    let every = record.totals().snapshots.div_ceil(SAMPLE * targets).max(1);
    let mut seen: BTreeMap<TargetKey, u64> = BTreeMap::new();
    // Where more or less snapshots become hot, or touched.
    let mut steps: BTreeMap<(TargetKey, u64), (i64, i64)> = BTreeMap::new();
    for_each_rows(record, &filter, |_, rows| {
        let count = seen.entry(rows.head.target).or_default();
        *count += 1;
        if !(*count - 1).is_multiple_of(every) || !rows.is_complete() {
            return Ok(());
        }
        let most = rows.intervals.map_or(1, |intervals| intervals.max_nr_accesses().0);
        for ((start, end), count) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses) {
            if *count == 0 || end <= start {
                continue;
            }
            let hot = i64::from(HeatClass::of(*count, most, None) == HeatClass::Hot);
            for (at, sign) in [(*start, 1), (*end, -1)] {
                let step = steps.entry((rows.head.target, at)).or_default();
                *step = (step.0 + sign * hot, step.1 + sign);
            }
        }
        Ok(())
    })?;
    let looked_at = |target: &TargetKey| (seen.get(target).copied().unwrap_or(0).div_ceil(every)).max(1) as f64;
    let mut found = HugePages::default();
    // The run of hot memory that goes on, and touched bytes of blocks that are not touched as a whole.
    let mut run: Option<(TargetKey, u64, u64)> = None;
    let mut partly: BTreeMap<(TargetKey, u64), u64> = BTreeMap::new();
    let (mut hot, mut touched) = (0, 0);
    let mut before: Option<(TargetKey, u64)> = None;
    for ((target, at), (more_hot, more_touched)) in steps {
        if let Some((key, from)) = before.filter(|(key, _)| *key == target) {
            if touched as f64 >= TOUCHED * looked_at(&key) {
                add_touched(&mut partly, key, from, at);
            }
            if hot as f64 >= HOT * looked_at(&key) {
                run = match run.filter(|run| (run.0, run.2) == (key, from)) {
                    Some((_, start, _)) => Some((key, start, at)),
                    None => {
                        found.dense += whole_blocks(run);
                        Some((key, from, at))
                    }
                };
            }
        }
        (hot, touched) = (hot + more_hot, touched + more_touched);
        before = Some((target, at));
    }
    found.dense += whole_blocks(run);
    for bytes in partly.into_values().filter(|bytes| (*bytes as f64) < SPARSE * BLOCK as f64) {
        found.sparse += 1;
        found.sparse_touched += bytes;
    }
    Ok(found)
}

/// Bytes of the blocks that lie wholly in a run.
fn whole_blocks(run: Option<(TargetKey, u64, u64)>) -> u64 {
    run.map_or(0, |(_, from, to)| (to / BLOCK).saturating_sub(from.div_ceil(BLOCK)) * BLOCK)
}

/// Adds touched memory to the blocks at its two ends, if it does not fill them.
fn add_touched(partly: &mut BTreeMap<(TargetKey, u64), u64>, target: TargetKey, from: u64, to: u64) {
    let (first, last) = (from / BLOCK, (to - 1) / BLOCK);
    for block in if first == last { vec![first] } else { vec![first, last] } {
        let bytes = to.min((block + 1).saturating_mul(BLOCK)) - from.max(block * BLOCK);
        *partly.entry((target, block)).or_default() += bytes;
    }
}
