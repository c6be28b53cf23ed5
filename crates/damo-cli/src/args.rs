//! The command line of a recording, one definition for `damo record` and for the `damo-record` binary; and of the commands
//! around it.
//!
//! The spellings are the Python tool's, old ones and present ones, so that scripts and habits keep working; the
//! values take human units. [`RecordArgs::request`] turns what was typed into a [`Request`], which is what the
//! sessions work with: every contradiction is found here, before anything is opened or started.

mod counts;
mod damos;
mod help;
pub mod module;
mod monitor;
mod probes;
mod setup;
mod spelling;
pub mod steer;

pub use damos::DamosArgs;
pub use help::{named, offered, with_short_help};
pub use monitor::MonitorArgs;
pub use setup::SetupArgs;
pub use spelling::{matches, with_underscores};

use crate::error::{UsageError, usage};
use crate::values;
use clap::Args;
use clap::builder::TypedValueParser;
use damo_model::human::{Show, parse_bytes};
use damo_model::kdamond::parse_count;
use damo_model::{Bytes, Nanos};
use damo_record::request::{
    Limits, MetricsFile, Output, Request, RequestSource, Rotation, Simulation, Snapshots, SourceChoice,
};
use damo_steer::plan::TargetSpec;
use std::ffi::OsString;
use std::path::PathBuf;

/// Makes clap take a type that knows its options itself: those that `options` adds to a command, of which `read` makes one.
/// For options whose order counts, or of which each occurrence is a group of words: clap's derive would lose that.
#[macro_export]
macro_rules! own_args {
    ($type:ty) => {
        impl clap::Args for $type {
            fn augment_args(command: clap::Command) -> clap::Command {
                <$type>::options(command)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                <$type>::options(command)
            }
        }

        impl clap::FromArgMatches for $type {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                <$type>::read(matches)
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                *self = <$type>::read(matches)?;
                Ok(())
            }
        }
    };
}

/// What was typed. Fields are the options, in the order of `--help`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:\n  \
    damo record $(pidof app)                  until the program ends, or Ctrl-C\n  \
    damo record -o app.damo -- ./app --flag   a program that is started for it\n  \
    damo record paddr --timeout 1m            physical memory, for a minute\n  \
    damo record --cgroup /web.slice           the processes of a control group\n  \
    damo record --comm '^java$' --top 5       the five largest of this name, as they come and go\n  \
    damo record -s 5ms -a 100ms -m 500 1234   with other monitoring parameters\n  \
    damo record --keep 10m $(pidof app)       the last 10 minutes, written on SIGUSR1 and at the end\n  \
    damo record --simulate stairs             without DAMON and root\n\n\
    Sizes are in bytes, or with K, M, G, T (powers of 1024). Times take ns, us, ms, s, m, h.")]
pub struct RecordArgs {
    /// Targets, monitoring parameters and schemes.
    #[command(flatten)]
    pub setup: SetupArgs,

    /// A program to start and monitor, with its arguments. Its exit code is passed on.
    ///
    /// It is waited for even if the recording ends before it: when the time is over, or when the disk is full. A
    /// recording that failed is told after its end, with exit code 2. A recording that cannot begin stops it. Under sudo
    /// it runs with the rights of the user who called sudo, not as root.
    #[arg(last = true, value_name = "COMMAND", help_heading = "Targets")]
    pub command: Vec<OsString>,

    /// Record only the regions that schemes are applied to (`damos_before_apply` events) instead of every region.
    #[arg(long = "schemes_target_regions", help_heading = "Schemes")]
    pub schemes_target_regions: bool,

    /// Do not monitor the children of the targets. Without this, each child becomes a target of its own.
    #[arg(long = "exclude_child_tasks", visible_alias = "no-children", help_heading = "Targets")]
    pub exclude_child_tasks: bool,

    /// Write the record to this file; `-` is standard output.
    #[arg(short = 'o', long, value_name = "FILE", default_value = "damon.damo", help_heading = "Output")]
    pub out: PathBuf,

