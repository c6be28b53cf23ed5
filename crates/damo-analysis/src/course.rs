//! The course of a run: what each snapshot measures, of all targets together and of each mapped area, in one pass over a
//! record. All comparisons, conditions and sentences are made of courses.
//!
//! Snapshots count as in `report wss`: the first ones, before DAMON's regions have settled, and partial ones are left out, and
//! targets add up at the same instant.

mod evened;

use crate::AnalysisError;
use damo_frame::Record;
use damo_model::{Addr, AddrRange, Bytes, HeatClass, Intervals, Nanos, Ops, Side, Source, Target, TargetKey, TimeSpan};
use damo_report::filter::{Filter, Rows, for_each_rows};
use damo_report::footprints::{FootprintsOptions, Metric, footprints};
use damo_report::heats::{MappingNames, MappingsOfTargets};
use damo_report::selection::selected;
use damo_report::series::{Instant, Point, Used, excluded, instants, left_out};
use damo_report::survey::Identity;
pub use damo_report::wss::UNMAPPED;
use damo_report::wss::parts;
use std::collections::{BTreeMap, HashMap};

/// How a figure goes on from snapshot to snapshot of one mapped area.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AreaCourse {
    /// The process's name; empty where it is not known.
    pub process: String,
    /// The mapping's name, without its folders; [`UNMAPPED`] for what lies in no known mapping.
    pub name: String,
    /// Its position among the process's areas of this name, by address, from 0.
    pub order: usize,
    /// The target that it is of.
    pub target: TargetKey,
    /// Its first byte.
    pub start: Addr,
    /// Its size: all that was ever mapped there.
    pub size: Bytes,
    /// Working set in bytes, one for each instant; none at all if the area was never accessed.
    pub working_set: Vec<f64>,
}

/// A run, as figures of its instants. All lists of figures have one entry for each instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// The record's name.
    pub record: String,
    /// When the recording began, on the record's clock.
    pub began: Nanos,
    /// The instants that are used, in time order.
    pub times: Vec<TimeSpan>,
    /// Bytes in regions that were accessed at all.
    pub working_set: Vec<f64>,
    /// Bytes in regions that were accessed in at least half of the samples.
    pub hot: Vec<f64>,
    /// Bytes in all regions.
    pub monitored: Vec<f64>,
    /// Bytes that were not accessed for at least so long, by that time, in ascending order; empty where the record does not
    /// tell ages or intervals.
    pub idle: Vec<(Nanos, Vec<f64>)>,
    /// The mapped areas by process and address, and what was accessed in no known mapping.
    pub(crate) areas: Vec<AreaCourse>,
    /// Resident memory of all processes, when it was read, in bytes.
    pub resident: Vec<(Nanos, f64)>,
    /// Texts and times of the marks, on the record's clock.
    pub marks: Vec<(Nanos, String)>,
    /// Names of the monitored processes, sorted, each once.
    pub processes: Vec<String>,
    /// The intervals in force at the beginning, where they are known.
    pub intervals: Option<Intervals>,
    /// What the figures are based on.
    pub used: Used,
    /// Share of all snapshots that are complete, 0 to 1.
    pub coverage: f64,
    /// Whether it is of physical memory, instead of processes.
    pub is_physical: bool,
    /// Whether the kernel counted the pages of each mapping, instead of DAMON sampling regions.
    pub is_exact: bool,
}

impl AsRef<Course> for Course {
    fn as_ref(&self) -> &Course {
        self
    }
}

/// A target's mapped areas, disjoint, each with its position in [`Measured::areas`].
struct TargetAreas {
    spans: Vec<(AddrRange, usize)>,
    unmapped: usize,
}

/// What one snapshot measures.
#[derive(Default)]
struct Measured {
    hot: u64,
    monitored: u64,
    idle: Vec<u64>,
    /// Accessed bytes by area; an area may be there more than once.
    areas: Vec<(usize, u64)>,
}

impl Course {
    /// The course of the part of a record that passes the filter, with the bytes that were idle for at least each of `ages`
    /// (ascending).
    ///
    /// # Errors
    /// If the record cannot be read, or nothing passes the filter.
    pub fn of(record: &Record, filter: &Filter, ages: &[Nanos]) -> Result<Course, AnalysisError> {
        Course::read(record, filter, ages, |_| {})
    }

