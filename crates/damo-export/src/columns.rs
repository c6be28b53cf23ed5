//! The tables of a data set and their columns: types that all engines have (signed 64-bit numbers, text, truth values).

use polars::prelude::DataType;

/// A column of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedColumn {
    /// The column's name in Parquet and SQL.
    pub name: &'static str,
    /// What it is, with its unit.
    pub about: &'static str,
    /// Which Parquet type its values have.
    pub kind: Kind,
}

/// A type of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number: Parquet's INT64, signed.
    Number,
    /// Text in UTF-8.
    Text,
    /// True or false.
    Truth,
}

impl Kind {
    /// The type in frames.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Kind::Number => DataType::Int64,
            Kind::Text => DataType::String,
            Kind::Truth => DataType::Boolean,
        }
    }

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Number => "i64",
            Kind::Text => "str",
            Kind::Truth => "bool",
        }
    }
}

/// A table of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedTable {
    /// Its name, which its partition has.
    pub name: &'static str,
    /// Its columns, in order.
    pub columns: &'static [ExportedColumn],
}

const fn number(name: &'static str, about: &'static str) -> ExportedColumn {
    ExportedColumn { name, about, kind: Kind::Number }
}

const fn text(name: &'static str, about: &'static str) -> ExportedColumn {
    ExportedColumn { name, about, kind: Kind::Text }
}

const fn truth(name: &'static str, about: &'static str) -> ExportedColumn {
    ExportedColumn { name, about, kind: Kind::Truth }
}

const RECORD: ExportedColumn = text("record", "identity of the record, as in its file's name");
const SERVICE: ExportedColumn =
    text("service", "what --service says, else the name of the target's process; null if unknown");
const TARGET: ExportedColumn = number("target", "the record's own number of the target");
const START: ExportedColumn = number("start_ns", "start of the snapshot, ns since the recording began");
const LENGTH: ExportedColumn = number("length_ns", "length of the snapshot");
const WALL: ExportedColumn = number("wall_ns", "ns since 1970, UTC; null if unknown");

/// The tables, in the order in which they are written: what has a row for the record as a whole comes last.
pub fn tables() -> [ExportedTable; 7] {
    [
        ExportedTable { name: "regions", columns: &REGIONS },
        ExportedTable { name: "snapshots", columns: &SNAPSHOTS },
        ExportedTable { name: "mappings", columns: &MAPPINGS },
        ExportedTable { name: "footprints", columns: &FOOTPRINTS },
        ExportedTable { name: "samples", columns: &SAMPLES },
        ExportedTable { name: "targets", columns: &TARGETS },
        ExportedTable { name: "records", columns: &RECORDS },
    ]
}

const REGIONS: [ExportedColumn; 13] = [
    RECORD,
    SERVICE,
    TARGET,
    WALL,
    START,
    LENGTH,
    number("aggregation_ns", "aggregation interval in force; null if unknown"),
    number("start", "address of the first byte"),
    number("size", "bytes"),
    number("nr_accesses", "samples that found it accessed"),
    number("age", "aggregation intervals; null if unknown"),
    text("mapping", "name of the mapping that most of it lies in; null if unknown"),
    truth("partial", "whether regions of the snapshot are missing"),
];

const SNAPSHOTS: [ExportedColumn; 12] = [
    RECORD,
    SERVICE,
    TARGET,
    WALL,
    START,
    LENGTH,
    number("sample_ns", "sampling interval in force; null if unknown"),
    number("aggregation_ns", "aggregation interval in force; null if unknown"),
    number("nr_regions", "regions"),
    number("total_bytes", "of all regions"),
    number("accessed_bytes", "of the regions with an access: the working set"),
    truth("partial", "whether regions of the snapshot are missing"),
];

const MAPPINGS: [ExportedColumn; 9] = [
    RECORD,
    SERVICE,
    TARGET,
    WALL,
    number("at_ns", "when it was read, ns since the recording began"),
    number("start", "address of the first byte"),
    number("size", "bytes"),
    text("perms", "as the kernel prints them"),
    text("name", "file, `[heap]` and the like; `[anon]` for memory without a name"),
];

const FOOTPRINTS: [ExportedColumn; 10] = [
    RECORD,
    SERVICE,
    TARGET,
    WALL,
    number("at_ns", "when it was read, ns since the recording began"),
    number("rss", "resident bytes; null if unknown, as those below"),
    number("pss", "proportional share of what is resident"),
    number("vsz", "virtual size"),
    number("swap", "swapped out"),
    number("cgroup", "bytes of the control group"),
];

const SAMPLES: [ExportedColumn; 11] = [
    RECORD,
    SERVICE,
    WALL,
    number("at_ns", "when it was taken, ns since the recording began"),
    text("sampled", "`cpu` for CPU time, `access` for accesses to memory"),
    number("pid", "the process that ran"),
    number("tid", "its thread"),
    number("weight", "how many events it stands for: 1 where each sample stands for equally many"),
    text("function", "the innermost function; module and address where it has no name; null without a stack"),
    text("module", "file that the function is in, `[kernel]` or `[jit]`; null where nothing is known to be"),
    text("stack", "all functions, outermost first, with `;` between them; null without a stack"),
];

const TARGETS: [ExportedColumn; 6] = [
    RECORD,
    SERVICE,
    TARGET,
    number("pid", "of the target's process; null if it has none"),
    text("comm", "name of the process"),
    text("cmdline", "its command line"),
];

const RECORDS: [ExportedColumn; 9] = [
    RECORD,
    text("kernel", "release of the host's kernel; empty if unknown"),
    text("ops", "operations set"),
    number("wall_ns", "when the recording began, ns since 1970, UTC; null if unknown"),
    number("length_ns", "from the first snapshot's start to the last one's end"),
    number("snapshots", "partial ones included"),
    number("partial", "of them, those that lack regions"),
    number("regions", "of all snapshots"),
    number("lost_events", "events that were lost while recording"),
];
