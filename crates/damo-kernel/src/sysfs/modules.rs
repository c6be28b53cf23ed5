//! The kernel modules that run DAMON by themselves: DAMON_STAT, DAMON_RECLAIM, DAMON_LRU_SORT. Their kdamonds are not in
//! the sysfs tree, they emit the same events, and while one of them runs the tree's kdamonds may be refused. All there is
//! of them are module parameters, `/sys/module/damon_*/parameters`.

use super::Sysfs;
use crate::error::{Error, Result, excerpt};
use damo_model::human::{self, Style, TimeUnit};
use damo_model::{Bytes, Intervals, KdamondThread, Nanos, NrRegions};
use std::time::{Duration, Instant};

/// How long a module may take to take new parameters: longer than any usual aggregation interval.
const COMMIT_WITHIN: Duration = Duration::from_secs(10);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

damo_model::words! {
    /// A kernel module of DAMON, with its name in `/sys/module`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Module {
        /// DAMON_STAT: idle times and bandwidth of the whole machine.
        Stat = "damon_stat",
        /// DAMON_RECLAIM: pages out what is idle.
        Reclaim = "damon_reclaim",
        /// DAMON_LRU_SORT: moves hot and cold memory within the LRU lists.
        LruSort = "damon_lru_sort",
    }
}

/// A module's kdamond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleKdamond {
    /// `damon_stat`, `damon_reclaim` or `damon_lru_sort`.
    pub module: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Its thread; `None` while it does not run, or where the module does not tell (DAMON_STAT before 7.0).
    pub pid: Option<KdamondThread>,
    /// All its parameters as text, by name.
    pub params: Vec<(String, String)>,
}

/// What DAMON_STAT found, of all memory of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleTimes {
    /// For how long memory has not been accessed, by percentiles 0 to 100 of the bytes. Negative: it is accessed, and has
    /// been at about the present rate for so long.
    pub percentiles: Vec<Nanos>,
    /// Estimated memory bandwidth, bytes per second.
    pub bandwidth: Option<Bytes>,
    /// The aggregation interval, which DAMON_STAT tunes itself.
    pub aggregation: Option<Nanos>,
}

/// In how many samples of an aggregation DAMON_STAT counts accesses; tuning of intervals keeps the number.
const STAT_SAMPLES: i64 = 20;

/// What the number of a parameter means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Time(TimeUnit),
    Bytes,
    Permil,
    BasisPoints,
    YesNo,
    Number,
}

impl Module {
    /// The build option that brings it.
    fn option(self) -> &'static str {
        match self {
            Module::Stat => "CONFIG_DAMON_STAT (Linux 6.17 or later)",
            Module::Reclaim => "CONFIG_DAMON_RECLAIM (Linux 5.16 or later)",
            Module::LruSort => "CONFIG_DAMON_LRU_SORT (Linux 6.0 or later)",
        }
    }

    fn file(self, name: &str) -> String {
        format!("sys/module/{}/parameters/{name}", self.as_str())
    }
}

impl Sysfs {
    /// The module kdamonds that this kernel has.
    pub fn modules(&self) -> Vec<ModuleKdamond> {
        Module::ALL.into_iter().filter_map(|module| self.module(module).ok()).collect()
    }

    /// Those of them that are enabled; of the others nothing but that is read.
    pub fn enabled_modules(&self) -> Vec<ModuleKdamond> {
        let may_run = |module: &Module| self.is_module_enabled(*module);
        Module::ALL.into_iter().filter(may_run).filter_map(|module| self.module(module).ok()).collect()
    }

    /// One of them, with its parameters.
    ///
    /// # Errors
    /// If the kernel was built without it, or lets only root see.
    pub fn module(&self, module: Module) -> Result<ModuleKdamond> {
        let dir = format!("sys/module/{}/parameters", module.as_str());
        let listed = self.root.io().list(&dir);
        let names = listed.map_err(|source| Error::NoModule {
            module: module.as_str(),
            option: module.option(),
            path: self.root.shown(&dir),
            source,
        })?;
        let read = |name: String| {
            let value = self.root.read_line(&module.file(&name)).ok()?;
            Some((name, value))
        };
        let params: Vec<(String, String)> = names.into_iter().filter_map(read).collect();
        let get = |name: &str| params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let enabled = get("enabled").is_some_and(is_yes);
        let pid = get("kdamond_pid").and_then(|pid| pid.parse().ok()).filter(|pid: &i32| *pid > 0);
        Ok(ModuleKdamond { module: module.as_str().to_owned(), enabled, pid: pid.map(KdamondThread), params })
    }

    /// Switches a module on or off.
    ///
    /// # Errors
    /// If the kernel has no such module or refuses: for example because a kdamond of somebody else is on.
    pub fn enable_module(&self, module: Module, on: bool) -> Result<()> {
        self.module(module)?;
        self.write_module(module, "enabled", if on { "Y" } else { "N" })?;
        // Some releases take the word and do nothing.
        if self.is_module_enabled(module) == on {
            return Ok(());
        }
        let what = format!("{}/enabled", module.as_str());
        let why = "the kernel took the value, but the module did not follow; the kernel's log (dmesg) may say why";
        Err(Error::Invalid { what, value: if on { "Y" } else { "N" }.to_owned(), why: why.to_owned() })
    }

