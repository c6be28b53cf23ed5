//! Several records of one host as one: on one time axis, processes recognised, what two of them tell told once.
//!
//! Records are of one host if they are of one boot of it: the boot id says so. Records of one boot with one clock share
//! their time axis already; others are put onto the first one's by the moments that each tells on its own clock and on
//! the wall clock. A target is the same in two records if kdamond, context, scheme and process (pid and start time) are.
//!
//! The parts of a rotated recording, of a flight recorder or of [`Cut`](crate::Cut) go together without loss or
//! repetition: what a part repeats of the one before (mappings and parameters in force, snapshots of overlapping dumps)
//! is the same with the same time, and is taken once. Snapshots of one target that overlap without being the same are an
//! error: no one can tell which of them is right.

mod join;

pub use join::{Merged, join};

use crate::error::EditError;
use damo_model::{Clock, Intervals, Meta, Nanos, Process, Source, Target, TargetKey};
use std::collections::{BTreeMap, BTreeSet};

/// One of the records to merge.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// What is known of it.
    pub meta: &'a Meta,
    /// The targets that it has.
    pub targets: &'a [Target],
}

/// How records go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is known of all of them.
    pub meta: Meta,
    /// All targets, with keys of the merged record.
    pub targets: Vec<Target>,
    inputs: Vec<MergeInput>,
}

/// How one record goes into the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MergeInput {
    name: String,
    /// Added to its times.
    shift: Nanos,
    keys: BTreeMap<TargetKey, TargetKey>,
    /// For snapshots that do not tell theirs, where the merged record cannot.
    intervals: Option<Intervals>,
}

