//! `damo start`, `tune`, `stop` and `status`: DAMON and its schemes beyond the life of one command; and `damo schemes`,
//! which stays in front of them. What is typed becomes kdamonds' parameters here; [`damo_kernel::steer`] does the rest,
//! and keeps its notes where recordings keep theirs.

pub mod args;
mod damos;
pub mod schemes;
mod show;

pub use damos::DamosArgs;

use crate::args::{MonitorArgs, UsageError};
use crate::error::RecordError;
use crate::json;
use crate::live::{Machine, plan};
use crate::owner;
use crate::request::What;
use args::{PrintArgs, StartArgs, StatusArgs, StopArgs, TuneArgs};
use damo_kernel::Root;
use damo_kernel::steer::Steer;
use damo_kernel::sysfs::Kdamond;
use damo_model::scheme::Scheme;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Sets DAMON up, switches it on and leaves it on.
///
/// # Errors
/// What is wrong with the command line or the machine, each with the remedy; then everything is as before.
pub fn start(args: &StartArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    start_on(&Place::of(&args.root), args, out)
}

fn start_on(place: &Place, args: &StartArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let wanted = Wanted::of(&args.monitor, &args.damos)?;
    if args.json {
        return print_json(place, &wanted, out);
    }
    let kdamonds = wanted.kdamonds(place)?;
    if args.dry_run {
        return print_writes(place, &kdamonds, out);
    }
    let started = place.steer().start(&kdamonds)?;
    let each: Vec<String> =
        started.iter().map(|(index, thread)| format!("kdamond {index} (thread {thread})")).collect();
    eprintln!("Started {}. See it: damo status. Record it: damo record. End it: damo stop.", each.join(" and "));
    Ok(ExitCode::SUCCESS)
}

/// Prints what options mean, without touching anything: as JSON for `--kdamonds`, or as the writes to DAMON's files.
///
/// # Errors
/// As [`start`].
pub fn print(args: &PrintArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    print_on(&Place::of(&args.root), args, out)
}

fn print_on(place: &Place, args: &PrintArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let mut monitor = args.monitor.clone();
    // `damo args damon …`: the Python tool has other kinds of options to print.
    if monitor.targets.first().is_some_and(|word| word == "damon") {
        monitor.targets.remove(0);
    }
    let wanted = Wanted::of(&monitor, &args.damos)?;
    if args.dry_run { print_writes(place, &wanted.kdamonds(place)?, out) } else { print_json(place, &wanted, out) }
}

/// Schemes as they were typed: in percent and time, not in the units of the kernel.
fn print_json(place: &Place, wanted: &Wanted, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let mut value = json::to_json(&wanted.kdamonds(place)?);
    if let Some(schemes) = &wanted.schemes {
        let schemes = serde_json::to_value(schemes).map_err(|e| UsageError(e.to_string()))?;
        for kdamond in value["kdamonds"].as_array_mut().into_iter().flatten() {
            for context in kdamond["contexts"].as_array_mut().into_iter().flatten() {
                context["schemes"] = schemes.clone();
            }
        }
    }
    say(out, &format!("{value:#}"))?;
    Ok(ExitCode::SUCCESS)
}

