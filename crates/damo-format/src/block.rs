//! Payloads: packing and unpacking them, and what a snapshot block and an index block hold.
//!
//! A snapshot block begins with a prelude that sums it up, outside the compression: reading preludes is all it takes
//! to rebuild a lost index. Then come the columns, each compressed on its own, since zstd's statistics are
//! worth most on bytes that mean the same.

use crate::error::Fault;
use crate::layout::{MAX_EXTRA_COLUMNS, MAX_RAW, MAX_REGIONS, MAX_SNAPSHOTS, codec};
use crate::pack::{Columns, Links, column};
use crate::select::Detail;
use crate::unpack::{Announced, RawColumns, unpack};
use crate::wire::{decode, encode};
use bincode::{Decode, Encode};
use damo_model::{
    Addr, AddrRange, Batch, Bytes, ColumnId, Nanos, NrAccesses, Selection, SnapshotState, TargetKey, TimeSpan,
};
use zstd::zstd_safe::{CParameter, Strategy};

/// What a snapshot block holds, without reading it: from the record's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Where the block begins in the file.
    pub offset: Bytes,
    /// Its length in the file, header included.
    pub length: Bytes,
    /// Length of its columns, unpacked.
    pub raw: Bytes,
    /// Position of its first snapshot in the record, from 0.
    pub first_snapshot: u64,
    /// Number of snapshots.
    pub snapshots: u64,
    /// How many of them are partial.
    pub partial: u64,
    /// Number of regions in all of them.
    pub regions: u64,
    /// From the first start to the last end.
    pub time: TimeSpan,
    /// From the lowest start of a region to the highest end; empty without regions.
    pub addresses: AddrRange,
    /// Whose snapshots, sorted.
    pub targets: Vec<TargetKey>,
    /// Largest access count of a region.
    pub max_nr_accesses: NrAccesses,
    /// Sizes of regions with at least one access, summed over the snapshots. Saturates.
    pub touched: Bytes,
}

impl BlockInfo {
    /// Whether the block may hold snapshots that the selection wants.
    pub fn wanted(&self, selection: &Selection) -> bool {
        // A snapshot without duration lies within a span that begins where it does: be generous here, the exact test is
        // made on each snapshot.
        let time = selection.time.is_none_or(|wanted| self.time.start <= wanted.end && wanted.start <= self.time.end);
        time && (selection.targets.is_empty() || self.targets.iter().any(|target| selection.wants_target(*target)))
    }

    pub(crate) fn prelude(&self) -> Prelude {
        Prelude {
            first_snapshot: self.first_snapshot,
            snapshots: self.snapshots as u32,
            partial: self.partial as u32,
            regions: self.regions as u32,
            time_start: self.time.start.0,
            time_end: self.time.end.0,
            address_start: self.addresses.start.0,
            address_end: self.addresses.end.0,
            max_nr_accesses: self.max_nr_accesses.0,
            touched: self.touched.0,
            targets: self.targets.iter().map(|t| t.0).collect(),
        }
    }
}

/// First thing in a snapshot block's payload, and repeated in the index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Prelude {
    pub first_snapshot: u64,
    pub snapshots: u32,
    pub partial: u32,
    pub regions: u32,
    pub time_start: i64,
    pub time_end: i64,
    pub address_start: u64,
    pub address_end: u64,
    pub max_nr_accesses: u32,
    pub touched: u64,
    pub targets: Vec<u32>,
}

impl Prelude {
    /// Sums up a batch; the first snapshot's position is `first_snapshot`.
    pub(crate) fn of(batch: &Batch, first_snapshot: u64) -> Prelude {
        let mut targets: Vec<u32> = batch.snapshots.iter().map(|head| head.target.0).collect();
        targets.sort_unstable();
        targets.dedup();
        let partial = batch.snapshots.iter().filter(|head| head.state != SnapshotState::Complete).count();
        // Regions are sorted within a snapshot.
        let filled = || batch.snapshots.iter().map(|head| head.regions.clone()).filter(|rows| !rows.is_empty());
        let address_start = filled().map(|rows| batch.start[rows.start]).min().unwrap_or(0);
        let address_end = filled().map(|rows| batch.end[rows.end - 1]).max().unwrap_or(0);
        let sizes = batch.start.iter().zip(&batch.end).zip(&batch.nr_accesses);
        let touched = sizes.fold(0u64, |sum, ((start, end), nr)| {
            sum.saturating_add(if *nr > 0 { end.wrapping_sub(*start) } else { 0 })
        });
        Prelude {
            first_snapshot,
            snapshots: batch.snapshots.len() as u32,
            partial: partial as u32,
            regions: batch.nr_regions() as u32,
            time_start: batch.snapshots.iter().map(|head| head.start.0).min().unwrap_or(0),
            time_end: batch.snapshots.iter().map(|head| head.end.0).max().unwrap_or(0),
            address_start,
            address_end,
            max_nr_accesses: batch.nr_accesses.iter().copied().max().unwrap_or(0),
            touched,
            targets,
        }
    }

