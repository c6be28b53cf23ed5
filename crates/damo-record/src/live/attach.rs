//! Recording what runs already: kdamonds of others and of kernel modules, which are left exactly as they are.

use super::description::{decoder, first_items, formats, have_probes, meta, module_params, tunes_untold};
use super::events::{Events, Watched};
use super::follow::EventFollower;
use super::process_tracker::ProcessTracker;
use super::source::Open;
use super::target_controller::TargetController;
use super::target_slots::{TargetSlot, place_in, processes_in};
use crate::error::RecordError;
use crate::request::Request;
use crate::session::{Ending, Findings, Recording, Session};
use damo_kernel::procfs::now;
use damo_kernel::sysfs::{KdamondStatus, ModuleKdamond};
use damo_model::kdamond::{ContextTarget, Kdamond};
use damo_model::{Item, KdamondIndex, KdamondThread, Params, Process, Side, Source, Stamp};
use damo_steer::plan::Origin;
use damo_steer::problem::Problem;
use damo_steer::processes::monitorable;
use damo_steer::{Machine, Notifier};

/// On a kernel that is asked for tuned intervals by a command, which the kdamonds of others are not given.
const UNTOLD_TUNING: &str = "This kernel tunes intervals and tells the ones it chose only if a command asks for them (Linux 6.17 \
                             and later tell without). Nothing is written to a kdamond of others: the record has the intervals \
                             that it began with, so ages in it are shorter than they were.";

/// What was found running.
struct RunningKdamonds {
    kdamonds: Vec<KdamondStatus>,
    modules: Vec<ModuleKdamond>,
}

impl RunningKdamonds {
    fn look(machine: &Machine) -> Result<Self, RecordError> {
        let kdamonds = machine.sysfs.kdamonds()?.into_iter().filter(|kdamond| kdamond.on).collect();
        let modules = machine.sysfs.enabled_modules();
        let found = RunningKdamonds { kdamonds, modules };
        if found.kdamonds.is_empty() && found.modules.is_empty() {
            return Err(Problem::NothingRuns.into());
        }
        Ok(found)
    }

    /// All threads, if every one is known; else only rings that see everything will do.
    fn threads(&self) -> Option<Vec<KdamondThread>> {
        let kdamonds = self.kdamonds.iter().map(|kdamond| kdamond.pid);
        kdamonds.chain(self.modules.iter().map(|module| module.pid)).collect()
    }

    /// How events of threads are recorded that nobody told: as those of the one module that does not tell its thread.
    fn strangers(&self) -> Option<Watched> {
        let mut silent = self.modules.iter().filter(|module| module.pid.is_none());
        match (silent.next(), silent.next()) {
            (Some(only), None) => Some(watched_module_as(only, KdamondThread::default())),
            _ => self.threads().is_none().then(Watched::default),
        }
    }

    fn sentence(&self) -> String {
        let kdamonds = self.kdamonds.iter().map(|kdamond| format!("kdamond {}", kdamond.index));
        let names: Vec<String> = kdamonds.chain(self.modules.iter().map(|module| module.module.clone())).collect();
        format!("Recording {}, which ran already and will be left as found.", names.join(", "))
    }
}

/// Kdamonds of others, which are looked at and never written to.
struct Attached<'a> {
    machine: &'a Machine,
    found: RunningKdamonds,
    places: Vec<(KdamondIndex, Vec<TargetSlot>)>,
}

impl TargetController for Attached<'_> {
    fn without(&mut self, gone: &[Process]) -> Vec<(KdamondIndex, Vec<TargetSlot>)> {
        for place in self.places.iter_mut().flat_map(|(_, places)| places) {
            if matches!(place, TargetSlot::Process(process) if gone.contains(process)) {
                *place = TargetSlot::Gone;
            }
        }
        self.places.clone()
    }

    fn has_waiting(&self) -> bool {
        false
    }

    fn admit(&mut self, _: &[Process], _: &mut dyn Notifier) -> Result<bool, RecordError> {
        Ok(false)
    }

    fn retargeted(&mut self, kdamond: KdamondIndex, targets: &[ContextTarget]) -> Option<Vec<Process>> {
        let here = places_of(self.machine, targets);
        let processes = processes_in(&here).cloned().collect();
        if let Some((_, places)) = self.places.iter_mut().find(|(index, _)| *index == kdamond) {
            *places = here;
        }
        Some(processes)
    }

    fn places(&self) -> Vec<(KdamondIndex, Vec<TargetSlot>)> {
        self.places.clone()
    }

    fn place_of(&self, pid: i32) -> Option<(KdamondIndex, usize)> {
        place_in(&self.places, pid)
    }

    fn ends_with_targets(&self) -> bool {
        false
    }

    fn is_running(&self) -> Result<bool, RecordError> {
        let runs = |kdamond: &KdamondStatus| {
            self.machine.sysfs.state(kdamond.index).is_ok_and(|state| state.on && state.pid == kdamond.pid)
        };
        if self.found.kdamonds.iter().any(runs) {
            return Ok(true);
        }
        if self.found.modules.is_empty() {
            return Ok(false);
        }
        let now = self.machine.sysfs.enabled_modules();
        Ok(now.iter().any(|module| self.found.modules.iter().any(|known| known.pid == module.pid)))
    }
}

