//! What is said when a recording cannot begin.

use super::*;

#[test]
fn what_cannot_be_monitored_is_named_with_the_reason() {
    let lab = Lab::new(vec![]);
    lab.fake.put("proc/5/statm", "0 0 0 0 0 0 0");
    lab.fake.put("proc/5/stat", "5 (kswapd0) S 2 0 0 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 500 0 0");
    lab.fake.put("proc/77/status", "Name:\tapp\nNSpid:\t77\t9");
    lab.fake.put("proc/78/status", "Name:\tother\nNSpid:\t78\t5");
    process(&lab.fake, 78, 'S', "");
    let words = [
        (999, "does not exist (any more)"),
        (999, "--simulate"),
        (5, "kernel thread"),
        (5, "A container has"),
        (5, "damo record 78    # app 78"),
        (9, "damo record 77    # app 77"),
        (9, "--simulate"),
    ];
    for (pid, word) in words {
        let said = lab.run(&lab.request(pids(pid))).unwrap_err().to_string();
        assert!(said.contains(word), "{pid}: {said}");
    }
    assert!(!lab.record().exists());
}

/// What is said when something was taken away from a machine that is ready; nothing may have been touched then.
fn refused(change: impl Fn(&MemorySysfs), request: impl Fn(&Lab) -> Request) -> String {
    let lab = Lab::new(vec![]);
    lab.fake.put(
        "boot/config-6.12.0",
        "CONFIG_DAMON=y\nCONFIG_DAMON_SYSFS=y\nCONFIG_PERF_EVENTS=y\nCONFIG_EVENT_TRACING=y",
    );
    change(&lab.fake);
    let before = lab.damon();
    let said = lab.run(&request(&lab)).unwrap_err().to_string();
    assert_eq!(lab.damon(), before);
    assert!(std::fs::read_dir(lab.dir.path()).unwrap().all(|entry| entry.unwrap().file_name() == "run"), "{said}");
    said
}

fn needs(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("Needed: ")).collect()
}

#[test]
fn each_thing_that_is_missing_has_its_own_message() {
    let of_77 = |lab: &Lab| lab.request(pids(77));
    let not_root = |fake: &MemorySysfs| {
        fake.put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000");
    };
    let said = refused(not_root, of_77);
    assert_eq!(needs(&said).len(), 2, "{said}");
    says(&said, &["uid 1000", "Try: sudo ", "kernel.perf_event_paranoid = 2", "--simulate"]);

    let no_tracefs = |fake: &MemorySysfs| {
        fake.put("proc/mounts", "sysfs /sys sysfs rw 0 0");
        fake.remove("sys/kernel/tracing");
    };
    let said = refused(no_tracefs, of_77);
    assert_eq!(needs(&said), ["tracefs, mounted and readable"]);
    says(&said, &["mount -t tracefs", "Works without it", " --snapshot 1s 60", "--simulate"]);

    let no_room_for_notes = |fake: &MemorySysfs| {
        let mounts = "tracefs /sys/kernel/tracing tracefs rw 0 0\ntmpfs /run tmpfs ro,nosuid 0 0";
        fake.put("proc/mounts", mounts);
    };
    let said = refused(no_room_for_notes, of_77);
    assert_eq!(needs(&said).len(), 1, "{said}");
    assert!(said.contains("mount -o remount,rw /run") && !said.contains("Works without it"), "{said}");

    let no_event = |fake: &MemorySysfs| {
        fake.remove("sys/kernel/tracing/events/damon");
        fake.put("sys/kernel/tracing/events/damon/damos_before_apply/format", "name: damos_before_apply");
    };
    let said = refused(no_event, of_77);
    assert_eq!(needs(&said), ["DAMON's tracepoint damon_aggregated"]);
    assert!(said.contains("has only damos_before_apply") && said.contains("--snapshot 1s 60"), "{said}");

    let locked = |fake: &MemorySysfs| {
        fake.put("sys/kernel/security/lockdown", "none integrity [confidentiality]");
        fake.remove("sys/kernel/tracing");
    };
    let said = refused(locked, of_77);
    assert_eq!(needs(&said), ["no kernel lockdown against tracing"]);
    assert!(said.contains("boot without lockdown=confidentiality") && said.contains("--snapshot"), "{said}");
}

