//! Random access to a record: what it is about, where its blocks are, and any block as columns, from any thread.
//!
//! Opening a record checks all checksums and so finds all damage at once; of files above
//! [`CHECK_ALL_UP_TO`] with a sound index only the index is read, and damage shows when a block is read.

use crate::block::{BlockInfo, OtherBlock, Unpacker, extra_columns};
use crate::error::{Damage, Fault, ReadError};
use crate::layout::{
    BLOCK_HEADER_LEN, BlockHeader, FILE_HEADER_LEN, FileHeader, MAJOR, block_at, codec, kind, parse_file_header,
};
use crate::scan::{self};
use crate::select::{Detail, trim, trim_heads};
use crate::sound::SoundReader;
use crate::source::{Bytestore, Cursor};
use crate::stream::StreamReader;
use crate::wire_side;
use damo_model::human::Show;
use damo_model::{AddrRange, Batch, Bytes, ColumnId, Meta, Selection, Side, Target};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

mod building;

use building::Building;

/// Files up to this size are checked as a whole when they are opened.
const CHECK_ALL_UP_TO: Bytes = Bytes(256 << 20);
/// So much memory the side data of any record may take; more only as [`SIDES_PER_BYTE`] allows.
const SIDES_AT_LEAST: Bytes = Bytes(128 << 20);
/// How much memory side data may take for each byte of the file: a large record has much of it, a small file that claims
/// to have much was made to fill the memory.
const SIDES_PER_BYTE: u64 = 64;
/// And so much it may take in no record.
const SIDES_AT_MOST: Bytes = Bytes(2 << 30);
/// More is not taken from a stream: it is kept in memory.
const MAX_STREAM: Bytes = Bytes(4 << 30);

/// Sums over a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Snapshots that can be read.
    pub snapshots: u64,
    /// How many of them are partial.
    pub partial: u64,
    /// Regions in all of them.
    pub regions: u64,
    /// Events that the recorder knows to have lost.
    pub lost_events: u64,
    /// Size of the snapshots, unpacked.
    pub raw: Bytes,
    /// Size of the file.
    pub file: Bytes,
}

/// A record open for reading. Everything takes `&self`.
pub struct Reader {
    store: Bytestore,
    meta: Meta,
    targets: Vec<Target>,
    blocks: Vec<BlockInfo>,
    side_data: Vec<OtherBlock>,
    profile: Vec<OtherBlock>,
    totals: Totals,
    damage: Vec<Damage>,
    notes: Vec<String>,
    finished: bool,
    minor: u8,
    unpackers: Mutex<Vec<Unpacker>>,
    /// By offset: found when a block was read.
    late: Mutex<BTreeMap<u64, Damage>>,
}

/// Whether these are the first bytes of a `.damo` record: eight are enough, more allow to recognise a damaged header.
pub fn sniff(bytes: &[u8]) -> bool {
    match parse_file_header(bytes) {
        FileHeader::Foreign => bytes.get(FILE_HEADER_LEN..).is_some_and(|rest| block_at(rest).is_some()),
        _ => true,
    }
}

impl Reader {
    /// Opens a file; a pipe is read to its end.
    ///
    /// # Errors
    /// If it cannot be read, is no record, or has a later major version. Damage is no error: see [`Reader::damage`].
    pub fn open(path: impl AsRef<Path>) -> Result<Reader, ReadError> {
        let path = path.as_ref();
        let what = || format!("read {}", path.shown());
        let file = File::open(path).map_err(|source| ReadError::Io { what: what(), source })?;
        let data = file.metadata().map_err(|source| ReadError::Io { what: what(), source })?;
        if data.is_dir() {
            return Err(ReadError::NotARecord("it is a directory"));
        }
        if !data.is_file() {
            return Reader::from_stream(file);
        }
        Reader::new(Bytestore::File { file, len: data.len() })
    }

