//! Targets and monitoring parameters: one definition for everything that sets DAMON up, so that recordings and schemes are
//! typed alike.

use super::probes::ProbeArgs;
use crate::error::{UsageError, usage};
use crate::values;
use clap::Args;
use damo_model::human::parse_bytes;
use damo_model::kdamond::{Kdamond, parse_basis_points, parse_count};
use damo_model::{AddrRange, Bytes, Intervals, IntervalsGoal, Nanos, NrRegions, Ops};
use damo_steer::plan::{Monitoring, TargetSpec};
use damo_steer::process_filter::{Pattern, ProcessFilter};
use std::path::PathBuf;

/// Targets and monitoring parameters.
#[derive(Args, Clone, Debug, Default)]
pub struct MonitorArgs {
    /// What to monitor: process ids, or `paddr` for physical memory; for `record` and `schemes` also a program to start.
    ///
    /// One or more process ids (`$(pidof app)`); `paddr` for the physical address space; a JSON text, or a .json or
    /// .yaml file, with {"kdamonds": [...]}; or a program on your PATH with its arguments. To be clear about a program, or if it has
    /// options, put it after `--`. With nothing at all, or `ongoing`, `record` attaches to the kdamonds that run already,
    /// without touching them; `start` and `schemes` take physical memory.
    #[arg(value_name = "TARGET", help_heading = "Targets")]
    pub targets: Vec<String>,

    /// A process to monitor; may be given several times.
    #[arg(long = "target_pid", value_name = "PID", help_heading = "Targets")]
    pub target_pid: Vec<i32>,

    /// Monitor the processes of this control group, also those that join later.
    #[arg(long, value_name = "PATH", help_heading = "Targets")]
    pub cgroup: Option<PathBuf>,

    /// Monitor the processes whose name (as `ps -e` shows it) this regular expression finds, also those that begin later.
    #[arg(long, value_name = "REGEX", value_parser = str::parse::<Pattern>, help_heading = "Targets")]
    pub comm: Option<Pattern>,

    /// Monitor the processes whose program's path this regular expression finds, also those that begin later.
    #[arg(long, value_name = "REGEX", value_parser = str::parse::<Pattern>, help_heading = "Targets")]
    pub exe: Option<Pattern>,

    /// Monitor the processes that have at least so much resident memory, also those that grow so large later.
    #[arg(long = "min_rss", value_name = "SIZE", value_parser = parse_bytes, help_heading = "Targets")]
    pub min_rss: Option<Bytes>,

    /// Monitor only so many of them (or of all processes): those with the most resident memory. When one ends, the next one
    /// takes its place.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Targets")]
    pub top: Option<u16>,

    /// Physical memory of these NUMA nodes only.
    #[arg(long = "numa_node", value_name = "NODE", num_args = 1.., help_heading = "Targets")]
    pub numa_node: Vec<u32>,

    /// Only these address ranges: "START-END START-END", in bytes or with K, M, G.
    ///
    /// With a process the ranges stay fixed (operations set `fvaddr`) instead of following its mappings.
    #[arg(short = 'r', long, value_name = "RANGES", help_heading = "Targets")]
    pub regions: Vec<String>,

    /// Operations set [default: chosen by the target].
    #[arg(long, value_name = "OPS", value_parser = super::named(Ops::WORDS, str::parse::<Ops>), help_heading = "Targets")]
    pub ops: Option<Ops>,

    /// All parameters, {"kdamonds": [...]}: a JSON or YAML file, or the JSON text itself.
    #[arg(long, value_name = "FILE|JSON", help_heading = "Targets")]
    pub kdamonds: Option<String>,

    /// Sampling interval; a bare number is microseconds [default: 5 ms].
    #[arg(short = 's', long, value_name = "TIME", value_parser = values::interval, help_heading = "Monitoring parameters")]
    pub sample: Option<Nanos>,

    /// Aggregation interval: one snapshot each; a bare number is microseconds [default: 100 ms].
    #[arg(short = 'a', long, value_name = "TIME", value_parser = values::interval, help_heading = "Monitoring parameters")]
    pub aggr: Option<Nanos>,

    /// Update interval: how often the mappings are read again; a bare number is microseconds [default: 1 s].
    #[arg(short = 'u', long, value_name = "TIME", value_parser = values::interval, help_heading = "Monitoring parameters")]
    pub updr: Option<Nanos>,