    /// Reads it, and refuses counts that no block has.
    pub(crate) fn parse(payload: &[u8]) -> Result<(Prelude, usize), Fault> {
        let (prelude, used) = decode::<Prelude>(payload)?;
        if prelude.regions as usize > MAX_REGIONS || prelude.snapshots as usize > MAX_SNAPSHOTS {
            return Err("the block claims to hold more than any block may".into());
        }
        if prelude.targets.len() > prelude.snapshots as usize {
            return Err("the block claims to have more targets than snapshots".into());
        }
        Ok((prelude, used))
    }

    /// With the block's place in the file.
    pub(crate) fn info(self, offset: u64, length: u64, raw: u64) -> BlockInfo {
        BlockInfo {
            offset: Bytes(offset),
            length: Bytes(length),
            raw: Bytes(raw),
            first_snapshot: self.first_snapshot,
            snapshots: u64::from(self.snapshots),
            partial: u64::from(self.partial),
            regions: u64::from(self.regions),
            time: TimeSpan::new(Nanos(self.time_start), Nanos(self.time_end)),
            addresses: AddrRange::new(Addr(self.address_start), Addr(self.address_end)),
            targets: self.targets.into_iter().map(TargetKey).collect(),
            max_nr_accesses: NrAccesses(self.max_nr_accesses),
            touched: Bytes(self.touched),
        }
    }
}

/// One entry of the index.
#[derive(Encode, Decode)]
pub(crate) struct IndexEntry {
    pub offset: u64,
    pub length: u32,
    pub raw: u32,
    pub prelude: Prelude,
}

/// A block that is not a snapshot block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct OtherBlock {
    pub kind: u16,
    pub offset: u64,
    pub length: u32,
}

/// What an index block holds.
#[derive(Encode, Decode)]
pub(crate) struct Index {
    pub blocks: Vec<IndexEntry>,
    pub others: Vec<OtherBlock>,
    /// Sum over all `Lost` side data.
    pub lost_events: u64,
    /// Blocks in the file before the index.
    pub sequence: u32,
}

/// Bits of a snapshot block's flags, behind the prelude.
mod flag {
    pub(super) const ZERO_MATTERS: u8 = 1;
    pub(super) const ALL: u8 = 1;
}

/// Packs payloads. Keeps its buffers and zstd context.
pub(crate) struct Packer {
    /// For text and structures, and for columns; `None`: do not compress.
    zstd: Option<[zstd::bulk::Compressor<'static>; 2]>,
    columns: Columns,
    packed: Vec<u8>,
}

/// Below this nothing is won by compressing.
const WORTH_PACKING: usize = 24;

impl Packer {
    /// With zstd at `level`, or without compression at level 0.
    pub(crate) fn new(level: i32) -> Result<Packer, Fault> {
        let zstd = match level {
            0 => None,
            _ => Some([compressor(level, false)?, compressor(level, true)?]),
        };
        Ok(Packer { zstd, columns: Columns::default(), packed: Vec::new() })
    }

