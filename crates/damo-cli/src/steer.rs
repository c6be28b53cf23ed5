//! `damo start`, `tune`, `stop` and `status`: DAMON and its schemes beyond the life of one command; and `damo schemes`,
//! which stays in front of them. What is typed becomes kdamonds' parameters here; [`damo_kernel::steer`] does the rest,
//! and keeps its notes where recordings keep theirs.

pub mod args;
mod damos;
pub mod schemes;
mod show;
mod tune;

pub use damos::DamosArgs;
pub use tune::tune;

use crate::args::{MonitorArgs, UsageError};
use crate::error::RecordError;
use crate::live::{Machine, plan, ready};
use crate::messages;
use crate::owner;
use crate::request::RequestSource;
use args::{ParameterFormat, PrintArgs, StartArgs, StatusArgs, StopArgs};
use damo_kernel::Root;
use damo_kernel::steer::Steer;
use damo_model::human::{Show, plain_json};
use damo_model::kdamond::{self, Kdamond};
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
    let place = SteeredKernel::of(&args.root);
    start_on(&place, args, out).map_err(|error| place.explained(error))
}

fn start_on(place: &SteeredKernel, args: &StartArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let wanted = Wanted::of(&args.monitor, &args.damos)?;
    if args.json {
        return print_parameters(place, &wanted, ParameterFormat::Json, out);
    }
    let kdamonds = wanted.kdamonds(place)?;
    if args.dry_run {
        return print_writes(&Machine::new(place.root.clone()).sysfs.dry_run(&kdamonds)?, out);
    }
    let started = place.steer().start(&kdamonds)?;
    let each: Vec<String> =
        started.iter().map(|(index, thread)| format!("kdamond {index} (thread {thread})")).collect();
    messages::done(format_args!(
        "Started {}. See it: damo status. Record it: damo record. End it: damo stop.",
        each.join(" and ")
    ));
    Ok(ExitCode::SUCCESS)
}

/// Prints what options mean, without touching anything: as JSON or YAML for `--kdamonds`, or as the writes to DAMON's files.
///
/// # Errors
/// As [`start`].
pub fn print(args: &PrintArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    print_on(&SteeredKernel::of(&args.root), args, out)
}

fn print_on(place: &SteeredKernel, args: &PrintArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let mut monitor = args.monitor.clone();
    // `damo args damon …`: the Python tool has other kinds of options to print.
    if monitor.targets.first().is_some_and(|word| word == "damon") {
        monitor.targets.remove(0);
    }
    let wanted = Wanted::of(&monitor, &args.damos)?;
    if args.dry_run {
        // What the options mean has nothing to do with what runs here at present.
        let kdamonds = wanted.kdamonds(place)?;
        return print_writes(&Machine::new(place.root.clone()).sysfs.dry_run_afresh(&kdamonds)?, out);
    }
    print_parameters(place, &wanted, args.format, out)
}

/// Schemes as they were typed: in percent and time, not in the units of the kernel.
fn print_parameters(
    place: &SteeredKernel,
    wanted: &Wanted,
    format: ParameterFormat,
    out: &mut dyn Write,
) -> Result<ExitCode, RecordError> {
    let mut kdamonds = wanted.kdamonds(place)?;
    if let Some(schemes) = &wanted.schemes {
        for context in kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts) {
            context.schemes.clone_from(schemes);
        }
    }
    let value = kdamond::to_json(&kdamonds);
    match format {
        ParameterFormat::Json => say(out, &plain_json(&format!("{value:#}")))?,
        ParameterFormat::Yaml => say(out, crate::yaml::write(&value).trim_end())?,
    };
    Ok(ExitCode::SUCCESS)
}

fn print_writes(writes: &[(PathBuf, String)], out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let lines: Vec<String> = writes.iter().map(|(path, value)| format!("{value} > {}", path.shown())).collect();
    say(out, &lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Switches off what [`start`] started, and puts DAMON's settings back as they were before it.
///
/// # Errors
/// If nothing runs, or what runs is someone else's, or something could not be put back.
pub fn stop(args: &StopArgs) -> Result<ExitCode, RecordError> {
    let place = SteeredKernel::of(&args.root);
    let stopped = place.steer().stop(args.adopt).map_err(|error| place.explained(error.into()))?;
    let each: Vec<String> = stopped.iter().map(|index| format!("kdamond {index}")).collect();
    messages::done(format_args!("Stopped {}.", each.join(" and ")));
    Ok(ExitCode::SUCCESS)
}

/// Shows what there is: kdamonds, parameters, statistics.
///
/// # Errors
/// If DAMON's files cannot be read or `out` cannot be written to.
pub fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let place = SteeredKernel::of(&args.root);
    status_on(&place, args, out).map_err(|error| place.explained(error))
}

fn status_on(place: &SteeredKernel, args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let steer = place.steer();
    loop {
        let status = steer.status(args.tried_regions, args.adopt)?;
        let text = match (args.json, args.watch) {
            // One line each, so that a script can read them as they come.
            (true, Some(_)) => plain_json(&show::json(&status).to_string()).into_owned(),
            (true, None) => plain_json(&format!("{:#}", show::json(&status))).into_owned(),
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
struct SteeredKernel {
    root: Root,
    notes: PathBuf,
}

impl SteeredKernel {
    fn of(root: &Path) -> Self {
        Self { root: Root::new(root), notes: owner::directory(root) }
    }

    fn steer(&self) -> Steer {
        Steer::new(&self.root, &self.notes)
    }

    /// The error, or what of the machine is behind it.
    fn explained(&self, error: RecordError) -> RecordError {
        ready::explained(&self.root, error)
    }
}

/// What was typed, understood.
struct Wanted {
    what: RequestSource,
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
            RequestSource::Attach => RequestSource::Paddr { ranges: Vec::new(), nodes: Vec::new() },
            RequestSource::Command { words, .. } => {
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
    fn kdamonds(&self, place: &SteeredKernel) -> Result<Vec<Kdamond>, RecordError> {
        planned(&self.what, &self.monitor, self.schemes.as_deref(), place, None)
    }
}

fn planned(
    what: &RequestSource,
    monitor: &MonitorArgs,
    schemes: Option<&[Scheme]>,
    place: &SteeredKernel,
    command: Option<i32>,
) -> Result<Vec<Kdamond>, RecordError> {
    let machine = Machine::new(place.root.clone());
    let mut kdamonds = plan::of(what, &monitor.monitoring()?, plan::Children::NONE, &machine, command)?.kdamonds;
    if let RequestSource::Kdamonds(_) = what {
        monitor.change(&mut kdamonds)?;
    }
    if let Some(schemes) = schemes {
        plan::apply_schemes(schemes, &mut kdamonds)?;
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
