//! Which code is where in the processes that are sampled: read once when a process is met, and told by the kernel after that.

use damo_kernel::Root;
use damo_kernel::procfs::Procfs;
use damo_kernel::sampling::{Mmap, build_id};
use damo_model::profile::{CodeBase, CodeKind, CodeMapping, CodeMappings, KERNEL_PID};
use damo_model::{Addr, Mapping, Nanos, Stamp};
use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;

/// Bytes of `/proc/kallsyms` in which the beginning of the kernel's text is looked for.
const MOST_SYMBOLS: u64 = 1 << 20;

/// Reads and keeps account of mappings that can be executed.
pub(super) struct Code {
    root: Root,
    procfs: Procfs,
    /// Processes whose mappings are in the record.
    known: HashSet<i32>,
    waiting: Vec<CodeMappings>,
}

impl Code {
    pub(super) fn new(root: &Root) -> Self {
        Self { root: root.clone(), procfs: Procfs::new(root), known: HashSet::new(), waiting: Vec::new() }
    }

    /// What became known since the last call.
    pub(super) fn take(&mut self) -> Vec<CodeMappings> {
        std::mem::take(&mut self.waiting)
    }

    /// Tells of the kernel's code: its build id, and as the offset where its text begins, if we may know.
    pub(super) fn kernel(&mut self, at: Nanos) {
        let real = |rel: &str| self.root.io().real(rel);
        let build_id = real("sys/kernel/notes").and_then(|path| build_id::of_notes(&path)).unwrap_or_default();
        let text = real("proc/kallsyms").and_then(|path| text_address(&path)).unwrap_or_default();
        let mapping = CodeMapping {
            start: Addr(1 << 63),
            end: Addr(u64::MAX),
            offset: damo_model::Bytes(text),
            kind: CodeKind::Kernel,
            name: "[kernel.kallsyms]".to_owned(),
            build_id,
        };
        self.tell(at, KERNEL_PID, CodeBase::Nothing, vec![mapping]);
    }

    /// Reads what a process has mapped, unless it is known.
    pub(super) fn meet(&mut self, pid: i32, at: Nanos) {
        if !self.known.contains(&pid) {
            self.read(pid, at, CodeBase::Nothing);
        }
    }

    /// Reads all that a process has mapped. What the kernel does not tell of, the vDSO of a program that was just executed,
    /// becomes known in this way.
    pub(super) fn read(&mut self, pid: i32, at: Nanos, base: CodeBase) {
        // It may be gone.
        let Ok(mappings) = self.procfs.maps(pid) else { return };
        let code = mappings.into_iter().filter(|mapping| mapping.perms.contains('x') && mapping.name != "[vsyscall]");
        let code: Vec<CodeMapping> = code.map(|mapping| self.mapping(pid, mapping)).collect();
        if !code.is_empty() {
            self.known.insert(pid);
            self.tell(at, pid, base, code);
        }
    }

    fn mapping(&self, pid: i32, mapping: Mapping) -> CodeMapping {
        let Mapping { start, end, offset, name, .. } = mapping;
        let kind = kind(&name);
        let build_id = self.build_id(pid, kind, &name, start, end);
        let name = if name.is_empty() { "//anon".to_owned() } else { name };
        CodeMapping { start, end, offset, kind, name, build_id }
    }

    /// A process mapped code.
    pub(super) fn mapped(&mut self, mmap: Mmap) {
        let Mmap { time, pid, start, size, offset, name, build_id } = mmap;
        // Of a process that is not known all is read when it is met.
        if !self.known.contains(&pid) {
            return;
        }
        let end = Addr(start.0.saturating_add(size.0));
        let kind = kind(&name);
        let build_id = if build_id.is_empty() { self.build_id(pid, kind, &name, start, end) } else { build_id };
        let mapping = CodeMapping { start, end, offset, kind, name, build_id };
        match self.waiting.last_mut() {
            // A program's beginning maps much at once, of which each piece need not have a moment of its own.
            Some(last) if last.pid == pid => last.mappings.push(mapping),
            _ => self.tell(time, pid, CodeBase::Kept, vec![mapping]),
        }
    }

    /// A process was created by another one, of which it is a copy.
    pub(super) fn forked(&mut self, time: Nanos, pid: i32, parent: i32) {
        if self.known.contains(&parent) {
            self.known.insert(pid);
            self.tell(time, pid, CodeBase::CopyOf(parent), Vec::new());
        }
    }

