//! A reader in the making: what its blocks say of the record, or its index alone.

use super::{Reader, Totals, side_limit};
use crate::block::{BlockInfo, Index, OtherBlock, Prelude};
use crate::error::{Damage, Fault, ReadError};
use crate::layout::{BLOCK_HEADER_LEN, END_PAYLOAD_LEN, FILE_HEADER_LEN, MAX_TARGETS, MINOR, kind, parse_end};
use crate::other_blocks::OtherBlocks;
use crate::scan::{self, Found};
use crate::source::Bytestore;
use crate::wire::decode;
use damo_model::{Bytes, Meta, Side, Target, TargetKey};
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

/// A reader in the making.
pub(super) struct Building {
    len: u64,
    pub(super) minor: u8,
    meta: Option<Meta>,
    targets: BTreeMap<TargetKey, Target>,
    blocks: Vec<BlockInfo>,
    side_data: Vec<OtherBlock>,
    profile: Vec<OtherBlock>,
    lost_events: u64,
    pub(super) damage: Vec<Damage>,
    pub(super) others: OtherBlocks,
    pub(super) finished: bool,
}

impl Building {
    pub(super) fn new(len: u64) -> Result<Building, ReadError> {
        Ok(Building {
            len,
            minor: MINOR,
            meta: None,
            targets: BTreeMap::new(),
            blocks: Vec::new(),
            side_data: Vec::new(),
            profile: Vec::new(),
            lost_events: 0,
            damage: Vec::new(),
            others: OtherBlocks::new()?,
            finished: false,
        })
    }

    /// Takes a whole block.
    pub(super) fn add(&mut self, found: Found, payload: &[u8]) {
        if let Err(why) = self.try_add(found, payload) {
            self.damage.push(Damage::new(found.offset, found.header.total_len(), why));
        }
    }

    fn try_add(&mut self, Found { offset, header }: Found, payload: &[u8]) -> Result<(), Fault> {
        match header.kind {
            kind::SNAPSHOTS => {
                let (prelude, _) = Prelude::parse(payload)?;
                self.blocks.push(prelude.info(offset, header.total_len(), header.raw_len.into()));
            }
            // A second one says nothing new.
            kind::META if self.meta.is_some() => {}
            kind::META => self.meta = Some(self.others.meta(header, payload)?),
            kind::TARGETS => {
                for target in self.others.targets(header, payload)? {
                    if self.targets.len() >= MAX_TARGETS && !self.targets.contains_key(&target.key) {
                        return Err("there are more targets than a record may have".into());
                    }
                    self.targets.insert(target.key, target);
                }
            }
            kind::SIDES => {
                let mut lost = 0u64;
                let count = |side| {
                    if let Side::Lost(side) = side {
                        lost = lost.saturating_add(side.events);
                    }
                };
                self.others.side_data(header, payload, side_limit(self.len), count)?;
                self.lost_events = self.lost_events.saturating_add(lost);
                self.side_data.push(OtherBlock { kind: header.kind, offset, length: header.total_len() as u32 });
            }
            kind::PROFILE => {
                self.others.side_data(header, payload, side_limit(self.len), |_| ())?;
                self.profile.push(OtherBlock { kind: header.kind, offset, length: header.total_len() as u32 });
            }
            kind::INDEX | kind::END => {}
            other => self.others.leave_out(other),
        }
        Ok(())
    }

    /// Takes everything from the index, if there is one and it is sound.
    pub(super) fn take_index(&mut self, store: &Bytestore) -> io::Result<bool> {
        let mut buffer = Vec::new();
        let end = self.len.saturating_sub((BLOCK_HEADER_LEN + END_PAYLOAD_LEN) as u64);
        let offset = match scan::read_block(store, end, &mut buffer)? {
            Ok(header) if header.kind == kind::END => parse_end(&buffer).unwrap_or(0),
            _ => 0,
        };
        if offset == 0 {
            return Ok(false);
        }
        let header = match scan::read_block(store, offset, &mut buffer)? {
            Ok(header) if header.kind == kind::INDEX && offset + header.total_len() == end => header,
            _ => return Ok(false),
        };
        let mut raw = Vec::new();
        let unpacked = self.others.unpacker.unpack(header.codec, &buffer, header.raw_len, &mut raw);
        let Ok((index, _)) = unpacked.and_then(|()| decode::<Index>(&raw)) else { return Ok(false) };
        for other in index.others {
            if other.kind == kind::SIDES {
                self.side_data.push(other);
            } else if other.kind == kind::PROFILE {
                self.profile.push(other);
            } else if let Ok(header) = scan::read_block(store, other.offset, &mut buffer)? {
                self.add(Found { offset: other.offset, header }, &buffer);
            } else {
                self.damage.push(Damage::new(other.offset, other.length.into(), "a block does not read"));
            }
        }
        let infos = index.blocks.into_iter();
        self.blocks = infos.map(|e| e.prelude.info(e.offset, e.length.into(), e.raw.into())).collect();
        self.lost_events = index.lost_events;
        self.finished = true;
        Ok(true)
    }

    pub(super) fn finish(mut self, store: Bytestore) -> Reader {
        if self.meta.is_none() {
            self.damage.push(Damage::new(
                FILE_HEADER_LEN as u64,
                0,
                "the block with the record's meta data is missing",
            ));
        }
        // Snapshots whose targets block was lost still need one.
        for key in self.blocks.iter().flat_map(|block| &block.targets) {
            if self.targets.len() >= MAX_TARGETS {
                break;
            }
            self.targets.entry(*key).or_insert_with(|| Target { key: *key, ..Target::default() });
        }
        self.damage.sort_by_key(|damage| damage.offset);
        let mut totals = Totals { lost_events: self.lost_events, file: Bytes(self.len), ..Totals::default() };
        for block in &self.blocks {
            totals.snapshots = totals.snapshots.saturating_add(block.snapshots);
            totals.partial = totals.partial.saturating_add(block.partial);
            totals.regions = totals.regions.saturating_add(block.regions);
            totals.raw = totals.raw.saturating_add(block.raw);
        }
        Reader {
            store,
            meta: self.meta.unwrap_or_default(),
            targets: self.targets.into_values().collect(),
            blocks: self.blocks,
            side_data: self.side_data,
            profile: self.profile,
            totals,
            damage: self.damage,
            notes: self.others.notes,
            finished: self.finished,
            minor: self.minor,
            unpackers: Mutex::new(vec![self.others.unpacker]),
            late: Mutex::new(BTreeMap::new()),
        }
    }
}
