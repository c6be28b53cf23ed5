//! Where files are looked for.

use std::path::{Path, PathBuf};

/// Where files of modules, their debug files, and the kernel's symbols are looked for. The default is this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Directories that stand for the root directory of the machine that was recorded: its files are looked for below
    /// these first. Empty: only where they were.
    pub symfs: Vec<PathBuf>,
    /// Directories with debug files, by build id (`.build-id/ab/cdef.debug`) and by path.
    pub debug_dirs: Vec<PathBuf>,
    /// Where `/proc` is, for files of processes that still run, and maps of compiled code; `None` if what was recorded is of
    /// another machine, or of another boot of this one.
    pub proc: Option<PathBuf>,
    /// A file in the form of `/proc/kallsyms`; `None` for that of `proc`.
    pub kallsyms: Option<PathBuf>,
    /// The directory in which runtimes write their maps of compiled code, below the root of the process: `/tmp`.
    pub perf_maps: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            symfs: Vec::new(),
            debug_dirs: vec!["/usr/lib/debug".into()],
            proc: Some("/proc".into()),
            kallsyms: None,
            perf_maps: "/tmp".into(),
        }
    }
}

/// An absolute path below another directory.
pub(crate) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
