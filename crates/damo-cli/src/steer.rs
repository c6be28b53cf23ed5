//! `damo start`, `tune`, `stop` and `status`: DAMON and its schemes beyond the life of one command; and `damo schemes`,
//! which stays in front of them. What is typed becomes kdamonds' parameters here; [`damo_steer`] does the rest.

mod module;
mod tune;

pub(crate) use module::{module, one_module};
pub(crate) use tune::tune;

use crate::args::steer::{ForegroundArgs, ParameterFormat, PrintArgs, StartArgs, StatusArgs, StopArgs};
use crate::args::{MonitorArgs, SetupArgs};
use crate::error::{CliError, UsageError, usage};
use crate::messages;
use crate::status_line::StatusLine;
use crate::values;
use damo_model::human::{Show, plain_json};
use damo_model::kdamond::{self, Kdamond, RunningKdamond};
use damo_model::scheme::Scheme;
use damo_steer::foreground::ForegroundSchemes;
use damo_steer::paused_modules::{PausePolicy, PausedFor, PausedModules};
use damo_steer::plan::{self, Monitoring, TargetSpec};
use damo_steer::show::{self, print as say};
use damo_steer::signals::Signals;
use damo_steer::{Machine, SteerError, explain};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Runs a command on the machine below `root`. An error that something of the machine explains is replaced by that.
fn on_machine<T>(root: &Path, command: impl FnOnce(&Machine) -> Result<T, CliError>) -> Result<T, CliError> {
    let machine = Machine::at(root);
    command(&machine).map_err(|error| explained(&machine, error))
}

fn explained(machine: &Machine, error: CliError) -> CliError {
    match error {
        CliError::Steer(error) => explain::explained(&machine.root, error).into(),
        error => error,
    }
}

/// Sets DAMON up, switches it on and leaves it on.
///
/// # Errors
/// What is wrong with the command line or the machine, each with the remedy; then everything is as before.
pub(crate) fn start(args: &StartArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    on_machine(&args.root, |machine| start_on(machine, args, out))
}

fn start_on(machine: &Machine, args: &StartArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let wanted = Wanted::of(&args.setup, false)?;
    if args.json {
        return print_parameters(machine, &wanted, ParameterFormat::Json, out);
    }
    let kdamonds = wanted.kdamonds(machine)?;
    if args.dry_run {
        return print_writes(&machine.sysfs.dry_run(&kdamonds).map_err(SteerError::from)?, out);
    }
    let paused = pause_modules(machine, args.pause_modules)?;
    let started = machine.steer().start(&kdamonds).inspect_err(|_| {
        // The error of starting is the one to tell; the next run tries again.
        let _ = paused.is_some().then(|| machine.resume_modules_of_start());
    })?;
    let each: Vec<String> = started.iter().map(RunningKdamond::to_string).collect();
    messages::done(format_args!(
        "Started {}. See it: damo status. Record it: damo record. End it: damo stop.",
        each.join(" and ")
    ));
    Ok(ExitCode::SUCCESS)
}

/// Switches kernel modules that use DAMON off until `stop`, without asking if `agreed`.
fn pause_modules(machine: &Machine, agreed: bool) -> Result<Option<PausedModules>, CliError> {
    let mut notifier = StatusLine::new(false);
    machine.resume_abandoned_modules(&mut notifier);
    if machine.sysfs.enabled_modules().is_empty() {
        return Ok(None);
    }
    let policy = if agreed { PausePolicy::Pause } else { PausePolicy::Ask };
    Ok(PausedModules::pause(machine, policy, PausedFor::Start, &Signals::listen()?, &mut notifier)?)
}

/// Prints what options mean, without touching anything: as JSON or YAML for `--kdamonds`, or as the writes to DAMON's files.
///
/// # Errors
/// What is wrong with the command line or the machine, each with the remedy.
pub fn print(args: &PrintArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    print_on(&Machine::at(&args.root), args, out)
}

fn print_on(machine: &Machine, args: &PrintArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let mut setup = args.setup.clone();
    // `damo args damon …`: the Python tool has other kinds of options to print.
    setup.without_word("damon");
    let wanted = Wanted::of(&setup, false)?;
    if args.dry_run {
        // What the options mean has nothing to do with what runs here at present.
        let kdamonds = wanted.kdamonds(machine)?;
        return print_writes(&machine.sysfs.dry_run_afresh(&kdamonds).map_err(SteerError::from)?, out);
    }
    print_parameters(machine, &wanted, args.format, out)
}

/// Schemes as they were typed: in percent and time, not in the units of the kernel.
fn print_parameters(
    machine: &Machine,
    wanted: &Wanted,
    format: ParameterFormat,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let mut kdamonds = wanted.kdamonds(machine)?;
    let typed = |at: usize| match &wanted.targets {
        TargetSpec::Several(specs) => specs.get(at).map(|spec| &spec.schemes),
        _ => wanted.schemes.as_ref(),
    };
    for (at, kdamond) in kdamonds.iter_mut().enumerate() {
        for context in &mut kdamond.contexts {
            context.schemes = typed(at).unwrap_or(&context.schemes).clone();
        }
    }
    let value = kdamond::to_json(&kdamonds);
    match format {
        ParameterFormat::Json => say(out, &plain_json(&format!("{value:#}")))?,
        ParameterFormat::Yaml => say(out, crate::yaml::write(&value).trim_end())?,
    };
    Ok(ExitCode::SUCCESS)
}

