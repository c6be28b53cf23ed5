//! Judging one condition, and who is to blame if it does not hold.

use super::Run;
use super::condition::{Bound, Change, Condition, Limit, Subject};
use crate::compare::{Alignment, Comparison, Estimate, Needs};
use crate::course::{Course, UNMAPPED};
use crate::figure::{Figure, Quantity};
use damo_model::human::{Style, format_percent, format_size_f64, time_text};
use damo_model::{Nanos, TimeSpan};
use damo_report::Zero;
use damo_report::schemes::{QuotaControl, SchemeSeries, reset_interval};
use std::collections::BTreeSet;

/// Intervals that may differ by so much are the same: aggregations on a loaded machine run late.
const SAME_INTERVAL: f64 = 0.1;
/// An absolute limit is kept only if the figure's interval is narrower than this share of it.
const NARROW: f64 = 0.25;
/// Against a baseline, this share of its figure is narrow enough whatever the limit is.
const NARROW_CHANGE: f64 = 0.1;
/// Mappings are named that have at least this share of what is too much.
const TELLING: f64 = 0.1;
/// So many mappings are named.
const MOST_CULPRITS: usize = 3;
/// More runs than this are not asked for by number.
const MOST_RUNS: u64 = 30;
/// A run is looked at in so many parts to find out when it has too much.
const PARTS: usize = 40;

/// The answer for a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not hold.
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
    /// The condition.
    pub condition: Condition,
    /// The answer.
    pub verdict: Verdict,
    /// The figure of the runs, where it has one.
    pub found: Option<Estimate>,
    /// The comparison with the baseline, for conditions against one.
    pub comparison: Option<Comparison>,
    /// Why, in a sentence without a stop.
    pub why: String,
    /// The mappings that have most of what is too much, the largest first; empty unless it fails.
    pub culprits: Vec<Culprit>,
    /// When most of it is too much, since the recording began; `None` unless it fails.
    pub when: Option<TimeSpan>,
    /// The number of the phase that this is in (from 1) and what its kind is called, where the run has several phases.
    pub phase: Option<(usize, String)>,
}

/// What all conditions are judged by.
pub(super) struct Judge<'r> {
    runs: &'r [Run],
    baseline: &'r [Run],
    courses: Vec<Course>,
    bases: Vec<Course>,
    allow_missing_baseline: bool,
}

