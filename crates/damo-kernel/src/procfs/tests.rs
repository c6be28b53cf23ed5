//! Texts as kernels print them, the traps in them, and any bytes at all.

use super::parse::*;
use super::*;
use damo_model::{Addr, AddrRange};
use proptest::prelude::*;

const STAT: &str = "1234 (name) S 77 1234 1234 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 987654 1000 10";

#[test]
fn a_name_with_blanks_parentheses_and_digits_does_not_shift_the_fields() {
    for name in ["masim", "a b c", "x) R 1 2", "((", "))", "(1) (2)", ""] {
        let line = STAT.replace("(name)", &format!("({name})"));
        let stat = stat(line.as_bytes(), 100).expect("a stat line");
        assert_eq!((stat.comm.as_str(), stat.state, stat.parent), (name, 'S', 77));
        assert_eq!((stat.user, stat.system), (Nanos::from_millis(2500), Nanos::from_millis(500)));
        assert_eq!(stat.started, Nanos::from_millis(9_876_540));
    }
}

#[test]
fn a_command_line_is_its_arguments_with_blanks_between() {
    assert_eq!(cmdline(b"./masim\0stairs.cfg\0"), "./masim stairs.cfg");
    assert_eq!(cmdline(b""), "");
}

#[test]
fn mappings_keep_blanks_in_names_and_leave_out_what_is_no_mapping() {
    let text = b"00400000-00401000 r-xp 00001000 08:01 42                         /opt/my app (deleted)\n\
                 7ffe0000-7fff0000 rw-p 00000000 00:00 0                          [stack]\n\
                 garbage\n\
                 9000-8000 rw-p 00000000 00:00 0\n\
                 7fff1000-7fff2000 rw-p 00000000 00:00 0 \n";
    let maps = maps(text);
    assert_eq!(maps.len(), 3);
    assert_eq!((maps[0].start, maps[0].end, maps[0].offset), (Addr(0x40_0000), Addr(0x40_1000), Bytes(0x1000)));
    assert_eq!((maps[0].name.as_str(), maps[1].name.as_str()), ("/opt/my app (deleted)", "[stack]"));
    assert_eq!((maps[2].perms.as_str(), maps[2].name.as_str()), ("rw-p", ""));
}

#[test]
fn what_a_kernel_does_not_tell_is_absent_and_not_zero() {
    let footprint = statm(b"10 5 2 1 0 3 0\n", 4096).expect("seven numbers");
    assert_eq!(
        (footprint.vsz, footprint.rss, footprint.data),
        (Some(Bytes(40960)), Some(Bytes(20480)), Some(Bytes(12288)))
    );
    assert_eq!((footprint.pss, footprint.swap, footprint.cgroup), (None, None, None));
    let system = meminfo(b"MemTotal: 100 kB\nMemFree: 50 kB\n", Stamp::Record(Nanos(1))).expect("total and free");
    assert_eq!((system.total, system.available, system.swap_used), (Bytes(102_400), None, None));
    assert_eq!(meminfo(b"MemFree: 50 kB\n", Stamp::Record(Nanos(1))), None);
}

#[test]
fn pressure_is_the_total_stall_time() {
    let text = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n";
    assert_eq!(pressure(text), Some((Nanos::from_micros(1234), Some(Nanos::from_micros(99)))));
    assert_eq!(pressure(b"some avg10=0.00 total=5\n"), Some((Nanos::from_micros(5), None)));
}

#[test]
fn main_memory_is_what_drivers_added_below_their_devices_too_with_an_exclusive_end() {
    let text = b"00001000-0009fbff : System RAM\n  00002000-00002fff : Kernel code\n000f0000-000fffff : System ROM\n\
                 100000000-23fffffff : virtio0\n  140000000-147ffffff : System RAM (virtio_mem)\n  \
                 148000000-14fffffff : System RAM (virtio_mem)\n  150000000-157ffffff : System RAMdisk\n\
                 4080000000-bf7fffffff : CXL Window 0\n  4080000000-bf7fffffff : region0\n    \
                 4080000000-bf7fffffff : dax0.0\n      4080000000-bf7fffffff : System RAM (kmem)\n";
    let range = |start, end| AddrRange::new(Addr(start), Addr(end));
    let found = [range(0x1000, 0x9fc00), range(0x1_4000_0000, 0x1_5000_0000), range(0x40_8000_0000, 0xbf_8000_0000)];
    assert_eq!(system_ram(text), found);
    assert_eq!(system_ram(b"00000000-00000000 : System RAM\n"), [], "addresses hidden from those who are not root");
}

