//! The append-only writer: items in, blocks out. It never seeks, so a pipe will do.
//!
//! Snapshots collect until a block is full ([`WriterOptions`]); then what they refer to goes out first
//! (targets, side data) and the block after it. A process that dies loses what was not in a block yet, no more.

use crate::block::{Index, IndexEntry, OtherBlock, Packer, Prelude};
use crate::error::WriteError;
use crate::layout::{
    self, BLOCK_HEADER_LEN, BlockHeader, MAX_EXTRA_CELLS, MAX_EXTRA_COLUMNS, MAX_RAW, MAX_REGIONS, MAX_SIDE_MAPPINGS,
    MAX_SIDES, MAX_SNAPSHOTS, MAX_TARGET_BYTES, MAX_TARGETS, codec, kind,
};
use crate::wire::{encode, encode_meta, put_list};
use crate::wire_side;
use damo_model::{Batch, Bytes, ColumnId, Item, Meta, Nanos, Side, Sink, SinkError, Snapshot, Target, TargetKey};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;

mod checks;
mod pending;

use checks::{check_size, check_snapshot, target_size, worst_size};
use pending::Pending;

damo_model::with_defaults! {
    /// How snapshots are gathered into blocks: large ones, for files written at a stroke, unless told otherwise.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct WriterOptions {
        /// zstd level; 0 stores without compression.
        pub level: i32 = 3,
        /// A block ends after so many snapshots.
        pub max_snapshots_per_block: usize = 128,
        /// A block ends after so much time on the record's clock: what a killed recorder loses at most.
        pub max_block_age: Nanos = Nanos::from_secs(60),
        /// A block ends before it has more regions.
        pub max_regions_per_block: usize = 1 << 17,
    }
}

impl WriterOptions {
    /// For recording as it happens: no block is older than two seconds.
    pub fn live() -> Self {
        Self { max_block_age: Nanos::from_secs(2), ..Self::default() }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Snapshots, including those in the block that is not written yet.
    pub snapshots: u64,
    /// Regions in them.
    pub regions: u64,
    /// Bytes given to the output so far.
    pub bytes: Bytes,
    /// Snapshot blocks given to the output so far.
    pub blocks: u64,
}

/// Writes a record to `W`.
pub struct Writer<W> {
    out: W,
    options: WriterOptions,
    packer: Packer,
    /// The block being written, header and payload.
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    offset: u64,
    sequence: u32,
    meta_seen: bool,
    /// Fingerprints of what was told of each: whole they would be most of what a long recording of many processes keeps in
    /// memory, for the command lines.
    targets: BTreeMap<TargetKey, u64>,
    /// Those that are not written yet.
    new_targets: BTreeMap<TargetKey, Target>,
    /// At least the length of all targets blocks, unpacked.
    target_bytes: u64,
    /// Side data that are not written yet: those of profiles apart, as they are kept apart in the record.
    side_data: Pending,
    profile: Pending,
    lost_events: u64,
    batch: Batch,
    present: Vec<Vec<ColumnId>>,
    index: Index,
    summary: Summary,
    failed: bool,
}

/// Side data is written when so much has come together, even without snapshots.
const MAX_SIDE_BYTES: usize = 1 << 20;
/// Targets are written in blocks of about so many bytes.
const MAX_TARGETS_PIECE: u64 = 4 << 20;

impl<W: Write> Writer<W> {
    /// Begins a record.
    ///
    /// # Errors
    /// If the output refuses the first bytes or zstd cannot be set up.
    pub fn new(mut out: W, options: WriterOptions) -> Result<Self, WriteError> {
        let packer = Packer::new(options.level).map_err(WriteError::Pack)?;
        let header = layout::file_header();
        out.write_all(&header).map_err(WriteError::Io)?;
        let offset = header.len() as u64;
        Ok(Writer {
            out,
            options,
            packer,
            buffer: Vec::new(),
            scratch: Vec::new(),
            offset,
            sequence: 0,
            meta_seen: false,
            targets: BTreeMap::new(),
            new_targets: BTreeMap::new(),
            target_bytes: 0,
            side_data: Pending::new(kind::SIDES),
            profile: Pending::new(kind::PROFILE),
            lost_events: 0,
            batch: Batch::default(),
            present: Vec::new(),
            index: Index { blocks: Vec::new(), others: Vec::new(), lost_events: 0, sequence: 0 },
            summary: Summary { bytes: Bytes(offset), ..Summary::default() },
            failed: false,
        })
    }

