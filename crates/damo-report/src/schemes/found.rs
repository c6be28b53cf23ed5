//! The figures of schemes in records, and cutting them into intervals.

use super::{SchemeInterval, SchemeSeries};
use damo_frame::{FrameError, Record};
use damo_model::kdamond::from_json;
use damo_model::scheme::{Action, Quotas};
use damo_model::{Bytes, KdamondIndex, Nanos, Params, SchemeCounts, SchemeProgress, Side, TimeSpan};
use std::collections::BTreeMap;

type Key = (Option<KdamondIndex>, u32, u32);

/// What records tell of schemes.
pub(super) struct Figures {
    /// The time that is known of; `None` without any figure.
    pub(super) span: Option<TimeSpan>,
    /// In order of their keys.
    pub(super) series: Vec<Told>,
}

/// What is told of one scheme.
pub(super) struct Told {
    key: Key,
    pub(super) params: Option<(Action, Quotas)>,
    /// In time order.
    progress: Vec<(Nanos, SchemeProgress)>,
}

/// Reads the side data of the records.
pub(super) fn figures(records: &[Record]) -> Result<Figures, FrameError> {
    let mut progress: BTreeMap<Key, Vec<(Nanos, SchemeProgress)>> = BTreeMap::new();
    let mut params: BTreeMap<Key, (Action, Quotas)> = BTreeMap::new();
    let mut span: Option<TimeSpan> = None;
    let mut covers = |from: Nanos, to: Nanos| {
        let known = span.get_or_insert(TimeSpan::new(from, to));
        *known = TimeSpan::new(known.start.min(from), known.end.max(to));
    };
    for record in records {
        for side in record.side_data()? {
            match side {
                Side::Scheme(one) => {
                    let Some(at) = record.on_record_clock(one.at) else { continue };
                    covers(at, at);
                    progress.entry((one.kdamond, one.context, one.scheme)).or_default().push((at, *one));
                }
                Side::Params(told) => params.extend(schemes_in(told)),
                _ => {}
            }
        }
        if let Some(time) = record.time_span() {
            covers(time.start, time.end);
        }
    }
    let series: Vec<Told> = progress
        .into_iter()
        .map(|(key, mut progress)| {
            progress.sort_by_key(|(at, _)| *at);
            Told { key, params: params.remove(&key), progress }
        })
        .collect();
    Ok(Figures { span: span.filter(|_| !series.is_empty()), series })
}

/// The schemes of some parameters; none if they cannot be read.
fn schemes_in(params: &Params) -> Vec<(Key, (Action, Quotas))> {
    let json = serde_json::from_str::<serde_json::Value>(&params.json);
    let Ok(kdamonds) = from_json(&serde_json::Value::Array(json.into_iter().collect())) else { return Vec::new() };
    let contexts = kdamonds.into_iter().flat_map(|kdamond| kdamond.contexts);
    let numbered = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    contexts
        .enumerate()
        .flat_map(|(context, of)| {
            let schemes = of.schemes.into_iter().enumerate();
            schemes.map(move |(scheme, one)| {
                ((params.kdamond, numbered(context), numbered(scheme)), (one.action, one.quotas))
            })
        })
        .collect()
}

impl Told {
    /// What was done in each interval of `span`.
    pub(super) fn cut(self, span: TimeSpan, length: Nanos) -> SchemeSeries {
        let mut told = self.progress.iter().peekable();
        let (mut last, mut quota) = (None, None);
        // What it was before the first interval.
        while let Some((_, progress)) = told.next_if(|(at, _)| *at < span.start) {
            last = progress.counts.or(last);
            quota = progress.effective_quota.or(quota);
        }
        let mut intervals = Vec::new();
        let mut start = span.start;
        while start < span.end {
            let end = start.saturating_add(length).min(span.end);
            let mut done: Option<SchemeCounts> = last.map(|_| SchemeCounts::default());
            while let Some((_, progress)) = told.next_if(|(at, _)| *at < end || (*at == end && end == span.end)) {
                quota = progress.effective_quota.or(quota);
                if let Some(counts) = progress.counts {
                    let more = last.map(|last| minus(&counts, &last)).unwrap_or_default();
                    done = Some(done.map_or(more, |done| plus(&done, &more)));
                    last = Some(counts);
                }
            }
            let effective_quota = quota.filter(|quota| *quota < Quotas::UNLIMITED);
            intervals.push(SchemeInterval { span: TimeSpan::new(start, end), counts: done, effective_quota });
            start = end;
        }
        let (kdamond, context, scheme) = self.key;
        SchemeSeries { kdamond, context, scheme, params: self.params, intervals }
    }
}

/// The sum of two counts, count by count.
pub(super) fn plus(a: &SchemeCounts, b: &SchemeCounts) -> SchemeCounts {
    each(a, b, u64::saturating_add)
}

/// What was counted since `before`. A counter that is lower began anew.
fn minus(now: &SchemeCounts, before: &SchemeCounts) -> SchemeCounts {
    each(now, before, |now, before| now.checked_sub(before).unwrap_or(now))
}

fn each(a: &SchemeCounts, b: &SchemeCounts, of: fn(u64, u64) -> u64) -> SchemeCounts {
    let known = |a: Option<u64>, b: Option<u64>| Some(of(a?, b.unwrap_or_default()));
    let bytes = |a: Bytes, b: Bytes| Bytes(of(a.0, b.0));
    SchemeCounts {
        nr_tried: of(a.nr_tried, b.nr_tried),
        sz_tried: bytes(a.sz_tried, b.sz_tried),
        nr_applied: of(a.nr_applied, b.nr_applied),
        sz_applied: bytes(a.sz_applied, b.sz_applied),
        sz_ops_filter_passed: known(
            a.sz_ops_filter_passed.map(|size| size.0),
            b.sz_ops_filter_passed.map(|size| size.0),
        )
        .map(Bytes),
        qt_exceeds: of(a.qt_exceeds, b.qt_exceeds),
        nr_snapshots: known(a.nr_snapshots, b.nr_snapshots),
    }
}