    /// Overwrite FILE even if it is not a record. Without this, only an earlier record is replaced, and kept as FILE.old.
    #[arg(short = 'f', long, visible_alias = "overwrite", help_heading = "Output")]
    pub force: bool,

    /// Begin a new file when this one has this size (bytes, or with K, M, G): FILE.0001.damo, FILE.0002.damo and so on.
    #[arg(long = "rotate_size", value_name = "SIZE", value_parser = parse_bytes, help_heading = "Output")]
    pub rotate_size: Option<Bytes>,

    /// Begin a new file after this time, such as 10min or 1h. A bare number is seconds, as for the Python tool's
    /// --output_flush_sec.
    #[arg(
        long = "rotate_time",
        alias = "output_flush_sec",
        value_name = "TIME",
        value_parser = values::seconds,
        help_heading = "Output"
    )]
    pub rotate_time: Option<Nanos>,

    /// With rotation: keep only the newest N files, those of earlier recordings to FILE included.
    #[arg(long = "rotate_keep", value_name = "N", help_heading = "Output")]
    pub rotate_keep: Option<u32>,

    /// Flight recorder: hold only the last TIME (such as 5min) in memory, write it to FILE on SIGUSR1 and at the end.
    #[arg(long, value_name = "TIME", value_parser = values::minutes, conflicts_with_all = ["rotate_size", "rotate_time"], help_heading = "Output")]
    pub keep: Option<Nanos>,

    /// Keep the figures of the last interval in this file, for Prometheus' node_exporter (its name ends in .prom).
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub metrics: Option<PathBuf>,

    /// How often the metrics are written.
    #[arg(
        long = "metrics_interval",
        value_name = "TIME",
        value_parser = values::seconds,
        default_value = "15s",
        requires = "metrics",
        hide_short_help = true,
        help_heading = "Output"
    )]
    pub metrics_interval: Nanos,

    /// Do not store the host name in the record.
    #[arg(long = "no_host_name", help_heading = "Output")]
    pub no_host_name: bool,

    /// Stop after this time; a bare number is seconds.
    #[arg(long, value_name = "TIME", value_parser = values::seconds, help_heading = "Stopping")]
    pub timeout: Option<Nanos>,

    /// Instead of following every aggregation, read COUNT snapshots, one each DELAY (a bare number is seconds).
    ///
    /// For kernels or moments without the tracepoint. COUNT 0 means until stopped. Children that begin meanwhile are not
    /// followed.
    #[arg(long, value_names = ["DELAY", "COUNT"], num_args = 2, help_heading = "Stopping")]
    pub snapshot: Vec<String>,

    /// What snapshots are made from: `damon`, or `referenced` pages, which needs neither DAMON nor root for one's own
    /// processes [default: damon, and where that cannot be had, referenced].
    ///
    /// With `referenced`, /proc tells how much of each mapping was accessed: exact in bytes, but where in a mapping is not
    /// known. Intervals are 100 ms and 1 s then, and longer for large processes, so that it takes about 1 % of a CPU.
    #[arg(long, value_enum, value_name = "SOURCE", help_heading = "Targets")]
    pub(crate) source: Option<SourceName>,

    /// Simulate the workloads that these masim configuration files describe, instead of using the kernel's DAMON.
    ///
    /// Each file is one process. Time is simulated as well, so that a minute takes less than a second. `stairs`, `zigzag`
    /// and `pair` are built in.
    #[arg(long, value_name = "CONFIG", num_args = 1.., value_parser = offered(["stairs", "zigzag", "pair"]).map(PathBuf::from), help_heading = "Simulation")]
    pub simulate: Vec<PathBuf>,

    /// Seed of the simulation: same seed, same record.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "simulate", help_heading = "Simulation")]
    pub seed: u64,

    /// Spread the memory of the simulated workloads over so many NUMA nodes, and record on which of them it is.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=64), requires = "simulate", help_heading = "Simulation")]
    pub nodes: Option<u8>,

    /// Size of the buffer for a kdamond's events [default: 1 MiB]. Increase it if events are lost.
    ///
    /// Until its thread is known, and as long as it is not (kernel modules that do not tell it, containers), all CPUs share
    /// this memory, each with 128 KiB to 1 MiB of it at least.
    #[arg(long = "ring_size", value_name = "SIZE", value_parser = parse_bytes, help_heading = "Other options")]
    pub ring_size: Option<Bytes>,

    /// Sample the CPU time of the targets as well, HZ times per second of it [default: 99], with call stacks: which code makes
    /// memory hot.
    ///
    /// Threads and children are sampled too, all processes where physical memory is monitored. Hardware counters (cycles) are
    /// used where there are, else the clock. As root or for one's own processes, as kernel.perf_event_paranoid allows. Stacks
    /// are whole in programs that are built with frame pointers.
    #[arg(long, value_name = "HZ", num_args = 0..=1, require_equals = true, default_missing_value = "99", value_parser = values::frequency, help_heading = "Other options")]
    pub profile: Option<u32>,

    /// Stop a kdamond that a killed recording left on, without asking.
    #[arg(long = "stop_stale", help_heading = "Other options")]
    pub stop_stale: bool,

    /// Switch kernel modules that use DAMON (DAMON_STAT and others) off for the recording without asking, and on again
    /// afterwards.
    #[arg(long = "pause_modules", help_heading = "Other options")]
    pub pause_modules: bool,

    /// Print no progress and no summary, only warnings and errors.
    #[arg(short = 'q', long, help_heading = "Other options")]
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
    /// What happened, in a few words. Reports show this text on the time axis.
    #[arg(value_name = "TEXT", required = true)]
    pub text: Vec<String>,

    /// The recording to mark, by its file name. Needed only if several recordings are running, or none in this directory.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of `damo doctor`.
