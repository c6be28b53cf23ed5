//! The command line of a recording, one definition for `damo record` and for the `damo-record` binary.
//!
//! The spellings are the Python tool's, old ones and present ones, so that scripts and habits keep working; the
//! values take human units. [`RecordArgs::request`] turns what was typed into a [`Request`], which is what the
//! sessions work with: every contradiction is found here, before anything is opened or started.

use crate::request::{Limits, Monitoring, Output, Request, Rotation, Snapshots, What};
use crate::values;
use clap::Args;
use damo_model::{AddrRange, Bytes, Intervals, IntervalsGoal, Nanos, NrRegions, Ops};
use std::ffi::OsString;
use std::path::PathBuf;

/// What was typed. Fields are the options, in the order of `--help`.
#[derive(Args, Clone, Debug, Default)]
pub struct RecordArgs {
    /// Whom to monitor: process ids, `paddr` for physical memory, a program to start, or nothing to attach.
    ///
    /// One or more process ids (`damo record $(pidof app)`); `paddr` for the physical address space; `ongoing`, or
    /// nothing at all, to attach to the kdamonds that run already, without touching them; a JSON text or a file with
    /// {"kdamonds": [...]}; or a program on your PATH with its arguments. To be clear about a program, or if it has
    /// options, put it after `--`.
    #[arg(value_name = "TARGET", help_heading = "What to monitor")]
    pub targets: Vec<String>,

    /// A program to start and monitor, with its arguments. Its exit code is passed on.
    ///
    /// Under sudo it runs with the rights of the user who called sudo, not as root.
    #[arg(last = true, value_name = "COMMAND", help_heading = "What to monitor")]
    pub command: Vec<OsString>,

    /// A process to monitor; may be given several times.
    #[arg(long = "target_pid", alias = "target-pid", value_name = "PID", help_heading = "What to monitor")]
    pub target_pid: Vec<i32>,

    /// Monitor the processes of this control group, also those that join later.
    #[arg(long, value_name = "PATH", help_heading = "What to monitor")]
    pub cgroup: Option<PathBuf>,

    /// Physical memory of these NUMA nodes only.
    #[arg(long = "numa_node", alias = "numa-node", value_name = "NODE", num_args = 1.., help_heading = "What to monitor")]
    pub numa_node: Vec<u32>,

    /// Only these address ranges: "START-END START-END", in bytes or with K, M, G.
    ///
    /// With a process the ranges stay fixed (operations set `fvaddr`) instead of following its mappings.
    #[arg(short = 'r', long, value_name = "RANGES", help_heading = "What to monitor")]
    pub regions: Vec<String>,

    /// Operations set: vaddr, fvaddr or paddr. Usually follows from the target.
    #[arg(long, value_name = "OPS", value_parser = values::ops, help_heading = "What to monitor")]
    pub ops: Option<Ops>,

    /// All parameters as JSON, {"kdamonds": [...]}: a file name or the text itself.
    #[arg(long, value_name = "FILE|JSON", help_heading = "What to monitor")]
    pub kdamonds: Option<String>,

    /// Operation schemes to run meanwhile, as a JSON list: a file name or the text itself.
    #[arg(short = 'c', long, value_name = "FILE|JSON", help_heading = "What to monitor")]
    pub schemes: Option<String>,

    /// Record what schemes applied to (`damos_before_apply` events) instead of every region.
    #[arg(long = "schemes_target_regions", alias = "schemes-target-regions", help_heading = "What to monitor")]
    pub schemes_target_regions: bool,

