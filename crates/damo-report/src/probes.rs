//! What attribute probes found: how much of the memory, and how much of what was accessed, is of the kind that each of them
//! looks for, in time.
//!
//! In each sampling interval the kernel looks at one page of each region, and counts a hit of a probe if its filters let
//! that page pass. So hits, as a share of an aggregation's samples, estimate which share of the region is of that kind.

use crate::error::no_intervals;
use crate::filter::{Filter, for_each_rows};
use crate::picture::{Chart, Line, Picture, Unit};
use crate::table::Table;
use crate::target::target_labels;
use crate::zero::Zero;
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::human::{Show, Style, format_size, time_text};
use damo_model::kdamond::{Probe, from_json};
use damo_model::{Bytes, Nanos, Side, Target, TargetKey};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// What a probe found in one snapshot, or in several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ProbeShare {
    /// When the first snapshot began.
    pub start: Nanos,
    /// When the last one ended.
    pub end: Nanos,
    /// Memory that is monitored, summed up over the snapshots.
    total: f64,
    /// How much of it is of the kind.
    hits: f64,
    /// Memory with an access, summed up over the snapshots.
    accessed: f64,
    /// How much of that is of the kind.
    accessed_hits: f64,
    /// How many snapshots.
    snapshots: u64,
}

impl ProbeShare {
    fn add(&mut self, more: &ProbeShare) {
        self.start = if self.snapshots == 0 { more.start } else { self.start.min(more.start) };
        self.end = self.end.max(more.end);
        self.total += more.total;
        self.hits += more.hits;
        self.accessed += more.accessed;
        self.accessed_hits += more.accessed_hits;
        self.snapshots += more.snapshots;
    }

    fn mean(&self, sum: f64) -> Bytes {
        Bytes((sum / self.snapshots.max(1) as f64).round() as u64)
    }

    /// Of all memory, 0..=100; `None` without any.
    fn percent(&self) -> Option<f64> {
        (self.total > 0.0).then(|| self.hits / self.total * 100.0)
    }

    /// Of what was accessed, 0..=100; `None` if nothing was.
    fn accessed_percent(&self) -> Option<f64> {
        (self.accessed > 0.0).then(|| self.accessed_hits / self.accessed * 100.0)
    }
}

/// What a probe found in a target's memory.
#[derive(Clone, Debug)]
pub(crate) struct ProbeSeries {
    /// What to call the target.
    pub label: String,
    /// The probe's number.
    pub probe: u32,
    /// What it looks for, as its filters were typed; empty if the record does not tell.
    pub kind: String,
    /// Snapshot by snapshot, in time order.
    pub shares: Vec<ProbeShare>,
}

