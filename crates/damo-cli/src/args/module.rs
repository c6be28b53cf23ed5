//! The command line of `damo module`, `damo reclaim` and `damo lru_sort`.

use clap::{Args, ValueEnum};
use damo_kernel::sysfs::Module;
use std::path::PathBuf;

/// Options of `damo module`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    damo module                              show all modules and their parameters\n  \
    damo module stat enable                  let DAMON_STAT watch the machine\n  \
    damo module reclaim enable min_age=2min quota_sz=128M\n  \
    damo module reclaim set min_age=30s      change it while it is enabled\n  \
    damo module lru_sort disable")]
pub(crate) struct ModuleArgs {
    /// Which module; all are shown if none is named.
    #[arg(value_name = "MODULE")]
    pub module: Option<ModuleName>,

    /// What to do with it.
    #[command(flatten)]
    pub action: ModuleActionArgs,
}

/// What to do with a module.
#[derive(Args, Debug)]
pub(crate) struct ModuleActionArgs {
    /// What to do.
    #[arg(value_name = "ACTION")]
    pub action: Option<ModuleAction>,

    /// Parameters for `enable` and `set`, also written as PARAMETER VALUE: times, sizes and percentages may have units.
    #[arg(value_name = "PARAMETER=VALUE")]
    pub parameters: Vec<String>,

    /// Show modules as JSON.
    #[arg(long)]
    pub json: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// A module on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ModuleName {
    /// DAMON_STAT: idle times and bandwidth of all memory
    Stat,
    /// DAMON_RECLAIM: pages out what is idle
    Reclaim,
    /// DAMON_LRU_SORT: sorts hot and cold memory in the LRU lists
    #[value(name = "lru_sort", alias = "lru-sort")]
    LruSort,
}

impl From<ModuleName> for Module {
    fn from(name: ModuleName) -> Self {
        match name {
            ModuleName::Stat => Module::Stat,
            ModuleName::Reclaim => Module::Reclaim,
            ModuleName::LruSort => Module::LruSort,
        }
    }
}

/// What to do with a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModuleAction {
    /// Show it and its parameters, which is the default
    #[value(alias = "read", alias = "status")]
    Show,
    /// Set parameters, if any are given, and switch it on
    Enable,
    /// Switch it off
    Disable,
    /// Set parameters; an enabled module takes them at once
    #[value(alias = "write")]
    Set,
}
