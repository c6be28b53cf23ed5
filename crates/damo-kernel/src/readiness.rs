//! Whether we can record here: each thing that is needed, its present value, and the command that mends it. Data, not
//! text: `damo doctor` prints it as a table or as JSON, and a failing recorder shows what is amiss.

use crate::features::parse_release;
use crate::io::Root;
use crate::procfs::Procfs;
use crate::ring::mmap;
use crate::sysfs::Sysfs;
use crate::tracefs::Tracefs;
use serde::Serialize;
use std::collections::HashMap;
use std::io::Read;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As needed.
    Good,
    /// Could not be told.
    Unknown,
    /// Something will not work, or not as well.
    Limited,
    /// Recording will not work.
    Bad,
}

/// One thing that recording needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Short and stable, for scripts: `root`, `tracefs`, …
    pub name: &'static str,
    /// What is needed, in words.
    pub needed: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// The present value, with the file that has it.
    pub present: String,
    /// What to do; empty if nothing needs to be done.
    pub remedy: String,
}

impl Check {
    fn new(name: &'static str, needed: &'static str, verdict: Verdict, present: impl Into<String>) -> Self {
        Self { name, needed, verdict, present: present.into(), remedy: String::new() }
    }

    /// The remedy is told only where something is amiss.
    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        if self.verdict > Verdict::Good {
            self.remedy = remedy.into();
        }
        self
    }
}

/// All checks, in the order in which to mend things.
pub fn checks(root: &Root) -> Vec<Check> {
    let procfs = Procfs::new(root);
    let config = Config::read(root, &procfs.kernel_release());
    let mut checks = vec![rights(root), kernel(&procfs.kernel_release())];
    checks.extend(config_checks(&config));
    checks.push(sysfs(root, &config));
    checks.push(tracefs(root));
    checks.push(events(root));
    checks.push(paranoid(root));
    checks.push(lockdown(root));
    checks.push(container(root));
    checks.push(pid_namespace(root));
    checks.push(kdamonds(root));
    checks.push(modules(root));
    checks
}

/// The worst verdict of all.
pub fn overall(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Unknown)
}

const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;

fn rights(root: &Root) -> Check {
    let needed = "root (CAP_SYS_ADMIN, CAP_PERFMON), to set DAMON up and to take its events";
    let status = root.read_text("proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // The second number of `Uid:` is the effective one.
    let uid =
        field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok()).unwrap_or_else(mmap::effective_uid);
    let caps = field("CapEff:").and_then(|caps| u64::from_str_radix(caps, 16).ok());
    let has = |cap: u32| caps.is_none_or(|caps| caps & (1 << cap) != 0);
    let (admin, perfmon) = (has(CAP_SYS_ADMIN), has(CAP_PERFMON) || has(CAP_SYS_ADMIN));
    let present = match caps {
        Some(caps) => format!("uid {uid}, effective capabilities {caps:#x}"),
        None => format!("uid {uid}"),
    };
    let verdict = if uid == 0 && admin && perfmon { Verdict::Good } else { Verdict::Bad };
    let remedy = if uid == 0 { "run it outside the container, or with --privileged" } else { "sudo damo record …" };
    Check::new("root", needed, verdict, present).remedy(remedy)
}

fn kernel(release: &str) -> Check {
    let verdict = match parse_release(release) {
        Some(version) if version >= (5, 18) => Verdict::Good,
        Some(_) => Verdict::Bad,
        None => Verdict::Unknown,
    };
    let present = if release.is_empty() { "unknown" } else { release };
    Check::new("kernel", "Linux 5.18 or later", verdict, present)
        .remedy("boot a newer kernel; 6.6 or later is well tried")
}

/// The kernel's build configuration.
struct Config {
    values: HashMap<String, String>,
    from: Option<String>,
}

/// No configuration is longer.
const MAX_CONFIG: u64 = 8 << 20;

