//! The kernel's own users of DAMON as people see and switch them: DAMON_STAT, DAMON_RECLAIM, DAMON_LRU_SORT.

use crate::Machine;
use crate::error::Result;
use crate::steer::LOCK_TIMEOUT;
use damo_kernel::sysfs::{IdleTimes, Module, ModuleKdamond};
use damo_model::human::{Show, idle_text};
use serde_json::{Map, Value, json};

/// The percentiles of idle times that fit in a line.
const SHOWN_PERCENTILES: [usize; 5] = [0, 25, 50, 75, 100];
/// Heights of a bar, the lowest first.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// DAMON_STAT's long list, which is shown in another way.
const IDLE_LIST: &str = "memory_idle_ms_percentiles";

impl Machine {
    /// Sets parameters of a module, `(name, value)`, and switches it on if `on` says so.
    ///
    /// # Errors
    /// If the kernel has no such module, or refuses; parameters that were set stay then only if the switch was refused.
    pub fn set_module(&self, module: Module, changes: &[(String, String)], on: Option<bool>) -> Result<()> {
        let _settings_lock = self.notes.lock(LOCK_TIMEOUT)?;
        if !changes.is_empty() {
            self.sysfs.set_module(module, changes)?;
        }
        if let Some(on) = on {
            self.sysfs.enable_module(module, on)?;
        }
        Ok(())
    }
}

/// A module's state in words.
pub fn state(module: &ModuleKdamond) -> String {
    match (module.enabled, module.pid) {
        (true, Some(pid)) => format!("enabled (thread {pid})"),
        (true, None) => "enabled".to_owned(),
        (false, _) => "not enabled".to_owned(),
    }
}

/// A module with its parameters, a line each, in the kernel's units and in words.
pub fn describe(module: &ModuleKdamond) -> Vec<String> {
    let params = || module.params.iter().filter(|(name, _)| name != "enabled");
    let width = params().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut lines = vec![format!("{}: {}", module.module, state(module))];
    for (name, value) in params() {
        let words = match idle(module).filter(|_| name == IDLE_LIST) {
            Some(idle) => idle,
            None => match ModuleKdamond::in_words(name, value) {
                words if words == *value => words,
                words => format!("{value} ({words})"),
            },
        };
        lines.push(format!("  {name:<width$}  {}", words.shown()));
    }
    lines
}

/// Idle times of the machine's memory in a line: five percentiles and a bar of them. `None` of modules that do not tell.
pub fn idle(module: &ModuleKdamond) -> Option<String> {
    let IdleTimes { percentiles, .. } = module.idle_times().ok().flatten()?;
    let shown = || SHOWN_PERCENTILES.iter().filter_map(|at| Some((at, *percentiles.get(*at)?)));
    let longest = shown().map(|(_, idle)| idle.0).max().unwrap_or(0).max(1);
    let texts: Vec<String> = shown().map(|(at, idle)| format!("{at} % {}", idle_text(idle))).collect();
    let height = |idle: i64| HEIGHTS.get((i128::from(idle.max(0)) * 7 / i128::from(longest)) as usize).copied();
    let bar: String = shown().filter_map(|(_, idle)| height(idle.0)).collect();
    Some(format!("{} {bar}", texts.join(", ")))
}

/// Parameters that fit in a line, without the list that [`idle`] shows.
pub(crate) fn short_params(module: &ModuleKdamond) -> impl Iterator<Item = &(String, String)> {
    let left_out = ["enabled", "kdamond_pid", IDLE_LIST];
    module.params.iter().filter(move |(name, _)| !left_out.contains(&name.as_str()))
}

/// A module with everything that the kernel tells of it.
pub fn to_json(module: &ModuleKdamond) -> Value {
    let params: Map<String, Value> = module.params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "module": module.module, "enabled": module.enabled, "pid": module.pid, "params": params })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_times_are_five_percentiles_with_a_bar() {
        let list: Vec<String> = (-20..81).map(|n: i64| (n * 100).to_string()).collect();
        let params =
            [("enabled", "Y".to_owned()), (IDLE_LIST, list.join(",")), ("aggr_interval_us", "100000".to_owned())];
        let params = params.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let module = ModuleKdamond {
            module: "damon_stat".to_owned(),
            enabled: true,
            pid: Some(damo_model::KdamondThread(7)),
            params,
        };
        let wanted = "0 % accessed (2 s), 25 % 500 ms, 50 % 3 s, 75 % 5.500 s, 100 % 8 s ▁▁▃▅█";
        assert_eq!(idle(&module).as_deref(), Some(wanted));
        let wanted_lines = [
            "damon_stat: enabled (thread 7)".to_owned(),
            format!("  memory_idle_ms_percentiles  {wanted}"),
            "  aggr_interval_us            100000 (100 ms)".to_owned(),
        ];
        assert_eq!(describe(&module), wanted_lines);
        assert_eq!(to_json(&module)["params"]["aggr_interval_us"], "100000");
    }
}
