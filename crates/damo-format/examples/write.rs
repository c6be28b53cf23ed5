//! Writes a record of one's own measurements: `write RECORD.damo`. Any source of access counts will do.

use damo_format::{RecordFile, WriterOptions};
use damo_model::{Addr, Intervals, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: write RECORD.damo")?;
    let intervals = Intervals { aggregation: Nanos::from_secs(1), ..Intervals::default() };
    let mut record = RecordFile::create(name, WriterOptions::default(), false)?;
    record.write(&Item::Meta(Meta { tool: "example".into(), intervals: Some(intervals), ..Meta::default() }))?;
    record.write(&Item::Target(Target { key: TargetKey(0), target_id: Some(0), ..Target::default() }))?;
    for second in 0..10 {
        let start = Nanos::from_secs(second);
        let mut snapshot = Snapshot::new(TargetKey(0), start, start.saturating_add(Nanos::from_secs(1)), None);
        // One region of 1 MiB that gets hotter, in samples of the aggregation interval; age unknown.
        snapshot.regions.push(Region::new(Addr(0), Addr(1 << 20), NrAccesses(2 * second as u32), None));
        record.write(&Item::Snapshot(snapshot))?;
    }
    println!("{} snapshots", record.finish()?.snapshots);
    Ok(())
}
