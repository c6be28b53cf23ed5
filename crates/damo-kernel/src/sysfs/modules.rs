//! The kdamonds of kernel modules: DAMON_STAT, DAMON_RECLAIM, DAMON_LRU_SORT. They are not in the sysfs tree, they emit
//! the same events, and while one of them runs the tree's kdamonds may be refused.

use super::Sysfs;

/// Their module names.
pub const MODULES: [&str; 3] = ["damon_stat", "damon_reclaim", "damon_lru_sort"];

/// A module's kdamond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleKdamond {
    /// `damon_stat`, `damon_reclaim` or `damon_lru_sort`.
    pub module: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its thread; `None` while it does not run, or where the module does not tell (DAMON_STAT).
    pub pid: Option<i32>,
    /// All its parameters as text, by name.
    pub params: Vec<(String, String)>,
}

impl Sysfs {
    /// The module kdamonds that this kernel has.
    pub fn modules(&self) -> Vec<ModuleKdamond> {
        MODULES.into_iter().filter_map(|module| self.module(module)).collect()
    }

    /// Those of them that are enabled; of the others nothing but that is read.
    pub fn enabled_modules(&self) -> Vec<ModuleKdamond> {
        let may_run = |module: &&str| {
            let enabled = self.root.read_line(&format!("{}/enabled", parameters(module)));
            enabled.is_ok_and(|enabled| is_yes(&enabled))
        };
        MODULES.into_iter().filter(may_run).filter_map(|module| self.module(module)).collect()
    }

    fn module(&self, module: &str) -> Option<ModuleKdamond> {
        let dir = parameters(module);
        let names = self.root.io().list(&dir).ok()?;
        let read = |name: String| {
            let value = self.root.read_line(&format!("{dir}/{name}")).ok()?;
            Some((name, value))
        };
        let params: Vec<(String, String)> = names.into_iter().filter_map(read).collect();
        let get = |name: &str| params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let enabled = get("enabled").is_some_and(is_yes);
        let pid = get("kdamond_pid").and_then(|pid| pid.parse().ok()).filter(|pid: &i32| *pid > 0);
        Some(ModuleKdamond { module: module.to_owned(), enabled, pid, params })
    }
}

fn parameters(module: &str) -> String {
    format!("sys/module/{module}/parameters")
}

/// As the kernel shows a bool parameter.
fn is_yes(value: &str) -> bool {
    matches!(value, "Y" | "y" | "1")
}
