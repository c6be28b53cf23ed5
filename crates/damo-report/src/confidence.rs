//! How far a record can be trusted: DAMON samples, and samples have errors.
//!
//! Each of the n checks of an aggregation interval looks at one page of a region, picked anew, so `nr_accesses` is
//! binomial: the share of the region that is accessed within a sampling interval is estimated as k/n, with the standard
//! error √(p(1−p)/n). A region that no check found accessed may still have up to 3/n of its pages accessed (at 95 %).
//! The estimate of a snapshot's accessed bytes adds up over regions, and so do the squares of its errors.
//!
//! The working set counts a region whole or not at all, so its error is of another kind: how much it would vary if
//! DAMON checked the same memory again. A region whose checks found k of n is in the next one's working set with the
//! probability q that n more checks find enough; each region adds size² · q(1−q).
//!
//! From that, and from what is missing, come findings: sentences that say what the record cannot tell, and which
//! intervals or bounds to try, by the rule that the kernel's own interval tuning follows (4 % of the possible accesses
//! found, sampling between 5 ms and 10 s).

use crate::ReportError;
use crate::filter::{Filter, Rows, fold_rows};
use crate::series::{SETTLING, Used};
use damo_frame::{Detail, Record};
use damo_model::human::{Style, format_percent, format_size_f64, time_text};
use damo_model::{Bytes, Intervals, Nanos, NrAccesses, SnapshotState, Source, TargetKey};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};

/// What the kernel's tuning aims at: access events found, of the possible ones.
const GOAL: f64 = 0.04;
/// A range of working sets whose ends are further apart than this supports no figure.
const MOST_RATIO: f64 = 3.0;
/// What is seen in less time tells of one moment of a program.
const SHORTEST: Nanos = Nanos(1_000_000_000);
const MIN_SAMPLE: Nanos = Nanos(5_000_000);
const MAX_SAMPLE: Nanos = Nanos(10_000_000_000);

/// Sums over a record's complete snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Confidence {
    /// What it is based on.
    pub used: Used,
    /// Complete snapshots of the target that has most of them, and how much time they cover.
    pub longest: (u64, Nanos),
    /// Events known to be lost.
    pub lost_events: u64,
    /// Bytes monitored, summed over snapshots.
    pub monitored: f64,
    /// Bytes in regions that no check found accessed, summed over snapshots.
    pub never_seen: f64,
    /// Accessed bytes per sampling interval, estimated, summed over snapshots.
    pub accessed: f64,
    /// Square of the standard error of each snapshot's estimate by itself, summed: independent, so they average out.
    pub variance: f64,
    /// The same with the help of ages: a region that kept its rate was checked in each of those aggregations.
    pub aged_variance: f64,
    /// Snapshots with at least nine tenths of the regions allowed.
    pub at_max_regions: u64,
    /// The regions allowed, where known.
    pub max_regions: Option<u64>,
    /// Whether its figures are exact from the first snapshot on: pages counted by mapping.
    pub is_exact: bool,
    /// The intervals at the start, where known.
    pub intervals: Option<Intervals>,
}

/// Something that a record cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, and what to do about it.
    pub text: String,
    /// Whether no figure of the record supports a conclusion.
    pub is_grave: bool,
    /// Whether it is that snapshots are missing or lack regions.
    pub is_coverage: bool,
}

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn push(&mut self, text: String) {
        self.0.push(Finding { text, is_grave: false, is_coverage: false });
    }

    fn grave(&mut self, text: String) {
        self.0.push(Finding { text, is_grave: true, is_coverage: false });
    }

    fn coverage(&mut self, text: String) {
        self.0.push(Finding { text, is_grave: true, is_coverage: true });
    }
}

impl Confidence {
    /// The number of complete snapshots.
    pub fn snapshots(&self) -> u64 {
        self.used.snapshots.saturating_sub(self.used.partial)
    }

    /// Accessed bytes per sampling interval, mean over snapshots.
    pub fn mean_accessed(&self) -> f64 {
        self.accessed / self.snapshots().max(1) as f64
    }

    /// The standard error of a single snapshot's estimate (root mean square over snapshots).
    pub fn snapshot_error(&self) -> f64 {
        (self.aged_variance / self.snapshots().max(1) as f64).sqrt()
    }

    /// The standard error of the mean over all snapshots.
    pub fn mean_error(&self) -> f64 {
        self.variance.sqrt() / self.snapshots().max(1) as f64
    }

    /// Accesses found, of the possible ones.
    pub(crate) fn observed_ratio(&self) -> f64 {
        if self.monitored > 0.0 { self.accessed / self.monitored } else { 0.0 }
    }

