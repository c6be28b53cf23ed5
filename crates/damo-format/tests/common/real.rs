//! Real recordings, as the Python tool wrote them: zlib-compressed JSON with numbers as text. Just enough to get at the
//! snapshots; reading foreign records for good is another crate's business.

use damo_model::{Addr, Age, Intervals, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.replace(',', "").parse().ok(),
        other => other.as_u64(),
    }
}

fn region(value: &Value) -> Option<Region> {
    let age = number(&value["age"]["aggr_intervals"])?;
    Some(Region::new(
        Addr(number(&value["start"])?),
        Addr(number(&value["end"])?),
        NrAccesses(number(&value["nr_accesses"]["samples"])? as u32),
        Some(Age(age as u32)),
    ))
}

fn snapshot(key: TargetKey, value: &Value) -> Option<Snapshot> {
    let time = |name: &str| number(&value[name]).map(|t| Nanos(t as i64));
    let mut snapshot = Snapshot::new(key, time("start_time")?, time("end_time")?, Some(Intervals::default()));
    snapshot.regions = value["regions"].as_array()?.iter().map(region).collect::<Option<_>>()?;
    Some(snapshot)
}

/// Meta, targets and snapshots of a record; `None` if it is not there or not of that form.
pub fn load(path: &Path) -> Option<Vec<Item>> {
    let file = std::fs::File::open(path).ok()?;
    let mut text = Vec::new();
    flate2::read::ZlibDecoder::new(file).read_to_end(&mut text).ok()?;
    let records: Value = serde_json::from_slice(&text).ok()?;
    let mut items = vec![Item::Meta(Meta::default())];
    for (key, record) in (0..).map(TargetKey).zip(records.as_array()?) {
        items.push(Item::Target(Target { key, ..Target::default() }));
        for value in record["snapshots"].as_array()? {
            items.push(Item::Snapshot(snapshot(key, value)?));
        }
    }
    Some(items)
}