    /// What was written so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// What the output has been given in whole blocks: without the snapshots at hand.
    pub(crate) fn written(&self) -> Summary {
        let pending = (self.batch.snapshots.len() as u64, self.batch.nr_regions() as u64);
        let Summary { snapshots, regions, .. } = self.summary;
        Summary { snapshots: snapshots - pending.0, regions: regions - pending.1, ..self.summary }
    }

    /// The output. Writing to it oneself breaks the record.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    /// Adds one item.
    ///
    /// # Errors
    /// If the item breaks the order or rules of [`Item`] (nothing is written then, and the record can go on), or if the
    /// output refuses (then the writer takes nothing more).
    pub fn write(&mut self, item: &Item) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        match item {
            Item::Meta(_) if self.meta_seen => Err(WriteError::MetaOrder("there is a second one")),
            Item::Meta(meta) => self.write_meta(meta),
            _ if !self.meta_seen => Err(WriteError::MetaOrder("something else came first")),
            Item::Target(target) => {
                if self.targets.len() >= MAX_TARGETS && !self.targets.contains_key(&target.key) {
                    return Err(WriteError::TooManyTargets { limit: MAX_TARGETS });
                }
                self.add_target(target)
            }
            Item::Snapshot(snapshot) => self.add_snapshot(snapshot),
            Item::Side(side) => self.add_side(side),
            _ => Err(WriteError::Pack("this kind of item has no place in the format".into())),
        }
    }

