//! A machine on which everything is right, and then one thing after the other amiss.

use super::kernel_config::MAX_CONFIG_BYTES;
use super::*;
use damo_kernel::procfs::foreign_pid_namespace;
use damo_kernel::sysfs::MemorySysfs;
use damo_model::kdamond::{Context, ContextTarget, Kdamond};
use damo_model::{Addr, AddrRange, Ops};
use std::sync::Arc;

const RELEASE: &str = "6.12.1-test";
const CONFIG: &str = "# comment\nCONFIG_DAMON=y\nCONFIG_DAMON_SYSFS=y\nCONFIG_DAMON_VADDR=y\nCONFIG_DAMON_PADDR=y\n\
                      CONFIG_PERF_EVENTS=y\nCONFIG_EVENT_TRACING=y\n# CONFIG_OTHER is not set\n";

const MOUNTS: &str = "/dev/vda / ext4 rw 0 0\nproc /proc proc rw 0 0\nsysfs /sys sysfs rw,nosuid 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0";

/// Files of a machine that is ready.
fn ready() -> Arc<MemorySysfs> {
    let fake = Arc::new(MemorySysfs::new((6, 12)));
    fake.put("proc/sys/kernel/osrelease", RELEASE);
    fake.put("proc/self/status", "Name:\tdamo\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff");
    fake.put(&format!("boot/config-{RELEASE}"), CONFIG);
    fake.put("proc/mounts", MOUNTS);
    fake.put("sys/kernel/tracing/events/damon/damon_aggregated/format", "name: damon_aggregated");
    fake.put("proc/sys/kernel/perf_event_paranoid", "2");
    fake.put("sys/kernel/security/lockdown", "[none] integrity confidentiality");
    fake
}

fn check(fake: &Arc<MemorySysfs>, name: &str) -> Check {
    let checks = checks(&Root::with_io(fake.clone()));
    checks.into_iter().find(|check| check.name == name).expect("is checked")
}

#[test]
fn a_machine_on_which_all_is_right_has_nothing_to_mend() {
    let checks = checks(&Root::with_io(ready()));
    for check in &checks {
        // The in-memory tree has no links, so that namespaces cannot be told.
        let fine = check.verdict == Verdict::Good || check.name == "pid_namespace";
        assert!(fine, "{check:?}");
        assert!(check.verdict != Verdict::Good || check.remedy.is_empty(), "{check:?}");
    }
    assert!(overall(&checks) < Verdict::Limited);
    let names: std::collections::BTreeSet<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), checks.len(), "names are for scripts: one each");
}

#[test]
fn what_is_amiss_is_told_with_its_present_value_and_a_command() {
    let amiss = |file: &str, text: &str, name: &str| {
        let fake = ready();
        fake.put(file, text);
        let check = check(&fake, name);
        assert!(!check.remedy.is_empty(), "{check:?}");
        (check.verdict, check.present, check.remedy)
    };
    let (verdict, present, remedy) = amiss("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0", "root");
    assert_eq!((verdict, remedy.starts_with("sudo ")), (Verdict::Bad, true));
    assert!(present.contains("uid 1000"), "{present}");

    let (verdict, present, _) = amiss(&format!("boot/config-{RELEASE}"), "# CONFIG_DAMON is not set", "config_damon");
    assert_eq!(verdict, Verdict::Bad);
    assert!(present.contains("CONFIG_DAMON is not set (/boot/config-6.12.1-test)"), "{present}");

    let text = "none integrity [confidentiality]";
    let (verdict, present, _) = amiss("sys/kernel/security/lockdown", text, "lockdown");
    assert_eq!((verdict, present.contains(text)), (Verdict::Limited, true));

    let (verdict, ..) = amiss(".dockerenv", "", "container");
    assert_eq!(verdict, Verdict::Limited);

    let (verdict, _, remedy) = amiss("sys/module/damon_reclaim/parameters/enabled", "Y", "modules");
    assert_eq!(verdict, Verdict::Limited);
    assert_eq!(remedy, "echo N > /sys/module/damon_reclaim/parameters/enabled");
}

#[test]
fn a_kernel_with_only_the_newer_event_of_regions_is_ready() {
    let fake = Arc::new(MemorySysfs::new((6, 12)));
    fake.put("proc/mounts", MOUNTS);
    fake.put("sys/kernel/tracing/events/damon/damon_region_aggregated/format", "name: damon_region_aggregated");
    let found = check(&fake, "events");
    assert_eq!((found.verdict, found.needed), (Verdict::Good, "DAMON's tracepoint damon_region_aggregated"));
}

