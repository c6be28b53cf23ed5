//! The bytes around everything else: the file header and the frame of each block.
//!
//! A record is a 16-byte file header and then blocks, one after another, each of which says how long it
//! is and carries checksums of its own header and of its payload. So a reader needs nothing but the block in hand:
//! it can start anywhere (by looking for the block magic), stop anywhere (a cut file), and step over
//! what it does not know or what is damaged. Lengths are checked against the caps below before anything is allocated.

use crc32fast::hash as crc32;

/// First eight bytes of a record. Like PNG's: a byte above 127, CR LF and Ctrl-Z, which text-mode transfers spoil.
pub(crate) const FILE_MAGIC: [u8; 8] = [0x89, b'D', b'A', b'M', b'O', b'\r', b'\n', 0x1a];
/// Format version: a reader refuses another major number and reads any minor one.
pub(crate) const MAJOR: u8 = 1;
/// Minor version of the format: readers of an older one leave out what they do not know.
pub(crate) const MINOR: u8 = 2;
/// Size of the file header.
pub(crate) const FILE_HEADER_LEN: usize = 16;

/// First four bytes of each block.
pub(crate) const BLOCK_MAGIC: [u8; 4] = [0xda, b'b', b'k', b'\n'];
/// Size of a block's header.
pub(crate) const BLOCK_HEADER_LEN: usize = 28;
/// No payload is longer than this, as stored.
pub(crate) const MAX_STORED: u32 = 33 << 20;
/// No payload unpacks to more than this.
pub(crate) const MAX_RAW: u32 = 32 << 20;
/// No snapshot block holds more regions; hence no snapshot does.
pub(crate) const MAX_REGIONS: usize = 1 << 20;
/// No snapshot block holds more snapshots.
pub(crate) const MAX_SNAPSHOTS: usize = 1 << 16;
/// Regions times extra columns in a snapshot block.
pub(crate) const MAX_EXTRA_CELLS: usize = 1 << 23;
/// Extra columns in a snapshot block.
pub(crate) const MAX_EXTRA_COLUMNS: usize = 256;
/// A record has no more targets.
pub const MAX_TARGETS: usize = 1 << 16;
/// All targets blocks of a record together unpack to no more bytes: a reader keeps the targets in memory.
pub(crate) const MAX_TARGET_BYTES: u64 = 64 << 20;
/// Pieces of side data in a block: each takes more memory than its few bytes suggest.
pub(crate) const MAX_SIDES: usize = 1 << 16;
/// Mappings in all lists of a block of side data, for the same reason.
pub(crate) const MAX_SIDE_MAPPINGS: usize = 1 << 20;
/// Payload of an end block: offset of the index block (0 if there is none) and [`END_MAGIC`].
pub(crate) const END_PAYLOAD_LEN: usize = 16;
/// Last eight bytes of a finished record.
pub(crate) const END_MAGIC: [u8; 8] = *b"DAMOEND\n";

/// What a block holds. Numbers are part of the format.
pub(crate) mod kind {
    /// What is known of the record as a whole.
    pub(crate) const META: u16 = 1;
    /// Targets: new ones, or more known of old ones.
    pub(crate) const TARGETS: u16 = 2;
    /// Snapshots in columns.
    pub(crate) const SNAPSHOTS: u16 = 3;
    /// What was recorded beside snapshots.
    pub(crate) const SIDES: u16 = 4;
    /// Where the blocks are and what they span.
    pub(crate) const INDEX: u16 = 5;
    /// The record was finished.
    pub(crate) const END: u16 = 6;
    /// Side data of CPU profiles.
    pub(crate) const PROFILE: u16 = 7;
}

/// How a payload is packed. Numbers are part of the format.
pub(crate) mod codec {
    /// As it is.
    pub(crate) const NONE: u8 = 0;
    /// One zstd frame.
    pub(crate) const ZSTD: u8 = 1;
    /// Columns, each packed on its own (snapshot blocks).
    pub(crate) const COLUMNS: u8 = 2;
}

/// The header in front of each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub kind: u16,
    pub codec: u8,
    /// Length of the payload as it stands in the file.
    pub stored_len: u32,
    /// Length that it unpacks to.
    pub raw_len: u32,
    /// Number of the block in the file, from 0: a gap tells that blocks are missing.
    pub sequence: u32,
    /// CRC-32 of the payload as stored.
    pub payload_crc: u32,
}

/// Why bytes are not a block header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// They do not begin with the magic.
    Magic,
    /// The checksum of the header is wrong.
    Checksum,
    /// A length above the caps.
    TooLong,
}

impl BadHeader {
    pub(crate) fn why(self) -> &'static str {
        match self {
            BadHeader::Magic => "no block begins here",
            BadHeader::Checksum => "the checksum of the block's header is wrong",
            BadHeader::TooLong => "the block claims to be longer than any block may be",
        }
    }
}

