//! The command line of `damo start`, `tune`, `stop` and `status`. Targets and parameters are typed as for `damo record`.

use super::damos::DamosArgs;
use crate::args::{RecordArgs, UsageError};
use crate::request::Request;
use crate::values;
use clap::Args;
use damo_kernel::sysfs::Kdamond;
use damo_model::{Nanos, Ops};
use std::path::PathBuf;

/// Whom to monitor, how closely, and what to do on it.
#[derive(Args, Clone, Debug, Default)]
pub struct MonitorArgs {
    /// Process ids, `paddr` for physical memory, or a JSON text or file with {"kdamonds": [...]}.
    #[arg(value_name = "TARGET", help_heading = "What to monitor")]
    pub targets: Vec<String>,

    /// A process to monitor; may be given several times.
    #[arg(long = "target_pid", value_name = "PID", help_heading = "What to monitor")]
    pub target_pid: Vec<i32>,

    /// Physical memory of these NUMA nodes only.
    #[arg(long = "numa_node", value_name = "NODE", num_args = 1.., help_heading = "What to monitor")]
    pub numa_node: Vec<u32>,

    /// Only these address ranges: "START-END START-END", in bytes or with K, M, G.
    #[arg(short = 'r', long, value_name = "RANGES", help_heading = "What to monitor")]
    pub regions: Vec<String>,

    /// Operations set: vaddr, fvaddr or paddr. Usually follows from the target.
    #[arg(long, value_name = "OPS", value_parser = values::ops, help_heading = "What to monitor")]
    pub ops: Option<Ops>,

    /// All parameters as JSON, {"kdamonds": [...]}: a file name or the text itself.
    #[arg(long, value_name = "FILE|JSON", help_heading = "What to monitor")]
    pub kdamonds: Option<String>,

    /// Sampling interval; a bare number is microseconds [default: 5 ms].
    #[arg(short = 's', long, value_name = "TIME", value_parser = values::interval, help_heading = "How closely")]
    pub sample: Option<Nanos>,

    /// Aggregation interval; a bare number is microseconds [default: 100 ms].
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
        value_names = ["SAMPLE", "AGGR", "UPDATE"],
        num_args = 3,
        value_parser = values::interval,
        help_heading = "How closely"
    )]
    pub monitoring_intervals: Vec<Nanos>,

    /// Minimum and maximum number of regions together.
    #[arg(
        long = "monitoring_nr_regions_range",
        value_names = ["MIN", "MAX"],
        num_args = 2,
        value_parser = values::count,
        help_heading = "How closely"
    )]
    pub monitoring_nr_regions_range: Vec<u64>,

    /// Let the kernel tune the intervals (6.15 and later) towards this share of access events.
    #[arg(
        long = "monitoring_intervals_goal",
        value_names = ["ACCESS_BP", "AGGRS", "MIN_SAMPLE", "MAX_SAMPLE"],
        num_args = 4,
        help_heading = "How closely"
    )]
    pub monitoring_intervals_goal: Vec<String>,

    /// Let the kernel tune the intervals with the usual goal: 4 % over 3 aggregations, 5 ms to 10 s.
    #[arg(
        long = "monitoring_intervals_autotune",
        conflicts_with = "monitoring_intervals_goal",
        help_heading = "How closely"
    )]
    pub monitoring_intervals_autotune: bool,

    /// Operation schemes.
    #[command(flatten)]
    pub damos: DamosArgs,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

impl MonitorArgs {
    /// The same as the command line of a recording, which has the rules of what goes together.
    fn as_record(&self) -> RecordArgs {
        RecordArgs {
            targets: [&self.targets[..], self.damos.targets()].concat(),
            target_pid: self.target_pid.clone(),
            numa_node: self.numa_node.clone(),
            regions: self.regions.clone(),
            ops: self.ops,
            kdamonds: self.kdamonds.clone(),
            sample: self.sample,
            aggr: self.aggr,
            updr: self.updr,
            minr: self.minr,
            maxr: self.maxr,
            monitoring_intervals: self.monitoring_intervals.clone(),
            monitoring_nr_regions_range: self.monitoring_nr_regions_range.clone(),
            monitoring_intervals_goal: self.monitoring_intervals_goal.clone(),
            monitoring_intervals_autotune: self.monitoring_intervals_autotune,
            // No record is made.
            out: PathBuf::from("-"),
            exclude_child_tasks: true,
            root: self.root.clone(),
            ..RecordArgs::default()
        }
    }