    /// The sampling interval that the kernel's tuning would head for; `None` without intervals or accesses.
    pub(crate) fn wanted_sample(&self) -> Option<Nanos> {
        let sample = self.intervals?.sample;
        let ratio = self.observed_ratio();
        if ratio <= 0.0 {
            return Some(MAX_SAMPLE);
        }
        let wanted = sample.0 as f64 * GOAL / ratio;
        let millis = (wanted.clamp(MIN_SAMPLE.0 as f64, MAX_SAMPLE.0 as f64) / 1e6).round();
        Some(Nanos::from_millis(millis as i64))
    }

    fn take(&mut self, rows: &Rows<'_>) {
        self.used.snapshots += 1;
        if rows.head.state != SnapshotState::Complete {
            self.used.partial += 1;
            return;
        }
        let Some(n) = rows.intervals.map(|intervals| f64::from(intervals.max_nr_accesses().0)).filter(|n| *n >= 1.0)
        else {
            return;
        };
        for (i, ((start, end), count)) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate() {
            let size = end.saturating_sub(*start) as f64;
            let count = f64::from(*count).min(n);
            self.monitored += size;
            self.accessed += size * count / n;
            if count == 0.0 {
                self.never_seen += size;
            }
            self.variance += size * size * variance(count, n);
            let aggregations = f64::from(rows.age.and_then(|age| age.get(i)).copied().unwrap_or(0)) + 1.0;
            self.aged_variance += size * size * variance(count * aggregations, n * aggregations);
        }
        if self.max_regions.is_some_and(|max| rows.len() as u64 * 10 >= max * 9) {
            self.at_max_regions += 1;
        }
    }

    fn plus(mut self, other: Confidence) -> Confidence {
        self.used = self.used.plus(other.used);
        self.monitored += other.monitored;
        self.never_seen += other.never_seen;
        self.accessed += other.accessed;
        self.variance += other.variance;
        self.aged_variance += other.aged_variance;
        self.at_max_regions += other.at_max_regions;
        self
    }

    /// What the record cannot tell, and what to do about it: one sentence each, the gravest first.
    pub fn findings(&self) -> Vec<String> {
        self.judged().into_iter().map(|finding| finding.text).collect()
    }

    /// The same, told apart by what they mean for conclusions.
    pub fn judged(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        let complete = self.snapshots();
        let coverage = complete as f64 * 100.0 / self.used.snapshots.max(1) as f64;
        if self.used.snapshots == 0 {
            findings.grave(
                "there is no snapshot: nothing was monitored, or the recording ended within one aggregation".to_owned(),
            );
            return findings.0;
        }
        if coverage < 99.0 || self.lost_events > 0 {
            findings.coverage(format!(
                "{} of {} snapshots are complete ({coverage:.1} %; {} events lost): record with a larger buffer, fewer \
                 regions or a longer aggregation interval",
                complete, self.used.snapshots, self.lost_events
            ));
        }
        self.too_little().into_iter().for_each(|text| findings.grave(text));
        let Some(intervals) = self.intervals else {
            findings.push("the intervals are not known: access rates and ages are counts without a unit".to_owned());
            return findings.0;
        };
        let never = if self.monitored > 0.0 { self.never_seen * 100.0 / self.monitored } else { 100.0 };
        if never >= 95.0
            && let Some(wanted) = self.wanted_sample().filter(|wanted| wanted.0 > intervals.sample.0 * 2)
        {
            let checks = i64::from(intervals.max_nr_accesses().0);
            let aggregation = Nanos(wanted.0.saturating_mul(checks));
            findings.push(format!(
                "{never:.1} % of the bytes were never seen accessed, and {:.2} % of the possible accesses were found: the \
                 intervals are short for this program; the kernel's tuning would head for sampling {} and aggregation {}",
                self.observed_ratio() * 100.0,
                time_text(wanted),
                time_text(aggregation),
            ));
        }
        if self.at_max_regions * 10 >= complete && self.at_max_regions > 0 {
            let max = self.max_regions.unwrap_or(0);
            findings.push(format!(
                "{} of {complete} snapshots have nearly as many regions as allowed ({max}): regions are larger than \
                 the program's patterns; allow {} or monitor less memory",
                self.at_max_regions,
                max.saturating_mul(2)
            ));
        }
        if self.mean_accessed() > 0.0 && self.snapshot_error() > self.mean_accessed() / 2.0 {
            findings.push(format!(
                "a single snapshot's estimate of the accessed bytes ({}) has a standard error of {} ({} checks per \
                 region and aggregation): look at means over many snapshots, or raise the ratio of aggregation to \
                 sampling interval",
                format_size_f64(self.mean_accessed(), Style::Human),
                format_size_f64(self.snapshot_error(), Style::Human),
                intervals.max_nr_accesses().0
            ));
        }
        findings.0
    }

