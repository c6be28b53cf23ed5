//! One recording from its beginning to its end: begin, follow, conclude. What the items come from (events of kdamonds of our
//! own or of others, snapshots that are read, a simulation) is a [`Recording`]; all else is the same for all.

use crate::error::RecordError;
use crate::marks::Marks;
use crate::pipeline::{Fate, LIVE_BLOCK_AGE, Patience, Pipeline};
use crate::profile::Profiler;
use crate::record_output::{Ended, RecordOutput, rules};
use crate::request::{Output, Request};
use crate::summary::{grouped, next_command, summary, tenths, whole_seconds};
use damo_format::WriterOptions;
use damo_kernel::procfs::now;
use damo_model::human::{Show, Style, format_size, time_text};
use damo_model::{Bytes, Item, Mark, Nanos, Side, Stamp, Target};
use damo_monitor::Metrics;
use damo_steer::Notifier;
use damo_steer::command::{self, Started};
use damo_steer::signals::Signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What every recording works with while it runs.
pub(crate) struct Session<'a> {
    pub(crate) request: &'a Request,
    pub(crate) signals: &'a Signals,
    pub(crate) notifier: &'a mut dyn Notifier,
    pub(crate) marks: Option<Marks>,
    pub(crate) pipeline: Pipeline,
    begun: Instant,
    profile: Option<Profile>,
}

/// CPU samples, and processes of which they are still to be taken.
struct Profile {
    profiler: Profiler,
    newcomers: Vec<i32>,
    /// It was said that a process cannot be sampled.
    told: bool,
}

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
    /// A simulation was stopped at this moment of its own time.
    SimulationStopped(Nanos),
    /// All that was asked for is in the record.
    Complete,
}

impl Ending {
    /// A sentence, where the ending needs one.
    fn sentence(self) -> Option<String> {
        match self {
            Ending::Signal(name) => Some(format!("Stopped by {name}.")),
            Ending::Timeout => Some("The time is over.".to_string()),
            Ending::TargetsGone => Some("The target has ended.".to_string()),
            Ending::DamonStopped => Some("DAMON was stopped.".to_string()),
            Ending::RecordStopped => Some("The record could take no more.".to_string()),
            Ending::SimulationStopped(at) => Some(format!("Stopped at {} of the simulation.", time_text(tenths(at)))),
            Ending::Complete => None,
        }
    }
}

/// What a recording has to say at its end.
pub(crate) struct Findings {
    /// Whether DAMON was put back as it was found.
    pub(crate) undone: Result<(), RecordError>,
    /// Whether the last items could be given.
    pub(crate) rest: Result<(), RecordError>,
    /// Events that were taken.
    pub(crate) events: u64,
    /// Events that were lost.
    pub(crate) lost: u64,
    /// Events that belong to no snapshot any more.
    pub(crate) late: u64,
    /// The time from the first to the last event.
    pub(crate) span: Option<Nanos>,
    /// Sentences to follow the summary.
    pub(crate) details: Vec<String>,
    /// A hint for a record that has no snapshot.
    pub(crate) no_snapshot: &'static str,
}

impl Findings {
    /// Of a recording that counts no events.
    pub(crate) fn new(undone: Result<(), RecordError>, rest: Result<(), RecordError>) -> Self {
        Self { undone, rest, events: 0, lost: 0, late: 0, span: None, details: Vec::new(), no_snapshot: "" }
    }
}

/// What a record is made from.
pub(crate) trait Recording: Sized {
    /// Whether time passes outside: then blocks are finished by the clock, marks can be made, and a failed recording keeps
    /// what it has, for it cannot be made again.
    const IS_LIVE: bool = true;

