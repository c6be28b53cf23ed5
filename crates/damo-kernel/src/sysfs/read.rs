//! The tree's files to typed parameters. Files that this kernel lacks make their field absent; a file that holds
//! something else than it should is an error that names it.

use super::{Dir, SchemeStatus, TriedRegion};
use crate::error::{Error, Result, excerpt};
use damo_model::kdamond::{Context, ContextTarget, Kdamond, Probe};
use damo_model::scheme::{
    Action, Dest, FilterKind, Goal, GoalTuner, Metric, MinMax, Quotas, ResolvedPattern, Scheme, SchemeFilter,
    WatermarkMetric, Watermarks, Weights,
};
use damo_model::{
    Addr, AddrRange, Age, Bytes, Intervals, IntervalsGoal, Nanos, NrAccesses, NrRegions, Ops, Region, SchemeCounts,
};
use std::str::FromStr;

/// A number of directories no tree has.
const MAX_CHILDREN: usize = 1 << 20;

impl<'r> Dir<'r> {
    fn text(&self, name: &str) -> Result<String> {
        self.root.read_line(&self.path(name))
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<T> {
        self.root.read_number(&self.path(name))
    }

    fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        if self.has(name) { self.number(name).map(Some) } else { Ok(None) }
    }

    fn optional_text(&self, name: &str) -> Result<String> {
        if self.has(name) { self.text(name) } else { Ok(String::new()) }
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.text(name)?.as_str() {
            "Y" | "y" | "1" => Ok(true),
            "N" | "n" | "0" => Ok(false),
            other => Err(self.content(name, "Y or N", other)),
        }
    }

    /// `unsigned int` files may hold more than 32 bits: the tree stores `unsigned long`.
    fn small(&self, name: &str) -> Result<u32> {
        Ok(u32::try_from(self.number::<u64>(name)?).unwrap_or(u32::MAX))
    }

    fn micros(&self, name: &str) -> Result<Nanos> {
        Ok(Nanos::from_micros(i64::try_from(self.number::<u64>(name)?).unwrap_or(i64::MAX)))
    }

    fn millis(&self, name: &str) -> Result<Nanos> {
        Ok(Nanos::from_millis(i64::try_from(self.number::<u64>(name)?).unwrap_or(i64::MAX)))
    }

    fn content(&self, name: &str, expected: &'static str, found: &str) -> Error {
        Error::Content { path: self.root.shown(&self.path(name)), expected, found: excerpt(found) }
    }

    /// One value per numbered directory.
    fn each<T>(&self, dir: &str, count: &str, read: impl Fn(&Dir<'r>) -> Result<T>) -> Result<Vec<T>> {
        let below = self.below(dir);
        let count: usize = below.number(count)?;
        if count > MAX_CHILDREN {
            return Err(below.content("", "a sensible number of directories", &count.to_string()));
        }
        (0..count).map(|at| read(&below.below(&at.to_string()))).collect()
    }

    pub(super) fn kdamond(&self) -> Result<Kdamond> {
        let refresh = if self.has("refresh_ms") { Some(self.millis("refresh_ms")?) } else { None };
        Ok(Kdamond { refresh, contexts: self.each("contexts", "nr_contexts", Dir::context)? })
    }

    fn context(&self) -> Result<Context> {
        let word = self.text("operations")?;
        let ops = Ops::of_file(&word).ok_or_else(|| self.content("operations", "an operations set", &word))?;
        let attrs = self.below("monitoring_attrs");
        let intervals = attrs.below("intervals");
        let goal = intervals.below("intervals_goal");
        Ok(Context {
            ops,
            addr_unit: self.optional("addr_unit")?,
            pause: if self.has("pause") { Some(self.flag("pause")?) } else { None },
            intervals: intervals.intervals()?,
            intervals_goal: if goal.has("access_bp") { goal.goal_of_intervals()? } else { None },
            probes: if attrs.has("probes") { attrs.each("probes", "nr_probes", Dir::probe)? } else { Vec::new() },
            nr_regions: NrRegions { min: attrs.number("nr_regions/min")?, max: attrs.number("nr_regions/max")? },
            targets: self.each("targets", "nr_targets", Dir::target)?,
            schemes: self.each("schemes", "nr_schemes", Dir::scheme)?,
        })
    }

    fn probe(&self) -> Result<Probe> {
        let filter = |at: &Dir<'r>| {
            let kind = match at.text("type")?.as_str() {
                "memcg" => FilterKind::Memcg(at.text("path")?),
                "anon" => FilterKind::Anon,
                word => FilterKind::newer(word),
            };
            Ok(SchemeFilter { kind, matching: at.flag("matching")?, allow: at.flag("allow")? })
        };
        Ok(Probe {
            filters: self.each("filters", "nr_filters", filter)?,
            weight: self.optional("weight")?.unwrap_or(0),
        })
    }

