use super::*;
use damo_model::{
    Addr, ClockPair, Item, Mapping, Mappings, Mark, NrAccesses, Process, Region, Side, SinkError, Snapshot, Stamp,
};

fn boot(id: &str) -> Meta {
    Meta { boot_id: id.into(), clock: Clock::Monotonic, ..Meta::default() }
}

fn process(key: u32, kdamond: u32, pid: i32, started: i64) -> Target {
    let process = Some(Process { pid, started: Some(Nanos(started)), ..Process::default() });
    Target {
        key: TargetKey(key),
        kdamond: Some(damo_model::KdamondIndex(kdamond)),
        target_id: Some(key.into()),
        process,
        ..Target::default()
    }
}

fn snapshot(key: u32, n: i64) -> Snapshot {
    let mut snapshot = Snapshot::new(TargetKey(key), Nanos(n * 100), Nanos(n * 100 + 100), None);
    snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(n as u32), None));
    snapshot
}

fn mark(at: i64) -> Item {
    Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(at)), text: format!("mark {at}") }))
}

fn mappings(at: i64) -> Item {
    let mappings = vec![Mapping { end: Addr(4096), ..Mapping::default() }];
    Item::Side(Side::Mappings(Mappings { at: Stamp::Record(Nanos(at)), pid: 7, target: Some(TargetKey(0)), mappings }))
}

#[derive(Debug)]
enum Failure {
    Edit(EditError),
    Sink,
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        Failure::Edit(error)
    }
}

impl From<SinkError> for Failure {
    fn from(_: SinkError) -> Self {
        Failure::Sink
    }
}

fn merge(records: &[(Meta, Vec<Target>, Vec<Item>)]) -> Result<(Plan, Vec<Item>, Merged), Failure> {
    let names = ["a.damo", "b.damo", "c.damo"];
    let inputs: Vec<Input<'_>> =
        records.iter().zip(names).map(|((meta, targets, _), name)| Input { name, meta, targets }).collect();
    let plan = Plan::make(&inputs, false)?;
    let mut streams: Vec<_> = records.iter().map(|(_, _, items)| items.iter().cloned()).collect();
    let mut sources: Vec<_> = streams.iter_mut().map(|stream| move || Ok::<_, Failure>(stream.next())).collect();
    let mut sources: Vec<_> =
        sources.iter_mut().map(|s| s as &mut dyn FnMut() -> Result<Option<Item>, Failure>).collect();
    let mut out: Vec<Item> = Vec::new();
    let merged = join(&plan, &mut sources, &mut out)?;
    Ok((plan, out, merged))
}

fn snapshots(items: &[Item]) -> Vec<(u32, i64)> {
    let heads = items.iter().filter_map(|item| match item {
        Item::Snapshot(snapshot) => Some((snapshot.target.0, snapshot.start.0 / 100)),
        _ => None,
    });
    heads.collect()
}

#[test]
fn parts_of_a_recording_go_together_without_loss_or_repetition() {
    let target = vec![process(0, 0, 7, 5)];
    let item = |n| Item::Snapshot(snapshot(0, n));
    let a = (boot("x"), target.clone(), vec![mappings(-5), mark(50), item(0), item(1), item(2)]);
    let b = (boot("x"), target, vec![mappings(-5), mark(420), item(2), item(3), item(4)]);
    let (plan, out, merged) = merge(&[a, b]).unwrap();
    assert_eq!(plan.targets.len(), 1);
    assert_eq!(merged, Merged { snapshots: 5, repeated_snapshots: 1, repeated_sides: 1 });
    let rest = [mappings(-5), mark(50), item(0), item(1), item(2), item(3), mark(420), item(4)];
    assert_eq!(out[2..], rest);
}