    /// Packs `raw` behind `out` if that makes it smaller, or copies it; gives the codec used.
    pub(crate) fn pack(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<u8, Fault> {
        if self.compress(raw, false)? {
            out.extend_from_slice(&self.packed);
            Ok(codec::ZSTD)
        } else {
            out.extend_from_slice(raw);
            Ok(codec::NONE)
        }
    }

    fn compress(&mut self, raw: &[u8], column: bool) -> Result<bool, Fault> {
        let Some([structures, columns]) = &mut self.zstd else { return Ok(false) };
        let zstd = if column { columns } else { structures };
        if raw.len() < WORTH_PACKING {
            return Ok(false);
        }
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        zstd.compress_to_buffer(raw, &mut self.packed).map_err(|e| Fault::Library(e.to_string()))?;
        Ok(self.packed.len() < raw.len())
    }

    /// Payload of a snapshot block behind `out`; gives its raw length.
    pub(crate) fn pack_snapshots(
        &mut self,
        batch: &Batch,
        present: &[Vec<ColumnId>],
        prelude: &Prelude,
        out: &mut Vec<u8>,
    ) -> Result<usize, Fault> {
        let mut columns = std::mem::take(&mut self.columns);
        columns.fill(batch, present, prelude.time_start);
        encode(prelude, out)?;
        out.push(columns.shift);
        out.push(if columns.zero_matters { flag::ZERO_MATTERS } else { 0 });
        let mut raw = 0;
        for (id, bytes) in columns.all() {
            // Snapshots name their extra columns, so those must be there even if empty.
            if bytes.is_empty() && id < column::EXTRA {
                continue;
            }
            raw += bytes.len();
            let packed = self.compress(bytes, true)?;
            let stored = if packed { &self.packed[..] } else { bytes };
            let codec = if packed { codec::ZSTD } else { codec::NONE };
            encode((id, codec, bytes.len() as u32, stored.len() as u32), out)?;
            out.extend_from_slice(stored);
        }
        self.columns = columns;
        Ok(raw)
    }
}

/// A context of zstd. What is left in columns after prediction hardly repeats; short matches found in it cost more than
/// they save, in time as well as in space (6 % of the 12 GiB benchmark record).
fn compressor(level: i32, column: bool) -> Result<zstd::bulk::Compressor<'static>, Fault> {
    let make = || -> std::io::Result<_> {
        let mut zstd = zstd::bulk::Compressor::new(level)?;
        if column {
            zstd.set_parameter(CParameter::MinMatch(7))?;
            zstd.set_parameter(CParameter::Strategy(Strategy::ZSTD_fast))?;
        }
        Ok(zstd)
    };
    make().map_err(|e| Fault::Library(e.to_string()))
}

impl Columns {
    /// Numbers and bytes, in the order in which they are written.
    fn all(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let fixed = [
            (column::HEADS, &self.heads),
            (column::OPS, &self.ops),
            (column::SIZES, &self.sizes),
            (column::GAPS, &self.gaps),
            (column::NR_ACCESSES, &self.nr_accesses),
            (column::AGES, &self.ages),
        ];
        let extras = self.extras.iter().map(|(id, bytes)| (column::EXTRA + u32::from(id.0), bytes.as_slice()));
        fixed.into_iter().map(|(id, bytes)| (id, bytes.as_slice())).chain(extras)
    }
}

/// A column of a snapshot block, packed.
struct StoredColumn<'a> {
    id: u32,
    codec: u8,
    /// Length of what it unpacks to.
    raw: u32,
    stored: &'a [u8],
}

impl<'a> StoredColumn<'a> {
    /// The column that `rest` begins with, which it is taken from; `None` at the end of the payload.
    fn take(rest: &mut &'a [u8]) -> Result<Option<Self>, Fault> {
        if rest.is_empty() {
            return Ok(None);
        }
        let ((id, codec, raw, stored), used) = decode::<(u32, u8, u32, u32)>(rest)?;
        let split = rest.get(used..).and_then(|columns| columns.split_at_checked(stored as usize));
        let (stored, after) = split.ok_or("a column is longer than its block")?;
        *rest = after;
        Ok(Some(StoredColumn { id, codec, raw, stored }))
    }
}

/// Which extra column the column of this number is; `None` if it is none.
fn extra_id(column: u32) -> Option<ColumnId> {
    Some(ColumnId(u16::try_from(column.checked_sub(column::EXTRA)?).ok()?))
}

/// The extra columns in the payload of a snapshot block, of which nothing is unpacked.
pub(crate) fn extra_columns(payload: &[u8]) -> Result<Vec<ColumnId>, Fault> {
    let (_, used) = Prelude::parse(payload)?;
    let rest = payload.get(used..).unwrap_or(&[]);
    let (&[_, _], mut rest) = rest.split_first_chunk().ok_or("the block ends early")?;
    let mut extras = Vec::new();
    while let Some(stored) = StoredColumn::take(&mut rest)? {
        extras.extend(extra_id(stored.id));
    }
    Ok(extras)
}

