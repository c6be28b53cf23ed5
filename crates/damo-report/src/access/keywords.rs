//! What the keywords of the templates stand for.

use super::boxes::{self, BoxBounds, BoxOptions};
use super::heatmap::Heatmap;
use super::histogram::{self, Metric};
use super::snapshot::{Region, Snapshot};
use super::template::Area;
use super::{AccessOptions, palette, percentile};
use crate::target::target_id_text;
use damo_model::human::{
    Number, Show, Style, TimeUnit, format_bp, format_hz, format_hz_number, format_nr, format_percent, format_size,
    format_size_f64, format_time, format_time_in,
};
use damo_model::{Bytes, Hz, Intervals, IntervalsGoal, Nanos, Target};

macro_rules! keys {
    ($($key:ident: $name:literal, [$($area:ident),*], $width:literal;)*) => {
        /// A keyword, which stands for a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Key { $($key),* }

        const KEYS: &[(&str, Key, &[Area])] = &[$(($name, Key::$key, &[$(Area::$area),*])),*];

        impl Key {
            /// The width that values are padded to.
            pub(super) fn min_chars(self) -> usize {
                match self { $(Key::$key => $width),* }
            }
        }
    };
}

keys! {
    KdamondIndex: "<kdamond index>", [RecordHead, RecordTail], 0;
    ContextIndex: "<context index>", [RecordHead, RecordTail], 0;
    SchemeIndex: "<scheme index>", [RecordHead, RecordTail], 0;
    TargetId: "<target id>", [RecordHead, RecordTail], 0;
    RecordStart: "<abs start time>", [RecordHead, RecordTail], 0;
    RecordDuration: "<duration>", [RecordHead, RecordTail], 0;
    Intervals: "<intervals>", [RecordHead, RecordTail], 0;
    IntervalsGoal: "<intervals goal>", [RecordHead, RecordTail], 0;
    DataSource: "<data source>", [RecordHead, RecordTail], 0;
    TotalBytes: "<total bytes>", [SnapshotHead, SnapshotTail], 0;
    Duration: "<duration>", [SnapshotHead, SnapshotTail], 0;
    StartTime: "<start time>", [SnapshotHead, SnapshotTail], 0;
    EndTime: "<end time>", [SnapshotHead, SnapshotTail], 0;
    AbsStartTime: "<abs start time>", [SnapshotHead, SnapshotTail], 0;
    AbsEndTime: "<abs end time>", [SnapshotHead, SnapshotTail], 0;
    NrRegions: "<number of regions>", [SnapshotHead, SnapshotTail], 0;
    BoxColors: "<region box colors>", [RecordTail, SnapshotHead, SnapshotTail], 0;
    BoxDescription: "<region box description>", [RecordTail, SnapshotHead, SnapshotTail], 0;
    TemperatureHist: "<temperature-sz histogram>", [SnapshotHead, SnapshotTail], 0;
    TemperaturePassedHist: "<temperature-df-passed-sz histogram>", [SnapshotHead, SnapshotTail], 0;
    RecencyHist: "<recency-sz histogram>", [SnapshotHead, SnapshotTail], 0;
    RecencyPassedHist: "<recency-df-passed-sz histogram>", [SnapshotHead, SnapshotTail], 0;
    RecencyPct: "<recency percentiles>", [SnapshotHead, SnapshotTail], 0;
    RecencyPassedPct: "<df-passed recency percentiles>", [SnapshotHead, SnapshotTail], 0;
    TemperaturePct: "<temperature percentiles>", [SnapshotHead, SnapshotTail], 0;
    TemperaturePassedPct: "<df-passed temperature percentiles>", [SnapshotHead, SnapshotTail], 0;
    Heatmap: "<heatmap>", [SnapshotHead, SnapshotTail], 0;
    PassedHeatmap: "<filters passed heatmap>", [SnapshotHead, SnapshotTail], 0;
    PassedType: "<filters passed type>", [SnapshotHead, SnapshotTail], 10;
    SnapshotPassed: "<filters passed bytes>", [SnapshotHead, SnapshotTail], 0;
    PositiveRatio: "<positive access samples ratio>", [SnapshotHead, SnapshotTail], 0;
    Errors: "<standard errors>", [SnapshotHead, SnapshotTail], 0;
    Bandwidth: "<estimated memory bandwidth>", [SnapshotHead, SnapshotTail], 0;
    PassedBandwidth: "<filters passed estimated memory bandwidth>", [SnapshotHead, SnapshotTail], 0;
    TuningStatus: "<intervals tuning status>", [SnapshotHead, SnapshotTail], 0;
    DamosStats: "<damos stats>", [SnapshotHead, SnapshotTail], 0;
    SnapshotIntervals: "<snapshot intervals>", [SnapshotHead, SnapshotTail], 0;
    Index: "<index>", [Region], 3;
    StartAddress: "<start address>", [Region], 12;
    EndAddress: "<end address>", [Region], 11;
    Size: "<size>", [Region], 11;
    AccessRate: "<access rate>", [Region], 5;
    AccessHz: "<access hz>", [Region], 6;
    Age: "<age>", [Region], 13;
    Temperature: "<temperature>", [Region], 0;
    ProbeHits: "<probe hits>", [Region], 0;
    Passed: "<filters passed bytes>", [Region], 0;
    Box: "<box>", [Region], 0;
}

