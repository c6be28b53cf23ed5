//! Limits of a scheme: how much, and aimed at what.

use crate::human::{self, TimeUnit};
use crate::json::{ParamError, Result};
use crate::keyword::keywords;
use crate::{Bytes, Nanos};

/// How regions are put in order when a quota is short: parts in thousand, relative to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Of the size.
    pub size: u32,
    /// Of the access rate.
    pub nr_accesses: u32,
    /// Of the age.
    pub age: u32,
}

crate::with_defaults! {
    /// Limits of a scheme per reset interval.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Quotas {
        /// CPU time; 0 is no limit.
        pub time: Nanos = Nanos(0),
        /// Bytes; 0 is no limit.
        pub size: Bytes = Bytes(0),
        /// After which charging starts anew; the longest time there is means never.
        pub reset_interval: Nanos = Nanos(i64::MAX),
        /// How regions are put in order.
        pub weights: Weights,
        /// What the quota aims at: with goals, the kernel adapts it.
        pub goals: Vec<Goal>,
        /// How it is adapted; `None` is the kernel's default.
        pub goal_tuner: Option<GoalTuner>,
        /// Numerator of the share of what an action failed on that is charged nevertheless; `None` is the kernel's default.
        pub fail_charge_num: Option<u64>,
        /// The denominator of the share that failures are charged with.
        pub fail_charge_denom: Option<u64>,
    }
}

impl Quotas {
    /// A size that no scheme reaches. It is written in place of 0 where a running scheme's quota is taken away: kernels up to
    /// 7.3 would keep the quota in effect, and what was charged to it, for ever.
    pub const UNLIMITED: Bytes = Bytes(1 << 62);

    /// Whether there is any limit.
    pub fn is_limited(&self) -> bool {
        self.time.0 > 0 || self.size.0 > 0 || !self.goals.is_empty()
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.time.0 < 0 {
            return Err(ParamError::new("quotas.time_ms", "is negative; use 0 for no limit"));
        }
        if self.reset_interval.0 < 0 {
            return Err(ParamError::new("quotas.reset_interval_ms", "is negative; 1 s is usual"));
        }
        if !self.goals.is_empty() && self.reset_interval.0 == i64::MAX {
            let what = "is missing, but there are goals, which are looked at once in it; 1 s is usual";
            return Err(ParamError::new("quotas.reset_interval_ms", what));
        }
        if self.is_limited() && self.reset_interval.0 < 1_000_000 {
            let what = "is too short: a quota or a goal needs the interval after which it starts anew, at least 1 ms";
            return Err(ParamError::new("quotas.reset_interval_ms", what));
        }
        for (i, goal) in self.goals.iter().enumerate() {
            if goal.target_value == 0 {
                let field = format!("quotas.goals[{i}].target_value");
                return Err(ParamError::new(field, "0 can be neither reached nor missed; use at least 1"));
            }
        }
        if self.fail_charge_num.is_some() && self.fail_charge_denom.is_none_or(|denom| denom == 0) {
            return Err(ParamError::new("quotas.fail_charge_denom", "is missing or 0; use at least 1"));
        }
        Ok(())
    }
}

keywords! { "goal tuner",
    /// How a quota with goals is adapted.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum GoalTuner or Newer {
        /// Step by step, keeping what works.
        Consist = "consist",
        /// As much as possible until the goal is reached, then nothing.
        Temporal = "temporal",
    }
}

keywords! { "metric of a goal",
    /// What a goal measures.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Metric or Newer {
        /// What the user says, again and again.
        #[default]
        UserInput = "user_input",
        /// Time in which some task waited for memory, microseconds per reset interval.
        SomeMemPsiUs = "some_mem_psi_us",
        /// Used part of a node's memory, basis points.
        NodeMemUsedBp = "node_mem_used_bp",
        /// Free part of a node's memory, basis points.
        NodeMemFreeBp = "node_mem_free_bp",
        /// Part of a node's memory that a cgroup uses, basis points.
        NodeMemcgUsedBp = "node_memcg_used_bp",
        /// Part of a node's memory that a cgroup does not use, basis points.
        NodeMemcgFreeBp = "node_memcg_free_bp",
        /// Active part of the LRU-listed memory, basis points.
        ActiveMemBp = "active_mem_bp",
        /// Inactive part of the LRU-listed memory, basis points.
        InactiveMemBp = "inactive_mem_bp",
        /// Part of the eligible memory that is on a node, basis points.
        NodeEligibleMemBp = "node_eligible_mem_bp",
    }
}

impl Metric {
    /// A value of this metric: basis points take a percent sign, pressure a unit of time.
    ///
    /// # Errors
    /// If it is no number of that kind, or negative.
    pub fn parse_value(self, text: &str) -> Result<u64> {
        let whole = match self {
            Metric::UserInput => human::parse_number(text).map(|number| number.trunc()),
            Metric::SomeMemPsiUs => human::parse_time_number(text, TimeUnit::Micros).map(|number| number.round()),
            _ => human::parse_bp(text).map(|number| number.round()),
        };
        let whole = whole.map_err(|error| ParamError::new("", error))?;
        u64::try_from(whole).map_err(|_| ParamError::new("", format!("{text} is out of range; use 0 or more")))
    }
}

/// What a quota aims at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// What is measured.
    pub metric: Metric,
    /// Wanted, in the metric's unit.
    pub target_value: u64,
    /// Present, for [`Metric::UserInput`].
    pub current_value: Option<u64>,
    /// NUMA node, for metrics of one.
    pub nid: Option<i32>,
    /// Memory cgroup, for metrics of one.
    pub memcg_path: Option<String>,
}
