use super::*;
use damo_model::{
    Addr, Clock, CpuTime, Lost, Mapping, Mappings, Mark, NodeMemory, NrAccesses, Params, Placement, Pressure, Process,
    Region, SchemeProgress, Snapshot,
};

const SECRETS: [&str; 9] = ["acme", "jane", "4f2a", "prod7", "4242", "17000", "5678", "1d20", "rocket"];

fn secret_record() -> Vec<Item> {
    let at = Stamp::Record(Nanos(5_678_000_000_000));
    let meta = Meta {
        tool: "damo 1".into(),
        kernel_release: "6.12.1-acme".into(),
        source: Source::Simulator { seed: 1, workload: "rocket.cfg".into() },
        clock: Clock::Monotonic,
        clock_pair: Some(ClockPair { record: Nanos(5_678_000_000_000), wall: Nanos(1_700_000_000_000_000_000) }),
        boot_id: "4f2a".into(),
        host: "prod7".into(),
        command: vec!["damo".into(), "/home/jane/x".into()],
        history: vec!["cut by jane".into()],
        ..Meta::default()
    };
    let process =
        Process { pid: 4242, started: Some(Nanos(5678)), comm: "acmed".into(), cmdline: "acmed --jane".into() };
    let target = Target {
        process: Some(process),
        data_source: "jane".into(),
        scheme_filters: r#"[{"memcg_path": "/acme"}]"#.into(),
        ..Target::default()
    };
    let mapping = |start, name: &str| Mapping {
        start: Addr(start),
        end: Addr(start + 4096),
        name: name.into(),
        ..Mapping::default()
    };
    let mappings = vec![
        mapping(0x5555_1d20_0000, "/opt/acme"),
        mapping(0x5555_1d20_1000, "[heap]"),
        mapping(0x7fff_0000_0000, "[stack]"),
    ];
    let mut snapshot = Snapshot::new(TargetKey(0), Nanos(5_678_000_000_000), Nanos(5_678_100_000_000), None);
    let region = |start, end, nr| Region::new(Addr(start), Addr(end), NrAccesses(nr), None);
    snapshot.regions =
        vec![region(0x5555_1d20_0000, 0x5555_1d20_2000, 3), region(0x7fff_0000_0000, 0x7fff_0000_0800, 1)];
    let memory = mappings.iter().map(|of| NodeMemory { start: of.start, end: of.end, node: 1, bytes: Bytes(4096) });
    let memory = memory.collect();
    let side_data = [
        Side::Placement(Placement { at, pid: 4242, target: Some(TargetKey(0)), memory, threads: Vec::new() }),
        Side::Mappings(Mappings { at, pid: 4242, target: Some(TargetKey(0)), mappings }),
        Side::Cpu(CpuTime { at, pid: 4242, comm: "acmed".into(), kdamond: false, user: Nanos(1), system: Nanos(1) }),
        Side::Pressure(Pressure { at, resource: "acme".into(), some: Nanos(0), full: None }),
        Side::Params(Params {
            at,
            kdamond: Some(damo_model::KdamondIndex(0)),
            json: "{\"pid\": 4242}".into(),
            ..Params::default()
        }),
        Side::Lost(Lost { at, events: 1, reason: "jane".into() }),
        Side::Mark(Mark { at: Stamp::Wall(Nanos(1_700_000_001_000_000_000)), text: "deploy of acme".into() }),
        Side::Mark(Mark { at, text: "jane".into() }),
        Side::Scheme(SchemeProgress {
            at,
            kdamond: Some(damo_model::KdamondIndex(0)),
            context: 0,
            scheme: 0,
            effective_quota: Some(damo_model::Bytes(1)),
            counts: None,
        }),
    ];
    let mut items = vec![Item::Meta(meta), Item::Target(target)];
    items.extend(side_data.into_iter().map(Item::Side));
    items.push(Item::Snapshot(snapshot));
    items
}

fn anonymized(items: &[Item], keep_marks: bool) -> Vec<Item> {
    let mut survey = Survey::default();
    items.iter().for_each(|item| survey.put(item).unwrap());
    let mut out: Vec<Item> = Vec::new();
    let mut change = Anonymize::new(survey, keep_marks, &mut out).unwrap();
    items.iter().for_each(|item| change.put(item).unwrap());
    out
}