    /// The same, which shows `also` each snapshot on the way.
    pub(crate) fn read(
        record: &Record,
        filter: &Filter,
        ages: &[Nanos],
        mut also: impl FnMut(&Rows<'_>),
    ) -> Result<Course, AnalysisError> {
        let filter = selected(std::slice::from_ref(record), filter)?;
        let filter = filter.plain_monitoring(record);
        let mut areas: Vec<AreaCourse> = Vec::new();
        let mut by_target: HashMap<TargetKey, TargetAreas> = HashMap::new();
        let mappings = MappingsOfTargets::of(std::slice::from_ref(record))?;
        for target in record.targets().iter().filter(|target| filter.target.holds(target)) {
            let process = target.process.as_ref().map(|process| process.comm.clone()).unwrap_or_default();
            by_target
                .insert(target.key, areas_of(&mappings.names(Identity::from(target)), target, &process, &mut areas));
        }
        let (mut points, mut measured) = (Vec::new(), Vec::new());
        let (mut intervals, mut tells_ages) = (None, true);
        for_each_rows(record, &filter, |_, rows| {
            intervals = intervals.or(rows.intervals);
            tells_ages &= rows.age.is_some() && rows.intervals.is_some();
            let (point, more) = measure(&rows, ages, by_target.get(&rows.head.target));
            points.push(point);
            measured.push(more);
            also(&rows);
            Ok(())
        })?;
        let mut all = instants(&points);
        let out = left_out(excluded(record, None), all.len() as u64);
        all.drain(..usize::try_from(out).unwrap_or(usize::MAX).min(all.len()));
        let partial = all.iter().filter(|instant| instant.partial).count() as u64;
        let used = Used { snapshots: all.len() as u64, partial, left_out: out };
        all.retain(|instant| !instant.partial);
        let sum = |of: &dyn Fn(usize) -> u64| -> Vec<f64> {
            all.iter().map(|instant| instant.members.iter().map(|at| of(*at) as f64).sum()).collect()
        };
        let idle = |(i, age): (usize, &Nanos)| (*age, sum(&|at| measured[at].idle.get(i).copied().unwrap_or(0)));
        let mut course = Course {
            record: record.name().to_owned(),
            began: record.began(),
            times: all.iter().map(|instant| TimeSpan::new(instant.start, instant.end)).collect(),
            working_set: sum(&|at| points[at].value),
            hot: sum(&|at| measured[at].hot),
            monitored: sum(&|at| measured[at].monitored),
            idle: if tells_ages { ages.iter().enumerate().map(idle).collect() } else { Vec::new() },
            areas: with_working_sets(areas, &all, &measured),
            resident: resident(record, &all)?,
            marks: Vec::new(),
            processes: Vec::new(),
            intervals,
            used,
            coverage: record.coverage().ratio(),
            is_physical: record.meta().ops == Some(Ops::Paddr),
            is_exact: record.meta().source == Source::Referenced,
        };
        course.processes = record.targets().iter().filter_map(|t| Some(t.process.as_ref()?.comm.clone())).collect();
        course.processes.sort();
        course.processes.dedup();
        for side in record.side_data()? {
            if let Side::Mark(mark) = side
                && let Some(at) = record.on_record_clock(mark.at)
            {
                course.marks.push((at, mark.text.clone()));
            }
        }
        Ok(course)
    }

    /// How long the instants last together.
    pub fn length(&self) -> Nanos {
        let Some((first, last)) = self.times.first().zip(self.times.last()) else { return Nanos(0) };
        last.end.saturating_sub(first.start)
    }

    /// The part of the course in which the instants lie within `time`.
    #[must_use]
    pub fn within(&self, time: TimeSpan) -> Course {
        let keep: Vec<bool> = self.times.iter().map(|at| time.start <= at.start && at.end <= time.end).collect();
        let kept = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(value, _)| *value).collect()
        };
        Course {
            times: self.times.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(at, _)| *at).collect(),
            working_set: kept(&self.working_set),
            hot: kept(&self.hot),
            monitored: kept(&self.monitored),
            idle: self.idle.iter().map(|(age, values)| (*age, kept(values))).collect(),
            areas: self
                .areas
                .iter()
                .map(|area| AreaCourse { working_set: kept(&area.working_set), ..area.clone() })
                .collect(),
            resident: self.resident.iter().filter(|(at, _)| time.contains(*at)).copied().collect(),
            marks: self.marks.iter().filter(|(at, _)| time.contains(*at)).cloned().collect(),
            ..self.clone()
        }
    }
}