    /// Says so if there are too few snapshots, or of too short a time, to conclude anything from.
    fn too_little(&self) -> Option<String> {
        let (complete, covered) = self.longest;
        if complete <= 1 {
            let number = if complete == 0 { "no complete snapshot" } else { "one complete snapshot" };
            return Some(format!(
                "there is {number}: it supports no conclusion; record for longer (a minute of a steady program is a good \
                 start)"
            ));
        }
        if complete <= SETTLING && !self.is_exact {
            return Some(format!(
                "{complete} complete snapshots of a target are too few for conclusions: DAMON's regions settle during the \
                 first {SETTLING}; record for longer"
            ));
        }
        (covered < SHORTEST).then(|| {
            let covered = time_text(covered);
            format!("the snapshots cover {covered} only, too short a time for conclusions; record for longer")
        })
    }

    /// The figures as JSON: sizes in bytes, shares in percent; `null` where nothing was monitored.
    pub fn json(&self) -> Value {
        let share = |part: f64| (self.monitored > 0.0).then(|| part * 100.0 / self.monitored);
        let known = |bytes: f64| (self.monitored > 0.0).then_some(bytes);
        json!({
            "snapshots": self.used.snapshots,
            "complete": self.snapshots(),
            "lost_events": self.lost_events,
            "never_seen_accessed_percent": share(self.never_seen),
            "accesses_found_percent": share(self.accessed),
            "accessed_per_sample": known(self.mean_accessed()),
            "accessed_per_sample_error": known(self.mean_error()),
            "snapshot_error": known(self.snapshot_error()),
        })
    }

    /// The figures and findings as text.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_figures(out)?;
        write_findings(&self.judged(), out)
    }

    /// The figures as text.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_figures(&self, out: &mut dyn Write) -> io::Result<()> {
        let size = |bytes: f64| format_size_f64(bytes, Style::Human);
        let share = |part: f64| format_percent((part * 1000.0).round() / 10.0, Style::Human);
        writeln!(out, "snapshots: {} complete of {}", self.snapshots(), self.used.snapshots)?;
        writeln!(out, "lost events: {}", self.lost_events)?;
        if self.monitored > 0.0 {
            writeln!(out, "never seen accessed: {} of the bytes", share(self.never_seen / self.monitored))?;
            writeln!(out, "accesses found: {} of the possible", share(self.observed_ratio()))?;
            let (mean, error) = (size(self.mean_accessed()), size(self.mean_error()));
            writeln!(out, "accessed per sampling interval: {mean}, standard error {error}")?;
            writeln!(out, "  of a single snapshot: standard error {}", size(self.snapshot_error()))?;
        }
        Ok(())
    }
}

/// What follows if a record does not tell its working set well enough; `None` if it does.
///
/// `range` is the range of the mean working set in bytes (`bounds.rs`).
pub fn working_set_finding((least, most): (f64, f64)) -> Option<Finding> {
    let size = |bytes: f64| format_size_f64(bytes, Style::Human);
    (most > MOST_RATIO * least && most > 0.0).then(|| Finding {
        text: format!(
            "the mean working set is not told better than from {} to {}: accesses are sparse within regions, or shorter than \
             a sampling interval; allow more regions (-m), monitor less memory, or sample more often (-s), and see docs/truth.md",
            size(least),
            size(most)
        ),
        is_grave: false,
        is_coverage: false,
    })
}

/// Findings as text, a line each.
///
/// # Errors
/// When `out` takes no more.
pub fn write_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    if findings.is_empty() {
        writeln!(out, "no problems found")?;
    }
    findings.iter().try_for_each(|finding| writeln!(out, "- {}", finding.text))
}

/// The square of the standard error of a share that `count` of `n` checks found. Two checks are added, one of them
/// positive: without that, 0 of n and n of n would claim to be exact.
pub(crate) fn variance(count: f64, n: f64) -> f64 {
    let p = (count + 1.0) / (n + 2.0);
    p * (1.0 - p) / (n + 2.0)
}

/// The square of the standard error of a snapshot's working set; 0 where the intervals are not known.
pub(crate) fn working_set_variance(rows: &Rows<'_>, acc_thres: NrAccesses, sz_thres: Bytes) -> f64 {
    let sizes = rows.start.iter().zip(rows.end).map(|(start, end)| end.saturating_sub(*start));
    let large = sizes.enumerate().filter(|(_, size)| *size >= sz_thres.0);
    large.map(|(i, size)| size as f64 * size as f64 * membership_variance(rows, i, acc_thres)).sum()
}

