//! Records for tests of reports, made by hand or by simulation.
#![allow(dead_code)]

pub mod predictions;
pub mod truth;

use damo_frame::Record;
use damo_model::{Addr, Age, Intervals, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
use damo_report::heats::{HeatsOptions, HeatsReport, heats};
use std::ops::ControlFlow;

/// Nanoseconds of a millisecond.
pub const MS: i64 = 1_000_000;

/// A region: start, end, nr_accesses, age.
pub type Row = (u64, u64, u32, u32);
/// A snapshot: start and end in ms, regions.
pub type Rows<'a> = (i64, i64, &'a [Row]);

/// A record of one target.
pub fn record(intervals: Option<Intervals>, snapshots: &[Rows<'_>]) -> Record {
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target { target_id: Some(7), ..Target::default() })];
    for (start, end, regions) in snapshots {
        let mut snapshot = Snapshot::new(TargetKey(0), Nanos(start * MS), Nanos(end * MS), intervals);
        let region = |r: &Row| Region::new(Addr(r.0), Addr(r.1), NrAccesses(r.2), Some(Age(r.3)));
        snapshot.regions = regions.iter().map(region).collect();
        items.push(Item::Snapshot(snapshot));
    }
    Record::from_items(&items).expect("items are in order")
}

/// So many seconds of a built-in workload.
pub fn simulated(name: &str, seconds: i64) -> Record {
    simulated_with(name, seconds, false)
}

/// Twenty seconds of the staircase, of which each second step is on node 1.
pub fn placed() -> Record {
    simulated_with("stairs", 20, true)
}

fn simulated_with(name: &str, seconds: i64, spread: bool) -> Record {
    let builtin = damo_sim::builtin::find(name).expect("built in");
    let mut options = builtin.options();
    (options.duration, options.spread) = (Some(Nanos::from_secs(seconds)), spread);
    let mut items = Vec::new();
    damo_sim::simulate(&builtin.workloads(), &options, &mut items, &mut |_| ControlFlow::Continue(()))
        .expect("the built-in workload runs");
    Record::from_items(&items).expect("items are in order")
}

/// The map of a record.
pub fn map(record: Record, options: &HeatsOptions) -> HeatsReport {
    heats(&[record], options).expect("there is a map")
}