fn print_writes(place: &Place, kdamonds: &[Kdamond], out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let writes = Machine::new(place.root.clone()).sysfs.dry_run(kdamonds)?;
    let lines: Vec<String> = writes.iter().map(|(path, value)| format!("{value} > {}", path.display())).collect();
    say(out, &lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Changes parameters of what runs.
///
/// # Errors
/// As [`start`]; then the parameters are as before.
pub fn tune(args: &TuneArgs) -> Result<ExitCode, RecordError> {
    let said = tune_on(&Place::of(&args.root), args)?;
    said.iter().for_each(|note| eprintln!("{note}"));
    Ok(ExitCode::SUCCESS)
}

/// Gives remarks on what the change means.
fn tune_on(place: &Place, args: &TuneArgs) -> Result<Vec<String>, RecordError> {
    let wanted = Wanted::of(&args.monitor, &args.damos)?;
    // Whatever is wrong with what was typed is found out before anything is touched.
    let typed = if args.replace || wanted.targets { Some(wanted.kdamonds(place)?) } else { None };
    let whole = args.replace || matches!(wanted.what, What::Kdamonds(_));
    let nothing = typed.is_none() && wanted.schemes.is_none() && !args.monitor.gave_parameters();
    if nothing {
        return Err(
            UsageError("nothing to change: name intervals, numbers of regions, targets or schemes".to_owned()).into()
        );
    }
    let mut wrong = None;
    let mut notes = Vec::new();
    place.steer().tune(args.adopt, |kdamonds| match typed {
        Some(mut typed) if whole => {
            if !wanted.targets {
                keep_targets(&mut typed, kdamonds);
            }
            *kdamonds = typed;
        }
        typed => {
            let before = kdamonds.clone();
            wrong = args.monitor.change(kdamonds).err();
            let new = typed.into_iter().flatten().flat_map(|kdamond| kdamond.contexts);
            for (context, new) in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts).zip(new) {
                context.ops = new.ops;
                context.targets = new.targets;
            }
            match &wanted.schemes {
                Some(schemes) => wrong = wrong.take().or(json::apply_schemes(schemes, kdamonds).err()),
                None => notes = show::changed_meaning(&before, kdamonds),
            }
        }
    })?;
    match wrong {
        Some(wrong) => Err(wrong.into()),
        None => Ok(notes),
    }
}

/// Replacing all parameters is not about whom they are for.
fn keep_targets(new: &mut [Kdamond], present: &[Kdamond]) {
    let present = present.iter().flat_map(|kdamond| &kdamond.contexts);
    for (new, present) in new.iter_mut().flat_map(|kdamond| &mut kdamond.contexts).zip(present) {
        new.ops = present.ops;
        new.targets.clone_from(&present.targets);
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
        let text = match (args.json, args.watch) {
            // One line each, so that a script can read them as they come.
            (true, Some(_)) => show::json(&status).to_string(),
            (true, None) => format!("{:#}", show::json(&status)),
            // Home, and nothing left of the time before.
            (false, Some(_)) if args.redraw() => format!("\x1b[H\x1b[J{}", show::text(&status, &place.root).trim_end()),
            (false, Some(_)) => show::text(&status, &place.root),
            (false, None) => show::text(&status, &place.root).trim_end().to_owned(),
        };
        let read = say(out, &text)?;
        match args.watch {
            Some(pause) if read => std::thread::sleep(Duration::from_nanos(pause.0.max(0).unsigned_abs())),
            _ => return Ok(ExitCode::SUCCESS),
        }
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

/// What was typed, understood.
struct Wanted {
    what: What,
    monitor: MonitorArgs,
    /// `None`: none were named.
    schemes: Option<Vec<Scheme>>,
    /// Whether someone to monitor was named.
    targets: bool,
}

impl Wanted {
    /// # Errors
    /// A sentence on what contradicts itself or cannot be.
    fn of(monitor: &MonitorArgs, damos: &DamosArgs) -> Result<Self, RecordError> {
        let mut monitor = monitor.clone();
        monitor.targets.extend_from_slice(damos.targets());
        let targets = monitor.names_targets();
        let what = match monitor.what()? {
            What::Attach => What::Paddr { ranges: Vec::new(), nodes: Vec::new() },
            What::Command { words, .. } => {
                let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
                let why = format!(
                    "`{name}` is no process id: start the program and give its id, $(pidof {name}); or let `damo schemes \
                     -- {name}` start it and stay until it ends"
                );
                return Err(UsageError(why).into());
            }
            what => what,
        };
        monitor.monitoring()?;
        Ok(Self { what, monitor, schemes: damos.schemes()?, targets })
    }

    /// All parameters, for the machine at hand.
    fn kdamonds(&self, place: &Place) -> Result<Vec<Kdamond>, RecordError> {
        planned(&self.what, &self.monitor, self.schemes.as_deref(), place, None)
    }
}

fn planned(
    what: &What,
    monitor: &MonitorArgs,
    schemes: Option<&[Scheme]>,
    place: &Place,
    command: Option<i32>,
) -> Result<Vec<Kdamond>, RecordError> {
    let machine = Machine::new(place.root.clone());
    let mut kdamonds = plan::of(what, &monitor.monitoring()?, false, &machine, command)?.kdamonds;
    if let What::Kdamonds(_) = what {
        monitor.change(&mut kdamonds)?;
    }
    if let Some(schemes) = schemes {
        json::apply_schemes(schemes, &mut kdamonds)?;
    }
    Ok(kdamonds)
}

/// Writes a line. Gives whether someone still reads: a reader that has seen enough is no failure.
fn say(out: &mut dyn Write, text: &str) -> Result<bool, RecordError> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).map_err(|e| RecordError::io("writing to standard output", e)),
    }
}

#[cfg(test)]
mod tests;