#[derive(Args, Clone, Debug, Default)]
pub struct DoctorArgs {
    /// Print JSON, for scripts.
    #[arg(long)]
    pub json: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Which features to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FeaturesWanted {
    /// All features that this version knows.
    #[default]
    All,
    /// Features that this kernel has, or should have by its release.
    Supported,
    /// Features that this kernel does not have.
    Unsupported,
    /// All, as JSON.
    Json,
}

/// Options of `damo features`.
#[derive(Args, Clone, Debug, Default)]
pub struct FeaturesArgs {
    /// Which features to list.
    #[arg(value_enum, default_value_t)]
    pub(crate) which: FeaturesWanted,

    /// As JSON, for scripts.
    #[arg(long)]
    pub json: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// A source of snapshots on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SourceName {
    /// DAMON, and nothing else
    Damon,
    /// How much of each mapping was referenced
    Referenced,
    /// The embedded monitor, with --simulate
    Simulate,
}

impl From<SourceName> for SourceChoice {
    fn from(name: SourceName) -> Self {
        match name {
            SourceName::Damon => SourceChoice::Damon,
            SourceName::Referenced => SourceChoice::Referenced,
            SourceName::Simulate => SourceChoice::Auto,
        }
    }
}

impl RecordArgs {
    /// Checks what was typed against itself and gives the recording that it asks for.
    ///
    /// # Errors
    /// A sentence on the contradiction and what to type instead.
    pub fn request(&self) -> Result<Request, UsageError> {
        let snapshots = self.snapshots()?;
        self.setup.refuse_marks()?;
        let request = Request {
            what: self.what()?,
            source: self.source.map_or(SourceChoice::Auto, SourceChoice::from),
            monitoring: self.setup.monitoring()?,
            output: self.output()?,
            limits: Limits { timeout: self.timeout, snapshots },
            schemes: self.setup.schemes()?,
            schemes_target_regions: self.schemes_target_regions,
            follow_children: !self.exclude_child_tasks,
            ring_size: self.ring_size,
            profile: self.profile,
            stop_stale: self.stop_stale,
            pause_modules: self.pause_modules,
            quiet: self.quiet,
            host_name: !self.no_host_name,
            // A value made by `default()` means the machine itself, too.
            root: if self.root.as_os_str().is_empty() { PathBuf::from("/") } else { self.root.clone() },
            notes: self.notes(),
        };
        match (&request.what, self.source) {
            (RequestSource::Simulate(_), Some(SourceName::Damon | SourceName::Referenced)) => {
                return usage("--simulate and --source name two sources: leave one of them out");
            }
            (RequestSource::Simulate(_), _) => {}
            (_, Some(SourceName::Simulate)) => {
                return usage("--source simulate needs a workload: --simulate stairs, or a masim configuration");
            }
            _ => {}
        }
        if matches!(request.what, RequestSource::Simulate(_)) && request.limits.snapshots.is_some() {
            return usage("--snapshot reads DAMON's files, and a simulation has none: leave it out, and see --timeout");
        }
        if matches!(request.what, RequestSource::Simulate(_)) && request.profile.is_some() {
            return usage("--profile samples the CPU time of processes, and a simulation has none: leave it out");
        }
        if matches!(request.what, RequestSource::Attach) {
            self.refuse_parameters_when_attaching()?;
        }
        Ok(request)
    }

