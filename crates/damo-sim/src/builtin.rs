//! Workloads that come with the program, so that a first look needs no file: the same configurations as in
//! `testdata/masim`, with the options that go with them.

use crate::options::{ACCESSES_PER_PICK, Layout, Options};
use crate::workload::Workload;
use damo_model::NrRegions;

/// A workload that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Builtin {
    /// Its name: the configuration file's without its ending.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// The configurations, a process each: (name, text).
    pub configs: &'static [(&'static str, &'static str)],
    /// Where regions lie.
    pub layout: Layout,
    /// Bounds on the number of regions; `None` is the default.
    pub nr_regions: Option<NrRegions>,
    /// Accesses by one pattern before the next is picked: the fewer, the more patterns are active in one sampling
    /// interval.
    pub accesses_per_pick: u64,
    /// For how many times its own duration to monitor.
    pub rounds: u32,
}

macro_rules! config {
    ($name:literal) => {
        // Links to testdata/masim, so that the packaged crate has them, too.
        ($name, include_str!(concat!("workloads/", $name, ".cfg")))
    };
}

/// Ten areas accessed one after the other, a minute.
pub const STAIRS: Builtin = Builtin {
    name: "stairs",
    about: "ten areas of 10 MB accessed one after the other, for a minute",
    configs: &[config!("stairs")],
    layout: Layout::Linux,
    nr_regions: None,
    accesses_per_pick: ACCESSES_PER_PICK,
    rounds: 1,
};

/// The same in half a minute.
pub const STAIRS_30S: Builtin = Builtin {
    name: "stairs-30s",
    about: "ten areas of 10 MB accessed one after the other, for half a minute",
    configs: &[config!("stairs-30s")],
    ..STAIRS
};

/// Two areas accessed in turn.
pub const ZIGZAG: Builtin = Builtin {
    name: "zigzag",
    about: "two areas of 100 MB accessed in turn, for 70 seconds",
    configs: &[config!("zigzag")],
    ..STAIRS
};

/// Two processes with working sets of their own.
pub const PAIR: Builtin = Builtin {
    name: "pair",
    about: "two processes: a server and a batch job, for half a minute",
    configs: &[config!("pair-server"), config!("pair-batch")],
    ..STAIRS
};

/// Benchmark: 12 GiB in three areas, ten minutes.
pub const BENCH_A: Builtin = Builtin {
    name: "bench-a",
    about: "12 GiB in three areas under a moving hot window: 6,000 snapshots in ten minutes",
    configs: &[config!("bench-a")],
    layout: Layout::ThreeAreas,
    nr_regions: None,
    accesses_per_pick: 8192,
    rounds: 10,
};

/// Benchmark: an hour at about a thousand regions.
pub(crate) const BENCH_H: Builtin = Builtin {
    name: "bench-h",
    about: "an hour at about 1,000 regions, ten snapshots a second: 36 million regions",
    configs: &[config!("bench-h")],
    layout: Layout::ThreeAreas,
    nr_regions: Some(NrRegions { min: 640, max: 1600 }),
    accesses_per_pick: ACCESSES_PER_PICK,
    rounds: 60,
};

/// All of them.
pub const ALL: [Builtin; 6] = [STAIRS, STAIRS_30S, ZIGZAG, PAIR, BENCH_A, BENCH_H];

/// The one called `name`.
pub fn find(name: &str) -> Option<Builtin> {
    ALL.into_iter().find(|builtin| builtin.name == name)
}

impl Builtin {
    /// Its workloads, a process each.
    pub fn workloads(&self) -> Vec<Workload> {
        // The texts are compiled in; a test parses each.
        self.configs.iter().filter_map(|(name, text)| Workload::parse(text, name).ok()).collect()
    }

    /// Default options with what belongs to it: layout, region bounds and duration.
    pub fn options(&self) -> Options {
        let longest = self.workloads().iter().map(Workload::duration).max().unwrap_or_default();
        Options {
            layout: self.layout,
            nr_regions: self.nr_regions.unwrap_or_default(),
            accesses_per_pick: self.accesses_per_pick,
            duration: Some(damo_model::Nanos(longest.0.saturating_mul(i64::from(self.rounds)))),
            ..Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_builtin_parses_and_is_found_by_its_name() {
        for builtin in ALL {
            for (name, text) in builtin.configs {
                Workload::parse(text, name).unwrap();
            }
            assert_eq!(find(builtin.name), Some(builtin));
            builtin.options().check().unwrap();
        }
        assert_eq!(find("nothing"), None);
    }

    #[test]
    fn durations_are_as_announced() {
        let seconds = |b: Builtin| b.options().duration.unwrap().0 as f64 / 1e9;
        let expected = [60.0, 30.0, 70.0, 30.0, 600.0, 3600.0];
        assert_eq!(ALL.map(seconds), expected);
    }
}
