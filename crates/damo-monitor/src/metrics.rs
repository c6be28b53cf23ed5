//! Metrics: the figures of the last interval as text that Prometheus' node_exporter takes from a file, written anew each
//! time by renaming, so that nobody reads half of it.
//!
//! Names and units follow the conventions of Prometheus: base units, `_total` for what only grows. A target's series end
//! with it.

use crate::reading::{IDLE_PERCENTILES, NodeReading, Reading, SchemeReading, TargetReading};
use crate::state::{SchemeKey, State};
use damo_format::{Kind, NewFile, Rules, WriteError};
use damo_model::{Item, Nanos, SchemeCounts, TimeSpan};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Snapshots of the last interval are kept in so much memory; more are thinned out.
const MOST_BYTES: usize = 4 << 20;

/// A file of metrics that is kept up to date from the items of a recording.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    rules: Rules,
    interval: Nanos,
    state: State,
    /// The end of the interval that was written last.
    written: Option<Nanos>,
}

impl Metrics {
    /// Metrics for the file `path`, of intervals of that length on the record's clock. `rules` say what may be replaced;
    /// of its kind and mode, those for metrics are taken: others have to read the file.
    ///
    /// # Errors
    /// If something stands there that must not be replaced, or the directory takes no files.
    pub fn new(path: PathBuf, interval: Nanos, rules: Rules) -> Result<Self, WriteError> {
        let rules = Rules { kind: Kind::Metrics, mode: 0o644, ..rules };
        // Removed again at once: that it can be made is known before anything is recorded.
        drop(NewFile::create(&path, rules.clone())?);
        Ok(Self { path, rules, interval, state: State::with_memory(MOST_BYTES), written: None })
    }

    /// Takes what the recording says next, and writes the file when an interval is over.
    ///
    /// # Errors
    /// If the file cannot be written. The next interval tries again.
    pub fn take(&mut self, item: &Item) -> Result<(), WriteError> {
        self.state.take(item);
        let Some(begin) = self.state.begin() else { return Ok(()) };
        let since = self.written.unwrap_or(begin);
        if self.state.now() < since.saturating_add(self.interval) {
            return Ok(());
        }
        self.write(since, true)
    }

    /// Writes the file for the last time: what was counted stays, and it says that nothing records any more.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn end(&mut self) -> Result<(), WriteError> {
        let since = self.written.or(self.state.begin()).unwrap_or_default();
        self.write(since, false)
    }

    fn write(&mut self, since: Nanos, active: bool) -> Result<(), WriteError> {
        self.written = Some(self.state.now());
        let reading = self.state.reading(TimeSpan::new(since, self.state.now()));
        let text = text(&self.state, &reading, active);
        let mut file = NewFile::create(&self.path, self.rules.clone())?;
        let failed = |source| WriteError::File { what: "write", path: self.path.clone(), source };
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.commit()
    }
}

/// Metrics in the making, family by family.
#[derive(Default)]
struct Families(String);

impl Families {
    /// One family, with a value for each set of labels. Nothing without values.
    fn add(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing to a String does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in values {
            let _ = writeln!(self.0, "{name}{} {value}", labels.braced());
        }
    }

    /// A family of one value without labels.
    fn single(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.add(name, help, value.map(|value| (Labels::default(), value)));
    }
}

/// Names and values that tell the values of a family apart.
#[derive(Clone, Default)]
struct Labels(String);

impl Labels {
    fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        let value = value.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(self.0, "{name}=\"{value}\"");
        self
    }

    fn braced(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("{{{}}}", self.0) }
    }

    /// Which target: its number in the record, its name, and its process.
    fn of_target(target: &TargetReading) -> Self {
        let labels = Labels::default().with("target", target.key.0).with("name", &target.name);
        match target.pid {
            Some(pid) => labels.with("pid", pid),
            None => labels,
        }
    }

    /// Which scheme: kdamond, context and number, and what it does.
    fn of_scheme((kdamond, context, scheme): &SchemeKey, action: Option<&String>) -> Self {
        let labels = match kdamond {
            Some(kdamond) => Labels::default().with("kdamond", kdamond.0),
            None => Labels::default(),
        };
        let labels = labels.with("context", context).with("scheme", scheme);
        match action {
            Some(action) if !action.is_empty() => labels.with("action", action),
            _ => labels,
        }
    }
}

/// All families of a moment.
fn text(state: &State, reading: &Reading, active: bool) -> String {
    let mut families = Families::default();
    families.single("damon_recording", "Whether a recorder is writing these metrics.", Some(f64::from(active)));
    families.single("damon_snapshots_total", "Snapshots taken, partial ones included.", Some(state.snapshots as f64));
    let partial = Some(state.partial as f64);
    families.single("damon_partial_snapshots_total", "Snapshots that lack regions because events were lost.", partial);
    let lost = Some(reading.lost_events as f64);
    families.single("damon_lost_events_total", "Events of the kernel that were lost.", lost);
    let (kdamonds, recorder) = state.own_cpu_time();
    let seconds = |time: Option<Nanos>| time.map(Nanos::as_secs_f64);
    families.single("damon_kdamond_cpu_seconds_total", "CPU time that DAMON's threads took.", seconds(kdamonds));
    families.single("damon_recorder_cpu_seconds_total", "CPU time that the recorder took.", seconds(recorder));
    // What has ended is not told as if it was still so.
    let targets = if active { &reading.targets[..] } else { &[] };
    add_targets(&mut families, state, targets);
    add_nodes(&mut families, targets);
    add_schemes(&mut families, state, reading);
    families.0
}

