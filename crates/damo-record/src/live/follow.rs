//! The loop in the middle of a live session: ring to items, side data, marks, signals, until there is a reason to end.

use super::control::Control;
use super::events::{Events, Place};
use super::people::People;
use super::sides::Sides;
use super::source::Source;
use crate::error::RecordError;
use crate::line::{self, Line};
use crate::marks::Marks;
use crate::pipeline::Pipeline;
use crate::request::Request;
use crate::signals::Signals;
use damo_kernel::procfs::now;
use damo_kernel::ring::Until;
use damo_model::human::{Style, format_size, format_time};
use damo_model::{Bytes, Item, Mark, Nanos, Process, Side, Stamp, TargetKey};
use std::time::{Duration, Instant};

/// How often the ring is emptied even if it is far from full: a mark's time is as exact as this.
const DRAIN: Duration = Duration::from_millis(200);
/// How often to look who joined and whether DAMON still runs. Who is gone is noticed earlier.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A signal asked for it.
    Signal(&'static str),
    /// The time is over.
    Timeout,
    /// All targets are gone.
    TargetsGone,
    /// The kdamonds stopped, not by us.
    DamonStopped,
    /// The record can take no more; the pipeline knows why.
    RecordStopped,
}

impl Ending {
    /// A sentence, where the ending needs one.
    pub(crate) fn sentence(self) -> String {
        match self {
            Ending::Signal(name) => format!("Stopped by {name}."),
            Ending::Timeout => "The time is over.".to_string(),
            Ending::TargetsGone => "The target has ended.".to_string(),
            Ending::DamonStopped => "DAMON was stopped.".to_string(),
            Ending::RecordStopped => "The record could take no more.".to_string(),
        }
    }
}

/// All that the loop works with.
pub(crate) struct Following<'a> {
    pub(crate) request: &'a Request,
    pub(crate) source: Box<dyn Source>,
    pub(crate) events: Events,
    pub(crate) people: People,
    /// kdamond threads whose cost is recorded.
    pub(crate) kdamonds: Vec<i32>,
    pub(crate) sides: Sides,
    pub(crate) marks: Option<Marks>,
    pub(crate) pipeline: Pipeline,
    pub(crate) signals: &'a Signals,
    pub(crate) line: &'a mut Line,
    pub(crate) begun: Instant,
}

