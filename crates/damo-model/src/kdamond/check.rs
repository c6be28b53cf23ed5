//! Parameters that the kernel would refuse with a bare `EINVAL`, or take and misread, are refused here with a sentence.

use super::{Context, Kdamond, Probe};
use crate::human::{format_hex_range, time_text};
use crate::json::{ParamError, Result};
use crate::scheme::{Action, FilterKind};
use crate::{Intervals, IntervalsGoal, NrRegions, Ops};

/// Checks all parameters of all kdamonds, as far as that goes without a kernel.
///
/// # Errors
/// The first one that will not do.
pub fn check(kdamonds: &[Kdamond]) -> Result<()> {
    if kdamonds.is_empty() {
        return Err(ParamError::new("kdamonds", "there is none; there must be at least one"));
    }
    let mut all = kdamonds.iter().enumerate();
    all.try_for_each(|(k, kdamond)| kdamond.check().map_err(|error| error.within(format!("kdamonds[{k}]"))))
}

impl Kdamond {
    fn check(&self) -> Result<()> {
        match &self.contexts[..] {
            [] => Err(ParamError::new("contexts", "there is none; a kdamond needs one to run")),
            [context] => context.check().map_err(|error| error.within("contexts[0]")),
            more => Err(ParamError::new(
                "contexts",
                format!("kernels take one, not {}: make a kdamond of each", more.len()),
            )),
        }
    }
}

impl Intervals {
    /// Checks the intervals against the kernel's resolution and against each other.
    ///
    /// # Errors
    /// The first interval that is too short.
    pub fn check(&self) -> Result<()> {
        let named = [
            ("sample_us", "sampling", self.sample),
            ("aggr_us", "aggregation", self.aggregation),
            ("ops_update_us", "update", self.update),
        ];
        if let Some((key, name, _)) = named.into_iter().find(|(.., interval)| interval.as_micros() <= 0) {
            let what =
                format!("the {name} interval is too short: the kernel counts in whole microseconds, so at least 1 us");
            return Err(ParamError::new(format!("intervals.{key}"), what));
        }
        if self.aggregation < self.sample {
            let what = format!(
                "the aggregation interval ({}) is shorter than the sampling interval ({}): raise --aggr or lower --sample",
                time_text(self.aggregation),
                time_text(self.sample)
            );
            return Err(ParamError::new("intervals.aggr_us", what));
        }
        Ok(())
    }
}

impl IntervalsGoal {
    /// Checks the share and the bounds.
    ///
    /// # Errors
    /// If one of them cannot be.
    pub fn check(&self) -> Result<()> {
        if self.access_bp == 0 || self.access_bp > 10_000 {
            let what = format!("{} is no share of accesses to aim at: give 1 to 10000 basis points", self.access_bp);
            return Err(ParamError::new("intervals.intervals_goal.access_bp", what));
        }
        if self.max_sample < self.min_sample {
            let what = format!(
                "the largest sampling interval ({}) is below the smallest ({})",
                time_text(self.max_sample),
                time_text(self.min_sample)
            );
            return Err(ParamError::new("intervals.intervals_goal.max_sample_us", what));
        }
        Ok(())
    }
}

impl NrRegions {
    /// Checks the bounds.
    ///
    /// # Errors
    /// If there are fewer than the kernel needs, or the bounds are the wrong way round.
    pub fn check(&self) -> Result<()> {
        if self.min < 3 {
            let what = format!("DAMON needs a minimum of at least 3 regions, not {}: raise --minr", self.min);
            return Err(ParamError::new("nr_regions.min", what));
        }
        if self.max < self.min {
            let what = format!(
                "the maximum number of regions ({}) is below the minimum ({}): raise --maxr or lower --minr",
                self.max, self.min
            );
            return Err(ParamError::new("nr_regions.max", what));
        }
        Ok(())
    }
}

impl Context {
    fn check(&self) -> Result<()> {
        self.intervals.check()?;
        self.nr_regions.check()?;
        self.intervals_goal.map_or(Ok(()), |goal| goal.check())?;
        if self.addr_unit.is_some_and(|unit| !unit.is_power_of_two()) {
            return Err(ParamError::new("addr_unit", "is no power of two: the kernel takes 1, 2, 4, 8, … bytes"));
        }
        if self.addr_unit.is_some_and(|unit| unit > 1) && self.ops.has_processes() {
            return Err(ParamError::new("addr_unit", "is for physical addresses: leave it out, or monitor paddr"));
        }
        Probe::check(&self.probes)?;
        self.check_targets()?;
        for (s, scheme) in self.schemes.iter().enumerate() {
            let at = |error: ParamError| error.within(format!("schemes[{s}]"));
            scheme.check().map_err(at)?;
            scheme.access_pattern.resolve(&self.intervals).check().map_err(at)?;
            for (f, filter) in scheme.filters.iter().enumerate() {
                if let FilterKind::Target(index) = filter.kind
                    && index >= self.targets.len() as u64
                {
                    let what = format!("there is no target {index}: the context has {}", self.targets.len());
                    return Err(at(ParamError::new(format!("filters[{f}].damon_target_idx"), what)));
                }
            }
        }
        Ok(())
    }

    fn check_targets(&self) -> Result<()> {
        if self.targets.is_empty() && self.ops.has_processes() {
            return Err(ParamError::new("targets", "there is none, and virtual address spaces need a process each"));
        }
        for (t, target) in self.targets.iter().enumerate() {
            let wrong = |key: &str, what: String| Err(ParamError::new(format!("targets[{t}].{key}"), what));
            match (self.ops, target.pid) {
                (Ops::Paddr, Some(pid)) => {
                    return wrong("pid", format!("{pid} makes no sense: physical addresses belong to no process"));
                }
                (ops, None) if ops.has_processes() => {
                    return wrong("pid", "is missing: a virtual address space is given by a process".to_owned());
                }
                _ => {}
            }
            if self.ops == Ops::Fvaddr && target.regions.is_empty() {
                return wrong(
                    "regions",
                    "there is none: fvaddr monitors fixed ranges, so give at least one".to_owned(),
                );
            }
            for (r, range) in target.regions.iter().enumerate() {
                let text = format_hex_range(*range);
                if range.start >= range.end {
                    return wrong(&format!("regions[{r}]"), format!("{text} must end after it begins"));
                }
                if r > 0 && range.start < target.regions[r - 1].end {
                    return wrong(&format!("regions[{r}]"), format!("{text}: ranges must ascend and not overlap"));
                }
            }
        }
        Ok(())
    }

    /// Checks that no filter is passed over: for virtual addresses the kernel looks at no page by itself, but for
    /// migrations on newer kernels. Beside [`check`], because kdamonds of others may have such filters.
    ///
    /// # Errors
    /// If the kernel would pass over a filter, and do what shall not be done.
    pub fn check_page_filters(&self) -> Result<()> {
        for (s, scheme) in self.schemes.iter().enumerate().filter(|_| self.ops.has_processes()) {
            let harmless = matches!(scheme.action, Action::Stat | Action::MigrateHot | Action::MigrateCold);
            let passed_over = scheme.filters.iter().enumerate().find(|(_, filter)| !harmless && !filter.kind.is_core());
            if let Some((f, filter)) = passed_over {
                let what = format!(
                    "filters[{f}]: with virtual addresses the kernel looks at no page by `{}`, and would {} whole \
                     regions: monitor paddr, or use filters of type addr or target",
                    filter.kind, scheme.action
                );
                return Err(ParamError::new(format!("scheme {s}"), what));
            }
        }
        Ok(())
    }
}