    /// Minimum number of regions, at least 3 [default: 10].
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = parse_count, help_heading = "Monitoring parameters")]
    pub minr: Option<u64>,

    /// Maximum number of regions [default: 1000].
    #[arg(short = 'm', long, value_name = "NUMBER", value_parser = parse_count, help_heading = "Monitoring parameters")]
    pub maxr: Option<u64>,

    /// Sampling, aggregation and update interval together; bare numbers are microseconds.
    #[arg(
        long = "monitoring_intervals",
        value_names = ["SAMPLE", "AGGR", "UPDATE"],
        num_args = 3,
        value_parser = values::interval,
        help_heading = "Monitoring parameters"
    )]
    pub monitoring_intervals: Vec<Nanos>,

    /// Minimum and maximum number of regions together.
    #[arg(
        long = "monitoring_nr_regions_range",
        value_names = ["MIN", "MAX"],
        num_args = 2,
        value_parser = parse_count,
        help_heading = "Monitoring parameters"
    )]
    pub monitoring_nr_regions_range: Vec<u64>,

    /// Bytes per address unit (6.18 and later), for 32-bit machines with more physical memory than that; ranges that are typed
    /// are in this unit then.
    #[arg(long = "damon_addr_unit", value_name = "BYTES", value_parser = parse_bytes, help_heading = "Monitoring parameters")]
    pub damon_addr_unit: Option<Bytes>,

    /// How often the kernel refreshes the figures in its files by itself (6.17 and later); a bare number is milliseconds, 0 is
    /// never.
    #[arg(long = "refresh_stat", value_name = "TIME", value_parser = values::milliseconds, help_heading = "Monitoring parameters")]
    pub refresh_stat: Option<Nanos>,

    /// Pause these contexts, by their numbers from 0, and let all others go on; without a number all go on (7.2 and later).
    #[arg(long = "pause_ctx", value_name = "CONTEXT", num_args = 0.., help_heading = "Monitoring parameters")]
    pub pause_ctx: Option<Vec<usize>>,

    /// Remove these targets, by their numbers from 0; the others keep their regions (6.19 and later).
    #[arg(long = "obsolete_targets", value_name = "TARGET", num_args = 1.., help_heading = "Targets")]
    pub obsolete_targets: Vec<usize>,

    /// What kind of memory samples are counted of, beside accesses.
    #[command(flatten)]
    pub(crate) probes: ProbeArgs,

    /// Let the kernel tune the intervals (6.15 and later): aim at this share of access events over so many
    /// aggregations, with the sampling interval within the two bounds; bare times are microseconds.
    #[arg(
        long = "monitoring_intervals_goal",
        value_names = ["ACCESS_BP", "AGGRS", "MIN_SAMPLE", "MAX_SAMPLE"],
        num_args = 4,
        help_heading = "Monitoring parameters"
    )]
    pub monitoring_intervals_goal: Vec<String>,

    /// Let the kernel tune the intervals with the usual goal: 4 % over 3 aggregations, 5 ms to 10 s.
    #[arg(
        long = "monitoring_intervals_autotune",
        conflicts_with = "monitoring_intervals_goal",
        help_heading = "Monitoring parameters"
    )]
    pub monitoring_intervals_autotune: bool,
}

impl MonitorArgs {
    /// How many kinds of targets are named.
    pub(crate) fn kinds(&self) -> usize {
        // `paddr` with nodes is one.
        let positional = !self.targets.is_empty() && (self.numa_node.is_empty() || self.targets != ["paddr"]);
        let kinds = [
            positional,
            self.kdamonds.is_some(),
            self.cgroup.is_some(),
            self.filter().is_given(),
            !self.numa_node.is_empty(),
        ];
        kinds.into_iter().filter(|given| *given).count()
    }

    /// Which processes are chosen by what they are.
    fn filter(&self) -> ProcessFilter {
        ProcessFilter {
            comm: self.comm.clone(),
            exe: self.exe.clone(),
            min_rss: self.min_rss,
            top: self.top.map(usize::from),
        }
    }

    /// Whether a target is named.
    pub(crate) fn names_targets(&self) -> bool {
        self.kinds() > 0 || !self.target_pid.is_empty() || !self.regions.is_empty() || self.ops.is_some()
    }

    /// What to monitor; `None` without any target.
    ///
    /// # Errors
    /// A sentence on the contradiction.
    pub(crate) fn targets(&self) -> Result<Option<TargetSpec>, UsageError> {
        if self.kinds() > 1 {
            return usage(
                "more than one kind of target: give either process ids, `paddr`, --cgroup, --comm and the like, --numa_node or \
                 --kdamonds",
            );
        }
        let ranges = values::ranges(&self.regions)?;
        if let Some(text) = &self.kdamonds {
            return Ok(Some(TargetSpec::Kdamonds(values::kdamonds(text)?)));
        }
        if let Some(path) = &self.cgroup {
            return Ok(Some(TargetSpec::Cgroup(path.clone())));
        }
        let filter = self.filter();
        if filter.is_given() {
            return Ok(Some(TargetSpec::Matching(filter)));
        }
        if !self.numa_node.is_empty() {
            return Ok(Some(TargetSpec::Paddr { ranges, nodes: self.numa_node.clone() }));
        }
        self.positional(ranges)
    }