    /// Gives items to the session's pipeline until there is a reason to end.
    fn follow(&mut self, session: &mut Session<'_>) -> Result<Ending, RecordError>;

    /// Undoes what was set up, first of all, whatever the output does; and gives the last items.
    fn end(self, session: &mut Session<'_>) -> Findings;
}

/// Makes a recording, to its end. `begin` sets up what is recorded, and gives the items that the record begins with; if it
/// starts a program, that is left to it where the first argument points, and is waited for.
pub(crate) fn run<R: Recording>(
    request: &Request,
    signals: &Signals,
    notifier: &mut dyn Notifier,
    begin: impl FnOnce(&mut Option<Started>, &mut dyn Notifier) -> Result<(R, Vec<Item>), RecordError>,
) -> Result<ExitCode, RecordError> {
    let mut command = None;
    let recorded = record(request, signals, notifier, &mut command, begin);
    command::pass_on(command, recorded, signals, notifier)
}

/// The same, but for the end of the program.
fn record<R: Recording>(
    request: &Request,
    signals: &Signals,
    notifier: &mut dyn Notifier,
    command: &mut Option<Started>,
    begin: impl FnOnce(&mut Option<Started>, &mut dyn Notifier) -> Result<(R, Vec<Item>), RecordError>,
) -> Result<(), RecordError> {
    // Without a clock the same simulation gives the same bytes.
    let options = if R::IS_LIVE { WriterOptions::live() } else { WriterOptions::default() };
    // What cannot be had must be known before anything starts.
    let profiler = Profiler::begin(request)?;
    let output = RecordOutput::open(&request.output, options)?;
    output.notes().iter().for_each(|note| notifier.note(note));
    let metrics = metrics(&request.output)?;
    let path = request.output.path.as_deref().filter(|_| R::IS_LIVE);
    let marks = path.map(|path| Marks::listen(path, notifier)).transpose();
    let begun = marks.and_then(|marks| Ok((marks.flatten(), begin(command, notifier)?)));
    let (marks, (mut recording, first)) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            output.discard();
            return command::not_begun(command, error, notifier);
        }
    };
    let patience = Patience::new(signals, request.limits.timeout.filter(|_| R::IS_LIVE));
    // From here on there is something to record, so there will be a record.
    let pipeline = match Pipeline::start(output, metrics, R::IS_LIVE.then_some(LIVE_BLOCK_AGE), patience) {
        Ok(pipeline) => pipeline,
        Err(error) => return command::not_begun(command, error, notifier),
    };
    profiler.iter().flat_map(Profiler::notes).for_each(|note| notifier.note(&note));
    let newcomers = command.iter().map(Started::pid).collect();
    let profile = profiler.map(|profiler| Profile { profiler, newcomers, told: false });
    let mut session = Session { request, signals, notifier, marks, pipeline, begun: Instant::now(), profile };
    let given = session.give_all(first);
    session.sample();
    let ending = given.and_then(|()| recording.follow(&mut session));
    let mut findings = recording.end(&mut session);
    session.end_samples(&mut findings);
    session.conclude::<R>(ending, findings)
}

/// The file of metrics that is kept up to date, if one is asked for.
fn metrics(output: &Output) -> Result<Option<Metrics>, RecordError> {
    let metrics = output.metrics.as_ref().map(|file| {
        Metrics::new(file.path.clone(), file.interval, rules(output)).map_err(|e| RecordError::record(&file.path, &e))
    });
    metrics.transpose()
}

