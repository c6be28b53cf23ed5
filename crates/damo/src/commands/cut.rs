//! `damo cut`: a part of a record, by time, target and address.

use super::report::options::ClockArgs;
use super::report::part::TargetArgs;
use super::report::ranges::{BareTimes, Ranges};
use crate::edits::{self, History, OutputArgs};
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_edit::{Cut, Part};
use damo_frame::Record;
use damo_model::human::{Show, count_text, time_text};
use damo_model::{AddrRange, TargetKey, TimeSpan};
use damo_report::ReportError;
use damo_report::filter::{Filter, TargetFilter};
use damo_report::heats::MappingNames;
use damo_report::range::TimeRange;
use damo_report::selection::nothing_left;
use damo_report::survey::Identity;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Where the part goes if no name is given.
const DEFAULT: &str = "damon.cut.damo";

/// Arguments of `damo cut`.
#[derive(Args, Debug)]
#[command(after_help = "A snapshot belongs to the time in which it begins, so that parts go together again \
                        (`damo merge`). The mappings that were in force when the part begins come along. \
                        Times are counted from the record's start unless a BASE is given; BASE 0 means times on the \
                        record's clock, as reports print them.\n\n\
                        Examples:\n  damo cut --time_range 10s 20s\n  damo cut --time_range 0 5s 'load begins' -o load.damo\n  \
                        damo cut --mapping '[heap]' --pid 1234 -o heap.damo")]
pub(crate) struct CutArgs {
    /// The record [default: damon.damo, then damon.data]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    ranges: Ranges,
    /// Only addresses of the mappings of this name, e.g. '[heap]' or libc.so.6
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    mapping: Option<String>,
    /// The target with this number in the record (see `damo info`)
    #[arg(long, value_name = "NUMBER", help_heading = "Selection")]
    target: Option<u32>,
    #[command(flatten)]
    clock: ClockArgs,
    #[command(flatten)]
    ids: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Cuts.
///
/// # Errors
/// If the record cannot be read, has nothing of what is wanted, or the part cannot be written.
pub(crate) fn run(args: &CutArgs) -> Result<Outcome> {
    let time = args.ranges.time(BareTimes::Refused, args.clock)?;
    let ids = TargetFilter { key: args.target.map(TargetKey), ..args.ids.filter() };
    if time.is_none() && args.ranges.addresses.is_empty() && args.mapping.is_none() && ids.is_all() {
        bail!("nothing to cut: give --time_range, --address_range, --mapping, --target or --pid");
    }
    let opened = edits::open_one(&args.inputs, &[&args.files[..], args.ranges.files()].concat())?;
    let mut late = Outcome::Fine;
    for record in &opened.records {
        let part = args.part(record, time.as_ref(), &ids)?;
        let what = describe(record, &part);
        let by_address = part.addresses.is_some();
        let kept = args.output.write(DEFAULT, |out| {
            let mut out = History::new(&format!("cut{what}"), out);
            let mut cut = Cut::new(part, &mut out);
            late = edits::pass(record, &mut cut)?;
            let kept = cut.kept();
            if kept.snapshots == 0 {
                return Err(nothing_left(record, "no snapshot begins in what is wanted").into());
            }
            if by_address && kept.regions == 0 {
                let why = "no region lies there (`damo report heats --guide` prints all ranges)";
                return Err(nothing_left(record, why).into());
            }
            Ok(kept)
        })?;
        let path = args.output.path(DEFAULT);
        let [snapshots, regions] = [count_text(kept.snapshots, "snapshot"), count_text(kept.regions, "region")];
        errors::done(format_args!("{}: {snapshots}, {regions}{what}", path.shown()));
        if kept.sides_of_unknown_time > 0 {
            errors::done(format_args!(
                "  including all {} footprints and similar readings whose times are not on the record's clock",
                kept.sides_of_unknown_time
            ));
        }
    }
    Ok(edits::outcome(&opened, late))
}

impl CutArgs {
    fn part(&self, record: &Record, time: Option<&TimeRange>, ids: &TargetFilter) -> Result<Part> {
        let targets: Option<BTreeSet<TargetKey>> = if ids.is_all() {
            None
        } else {
            let filter = Filter { target: ids.clone(), ..Filter::default() };
            let keys: BTreeSet<TargetKey> = filter.targets(record).into_iter().collect();
            if keys.is_empty() {
                return Err(nothing_left(record, "no target fits the given ids").into());
            }
            Some(keys)
        };
        let wanted = |key: &TargetKey| targets.as_ref().is_none_or(|targets| targets.contains(key));
        let keys: Vec<TargetKey> = record.targets().iter().map(|target| target.key).filter(wanted).collect();
        let addresses = match (&self.mapping, self.addresses()?) {
            (None, ranges) if ranges.is_empty() => None,
            (None, ranges) => Some(keys.iter().map(|key| (*key, ranges.clone())).collect()),
            (Some(name), ranges) => Some(mapped(record, &keys, name, &ranges)?),
        };
        Ok(Part { time: time.map(|time| resolve(record, time)).transpose()?, targets, addresses })
    }

