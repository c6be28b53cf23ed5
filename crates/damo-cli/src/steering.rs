//! The commands by which DAMON is steered: one list, for `damo` and `damo-record`.

use crate::args::module::{ModuleActionArgs, ModuleArgs};
use crate::args::steer::{StartArgs, StatusArgs, StopArgs, TuneArgs};
use crate::{CliError, steer};
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use damo_kernel::sysfs::Module;
use std::io::Write;
use std::process::ExitCode;

/// A command by which DAMON is started, tuned, stopped or shown.
#[derive(Debug)]
pub struct Steering(SteeringCommand);

#[derive(Debug, Subcommand)]
enum SteeringCommand {
    /// Start DAMON, optionally with schemes, and leave it running
    Start(StartArgs),
    /// Change parameters of DAMON while it runs
    Tune(TuneArgs),
    /// Stop what `start` started, and restore DAMON's previous settings
    Stop(StopArgs),
    /// Show running kdamonds, their parameters and statistics of schemes
    Status(StatusArgs),
    /// Show, switch and set the kernel's modules that use DAMON: DAMON_STAT, DAMON_RECLAIM, DAMON_LRU_SORT
    Module(ModuleArgs),
    /// Show, switch and set DAMON_RECLAIM, the kernel module that pages out idle memory
    Reclaim(ModuleActionArgs),
    /// Show, switch and set DAMON_LRU_SORT, the kernel module that sorts the LRU lists by access rate
    #[command(name = "lru_sort", alias = "lru-sort")]
    LruSort(ModuleActionArgs),
}

impl Steering {
    /// Whether its result is what it prints.
    pub fn prints(&self) -> bool {
        matches!(self.0, SteeringCommand::Start(_) | SteeringCommand::Status(_) | SteeringCommand::Module(_))
    }

    /// Does it; what it prints goes to `out`.
    ///
    /// # Errors
    /// If the options make no sense, or the kernel or this machine refuses.
    pub fn run(&self, out: &mut dyn Write) -> Result<ExitCode, CliError> {
        match &self.0 {
            SteeringCommand::Start(args) => steer::start(args, out),
            SteeringCommand::Tune(args) => steer::tune(args),
            SteeringCommand::Stop(args) => steer::stop(args),
            SteeringCommand::Status(args) => steer::status(args, out),
            SteeringCommand::Module(args) => steer::module(args, out),
            SteeringCommand::Reclaim(args) => steer::one_module(Some(Module::Reclaim), args, out),
            SteeringCommand::LruSort(args) => steer::one_module(Some(Module::LruSort), args, out),
        }
    }
}

// The commands are those of the enum; which they are, and their options, is no concern of the two programs.
impl Subcommand for Steering {
    fn augment_subcommands(command: Command) -> Command {
        SteeringCommand::augment_subcommands(command)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        SteeringCommand::augment_subcommands_for_update(command)
    }

    fn has_subcommand(name: &str) -> bool {
        SteeringCommand::has_subcommand(name)
    }
}

impl FromArgMatches for Steering {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        SteeringCommand::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        SteeringCommand::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}