fn print_writes(writes: &[(PathBuf, String)], out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let lines: Vec<String> = writes.iter().map(|(path, value)| format!("{value} > {}", path.shown())).collect();
    say(out, &lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Switches off what [`start`] started, and puts DAMON's settings back as they were before it.
///
/// # Errors
/// If nothing runs, or what runs is someone else's, or something could not be put back.
pub(crate) fn stop(args: &StopArgs) -> Result<ExitCode, CliError> {
    let (stopped, modules) = on_machine(&args.root, |machine| {
        let stopped = machine.steer().stop(args.adopt)?;
        Ok((stopped, machine.resume_modules_of_start()?))
    })?;
    let each: Vec<String> = stopped.iter().map(|index| format!("kdamond {index}")).collect();
    let on_again = if modules.is_empty() { String::new() } else { format!(" Switched {modules} on again.") };
    messages::done(format_args!("Stopped {}.{on_again}", each.join(" and ")));
    Ok(ExitCode::SUCCESS)
}

/// Shows what there is: kdamonds, parameters, statistics.
///
/// # Errors
/// If DAMON's files cannot be read or `out` cannot be written to.
pub(crate) fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    on_machine(&args.root, |machine| status_on(machine, args, out))
}

fn status_on(machine: &Machine, args: &StatusArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let steer = machine.steer();
    loop {
        let status = steer.status(args.tried_regions, args.adopt)?;
        let text = match (args.json, args.watch) {
            // One line each, so that a script can read them as they come.
            (true, Some(_)) => plain_json(&show::json(&status).to_string()).into_owned(),
            (true, None) => plain_json(&format!("{:#}", show::json(&status))).into_owned(),
            // The cursor goes home, and what was shown before is erased.
            (false, Some(_)) if args.redraw() => {
                format!("\x1b[H\x1b[J{}", show::text(&status, &machine.root).trim_end())
            }
            (false, Some(_)) => show::text(&status, &machine.root),
            (false, None) => show::text(&status, &machine.root).trim_end().to_owned(),
        };
        let is_read = say(out, &text)?;
        match args.watch {
            Some(pause) if is_read => std::thread::sleep(Duration::from_nanos(pause.0.max(0).unsigned_abs())),
            _ => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Applies schemes until the targets end, a signal comes or the time is over, and writes to `out` what they did.
///
/// # Errors
/// What is wrong with the command line or the machine, each with the remedy.
pub fn schemes(args: &ForegroundArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let signals = Signals::listen()?;
    on_machine(&args.root, |machine| schemes_on(machine, args, &signals, out))
}

fn schemes_on(
    machine: &Machine,
    args: &ForegroundArgs,
    signals: &Signals,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let setup = &args.setup;
    setup.refuse_marks()?;
    let schemes = setup.schemes()?;
    let targets = if args.command.is_empty() {
        setup.targets()?.unwrap_or(TargetSpec::PADDR)
    } else if setup.kinds() > 0 || !setup.monitor.target_pid.is_empty() {
        return Ok(usage("give either a command after `--` or another target, not both")?);
    } else {
        TargetSpec::Command { words: args.command.clone(), ranges: values::ranges(&setup.monitor.regions)? }
    };
    let monitoring = setup.monitoring()?;
    let foreground = ForegroundSchemes {
        targets: changed(targets, &setup.monitor)?,
        monitoring,
        schemes,
        timeout: args.timeout,
        pause_modules: args.pause_modules,
    };
    Ok(foreground.run(machine, signals, &mut StatusLine::new(false), out)?)
}

/// Parameters that are given whole, with what was named beside them.
fn changed(mut targets: TargetSpec, monitor: &MonitorArgs) -> Result<TargetSpec, UsageError> {
    if let TargetSpec::Kdamonds(kdamonds) = &mut targets {
        monitor.change(kdamonds)?;
    }
    Ok(targets)
}

/// What was typed, understood.
struct Wanted<'a> {
    setup: &'a SetupArgs,
    targets: TargetSpec,
    monitoring: Monitoring,
    /// `None`: none were named.
    schemes: Option<Vec<Scheme>>,
    /// Whether targets were named.
    has_targets: bool,
}

impl<'a> Wanted<'a> {
    /// With `of_running` the options of schemes are for those that run, and none is wanted.
    ///
    /// # Errors
    /// A sentence on what contradicts itself or cannot be.
    fn of(setup: &'a SetupArgs, of_running: bool) -> Result<Self, UsageError> {
        let targets = match setup.targets()?.unwrap_or(TargetSpec::PADDR) {
            TargetSpec::Command { words, .. } => {
                let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
                return usage(format!(
                    "`{name}` is no process id: start the program and give its id, $(pidof {name}); or let `damo schemes \
                     -- {name}` start it and stay until it ends"
                ));
            }
            targets => targets,
        };
        let monitoring = setup.monitoring()?;
        let targets = changed(targets, &setup.monitor)?;
        let schemes = if of_running { None } else { setup.schemes()? };
        Ok(Self { setup, targets, monitoring, schemes, has_targets: setup.names_targets() })
    }

    /// All parameters, for the machine at hand.
    fn kdamonds(&self, machine: &Machine) -> Result<Vec<Kdamond>, CliError> {
        let mut kdamonds = plan::parameters(&self.targets, &self.monitoring, self.schemes.as_deref(), machine, None)?;
        self.setup.mark(&mut kdamonds)?;
        Ok(kdamonds)
    }
}

#[cfg(test)]
mod tests;