/// A recording of what runs already.
pub(crate) struct AttachedRecording<'a> {
    attached: Attached<'a>,
    follower: EventFollower,
}

impl Recording for AttachedRecording<'_> {
    fn follow(&mut self, session: &mut Session<'_>) -> Result<Ending, RecordError> {
        self.follower.follow(session, &mut self.attached)
    }

    fn end(self, session: &mut Session<'_>) -> Findings {
        self.follower.end(session, Ok(()))
    }
}

impl<'a> AttachedRecording<'a> {
    /// Opens a source of the events of all that runs.
    pub(crate) fn begin(
        request: &Request,
        machine: &'a Machine,
        open: &dyn Open,
        notifier: &mut dyn Notifier,
    ) -> Result<(Self, Vec<Item>), RecordError> {
        let found = RunningKdamonds::look(machine)?;
        let probes = have_probes(found.kdamonds.iter().map(|kdamond| &kdamond.params));
        // Also of kdamonds without schemes: their owner may add some meanwhile.
        let formats = formats(machine, request.schemes_target_regions, true, probes)?;
        let threads = found.threads();
        let mut events = Events::new(decoder(&formats)?, found.strangers());
        let mut processes: Vec<Process> = Vec::new();
        let mut places = Vec::new();
        for kdamond in &found.kdamonds {
            let context = kdamond.params.contexts.first();
            let here = places_of(machine, context.map(|context| context.targets.as_slice()).unwrap_or_default());
            processes.extend(processes_in(&here).cloned());
            let index = kdamond.index;
            let intervals = context.map(|context| context.intervals);
            let thread = kdamond.pid.unwrap_or_default();
            let addr_unit = context.and_then(|context| context.addr_unit);
            let watched = Watched { thread, kdamond: Some(index), intervals, addr_unit, ..Watched::default() };
            events.watch(watched, here.clone());
            places.push((index, here));
        }
        for watched in found.modules.iter().filter_map(watched_module) {
            events.watch(watched, Vec::new());
        }
        let threads = threads.unwrap_or_default();
        let source = open.running(&machine.root, &formats, &threads)?;
        let params: Vec<Kdamond> = found.kdamonds.iter().map(|kdamond| kdamond.params.clone()).collect();
        let indices: Vec<KdamondIndex> = found.kdamonds.iter().map(|kdamond| kdamond.index).collect();
        let mut meta = meta(request, machine, &formats, &params, Source::Kernel);
        let at = Stamp::Record(now());
        let of_modules: Vec<Params> = found.modules.iter().map(|module| module_params(at, module)).collect();
        // What a module alone monitors is what the whole record is of.
        if let ([only], []) = (&of_modules[..], &params[..]) {
            (meta.ops, meta.intervals, meta.nr_regions) = (only.ops, only.intervals, only.nr_regions);
        }
        notifier.say(&found.sentence());
        if tunes_untold(&formats, &params) {
            notifier.warn(UNTOLD_TUNING);
        }
        let processes = ProcessTracker::new(machine.procfs.clone(), Origin::Roots { follow: false }, processes);
        let follower = EventFollower::new(machine, source, events, processes, threads, &indices);
        let mut items = first_items(meta, indices, &params);
        items.extend(of_modules.into_iter().map(|params| Item::Side(Side::Params(params))));
        Ok((Self { attached: Attached { machine, found, places }, follower }, items))
    }
}

fn watched_module(module: &ModuleKdamond) -> Option<Watched> {
    Some(watched_module_as(module, module.pid?))
}

fn watched_module_as(module: &ModuleKdamond, thread: KdamondThread) -> Watched {
    let (intervals, addr_unit) = (module.intervals(), module.addr_unit());
    Watched { thread, intervals, addr_unit, data_source: module.module.clone(), ..Watched::default() }
}

fn places_of(machine: &Machine, targets: &[ContextTarget]) -> Vec<TargetSlot> {
    let place = |pid: Option<i32>| match pid {
        None => TargetSlot::NotAProcess,
        Some(pid) => monitorable(&machine.procfs, pid).map_or(TargetSlot::NotAProcess, TargetSlot::Process),
    };
    targets.iter().map(|target| place(target.pid)).collect()
}
