//! Walks over a record block by block, trusting nothing: finds every block that is whole, and says what lies between.

use crate::error::Damage;
use crate::layout::{BLOCK_HEADER_LEN, BLOCK_MAGIC, BlockHeader, FILE_HEADER_LEN, block_at, kind};
use crate::source::Bytestore;
use std::io;

/// A whole block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub offset: u64,
    pub header: BlockHeader,
}

/// What a walk found.
#[derive(Default)]
pub(crate) struct Walk {
    pub damage: Vec<Damage>,
    /// Whether the end block is there.
    pub finished: bool,
}

/// How much to read at once when looking for the next block.
const WINDOW: usize = 1 << 20;

/// Calls `block` with every whole block and its payload, in order.
pub(crate) fn walk(store: &Bytestore, mut block: impl FnMut(Found, &[u8])) -> io::Result<Walk> {
    let mut walk = Walk::default();
    let mut buffer = Vec::new();
    let mut offset = FILE_HEADER_LEN as u64;
    let len = store.len();
    let mut sequence = 0u32;
    // False block headers within damaged parts may each claim a long payload; this bounds what is read for them. When it
    // is used up, a header is taken at its word: the payload is stepped over although it is damaged.
    let mut patience = len.saturating_mul(4);
    while offset < len {
        let bad = match read_block(store, offset, &mut buffer)? {
            Ok(header) => {
                if header.sequence != sequence && walk.damage.last().is_none_or(|d| end(d) != offset) {
                    walk.damage.push(Damage::new(offset, 0, "blocks are missing before this one"));
                }
                sequence = header.sequence.wrapping_add(1);
                walk.finished |= header.kind == kind::END;
                block(Found { offset, header }, &buffer);
                patience = patience.saturating_sub(header.total_len());
                offset += header.total_len();
                continue;
            }
            Err(bad) => bad,
        };
        let claimed = bad.header.map(|header| header.total_len());
        patience = patience.saturating_sub(claimed.unwrap_or(0));
        let next = match claimed {
            Some(claimed) if patience == 0 => (offset + claimed).min(len),
            _ => find_block(store, offset + 1, &mut buffer)?.unwrap_or(len),
        };
        walk.damage.push(Damage::new(offset, next - offset, bad.why));
        offset = next;
    }
    merge(&mut walk.damage);
    Ok(walk)
}

fn end(damage: &Damage) -> u64 {
    damage.offset.0 + damage.length.0
}

/// Neighbouring pieces of damage read better as one.
fn merge(damage: &mut Vec<Damage>) {
    damage.dedup_by(|next, kept| {
        let touches = end(kept) == next.offset.0 && next.length.0 > 0;
        if touches {
            kept.length.0 += next.length.0;
        }
        touches
    });
}

/// Offset of the next block header with a right checksum, from `from` on.
fn find_block(store: &Bytestore, from: u64, buffer: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let mut base = from;
    loop {
        store.read(base, WINDOW, buffer)?;
        if let Some(at) = find_header(buffer) {
            return Ok(Some(base + at as u64));
        }
        if buffer.len() < WINDOW {
            return Ok(None);
        }
        // A header may begin in the last bytes of this window.
        base += (buffer.len() - BLOCK_HEADER_LEN + 1) as u64;
    }
}

/// Position of the first block header with a right checksum.
pub(crate) fn find_header(bytes: &[u8]) -> Option<usize> {
    let starts = bytes.windows(BLOCK_MAGIC.len()).enumerate().filter(|(_, window)| *window == BLOCK_MAGIC);
    starts.map(|(at, _)| at).find(|&at| block_at(&bytes[at..]).is_some())
}

/// A block that does not read.
pub(crate) struct BadBlock {
    /// Its header, if that is sound and only the payload is not.
    pub header: Option<BlockHeader>,
    pub why: &'static str,
}

/// Reads one block whose place is known: its header and, in `buffer`, its payload.
pub(crate) fn read_block(
    store: &Bytestore,
    offset: u64,
    buffer: &mut Vec<u8>,
) -> io::Result<Result<BlockHeader, BadBlock>> {
    let bad = |header, why| Ok(Err(BadBlock { header, why }));
    store.read(offset, BLOCK_HEADER_LEN, buffer)?;
    let header = match buffer.first_chunk().map(BlockHeader::parse) {
        None => return bad(None, "the file ends within a block's header"),
        Some(Err(unsound)) => return bad(None, unsound.why()),
        Some(Ok(header)) => header,
    };
    store.read(offset + BLOCK_HEADER_LEN as u64, header.stored_len as usize, buffer)?;
    if buffer.len() < header.stored_len as usize {
        bad(Some(header), "the file ends within a block")
    } else if crc32fast::hash(buffer) != header.payload_crc {
        bad(Some(header), "the checksum of a block's payload is wrong")
    } else {
        Ok(Ok(header))
    }
}