/// The areas of one target: mappings of one name that touch are one area. Appends them to `areas`.
fn areas_of(names: &MappingNames, target: &Target, process: &str, areas: &mut Vec<AreaCourse>) -> TargetAreas {
    let mut spans: Vec<(AddrRange, String)> = Vec::new();
    for (range, name) in names.disjoint() {
        match spans.last_mut() {
            Some((last, known)) if *known == name && last.end == range.start => last.end = range.end,
            _ => spans.push((range, name)),
        }
    }
    let mut orders: BTreeMap<String, usize> = BTreeMap::new();
    let mut own = TargetAreas { spans: Vec::new(), unmapped: 0 };
    let mut push = |name: String, range: AddrRange| {
        let order = orders.entry(name.clone()).or_default();
        let process = process.to_owned();
        let (start, size, working_set) = (range.start, range.size(), Vec::new());
        areas.push(AreaCourse { process, name, order: *order, target: target.key, start, size, working_set });
        *order += 1;
        areas.len() - 1
    };
    for (range, name) in spans {
        let at = push(name, range);
        own.spans.push((range, at));
    }
    own.unmapped = push(UNMAPPED.to_owned(), AddrRange::default());
    own
}

fn measure(rows: &Rows<'_>, ages: &[Nanos], areas: Option<&TargetAreas>) -> (Point, Measured) {
    let mut more = Measured { idle: vec![0; ages.len()], ..Measured::default() };
    let (mut working_set, intervals) = (0u64, rows.intervals);
    let most = intervals.map(|intervals| intervals.max_nr_accesses().0);
    for (i, ((start, end), count)) in rows.start.iter().zip(rows.end).zip(rows.nr_accesses).enumerate() {
        let size = end.saturating_sub(*start);
        more.monitored = more.monitored.saturating_add(size);
        if *count > 0 {
            working_set = working_set.saturating_add(size);
            if let Some(areas) = areas {
                parts(&areas.spans, areas.unmapped, (*start, *end), |area, bytes| match more.areas.last_mut() {
                    Some((last, sum)) if *last == area => *sum += bytes,
                    _ => more.areas.push((area, bytes)),
                });
            }
            if most.is_some_and(|most| HeatClass::of(*count, most, None) == HeatClass::Hot) {
                more.hot = more.hot.saturating_add(size);
            }
            continue;
        }
        let (Some(intervals), Some(age)) = (intervals, rows.age.and_then(|age| age.get(i))) else { continue };
        // Not accessed in this aggregation, and in those of its age.
        let idle = Nanos(intervals.aggregation.0.saturating_mul(i64::from(*age).saturating_add(1)));
        for (bytes, _) in more.idle.iter_mut().zip(ages).take_while(|(_, age)| **age <= idle) {
            *bytes = bytes.saturating_add(size);
        }
    }
    (Point::of(rows, (working_set, 0.0)), more)
}

/// The areas, each with its working set at each instant.
fn with_working_sets(areas: Vec<AreaCourse>, instants: &[Instant], measured: &[Measured]) -> Vec<AreaCourse> {
    let mut values = vec![Vec::new(); areas.len()];
    for (i, instant) in instants.iter().enumerate() {
        for (area, bytes) in instant.members.iter().flat_map(|at| &measured[*at].areas) {
            let values = &mut values[*area];
            values.resize(instants.len(), 0.0);
            values[i] += *bytes as f64;
        }
    }
    let known = areas.into_iter().zip(values).filter(|(area, values)| area.name != UNMAPPED || !values.is_empty());
    known.map(|(area, working_set)| AreaCourse { working_set, ..area }).collect()
}

/// Resident memory of all processes while the instants last, as far as the record tells it.
fn resident(record: &Record, instants: &[Instant]) -> Result<Vec<(Nanos, f64)>, AnalysisError> {
    let tells = record.side_data()?.iter().any(|side| matches!(side, Side::Process(_)));
    let Some((first, last)) = instants.first().zip(instants.last()).filter(|_| tells) else { return Ok(Vec::new()) };
    let options = FootprintsOptions { metrics: vec![Metric::Rss], ..FootprintsOptions::default() };
    let report = footprints(std::slice::from_ref(record), &options)?;
    let points = report.series.into_iter().flat_map(|series| series.points);
    Ok(points.filter(|(at, _)| first.start <= *at && *at <= last.end).map(|(at, size)| (at, size.0 as f64)).collect())
}
