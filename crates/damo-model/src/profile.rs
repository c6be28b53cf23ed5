//! CPU profiles: which code ran while memory was accessed.
//!
//! A profile is side data of its own. [`Stacks`] holds each call stack once, as nodes of a tree; [`Samples`] refer to
//! nodes by number. Addresses are those of the process (or of the kernel); [`CodeMappings`] tell which file is where, and
//! [`CodeMaps`] answers that question at a moment. Names are no part of a recording: [`Symbols`] are added to a record
//! by whoever has the files.

use crate::{Addr, Bytes, Nanos, Stamp};
use serde::{Deserialize, Serialize};

mod maps;

pub use maps::CodeMaps;

/// The process id under which [`CodeMappings`] tell of the kernel's code, which is the same in all processes.
pub const KERNEL_PID: i32 = -1;

/// The events that our recorder samples and our importer names, in the words of [`ProfileInfo::event`]: they say nothing of
/// who recorded.
pub const EVENTS: [&str; 10] = [
    "cycles",
    "cpu-clock",
    "mem-loads",
    "ibs_op",
    "instructions",
    "cache-misses",
    "task-clock",
    "page-faults",
    "mem",
    "an event of the processor",
];

/// What is mapped at an address that can be executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CodeKind {
    /// A file; if it was deleted, its name ends in ` (deleted)`.
    #[default]
    File,
    /// Memory without a file, into which code was written: by a just-in-time compiler.
    Anonymous,
    /// The code that the kernel maps into each process (`[vdso]`).
    Vdso,
    /// The kernel itself.
    Kernel,
    /// A module of the kernel.
    KernelModule,
}

impl CodeKind {
    /// What the name of a process's mapping, in `/proc/PID/maps` or of perf, stands for.
    pub fn of_mapping(name: &str) -> Self {
        // Memory that has a name because it is shared: compilers write code to it, and no file can be read.
        let is_memory =
            ["//", "/memfd:", "/dev/zero", "/SYSV", "/anon_hugepage"].iter().any(|known| name.starts_with(known));
        match name {
            "[vdso]" => CodeKind::Vdso,
            name if name.starts_with('/') && !is_memory => CodeKind::File,
            _ => CodeKind::Anonymous,
        }
    }
}

/// A mapping of memory that can be executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CodeMapping {
    /// Address of its first byte.
    pub start: Addr,
    /// One past the last byte.
    pub end: Addr,
    /// Offset in the file.
    pub offset: Bytes,
    /// What is mapped.
    pub kind: CodeKind,
    /// Path of the file, `[vdso]`, `[kernel.kallsyms]`, `[module]`; what perf says of anonymous memory, such as `//anon`.
    pub name: String,
    /// The build id of the file, which is that of its debug information as well; empty if it has none or it is unknown.
    pub build_id: Vec<u8>,
}

impl CodeMapping {
    /// The address that symbols of this mapping are looked up by: the offset in the file where there is a file or the
    /// vDSO, else the address itself. See [`Symbols`].
    pub fn symbol_address(&self, at: Addr) -> u64 {
        match self.kind {
            CodeKind::File | CodeKind::Vdso => at.0.wrapping_sub(self.start.0).wrapping_add(self.offset.0),
            CodeKind::Anonymous | CodeKind::Kernel | CodeKind::KernelModule => at.0,
        }
    }
}

/// What became of a process's earlier code mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CodeBase {
    /// They stay, except where new ones take their addresses.
    #[default]
    Kept,
    /// They are gone: the process began, or executed another program.
    Nothing,
    /// The process is a copy of this one (fork), and has what that one has at that moment.
    CopyOf(i32),
}

/// Code mappings of a process from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CodeMappings {
    /// From when on they are there.
    pub at: Stamp,
    /// The process; [`KERNEL_PID`] for the kernel.
    pub pid: i32,
    /// What they add to.
    pub base: CodeBase,
    /// The mappings, in the order in which they were made: a later one takes the place of an earlier one where they overlap.
    pub mappings: Vec<CodeMapping>,
}

/// What a node of a stack is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FrameKind {
    /// Code in user mode.
    #[default]
    User,
    /// Code in the kernel.
    Kernel,
    /// No code: frames are missing between this node's children and its parent, or there is no outermost frame, because
    /// the kernel reached the number of frames that it records. The address is 0.
    Cut,
}

