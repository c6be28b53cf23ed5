//! Build ids of files that are mapped: what tells two builds of a program apart, and finds the debug information of one.

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Program headers and notes stand at the beginning of a file; more of it is not read for them.
const MOST_HEADERS: usize = 64 << 10;
const MOST_NOTES: usize = 64 << 10;
const PT_NOTE: u32 = 4;
const NT_GNU_BUILD_ID: u32 = 3;
/// No linker makes longer ones; the kernel knows 20 bytes.
const MOST_BYTES: usize = 64;

/// The build id of an ELF file; `None` if it has none or is not such a file. Opens nothing but regular files.
pub fn of_file(path: &Path) -> Option<Vec<u8>> {
    // To open a device may already do something.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = open_regular(path)?;
    of_elf(&|offset, bytes| file.read_at(bytes, offset).ok())
}

/// Opens a regular file, and never waits: the monitored process can have put a FIFO in its place since it was looked at.
fn open_regular(path: &Path) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}

/// The build id of the running kernel, from `/sys/kernel/notes` at this path.
pub fn of_notes(path: &Path) -> Option<Vec<u8>> {
    let mut notes = Vec::new();
    File::open(path).ok()?.take(MOST_NOTES as u64).read_to_end(&mut notes).ok()?;
    find(&notes, cfg!(target_endian = "little"))
}

/// Reads an ELF file of either class and byte order through `read`, which reads at an offset.
fn of_elf(read: &dyn Fn(u64, &mut [u8]) -> Option<usize>) -> Option<Vec<u8>> {
    let get = |offset: u64, len: usize| {
        let mut bytes = vec![0; len];
        let n = read(offset, &mut bytes)?;
        bytes.truncate(n);
        Some(bytes)
    };
    let head = get(0, 64)?;
    let [0x7f, b'E', b'L', b'F', class, order, ..] = *head.as_slice() else { return None };
    let word = Numbers { little: order == 1 };
    let wide = class == 2;
    // e_phoff, e_phentsize, e_phnum
    let (table, size, count) = match wide {
        true => (word.u64(&head, 32)?, word.u16(&head, 54)?, word.u16(&head, 56)?),
        false => (word.u32(&head, 28)?.into(), word.u16(&head, 42)?, word.u16(&head, 44)?),
    };
    let headers = get(table, (usize::from(size) * usize::from(count)).min(MOST_HEADERS))?;
    for header in headers.chunks_exact(usize::from(size).max(1)) {
        if word.u32(header, 0)? != PT_NOTE {
            continue;
        }
        let (offset, length) = match wide {
            true => (word.u64(header, 8)?, word.u64(header, 32)?),
            false => (word.u32(header, 4)?.into(), word.u32(header, 16)?.into()),
        };
        let notes = get(offset, usize::try_from(length).ok()?.min(MOST_NOTES))?;
        if let Some(found) = find(&notes, word.little) {
            return Some(found);
        }
    }
    None
}

/// The build id among notes.
fn find(notes: &[u8], little: bool) -> Option<Vec<u8>> {
    let word = Numbers { little };
    let mut rest = notes;
    loop {
        let name_len = usize::try_from(word.u32(rest, 0)?).ok()?;
        let len = usize::try_from(word.u32(rest, 4)?).ok()?;
        let kind = word.u32(rest, 8)?;
        let name = rest.get(12..)?.get(..name_len)?;
        let at = 12usize.checked_add(name_len.checked_next_multiple_of(4)?)?;
        let id = rest.get(at..)?.get(..len)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" && !id.is_empty() && len <= MOST_BYTES {
            return Some(id.to_vec());
        }
        rest = rest.get(at..)?.get(len.checked_next_multiple_of(4)?..)?;
    }
}

/// Numbers in a byte order.
struct Numbers {
    little: bool,
}

impl Numbers {
    fn u16(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(word) } else { u16::from_be_bytes(word) })
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) })
    }

    fn u64(&self, bytes: &[u8], at: usize) -> Option<u64> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(if self.little { u64::from_le_bytes(word) } else { u64::from_be_bytes(word) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_bytes(elf: &[u8]) -> Option<Vec<u8>> {
        of_elf(&|offset, bytes| {
            let from = elf.get(usize::try_from(offset).ok()?..).unwrap_or_default();
            let n = from.len().min(bytes.len());
            bytes[..n].copy_from_slice(&from[..n]);
            Some(n)
        })
    }

    fn note(kind: u32, name: &[u8], id: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [name.len() as u32, id.len() as u32, kind] {
            out.extend(word.to_le_bytes());
        }
        out.extend(name);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(id);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn the_build_id_is_found_among_other_notes() {
        let notes = [note(1, b"GNU\0", &[0; 16]), note(3, b"Go\0\0", &[9; 5]), note(3, b"GNU\0", &[7, 8, 9])].concat();
        assert_eq!(find(&notes, true), Some(vec![7, 8, 9]));
        assert_eq!(find(&notes[..notes.len() - 2], true), None);
        assert_eq!(find(&note(3, b"Go\0\0", &[9; 5]), true), None);
    }

    #[test]
    fn this_program_has_the_build_id_that_its_own_notes_say_or_none() {
        let me = std::env::current_exe().expect("known");
        // Linkers may be told to make none; then there must be no other answer.
        let text = std::process::Command::new("readelf").arg("-n").arg(&me).output();
        let Some(text) = text.ok().filter(|output| output.status.success()) else { return };
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        let told = text.lines().find_map(|line| line.trim().strip_prefix("Build ID: ").map(str::to_owned));
        let found = of_file(&me).map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(found, told);
    }

    #[test]
    fn a_fifo_that_takes_the_place_of_a_file_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR).expect("a FIFO");
        assert!(open_regular(&path).is_none());
        std::fs::write(dir.path().join("file"), "").expect("a file");
        assert!(open_regular(&dir.path().join("file")).is_some());
    }

    #[test]
    fn what_is_no_elf_file_has_no_build_id() {
        assert_eq!(of_bytes(b"#!/bin/sh\n"), None);
        assert_eq!(of_file(Path::new("/proc")), None);
        assert_eq!(of_file(Path::new("/dev/zero")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_build_id_or_none(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), class in 0u8..4) {
            let elf = [0x7f, b'E', b'L', b'F', class, 1];
            for (byte, wanted) in bytes.iter_mut().zip(elf) {
                *byte = wanted;
            }
            let _ = of_bytes(&bytes);
            let _ = find(&bytes, true);
        }
    }
}