/// What probes found in some records.
#[derive(Clone, Debug)]
pub struct ProbesReport {
    /// One for each probe of each target.
    pub(crate) series: Vec<ProbeSeries>,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// Shares of the records' memory by what probes looked for. Partial snapshots are left out.
///
/// # Errors
/// When a record cannot be read, has no hits of probes, or does not tell intervals.
pub fn probes(records: &[Record], filter: &Filter) -> Result<ProbesReport, ReportError> {
    let mut all = Vec::new();
    for record in records {
        let mut found: BTreeMap<(TargetKey, u32), Vec<ProbeShare>> = BTreeMap::new();
        for_each_rows(record, &filter.plain_monitoring(record), |chunk, rows| {
            if !rows.is_complete() {
                return Ok(());
            }
            for (id, values) in chunk.extras() {
                let Some(probe) = id.probe() else { continue };
                let Some(intervals) = rows.intervals else { return Err(no_intervals(record)) };
                let samples = f64::from(intervals.max_nr_accesses().0.max(1));
                let mut share =
                    ProbeShare { start: rows.head.start, end: rows.head.end, snapshots: 1, ..ProbeShare::default() };
                for (i, (start, end)) in rows.start.iter().zip(rows.end).enumerate() {
                    let size = end.saturating_sub(*start) as f64;
                    let hits = values.get(rows.row(i)).copied().unwrap_or(0) as f64;
                    let of_kind = size * (hits / samples).min(1.0);
                    share.total += size;
                    share.hits += of_kind;
                    if rows.nr_accesses.get(i).is_some_and(|count| *count > 0) {
                        share.accessed += size;
                        share.accessed_hits += of_kind;
                    }
                }
                found.entry((rows.head.target, u32::from(probe))).or_default().push(share);
            }
            Ok(())
        })?;
        if found.is_empty() {
            return Err(no_hits_at_all(record));
        }
        let labels = target_labels(record);
        for ((key, probe), mut shares) in found {
            shares.sort_by_key(|share| share.end);
            let kind = record.target(key).map(|target| kind_of(record, target, probe)).transpose()?.unwrap_or_default();
            all.push(ProbeSeries { label: labels.get(&key).cloned().unwrap_or_default(), probe, kind, shares });
        }
    }
    Ok(ProbesReport { series: all, zero: Zero::of(records) })
}

/// The error for a record without hits of a probe, which has those of others or of none.
pub(crate) fn no_hits(record: &Record, probe: u16, there: &[u16]) -> ReportError {
    if there.is_empty() {
        return no_hits_at_all(record);
    }
    let there: Vec<String> = there.iter().map(u16::to_string).collect();
    ReportError::invalid(format!("{} has no hits of probe {probe}, but of {}", record.name(), there.join(", ")))
}

fn no_hits_at_all(record: &Record) -> ReportError {
    ReportError::invalid(format!(
        "{} has no hits of attribute probes: record with --probe on Linux 7.2 or later, as in `damo record paddr --probe \
         --probe_filter allow anon`",
        record.name()
    ))
}

/// A probe's number, and what it looks for, if the record tells.
pub(crate) fn probe_name(record: &Record, target: &Target, probe: u16) -> Result<String, ReportError> {
    let kind = kind_of(record, target, probe.into())?;
    Ok(name_with_kind(probe.into(), &kind))
}

fn name_with_kind(probe: u32, kind: &str) -> String {
    let kind = if kind.is_empty() { String::new() } else { format!(" ({})", kind.shown()) };
    format!("probe {probe}{kind}")
}

/// The probes whose hits the records have, in order.
pub(crate) fn probes_of(records: &[Record]) -> Result<Vec<u16>, ReportError> {
    let mut all = BTreeSet::new();
    for record in records {
        all.extend(record.probes()?);
    }
    Ok(all.into_iter().collect())
}

/// What a probe looks for, by the parameters that the record has of the target's kdamond.
fn kind_of(record: &Record, target: &Target, probe: u32) -> Result<String, ReportError> {
    let sides = record.side_data()?;
    let params = sides.iter().filter_map(|side| match side {
        Side::Params(params) if params.kdamond == target.kdamond && !params.json.is_empty() => Some(params),
        _ => None,
    });
    let mut probes = params.filter_map(|params| {
        let json = serde_json::from_str(&format!("[{}]", params.json)).ok()?;
        let kdamond = from_json(&json).ok()?.into_iter().next()?;
        let context = kdamond.contexts.into_iter().nth(target.context.unwrap_or(0) as usize)?;
        context.probes.into_iter().nth(probe as usize)
    });
    Ok(probes.next_back().as_ref().map(Probe::to_string).unwrap_or_default())
}

impl ProbeSeries {
    fn name(&self) -> String {
        format!("target {}, {}", self.label, name_with_kind(self.probe, &self.kind))
    }

    /// At most so many spans of time of equal length.
    fn spans(&self, most: usize) -> Vec<ProbeShare> {
        let (Some(first), Some(last)) = (self.shares.first(), self.shares.last()) else { return Vec::new() };
        let length = i128::from(last.end.0.saturating_sub(first.start.0).max(1));
        let mut spans = vec![ProbeShare::default(); most.min(self.shares.len()).max(1)];
        let nr = spans.len() as i128;
        for share in &self.shares {
            let at = i128::from(share.start.0.saturating_sub(first.start.0)) * nr / length;
            let at = usize::try_from(at).unwrap_or(0).min(spans.len() - 1);
            spans[at].add(share);
        }
        spans.retain(|span| span.snapshots > 0);
        spans
    }
}

/// Lines of text for each probe of a target.
const SPANS: usize = 20;

fn percent_text(percent: Option<f64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1} %"))
}

