//! Steering DAMON: setting it up and starting it for targets, tuning, stopping and showing it; whether this machine is ready
//! for that, and which kdamonds were started by whom.
//!
//! - [`plan`]: from the targets that were asked for to the parameters that DAMON is given; [`processes`] and
//!   [`process_filter`]: who can be a target
//! - [`steer`]: DAMON that stays on: start, tune, stop, status; [`show`] prints the status
//! - [`modules`]: the kernel's own users of DAMON; [`paused_modules`]: switching them off for a while
//! - [`foreground`]: schemes that end with the command that started them; [`command`]: a program that is started for it
//! - [`notes`]: the one store in `/run/damo`, of what was started and by whom; [`stale`]: what killed recordings left
//! - [`readiness`]: what recording and steering need of this machine; [`doctor`] prints it, [`explain`] finds in it why
//!   something failed, and [`problem`] says so
//! - [`signals`]: what asks for the end
//! - [`notifier`]: how a command that runs for long talks to the user
#![forbid(unsafe_code)]

pub mod command;
pub mod doctor;
mod error;
pub mod explain;
pub mod foreground;
pub mod modules;
pub mod notes;
pub mod notifier;
pub mod paused_modules;
pub mod plan;
pub mod problem;
pub mod process_filter;
pub mod processes;
pub mod readiness;
pub mod show;
pub mod signals;
pub mod stale;
pub mod steer;

pub use error::{HasProblem, SteerError};
pub use notifier::Notifier;

use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::sysfs::Sysfs;
use notes::NoteStore;
use std::path::Path;
use steer::Steer;

/// The machine that is steered or recorded: its files below a root directory, and the notes on it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel's files.
    pub root: Root,
    /// Processes and memory, from `/proc`.
    pub procfs: Procfs,
    /// DAMON's control files.
    pub sysfs: Sysfs,
    /// What was started, and by whom.
    pub notes: NoteStore,
}

impl Machine {
    /// Everything below the directory `root`; an empty path means `/`.
    pub fn at(root: &Path) -> Self {
        let root = if root.as_os_str().is_empty() { Path::new("/") } else { root };
        Self::new(Root::new(root), NoteStore::below(root))
    }

    /// The kernel's files below `root`, and notes in a store of their own.
    pub fn new(root: Root, notes: NoteStore) -> Self {
        Self { procfs: Procfs::new(&root), sysfs: Sysfs::new(&root), root, notes }
    }

    /// Starts, tunes and stops DAMON here.
    pub fn steer(&self) -> Steer {
        Steer::new(&self.root, self.notes.clone())
    }
}

/// The command line as it was typed, for the record's metadata and for advice that repeats it.
pub fn command_line() -> Vec<String> {
    let mut words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // The directory of the program says nothing about the record.
    if let Some(program) = words.first_mut()
        && let Some((_, name)) = program.rsplit_once('/')
    {
        *program = name.to_string();
    }
    words
}