#[test]
fn an_old_release_is_no_hindrance_if_the_kernel_was_given_damons_control_files() {
    let fake = ready();
    fake.put("proc/sys/kernel/osrelease", "5.14.0-611.el9.x86_64");
    let found = check(&fake, "kernel");
    assert_eq!(
        (found.verdict, overall(&checks(&Root::with_io(fake.clone()))) < Verdict::Bad),
        (Verdict::Limited, true)
    );
    assert!(found.present.contains("5.14.0-611.el9.x86_64, which has DAMON's control files"), "{found:?}");

    let dir = tempfile::tempdir().expect("temp dir");
    std::fs::create_dir_all(dir.path().join("proc/sys/kernel")).expect("writable");
    std::fs::write(dir.path().join("proc/sys/kernel/osrelease"), "5.10.0").expect("writable");
    let found = checks(&Root::new(dir.path())).into_iter().find(|check| check.name == "kernel").expect("is checked");
    assert_eq!(found.verdict, Verdict::Bad);
}

#[test]
fn perf_is_open_to_those_who_are_not_root_only_if_the_sysctl_says_so() {
    let fake = ready();
    fake.put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0");
    let closed = check(&fake, "perf_event_paranoid");
    assert_eq!(closed.verdict, Verdict::Bad);
    assert!(closed.present.ends_with("= 2") && closed.remedy.contains("sysctl -w kernel.perf_event_paranoid=-1"));
    fake.put("proc/sys/kernel/perf_event_paranoid", "-1");
    assert_eq!(check(&fake, "perf_event_paranoid").verdict, Verdict::Good);
}

#[test]
fn who_may_not_read_a_file_is_not_told_that_it_is_missing() {
    let dir = tempfile::tempdir().expect("temp dir");
    let root = Root::new(dir.path());
    let put = |rel: &str, text: &str| {
        let path = dir.path().join(rel);
        std::fs::create_dir_all(path.parent().expect("in a directory")).expect("writable");
        std::fs::write(path, text).expect("writable");
    };
    put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0");
    assert_eq!(denied(&root), Verdict::Unknown);
    put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff");
    assert_eq!(denied(&root), Verdict::Bad);
}

