//! The files that the Python tool writes beside a record: parameters (`.kdamonds`), memory use (`.mem_footprint`),
//! mappings (`.vmas`) and CPU time (`.proc_stats`).
//!
//! They are helpers: one that is damaged is read as far as it goes, and a note says so, but it never keeps the record
//! from being read. Their times are wall time, which nothing ties to the record's clock.

mod rows;

use crate::Imported;
use crate::error::{ImportError, MAX_QUOTE};
use damo_model::human::{Show, TimeUnit, excerpt, parse_bp, parse_number, parse_time};
use damo_model::{
    Intervals, IntervalsGoal, Item, KdamondIndex, Meta, Nanos, NrRegions, Ops, Params, Process, Side, Sink, Stamp,
    Target,
};
use rows::{FootprintRow, StatRow, VmaRow};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Larger side files are left out.
const MAX_LEN: u64 = 512 << 20;
/// A kdamonds file describes a few kdamonds.
const MAX_KDAMONDS_LEN: usize = 16 << 20;

damo_model::words! {
    /// Which of the files.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SideKind {
        /// Parameters of the kdamonds (`.kdamonds`).
        Kdamonds = ".kdamonds",
        /// Memory that processes and the system use (`.mem_footprint`).
        Footprint = ".mem_footprint",
        /// Mappings of processes (`.vmas`).
        Vmas = ".vmas",
        /// CPU time of processes (`.proc_stats`).
        Stats = ".proc_stats",
    }
}

/// What the files beside a record say.
#[derive(Clone, Debug, Default)]
pub struct SideFiles {
    contexts: Vec<Context>,
    footprints: Vec<FootprintRow>,
    vmas: Vec<VmaRow>,
    stats: Vec<StatRow>,
    notes: Vec<String>,
}

/// One context of a kdamond, with all parameters of the kdamond as text.
#[derive(Clone, Debug)]
struct Context {
    kdamond: u32,
    kdamond_pid: Option<i32>,
    index: u32,
    ops: Option<Ops>,
    intervals: Option<Intervals>,
    goal: Option<IntervalsGoal>,
    nr_regions: Option<NrRegions>,
    pids: Vec<Option<i32>>,
    json: String,
}

/// Reads a `.mem_footprint` file as a record of its own: one without targets and snapshots.
pub(crate) fn import_footprints(
    bytes: &[u8],
    context: &crate::Context<'_>,
    sink: &mut dyn Sink,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let mut side_data = SideFiles::default();
    let damage = rows::read(bytes, &mut side_data.footprints);
    if let Some(damage) = damage {
        if side_data.footprints.is_empty() {
            let remedy = "it is not a footprint file of the Python damo, or was changed by hand";
            return Err(context.bad(crate::error::FilePosition::Whole, damage, remedy));
        }
        imported.notes.push(format!("only read up to a fault: {damage}"));
        imported.damaged = true;
    }
    let source = damo_model::Source::Imported { format: imported.format.as_str().to_owned() };
    sink.put(&Item::Meta(Meta { source, ..Meta::default() }))?;
    for row in &side_data.footprints {
        for side in row.side_data(|_| None) {
            sink.put(&Item::Side(side))?;
        }
    }
    Ok(())
}

impl SideFiles {
    /// Reads the files that lie beside `record`, as far as there are any.
    pub fn beside(record: &Path) -> Self {
        let mut side_data = Self::default();
        for kind in SideKind::ALL {
            let mut name = record.as_os_str().to_owned();
            name.push(kind.as_str());
            let path = PathBuf::from(name);
            let shown = path.shown().to_string();
            match std::fs::metadata(&path) {
                Ok(meta) if !meta.is_file() => {}
                Ok(meta) if meta.len() > MAX_LEN => {
                    side_data.notes.push(format!("{shown}: left out, {} bytes are too many", meta.len()));
                }
                Ok(_) => match std::fs::read(&path) {
                    Ok(bytes) => side_data.read(kind, &bytes, &shown),
                    Err(error) => side_data.notes.push(format!("{shown}: left out, {error}")),
                },
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => side_data.notes.push(format!("{shown}: left out, {error}")),
            }
        }
        side_data
    }

    /// Adds what one file says; `name` is for notes.
    pub fn read(&mut self, kind: SideKind, bytes: &[u8], name: &str) {
        let damage = match kind {
            SideKind::Kdamonds => self.read_kdamonds(bytes),
            SideKind::Footprint => rows::read(bytes, &mut self.footprints),
            SideKind::Vmas => rows::read(bytes, &mut self.vmas),
            SideKind::Stats => rows::read(bytes, &mut self.stats),
        };
        if let Some(damage) = damage {
            self.notes.push(format!("{name}: only read up to a fault: {damage}"));
        }
    }

