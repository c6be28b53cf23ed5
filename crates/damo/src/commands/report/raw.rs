//! `damo report raw`.

use super::heats::identity_of;
use super::input::ReportInputs;
use super::options::{AnyForm, FilterArgs, FormArgs, RawNumber, seconds};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::inputs::Opened;
use crate::progress;
use anyhow::{Result, bail};
use clap::Args;
use damo_model::{Addr, AddrRange, Nanos};
use damo_report::filter::{Bounds, Filter};
use damo_report::heats::{self, AddressBase, AddressRange, TimeBase, TimeRange};
use damo_report::raw;
pub use damo_report::raw::Options;
use damo_report::survey::Identity;
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
    form: FormArgs,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only this part, counted from the record's start; a bare number is seconds
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
    let options = Options { style: args.raw_number.style(), filter: args.filter.filter()?, duration };
    print(&args.inputs.open(&args.files)?, &options, &args.form, &args.plot)
}

/// The same for other spellings of the report.
///
/// # Errors
/// As [`run`].
pub fn print(opened: &Opened, options: &Options, form: &FormArgs, plot: &PlotArgs) -> Result<Outcome> {
    form.check()?;
    if let Some(place) = plot.place(form) {
        let map = heats_options(opened, options, plot.picture().heats_options())?;
        let report = progress::during(&opened.records, || heats::heats(&opened.records, &map))?;
        plot.picture().heats(&report, opened, &place)?;
        return Ok(opened.outcome());
    }
    if let Some(table) = form.table().filter(|table| *table != "regions") {
        bail!("report raw has no table '{table}'; it has regions");
    }
    opened.has_target(&options.filter.target)?;
    form.write_with(|out| {
        if let AnyForm::Tables(form) = form.format() {
            raw::write_table(&opened.records, options, form, out)?;
            return Ok(());
        }
        for record in &opened.records {
            raw::write_raw(record, options, out)?;
        }
        Ok(())
    })?;
    Ok(opened.outcome())
}

/// The picture of regions is the heat map: of the same target, addresses and time. A map without some of its regions would
/// show them as not monitored, so that filters of regions have none.
fn heats_options(opened: &Opened, options: &Options, map: heats::Options) -> Result<heats::Options> {
    let Options { filter, duration, .. } = options;
    let place = Filter { target: filter.target.clone(), addresses: filter.addresses.clone(), ..Filter::default() };
    if *filter != place {
        bail!("a picture of raw is a heat map, which is cut by target, --address and --duration only");
    }
    let target = &filter.target;
    let identity = match target.pid {
        Some(pid) => identity_of(opened, pid)?,
        None => Identity {
            kdamond: target.kdamond,
            context: target.context,
            scheme: target.scheme,
            target_id: target.target_id,
        },
    };
    let range = |range: &AddrRange| AddressRange { start: range.start, end: range.end, base: AddressBase::At(Addr(0)) };
    Ok(heats::Options {
        identity,
        address_ranges: filter.addresses.iter().map(range).collect(),
        time_range: duration.map(|time| TimeRange { start: time.min, end: time.max, base: TimeBase::Guided }),
        ..map
    })
}
