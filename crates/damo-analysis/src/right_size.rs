//! Which memory limit a run needs: how much it would read back under each limit.
//!
//! Under a limit the kernel evicts what was used least recently. A page comes back if, since its last access, more other memory
//! was accessed than the limit holds: its reuse distance (Mattson's stack distance). So one pass over a record, in which
//! the last access of all memory is kept, tells for all limits at once how much would come back. What is accessed for the first
//! time in the record is read whatever the limit is, and does not count.
//!
//! What one snapshot finds accessed counts as accessed once, in turn, so that all of it is more recent than what was accessed
//! before. Below the working set of a snapshot memory would come back within the snapshot, which no record shows: there the curve
//! is a least value.

mod recency;
mod show;

use crate::AnalysisError;
use damo_frame::Record;
use damo_model::scheme::Costs;
use damo_model::{Bytes, Nanos, TargetKey};
use damo_report::filter::{Filter, for_each_rows};
use damo_report::series::{SETTLING, left_out};
use damo_report::wss::{WssOptions, wss};
use recency::Recency;
use std::collections::{BTreeMap, HashMap};

/// Limits are told apart by this factor.
const STEP: f64 = 1.01;
/// Programs may wait for so much of their time under the limit that is proposed, as `damo schemes suggest` has it.
pub const MOST_WAITING: f64 = 0.001;

/// What would come of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimitPoint {
    /// The limit, in bytes.
    pub limit: f64,
    /// What would be read back, in bytes per second.
    pub refault: f64,
    /// How much of the time programs would wait for that, 0 to 1 and more.
    pub waiting: f64,
}

/// Refaults against memory limits.
#[derive(Clone, Debug)]
pub struct RightSize {
    /// The record's name.
    pub record: String,
    /// How long the snapshots used last.
    pub length: Nanos,
    /// By limit, from none to the one from which on nothing comes back; each holds up to the next one.
    pub curve: Vec<LimitPoint>,
    /// The knee: beyond it more memory gains little. `None` if the curve has none.
    pub knee: Option<LimitPoint>,
    /// The least limit under which programs wait for no more than [`MOST_WAITING`].
    pub chosen: Option<LimitPoint>,
    /// The working set that 95 % of the snapshots do not exceed, in bytes.
    pub working_set: f64,
    /// The page size that waiting is counted in.
    pub page_size: Bytes,
}

impl RightSize {
    /// What would come of a limit.
    pub fn at(&self, limit: f64) -> LimitPoint {
        let next = self.curve.partition_point(|point| point.limit <= limit);
        let at = next.checked_sub(1).and_then(|at| self.curve.get(at)).or(self.curve.first());
        at.map_or(LimitPoint { limit, refault: 0.0, waiting: 0.0 }, |point| LimitPoint { limit, ..*point })
    }

    /// The limit from which on nothing comes back, in bytes.
    pub fn enough(&self) -> f64 {
        self.curve.last().map_or(self.working_set, |point| point.limit)
    }
}

/// The curve of a record's refaults under memory limits.
///
/// # Errors
/// If the record cannot be read, or has no complete snapshot.
pub fn right_size(record: &Record, filter: &Filter) -> Result<RightSize, AnalysisError> {
    let filter = filter.plain_monitoring(record);
    let mut recency = Recency::default();
    let mut seen: HashMap<TargetKey, u64> = HashMap::new();
    let settling = left_out(None, longest(record, &filter)?);
    let mut distances: BTreeMap<i64, f64> = BTreeMap::new();
    let (mut first, mut last) = (Nanos(i64::MAX), Nanos(i64::MIN));
    for_each_rows(record, &filter, |_, rows| {
        let count = seen.entry(rows.head.target).or_default();
        *count += 1;
        if !rows.is_complete() {
            return Ok(());
        }
        let settled = *count > settling;
        if settled {
            (first, last) = (first.min(rows.head.start), last.max(rows.head.end));
        }
        recency.take(&rows, |bytes, distance| {
            if settled {
                let bucket = ((distance.max(1) as f64).ln() / STEP.ln()).ceil() as i64;
                *distances.entry(bucket).or_default() += bytes as f64;
            }
        });
        Ok(())
    })?;
    if last < first {
        return Err(AnalysisError::invalid(format!("{}: there is no complete snapshot to reckon with", record.name())));
    }
    let length = last.saturating_sub(first);
    let page_size = record.meta().page_size.unwrap_or(Bytes(4096));
    let wait = Costs::default().refault.0 as f64 / 1e9 / page_size.0.max(1) as f64;
    let mut left: f64 = distances.values().sum();
    let point = |limit: f64, left: f64| {
        // What rounding leaves is nothing.
        let refault = if left < 1.0 { 0.0 } else { left / length.as_secs_f64().max(1e-9) };
        LimitPoint { limit, refault, waiting: refault * wait }
    };
    let mut curve = vec![point(0.0, left)];
    for (bucket, bytes) in distances {
        left = (left - bytes).max(0.0);
        curve.push(point(STEP.powi(bucket as i32), left));
    }
    let options = WssOptions { filter: filter.into_owned(), ..WssOptions::default() };
    let sets = wss(std::slice::from_ref(record), &options)?;
    let mut sets: Vec<u64> =
        sets.series.first().map(|series| series.points.iter().map(|point| point.value).collect()).unwrap_or_default();
    sets.sort_unstable();
    let working_set = sets.get(sets.len() * 95 / 100).copied().unwrap_or(0) as f64;
    Ok(RightSize {
        record: record.name().to_owned(),
        length,
        knee: knee(&curve),
        chosen: curve.iter().find(|point| point.waiting <= MOST_WAITING).copied(),
        curve,
        working_set,
        page_size,
    })
}

/// Snapshots of the target that has most of them, as far as that matters for what is left out.
fn longest(record: &Record, filter: &Filter) -> Result<u64, AnalysisError> {
    if record.totals().snapshots > SETTLING * record.targets().len() as u64 {
        return Ok(SETTLING + 1);
    }
    let mut counts: HashMap<TargetKey, u64> = HashMap::new();
    for_each_rows(record, filter, |_, rows| {
        *counts.entry(rows.head.target).or_default() += 1;
        Ok(())
    })?;
    Ok(counts.into_values().max().unwrap_or(0))
}

/// The point that lies farthest below the straight line from the first to the last one.
fn knee(curve: &[LimitPoint]) -> Option<LimitPoint> {
    let (first, last) = (curve.first()?, curve.last()?);
    let (width, height) = (last.limit - first.limit, first.refault - last.refault);
    if width <= 0.0 || height <= 0.0 {
        return None;
    }
    let below =
        |point: &LimitPoint| 1.0 - (point.limit - first.limit) / width - (point.refault - last.refault) / height;
    let best = curve.iter().max_by(|a, b| below(a).total_cmp(&below(b)))?;
    (below(best) > 0.0).then_some(*best)
}