impl Plan {
    /// Sees how the records go together. With `any_host` they need not be known to be of one boot; clocks of one kind are
    /// then taken for the same clock if nothing better is known.
    ///
    /// # Errors
    /// If they are of different hosts or boots, cannot be put on one time axis, or have too many targets.
    pub fn make(inputs: &[Input<'_>], any_host: bool) -> Result<Plan, EditError> {
        let Some(first) = inputs.first() else {
            return Ok(Plan { meta: Meta::default(), targets: Vec::new(), inputs: Vec::new() });
        };
        let meta = common_meta(inputs);
        let mut all = Targets::default();
        let mut places = Vec::new();
        for (i, input) in inputs.iter().enumerate() {
            if i > 0 && !any_host {
                check_host(first, input)?;
            }
            let intervals = input.meta.intervals.filter(|_| meta.intervals.is_none());
            let (shift, keys) = (shift(first, input, any_host)?, all.add(input.targets)?);
            places.push(MergeInput { name: input.name.to_owned(), shift, keys, intervals });
        }
        Ok(Plan { meta, targets: all.targets, inputs: places })
    }

    /// How many of the merged record's targets more than one record has.
    pub fn shared_targets(&self) -> usize {
        let in_how_many = |target: &&Target| {
            self.inputs.iter().filter(|place| place.keys.values().any(|key| *key == target.key)).count()
        };
        self.targets.iter().filter(|target| in_how_many(target) > 1).count()
    }
}

/// Whether a record's addresses were moved, so that they mean nothing beside those of another record.
fn is_anonymous(meta: &Meta) -> bool {
    meta.history.iter().any(|line| line.contains(crate::anonymize::WHAT))
}

/// Whether all that is known of them is the same, whatever was done to them since.
fn is_same_recording(a: &Meta, b: &Meta) -> bool {
    *a == Meta { history: a.history.clone(), ..b.clone() }
}

fn check_host(first: &Input<'_>, other: &Input<'_>) -> Result<(), EditError> {
    let (a, b) = (first.meta, other.meta);
    let known = !a.boot_id.is_empty() && !b.boot_id.is_empty();
    // A simulation has no host. Its parts say the same of themselves. (Nor has an anonymous record: each has addresses of
    // its own.)
    let simulated = matches!(a.source, Source::Simulator { .. })
        && is_same_recording(a, b)
        && ![a, b].into_iter().any(is_anonymous);
    let why = match known {
        true if a.boot_id == b.boot_id => return Ok(()),
        _ if simulated => return Ok(()),
        true => "their boot ids differ".to_owned(),
        false if is_anonymous(a) || is_anonymous(b) => "anonymous records have moved addresses".to_owned(),
        false => {
            let silent = if a.boot_id.is_empty() { first.name } else { other.name };
            format!("{silent} has no boot id")
        }
    };
    Err(EditError::OtherHost { first: first.name.to_owned(), second: other.name.to_owned(), why })
}

/// What to add to the other's times.
fn shift(first: &Input<'_>, other: &Input<'_>, any_host: bool) -> Result<Nanos, EditError> {
    let (a, b) = (first.meta, other.meta);
    let same_boot = !a.boot_id.is_empty() && a.boot_id == b.boot_id && a.clock != Clock::Unknown;
    let same_recording = !any_host && is_same_recording(a, b);
    if a.clock == b.clock && (same_boot || same_recording || a.clock == Clock::Wall) {
        return Ok(Nanos(0));
    }
    match (a.clock_pair, b.clock_pair) {
        (Some(a), Some(b)) => Ok(b.wall.saturating_sub(b.record).saturating_sub(a.wall.saturating_sub(a.record))),
        _ if any_host && a.clock == b.clock => Ok(Nanos(0)),
        (known, _) => {
            let silent = if known.is_none() { first.name } else { other.name };
            let why =
                format!("their clocks differ, and {silent} does not say how its clock relates to the time of day");
            Err(EditError::OtherClock { first: first.name.to_owned(), second: other.name.to_owned(), why })
        }
    }
}

/// What holds for all of the records.
fn common_meta(inputs: &[Input<'_>]) -> Meta {
    let Some(first) = inputs.first() else { return Meta::default() };
    let mut meta = first.meta.clone();
    for other in inputs.iter().skip(1).map(|input| input.meta) {
        fn keep<T: PartialEq + Default>(mine: &mut T, other: &T) {
            if mine != other {
                *mine = T::default();
            }
        }
        keep(&mut meta.kernel_release, &other.kernel_release);
        keep(&mut meta.source, &other.source);
        keep(&mut meta.ops, &other.ops);
        keep(&mut meta.intervals, &other.intervals);
        keep(&mut meta.intervals_goal, &other.intervals_goal);
        keep(&mut meta.nr_regions, &other.nr_regions);
        keep(&mut meta.page_size, &other.page_size);
        keep(&mut meta.boot_id, &other.boot_id);
        keep(&mut meta.host, &other.host);
        keep(&mut meta.command, &other.command);
        let new = |list: &[String], name: &String| !list.contains(name);
        let features: Vec<String> = other.features.iter().filter(|name| new(&meta.features, name)).cloned().collect();
        meta.features.extend(features);
        let formats: Vec<_> = other.formats.iter().filter(|format| !meta.formats.contains(format)).cloned().collect();
        meta.formats.extend(formats);
        let history: Vec<String> = other.history.iter().filter(|line| new(&meta.history, line)).cloned().collect();
        meta.history.extend(history);
    }
    meta
}

/// The merged record's targets.
#[derive(Default)]
struct Targets {
    targets: Vec<Target>,
    used: BTreeSet<TargetKey>,
}

impl Targets {
    /// Takes in one record's targets: their keys in the merged record.
    fn add(&mut self, targets: &[Target]) -> Result<BTreeMap<TargetKey, TargetKey>, EditError> {
        let mut keys = BTreeMap::new();
        let mut taken = BTreeSet::new();
        // All that are surely the same first, so that they are not taken for others.
        for same in [is_same, is_same_process] {
            for target in targets {
                let found = self.targets.iter_mut().find(|known| !taken.contains(&known.key) && same(known, target));
                if !keys.contains_key(&target.key)
                    && let Some(known) = found
                {
                    learn(known, target);
                    taken.insert(known.key);
                    keys.insert(target.key, known.key);
                }
            }
        }
        for target in targets.iter().filter(|target| !keys.contains_key(&target.key)).collect::<Vec<_>>() {
            let key = self.free_key(target.key)?;
            self.used.insert(key);
            self.targets.push(Target { key, ..target.clone() });
            keys.insert(target.key, key);
        }
        Ok(keys)
    }

    /// The key that it had, if no other target has it.
    fn free_key(&self, wanted: TargetKey) -> Result<TargetKey, EditError> {
        if !self.used.contains(&wanted) {
            return Ok(wanted);
        }
        let next = self.used.last().map_or(0, |key| key.0).checked_add(1);
        next.map(TargetKey).ok_or(EditError::TooManyTargets)
    }
}

/// Whether everything that tells targets apart is the same.
fn is_same(a: &Target, b: &Target) -> bool {
    let process = |t: &Target| t.process.as_ref().map(Process::identity);
    let place = |t: &Target| (t.kdamond, t.context, t.scheme, t.target_id);
    place(a) == place(b) && process(a) == process(b)
}

/// Whether they are one process under one kdamond, whatever position it had there.
fn is_same_process(a: &Target, b: &Target) -> bool {
    let process = |t: &Target| t.process.as_ref().and_then(|process| Some((process.pid, process.started?)));
    let place = |t: &Target| (t.kdamond, t.context, t.scheme);
    place(a) == place(b) && process(a).is_some() && process(a) == process(b)
}

/// Takes over what was not known yet.
fn learn(known: &mut Target, other: &Target) {
    fn fill(mine: &mut String, other: &str) {
        if mine.is_empty() {
            other.clone_into(mine);
        }
    }
    fill(&mut known.data_source, &other.data_source);
    fill(&mut known.scheme_filters, &other.scheme_filters);
    if let (Some(mine), Some(other)) = (&mut known.process, &other.process) {
        fill(&mut mine.comm, &other.comm);
        fill(&mut mine.cmdline, &other.cmdline);
    }
}

#[cfg(test)]
mod tests;