impl BlockHeader {
    /// The header as it stands in the file.
    pub(crate) fn to_bytes(self) -> [u8; BLOCK_HEADER_LEN] {
        let mut out = [0; BLOCK_HEADER_LEN];
        out[0..4].copy_from_slice(&BLOCK_MAGIC);
        out[4..6].copy_from_slice(&self.kind.to_le_bytes());
        out[6] = self.codec;
        // out[7] is reserved and 0.
        out[8..12].copy_from_slice(&self.stored_len.to_le_bytes());
        out[12..16].copy_from_slice(&self.raw_len.to_le_bytes());
        out[16..20].copy_from_slice(&self.sequence.to_le_bytes());
        out[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32(&out[..24]);
        out[24..28].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header, and checks its magic number and its checksum.
    pub(crate) fn parse(bytes: &[u8; BLOCK_HEADER_LEN]) -> Result<BlockHeader, BadHeader> {
        if bytes[0..4] != BLOCK_MAGIC {
            return Err(BadHeader::Magic);
        }
        if crc32(&bytes[..24]) != u32_at(bytes, 24) {
            return Err(BadHeader::Checksum);
        }
        let header = BlockHeader {
            kind: u16::from_le_bytes([bytes[4], bytes[5]]),
            codec: bytes[6],
            stored_len: u32_at(bytes, 8),
            raw_len: u32_at(bytes, 12),
            sequence: u32_at(bytes, 16),
            payload_crc: u32_at(bytes, 20),
        };
        if header.stored_len > MAX_STORED || header.raw_len > MAX_RAW {
            return Err(BadHeader::TooLong);
        }
        Ok(header)
    }

    /// Header and payload together.
    pub(crate) fn total_len(&self) -> u64 {
        BLOCK_HEADER_LEN as u64 + u64::from(self.stored_len)
    }
}

/// The file header of the version that is written.
pub(crate) fn file_header() -> [u8; FILE_HEADER_LEN] {
    let mut out = [0; FILE_HEADER_LEN];
    out[..8].copy_from_slice(&FILE_MAGIC);
    out[8] = MAJOR;
    out[9] = MINOR;
    let crc = crc32(&out[..12]);
    out[12..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// What a file header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileHeader {
    /// A record of this version.
    Good { major: u8, minor: u8 },
    /// The magic is right, the rest is damaged.
    Damaged,
    /// The bytes do not begin like a record.
    Foreign,
}

/// Looks at the first bytes of a file.
pub(crate) fn parse_file_header(bytes: &[u8]) -> FileHeader {
    if !bytes.starts_with(&FILE_MAGIC) {
        return FileHeader::Foreign;
    }
    match bytes.first_chunk::<FILE_HEADER_LEN>() {
        Some(all) if crc32(&all[..12]) == u32_at(all, 12) => FileHeader::Good { major: all[8], minor: all[9] },
        _ => FileHeader::Damaged,
    }
}

/// Whether a block header stands at the beginning of `bytes`.
pub(crate) fn block_at(bytes: &[u8]) -> Option<BlockHeader> {
    BlockHeader::parse(bytes.first_chunk()?).ok()
}

/// Payload of the end block.
pub(crate) fn end_payload(index_offset: u64) -> [u8; END_PAYLOAD_LEN] {
    let mut out = [0; END_PAYLOAD_LEN];
    out[..8].copy_from_slice(&index_offset.to_le_bytes());
    out[8..].copy_from_slice(&END_MAGIC);
    out
}

/// Offset of the index that an end block names.
pub(crate) fn parse_end(payload: &[u8]) -> Option<u64> {
    let payload: &[u8; END_PAYLOAD_LEN] = payload.try_into().ok()?;
    (payload[8..] == END_MAGIC).then(|| u64::from_le_bytes(std::array::from_fn(|i| payload[i])))
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_header_with_any_bit_flipped_is_refused() {
        let header =
            BlockHeader { kind: kind::META, codec: 1, stored_len: 100, raw_len: 200, sequence: 3, payload_crc: 9 };
        let bytes = header.to_bytes();
        assert_eq!(BlockHeader::parse(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(BlockHeader::parse(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn lengths_above_the_caps_are_refused_even_with_a_right_checksum() {
        let header =
            BlockHeader { kind: 1, codec: 1, stored_len: MAX_STORED + 1, raw_len: 0, sequence: 0, payload_crc: 0 };
        assert_eq!(BlockHeader::parse(&header.to_bytes()), Err(BadHeader::TooLong));
        let header = BlockHeader { stored_len: 1, raw_len: u32::MAX, ..header };
        assert_eq!(BlockHeader::parse(&header.to_bytes()), Err(BadHeader::TooLong));
    }
}
