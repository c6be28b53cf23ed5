//! When memory was last accessed, at one moment: how many bytes of each target fall between edges of idle time.
//!
//! The shape is that of memtierd's "time since last access" table, so that figures of both can stand side by side. A
//! region that the last aggregation found accessed is 0 idle; any other has been idle for its age and that aggregation.

use crate::error::no_intervals;
use crate::filter::{Bounds, Filter, Rows, for_each_rows};
use crate::picture::{Bar, Bars, Picture, Unit, ticks};
use crate::series::measure;
use crate::table::Table;
use crate::target::target_labels;
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::human::{Style, format_percent, format_size};
use damo_model::{Bytes, Nanos, TargetKey};
use std::collections::HashMap;
use std::io::Write;

damo_model::with_defaults! {
    /// What to report.
    #[derive(Clone, Debug)]
    pub struct AgesOptions {
        /// Edges of idle time, ascending. The last row reaches from the last edge to infinity.
        pub edges: Vec<Nanos> = [0, 5, 30, 600, 7200].map(Nanos::from_secs).to_vec(),
        /// The snapshot in force at this time on the record's clock; `None` for the last one.
        pub at: Option<Nanos>,
        /// Which part of the record.
        pub filter: Filter,
    }
}

/// Parses edges such as `0,5s,30s,10m,2h`. Memtierd's last `0`, which means infinity there, may be left on.
///
/// # Errors
/// If one is no time, or they do not ascend.
pub fn parse_edges(text: &str) -> Result<Vec<Nanos>, ReportError> {
    let edge = |part: &str| damo_model::human::parse_time_with_unit(part, ["s", "min"]);
    let edges: Result<Vec<Nanos>, _> = text.split(',').map(edge).collect();
    let mut edges = edges.map_err(|error| ReportError::invalid(format!("edges '{text}': {error}")))?;
    if edges.len() > 1 && edges.last() == Some(&Nanos(0)) {
        edges.pop();
    }
    if edges.windows(2).any(|pair| matches!(pair, [a, b] if a >= b)) {
        return Err(ReportError::invalid(format!("edges '{text}' must ascend, as in 0,5s,30s,10min,2h")));
    }
    Ok(edges)
}

/// One row: memory of a target that was last accessed between two edges.
#[derive(Clone, Debug, PartialEq)]
pub struct AgeRow {
    /// The target's label.
    pub target: String,
    /// Process id of the target, where known.
    pub pid: Option<i32>,
    /// At least so long ago.
    pub from: Nanos,
    /// Less than so long ago; `None` has no limit.
    pub to: Option<Nanos>,
    /// How much memory.
    pub bytes: Bytes,
    /// Of the target's, 0..=100.
    pub percent: f64,
}

/// Idle times of the memory of some records.
#[derive(Clone, Debug)]
pub struct AgesReport {
    /// Rows, target after target.
    pub rows: Vec<AgeRow>,
    /// For the column of pages.
    pub page_size: Bytes,
}

/// Idle times of the records' memory at one moment.
///
/// # Errors
/// When a record cannot be read, or does not tell ages or intervals.
pub fn ages(records: &[Record], options: &AgesOptions) -> Result<AgesReport, ReportError> {
    let mut rows = Vec::new();
    let mut page_size = None;
    for record in records {
        page_size = page_size.or(record.meta().page_size);
        // One pass for when, another, of a block or two, for what.
        let mut when: HashMap<TargetKey, (Nanos, Nanos)> = HashMap::new();
        let wanted = options.filter.plain_monitoring(record);
        for point in measure(record, &wanted, |_| 0)? {
            if !point.partial && options.at.is_none_or(|at| point.start <= at) {
                when.insert(point.target, (point.start, point.end));
            }
        }
        let labels = target_labels(record);
        let of_targets = bytes_by_age(record, &wanted, &when, &options.edges)?;
        for target in record.targets() {
            let Some(bytes) = of_targets.get(&target.key) else { continue };
            let label = labels.get(&target.key).cloned().unwrap_or_default();
            let total: u64 = bytes.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes));
            for (i, bytes) in bytes.iter().enumerate() {
                let Some(from) = options.edges.get(i).copied() else { break };
                let percent = if total > 0 { *bytes as f64 * 100.0 / total as f64 } else { 0.0 };
                let to = options.edges.get(i + 1).copied();
                rows.push(AgeRow {
                    target: label.clone(),
                    pid: target.process.as_ref().map(|process| process.pid),
                    from,
                    to,
                    bytes: Bytes(*bytes),
                    percent,
                });
            }
        }
    }
    Ok(AgesReport { rows, page_size: page_size.unwrap_or(Bytes(4096)) })
}

/// How far apart the moments of targets may be that are looked at in one pass. A block holds a second or two.
const CLOSE: Nanos = Nanos(5_000_000_000);

