//! The records one after another, those inside compressed ones included.

use super::bytes::{Cursor, u32_at, u64_at};
use super::header::Header;
use crate::error::{FilePosition, ImportError};
use std::ops::Range;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

pub(super) const MMAP: u32 = 1;
pub(super) const LOST: u32 = 2;
pub(super) const COMM: u32 = 3;
pub(super) const FORK: u32 = 7;
pub(super) const SAMPLE: u32 = 9;
pub(super) const MMAP2: u32 = 10;
pub(super) const LOST_SAMPLES: u32 = 13;
pub(super) const HEADER_ATTR: u32 = 64;
pub(super) const HEADER_TRACING_DATA: u32 = 66;
pub(super) const FINISHED_ROUND: u32 = 68;
const AUXTRACE: u32 = 71;
pub(super) const HEADER_FEATURE: u32 = 80;
const COMPRESSED: u32 = 81;
const COMPRESSED2: u32 = 83;

/// How much is unpacked at a time. Records are at most 64 KiB long, so that one always fits.
const CHUNK: usize = 256 << 10;

/// One record of the file's data section.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    pub(super) kind: u32,
    /// With its header of 8 bytes.
    pub(super) bytes: &'a [u8],
    /// Where in the file it is, or the compressed record that it is in.
    pub(super) at: u64,
    /// Bytes that follow the record without counting for its length (tracing data).
    pub(super) trailer: Range<usize>,
}

pub(super) type Receive<'r> = dyn FnMut(&Record<'_>) -> Result<(), ImportError> + 'r;

/// Gives all records. Returns where it ended before the end of the data and why, if it did: nothing tells where the
/// next record begins after one whose length is wrong.
pub(super) fn each(
    bytes: &[u8],
    header: &Header,
    receive: &mut Receive<'_>,
) -> Result<Option<(FilePosition, String)>, ImportError> {
    let mut at = header.data.start;
    let data = &bytes[..header.data.end];
    let mut unpacker: Option<Unpacker> = None;
    while at < data.len() {
        let place = FilePosition::Byte(at as u64);
        let Some(record) = record_at(&data[at..]) else {
            return Ok(Some((place, "a record has an impossible length".to_owned())));
        };
        let kind = u32_at(record, 0).unwrap_or(0);
        let mut end = at + record.len();
        let trailer = match kind {
            HEADER_TRACING_DATA => u32_at(record, 8).map_or(0, u64::from),
            AUXTRACE => u64_at(record, 8).unwrap_or(0),
            _ => 0,
        };
        let trailer =
            usize::try_from(trailer).ok().and_then(|len| end.checked_add(len)).filter(|end| *end <= data.len());
        let Some(trailer) = trailer.map(|trailer| end..trailer) else {
            return Ok(Some((place, "data that belongs to a record reaches beyond the end".to_owned())));
        };
        end = trailer.end;
        let packed = match kind {
            COMPRESSED => record.get(8..),
            COMPRESSED2 => packed_with_length(record),
            _ => None,
        };
        match packed {
            Some(packed) => {
                let unpacker = match &mut unpacker {
                    Some(unpacker) => unpacker,
                    none => match Unpacker::new() {
                        Ok(new) => none.insert(new),
                        Err(error) => return Ok(Some((place, error.to_string()))),
                    },
                };
                if let Some(what) = unpacker.unpack(packed, at as u64, receive)? {
                    return Ok(Some((place, what)));
                }
            }
            None => receive(&Record { kind, bytes: record, at: at as u64, trailer })?,
        }
        at = end;
    }
    if unpacker.is_some_and(|unpacker| unpacker.filled > 0) {
        return Ok(Some((FilePosition::Byte(at as u64), "the compressed data end within a record".to_owned())));
    }
    let cut = header.is_cut.then(|| (FilePosition::Byte(at as u64), "the file ends before its data do".to_owned()));
    Ok(cut)
}

/// The record that `data` begins with.
fn record_at(data: &[u8]) -> Option<&[u8]> {
    let len = usize::from(u16::from_le_bytes(*data.get(6..)?.first_chunk()?));
    if len < 8 {
        return None;
    }
    data.get(..len)
}

fn packed_with_length(record: &[u8]) -> Option<&[u8]> {
    let mut body = Cursor(record.get(8..)?);
    let len = usize::try_from(body.u64()?).ok()?;
    body.take(len)
}

/// Unpacks compressed records, which together are one zstd stream; records may go on from one to the next.
struct Unpacker {
    zstd: Decoder<'static>,
    buffer: Vec<u8>,
    filled: usize,
}

impl Unpacker {
    fn new() -> std::io::Result<Self> {
        Ok(Self { zstd: Decoder::new()?, buffer: vec![0; CHUNK], filled: 0 })
    }

    fn unpack(&mut self, packed: &[u8], at: u64, receive: &mut Receive<'_>) -> Result<Option<String>, ImportError> {
        let mut input = InBuffer::around(packed);
        loop {
            let mut output = OutBuffer::around_pos(&mut self.buffer[..], self.filled);
            if let Err(error) = self.zstd.run(&mut input, &mut output) {
                return Ok(Some(format!("compressed data do not unpack: {error}")));
            }
            let was_full = output.pos() == output.capacity();
            self.filled = output.pos();
            let mut from = 0;
            while self.filled - from >= 8 {
                let Some(bytes) = record_at(&self.buffer[from..self.filled]) else {
                    let len = u16::from_le_bytes([self.buffer[from + 6], self.buffer[from + 7]]);
                    if len < 8 {
                        return Ok(Some("a compressed record has an impossible length".to_owned()));
                    }
                    break;
                };
                let kind = u32_at(bytes, 0).unwrap_or(0);
                receive(&Record { kind, bytes, at, trailer: 0..0 })?;
                from += bytes.len();
            }
            self.buffer.copy_within(from..self.filled, 0);
            self.filled -= from;
            if input.pos() == packed.len() && !was_full {
                return Ok(None);
            }
        }
    }
}
