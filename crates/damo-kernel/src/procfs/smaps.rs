//! `/proc/PID/smaps` and `/proc/PID/clear_refs`: how much of each mapping was referenced since that was last reset.

use super::{Procfs, parse};
use crate::error::{Error, Result};
use damo_model::{AddrRange, Bytes};
use std::io;

/// Addresses from here on are the kernel's; smaps shows its vsyscall page.
const KERNEL_HALF: u64 = 1 << 63;
/// Resets the referenced bits of all pages of a process.
const CLEAR_ALL: &str = "1";

/// How one mapping of a process was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingUse {
    /// Its addresses.
    pub range: AddrRange,
    /// How much of it is in memory.
    pub resident: Bytes,
    /// How much of it was referenced since [`Procfs::clear_referenced`].
    pub referenced: Bytes,
}

impl Procfs {
    /// Lets the pages of a process count as not referenced.
    ///
    /// # Errors
    /// If there is no such process, or it belongs to somebody else.
    pub fn clear_referenced(&self, pid: i32) -> Result<()> {
        let rel = format!("proc/{pid}/clear_refs");
        self.root.io().write(&rel, CLEAR_ALL).map_err(|source| Error::Write {
            path: self.root.shown(&rel),
            value: CLEAR_ALL.to_owned(),
            remedy: forbidden(pid, &source),
            source,
        })
    }

    /// How much of each mapping was referenced, sorted by address. The kernel walks the page tables for it: about 30 ms per
    /// GiB of resident memory.
    ///
    /// # Errors
    /// If there is no such process, it belongs to somebody else, or the kernel does not count references.
    pub fn mapping_use(&self, pid: i32) -> Result<Vec<MappingUse>> {
        let rel = format!("proc/{pid}/smaps");
        let bytes = self.root.io().read(&rel).map_err(|source| Error::Read {
            path: self.root.shown(&rel),
            remedy: forbidden(pid, &source),
            source,
        })?;
        mapping_use(&bytes).ok_or_else(|| self.nonsense(&rel, "mappings with lines `Referenced:`", &bytes))
    }
}

/// What to do where a process may not be looked into.
fn forbidden(pid: i32, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "Process {pid} belongs to another user, or protects itself: run it as that user or as root (/proc mounted with \
             hidepid, and kernel.yama.ptrace_scope, can forbid it, too)"
        ),
        _ => String::new(),
    }
}

/// The mappings of a smaps text; `None` if one of them does not say how much was referenced.
fn mapping_use(bytes: &[u8]) -> Option<Vec<MappingUse>> {
    let mut found: Vec<MappingUse> = Vec::new();
    let mut knows_all = true;
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(mapping) = parse::maps_line(line) {
            let range = AddrRange::new(mapping.start, mapping.end);
            found.push(MappingUse { range, resident: Bytes(0), referenced: Bytes(u64::MAX) });
            continue;
        }
        let Some(of) = found.last_mut() else { continue };
        match std::str::from_utf8(line).ok().and_then(parse::kb_line) {
            Some(("Rss", size)) => of.resident = size,
            Some(("Referenced", size)) => of.referenced = size,
            _ => {}
        }
    }
    for mapping in &mut found {
        knows_all &= mapping.referenced != Bytes(u64::MAX);
        mapping.referenced = mapping.referenced.min(mapping.range.size());
    }
    found.retain(|mapping| mapping.range.start.0 < KERNEL_HALF && mapping.range.size().0 > 0);
    knows_all.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;
    use damo_model::Addr;
    use proptest::prelude::*;

    const TEXT: &str = "\
55aa0000-55aa3000 rw-p 00000000 00:00 0                                  [heap]
Size:                 12 kB
Rss:                   8 kB
Referenced:            4 kB
VmFlags: rd wr mr
7f000000-7f001000 r--s 00001000 fe:00 12         /a file: with Referenced: 9 kB
Size:                  4 kB
Rss:                   4 kB
Referenced:            4 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
Rss:                   0 kB
Referenced:            0 kB
";

    #[test]
    fn each_mapping_has_what_was_referenced_and_the_kernels_own_page_is_left_out() {
        let found = mapping_use(TEXT.as_bytes()).unwrap();
        let range = |start, end| AddrRange::new(Addr(start), Addr(end));
        let wanted = |range, resident, referenced| MappingUse {
            range,
            resident: Bytes(resident),
            referenced: Bytes(referenced),
        };
        let heap = wanted(range(0x55aa_0000, 0x55aa_3000), 8192, 4096);
        assert_eq!(found, [heap, wanted(range(0x7f00_0000, 0x7f00_1000), 4096, 4096)]);
    }

    #[test]
    fn a_kernel_that_does_not_count_references_is_told_from_one_that_saw_none() {
        assert_eq!(mapping_use(b"1000-2000 r--p 0 00:00 0 x\nRss: 4 kB\n"), None);
        assert_eq!(mapping_use(b""), Some(Vec::new()));
    }

    #[test]
    fn this_process_sees_its_own_pages_referenced() {
        let procfs = Procfs::new(&Root::host());
        let me = std::process::id() as i32;
        let size = 16 << 20;
        let mut memory = vec![1u8; size];
        let of = |memory: &[u8]| {
            let address = memory.as_ptr() as u64 + size as u64 / 2;
            let found = procfs.mapping_use(me).unwrap();
            found.into_iter().find(|of| of.range.start.0 <= address && address < of.range.end.0).unwrap()
        };
        procfs.clear_referenced(me).unwrap();
        let before = of(&memory).referenced.0;
        memory.iter_mut().step_by(1024).for_each(|byte| *byte = byte.wrapping_add(1));
        let after = of(&memory).referenced.0;
        assert!(before < 4 << 20 && after >= size as u64 - (1 << 20), "{before} {after}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = mapping_use(&bytes);
        }

        #[test]
        fn a_damaged_text_still_gives_sizes_within_their_mappings(at in 0..TEXT.len(), byte in any::<u8>()) {
            let mut bytes = TEXT.as_bytes().to_vec();
            bytes[at] = byte;
            for of in mapping_use(&bytes).unwrap_or_default() {
                prop_assert!(of.referenced <= of.range.size());
            }
        }
    }
}