/// Bytes of each target between the edges, at the snapshot that `when` tells of it.
fn bytes_by_age(
    record: &Record,
    wanted: &Filter,
    when: &HashMap<TargetKey, (Nanos, Nanos)>,
    edges: &[Nanos],
) -> Result<HashMap<TargetKey, Vec<u64>>, ReportError> {
    let mut of_targets: HashMap<TargetKey, Vec<u64>> = when.keys().map(|key| (*key, vec![0; edges.len()])).collect();
    let mut moments: Vec<(Nanos, Nanos)> = when.values().copied().collect();
    moments.sort_unstable();
    // A pass for each run of moments that lie close together, not for each target.
    for run in moments.chunk_by(|a, b| b.0.saturating_sub(a.1) < CLOSE) {
        let (Some(first), Some(end)) = (run.first(), run.iter().map(|moment| moment.1).max()) else { continue };
        let mut filter = wanted.clone();
        filter.snapshot_time = vec![Bounds::new(first.0, end)];
        // Positions counted over the whole series would mean nothing in a part of it.
        filter.snapshot_idx.clear();
        for_each_rows(record, &filter, |_, found| {
            let own = when.get(&found.head.target).filter(|own| run.binary_search(own).is_ok());
            let Some(bytes) = own
                .filter(|own| own.0 <= found.head.start && found.head.end <= own.1)
                .and_then(|_| of_targets.get_mut(&found.head.target))
            else {
                return Ok(());
            };
            add_ages(record, &found, edges, bytes)
        })?;
    }
    Ok(of_targets)
}

/// Adds the regions of a snapshot to the bytes between the edges.
fn add_ages(record: &Record, found: &Rows<'_>, edges: &[Nanos], bytes: &mut [u64]) -> Result<(), ReportError> {
    let Some(ages) = found.age else {
        return Err(ReportError::invalid(format!(
            "{} does not tell ages, so that nobody knows when memory was last accessed; record on a kernel from 5.16 on",
            record.name()
        )));
    };
    let Some(intervals) = found.intervals else { return Err(no_intervals(record)) };
    for (i, age) in ages.iter().enumerate() {
        let (Some(start), Some(end)) = (found.start.get(i), found.end.get(i)) else { break };
        let accessed = found.nr_accesses.get(i).is_some_and(|count| *count > 0);
        let aggregations = i64::from(*age).saturating_add(1);
        let idle = if accessed { Nanos(0) } else { Nanos(intervals.aggregation.0.saturating_mul(aggregations)) };
        let row = edges.iter().rposition(|edge| *edge <= idle);
        if let Some(row) = row.and_then(|row| bytes.get_mut(row)) {
            *row = row.saturating_add(end.saturating_sub(*start));
        }
    }
    Ok(())
}

fn percent(value: f64) -> String {
    format_percent((value * 10.0).round() / 10.0, Style::Human)
}

impl Report for AgesReport {
    const NAME: &'static str = "ages";
    type Layout = ();

    /// The table as text.
    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        writeln!(out, "table: time since last access")?;
        writeln!(out, "     pid lastaccs>=[s] lastaccs<[s]    pages   mem[G] pidmem[%]")?;
        for row in &self.rows {
            let from = row.from.as_secs_f64();
            let to = row.to.map_or_else(|| "inf".to_owned(), |to| format!("{:.3}", to.as_secs_f64()));
            let pages = row.bytes.0 / self.page_size.0.max(1);
            let gib = row.bytes.0 as f64 / (1u64 << 30) as f64;
            let who = row.pid.map_or_else(|| row.target.clone(), |pid| pid.to_string());
            writeln!(out, "{who:>8} {from:>13.3} {to:>12} {pages:>8} {gib:>8.3} {:>9.2}", row.percent)?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let ages = Table::of("ages", &self.rows)
            .col("target", "the target", |row| row.target.as_str())
            .col("from_ns", "not accessed for at least so long", |row| row.from.0)
            .col("to_ns", "and less than so long; `null`: no limit", |row| row.to.map(|to| to.0))
            .col("bytes", "", |row| row.bytes.0)
            .col("percent", "of the target's memory", |row| row.percent)
            .col("pid", "of the target", |row| row.pid.map(i64::from));
        Ok(vec![ages.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let mut groups: Vec<(String, Vec<Bar>)> = Vec::new();
        for row in &self.rows {
            let heading = row.pid.map_or_else(|| format!("target {}", row.target), |pid| format!("pid {pid}"));
            if groups.last().is_none_or(|(last, _)| *last != heading) {
                groups.push((heading.clone(), Vec::new()));
            }
            let from = ticks::time_text(row.from.0.into());
            let bar = Bar {
                label: row.to.map_or_else(
                    || format!("{from} or more"),
                    |to| format!("{from} – {}", ticks::time_text(to.0.into())),
                ),
                spans: vec![(0.0, row.bytes.0 as f64)],
                text: format!("{} ({})", format_size(row.bytes, Style::Human), percent(row.percent)),
                color: groups.len() - 1,
            };
            if let Some((_, bars)) = groups.last_mut() {
                bars.push(bar);
            }
        }
        if let [(heading, _)] = &mut groups[..] {
            heading.clear();
        }
        Ok(Box::new(Bars {
            title: "Time since the last access".to_owned(),
            x: ("memory".to_owned(), Unit::Bytes),
            groups,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_ascend_and_may_end_with_the_zero_that_means_infinity() {
        let seconds = |edges: Vec<Nanos>| edges.iter().map(|edge| edge.0 / 1_000_000_000).collect::<Vec<_>>();
        assert_eq!(seconds(parse_edges("0,5s,30s,10m,2h,0").unwrap()), [0, 5, 30, 600, 7200]);
        assert_eq!(seconds(parse_edges("0, 1 m").unwrap()), [0, 60]);
        assert!(parse_edges("5s,1s").unwrap_err().to_string().contains("must ascend"));
        assert!(parse_edges("5 apples").unwrap_err().to_string().contains("unknown unit"));
    }
}
