//! The loop in the middle of a live session: ring to items, side data, marks, signals, until there is a reason to end.

use super::events::{Events, TargetSlot};
use super::param_watcher::ParamWatcher;
use super::process_tracker::{self, ProcessTracker};
use super::side_data::SideDataSampler;
use super::source::Source;
use super::target_controller::TargetController;
use crate::error::RecordError;
use crate::marks::Marks;
use crate::pipeline::{LIVE_BLOCK_AGE, Pipeline};
use crate::request::Request;
use crate::summary;
use damo_kernel::procfs::now;
use damo_kernel::ring::Until;
use damo_model::human::{Show, Style, format_size};
use damo_model::{Bytes, Intervals, Item, Mark, Nanos, Process, Side, Stamp, TargetKey};
use damo_steer::Notifier;
use damo_steer::signals::Signals;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How often the ring is emptied even if it is far from full. With the age of a block in the pipeline it makes up how
/// much a killed recorder loses.
const DRAIN: Duration = Duration::from_millis(500);
const _: () = assert!(
    DRAIN.as_millis() + LIVE_BLOCK_AGE.as_millis() <= 1700,
    "a kill must not lose more than two seconds, of which an aggregation and a busy machine take a part"
);
/// What is due so soon is done at once: to wake up costs more than what is done then.
const SLACK: Duration = Duration::from_millis(100);
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
    pub(crate) processes: ProcessTracker,
    pub(crate) changes: ParamWatcher,
    /// kdamond threads whose cost is recorded.
    pub(crate) kdamonds: Vec<i32>,
    pub(crate) side_data: SideDataSampler,
    pub(crate) marks: Option<Marks>,
    pub(crate) pipeline: Pipeline,
    pub(crate) signals: &'a Signals,
    pub(crate) notifier: &'a mut dyn Notifier,
    pub(crate) begun: Instant,
    /// What waits to be given to the pipeline, all at once.
    pub(crate) outbox: Vec<Item>,
}

