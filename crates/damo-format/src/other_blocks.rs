//! The blocks that hold no snapshots: metadata, targets and side data, as far as a record of some length may have them.

use crate::block::Unpacker;
use crate::error::{Damage, Fault, ReadError};
use crate::layout::{BlockHeader, MAJOR, MAX_TARGET_BYTES, MINOR};
use crate::reader::TOO_MANY_SIDES;
use crate::wire::{Wire, decode_meta};
use crate::wire_side;
use damo_model::{Meta, Side, Target};

/// Reads them one after the other, and keeps account of them.
pub(crate) struct OtherBlocks {
    pub unpacker: Unpacker,
    /// What was left out because only later versions know it.
    pub notes: Vec<String>,
    raw: Vec<u8>,
    /// Length of all targets blocks, unpacked.
    target_bytes: u64,
    /// Memory that the side data so far would take, were they kept.
    side_memory: u64,
}

impl OtherBlocks {
    pub(crate) fn new() -> Result<Self, ReadError> {
        let unpacker = Unpacker::new().map_err(|why| ReadError::Damaged(Damage::new(0, 0, why)))?;
        Ok(Self { unpacker, notes: Vec::new(), raw: Vec::new(), target_bytes: 0, side_memory: 0 })
    }

    /// Notes it if the record's version is a later one.
    pub(crate) fn is_of(&mut self, minor: u8) {
        if minor > MINOR {
            self.notes.push(format!(
                "the record was written by a later version (format {MAJOR}.{minor}); what this version does not know is left out"
            ));
        }
    }

    fn unpack(&mut self, header: BlockHeader, payload: &[u8]) -> Result<(), Fault> {
        self.unpacker.unpack(header.codec, payload, header.raw_len, &mut self.raw)
    }

    pub(crate) fn meta(&mut self, header: BlockHeader, payload: &[u8]) -> Result<Meta, Fault> {
        self.unpack(header, payload)?;
        decode_meta(&self.raw)
    }

    pub(crate) fn targets(&mut self, header: BlockHeader, payload: &[u8]) -> Result<Vec<Target>, Fault> {
        self.target_bytes = self.target_bytes.saturating_add(header.raw_len.into());
        if self.target_bytes > MAX_TARGET_BYTES {
            return Err("the targets of the record take more than they may take altogether".into());
        }
        self.unpack(header, payload)?;
        Vec::<Target>::take(&mut self.raw.as_slice())
    }

    /// Gives each piece of side data to `take`; a block with which all of them take more than `limit` is refused.
    pub(crate) fn side_data(
        &mut self,
        header: BlockHeader,
        payload: &[u8],
        limit: u64,
        take: impl FnMut(Side),
    ) -> Result<(), Fault> {
        if self.side_memory.saturating_add(header.raw_len.into()) > limit {
            return Err(TOO_MANY_SIDES.into());
        }
        self.unpack(header, payload)?;
        let mut unknown = 0;
        let memory = wire_side::take_all(&self.raw, take, |_| unknown += 1)?;
        // A block that exceeds the limit counts, too: the next one is refused before it is unpacked.
        self.side_memory = self.side_memory.saturating_add(memory);
        if self.side_memory > limit {
            return Err(TOO_MANY_SIDES.into());
        }
        if unknown > 0 {
            self.note(format!("{unknown} pieces of side data are of kinds that this version does not know"));
        }
        Ok(())
    }

    pub(crate) fn leave_out(&mut self, kind: u16) {
        self.note(format!("blocks of kind {kind} are of a later version and left out"));
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}
