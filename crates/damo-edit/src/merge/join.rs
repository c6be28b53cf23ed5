//! Several streams of items into one, by time.

use super::{MergeInput, Plan};
use crate::clock::{on_record_clock, stamp_mut, stamp_of};
use crate::error::EditError;
use damo_model::{ClockPair, Item, Nanos, Side, Sink, SinkError, Snapshot, SnapshotState, Stamp, TargetKey};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What was merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Snapshots in the merged record.
    pub snapshots: u64,
    /// Snapshots that another record had as well.
    pub repeated_snapshots: u64,
    /// Pieces of side data that another record had as well.
    pub repeated_sides: u64,
}

/// Merges streams of items as planned: `sources` give the items of the plan's records, in its order.
///
/// # Errors
/// What a source reports; [`EditError::Overlap`]; or if the sink takes no more.
pub fn join<E: From<EditError> + From<SinkError>>(
    plan: &Plan,
    sources: &mut [&mut dyn FnMut() -> Result<Option<Item>, E>],
    sink: &mut dyn Sink,
) -> Result<Merged, E> {
    sink.put(&Item::Meta(plan.meta.clone()))?;
    for target in &plan.targets {
        sink.put(&Item::Target(target.clone()))?;
    }
    let mut feeds: Vec<Feed<'_, '_, E>> = Vec::new();
    for (place, source) in plan.inputs.iter().zip(sources) {
        feeds.push(Feed {
            place,
            pair: plan.meta.clock_pair,
            source,
            side_data: VecDeque::new(),
            next: None,
            ended: false,
        });
    }
    let mut joiner = Joiner { plan, sink, said: HashMap::new(), last: BTreeMap::new(), merged: Merged::default() };
    loop {
        for feed in &mut feeds {
            feed.fill()?;
        }
        let due = |(i, feed): (usize, &Feed<'_, '_, E>)| feed.due().map(|due| (due, i));
        let Some((_, i)) = feeds.iter().enumerate().filter_map(due).min() else {
            return Ok(joiner.merged);
        };
        match feeds.get_mut(i).and_then(Feed::take) {
            Some(Taken::Side(side)) => joiner.side(i, &side)?,
            Some(Taken::Snapshot(snapshot)) => joiner.snapshot::<E>(i, snapshot)?,
            None => return Ok(joiner.merged),
        }
    }
}

/// One of the streams: what comes next of it.
struct Feed<'p, 's, E> {
    place: &'p MergeInput,
    pair: Option<ClockPair>,
    source: &'s mut dyn FnMut() -> Result<Option<Item>, E>,
    side_data: VecDeque<Side>,
    next: Option<Snapshot>,
    ended: bool,
}

enum Taken {
    Side(Side),
    Snapshot(Snapshot),
}

/// When something is due: its time, side data before snapshots, complete snapshots before partial ones.
type Due = (Nanos, u8);

impl<E> Feed<'_, '_, E> {
    /// Reads on until the next snapshot.
    fn fill(&mut self) -> Result<(), E> {
        while self.next.is_none() && !self.ended {
            match (self.source)()? {
                None => self.ended = true,
                Some(Item::Snapshot(snapshot)) => self.next = Some(self.placed(snapshot)),
                Some(Item::Side(side)) => {
                    let side = self.placed_side(side);
                    self.side_data.push_back(side);
                }
                // The plan has them.
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn key(&self, key: TargetKey) -> TargetKey {
        self.place.keys.get(&key).copied().unwrap_or(key)
    }

    fn placed(&self, mut snapshot: Snapshot) -> Snapshot {
        snapshot.target = self.key(snapshot.target);
        snapshot.start = snapshot.start.saturating_add(self.place.shift);
        snapshot.end = snapshot.end.saturating_add(self.place.shift);
        snapshot.intervals = snapshot.intervals.or(self.place.intervals);
        snapshot
    }

    fn placed_side(&self, mut side: Side) -> Side {
        if let Some(Stamp::Record(at)) = stamp_mut(&mut side) {
            *at = at.saturating_add(self.place.shift);
        }
        let target = match &mut side {
            Side::Mappings(mappings) => &mut mappings.target,
            Side::Process(footprint) => &mut footprint.target,
            Side::Placement(placement) => &mut placement.target,
            _ => return side,
        };
        *target = target.map(|key| self.key(key));
        side
    }

    fn due(&self) -> Option<Due> {
        // What cannot be placed in time comes at once.
        let time = |side| stamp_of(side).and_then(|stamp| on_record_clock(stamp, self.pair)).unwrap_or(Nanos(i64::MIN));
        let side = self.side_data.front().map(|side| (time(side), 0));
        let snapshot = self.next.as_ref().map(|next| (next.end, if is_complete(next) { 1 } else { 2 }));
        match (side, snapshot) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn take(&mut self) -> Option<Taken> {
        let (_, rank) = self.due()?;
        match rank {
            0 => self.side_data.pop_front().map(Taken::Side),
            _ => self.next.take().map(Taken::Snapshot),
        }
    }
}

fn is_complete(snapshot: &Snapshot) -> bool {
    snapshot.state == SnapshotState::Complete
}

struct Joiner<'a> {
    plan: &'a Plan,
    sink: &'a mut dyn Sink,
    /// Which record said it first, by a hash of what was said.
    said: HashMap<u64, usize>,
    /// Each target's last snapshot, and whose it is.
    last: BTreeMap<TargetKey, (usize, Snapshot)>,
    merged: Merged,
}

impl Joiner<'_> {
    fn side(&mut self, input: usize, side: &Side) -> Result<(), SinkError> {
        // The default hasher has no random keys: the same input gives the same output.
        let mut hasher = DefaultHasher::new();
        side.hash(&mut hasher);
        if *self.said.entry(hasher.finish()).or_insert(input) != input {
            self.merged.repeated_sides += 1;
            return Ok(());
        }
        self.sink.put(&Item::Side(side.clone()))
    }

    fn snapshot<E: From<EditError> + From<SinkError>>(
        &mut self,
        input: usize,
        mut snapshot: Snapshot,
    ) -> Result<(), E> {
        if let Some((other, last)) = self.last.get(&snapshot.target)
            && *other != input
            && snapshot.start < last.end
        {
            // Where a recording began within a snapshot, it can only guess when that one began.
            if snapshot.end == last.end && (snapshot.regions == last.regions || !is_complete(&snapshot)) {
                self.merged.repeated_snapshots += 1;
                return Ok(());
            }
            let overlap = last.end.saturating_sub(snapshot.start);
            if overlap.0 > snapshot.time_span().length().0 / 2 {
                return Err(self.overlap(*other, input, &snapshot).into());
            }
            snapshot.start = last.end;
        }
        self.merged.snapshots += 1;
        let item = Item::Snapshot(snapshot);
        self.sink.put(&item)?;
        if let Item::Snapshot(snapshot) = item {
            self.last.insert(snapshot.target, (input, snapshot));
        }
        Ok(())
    }

    fn overlap(&self, first: usize, second: usize, snapshot: &Snapshot) -> EditError {
        let name = |i: usize| self.plan.inputs.get(i).map_or_else(String::new, |place| place.name.clone());
        let target = self.plan.targets.iter().find(|target| target.key == snapshot.target);
        let process = target.and_then(|target| target.process.as_ref());
        let pid = process.map_or_else(String::new, |process| format!(" (pid {})", process.pid));
        EditError::Overlap {
            first: name(first),
            second: name(second),
            target: format!("target {}{pid}", snapshot.target.0),
            at: snapshot.start.0,
        }
    }
}
