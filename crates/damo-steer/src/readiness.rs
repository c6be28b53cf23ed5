//! Whether we can record here: each thing that is needed, its present value, and the command that mends it. Data, not
//! text: `damo doctor` prints it as a table or as JSON, and a failing recorder shows what is amiss.

mod kernel_config;

use damo_kernel::features::parse_release;
use damo_kernel::procfs::{INITIAL_PID_NAMESPACE, Procfs};
use damo_kernel::sysfs::{KDAMONDS, Sysfs};
use damo_kernel::tracefs::Tracefs;
use damo_kernel::{Error, Root};
use damo_model::{KdamondIndex, KdamondThread};
use kernel_config::{KernelConfig, config_checks};
use serde::Serialize;
use std::io::ErrorKind;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The machine is as it is needed.
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
    /// Whether only the stream of events needs it: snapshots through tried regions work without.
    pub(crate) fn is_for_events_alone(&self) -> bool {
        const FOR_EVENTS: [&str; 6] =
            ["tracefs", "events", "perf_event_paranoid", "lockdown", "config_perf_events", "config_event_tracing"];
        FOR_EVENTS.contains(&self.name)
    }
}

/// What a check is of: its name for scripts, and what is needed, in words.
#[derive(Clone, Copy)]
struct Need(&'static str, &'static str);

impl Need {
    /// The remedy is told only where something is amiss.
    fn is(self, verdict: Verdict, present: impl Into<String>, remedy: impl Into<String>) -> Check {
        let remedy = if verdict > Verdict::Good { remedy.into() } else { String::new() };
        Check { name: self.0, needed: self.1, verdict, present: present.into(), remedy }
    }

    fn good(self, present: impl Into<String>) -> Check {
        self.is(Verdict::Good, present, "")
    }

    fn unknown(self, present: impl Into<String>, remedy: impl Into<String>) -> Check {
        self.is(Verdict::Unknown, present, remedy)
    }

    fn limited(self, present: impl Into<String>, remedy: impl Into<String>) -> Check {
        self.is(Verdict::Limited, present, remedy)
    }

    fn bad(self, present: impl Into<String>, remedy: impl Into<String>) -> Check {
        self.is(Verdict::Bad, present, remedy)
    }
}

/// All checks, in the order in which to mend things.
pub fn checks(root: &Root) -> Vec<Check> {
    run(root, true)
}

/// All checks but those of the kernel's build configuration, a file of some hundred KiB: what it lacks shows in the others,
/// and why it is missing can be asked then.
pub(crate) fn checks_at_work(root: &Root) -> Vec<Check> {
    run(root, false)
}

fn run(root: &Root, with_config: bool) -> Vec<Check> {
    let root = &root.remembering();
    let release = Procfs::new(root).kernel_release();
    let config = KernelConfig::new(root, &release);
    let mut checks = vec![rights(root), kernel(root, &release)];
    if with_config {
        checks.extend(config_checks(&config));
    }
    checks.push(sysfs(root, &config));
    checks.push(writable(root));
    checks.push(run_directory(root));
    checks.push(tracefs(root));
    checks.push(events(root, &config));
    checks.push(paranoid(root));
    checks.push(lockdown(root));
    checks.push(container(root));
    checks.push(pid_namespace(root));
    checks.push(proc_of_namespace(root));
    checks.push(kdamonds(root));
    checks.push(modules(root));
    checks
}

/// The worst verdict of all.
pub(crate) fn overall(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Unknown)
}

const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;

/// A line of this process's status file.
fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The effective capabilities of this process, a bit each; `None` if they are not told.
fn capabilities(status: &str) -> Option<u64> {
    u64::from_str_radix(status_field(status, "CapEff:")?, 16).ok()
}

/// The capabilities that recording needs and this process does not have. What is not told counts as there.
pub(crate) fn missing_capabilities(root: &Root) -> Vec<&'static str> {
    let Some(caps) = capabilities(&root.read_text("proc/self/status").unwrap_or_default()) else { return Vec::new() };
    let has = |cap: u32| caps & (1 << cap) != 0;
    let needed = [
        ("CAP_SYS_ADMIN", has(CAP_SYS_ADMIN)),
        ("CAP_PERFMON", has(CAP_PERFMON) || has(CAP_SYS_ADMIN)), // one capability before Linux 5.8
    ];
    needed.into_iter().filter_map(|(name, has)| (!has).then_some(name)).collect()
}