/// A frame below (called by) another frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StackNode {
    /// Number of the caller's node in the same table, which is less than this node's; `None` for the outermost frame.
    pub parent: Option<u32>,
    /// The instruction that was executed, of a sample's own node and of the first user frame under kernel frames; of other
    /// frames the instruction that the call returns to.
    pub address: Addr,
    /// Which code it is an address of.
    pub kind: FrameKind,
}

/// Stacks that samples refer to: more nodes of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stacks {
    /// When they were first seen, at the earliest.
    pub at: Stamp,
    /// Which table: a random number. Parts of one recording may share tables, different recordings do not.
    pub table: u64,
    /// Number of the first of these nodes in the table. Nodes are numbered without gaps, in the order of the record.
    pub first: u32,
    /// Frames, each with the position of the frame that called it.
    pub nodes: Vec<StackNode>,
}

/// What samples are samples of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sampled {
    /// CPU time: where it went.
    #[default]
    Cpu,
    /// Accesses to memory that the processor sampled, with the address of the data.
    Access,
}

/// A thread that was sampled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SampledThread {
    /// Number of the process (thread group).
    pub pid: i32,
    /// Number of the thread.
    pub tid: i32,
    /// The thread's name; empty if unknown.
    pub comm: String,
}

/// One sample: when, which thread, and where in the code it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sample {
    /// When, in units of [`Samples::unit`] after [`Samples::at`].
    pub time: u32,
    /// Position in [`Samples::threads`].
    pub thread: u32,
    /// Number of the innermost frame's node in the table [`Samples::table`]; [`Sample::NO_STACK`] if there is no stack.
    pub stack: u32,
    /// How many events it stands for, relative to other samples of its kind: 1 where each stands for equally many.
    pub weight: u32,
}

impl Sample {
    /// The stack of a sample that has none.
    pub const NO_STACK: u32 = u32::MAX;

    /// When it was taken, of samples whose times begin at `from` in this unit.
    pub fn moment(&self, from: Nanos, unit: Nanos) -> Nanos {
        let offset = u64::from(self.time).saturating_mul(u64::try_from(unit.0).unwrap_or(0));
        from.saturating_add(Nanos(i64::try_from(offset).unwrap_or(i64::MAX)))
    }
}

/// Samples of some time, of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Samples {
    /// Where their times begin.
    pub at: Stamp,
    /// What they are samples of.
    pub sampled: Sampled,
    /// The table that their stacks are in.
    pub table: u64,
    /// The unit of their times. It is some fraction of the time between samples: finer times would be noise.
    pub unit: Nanos,
    /// The threads that they are of.
    pub threads: Vec<SampledThread>,
    /// The samples, by time, then by thread.
    pub samples: Vec<Sample>,
    /// Of each sample the address that was accessed; empty for samples of CPU time.
    pub addresses: Vec<Addr>,
}

impl Samples {
    /// The moment of a sample, given that of [`Samples::at`] on the clock that is wanted.
    pub fn time_of(&self, sample: &Sample, at: Nanos) -> Nanos {
        sample.moment(at, self.unit)
    }

    /// Leaves out samples, and threads of which none is left. `keep` is given the sample, its thread and the address of the
    /// data.
    pub fn retain(&mut self, mut keep: impl FnMut(&Sample, Option<&SampledThread>, Option<Addr>) -> bool) {
        let mut kept = Vec::with_capacity(self.samples.len());
        let mut addresses = Vec::new();
        for (i, sample) in self.samples.iter().enumerate() {
            let address = self.addresses.get(i).copied();
            if keep(sample, self.threads.get(sample.thread as usize), address) {
                kept.push(*sample);
                addresses.extend(address);
            }
        }
        let mut used = vec![false; self.threads.len()];
        for sample in &kept {
            if let Some(used) = used.get_mut(sample.thread as usize) {
                *used = true;
            }
        }
        // The position that each thread has when those without samples are gone.
        let mut next = 0;
        let positions: Vec<u32> = used.iter().map(|used| (next, next += u32::from(*used)).0).collect();
        for sample in &mut kept {
            sample.thread = positions.get(sample.thread as usize).copied().unwrap_or(sample.thread);
        }
        let mut used = used.into_iter();
        self.threads.retain(|_| used.next().unwrap_or(false));
        (self.samples, self.addresses) = (kept, addresses);
    }
}

