//! What schemes did over time: how much they were tried on and applied to, and whether their quotas held them back.
//!
//! The kernel counts since a scheme began, and tells its counters now and then. What is told first is taken for the beginning: what
//! a scheme did before the recording is not in the report.

mod found;
mod show;

use crate::ReportError;
use crate::range::TimeRange;
use crate::zero::Zero;
use damo_frame::Record;
use damo_model::human::time_text;
use damo_model::scheme::{Action, Quotas};
use damo_model::{Bytes, KdamondIndex, Nanos, SchemeCounts, TimeSpan};

/// Intervals that a record is cut into, about, if nobody says how long they are.
const INTERVALS: i64 = 20;
/// More rows than this are refused: nobody reads them.
const MOST_INTERVALS: i64 = 100_000;
/// From this share of reset intervals on, in which a quota was used up, it is in control.
const IN_CONTROL: f64 = 0.9;

/// What to report.
#[derive(Clone, Debug, Default)]
pub struct SchemesOptions {
    /// How long an interval is; `None` is about a twentieth of the time, in whole reset intervals of the quota.
    pub interval: Option<Nanos>,
    /// This time only.
    pub time: Option<TimeRange>,
}

/// Whether a scheme's quota decides how much the scheme does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaControl {
    /// It has none.
    NoQuota,
    /// The record does not tell how often it was used up.
    NotKnown,
    /// It was used up so often.
    UsedUp {
        /// Reset intervals in which it was used up.
        exceeded: u64,
        /// Reset intervals in all; where their length is not known, the report's intervals.
        of: u64,
    },
}

/// What a scheme did in an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemeInterval {
    /// From when to when, on the record's clock.
    pub span: TimeSpan,
    /// What was done in it; `None` before anything was told.
    pub counts: Option<SchemeCounts>,
    /// The quota in effect at its end.
    pub effective_quota: Option<Bytes>,
}

/// A scheme over time.
#[derive(Clone, Debug)]
pub struct SchemeSeries {
    /// Which kdamond it is of, where known.
    pub kdamond: Option<KdamondIndex>,
    /// Index of the context within the kdamond.
    pub context: u32,
    /// Index of the scheme within the context.
    pub scheme: u32,
    /// What it does, and its quotas, as the record's last parameters tell.
    pub params: Option<(Action, Quotas)>,
    /// In time order, without a gap.
    pub intervals: Vec<SchemeInterval>,
}

/// What the schemes of some records did.
#[derive(Clone, Debug)]
pub struct SchemesReport {
    /// In order of kdamond, context and scheme.
    pub series: Vec<SchemeSeries>,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// What the schemes of the records did over time.
///
/// # Errors
/// When a record cannot be read, the records hold no figures of schemes, or the options have no meaning.
pub fn schemes(records: &[Record], options: &SchemesOptions) -> Result<SchemesReport, ReportError> {
    let found = found::figures(records)?;
    let Some(known) = found.span else {
        let names: Vec<_> = records.iter().map(Record::name).collect();
        return Err(ReportError::invalid(format!(
            "no figures of schemes in {}: they are recorded while schemes run, as in damo record -c SCHEMES PID, or damo record \
             beside damo start",
            names.join(", ")
        )));
    };
    let mut span = known;
    if let Some(range) = &options.time {
        let wanted = range.resolve(records, known)?;
        span = TimeSpan::new(known.start.max(wanted.start), known.end.min(wanted.end));
        if span.start >= span.end {
            let began = records.first().map(Record::began).unwrap_or_default();
            let [from, to] = [known.start, known.end].map(|at| time_text(at.saturating_sub(began)));
            return Err(ReportError::invalid(format!(
                "--time_range: the figures of schemes are from {from} to {to} since the recording began"
            )));
        }
    }
    let length = length_of(span, &found, options.interval)?;
    let series = found.series.into_iter().map(|one| one.cut(span, length)).collect();
    Ok(SchemesReport { series, zero: Zero::of(records) })
}

/// How long intervals are.
fn length_of(span: TimeSpan, found: &found::Figures, wanted: Option<Nanos>) -> Result<Nanos, ReportError> {
    let whole = span.end.saturating_sub(span.start).0;
    if let Some(wanted) = wanted {
        if wanted.0 <= 0 || whole / wanted.0 > MOST_INTERVALS {
            return Err(ReportError::invalid(format!(
                "--interval {}: {} of them are at most {MOST_INTERVALS} in a report; say a longer one, or less time",
                time_text(wanted),
                time_text(Nanos(whole))
            )));
        }
        return Ok(wanted);
    }
    let resets = found.series.iter().filter_map(|one| Some(reset_interval(&one.params.as_ref()?.1)?.0));
    let base = resets.filter(|reset| *reset <= whole).max().unwrap_or(1_000_000_000);
    // At least one interval, and whole seconds or reset intervals.
    Ok(Nanos(((whole / INTERVALS + base - 1) / base).max(1).saturating_mul(base)))
}

/// The reset interval of a quota, if it has one and it ever ends.
pub fn reset_interval(quotas: &Quotas) -> Option<Nanos> {
    Some(quotas.reset_interval).filter(|reset| quotas.is_limited() && reset.0 > 0 && reset.0 < i64::MAX)
}

impl SchemeSeries {
    /// Everything that it did.
    pub fn total(&self) -> Option<SchemeCounts> {
        let told = self.intervals.iter().filter_map(|interval| interval.counts);
        told.reduce(|sum, counts| found::plus(&sum, &counts))
    }

