//! A machine on which everything is right, and then one thing after the other amiss.

use super::*;
use crate::sysfs::{Context, ContextTarget, FakeDamon, Kdamond};
use damo_model::{Addr, AddrRange, Ops};
use std::sync::Arc;

const RELEASE: &str = "6.12.1-test";
const CONFIG: &str = "# comment\nCONFIG_DAMON=y\nCONFIG_DAMON_SYSFS=y\nCONFIG_DAMON_VADDR=y\nCONFIG_DAMON_PADDR=y\n\
                      CONFIG_PERF_EVENTS=y\nCONFIG_EVENT_TRACING=y\n# CONFIG_OTHER is not set\n";

/// Files of a machine that is ready.
fn ready() -> Arc<FakeDamon> {
    let fake = Arc::new(FakeDamon::new((6, 12)));
    fake.put("proc/sys/kernel/osrelease", RELEASE);
    fake.put("proc/self/status", "Name:\tdamo\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff");
    fake.put(&format!("boot/config-{RELEASE}"), CONFIG);
    fake.put("proc/mounts", "tracefs /sys/kernel/tracing tracefs rw 0 0");
    fake.put("sys/kernel/tracing/events/damon/damon_aggregated/format", "name: damon_aggregated");
    fake.put("proc/sys/kernel/perf_event_paranoid", "2");
    fake.put("sys/kernel/security/lockdown", "[none] integrity confidentiality");
    fake
}

fn check(fake: &Arc<FakeDamon>, name: &str) -> Check {
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
    assert_eq!((verdict, present.contains(text)), (Verdict::Bad, true));

    let (verdict, ..) = amiss(".dockerenv", "", "container");
    assert_eq!(verdict, Verdict::Limited);

    let (verdict, _, remedy) = amiss("sys/module/damon_reclaim/parameters/enabled", "Y", "modules");
    assert_eq!(verdict, Verdict::Limited);
    assert_eq!(remedy, "echo N > /sys/module/damon_reclaim/parameters/enabled");

    let (verdict, ..) = amiss("proc/sys/kernel/osrelease", "5.10.0", "kernel");
    assert_eq!(verdict, Verdict::Bad);
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
fn a_packed_configuration_is_read_and_a_bomb_of_one_is_cut() {
    use std::io::Write;
    let dir = tempfile::tempdir().expect("temp dir");
    std::fs::create_dir(dir.path().join("proc")).expect("writable");
    let pack = |text: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).expect("in memory");
        std::fs::write(dir.path().join("proc/config.gz"), packer.finish().expect("in memory")).expect("writable");
        Config::read(&Root::new(dir.path()), RELEASE)
    };
    assert_eq!(pack(CONFIG.as_bytes()).is_on("CONFIG_DAMON"), Some(true));
    let bomb = pack(&vec![b'\n'; 3 * MAX_CONFIG as usize]);
    assert_eq!(bomb.is_on("CONFIG_DAMON"), Some(false));
}
