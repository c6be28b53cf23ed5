//! A recording with kdamonds of our own, from the command that is started to the record's end; and what it has in common
//! with one of kdamonds that run already.

use super::events::{Events, TargetSlot, Watched};
use super::follow::{Ending, Following, give};
use super::managed_damon::ManagedDamon;
use super::param_watcher::ParamWatcher;
use super::process_tracker::ProcessTracker;
use super::side_data::SideDataSampler;
use super::source::Open;
use super::{open_output, start_pipeline};
use crate::error::RecordError;
use crate::marks::Marks;
use crate::request::{Request, RequestSource};
use damo_kernel::procfs::{clock_pair, now};
use damo_kernel::tracefs::{Decoder, EventFormat, Tracefs};
use damo_model::human::time_text;
use damo_model::kdamond::{Context, ContextTarget, Kdamond};
use damo_model::{Clock, Item, Meta, Nanos, Params, Process, Side, Source, Stamp, TracepointFormat};
use damo_steer::Machine;
use damo_steer::Notifier;
use damo_steer::command::{self, Started};
use damo_steer::plan::{Origin, Plan, TargetSpec};
use damo_steer::processes::{CHILD_MIN_AGE, is_same, longer_min_age};
use damo_steer::signals::Signals;
use std::os::fd::BorrowedFd;
use std::process::ExitCode;
use std::time::Instant;