    /// The wanted address ranges, sorted and disjoint.
    fn addresses(&self) -> Result<Vec<AddrRange>> {
        let mut ranges = Vec::new();
        for range in self.ranges.address_ranges()? {
            let Some(range) = range.resolve(None) else {
                bail!("--address_range: `guided` is for maps; `damo report heats --guide` prints the areas' addresses");
            };
            ranges.push(range);
        }
        Ok(AddrRange::joined(ranges))
    }
}

/// Where each target has mappings of this name, within `ranges` if there are any.
fn mapped(
    record: &Record,
    keys: &[TargetKey],
    name: &str,
    ranges: &[AddrRange],
) -> Result<BTreeMap<TargetKey, Vec<AddrRange>>> {
    let mut found = BTreeMap::new();
    let mut known = BTreeSet::new();
    for key in keys {
        let Some(target) = record.target(*key) else { continue };
        let names = MappingNames::of(std::slice::from_ref(record), Identity::from(target))?;
        known.extend(names.names());
        let mut here = names.find(name);
        if !ranges.is_empty() {
            here = here.iter().flat_map(|a| ranges.iter().filter_map(|b| a.intersection(*b))).collect();
        }
        if !here.is_empty() {
            found.insert(*key, here);
        }
    }
    if found.is_empty() {
        let known = match known.into_iter().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            known => known,
        };
        return Err(ReportError::NoSuchMapping { wanted: name.to_owned(), known }).context("--mapping");
    }
    Ok(found)
}

/// A time range on the record's clock.
fn resolve(record: &Record, range: &TimeRange) -> Result<TimeSpan> {
    let span = record.time_span().with_context(|| format!("{}: the record has no snapshot", record.name()))?;
    let wanted = range.resolve(std::slice::from_ref(record), span)?;
    if !wanted.overlaps(span) {
        let [from, to] = [wanted.start, wanted.end].map(|at| time_text(at.saturating_sub(span.start)));
        let length = time_text(span.length());
        bail!(
            "{}: --time_range: {from} to {to} since the recording began is not in the record, which lasts {length}",
            record.name()
        );
    }
    Ok(wanted)
}

/// The part in words, with a blank in front.
fn describe(record: &Record, part: &Part) -> String {
    let mut words = String::new();
    if let (Some(wanted), Some(whole)) = (part.time, record.time_span()) {
        let [from, to] = [wanted.start, wanted.end].map(|at| time_text(at.saturating_sub(whole.start)));
        words.push_str(&format!(", from {from} to {to} after the start"));
    }
    if let Some(targets) = &part.targets {
        words.push_str(&format!(", {} of {} targets", targets.len(), record.targets().len()));
    }
    if part.addresses.is_some() {
        words.push_str(", some addresses only");
    }
    words
}