fn rights(root: &Root) -> Check {
    let need = Need("root", "the rights to set DAMON up and to take its events");
    let status = root.read_text("proc/self/status").unwrap_or_default();
    // The second number of `Uid:` is the effective one.
    let uid = status_field(&status, "Uid:")
        .and_then(|ids| ids.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let caps = capabilities(&status).map(|caps| format!(", effective capabilities {caps:#x}")).unwrap_or_default();
    let present = format!("uid {uid}{caps}");
    let lacking = missing_capabilities(root).join(" and ");
    let without = if lacking.is_empty() { String::new() } else { format!(", without {lacking}") };
    if uid != 0 {
        let need = Need("root", "root, to set DAMON up and to take its events");
        return need.bad(present + &without, "sudo damo record …");
    }
    if let Some(map) = user_namespace(root) {
        let remedy = "run it as root of the host: the root of a user namespace, as in a rootless container, may do \
                      nothing there";
        return need.bad(format!("{present}, but of a user namespace (/proc/self/uid_map: {map})"), remedy);
    }
    if lacking.is_empty() {
        return need.good(present);
    }
    need.bad(present + &without, "run it on the host; or start the container with --privileged")
}

/// How ids are mapped, if this is not the initial user namespace, in which each is itself.
fn user_namespace(root: &Root) -> Option<String> {
    let map = root.read_text("proc/self/uid_map").ok()?;
    let words: Vec<&str> = map.split_whitespace().collect();
    (words != ["0", "0", "4294967295"]).then(|| words.join(" "))
}

fn kernel(root: &Root, release: &str) -> Check {
    let need = Need("kernel", "Linux 5.18 or later");
    let verdict = match parse_release(release) {
        Some(version) if version >= (5, 18) => Verdict::Good,
        // Distributions give newer DAMON to their older kernels: what is there counts.
        Some(_) if Sysfs::new(root).present() => {
            let present = format!("{release}, which has DAMON's control files all the same");
            return need.limited(present, "recording as usual; `damo features` shows what this kernel's DAMON can do");
        }
        Some(_) => Verdict::Bad,
        None => Verdict::Unknown,
    };
    let present = if release.is_empty() { "unknown" } else { release };
    need.is(verdict, present, "boot a newer kernel; 6.6 or later is well tried")
}

fn sysfs(root: &Root, config: &KernelConfig<'_>) -> Check {
    let need = Need("damon_sysfs", "DAMON's control files");
    let sysfs = Sysfs::new(root);
    let shown = sysfs.shown().display().to_string();
    let error = match sysfs.nr_kdamonds() {
        Ok(count) => return need.good(format!("{shown}, {count} kdamonds set up")),
        Err(error) => error,
    };
    let present = match error.kind() {
        Some(ErrorKind::PermissionDenied) => {
            return need.is(denied(root), format!("{shown}: {}", short(&error)), "run it as root");
        }
        Some(ErrorKind::NotFound) => format!("{shown} is not there"),
        _ => format!("{shown}: {}", short(&error)),
    };
    let remedy = match config.is_on("CONFIG_DAMON_SYSFS") {
        _ if !root.exists("sys/kernel") => "mount -t sysfs sysfs /sys",
        Some(true) => "the kernel has them, so they are hidden here: run it on the host, or mount -t sysfs sysfs /sys",
        Some(false) => "boot a kernel built with CONFIG_DAMON_SYSFS=y",
        None => "boot a kernel built with CONFIG_DAMON_SYSFS=y (5.18 or later)",
    };
    need.bad(format!("{present}; {}", config.tell("CONFIG_DAMON_SYSFS")), remedy)
}

fn writable(root: &Root) -> Check {
    let need = Need("damon_sysfs_writable", "DAMON's control files mounted for writing");
    let remedy = "run it on the host; or start the container with --privileged; or";
    let path = format!("/{KDAMONDS}");
    mounted_for_writing(root, need, &path, remedy, ("/proc/mounts has no /sys", "mount -t sysfs sysfs /sys"))
}

/// Where the lock and the notes of what was started are: see [`crate::notes`].
fn run_directory(root: &Root) -> Check {
    let need = Need("run_writable", "/run mounted for writing, as it is noted there what was started");
    let remedy = "start the container with --tmpfs /run; on a host";
    mounted_for_writing(root, need, "/run/damo", remedy, ("/proc/mounts does not say", ""))
}

/// Whether what `path` is on is mounted for writing: how to have it so without another mount, and what is to be said and
/// done if no mount is told.
fn mounted_for_writing(root: &Root, need: Need, path: &str, remedy: &str, untold: (&str, &str)) -> Check {
    let Ok(mounts) = root.read_text("proc/mounts") else {
        return need.unknown("/proc/mounts cannot be read", "mount /proc");
    };
    match mount_of(&mounts, path) {
        Some(Mount { dir, read_only: true }) => need.bad(
            format!("{dir} is mounted read-only (/proc/mounts)"),
            format!("{remedy}, if you may: mount -o remount,rw {dir}"),
        ),
        Some(Mount { dir, .. }) => need.good(format!("{dir} is mounted for writing")),
        None => need.unknown(untold.0, untold.1),
    }
}

/// Where something is mounted, and how.
struct Mount<'a> {
    dir: &'a str,
    read_only: bool,
}

