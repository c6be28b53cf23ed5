//! One page that says what a record is about: where the memory was hot when, how much of it was touched and held, into how
//! many regions it was cut, how long it was idle, and how far that can be trusted.
//!
//! Nothing but the record is needed: what it does not tell (footprints of a foreign record without side files, ages of an
//! old kernel) is left out, with a word.

mod picture;

pub use picture::Overview;

use crate::ages::{self, AgesReport};
use crate::confidence::{Confidence, confidence};
use crate::cpu_profile::{CpuProfileReport, functions_if_any};
use crate::distribution::{Distribution, SortBy};
use crate::filter::{Filter, TargetFilter};
use crate::footprints::{self, FootprintsReport, Metric};
use crate::heats::{Grid, HeatsOptions, HeatsReport, TerminalStyle, address, heats_of_all};
use crate::nr_regions::{self, NrRegionsReport, nr_regions};
use crate::picture::Picture;
use crate::survey::monitored;
use crate::table::Table;
use crate::text_width::{cut, width, wrapped};
use crate::wss::{self, WssReport, wss};
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::human::{Show, Style, format_percent, format_size, size_text, time_text};
use std::io::{self, Write};

/// Columns of a name before five values, at most.
const NAME: usize = 14;
const PERCENTILES: [u8; 5] = [0, 25, 50, 75, 100];
/// Functions that are told one by one.
const FUNCTIONS: usize = 5;
const FUNCTIONS_IF_LONG: usize = 20;

/// What to put on the page.
#[derive(Clone, Debug, Default)]
pub struct HolisticOptions {
    /// How the heat maps are made; whose is taken from each target in turn.
    pub heats: HeatsOptions,
    /// Distributions by time as well as by size.
    pub long: bool,
}

/// All that the page says of some records.
#[derive(Debug)]
pub struct HolisticReport {
    /// A map for each monitored target.
    pub maps: Vec<HeatsReport>,
    /// Working sets of all targets together, by size.
    pub wss: WssReport,
    /// Working sets by time.
    pub wss_by_time: WssReport,
    /// Footprints by size, where the record has them.
    pub footprints: Option<FootprintsReport>,
    /// Footprints by time.
    pub footprints_by_time: Option<FootprintsReport>,
    /// Numbers of regions.
    pub nr_regions: NrRegionsReport,
    /// Idle times at the end, where the record tells ages.
    pub ages: Option<AgesReport>,
    /// What the record is worth.
    pub confidence: Vec<Confidence>,
    /// The hottest functions, where the record has a CPU profile.
    pub functions: Option<CpuProfileReport>,
    /// From when times are counted in what is shown.
    pub zero: Zero,
    long: bool,
}

/// Makes the page of some records.
///
/// # Errors
/// When a record cannot be read, or there is no snapshot.
pub fn holistic(records: &[Record], options: &HolisticOptions) -> Result<HolisticReport, ReportError> {
    let identities = monitored(records, &TargetFilter::default());
    let wanted: Vec<HeatsOptions> =
        identities.into_iter().map(|identity| HeatsOptions { identity, ..options.heats.clone() }).collect();
    let mut made: Vec<Option<HeatsReport>> = wanted.iter().map(|_| None).collect();
    heats_of_all(records, &wanted, |number, map| match map {
        Ok(map) => {
            if let Some(place) = made.get_mut(number) {
                *place = Some(map);
            }
            Ok(())
        }
        // A target that never reported.
        Err(ReportError::NoSuchTarget { .. }) => Ok(()),
        Err(error) => Err(error),
    })?;
    let maps: Vec<HeatsReport> = made.into_iter().flatten().collect();
    if maps.is_empty() {
        return Err(ReportError::NoSnapshots);
    }
    let sets = |sort| wss(records, &wss::WssOptions { sort, ..wss::WssOptions::default() });
    let metrics = vec![Metric::Rss, Metric::Vsz, Metric::Pss, Metric::Swap, Metric::Cgroup, Metric::SysUsed];
    let footprints = |sort| {
        let options = footprints::FootprintsOptions {
            metrics: metrics.clone(),
            sort,
            ..footprints::FootprintsOptions::default()
        };
        footprints::footprints(records, &options).ok().map(|mut report| {
            report.series.retain(|series| !series.points.is_empty());
            report
        })
    };
    let regions = nr_regions::NrRegionsOptions::default();
    let judged = records.iter().map(|record| confidence(record, &Filter::default()));
    Ok(HolisticReport {
        maps,
        wss: sets(SortBy::Size)?,
        wss_by_time: sets(SortBy::Time)?,
        footprints: footprints(SortBy::Size),
        footprints_by_time: footprints(SortBy::Time),
        nr_regions: nr_regions(records, &regions)?,
        ages: ages::ages(records, &ages::AgesOptions::default()).ok(),
        confidence: judged.collect::<Result<_, _>>()?,
        functions: functions_if_any(records)?,
        zero: Zero::of(records),
        long: options.long,
    })
}