/// q(1−q) of a region: how uncertain it is that the region belongs to the working set. 0 where the intervals are not
/// known.
pub(crate) fn membership_variance(rows: &Rows<'_>, region: usize, acc_thres: NrAccesses) -> f64 {
    let (Some(intervals), Some(count)) = (rows.intervals, rows.nr_accesses.get(region)) else { return 0.0 };
    let age = rows.age.and_then(|age| age.get(region)).copied();
    doubt(intervals, *count, age, acc_thres)
}

/// q(1−q) of a region with this count and age.
pub(crate) fn doubt(intervals: Intervals, count: u32, age: Option<u32>, acc_thres: NrAccesses) -> f64 {
    let n = intervals.max_nr_accesses().0;
    if n == 0 {
        return 0.0;
    }
    // A region that kept its rate was checked in each aggregation of its age.
    let aggregations = f64::from(age.unwrap_or(0)) + 1.0;
    let (found, checks) = (f64::from(count.min(n)) * aggregations, f64::from(n) * aggregations);
    let q = at_least(acc_thres.0, n, (found + 0.5) / (checks + 1.0));
    q * (1.0 - q)
}

/// The probability that at least `least` of `n` checks succeed, each with probability `p`.
fn at_least(least: u32, n: u32, p: f64) -> f64 {
    if least == 0 {
        return 1.0;
    }
    if least > n {
        return 0.0;
    }
    let p = p.clamp(1e-9, 1.0 - 1e-9);
    // The terms in turn; their logarithm, because (1−p)ⁿ may be too small for a number.
    let mut term = f64::from(n) * (1.0 - p).ln();
    let mut below = 0.0;
    for k in 0..least {
        below += term.exp();
        term += (f64::from(n - k) / f64::from(k + 1)).ln() + (p / (1.0 - p)).ln();
    }
    (1.0 - below).clamp(0.0, 1.0)
}

/// What snapshots are worth, found out while they are read for something else: see [`confidence`].
#[derive(Clone, Debug)]
pub struct Judging {
    sums: Confidence,
    /// Complete snapshots of each target, and how much time they cover.
    lengths: HashMap<TargetKey, (u64, Nanos)>,
}

impl Judging {
    /// Before the first snapshot of a record.
    pub fn new(record: &Record) -> Self {
        let sums = Confidence {
            max_regions: record.meta().nr_regions.map(|bounds| bounds.max),
            intervals: record.meta().intervals,
            is_exact: record.meta().source == Source::Referenced,
            ..Confidence::default()
        };
        Judging { sums, lengths: HashMap::new() }
    }

    /// Takes a snapshot.
    pub fn take(&mut self, rows: &Rows<'_>) {
        self.sums.intervals = self.sums.intervals.or(rows.intervals);
        self.sums.take(rows);
        if rows.is_complete() {
            let (count, time) = self.lengths.entry(rows.head.target).or_default();
            *count += 1;
            *time = time.saturating_add(rows.head.time_span().length());
        }
    }

    fn plus(mut self, later: Judging) -> Judging {
        for (target, (count, time)) in later.lengths {
            let sum = self.lengths.entry(target).or_default();
            *sum = (sum.0 + count, sum.1.saturating_add(time));
        }
        let intervals = self.sums.intervals.or(later.sums.intervals);
        Judging { sums: Confidence { intervals, ..self.sums.plus(later.sums) }, lengths: self.lengths }
    }

    /// After the last snapshot of `record`.
    pub fn finish(self, record: &Record) -> Confidence {
        let longest = self.lengths.into_values().max().unwrap_or_default();
        Confidence { lost_events: record.coverage().lost_events, longest, ..self.sums }
    }
}

/// Looks through a record for what its figures are worth.
///
/// # Errors
/// When the record cannot be read or the filter cannot be applied to it.
pub fn confidence(record: &Record, filter: &Filter) -> Result<Confidence, ReportError> {
    let found = fold_rows(record, filter, Detail::All, || Judging::new(record), Judging::take, Judging::plus)?;
    Ok(found.finish(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probability_of_enough_hits_is_the_binomial_tail() {
        assert!((at_least(1, 20, 0.1) - (1.0 - 0.9f64.powi(20))).abs() < 1e-12);
        assert!((at_least(2, 2, 0.5) - 0.25).abs() < 1e-12);
        assert!((at_least(1, 10_000, 0.5) - 1.0).abs() < 1e-12);
        assert_eq!((at_least(0, 20, 0.1), at_least(21, 20, 0.9)), (1.0, 0.0));
    }
}
