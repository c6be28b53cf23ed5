//! Which samples of a profile count: by time, by process, by how the memory was at that time, by the address of the data.

use super::{Join, whole_time};
use crate::ReportError;
use crate::filter::{Bounds, Filter, TargetFilter};
use crate::heats::MappingsOfTargets;
use crate::range::listed;
use crate::series::{by_target, measure};
use crate::survey::Identity;
use damo_frame::Record;
use damo_frame::profile::{Profile, SampleView};
use damo_model::profile::{Sampled, Symbols};
use damo_model::{Addr, AddrRange, Nanos, Target, TimeSpan};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Memory is hot if it was accessed in at least this share of the samples, in percent.
const HOT: f64 = 50.0;

/// A part of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hot {
    /// A mapping by its name.
    Mapping(String),
    /// An address range.
    Addresses(AddrRange),
}

/// Which samples count. The default is all samples of CPU time.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Times, on the record's clock or since the recording began; and how memory is: samples count that were taken in snapshots
    /// in which a region passes.
    pub filter: Filter,
    /// Only times in which this memory is hot: accessed in at least half of the monitor's samples, unless the filter has another
    /// access rate.
    pub while_hot: Option<Hot>,
    /// The same for a mapping; of samples of accesses those whose data are in it, whenever.
    pub mapping: Option<String>,
    /// Names of code that the record does not have itself.
    pub names: Vec<Symbols>,
}

/// The samples that count, by time and address.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Times by process, sorted and disjoint; `None` for all of the time.
    by_process: Option<HashMap<i32, Vec<TimeSpan>>>,
    /// Times for processes that are no target: children of targets, and all if physical memory was monitored.
    others: Vec<TimeSpan>,
    /// Processes; `None` for all.
    pids: Option<BTreeSet<i32>>,
    /// Addresses of data by process.
    data: Option<HashMap<i32, Vec<AddrRange>>>,
    /// Which kind of samples.
    pub sampled: Sampled,
    /// By what samples and memory belong together.
    pub join: Join,
    /// How much time is wanted.
    pub time: Nanos,
    /// What is wanted, in words; empty for all.
    pub words: String,
}

impl Wanted {
    /// What a choice wants of a recording.
    ///
    /// # Errors
    /// If there is no such mapping, or a record cannot be read.
    pub(super) fn of(records: &[Record], profile: &Profile, choice: &Choice) -> Result<Self, ReportError> {
        let whole = whole_time(records, profile).unwrap_or(TimeSpan::new(Nanos(0), Nanos(0)));
        let mut wanted = Self { sampled: super::kind_of(profile), time: whole.length(), ..Self::default() };
        let Some(record) = records.first() else { return Ok(wanted) };
        let filter = choice.filter.on_clock_of(record);
        let by_address = choice.mapping.as_ref().filter(|_| profile.count(Sampled::Access) > 0);
        let mut words = Words::default();
        if let Some(name) = by_address {
            wanted.sampled = Sampled::Access;
            wanted.join = Join::Address;
            wanted.data = Some(data_of(record, &filter, name)?);
            words.add(format!("of data in {name}"));
        }
        let hot = match (&choice.while_hot, &choice.mapping) {
            (Some(hot), _) => Some(hot.clone()),
            (None, Some(name)) if by_address.is_none() => Some(Hot::Mapping(name.clone())),
            (None, _) => None,
        };
        if !filter.target.is_all() {
            let targets = record.targets().iter().filter(|target| filter.target.holds(target));
            wanted.pids = Some(targets.filter_map(pid).collect());
        }
        let named = joined(filter.snapshot_time.iter().map(|time| TimeSpan::new(time.min, time.max)).collect());
        if !named.is_empty() {
            words.add("in the time that is named".to_owned());
        }
        let looks = Looks { hot: hot.as_ref(), filter: &filter };
        if looks.is_any() {
            looks.say(&mut words);
            let times = looks.times(record)?;
            wanted.others = joined(times.values().flatten().copied().collect());
            wanted.by_process = Some(times.into_iter().filter_map(|(pid, times)| Some((pid?, times))).collect());
            wanted.time = length(&wanted.others);
        } else if !named.is_empty() {
            wanted.others = clipped(named, whole);
            wanted.by_process = Some(HashMap::new());
            wanted.time = length(&wanted.others);
        }
        wanted.words = words.0;
        Ok(wanted)
    }

    /// Whether a sample counts.
    pub(super) fn holds(&self, sample: &SampleView<'_>) -> bool {
        let pid = sample.thread.pid;
        if sample.sampled != self.sampled || self.pids.as_ref().is_some_and(|pids| !pids.contains(&pid)) {
            return false;
        }
        if let Some(data) = &self.data {
            let is_in =
                |address: Addr| data.get(&pid).is_some_and(|ranges| ranges.iter().any(|range| range.contains(address)));
            if !sample.address.is_some_and(is_in) {
                return false;
            }
        }
        let Some(by_process) = &self.by_process else { return true };
        let times = by_process.get(&pid).unwrap_or(&self.others);
        let after = times.partition_point(|time| time.start <= sample.at);
        after.checked_sub(1).and_then(|at| times.get(at)).is_some_and(|time| sample.at < time.end)
    }
}

fn pid(target: &Target) -> Option<i32> {
    target.process.as_ref().map(|process| process.pid)
}

/// Where the mappings of a name are, by process.
fn data_of(record: &Record, filter: &Filter, name: &str) -> Result<HashMap<i32, Vec<AddrRange>>, ReportError> {
    let targets = record.targets().iter().filter(|target| filter.target.holds(target));
    let targets: Vec<&Target> = targets.collect();
    let ranges = ranges_of(record, &targets, name)?;
    let within = |ranges| within(ranges, &filter.addresses);
    Ok(targets.iter().zip(ranges).filter_map(|(target, ranges)| Some((pid(target)?, within(ranges)))).collect())
}