    /// Whether someone to monitor is named.
    pub(crate) fn names_targets(&self) -> bool {
        !self.targets.is_empty()
            || !self.damos.targets().is_empty()
            || !self.target_pid.is_empty()
            || !self.numa_node.is_empty()
            || !self.regions.is_empty()
            || self.kdamonds.is_some()
            || self.ops.is_some()
    }

    /// What is asked for; without a target, physical memory.
    ///
    /// # Errors
    /// A sentence on the contradiction.
    pub(crate) fn request(&self) -> Result<Request, UsageError> {
        let mut record = self.as_record();
        if !self.names_targets() {
            record.targets = vec!["paddr".to_owned()];
        }
        record.request()
    }

    /// Changes what was named in the parameters of each context, and leaves the rest.
    ///
    /// # Errors
    /// A sentence on what cannot be.
    pub(crate) fn change(&self, kdamonds: &mut [Kdamond]) -> Result<(), UsageError> {
        let goal = RecordArgs {
            targets: vec!["paddr".to_owned()],
            monitoring_intervals_goal: self.monitoring_intervals_goal.clone(),
            monitoring_intervals_autotune: self.monitoring_intervals_autotune,
            out: PathBuf::from("-"),
            ..RecordArgs::default()
        }
        .request()?
        .monitoring
        .goal;
        for context in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts) {
            if let [sample, aggregation, update] = self.monitoring_intervals[..] {
                context.intervals = damo_model::Intervals { sample, aggregation, update };
            }
            let intervals = &mut context.intervals;
            intervals.sample = self.sample.unwrap_or(intervals.sample);
            intervals.aggregation = self.aggr.unwrap_or(intervals.aggregation);
            intervals.update = self.updr.unwrap_or(intervals.update);
            if let [min, max] = self.monitoring_nr_regions_range[..] {
                context.nr_regions = damo_model::NrRegions { min, max };
            }
            context.nr_regions.min = self.minr.unwrap_or(context.nr_regions.min);
            context.nr_regions.max = self.maxr.unwrap_or(context.nr_regions.max);
            context.intervals_goal = goal.or(context.intervals_goal);
        }
        if let Some(schemes) = self.damos.schemes()? {
            crate::json::apply_schemes(&schemes, kdamonds);
        }
        Ok(())
    }
}

/// Options of `damo start`.
#[derive(Args, Clone, Debug, Default)]
pub struct StartArgs {
    /// Whom, how, what.
    #[command(flatten)]
    pub monitor: MonitorArgs,

    /// Write nothing to the kernel: print each write that would be made, in order.
    #[arg(long = "dry_run")]
    pub dry_run: bool,

    /// Write nothing to the kernel: print the parameters as JSON, to be given back by --kdamonds.
    #[arg(long, conflicts_with = "dry_run")]
    pub json: bool,
}

/// Options of `damo tune`.
#[derive(Args, Clone, Debug, Default)]
pub struct TuneArgs {
    /// What to change; the rest stays as it is.
    #[command(flatten)]
    pub monitor: MonitorArgs,

    /// Replace all parameters: what is not named gets its default.
    #[arg(long)]
    pub replace: bool,

    /// Also change kdamonds that were not started by `damo start`.
    #[arg(long)]
    pub adopt: bool,
}

/// Options of `damo stop`.
#[derive(Args, Clone, Debug, Default)]
pub struct StopArgs {
    /// Also stop kdamonds that were not started by `damo start`.
    #[arg(long)]
    pub adopt: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of `damo status`.
#[derive(Args, Clone, Debug, Default)]
pub struct StatusArgs {
    /// Also the regions that schemes were last tried on.
    #[arg(long = "tried_regions")]
    pub tried_regions: bool,

    /// As JSON, for scripts.
    #[arg(long)]
    pub json: bool,

    /// Show it again and again, with this time in between; a bare number is seconds [default: 1 s].
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1 s", value_parser = values::seconds)]
    pub watch: Option<Nanos>,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}
