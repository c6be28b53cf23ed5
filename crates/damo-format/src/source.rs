//! Where a reader gets bytes from: a file read at positions, or memory. Either way from several threads at once.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes by position.
pub(crate) enum Bytestore {
    File { file: File, len: u64 },
    Memory(Arc<[u8]>),
}

impl Bytestore {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Bytestore::File { len, .. } => *len,
            Bytestore::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Up to `len` bytes from `offset` on, fewer at the end, into `buffer`, which is overwritten.
    pub(crate) fn read(&self, offset: u64, len: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        let there = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
        match self {
            Bytestore::Memory(bytes) => {
                // `there` is 0 if the offset lies behind the end.
                let start = bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
                buffer.extend_from_slice(&bytes[start..start + there]);
            }
            Bytestore::File { file, .. } => {
                buffer.resize(there, 0);
                let mut done = 0;
                while done < there {
                    match file.read_at(&mut buffer[done..], offset + done as u64) {
                        Ok(0) => break,
                        Ok(n) => done += n,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
                // The file was cut since it was opened: as if it had been shorter all along.
                buffer.truncate(done);
            }
        }
        Ok(())
    }
}

/// Bytes from front to back.
pub(crate) struct Cursor<'a> {
    pub store: &'a Bytestore,
    pub at: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut bytes = Vec::new();
        self.store.read(self.at, buffer.len(), &mut bytes)?;
        // Never more than was asked for.
        if let Some(part) = buffer.get_mut(..bytes.len()) {
            part.copy_from_slice(&bytes);
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}
