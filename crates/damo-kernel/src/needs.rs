//! What parameters need that not every kernel has, told before the first write.
//!
//! Where a file can be seen, it counts; where nothing is set up to look into, the kernel's release does, unless the
//! kernel has things that are newer than its release: then it was given them later, its release says nothing, and
//! the writes will tell (they are taken back if one fails).

use crate::error::{Error, Result};
use crate::features::{Feature, Support, features, parse_release};
use crate::io::Root;
use crate::procfs::Procfs;
use crate::sysfs::KDAMONDS;
use damo_model::kdamond::{Context, Kdamond};
use damo_model::scheme::{Action, Goal, GoalTuner, Scheme, SchemeFilter};
use damo_model::{KdamondIndex, Ops};
use std::cell::OnceCell;

/// The words that a file takes, each with the release since which it does.
pub(crate) const WORDS: [(&str, &str, &str); 30] = [
    ("action", "willneed", "5.18"),
    ("action", "cold", "5.18"),
    ("action", "pageout", "5.18"),
    ("action", "hugepage", "5.18"),
    ("action", "nohugepage", "5.18"),
    ("action", "stat", "5.18"),
    ("action", "lru_prio", "6.0"),
    ("action", "lru_deprio", "6.0"),
    ("action", "migrate_hot", "6.11"),
    ("action", "migrate_cold", "6.11"),
    ("action", "collapse", "7.2"),
    ("type", "anon", "6.3"),
    ("type", "memcg", "6.3"),
    ("type", "addr", "6.6"),
    ("type", "target", "6.6"),
    ("type", "young", "6.10"),
    ("type", "hugepage_size", "6.15"),
    ("type", "unmapped", "6.15"),
    ("type", "active", "6.15"),
    ("target_metric", "user_input", "5.18"),
    ("target_metric", "some_mem_psi_us", "6.9"),
    ("target_metric", "node_mem_used_bp", "6.16"),
    ("target_metric", "node_mem_free_bp", "6.16"),
    ("target_metric", "node_memcg_used_bp", "6.19"),
    ("target_metric", "node_memcg_free_bp", "6.19"),
    ("target_metric", "active_mem_bp", "7.0"),
    ("target_metric", "inactive_mem_bp", "7.0"),
    ("target_metric", "node_eligible_mem_bp", "7.2"),
    ("metric", "none", "5.18"),
    ("metric", "free_mem_rate", "5.18"),
];

/// Checks parameters against the kernel below `root`. They are for the kdamonds `indices`.
///
/// # Errors
/// [`Error::Missing`] or [`Error::Unknown`] for the first thing that this kernel lacks, with the release that brought it;
/// [`Error::Invalid`] for a memory cgroup that is not there.
pub(crate) fn check(root: &Root, kdamonds: &[Kdamond], indices: &[KdamondIndex]) -> Result<()> {
    let kernel = Kernel { root, known: OnceCell::new() };
    for (k, (kdamond, index)) in kdamonds.iter().zip(indices).enumerate() {
        let place = ParamLocation { at: format!("kdamond {k}"), dir: format!("{KDAMONDS}/{index}") };
        if kdamond.refresh.is_some_and(|refresh| refresh.0 > 0) {
            kernel.needs("sysfs/refresh_ms", &place, "refresh_ms", "refresh_ms")?;
        }
        for (c, context) in kdamond.contexts.iter().enumerate() {
            kernel.context(context, &place.below("context", "contexts", c))?;
        }
    }
    Ok(())
}

/// Where in the parameters, in words and as a directory.
struct ParamLocation {
    at: String,
    dir: String,
}

impl ParamLocation {
    fn below(&self, word: &str, dir: &str, index: usize) -> ParamLocation {
        ParamLocation { at: format!("{}, {word} {index}", self.at), dir: format!("{}/{dir}/{index}", self.dir) }
    }
}

struct Kernel<'a> {
    root: &'a Root,
    /// Looked up when something is asked for that not all kernels have, which plain monitoring does not.
    known: OnceCell<Known>,
}

struct Known {
    features: Vec<Feature>,
    /// `None` if it is not known, or says nothing.
    release: Option<(u32, u32)>,
}

