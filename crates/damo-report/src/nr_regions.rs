//! Into how many regions DAMON cut the memory: what its overhead and its accuracy depend on.

use crate::distribution::{Distribution, PercentileRange, SortBy, percentile_rows};
use crate::filter::Filter;
use crate::picture::{Picture, Unit};
use crate::series::{Series, by_target, excluded, measure, point_rows, usable};
use crate::series_chart::{of_points, series_chart};
use crate::table::Table;
use crate::target::target_labels;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::Record;
use std::io::Write;

/// What to count.
#[derive(Clone, Debug, Default)]
pub struct NrRegionsOptions {
    /// The percentiles that are shown.
    pub range: PercentileRange,
    /// How many first snapshots are left out, because the first regions are a guess; `None` by the common rule
    /// ([`crate::series::left_out`]).
    pub exclude_samples: Option<u64>,
    /// Ranked by number or by time.
    pub sort: SortBy,
    /// Which part of the record.
    pub filter: Filter,
}

/// The numbers of regions of some records.
#[derive(Clone, Debug)]
pub struct NrRegionsReport {
    /// One for each target of each record.
    pub series: Vec<Series>,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// Region counts of the records' snapshots.
///
/// # Errors
/// When a record cannot be read, or the options have no meaning.
pub fn nr_regions(records: &[Record], options: &NrRegionsOptions) -> Result<NrRegionsReport, ReportError> {
    let percentiles = options.range.percentiles()?;
    let mut series = Vec::new();
    for record in records {
        let labels = target_labels(record);
        let points = measure(record, &options.filter.plain_monitoring(record), |outline| outline.regions)?;
        for (target, points) in by_target(&points) {
            let (points, used) = usable(&points, excluded(record, options.exclude_samples));
            let distribution = Distribution::of_points(&points, &percentiles, options.sort, false);
            let (record, label) = (record.name().to_owned(), labels.get(&target).cloned().unwrap_or_default());
            series.push(Series {
                record,
                label,
                target: Some(target),
                mapping: None,
                points,
                bounds: None,
                distribution,
                used,
            });
        }
    }
    Ok(NrRegionsReport { series, zero: Zero::of(records) })
}

impl Report for NrRegionsReport {
    const NAME: &'static str = "nr_regions";
    type Layout = SortBy;

    /// The distributions as text.
    fn write_text(&self, out: &mut dyn Write, _: &SortBy) -> Result<(), ReportError> {
        writeln!(out, "# <percentile> <# regions>")?;
        if self.series.is_empty() {
            writeln!(out, "# no snapshot")?;
        }
        for series in &self.series {
            writeln!(out, "# target_id\t{}", series.label)?;
            if series.distribution.values.is_empty() {
                writeln!(out, "# no snapshot")?;
                continue;
            }
            writeln!(out, "# avr:\t{}", series.distribution.mean.trunc())?;
            for (percentile, value) in &series.distribution.percentiles {
                writeln!(out, "{percentile}\t{value}")?;
            }
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let percentiles = percentile_rows(&self.series, |series| &series.distribution);
        let percentiles = Table::of("percentiles", &percentiles)
            .col("target", "the target", |row| row.series.label.as_str())
            .col("percentile", "0 to 100", |row| row.percentile)
            .col("nr_regions", "", |row| row.value);
        let points = point_rows(&self.series);
        let points = Table::of("series", &points)
            .col("target", "the target", |(series, _)| series.label.as_str())
            .col("end_ns", "end of the snapshot", |(_, point)| point.end.0)
            .col("nr_regions", "", |(_, point)| point.value);
        Ok(vec![percentiles.table()?, points.table()?])
    }

    fn picture(&self, sort: &SortBy) -> Result<Box<dyn Picture + '_>, ReportError> {
        let lines = self
            .series
            .iter()
            .map(|series| (format!("target {}", series.label), of_points(&series.points), &series.distribution));
        Ok(Box::new(series_chart(
            "Number of regions",
            ("regions", Unit::Count),
            "running time",
            (*sort, self.zero),
            lines.collect(),
        )))
    }
}
