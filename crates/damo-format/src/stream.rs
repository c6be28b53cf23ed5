//! Reads a record from front to back, item by item: from a pipe, or from a file that still grows.
//!
//! The end of the input is not the end of the record: as long as the end block has not come, more may be
//! written, and asking again later goes on where the input stopped.

use crate::error::{Damage, Fault, ReadError};
use crate::layout::{BLOCK_HEADER_LEN, BLOCK_MAGIC, BlockHeader, FILE_HEADER_LEN, FileHeader, codec, kind};
use crate::other_blocks::OtherBlocks;
use crate::reader::{check_header, passing_side_limit};
use crate::scan::find_header;
use crate::select::Detail;
use damo_model::{Batch, Bytes, Item};
use std::collections::VecDeque;
use std::io::Read;

/// Gives a record's items in order.
pub struct StreamReader<R> {
    input: R,
    /// Bytes read and not yet used; the first is at `offset` of the stream.
    buffer: Vec<u8>,
    offset: u64,
    header_seen: bool,
    finished: bool,
    sequence: u32,
    snapshots: u64,
    lost_snapshots: u64,
    items: VecDeque<Item>,
    damage: Vec<Damage>,
    others: OtherBlocks,
    /// Length of the whole input in bytes, if known, else 0.
    length: u64,
    /// Bytes of payloads that turned out to be damaged, some of them counted often.
    wasted: u64,
}

impl<R: Read> StreamReader<R> {
    /// Reads from `input`; nothing is read yet.
    ///
    /// # Errors
    /// If zstd cannot be set up.
    pub fn new(input: R) -> Result<Self, ReadError> {
        Ok(StreamReader {
            input,
            buffer: Vec::new(),
            offset: 0,
            header_seen: false,
            finished: false,
            sequence: 0,
            snapshots: 0,
            lost_snapshots: 0,
            items: VecDeque::new(),
            damage: Vec::new(),
            others: OtherBlocks::new()?,
            length: 0,
            wasted: 0,
        })
    }

    /// Tells the length of the whole input. A block of side data is taken for damage where the side data up to it would
    /// take much more memory than the input's length allows; without this, the length up to that block counts.
    #[must_use]
    pub fn with_length(mut self, length: Bytes) -> Self {
        self.length = length.0;
        self
    }