#[test]
fn root_without_its_capabilities_or_of_a_user_namespace_is_no_root() {
    let fake = ready();
    // What Docker leaves to root.
    fake.put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb");
    let found = check(&fake, "root");
    assert_eq!(found.verdict, Verdict::Bad);
    assert!(found.present.contains("0xa80425fb, without CAP_SYS_ADMIN and CAP_PERFMON"), "{found:?}");
    assert!(found.remedy.contains("--privileged"), "{found:?}");
    // CAP_SYS_ADMIN is there, or only CAP_PERFMON.
    for (caps, told) in [("0000000000200000", ""), ("0000004000000000", ", without CAP_SYS_ADMIN")] {
        for uid in [0, 1000] {
            fake.put("proc/self/status", &format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{caps}"));
            let found = check(&fake, "root");
            assert!(found.present.ends_with(told), "{found:?}");
            let all = format!("{} {} {}", found.needed, found.present, found.remedy);
            assert!(!all.contains("CAP_PERFMON"), "{all}");
            assert_eq!(all.contains("CAP_SYS_ADMIN"), !told.is_empty(), "{all}");
        }
    }

    let fake = ready();
    fake.put("proc/self/uid_map", "         0          0 4294967295");
    assert_eq!(check(&fake, "root").verdict, Verdict::Good);
    fake.put("proc/self/uid_map", "         0       1000          1");
    let found = check(&fake, "root");
    assert_eq!(found.verdict, Verdict::Bad);
    assert!(found.present.contains("user namespace (/proc/self/uid_map: 0 1000 1)"), "{found:?}");
}

#[test]
fn control_files_that_are_mounted_read_only_are_told_by_the_deepest_mount() {
    let fake = ready();
    let with = |more: &str| {
        fake.put("proc/mounts", &format!("{MOUNTS}\n{more}"));
        check(&fake, "damon_sysfs_writable")
    };
    assert_eq!(with("").verdict, Verdict::Good);
    let found = with("sysfs /sys sysfs ro,nosuid 0 0");
    assert_eq!(found.verdict, Verdict::Bad);
    assert_eq!(found.present, "/sys is mounted read-only (/proc/mounts)");
    assert!(found.remedy.ends_with("mount -o remount,rw /sys"), "{found:?}");
    assert_eq!(with("sysfs /sys/kernel/mm/damon sysfs ro 0 0").verdict, Verdict::Bad);
    assert_eq!(with("tmpfs /sys/kernel/mm/damon/admin2 tmpfs ro 0 0").verdict, Verdict::Good, "another directory");
    assert_eq!(with("sysfs /sys sysfs ro 0 0\nsysfs /sys/kernel/mm/damon sysfs rw 0 0").verdict, Verdict::Good);
}

#[test]
fn that_nothing_can_be_noted_at_run_is_told_by_its_mount() {
    let fake = ready();
    let with = |more: &str| {
        fake.put("proc/mounts", &format!("{MOUNTS}\n{more}"));
        check(&fake, "run_writable")
    };
    assert_eq!(with("").verdict, Verdict::Good);
    assert_eq!(with("tmpfs /run tmpfs rw,nosuid 0 0").verdict, Verdict::Good);
    assert_eq!(with("tmpfs /run/user/0 tmpfs ro 0 0").verdict, Verdict::Good, "another directory");
    let found = with("tmpfs /run tmpfs ro,nosuid 0 0");
    assert_eq!((found.verdict, found.remedy.ends_with("mount -o remount,rw /run")), (Verdict::Bad, true));
    assert_eq!(with("/dev/vda / ext4 ro 0 0").verdict, Verdict::Bad);
}

/// A ready machine without DAMON's control files.
fn without_control_files(config: &str) -> Check {
    let fake = Arc::new(MemorySysfs::new((6, 12)));
    fake.remove("sys/kernel/mm/damon");
    fake.put("proc/sys/kernel/osrelease", RELEASE);
    fake.put("sys/kernel/other", "");
    if !config.is_empty() {
        fake.put(&format!("boot/config-{RELEASE}"), config);
    }
    check(&fake, "damon_sysfs")
}

#[test]
fn control_files_that_are_not_there_are_explained_by_the_configuration() {
    let hidden = without_control_files(CONFIG);
    assert!(hidden.present.contains("is not there; CONFIG_DAMON_SYSFS=y (/boot/config-"), "{hidden:?}");
    assert!(hidden.remedy.contains("hidden here"), "{hidden:?}");
    let absent = without_control_files("# CONFIG_DAMON is not set");
    assert!(absent.present.contains("CONFIG_DAMON_SYSFS is not set (/boot/config-"), "{absent:?}");
    assert_eq!(absent.remedy, "boot a kernel built with CONFIG_DAMON_SYSFS=y");
    let unknown = without_control_files("");
    assert!(unknown.present.ends_with("CONFIG_DAMON_SYSFS is not known"), "{unknown:?}");
}

#[test]
fn a_tracepoint_that_is_missing_is_told_beside_those_that_are_there() {
    let fake = ready();
    fake.remove("sys/kernel/tracing/events/damon");
    fake.put("sys/kernel/tracing/events/sched/enable", "0");
    assert!(check(&fake, "events").present.contains("/events/damon has nothing; CONFIG_DAMON=y"));
    fake.put("sys/kernel/tracing/events/damon/damos_before_apply/format", "name: damos_before_apply");
    let found = check(&fake, "events");
    assert_eq!((found.verdict, found.is_for_events_alone()), (Verdict::Bad, true));
    for word in ["only damos_before_apply", "CONFIG_EVENT_TRACING=y (/boot/"] {
        assert!(found.present.contains(word), "{word}: {found:?}");
    }
    assert!(found.remedy.contains("--snapshot"), "{found:?}");
}

#[test]
fn a_lockdown_from_boot_on_leaves_tracefs_empty_and_a_later_one_leaves_perf_open() {
    let fake = ready();
    fake.put("sys/kernel/security/lockdown", "none [integrity] confidentiality");
    assert_eq!(check(&fake, "lockdown").verdict, Verdict::Good);
    fake.put("sys/kernel/security/lockdown", "none integrity [confidentiality]");
    assert_eq!(check(&fake, "lockdown").verdict, Verdict::Limited);
    fake.remove("sys/kernel/tracing");
    let found = check(&fake, "lockdown");
    assert_eq!(found.verdict, Verdict::Bad);
    assert!(found.remedy.contains("boot without lockdown=confidentiality"), "{found:?}");
    let tracefs = check(&fake, "tracefs");
    assert!(tracefs.present.contains("/sys/kernel/tracing is empty, because of the kernel's lockdown"), "{tracefs:?}");
    // Where securityfs is not mounted the boot parameters tell.
    fake.remove("sys/kernel/security/lockdown");
    assert_eq!(check(&fake, "lockdown").verdict, Verdict::Good);
    fake.put("proc/cmdline", "root=/dev/sda1 lockdown=confidentiality quiet");
    let found = check(&fake, "lockdown");
    assert_eq!((found.verdict, found.present.as_str()), (Verdict::Bad, "/proc/cmdline: lockdown=confidentiality"));
}

#[test]
fn a_proc_of_another_pid_namespace_is_seen() {
    let fake = ready();
    let status = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nNSpid:\t";
    fake.put("proc/self/status", &format!("{status}278\t1"));
    let found = check(&fake, "proc");
    assert_eq!((found.verdict, found.remedy.as_str()), (Verdict::Bad, "mount -t proc proc /proc"));
    assert!(found.present.contains("278 there, and 1 here"), "{found:?}");
    fake.put("proc/self/status", &format!("{status}278"));
    assert_eq!(check(&fake, "proc").verdict, Verdict::Good);
}

#[test]
fn a_running_kdamond_is_told_with_its_thread() {
    let fake = ready();
    let root = Root::with_io(fake.clone());
    let regions = vec![AddrRange::new(Addr(0), Addr(4096))];
    let target = ContextTarget { regions, ..ContextTarget::default() };
    let context = Context { targets: vec![target], ..Context::new(Ops::Paddr) };
    let mut staged =
        Sysfs::new(&root).stage(&[Kdamond { contexts: vec![context], ..Kdamond::default() }]).expect("fits");
    staged.start().expect("goes on");
    let found = check(&fake, "kdamonds");
    assert_eq!(found.verdict, Verdict::Limited);
    assert!(found.present.contains(&format!("kdamond 0 runs as thread {}", staged.threads()[0])), "{found:?}");
}

#[test]
fn an_empty_root_is_reported_thing_by_thing_and_never_an_error() {
    let dir = tempfile::tempdir().expect("temp dir");
    let checks = checks(&Root::new(dir.path()));
    assert_eq!(overall(&checks), Verdict::Bad);
    let bad = |name: &str| checks.iter().find(|check| check.name == name).expect("is checked").clone();
    assert!(bad("tracefs").remedy.contains("mount -t tracefs"));
    assert_eq!(bad("damon_sysfs").remedy, "mount -t sysfs sysfs /sys");
    assert_eq!(bad("config_damon").verdict, Verdict::Unknown);
}

#[test]
fn a_pid_namespace_that_is_not_the_first_one_is_limited_to_its_own_processes() {
    let dir = tempfile::tempdir().expect("temp dir");
    let link = dir.path().join("proc/self/ns/pid");
    std::fs::create_dir_all(link.parent().expect("in a directory")).expect("writable");
    let root = Root::new(dir.path());
    assert_eq!(foreign_pid_namespace(&root), None);
    std::os::unix::fs::symlink(INITIAL_PID_NAMESPACE, &link).expect("writable");
    assert_eq!(foreign_pid_namespace(&root), None);
    assert_eq!(pid_namespace(&root).verdict, Verdict::Good);
    std::fs::remove_file(&link).expect("writable");
    std::os::unix::fs::symlink("pid:[4026532141]", &link).expect("writable");
    assert_eq!(foreign_pid_namespace(&root).as_deref(), Some("pid:[4026532141]"));
    let found = pid_namespace(&root);
    assert_eq!(found.verdict, Verdict::Limited);
    assert!(found.present.contains("as in a container") && found.remedy.contains("--pid=host"), "{found:?}");
}

#[test]
fn a_packed_configuration_is_read_and_a_bomb_of_one_is_cut() {
    use std::io::Write;
    let dir = tempfile::tempdir().expect("temp dir");
    std::fs::create_dir(dir.path().join("proc")).expect("writable");
    let pack = |text: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).expect("in memory");
        std::fs::write(dir.path().join("proc/config.gz"), packer.finish().expect("in memory")).expect("writable");
        let root = Root::new(dir.path());
        let config = KernelConfig::new(&root, RELEASE);
        (config.is_on("CONFIG_DAMON"), config.found().map(|(_, text)| text.len()))
    };
    assert_eq!(pack(CONFIG.as_bytes()), (Some(true), Some(CONFIG.len())));
    let bomb = pack(&vec![b'\n'; 3 * MAX_CONFIG_BYTES as usize]);
    assert_eq!(bomb, (Some(false), Some(MAX_CONFIG_BYTES as usize)));
}

#[test]
fn at_work_what_is_there_counts_and_not_what_a_configuration_says_of_it() {
    let fake = ready();
    fake.put(&format!("boot/config-{RELEASE}"), "# CONFIG_DAMON is not set");
    let root = Root::with_io(fake.clone());
    assert_eq!(overall(&checks_at_work(&root)), overall(&checks(&Root::with_io(ready()))));
    assert_eq!(overall(&checks(&root)), Verdict::Bad);
}
