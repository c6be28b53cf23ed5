//! Judging one condition, and who is to blame if it does not hold.

use super::Run;
use super::blame::blame;
use super::condition::{Bound, Change, Condition, Limit, Subject};
use crate::AnalysisError;
use crate::comparable::{Incomparable, other_intervals, other_programs};
use crate::compare::{Alignment, Comparison, Estimate, Needs};
use crate::figure::{Figure, Quantity};
use damo_model::TimeSpan;
use damo_model::human::{Style, format_percent, format_size_f64, time_text};
use damo_report::Zero;
use damo_report::schemes::{QuotaControl, SchemeSeries, reset_interval};

/// An absolute limit is kept only if the figure's interval is narrower than this share of it.
const NARROW: f64 = 0.25;
/// Against a baseline, this share of its figure is narrow enough whatever the limit is.
const NARROW_CHANGE: f64 = 0.1;
/// More runs than this are not asked for by number.
const MOST_RUNS: u64 = 30;

/// What comes of a condition: one of four answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The figure is within its limit, as sure as the records tell.
    Holds,
    /// The figure is beyond its limit, and so is its whole 95 % interval.
    Fails,
    /// The records do not tell.
    NotJudged,
    /// It needs a baseline, and there is none yet, which is allowed.
    Skipped,
}

/// A mapping that has a part in what is too much.
#[derive(Clone, Debug, PartialEq)]
pub struct Culprit {
    /// The mapping's name.
    pub mapping: String,
    /// So many bytes of what is too much.
    pub bytes: f64,
}

/// What came of one condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was asked for.
    pub condition: Condition,
    /// What came of it.
    pub verdict: Verdict,
    /// The figure of the runs, where it has one.
    pub(crate) found: Option<Estimate>,
    /// The comparison with the baseline, for conditions against one.
    pub(crate) comparison: Option<Comparison>,
    /// Why, in a sentence without a stop.
    pub why: String,
    /// The mappings that have most of what is too much, the largest first; empty unless it fails.
    pub culprits: Vec<Culprit>,
    /// When most of it is too much in the first run, since the recording began; `None` unless it fails.
    pub when: Option<TimeSpan>,
    /// The number of the phase that this is in (from 1) and what its kind is called, where the run has several phases: see
    /// [`CheckReport::find_phases`](super::CheckReport::find_phases).
    pub phase: Option<(usize, String)>,
}

/// Why a condition cannot be judged.
#[derive(Debug, thiserror::Error)]
enum NotJudged {
    #[error(
        "there is no baseline: name one by --baseline, or allow that there is none yet by --allow_missing_baseline"
    )]
    NoBaseline,
    #[error("{record}: {}", .weaknesses.join("; "))]
    Weak { record: String, weaknesses: Vec<String> },
    #[error("{0}")]
    Incomparable(#[from] Incomparable),
    /// The figure cannot be had of one of the records.
    #[error(transparent)]
    Figure(#[from] AnalysisError),
    #[error("{value} may be off by {within}, too much for this limit; record for longer, or several runs")]
    TooUncertain { value: String, within: String },
    #[error("{found}: {}; {}", where_it_is(.is_beyond), remedy(.needs))]
    TooNear { found: String, is_beyond: bool, needs: Needs },
    #[error("of figures there are limits only")]
    HeldFigure,
}

/// On which side of its limit a figure is, although nobody can be sure of it.
fn where_it_is(is_beyond: &bool) -> &'static str {
    if *is_beyond { "more than allowed, but not for sure" } else { "not for sure within the limit" }
}

/// What would tell.
fn remedy(needs: &Needs) -> String {
    let runs = match needs.runs {
        1 => "1 more run".to_owned(),
        runs if runs <= MOST_RUNS => format!("{runs} more runs"),
        _ => return "these runs differ too much from moment to moment: compare several of each side".to_owned(),
    };
    let longer = needs.time.map(|time| format!(", or runs longer by {},", time_text(time))).unwrap_or_default();
    format!("about {runs} of each side{longer} would tell")
}

/// What all conditions are judged by.
pub(super) struct Judge<'r> {
    pub(super) runs: &'r [Run],
    pub(super) baseline: &'r [Run],
    pub(super) allow_missing_baseline: bool,
}

