//! What code is of, what is found of it, and why nothing is.

use std::fmt;
use std::path::PathBuf;

/// Where code comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleKind {
    /// An executable or a library: addresses are offsets in the file.
    #[default]
    File,
    /// The kernel and its modules: addresses are virtual addresses of the kernel.
    Kernel,
    /// The virtual library that the kernel maps into each process: addresses are offsets in its image.
    Vdso,
    /// Memory that a program filled with code while it ran: addresses are virtual addresses of the process.
    Jit,
}

/// An executable, a library, the kernel, or the compiled code of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Module {
    /// What addresses in it mean.
    pub kind: ModuleKind,
    /// Path of the file as the process saw it, without ` (deleted)`.
    pub path: String,
    /// The build id of the code that ran; empty if unknown.
    pub build_id: Vec<u8>,
    /// Processes that had it mapped, in whose file system or memory it may be found as long as they live.
    pub pids: Vec<i32>,
    /// Whether the file was deleted or replaced when it was mapped.
    pub is_deleted: bool,
}

impl Module {
    /// A file by its path as the kernel names it and its build id (empty if unknown).
    #[must_use]
    pub fn file(path: &str, build_id: &[u8]) -> Self {
        let stripped = path.strip_suffix(" (deleted)");
        Self {
            kind: ModuleKind::File,
            path: stripped.unwrap_or(path).to_owned(),
            build_id: build_id.to_vec(),
            pids: Vec::new(),
            is_deleted: stripped.is_some(),
        }
    }

    /// The last part of the path, as reports show it.
    pub fn short_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A function that code belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its name, demangled.
    pub function: String,
    /// Its source file; empty if unknown.
    pub file: String,
    /// The line in the source file; 0 if unknown.
    pub line: u32,
    /// Whether the compiler put the function's code into its caller, which is the next frame.
    pub is_inlined: bool,
}

/// What is known of a module's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// For each address that was asked for the functions that it lies in, the innermost first; empty if none is known. All
    /// but the last were inlined.
    pub frames: Vec<Vec<Frame>>,
    /// Why some or all addresses have no name.
    pub problem: Option<Problem>,
}

/// Why code has no names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such file here.
    #[error(
        "the file is not here; run `damo symbolize` on the machine where it was recorded, or name a copy of its files by --symfs"
    )]
    NotFound,
    /// The file is another one by now.
    #[error(
        "{} is another build by now: its build id is {}, and that of the code that ran is {}; \
         keep a copy of the file that ran, and name its directory by --symfs",
        path.display(), Hex(found), Hex(wanted)
    )]
    OtherBuild {
        /// Where a file was found.
        path: PathBuf,
        /// The file's build id.
        found: Vec<u8>,
        /// The build id that was recorded.
        wanted: Vec<u8>,
    },
    /// The file that ran was deleted or replaced, or it is another machine's, and nothing tells whether the one here is the
    /// same.
    #[error(
        "nothing tells whether {} is the file that ran: that one was deleted, replaced, or is another machine's, and has no \
         build id; name a copy of it by --symfs, or link programs with --build-id",
        path.display()
    )]
    Unproven {
        /// What is there now.
        path: PathBuf,
    },
    /// Neither file nor debug file has symbols for the addresses.
    #[error("{} has no symbols for some or all of its code (it is stripped); install its debug symbols, or build it without stripping", path.display())]
    Stripped {
        /// The file that lacks symbols.
        path: PathBuf,
    },
    /// The file cannot be read or is no ELF file.
    #[error("{} cannot be used: {why}", path.display())]
    Unreadable {
        /// The file that cannot be read.
        path: PathBuf,
        /// The reason that the system or the parser gave.
        why: String,
    },
    /// Kernel addresses are hidden.
    #[error("the kernel hides its addresses (kernel.kptr_restrict); run as root, or set it to 0 with sysctl")]
    KernelHidden,
    /// The machine was started again, which moves the kernel.
    #[error("the kernel of that time is gone: the recording is of another boot or another machine")]
    OtherBoot,
    /// No map of compiled code.
    #[error(
        "there is no map of code that was compiled while the program ran; let its runtime write one ({}), as \
         `node --perf-basic-prof` and `java -XX:+DumpPerfMapAtExit` do",
        path.display()
    )]
    NoPerfMap {
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// Bytes in hexadecimal, as `file` prints build ids.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("unknown");
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_files_keep_their_path() {
        let module = Module::file("/usr/bin/app (deleted)", &[1]);
        assert_eq!((module.path.as_str(), module.is_deleted, module.short_name()), ("/usr/bin/app", true, "app"));
        assert!(!Module::file("/usr/bin/app", &[]).is_deleted);
    }
}