    /// Leave the children of the targets alone. Otherwise each child becomes a target of its own.
    #[arg(
        long = "exclude_child_tasks",
        visible_alias = "no-children",
        alias = "exclude-child-tasks",
        help_heading = "What to monitor"
    )]
    pub exclude_child_tasks: bool,

    /// Sampling interval; a bare number is microseconds [default: 5 ms].
    #[arg(short = 's', long, value_name = "TIME", value_parser = values::interval, help_heading = "How closely")]
    pub sample: Option<Nanos>,

    /// Aggregation interval: one snapshot each; a bare number is microseconds [default: 100 ms].
    #[arg(short = 'a', long, value_name = "TIME", value_parser = values::interval, help_heading = "How closely")]
    pub aggr: Option<Nanos>,

    /// Update interval, between two looks at the mappings; a bare number is microseconds [default: 1 s].
    #[arg(short = 'u', long, value_name = "TIME", value_parser = values::interval, help_heading = "How closely")]
    pub updr: Option<Nanos>,

    /// Minimum number of regions, at least 3 [default: 10].
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = values::count, help_heading = "How closely")]
    pub minr: Option<u64>,

    /// Maximum number of regions [default: 1000].
    #[arg(short = 'm', long, value_name = "NUMBER", value_parser = values::count, help_heading = "How closely")]
    pub maxr: Option<u64>,

    /// Sampling, aggregation and update interval together.
    #[arg(
        long = "monitoring_intervals",
        alias = "monitoring-intervals",
        value_names = ["SAMPLE", "AGGR", "UPDATE"],
        num_args = 3,
        value_parser = values::interval,
        help_heading = "How closely"
    )]
    pub monitoring_intervals: Vec<Nanos>,

    /// Minimum and maximum number of regions together.
    #[arg(
        long = "monitoring_nr_regions_range",
        alias = "monitoring-nr-regions-range",
        value_names = ["MIN", "MAX"],
        num_args = 2,
        value_parser = values::count,
        help_heading = "How closely"
    )]
    pub monitoring_nr_regions_range: Vec<u64>,

    /// Let the kernel tune the intervals (6.15 and later): aim at this share of access events over so many
    /// aggregations, with the sampling interval within the two bounds.
    #[arg(
        long = "monitoring_intervals_goal",
        alias = "monitoring-intervals-goal",
        value_names = ["ACCESS_BP", "AGGRS", "MIN_SAMPLE", "MAX_SAMPLE"],
        num_args = 4,
        help_heading = "How closely"
    )]
    pub monitoring_intervals_goal: Vec<String>,

    /// Let the kernel tune the intervals with the usual goal: 4 % over 3 aggregations, 5 ms to 10 s.
    #[arg(
        long = "monitoring_intervals_autotune",
        alias = "monitoring-intervals-autotune",
        conflicts_with = "monitoring_intervals_goal",
        help_heading = "How closely"
    )]
    pub monitoring_intervals_autotune: bool,

    /// Write the record to this file; `-` is standard output.
    #[arg(short = 'o', long, value_name = "FILE", default_value = "damon.damo", help_heading = "Where to")]
    pub out: PathBuf,

    /// Overwrite FILE even if it is not a record of ours. Without this, only an earlier record gives way, to FILE.old.
    #[arg(short = 'f', long, visible_alias = "overwrite", help_heading = "Where to")]
    pub force: bool,

    /// Begin a new file when this one has this size: FILE.0001.damo, FILE.0002.damo and so on, each complete.
    #[arg(long = "rotate_size", alias = "rotate-size", value_name = "SIZE", value_parser = values::size, help_heading = "Where to")]
    pub rotate_size: Option<Bytes>,

    /// Begin a new file after this time; a bare number is seconds.
    #[arg(
        long = "rotate_time",
        aliases = ["rotate-time", "output_flush_sec"],
        value_name = "TIME",
        value_parser = values::seconds,
        help_heading = "Where to"
    )]
    pub rotate_time: Option<Nanos>,

    /// With rotation: keep only the newest N files.
    #[arg(long = "rotate_keep", alias = "rotate-keep", value_name = "N", help_heading = "Where to")]
    pub rotate_keep: Option<u32>,

    /// Flight recorder: hold only the last TIME in memory, write it to FILE on SIGUSR1 and at the end; a bare number
    /// is minutes.
    #[arg(long, value_name = "TIME", value_parser = values::minutes, conflicts_with_all = ["rotate_size", "rotate_time"], help_heading = "Where to")]
    pub keep: Option<Nanos>,

    /// Leave the host name out of the record.
    #[arg(long = "no_host_name", alias = "no-host-name", help_heading = "Where to")]
    pub no_host_name: bool,

    /// Stop after this time; a bare number is seconds.
    #[arg(long, value_name = "TIME", value_parser = values::seconds, help_heading = "How long")]
    pub timeout: Option<Nanos>,

    /// Instead of following every aggregation, read COUNT snapshots, one each DELAY (a bare number is seconds).
    ///
    /// For kernels or moments without the tracepoint. COUNT 0 means until stopped.
    #[arg(long, value_names = ["DELAY", "COUNT"], num_args = 2, help_heading = "How long")]
    pub snapshot: Vec<String>,

    /// No DAMON needed: monitor the workloads that these masim configuration files describe, in virtual time.
    ///
    /// One process each. `stairs`, `zigzag` and `pair` come with the program.
    #[arg(long, value_name = "CONFIG", num_args = 1.., help_heading = "Without DAMON")]
    pub simulate: Vec<PathBuf>,

    /// Seed of the simulation: same seed, same record.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "simulate", help_heading = "Without DAMON")]
    pub seed: u64,

    /// Memory for events that wait to be taken [default: 1 MiB]. More if events are lost.
    #[arg(long = "ring_size", alias = "ring-size", value_name = "SIZE", value_parser = values::size, help_heading = "Manner")]
    pub ring_size: Option<Bytes>,

    /// Stop a kdamond that a killed recording left on, without asking.
    #[arg(long = "stop_stale", alias = "stop-stale", help_heading = "Manner")]
    pub stop_stale: bool,

    /// No live line and no summary, only errors.
    #[arg(short = 'q', long, help_heading = "Manner")]
    pub quiet: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,

    /// Accepted for old scripts: the record is always a `.damo` file.
    #[arg(long = "output_type", hide = true)]
    pub output_type: Option<String>,

    /// Accepted for old scripts: the record is always created with mode 0600.
    #[arg(long = "output_permission", hide = true)]
    pub output_permission: Option<String>,

    /// Accepted for old scripts: no tracing program is run.
    #[arg(long = "perf_path", hide = true)]
    pub perf_path: Option<PathBuf>,

    /// Accepted for old scripts: children are followed anyway.
    #[arg(long = "include_child_tasks", hide = true)]
    pub include_child_tasks: bool,
}

