//! `record_info` and `--guide`: what there is to see in a record, for choosing ranges.

use crate::picture::{Bar, Bars, Picture, Unit};
use crate::survey::{Extent, Identity, Survey};
use crate::table::Table;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::{FrameError, Record};
use damo_model::human::{Style, format_size, format_size_accurate, format_time, time_text};
use damo_model::{AddrRange, Selection, TimeSpan};
use std::io::Write;

/// What there is to see of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Guide {
    /// The target that it is of.
    pub identity: Identity,
    /// From where anything is known to the end of the last snapshot.
    pub time: TimeSpan,
    /// Contiguous monitored areas, by address.
    pub areas: Vec<AddrRange>,
}

/// Guides of some records, the one with most space first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuideReport {
    /// One per target.
    pub guides: Vec<Guide>,
    /// From when times are counted in pictures; the text has the Python tool's layout and the clock's times.
    pub zero: Zero,
}

/// Surveys whole records.
///
/// # Errors
/// When a record cannot be read.
pub fn survey(records: &[Record], selection: &Selection) -> Result<Survey, FrameError> {
    let mut whole = Survey::default();
    for (number, record) in records.iter().enumerate() {
        let found = record.fold(
            selection,
            Survey::default,
            |survey, chunk| {
                survey.add_chunk(record, number, chunk);
                Ok::<_, FrameError>(())
            },
            Survey::merge,
        )?;
        whole = whole.merge(found);
    }
    Ok(whole)
}

/// Makes the guides of some records.
///
/// # Errors
/// When a record cannot be read.
pub fn guide(records: &[Record]) -> Result<GuideReport, FrameError> {
    let report = GuideReport::new(&survey(records, &Selection::all())?);
    Ok(GuideReport { zero: Zero::of(records), ..report })
}

impl GuideReport {
    /// Out of a survey.
    pub fn new(survey: &Survey) -> Self {
        let mut extents: Vec<&(Identity, Extent)> = survey.extents.iter().collect();
        extents.sort_by_key(|(_, extent)| std::cmp::Reverse(extent.total()));
        let guides = extents.into_iter().filter_map(|(identity, extent)| {
            let areas = extent.areas.iter().map(|area| area.range).collect();
            Some(Guide { identity: *identity, time: extent.known_span()?, areas })
        });
        Self { guides: guides.collect(), zero: Zero::default() }
    }
}

impl Report for GuideReport {
    const NAME: &'static str = "record_info";
    type Layout = Style;

    /// Prints the guides as the Python tool's `record_info` does: raw for `--guide`.
    fn write_text(&self, out: &mut dyn Write, style: &Style) -> Result<(), ReportError> {
        let style = *style;
        for guide in &self.guides {
            let identity = &guide.identity;
            // Records that do not tell their kdamond and context are of the first ones, as in the Python tool since 3.4.
            let (kdamond, context) = (identity.kdamond.unwrap_or(0), identity.context.unwrap_or(0));
            let indices =
                [("kdamond_idx", Some(kdamond)), ("context_idx", Some(context)), ("scheme_idx", identity.scheme)];
            for (name, index) in indices {
                if let Some(index) = index {
                    writeln!(out, "{name}: {index}")?;
                }
            }
            if let Some(id) = identity.target_id {
                writeln!(out, "target_id: {id}")?;
            }
            let TimeSpan { start, end } = guide.time;
            let times = [start, end, end.saturating_sub(start)].map(|time| format_time(time, style));
            writeln!(out, "time: [{}, {}) ({})", times[0], times[1], times[2])?;
            for (i, area) in guide.areas.iter().enumerate() {
                let ends = [area.start, area.end].map(|addr| format_size_accurate(damo_model::Bytes(addr.0), style));
                let size = format_size(area.size(), style);
                writeln!(out, "region\t{i:2}: [{}, {}) ({size})", ends[0], ends[1])?;
            }
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let rows: Vec<(&Guide, (u64, &AddrRange))> =
            self.guides.iter().flat_map(|guide| (0..).zip(&guide.areas).map(move |area| (guide, area))).collect();
        let areas = Table::of("areas", &rows)
            .col("kdamond", "index", |(guide, _)| guide.identity.kdamond)
            .col("context", "index", |(guide, _)| guide.identity.context)
            .col("scheme", "index; `null` for plain monitoring", |(guide, _)| guide.identity.scheme)
            .col("target_id", "the kernel's", |(guide, _)| guide.identity.target_id)
            .col("start_ns", "of the record, with what ages tell of the time before", |(guide, _)| guide.time.start.0)
            .col("end_ns", "", |(guide, _)| guide.time.end.0)
            .col("region", "number of the area", |(_, (number, _))| *number)
            .col("start", "first byte", |(_, (_, area))| area.start.0)
            .col("end", "first byte behind it", |(_, (_, area))| area.end.0);
        Ok(vec![areas.table()?])
    }

    fn picture(&self, _: &Style) -> Result<Box<dyn Picture + '_>, ReportError> {
        let groups = self.guides.iter().enumerate().map(|(color, guide)| {
            let id = guide.identity.target_id.map_or_else(|| "target".to_owned(), |id| format!("target {id}"));
            let scheme = guide.identity.scheme.map_or_else(String::new, |scheme| format!(", scheme {scheme}"));
            let [from, to] = [guide.time.start, guide.time.end].map(|at| time_text(self.zero.since(at)));
            let bar = |area: &damo_model::AddrRange| Bar {
                label: format!("{:#x} – {:#x}", area.start.0, area.end.0),
                spans: vec![(0.0, area.size().0 as f64)],
                text: format_size(area.size(), Style::Human),
                color,
            };
            (format!("{id}{scheme}: {from} to {to}"), guide.areas.iter().map(bar).collect())
        });
        Ok(Box::new(Bars {
            title: "Monitored areas".to_owned(),
            x: ("size".to_owned(), Unit::Bytes),
            groups: groups.collect(),
        }))
    }
}