/// What was sampled, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProfileInfo {
    /// When sampling began.
    pub at: Stamp,
    /// What the samples are of.
    pub sampled: Sampled,
    /// The event in perf's words: `cycles`, `cpu-clock`, `mem-loads`.
    pub event: String,
    /// Samples per second of CPU time that were asked for; 0 if the event was not sampled by time.
    pub frequency: u32,
    /// Why frames in the kernel are missing; empty if they are recorded.
    pub no_kernel: String,
    /// Why samples of memory accesses, with addresses, are missing; empty if they are recorded.
    pub no_addresses: String,
    /// A chain of more frames than this was cut by the kernel.
    pub max_frames: u32,
}

/// Samples that were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LostSamples {
    /// When it was noticed.
    pub at: Stamp,
    /// How many samples were lost.
    pub samples: u64,
    /// What dropped them: `ring`, because the perf ring was full. Other recorders may have other words.
    pub reason: String,
}

/// A file or other piece of code that has names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CodeModule {
    /// As [`CodeMapping::name`].
    pub name: String,
    /// As [`CodeMapping::build_id`].
    pub build_id: Vec<u8>,
    /// The process, if only its memory has this code (just-in-time compilers); else `None`.
    pub pid: Option<i32>,
}

/// One level of what an address stands for: the function that was called, or one that the compiler put into another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SymbolFrame {
    /// Its name, as a position in [`Symbols::texts`].
    pub function: u32,
    /// Source file, as a position in [`Symbols::texts`].
    pub file: Option<u32>,
    /// Line in that file, from 1.
    pub line: Option<u32>,
}

/// What one address stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SymbolAddress {
    /// See [`CodeMapping::symbol_address`].
    pub address: u64,
    /// Innermost first. All but the last are inlined into the one behind them.
    pub frames: Vec<SymbolFrame>,
}

/// Names of addresses in one module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Symbols {
    /// When they were looked up.
    pub at: Stamp,
    /// Where the addresses are.
    pub module: CodeModule,
    /// Names of functions and files.
    pub texts: Vec<String>,
    /// Sorted by address.
    pub addresses: Vec<SymbolAddress>,
}

impl Symbols {
    /// A text by its position; empty if there is no such position.
    pub fn text(&self, position: u32) -> &str {
        self.texts.get(position as usize).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_of_compilers_and_of_the_kernel_is_told_apart() {
        let kinds = ["/usr/bin/x", "/tmp/x (deleted)", "//anon", "", "[anon:jit]", "/memfd:jit (deleted)", "[vdso]"]
            .map(CodeKind::of_mapping);
        let (file, anonymous) = (CodeKind::File, CodeKind::Anonymous);
        assert_eq!(kinds, [file, file, anonymous, anonymous, anonymous, anonymous, CodeKind::Vdso]);
    }

    #[test]
    fn samples_that_are_left_out_take_their_threads_and_addresses_with_them() {
        let threads = [1, 2, 3].map(|tid| SampledThread { tid, ..SampledThread::default() }).to_vec();
        let sample = |time, thread| Sample { time, thread, stack: 0, weight: 1 };
        let mut samples = Samples {
            at: Stamp::default(),
            sampled: Sampled::Access,
            table: 0,
            unit: Nanos(1_000),
            threads,
            samples: vec![sample(1, 2), sample(2, 0), sample(3, 1), sample(4, 2)],
            addresses: [10, 20, 30, 40].map(Addr).to_vec(),
        };
        samples.retain(|sample, thread, address| {
            sample.time != 2 && thread.is_some_and(|thread| thread.tid > 1) && address != Some(Addr(40))
        });
        assert_eq!(samples.threads.iter().map(|thread| thread.tid).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(samples.samples, [sample(1, 1), sample(3, 0)]);
        assert_eq!(samples.addresses, [10, 30].map(Addr));
        assert_eq!(samples.time_of(&samples.samples[1], Nanos(500)), Nanos(3_500));
    }
}