#[test]
fn a_kernel_without_damon_is_told_by_its_option_and_not_by_all_that_follows() {
    let no_damon = |fake: &MemorySysfs| {
        fake.put("boot/config-6.12.0", "# CONFIG_DAMON is not set\nCONFIG_PERF_EVENTS=y\nCONFIG_EVENT_TRACING=y");
        fake.remove("sys/kernel/mm");
        fake.remove("sys/kernel/tracing/events/damon");
        fake.put("sys/kernel/tracing/events/sched/enable", "0");
    };
    let said = refused(no_damon, |lab| lab.request(pids(77)));
    assert_eq!(needs(&said), ["a kernel built with DAMON"]);
    says(
        &said,
        &["CONFIG_DAMON is not set (/boot/config-6.12.0)", "grep -l CONFIG_DAMON=y /boot/config-*", "--simulate"],
    );
    assert!(!said.contains("Works without it"), "nothing does: {said}");
}

#[test]
fn a_read_only_tree_is_refused_before_the_first_write_but_can_be_attached_to() {
    let read_only = |fake: &MemorySysfs| fake.put("proc/mounts", "sysfs /sys sysfs ro,nosuid 0 0");
    let contained = |fake: &MemorySysfs| {
        read_only(fake);
        fake.put(".dockerenv", "");
    };
    let said = refused(contained, |lab| lab.request(pids(77)));
    assert_eq!(needs(&said).len(), 2, "{said}");
    says(&said, &["/sys is mounted read-only", "this is a container: /.dockerenv", "--privileged", "--simulate"]);
    assert!(!said.contains("Works without it"), "a snapshot needs to write, too: {said}");

    let lab = Lab::new(vec![one_snapshot(), exits(77)]);
    lab.others(1);
    read_only(&lab.fake);
    let limits = Limits { timeout: Some(ms(50)), snapshots: None };
    lab.run(&Request { limits, ..lab.request(RequestSource::Attach) }).unwrap();
}

#[test]
fn a_proc_of_another_pid_namespace_prevents_processes_and_not_physical_memory() {
    let foreign = |fake: &MemorySysfs| {
        fake.put("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nNSpid:\t278\t1");
    };
    let said = refused(foreign, |lab| lab.request(pids(77)));
    assert!(said.contains("this process is 278 there, and 1 here") && said.contains("mount -t proc"), "{said}");
    let lab = Lab::new(vec![]);
    foreign(&lab.fake);
    lab.fake.put("proc/iomem", "00001000-0009ffff : System RAM");
    let limits = Limits { timeout: Some(ms(50)), snapshots: None };
    lab.run(&Request { limits, ..lab.request(TargetSpec::Paddr { ranges: vec![], nodes: vec![] }) }).unwrap();
}

#[test]
fn memory_nodes_that_share_a_block_are_recorded_and_one_without_memory_is_refused() {
    let lab = Lab::new(vec![]);
    for (path, text) in [
        ("proc/iomem", "1000-2fffffff : System RAM\n  100000000-107ffffff : System RAM (kmem)"),
        ("sys/devices/system/memory/block_size_bytes", "8000000"),
        ("sys/devices/system/node/has_memory", "0,2-3"),
        ("sys/devices/system/node/node1/cpulist", "4-7"),
        ("sys/devices/system/node/node2/memory1/state", "online"),
        ("sys/devices/system/node/node2/memory2/state", "online"),
        ("sys/devices/system/node/node3/memory2/state", "online"),
        ("sys/devices/system/node/node3/memory32/state", "online"),
    ] {
        lab.fake.put(path, text);
    }
    let request = |nodes| lab.request(TargetSpec::Paddr { ranges: vec![], nodes });
    let limits = Limits { timeout: Some(ms(50)), snapshots: None };
    lab.run(&Request { limits, ..request(vec![2, 3]) }).unwrap();
    let written = |number: usize, end: &str| {
        let wanted = format!("/regions/{number}/{end}");
        let log = lab.fake.log();
        log.into_iter().find(|write| format!("{write:?}").contains(&wanted)).map(|write| format!("{write:?}"))
    };
    for (number, end, value) in [(0, "start", 0x800_0000u64), (0, "end", 0x1800_0000), (1, "end", 0x1_0800_0000)] {
        assert!(written(number, end).is_some_and(|write| write.contains(&value.to_string())), "{:?}", lab.fake.log());
    }
    let said = lab.run(&request(vec![2, 1])).unwrap_err().to_string();
    assert!(said.contains("it has no memory; nodes with memory: 0, 2, 3"), "{said}");
}