#[test]
fn different_kdamonds_stay_side_by_side_and_the_same_process_is_the_same_target() {
    let a = (boot("x"), vec![process(0, 0, 7, 5), process(1, 0, 8, 6)], vec![Item::Snapshot(snapshot(1, 0))]);
    // The same process later, at another position; a later process with the same pid; another kdamond.
    let later = vec![process(0, 0, 8, 6), process(1, 0, 7, 99), process(2, 1, 8, 6)];
    let b = (boot("x"), later, (0..3).map(|key| Item::Snapshot(snapshot(key, 3))).collect());
    let (plan, out, _) = merge(&[a, b]).unwrap();
    assert_eq!(plan.targets.len(), 4);
    assert_eq!(plan.shared_targets(), 1);
    assert_eq!(snapshots(&out), [(1, 0), (1, 3), (2, 3), (3, 3)]);
}

#[test]
fn another_boot_is_refused_and_so_is_a_record_that_does_not_tell() {
    for (other, why) in [(boot("y"), "differ"), (boot(""), "b.damo has no boot id")] {
        let error = merge(&[(boot("x"), vec![], vec![]), (other, vec![], vec![])]).unwrap_err();
        let Failure::Edit(error) = error else { panic!("{error:?}") };
        assert!(error.to_string().contains(why) && error.to_string().contains("--any_host"), "{error}");
    }
}

#[test]
fn records_on_other_clocks_are_put_on_the_first_ones_by_the_time_of_day() {
    let pair = |record, wall| Some(ClockPair { record: Nanos(record), wall: Nanos(wall) });
    let a = Meta { clock_pair: pair(1000, 5_000), ..boot("x") };
    let b = Meta { clock_pair: pair(0, 5_000), clock: Clock::TraceLocal, ..boot("x") };
    let (_, out, _) =
        merge(&[(a.clone(), vec![], vec![]), (b.clone(), vec![], vec![mark(7), Item::Snapshot(snapshot(0, 2))])])
            .unwrap();
    assert_eq!(snapshots(&out), [(0, 12)]);
    assert!(matches!(&out[1], Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(1007)), .. }))), "{:?}", out[1]);
    let silent = Meta { clock_pair: None, ..b };
    let Err(Failure::Edit(error)) = merge(&[(a, vec![], vec![]), (silent, vec![], vec![])]) else { panic!("merged") };
    assert!(error.to_string().contains("b.damo does not say how its clock"), "{error}");
}

#[test]
fn snapshots_of_one_target_that_overlap_and_differ_are_an_error_that_names_both() {
    let target = vec![process(0, 0, 7, 5)];
    let mut other = snapshot(0, 1);
    other.regions[0].nr_accesses = NrAccesses(9);
    let a = (boot("x"), target.clone(), vec![Item::Snapshot(snapshot(0, 1))]);
    let Err(Failure::Edit(error)) = merge(&[a, (boot("x"), target, vec![Item::Snapshot(other)])]) else {
        panic!("merged")
    };
    let said = error.to_string();
    assert!(said.contains("a.damo and b.damo") && said.contains("pid 7") && said.contains("damo cut"), "{said}");
}

#[test]
fn what_differs_between_records_is_left_out_and_snapshots_keep_their_intervals() {
    let faster = Intervals { aggregation: Nanos::from_millis(50), ..Intervals::default() };
    let a = Meta { intervals: Some(Intervals::default()), host: "h".into(), ..boot("x") };
    let b = Meta { intervals: Some(faster), host: "h".into(), kernel_release: "6".into(), ..boot("x") };
    let record = |meta, n| (meta, vec![process(0, 0, 7, 5)], vec![Item::Snapshot(snapshot(0, n))]);
    let (plan, out, _) = merge(&[record(a, 0), record(b, 1)]).unwrap();
    assert_eq!((plan.meta.intervals, plan.meta.kernel_release.as_str(), plan.meta.host.as_str()), (None, "", "h"));
    let intervals = out.iter().filter_map(|item| match item {
        Item::Snapshot(snapshot) => snapshot.intervals,
        _ => None,
    });
    assert_eq!(intervals.collect::<Vec<_>>(), [Intervals::default(), faster]);
}