    fn what(&self) -> Result<RequestSource, UsageError> {
        let others = usize::from(!self.simulate.is_empty()) + usize::from(!self.command.is_empty());
        if others + self.setup.kinds() > 1 {
            return usage(
                "more than one kind of target: give either process ids, `paddr`, --cgroup, --comm and the like, --numa_node, --kdamonds, \
                 --simulate, or a command after `--`",
            );
        }
        let ranges = values::ranges(&self.setup.monitor.regions)?;
        if !self.simulate.is_empty() {
            return Ok(Simulation { configs: self.simulate.clone(), ranges, seed: self.seed, nodes: self.nodes }.into());
        }
        if !self.command.is_empty() {
            return Ok(TargetSpec::Command { words: self.command.clone(), ranges }.into());
        }
        Ok(self.setup.targets()?.map_or(RequestSource::Attach, RequestSource::Targets))
    }

    fn output(&self) -> Result<Output, UsageError> {
        let to_stdout = ["-", "/dev/stdout"].iter().any(|name| self.out.as_os_str() == *name);
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
            return usage(format!("--out `{}` names no file: give a file name such as damon.damo", self.out.shown()));
        }
        let path = (!to_stdout).then(|| self.out.clone());
        let metrics = self.metrics()?;
        let inputs = self.inputs();
        Ok(Output { path, overwrite: self.force, inputs, rotation, keep: self.keep, metrics })
    }

    fn metrics(&self) -> Result<Option<MetricsFile>, UsageError> {
        let Some(path) = &self.metrics else { return Ok(None) };
        if path.extension().is_none_or(|ending| ending != "prom") {
            return usage(format!(
                "--metrics {}: the name must end in .prom, because node_exporter reads no other files",
                path.shown()
            ));
        }
        if self.metrics_interval.0 <= 0 {
            return usage("--metrics_interval needs a time greater than 0");
        }
        Ok(Some(MetricsFile { path: path.clone(), interval: self.metrics_interval }))
    }

    /// Files that are read.
    fn inputs(&self) -> Vec<PathBuf> {
        let kdamonds = self.setup.monitor.kdamonds.iter().map(PathBuf::from);
        self.simulate.iter().cloned().chain(self.setup.damos.files()).chain(kdamonds).collect()
    }

    fn snapshots(&self) -> Result<Option<Snapshots>, UsageError> {
        let [delay, count] = self.snapshot.as_slice() else { return Ok(None) };
        let delay = values::seconds(delay).map_err(|why| UsageError(format!("--snapshot DELAY `{delay}`: {why}")))?;
        let count = parse_count(count).map_err(|why| UsageError(format!("--snapshot COUNT `{count}`: {why}")))?;
        if delay.0 < 0 {
            return usage("--snapshot: DELAY must not be negative");
        }
        Ok(Some(Snapshots { delay, count }))
    }

    /// Attaching never changes a running kdamond, so parameters would be ignored: better said than done.
    fn refuse_parameters_when_attaching(&self) -> Result<(), UsageError> {
        if self.setup.gave_parameters() || self.setup.monitor.ops.is_some() {
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