impl Session<'_> {
    /// Gives items to the record; the error only says that it takes no more.
    pub(crate) fn give_all(&mut self, items: impl IntoIterator<Item = Item>) -> Result<(), RecordError> {
        let profile = &mut self.profile;
        let note = |item: &Item| {
            if let (Item::Target(Target { process: Some(process), .. }), Some(profile)) = (item, profile.as_mut()) {
                profile.newcomers.push(process.pid);
            }
        };
        let given = self.pipeline.give_all(items.into_iter().inspect(note));
        given.map_err(|e| RecordError::record("record", &e))
    }

    /// Takes samples of processes that joined, and gives what was sampled to the record. For each recording at least once a
    /// second; [`Session::look`] does it.
    pub(crate) fn sample(&mut self) {
        let Some(Profile { profiler, newcomers, told }) = &mut self.profile else { return };
        for pid in std::mem::take(newcomers) {
            if let Err(error) = profiler.admit(pid)
                && !std::mem::replace(told, true)
            {
                self.notifier.warn(&format!("process {pid} is not in the profile: {error}"));
            }
        }
        // That the record takes no more is noticed where snapshots are given.
        let _ = self.pipeline.give_all(profiler.take());
    }

    /// Gives the last samples to the record, and says how many there are.
    fn end_samples(&mut self, findings: &mut Findings) {
        let Some(Profile { profiler, .. }) = &mut self.profile else { return };
        let given = self.pipeline.give_all(profiler.finish());
        if findings.rest.is_ok() {
            findings.rest = given.map_err(|e| RecordError::record("record", &e));
        }
        findings.details.push(profiler.summary());
    }

    /// The marks that were made since the last call.
    pub(crate) fn take_marks(&mut self) -> Vec<Item> {
        let at = Stamp::Record(now());
        let marks = self.marks.as_mut().map(Marks::take).unwrap_or_default();
        marks.into_iter().map(|text| Item::Side(Side::Mark(Mark { at, text }))).collect()
    }

    /// Can be read when a signal or a mark came.
    pub(crate) fn wakeups(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.signals.wakeup().into_iter().chain(self.marks.as_ref().map(Marks::fd))
    }

    /// How long the recording has been running.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// How long it may go on; `None` without a limit.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        self.request.limits.timeout.map(|timeout| duration(timeout).saturating_sub(self.elapsed()))
    }

    /// Whether a signal or the time asks for the end.
    pub(crate) fn asked_to_end(&self) -> Option<Ending> {
        match self.signals.stop() {
            Some(name) => Some(Ending::Signal(name)),
            None => self.time_left().is_some_and(|left| left.is_zero()).then_some(Ending::Timeout),
        }
    }

    /// Puts the marks that came into the record, lets the flight recorder write if a signal asks for it, and gives a reason to
    /// end if there is one.
    pub(crate) fn look(&mut self) -> Result<Option<Ending>, RecordError> {
        self.signals.clear_wakeup();
        self.sample();
        let marks = self.take_marks();
        self.give_all(marks)?;
        self.dump_if_asked();
        Ok(self.asked_to_end())
    }

    /// Lets the flight recorder write what it holds if a signal asks for it, and says so.
    pub(crate) fn dump_if_asked(&mut self) {
        if !self.signals.take_dump() || self.signals.stop().is_some() {
            return;
        }
        match self.pipeline.dump() {
            Ok(Some(dump)) => {
                let held = whole_seconds(dump.held);
                let short = if dump.is_short { ", all that memory has room for" } else { "" };
                self.notifier.say(&format!("Wrote {}: the last {held}{short}.", dump.file.shown()));
            }
            Ok(None) => self.notifier.say(
                "SIGUSR1: nothing to do, because the record is written continuously (SIGUSR1 is for recordings with --keep).",
            ),
            Err(error) => self.notifier.warn(&format!("SIGUSR1: {error}")),
        }
    }

    /// Waits for a signal, a mark, one of `others` or the end of the time, but no longer than `patience`.
    pub(crate) fn sleep<'s>(
        &'s self,
        others: impl Iterator<Item = BorrowedFd<'s>>,
        patience: Duration,
    ) -> Result<(), RecordError> {
        let patience = self.time_left().map_or(patience, |left| patience.min(left));
        let wakeups = self.wakeups().chain(others);
        let mut wakeups: Vec<PollFd<'_>> = wakeups.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let (seconds, nanoseconds) = (patience.as_secs() as i64, patience.subsec_nanos().into());
        match poll(&mut wakeups, Some(&Timespec { tv_sec: seconds, tv_nsec: nanoseconds })) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(RecordError::io("waiting for the next snapshot", error.into())),
        }
    }

    /// Says what the writer has to tell while it goes on, and draws the line of progress: the time, what was counted, how
    /// much was written, and the rest.
    pub(crate) fn draw(&mut self, counts_and_rest: &dyn Fn() -> (String, String)) {
        if let Some(warning) = self.pipeline.take_warning() {
            self.notifier.warn(&warning);
        }
        let (elapsed, bytes) = (self.elapsed(), Bytes(self.pipeline.progress().bytes));
        self.notifier.draw(&|| {
            let time = whole_seconds(Nanos(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)));
            let (counts, rest) = counts_and_rest();
            format!("{time}: {counts}, {}{rest}", format_size(bytes, Style::Human))
        });
    }

    /// Finishes the record and says how it went.
    fn conclude<R: Recording>(
        self,
        ending: Result<Ending, RecordError>,
        findings: Findings,
    ) -> Result<(), RecordError> {
        let Session { pipeline, notifier, marks, .. } = self;
        let fate = match ending {
            Ok(_) => Fate::Finished,
            Err(_) if R::IS_LIVE => Fate::FinishedIfAny,
            // What is simulated can be simulated again: an earlier record is worth more than a part of it.
            Err(_) => Fate::Discarded,
        };
        let ended = pipeline.end(fate, notifier);
        drop(marks);
        notifier.clear();
        if ended.error.as_ref().is_some_and(RecordError::is_closed_pipe) {
            notifier.say("The reader of standard output has gone.");
        } else if let Some(sentence) = ending.as_ref().ok().and_then(|ending| ending.sentence()) {
            notifier.say(&sentence);
        }
        say_findings(&ended, &findings, notifier);
        findings.undone?;
        match ended.error {
            Some(error) if error.is_closed_pipe() => Ok(()),
            Some(error) => Err(error),
            // The writer is fine, so what went wrong went wrong before it.
            None => ending.and(findings.rest),
        }
    }
}