impl Following<'_> {
    /// Follows until there is a reason to end.
    pub(crate) fn follow(&mut self, control: &mut dyn Control) -> Result<Ending, RecordError> {
        let mut look_due = Instant::now();
        // At once, so that the shortest recording knows what was mapped where.
        if self.sample(control).is_err() {
            return Ok(Ending::RecordStopped);
        }
        loop {
            self.source.wait(self.patience(look_due))?;
            if self.drain(Until::Now).is_err() || self.take_marks().is_err() {
                return Ok(Ending::RecordStopped);
            }
            if let Some(name) = self.signals.stop() {
                return Ok(Ending::Signal(name));
            }
            if self.signals.take_dump() {
                self.dump();
            }
            if self.request.limits.timeout.is_some_and(|timeout| self.begun.elapsed() >= duration(timeout)) {
                return Ok(Ending::Timeout);
            }
            if Instant::now() >= look_due || self.source.hung_up() || self.people.someone_is_gone() {
                look_due = Instant::now() + LOOK;
                if let Some(ending) = self.look(control)? {
                    return Ok(ending);
                }
            }
            if Instant::now() >= self.sides.due() && self.sample(control).is_err() {
                return Ok(Ending::RecordStopped);
            }
            self.draw();
        }
    }

    /// Takes the last events, after DAMON was switched off, and ends what is open.
    pub(crate) fn rest(&mut self, until: Until) -> Result<(), RecordError> {
        self.drain(until)?;
        self.events.lost(now(), self.source.lost_untold());
        self.events.finish();
        self.give_ready()?;
        self.take_marks()
    }

    fn patience(&self, look_due: Instant) -> Duration {
        let mut patience = DRAIN.min(look_due.saturating_duration_since(Instant::now()));
        if let Some(timeout) = self.request.limits.timeout {
            patience = patience.min(duration(timeout).saturating_sub(self.begun.elapsed()));
        }
        patience.max(Duration::from_millis(1))
    }

    fn drain(&mut self, until: Until) -> Result<(), RecordError> {
        let events = &mut self.events;
        self.source.drain(until, &mut |record| events.take(record));
        self.give_ready()
    }

    fn give_ready(&mut self) -> Result<(), RecordError> {
        let pipeline = &self.pipeline;
        self.events.ready(|item| give(pipeline, item))
    }

    fn take_marks(&mut self) -> Result<(), RecordError> {
        let Some(marks) = &mut self.marks else { return Ok(()) };
        for text in marks.take() {
            give(&self.pipeline, Item::Side(Side::Mark(Mark { at: Stamp::Record(now()), text })))?;
        }
        Ok(())
    }

    fn dump(&mut self) {
        match self.pipeline.dump() {
            Ok(Some(file)) => self.line.say(&format!("Wrote {}.", file.display())),
            Ok(None) => self.line.say("SIGUSR1: nothing to write, the record is written all the time (see --keep)."),
            Err(error) => self.line.warn(&format!("SIGUSR1: {error}")),
        }
    }

    /// Looks who joined and who is gone; gives a reason to end, if there is one.
    fn look(&mut self, control: &mut dyn Control) -> Result<Option<Ending>, RecordError> {
        let changes = self.people.look();
        if !changes.is_empty() || control.has_waiting() {
            // What was measured until now belongs to those who were there until now; and while DAMON is told of the
            // change, those who are gone are not measured any more.
            if self.drain(Until::Now).is_err() {
                return Ok(Some(Ending::RecordStopped));
            }
            self.tell(control.without(&changes.gone));
            if control.admit(&changes.born, self.line)? {
                if self.drain(Until::Now).is_err() {
                    return Ok(Some(Ending::RecordStopped));
                }
                self.tell(control.places());
            }
        }
        if control.ends_with_targets() && self.people.alive().next().is_none() {
            return Ok(Some(Ending::TargetsGone));
        }
        Ok((!control.is_running()?).then_some(Ending::DamonStopped))
    }

    fn tell(&mut self, places: Vec<(u32, Vec<Place>)>) {
        for (kdamond, places) in places {
            self.events.places(kdamond, places);
        }
    }

    /// Records side data.
    pub(crate) fn sample(&mut self, control: &dyn Control) -> Result<(), RecordError> {
        let people: Vec<(Process, Option<TargetKey>)> = self
            .people
            .alive()
            .map(|process| (process.clone(), control.place_of(process.pid)))
            .map(|(process, place)| (process, place.and_then(|(kdamond, place)| self.events.announce(kdamond, place))))
            .collect();
        self.give_ready()?;
        let pipeline = &self.pipeline;
        self.sides.sample(&people, &self.kdamonds, &mut |item| give(pipeline, item))
    }

    fn draw(&mut self) {
        let (seen, written) = (self.events.seen(), self.pipeline.progress());
        let (begun, share) = (self.begun, self.sides.kdamond_share());
        self.line.draw(|| {
            let time = Nanos(i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
            let share = share.map_or_else(String::new, |percent| format!(", DAMON {percent:.1} % of a CPU"));
            let lost =
                if seen.lost == 0 { "nothing lost".to_string() } else { format!("{} LOST", line::grouped(seen.lost)) };
            format!(
                "{}: {} snapshots, {} regions, {}, {lost}{share}",
                format_time(line::whole_seconds(time), Style::Human),
                line::grouped(seen.snapshots),
                line::grouped(seen.regions),
                format_size(Bytes(written.bytes), Style::Human),
            )
        });
    }
}

/// An item into the pipeline; the error only says that it takes no more.
pub(crate) fn give(pipeline: &Pipeline, item: Item) -> Result<(), RecordError> {
    pipeline.give(item).map_err(|e| RecordError::record("record", &e))
}

fn duration(time: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(time.0).unwrap_or(0))
}
