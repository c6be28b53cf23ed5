//! What can go wrong, said so that the reader of the message knows what happened, where, and what to do next.

use crate::writer::Summary;
use damo_model::human::Show;
use damo_model::{Addr, Bytes, ColumnId, Nanos, TargetKey};
use std::io;
use std::path::PathBuf;

/// Why a record could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The operating system refused.
    #[error("cannot write the record: {0}")]
    Io(#[source] io::Error),
    /// The operating system refused to take more (a full disk, a limit on file sizes); what was written before has the
    /// record's name.
    #[error("cannot write {}: {source}; what was written so far stays readable there", path.shown())]
    CutShort {
        /// The file that was to be opened.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
        /// What is in the record.
        written: Summary,
    },
    /// A record without any snapshot does not take the place of one that has some.
    #[error("no snapshot was recorded, so {} is still the earlier record", path.shown())]
    NothingNew {
        /// The earlier record.
        path: PathBuf,
    },
    /// The operating system refused something with a file.
    #[error("cannot {what} {}: {source}", path.shown())]
    File {
        /// What was tried: `create`, `rename to`.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something stands where the record should go.
    #[error("{} {what}; {}", path.shown(), makes_way(*.replaceable))]
    Occupied {
        /// The record's name.
        path: PathBuf,
        /// What stands there.
        what: &'static str,
        /// Whether it would give way if overwriting was asked for.
        replaceable: bool,
    },
    /// The record was written, but could not be given its name.
    #[error("{why}. What was recorded is kept as {}", part.shown())]
    NotNamed {
        /// Where it is.
        part: PathBuf,
        /// The name that it was to have.
        path: PathBuf,
        /// Why it could not get that name.
        why: String,
    },
    /// The first item must be the meta item, and there is one only.
    #[error("a record begins with exactly one meta item, but {0}")]
    MetaOrder(&'static str),
    /// A snapshot of a target that was not announced.
    #[error("snapshot {snapshot} is of target {}, which was not announced before", target.0)]
    UnknownTarget {
        /// Position of the snapshot in the record, from 0.
        snapshot: u64,
        /// Key of the target that it refers to.
        target: TargetKey,
    },
    /// A snapshot that breaks the rules of the vocabulary.
    #[error("snapshot {snapshot} of target {}: {why}", target.0)]
    BadSnapshot {
        /// Position of the snapshot in the record, from 0.
        snapshot: u64,
        /// Key of the target that it refers to.
        target: TargetKey,
        /// The rule that it breaks.
        #[source]
        why: SnapshotFault,
    },
    /// Something that does not fit into a block.
    #[error("{what} takes {size} bytes, more than the {limit} that a record can hold in one piece", size = size.0, limit = limit.0)]
    TooLarge {
        /// What is too large, as a noun.
        what: &'static str,
        /// The size that it has.
        size: Bytes,
        /// The size that it may have at most.
        limit: Bytes,
    },
    /// A list of more mappings than a record can hold in one piece.
    #[error("a record can hold {limit} mappings in one list, and here are {mappings}")]
    TooManyMappings {
        /// How many there are.
        mappings: usize,
        /// How many there can be.
        limit: usize,
    },
    /// More targets than a record can have.
    #[error("a record can have {limit} targets, and here comes another")]
    TooManyTargets {
        /// How many it can have.
        limit: usize,
    },
    /// The writer failed before: nothing more can be added.
    #[error("the record could not be written to before and takes nothing more")]
    Failed,
    /// The packer failed.
    #[error("cannot pack a block: {0}")]
    Pack(Fault),
    /// The record to repair could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried, with the file's name where there is one.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not a `.damo` record.
    #[error("not a .damo record: {0}")]
    NotARecord(&'static str),
    /// Written by a later version.
    #[error("the record has format version {major}.{minor}; this program reads {known}.x: use a newer damo", known = crate::layout::MAJOR)]
    NewerMajor {
        /// Major version of the record.
        major: u8,
        /// Minor version of the record.
        minor: u8,
    },
    /// A block that cannot be read. Others can.
    #[error("{0}; `damo repair` writes a record of what is readable")]
    Damaged(Damage),
    /// The record has fewer blocks.
    #[error("the record has no snapshot block {index}, only {blocks}")]
    NoSuchBlock {
        /// The block asked for.
        index: usize,
        /// Number of blocks.
        blocks: usize,
    },
    /// More than fits into memory.
    #[error("the stream is longer than {} bytes; save it to a file and read that", limit.0)]
    TooLong {
        /// The size that it may have at most.
        limit: Bytes,
    },
}

/// What to do about a name that is taken.
fn makes_way(replaceable: bool) -> &'static str {
    if replaceable {
        "choose another name, move it away, or say --force to replace it"
    } else {
        "choose another name or move it away"
    }
}

impl ReadError {
    /// Whether only a part of the record is affected, so that reading on makes sense.
    pub fn is_damage(&self) -> bool {
        matches!(self, ReadError::Damaged(_))
    }
}

/// Which rule of the vocabulary a snapshot breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named in the messages")]
pub enum SnapshotFault {
    /// Its times are the wrong way round.
    #[error("it ends at {} ns, before it starts at {} ns", .end.0, .start.0)]
    EndsBeforeStart { start: Nanos, end: Nanos },
    /// It has more than fits into a block.
    #[error("it has {regions} regions and {columns} extra columns, more than a record can hold")]
    TooLarge { regions: usize, columns: usize },
    /// A region has no size. `range` is its start and end.
    #[error("region {index} of {regions} is empty: {:#x}-{:#x}", .range.0.0, .range.1.0)]
    EmptyRegion { index: usize, regions: usize, range: (Addr, Addr) },
    /// Regions are not sorted and disjoint.
    #[error("region {index} of {regions} starts at {:#x}, before the one before ends ({:#x})", .start.0, .last_end.0)]
    Overlap { index: usize, regions: usize, start: Addr, last_end: Addr },
    /// Either all regions have an age or none.
    #[error("region {index} of {regions} differs from the first in having an age")]
    Age { index: usize, regions: usize },
    /// An extra column has a value for each region.
    #[error("extra column {} has {values} values for {regions} regions", .column.0)]
    ColumnLength { column: ColumnId, values: usize, regions: usize },
    /// An extra column is there once.
    #[error("extra column {} is there twice", .column.0)]
    ColumnTwice { column: ColumnId },
}

/// What is wrong with a part of a record, or why something cannot be put into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A rule of the format is broken.
    #[error("{0}")]
    Rule(&'static str),
    /// Packed with a codec of a later version.
    #[error("it is packed in a way that this version does not know ({0})")]
    UnknownCodec(u8),
    /// zstd refuses it.
    #[error("it does not unpack: {0}")]
    Unpack(String),
    /// bincode or zstd refuse it, in their words.
    #[error("{0}")]
    Library(String),
}

impl From<&'static str> for Fault {
    fn from(rule: &'static str) -> Self {
        Fault::Rule(rule)
    }
}

/// A part of a record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} bytes at offset {} are damaged: {why}", .length.0, .offset.0)]
pub struct Damage {
    /// Where it begins in the file.
    pub offset: Bytes,
    /// How long it is.
    pub length: Bytes,
    /// What is wrong with it.
    pub why: Fault,
}

impl Damage {
    pub(crate) fn new(offset: u64, length: u64, why: impl Into<Fault>) -> Self {
        Damage { offset: Bytes(offset), length: Bytes(length), why: why.into() }
    }
}