    pub(super) fn intervals(&self) -> Result<Intervals> {
        Ok(Intervals {
            sample: self.micros("sample_us")?,
            aggregation: self.micros("aggr_us")?,
            update: self.micros("update_us")?,
        })
    }

    fn goal_of_intervals(&self) -> Result<Option<IntervalsGoal>> {
        let goal = IntervalsGoal {
            access_bp: self.number("access_bp")?,
            aggregations: self.number("aggrs")?,
            min_sample: self.micros("min_sample_us")?,
            max_sample: self.micros("max_sample_us")?,
        };
        Ok((goal.aggregations > 0).then_some(goal))
    }

    fn target(&self) -> Result<ContextTarget> {
        let pid: i32 = self.number("pid_target")?;
        Ok(ContextTarget {
            pid: (pid > 0).then_some(pid),
            obsolete: if self.has("obsolete_target") { self.flag("obsolete_target")? } else { false },
            regions: self.each("regions", "nr_regions", |region| region.range("start", "end"))?,
        })
    }

    fn range(&self, start: &str, end: &str) -> Result<AddrRange> {
        Ok(AddrRange::new(Addr(self.number(start)?), Addr(self.number(end)?)))
    }

    fn scheme(&self) -> Result<Scheme> {
        let pattern = self.below("access_pattern");
        let nid: Option<i32> = self.optional("target_nid")?;
        let dests = if self.has("dests") {
            let dest = |at: &Dir<'r>| Ok(Dest { id: at.small("id")?, weight: at.small("weight")? });
            self.each("dests", "nr_dests", dest)?
        } else {
            Vec::new()
        };
        let mut filters = Vec::new();
        // Newer kernels keep `filters` beside the two directories that replace it.
        for dir in ["core_filters", "ops_filters", "filters"] {
            if self.has(dir) {
                filters.extend(self.each(dir, "nr_filters", Dir::filter)?);
            }
        }
        Ok(Scheme {
            access_pattern: ResolvedPattern {
                size: MinMax { min: Bytes(pattern.number("sz/min")?), max: Bytes(pattern.number("sz/max")?) },
                nr_accesses: MinMax {
                    min: NrAccesses(pattern.small("nr_accesses/min")?),
                    max: NrAccesses(pattern.small("nr_accesses/max")?),
                },
                age: MinMax { min: Age(pattern.small("age/min")?), max: Age(pattern.small("age/max")?) },
            }
            .into(),
            action: Action::of_kernel(&self.text("action")?),
            target_nid: nid.filter(|nid| *nid >= 0),
            dests,
            apply_interval: if self.has("apply_interval_us") { self.micros("apply_interval_us")? } else { Nanos(0) },
            quotas: self.below("quotas").quotas()?,
            watermarks: self.below("watermarks").watermarks()?,
            filters,
            max_nr_snapshots: self.optional("stats/max_nr_snapshots")?.filter(|most| *most > 0),
        })
    }

    fn quotas(&self) -> Result<Quotas> {
        let goals = if self.has("goals") { self.each("goals", "nr_goals", Dir::quota_goal)? } else { Vec::new() };
        let tuner = self.optional_text("goal_tuner")?;
        let fail_charge = self.optional("fail_charge_num")?.zip(self.optional("fail_charge_denom")?);
        let fail_charge = fail_charge.filter(|(_, denominator)| *denominator > 0);
        Ok(Quotas {
            time: self.millis("ms")?,
            size: limit(self.number("bytes")?),
            reset_interval: self.millis("reset_interval_ms")?,
            weights: Weights {
                size: self.small("weights/sz_permil")?,
                nr_accesses: self.small("weights/nr_accesses_permil")?,
                age: self.small("weights/age_permil")?,
            },
            goals,
            goal_tuner: Some(tuner).filter(|word| !word.is_empty()).map(|word| GoalTuner::of_kernel(&word)),
            fail_charge_num: fail_charge.map(|(numerator, _)| numerator),
            fail_charge_denom: fail_charge.map(|(_, denominator)| denominator),
        })
    }