impl<'r> Judge<'r> {
    pub(super) fn new(runs: &'r [Run], baseline: &'r [Run], allow_missing_baseline: bool) -> Self {
        let courses = |runs: &[Run]| runs.iter().map(|run| run.course.clone()).collect();
        Judge { runs, baseline, courses: courses(runs), bases: courses(baseline), allow_missing_baseline }
    }

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
                Limit::Held => Err("of figures there are limits only".to_owned()),
            },
        };
        (judgement.verdict, judgement.why) = decided.unwrap_or_else(|why| (Verdict::NotJudged, why));
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

    /// Why no figure can be judged, if so.
    fn weakness(&self, figure: &Figure, is_relative: bool) -> Option<String> {
        let used = self.runs.iter().chain(self.baseline.iter().filter(|_| is_relative));
        if let Some(run) = used.clone().find(|run| !run.weaknesses.is_empty()) {
            return Some(format!("{}: {}", run.course.record, run.weaknesses.join("; ")));
        }
        if !is_relative {
            return None;
        }
        let programs = |runs: &[Run]| -> BTreeSet<String> {
            runs.iter().flat_map(|run| run.course.processes.iter().cloned()).collect()
        };
        let (ours, theirs) = (programs(self.runs), programs(self.baseline));
        if !ours.is_empty() && !theirs.is_empty() && ours.is_disjoint(&theirs) {
            let [ours, theirs] = [ours, theirs].map(|names| names.into_iter().collect::<Vec<_>>().join(", "));
            return Some(format!("the baseline is of another program ({theirs}, not {ours}): compare like with like"));
        }
        if figure.quantity == Quantity::Resident {
            return None;
        }
        let known: Vec<_> = used.filter_map(|run| Some((run, run.course.intervals?))).collect();
        let (first, of_first) = known.first()?;
        let differs = |a: Nanos, b: Nanos| (a.0 - b.0).abs() as f64 > SAME_INTERVAL * a.0.max(b.0) as f64;
        let other = known.iter().find(|(_, other)| {
            differs(of_first.aggregation, other.aggregation) || differs(of_first.sample, other.sample)
        });
        let (other, intervals) = other?;
        let text = |at: &damo_model::Intervals| format!("{} and {}", time_text(at.sample), time_text(at.aggregation));
        Some(format!(
            "sampling and aggregation intervals differ ({} in {}, {} in {}): what is accessed within them cannot be \
             compared; record both with the same",
            text(of_first),
            first.course.record,
            text(intervals),
            other.course.record
        ))
    }

    fn absolute(
        &self,
        figure: &Figure,
        bound: Bound,
        limit: f64,
        out: &mut Judgement,
    ) -> Result<(Verdict, String), String> {
        let found = Estimate::of_these(figure, &self.courses).map_err(|error| error.to_string())?;
        out.found = Some(found);
        if let Some(weakness) = self.weakness(figure, false) {
            return Err(weakness);
        }
        let sign = if bound == Bound::AtMost { 1.0 } else { -1.0 };
        let beyond = (found.value - limit) * sign;
        let value = figure.show(found.value);
        if beyond - found.within > 0.0 {
            self.blame(figure, sign, Some(limit), out);
            return Ok((Verdict::Fails, format!("{value} is {} beyond the limit", figure.show(beyond))));
        }
        if beyond <= 0.0 && found.within <= (limit * NARROW).max(-beyond) {
            return Ok((Verdict::Holds, value));
        }
        let width = figure.show(found.within);
        Err(format!("{value} may be off by {width}, too much for this limit; record for longer, or several runs"))
    }

    fn relative(
        &self,
        figure: &Figure,
        change: Change,
        sign: f64,
        out: &mut Judgement,
    ) -> Result<(Verdict, String), String> {
        if self.baseline.is_empty() {
            let why = "there is no baseline: name one by --baseline, or allow that there is none yet by \
                       --allow_missing_baseline";
            return if self.allow_missing_baseline {
                Ok((Verdict::Skipped, "there is no baseline yet".to_owned()))
            } else {
                Err(why.to_owned())
            };
        }
        let align = |_: &Course, _: &Course| Alignment::default();
        let comparison =
            Comparison::of(figure, &self.bases, &self.courses, align).map_err(|error| error.to_string())?;
        out.found = Some(comparison.new);
        out.comparison = Some(comparison.clone());
        if let Some(weakness) = self.weakness(figure, true) {
            return Err(weakness);
        }
        let base = comparison.base.value;
        let limit = match change {
            Change::Percent(percent) => base * percent / 100.0,
            Change::Amount(amount) => amount,
        };
        let (moved, within) = (comparison.difference * sign, comparison.within);
        let said = difference_text(&comparison);
        if moved - within > limit {
            self.blame(figure, sign, None, out);
            return Ok((Verdict::Fails, said));
        }
        let narrow = limit.max(if figure.is_size() { base } else { 100.0 } * NARROW_CHANGE);
        if moved <= limit && (moved + within <= limit || within <= narrow) {
            return Ok((Verdict::Holds, said));
        }
        let what = if moved > limit { "more than allowed, but not for sure" } else { "not for sure within the limit" };
        let Needs { runs, time } = comparison.needs_for(narrow.min((limit - moved).abs().max(narrow / 10.0)));
        if runs > MOST_RUNS {
            let why = "these runs differ too much from moment to moment: compare several of each side";
            return Err(format!("{said}: {what}; {why}"));
        }
        let runs = if runs == 1 { "1 more run".to_owned() } else { format!("{runs} more runs") };
        let longer = time.map(|time| format!(", or runs longer by {},", time_text(time))).unwrap_or_default();
        Err(format!("{said}: {what}; about {runs} of each side{longer} would tell"))
    }

    /// Finds which mappings have too much, and when. `limit` is what is allowed, without which the baseline is.
    fn blame(&self, figure: &Figure, sign: f64, limit: Option<f64>, out: &mut Judgement) {
        let Some(course) = self.courses.first() else { return };
        if figure.mapping.is_none() && figure.quantity != Quantity::Resident {
            // Whatever is asked for, memory that is accessed more (or less) is what changed it.
            let sign = if matches!(figure.quantity, Quantity::ColdShare(_)) { -sign } else { sign };
            let of = |mapping: &str| Figure {
                quantity: Quantity::WorkingSet,
                mapping: Some(mapping.to_owned()),
                statistic: figure.statistic,
            };
            let value = |runs: &[Course], mapping: &str| {
                let figure = of(mapping);
                let values = runs.iter().filter_map(|run| figure.statistic.of(&figure.values(run).ok()?));
                values.sum::<f64>() / runs.len().max(1) as f64
            };
            let names: BTreeSet<&str> =
                self.courses.iter().chain(&self.bases).flat_map(|run| &run.areas).map(|a| a.name.as_str()).collect();
            let mut parts: Vec<Culprit> = names
                .into_iter()
                .map(|name| {
                    let base = if limit.is_some() { 0.0 } else { value(&self.bases, name) };
                    Culprit { mapping: name.to_owned(), bytes: value(&self.courses, name) - base }
                })
                .filter(|part| part.bytes * sign > 0.0 && part.mapping != UNMAPPED)
                .collect();
            parts.sort_by(|a, b| b.bytes.abs().total_cmp(&a.bytes.abs()));
            let all: f64 = parts.iter().map(|part| part.bytes.abs()).sum();
            parts.retain(|part| part.bytes.abs() >= all * TELLING);
            parts.truncate(MOST_CULPRITS);
            out.culprits = parts;
        }
        let Ok(values) = figure.values(course) else { return };
        let base = self.bases.first().filter(|_| limit.is_none()).and_then(|base| figure.values(base).ok());
        out.when = when(
            course,
            &values,
            |share| match (&base, limit) {
                (Some(base), _) if !base.is_empty() => base[((share * base.len() as f64) as usize).min(base.len() - 1)],
                (_, limit) => limit.unwrap_or_default(),
            },
            sign,
        );
        out.phase = out.when.and_then(|when| self.phase_of(when));
    }

    /// The phase of the first run that most of a time is in; `None` if there is one phase only, or none has half of it.
    fn phase_of(&self, when: TimeSpan) -> Option<(usize, String)> {
        let phases = &self.runs.first().filter(|run| run.phases.len() > 1)?.phases;
        let shared = |time: &TimeSpan| time.end.min(when.end).saturating_sub(time.start.max(when.start)).0;
        let (number, (time, kind)) = phases.iter().enumerate().max_by_key(|(_, (time, _))| shared(time))?;
        (shared(time) * 2 > when.length().0).then(|| (number + 1, kind.clone()))
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

/// The longest stretch of a run that has most of what is too much: parts of it that exceed half of the largest excess.
fn when(course: &Course, values: &[f64], allowed: impl Fn(f64) -> f64, sign: f64) -> Option<TimeSpan> {
    let count = values.len();
    // Resident memory has times of its own.
    if count == 0 || count != course.times.len() {
        return None;
    }
    let parts = PARTS.min(count);
    let bounds = |part: usize| (part * count / parts, ((part + 1) * count / parts).max(part * count / parts + 1));
    let excess = |part: usize| {
        let (from, to) = bounds(part);
        let each = values.get(from..to).unwrap_or_default().iter().enumerate();
        each.map(|(i, value)| (value - allowed((from + i) as f64 / count as f64)) * sign).sum::<f64>()
            / (to - from) as f64
    };
    let excess: Vec<f64> = (0..parts).map(excess).collect();
    let half = excess.iter().copied().fold(0.0, f64::max) / 2.0;
    if half <= 0.0 {
        return None;
    }
    let mut best: Option<(usize, usize)> = None;
    let mut part = 0;
    while part < parts {
        let from = part;
        while part < parts && excess[part] > half {
            part += 1;
        }
        if part > from && best.is_none_or(|(a, b)| part - from > b - a) {
            best = Some((from, part));
        }
        part += 1;
    }
    let (from, to) = best?;
    let at = |i: usize| course.times.get(i).copied();
    let (first, last) = (at(bounds(from).0)?, at((bounds(to - 1).1 - 1).min(count - 1))?);
    Some(TimeSpan::new(first.start.saturating_sub(course.began), last.end.saturating_sub(course.began)))
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