    /// What a user should know: sentences without full stop.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty() && self.footprints.is_empty() && self.vmas.is_empty() && self.stats.is_empty()
    }

    /// The intervals, if all contexts have the same.
    pub(crate) fn intervals(&self) -> Option<Intervals> {
        self.common(|context| context.intervals)
    }

    /// Fills in what the record itself did not tell.
    pub(crate) fn describe(&self, meta: &mut Meta) {
        meta.ops = meta.ops.or_else(|| self.common(|context| context.ops));
        meta.nr_regions = meta.nr_regions.or_else(|| self.common(|context| context.nr_regions));
        let goal = self.common(|context| context.goal).filter(|goal| goal.aggregations > 0);
        meta.intervals_goal = meta.intervals_goal.or(goal);
    }

    fn common<T: PartialEq>(&self, of: impl Fn(&Context) -> Option<T>) -> Option<T> {
        let mut values = self.contexts.iter().map(of);
        let first = values.next()??;
        values.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    /// The process that a target is. Only where one context has that index: a record does not tell of which kdamond
    /// its events are.
    pub(crate) fn process(&self, context: u32, target_id: u64) -> Option<Process> {
        let mut contexts = self.contexts.iter().filter(|known| known.index == context);
        let pids = &contexts.next()?.pids;
        if contexts.next().is_some() {
            return None;
        }
        let pid = (*pids.get(usize::try_from(target_id).ok()?)?)?;
        let seen = self.stats.iter().flat_map(|row| &row.stats).find(|stat| stat.pid == pid);
        Some(Process {
            pid,
            started: seen.map(|stat| stat.started),
            comm: seen.map(|stat| stat.comm.clone()).unwrap_or_default(),
            cmdline: String::new(),
        })
    }

    /// Gives everything, with the targets that processes are.
    pub(crate) fn put(
        &self,
        targets: &[Target],
        sink: &mut dyn Sink,
        imported: &mut Imported,
    ) -> Result<(), ImportError> {
        let target = |pid: i32| {
            let is =
                |target: &&Target| target.scheme.is_none() && target.process.as_ref().is_some_and(|p| p.pid == pid);
            targets.iter().find(is).map(|target| target.key)
        };
        let mut give = |side| sink.put(&Item::Side(side));
        for context in &self.contexts {
            give(Side::Params(Params {
                // In force from the start.
                at: Stamp::Record(Nanos(0)),
                kdamond: Some(KdamondIndex(context.kdamond)),
                context: Some(context.index),
                ops: context.ops,
                intervals: context.intervals,
                intervals_goal: context.goal.filter(|goal| goal.aggregations > 0),
                nr_regions: context.nr_regions,
                json: context.json.clone(),
            }))?;
        }
        for row in &self.footprints {
            row.side_data(target).into_iter().try_for_each(&mut give)?;
        }
        let mut last = Vec::new();
        for row in &self.vmas {
            row.side_data(target, &mut last).into_iter().try_for_each(&mut give)?;
        }
        let kdamonds: Vec<i32> = self.contexts.iter().filter_map(|context| context.kdamond_pid).collect();
        for row in &self.stats {
            row.side_data(&kdamonds).into_iter().try_for_each(&mut give)?;
        }
        if !self.is_empty() {
            imported.notes.push("side files beside the record were read as well".to_owned());
        }
        Ok(())
    }

    fn read_kdamonds(&mut self, bytes: &[u8]) -> Option<String> {
        if bytes.len() > MAX_KDAMONDS_LEN {
            return Some(format!("{} bytes are too many", bytes.len()));
        }
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => return Some(error.to_string()),
        };
        let list = value.get("kdamonds").unwrap_or(&value);
        let Some(kdamonds) = list.as_array() else { return Some("it is not a list of kdamonds".to_owned()) };
        for (kdamond, value) in (0..).zip(kdamonds) {
            let contexts = value.get("contexts").and_then(Value::as_array);
            let json = value.to_string();
            for (index, context) in (0..).zip(contexts.into_iter().flatten()) {
                let read = Context {
                    kdamond,
                    kdamond_pid: value.get("pid").and_then(pid),
                    index,
                    ops: context.get("ops").and_then(ops),
                    intervals: context.get("intervals").and_then(intervals),
                    goal: context.get("intervals").and_then(|intervals| goal(intervals.get("intervals_goal")?)),
                    nr_regions: context.get("nr_regions").and_then(nr_regions),
                    pids: context
                        .get("targets")
                        .and_then(Value::as_array)
                        .map(|targets| targets.iter().map(|target| target.get("pid").and_then(pid)).collect())
                        .unwrap_or_default(),
                    json: json.clone(),
                };
                self.contexts.push(read);
            }
        }
        None
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn whole(value: &Value) -> Option<u64> {
    u64::try_from(parse_number(&text(value)?).ok()?.trunc()).ok()
}

fn pid(value: &Value) -> Option<i32> {
    whole(value).and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0)
}

fn ops(value: &Value) -> Option<Ops> {
    Ops::of_file(value.as_str()?)
}

/// An interval of the Python tool's JSON: microseconds, or with a unit.
pub(crate) fn micros(value: &Value) -> Option<Nanos> {
    parse_time(&text(value)?, TimeUnit::Micros).ok().filter(|time| time.0 >= 0)
}

/// `intervals` of the Python tool's JSON.
pub(crate) fn intervals(value: &Value) -> Option<Intervals> {
    Some(Intervals {
        sample: micros(value.get("sample_us")?)?,
        aggregation: micros(value.get("aggr_us")?)?,
        update: micros(value.get("ops_update_us")?)?,
    })
}

/// `intervals_goal` of the Python tool's JSON.
pub(crate) fn goal(value: &Value) -> Option<IntervalsGoal> {
    let access_bp = parse_bp(&text(value.get("access_bp")?)?).ok()?.round();
    Some(IntervalsGoal {
        access_bp: u64::try_from(access_bp).ok()?,
        aggregations: whole(value.get("aggrs")?)?,
        min_sample: micros(value.get("min_sample_us")?)?,
        max_sample: micros(value.get("max_sample_us")?)?,
    })
}

fn nr_regions(value: &Value) -> Option<NrRegions> {
    Some(NrRegions { min: whole(value.get("min")?)?, max: whole(value.get("max")?)? })
}

/// The start of a value's JSON, for messages.
pub(crate) fn shown(value: &Value) -> String {
    excerpt(&value.to_string(), MAX_QUOTE)
}

#[cfg(test)]
mod tests;
