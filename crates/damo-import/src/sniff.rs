//! What a file is, by its bytes. Names lie, and running `file` is what makes records unreadable on hosts where that
//! program words its answer differently.

use crate::error::ImportError;
use crate::text::{self, Sniffed};
use std::io::{self, Read};

damo_model::words! {
    /// A foreign format.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum Format {
        /// JSON of the Python tool.
        DamoJson = "json",
        /// The same, compressed with zlib: its default.
        DamoJsonZlib = "json_compressed",
        /// Output of `perf script`.
        PerfScript = "perf_script",
        /// Output of `perf trace`.
        PerfTrace = "perf_trace",
        /// Output of `trace-cmd report`, or tracefs' `trace` and `trace_pipe`.
        TraceCmdText = "trace_text",
        /// perf.data, to a file or a pipe.
        PerfData = "perf_data",
        /// The binary record of the first DAMON versions.
        LegacyBinary = "record",
        /// Pages of tracefs' ring buffer, a directory: [`crate::RawTrace`].
        TracePages = "trace_pages",
        /// A `.mem_footprint` file of the Python tool by itself: memory use without snapshots.
        MemFootprint = "mem_footprint",
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
    match text::sniff(head) {
        Some(Sniffed::Is(format)) => return Some(format),
        Some(Sniffed::Strange(_)) => return None,
        None => {}
    }
    crate::legacy::looks_like_version_0(head).then_some(Format::LegacyBinary)
}

/// As much of an input as is looked at to tell what it is, unless it is text.
pub(crate) const HEAD: usize = 64 << 10;

/// Texts are searched further for an event of DAMON, as those of others may come first; this far, if the text must be kept
/// in memory meanwhile.
pub(crate) const MAX_UNDECIDED: usize = 64 << 20;

/// As [`sniff`], with the whole file, and an error that says what it looks like instead.
pub(crate) fn recognise(bytes: &[u8], name: &str) -> Result<Format, ImportError> {
    // Nothing more is read than this one, which is at hand.
    Recogniser::default().read(&mut io::Cursor::new(bytes), name, bytes.len())
}

/// Tells what an input is from as little of it as that takes.
#[derive(Debug, Default)]
pub(crate) struct Recogniser {
    /// What was read so far and is not looked through yet: the line that a piece ended in.
    rest: Vec<u8>,
    /// Everything that was read so far, if it is to be kept.
    pub(crate) kept: Option<Vec<u8>>,
}

impl Recogniser {
    /// One that keeps what it reads, for inputs that can be read only once.
    pub(crate) fn keeping() -> Self {
        Self { kept: Some(Vec::new()), ..Self::default() }
    }

    /// Reads `input`, of which nothing was read yet, and at most `limit` bytes of it (rounded up to a piece). What does not
    /// look like text is decided by its first piece.
    pub(crate) fn read(&mut self, input: &mut impl Read, name: &str, limit: usize) -> Result<Format, ImportError> {
        // In the commands that a remedy names.
        let file = if name == "-" { "FILE" } else { name };
        let unrecognised =
            |looks: String, remedy: String| Err(ImportError::Unrecognised { name: name.to_owned(), looks, remedy });
        let io = |source| ImportError::Io { path: name.into(), source };
        let mut head = Vec::new();
        input.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(io)?;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&head);
        }
        if let Some(format) = sniff(&head) {
            return Ok(format);
        }
        if let Some((looks, remedy)) = describe(&head, file) {
            return unrecognised(looks.to_owned(), remedy);
        }
        let mut seen = head.len();
        self.rest = head;
        loop {
            let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            match text::sniff(&self.rest[..end]) {
                Some(Sniffed::Is(format)) => return Ok(format),
                Some(Sniffed::Strange(layout)) => {
                    let (looks, remedy) = layout.describe();
                    return unrecognised(looks.to_owned(), remedy.to_owned());
                }
                None => drop(self.rest.drain(..end)),
            }
            if seen >= limit {
                break;
            }
            // A line that is longer than any event's: only its end may still be of interest.
            if self.rest.len() > HEAD {
                self.rest.clear();
            }
            let before = self.rest.len();
            input.by_ref().take(4 * HEAD as u64).read_to_end(&mut self.rest).map_err(io)?;
            let piece = &self.rest[before..];
            if let Some(kept) = &mut self.kept {
                kept.extend_from_slice(piece);
            }
            if piece.is_empty() {
                // The last line may lack its end.
                self.rest.push(b'\n');
                if let Some(Sniffed::Is(format)) = text::sniff(&self.rest) {
                    return Ok(format);
                }
                let remedy = "record the tracepoint damon:damon_aggregated, and check that DAMON was on";
                return unrecognised("text without any DAMON event".to_owned(), remedy.to_owned());
            }
            seen += piece.len();
        }
        unrecognised(
            format!("text without any DAMON event in its first {} MiB", seen >> 20),
            format!("give the lines that matter only: grep -E 'damon|damos|LOST|DROPPED' {file} > NEW.txt"),
        )
    }
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