/// What the memory of targets is like: means over the interval.
fn add_targets(families: &mut Families, state: &State, targets: &[TargetReading]) {
    let mut add = |name: &str, help: &str, value: &dyn Fn(&TargetReading) -> Option<f64>| {
        let values = targets.iter().filter_map(|target| Some((Labels::of_target(target), value(target)?)));
        families.add(name, help, values);
    };
    let mut plain = |name: &str, help: &str, value: fn(&TargetReading) -> u64| {
        add(name, help, &|target| (!target.of_scheme).then(|| value(target) as f64));
    };
    plain("damon_target_working_set_bytes", "Memory that was accessed in an aggregation interval.", |t| {
        t.working_set.0
    });
    plain("damon_target_hot_bytes", "Memory that was accessed in at least half of the samples.", |t| t.hot.0);
    plain("damon_target_cold_bytes", "Memory that was not accessed for five seconds or longer.", |t| t.cold.0);
    plain("damon_target_monitored_bytes", "Memory that is monitored.", |t| t.monitored.0);
    plain("damon_target_regions", "Regions of the last snapshot.", |t| t.regions);
    add("damon_target_resident_memory_bytes", "Resident memory of the process.", &|target| {
        (!target.of_scheme).then_some(target.rss?.0 as f64)
    });
    add("damon_target_process_cpu_seconds_total", "CPU time that the process took.", &|target| {
        let used = state.cpu.get(&target.pid?)?.used.at(state.now())?;
        Some(Nanos(i64::try_from(used).ok()?).as_secs_f64())
    });
    let idle = targets.iter().filter(|target| !target.of_scheme).flat_map(|target| {
        let labels = Labels::of_target(target);
        let percentiles = IDLE_PERCENTILES.into_iter().zip(target.idle.into_iter().flatten());
        percentiles.map(move |(percentile, idle)| (labels.clone().with("percentile", percentile), idle.as_secs_f64()))
    });
    let help = "Time since the last access by percentile of the monitored memory; negative while it is accessed.";
    families.add("damon_target_idle_seconds", help, idle);
}

/// The same by NUMA node, where placement is known: estimates.
fn add_nodes(families: &mut Families, targets: &[TargetReading]) {
    let mut add = |name: &str, help: &str, value: &dyn Fn(&NodeReading) -> Option<f64>| {
        let values = targets.iter().filter(|target| !target.of_scheme).flat_map(|target| {
            let labels = Labels::of_target(target);
            target.nodes.iter().filter_map(move |of| Some((labels.clone().with("node", of.node), value(of)?)))
        });
        families.add(name, help, values);
    };
    add("damon_target_node_resident_memory_bytes", "Resident memory of the process on the NUMA node.", &|of| {
        Some(of.resident.0 as f64)
    });
    add("damon_target_node_hot_bytes", "Hot memory on the NUMA node, estimated.", &|of| Some(of.hot.0 as f64));
    add("damon_target_node_warm_bytes", "Neither hot nor cold memory on the NUMA node, estimated.", &|of| {
        Some(of.warm.0 as f64)
    });
    add("damon_target_node_cold_bytes", "Cold memory on the NUMA node, estimated.", &|of| Some(of.cold.0 as f64));
    add("damon_target_node_access_ratio", "Share of the accesses that are to the NUMA node, estimated.", &|of| {
        Some(of.accesses? / 100.0)
    });
    let remote = targets.iter().filter(|target| !target.of_scheme);
    let remote = remote.filter_map(|target| Some((Labels::of_target(target), target.remote? / 100.0)));
    let help = "Share of the accesses to another NUMA node than the one whose CPUs run the threads, estimated.";
    families.add("damon_target_remote_access_ratio", help, remote);
}

/// What schemes did so far.
fn add_schemes(families: &mut Families, state: &State, reading: &Reading) {
    // The readings are in the order of the keys.
    let mut add = |name: &str, help: &str, value: &dyn Fn(&SchemeReading) -> Option<f64>| {
        let values = state.schemes.keys().zip(&reading.schemes).filter_map(|(key, scheme)| {
            let labels = Labels::of_scheme(key, state.actions.get(key.2 as usize));
            Some((labels, value(scheme)?))
        });
        families.add(name, help, values);
    };
    let mut count = |name: &str, help: &str, value: fn(SchemeCounts) -> u64| {
        add(name, help, &|scheme| Some(value(scheme.counts?) as f64));
    };
    count("damon_scheme_tried_regions_total", "Regions that the scheme was tried on.", |counts| counts.nr_tried);
    count("damon_scheme_tried_bytes_total", "Bytes that the scheme was tried on.", |counts| counts.sz_tried.0);
    count("damon_scheme_applied_regions_total", "Regions that the scheme was applied to.", |counts| counts.nr_applied);
    count("damon_scheme_applied_bytes_total", "Bytes that the scheme was applied to.", |counts| counts.sz_applied.0);
    count("damon_scheme_quota_exceeded_total", "Times that the scheme's quota was exceeded.", |counts| {
        counts.qt_exceeds
    });
    add("damon_scheme_effective_quota_bytes", "Bytes that the quota allows in a reset interval.", &|scheme| {
        Some(scheme.effective_quota?.0 as f64)
    });
}

#[cfg(test)]
mod tests;
