//! Every file that a command of this program writes is made here, but records while they are recorded (those have the same
//! rules, in `damo_format`). docs/files.md tells users which files are replaced and which are not.

use crate::output;
use anyhow::{Context, Result, bail};
use damo_format::{Kind, NewFile, Owner, Rules};
use damo_kernel::rights::Rights;
use damo_kernel::signals::is_ignored;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

/// Files that lie beside a record of the Python tool and are read with it.
const BESIDE: [&str; 4] = [".kdamonds", ".mem_footprint", ".vmas", ".proc_stats"];

/// Files that this command reads. All in one place, so that no option can be forgotten that writes.
static INPUTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Notes that a file is read by this command: nothing is written over it then.
pub(crate) fn reads(path: &Path) {
    let beside = BESIDE.iter().map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    });
    let mut inputs = INPUTS.lock().unwrap_or_else(PoisonError::into_inner);
    inputs.push(path.to_owned());
    inputs.extend(beside);
}

/// Whether a name stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout"].iter().any(|name| path.as_os_str() == *name)
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// What it will hold.
    pub kind: Kind,
    /// Replace any file of the user that is not read by this command.
    pub force: bool,
    /// Permission bits of a new file.
    pub mode: u32,
}

impl Manner {
    /// The usual one: readable by the owner only, and nothing forced.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, force: false, mode: 0o600 }
    }

    /// What is checked before a file is written.
    pub(crate) fn rules(self) -> Rules {
        // What makes no sense in sudo's variables is told where a program is run by them.
        let invoker = Rights::of_invoker().ok().flatten();
        Rules {
            inputs: INPUTS.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            force: self.force,
            mode: self.mode,
            heir: invoker.map(|rights| Owner { uid: rights.uid, gid: rights.gid }),
            is_foreign_record: |head| damo_import::sniff(head).is_some(),
            ..Rules::new(self.kind)
        }
    }
}

/// Standard output, or a file that appears when it is whole.
pub(crate) enum Out {
    /// Standard output, or a pipe or device.
    Stdout(Stdout),
    /// A file that appears when it is whole.
    File(NewFile),
}

impl Out {
    /// Begins it. `-` is standard output.
    ///
    /// # Errors
    /// If a file stands there that must not be replaced, the system refuses, or bytes would go to a terminal.
    pub(crate) fn create(path: &Path, manner: Manner) -> Result<BufWriter<Self>> {
        let out = if is_stdout(path) {
            check_stdout(manner.kind)?;
            Self::Stdout(io::stdout())
        } else {
            clean_up_on_signals();
            Self::File(NewFile::create(path, manner.rules())?)
        };
        Ok(output::buffered(out))
    }

    /// Ends it: a file gets its name.
    ///
    /// # Errors
    /// If the place takes no more, or something has come to the name that must not be replaced.
    pub(crate) fn commit(out: BufWriter<Self>) -> Result<()> {
        match out.into_inner().map_err(io::IntoInnerError::into_error)? {
            Self::Stdout(mut out) => out.flush().context("writing to standard output"),
            Self::File(file) => Ok(file.commit()?),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

/// Writes a file, or standard output if there is no name or `-`: all of it or nothing.
///
/// # Errors
/// Whatever `write` returns; or as [`Out::create`] and [`Out::commit`].
pub(crate) fn write<T>(
    path: Option<&Path>,
    manner: Manner,
    write: impl FnOnce(&mut dyn Write) -> Result<T>,
) -> Result<T> {
    let mut out = Out::create(path.unwrap_or(Path::new("-")), manner)?;
    let done = write(&mut out)?;
    Out::commit(out)?;
    Ok(done)
}

/// Sees whether a file could be written, before long work is done for it.
///
/// # Errors
/// As [`Out::create`].
pub(crate) fn check(path: Option<&Path>, manner: Manner) -> Result<()> {
    match path.filter(|path| !is_stdout(path)) {
        Some(path) => Ok(NewFile::check(path, &manner.rules())?),
        None => check_stdout(manner.kind),
    }
}

/// The same for standard output.
fn check_stdout(kind: Kind) -> Result<()> {
    if kind.is_binary() && output::is_terminal() {
        let what = match kind {
            Kind::Png => "a PNG picture is",
            Kind::Parquet => "a Parquet table is",
            _ => "a record is",
        };
        bail!("{what} not for terminals: name a file with -o FILE, or send it into a file or pipe");
    }
    output::check_stdout()
}

/// Removes unfinished files when a signal ends the program, and lets a limit on file sizes come as an error.
pub(crate) fn clean_up_on_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ends = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|signal| !is_ignored(*signal));
        // Where signals cannot be caught, the next run removes what this one leaves.
        if let Ok(mut signals) = Signals::new(ends) {
            std::thread::spawn(move || {
                for signal in signals.forever() {
                    let _until_the_end = damo_format::remove_unfinished();
                    let _ = low_level::emulate_default_handler(signal);
                }
            });
        }
        let _ = flag::register(SIGXFSZ, std::sync::Arc::default());
    });
}
