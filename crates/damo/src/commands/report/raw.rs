//! `damo report raw`.

use super::form::{FormArgs, PagerArgs};
use super::heats::maps;
use super::options::{ClockArgs, RawNumber, seconds};
use super::part::{FilterArgs, PartOptions};
use super::shared::{ReportArgs, Request};
use anyhow::{Result, bail};
use clap::Args;
use damo_model::human::Style;
use damo_model::{Addr, AddrRange, Nanos};
use damo_report::filter::{Bounds, Filter};
use damo_report::heats::{HeatsLayout, HeatsOptions, RawStyle};
use damo_report::range::{AddressBase, AddressRange, TimeBase, TimeRange};
use damo_report::raw::{RawOptions, RawReport, raw};
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct RawArgs {
    #[command(flatten)]
    raw_number: RawNumber,
    #[command(flatten)]
    pager: PagerArgs,
}

/// Which part of the records.
#[derive(Args, Debug)]
pub(super) struct RawPart {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only this part, counted from when the recording began; a bare number is seconds
    #[arg(long, num_args = 2, value_names = ["START", "END"], value_parser = seconds, help_heading = "Selection")]
    duration: Vec<Nanos>,
}

impl PartOptions for RawPart {
    fn filter(&self, clock: ClockArgs) -> Result<Filter> {
        self.filter.filter(clock)
    }

    fn time_option(&self) -> Option<&'static str> {
        self.filter.time_option().or((!self.duration.is_empty()).then_some("--duration"))
    }
}

impl RawPart {
    fn bounds(&self) -> Option<Bounds<Nanos>> {
        match self.duration[..] {
            [start, end] => Some(Bounds::new(start, end)),
            _ => None,
        }
    }
}

impl ReportArgs for RawArgs {
    type Report<'r> = RawReport<'r>;
    type Part = RawPart;
    type Form = FormArgs;

    fn instead(request: &Request<'_, Self>) -> Result<bool> {
        draw(request, request.asked.part.bounds())
    }

    fn find<'r>(request: &Request<'r, Self>) -> Result<Apart<RawReport<'r>>> {
        let duration = request.asked.part.bounds();
        request.each(|records, filter| Ok(raw(records, RawOptions { filter, duration })?))
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<RawReport<'_>>) -> Result<Style> {
        Ok(request.own().raw_number.style())
    }

    fn pager(&self) -> PagerArgs {
        self.pager
    }
}

/// Draws the picture of regions, if one is asked for: the heat map of the same targets, addresses and time.
///
/// # Errors
/// If regions are filtered by anything else, as a map would show those left out as not monitored; or as [`maps`].
pub(super) fn draw<A: ReportArgs>(request: &Request<'_, A>, duration: Option<Bounds<Nanos>>) -> Result<bool> {
    let (filter, picture) = (&request.filter, request.form.plot.picture);
    let Some(place) = request.form.picture_output() else { return Ok(false) };
    if *filter != (Filter { target: filter.target.clone(), addresses: filter.addresses.clone(), ..Filter::default() }) {
        bail!("a picture of raw is a heat map, which is cut by target, --address and --duration only");
    }
    let range = |range: &AddrRange| AddressRange { start: range.start, end: range.end, base: AddressBase::At(Addr(0)) };
    let options = HeatsOptions {
        address_ranges: filter.addresses.iter().map(range).collect(),
        time_range: duration.map(|time| TimeRange { start: time.min, end: time.max, base: TimeBase::Began }),
        ..picture.heats_options(false)
    };
    let maps = maps(request, &|parts| picture.heats_part(parts, &options, false))?;
    let drawn = maps.picture(&HeatsLayout::Numbers(RawStyle::default()))?;
    picture.draw(&*drawn, request.opened, &place)?;
    Ok(true)
}