    /// Whether its quota decides how much it does.
    pub fn control(&self) -> QuotaControl {
        let is_told = self.intervals.iter().any(|interval| interval.effective_quota.is_some());
        match &self.params {
            Some((_, quotas)) if !quotas.is_limited() && !is_told => return QuotaControl::NoQuota,
            None if !is_told => return QuotaControl::NotKnown,
            _ => {}
        }
        let Some(total) = self.total() else { return QuotaControl::NotKnown };
        let told = || self.intervals.iter().filter(|interval| interval.counts.is_some());
        let of = match self.params.as_ref().and_then(|(_, quotas)| reset_interval(quotas)) {
            Some(reset) => {
                let time: i64 = told().map(|interval| interval.span.end.saturating_sub(interval.span.start).0).sum();
                u64::try_from(time / reset.0).unwrap_or_default()
            }
            None => told().count() as u64,
        };
        // An interval that is not over when the recording ends may be the one that was used up.
        QuotaControl::UsedUp { exceeded: total.qt_exceeds, of: of.max(total.qt_exceeds).max(1) }
    }
}

impl QuotaControl {
    /// The answer, with its reason.
    pub fn sentence(self) -> String {
        match self {
            QuotaControl::NoQuota => {
                "there is no quota: the scheme is applied to all memory that fits its access pattern".to_owned()
            }
            QuotaControl::NotKnown => "not known: the record does not tell how often the quota was used up".to_owned(),
            QuotaControl::UsedUp { exceeded: 0, .. } => {
                "no: it was never used up; the access pattern alone decides how much is done".to_owned()
            }
            QuotaControl::UsedUp { exceeded, of } => {
                let share = exceeded as f64 / of as f64;
                let how_often = format!("it was used up in {exceeded} of {of} reset intervals");
                if share >= IN_CONTROL {
                    format!("yes: {how_often}; it decides how much is done")
                } else {
                    format!("at times: {how_often}; in the others less memory than it allows fits the access pattern")
                }
            }
        }
    }

    /// The answer in a word, for tables.
    fn word(self) -> &'static str {
        match self {
            QuotaControl::NoQuota => "no quota",
            QuotaControl::NotKnown => "not known",
            QuotaControl::UsedUp { exceeded: 0, .. } => "no",
            QuotaControl::UsedUp { exceeded, of } if exceeded as f64 >= of as f64 * IN_CONTROL => "yes",
            QuotaControl::UsedUp { .. } => "at times",
        }
    }
}

#[cfg(test)]
mod tests;
