//! For how long the memory of the whole machine has been idle, as DAMON_STAT says it at this moment. It needs no record.

use crate::distribution::bar;
use crate::picture::{Chart, Line, Picture, Unit};
use crate::table::Table;
use crate::{Report, ReportError};
use damo_model::human::{Style, format_size, idle_text, time_text};
use damo_model::{Bytes, Nanos};
use std::fmt::Write as _;
use std::io::Write;

/// Columns of the longest bar.
const BAR: usize = 40;

/// Idle times of a machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleReport {
    /// For how long memory has not been accessed, by percentiles 0 to 100 of the bytes. Negative: it is accessed, and has
    /// been at about the present rate for so long.
    pub idle: Vec<Nanos>,
    /// Estimated memory bandwidth, bytes per second.
    pub bandwidth: Option<Bytes>,
    /// The aggregation interval in force.
    pub aggregation: Option<Nanos>,
    /// Which percentiles the text shows, 0 to 100.
    pub shown: Vec<u32>,
}

impl IdleReport {
    fn at(&self, percentile: u32) -> Option<Nanos> {
        self.idle.get(percentile as usize).copied()
    }

    /// The share of the memory that is accessed, 0 to 100 percent.
    pub(crate) fn accessed_percent(&self) -> usize {
        self.idle.iter().filter(|idle| idle.0 < 0).count().min(100)
    }

    /// The figures as OpenMetrics text, for a scraper's text file collector.
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        text += "# TYPE damon_memory_idle_seconds gauge\n# UNIT damon_memory_idle_seconds seconds\n";
        text += "# HELP damon_memory_idle_seconds Time since the last access, by percentile of the machine's memory; \
                 negative while it is accessed.\n";
        for (percentile, idle) in self.idle.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = writeln!(text, "damon_memory_idle_seconds{{percentile=\"{percentile}\"}} {}", idle.as_secs_f64());
        }
        let mut gauge = |name: &str, unit: &str, help: &str, value: f64| {
            let _ = write!(text, "# TYPE {name} gauge\n# UNIT {name} {unit}\n# HELP {name} {help}\n{name} {value}\n");
        };
        if let Some(bandwidth) = self.bandwidth {
            let (name, help) = ("damon_memory_bandwidth_bytes", "Estimated memory bandwidth, bytes per second.");
            gauge(name, "bytes", help, bandwidth.0 as f64);
        }
        if let Some(aggregation) = self.aggregation {
            let (name, help) = ("damon_stat_aggregation_seconds", "The aggregation interval that DAMON_STAT uses.");
            gauge(name, "seconds", help, aggregation.as_secs_f64());
        }
        text + "# EOF\n"
    }
}

impl Report for IdleReport {
    const NAME: &'static str = "idle";
    type Layout = ();

    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        let aggregation =
            self.aggregation.map(|aggregation| format!(", aggregation interval {}", time_text(aggregation)));
        writeln!(out, "Memory of this machine by idle time (DAMON_STAT{})", aggregation.unwrap_or_default())?;
        if let Some(bandwidth) = self.bandwidth {
            writeln!(out, "estimated memory bandwidth: {} per second", format_size(bandwidth, Style::Human))?;
        }
        writeln!(out, "accessed at present: {} % of the memory", self.accessed_percent())?;
        writeln!(out)?;
        writeln!(out, "percentile              idle for")?;
        let length = |idle: Nanos| idle.0.max(0).unsigned_abs();
        let longest = self.shown.iter().filter_map(|shown| self.at(*shown)).map(length).max().unwrap_or(0);
        for percentile in &self.shown {
            let Some(idle) = self.at(*percentile) else { continue };
            writeln!(out, "{percentile:>10}  {:>20} |{}|", idle_text(idle), bar(length(idle), longest, BAR))?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let rows: Vec<(u32, Nanos)> = (0..).zip(self.idle.iter().copied()).collect();
        let percentiles = Table::of("percentiles", &rows)
            .col("percentile", "of the machine's memory, 0 to 100", |(percentile, _)| *percentile)
            .col(
                "idle_ns",
                "not accessed for so long; negative: accessed at the present rate for so long",
                |(_, i)| i.0,
            );
        let stat = Table::of("stat", std::slice::from_ref(self))
            .col("bandwidth_bytes", "estimated memory bandwidth per second", |stat| stat.bandwidth.map(|b| b.0))
            .col("aggregation_ns", "aggregation interval in force", |stat| stat.aggregation.map(|time| time.0));
        Ok(vec![percentiles.table()?, stat.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let points = self.idle.iter().enumerate().map(|(p, idle)| (p as f64, idle.0.max(0) as f64)).collect();
        let series = Line { name: "idle time".to_owned(), points, steps: true, filled: true };
        let (x, y) = (("percentile of the memory", Unit::Percent), ("time since the last access", Unit::Time));
        Ok(Box::new(Chart::new("Idle time of the machine's memory", x, y, vec![series])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> IdleReport {
        IdleReport {
            idle: (-10..91).map(Nanos::from_secs).collect(),
            bandwidth: Some(Bytes(3 << 20)),
            aggregation: Some(Nanos::from_millis(1200)),
            shown: vec![0, 50, 100],
        }
    }

    #[test]
    fn text_shows_the_percentiles_that_are_asked_for_with_bars() {
        let mut out = Vec::new();
        report().write_text(&mut out, &()).unwrap();
        let bar = |stars: usize| format!("{}{}", "*".repeat(stars), " ".repeat(BAR - stars));
        let wanted = format!(
            "Memory of this machine by idle time (DAMON_STAT, aggregation interval 1.200 s)\n\
             estimated memory bandwidth: 3.000 MiB per second\n\
             accessed at present: 10 % of the memory\n\n\
             percentile              idle for\n         \
             0       accessed (10 s) |{}|\n        \
             50                  40 s |{}|\n       \
             100            1 min 30 s |{}|\n",
            bar(0),
            bar(17),
            bar(40)
        );
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn metrics_have_base_units_and_end_as_the_format_wants() {
        let text = report().open_metrics();
        assert!(text.contains("damon_memory_idle_seconds{percentile=\"100\"} 90\n"), "{text}");
        assert!(text.contains("damon_memory_bandwidth_bytes 3145728\n"), "{text}");
        assert!(text.contains("damon_stat_aggregation_seconds 1.2\n") && text.ends_with("\n# EOF\n"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("# TYPE")).count(), 3);
    }
}
