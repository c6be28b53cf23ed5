//! The loop in the middle of a recording of events: ring to items, side data, marks, signals, until there is a reason to end.

use super::events::Events;
use super::param_watcher::ParamWatcher;
use super::process_tracker::{ProcessChanges, ProcessTracker};
use super::side_data::SideDataSampler;
use super::source::Source;
use super::status_sampler::StatusSampler;
use super::target_controller::TargetController;
use super::target_slots::TargetSlot;
use crate::error::RecordError;
use crate::pipeline::LIVE_BLOCK_AGE;
use crate::session::{Ending, Findings, Session};
use crate::summary::{grouped, whole_seconds};
use damo_kernel::procfs::now;
use damo_kernel::ring::Until;
use damo_model::human::{Style, format_size};
use damo_model::kdamond::RunningKdamond;
use damo_model::{Bytes, Intervals, Item, KdamondIndex, KdamondThread, Process, TargetKey};
use damo_steer::Machine;
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

/// Makes items of events, and keeps DAMON, the processes and the record together.
pub(crate) struct EventFollower {
    source: Box<dyn Source>,
    events: Events,
    processes: ProcessTracker,
    changes: ParamWatcher,
    /// kdamond threads whose cost is recorded.
    kdamonds: Vec<KdamondThread>,
    side_data: SideDataSampler,
    /// For what no event tells of our own kdamonds.
    status: Option<StatusSampler>,
    /// Items that wait to be given to the pipeline, all at once.
    outbox: Vec<Item>,
}

impl EventFollower {
    /// Follows the kdamonds of these threads and indices.
    pub(crate) fn new(
        machine: &Machine,
        source: Box<dyn Source>,
        events: Events,
        processes: ProcessTracker,
        kdamonds: Vec<KdamondThread>,
        indices: &[KdamondIndex],
    ) -> Self {
        let changes = ParamWatcher::new(machine, indices);
        let side_data = SideDataSampler::new(machine.procfs.clone());
        Self { source, events, processes, changes, kdamonds, side_data, status: None, outbox: Vec::new() }
    }

    /// The same, which asks the kernel for what no event tells as well.
    pub(crate) fn with_status(self, status: Option<StatusSampler>) -> Self {
        Self { status, ..self }
    }

    /// Follows until there is a reason to end.
    pub(crate) fn follow(
        &mut self,
        session: &mut Session<'_>,
        control: &mut dyn TargetController,
    ) -> Result<Ending, RecordError> {
        let mut look_due = Instant::now();
        // At once, so that the shortest recording knows what was mapped where.
        let mut sample_due = Instant::now();
        loop {
            if is_due(sample_due) {
                self.sample(control);
                sample_due = self.side_data.due();
            }
            if self.drain(session, Until::Now).is_err() {
                return Ok(Ending::RecordStopped);
            }
            session.sample();
            self.draw(session);
            let is_woken = self.wait(session, look_due.min(sample_due), control)?;
            if is_woken {
                session.signals.clear_wakeup();
                self.outbox.extend(session.take_marks());
                self.changes.handle_events(&mut self.events);
            }
            session.dump_if_asked();
            if let Some(ending) = session.asked_to_end() {
                return Ok(ending);
            }
            let has_news = self.source.hung_up() || control.has_news() || self.changes.has_targets();
            if is_due(look_due) || has_news || self.processes.someone_is_gone(is_woken) {
                look_due = Instant::now() + LOOK;
                if let Some(ending) = self.look(session, control)? {
                    return Ok(ending);
                }
            }
        }
    }

    /// Takes the last events of a source whose kdamonds have ended.
    pub(crate) fn end_of_source(&mut self, session: &mut Session<'_>) -> Result<(), RecordError> {
        self.drain(session, Until::End)?;
        self.events.lost(now(), self.source.lost_untold());
        self.give(session)
    }

    /// Looks who is there, while there is no DAMON to be told of it. Gives those who joined.
    pub(crate) fn meet(&mut self, control: &mut dyn TargetController) -> Vec<Process> {
        let changes = self.check_processes();
        self.tell(control.without(&changes.gone));
        changes.born
    }

    fn check_processes(&mut self) -> ProcessChanges {
        let changes = self.processes.look();
        changes.renamed.iter().for_each(|process| self.events.renamed(process));
        changes
    }

    /// Goes on with a kdamond that was switched on again, index and thread, and with a source of its events.
    pub(crate) fn goes_on(
        &mut self,
        source: Box<dyn Source>,
        threads: Vec<KdamondThread>,
        started: Option<RunningKdamond>,
        intervals: Intervals,
        places: Vec<(KdamondIndex, Vec<TargetSlot>)>,
    ) {
        self.source = source;
        self.kdamonds = threads;
        for (kdamond, mut places) in places {
            self.name(&mut places);
            if let Some(started) = started.filter(|started| started.index == kdamond) {
                self.events.goes_on(kdamond, started.thread, Some(intervals), places);
            }
        }
    }