/// The parts of some ranges that lie in the addresses that a filter lets pass: all where it names none.
fn within(ranges: Vec<AddrRange>, addresses: &[AddrRange]) -> Vec<AddrRange> {
    if addresses.is_empty() {
        return ranges;
    }
    ranges.iter().flat_map(|range| addresses.iter().filter_map(|other| range.intersection(*other))).collect()
}

/// Where each of some targets has mappings of a name.
fn ranges_of(record: &Record, targets: &[&Target], wanted: &str) -> Result<Vec<Vec<AddrRange>>, ReportError> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::with_capacity(targets.len());
    let mappings = MappingsOfTargets::of(std::slice::from_ref(record))?;
    for target in targets {
        let names = mappings.names(Identity::from(*target));
        found.push(names.find(wanted));
        known.extend(names.names());
    }
    if found.iter().any(|ranges| !ranges.is_empty()) {
        return Ok(found);
    }
    let known = listed(&known.into_iter().collect::<Vec<_>>());
    Err(ReportError::NoSuchMapping { wanted: wanted.to_owned(), known })
}

/// How memory is to look.
struct Looks<'a> {
    hot: Option<&'a Hot>,
    filter: &'a Filter,
}

impl Looks<'_> {
    fn is_any(&self) -> bool {
        let filter = self.filter;
        let by_snapshot = !filter.sz_snapshot.is_empty() || !filter.snapshot_idx.is_empty();
        self.hot.is_some() || by_snapshot || !filter.regions_pass()
    }

    fn say(&self, words: &mut Words) {
        match self.hot {
            Some(Hot::Mapping(name)) => words.add(format!("while {name} is hot")),
            Some(Hot::Addresses(range)) => {
                words.add(format!("while {:#x} to {:#x} is hot", range.start.0, range.end.0));
            }
            None => words.add("in snapshots in which a region passes the filters".to_owned()),
        }
    }

    /// When memory looks so, by process; under `None` for physical memory.
    fn times(&self, record: &Record) -> Result<BTreeMap<Option<i32>, Vec<TimeSpan>>, ReportError> {
        let plain = self.filter.plain_monitoring(record);
        let targets: Vec<&Target> = record.targets().iter().filter(|target| plain.target.holds(target)).collect();
        let ranges: Vec<Vec<AddrRange>> = match self.hot {
            Some(Hot::Mapping(name)) => ranges_of(record, &targets, name)?,
            Some(Hot::Addresses(range)) => vec![vec![*range]; targets.len()],
            None => vec![self.filter.addresses.clone(); targets.len()],
        };
        if self.hot.is_some() && self.filter.access_rate.is_none() && record.meta().intervals.is_none() {
            return Err(crate::error::no_intervals(record));
        }
        let mut times: BTreeMap<Option<i32>, Vec<TimeSpan>> = BTreeMap::new();
        for (target, ranges) in targets.into_iter().zip(ranges) {
            let ranges = within(ranges, &self.filter.addresses);
            let times = times.entry(pid(target)).or_default();
            if self.hot.is_some() && ranges.is_empty() {
                continue;
            }
            let mut filter = Filter {
                target: TargetFilter { key: Some(target.key), ..plain.target.clone() },
                ..plain.clone().into_owned()
            };
            filter.set_addresses(ranges)?;
            if self.hot.is_some() && filter.access_rate.is_none() {
                filter.access_rate = Some(Bounds::new(HOT, f64::INFINITY));
            }
            let points = measure(record, &filter, |outline| outline.regions)?;
            for (_, points) in by_target(&points) {
                let passes = points.iter().filter(|point| point.value > 0);
                times.extend(passes.map(|point| TimeSpan::new(point.start, point.end)));
            }
        }
        for times in times.values_mut() {
            *times = joined(std::mem::take(times));
        }
        Ok(times)
    }
}

/// What is wanted, in words.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, words: String) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        self.0.push_str(&words);
    }
}

/// The same times, sorted and disjoint.
fn joined(mut times: Vec<TimeSpan>) -> Vec<TimeSpan> {
    times.retain(|time| time.start < time.end);
    times.sort_by_key(|time| time.start);
    let mut joined: Vec<TimeSpan> = Vec::with_capacity(times.len());
    for time in times {
        match joined.last_mut() {
            Some(last) if time.start <= last.end => last.end = last.end.max(time.end),
            _ => joined.push(time),
        }
    }
    joined
}

fn clipped(times: Vec<TimeSpan>, whole: TimeSpan) -> Vec<TimeSpan> {
    let clip = |time: TimeSpan| TimeSpan::new(time.start.max(whole.start), time.end.min(whole.end));
    let clipped = times.into_iter().filter(|time| time.start < whole.end && time.end > whole.start);
    clipped.map(clip).collect()
}

fn length(times: &[TimeSpan]) -> Nanos {
    Nanos(times.iter().fold(0i64, |sum, time| sum.saturating_add(time.length().0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_touch_are_one_and_count_once() {
        let span = |from, to| TimeSpan::new(Nanos(from), Nanos(to));
        let times = joined(vec![span(10, 20), span(0, 5), span(20, 30), span(4, 6), span(7, 7)]);
        assert_eq!(times, [span(0, 6), span(10, 30)]);
        assert_eq!(length(&times), Nanos(26));
        assert_eq!(clipped(times, span(5, 15)), [span(5, 6), span(10, 15)]);
    }
}
