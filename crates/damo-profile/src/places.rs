//! Where files are looked for.

use std::path::{Path, PathBuf};

/// Which files of this machine may be those that ran, at their own paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnFiles {
    /// All that are not known to be another build: this machine was recorded.
    #[default]
    All,
    /// Those whose build id is that of the code that ran: another machine was recorded.
    WithBuildId,
    /// No file here is looked at: only copies below other directories.
    None,
}

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
    /// Which files at their own paths are looked at.
    pub own_files: OwnFiles,
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
            own_files: OwnFiles::All,
            kallsyms: None,
            perf_maps: "/tmp".into(),
        }
    }
}

impl Places {
    /// Directories that stand for the root directory of what was recorded, in which a file is looked for that belongs to one
    /// found below `found`: there, in copies, and on this machine if it is the one that was recorded.
    pub(crate) fn roots<'p>(&'p self, found: &'p Path) -> impl Iterator<Item = &'p Path> {
        let here = (self.own_files != OwnFiles::None).then_some(Path::new("/"));
        std::iter::once(found).chain(self.symfs.iter().map(PathBuf::as_path)).chain(here)
    }
}

/// An absolute path below another directory.
pub(crate) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
