//! The tracks below the maps: memory touched against memory allocated, CPU time, pressure, all on the map's time axis.

use super::{Group, after};
use crate::ReportError;
use crate::cpu_profile::course;
use crate::heats::Unit;
use crate::series::{self, by_target, excluded, measure_with_error, usable};
use crate::wss::{WssOptions, working_set};
use damo_frame::{Detail, Record};
use damo_model::human::{Style, format_size};
use damo_model::{Bytes, Nanos, ProcessFootprint, Side, Stamp, SystemFootprint, TargetKey};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Points of a series at most: more cannot be seen.
const POINTS: usize = 1500;

/// Functions that have a series of their own, and intervals in which their CPU time is told.
const FUNCTIONS: usize = 5;
const INTERVALS: usize = 300;

/// Some series in one unit.
#[derive(Serialize)]
pub(super) struct Track {
    name: &'static str,
    /// `bytes` or `share`.
    unit: &'static str,
    /// What must be known of it; usually empty.
    note: &'static str,
    series: Vec<Series>,
}

/// Of tracks whose times are a guess.
const OTHER_CLOCK: &str = "samples of another clock are set to begin with the record";

/// Values over time.
#[derive(Serialize)]
struct Series {
    name: String,
    /// Nanoseconds from the record's start, when each value begins to hold.
    t: Vec<i64>,
    /// `None` where nothing is known until the next value.
    v: Vec<Option<f64>>,
    /// Of how many measured values each is the mean.
    each: usize,
}

/// A value, or `None` for a time of which none can be trusted.
type Point = (i64, Option<f64>);

/// A key figure: its name and value, for people.
pub(super) type Figure = (&'static str, String);

impl Series {
    /// Means over stretches of time where there are more values than can be seen.
    fn new(name: impl Into<String>, points: &[Point]) -> Self {
        let each = points.len().div_ceil(POINTS).max(1);
        let (t, v) = points
            .chunks(each)
            .map(|chunk| {
                let known: Vec<f64> = chunk.iter().filter_map(|(_, value)| *value).collect();
                let mean = known.iter().sum::<f64>() / known.len() as f64;
                let at = chunk.first().map_or(0, |(at, _)| *at);
                (at, (!known.is_empty()).then_some((mean * 1e4).round() / 1e4))
            })
            .unzip();
        Self { name: name.into(), t, v, each }
    }

    fn is_known(&self) -> bool {
        self.v.iter().any(Option::is_some)
    }
}

impl Track {
    /// A track of the series that have any value.
    fn new(name: &'static str, unit: &'static str, series: Vec<Series>) -> Option<Self> {
        let series: Vec<_> = series.into_iter().filter(Series::is_known).collect();
        (!series.is_empty()).then_some(Self { name, unit, note: "", series })
    }
}

/// From a record's stamps to nanoseconds after its start. Foreign side files are on the wall clock, and few records tell
/// how that relates to their own: then their first sample is taken to be the record's start, and [`Clock::is_guess`].
struct Clock<'a> {
    record: &'a Record,
    start: Nanos,
    first_on_wall: Option<Nanos>,
}

impl<'a> Clock<'a> {
    fn new(record: &'a Record, start: Nanos) -> Result<Self, ReportError> {
        let stamps = record.side_data()?.iter().filter_map(|side| match side {
            Side::Process(process) => Some(process.at),
            Side::System(system) => Some(system.at),
            Side::Cpu(cpu) => Some(cpu.at),
            Side::Pressure(pressure) => Some(pressure.at),
            _ => None,
        });
        let unknown = stamps.filter_map(|stamp| match stamp {
            Stamp::Wall(at) if record.on_record_clock(stamp).is_none() => Some(at),
            _ => None,
        });
        Ok(Self { record, start, first_on_wall: unknown.min() })
    }