    /// Sets parameters of a module, `(name, value)` with the values as people write them; if it is enabled, it takes them
    /// (`commit_inputs`). If any is refused, the others are as they were.
    ///
    /// # Errors
    /// If a parameter does not exist or cannot be set, if a value is not possible, or if the kernel refuses.
    pub fn set_module(&self, module: Module, changes: &[(String, String)]) -> Result<()> {
        let found = self.module(module)?;
        let mut plan = Vec::new();
        for (name, text) in changes {
            let before = found.params.iter().find(|(known, _)| known == name);
            let what = || format!("parameter {name} of {}", module.as_str());
            let invalid = |why: String| Error::Invalid { what: what(), value: text.clone(), why };
            let Some((_, before)) = before else {
                let known: Vec<&str> = found.settable(self, module).collect();
                return Err(invalid(format!("there is no such parameter; there are {}", known.join(", "))));
            };
            if !self.root.io().writable(&module.file(name)) {
                return Err(invalid("the kernel only shows it; it cannot be set".to_owned()));
            }
            plan.push((name, before, unit_of(name).parse(text).map_err(|error| invalid(error.to_string()))?));
        }
        for (done, (name, _, value)) in plan.iter().enumerate() {
            if let Err(error) = self.write_module(module, name, value) {
                let undo = |(name, before, _): &(&String, &String, String)| self.write_module(module, name, before);
                return Err(error.and_then_undone(plan.iter().take(done).rev().try_for_each(undo)));
            }
        }
        if found.enabled { self.commit_module(module) } else { Ok(()) }
    }