    /// Without what its metric has no use for: the kernel shows node 0 and value 0 for every goal.
    fn quota_goal(&self) -> Result<Goal> {
        let metric =
            if self.has("target_metric") { Metric::of_kernel(&self.text("target_metric")?) } else { Metric::UserInput };
        let current: u64 = self.number("current_value")?;
        let nid: Option<i32> = self.optional("nid")?;
        Ok(Goal {
            metric,
            target_value: self.number("target_value")?,
            current_value: Some(current).filter(|_| metric == Metric::UserInput),
            nid: nid.filter(|_| metric.as_str().starts_with("node_")),
            memcg_path: Some(self.optional_text("path")?).filter(|path| !path.is_empty()),
        })
    }

    fn watermarks(&self) -> Result<Watermarks> {
        Ok(Watermarks {
            metric: WatermarkMetric::of_kernel(&self.text("metric")?),
            interval: self.micros("interval_us")?,
            high: self.small("high")?,
            mid: self.small("mid")?,
            low: self.small("low")?,
        })
    }

    fn filter(&self) -> Result<SchemeFilter> {
        let sizes = || -> Result<MinMax<Bytes>> {
            let size = |name: &str| -> Result<Bytes> { Ok(Bytes(self.optional(name)?.unwrap_or(0))) };
            Ok(MinMax { min: size("min")?, max: size("max")? })
        };
        let kind = match self.text("type")?.as_str() {
            "memcg" => FilterKind::Memcg(self.text("memcg_path")?),
            "addr" => FilterKind::Addr(self.range("addr_start", "addr_end")?),
            "target" => FilterKind::Target(self.number("damon_target_idx")?),
            "hugepage_size" => FilterKind::HugepageSize(sizes()?),
            word => FilterKind::parse(word, &[]).unwrap_or_else(|_| FilterKind::newer(word)),
        };
        let allow = ["allow", "pass"].into_iter().find(|name| self.has(name));
        Ok(SchemeFilter {
            kind,
            matching: self.flag("matching")?,
            allow: allow.map(|name| self.flag(name)).transpose()?.unwrap_or(false),
        })
    }

    /// What the kernel wrote of each context's schemes.
    pub(super) fn statuses(&self) -> Result<Vec<Vec<SchemeStatus>>> {
        self.each("contexts", "nr_contexts", |context| context.each("schemes", "nr_schemes", Dir::scheme_status))
    }

    fn scheme_status(&self) -> Result<SchemeStatus> {
        let stats = self.below("stats");
        Ok(SchemeStatus {
            stats: SchemeCounts {
                nr_tried: stats.number("nr_tried")?,
                sz_tried: Bytes(stats.number("sz_tried")?),
                nr_applied: stats.number("nr_applied")?,
                sz_applied: Bytes(stats.number("sz_applied")?),
                sz_ops_filter_passed: stats.optional("sz_ops_filter_passed")?.map(Bytes),
                qt_exceeds: stats.number("qt_exceeds")?,
                nr_snapshots: stats.optional("nr_snapshots")?,
            },
            effective_size: self.optional("quotas/effective_bytes")?.map(limit),
            tried_bytes: self.optional("tried_regions/total_bytes")?.map(Bytes),
            tried: self.tried_regions()?,
        })
    }

    /// Of one tried region, probe after probe.
    fn probe_hits(&self) -> Result<Vec<u64>> {
        let below = self.below("probes");
        let there = (0..MAX_CHILDREN).map(|probe| format!("{probe}/hits")).take_while(|file| below.has(file));
        there.map(|file| below.number(&file)).collect()
    }

    pub(super) fn tried_regions(&self) -> Result<Vec<TriedRegion>> {
        let below = self.below("tried_regions");
        let names = self.root.io().list(&below.dir).unwrap_or_default();
        // Numbers count on over updates and do not begin at 0; their order is that of the regions.
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        let region = |number: u64| {
            let dir = below.below(&number.to_string());
            let range = dir.range("start", "end")?;
            let (nr_accesses, age) = (NrAccesses(dir.small("nr_accesses")?), Age(dir.small("age")?));
            Ok(TriedRegion {
                region: Region::new(range.start, range.end, nr_accesses, Some(age)),
                filter_passed: dir.optional("sz_filter_passed")?.map(Bytes),
                probe_hits: dir.probe_hits()?,
            })
        };
        numbers.into_iter().map(region).collect()
    }
}

/// A size quota; what is written in place of none is none.
fn limit(bytes: u64) -> Bytes {
    Some(Bytes(bytes)).filter(|size| *size < Quotas::UNLIMITED).unwrap_or_default()
}
