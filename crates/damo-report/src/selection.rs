//! A selection that leaves nothing of a record is a mistake, and the error says what there is to select from.

use crate::ReportError;
use crate::filter::{Filter, RegionFilter};
use damo_frame::{FrameError, Record};
use damo_model::human::{Show, time_text};
use damo_model::{Nanos, Target, TimeSpan};

/// So many targets are told one by one.
const MOST_TARGETS: usize = 8;

/// Why a pass over a record ends early.
enum Stop {
    Found,
    Failed(ReportError),
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Self {
        Stop::Failed(error.into())
    }
}

/// Sees that some region of the record passes the filter.
///
/// # Errors
/// If none does, with what there is; or if the record cannot be read.
pub(crate) fn something_passes(record: &Record, filter: &Filter) -> Result<(), ReportError> {
    if record.totals().snapshots == 0 {
        return Err(ReportError::invalid(format!("{}: the record holds no snapshot", record.name())));
    }
    if filter.is_all() {
        return Ok(());
    }
    let Some(selection) = filter.selection(record) else {
        return Err(nothing_left(record, "no target fits the given ids"));
    };
    let mut region_filter = RegionFilter::new(filter, record.meta().intervals);
    let passed = record.for_each(&selection, |chunk| {
        for view in chunk.snapshots() {
            if region_filter.pass(&view).map_err(Stop::Failed)?.is_some_and(|rows| !rows.is_empty()) {
                return Err(Stop::Found);
            }
        }
        Ok(())
    });
    match passed {
        Ok(()) => Err(nothing_left(record, "no region passes the given filters")),
        Err(Stop::Found) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// The filter for a record, with its times on the record's clock, of which something is left.
///
/// # Errors
/// If nothing is left, with what there is; or if the record cannot be read.
pub fn selected(records: &[Record], filter: &Filter) -> Result<Filter, ReportError> {
    let Some(record) = records.first() else { return Ok(filter.clone()) };
    let filter = filter.on_clock_of(record);
    something_passes(record, &filter)?;
    Ok(filter)
}

/// The error for a selection that leaves nothing: `why`, and what there is.
pub fn nothing_left(record: &Record, why: &str) -> ReportError {
    ReportError::invalid(format!("{}: {why}; {}", record.name(), what_there_is(record)))
}

/// A record's time, addresses and targets, for people who look for something in it.
pub fn what_there_is(record: &Record) -> String {
    let Some(TimeSpan { start, end }) = record.time_span() else { return "the record holds no snapshot".to_owned() };
    let length = time_text(end.saturating_sub(start));
    let mut parts = vec![format!("the record lasts {length}")];
    if start != Nanos(0) {
        let [start, end] = [start, end].map(time_text);
        parts.push(format!("which its clock (--abs_time) calls {start} to {end}"));
    }
    if let Some(range) = record.address_range() {
        parts.push(format!("its regions lie from {:#x} to {:#x}", range.start.0, range.end.0));
    }
    let targets = record.targets();
    let names: Vec<String> = targets.iter().take(MOST_TARGETS).map(target_name).collect();
    let more = targets.len().saturating_sub(MOST_TARGETS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match targets.len() {
        0 => {}
        1 => parts.push(format!("its target is {}", names.concat())),
        _ => parts.push(format!("its targets are {}{more}", names.join(", "))),
    }
    parts.join(", ")
}

/// What a target is called in errors: the kernel's id, the process and its name, as far as they are known.
fn target_name(target: &Target) -> String {
    let id = target.target_id.map_or_else(|| format!("number {}", target.key.0), |id| id.to_string());
    let Some(process) = &target.process else { return id };
    format!("{id} (pid {} {}", process.pid, process.comm.shown()).trim_end().to_owned() + ")"
}
