//! `damo start`, `tune`, `stop` and `status`: DAMON and its schemes beyond the life of one command. What is typed becomes
//! kdamonds' parameters here; [`damo_kernel::steer`] does the rest, and keeps its notes where recordings keep theirs.

pub mod args;
pub mod damos;
mod show;

use crate::error::RecordError;
use crate::json;
use crate::live::{Machine, plan};
use crate::owner;
use crate::request::What;
use args::{MonitorArgs, StartArgs, StatusArgs, StopArgs, TuneArgs};
use damo_kernel::Root;
use damo_kernel::steer::Steer;
use damo_kernel::sysfs::{Kdamond, Scheme};
use damo_model::{Intervals, scheme};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Sets DAMON up, switches it on and leaves it on.
///
/// # Errors
/// What is wrong with the command line or the machine, each with the remedy; then everything is as before.
pub fn start(args: &StartArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    start_on(&Place::of(&args.monitor.root), args, out)
}

fn start_on(place: &Place, args: &StartArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let kdamonds = asked_for(place, &args.monitor)?;
    let machine = Machine::new(place.root.clone());
    if args.json {
        return say(out, &format!("{:#}", json::to_json(&kdamonds)));
    }
    if args.dry_run {
        let writes = machine.sysfs.dry_run(&kdamonds)?;
        let lines: Vec<String> = writes.iter().map(|(path, value)| format!("{value} > {}", path.display())).collect();
        return say(out, &lines.join("\n"));
    }
    let started = place.steer().start(&kdamonds)?;
    let each: Vec<String> =
        started.iter().map(|(index, thread)| format!("kdamond {index} (thread {thread})")).collect();
    eprintln!("Started {}. See it: damo status. Record it: damo record. End it: damo stop.", each.join(" and "));
    Ok(ExitCode::SUCCESS)
}

/// Changes parameters of what runs.
///
/// # Errors
/// As [`start`]; then the parameters are as before.
pub fn tune(args: &TuneArgs) -> Result<ExitCode, RecordError> {
    tune_on(&Place::of(&args.monitor.root), args)
}

fn tune_on(place: &Place, args: &TuneArgs) -> Result<ExitCode, RecordError> {
    let steer = place.steer();
    if args.replace || args.monitor.kdamonds.is_some() {
        let wanted = asked_for(place, &args.monitor)?;
        steer.tune(args.adopt, |kdamonds| *kdamonds = wanted)?;
        return Ok(ExitCode::SUCCESS);
    }
    let targets = if args.monitor.names_targets() { Some(asked_for(place, &args.monitor)?) } else { None };
    // Found out before anything is touched.
    args.monitor.damos.schemes()?;
    let mut wrong = None;
    steer.tune(args.adopt, |kdamonds| {
        wrong = args.monitor.change(kdamonds).err();
        let new = targets.into_iter().flatten().flat_map(|kdamond| kdamond.contexts);
        for (context, new) in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts).zip(new) {
            context.ops = new.ops;
            context.targets = new.targets;
        }
    })?;
    match wrong {
        Some(wrong) => Err(wrong.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Switches off what [`start`] started, and puts DAMON's settings back as they were before it.
///
/// # Errors
/// If nothing runs, or what runs is someone else's, or something could not be put back.
pub fn stop(args: &StopArgs) -> Result<ExitCode, RecordError> {
    let stopped = Place::of(&args.root).steer().stop(args.adopt)?;
    let each: Vec<String> = stopped.iter().map(|index| format!("kdamond {index}")).collect();
    eprintln!("Stopped {}.", each.join(" and "));
    Ok(ExitCode::SUCCESS)
}

/// Shows what there is: kdamonds, parameters, statistics.
///
/// # Errors
/// If DAMON's files cannot be read or `out` cannot be written to.
pub fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    status_on(&Place::of(&args.root), args, out)
}

fn status_on(place: &Place, args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let steer = place.steer();
    loop {
        let status = steer.status(args.tried_regions)?;
        let text = if args.json { show::json(&status) } else { show::text(&status, &place.root) };
        if args.watch.is_some() && !args.json {
            // Home, and nothing left of the time before.
            say(out, "\x1b[H\x1b[J")?;
        }
        say(out, text.trim_end())?;
        let Some(pause) = args.watch else { return Ok(ExitCode::SUCCESS) };
        std::thread::sleep(Duration::from_nanos(pause.0.max(0).unsigned_abs()));
    }
}

/// The kernel that is steered, and where notes on it are kept.
struct Place {
    root: Root,
    notes: PathBuf,
}

impl Place {
    fn of(root: &Path) -> Self {
        Self { root: Root::new(root), notes: owner::directory(root) }
    }

    fn steer(&self) -> Steer {
        Steer::new(&self.root, &self.notes)
    }
}

/// All parameters of what was typed.
fn asked_for(place: &Place, args: &MonitorArgs) -> Result<Vec<Kdamond>, RecordError> {
    let request = args.request()?;
    if let What::Command { words, .. } = &request.what {
        let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        return Err(crate::args::UsageError(format!(
            "`{name}` is no process id: start the program, then give its id: damo start $(pidof {name})"
        ))
        .into());
    }
    let machine = Machine::new(place.root.clone());
    let mut kdamonds = plan::plan(&request, &machine, None)?.kdamonds;
    if let Some(schemes) = args.damos.schemes()? {
        for context in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts) {
            context.schemes = resolve(&schemes, &context.intervals);
        }
    }
    Ok(kdamonds)
}

fn resolve(schemes: &[scheme::Scheme], intervals: &Intervals) -> Vec<Scheme> {
    schemes.iter().map(|scheme| Scheme::resolve(scheme, intervals)).collect()
}

/// Writes a line; a reader that has seen enough is no failure.
fn say(out: &mut dyn Write, text: &str) -> Result<ExitCode, RecordError> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS).map_err(|e| RecordError::io("writing to standard output", e)),
    }
}

#[cfg(test)]
mod tests;