    fn at(&self, stamp: Stamp) -> Option<i64> {
        match (self.record.on_record_clock(stamp), stamp) {
            (Some(at), _) => Some(after(self.start, at)),
            (None, Stamp::Wall(at)) => Some(after(self.first_on_wall?, at)),
            _ => None,
        }
    }

    fn is_guess(&self) -> bool {
        self.first_on_wall.is_some()
    }
}

/// Makes the tracks of targets, of which a record may have thousands: what is needed of the record is put in order once.
pub(super) struct TrackMaker<'r> {
    clock: Clock<'r>,
    end: Nanos,
    working_sets: OfTargets,
    settled: OfTargets,
    /// Footprints with their position in the side data, by target or, where they name none, by pid.
    of_target: HashMap<TargetKey, Vec<(usize, &'r ProcessFootprint)>>,
    of_pid: HashMap<i32, Vec<(usize, &'r ProcessFootprint)>>,
    system: Vec<&'r SystemFootprint>,
    /// Whether all targets have the same id.
    one_id: bool,
}

/// Working sets by the target that they are of, in the order in which targets first appear.
#[derive(Default)]
struct OfTargets {
    series: Vec<Vec<series::Point>>,
    at: HashMap<TargetKey, usize>,
}

impl OfTargets {
    /// The working sets of all snapshots, and those without the ones of regions that had not settled, of which figures are,
    /// here as in the other reports.
    fn all_and_settled(record: &Record) -> Result<[Self; 2], ReportError> {
        let WssOptions { filter, acc_thres, sz_thres, .. } = WssOptions::default();
        let filter = filter.plain_monitoring(record);
        let points = measure_with_error(record, &filter, Detail::WithoutAges, |rows| {
            (working_set(rows, acc_thres, sz_thres), 0.0)
        })?;
        let [mut all, mut settled] = [Self::default(), Self::default()];
        for (target, points) in by_target(&points) {
            for (sets, exclude) in [(&mut all, Some(0)), (&mut settled, excluded(record, None))] {
                sets.at.insert(target, sets.series.len());
                sets.series.push(usable(&points, exclude).0);
            }
        }
        Ok([all, settled])
    }

    /// The points of a group's targets, by time.
    fn points(&self, group: &Group<'_>) -> Vec<&series::Point> {
        let ours = group.targets.iter().filter_map(|target| self.at.get(&target.key));
        let mut ours: Vec<usize> = ours.copied().collect();
        ours.sort_unstable();
        let mut points: Vec<_> = ours.into_iter().filter_map(|i| self.series.get(i)).flatten().collect();
        points.sort_by_key(|point| point.start);
        points
    }
}

impl<'r> TrackMaker<'r> {
    pub(super) fn new(record: &'r Record, start: Nanos) -> Result<Self, ReportError> {
        let (mut of_target, mut of_pid, mut system) =
            (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new(), vec![]);
        for (at, side) in record.side_data()?.iter().enumerate() {
            match side {
                Side::Process(process) => match process.target {
                    Some(key) => of_target.entry(key).or_default().push((at, process)),
                    None => of_pid.entry(process.pid).or_default().push((at, process)),
                },
                Side::System(all) => system.push(all),
                _ => {}
            }
        }
        let [working_sets, settled] = OfTargets::all_and_settled(record)?;
        let first = record.targets().first().map(|target| target.target_id);
        Ok(Self {
            clock: Clock::new(record, start)?,
            end: record.time_span().map_or(start, |span| span.end),
            working_sets,
            settled,
            of_target,
            of_pid,
            system,
            one_id: record.targets().iter().all(|target| Some(target.target_id) == first),
        })
    }

    /// How much memory a group touched in all snapshots together, to tell which matter most.
    pub(super) fn touched(&self, group: &Group<'_>) -> u128 {
        self.working_sets.points(group).into_iter().map(|point| u128::from(point.value)).sum()
    }

    /// The memory of one target, touched and allocated, and its key figures.
    pub(super) fn of_target(
        &self,
        group: &Group<'_>,
        (peak, unit): (f64, Unit),
    ) -> Result<(Vec<Track>, Vec<Figure>), ReportError> {
        let touched = touched_in(&self.working_sets, group, self.end);
        let allocated = self.allocated(group);
        let size = |value: f64| format_size(Bytes(value as u64), Style::Human);
        let mut figures = Vec::new();
        let settled = touched_in(&self.settled, group, self.end);
        if let Some((low, mean, high)) = spread(settled.iter().filter_map(|(_, value)| *value)) {
            figures.push(("working set, lowest", size(low)));
            figures.push(("working set, mean", size(mean)));
            figures.push(("working set, highest", size(high)));
        }
        if let Some((_, points)) = allocated.first()
            && let Some((_, mean, high)) = spread(points.iter().filter_map(|(_, value)| *value))
        {
            figures.push(("allocated, mean", size(mean)));
            figures.push(("allocated, highest", size(high)));
        }
        let unit = if unit == Unit::Hz { "Hz" } else { "samples" };
        figures.push(("hottest cell", format!("{} {unit}", (peak * 1000.0).round() / 1000.0)));
        let start = self.clock.start;
        let touched: Vec<Point> = touched.into_iter().map(|(at, value)| (after(start, at), value)).collect();
        let mut series = vec![Series::new("touched: working set", &touched)];
        series.extend(allocated.iter().map(|(name, points)| Series::new(*name, points)));
        let name = if allocated.is_empty() { "Memory touched" } else { "Memory: touched against allocated" };
        let note = if self.clock.is_guess() && !allocated.is_empty() { OTHER_CLOCK } else { "" };
        let track = Track::new(name, "bytes", series).map(|track| Track { note, ..track });
        Ok((track.into_iter().collect(), figures))
    }

    /// Resident and swapped memory of a target's processes, or what the machine uses where no process is monitored.
    fn allocated(&self, group: &Group<'_>) -> Vec<(&'static str, Vec<Point>)> {
        let mut pids: Vec<i32> = group.targets.iter().filter_map(|target| Some(target.process.as_ref()?.pid)).collect();
        pids.sort_unstable();
        pids.dedup();
        let mut ours: Vec<(usize, &ProcessFootprint)> = Vec::new();
        ours.extend(group.targets.iter().filter_map(|target| self.of_target.get(&target.key)).flatten());
        if self.one_id && pids.is_empty() {
            ours.extend(self.of_pid.values().flatten());
        }
        ours.extend(pids.iter().filter_map(|pid| self.of_pid.get(pid)).flatten());
        ours.sort_by_key(|(at, _)| *at);
        let (mut resident, mut swapped, mut used) = (Vec::new(), Vec::new(), Vec::new());
        let push = |list: &mut Vec<Point>, at: Stamp, bytes: Option<Bytes>| {
            if let (Some(at), Some(bytes)) = (self.clock.at(at), bytes) {
                list.push((at, Some(bytes.0 as f64)));
            }
        };
        for (_, process) in ours {
            push(&mut resident, process.at, process.footprint.rss);
            push(&mut swapped, process.at, process.footprint.swap);
        }
        if resident.is_empty() {
            for all in &self.system {
                push(&mut used, all.at, Some(Bytes(all.total.0.saturating_sub(all.free.0))));
            }
        }
        swapped = if swapped.iter().any(|(_, bytes)| *bytes > Some(0.0)) { swapped } else { Vec::new() };
        let all = [("allocated: RSS", resident), ("swapped out", swapped), ("used in the whole machine", used)];
        all.into_iter().filter(|(_, points)| !points.is_empty()).collect()
    }
}

/// CPU time and pressure.
pub(crate) fn of_machine(record: &Record, start: Nanos) -> Result<Vec<Track>, ReportError> {
    let clock = Clock::new(record, start)?;
    let side_data = record.side_data()?;
    let tracks = [
        Track::new("CPU time by function, as share of one CPU, by samples", "share", functions(record, start)?),
        Track::new("CPU time, as share of one CPU", "share", cpu(&clock, side_data)),
        Track::new("Pressure: share of time in which some tasks waited", "share", pressure(&clock, side_data)),
    ];
    let note = if clock.is_guess() { OTHER_CLOCK } else { "" };
    Ok(tracks.into_iter().flatten().map(|track| Track { note, ..track }).collect())
}

/// What the hottest functions took by themselves, where the record has a CPU profile.
fn functions(record: &Record, start: Nanos) -> Result<Vec<Series>, ReportError> {
    let found = course(std::slice::from_ref(record), FUNCTIONS, INTERVALS)?.unwrap_or_default();
    let series = found.functions.iter().filter(|(_, values)| values.iter().any(|value| *value > 0.0));
    let series = series.map(|(name, values)| {
        let times = found.starts.iter().map(|at| after(start, *at));
        let points: Vec<Point> = times.zip(values.iter().map(|value| Some(*value))).collect();
        Series::new(name.as_str(), &points)
    });
    Ok(series.collect())
}

/// Lowest, mean and highest; `None` of nothing.
fn spread(values: impl Iterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let (mut low, mut high, mut sum, mut count) = (f64::INFINITY, 0.0_f64, 0.0, 0);
    for value in values {
        (low, high, sum, count) = (low.min(value), high.max(value), sum + value, count + 1);
    }
    (count > 0).then(|| (low, sum / f64::from(count), high))
}

/// Bytes accessed in each complete snapshot; `None` from where one ends and no other begins.
fn touched_in(working_sets: &OfTargets, group: &Group<'_>, end: Nanos) -> Vec<(Nanos, Option<f64>)> {
    let points = working_sets.points(group);
    let mut values = Vec::with_capacity(points.len());
    for (i, point) in points.iter().enumerate() {
        values.push((point.start, Some(point.value as f64)));
        let next = points.get(i + 1).map_or(end, |next| next.start);
        // Snapshots of a live kernel do not begin to the nanosecond where the one before ended.
        if next.saturating_sub(point.end).0 > point.end.saturating_sub(point.start).0 / 2 {
            values.push((point.end, None));
        }
    }
    values
}

/// Totals that only grow, over time.
type Totals = Vec<(i64, Nanos)>;

/// Growth per time, from totals that only grow.
fn rates(samples: &[(i64, Nanos)]) -> Vec<Point> {
    let pairs = samples.windows(2).filter_map(|pair| match pair {
        [(t0, used0), (t1, used1)] if t1 > t0 && used1 >= used0 => {
            Some((*t0, Some((used1.0 - used0.0) as f64 / (t1 - t0) as f64)))
        }
        _ => None,
    });
    pairs.collect()
}

fn cpu(clock: &Clock<'_>, side_data: &[Side]) -> Vec<Series> {
    let mut by_name: BTreeMap<(bool, i32), (String, Totals)> = BTreeMap::new();
    for side in side_data {
        if let Side::Cpu(cpu) = side
            && let Some(at) = clock.at(cpu.at)
        {
            let name = format!("{} ({})", cpu.comm, cpu.pid);
            let entry = by_name.entry((cpu.kdamond, cpu.pid)).or_insert_with(|| (name, Vec::new()));
            entry.1.push((at, cpu.user.saturating_add(cpu.system)));
        }
    }
    by_name.into_values().map(|(name, samples)| Series::new(name, &rates(&samples))).collect()
}

fn pressure(clock: &Clock<'_>, side_data: &[Side]) -> Vec<Series> {
    let mut by_resource: BTreeMap<String, Totals> = BTreeMap::new();
    for side in side_data {
        if let Side::Pressure(pressure) = side
            && let Some(at) = clock.at(pressure.at)
        {
            by_resource.entry(pressure.resource.clone()).or_default().push((at, pressure.some));
        }
    }
    by_resource.into_iter().map(|(name, samples)| Series::new(name, &rates(&samples))).collect()
}
