//! `damo schemes`: schemes in the foreground. Like `start`, wait, `stop`; what was started ends with the command that
//! started it, or with its targets.

use crate::command::{self, Started};
use crate::error::{Result, SteerError};
use crate::paused_modules::{PausePolicy, PausedFor, PausedModules};
use crate::plan::{self, Monitoring, TargetSpec};
use crate::show;
use crate::signals::Signals;
use crate::steer::{Status, Steer};
use crate::{Machine, Notifier};
use damo_model::Nanos;
use damo_model::scheme::Scheme;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Time between two looks at what the schemes did; the last one before the end is what is shown.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two looks at whether it is over.
const STEP: Duration = Duration::from_millis(100);

/// Schemes to apply until their targets end.
pub struct ForegroundSchemes {
    /// The targets, or a program to start.
    pub targets: TargetSpec,
    /// Intervals, numbers of regions and operations set.
    pub monitoring: Monitoring,
    /// The schemes; `None` for those that come with the targets' parameters.
    pub schemes: Option<Vec<Scheme>>,
    /// Time after which they end.
    pub timeout: Option<Nanos>,
    /// Switch kernel modules that use DAMON off meanwhile, without asking.
    pub pause_modules: bool,
}

impl ForegroundSchemes {
    /// Sets DAMON up with the schemes, waits until the targets end, a signal comes or the time is over, puts DAMON's settings
    /// back, and writes to `out` what the schemes did. Gives the exit code of the program that was started, if one was.
    ///
    /// # Errors
    /// What is wrong with the parameters or the machine, each with the remedy; then everything is as before.
    pub fn run(
        &self,
        machine: &Machine,
        signals: &Signals,
        notifier: &mut dyn Notifier,
        out: &mut dyn Write,
    ) -> Result<ExitCode> {
        machine.resume_abandoned_modules(notifier);
        let policy = if self.pause_modules { PausePolicy::Pause } else { PausePolicy::Ask };
        let paused = PausedModules::pause(machine, policy, PausedFor::ThisProcess, signals, notifier)?;
        let mut started = match &self.targets {
            TargetSpec::Command { words, .. } => Some(Started::spawn(words, false)?),
            _ => None,
        };
        let steer = machine.steer();
        let applied = match self.begin(machine, &steer, started.as_ref().map(Started::pid)) {
            Ok(()) => {
                notifier.say("Schemes are applied until the targets end; Ctrl-C stops them.");
                self.apply(machine, &steer, signals, started.as_mut(), out)
            }
            Err(error) => command::not_begun(&mut started, error, notifier),
        };
        let applied = applied.and(paused.map_or(Ok(()), PausedModules::resume));
        command::pass_on(started, applied, signals, notifier)
    }

    fn begin(&self, machine: &Machine, steer: &Steer, command: Option<i32>) -> Result<()> {
        let kdamonds = plan::parameters(&self.targets, &self.monitoring, self.schemes.as_deref(), machine, command)?;
        if kdamonds.iter().flat_map(|kdamond| &kdamond.contexts).all(|context| context.schemes.is_empty()) {
            return Err(SteerError::NoScheme);
        }
        steer.start(&kdamonds).map(|_| ())
    }

    /// Waits until it is over, puts the settings back, and shows what the schemes did.
    fn apply(
        &self,
        machine: &Machine,
        steer: &Steer,
        signals: &Signals,
        command: Option<&mut Started>,
        out: &mut dyn Write,
    ) -> Result<()> {
        let watched = watch(steer, self.timeout, signals, command);
        match steer.stop(false) {
            // The targets ended, and the kdamond with them; the settings are back.
            Ok(_) | Err(SteerError::NothingOn) => {}
            Err(error) => return Err(error),
        }
        match watched? {
            Some(status) => show::print(out, show::text(&status, &machine.root).trim_end()).map(|_| ()),
            None => Ok(()),
        }
    }
}

/// Until it is over. Gives the last status that was seen while it ran: counters cannot be asked for afterwards.
fn watch(
    steer: &Steer,
    timeout: Option<Nanos>,
    signals: &Signals,
    mut command: Option<&mut Started>,
) -> Result<Option<Status>> {
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