    /// A process executed a program: what it had is gone.
    pub(super) fn executed(&mut self, time: Nanos, pid: i32) {
        self.known.insert(pid);
        self.tell(time, pid, CodeBase::Nothing, Vec::new());
    }

    /// A process is gone, and its id may become another one's.
    pub(super) fn ended(&mut self, pid: i32) {
        self.known.remove(&pid);
    }

    fn tell(&mut self, at: Nanos, pid: i32, base: CodeBase, mappings: Vec<CodeMapping>) {
        self.waiting.push(CodeMappings { at: Stamp::Record(at), pid, base, mappings });
    }

    /// The build id of a file that is mapped: by its name as the process sees it, or, if it was deleted, through the mapping.
    fn build_id(&self, pid: i32, kind: CodeKind, name: &str, start: Addr, end: Addr) -> Vec<u8> {
        if kind != CodeKind::File {
            return Vec::new();
        }
        let rel = match name.ends_with(" (deleted)") {
            true => format!("proc/{pid}/map_files/{:x}-{:x}", start.0, end.0),
            false => format!("proc/{pid}/root{name}"),
        };
        self.root.io().real(&rel).and_then(|path| build_id::of_file(&path)).unwrap_or_default()
    }
}

/// What a name in `/proc/PID/maps` or of perf stands for.
fn kind(name: &str) -> CodeKind {
    // Memory that has a name because it is shared: compilers write code to it, and no file can be read.
    let is_memory =
        ["//", "/memfd:", "/dev/zero", "/SYSV", "/anon_hugepage"].iter().any(|known| name.starts_with(known));
    match name {
        "[vdso]" => CodeKind::Vdso,
        name if name.starts_with('/') && !is_memory => CodeKind::File,
        _ => CodeKind::Anonymous,
    }
}

/// The address of `_text`, which is among the first symbols; `None` if they are hidden.
fn text_address(kallsyms: &PathBuf) -> Option<u64> {
    let mut text = String::new();
    std::fs::File::open(kallsyms).ok()?.take(MOST_SYMBOLS).read_to_string(&mut text).ok()?;
    let line = text.lines().find(|line| line.ends_with(" _text"))?;
    u64::from_str_radix(line.split(' ').next()?, 16).ok().filter(|address| *address != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Bytes;

    #[test]
    fn code_of_files_of_compilers_and_of_the_kernel_is_told_apart() {
        let kinds =
            ["/usr/bin/x", "/tmp/x (deleted)", "//anon", "", "[anon:jit]", "/memfd:jit (deleted)", "[vdso]"].map(kind);
        let (file, anonymous) = (CodeKind::File, CodeKind::Anonymous);
        assert_eq!(kinds, [file, file, anonymous, anonymous, anonymous, anonymous, CodeKind::Vdso]);
    }

    #[test]
    fn a_process_is_read_when_it_is_met_and_followed_from_then_on() {
        let me = std::process::id().cast_signed();
        let mut code = Code::new(&Root::host());
        let mmap = |pid, start| Mmap {
            time: Nanos(5),
            pid,
            start: Addr(start),
            size: Bytes(4096),
            name: "/none".into(),
            ..Mmap::default()
        };
        code.mapped(mmap(me, 4096));
        assert_eq!(code.take(), [], "it is not known yet");
        code.meet(me, Nanos(1));
        code.meet(me, Nanos(2));
        code.mapped(mmap(me, 8192));
        code.forked(Nanos(6), 99_999_999, me);
        code.forked(Nanos(6), 99_999_998, 99_999_997);
        code.executed(Nanos(7), 99_999_999);
        code.mapped(mmap(99_999_999, 8192));
        let told = code.take();
        let shape: Vec<_> = told.iter().map(|entry| (entry.pid, entry.base)).collect();
        let (nothing, copy) = (CodeBase::Nothing, CodeBase::CopyOf(me));
        assert_eq!(shape, [(me, nothing), (99_999_999, copy), (99_999_999, nothing)]);
        let exe = std::env::current_exe().unwrap();
        let own = told[0].mappings.iter().find(|mapping| exe.as_os_str() == mapping.name.as_str()).unwrap();
        assert_eq!(Some(own.build_id.clone()).filter(|id| !id.is_empty()), build_id::of_file(&exe));
        assert!(told[0].mappings.iter().any(|mapping| mapping.start == Addr(8192)), "mapped at once afterwards");
        assert_eq!(told[2].mappings.len(), 1);
    }
}