/// Says what was recorded, and what is missing in it.
fn say_findings(ended: &Ended, findings: &Findings, notifier: &mut dyn Notifier) {
    if findings.lost > 0 {
        let share = findings.lost as f64 * 100.0 / (findings.lost + findings.events) as f64;
        notifier.warn(&format!(
            "lost {} events ({share:.1} % of all) because the machine was too busy. Snapshots with lost events are marked as \
             partial. To lose fewer events, use --ring_size 8M, a longer aggregation interval (-a) or fewer regions (-m).",
            grouped(findings.lost)
        ));
    }
    if findings.late > 0 {
        notifier.warn(&format!(
            "{} events came so late that they belong to no snapshot, and are not in the record.",
            grouped(findings.late)
        ));
    }
    if !ended.written.files.is_empty() || ended.error.is_none() && !ended.was_discarded {
        notifier.say(&summary(&ended.written, ended.written.held.or(findings.span)));
        findings.details.iter().for_each(|detail| notifier.say(detail));
        // After a failure the error has the last word.
        if let Some(next) = next_command(&ended.written).filter(|_| ended.error.is_none()) {
            notifier.say(&next);
        }
        if ended.error.is_none() && ended.written.snapshots == 0 && !findings.no_snapshot.is_empty() {
            notifier.warn(findings.no_snapshot);
        }
    }
    if let Some((count, why)) = &ended.rejected {
        notifier.warn(&format!(
            "{count} items could not be written; the first one: {why}. This is a fault of damo: please report it."
        ));
    }
    if ended.was_full {
        notifier.warn(&format!(
            "the record has its maximum of {} targets; later targets are not in it. With --rotate_time 10m, a new file is begun \
             every 10 minutes.",
            grouped(damo_format::MAX_TARGETS as u64)
        ));
    }
}

/// A time of the record as a time to wait; none if it is negative.
pub(crate) fn duration(time: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(time.0).unwrap_or(0))
}