#[test]
fn ranges_of_several_nodes_are_joined_where_they_touch_or_overlap() {
    let range = |start, end| AddrRange::new(Addr(start), Addr(end));
    let ranges = vec![range(8, 12), range(0, 4), range(10, 11), range(4, 6), range(8, 12), range(11, 20)];
    assert_eq!(AddrRange::joined(ranges), [range(0, 6), range(8, 20)]);
}

#[test]
fn lists_of_numbers_are_spelt_out_and_absurd_ones_refused() {
    assert_eq!(parse_id_list("0-3,8\n"), Some(vec![0, 1, 2, 3, 8]));
    assert_eq!(parse_id_list(""), Some(vec![]));
    for bad in ["3-1", "x", "0-4294967295", "-"] {
        assert_eq!(parse_id_list(bad), None, "{bad}");
    }
}

#[test]
fn this_very_process_is_found_with_its_parent_and_mappings() {
    let procfs = Procfs::new(&Root::host());
    let me = std::process::id() as i32;
    assert!(procfs.alive(me));
    let stat = procfs.stat(me).expect("alive");
    assert!(procfs.descendants(stat.parent).contains(&me));
    let code = this_very_process_is_found_with_its_parent_and_mappings as fn() as usize as u64;
    let maps = procfs.maps(me).expect("ours");
    assert!(maps.iter().any(|map| map.start.0 <= code && code < map.end.0 && map.perms.contains('x')));
    assert!(procfs.footprint(me, true).expect("ours").rss > Some(Bytes(4096)));
    assert_eq!(procfs.process(me).expect("alive").started, Some(stat.started));
    assert!(!procfs.alive(i32::MAX));
}

#[test]
fn clocks_of_a_pair_go_on_by_the_same_amount() {
    let (first, second) = (clock_pair(), clock_pair());
    let record = second.record.0 - first.record.0;
    assert!(record >= 0 && now() >= second.record);
}

/// A root with some files.
fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().expect("temp dir");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }
    let root = Root::new(dir.path());
    (dir, root)
}

#[test]
fn descendants_are_found_with_and_without_the_kernels_lists_of_children() {
    let line =
        |pid: i32, parent: i32| STAT.replacen("1234", &pid.to_string(), 1).replacen("77", &parent.to_string(), 1);
    let stats: Vec<(String, String)> = [(1, 0), (10, 1), (11, 10), (12, 10), (13, 12), (20, 1)]
        .map(|(pid, parent)| (format!("proc/{pid}/stat"), line(pid, parent)))
        .to_vec();
    let files: Vec<(&str, &str)> = stats.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let (_dir, root) = tree(&files);
    assert_eq!(Procfs::new(&root).descendants(10), [11, 12, 13]);
    let lists = [
        ("proc/10/task/10/children", "11 "),
        ("proc/10/task/99/children", "12 "),
        ("proc/12/task/12/children", "13 10"),
    ];
    let (_dir, root) = tree(&lists);
    assert_eq!(Procfs::new(&root).descendants(10), [11, 12, 13], "children of other threads too, and no circles");
}

#[test]
fn the_ranges_of_a_numa_node_are_its_blocks_joined_and_cut_to_main_memory() {
    let (_dir, root) = tree(&[
        ("sys/devices/system/memory/block_size_bytes", "8000000\n"),
        ("sys/devices/system/node/node0/memory0/state", "online"),
        ("sys/devices/system/node/node0/memory1/state", "online"),
        ("sys/devices/system/node/node0/memory4/state", "online"),
        ("sys/devices/system/node/node2/cpulist", "4-7\n"),
        ("sys/devices/system/node/has_memory", "0\n"),
        ("proc/iomem", "00001000-0bffffff : System RAM\n20000000-2fffffff : System RAM\n"),
    ]);
    let ranges = Procfs::new(&root).node_ranges(0).expect("node 0");
    let range = |start, end| AddrRange::new(Addr(start), Addr(end));
    assert_eq!(ranges, [range(0x1000, 0xc00_0000), range(0x2000_0000, 0x2800_0000)]);
    let error = Procfs::new(&root).node_ranges(2).expect_err("processors alone").to_string();
    assert!(error.contains("NUMA node is `2`: it has no memory; nodes with memory: 0"), "{error}");
    let error = Procfs::new(&root).node_ranges(3).expect_err("no such node").to_string();
    assert!(error.contains("nodes with memory: 0"), "{error}");
}