#[test]
fn nothing_that_tells_of_people_machines_or_programs_stays() {
    let before = format!("{:?}", secret_record());
    let after = anonymized(&secret_record(), false);
    let text = format!("{after:?}");
    for secret in SECRETS.iter().filter(|secret| **secret != "1d20") {
        assert!(before.contains(secret), "{secret} was there");
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let addresses = format!("{:x?}", after);
    assert!(!addresses.contains("1d20") && !addresses.contains("7fff"), "{addresses}");
    assert_eq!(after.len(), secret_record().len());
}

#[test]
fn regions_and_mappings_move_together_and_time_begins_at_zero() {
    let after = anonymized(&secret_record(), true);
    let Some(Item::Snapshot(snapshot)) = after.last() else { panic!("a snapshot") };
    assert_eq!((snapshot.start, snapshot.end), (Nanos(0), Nanos(100_000_000)));
    let places: Vec<_> = after
        .iter()
        .filter_map(|item| match item {
            Item::Side(Side::Mappings(all)) => {
                Some(all.mappings.iter().map(|m| (m.start, m.name.as_str())).collect::<Vec<_>>())
            }
            _ => None,
        })
        .flatten()
        .collect();
    let regions = &snapshot.regions;
    let heap = Addr(regions[0].start.0 + 4096);
    assert_eq!(places, [(regions[0].start, "file #1"), (heap, "[heap]"), (regions[1].start, "[stack]")]);
    let placed: Vec<_> = after
        .iter()
        .filter_map(|item| match item {
            Item::Side(Side::Placement(of)) => Some((of.pid, of.memory.iter().map(|of| of.start).collect::<Vec<_>>())),
            _ => None,
        })
        .collect();
    assert_eq!(placed, [(1, vec![regions[0].start, heap, regions[1].start])]);
    let marks: Vec<_> = after
        .iter()
        .filter_map(|item| match item {
            Item::Side(Side::Mark(mark)) => Some((mark.at, mark.text.as_str())),
            _ => None,
        })
        .collect();
    let at = |seconds| Stamp::Record(Nanos::from_secs(seconds));
    assert_eq!(marks, [(at(1), "deploy of acme"), (at(0), "jane")]);
}

#[test]
fn two_processes_are_moved_each_by_itself_and_two_views_of_one_together() {
    let process = |key: u32, pid: i32, scheme| {
        let process = Some(Process { pid, ..Process::default() });
        Item::Target(Target { key: TargetKey(key), scheme, process, ..Target::default() })
    };
    let snapshot = |key: u32, start: u64| {
        let mut snapshot = Snapshot::new(TargetKey(key), Nanos(0), Nanos(1), None);
        snapshot.regions.push(Region::new(Addr(start), Addr(start + 0x2000), NrAccesses(0), None));
        Item::Snapshot(snapshot)
    };
    let items = [
        Item::Meta(Meta::default()),
        process(0, 10, None),
        process(1, 10, Some(0)),
        process(2, 11, None),
        snapshot(0, 0x10000),
        snapshot(1, 0x11000),
        snapshot(2, 0x99000),
    ];
    let starts: Vec<u64> = anonymized(&items, false)
        .iter()
        .filter_map(|item| match item {
            Item::Snapshot(snapshot) => Some(snapshot.regions[0].start.0),
            _ => None,
        })
        .collect();
    assert_eq!(starts[1] - starts[0], 0x1000);
    assert_eq!(starts[2], starts[0]);
}

/// A name that occurs nowhere else, for each text of a record.
fn token(what: &str) -> String {
    format!("zq{what}qz")
}

/// A record that has a token in every text and every id that others chose. Written field by field: a new field does not
/// compile until somebody decides.
fn record_of_tokens() -> Vec<Item> {
    let at = Stamp::Record(Nanos(77));
    let meta = Meta {
        tool: token("tool"),
        kernel_release: token("release"),
        features: vec![token("feature"), "sysfs".into()],
        formats: vec![damo_model::TracepointFormat { event: token("event"), text: token("format") }],
        source: Source::Imported { format: token("source") },
        ops: None,
        intervals: None,
        intervals_goal: None,
        nr_regions: None,
        page_size: None,
        clock: Clock::Monotonic,
        clock_pair: None,
        boot_id: token("boot"),
        host: token("host"),
        command: vec![token("command")],
        history: vec![token("history")],
    };
    let process = Process { pid: 987_654, started: None, comm: token("comm"), cmdline: token("cmdline") };
    let target = Target {
        key: TargetKey(0),
        kdamond: Some(damo_model::KdamondIndex(0)),
        context: Some(0),
        scheme: None,
        target_id: Some(0xffff_8765_4321_0123),
        process: Some(process),
        data_source: token("datasource"),
        scheme_filters: format!(r#"[{{"filter_type": "{}", "memcg_path": "{}"}}]"#, token("type"), token("memcg")),
    };
    let mapping = |start: u64, name: String, perms: String| Mapping {
        start: Addr(start),
        end: Addr(start + 4096),
        perms,
        offset: Bytes(0),
        name,
    };
    let names = [token("file"), format!("/{}", token("path")), format!("[anon:{}]", token("anon")), "[heap]".into()];
    let mappings = (0..).zip(names).map(|(i, name)| mapping(0x7654_0000_0000 + i * 4096, name, token("perms")));
    let cpu = |comm: String, kdamond| CpuTime { at, pid: 987_654, comm, kdamond, user: Nanos(1), system: Nanos(1) };
    let side_data = [
        Side::Mappings(Mappings { at, pid: 987_654, target: Some(TargetKey(0)), mappings: mappings.collect() }),
        Side::Cpu(cpu(token("thread"), false)),
        Side::Cpu(cpu(format!("kdamond.{}", token("kdamond")), true)),
        Side::Pressure(Pressure { at, resource: token("resource"), some: Nanos(0), full: None }),
        Side::Params(Params {
            at,
            kdamond: None,
            context: None,
            ops: None,
            intervals: None,
            intervals_goal: None,
            nr_regions: None,
            json: token("json"),
        }),
        Side::Lost(Lost { at, events: 1, reason: token("reason") }),
        Side::Mark(Mark { at, text: token("mark") }),
    ];
    let mut items = vec![Item::Meta(meta.clone()), Item::Target(target)];
    items.extend(side_data.into_iter().map(Item::Side));
    let workload = Source::Simulator { seed: 1, workload: token("workload") };
    items.push(Item::Meta(Meta { source: workload, ..meta }));
    items
}

#[test]
fn no_text_and_no_id_of_any_field_is_left() {
    let before = format!("{:?}", record_of_tokens());
    assert!(
        before.matches("qz").count() >= 23 && before.contains("987654") && before.contains("18446611467720524067"),
        "{before}"
    );
    let after = format!("{:?}", anonymized(&record_of_tokens(), false));
    assert!(!after.contains("zq") && !after.contains("qz"), "{after}");
    assert!(!after.contains("987654") && !after.contains("18446611467720524067"), "{after}");
    assert!(after.contains("sysfs") && after.contains("[heap]"), "{after}");
}