impl Config {
    fn read(root: &Root, release: &str) -> Self {
        let packed = root.io().read("proc/config.gz").ok().and_then(|bytes| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).take(MAX_CONFIG).read_to_string(&mut text).ok()?;
            Some(("/proc/config.gz".to_owned(), text))
        });
        let plain = || {
            let places = [
                format!("boot/config-{release}"),
                format!("lib/modules/{release}/config"),
                format!("usr/lib/modules/{release}/config"),
                format!("lib/modules/{release}/build/.config"),
            ];
            places.into_iter().find_map(|rel| Some((format!("/{rel}"), root.read_text(&rel).ok()?)))
        };
        let Some((from, text)) = packed.or_else(plain) else { return Self { values: HashMap::new(), from: None } };
        let value = |line: &str| {
            let (name, value) = line.split_once('=')?;
            name.starts_with("CONFIG_").then(|| (name.to_owned(), value.trim().to_owned()))
        };
        Self { values: text.lines().filter_map(value).collect(), from: Some(from) }
    }

    /// `None` if the configuration is not known.
    fn is_on(&self, option: &str) -> Option<bool> {
        self.from.as_ref()?;
        Some(matches!(self.values.get(option).map(String::as_str), Some("y" | "m")))
    }
}

fn config_checks(config: &Config) -> Vec<Check> {
    let options = [
        ("config_damon", "CONFIG_DAMON", "the kernel built with DAMON", Verdict::Bad),
        ("config_damon_sysfs", "CONFIG_DAMON_SYSFS", "its sysfs interface", Verdict::Bad),
        ("config_damon_vaddr", "CONFIG_DAMON_VADDR", "monitoring of processes", Verdict::Limited),
        ("config_damon_paddr", "CONFIG_DAMON_PADDR", "monitoring of physical memory", Verdict::Limited),
        ("config_perf_events", "CONFIG_PERF_EVENTS", "perf rings, which events are taken through", Verdict::Bad),
        ("config_event_tracing", "CONFIG_EVENT_TRACING", "tracepoints that user space can take", Verdict::Bad),
    ];
    let check = |(name, option, needed, missing)| {
        let from = config.from.as_deref().unwrap_or_default();
        let value = config.values.get(option).map_or("is not set", String::as_str);
        match config.is_on(option) {
            Some(true) => Check::new(name, needed, Verdict::Good, format!("{option}={value} ({from})")),
            Some(false) => Check::new(name, needed, missing, format!("{option} {value} ({from})"))
                .remedy(format!("boot a kernel built with {option}=y; see what yours has: grep DAMON {from}")),
            None => Check::new(name, needed, Verdict::Unknown, "neither /proc/config.gz nor /boot/config-* is there")
                .remedy("modprobe configs, to see the kernel's configuration in /proc/config.gz"),
        }
    };
    options.into_iter().map(check).collect()
}

fn sysfs(root: &Root, config: &Config) -> Check {
    let needed = "DAMON's control files";
    let sysfs = Sysfs::new(root);
    let shown = sysfs.shown().display().to_string();
    let check = match sysfs.nr_kdamonds() {
        Ok(count) => Check::new("damon_sysfs", needed, Verdict::Good, format!("{shown}, {count} kdamonds set up")),
        Err(error) => Check::new("damon_sysfs", needed, Verdict::Bad, format!("{shown}: {}", short(&error))),
    };
    let remedy = if config.is_on("CONFIG_DAMON_SYSFS") == Some(false) {
        "boot a kernel built with CONFIG_DAMON_SYSFS=y".to_owned()
    } else if root.exists("sys/kernel") {
        "run it as root; if the files are missing, boot a kernel built with CONFIG_DAMON_SYSFS=y".to_owned()
    } else {
        "mount -t sysfs sysfs /sys".to_owned()
    };
    check.remedy(remedy)
}