impl HolisticReport {
    fn write_row(&self, out: &mut dyn Write, name: &str, cells: [String; 5]) -> io::Result<()> {
        // A name that would make the line wider than 80 columns has a line of its own.
        match width(name) {
            0..=NAME => write!(out, "{name:>10}")?,
            _ => write!(out, "{name}\n{:>10}", "")?,
        }
        cells.iter().try_for_each(|cell| write!(out, " {cell:>12}"))?;
        writeln!(out)
    }

    fn write_sizes(
        &self,
        out: &mut dyn Write,
        head: &str,
        wss: &WssReport,
        footprints: Option<&FootprintsReport>,
    ) -> io::Result<()> {
        self.write_row(out, head, PERCENTILES.map(|percentile| percentile.to_string()))?;
        let touched = wss.series.iter().map(|series| ("wss", &series.distribution));
        let held = footprints.into_iter().flat_map(|report| &report.series);
        let held = held.map(|series| (series.metric.as_str(), &series.distribution));
        for (name, distribution) in touched.chain(held) {
            let cells =
                values(distribution).map(|value| value.map_or_else(|| "-".to_owned(), |b| size_text(b).to_string()));
            self.write_row(out, name, cells)?;
        }
        Ok(())
    }

    fn write_ages(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\n# Time since Last Access, at the End")?;
        let Some(ages) = &self.ages else {
            return writeln!(out, "# the record has no ages or no intervals");
        };
        for row in &ages.rows {
            let from = time_text(row.from);
            let span = row.to.map_or_else(|| format!("{from} or more"), |to| format!("{from} to {}", time_text(to)));
            let percent = format_percent((row.percent * 10.0).round() / 10.0, Style::Human);
            let size = format_size(row.bytes, Style::Human);
            let who = row.pid.map_or_else(|| format!("target {}", row.target), |pid| format!("pid {pid}"));
            writeln!(out, "{who:>10} {span:>15} {size:>15} {percent:>15}")?;
        }
        Ok(())
    }

