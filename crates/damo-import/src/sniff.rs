//! What a file is, by its bytes. Names lie, and running `file` is what makes records unreadable on hosts where that
//! program words its answer differently.

use crate::error::ImportError;
use crate::{Context, text};

/// A foreign format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON of the Python tool.
    DamoJson,
    /// The same, compressed with zlib: its default.
    DamoJsonZlib,
    /// Output of `perf script`.
    PerfScript,
    /// Output of `trace-cmd report`, or tracefs' `trace` and `trace_pipe`.
    TraceCmdText,
    /// perf.data, to a file or a pipe.
    PerfData,
    /// The binary record of the first DAMON versions.
    LegacyBinary,
    /// Pages of tracefs' ring buffer, a directory: [`crate::RawTrace`].
    TracePages,
    /// A `.mem_footprint` file of the Python tool by itself: memory use without snapshots.
    MemFootprint,
}

impl Format {
    /// Name for people and for `damo convert`.
    pub fn name(self) -> &'static str {
        match self {
            Format::DamoJson => "json",
            Format::DamoJsonZlib => "json_compressed",
            Format::PerfScript => "perf_script",
            Format::TraceCmdText => "trace_text",
            Format::PerfData => "perf_data",
            Format::LegacyBinary => "record",
            Format::TracePages => "trace_pages",
            Format::MemFootprint => "mem_footprint",
        }
    }
}

/// Magic of the binary record from version 1 on.
pub(crate) const LEGACY_MAGIC: &[u8; 16] = b"damon_recfmt_ver";

/// What a file is, by its first bytes (64 KiB are plenty). `None` if it is nothing known here, or if that cannot be
/// told without more of it: [`crate::import`] looks further.
pub fn sniff(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"PERFILE2") || head.starts_with(b"2ELIFREP") {
        return Some(Format::PerfData);
    }
    if head.starts_with(LEGACY_MAGIC) {
        return Some(Format::LegacyBinary);
    }
    if is_zlib(head) {
        return Some(Format::DamoJsonZlib);
    }
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if matches!(first, b'[' | b'{') && looks_like_json(head) {
        return Some(if is_mem_footprint(head) { Format::MemFootprint } else { Format::DamoJson });
    }
    if let Some(format) = text::sniff(head) {
        return Some(format);
    }
    crate::legacy::looks_like_version_0(head).then_some(Format::LegacyBinary)
}

/// As [`sniff`], with the whole file, and an error that says what it looks like instead.
pub(crate) fn recognise(bytes: &[u8], context: &Context<'_>) -> Result<Format, ImportError> {
    if let Some(format) = sniff(bytes.get(..64 << 10).unwrap_or(bytes)).or_else(|| text::sniff(bytes)) {
        return Ok(format);
    }
    let (looks, remedy) = describe(bytes);
    Err(ImportError::Unrecognised { name: context.name.to_owned(), looks: looks.to_owned(), remedy: remedy.to_owned() })
}

/// A zlib header: compression method 8 and a checksum over both bytes, with a first deflate block of a known kind.
fn is_zlib(head: &[u8]) -> bool {
    let [cmf, flags, rest @ ..] = head else { return false };
    let checks = (u16::from(*cmf) << 8 | u16::from(*flags)) % 31 == 0;
    *cmf == 0x78 && checks && flags & 0x20 == 0 && rest.first().is_none_or(|block| block >> 1 & 3 != 3)
}

/// `[` and `{` begin trace lines as well (`[000] ...` in some layouts): what follows must be JSON.
fn looks_like_json(head: &[u8]) -> bool {
    let mut significant = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    let second = match (significant.next(), significant.next()) {
        (Some(b'{'), second) => return matches!(second, None | Some(b'"' | b'}')),
        (_, second) => second,
    };
    matches!(second, None | Some(b'{' | b'[' | b']'))
}

/// Moments with footprints instead of targets with snapshots.
fn is_mem_footprint(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head.get(..4096).unwrap_or(head));
    head.contains("\"footprints\"") && !head.contains("\"target_id\"") && !head.contains("\"snapshots\"")
}

/// What an unknown file looks like, and what to do with it.
fn describe(bytes: &[u8]) -> (&'static str, &'static str) {
    let give = "give a .damo record, a record of the Python damo, perf.data, or trace text";
    if bytes.is_empty() {
        return ("empty", "record again, and end the recording with Ctrl-C so that it is written out");
    }
    let known: [(&[u8], &str, &str); 9] = [
        (b"\x17\x08\x44tracing", "a trace.dat of trace-cmd", "turn it into text with `trace-cmd report -i FILE`"),
        (b"PERFFILE", "a perf.data of before 2010", "turn it into text with `perf script` of that time"),
        (b"\x1f\x8b", "gzip-compressed", "unpack it first: gunzip FILE"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed", "unpack it first: unzstd FILE"),
        (b"\xfd7zXZ", "xz-compressed", "unpack it first: unxz FILE"),
        (b"BZh", "bzip2-compressed", "unpack it first: bunzip2 FILE"),
        (b"PK\x03\x04", "a zip archive", "unpack it first"),
        (b"\x89PNG", "a picture", give),
        (b"\x7fELF", "a program", give),
    ];
    if let Some((_, looks, remedy)) = known.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return (looks, remedy);
    }
    let head = bytes.get(..4096).unwrap_or(bytes);
    let printable = head.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..));
    if printable {
        let remedy = "record the tracepoint damon:damon_aggregated, and check that DAMON was on";
        return ("text without any DAMON event", remedy);
    }
    ("unknown binary data", give)
}