impl Report for ProbesReport {
    const NAME: &'static str = "probes";
    type Layout = ();

    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        for (at, series) in self.series.iter().enumerate() {
            writeln!(out, "{}# {}", if at > 0 { "\n" } else { "" }, series.name())?;
            writeln!(
                out,
                "# {:>12} {:>14} {:>14} {:>8} {:>14} {:>14} {:>8}",
                "until", "memory", "of it", "share", "accessed", "of that", "share"
            )?;
            for span in series.spans(SPANS) {
                let size = |sum| format_size(span.mean(sum), Style::Human);
                writeln!(
                    out,
                    "  {:>12} {:>14} {:>14} {:>8} {:>14} {:>14} {:>8}",
                    time_text(self.zero.since(span.end)),
                    size(span.total),
                    size(span.hits),
                    percent_text(span.percent()),
                    size(span.accessed),
                    size(span.accessed_hits),
                    percent_text(span.accessed_percent()),
                )?;
            }
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let rows: Vec<(&ProbeSeries, &ProbeShare)> =
            self.series.iter().flat_map(|series| series.shares.iter().map(move |share| (series, share))).collect();
        let shares = Table::of("shares", &rows)
            .col("target", "the target", |(series, _)| series.label.as_str())
            .col("probe", "its number, from 0", |(series, _)| i64::from(series.probe))
            .col("kind", "what it looks for, as its filters are typed; empty if not known", |(s, _)| s.kind.as_str())
            .col("start_ns", "start of the snapshot", |(_, share)| share.start.0)
            .col("end_ns", "end of the snapshot", |(_, share)| share.end.0)
            .col("total_bytes", "of all regions", |(_, share)| share.mean(share.total).0)
            .col("total_hit_bytes", "of them of this kind, estimated", |(_, share)| share.mean(share.hits).0)
            .col("accessed_bytes", "of regions with an access", |(_, share)| share.mean(share.accessed).0)
            .col("accessed_hit_bytes", "of them of this kind, estimated", |(_, share)| {
                share.mean(share.accessed_hits).0
            })
            .col("accessed_percent", "share of what was accessed; `null` if nothing was", |(_, share)| {
                share.accessed_percent()
            });
        Ok(vec![shares.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let line = |series: &ProbeSeries| {
            let mut points: Vec<(f64, f64)> = Vec::with_capacity(series.shares.len() + 1);
            let percent = |share: &ProbeShare| share.accessed_percent().unwrap_or(f64::NAN);
            let at = |time: Nanos| self.zero.since(time).0 as f64;
            points.extend(series.shares.iter().map(|share| (at(share.start), percent(share))));
            points.extend(series.shares.last().map(|share| (at(share.end), percent(share))));
            Line { name: series.name(), points, steps: true, filled: self.series.len() == 1 }
        };
        let lines = self.series.iter().map(line).collect();
        Ok(Box::new(Chart::new(
            "Of what was accessed: share that probes hit",
            (self.zero.axis(), Unit::Time),
            ("share of accessed memory", Unit::Percent),
            lines,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(at: i64, accessed: f64, accessed_hits: f64) -> ProbeShare {
        ProbeShare {
            start: Nanos(at),
            end: Nanos(at + 1),
            total: 100.0,
            hits: 10.0,
            accessed,
            accessed_hits,
            snapshots: 1,
        }
    }

    #[test]
    fn spans_of_time_have_the_mean_of_their_snapshots() {
        let shares = vec![share(0, 10.0, 5.0), share(1, 30.0, 15.0), share(2, 0.0, 0.0), share(3, 0.0, 0.0)];
        let series = ProbeSeries { label: "0".into(), probe: 0, kind: String::new(), shares };
        let spans = series.spans(2);
        assert_eq!(spans.iter().map(ProbeShare::accessed_percent).collect::<Vec<_>>(), [Some(50.0), None]);
        assert_eq!((spans[0].mean(spans[0].accessed), spans[0].percent()), (Bytes(20), Some(10.0)));
        assert_eq!(series.spans(100).len(), 4);
    }
}