/// A kernel, or a container, that does not let perf be opened.
struct Closed;

impl Open for Closed {
    fn before_start(&self, _: &Root, _: &[EventFormat]) -> Result<Box<dyn Source>, RecordError> {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let (event, on) = ("damon:damon_aggregated".to_owned(), "CPU 0".to_owned());
        Err(damo_kernel::Error::Perf { event, on, source, remedy: String::new() }.into())
    }

    fn running(
        &self,
        root: &Root,
        events: &[EventFormat],
        _: &[KdamondThread],
    ) -> Result<Box<dyn Source>, RecordError> {
        self.before_start(root, events)
    }
}

#[test]
fn a_ring_that_is_forbidden_unexpectedly_is_reported_with_possible_reasons() {
    let lab = Lab::new(vec![]);
    lab.fake.put("sys/kernel/security/lockdown", "none integrity [confidentiality]");
    let before = lab.damon();
    let ended = lab.run_with(&lab.request(pids(77)), &Closed);
    let said = ended.unwrap_err().to_string();
    says(
        &said,
        &[
            "damon:damon_aggregated on CPU 0",
            "kernel.perf_event_paranoid = 2",
            "[confidentiality]",
            "effective capabilities 0x1ffffffffff",
            "a seccomp profile that allows perf_event_open",
            "--snapshot 1s 60",
            "--simulate",
        ],
    );
    assert!(!said.contains("PERFMON") && !said.contains("SYS_ADMIN"), "it has all capabilities: {said}");
    assert_eq!(lab.damon(), before);
    assert!(!lab.record().exists());
}

#[test]
fn snapshots_are_no_remedy_while_a_module_or_a_kdamond_is_on() {
    let locked = |fake: &MemorySysfs| {
        fake.remove("sys/kernel/tracing");
        fake.put("sys/kernel/security/lockdown", "none integrity [confidentiality]");
    };
    let module = |fake: &MemorySysfs| {
        locked(fake);
        fake.put("sys/module/damon_stat/parameters/enabled", "Y");
    };
    let of_77 = |lab: &Lab| lab.request(pids(77));
    assert!(refused(locked, of_77).contains("--snapshot 1s 60"));
    let said = refused(module, of_77);
    assert!(!said.contains("--snapshot"), "{said}");
    assert!(said.contains("enabled: damon_stat") && said.contains("echo N > /sys/module/damon_stat"), "{said}");
}

#[test]
fn a_name_that_is_taken_is_told_with_what_frees_it() {
    let lab = Lab::new(vec![]);
    std::fs::write(lab.record(), "notes of somebody").unwrap();
    let said = lab.refused();
    let name = lab.record().display().to_string();
    assert_eq!(
        said,
        format!("{name} exists and is no .damo record.\nTry: another name (-o FILE), or -f to overwrite it")
    );
    assert_eq!(std::fs::read_to_string(lab.record()).unwrap(), "notes of somebody");
    std::fs::remove_file(lab.record()).unwrap();
    std::os::unix::fs::symlink("elsewhere", lab.record()).unwrap();
    let said = lab.refused();
    assert!(said.contains("is a symbolic link") && said.contains("move it away") && !said.contains("-f"), "{said}");
}
