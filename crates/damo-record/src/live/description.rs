//! What the record says of the recording as a whole: which events in which layout, the machine, DAMON's parameters.

use crate::error::RecordError;
use crate::request::Request;
use damo_kernel::procfs::{clock_pair, now};
use damo_kernel::sysfs::ModuleKdamond;
use damo_kernel::tracefs::{Decoder, EventFormat, Tracefs};
use damo_model::features::TUNE_EVENT;
use damo_model::kdamond::{Context, Kdamond};
use damo_model::{Clock, Item, KdamondIndex, Meta, Ops, Params, Side, Source, Stamp, TracepointFormat};
use damo_steer::Machine;

/// The events to record: every region, and with `schemes` what they are applied to and how they do as well; or with
/// `only` nothing but that; with `probes` what they found; and what tuning does to the intervals.
pub(crate) fn formats(
    machine: &Machine,
    only: bool,
    schemes: bool,
    probes: bool,
) -> Result<Vec<EventFormat>, RecordError> {
    let tracefs = Tracefs::find(&machine.root)?;
    Ok(if only { tracefs.scheme_events()? } else { tracefs.recording_events(schemes, probes)? })
}

/// Whether any context has attribute probes.
pub(crate) fn have_probes<'k>(kdamonds: impl IntoIterator<Item = &'k Kdamond>) -> bool {
    kdamonds.into_iter().flat_map(|kdamond| &kdamond.contexts).any(|context| !context.probes.is_empty())
}

/// Whether the kernel is to tune intervals and has no event that tells of it, as 6.15 and 6.16.
pub(crate) fn tunes_untold<'k>(formats: &[EventFormat], kdamonds: impl IntoIterator<Item = &'k Kdamond>) -> bool {
    let is_told = formats.iter().any(|format| format.name == TUNE_EVENT);
    let mut contexts = kdamonds.into_iter().flat_map(|kdamond| &kdamond.contexts);
    !is_told && contexts.any(|context| context.intervals_goal.is_some())
}

pub(crate) fn decoder(formats: &[EventFormat]) -> Result<Decoder, RecordError> {
    Decoder::new(formats).map_err(|e| RecordError::Kernel {
        what: "the layout of DAMON's events".to_string(),
        why: format!("{e}; please report it with the files in /sys/kernel/tracing/events/damon/*/format"),
    })
}

/// What is known of the record as a whole.
pub(crate) fn meta(
    request: &Request,
    machine: &Machine,
    formats: &[EventFormat],
    kdamonds: &[Kdamond],
    source: Source,
) -> Meta {
    let mut contexts = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts);
    // One set of parameters for the whole record can be told only if there is one.
    let only = contexts.next().filter(|_| contexts.next().is_none());
    let features = damo_kernel::features::features(&machine.root);
    let present = features.iter().filter(|feature| feature.support.is_expected());
    Meta {
        tool: crate::tool(),
        kernel_release: machine.procfs.kernel_release(),
        features: present.map(|feature| feature.name.to_string()).collect(),
        formats: formats.iter().map(TracepointFormat::from).collect(),
        source,
        ops: only.map(|context| context.ops),
        intervals: only.map(|context| context.intervals),
        intervals_goal: only.and_then(|context| context.intervals_goal),
        nr_regions: only.map(|context| context.nr_regions),
        page_size: Some(machine.procfs.page_size()),
        clock: Clock::Monotonic,
        clock_pair: Some(clock_pair()),
        boot_id: machine.procfs.boot_id(),
        host: if request.host_name { machine.procfs.host_name() } else { String::new() },
        command: damo_steer::command_line(),
        history: Vec::new(),
    }
}

/// The items that a live record begins with: its metadata, and the parameters of these kdamonds.
pub(crate) fn first_items(
    meta: Meta,
    indices: impl IntoIterator<Item = KdamondIndex>,
    kdamonds: &[Kdamond],
) -> Vec<Item> {
    let at = Stamp::Record(now());
    let params = indices.into_iter().zip(kdamonds).flat_map(|(index, kdamond)| params_of(at, index, kdamond));
    std::iter::once(Item::Meta(meta)).chain(params.map(|params| Item::Side(Side::Params(params)))).collect()
}

/// A kdamond's parameters as side data.
pub(crate) fn params_of(at: Stamp, index: KdamondIndex, kdamond: &Kdamond) -> Vec<Params> {
    let json = kdamond.to_json().to_string();
    let one = |(at_context, context): (usize, &Context)| Params {
        at,
        kdamond: Some(index),
        context: Some(at_context as u32),
        ops: Some(context.ops),
        intervals: Some(context.intervals),
        intervals_goal: context.intervals_goal,
        nr_regions: Some(context.nr_regions),
        json: json.clone(),
    };
    kdamond.contexts.iter().enumerate().map(one).collect()
}

/// A kernel module's parameters as side data, as far as they are known: all modules monitor physical memory.
pub(crate) fn module_params(at: Stamp, module: &ModuleKdamond) -> Params {
    let (intervals, nr_regions) = (module.intervals(), module.nr_regions());
    Params { at, ops: Some(Ops::Paddr), intervals, nr_regions, ..Params::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{IntervalsGoal, Nanos};

    #[test]
    fn kernels_tell_of_their_tuning_by_an_event_if_they_have_it() {
        const TUNE: &str = include_str!("../../../../testdata/kernel/formats/6.17-damon_monitor_intervals_tune.txt");
        let mut kdamond = Kdamond { contexts: vec![Context::new(Ops::Vaddr)], ..Kdamond::default() };
        assert!(!tunes_untold(&[], [&kdamond]));
        kdamond.contexts[0].intervals_goal = Some(IntervalsGoal {
            access_bp: 400,
            aggregations: 3,
            min_sample: Nanos::from_millis(5),
            max_sample: Nanos::from_secs(10),
        });
        assert!(tunes_untold(&[], [&kdamond]));
        assert!(!tunes_untold(&[EventFormat::parse(TUNE).unwrap()], [&kdamond]));
    }
}
