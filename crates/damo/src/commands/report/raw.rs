//! `damo report raw`.

use super::heats::{heat_maps, maps};
use super::input::ReportInputs;
use super::options::{AnyForm, ClockArgs, FilterArgs, FormArgs, PagerArgs, RawNumber, seconds};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::inputs::Opened;
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_model::{Addr, AddrRange, Nanos};
use damo_report::ReportError;
use damo_report::filter::{Bounds, Filter};
use damo_report::heats::{self, AddressBase, AddressRange, TimeBase, TimeRange};
use damo_report::raw;
pub use damo_report::raw::RawOptions;
use damo_report::selection::selected;
use damo_report::several::Apart;
use std::path::PathBuf;

/// Arguments.
#[derive(Args, Debug)]
pub struct RawArgs {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    #[command(flatten)]
    raw_number: RawNumber,
    #[command(flatten)]
    pager: PagerArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    clock: ClockArgs,
    /// Only this part, counted from when the recording began; a bare number is seconds
    #[arg(long, num_args = 2, value_names = ["START", "END"], value_parser = seconds, help_heading = "Selection")]
    duration: Vec<Nanos>,
}

/// Streams the snapshots.
///
/// # Errors
/// If a record cannot be read, or stdout takes no more.
pub fn run(args: &RawArgs) -> Result<Outcome> {
    let duration = match args.duration[..] {
        [start, end] => Some(Bounds::new(start, end)),
        _ => None,
    };
    let (filter, clock_time) = (args.filter.filter(args.clock)?, args.clock.abs_time);
    let options = RawOptions { style: args.raw_number.style(), filter, duration, clock_time };
    print(&args.inputs.open(&args.files)?, &options, &args.form, &args.plot, args.pager)
}

/// The same for other spellings of the report.
///
/// # Errors
/// As [`run`].
pub fn print(
    opened: &Opened,
    options: &RawOptions,
    form: &FormArgs,
    plot: &PlotArgs,
    pager: PagerArgs,
) -> Result<Outcome> {
    form.check()?;
    if let Some(place) = plot.place(form) {
        opened.has_target(&options.filter.target)?;
        let map = heats_options(options, plot.picture().heats_options())?;
        let clock = ClockArgs { abs_time: options.clock_time };
        let fitting = |parts| plot.picture().heats_part(parts, &map);
        let maps = maps(opened, &options.filter.target, clock, &fitting)?;
        plot.picture().draw(&heat_maps(&maps), opened, &place)?;
        return Ok(opened.outcome());
    }
    if let Some(table) = form.table().filter(|table| *table != "regions") {
        bail!("report raw has no table '{table}'; it has regions");
    }
    opened.has_target(&options.filter.target)?;
    // The report streams, so that what can be wrong with the selection is seen before.
    let chosen = progress::during(&opened.records, || {
        Apart::look(&opened.records, |records| {
            let filter = selected(records, &options.filter)?;
            let options = RawOptions { filter, ..options.clone() };
            records.iter().try_for_each(|record| raw::something_lasts(record, &options))?;
            Ok::<_, ReportError>((records, options))
        })
    })?;
    form.write_long(pager, |out| {
        if let AnyForm::Tables(form) = form.format() {
            let each: Vec<_> = chosen.parts.iter().map(|part| (part.value.0, &part.value.1)).collect();
            raw::write_table(&each, form, out)?;
            return Ok(());
        }
        chosen.write_text(out, |(records, options), out| {
            records.iter().try_for_each(|record| raw::write_raw(record, options, out).map(|_| ()))
        })?;
        Ok(())
    })?;
    Ok(opened.outcome())
}

/// The picture of regions is the heat map: of the same target, addresses and time. A map without some of its regions would
/// show them as not monitored, so that filters of regions have none.
fn heats_options(options: &RawOptions, map: heats::HeatsOptions) -> Result<heats::HeatsOptions> {
    let RawOptions { filter, duration, .. } = options;
    let place = Filter { target: filter.target.clone(), addresses: filter.addresses.clone(), ..Filter::default() };
    if *filter != place {
        bail!("a picture of raw is a heat map, which is cut by target, --address and --duration only");
    }
    let range = |range: &AddrRange| AddressRange { start: range.start, end: range.end, base: AddressBase::At(Addr(0)) };
    Ok(heats::HeatsOptions {
        address_ranges: filter.addresses.iter().map(range).collect(),
        time_range: duration.map(|time| TimeRange { start: time.min, end: time.max, base: TimeBase::Began }),
        ..map
    })
}