/// Options of `damo mark`.
#[derive(Args, Clone, Debug, Default)]
pub struct MarkArgs {
    /// What happened, in a few words. Reports show it on the time axis.
    #[arg(value_name = "TEXT", required = true)]
    pub text: Vec<String>,

    /// Into which recording, by its file name. Needed only if several are being made, or none is made here.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of `damo doctor`.
#[derive(Args, Clone, Debug, Default)]
pub struct DoctorArgs {
    /// As JSON, for scripts.
    #[arg(long)]
    pub json: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Which features to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FeaturesWanted {
    /// All that this version knows of.
    #[default]
    All,
    /// Those that this kernel has, or should have by its release.
    Supported,
    /// Those that it has not.
    Unsupported,
    /// All, as JSON.
    Json,
}

/// Options of `damo features`.
#[derive(Args, Clone, Debug, Default)]
pub struct FeaturesArgs {
    /// Which features to list.
    #[arg(value_enum, default_value_t)]
    pub which: FeaturesWanted,

    /// As JSON, for scripts.
    #[arg(long)]
    pub json: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// What is wrong with a command line, with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

fn usage<T>(text: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(text.into()))
}

impl RecordArgs {
    /// Checks what was typed against itself and gives the recording that it asks for.
    ///
    /// # Errors
    /// A sentence on the contradiction and what to type instead.
    pub fn request(&self) -> Result<Request, UsageError> {
        let snapshots = self.snapshots()?;
        let request = Request {
            what: self.what()?,
            monitoring: self.monitoring()?,
            output: self.output()?,
            limits: Limits { timeout: self.timeout, snapshots },
            schemes: self.schemes.as_deref().map(values::schemes).transpose()?,
            schemes_target_regions: self.schemes_target_regions,
            follow_children: !self.exclude_child_tasks,
            ring_size: self.ring_size,
            stop_stale: self.stop_stale,
            quiet: self.quiet,
            host_name: !self.no_host_name,
            // A value made by `default()` means the machine itself, too.
            root: if self.root.as_os_str().is_empty() { PathBuf::from("/") } else { self.root.clone() },
            notes: self.notes(),
        };
        if matches!(request.what, What::Attach) {
            self.refuse_parameters_when_attaching()?;
        }
        Ok(request)
    }