/// Beginnings of files that are no records: what they are, and the command that makes something readable of them, in which
/// `FILE` stands for the name.
const KNOWN: [(&[u8], &str, &str); 19] = [
    (b"\x17\x08\x44tracing", "a trace.dat of trace-cmd", "turn it into text: trace-cmd report -i FILE > NEW.txt"),
    (b"PERFFILE", "a perf.data of before 2010", "turn it into text with `perf script` of that time"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first: gunzip FILE, or tar -xzf FILE if it is an archive"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first: unzstd FILE"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first: unxz FILE, or tar -xJf FILE if it is an archive"),
    (b"BZh", "compressed with bzip2", "unpack it first: bunzip2 FILE"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it first: unlz4 FILE"),
    (b"\x02\x21\x4c\x18", "compressed with lz4", "unpack it first: unlz4 FILE"),
    (b"LZIP", "compressed with lzip", "unpack it first: lzip -d FILE"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first: 7z x FILE"),
    (b"Rar!", "a rar archive", "unpack it first: unrar x FILE"),
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip FILE"),
    (b"!<arch>\n", "an ar archive", "unpack it first: ar x FILE"),
    (
        b"\xc1\x1f\xfc\xc1",
        "a trace in the Common Trace Format (LTTng)",
        "record DAMON with perf, ftrace or `damo record`",
    ),
    (b"SQLite format 3", "a database", "give the record itself"),
    (b"PAR1", "a Parquet table", "give the record that it was made from"),
    (b"\x89PNG", "a picture", "give the record that it was made from"),
    (b"%PDF", "a PDF document", "give the record itself"),
    (b"\x7fELF", "a program", "give a .damo record, a record of the Python damo, perf.data, or trace text"),
];

/// What a file looks like that is no record, and what to do about it; `None` if it may be a text whose events of DAMON come
/// later.
fn describe(head: &[u8], name: &str) -> Option<(&'static str, String)> {
    if head.is_empty() {
        return Some(("empty", "record again, and end the recording with Ctrl-C so that it is written out".to_owned()));
    }
    if let Some((_, looks, remedy)) = KNOWN.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Some((looks, remedy.replace("FILE", name)));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", format!("unpack it first: tar -xf {name}")));
    }
    if let Some(encoding) = utf16(head) {
        return Some(("text in UTF-16", format!("turn it into UTF-8: iconv -f {encoding} -t UTF-8 {name} > NEW.txt")));
    }
    if is_perfetto(head) {
        let remedy =
            "record DAMON with perf, ftrace or `damo record`; Perfetto keeps DAMON's events in a form of its own";
        return Some(("a trace of Perfetto", remedy.to_owned()));
    }
    if is_text(head) {
        return None;
    }
    let remedy = "give a .damo record, a record of the Python damo, perf.data, or trace text";
    Some(("unknown binary data", remedy.to_owned()))
}

/// Text has no control characters but those of lines, of colours and of a page's end.
fn is_text(head: &[u8]) -> bool {
    let start = head.get(..4096).unwrap_or(head);
    let is_clean = start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b | 0x20..=0x7e | 0x80..));
    is_clean && !head.contains(&0)
}

/// Text in two bytes per character: by its byte order mark, or because each second byte is 0.
fn utf16(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some("UTF-16");
    }
    let pairs = || head.chunks_exact(2).take(64);
    let is = |low: usize| {
        let is_ascii = |pair: &[u8]| pair[1 - low] == 0 && matches!(pair[low], b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
        pairs().count() >= 8 && pairs().all(is_ascii)
    };
    if is(0) {
        Some("UTF-16LE")
    } else if is(1) {
        Some("UTF-16BE")
    } else {
        None
    }
}

/// Perfetto's traces are packets, each of them field 1 with its length.
fn is_perfetto(head: &[u8]) -> bool {
    let mut rest = head;
    for packets in 0..3 {
        let Some((0x0a, body)) = rest.split_first() else { return packets >= 1 && rest.is_empty() };
        let mut len = 0_usize;
        let mut used = 0;
        for byte in body.iter().take(4) {
            len |= usize::from(byte & 0x7f) << (7 * used);
            used += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        // A packet has fields, and the first byte of each has a number above 0 and a known kind.
        let field = body.get(used).copied().unwrap_or(0);
        if len == 0 || field >> 3 == 0 || !matches!(field & 7, 0 | 1 | 2 | 5) {
            return false;
        }
        match body.get(used + len..) {
            Some(next) => rest = next,
            // The head ends in it.
            None => return packets >= 1,
        }
    }
    true
}