impl Judge<'_> {
    pub(super) fn judge(&self, condition: &Condition) -> Judgement {
        let mut judgement = Judgement {
            condition: condition.clone(),
            verdict: Verdict::NotJudged,
            found: None,
            comparison: None,
            why: String::new(),
            culprits: Vec::new(),
            when: None,
            phase: None,
        };
        let decided = match &condition.subject {
            Subject::Coverage => Ok(self.coverage(condition)),
            Subject::Quota => Ok(self.quota()),
            Subject::Figure(figure) => match condition.limit {
                Limit::Absolute(bound, limit) => self.absolute(figure, bound, limit, &mut judgement),
                Limit::Rise(change) => self.relative(figure, change, 1.0, &mut judgement),
                Limit::Fall(change) => self.relative(figure, change, -1.0, &mut judgement),
                Limit::Held => Err(NotJudged::HeldFigure),
            },
        };
        (judgement.verdict, judgement.why) = decided.unwrap_or_else(|why| (Verdict::NotJudged, why.to_string()));
        judgement
    }

    fn coverage(&self, condition: &Condition) -> (Verdict, String) {
        let least = condition.coverage().unwrap_or(100.0);
        let lowest = self.runs.iter().map(|run| (run.course.coverage * 100.0, run.course.record.as_str()));
        let Some((share, record)) = lowest.reduce(|a, b| if b.0 < a.0 { b } else { a }) else {
            return (Verdict::NotJudged, "there is no record".to_owned());
        };
        // Rounded down: 99.96 % are not all.
        let shown = format_percent((share * 10.0).floor() / 10.0, Style::Human);
        let why = format!("{shown} of the snapshots of {record} are complete");
        (if share >= least { Verdict::Holds } else { Verdict::Fails }, why)
    }

    fn quota(&self) -> (Verdict, String) {
        let (mut told, mut verdict) = (Vec::new(), Verdict::Holds);
        for run in self.runs {
            let Some(schemes) = run.schemes.as_ref().filter(|schemes| !schemes.series.is_empty()) else {
                let record = &run.course.record;
                return (Verdict::NotJudged, format!("{record} does not tell what schemes did: record while they run"));
            };
            for series in &schemes.series {
                let (one, sentence) = quota_of(series, schemes.zero);
                let name = if schemes.series.len() > 1 { format!("scheme {}: ", series.scheme) } else { String::new() };
                told.push(format!("{name}{sentence}"));
                verdict = match (verdict, one) {
                    (Verdict::Fails, _) | (_, Verdict::Fails) => Verdict::Fails,
                    (Verdict::NotJudged, _) | (_, Verdict::NotJudged) => Verdict::NotJudged,
                    _ => Verdict::Holds,
                };
            }
        }
        (verdict, told.join("; "))
    }

    /// Sees whether the records support an answer.
    ///
    /// # Errors
    /// If one of them is too weak, or the baseline's are of another program or other intervals.
    fn can_tell(&self, figure: &Figure, is_relative: bool) -> Result<(), NotJudged> {
        let mut used = self.runs.iter().chain(self.baseline.iter().filter(|_| is_relative));
        if let Some(run) = used.find(|run| !run.weaknesses.is_empty()) {
            return Err(NotJudged::Weak { record: run.course.record.clone(), weaknesses: run.weaknesses.clone() });
        }
        if !is_relative {
            return Ok(());
        }
        let other = other_programs(self.baseline, self.runs);
        // Resident memory is the same whatever the intervals are.
        let other = other.or_else(|| match figure.quantity {
            Quantity::Resident => None,
            _ => other_intervals(self.baseline, self.runs),
        });
        other.map_or(Ok(()), |why| Err(why.into()))
    }

    fn absolute(
        &self,
        figure: &Figure,
        bound: Bound,
        limit: f64,
        out: &mut Judgement,
    ) -> Result<(Verdict, String), NotJudged> {
        let found = Estimate::of_these(figure, self.runs)?;
        out.found = Some(found);
        self.can_tell(figure, false)?;
        let sign = if bound == Bound::AtMost { 1.0 } else { -1.0 };
        let beyond = (found.value - limit) * sign;
        let value = figure.show(found.value);
        if beyond - found.within > 0.0 {
            blame(self.runs, &[], figure, sign, Some(limit), out);
            return Ok((Verdict::Fails, format!("{value} is {} beyond the limit", figure.show(beyond))));
        }
        if beyond <= 0.0 && found.within <= (limit * NARROW).max(-beyond) {
            return Ok((Verdict::Holds, value));
        }
        Err(NotJudged::TooUncertain { value, within: figure.show(found.within) })
    }

    fn relative(
        &self,
        figure: &Figure,
        change: Change,
        sign: f64,
        out: &mut Judgement,
    ) -> Result<(Verdict, String), NotJudged> {
        if self.baseline.is_empty() {
            return match self.allow_missing_baseline {
                true => Ok((Verdict::Skipped, "there is no baseline yet".to_owned())),
                false => Err(NotJudged::NoBaseline),
            };
        }
        let comparison = Comparison::of(figure, self.baseline, self.runs, |_, _| Alignment::default())?;
        out.found = Some(comparison.new);
        out.comparison = Some(comparison.clone());
        self.can_tell(figure, true)?;
        let base = comparison.base.value;
        let limit = match change {
            Change::Percent(percent) => base * percent / 100.0,
            Change::Amount(amount) => amount,
        };
        let (moved, within) = (comparison.difference * sign, comparison.within);
        let said = difference_text(&comparison);
        if moved - within > limit {
            blame(self.runs, self.baseline, figure, sign, None, out);
            return Ok((Verdict::Fails, said));
        }
        let narrow = limit.max(if figure.is_size() { base } else { 100.0 } * NARROW_CHANGE);
        if moved <= limit && (moved + within <= limit || within <= narrow) {
            return Ok((Verdict::Holds, said));
        }
        let needs = comparison.needs_for(narrow.min((limit - moved).abs().max(narrow / 10.0)));
        Err(NotJudged::TooNear { found: said, is_beyond: moved > limit, needs })
    }
}

