//! `damo adjust`: a record with longer aggregation intervals, or with only the regions and snapshots that pass filters.

use super::report::options::{ClockArgs, microseconds};
use super::report::part::{FilterArgs, PartOptions};
use crate::edits::{self, History, OutputArgs};
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use anyhow::{Result, bail};
use clap::Args;
use damo_cli::ValueError;
use damo_edit::{Aggregate, AggregateOptions, Aggregated};
use damo_frame::{Chunk, Record};
use damo_model::human::{Show, count_text, time_text};
use damo_model::{
    Addr, Age, Batch, ExtraColumn, Item, Nanos, NrAccesses, Region, Sink, SinkError, Snapshot, TargetKey,
};
use damo_report::filter::{Filter, RegionFilter, Rows};
use damo_report::selection::selected;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Where the new record goes if no name is given.
const DEFAULT: &str = "damon.adjusted.damo";

/// Arguments of `damo adjust`.
#[derive(Args, Debug)]
#[command(
    after_help = "Filters are applied first. An aggregated snapshot's access counts are the sums of those that it \
                        is made of, byte for byte; its ages are those at its end.\n\n\
                        Examples:\n  damo adjust --aggregate_interval 1s --skip 0 -o second.damo\n  \
                        damo adjust --access_rate 50 100 -i damon.data -o hot.data"
)]
pub(crate) struct AdjustArgs {
    /// The record [default: damon.damo, then damon.data]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Aggregate snapshots until they are this long; a bare number is microseconds
    #[arg(long = "aggregate_interval", value_name = "TIME", value_parser = interval, help_heading = "Aggregation")]
    aggregate_interval: Option<Nanos>,
    /// With --aggregate_interval: number of each target's first snapshots to leave out, in which DAMON has not yet adapted
    /// its regions
    #[arg(long, value_name = "NUMBER", default_value_t = 20, help_heading = "Aggregation")]
    skip: u64,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    clock: ClockArgs,
}

/// Adjusts.
///
/// # Errors
/// If the record cannot be read, an option makes no sense for it, or the new one cannot be written.
pub(crate) fn run(args: &AdjustArgs) -> Result<Outcome> {
    let filter = args.filter.filter(args.clock)?;
    if args.aggregate_interval.is_none() && filter.is_all() {
        bail!("nothing to adjust: give --aggregate_interval, or a filter such as --address or --access_rate");
    }
    let opened = edits::open_one(&args.inputs, &args.files)?;
    let (mut late, mut passed_regions) = (Outcome::Fine, 0);
    for record in &opened.records {
        let filter = selected(std::slice::from_ref(record), &filter)?;
        let aggregated = args.output.write(DEFAULT, |out| {
            let mut out = History::new(&args.description(&filter), out);
            let Some(interval) = args.aggregate_interval else {
                let mut filtered = Filtered::new(&filter, record, &mut out);
                late = edits::pass(record, &mut filtered)?;
                passed_regions = filtered.passed;
                return Ok(None);
            };
            let mut sums = Aggregate::new(AggregateOptions { interval, skip: args.skip }, &mut out);
            late = edits::pass(record, &mut Filtered::new(&filter, record, &mut sums))?;
            let done = sums.finish()?;
            if done.snapshots == 0 && done.skipped > 0 {
                bail!(
                    "{}: no target has more than {} snapshots, and so many are left out at the beginning; --skip 0 keeps \
                     them",
                    record.name(),
                    args.skip
                );
            }
            Ok(Some(done))
        })?;
        match aggregated {
            Some(done) => args.tell(done),
            None => {
                let (path, all) = (args.output.path(DEFAULT), record.totals().regions);
                errors::done(format_args!("{}: {passed_regions} of {all} regions passed the filters", path.shown()));
            }
        }
    }
    Ok(edits::outcome(&opened, late))
}

impl AdjustArgs {
    fn description(&self, filter: &Filter) -> String {
        let filtered = if filter.is_all() { "" } else { "filtered" };
        let Some(interval) = self.aggregate_interval else { return filtered.to_owned() };
        let and = if filter.is_all() { "" } else { " and " };
        let skip = self.skip;
        format!("{filtered}{and}aggregated to {}, without each target's first {skip} snapshots", time_text(interval))
    }

    fn tell(&self, done: Aggregated) {
        let path = self.output.path(DEFAULT);
        errors::done(format_args!("{}: {}", path.shown(), count_text(done.snapshots, "snapshot")));
        if done.skipped > 0 {
            errors::done(format_args!(
                "  the first {} snapshots of each target are left out, {} in all (--skip 0 keeps them)",
                self.skip, done.skipped
            ));
        }
        let interval = self.aggregate_interval.map(time_text).unwrap_or_default();
        if done.snapshots == done.added {
            errors::done(format_args!("  unchanged: no snapshot is shorter than {interval}, so none were aggregated"));
        } else if done.short > 0 {
            errors::done(format_args!(
                "  {} of them are shorter than {interval}, because they are the last ones",
                done.short
            ));
        }
        if done.without_extras > 0 {
            errors::done(format_args!(
                "  bytes that passed filters and hits of probes are left out, because they cannot be aggregated"
            ));
        }
    }
}

fn interval(text: &str) -> Result<Nanos, ValueError> {
    let time = microseconds(text)?;
    if time > Nanos(0) { Ok(time) } else { Err(ValueError::Unwanted("an interval must be longer than 0")) }
}

/// The reports' filters, on the way to another sink.
struct Filtered<'a> {
    all_pass: bool,
    targets: BTreeSet<TargetKey>,
    region_filter: RegionFilter<'a>,
    /// Regions handed on.
    passed: u64,
    out: &'a mut dyn Sink,
}

impl<'a> Filtered<'a> {
    fn new(filter: &'a Filter, record: &Record, out: &'a mut dyn Sink) -> Self {
        let targets = filter.targets(record).into_iter().collect();
        let region_filter = RegionFilter::new(filter, record.meta().intervals);
        Self { all_pass: filter.is_all(), targets, region_filter, passed: 0, out }
    }
}

impl Sink for Filtered<'_> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Target(target) if !self.all_pass && !self.targets.contains(&target.key) => Ok(()),
            Item::Snapshot(snapshot) if !self.all_pass => {
                if !self.targets.contains(&snapshot.target) {
                    return Ok(());
                }
                let mut batch = Batch::default();
                batch.push(0, snapshot);
                let chunk = Chunk::from(batch);
                for view in chunk.snapshots() {
                    if let Some(rows) = self.region_filter.pass(&view).map_err(SinkError::new)? {
                        self.passed += rows.len() as u64;
                        self.out.put(&Item::Snapshot(passed(snapshot, &rows)))?;
                    }
                }
                Ok(())
            }
            _ => self.out.put(item),
        }
    }
}

/// The snapshot with the regions that passed.
fn passed(snapshot: &Snapshot, rows: &Rows<'_>) -> Snapshot {
    let mut passed = Snapshot { regions: Vec::new(), extras: Vec::new(), ..snapshot.clone() };
    let columns = rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate();
    passed.regions.extend(columns.map(|(i, ((start, end), count))| {
        let age = rows.age.and_then(|ages| ages.get(i)).map(|age| Age(*age));
        Region::new(Addr(*start), Addr(*end), NrAccesses(*count), age)
    }));
    let value = |extra: &ExtraColumn, i| extra.values.get(rows.row(i)).copied().unwrap_or(0);
    passed.extras.extend(
        snapshot
            .extras
            .iter()
            .map(|extra| ExtraColumn { id: extra.id, values: (0..rows.len()).map(|i| value(extra, i)).collect() }),
    );
    passed
}