    /// The next item; `None` when the input has no more whole block at present. Damaged parts are stepped over.
    ///
    /// # Errors
    /// If the input fails, is no record, or has a later major version.
    pub fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some(item));
            }
            if !self.step()? {
                return Ok(None);
            }
        }
    }

    /// Whether the end of the record has been reached: nothing more will come.
    pub fn is_finished(&self) -> bool {
        self.finished && self.items.is_empty()
    }

    /// What could not be read so far.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What was left out because only later versions know it.
    pub fn notes(&self) -> &[String] {
        &self.others.notes
    }

    /// How many snapshots were in blocks that are missing, as far as the blocks after them tell.
    pub fn lost_snapshots(&self) -> u64 {
        self.lost_snapshots
    }

    /// How many bytes at the end of the input are part of a block that is not complete (yet).
    pub fn pending(&self) -> Bytes {
        Bytes(self.buffer.len() as u64)
    }

    /// Where in the stream those begin.
    pub fn position(&self) -> Bytes {
        Bytes(self.offset)
    }

    /// Reads until `len` bytes are there; whether they are.
    fn fill(&mut self, len: usize) -> Result<bool, ReadError> {
        let missing = len.saturating_sub(self.buffer.len());
        if missing > 0 {
            // Grows as bytes arrive, not by what a header claims.
            let read = self.input.by_ref().take(missing as u64).read_to_end(&mut self.buffer);
            read.map_err(|source| ReadError::Io { what: "read the stream".into(), source })?;
        }
        Ok(self.buffer.len() >= len)
    }

    fn skip(&mut self, len: usize) {
        let len = len.min(self.buffer.len());
        self.buffer.drain(..len);
        self.offset += len as u64;
    }

    /// Takes one block, or one stretch of damage; false if the input has no more.
    fn step(&mut self) -> Result<bool, ReadError> {
        if !self.header_seen {
            if !self.fill(FILE_HEADER_LEN + BLOCK_HEADER_LEN)? && self.buffer.len() < FILE_HEADER_LEN {
                return check_header(&self.buffer).map(|_| false);
            }
            match check_header(&self.buffer)? {
                FileHeader::Good { minor, .. } => self.others.is_of(minor),
                _ => self.damage.push(Damage::new(0, FILE_HEADER_LEN as u64, "the file's header is damaged")),
            }
            self.header_seen = true;
            self.skip(FILE_HEADER_LEN);
        }
        if !self.fill(BLOCK_HEADER_LEN)? {
            return Ok(false);
        }
        let header = match self.buffer.first_chunk().map(BlockHeader::parse) {
            None => return Ok(false),
            Some(Err(bad)) => return self.resync(bad.why()),
            Some(Ok(header)) => header,
        };
        let total = BLOCK_HEADER_LEN + header.stored_len as usize;
        if !self.fill(total)? {
            return Ok(false);
        }
        if crc32fast::hash(&self.buffer[BLOCK_HEADER_LEN..total]) != header.payload_crc {
            let why = "the checksum of a block's payload is wrong";
            self.wasted += total as u64;
            if self.wasted <= 4 * (self.offset + total as u64) {
                return self.resync(why);
            }
            // One false header within another again and again: take this one at its word.
            let from = self.offset;
            self.skip(total);
            self.add_damage(from, why);
            return Ok(true);
        }
        if header.sequence != self.sequence && self.damage.last().is_none_or(|d| d.offset.0 + d.length.0 != self.offset)
        {
            self.damage.push(Damage::new(self.offset, 0, "blocks are missing before this one"));
        }
        self.sequence = header.sequence.wrapping_add(1);
        let block: Vec<u8> = self.buffer[BLOCK_HEADER_LEN..total].to_vec();
        if let Err(why) = self.take(header, &block) {
            self.damage.push(Damage::new(self.offset, total as u64, why));
        }
        self.skip(total);
        Ok(true)
    }

    /// Drops bytes up to where the next block may begin.
    fn resync(&mut self, why: &'static str) -> Result<bool, ReadError> {
        let from = self.offset;
        self.skip(1);
        loop {
            if let Some(at) = find_header(&self.buffer) {
                self.skip(at);
                break;
            }
            // The last bytes may be the beginning of a header.
            let keep = BLOCK_HEADER_LEN - 1;
            self.skip(self.buffer.len().saturating_sub(keep));
            let before = self.buffer.len();
            if !self.fill(before + (1 << 16))? && self.buffer.len() == before {
                // What is left cannot be a header, whatever follows, if it does not begin like one.
                while !self.buffer.is_empty() && !BLOCK_MAGIC.starts_with(&self.buffer[..self.buffer.len().min(4)]) {
                    self.skip(1);
                }
                break;
            }
        }
        self.add_damage(from, why);
        Ok(self.buffer.len() >= BLOCK_HEADER_LEN)
    }

    /// Everything from `from` up to here.
    fn add_damage(&mut self, from: u64, why: &'static str) {
        let length = self.offset - from;
        match self.damage.last_mut() {
            Some(last) if last.offset.0 + last.length.0 == from => last.length.0 += length,
            _ => self.damage.push(Damage::new(from, length, why)),
        }
    }

    fn take(&mut self, header: BlockHeader, payload: &[u8]) -> Result<(), Fault> {
        match header.kind {
            kind::SNAPSHOTS if header.codec == codec::COLUMNS => self.take_snapshots(header, payload)?,
            kind::SNAPSHOTS => return Err("the block is packed in a way that this version does not know".into()),
            kind::META => self.items.push_back(Item::Meta(self.others.meta(header, payload)?)),
            kind::TARGETS => self.items.extend(self.others.targets(header, payload)?.into_iter().map(Item::Target)),
            kind::SIDES | kind::PROFILE => {
                let limit = passing_side_limit(self.length.max(self.offset + header.total_len()));
                // All of a block or nothing.
                let mut items = Vec::new();
                self.others.side_data(header, payload, limit, |side| items.push(Item::Side(side)))?;
                self.items.extend(items);
            }
            kind::INDEX => {}
            kind::END => self.finished = true,
            other => self.others.leave_out(other),
        }
        Ok(())
    }

    fn take_snapshots(&mut self, header: BlockHeader, payload: &[u8]) -> Result<(), Fault> {
        let (mut batch, mut present) = (Batch::default(), Vec::new());
        let prelude =
            self.others.unpacker.unpack_snapshots(payload, header.raw_len, Detail::All, &mut batch, &mut present)?;
        self.lost_snapshots += prelude.first_snapshot.saturating_sub(self.snapshots);
        self.snapshots = prelude.first_snapshot.saturating_add(prelude.snapshots.into());
        for (i, own) in present.iter().enumerate() {
            let mut snapshot = batch.snapshot(i);
            snapshot.extras.retain(|extra| own.contains(&extra.id));
            self.items.push_back(Item::Snapshot(snapshot));
        }
        Ok(())
    }
}
