//! Records of what runs already.

use super::*;

#[test]
fn attaching_writes_nothing_and_keeps_kdamonds_with_equal_target_ids_apart() {
    let lab = Lab::new(vec![
        one_snapshot(),
        Step::Snapshot(1, 0, ms(1010), &[0x5000]),
        Step::Snapshot(0, 0, ms(1100), &[0x1000]),
        does(|fake| {
            fake.end(0);
            fake.end(1);
        }),
    ]);
    lab.others(2);
    let writes = lab.fake.log().len();
    lab.run(&lab.request(RequestSource::Attach)).unwrap();
    assert_eq!(lab.fake.log().len(), writes);
    let (reader, batch) = all(&lab.record());
    assert_eq!(batch.snapshots.len(), 3);
    let kdamonds: Vec<Option<KdamondIndex>> = reader.targets().iter().map(|target| target.kdamond).collect();
    assert_eq!(kdamonds, [0, 1].map(|index| Some(KdamondIndex(index))));
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
}

#[test]
fn addresses_of_a_kdamond_that_counts_in_units_are_recorded_in_bytes() {
    let lab = Lab::on((6, 18), vec![one_snapshot(), does(|fake| fake.end(0))]);
    lab.others(1);
    lab.fake.put("sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/addr_unit", "4096");
    let (_, batch) = lab.recorded_by(&lab.request(RequestSource::Attach));
    assert_eq!(batch.start, [0x1000 * 4096]);
    assert_eq!(batch.end, [0x2000 * 4096]);
}

#[test]
fn a_recording_with_an_address_unit_of_its_own_has_bytes() {
    const STAT: &str = include_str!("../../../../../testdata/kernel/formats/7.0-damos_stat_after_apply_interval.txt");
    let tried = [("scheme_idx", 0), ("sz_tried", 3)];
    let step = Step::Raw(ms(1001), Box::new(move |tid| raw_of(STAT, tid, &tried)));
    let lab = Lab::on((7, 0), vec![one_snapshot(), step, does(|fake| fake.end(0))]);
    lab.fake.put("sys/kernel/tracing/events/damon/damos_stat_after_apply_interval/format", STAT);
    let range = damo_model::AddrRange::new(Addr(0), Addr(1 << 30));
    let (ops, addr_unit) = (Ops::Paddr, Some(4096));
    let target = ContextTarget { regions: vec![range], ..ContextTarget::default() };
    let schemes = vec![Scheme::new(Action::Stat)];
    let context = Context { targets: vec![target], addr_unit, schemes, ..Context::new(ops) };
    let kdamonds = vec![Kdamond { contexts: vec![context], ..Kdamond::default() }];
    lab.run(&lab.request(TargetSpec::Kdamonds(kdamonds))).unwrap();
    let (reader, batch) = all(&lab.record());
    assert_eq!((batch.start, batch.end), (vec![0x1000 * 4096], vec![0x2000 * 4096]));
    let mut counts = reader.side_data().unwrap().into_iter().filter_map(|side| match side {
        Side::Scheme(progress) => progress.counts,
        _ => None,
    });
    assert_eq!(counts.next_back().map(|counts| counts.sz_tried.0), Some(3 * 4096));
}

#[test]
fn what_schemes_are_applied_to_is_recorded_also_if_they_came_after_attaching() {
    const APPLIES: &str = include_str!("../../../../../testdata/kernel/formats/6.12-damos_before_apply.txt");
    let values = [("start", 0x1000), ("end", 0x2000), ("nr_regions", 1)];
    let lab = Lab::new(vec![
        one_snapshot(),
        Step::Raw(ms(1050), Box::new(move |tid| raw_of(APPLIES, tid, &values))),
        Step::Snapshot(0, 0, ms(1100), &[0x1000]),
        does(|fake| fake.end(0)),
    ]);
    lab.fake.put("sys/kernel/tracing/events/damon/damos_before_apply/format", APPLIES);
    lab.others(1);
    let (reader, batch) = lab.recorded_by(&lab.request(RequestSource::Attach));
    assert_eq!(reader.targets().iter().map(|target| target.scheme).collect::<Vec<_>>(), [None, Some(0)]);
    assert_eq!(batch.snapshots.len(), 3);
}