    /// Reads from memory.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Reader, ReadError> {
        Reader::new(Bytestore::Memory(bytes.into()))
    }

    /// Reads a stream to its end and keeps it, compressed as it is, in memory.
    ///
    /// # Errors
    /// As [`Reader::open`]; and if there are more than 4 GiB.
    pub fn from_stream(stream: impl Read) -> Result<Reader, ReadError> {
        let mut bytes = Vec::new();
        let mut stream = stream.take(MAX_STREAM.0 + 1);
        // A look at the beginning first: not to swallow gigabytes of something else.
        let read = |e| ReadError::Io { what: "read the stream".into(), source: e };
        stream.by_ref().take(64).read_to_end(&mut bytes).map_err(read)?;
        check_header(&bytes)?;
        stream.read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() as u64 > MAX_STREAM.0 {
            return Err(ReadError::TooLong { limit: MAX_STREAM });
        }
        Reader::from_bytes(bytes)
    }

    fn new(store: Bytestore) -> Result<Reader, ReadError> {
        let io = |source| ReadError::Io { what: "read the record".into(), source };
        let mut head = Vec::new();
        store.read(0, FILE_HEADER_LEN + BLOCK_HEADER_LEN, &mut head).map_err(io)?;
        let header = check_header(&head)?;
        let mut building = Building::new(store.len())?;
        match header {
            FileHeader::Good { minor, .. } => {
                building.minor = minor;
                building.others.is_of(minor);
            }
            _ => building.damage.push(Damage::new(0, FILE_HEADER_LEN as u64, "the file's header is damaged")),
        }
        let indexed = store.len() > CHECK_ALL_UP_TO.0 && building.take_index(&store).map_err(io)?;
        if !indexed {
            let walk = scan::walk(&store, |found, payload| building.add(found, payload)).map_err(io)?;
            building.damage.extend(walk.damage);
            building.finished = walk.finished;
        }
        Ok(building.finish(store))
    }

    /// What is known of the record as a whole; all unknown if that block is lost.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The targets, by key. Each with all that became known of it.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The snapshot blocks that can be read, in order.
    pub fn index(&self) -> &[BlockInfo] {
        &self.blocks
    }

    /// Sums over the record.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What cannot be read, in order. The rest can.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Damage that was found in blocks when they were read, beyond [`Reader::damage`]: in large files, whose blocks are
    /// not all checked when they are opened, and in forged ones.
    pub fn late_damage(&self) -> Vec<Damage> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What was left out because only later versions know it.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the recorder came to its end. If not, it died, or is still at it.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Format version of the record.
    pub fn version(&self) -> (u8, u8) {
        (MAJOR, self.minor)
    }

    /// Tells records apart: the same for the same snapshots, made from the checksums in the headers of their blocks
    /// (FNV-1a, 64 bits). Not a defence against forgery. Blocks that cannot be read any more count as absent.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut header = Vec::new();
        for block in &self.blocks {
            if self.store.read(block.offset.0, BLOCK_HEADER_LEN, &mut header).is_ok() {
                for byte in &header {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        hash
    }

    /// The smallest range that covers all regions of the record; `None` without regions.
    pub fn address_range(&self) -> Option<AddrRange> {
        let spans = self.blocks.iter().map(|block| block.addresses).filter(|span| span.size().0 > 0);
        spans.reduce(|a, b| AddrRange::new(a.start.min(b.start), a.end.max(b.end)))
    }

    /// Reads the `i`-th snapshot block: the snapshots that the selection wants, of them the regions that it wants.
    /// Blocks for which [`BlockInfo::wanted`] is false give an empty batch without being read.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if the block cannot be read; others can.
    pub fn read_block(&self, i: usize, selection: &Selection) -> Result<Batch, ReadError> {
        self.read_block_detail(i, selection, Detail::All)
    }

    /// The same, as far as `detail` says.
    ///
    /// # Errors
    /// As [`Reader::read_block`].
    pub fn read_block_detail(&self, i: usize, selection: &Selection, detail: Detail) -> Result<Batch, ReadError> {
        let none = ReadError::NoSuchBlock { index: i, blocks: self.blocks.len() };
        let info = self.blocks.get(i).ok_or(none)?;
        let mut batch = Batch::default();
        if !info.wanted(selection) {
            return Ok(batch);
        }
        let without_regions = !selection.wants_addresses(info.addresses);
        let detail = match detail {
            _ if without_regions => Detail::Heads,
            Detail::Heads if !selection.addresses.is_empty() => Detail::WithoutAges,
            detail => detail,
        };
        let mut present = Vec::new();
        self.with_block(info.offset.0, |unpacker, header, payload| {
            if (header.kind, header.codec) != (kind::SNAPSHOTS, codec::COLUMNS) {
                return Err("there is another block where the index has this one".into());
            }
            let prelude = unpacker.unpack_snapshots(payload, header.raw_len, detail, &mut batch, &mut present)?;
            if prelude != info.prelude() {
                return Err("the index says something else about the block than the block itself".into());
            }
            Ok(())
        })?;
        if without_regions {
            batch.snapshots.iter_mut().for_each(|head| head.regions = 0..0);
        }
        match detail {
            Detail::Heads => trim_heads(&mut batch, selection),
            Detail::All | Detail::WithoutAges => trim(&mut batch, selection),
        }
        Ok(batch)
    }

    /// The extra columns that some snapshot of the `i`-th snapshot block has; nothing is unpacked for that.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if the block cannot be read; others can.
    pub fn extra_columns(&self, i: usize) -> Result<Vec<ColumnId>, ReadError> {
        let none = ReadError::NoSuchBlock { index: i, blocks: self.blocks.len() };
        let info = self.blocks.get(i).ok_or(none)?;
        self.with_block(info.offset.0, |_, _, payload| extra_columns(payload))
    }

    /// All side data but that of CPU profiles, in the order in which it was recorded.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if a block cannot be decoded although its checksum is right; I/O errors.
    pub fn side_data(&self) -> Result<Vec<Side>, ReadError> {
        self.sides_of(&self.side_data)
    }

    /// The side data of CPU profiles ([`Side::is_profile`]), in the order in which it was recorded.
    ///
    /// # Errors
    /// As [`Reader::side_data`].
    pub fn profile(&self) -> Result<Vec<Side>, ReadError> {
        self.sides_of(&self.profile)
    }

    /// Whether there is a CPU profile in the record; nothing is read for that.
    pub fn has_profile(&self) -> bool {
        !self.profile.is_empty()
    }

    fn sides_of(&self, blocks: &[OtherBlock]) -> Result<Vec<Side>, ReadError> {
        let mut side_data = Vec::new();
        let mut raw = Vec::new();
        let (mut taken, limit) = (0u64, side_limit(self.store.len()));
        for block in blocks {
            let fits = self.with_block(block.offset, |unpacker, header, payload| {
                if taken + u64::from(header.raw_len) > limit {
                    return Ok(false);
                }
                unpacker.unpack(header.codec, payload, header.raw_len, &mut raw)?;
                taken += wire_side::take_all(&raw, |side| side_data.push(side), |_| ())?;
                Ok(true)
            })?;
            if !fits {
                // Of large files only: others were measured when they were opened.
                self.add_late(Damage::new(block.offset, block.length.into(), TOO_MANY_SIDES));
            }
        }
        Ok(side_data)
    }

    /// The whole record again from front to back, item by item as it was written, completed where it is damaged: for
    /// programs that pass it on.
    ///
    /// # Errors
    /// As [`StreamReader::new`].
    pub fn stream(&self) -> Result<SoundReader<impl Read + '_>, ReadError> {
        let bytes = BufReader::with_capacity(1 << 16, Cursor { store: &self.store, at: 0 });
        Ok(SoundReader::new(StreamReader::new(bytes)?))
    }

    fn add_late(&self, damage: Damage) {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).insert(damage.offset.0, damage);
    }

    fn with_block<T>(
        &self,
        offset: u64,
        work: impl FnOnce(&mut Unpacker, BlockHeader, &[u8]) -> Result<T, Fault>,
    ) -> Result<T, ReadError> {
        let damaged = |length: u64, why: Fault| {
            let damage = Damage::new(offset, length, why);
            self.add_late(damage.clone());
            ReadError::Damaged(damage)
        };
        let pooled = self.unpackers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut unpacker = match pooled {
            Some(unpacker) => unpacker,
            None => Unpacker::new().map_err(|why| damaged(0, why))?,
        };
        let mut buffer = Vec::new();
        let read = scan::read_block(&self.store, offset, &mut buffer);
        let header = read.map_err(|source| ReadError::Io { what: format!("read at offset {offset}"), source })?;
        let header = header.map_err(|bad| damaged(BLOCK_HEADER_LEN as u64, bad.why.into()))?;
        let done = work(&mut unpacker, header, &buffer).map_err(|why| damaged(header.total_len(), why));
        self.unpackers.lock().unwrap_or_else(PoisonError::into_inner).push(unpacker);
        done
    }
}

pub(crate) const TOO_MANY_SIDES: &str =
    "there is more side data before this than a reader takes of a file of this size";

/// How much memory the side data of a file of `len` bytes may take where they are kept.
fn side_limit(len: u64) -> u64 {
    passing_side_limit(len).min(SIDES_AT_MOST.0)
}

/// As [`side_limit`], where they are only passed on: enough that the work is in proportion to the file.
pub(crate) fn passing_side_limit(len: u64) -> u64 {
    len.saturating_mul(SIDES_PER_BYTE).saturating_add(SIDES_AT_LEAST.0)
}

/// Refuses what is no record or of another major version.
pub(crate) fn check_header(bytes: &[u8]) -> Result<FileHeader, ReadError> {
    match parse_file_header(bytes) {
        FileHeader::Good { major, minor } if major != MAJOR => Err(ReadError::NewerMajor { major, minor }),
        FileHeader::Foreign if bytes.is_empty() => Err(ReadError::NotARecord("it is empty")),
        FileHeader::Foreign if !sniff(bytes) => Err(ReadError::NotARecord("it does not begin like one")),
        header => Ok(header),
    }
}