    /// Lets an enabled module take the parameters that were written.
    fn commit_module(&self, module: Module) -> Result<()> {
        if !self.root.exists(&module.file("commit_inputs")) {
            return Ok(());
        }
        self.write_module(module, "commit_inputs", "Y")?;
        let begun = Instant::now();
        while self.root.read_line(&module.file("commit_inputs")).is_ok_and(|value| is_yes(&value)) {
            if begun.elapsed() > COMMIT_WITHIN {
                let what = format!("{} taking its new parameters", module.as_str());
                return Err(Error::Timeout { what, waited: COMMIT_WITHIN });
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn is_module_enabled(&self, module: Module) -> bool {
        self.root.read_line(&module.file("enabled")).is_ok_and(|enabled| is_yes(&enabled))
    }

    fn write_module(&self, module: Module, name: &str, value: &str) -> Result<()> {
        let file = module.file(name);
        self.root.io().write(&file, value).map_err(|source| {
            let remedy = match (name, source.raw_os_error()) {
                (_, Some(libc::EACCES | libc::EPERM)) => "Modules are for root only: run it with sudo",
                (_, Some(libc::EROFS)) => "The tree is mounted read-only, as in a container: run it on the host itself",
                ("enabled", Some(libc::EBUSY)) => {
                    "Another kdamond is on, of `damo start`, of another program, or of another module: see `damo status`"
                }
                (_, Some(libc::EINVAL | libc::ERANGE)) => {
                    "The value is out of range, or does not fit the module's other parameters"
                }
                _ => "",
            };
            Error::Write {
                path: self.root.shown(&file),
                value: value.to_owned(),
                source,
                remedy: remedy.to_owned(),
            }
        })
    }
}

impl ModuleKdamond {
    /// The value of a parameter as people read it, such as `120 s` for 120000000 microseconds; as the kernel has it if that
    /// is no number.
    pub fn in_words(name: &str, value: &str) -> String {
        unit_of(name).format(value).unwrap_or_else(|| value.to_owned())
    }

    fn settable<'a>(&'a self, sysfs: &'a Sysfs, module: Module) -> impl Iterator<Item = &'a str> {
        let names = self.params.iter().map(|(name, _)| name.as_str());
        names.filter(move |name| sysfs.root.io().writable(&module.file(name)))
    }

    /// Intervals in force, as far as the parameters tell. DAMON_STAT tells its aggregation interval alone, from five seconds
    /// after its start on and up to five seconds late: it tunes its intervals. Another module tells what it was set to,
    /// which says nothing where it tunes them. The update interval means nothing, as all modules monitor physical memory.
    pub fn intervals(&self) -> Option<Intervals> {
        let micros = |name: &str| {
            let micros = self.param(name)?.parse::<i64>().ok().filter(|micros| *micros > 0)?;
            Some(Nanos(micros.checked_mul(1000)?))
        };
        if self.module == Module::Stat.as_str() {
            let aggregation = micros("aggr_interval_us")?;
            return Some(Intervals {
                sample: Nanos(aggregation.0 / STAT_SAMPLES),
                aggregation,
                ..Intervals::default()
            });
        }
        if self.param("autotune_monitoring_intervals").is_some_and(is_yes) {
            return None;
        }
        let (sample, aggregation) = (micros("sample_interval")?, micros("aggr_interval")?);
        Some(Intervals { sample, aggregation, ..Intervals::default() })
    }

    /// The least and the most regions, where the parameters tell.
    pub fn nr_regions(&self) -> Option<NrRegions> {
        let number = |name: &str| self.param(name)?.parse().ok();
        Some(NrRegions { min: number("min_nr_regions")?, max: number("max_nr_regions")? })
    }

    /// Bytes that one step of its addresses stands for, where the parameters tell (6.18 and later).
    pub fn addr_unit(&self) -> Option<u64> {
        self.param("addr_unit")?.parse().ok()
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What DAMON_STAT found; `None` of other modules, and of kernels whose DAMON_STAT does not say.
    ///
    /// # Errors
    /// If the kernel's list is not one of times.
    pub fn idle_times(&self) -> Result<Option<IdleTimes>> {
        let Some(list) = self.param("memory_idle_ms_percentiles") else { return Ok(None) };
        let content = || Error::Content {
            path: format!("/sys/module/{}/parameters/memory_idle_ms_percentiles", self.module).into(),
            expected: "101 times in milliseconds",
            found: excerpt(list),
        };
        let time = |word: &str| {
            // Kernels before 6.19 show a negative number as if it had no sign.
            let millis = word.trim().parse().or_else(|_| word.trim().parse::<u64>().map(u64::cast_signed));
            millis.map(|millis: i64| Nanos(millis.saturating_mul(1_000_000))).map_err(|_| content())
        };
        let percentiles: Vec<Nanos> = list.split(',').map(time).collect::<Result<_>>()?;
        if percentiles.len() != 101 {
            return Err(content());
        }
        Ok(Some(IdleTimes {
            percentiles,
            bandwidth: self.param("estimated_memory_bandwidth").and_then(|value| value.parse().ok()).map(Bytes),
            aggregation: self.intervals().map(|intervals| intervals.aggregation),
        }))
    }
}

/// What the number of a parameter means, by the kernel's documents.
fn unit_of(name: &str) -> Unit {
    match name {
        "min_age"
        | "cold_min_age"
        | "wmarks_interval"
        | "sample_interval"
        | "aggr_interval"
        | "aggr_interval_us"
        | "quota_mem_pressure_us" => Unit::Time(TimeUnit::Micros),
        "quota_ms" | "quota_reset_interval_ms" => Unit::Time(TimeUnit::Millis),
        "quota_sz" | "monitor_region_start" | "monitor_region_end" | "estimated_memory_bandwidth" => Unit::Bytes,
        "wmarks_high" | "wmarks_mid" | "wmarks_low" | "hot_thres_access_freq" => Unit::Permil,
        "active_mem_bp" => Unit::BasisPoints,
        "enabled" | "commit_inputs" | "skip_anon" | "filter_young_pages" | "autotune_monitoring_intervals" => {
            Unit::YesNo
        }
        name if name.starts_with("bytes_") => Unit::Bytes,
        _ => Unit::Number,
    }
}

/// Why a text is no value of a parameter.
#[derive(Debug, thiserror::Error)]
enum UnitError {
    #[error(transparent)]
    Parse(#[from] human::ParseError),
    #[error("it must not be negative")]
    Negative,
}

impl Unit {
    /// The kernel's number for what people write.
    fn parse(self, text: &str) -> std::result::Result<String, UnitError> {
        let whole = |number: human::Number| match u64::try_from(number.round()) {
            Ok(value) => Ok(value.to_string()),
            Err(_) => Err(UnitError::Negative),
        };
        match self {
            Unit::Time(unit) => whole(human::parse_time_number(text, unit)?),
            Unit::Bytes => Ok(human::parse_bytes(text)?.0.to_string()),
            // A bare number is the kernel's own; with a percent sign it is converted.
            Unit::Permil if text.trim().ends_with('%') => {
                let percent = human::parse_percent(text)?;
                whole(human::Number::Float(percent.as_f64() * 10.0))
            }
            Unit::BasisPoints if text.trim().ends_with('%') => whole(human::parse_bp(text)?),
            Unit::YesNo => match text.trim() {
                "1" => Ok("Y".to_owned()),
                "0" => Ok("N".to_owned()),
                text => Ok(if human::parse_bool(text)? { "Y" } else { "N" }.to_owned()),
            },
            _ => whole(human::parse_number(text)?),
        }
    }

    fn format(self, value: &str) -> Option<String> {
        let number: u64 = value.parse().ok()?;
        match self {
            Unit::Time(unit) => {
                i64::try_from(number).ok()?.checked_mul(unit.nanos()).map(|n| human::time_text(Nanos(n)))
            }
            Unit::Bytes => Some(human::format_size(Bytes(number), Style::Human)),
            Unit::Permil => Some(human::format_percent(number as f64 / 10.0, Style::Human)),
            Unit::BasisPoints => Some(human::format_percent(number as f64 / 100.0, Style::Human)),
            Unit::YesNo | Unit::Number => None,
        }
    }
}

/// As the kernel shows a bool parameter.
fn is_yes(value: &str) -> bool {
    matches!(value, "Y" | "y" | "1")
}

#[cfg(test)]
mod tests;