#[test]
fn a_process_that_replaces_another_in_a_foreign_kdamond_is_another_target() {
    let other = |fake: &MemorySysfs| {
        process(fake, 78, 'S', "");
        fake.put(&format!("{KDAMONDS}/0/contexts/0/targets/0/pid_target"), "78");
        std::thread::sleep(crate::live::follow::LOOK);
    };
    let lab = Lab::new(vec![
        one_snapshot(),
        does(other),
        nothing(),
        nothing(),
        Step::Snapshot(0, 0, ms(2000), &[0x9000]),
        does(|fake| fake.end(0)),
    ]);
    lab.others(1);
    let (reader, batch) = lab.recorded_by(&lab.request(RequestSource::Attach));
    assert_eq!(pids_of(&reader), [77, 78]);
    assert_eq!(batch.snapshots[1].target, reader.targets()[1].key);
    let of_78 = |side: &Side| matches!(side, Side::Process(footprint) if footprint.pid == 78);
    assert!(reader.side_data().unwrap().iter().any(of_78), "and its side data is recorded");
}

/// What somebody does to the files of kdamond 0, below a real directory.
fn staged(intervals: &str, file: &'static str, value: &'static str) -> impl Fn(&MemorySysfs) + Send + use<> {
    let path = Path::new(intervals).join(file);
    move |_| std::fs::write(&path, value).unwrap()
}

#[test]
fn intervals_that_somebody_stages_count_from_their_commit_on() {
    let lab = Lab::new(vec![]);
    lab.others(1);
    // The files stand still, as those of nobody's kernel; what matters is who writes to them.
    let root = lab.dir.path().join("root");
    for (path, value) in lab.fake.files() {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value).unwrap();
    }
    let kdamond = root.join(KDAMONDS).join("0");
    let intervals = kdamond.join("contexts/0/monitoring_attrs/intervals").display().to_string();
    let state = kdamond.join("state");
    let commit = move |_: &MemorySysfs| {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().write(true).open(&state).unwrap();
        file.write_all(b"on").unwrap();
    };
    let before = damo_kernel::procfs::now();
    let at = |ms: i64| before.saturating_add(Nanos::from_millis(ms));
    let look = || does(|_| std::thread::sleep(crate::live::follow::LOOK));
    let mut steps = Vec::new();
    steps.extend((-20..0).map(|i| Step::Snapshot(0, 0, at(i * 100), &[0x1000])));
    steps.push(does(staged(&intervals, "sample_us", "20000")));
    steps.push(does(staged(&intervals, "aggr_us", "400000")));
    steps.extend([look(), look()]);
    steps.extend((0..10).map(|i| Step::Snapshot(0, 0, at(4000 + i * 100), &[0x1000])));
    steps.push(does(commit));
    steps.extend((0..8).map(|i| Step::Snapshot(0, 0, at(5000 + i * 400), &[0x1000])));
    let end = root.join(KDAMONDS).join("0/state");
    steps.push(does(move |_| std::fs::write(&end, "off").unwrap()));
    steps.push(look());
    lab.then(steps);

    let machine = Machine::at(&root);
    let request = lab.request(RequestSource::Attach);
    session(&request, &machine, &lab.script, &Signals::default(), &mut Silent).unwrap();
    let (reader, batch) = all(&lab.record());
    let intervals: Vec<_> = batch.snapshots.iter().map(|head| head.intervals.unwrap().aggregation).collect();
    assert_eq!(intervals, [vec![ms(100); 30], vec![ms(400); 8]].concat());
    let params: Vec<_> = reader
        .side_data()
        .unwrap()
        .into_iter()
        .filter_map(|side| if let Side::Params(params) = side { params.intervals } else { None })
        .collect();
    assert_eq!(params.iter().map(|params| params.aggregation).collect::<Vec<_>>(), [ms(100), ms(400)]);
    assert_eq!(params[1].sample, ms(20));
}

const STAT: &str = "sys/module/damon_stat/parameters";

