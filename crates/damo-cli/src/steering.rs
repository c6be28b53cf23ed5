//! The commands by which DAMON is steered: one list, for `damo` and `damo-record`.

use crate::args::module::{ModuleActionArgs, ModuleArgs};
use crate::args::steer::{StartArgs, StatusArgs, StopArgs, TuneArgs};
use crate::{CliError, steer};
use clap::Subcommand;
use damo_kernel::sysfs::Module;
use std::io::Write;
use std::process::ExitCode;

/// A command by which DAMON is started, tuned, stopped or shown.
#[derive(Debug, Subcommand)]
pub enum Steering {
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
        matches!(self, Steering::Start(_) | Steering::Status(_) | Steering::Module(_))
    }

    /// Does it; what it prints goes to `out`.
    ///
    /// # Errors
    /// If the options make no sense, or the kernel or this machine refuses.
    pub fn run(&self, out: &mut dyn Write) -> Result<ExitCode, CliError> {
        match self {
            Steering::Start(args) => steer::start(args, out),
            Steering::Tune(args) => steer::tune(args),
            Steering::Stop(args) => steer::stop(args),
            Steering::Status(args) => steer::status(args, out),
            Steering::Module(args) => steer::module(args, out),
            Steering::Reclaim(args) => steer::one_module(Some(Module::Reclaim), args, out),
            Steering::LruSort(args) => steer::one_module(Some(Module::LruSort), args, out),
        }
    }
}
