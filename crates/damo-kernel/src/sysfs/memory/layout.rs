//! Which files and directories a kernel of a given release has, with the values that they have at first.

use super::{MemorySysfs, Tree};

/// A file that not every kernel has: the release that brought it, whether it can be written, its name and first value.
type NewerFile<'a> = ((u32, u32), Make, &'a str, &'a str);
type Make = fn(&mut Tree, &str, &[(&str, &str)]);
const RW: Make = Tree::rw;
const RO: Make = Tree::ro;

impl MemorySysfs {
    /// Makes the directories that a count asks for.
    pub(super) fn make(&self, tree: &mut Tree, dir: &str, kind: &str, count: usize) {
        tree.remove_numbered(dir);
        for at in 0..count {
            let dir = format!("{dir}/{at}");
            match kind {
                "nr_kdamonds" => self.kdamond(tree, &dir),
                "nr_contexts" => self.context(tree, &dir),
                "nr_targets" => self.target(tree, &dir),
                "nr_schemes" => self.scheme(tree, &dir),
                "nr_probes" => {
                    tree.rw(&dir, &[("filters/nr_filters", "0")]);
                    self.newer(tree, &dir, &[((7, 3), RW, "weight", "0")]);
                }
                "nr_filters" if dir.contains("/probes/") => {
                    tree.rw(&dir, &[("type", "anon"), ("matching", "N"), ("allow", "N"), ("path", "")]);
                }
                "nr_filters" => self.filter(tree, &dir),
                "nr_goals" => self.goal(tree, &dir),
                "nr_dests" => tree.rw(&dir, &[("id", "0"), ("weight", "0")]),
                _ => tree.rw(&dir, &[("start", "0"), ("end", "0")]),
            }
        }
    }

    /// Makes the files that this release has.
    fn newer(&self, tree: &mut Tree, dir: &str, files: &[NewerFile<'_>]) {
        for (_, make, name, value) in files.iter().filter(|(since, ..)| self.kernel >= *since) {
            make(tree, dir, &[(*name, *value)]);
        }
    }

    fn kdamond(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("state", "off"), ("contexts/nr_contexts", "0")]);
        tree.ro(dir, &[("pid", "-1")]);
        self.newer(tree, dir, &[((6, 17), RW, "refresh_ms", "0")]);
    }

    fn context(&self, tree: &mut Tree, dir: &str) {
        tree.ro(dir, &[("avail_operations", "vaddr\nfvaddr\npaddr")]);
        tree.rw(
            dir,
            &[
                ("operations", "vaddr"),
                ("monitoring_attrs/intervals/sample_us", "5000"),
                ("monitoring_attrs/intervals/aggr_us", "100000"),
                ("monitoring_attrs/intervals/update_us", "60000000"),
                ("monitoring_attrs/nr_regions/min", "10"),
                ("monitoring_attrs/nr_regions/max", "1000"),
                ("targets/nr_targets", "0"),
                ("schemes/nr_schemes", "0"),
            ],
        );
        let newer = [
            ((6, 15), RW, "monitoring_attrs/intervals/intervals_goal/access_bp", "0"),
            ((6, 15), RW, "monitoring_attrs/intervals/intervals_goal/aggrs", "0"),
            ((6, 15), RW, "monitoring_attrs/intervals/intervals_goal/min_sample_us", "0"),
            ((6, 15), RW, "monitoring_attrs/intervals/intervals_goal/max_sample_us", "0"),
            ((6, 18), RW, "addr_unit", "1"),
            ((7, 2), RW, "monitoring_attrs/probes/nr_probes", "0"),
            ((7, 2), RW, "pause", "N"),
        ];
        self.newer(tree, dir, &newer);
    }

    fn target(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("pid_target", "0"), ("regions/nr_regions", "0")]);
        self.newer(tree, dir, &[((6, 19), RW, "obsolete_target", "N")]);
    }

    fn scheme(&self, tree: &mut Tree, dir: &str) {
        for range in ["sz", "nr_accesses", "age"] {
            tree.rw(&format!("{dir}/access_pattern/{range}"), &[("min", "0"), ("max", "0")]);
        }
        let quotas = format!("{dir}/quotas");
        tree.rw(&quotas, &[("ms", "0"), ("bytes", "0"), ("reset_interval_ms", "0")]);
        let weights = [("sz_permil", "0"), ("nr_accesses_permil", "0"), ("age_permil", "0")];
        tree.rw(&format!("{quotas}/weights"), &weights);
        let marks = [("metric", "none"), ("interval_us", "0"), ("high", "0"), ("mid", "0"), ("low", "0")];
        tree.rw(&format!("{dir}/watermarks"), &marks);
        tree.rw(dir, &[("action", "stat")]);
        let stats = ["nr_tried", "sz_tried", "nr_applied", "sz_applied", "qt_exceeds"].map(|name| (name, "0"));
        tree.ro(&format!("{dir}/stats"), &stats);
        let newer = [
            ((6, 3), RW, "filters/nr_filters", "0"),
            ((6, 6), RO, "tried_regions/total_bytes", "0"),
            ((6, 7), RW, "apply_interval_us", "0"),
            ((6, 8), RW, "quotas/goals/nr_goals", "0"),
            ((6, 9), RO, "quotas/effective_bytes", "0"),
            ((6, 11), RW, "target_nid", "-1"),
            ((6, 14), RO, "stats/sz_ops_filter_passed", "0"),
            ((6, 15), RW, "core_filters/nr_filters", "0"),
            ((6, 15), RW, "ops_filters/nr_filters", "0"),
            ((6, 17), RW, "dests/nr_dests", "0"),
            ((7, 0), RO, "stats/nr_snapshots", "0"),
            ((7, 0), RW, "stats/max_nr_snapshots", "0"),
            ((7, 1), RW, "quotas/goal_tuner", "consist"),
            ((7, 2), RW, "quotas/fail_charge_num", "0"),
            ((7, 2), RW, "quotas/fail_charge_denom", "0"),
        ];
        self.newer(tree, dir, &newer);
    }

    fn filter(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("type", "anon"), ("matching", "N"), ("memcg_path", "")]);
        let newer = [
            ((6, 6), RW, "addr_start", "0"),
            ((6, 6), RW, "addr_end", "0"),
            ((6, 6), RW, "damon_target_idx", "0"),
            ((6, 14), RW, "allow", "N"),
            ((6, 15), RW, "min", "0"),
            ((6, 15), RW, "max", "0"),
        ];
        self.newer(tree, dir, &newer);
    }

    fn goal(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("target_value", "0"), ("current_value", "0")]);
        let newer = [((6, 9), RW, "target_metric", "user_input"), ((6, 16), RW, "nid", "0"), ((6, 19), RW, "path", "")];
        self.newer(tree, dir, &newer);
    }
}
