//! Which files and directories a kernel of a given release has, with the values that they have at first.

use super::{MemorySysfs, Tree};

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
                    if self.since(7, 3) {
                        tree.rw(&dir, &[("weight", "0")]);
                    }
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

    fn kdamond(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("state", "off"), ("contexts/nr_contexts", "0")]);
        tree.ro(dir, &[("pid", "-1")]);
        if self.since(6, 17) {
            tree.rw(dir, &[("refresh_ms", "0")]);
        }
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
        if self.since(6, 15) {
            let goal = format!("{dir}/monitoring_attrs/intervals/intervals_goal");
            tree.rw(&goal, &[("access_bp", "0"), ("aggrs", "0"), ("min_sample_us", "0"), ("max_sample_us", "0")]);
        }
        if self.since(7, 2) {
            tree.rw(&format!("{dir}/monitoring_attrs/probes"), &[("nr_probes", "0")]);
        }
        if self.since(6, 18) {
            tree.rw(dir, &[("addr_unit", "1")]);
        }
        if self.since(7, 2) {
            tree.rw(dir, &[("pause", "N")]);
        }
    }

    fn target(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("pid_target", "0"), ("regions/nr_regions", "0")]);
        if self.since(6, 19) {
            tree.rw(dir, &[("obsolete_target", "N")]);
        }
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
        if self.since(6, 3) {
            tree.rw(dir, &[("filters/nr_filters", "0")]);
        }
        if self.since(6, 6) {
            tree.ro(dir, &[("tried_regions/total_bytes", "0")]);
        }
        if self.since(6, 7) {
            tree.rw(dir, &[("apply_interval_us", "0")]);
        }
        if self.since(6, 8) {
            tree.rw(&quotas, &[("goals/nr_goals", "0")]);
        }
        if self.since(6, 9) {
            tree.ro(&quotas, &[("effective_bytes", "0")]);
        }
        if self.since(6, 11) {
            tree.rw(dir, &[("target_nid", "-1")]);
        }
        if self.since(6, 14) {
            tree.ro(&format!("{dir}/stats"), &[("sz_ops_filter_passed", "0")]);
        }
        if self.since(6, 15) {
            tree.rw(dir, &[("core_filters/nr_filters", "0"), ("ops_filters/nr_filters", "0")]);
        }
        if self.since(6, 17) {
            tree.rw(dir, &[("dests/nr_dests", "0")]);
        }
        if self.since(7, 0) {
            tree.ro(&format!("{dir}/stats"), &[("nr_snapshots", "0")]);
            tree.rw(&format!("{dir}/stats"), &[("max_nr_snapshots", "0")]);
        }
        if self.since(7, 1) {
            tree.rw(&quotas, &[("goal_tuner", "consist")]);
        }
        if self.since(7, 2) {
            tree.rw(&quotas, &[("fail_charge_num", "0"), ("fail_charge_denom", "0")]);
        }
    }

    fn filter(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("type", "anon"), ("matching", "N"), ("memcg_path", "")]);
        if self.since(6, 6) {
            tree.rw(dir, &[("addr_start", "0"), ("addr_end", "0"), ("damon_target_idx", "0")]);
        }
        if self.since(6, 14) {
            tree.rw(dir, &[("allow", "N")]);
        }
        if self.since(6, 15) {
            tree.rw(dir, &[("min", "0"), ("max", "0")]);
        }
    }

    fn goal(&self, tree: &mut Tree, dir: &str) {
        tree.rw(dir, &[("target_value", "0"), ("current_value", "0")]);
        if self.since(6, 9) {
            tree.rw(dir, &[("target_metric", "user_input")]);
        }
        if self.since(6, 16) {
            tree.rw(dir, &[("nid", "0")]);
        }
        if self.since(6, 19) {
            tree.rw(dir, &[("path", "")]);
        }
    }
}
