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
const VDSO: &str = "[vdso]";

/// Reads and keeps account of mappings that can be executed.
pub(super) struct Code {
    root: Root,
    procfs: Procfs,
    /// Processes that were met: what can be known of their mappings is in the record.
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

    /// Reads what a process has mapped, unless it was met before: also one that is gone, and a thread of the kernel, which has
    /// nothing, are looked at once and not for each sample.
    pub(super) fn meet(&mut self, pid: i32, at: Nanos) {
        if self.known.insert(pid) {
            self.read(pid, at, CodeBase::Nothing, |_| true);
        }
    }

    /// Reads where a program that was just executed has its vDSO, the only code that the kernel does not tell of.
    pub(super) fn meet_vdso(&mut self, pid: i32, at: Nanos) {
        self.read(pid, at, CodeBase::Kept, |mapping| mapping.name == VDSO);
    }

    fn read(&mut self, pid: i32, at: Nanos, base: CodeBase, wants: fn(&Mapping) -> bool) {
        // It may be gone.
        let Ok(mappings) = self.procfs.maps(pid) else { return };
        let is_code = |mapping: &Mapping| mapping.perms.contains('x') && mapping.name != "[vsyscall]";
        let code = mappings.into_iter().filter(|mapping| is_code(mapping) && wants(mapping));
        let code: Vec<CodeMapping> = code.map(|mapping| self.mapping(pid, mapping)).collect();
        if !code.is_empty() {
            self.tell(at, pid, base, code);
        }
    }

    fn mapping(&self, pid: i32, mapping: Mapping) -> CodeMapping {
        let Mapping { start, end, offset, name, .. } = mapping;
        let kind = CodeKind::of_mapping(&name);
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
        let kind = CodeKind::of_mapping(&name);
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
    use damo_kernel::sysfs::MemorySysfs;
    use damo_model::Bytes;
    use std::sync::Arc;

    #[test]
    fn a_process_without_code_is_looked_at_once() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        let mut code = Code::new(&Root::with_io(fake.clone()));
        code.meet(7, Nanos(1));
        fake.put("proc/7/maps", "1000-3000 r-xp 00000000 00:00 0 /bin/x\n");
        code.meet(7, Nanos(2));
        assert_eq!(code.take(), []);
        code.ended(7);
        code.meet(7, Nanos(3));
        assert_eq!(code.take().len(), 1, "another one that has its number");
    }

    #[test]
    fn of_an_executed_program_only_the_vdso_is_read() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        fake.put(
            "proc/7/maps",
            "1000-3000 r-xp 00000000 00:00 0 /bin/x\n7000-8000 r-xp 00000000 00:00 0 [vdso]\n\
             9000-a000 --xp 00000000 00:00 0 [vsyscall]\n",
        );
        let mut code = Code::new(&Root::with_io(fake));
        code.meet_vdso(7, Nanos(1));
        let told: Vec<_> = code.take().into_iter().flat_map(|told| told.mappings).map(|told| told.name).collect();
        assert_eq!(told, ["[vdso]"]);
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