/// Records DAMON_STAT's kdamond; gives the snapshots' sampling and aggregation intervals in milliseconds, and the record.
fn record_stat(steps: Vec<Step>, pid: &str) -> (Vec<(i64, i64)>, Reader) {
    let ends = does(|fake| fake.put(&format!("{STAT}/enabled"), "N"));
    let lab = Lab::new(steps.into_iter().chain([ends]).collect());
    lab.fake.put_module("damon_stat", &[("enabled", "Y")], &[("aggr_interval_us", "2000000"), ("kdamond_pid", pid)]);
    const TUNE: &str = include_str!("../../../../../testdata/kernel/formats/6.17-damon_monitor_intervals_tune.txt");
    lab.fake.put("sys/kernel/tracing/events/damon/damon_monitor_intervals_tune/format", TUNE);
    let (reader, batch) = lab.recorded_by(&lab.request(RequestSource::Attach));
    let in_ms = |time: Nanos| time.0 / 1_000_000;
    let intervals = batch.snapshots.iter().map(|head| head.intervals.unwrap());
    (intervals.map(|intervals| (in_ms(intervals.sample), in_ms(intervals.aggregation))).collect(), reader)
}

#[test]
fn damon_stat_is_recorded_with_the_intervals_that_its_parameter_and_its_tuning_tell() {
    const TUNE: &str = include_str!("../../../../../testdata/kernel/formats/6.17-damon_monitor_intervals_tune.txt");
    let told = |micros: &'static str| {
        does(move |fake| {
            fake.put(&format!("{STAT}/aggr_interval_us"), micros);
            std::thread::sleep(crate::live::follow::LOOK);
        })
    };
    for pid in [STRANGER.to_string(), "-1".to_owned()] {
        let (intervals, reader) = record_stat(
            vec![
                Step::Stranger(ms(2000)),
                Step::Stranger(ms(4000)),
                Step::Raw(ms(4001), Box::new(|tid| raw_of(TUNE, tid, &[("sample_us", 200_000)]))),
                Step::Stranger(ms(8001)),
                // Of before the tuning, read late.
                told("3000000"),
                Step::Stranger(ms(12_001)),
            ],
            &pid,
        );
        assert_eq!(intervals, [(100, 2000), (100, 2000), (200, 4000), (200, 4000)]);
        assert_eq!(reader.targets()[0].data_source, "damon_stat");
        let meta = reader.meta();
        assert_eq!((meta.ops, meta.intervals.unwrap().aggregation), (Some(Ops::Paddr), ms(2000)));
        let params = reader.side_data().unwrap().into_iter().filter(|side| matches!(side, Side::Params(_)));
        assert_eq!(params.count(), 2);
    }
    // Where tuning tells nothing, the parameter does.
    let now = damo_kernel::procfs::now();
    let before = |ms: i64| now.saturating_sub(Nanos::from_millis(ms));
    let after = now.saturating_add(Nanos::from_secs(3600));
    let (intervals, _) = record_stat(
        vec![Step::Stranger(before(4000)), Step::Stranger(before(2000)), told("4000000"), Step::Stranger(after)],
        &STRANGER.to_string(),
    );
    assert_eq!(intervals, [(100, 2000), (100, 2000), (200, 4000)]);
}

#[test]
fn without_a_target_and_with_nothing_running_the_message_says_what_to_type() {
    let lab = Lab::new(vec![]);
    let said = lab.run(&lab.request(RequestSource::Attach)).unwrap_err().to_string();
    assert!(said.contains("no kdamond is running") && said.contains("$(pidof PROGRAM)"), "{said}");
    assert!(!lab.record().exists());
}

#[test]
fn an_operations_set_of_a_newer_kernel_is_recorded_by_its_word() {
    let lab = Lab::new(vec![Step::Snapshot(0, 0, ms(1000), &[0x1000]), does(|fake| fake.end(0))]);
    lab.others(1);
    lab.fake.kernel_writes(&format!("{KDAMONDS}/0/contexts/0/operations"), "iomem");
    let (reader, batch) = lab.recorded_by(&lab.request(RequestSource::Attach));
    assert_eq!(batch.snapshots.len(), 1);
    assert_eq!(reader.meta().ops, Ops::of_file("iomem"));
    let sides = reader.side_data().unwrap();
    let params = sides.iter().find_map(|side| match side {
        Side::Params(params) => Some(params),
        _ => None,
    });
    assert_eq!(params.and_then(|params| params.ops), Ops::of_file("iomem"));
}