/// How the loop keeps DAMON and the processes together.
pub(crate) trait TargetController {
    /// The places, now that these are gone.
    fn without(&mut self, gone: &[Process]) -> Vec<(u32, Vec<TargetSlot>)>;
    /// Whether some processes could not be told to DAMON yet.
    fn has_waiting(&self) -> bool;
    /// Begins to tell DAMON of newcomers. Whether places changed, because it was told of earlier ones.
    fn admit(&mut self, born: &[Process], notifier: &mut dyn Notifier) -> Result<bool, RecordError>;
    /// Can be read when DAMON has taken newcomers or refused them.
    fn wakeup(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Whether it has.
    fn has_news(&mut self) -> bool {
        false
    }
    /// The owner of a kdamond gave it these targets. Gives the processes among them; `None` if the owner is us.
    fn retargeted(&mut self, kdamond: u32, targets: &[ContextTarget]) -> Option<Vec<Process>> {
        let _ = (kdamond, targets);
        None
    }
    /// What is at each place of each kdamond.
    fn places(&self) -> Vec<(u32, Vec<TargetSlot>)>;
    /// The kdamond and place of a process.
    fn place_of(&self, pid: i32) -> Option<(u32, usize)>;
    /// Whether the recording is over when all targets are gone.
    fn ends_with_targets(&self) -> bool;
    /// Whether DAMON still runs.
    fn is_running(&self) -> Result<bool, RecordError>;
}

/// Records with kdamonds of our own.
pub(crate) fn run(
    request: &Request,
    machine: &Machine,
    open: &dyn Open,
    signals: &Signals,
    notifier: &mut dyn Notifier,
) -> Result<ExitCode, RecordError> {
    let mut command = None;
    let recorded = record(request, machine, open, signals, notifier, &mut command);
    command::pass_on(command, recorded, signals, notifier)
}

/// The same, but for the end of the command.
fn record(
    request: &Request,
    machine: &Machine,
    open: &dyn Open,
    signals: &Signals,
    notifier: &mut dyn Notifier,
    command: &mut Option<Started>,
) -> Result<(), RecordError> {
    let output = open_output(request, notifier)?;
    let begun = begin(request, machine, open, command, notifier);
    let formats;
    let (mut own, mut following) = match begun {
        Ok(Begun { own, source, formats: of_source, events, mut plan, meta, marks }) => {
            formats = of_source;
            if let Some(why) = unfollowed(request, &plan) {
                notifier.note(&why);
                plan.origin = Origin::Roots { follow: false };
            }
            // From here on there is something to record, so there will be a record.
            let pipeline = match start_pipeline(output, request, signals) {
                Ok(pipeline) => pipeline,
                Err(error) => return command::not_begun(command, error, notifier),
            };
            give(&pipeline, Item::Meta(meta))?;
            for params in parameters(&own, &plan) {
                give(&pipeline, Item::Side(Side::Params(params)))?;
            }
            let following = Following {
                request,
                source,
                events,
                processes: ProcessTracker::new(machine.procfs.clone(), plan.origin, plan.processes)
                    .of_command(command.as_ref().map(Started::pid)),
                kdamonds: own.threads(),
                changes: ParamWatcher::new(machine, &own.indices()),
                side_data: SideDataSampler::new(machine.procfs.clone()),
                marks,
                pipeline,
                signals,
                notifier,
                begun: Instant::now(),
                outbox: Vec::new(),
            };
            (own, following)
        }
        Err(error) => {
            output.discard();
            return command::not_begun(command, error, notifier);
        }
    };
    let mut ending = following.follow(&mut own);
    let mut told = false;
    while matches!(ending, Ok(Ending::DamonStopped)) && own.may_go_on() {
        ending = match go_on(&mut own, &mut following, open, machine, &formats) {
            Ok(true) => {
                if !std::mem::replace(&mut told, true) {
                    following
                        .notifier
                        .say("DAMON stopped because a target ended, and was started again for the other targets.");
                }
                following.follow(&mut own)
            }
            Ok(false) => Ok(Ending::TargetsGone),
            Err(error) => Err(error),
        };
    }
    // Whatever happened: DAMON off and as it was found first, then what is left in the ring, then the record's end.
    let undone = own.undo();
    let rest = following.rest();
    let concluded = super::conclude(following, ending, rest);
    undone?;
    concluded
}

/// How often DAMON is set up again for processes that are gone by the time that it is switched on.
const TRIES: u32 = 10;

/// Goes on after DAMON ended by itself with processes to go on with. `false` if by now there are none.
fn go_on(
    own: &mut ManagedDamon,
    following: &mut Following<'_>,
    open: &dyn Open,
    machine: &Machine,
    formats: &[EventFormat],
) -> Result<bool, RecordError> {
    following.end_of_source()?;
    let mut result = Ok(false);
    for _ in 0..TRIES {
        let born = following.meet(own);
        let Some(intervals) = own.restage(born)? else { return Ok(false) };
        let mut source = open.before_start(&machine.root, formats)?;
        match own.start_again() {
            Ok(started) => {
                let threads = own.threads();
                source.narrow(&threads)?;
                following.goes_on(source, threads, started, intervals, own.places());
                return Ok(true);
            }
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Why children are not followed, although that is usual: parameters that are given whole may leave open what a child
/// would be given.
fn unfollowed(request: &Request, plan: &Plan) -> Option<String> {
    if !request.follow_children
        || !matches!(request.what, RequestSource::Targets(TargetSpec::Kdamonds(_)))
        || plan.processes.is_empty()
    {
        return None;
    }
    let contexts = || plan.kdamonds.iter().flat_map(|kdamond| &kdamond.contexts);
    let why = if contexts().count() > 1 {
        "there are several kdamonds, and it is not defined to which of them a child belongs"
    } else if contexts().flat_map(|context| &context.targets).any(|target| !target.regions.is_empty()) {
        "the targets have fixed regions, and a child's regions are not known"
    } else {
        return None;
    };
    Some(format!("children of the targets are not followed: {why}. --exclude_child_tasks switches this note off."))
}

/// All that runs when a recording has begun.
struct Begun {
    own: ManagedDamon,
    source: Box<dyn super::source::Source>,
    formats: Vec<EventFormat>,
    events: Events,
    plan: Plan,
    meta: Meta,
    marks: Option<Marks>,
}

type Running = (Plan, ManagedDamon, Box<dyn super::source::Source>, Vec<(usize, i32)>);

/// Why DAMON could not be switched on, and for which processes it was set up.
pub(crate) struct NotStarted {
    error: RecordError,
    processes: Vec<Process>,
}

impl NotStarted {
    /// DAMON was set up for these.
    pub(crate) fn with(processes: &[Process]) -> impl Fn(RecordError) -> Self {
        move |error| Self { error, processes: processes.to_vec() }
    }
}

/// DAMON was not set up yet.
impl<E: Into<RecordError>> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self { error: error.into(), processes: Vec::new() }
    }
}

/// Does `attempt`, which plans for children of at least the age that it is given, sets DAMON up and switches it on. If that
/// failed and one of the processes has ended meanwhile, the kernel refused all of them because of that one: then it is
/// done again, each time with twice the age, so that children which come and go do not keep a recording from beginning.
pub(crate) fn until_nobody_went<T>(
    machine: &Machine,
    notifier: &mut dyn Notifier,
    mut attempt: impl FnMut(Nanos) -> Result<T, NotStarted>,
) -> Result<T, RecordError> {
    let (mut least_age, mut tries) = (CHILD_MIN_AGE, 1);
    let mut went = None;
    loop {
        let NotStarted { error, processes } = match attempt(least_age) {
            Ok(started) => {
                if let Some(Process { pid, comm, .. }) = went {
                    notifier.note(&format!(
                        "process {pid} ({}) ended while DAMON was being set up, so it was set up again. Children are \
                         monitored from an age of {} on.",
                        comm.escape_debug(),
                        time_text(least_age)
                    ));
                }
                return Ok(started);
            }
            Err(not_started) => not_started,
        };
        let Some(process) = processes.into_iter().find(|process| !is_same(&machine.procfs, process)) else {
            return Err(error);
        };
        if tries == TRIES {
            let Process { pid, comm, .. } = process;
            return Err(RecordError::ProcessWent { pid, comm, tries, error: Box::new(error) });
        }
        (least_age, tries) = (longer_min_age(least_age), tries + 1);
        went = Some(process);
    }
}

/// Plans, sets DAMON up, opens the ring and switches DAMON on.
fn start(
    request: &Request,
    machine: &Machine,
    open: &dyn Open,
    formats: &[EventFormat],
    command: &mut Option<Started>,
    notifier: &mut dyn Notifier,
) -> Result<Running, RecordError> {
    until_nobody_went(machine, notifier, |least_age| {
        let plan = super::plan(request, machine, command.as_ref().map(Started::pid), least_age);
        let plan =
            plan.or_else(|error| match command.as_mut().and_then(|command| command.heir(&error, &machine.procfs)) {
                Some(heir) => super::plan(request, machine, Some(heir), least_age),
                None => Err(error),
            })?;
        let because_of = NotStarted::with(&plan.processes);
        let mut own = ManagedDamon::stage(request, machine, &plan, least_age).map_err(&because_of)?;
        let source = open.before_start(&machine.root, formats)?;
        let threads = own.start().map_err(&because_of)?;
        drop(because_of);
        Ok((plan, own, source, threads))
    })
}

fn begin(
    request: &Request,
    machine: &Machine,
    open: &dyn Open,
    command: &mut Option<Started>,
    notifier: &mut dyn Notifier,
) -> Result<Begun, RecordError> {
    // Parameters given whole may have schemes; if not, their event just never comes.
    let schemes = request.schemes.is_some() || matches!(request.what, RequestSource::Targets(TargetSpec::Kdamonds(_)));
    let formats = formats(machine, request.schemes_target_regions, schemes)?;
    let decoder = decoder(&formats)?;
    let marks = request.output.path.as_deref().map(|path| Marks::listen(path, notifier)).transpose()?.flatten();
    if let RequestSource::Targets(TargetSpec::Command { words, .. }) = &request.what {
        *command = Some(Started::spawn(words, request.follow_children)?);
    }
    let (plan, own, mut source, threads) = start(request, machine, open, &formats, command, notifier)?;
    let tids: Vec<i32> = threads.iter().map(|(_, tid)| *tid).collect();
    source.narrow(&tids)?;
    let mut events = Events::new(decoder, false);
    for (((kdamond, places), (_, tid)), planned) in own.places().iter().zip(&threads).zip(&plan.kdamonds) {
        let intervals = planned.contexts.first().map(|context| context.intervals);
        let watched = Watched { tid: *tid, kdamond: Some(*kdamond), intervals, data_source: String::new() };
        events.watch(watched, places.clone());
    }
    let meta = meta(request, machine, &formats, &plan.kdamonds, Source::Kernel);
    Ok(Begun { own, source, formats, events, plan, meta, marks })
}

/// The events to record: every region, and with `schemes` what they are applied to and how they do as well; or with
/// `only` nothing but that; and what tuning does to the intervals.
pub(crate) fn formats(machine: &Machine, only: bool, schemes: bool) -> Result<Vec<EventFormat>, RecordError> {
    let tracefs = Tracefs::find(&machine.root)?;
    Ok(if only { tracefs.scheme_events()? } else { tracefs.recording_events(schemes)? })
}

pub(crate) fn decoder(formats: &[EventFormat]) -> Result<Decoder, RecordError> {
    Decoder::new(formats).map_err(|e| RecordError::Kernel {
        what: "the layout of DAMON's events".to_string(),
        why: format!("{e}; please report it with the files in /sys/kernel/tracing/events/damon/*/format"),
    })
}

/// What is known of the record as a whole.
pub(crate) fn meta(
    request: &Request,
    machine: &Machine,
    formats: &[EventFormat],
    kdamonds: &[Kdamond],
    source: Source,
) -> Meta {
    let mut contexts = kdamonds.iter().flat_map(|kdamond| &kdamond.contexts);
    // One set of parameters for the whole record can be told only if there is one.
    let only = contexts.next().filter(|_| contexts.next().is_none());
    let features = damo_kernel::features::features(&machine.root);
    let present = features.iter().filter(|feature| feature.support.is_expected());
    Meta {
        tool: crate::tool(),
        kernel_release: machine.procfs.kernel_release(),
        features: present.map(|feature| feature.name.to_string()).collect(),
        formats: formats
            .iter()
            .map(|format| TracepointFormat { event: format!("damon:{}", format.name), text: format.text.clone() })
            .collect(),
        source,
        ops: only.map(|context| context.ops),
        intervals: only.map(|context| context.intervals),
        intervals_goal: only.and_then(|context| context.intervals_goal),
        nr_regions: only.map(|context| context.nr_regions),
        page_size: Some(machine.procfs.page_size()),
        clock: Clock::Monotonic,
        clock_pair: Some(clock_pair()),
        boot_id: machine.procfs.boot_id(),
        host: if request.host_name { machine.procfs.host_name() } else { String::new() },
        command: damo_steer::command_line(),
        history: Vec::new(),
    }
}

fn parameters(own: &ManagedDamon, plan: &Plan) -> Vec<Params> {
    let at = Stamp::Record(now());
    let indices = own.indices().into_iter();
    indices.zip(&plan.kdamonds).flat_map(|(index, kdamond)| params_of(at, index, kdamond)).collect()
}

/// A kdamond's parameters as side data.
pub(crate) fn params_of(at: Stamp, index: u32, kdamond: &Kdamond) -> Vec<Params> {
    let json = kdamond.to_json().to_string();
    let one = |(at_context, context): (usize, &Context)| Params {
        at,
        kdamond: Some(index),
        context: Some(at_context as u32),
        ops: Some(context.ops),
        intervals: Some(context.intervals),
        intervals_goal: context.intervals_goal,
        nr_regions: Some(context.nr_regions),
        json: json.clone(),
    };
    kdamond.contexts.iter().enumerate().map(one).collect()
}