/// Whether a scheme kept within its quota: what it tried in an interval is at most what the reset intervals that touch it
/// allow. The kernel charges what is tried.
fn quota_of(series: &SchemeSeries, zero: Zero) -> (Verdict, String) {
    let reset = series.params.as_ref().and_then(|(_, quotas)| reset_interval(quotas));
    let told: Vec<_> = series.intervals.iter().filter_map(|interval| Some((interval, interval.counts?))).collect();
    let quotas: Vec<_> = told.iter().filter_map(|(interval, _)| interval.effective_quota).collect();
    let Some(reset) = reset.filter(|_| !quotas.is_empty()) else {
        let control = series.control();
        let why =
            if control == QuotaControl::NoQuota { control.sentence() } else { "its quota is not recorded".to_owned() };
        return (Verdict::NotJudged, why);
    };
    let mut before = quotas.first().copied().unwrap_or_default();
    let mut most = 0.0f64;
    for (interval, counts) in told {
        let now = interval.effective_quota.unwrap_or(before);
        let length = interval.span.end.saturating_sub(interval.span.start).0 as f64;
        let allowed = before.max(now).0 as f64 * (length / reset.0 as f64 + 1.0);
        before = now;
        let used = counts.sz_tried.0 as f64 / allowed.max(1.0);
        if used > 1.0 {
            let [tried, allowed] = [counts.sz_tried.0 as f64, allowed].map(|size| format_size_f64(size, Style::Human));
            let at = time_text(zero.since(interval.span.start));
            return (
                Verdict::Fails,
                format!("{tried} were tried where {allowed} are allowed, in the interval from {at} on"),
            );
        }
        most = most.max(used);
    }
    (
        Verdict::Holds,
        format!(
            "at most {} of the quota was used in any interval",
            format_percent((most * 100.0).round(), Style::Human)
        ),
    )
}

/// Both figures, and how they differ: `50.0 MiB to 54.9 MiB: +9.8 % (95 %: +8.1 to +11.4 %)`.
fn difference_text(comparison: &Comparison) -> String {
    let figure = &comparison.figure;
    let [base, new] = [comparison.base, comparison.new].map(|side| figure.show(side.value));
    let percent = |value: f64| value * 100.0 / comparison.base.value;
    match comparison.percent().filter(|_| figure.is_size()) {
        Some(difference) => format!(
            "{base} to {new}: {difference:+.1} % (95 %: {:+.1} to {:+.1} %)",
            percent(comparison.low()),
            percent(comparison.high())
        ),
        None => format!(
            "{base} to {new}: {} (95 %: {} to {})",
            figure.show_difference(comparison.difference),
            figure.show_difference(comparison.low()),
            figure.show_difference(comparison.high())
        ),
    }
}