    fn what(&self) -> Result<What, UsageError> {
        let ranges = values::ranges(&self.regions)?;
        let pids_given = !self.target_pid.is_empty();
        let forms = [
            !self.simulate.is_empty(),
            !self.command.is_empty(),
            self.kdamonds.is_some(),
            self.cgroup.is_some(),
            !self.numa_node.is_empty(),
        ];
        let positional = !self.targets.is_empty();
        if forms.iter().filter(|given| **given).count() + usize::from(positional) > 1
            && !(positional && !self.numa_node.is_empty() && self.targets == ["paddr"])
        {
            return usage(
                "more than one kind of target: give either process ids, `paddr`, --cgroup, --numa_node, --kdamonds, \
                 --simulate, or a command after `--`",
            );
        }
        if !self.simulate.is_empty() {
            return Ok(What::Simulate { configs: self.simulate.clone(), ranges, seed: self.seed });
        }
        if !self.command.is_empty() {
            return Ok(What::Command { words: self.command.clone(), ranges });
        }
        if let Some(text) = &self.kdamonds {
            return Ok(What::Kdamonds(values::file_or_json(text)?));
        }
        if let Some(path) = &self.cgroup {
            return Ok(What::Cgroup(path.clone()));
        }
        if !self.numa_node.is_empty() {
            return Ok(What::Paddr { ranges, nodes: self.numa_node.clone() });
        }
        self.positional(ranges, pids_given)
    }

    fn positional(&self, ranges: Vec<AddrRange>, pids_given: bool) -> Result<What, UsageError> {
        let words: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        let mut pids = self.target_pid.clone();
        match words.as_slice() {
            [] if pids_given => return Ok(What::Pids { pids, ranges }),
            [] if self.ops == Some(Ops::Paddr) || !ranges.is_empty() => {
                return Ok(What::Paddr { ranges, nodes: Vec::new() });
            }
            [] | ["ongoing"] => return Ok(What::Attach),
            ["paddr"] => return Ok(What::Paddr { ranges, nodes: Vec::new() }),
            ["vaddr" | "fvaddr"] => {
                return usage(format!("`{}` needs a process: give its id, `damo record $(pidof app)`", words[0]));
            }
            _ => {}
        }
        // `$(pidof app)` inside quotes arrives as one word.
        let numbers: Option<Vec<i32>> =
            words.iter().flat_map(|word| word.split_whitespace()).map(|word| word.parse().ok()).collect();
        if let Some(numbers) = numbers {
            pids.extend(numbers);
            if let Some(bad) = pids.iter().find(|pid| **pid <= 0) {
                return usage(format!("process id {bad} is not positive: give one as `pidof app` or `ps` prints it"));
            }
            let mut seen = std::collections::HashSet::new();
            pids.retain(|pid| seen.insert(*pid));
            return Ok(What::Pids { pids, ranges });
        }
        if let [word] = words.as_slice()
            && (word.trim_start().starts_with('{') || word.ends_with(".json"))
        {
            return Ok(What::Kdamonds(values::file_or_json(word)?));
        }
        values::command_words(&words).map(|words| What::Command { words, ranges })
    }

    fn monitoring(&self) -> Result<Monitoring, UsageError> {
        let mut intervals = Intervals::default();
        if let [sample, aggregation, update] = self.monitoring_intervals[..] {
            intervals = Intervals { sample, aggregation, update };
        }
        intervals.sample = self.sample.unwrap_or(intervals.sample);
        intervals.aggregation = self.aggr.unwrap_or(intervals.aggregation);
        intervals.update = self.updr.unwrap_or(intervals.update);
        if intervals.aggregation < intervals.sample {
            return usage(format!(
                "the aggregation interval ({}) is shorter than the sampling interval ({}): raise --aggr or lower --sample",
                values::time(intervals.aggregation),
                values::time(intervals.sample)
            ));
        }
        let mut nr_regions = NrRegions::default();
        if let [min, max] = self.monitoring_nr_regions_range[..] {
            nr_regions = NrRegions { min, max };
        }
        nr_regions.min = self.minr.unwrap_or(nr_regions.min);
        nr_regions.max = self.maxr.unwrap_or(nr_regions.max);
        if nr_regions.min < 3 {
            return usage(format!("DAMON needs a minimum of at least 3 regions, not {}: raise --minr", nr_regions.min));
        }
        if nr_regions.max < nr_regions.min {
            return usage(format!(
                "the maximum number of regions ({}) is below the minimum ({}): raise --maxr or lower --minr",
                nr_regions.max, nr_regions.min
            ));
        }
        let given_nr_regions =
            self.minr.is_some() || self.maxr.is_some() || !self.monitoring_nr_regions_range.is_empty();
        Ok(Monitoring { intervals, nr_regions, goal: self.goal()?, ops: self.ops, given_nr_regions })
    }

