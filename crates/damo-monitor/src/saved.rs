//! What the screen shows as a record of its own: pictures and pages are made of records, by those who know how.

use crate::history::Moment;
use crate::state::{State, TargetState};
use damo_format::{WriteError, Writer, WriterOptions};
use damo_model::{
    AddrRange, Age, Bytes, Intervals, Item, Mapping, Mappings, Mark, Nanos, NrAccesses, Region, Side, Snapshot, Stamp,
    TargetKey, TimeSpan,
};

impl State {
    /// A record of one target in a span of time, as far as it is kept: snapshots, mappings and marks. With `within`, only
    /// these addresses.
    ///
    /// # Errors
    /// If the record cannot be written, which only a lack of memory can cause.
    pub(crate) fn saved(
        &self,
        target: TargetKey,
        span: TimeSpan,
        within: Option<&[AddrRange]>,
    ) -> Result<Vec<u8>, WriteError> {
        let mut writer = Writer::new(Vec::new(), WriterOptions::default())?;
        writer.write(&Item::Meta(self.meta.clone()))?;
        let Some(state) = self.targets.get(&target) else { return Ok(writer.finish()?.0) };
        // The keys of a record are 0, 1, 2 and so on.
        let key = TargetKey(0);
        let mut known = state.target.clone();
        known.key = key;
        writer.write(&Item::Target(known))?;
        let mappings = Side::Mappings(mappings(state, key, span.start));
        writer.write(&Item::Side(mappings))?;
        for (at, text) in self.marks.iter().filter(|(at, _)| *at >= span.start && *at < span.end) {
            writer.write(&Item::Side(Side::Mark(Mark { at: Stamp::Record(*at), text: text.clone() })))?;
        }
        for moment in self.history.within(span).filter(|moment| moment.target == target) {
            writer.write(&Item::Snapshot(snapshot(moment, key, within)))?;
        }
        Ok(writer.finish()?.0)
    }
}

fn mappings(state: &TargetState, key: TargetKey, at: Nanos) -> Mappings {
    let mapping = |area: &crate::areas::Area| Mapping {
        start: area.range.start,
        end: area.range.end,
        perms: String::new(),
        offset: Bytes(0),
        name: area.name.to_string(),
    };
    Mappings {
        at: Stamp::Record(at),
        pid: state.target.process.as_ref().map_or(0, |process| process.pid),
        target: Some(key),
        mappings: state.areas.iter().map(mapping).collect(),
    }
}

fn snapshot(moment: &Moment, key: TargetKey, within: Option<&[AddrRange]>) -> Snapshot {
    // Where the aggregation interval is known, so is how often memory was sampled in it.
    let intervals = moment.aggregation.map(|aggregation| Intervals {
        sample: Nanos(aggregation.0 / i64::from(moment.max_nr_accesses.max(1))),
        aggregation,
        ..Intervals::default()
    });
    let mut snapshot = Snapshot::new(key, moment.span.start, moment.span.end, intervals);
    for row in &moment.regions {
        let whole = [row.range()];
        let parts = within.unwrap_or(&whole).iter().filter_map(|range| row.range().intersection(*range));
        let region =
            |part: AddrRange| Region::new(part.start, part.end, NrAccesses(row.nr_accesses), row.age().map(Age));
        snapshot.regions.extend(parts.map(region));
    }
    snapshot
}