/// The kernel's own words, without ours around it.
fn short(error: &crate::Error) -> String {
    match error {
        crate::Error::Read { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn tracefs(root: &Root) -> Check {
    let needed = "tracefs, mounted and readable";
    match Tracefs::find(root) {
        Ok(tracefs) => Check::new("tracefs", needed, Verdict::Good, tracefs.shown().display().to_string()),
        Err(error) => {
            let mounted = root.read_text("proc/mounts").is_ok_and(|mounts| mounts.contains(" tracefs "));
            let remedy = if mounted { "run it as root" } else { "mount -t tracefs tracefs /sys/kernel/tracing" };
            Check::new("tracefs", needed, Verdict::Bad, short(&error)).remedy(remedy)
        }
    }
}

fn events(root: &Root) -> Check {
    let needed = "DAMON's tracepoint damon_aggregated";
    let Ok(tracefs) = Tracefs::find(root) else {
        return Check::new("events", needed, Verdict::Unknown, "tracefs cannot be read").remedy("mend tracefs first");
    };
    let names = tracefs.damon_event_names();
    let there = names.iter().any(|name| name == "damon_aggregated");
    let present = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
    let verdict = if there { Verdict::Good } else { Verdict::Limited };
    Check::new("events", needed, verdict, present)
        .remedy("boot a kernel with CONFIG_DAMON and CONFIG_EVENT_TRACING; until then: damo record --snapshot 1s 60 …")
}

fn paranoid(root: &Root) -> Check {
    let needed = "leave to open tracepoints through perf: root, or kernel.perf_event_paranoid of -1";
    match root.read_number::<i32>("proc/sys/kernel/perf_event_paranoid") {
        Ok(level) => {
            let good = level <= -1 || rights(root).verdict == Verdict::Good;
            let verdict = if good { Verdict::Good } else { Verdict::Bad };
            Check::new("perf_event_paranoid", needed, verdict, format!("kernel.perf_event_paranoid = {level}"))
                .remedy("run it as root, or: sysctl -w kernel.perf_event_paranoid=-1")
        }
        Err(_) => Check::new("perf_event_paranoid", needed, Verdict::Bad, "no /proc/sys/kernel/perf_event_paranoid")
            .remedy("boot a kernel built with CONFIG_PERF_EVENTS=y"),
    }
}

fn lockdown(root: &Root) -> Check {
    let needed = "no kernel lockdown against tracing";
    let Ok(text) = root.read_line("sys/kernel/security/lockdown") else {
        return Check::new("lockdown", needed, Verdict::Good, "not built in or not mounted");
    };
    let locked = text.contains("[confidentiality]");
    let verdict = if locked { Verdict::Bad } else { Verdict::Good };
    Check::new("lockdown", needed, verdict, format!("/sys/kernel/security/lockdown: {text}"))
        .remedy("boot without lockdown=confidentiality (integrity is fine); it cannot be lowered while running")
}

fn container(root: &Root) -> Check {
    let needed = "the host itself rather than a container";
    let marks = ["run/.containerenv", ".dockerenv", "run/systemd/container"];
    let mark = marks.into_iter().find(|rel| root.exists(rel));
    match mark {
        Some(rel) => Check::new("container", needed, Verdict::Limited, format!("/{rel} is there"))
            .remedy("run it on the host; or start the container with --privileged --pid=host -v /sys:/sys"),
        None => Check::new("container", needed, Verdict::Good, "no sign of a container"),
    }
}

/// The number of the initial pid namespace, which is fixed.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

fn pid_namespace(root: &Root) -> Check {
    let needed = "the initial pid namespace, in which DAMON names processes";
    match root.io().link("proc/self/ns/pid") {
        Ok(link) if link == INITIAL_PID_NAMESPACE => Check::new("pid_namespace", needed, Verdict::Good, link),
        Ok(link) => Check::new("pid_namespace", needed, Verdict::Limited, link)
            .remedy("run it on the host, or in a container with --pid=host: pids here are not those of the host"),
        Err(_) => Check::new("pid_namespace", needed, Verdict::Unknown, "/proc/self/ns/pid cannot be read")
            .remedy("mount /proc"),
    }
}

fn kdamonds(root: &Root) -> Check {
    let needed = "no other kdamond running (or record what it does)";
    match Sysfs::new(root).running() {
        Ok(running) if running.is_empty() => Check::new("kdamonds", needed, Verdict::Good, "none runs"),
        Ok(running) => {
            let one = |(index, pid): &(usize, Option<i32>)| match pid {
                Some(pid) => format!("kdamond {index} runs as thread {pid}"),
                None => format!("kdamond {index} runs"),
            };
            let present = running.iter().map(one).collect::<Vec<_>>().join(", ");
            Check::new("kdamonds", needed, Verdict::Limited, present)
                .remedy("damo record   (without a target: records what runs), or: damo stop --adopt")
        }
        Err(error) => Check::new("kdamonds", needed, Verdict::Unknown, short(&error)).remedy("mend damon_sysfs first"),
    }
}

fn modules(root: &Root) -> Check {
    let needed = "no DAMON kernel module running, which may keep others from starting";
    let enabled: Vec<String> = Sysfs::new(root).enabled_modules().into_iter().map(|module| module.module).collect();
    let Some(first) = enabled.first() else {
        return Check::new("modules", needed, Verdict::Good, "none enabled");
    };
    let remedy = format!("echo N > /sys/module/{first}/parameters/enabled");
    Check::new("modules", needed, Verdict::Limited, format!("enabled: {}", enabled.join(", "))).remedy(remedy)
}

#[cfg(test)]
mod tests;