    fn positional(&self, ranges: Vec<AddrRange>) -> Result<Option<TargetSpec>, UsageError> {
        let words: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        let mut pids = self.target_pid.clone();
        match words.as_slice() {
            [] if !pids.is_empty() => return Ok(Some(TargetSpec::Pids { pids, ranges })),
            [] if self.ops == Some(Ops::Paddr) || !ranges.is_empty() => {
                return Ok(Some(TargetSpec::Paddr { ranges, nodes: Vec::new() }));
            }
            [] | ["ongoing"] => return Ok(None),
            ["paddr"] => return Ok(Some(TargetSpec::Paddr { ranges, nodes: Vec::new() })),
            ["vaddr" | "fvaddr"] => {
                return usage(format!("`{}` needs a process: give its id, `$(pidof app)`", words[0]));
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
            return Ok(Some(TargetSpec::Pids { pids, ranges }));
        }
        if let [word] = words.as_slice()
            && (word.trim_start().starts_with('{') || word.ends_with(".json") || values::is_yaml_name(word))
        {
            return Ok(Some(TargetSpec::Kdamonds(values::kdamonds(word)?)));
        }
        values::command_words(&words).map(|words| Some(TargetSpec::Command { words, ranges }))
    }

    /// The monitoring parameters.
    ///
    /// # Errors
    /// A sentence on what cannot be.
    pub(crate) fn monitoring(&self) -> Result<Monitoring, UsageError> {
        let (mut intervals, mut nr_regions) = (Intervals::default(), NrRegions::default());
        self.set(&mut intervals, &mut nr_regions);
        intervals.check()?;
        nr_regions.check()?;
        let given_nr_regions =
            self.minr.is_some() || self.maxr.is_some() || !self.monitoring_nr_regions_range.is_empty();
        Ok(Monitoring {
            intervals,
            nr_regions,
            goal: self.goal()?,
            ops: self.ops,
            given_nr_regions,
            addr_unit: self.damon_addr_unit.map(|unit| unit.0),
            refresh: self.refresh_stat,
            probes: self.probes.probes()?.unwrap_or_default(),
        })
    }

    /// Changes what was named in the parameters of each context, and leaves the rest.
    ///
    /// # Errors
    /// A sentence on what cannot be.
    pub(crate) fn change(&self, kdamonds: &mut [Kdamond]) -> Result<(), UsageError> {
        let (goal, probes) = (self.goal()?, self.probes.probes()?);
        for kdamond in &mut *kdamonds {
            kdamond.refresh = self.refresh_stat.or(kdamond.refresh);
        }
        for context in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts) {
            context.addr_unit = self.damon_addr_unit.map(|unit| unit.0).or(context.addr_unit);
            context.probes = probes.clone().unwrap_or_else(|| std::mem::take(&mut context.probes));
            self.set(&mut context.intervals, &mut context.nr_regions);
            context.intervals_goal = goal.or(context.intervals_goal);
        }
        Ok(())
    }

    /// Sets what was named.
    fn set(&self, intervals: &mut Intervals, nr_regions: &mut NrRegions) {
        if let [sample, aggregation, update] = self.monitoring_intervals[..] {
            *intervals = Intervals { sample, aggregation, update };
        }
        intervals.sample = self.sample.unwrap_or(intervals.sample);
        intervals.aggregation = self.aggr.unwrap_or(intervals.aggregation);
        intervals.update = self.updr.unwrap_or(intervals.update);
        if let [min, max] = self.monitoring_nr_regions_range[..] {
            *nr_regions = NrRegions { min, max };
        }
        nr_regions.min = self.minr.unwrap_or(nr_regions.min);
        nr_regions.max = self.maxr.unwrap_or(nr_regions.max);
    }

    /// What the intervals shall be tuned to, if at all.
    ///
    /// # Errors
    /// A sentence on the word that is wrong.
    pub(crate) fn goal(&self) -> Result<Option<IntervalsGoal>, UsageError> {
        if self.monitoring_intervals_autotune {
            return Ok(Some(IntervalsGoal {
                access_bp: 400,
                aggregations: 3,
                min_sample: Nanos::from_millis(5),
                max_sample: Nanos::from_secs(10),
            }));
        }
        let [access, aggregations, min, max] = self.monitoring_intervals_goal.as_slice() else { return Ok(None) };
        fn wrong(what: &str, text: &str, why: impl std::fmt::Display) -> UsageError {
            UsageError(format!("--monitoring_intervals_goal: {what} `{text}`: {why}"))
        }
        let goal = IntervalsGoal {
            access_bp: parse_basis_points(access).map_err(|why| wrong("access share", access, why))?,
            aggregations: parse_count(aggregations).map_err(|why| wrong("aggregations", aggregations, why))?,
            min_sample: values::interval(min).map_err(|why| wrong("smallest sampling interval", min, why))?,
            max_sample: values::interval(max).map_err(|why| wrong("largest sampling interval", max, why))?,
        };
        goal.check()?;
        Ok(Some(goal))
    }

    /// Whether any monitoring parameter is named.
    pub(crate) fn gave_parameters(&self) -> bool {
        self.sample.is_some()
            || self.aggr.is_some()
            || self.updr.is_some()
            || self.minr.is_some()
            || self.maxr.is_some()
            || !self.monitoring_intervals.is_empty()
            || !self.monitoring_nr_regions_range.is_empty()
            || !self.monitoring_intervals_goal.is_empty()
            || self.monitoring_intervals_autotune
            || self.damon_addr_unit.is_some()
            || self.refresh_stat.is_some()
            || self.probes.is_given()
    }
}
