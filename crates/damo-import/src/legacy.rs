//! The binary record of the first DAMON versions, which the debugfs interface and the first tools wrote.
//!
//! Little-endian without padding: an optional magic of 16 bytes with a version after it, then for each moment its time
//! and the targets' regions. Without the magic it is version 0, which has no signature at all and is recognised by
//! whether its first records make sense.

use crate::driver::{Event, Receive, Stream};
use crate::error::{FilePosition, ImportError};
use crate::sniff::LEGACY_MAGIC;
use crate::{Context, Imported};
use damo_model::{Addr, Nanos, NrAccesses, Region};
use damo_trace::assemble::{EventKey, RegionEvent};
use std::cell::RefCell;

/// A binary record.
#[derive(Debug)]
pub(crate) struct Legacy<'a> {
    bytes: &'a [u8],
    version: i32,
    start: usize,
    seen: RefCell<SessionFacts>,
}

#[derive(Debug, Default)]
struct SessionFacts {
    /// Where the last whole target ended, if there is more in the file.
    cut: Option<(u64, &'static str)>,
    empty: u64,
}

/// One target at one moment.
struct Task {
    time: Nanos,
    target_id: u64,
    nr_regions: u32,
    /// Where its regions begin.
    at: usize,
}

const REGION: usize = 20;

impl<'a> Legacy<'a> {
    pub(crate) fn new(bytes: &'a [u8], context: &Context<'_>) -> Result<Self, ImportError> {
        let version = match bytes.strip_prefix(LEGACY_MAGIC) {
            None => 0,
            Some(rest) => {
                let version = rest.first_chunk().map(|version| i32::from_le_bytes(*version));
                let cut =
                    || context.bad(FilePosition::Byte(16), "it is cut within its header".to_owned(), "copy it again");
                version.ok_or_else(cut)?
            }
        };
        if !(0..=2).contains(&version) {
            let what = format!("version {version} of the binary record is not known");
            let remedy = "versions 0 to 2 are; convert it with the damo that wrote it";
            return Err(context.bad(FilePosition::Byte(16), what, remedy));
        }
        let start = if bytes.starts_with(LEGACY_MAGIC) { 20 } else { 0 };
        Ok(Self { bytes, version, start, seen: RefCell::default() })
    }

    /// Adds what a user should know.
    pub(crate) fn note(&self, imported: &mut Imported) {
        let seen = self.seen.borrow();
        if let Some((at, what)) = seen.cut {
            imported.damaged = true;
            imported.notes.push(format!("damaged{}: {what}; what comes after is lost", FilePosition::Byte(at)));
        }
        imported.note_count("moments at which a target had no regions, left out", seen.empty);
    }

    /// Walks over all targets of all moments; stops where `visit` does. Returns where the data stop making sense.
    fn walk(
        &self,
        visit: &mut dyn FnMut(&Task) -> Result<bool, ImportError>,
    ) -> Result<Option<(u64, &'static str)>, ImportError> {
        let mut at = self.start;
        let id_len = if self.version == 1 { 4 } else { 8 };
        while self.bytes.len() - at >= 16 {
            let begin = at as u64;
            let (seconds, nanos) = (self.i64_at(at), self.i64_at(at + 8));
            let time = seconds.zip(nanos).and_then(|(seconds, nanos)| {
                let in_range = seconds >= 0 && (0..1_000_000_000).contains(&nanos);
                in_range.then(|| seconds.checked_mul(1_000_000_000)?.checked_add(nanos)).flatten().map(Nanos)
            });
            let Some(time) = time else { return Ok(Some((begin, "the time makes no sense"))) };
            let Some(nr_tasks) = self.u32_at(at + 16) else {
                return Ok(Some((begin, "the file ends within a moment")));
            };
            at += 20;
            for _ in 0..nr_tasks {
                let begin = at as u64;
                let id = match self.version {
                    // Signed in that version; told apart by their bits all the same.
                    1 => self.u32_at(at).map(u64::from),
                    _ => self.i64_at(at).map(|id| id as u64),
                };
                let (Some(target_id), Some(nr_regions)) = (id, self.u32_at(at + id_len)) else {
                    return Ok(Some((begin, "the file ends within a target")));
                };
                at += id_len + 4;
                if visit(&Task { time, target_id, nr_regions, at })? {
                    return Ok(None);
                }
                match (nr_regions as usize).checked_mul(REGION).and_then(|len| at.checked_add(len)) {
                    Some(end) if end <= self.bytes.len() => at = end,
                    _ => return Ok(Some((begin, "the file ends within a target's regions"))),
                }
            }
        }
        let rest = self.bytes.len() - at;
        Ok((rest > 0).then_some((at as u64, "there are a few bytes too many at the end")))
    }

    fn region(&self, at: usize) -> Option<(u64, u64, u32)> {
        Some((self.i64_at(at)? as u64, self.i64_at(at + 8)? as u64, self.u32_at(at + 16)?))
    }

    fn i64_at(&self, at: usize) -> Option<i64> {
        self.bytes.get(at..)?.first_chunk().map(|bytes| i64::from_le_bytes(*bytes))
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        self.bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }
}

impl Stream for Legacy<'_> {
    fn run(&self, receive: &mut Receive<'_>) -> Result<(), ImportError> {
        let mut seen = SessionFacts::default();
        seen.cut = self.walk(&mut |task| {
            let key = EventKey { target_id: task.target_id, ..EventKey::default() };
            if task.nr_regions == 0 {
                seen.empty += 1;
                receive(Event::End(key, task.time), FilePosition::Byte(task.at as u64))?;
            }
            for index in 0..task.nr_regions as usize {
                let at = task.at.saturating_add(index.saturating_mul(REGION));
                let Some((start, end, nr_accesses)) = self.region(at) else { break };
                let place = FilePosition::Byte(at as u64);
                // The writer's mark of where one more snapshot would have ended.
                if task.nr_regions == 1 && start == 0 && end == 0 && nr_accesses == u32::MAX {
                    receive(Event::End(key, task.time), place)?;
                    continue;
                }
                let region = Region::new(Addr(start), Addr(end), NrAccesses(nr_accesses), None);
                let event = RegionEvent { key, time: task.time, nr_regions: task.nr_regions, region, extras: &[] };
                receive(Event::Region(event), place)?;
            }
            Ok(false)
        })?;
        *self.seen.borrow_mut() = seen;
        Ok(())
    }

    fn is_sorted(&self) -> bool {
        true
    }

    fn nothing(&self) -> Option<String> {
        self.seen.borrow().cut.map(|(at, what)| format!("no whole snapshot in it: at byte {at} {what}"))
    }
}

/// Whether `head` can be a record of version 0, which has no magic: a plausible time, few targets, and a first target
/// whose regions are in order.
pub(crate) fn looks_like_version_0(head: &[u8]) -> bool {
    let file = Legacy { bytes: head, version: 0, start: 0, seen: RefCell::default() };
    let nr_tasks = file.u32_at(16).unwrap_or(0);
    let mut is_plausible = false;
    let walked = file.walk(&mut |task| {
        let regions = (0..task.nr_regions as usize).map_while(|index| file.region(task.at + index * REGION));
        let mut last = 0;
        let mut in_order = regions.map(|(start, end, _)| std::mem::replace(&mut last, end) <= start && start < end);
        is_plausible =
            (1..=1024).contains(&nr_tasks) && in_order.next() == Some(true) && in_order.all(|in_order| in_order);
        Ok(true)
    });
    is_plausible && walked.is_ok()
}