#[test]
fn a_cgroups_processes_are_those_of_all_groups_below_it() {
    let (_dir, root) = tree(&[
        ("proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"),
        ("sys/fs/cgroup/app/cgroup.procs", "5\n3\n"),
        ("sys/fs/cgroup/app/sub/cgroup.procs", "9\n"),
        ("sys/fs/cgroup/app/memory.current", "4096\n"),
    ]);
    let procfs = Procfs::new(&root);
    for name in ["/app", "app/", "/sys/fs/cgroup/app"] {
        assert_eq!(procfs.cgroup_processes(name).expect("there"), [3, 5, 9]);
    }
    assert_eq!(procfs.cgroup_memory("/app").expect("there"), Bytes(4096));
    for name in ["/nope", "/../proc"] {
        assert!(procfs.cgroup_processes(name).expect_err("not there").to_string().contains("systemd-cgls"));
    }
}

#[test]
fn with_cgroups_of_version_1_process_ids_are_offered_instead_of_a_mount() {
    let mounts = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n\
                  cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
    let (_dir, root) = tree(&[("proc/mounts", mounts)]);
    for (name, dir) in [
        ("/docker/app", "/sys/fs/cgroup/memory/docker/app"),
        ("app", "/sys/fs/cgroup/memory/app"),
        ("/sys/fs/cgroup/cpu/app/", "/sys/fs/cgroup/cpu/app"),
    ] {
        let said = Procfs::new(&root).cgroup_processes(name).expect_err("version 1").to_string();
        assert!(said.ends_with(&format!("damo record $(cat {dir}/cgroup.procs)")), "{said}");
        assert!(!said.contains("mount -t"), "{said}");
    }
    let (_dir, root) = tree(&[("proc/mounts", "proc /proc proc rw 0 0\n")]);
    let said = Procfs::new(&root).cgroup_processes("/app").expect_err("none").to_string();
    assert!(said.contains("mount -t cgroup2"), "{said}");
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (stat(&bytes, 100), cmdline(&bytes), statm(&bytes, 4096), pressure(&bytes));
        let _ = (kb_lines(&bytes), meminfo(&bytes, Stamp::Record(Nanos(0))), system_ram(&bytes), parse_id_list(&text));
        for map in maps(&bytes) {
            prop_assert!(map.start <= map.end);
        }
    }

    #[test]
    fn a_stat_line_disturbed_anywhere_is_read_or_refused(at in 0usize..100, byte in any::<u8>()) {
        let mut line = STAT.as_bytes().to_vec();
        let at = at % line.len();
        line[at] = byte;
        let _ = stat(&line, 100);
    }

    #[test]
    fn mappings_disturbed_anywhere_stay_sorted_ranges(at in 0usize..120, byte in any::<u8>()) {
        let mut text = b"00400000-00401000 r-xp 00001000 08:01 42 /opt/app\n7ffe0000-7fff0000 rw-p 0 00:00 0 [stack]\n".to_vec();
        let at = at % text.len();
        text[at] = byte;
        prop_assert!(maps(&text).iter().all(|map| map.start <= map.end));
    }
}

#[test]
fn the_time_since_boot_is_as_coarse_as_the_start_times_of_processes() {
    assert_eq!(parse::uptime(b"350735.47 234388.90\n"), Some(Nanos(350_735_470_000_000)));
    for nonsense in ["", "350735", "350735.4 1.0", "-1.00 1.00", "1.+5 2.00"] {
        assert_eq!(parse::uptime(nonsense.as_bytes()), None, "{nonsense}");
    }
}