    /// Takes the last events, after DAMON was switched off, and ends what is open.
    pub(crate) fn end(mut self, session: &mut Session<'_>, undone: Result<(), RecordError>) -> Findings {
        self.outbox.extend(session.take_marks());
        let rest = self.end_of_source(session).and_then(|()| {
            self.events.finish();
            self.give(session)
        });
        let seen = self.events.seen();
        let span = seen.latest.zip(seen.first).map(|(latest, first)| latest.saturating_sub(first));
        let (events, lost, late) = (seen.regions, seen.lost, seen.late);
        Findings { events, lost, late, span, no_snapshot: super::NO_SNAPSHOT, ..Findings::new(undone, rest) }
    }

    /// Waits until there is something to do. Whether a signal, a mark, the end of a process or DAMON's answer may have
    /// come.
    fn wait(
        &mut self,
        session: &Session<'_>,
        due: Instant,
        control: &dyn TargetController,
    ) -> Result<bool, RecordError> {
        let mut patience = DRAIN.min(due.saturating_duration_since(Instant::now()));
        patience = session.time_left().map_or(patience, |left| patience.min(left));
        let others: Vec<BorrowedFd<'_>> =
            session.wakeups().chain(self.processes.exits()).chain(self.changes.fd()).chain(control.wakeup()).collect();
        self.source.wait(patience.max(Duration::from_millis(1)), &others)
    }

    fn drain(&mut self, session: &mut Session<'_>, until: Until) -> Result<(), RecordError> {
        self.source.drain(until, &mut self.events);
        self.give(session)
    }

    fn give(&mut self, session: &mut Session<'_>) -> Result<(), RecordError> {
        self.outbox.extend(self.events.ready());
        session.give_all(self.outbox.drain(..))
    }

    /// Looks who joined and who is gone; gives a reason to end, if there is one.
    fn look(
        &mut self,
        session: &mut Session<'_>,
        control: &mut dyn TargetController,
    ) -> Result<Option<Ending>, RecordError> {
        let changes = self.check_processes();
        if !changes.is_empty() || control.has_waiting() {
            // What was measured until now belongs to those who were there until now; and while DAMON is told of the
            // change, those who are gone are not measured any more.
            if self.drain(session, Until::Now).is_err() {
                return Ok(Some(Ending::RecordStopped));
            }
            self.tell(control.without(&changes.gone));
            if control.admit(&changes.born, session.notifier)? {
                if self.drain(session, Until::Now).is_err() {
                    return Ok(Some(Ending::RecordStopped));
                }
                self.tell(control.places());
            }
            // Before the next events are taken: the kernel may report on the new places from now on.
            self.events.commits(control.committing().map(|(kdamond, mut places)| {
                self.name(&mut places);
                (kdamond, places)
            }));
        }
        if control.ends_with_targets() && self.processes.alive().next().is_none() {
            return Ok(Some(Ending::TargetsGone));
        }
        let may_be_over = self.source.hung_up() || !self.source.tells_end();
        let over = may_be_over && !control.is_running()?;
        self.changes.look(&mut self.events);
        if self.retarget(session, control).is_err() {
            return Ok(Some(Ending::RecordStopped));
        }
        Ok(over.then_some(Ending::DamonStopped))
    }

    /// Follows somebody who gave a kdamond other targets.
    fn retarget(&mut self, session: &mut Session<'_>, control: &mut dyn TargetController) -> Result<(), RecordError> {
        for (kdamond, targets) in self.changes.take_targets() {
            let Some(processes) = control.retargeted(kdamond, &targets) else { continue };
            // What came until now is of those before.
            self.drain(session, Until::Now)?;
            self.processes.admit(processes);
            self.tell(control.places());
        }
        Ok(())
    }

    fn tell(&mut self, places: Vec<(KdamondIndex, Vec<TargetSlot>)>) {
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
        self.status.iter_mut().for_each(|status| status.sample(&mut self.events, &mut self.outbox));
        self.outbox.extend(self.events.ready());
    }

    fn draw(&self, session: &mut Session<'_>) {
        if let Some(held) = session.pipeline.take_short() {
            let keep = session.request.output.keep.map_or_else(String::new, |keep| format!(" {}", whole_seconds(keep)));
            session.notifier.warn(&format!(
                "--keep{keep} does not fit into the {} of memory that it may take: only about the last {} are kept. Fewer \
                 regions (-m) or a longer aggregation interval (-a) make room for more; --rotate_time and --rotate_keep \
                 keep the rest on disk.",
                format_size(Bytes(crate::record_output::MOST_BYTES as u64), Style::Human),
                whole_seconds(held)
            ));
        }
        let (seen, share) = (self.events.seen(), self.side_data.kdamond_share());
        session.draw(&|| {
            let share = share.map_or_else(String::new, |percent| format!(", DAMON {percent:.1} % of a CPU"));
            let lost = if seen.lost == 0 { "nothing lost".to_string() } else { format!("{} LOST", grouped(seen.lost)) };
            let counts = format!("{} snapshots, {} regions", grouped(seen.snapshots), grouped(seen.regions));
            (counts, format!(", {lost}{share}"))
        });
    }
}

fn is_due(at: Instant) -> bool {
    Instant::now() + SLACK >= at
}