impl Key {
    /// The keyword of an area that `text` begins with.
    pub(crate) fn at_start_of(area: Area, text: &str) -> Option<(&'static str, Key)> {
        let found = KEYS.iter().find(|(name, _, areas)| areas.contains(&area) && text.starts_with(name));
        found.map(|(name, key, _)| (*name, *key))
    }
}

/// A target's series of snapshots.
#[derive(Clone, Debug)]
pub(super) struct TargetSeries<'a> {
    pub target: &'a Target,
    pub start: Nanos,
    pub end: Nanos,
    pub intervals: Intervals,
    pub goal: Option<IntervalsGoal>,
    /// The scheme filters that regions may pass in part, in words.
    pub filters: String,
}

/// Fills in values.
#[derive(Clone, Debug)]
pub(super) struct Values<'a> {
    pub options: &'a AccessOptions,
    pub boxes: BoxOptions,
    pub bounds: BoxBounds,
    pub series: TargetSeries<'a>,
}

impl Values<'_> {
    fn numbers(&self) -> Style {
        self.options.numbers
    }

    fn time(&self, time: Nanos) -> String {
        format_time(time, self.numbers())
    }

    /// A time that is kept in microseconds.
    fn usec(&self, time: Nanos) -> String {
        match self.numbers() {
            Style::Human => self.time(time),
            Style::Raw => time.as_micros().to_string(),
        }
    }

    pub(crate) fn of_series(&self, key: Key, out: &mut String) {
        let TargetSeries { target, start, end, intervals, goal, .. } = &self.series;
        let index = |index: Option<u32>| index.map_or_else(|| "None".to_owned(), |index| index.to_string());
        out.push_str(&match key {
            // Records that do not tell their kdamond and context are of the first ones, as in the Python tool since 3.4.
            Key::KdamondIndex => target.kdamond.unwrap_or_default().to_string(),
            Key::ContextIndex => target.context.unwrap_or(0).to_string(),
            Key::SchemeIndex => index(target.scheme),
            Key::TargetId => target_id_text(target),
            Key::RecordStart => self.time(*start),
            Key::RecordDuration => self.time(end.saturating_sub(*start)),
            Key::Intervals => {
                format!("sample {}, aggr {}", self.usec(intervals.sample), self.usec(intervals.aggregation))
            }
            Key::IntervalsGoal => self.goal(*goal),
            Key::DataSource if target.data_source.is_empty() => "unknown".to_owned(),
            Key::DataSource => target.data_source.shown().to_string(),
            Key::BoxColors => palette::sample(self.boxes.colors, self.options.color),
            Key::BoxDescription => boxes::describe(&self.boxes, &self.bounds, self.numbers(), self.options.color),
            _ => String::new(),
        });
    }

    fn goal(&self, goal: Option<IntervalsGoal>) -> String {
        let IntervalsGoal { access_bp, aggregations, min_sample, max_sample } = goal.unwrap_or_default();
        let (access, aggregations) =
            (format_bp(access_bp as f64, self.numbers()), format_nr(aggregations.into(), self.numbers()));
        let (min, max) = (self.usec(min_sample), self.usec(max_sample));
        format!("target {access} accesses per {aggregations} aggrs, [{min}, {max}] sampling interval")
    }

    pub(crate) fn of_snapshot(&self, key: Key, snapshot: &Snapshot, out: &mut String) {
        let since = |time: Nanos| self.time(time.saturating_sub(self.series.start));
        let size = |bytes: u64| format_size(Bytes(bytes), self.numbers());
        let bandwidth = |passed| format!("{} per second", format_size_f64(snapshot.bandwidth(passed), self.numbers()));
        let hist = |metric, passed| {
            let AccessOptions { histogram, weights, numbers, .. } = self.options;
            histogram::draw(histogram, metric, snapshot, *weights, passed, *numbers)
        };
        let pct = |metric, passed| {
            let AccessOptions { percentiles, weights, numbers, .. } = self.options;
            let errors = self.options.errors;
            percentile::draw(percentiles, metric, snapshot, *weights, passed, *numbers, errors)
        };
        out.push_str(&match key {
            Key::TotalBytes => size(snapshot.total(false)),
            Key::Duration => self.time(snapshot.end.saturating_sub(snapshot.start)),
            Key::StartTime => since(snapshot.start),
            Key::EndTime => since(snapshot.end),
            Key::AbsStartTime => self.time(snapshot.start),
            Key::AbsEndTime => self.time(snapshot.end),
            Key::NrRegions => format_nr(snapshot.regions.len() as i128, self.numbers()),
            Key::TemperatureHist => hist(Metric::Temperature, false),
            Key::TemperaturePassedHist => hist(Metric::Temperature, true),
            Key::RecencyHist => hist(Metric::Idle, false),
            Key::RecencyPassedHist => hist(Metric::Idle, true),
            Key::RecencyPct => pct(Metric::Idle, false),
            Key::RecencyPassedPct => pct(Metric::Idle, true),
            Key::TemperaturePct => pct(Metric::Temperature, false),
            Key::TemperaturePassedPct => pct(Metric::Temperature, true),
            Key::Heatmap => self.heatmap(false).draw(snapshot),
            Key::PassedHeatmap => self.heatmap(true).draw(snapshot),
            Key::PassedType if self.series.filters.is_empty() => "n/a".to_owned(),
            Key::PassedType => self.series.filters.shown().to_string(),
            Key::SnapshotPassed => size(snapshot.total(true)),
            Key::PositiveRatio => format_percent(snapshot.positive_percent(), self.numbers()),
            Key::Bandwidth => bandwidth(false),
            Key::Errors => self.errors(snapshot),
            Key::PassedBandwidth => bandwidth(true),
            Key::TuningStatus => self.tuning(snapshot),
            // Records keep no statistics of schemes.
            Key::DamosStats => "none".to_owned(),
            Key::SnapshotIntervals => self.snapshot_intervals(snapshot.intervals),
            key => return self.of_series(key, out),
        });
    }

    fn errors(&self, snapshot: &Snapshot) -> String {
        let size = |bytes| format_size_f64(bytes, self.numbers());
        let (accessed, error) = snapshot.accessed_per_sample();
        let checks = snapshot.max_nr_accesses();
        let seconds = snapshot.intervals.aggregation.as_secs_f64();
        let bandwidth = if seconds > 0.0 { error * checks / seconds } else { 0.0 };
        format!(
            "accessed per sample {} ± {}, memory bw ± {} per second, working set ± {}",
            size(accessed),
            size(error),
            size(bandwidth),
            size(snapshot.working_set_error())
        )
    }

    fn heatmap(&self, passed_only: bool) -> Heatmap {
        Heatmap {
            width: self.options.heatmap_width,
            colors: self.options.heatmap_colors,
            to_scale: self.options.heatmap_static,
            weights: self.options.weights,
            numbers: self.numbers(),
            color: self.options.color,
            passed_only,
        }
    }

    fn tuning(&self, snapshot: &Snapshot) -> String {
        let (observed, most) = snapshot.observed();
        let percent = if most > 0.0 { observed * 100.0 / most } else { 0.0 };
        let size = |bytes| format_size_f64(bytes, self.numbers());
        let percent = format_percent(percent, self.numbers());
        let Intervals { sample, aggregation, .. } = snapshot.intervals;
        let (sample, aggregation) = (self.usec(sample), self.usec(aggregation));
        format!("{percent} ({} / {}) {sample} {aggregation}", size(observed), size(most))
    }

    fn snapshot_intervals(&self, intervals: Intervals) -> String {
        let Intervals { sample, aggregation, .. } = intervals;
        let max = if sample.0 > 0 { 1e9 / sample.0 as f64 } else { 0.0 };
        let max = match self.numbers() {
            Style::Human => format_hz_number(Hz(max)),
            Style::Raw => format!("{max:.6}"),
        };
        format!("sample {} aggr {} (max access hz {max})", self.usec(sample), self.usec(aggregation))
    }

    pub(crate) fn of_region(&self, key: Key, snapshot: &Snapshot, index: usize, region: &Region, out: &mut String) {
        let intervals = snapshot.intervals;
        let size = |bytes: u64| format_size(Bytes(bytes), self.numbers());
        out.push_str(&match key {
            Key::Index => index.to_string(),
            Key::StartAddress => size(region.start),
            Key::EndAddress => size(region.end),
            Key::Size => size(region.size()),
            Key::AccessRate => format_percent(region.percent(intervals) as f64, self.numbers()),
            Key::AccessHz => format_hz(intervals.rate(f64::from(region.nr_accesses)), self.numbers()),
            Key::Age if region.age.is_none() => "unknown".to_owned(),
            Key::Age => format_time_in(Number::Int(region.age_usec(intervals)), TimeUnit::Micros, self.numbers()),
            Key::Temperature => format_nr(region.temperature(self.options.weights, intervals), self.numbers()),
            Key::ProbeHits => region.probe_hits.iter().map(|(_, hits)| hits.to_string()).collect::<Vec<_>>().join(" "),
            Key::Passed => region.passed.map_or_else(|| "N/A".to_owned(), size),
            Key::Box => boxes::draw(&self.boxes, &self.bounds, snapshot, region, self.options.color),
            _ => return,
        });
    }
}