    fn goal(&self) -> Result<Option<IntervalsGoal>, UsageError> {
        if self.monitoring_intervals_autotune {
            return Ok(Some(IntervalsGoal {
                access_bp: 400,
                aggregations: 3,
                min_sample: Nanos::from_millis(5),
                max_sample: Nanos::from_secs(10),
            }));
        }
        let [access, aggregations, min, max] = self.monitoring_intervals_goal.as_slice() else { return Ok(None) };
        let wrong = |what: &str, text: &str, why: String| {
            UsageError(format!("--monitoring_intervals_goal: {what} `{text}`: {why}"))
        };
        let goal = IntervalsGoal {
            access_bp: values::basis_points(access).map_err(|why| wrong("access share", access, why))?,
            aggregations: values::count(aggregations).map_err(|why| wrong("aggregations", aggregations, why))?,
            min_sample: values::interval(min).map_err(|why| wrong("smallest sampling interval", min, why))?,
            max_sample: values::interval(max).map_err(|why| wrong("largest sampling interval", max, why))?,
        };
        if goal.max_sample < goal.min_sample {
            return usage("--monitoring_intervals_goal: the largest sampling interval is below the smallest");
        }
        Ok(Some(goal))
    }

    fn output(&self) -> Result<Output, UsageError> {
        let to_stdout = self.out.as_os_str() == "-";
        let rotation = Rotation { size: self.rotate_size, time: self.rotate_time, keep: self.rotate_keep };
        if to_stdout && (rotation.is_on() || self.keep.is_some()) {
            return usage("rotation and --keep write several files: give a file name with --out instead of `-`");
        }
        if rotation.keep.is_some() && !rotation.is_on() {
            return usage("--rotate_keep needs --rotate_size or --rotate_time");
        }
        if rotation.keep == Some(0) {
            return usage("--rotate_keep 0 would delete everything: keep at least 1 file");
        }
        if self.keep.is_some_and(|keep| keep.0 <= 0) || rotation.time.is_some_and(|time| time.0 <= 0) {
            return usage("--keep and --rotate_time need a time greater than 0");
        }
        if let Some(size) = rotation.size
            && size.0 < Rotation::SMALLEST.0
        {
            return usage(format!("--rotate_size must be at least {} bytes", Rotation::SMALLEST.0));
        }
        if !to_stdout && (self.out.file_name().is_none() || self.out.as_os_str().is_empty()) {
            return usage(format!("--out `{}` names no file: give a file name such as damon.damo", self.out.display()));
        }
        Ok(Output { path: (!to_stdout).then(|| self.out.clone()), overwrite: self.force, rotation, keep: self.keep })
    }

    fn snapshots(&self) -> Result<Option<Snapshots>, UsageError> {
        let [delay, count] = self.snapshot.as_slice() else { return Ok(None) };
        let delay = values::seconds(delay).map_err(|why| UsageError(format!("--snapshot DELAY `{delay}`: {why}")))?;
        let count = values::count(count).map_err(|why| UsageError(format!("--snapshot COUNT `{count}`: {why}")))?;
        if delay.0 < 0 {
            return usage("--snapshot: DELAY must not be negative");
        }
        Ok(Some(Snapshots { delay, count }))
    }

    fn gave_parameters(&self) -> bool {
        self.sample.is_some()
            || self.aggr.is_some()
            || self.updr.is_some()
            || self.minr.is_some()
            || self.maxr.is_some()
            || !self.monitoring_intervals.is_empty()
            || !self.monitoring_nr_regions_range.is_empty()
            || !self.monitoring_intervals_goal.is_empty()
            || self.monitoring_intervals_autotune
    }

    /// Attaching never changes a running kdamond, so parameters would be ignored: better said than done.
    fn refuse_parameters_when_attaching(&self) -> Result<(), UsageError> {
        if self.gave_parameters() || self.schemes.is_some() || self.ops.is_some() {
            return usage(
                "monitoring parameters without a target: attaching to running kdamonds leaves them as they are. Give a \
                 target (a process id, `paddr` or a command), or leave the parameters out",
            );
        }
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(kind) = &self.output_type {
            notes.push(format!(
                "--output_type {kind}: the record is written as .damo; `damo convert` makes the other forms of it"
            ));
        }
        if let Some(mode) = self.output_permission.as_deref().filter(|mode| *mode != "600") {
            notes
                .push(format!("--output_permission {mode}: the record is created with mode 600; use chmod afterwards"));
        }
        if self.perf_path.is_some() {
            notes.push("--perf_path: no perf is needed or run".to_string());
        }
        notes
    }
}

#[cfg(test)]
mod tests;