    fn map_table(&self) -> Result<Table, ReportError> {
        let rows: Vec<(&HeatsReport, (u64, &Grid))> =
            self.maps.iter().flat_map(|map| (0..).zip(&map.panels).map(move |panel| (map, panel))).collect();
        let mean = |cells: &[f64]| {
            let known: Vec<f64> = cells.iter().copied().filter(|heat| !heat.is_nan()).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        Table::of("maps", &rows)
            .col("target", "the target", |(map, _)| map.identity.target_id.map(|id| id.to_string()))
            .col("pid", "", |(map, _)| map.process.as_ref().map(|process| i64::from(process.pid)))
            .col("panel", "number within the target", |(_, (number, _))| *number)
            .col("name", "the mapping, or the address", |(map, (_, grid))| map.panel_name(grid))
            .col("start", "", |(_, (_, grid))| address(grid.space.start()))
            .col("end", "", |(_, (_, grid))| address(grid.space.end()))
            .col("mean_heat", "Hz, or samples where intervals are not known", |(_, (_, grid))| mean(&grid.heat))
            .table()
    }
}

/// A line of the page, in as many lines as it needs where it is wider than `columns`.
fn write_wrapped(out: &mut dyn Write, text: &str, columns: usize) -> io::Result<()> {
    let indent = match text.split_once(' ') {
        Some(("#", _)) => "# ",
        _ => "  ",
    };
    wrapped(text, columns, indent).into_iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// The values at the five percentiles; nothing where there are none.
fn values(distribution: &Distribution) -> [Option<u64>; 5] {
    PERCENTILES.map(|percentile| distribution.at(percentile))
}

impl Report for HolisticReport {
    const NAME: &'static str = "holistic";
    type Layout = TerminalStyle;

    /// The page as text.
    fn write_text(&self, out: &mut dyn Write, style: &TerminalStyle) -> Result<(), ReportError> {
        writeln!(out, "# Heatmap")?;
        for (i, map) in self.maps.iter().enumerate() {
            if i > 0 {
                writeln!(out)?;
            }
            map.write_terminal(out, style)?;
        }
        writeln!(out, "\n# Memory Footprints Distribution")?;
        self.write_sizes(out, "percentile", &self.wss, self.footprints.as_ref())?;
        if self.wss.series.iter().any(|series| series.used.left_out == 0) {
            let text =
                "# wss is of all snapshots, also of the first ones, in which DAMON's regions settle: there are few";
            write_wrapped(out, text, style.width)?;
        }
        if self.long {
            writeln!(out, "\n# Memory Footprints by Time")?;
            self.write_sizes(out, "% of time", &self.wss_by_time, self.footprints_by_time.as_ref())?;
        }
        if self.footprints.is_none() {
            writeln!(out, "# the record has no footprints (rss, vsz, sys_used)")?;
        }
        writeln!(out, "\n# Number of Regions")?;
        self.write_row(out, "percentile", PERCENTILES.map(|percentile| percentile.to_string()))?;
        for series in &self.nr_regions.series {
            let cells = values(&series.distribution).map(|value| value.map_or("-".to_owned(), |n| n.to_string()));
            self.write_row(out, &format!("target {}", series.label), cells)?;
        }
        self.write_ages(out)?;
        if let Some(functions) = &self.functions {
            writeln!(out, "\n# Hottest Functions")?;
            let most = if self.long { FUNCTIONS_IF_LONG } else { FUNCTIONS };
            for function in functions.functions.iter().filter(|function| function.self_samples > 0).take(most) {
                let percent = format!("{:.1} %", function.self_share * 100.0);
                let text = format!("{percent:>10} {} ({})", function.name.shown(), function.module.shown());
                writeln!(out, "{}", cut(&text, style.width))?;
            }
            let samples = functions.basis.samples_word();
            let more = format!("# by {samples} of their own code; `damo report profile` shows more");
            write_wrapped(out, &more, style.width)?;
        }
        writeln!(out, "\n# Confidence")?;
        let mut text = Vec::new();
        self.confidence.iter().try_for_each(|confidence| confidence.write_text(&mut text))?;
        Ok(String::from_utf8_lossy(&text).lines().try_for_each(|line| write_wrapped(out, line, style.width))?)
    }

    /// Those of its own, and those of the reports on numbers of regions and on ages.
    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let mut rows: Vec<(&str, &str, u8, u64)> = Vec::new();
        let by = [
            ("size", &self.wss, self.footprints.as_ref()),
            ("time", &self.wss_by_time, self.footprints_by_time.as_ref()),
        ];
        for (ranked, wss, footprints) in by {
            let touched = wss.series.iter().map(|series| ("wss", &series.distribution));
            let held = footprints.into_iter().flat_map(|report| &report.series);
            for (name, distribution) in touched.chain(held.map(|s| (s.metric.as_str(), &s.distribution))) {
                rows.extend(distribution.percentiles.iter().map(|(p, value)| (name, ranked, *p, *value)));
            }
        }
        let distributions = Table::of("distributions", &rows)
            .col("metric", "`wss`, `rss`, `vsz`, …", |row| row.0)
            .col("ranked_by", "`size` or `time`", |row| row.1)
            .col("percentile", "0 to 100", |row| u32::from(row.2))
            .col("value", "bytes", |row| row.3);
        let mut tables = vec![distributions.table()?, self.map_table()?];
        for mut table in self.nr_regions.tables()?.into_iter().take(1) {
            table.name = "regions";
            tables.push(table);
        }
        if let Some(ages) = &self.ages {
            tables.extend(ages.tables()?);
        }
        if let Some(functions) = &self.functions {
            tables.extend(functions.tables()?.into_iter().take(1));
        }
        Ok(tables)
    }

    fn picture(&self, _: &TerminalStyle) -> Result<Box<dyn Picture + '_>, ReportError> {
        Ok(Box::new(Overview { report: self }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::PercentileRange;

    #[test]
    fn the_default_percentiles_are_the_five_of_the_page() {
        assert_eq!(PercentileRange::default().percentiles().unwrap(), PERCENTILES);
        let distribution = Distribution::new(vec![1, 2, 3, 4, 5], &PERCENTILES, SortBy::Size);
        assert_eq!(values(&distribution), [Some(1), Some(2), Some(3), Some(4), Some(5)]);
        assert_eq!(values(&Distribution::default()), [None; 5]);
    }
}