/// The mount that a path is on: the deepest one, and of several at a place the last one.
fn mount_of<'a>(mounts: &'a str, path: &str) -> Option<Mount<'a>> {
    let mount = |line: &'a str| {
        let mut words = line.split(' ');
        let (dir, options) = (words.nth(1)?, words.nth(1)?);
        let below = path.strip_prefix(dir.trim_end_matches('/'))?;
        let read_only = options.split(',').any(|option| option == "ro");
        (below.is_empty() || below.starts_with('/')).then_some(Mount { dir, read_only })
    };
    mounts.lines().filter_map(mount).max_by_key(|mount| mount.dir.len())
}

/// What a file that may not be read says: nothing, as long as we are not root.
fn denied(root: &Root) -> Verdict {
    if rights(root).verdict == Verdict::Good { Verdict::Bad } else { Verdict::Unknown }
}

/// The kernel's own words, without ours around it.
fn short(error: &Error) -> String {
    match error {
        Error::Read { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

fn tracefs(root: &Root) -> Check {
    let need = Need("tracefs", "tracefs, mounted and readable");
    let error = match Tracefs::find(root) {
        Ok(tracefs) => return need.good(tracefs.shown().display().to_string()),
        Err(error) => error,
    };
    if error.kind() == Some(ErrorKind::PermissionDenied) {
        let present = match &error {
            Error::Read { path, source, .. } => format!("{}: {source}", path.display()),
            other => other.to_string(),
        };
        return need.is(denied(root), present, "run it as root");
    }
    let mounts = root.read_text("proc/mounts").unwrap_or_default();
    let mounted = mounts.lines().find(|line| line.split(' ').nth(2) == Some("tracefs"));
    match mounted.and_then(|line| line.split(' ').nth(1)) {
        Some(dir) if is_confidential(root) => {
            need.bad(format!("{dir} is empty, because of the kernel's lockdown"), "see lockdown")
        }
        Some(dir) => {
            let remedy = "run it on the host, on a kernel built with CONFIG_EVENT_TRACING=y";
            need.bad(format!("{dir} has no events (is it hidden?)"), remedy)
        }
        None => need.bad("not mounted (/proc/mounts)", "mount -t tracefs tracefs /sys/kernel/tracing"),
    }
}

fn events(root: &Root, config: &KernelConfig<'_>) -> Check {
    let need = Need("events", "DAMON's tracepoint damon_aggregated");
    let Ok(tracefs) = Tracefs::find(root) else {
        return need.unknown("tracefs cannot be read", "make tracefs readable first");
    };
    let names = tracefs.damon_event_names();
    match tracefs.region_event(false) {
        Some("damon_aggregated") => return need.good(names.join(" ")),
        Some(_) => return Need("events", "DAMON's tracepoint damon_region_aggregated").good(names.join(" ")),
        None => {}
    }
    let dir = format!("{}/events/damon", tracefs.shown().display());
    let there = if names.is_empty() { "nothing".to_owned() } else { format!("only {}", names.join(" ")) };
    let options = ["CONFIG_DAMON", "CONFIG_EVENT_TRACING"].map(|option| config.tell(option)).join(", ");
    let boot = "boot a kernel built with CONFIG_DAMON=y and CONFIG_EVENT_TRACING=y (5.15 or later)";
    let instead = format!("{SNAPSHOTS}, which needs no tracepoint; or {boot}");
    let remedy = if something_runs(root) { boot.to_owned() } else { instead };
    need.bad(format!("{dir} has {there}; {options}"), remedy)
}

/// The command that records without events, with a gap for its targets.
pub const SNAPSHOTS: &str = "damo record --snapshot 1s 60 …";

/// Whether a kdamond or a module of DAMON is on, beside which no kdamond of ours can be started.
pub(crate) fn something_runs(root: &Root) -> bool {
    let sysfs = Sysfs::new(root);
    sysfs.running().is_ok_and(|running| !running.is_empty()) || !sysfs.enabled_modules().is_empty()
}

fn paranoid(root: &Root) -> Check {
    let needed = "permission to open tracepoints through perf: root, or kernel.perf_event_paranoid of -1";
    let need = Need("perf_event_paranoid", needed);
    let Ok(level) = root.read_number::<i32>("proc/sys/kernel/perf_event_paranoid") else {
        let present = "no /proc/sys/kernel/perf_event_paranoid";
        return need.bad(present, "boot a kernel built with CONFIG_PERF_EVENTS=y");
    };
    let good = level <= -1 || rights(root).verdict == Verdict::Good;
    let verdict = if good { Verdict::Good } else { Verdict::Bad };
    let remedy = "run it as root; sysctl -w kernel.perf_event_paranoid=-1 opens perf alone, and not DAMON's files";
    need.is(verdict, format!("kernel.perf_event_paranoid = {level}"), remedy)
}

/// What says how far the kernel is locked down; the boot parameters where securityfs is not mounted.
fn lockdown_told(root: &Root) -> Option<String> {
    if let Ok(text) = root.read_line("sys/kernel/security/lockdown") {
        return Some(format!("/sys/kernel/security/lockdown: {text}"));
    }
    let parameters = root.read_line("proc/cmdline").unwrap_or_default();
    let told = parameters.split_whitespace().find(|word| word.starts_with("lockdown="))?;
    Some(format!("/proc/cmdline: {told}"))
}

fn is_confidential(root: &Root) -> bool {
    lockdown_told(root).is_some_and(|told| told.contains("[confidentiality]") || told.ends_with("=confidentiality"))
}

fn lockdown(root: &Root) -> Check {
    let need = Need("lockdown", "no kernel lockdown against tracing");
    let Some(told) = lockdown_told(root) else { return need.good("not built in or not mounted") };
    if !is_confidential(root) {
        return need.good(told);
    }
    let events = Tracefs::find(root).map(|tracefs| tracefs.damon_event_names()).unwrap_or_default();
    if events.is_empty() {
        let remedy = "boot without lockdown=confidentiality (integrity is fine); it cannot be lowered while running";
        return need.bad(told, remedy);
    }
    // It came after boot, when the tracepoints were there already: perf still opens them.
    need.limited(told, "record all the same: perf is still open; if it is not, boot without lockdown=confidentiality")
}

fn container(root: &Root) -> Check {
    let need = Need("container", "the host itself rather than a container");
    let marks = ["run/.containerenv", ".dockerenv", "run/systemd/container", "run/secrets/kubernetes.io"];
    let Some(rel) = marks.into_iter().find(|rel| root.exists(rel)) else { return need.good("no sign of a container") };
    let remedy = "run it on the host; or start the container with --privileged --pid=host -v /sys:/sys";
    need.limited(format!("this is a container: /{rel} is there"), remedy)
}

fn pid_namespace(root: &Root) -> Check {
    let need = Need("pid_namespace", "the initial pid namespace, to record any process of the host");
    let remedy = "only processes of this container can be recorded; for others run it on the host, or start the \
                  container with --pid=host";
    match root.io().link("proc/self/ns/pid") {
        Ok(link) if link == INITIAL_PID_NAMESPACE => need.good(link),
        Ok(link) => need.limited(format!("{link}, as in a container"), remedy),
        Err(_) => need.unknown("/proc/self/ns/pid cannot be read", "mount /proc"),
    }
}

/// Whether /proc is of the pid namespace that we are in: else its process ids are not those that we are given.
pub fn is_own_proc(root: &Root) -> bool {
    proc_of_namespace(root).verdict == Verdict::Good
}

fn proc_of_namespace(root: &Root) -> Check {
    let needed = "/proc mounted for this pid namespace, as its process ids are those that the kernel takes";
    let need = Need("proc", needed);
    let status = root.read_text("proc/self/status").unwrap_or_default();
    let ids: Vec<&str> = status_field(&status, "NSpid:").unwrap_or_default().split_whitespace().collect();
    let [there, .., here] = ids.as_slice() else { return need.good("/proc is of this pid namespace") };
    let present = format!("/proc is of another pid namespace: this process is {there} there, and {here} here");
    need.bad(present, "mount -t proc proc /proc")
}

fn kdamonds(root: &Root) -> Check {
    let need = Need("kdamonds", "no other kdamond running (or record what it does)");
    match Sysfs::new(root).running() {
        Ok(running) if running.is_empty() => need.good("none runs"),
        Ok(running) => {
            let one = |(index, pid): &(KdamondIndex, Option<KdamondThread>)| match pid {
                Some(pid) => format!("kdamond {index} runs as thread {pid}"),
                None => format!("kdamond {index} runs"),
            };
            let present = running.iter().map(one).collect::<Vec<_>>().join(", ");
            need.limited(present, "damo record   (without a target: records what runs), or: damo stop --adopt")
        }
        Err(error) => need.unknown(short(&error), "make the files of damon_sysfs readable first"),
    }
}

fn modules(root: &Root) -> Check {
    let need = Need("modules", "no DAMON kernel module running, which may keep others from starting");
    let enabled: Vec<String> = Sysfs::new(root).enabled_modules().into_iter().map(|module| module.module).collect();
    let Some(first) = enabled.first() else { return need.good("none enabled") };
    let remedy = format!("echo N > /sys/module/{first}/parameters/enabled");
    need.limited(format!("enabled: {}", enabled.join(", ")), remedy)
}

#[cfg(test)]
mod tests;