    /// Writes what has been collected as a block, however small.
    ///
    /// # Errors
    /// If the output refuses.
    pub fn flush_block(&mut self) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed);
        }
        self.write_targets()?;
        self.write_sides()?;
        self.write_snapshots()?;
        self.out.flush().map_err(|e| self.fail(e))
    }

    /// Writes what is left, the index and the end mark.
    ///
    /// # Errors
    /// If the output refuses. What was written stays readable.
    pub fn finish(mut self) -> Result<(W, Summary), WriteError> {
        self.flush_block()?;
        let mut index_offset = self.offset;
        let mut index = std::mem::take(&mut self.scratch);
        index.clear();
        self.index.lost_events = self.lost_events;
        self.index.sequence = self.sequence;
        // An index too long for a block is left out: readers then scan.
        match encode(&self.index, &mut index) {
            Ok(()) if index.len() <= MAX_RAW as usize => self.write_packed(kind::INDEX, &index)?,
            _ => index_offset = 0,
        }
        self.begin();
        self.buffer.extend_from_slice(&layout::end_payload(index_offset));
        self.end_block(kind::END, codec::NONE, layout::END_PAYLOAD_LEN)?;
        self.out.flush().map_err(|e| self.fail(e))?;
        Ok((self.out, self.summary))
    }

    fn write_meta(&mut self, meta: &Meta) -> Result<(), WriteError> {
        let mut raw = Vec::new();
        encode_meta(meta, &mut raw).map_err(WriteError::Pack)?;
        check_size("the meta item", raw.len())?;
        self.write_packed(kind::META, &raw)?;
        self.meta_seen = true;
        Ok(())
    }

    fn write_targets(&mut self) -> Result<(), WriteError> {
        if self.new_targets.is_empty() {
            return Ok(());
        }
        // In pieces: a block holds no more than it may, and is packed in memory.
        let new = std::mem::take(&mut self.new_targets);
        let (mut piece, mut size) = (Vec::new(), 0);
        for target in new.values() {
            if size > 0 && size + target_size(target) > MAX_TARGETS_PIECE {
                self.write_targets_block(std::mem::take(&mut piece))?;
                size = 0;
            }
            piece.push(target);
            size += target_size(target);
        }
        if piece.is_empty() { Ok(()) } else { self.write_targets_block(piece) }
    }

    fn write_targets_block(&mut self, targets: Vec<&Target>) -> Result<(), WriteError> {
        let mut raw = Vec::new();
        put_list(targets.into_iter(), &mut raw).map_err(WriteError::Pack)?;
        check_size("a list of targets", raw.len())?;
        self.write_packed(kind::TARGETS, &raw)
    }

    /// Notes what is new of a target. Where all that was told of targets would become more than a record may have, the
    /// command line is left out: most of it is that, and the rest tells who the target is.
    fn add_target(&mut self, target: &Target) -> Result<(), WriteError> {
        let told = fingerprint(target);
        if self.targets.get(&target.key) == Some(&told) {
            return Ok(());
        }
        let mut target = target.clone();
        let mut size = target_size(&target);
        let left = MAX_TARGET_BYTES.saturating_sub(self.target_bytes).min(u64::from(MAX_RAW / 2));
        if size > left
            && let Some(process) = &mut target.process
        {
            process.cmdline = String::new();
            size = target_size(&target);
        }
        if size > left {
            return Err(WriteError::TooLarge { what: "a target", size: Bytes(size), limit: Bytes(left) });
        }
        self.target_bytes += size;
        self.targets.insert(target.key, told);
        self.new_targets.insert(target.key, target);
        Ok(())
    }

    fn add_side(&mut self, side: &Side) -> Result<(), WriteError> {
        let mappings = wire_side::nr_mappings(side);
        if mappings > MAX_SIDE_MAPPINGS {
            return Err(WriteError::TooManyMappings { mappings, limit: MAX_SIDE_MAPPINGS });
        }
        if self.pending(side).mappings + mappings > MAX_SIDE_MAPPINGS {
            self.write_targets()?;
            self.write_sides()?;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let pending = self.pending(side);
        let before = pending.bytes.len();
        let put = wire_side::put(side, &mut scratch, &mut pending.bytes);
        let checked = put.map_err(WriteError::Pack).and_then(|()| {
            let added = pending.bytes.len() - before;
            check_size("one piece of side data", added)
        });
        if checked.is_err() {
            pending.bytes.truncate(before);
        } else {
            pending.entries += 1;
            pending.mappings += mappings;
        }
        let is_full = pending.bytes.len() >= MAX_SIDE_BYTES || pending.entries >= MAX_SIDES;
        self.scratch = scratch;
        checked?;
        if let Side::Lost(lost) = side {
            self.lost_events = self.lost_events.saturating_add(lost.events);
        }
        if is_full {
            self.write_targets()?;
            self.write_sides()?;
        }
        Ok(())
    }

    fn pending(&mut self, side: &Side) -> &mut Pending {
        if side.is_profile() { &mut self.profile } else { &mut self.side_data }
    }

    fn write_sides(&mut self) -> Result<(), WriteError> {
        let side_data = self.side_data.take();
        self.write_pending(&side_data)?;
        self.side_data.reuse(side_data);
        let profile = self.profile.take();
        self.write_pending(&profile)?;
        self.profile.reuse(profile);
        Ok(())
    }

    fn write_pending(&mut self, pending: &Pending) -> Result<(), WriteError> {
        if pending.bytes.is_empty() { Ok(()) } else { self.write_packed(pending.kind, &pending.bytes) }
    }

    fn add_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), WriteError> {
        let at = self.summary.snapshots;
        if !self.targets.contains_key(&snapshot.target) {
            return Err(WriteError::UnknownTarget { snapshot: at, target: snapshot.target });
        }
        check_snapshot(snapshot).map_err(|why| WriteError::BadSnapshot {
            snapshot: at,
            target: snapshot.target,
            why,
        })?;
        if !self.has_room_for(snapshot) {
            self.flush_block()?;
        }
        self.batch.push(at, snapshot);
        self.present.push(snapshot.extras.iter().map(|extra| extra.id).collect());
        self.summary.snapshots += 1;
        self.summary.regions += snapshot.regions.len() as u64;
        let first = self.batch.snapshots.first().map_or(snapshot.start, |head| head.start);
        let age = snapshot.end.saturating_sub(first);
        let full = self.batch.snapshots.len() >= self.options.max_snapshots_per_block.min(MAX_SNAPSHOTS);
        if full || age >= self.options.max_block_age {
            self.flush_block()?;
        }
        Ok(())
    }

    fn has_room_for(&self, snapshot: &Snapshot) -> bool {
        if self.batch.snapshots.is_empty() {
            return true;
        }
        let regions = self.batch.nr_regions() + snapshot.regions.len();
        let new = snapshot.extras.iter().filter(|extra| self.batch.extras.iter().all(|(id, _)| *id != extra.id));
        let extras = self.batch.extras.len() + new.count();
        regions <= self.options.max_regions_per_block.min(MAX_REGIONS)
            && extras <= MAX_EXTRA_COLUMNS
            && extras * regions <= MAX_EXTRA_CELLS
            && worst_size(self.batch.snapshots.len() + 1, regions, extras) <= MAX_RAW as usize
    }

    fn write_snapshots(&mut self) -> Result<(), WriteError> {
        if self.batch.snapshots.is_empty() {
            return Ok(());
        }
        let first = self.summary.snapshots - self.batch.snapshots.len() as u64;
        let prelude = Prelude::of(&self.batch, first);
        self.begin();
        let mut buffer = std::mem::take(&mut self.buffer);
        let raw = self.packer.pack_snapshots(&self.batch, &self.present, &prelude, &mut buffer);
        self.buffer = buffer;
        let raw = raw.map_err(WriteError::Pack)?;
        if raw > MAX_RAW as usize {
            let limit = Bytes(MAX_RAW.into());
            return Err(WriteError::TooLarge { what: "a snapshot", size: Bytes(raw as u64), limit });
        }
        let offset = self.offset;
        self.end_block(kind::SNAPSHOTS, codec::COLUMNS, raw)?;
        let length = (self.offset - offset) as u32;
        self.index.blocks.push(IndexEntry { offset, length, raw: raw as u32, prelude });
        self.summary.blocks += 1;
        self.present.clear();
        let Batch { snapshots, start, end, nr_accesses, age, extras } = &mut self.batch;
        snapshots.clear();
        start.clear();
        end.clear();
        nr_accesses.clear();
        age.clear();
        extras.clear();
        Ok(())
    }

    fn write_packed(&mut self, kind: u16, raw: &[u8]) -> Result<(), WriteError> {
        self.begin();
        let codec = self.packer.pack(raw, &mut self.buffer).map_err(WriteError::Pack)?;
        let offset = self.offset;
        self.end_block(kind, codec, raw.len())?;
        let length = (self.offset - offset) as u32;
        self.index.others.push(OtherBlock { kind, offset, length });
        Ok(())
    }

    /// Leaves room for the header; the payload is to follow.
    fn begin(&mut self) {
        self.buffer.clear();
        self.buffer.resize(BLOCK_HEADER_LEN, 0);
    }

    /// Fills in the header of the block in the buffer and gives it to the output in one piece.
    fn end_block(&mut self, kind: u16, codec: u8, raw_len: usize) -> Result<(), WriteError> {
        let payload = &self.buffer[BLOCK_HEADER_LEN..];
        let header = BlockHeader {
            kind,
            codec,
            stored_len: payload.len() as u32,
            raw_len: raw_len as u32,
            sequence: self.sequence,
            payload_crc: crc32fast::hash(payload),
        };
        self.buffer[..BLOCK_HEADER_LEN].copy_from_slice(&header.to_bytes());
        self.out.write_all(&self.buffer).map_err(|e| self.fail(e))?;
        self.sequence = self.sequence.wrapping_add(1);
        self.offset += self.buffer.len() as u64;
        self.summary.bytes = Bytes(self.offset);
        Ok(())
    }

    fn fail(&mut self, error: std::io::Error) -> WriteError {
        self.failed = true;
        WriteError::Io(error)
    }
}

impl<W: Write> Sink for Writer<W> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        self.write(item).map_err(SinkError::new)
    }
}

/// The same for the same target; for others, as good as never.
fn fingerprint(target: &Target) -> u64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    hasher.finish()
}