/// Unpacks payloads. Keeps its buffers and zstd context.
pub(crate) struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
    columns: Vec<Vec<u8>>,
    links: Links,
}

impl Unpacker {
    pub(crate) fn new() -> Result<Unpacker, Fault> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|e| Fault::Library(e.to_string()))?;
        Ok(Unpacker { zstd, columns: Vec::new(), links: Links::default() })
    }

    /// Unpacks `stored`, which must come to exactly `raw_len` bytes, into `out`.
    pub(crate) fn unpack(&mut self, codec: u8, stored: &[u8], raw_len: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.clear();
        if raw_len > MAX_RAW {
            return Err("it claims to unpack to more than any block may".into());
        }
        match codec {
            codec::NONE => out.extend_from_slice(stored),
            codec::ZSTD => {
                out.reserve_exact(raw_len as usize);
                self.zstd.decompress_to_buffer(stored, out).map_err(|e| Fault::Unpack(e.to_string()))?;
            }
            other => return Err(Fault::UnknownCodec(other)),
        }
        if out.len() != raw_len as usize {
            return Err("it does not unpack to the announced length".into());
        }
        Ok(())
    }

    /// Decodes a snapshot block, as far as `detail` says.
    pub(crate) fn unpack_snapshots(
        &mut self,
        payload: &[u8],
        raw_len: u32,
        detail: Detail,
        batch: &mut Batch,
        present: &mut Vec<Vec<ColumnId>>,
    ) -> Result<Prelude, Fault> {
        let (prelude, used) = Prelude::parse(payload)?;
        let rest = payload.get(used..).unwrap_or(&[]);
        let (&[shift, flags], mut rest) = rest.split_first_chunk().ok_or("the block ends early")?;
        if flags & !flag::ALL != 0 {
            return Err("the block has flags that this version does not know".into());
        }
        let mut ids: Vec<u32> = Vec::new();
        let mut total = 0u64;
        while let Some(stored_column) = StoredColumn::take(&mut rest)? {
            let StoredColumn { id, codec, raw, stored } = stored_column;
            total += u64::from(raw);
            if total > u64::from(raw_len) {
                return Err("the columns unpack to more than the block announces".into());
            }
            let extra = extra_id(id).is_some();
            // Columns of later versions are stepped over.
            let is_wanted = match detail {
                Detail::All => true,
                Detail::WithoutAges => id != column::AGES,
                Detail::Heads => id == column::HEADS,
            };
            if !(column::HEADS..=column::AGES).contains(&id) && !extra || !is_wanted {
                continue;
            }
            if ids.contains(&id) || ids.len() >= MAX_EXTRA_COLUMNS + column::AGES as usize {
                return Err("a column is there twice, or there are too many of them".into());
            }
            let mut buffer = self.columns.get_mut(ids.len()).map(std::mem::take).unwrap_or_default();
            let done = self.unpack(codec, stored, raw, &mut buffer);
            match self.columns.get_mut(ids.len()) {
                Some(slot) => *slot = buffer,
                None => self.columns.push(buffer),
            }
            done?;
            ids.push(id);
        }
        let column = |wanted: u32| {
            let at = ids.iter().position(|id| *id == wanted);
            at.and_then(|at| self.columns.get(at)).map_or(&[][..], Vec::as_slice)
        };
        let extras = ids.iter().zip(&self.columns).filter_map(|(id, bytes)| Some((extra_id(*id)?, bytes.as_slice())));
        let raw = RawColumns {
            shift,
            zero_matters: flags & flag::ZERO_MATTERS != 0,
            heads: column(column::HEADS),
            ops: column(column::OPS),
            sizes: column(column::SIZES),
            gaps: column(column::GAPS),
            nr_accesses: column(column::NR_ACCESSES),
            ages: column(column::AGES),
            extras: extras.collect(),
        };
        let said = Announced {
            first_snapshot: prelude.first_snapshot,
            snapshots: prelude.snapshots as usize,
            regions: prelude.regions as usize,
            time: prelude.time_start,
        };
        unpack(&raw, said, detail, batch, present, &mut self.links)?;
        // Blocks are chosen by their preludes, which therefore must be true.
        if detail == Detail::All && Prelude::of(batch, prelude.first_snapshot) != prelude {
            return Err("the block's summary does not agree with its snapshots".into());
        }
        Ok(prelude)
    }
}