impl Known {
    fn of(root: &Root) -> Self {
        let features = features(root);
        let release = parse_release(&Procfs::new(root).kernel_release());
        let newer = |feature: &Feature| {
            feature.support == Support::Present
                && release.zip(parse_release(feature.since)).is_some_and(|(is, of)| of > is)
        };
        let told_by_release = !features.iter().any(newer);
        Self { features, release: release.filter(|_| told_by_release) }
    }
}

impl Kernel<'_> {
    fn known(&self) -> &Known {
        self.known.get_or_init(|| Known::of(self.root))
    }

    fn context(&self, context: &Context, place: &ParamLocation) -> Result<()> {
        if context.pause == Some(true) {
            self.needs("sysfs/pause", place, "pause", "pause")?;
        }
        if context.addr_unit.is_some_and(|unit| unit != 1) {
            self.needs("sysfs/addr_unit", place, "addr_unit", "addr_unit")?;
        }
        if context.intervals_goal.is_some() {
            let file = "monitoring_attrs/intervals/intervals_goal";
            self.needs("sysfs/intervals_goal", place, "intervals.intervals_goal", file)?;
        }
        if !context.probes.is_empty() {
            self.needs("sysfs/probes", place, "probes", "monitoring_attrs/probes")?;
        }
        for (p, probe) in context.probes.iter().enumerate() {
            for path in probe.filters.iter().filter_map(|filter| filter.kind.memcg()) {
                self.cgroup(path, &place.below("probe", "monitoring_attrs/probes", p))?;
            }
        }
        for (t, _) in context.targets.iter().enumerate().filter(|(_, target)| target.obsolete) {
            self.needs("sysfs/obsolete_target", &place.below("target", "targets", t), "obsolete", "obsolete_target")?;
        }
        let mut schemes = context.schemes.iter().enumerate();
        schemes.try_for_each(|(s, scheme)| self.scheme(scheme, context.ops, &place.below("scheme", "schemes", s)))
    }

    fn scheme(&self, scheme: &Scheme, ops: Ops, place: &ParamLocation) -> Result<()> {
        self.knows(scheme.action.as_str(), place, "action", "action")?;
        let needed = [
            ("target_nid", "target_nid", scheme.target_nid.is_some()),
            ("dests", "dests", !scheme.dests.is_empty()),
            ("apply_interval", "apply_interval_us", scheme.apply_interval.0 > 0),
            ("quota_goals", "quotas/goals", !scheme.quotas.goals.is_empty()),
            ("goal_tuner", "quotas/goal_tuner", !matches!(scheme.quotas.goal_tuner, None | Some(GoalTuner::Consist))),
            ("fail_charge", "quotas/fail_charge_num", scheme.quotas.fail_charge_num.is_some()),
            ("filters", "filters", !scheme.filters.is_empty()),
            ("max_nr_snapshots", "stats/max_nr_snapshots", scheme.max_nr_snapshots.is_some()),
        ];
        for (feature, file, _) in needed.into_iter().filter(|(_, _, needed)| *needed) {
            let field = file.trim_start_matches("stats/").replace('/', ".");
            self.needs(&format!("sysfs/{feature}"), place, &field, file)?;
        }
        if matches!(scheme.action, Action::MigrateHot | Action::MigrateCold) {
            let single = scheme.target_nid.and_then(|node| u32::try_from(node).ok());
            let mut nodes = single.into_iter().chain(scheme.dests.iter().map(|dest| dest.id));
            nodes.try_for_each(|node| self.node(node, place, "action"))?;
            // Older kernels take the action, and then silently migrate nothing. The file came with it.
            if matches!(ops, Ops::Vaddr | Ops::Fvaddr) && self.lacks("sysfs/dests").is_some() {
                return Err(Error::Missing {
                    what: format!("{}, action: migration of a process's memory (use paddr)", place.at),
                    path: self.root.shown(&format!("{}/dests", place.dir)),
                    since: "6.17",
                });
            }
        }
        if scheme.watermarks.is_on() {
            self.knows(scheme.watermarks.metric.as_str(), place, "watermarks.metric", "watermarks/metric")?;
        }
        for (g, goal) in scheme.quotas.goals.iter().enumerate() {
            self.goal(goal, &place.below("goal", "quotas/goals", g))?;
        }
        let mut filters = scheme.filters.iter().enumerate();
        filters.try_for_each(|(f, filter)| self.filter(filter, &place.below("filter", "filters", f)))
    }

    fn goal(&self, goal: &Goal, place: &ParamLocation) -> Result<()> {
        self.knows(goal.metric.as_str(), place, "metric", "target_metric")?;
        if let Some(node) = goal.nid {
            self.needs("sysfs/goal_nid", place, "nid", "nid")?;
            u32::try_from(node).map_or(Ok(()), |node| self.node(node, place, "nid"))?;
        }
        if let Some(path) = &goal.memcg_path {
            self.needs("sysfs/goal_path", place, "memcg_path", "path")?;
            self.cgroup(path, place)?;
        }
        Ok(())
    }

    fn filter(&self, filter: &SchemeFilter, place: &ParamLocation) -> Result<()> {
        self.knows(filter.kind.as_str(), place, "filter_type", "type")?;
        if filter.allow {
            self.needs("sysfs/filter_allow", place, "allow", "allow")?;
        }
        filter.kind.memcg().map_or(Ok(()), |path| self.cgroup(path, place))
    }

    /// The kernel takes any path, and finds out only when it is to start.
    fn cgroup(&self, path: &str, place: &ParamLocation) -> Result<()> {
        const MOUNT: &str = "sys/fs/cgroup";
        let unified = self.root.exists(&format!("{MOUNT}/cgroup.controllers"));
        if !unified || self.root.exists(&format!("{MOUNT}{}", path.trim_end_matches('/'))) {
            return Ok(());
        }
        Err(Error::Invalid {
            what: format!("{}, memcg_path", place.at),
            value: path.to_owned(),
            why: format!("there is no such directory below {}", self.root.shown(MOUNT).display()),
        })
    }

    /// The kernel takes any node, and then silently migrates nothing.
    fn node(&self, node: u32, place: &ParamLocation, field: &str) -> Result<()> {
        const NODES: &str = "sys/devices/system/node";
        if !self.root.exists(NODES) || self.root.exists(&format!("{NODES}/node{node}")) {
            return Ok(());
        }
        Err(Error::Invalid {
            what: format!("{}, {field}", place.at),
            value: format!("node {node}"),
            why: format!("there is no such NUMA node; nodes with memory: {}", Procfs::new(self.root).nodes_text()),
        })
    }

    fn needs(&self, name: &str, place: &ParamLocation, field: &str, file: &str) -> Result<()> {
        let Some(feature) = self.lacks(name) else { return Ok(()) };
        Err(Error::Missing {
            what: format!("{}, {field}: {}", place.at, feature.what),
            path: self.root.shown(&format!("{}/{file}", place.dir)),
            since: feature.since,
        })
    }

    /// The feature of this name, if the kernel does not have it.
    fn lacks(&self, name: &str) -> Option<&Feature> {
        let feature = self.known().features.iter().find(|feature| feature.name == name)?;
        let is_lacking = match feature.support {
            Support::Absent => true,
            Support::Unlikely => self.known().release.is_some(),
            Support::Present | Support::Likely | Support::Unknown => false,
        };
        is_lacking.then_some(feature)
    }

    fn knows(&self, word: &str, place: &ParamLocation, field: &str, file: &str) -> Result<()> {
        let is_it = |(of, known, _): &&(&str, &str, &str)| file.ends_with(of) && *known == word;
        let Some((.., since)) = WORDS.iter().find(is_it) else { return Ok(()) };
        // What every kernel with these files knows needs no look at the kernel.
        match parse_release(since).filter(|of| *of > (5, 18)) {
            Some(of) if self.known().release.is_some_and(|is| is < of) => Err(Error::Unknown {
                what: format!("{}, {field}", place.at),
                value: word.to_owned(),
                path: self.root.shown(&format!("{}/{file}", place.dir)),
                since,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysfs::{MemorySysfs, Sysfs};
    use damo_model::kdamond::{ContextTarget, Probe};
    use damo_model::scheme::{Dest, FilterKind, Metric, MinMax};
    use damo_model::{Bytes, IntervalsGoal, Nanos};
    use std::sync::Arc;

    fn kdamond(change: impl FnOnce(&mut Context)) -> Kdamond {
        let mut context = Context::new(Ops::Paddr);
        context.schemes.push(Scheme::new(Action::Stat));
        change(&mut context);
        Kdamond { contexts: vec![context], ..Kdamond::default() }
    }

    fn of_scheme(change: impl FnOnce(&mut Scheme)) -> Kdamond {
        kdamond(|context| change(&mut context.schemes[0]))
    }

    /// What a kernel says to it, and whether anything was written.
    fn refused(kernel: (u32, u32), kdamond: &Kdamond) -> Option<String> {
        let fake = Arc::new(MemorySysfs::new(kernel));
        let staged = Sysfs::new(&Root::with_io(fake.clone())).stage(std::slice::from_ref(kdamond));
        let error = staged.map(|staged| staged.keep()).err()?;
        assert_eq!(fake.log(), [], "refused before the first write");
        Some(error.to_string())
    }

    fn goal(metric: Metric) -> Goal {
        Goal { metric, target_value: 1, ..Goal::default() }
    }

    fn filter(kind: FilterKind) -> SchemeFilter {
        SchemeFilter { kind, matching: true, allow: false }
    }

    /// What kernels refuse before the release that brought it: `LAST WITHOUT, FIRST WITH; where; file; since when`.
    fn newer_things() -> Vec<(&'static str, Kdamond)> {
        let quota = |of: Goal| {
            of_scheme(|scheme| {
                scheme.quotas.goals.push(of);
                scheme.quotas.reset_interval = Nanos::from_secs(1);
            })
        };
        let filtered = |of: SchemeFilter| of_scheme(|scheme| scheme.filters.push(of));
        let (min_sample, max_sample) = (Nanos::from_millis(5), Nanos::from_secs(10));
        let tuned = IntervalsGoal { access_bp: 400, aggregations: 3, min_sample, max_sample };
        let obsolete = ContextTarget { obsolete: true, ..ContextTarget::default() };
        let memcg = Goal { nid: Some(0), memcg_path: Some("/a".into()), ..goal(Metric::NodeMemcgUsedBp) };
        let mut goal_tuner = quota(goal(Metric::UserInput));
        goal_tuner.contexts[0].schemes[0].quotas.goal_tuner = Some(GoalTuner::Temporal);
        let charge = |scheme: &mut Scheme| {
            (scheme.quotas.fail_charge_num, scheme.quotas.fail_charge_denom) = (Some(1), Some(4096));
        };
        let dests = vec![Dest { id: 1, weight: 1 }];
        let migrates = of_scheme(|s| (s.action, s.target_nid) = (Action::MigrateHot, Some(1)));
        let mut of_process = migrates.clone();
        of_process.contexts[0].ops = Ops::Vaddr;
        of_process.contexts[0].targets = vec![ContextTarget { pid: Some(42), ..ContextTarget::default() }];
        let spreads = of_scheme(|s| (s.action, s.dests) = (Action::MigrateHot, dests));
        let on_node = quota(Goal { nid: Some(0), ..goal(Metric::NodeMemUsedBp) });
        let allows = filtered(SchemeFilter { allow: true, ..filter(FilterKind::Anon) });
        let refreshed = Kdamond { refresh: Some(Nanos::from_secs(1)), ..kdamond(|_| {}) };
        let second = Nanos::from_secs(1);
        vec![
            (
                "6.14, 6.15; context 0, intervals.intervals_goal; intervals_goal; 6.15",
                kdamond(|c| c.intervals_goal = Some(tuned)),
            ),
            ("7.1, 7.2; context 0, probes; monitoring_attrs/probes; 7.2", kdamond(|c| c.probes.push(Probe::default()))),
            ("6.17, 6.18; context 0, addr_unit; 0/addr_unit; 6.18", kdamond(|c| c.addr_unit = Some(4096))),
            (
                "6.18, 6.19; target 0, obsolete; targets/0/obsolete_target; 6.19",
                kdamond(|c| c.targets = vec![obsolete]),
            ),
            ("5.19, 6.0; scheme 0, action; lru_prio; 6.0", of_scheme(|s| s.action = Action::LruPrio)),
            ("6.10, 6.11; scheme 0, action; migrate_hot; 6.11", migrates),
            ("6.16, 6.17; scheme 0, action; a process's memory (use paddr); schemes/0/dests; 6.17", of_process),
            ("6.16, 6.17; scheme 0, dests; schemes/0/dests; 6.17", spreads),
            (
                "6.6, 6.7; scheme 0, apply_interval_us; schemes/0/apply_interval_us; 6.7",
                of_scheme(|s| s.apply_interval = second),
            ),
            ("6.7, 6.8; scheme 0, quotas.goals; quotas/goals; 6.8", quota(goal(Metric::UserInput))),
            ("6.8, 6.9; scheme 0, goal 0, metric; goals/0/target_metric; 6.9", quota(goal(Metric::SomeMemPsiUs))),
            ("6.15, 6.16; scheme 0, goal 0, metric; node_mem_used_bp; 6.16", on_node),
            ("6.18, 6.19; scheme 0, goal 0, metric; node_memcg_used_bp; 6.19", quota(memcg)),
            ("6.2, 6.3; scheme 0, filters; filters; 6.3", filtered(filter(FilterKind::Anon))),
            ("6.9, 6.10; scheme 0, filter 0, filter_type; filters/0/type; 6.10", filtered(filter(FilterKind::Young))),
            ("6.13, 6.14; scheme 0, filter 0, allow; filters/0/allow; 6.14", allows),
            ("6.14, 6.15; scheme 0, filter 0, filter_type; unmapped; 6.15", filtered(filter(FilterKind::Unmapped))),
            (
                "6.19, 7.0; scheme 0, max_nr_snapshots; stats/max_nr_snapshots; 7.0",
                of_scheme(|s| s.max_nr_snapshots = Some(3)),
            ),
            ("6.19, 7.0; scheme 0, goal 0, metric; active_mem_bp; 7.0", quota(goal(Metric::ActiveMemBp))),
            ("7.0, 7.1; scheme 0, quotas.goal_tuner; quotas/goal_tuner; 7.1", goal_tuner),
            ("7.1, 7.2; scheme 0, quotas.fail_charge_num; quotas/fail_charge_num; 7.2", of_scheme(charge)),
            ("7.1, 7.2; scheme 0, action; collapse; 7.2", of_scheme(|s| s.action = Action::Collapse)),
            ("7.1, 7.2; context 0, pause; 0/pause; 7.2", kdamond(|c| c.pause = Some(true))),
            ("6.16, 6.17; kdamond 0, refresh_ms; 0/refresh_ms; 6.17", refreshed),
        ]
    }

    #[test]
    fn what_a_kernel_lacks_is_refused_before_the_first_write_with_the_release() {
        for (case, kdamond) in newer_things() {
            let mut words = case.split("; ");
            let (without, with) = words.next().and_then(|releases| releases.split_once(", ")).expect("two releases");
            let [without, with] = [without, with].map(|release| parse_release(release).expect("a release"));
            let error = refused(without, &kdamond).unwrap_or_else(|| panic!("{case}"));
            for word in words {
                assert!(error.contains(word), "{word}: {error}");
            }
            assert_eq!(refused(with, &kdamond), None, "{case}");
        }
    }

    #[test]
    fn a_node_that_does_not_exist_is_refused_before_the_first_write() {
        let fake = Arc::new(MemorySysfs::new((7, 3)));
        fake.put("sys/devices/system/node/has_memory", "0-1");
        fake.put("sys/devices/system/node/node1/meminfo", "");
        let stage = |kdamond: Kdamond| {
            let staged = Sysfs::new(&Root::with_io(fake.clone())).stage(&[kdamond]);
            staged.map(|staged| staged.undo()).map_err(|error| error.to_string())
        };
        let migrating = |node| of_scheme(|s| (s.action, s.target_nid) = (Action::MigrateCold, Some(node)));
        let weighted = of_scheme(|s| {
            s.action = Action::MigrateHot;
            s.dests = vec![Dest { id: 1, weight: 1 }, Dest { id: 5, weight: 1 }];
        });
        let with_goal = of_scheme(|s| {
            s.quotas.goals.push(Goal { nid: Some(5), ..goal(Metric::NodeMemUsedBp) });
            s.quotas.reset_interval = Nanos::from_secs(1);
        });
        for kdamond in [migrating(5), weighted, with_goal] {
            let error = stage(kdamond).map(|_| ()).unwrap_err();
            assert!(error.contains("node 5") && error.contains("nodes with memory: 0, 1"), "{error}");
        }
        assert_eq!(fake.log(), []);
        assert!(stage(migrating(1)).is_ok());
    }

    #[test]
    fn on_any_kernel_each_action_metric_and_filter_is_written_whole_or_refused_at_once() {
        let range = damo_model::AddrRange::new(damo_model::Addr(0), damo_model::Addr(8192));
        let kinds = [
            FilterKind::Anon,
            FilterKind::Memcg("/a".to_owned()),
            FilterKind::Addr(range),
            FilterKind::Target(0),
            FilterKind::Young,
            FilterKind::HugepageSize(MinMax { min: Bytes(0), max: Bytes(0) }),
            FilterKind::Unmapped,
            FilterKind::Active,
        ];
        let mut cases: Vec<Kdamond> = Vec::new();
        cases.extend(Action::ALL.map(|action| {
            of_scheme(|s| {
                let migrates = matches!(action, Action::MigrateHot | Action::MigrateCold);
                (s.action, s.target_nid) = (action, migrates.then_some(1));
            })
        }));
        cases.extend(Metric::ALL.map(|metric| {
            of_scheme(|s| {
                let nid = metric.as_str().starts_with("node_").then_some(1);
                let memcg_path = metric.as_str().starts_with("node_memcg").then(|| "/a".to_owned());
                s.quotas.goals.push(Goal { nid, memcg_path, ..goal(metric) });
                s.quotas.reset_interval = Nanos::from_secs(1);
            })
        }));
        cases.extend(kinds.iter().flat_map(|kind| [(kind, false), (kind, true)]).map(|(kind, allow)| {
            kdamond(|context| {
                context.targets.push(ContextTarget { regions: vec![range], ..ContextTarget::default() });
                context.schemes[0].filters = vec![SchemeFilter { kind: kind.clone(), matching: false, allow }];
            })
        }));
        let mut taken = Vec::new();
        for release in
            [(5, 18), (6, 1), (6, 3), (6, 6), (6, 8), (6, 10), (6, 12), (6, 14), (6, 16), (6, 18), (7, 0), (7, 2)]
        {
            taken.push(cases.iter().filter(|case| refused(release, case).is_none()).count());
        }
        assert!(taken.is_sorted(), "{taken:?}");
        // The six actions there were at first; and everything.
        assert_eq!((taken[0], taken[taken.len() - 1]), (6, cases.len()), "{taken:?}");
    }

    #[test]
    fn a_kernel_that_was_given_newer_things_is_asked_itself() {
        let fake = Arc::new(MemorySysfs::new((6, 15)));
        fake.put("proc/sys/kernel/osrelease", "5.14.0-611.el9.x86_64");
        let sysfs = Sysfs::new(&Root::with_io(fake.clone()));
        let kdamond = of_scheme(|s| s.filters.push(filter(FilterKind::Young)));
        sysfs.stage(std::slice::from_ref(&kdamond)).expect("6.15 in truth").keep();
        let before = fake.files();
        let newest = of_scheme(|s| s.max_nr_snapshots = Some(3));
        let error = sysfs.stage(std::slice::from_ref(&newest)).expect_err("7.0").to_string();
        assert!(error.contains("7.0"), "{error}");
        assert_eq!(fake.files(), before);
    }

    #[test]
    fn a_memory_cgroup_that_is_not_there_is_refused() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        fake.put("sys/fs/cgroup/cgroup.controllers", "memory");
        fake.put("sys/fs/cgroup/here/memory.stat", "");
        let root = Root::with_io(fake);
        let of = |path: &str| {
            of_scheme(|s| {
                s.filters.push(filter(FilterKind::Memcg(path.into())));
            })
        };
        check(&root, &[of("/here")], &[KdamondIndex(0)]).expect("there");
        let error = check(&root, &[of("/elsewhere")], &[KdamondIndex(0)]).expect_err("not there").to_string();
        assert!(error.contains("scheme 0, filter 0, memcg_path") && error.contains("/elsewhere"), "{error}");
    }
}
