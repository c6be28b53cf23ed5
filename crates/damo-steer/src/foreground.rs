//! `damo schemes`: schemes in the foreground. Like `start`, wait, `stop`; what was started ends with the command that
//! started it, or with its targets.

use super::{DamosArgs, SteeredKernel, planned, say, show};
use crate::args::{MonitorArgs, UsageError};
use crate::error::RecordError;
use crate::live::command::{self, Started};
use crate::messages;
use crate::request::RequestSource;
use crate::signals::Signals;
use crate::status_line::StatusLine;
use crate::values;
use clap::Args;
use damo_kernel::Error;
use damo_kernel::steer::{Status, Steer};
use damo_model::Nanos;
use damo_model::scheme::Scheme;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between two looks at what the schemes did; the last one before the end is what is told.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at whether it is over.
const STEP: Duration = Duration::from_millis(100);

/// Options of schemes that run in the foreground.
#[derive(Args, Clone, Debug, Default)]
pub struct ForegroundArgs {
    /// Targets and monitoring parameters.
    #[command(flatten)]
    pub monitor: MonitorArgs,

    /// Schemes.
    #[command(flatten)]
    pub damos: DamosArgs,

    /// A program to start, with its arguments, and to apply the schemes to. Its exit code is passed on.
    ///
    /// It is waited for even if the schemes stop before it. Under sudo it runs with the rights of the user who called sudo, not as root.
    #[arg(last = true, value_name = "COMMAND", help_heading = "Targets")]
    pub command: Vec<OsString>,

    /// Stop after this time; a bare number is seconds.
    #[arg(long, value_name = "TIME", value_parser = values::seconds)]
    pub timeout: Option<Nanos>,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Sets DAMON up with the schemes, waits until the targets end, a signal comes or the time is over, puts DAMON's settings
/// back, and writes to `out` what the schemes did.
///
/// # Errors
/// What is wrong with the command line or the machine, each with the remedy; then everything is as before.
pub fn run(args: &ForegroundArgs, out: &mut dyn Write) -> Result<ExitCode, RecordError> {
    let signals = Signals::listen()?;
    let place = SteeredKernel::of(&args.root);
    run_on(&place, args, &signals, out).map_err(|error| place.explained(error))
}

pub(super) fn run_on(
    place: &SteeredKernel,
    args: &ForegroundArgs,
    signals: &Signals,
    out: &mut dyn Write,
) -> Result<ExitCode, RecordError> {
    let schemes = args.damos.schemes()?;
    let what = what(args)?;
    let mut started = match &what {
        RequestSource::Command { words, .. } => Some(Started::spawn(words, false)?),
        _ => None,
    };
    let steer = place.steer();
    let mut line = StatusLine::new(false);
    let applied = match begin(place, args, &what, schemes.as_deref(), &steer, started.as_ref().map(Started::pid)) {
        Ok(()) => apply(&steer, place, args, signals, started.as_mut(), out),
        Err(error) => command::not_begun(&mut started, error, &mut line),
    };
    command::pass_on(started, applied, signals, &mut line)
}

/// Waits until it is over, puts the settings back, and tells what the schemes did.
fn apply(
    steer: &Steer,
    place: &SteeredKernel,
    args: &ForegroundArgs,
    signals: &Signals,
    command: Option<&mut Started>,
    out: &mut dyn Write,
) -> Result<(), RecordError> {
    messages::done("Schemes are applied until the targets end; Ctrl-C stops them.");
    let watched = watch(steer, args.timeout, signals, command);
    match steer.stop(false) {
        // The targets ended, and the kdamond with them; the settings are back.
        Ok(_) | Err(Error::NothingOn) => {}
        Err(error) => return Err(error.into()),
    }
    match watched? {
        Some(status) => say(out, show::text(&status, &place.root).trim_end()).map(|_| ()),
        None => Ok(()),
    }
}

/// Whom to monitor: as for `start`, and a program to start.
fn what(args: &ForegroundArgs) -> Result<RequestSource, RecordError> {
    let mut monitor = args.monitor.clone();
    monitor.targets.extend_from_slice(args.damos.targets());
    if args.command.is_empty() {
        return Ok(match monitor.what()? {
            RequestSource::Attach => RequestSource::Paddr { ranges: Vec::new(), nodes: Vec::new() },
            what => what,
        });
    }
    if monitor.kinds() > 0 || !monitor.target_pid.is_empty() {
        return Err(UsageError("give either a command after `--` or another target, not both".to_owned()).into());
    }
    Ok(RequestSource::Command { words: args.command.clone(), ranges: values::ranges(&monitor.regions)? })
}

fn begin(
    place: &SteeredKernel,
    args: &ForegroundArgs,
    what: &RequestSource,
    schemes: Option<&[Scheme]>,
    steer: &Steer,
    command: Option<i32>,
) -> Result<(), RecordError> {
    let kdamonds = planned(what, &args.monitor, schemes, place, command)?;
    if kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).all(|context| context.schemes.is_empty()) {
        return Err(UsageError("no scheme: give --damos_action, or --schemes with a list of schemes".to_owned()).into());
    }
    steer.start(&kdamonds)?;
    Ok(())
}

/// Until it is over. Gives the last status that was seen while it ran: counters cannot be asked for afterwards.
fn watch(
    steer: &Steer,
    timeout: Option<Nanos>,
    signals: &Signals,
    mut command: Option<&mut Started>,
) -> Result<Option<Status>, RecordError> {
    let begin = Instant::now();
    let limit = timeout.map(|time| Duration::from_nanos(time.0.max(0).unsigned_abs()));
    // A program of ours that ended is there until it was waited for, and its kdamond goes on as long.
    let mut over = || {
        signals.stop().is_some()
            || limit.is_some_and(|limit| begin.elapsed() >= limit)
            || command.as_mut().is_some_and(|command| command.has_ended())
    };
    let mut last = None;
    loop {
        let status = steer.status(false, false)?;
        if !status.kdamonds.iter().any(|kdamond| kdamond.ours && kdamond.status.on) {
            return Ok(last);
        }
        last = Some(status);
        let looked = Instant::now();
        let mut done = over();
        while looked.elapsed() < LOOK && !done {
            std::thread::sleep(STEP);
            done = over();
        }
        if done {
            // What was done since the last look counts as well.
            return Ok(steer.status(false, false).ok().or(last));
        }
    }
}
