//! A recording of the events of kdamonds of our own, from the command that is started to the record's end.

use super::description::{decoder, first_items, formats, have_probes, meta, tunes_untold};
use super::events::{Events, Watched};
use super::follow::EventFollower;
use super::managed_damon::ManagedDamon;
use super::process_tracker::ProcessTracker;
use super::source::{Open, Source};
use super::starting::{NotStarted, TRIES, plan, until_nobody_went};
use super::status_sampler::{StatusSampler, beginnings};
use super::target_controller::TargetController;
use crate::error::RecordError;
use crate::request::Request;
use crate::session::{Ending, Findings, Recording, Session};
use damo_kernel::tracefs::{EventFormat, SCHEME_STATISTICS};
use damo_model::{Item, Source as MetaSource};
use damo_steer::command::Started;
use damo_steer::plan::{Origin, Plan, TargetSpec};
use damo_steer::{Machine, Notifier};

/// All that runs when such a recording has begun.
pub(crate) struct ManagedRecording<'a> {
    damon: ManagedDamon,
    follower: EventFollower,
    machine: &'a Machine,
    open: &'a dyn Open,
    formats: Vec<EventFormat>,
}

impl Recording for ManagedRecording<'_> {
    fn follow(&mut self, session: &mut Session<'_>) -> Result<Ending, RecordError> {
        let mut is_told = false;
        loop {
            let ending = self.follower.follow(session, &mut self.damon)?;
            if ending != Ending::DamonStopped || !self.damon.may_go_on() {
                return Ok(ending);
            }
            if !self.go_on(session)? {
                return Ok(Ending::TargetsGone);
            }
            if !std::mem::replace(&mut is_told, true) {
                session
                    .notifier
                    .say("DAMON stopped because a target ended, and was started again for the other targets.");
            }
        }
    }

    fn end(self, session: &mut Session<'_>) -> Findings {
        // Whatever happened: DAMON off and as it was found first, then what is left in the ring.
        let undone = self.damon.undo();
        self.follower.end(session, undone)
    }
}

impl<'a> ManagedRecording<'a> {
    /// Sets DAMON up for the targets, opens the ring and switches DAMON on.
    pub(crate) fn begin(
        request: &Request,
        targets: &TargetSpec,
        machine: &'a Machine,
        open: &'a dyn Open,
        command: &mut Option<Started>,
        notifier: &mut dyn Notifier,
    ) -> Result<(Self, Vec<Item>), RecordError> {
        // Parameters given whole may have schemes; if not, their event just never comes.
        let whole = matches!(targets, TargetSpec::Kdamonds(_) | TargetSpec::Several(_));
        let probes = match targets {
            TargetSpec::Kdamonds(kdamonds) => have_probes(kdamonds),
            TargetSpec::Several(specs) => specs.iter().any(|spec| !spec.monitoring.probes.is_empty()),
            _ => !request.monitoring.probes.is_empty(),
        };
        let formats = formats(machine, request.schemes_target_regions, request.schemes.is_some() || whole, probes)?;
        let decoder = decoder(&formats)?;
        if let TargetSpec::Command { words, .. } = targets {
            *command = Some(Started::spawn(words, request.follow_children)?);
        }
        let running = until_nobody_went(machine, notifier, |least_age| {
            let planned = |pid| plan(request, targets, machine, pid, least_age);
            let plan = planned(command.as_ref().map(Started::pid)).or_else(|error| {
                match command.as_mut().and_then(|command| command.heir(&error, &machine.procfs)) {
                    Some(heir) => planned(Some(heir)),
                    None => Err(error),
                }
            })?;
            let because_of = NotStarted::with(&plan.processes);
            let mut damon = ManagedDamon::stage(request, machine, &plan, least_age).map_err(&because_of)?;
            let source = open.before_start(&machine.root, &formats)?;
            let threads = damon.start().map_err(&because_of)?;
            drop(because_of);
            Ok((plan, damon, source, threads))
        })?;
        let (mut plan, damon, mut source, threads): (Plan, ManagedDamon, Box<dyn Source>, _) = running;
        source.narrow(&damon.threads())?;
        let mut events = Events::new(decoder, None);
        for (((kdamond, places), on), planned) in damon.places().iter().zip(&threads).zip(&plan.kdamonds) {
            let context = planned.contexts.first();
            let intervals = context.map(|context| context.intervals);
            let addr_unit = context.and_then(|context| context.addr_unit);
            let (thread, kdamond) = (on.thread, Some(*kdamond));
            let watched = Watched { thread, kdamond, intervals, addr_unit, ..Watched::default() };
            events.watch(watched, places.clone());
        }
        let meta = meta(request, machine, &formats, &plan.kdamonds, MetaSource::Kernel);
        let mut items = first_items(meta, damon.indices(), &plan.kdamonds);
        items.extend(beginnings(damon.indices(), &plan.kdamonds));
        if let Some(why) = unfollowed(request, targets, &plan) {
            notifier.note(&why);
            plan.origin = Origin::Roots { follow: false };
        }
        let processes = ProcessTracker::new(machine.procfs.clone(), plan.origin, plan.processes)
            .of_command(command.as_ref().map(Started::pid));
        let has_schemes = plan.kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).any(|of| !of.schemes.is_empty());
        let has_event = formats.iter().any(|format| format.name == SCHEME_STATISTICS);
        let is_silent = (has_schemes && !has_event) || tunes_untold(&formats, &plan.kdamonds);
        let sampler = || StatusSampler::new(machine.sysfs.clone(), damon.indices().into_iter().collect());
        let follower = EventFollower::new(machine, source, events, processes, damon.threads(), &damon.indices())
            .with_status(is_silent.then(sampler));
        Ok((Self { damon, follower, machine, open, formats }, items))
    }

    /// Goes on after DAMON ended by itself with processes to go on with. `false` if by now there are none.
    fn go_on(&mut self, session: &mut Session<'_>) -> Result<bool, RecordError> {
        self.follower.end_of_source(session)?;
        let mut result = Ok(false);
        for _ in 0..TRIES {
            let born = self.follower.meet(&mut self.damon);
            let Some(intervals) = self.damon.restage(born)? else { return Ok(false) };
            let mut source = self.open.before_start(&self.machine.root, &self.formats)?;
            match self.damon.start_again() {
                Ok(started) => {
                    let threads = self.damon.threads();
                    source.narrow(&threads)?;
                    self.follower.goes_on(source, threads, started, intervals, self.damon.places());
                    return Ok(true);
                }
                Err(error) => result = Err(error),
            }
        }
        result
    }
}

/// Why children are not followed, although that is usual: parameters that are given whole may leave open what a child
/// would be given.
fn unfollowed(request: &Request, targets: &TargetSpec, plan: &Plan) -> Option<String> {
    if !request.follow_children || !matches!(targets, TargetSpec::Kdamonds(_)) || plan.processes.is_empty() {
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