impl Following<'_> {
    /// Follows until there is a reason to end.
    pub(crate) fn follow(&mut self, control: &mut dyn TargetController) -> Result<Ending, RecordError> {
        let mut look_due = Instant::now();
        // At once, so that the shortest recording knows what was mapped where.
        let mut sample_due = Instant::now();
        loop {
            if is_due(sample_due) {
                self.sample(control);
                sample_due = self.side_data.due();
            }
            if self.drain(Until::Now).is_err() {
                return Ok(Ending::RecordStopped);
            }
            self.draw();
            let stirred = self.wait(look_due.min(sample_due), control)?;
            if stirred {
                self.signals.clear_wakeup();
                self.take_marks();
                self.changes.handle_events(&mut self.events);
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
            let has_news = self.source.hung_up() || control.has_news() || self.changes.has_targets();
            if is_due(look_due) || has_news || self.processes.someone_is_gone(stirred) {
                look_due = Instant::now() + LOOK;
                if let Some(ending) = self.look(control)? {
                    return Ok(ending);
                }
            }
        }
    }

    /// Takes the last events of a source whose kdamonds have ended.
    pub(crate) fn end_of_source(&mut self) -> Result<(), RecordError> {
        self.drain(Until::End)?;
        self.events.lost(now(), self.source.lost_untold());
        self.give()
    }

    /// Looks who is there, while there is no DAMON to be told of it. Gives those who joined.
    pub(crate) fn meet(&mut self, control: &mut dyn TargetController) -> Vec<Process> {
        let changes = self.check_processes();
        self.tell(control.without(&changes.gone));
        changes.born
    }

    fn check_processes(&mut self) -> process_tracker::ProcessChanges {
        let changes = self.processes.look();
        changes.renamed.iter().for_each(|process| self.events.renamed(process));
        changes
    }

    /// Goes on with a kdamond that was switched on again, index and thread, and with a source of its events.
    pub(crate) fn goes_on(
        &mut self,
        source: Box<dyn Source>,
        threads: Vec<i32>,
        started: Option<(u32, i32)>,
        intervals: Intervals,
        places: Vec<(u32, Vec<TargetSlot>)>,
    ) {
        self.source = source;
        self.kdamonds = threads;
        for (kdamond, mut places) in places {
            self.name(&mut places);
            if let Some((_, tid)) = started.filter(|(index, _)| *index == kdamond) {
                self.events.goes_on(kdamond, tid, Some(intervals), places);
            }
        }
    }

    /// Takes the last events, after DAMON was switched off, and ends what is open.
    pub(crate) fn rest(&mut self) -> Result<(), RecordError> {
        self.take_marks();
        self.end_of_source()?;
        self.events.finish();
        self.give()
    }

    /// Waits until there is something to do. Whether a signal, a mark, the end of a process or DAMON's answer may have
    /// come.
    fn wait(&mut self, due: Instant, control: &dyn TargetController) -> Result<bool, RecordError> {
        let mut patience = DRAIN.min(due.saturating_duration_since(Instant::now()));
        if let Some(timeout) = self.request.limits.timeout {
            patience = patience.min(duration(timeout).saturating_sub(self.begun.elapsed()));
        }
        let others: Vec<BorrowedFd<'_>> = self
            .signals
            .wakeup()
            .into_iter()
            .chain(self.marks.as_ref().map(Marks::fd))
            .chain(self.processes.exits())
            .chain(self.changes.fd())
            .chain(control.wakeup())
            .collect();
        self.source.wait(patience.max(Duration::from_millis(1)), &others)
    }

    fn drain(&mut self, until: Until) -> Result<(), RecordError> {
        self.source.drain(until, &mut self.events);
        self.give()
    }

    fn give(&mut self) -> Result<(), RecordError> {
        self.outbox.extend(self.events.ready());
        give_all(&self.pipeline, self.outbox.drain(..))
    }

    fn take_marks(&mut self) {
        let at = Stamp::Record(now());
        let marks = self.marks.as_mut().map(Marks::take).unwrap_or_default();
        self.outbox.extend(marks.into_iter().map(|text| Item::Side(Side::Mark(Mark { at, text }))));
    }

    fn dump(&mut self) {
        match self.pipeline.dump() {
            Ok(Some(dump)) => {
                let held = summary::whole_seconds(dump.held);
                let short = if dump.is_short { ", all that memory has room for" } else { "" };
                self.notifier.say(&format!("Wrote {}: the last {held}{short}.", dump.file.shown()));
            }
            Ok(None) => self.notifier.say("SIGUSR1: nothing to do, because the record is written continuously (SIGUSR1 is for recordings with --keep)."),
            Err(error) => self.notifier.warn(&format!("SIGUSR1: {error}")),
        }
    }

    /// Looks who joined and who is gone; gives a reason to end, if there is one.
    fn look(&mut self, control: &mut dyn TargetController) -> Result<Option<Ending>, RecordError> {
        let changes = self.check_processes();
        if !changes.is_empty() || control.has_waiting() {
            // What was measured until now belongs to those who were there until now; and while DAMON is told of the
            // change, those who are gone are not measured any more.
            if self.drain(Until::Now).is_err() {
                return Ok(Some(Ending::RecordStopped));
            }
            self.tell(control.without(&changes.gone));
            if control.admit(&changes.born, self.notifier)? {
                if self.drain(Until::Now).is_err() {
                    return Ok(Some(Ending::RecordStopped));
                }
                self.tell(control.places());
            }
        }
        if control.ends_with_targets() && self.processes.alive().next().is_none() {
            return Ok(Some(Ending::TargetsGone));
        }
        let may_be_over = self.source.hung_up() || !self.source.tells_end();
        let over = may_be_over && !control.is_running()?;
        self.changes.look(&mut self.events);
        if self.retarget(control).is_err() {
            return Ok(Some(Ending::RecordStopped));
        }
        Ok(over.then_some(Ending::DamonStopped))
    }

    /// Follows somebody who gave a kdamond other targets.
    fn retarget(&mut self, control: &mut dyn TargetController) -> Result<(), RecordError> {
        for (kdamond, targets) in self.changes.take_targets() {
            let Some(processes) = control.retargeted(kdamond, &targets) else { continue };
            // What came until now is of those before.
            self.drain(Until::Now)?;
            self.processes.admit(processes);
            self.tell(control.places());
        }
        Ok(())
    }

    fn tell(&mut self, places: Vec<(u32, Vec<TargetSlot>)>) {
        for (kdamond, mut places) in places {
            self.name(&mut places);
            self.events.places(kdamond, places);
        }
    }

    /// Gives the processes the names that they have now.
    fn name(&self, places: &mut [TargetSlot]) {
        for place in places {
            if let TargetSlot::Process(process) = place {
                self.processes.name(process);
            }
        }
    }

    /// Takes side data.
    fn sample(&mut self, control: &dyn TargetController) {
        let processes: Vec<(Process, Option<TargetKey>)> = self
            .processes
            .alive()
            .map(|process| (process.clone(), control.place_of(process.pid)))
            .map(|(process, place)| (process, place.and_then(|(kdamond, place)| self.events.announce(kdamond, place))))
            .collect();
        self.outbox.extend(self.events.ready());
        self.side_data.sample(&processes, &self.kdamonds, &mut self.outbox);
    }

    fn draw(&mut self) {
        if let Some(warning) = self.pipeline.take_warning() {
            self.notifier.warn(&warning);
        }
        if let Some(held) = self.pipeline.take_short() {
            let keep =
                self.request.output.keep.map_or_else(String::new, |keep| format!(" {}", summary::whole_seconds(keep)));
            self.notifier.warn(&format!(
                "--keep{keep} does not fit into the {} of memory that it may take: only about the last {} are kept. Fewer \
                 regions (-m) or a longer aggregation interval (-a) make room for more; --rotate_time and --rotate_keep \
                 keep the rest on disk.",
                format_size(Bytes(crate::record_output::MOST_BYTES as u64), Style::Human),
                summary::whole_seconds(held)
            ));
        }
        let (seen, written) = (self.events.seen(), self.pipeline.progress());
        let (begun, share) = (self.begun, self.side_data.kdamond_share());
        self.notifier.draw(&|| {
            let time = Nanos(i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
            let share = share.map_or_else(String::new, |percent| format!(", DAMON {percent:.1} % of a CPU"));
            let lost = if seen.lost == 0 {
                "nothing lost".to_string()
            } else {
                format!("{} LOST", summary::grouped(seen.lost))
            };
            format!(
                "{}: {} snapshots, {} regions, {}, {lost}{share}",
                summary::whole_seconds(time),
                summary::grouped(seen.snapshots),
                summary::grouped(seen.regions),
                format_size(Bytes(written.bytes), Style::Human),
            )
        });
    }
}

/// An item into the pipeline; the error only says that it takes no more.
pub(crate) fn give(pipeline: &Pipeline, item: Item) -> Result<(), RecordError> {
    give_all(pipeline, [item])
}

/// Items into the pipeline, as [`give`].
pub(crate) fn give_all(pipeline: &Pipeline, items: impl IntoIterator<Item = Item>) -> Result<(), RecordError> {
    pipeline.give_all(items).map_err(|e| RecordError::record("record", &e))
}

fn is_due(at: Instant) -> bool {
    Instant::now() + SLACK >= at
}

fn duration(time: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(time.0).unwrap_or(0))
}
