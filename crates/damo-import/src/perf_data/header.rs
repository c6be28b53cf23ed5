//! The header, and the sections that the header points to. All offsets and lengths are checked against the file.

use super::attr::Attr;
use super::bytes::{Cursor, text, u32_at, u64_at};
use crate::error::FilePosition;
use damo_model::{ClockPair, Nanos};
use std::collections::HashMap;
use std::ops::Range;

const TRACING_DATA: u32 = 1;
const BUILD_ID: u32 = 2;
const HOSTNAME: u32 = 3;
const OSRELEASE: u32 = 4;
const VERSION: u32 = 5;
const CMDLINE: u32 = 11;
const CLOCK_DATA: u32 = 29;

/// A pipe's header has only the magic and its own size.
const PIPE_HEADER: u64 = 16;
/// The attribute of the first kernels that had perf.
const MIN_ATTR: u64 = 64;
/// A bound on what is remembered of a command line.
const MAX_ARGUMENTS: usize = 1024;
/// More files' build ids are not remembered.
const MAX_BUILD_IDS: usize = 1 << 16;

/// Where everything is.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) is_pipe: bool,
    attr_size: usize,
    attrs: Range<usize>,
    /// Where in the file the records are.
    pub(super) data: Range<usize>,
    /// Whether the header says that there should be more records than the file has bytes.
    pub(super) is_cut: bool,
    features: [u8; 32],
    features_at: usize,
}

type Fault = (FilePosition, &'static str, &'static str);

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        const CUT: Fault = (FilePosition::Whole, "it is cut within its header", "copy the file again");
        if bytes.starts_with(b"2ELIFREP") {
            return Err((
                FilePosition::Whole,
                "it is of a machine with the other byte order",
                "turn it into text with `perf script` on that machine and give the text",
            ));
        }
        let size = u64_at(bytes, 8).ok_or(CUT)?;
        if size == PIPE_HEADER {
            return Ok(Self {
                is_pipe: true,
                attr_size: 0,
                attrs: 0..0,
                data: 16..bytes.len(),
                is_cut: false,
                features: [0; 32],
                features_at: bytes.len(),
            });
        }
        let mut fields = Cursor(bytes.get(16..104).ok_or(CUT)?);
        let mut next = || fields.u64().ok_or(CUT);
        let (attr_size, attrs_at, attrs_len, data_at, data_len) = (next()?, next()?, next()?, next()?, next()?);
        let damaged = |at| (FilePosition::Byte(at), "the header points outside the file", "copy the file again");
        if !(MIN_ATTR + 16..=4096).contains(&attr_size) {
            return Err((
                FilePosition::Byte(16),
                "the header gives an impossible size of attributes",
                "copy the file again",
            ));
        }
        let attrs = section(bytes, attrs_at, attrs_len).ok_or(damaged(24))?;
        let begin = usize::try_from(data_at).ok().filter(|at| *at <= bytes.len()).ok_or(damaged(40))?;
        let end = usize::try_from(data_at.saturating_add(data_len)).unwrap_or(usize::MAX);
        // perf fills in the length at the end: without it, all that is there is data.
        let (end, is_cut) = if data_len == 0 { (bytes.len(), true) } else { (end.min(bytes.len()), end > bytes.len()) };
        let mut features = [0; 32];
        features.copy_from_slice(&bytes[72..104]);
        Ok(Self {
            is_pipe: false,
            attr_size: attr_size as usize,
            attrs,
            data: begin..end,
            is_cut,
            features,
            features_at: if data_len == 0 { bytes.len() } else { end },
        })
    }

    /// The attributes with their ids.
    pub(super) fn attrs(&self, bytes: &[u8]) -> Vec<Attr> {
        if self.attr_size == 0 {
            return Vec::new();
        }
        let attr = |entry: &[u8]| {
            let (attr, ids) = entry.split_at(entry.len() - 16);
            let ids = section(bytes, u64_at(ids, 0)?, u64_at(ids, 8)?)?;
            Attr::read(attr, &bytes[ids])
        };
        bytes[self.attrs.clone()].chunks_exact(self.attr_size).filter_map(attr).collect()
    }

    /// The feature sections: a table after the data has their places, in order of their numbers.
    pub(super) fn features(&self, bytes: &[u8]) -> Features {
        let mut features = Features::default();
        let mut at = self.features_at;
        for feature in 0..256_u32 {
            if self.features[feature as usize / 8] >> (feature % 8) & 1 == 0 {
                continue;
            }
            let entry = u64_at(bytes, at).zip(u64_at(bytes, at.saturating_add(8)));
            at = at.saturating_add(16);
            let Some(place) = entry.and_then(|(offset, len)| section(bytes, offset, len)) else { continue };
            if feature == TRACING_DATA {
                features.tracing = Some(place);
            } else {
                features.add(feature, &bytes[place]);
            }
        }
        features
    }
}

fn section(bytes: &[u8], at: u64, len: u64) -> Option<Range<usize>> {
    let start = usize::try_from(at).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

/// What the file says of the machine and the recording.
#[derive(Debug, Default)]
pub(super) struct Features {
    pub(super) tracing: Option<Range<usize>>,
    pub(super) host: String,
    pub(super) release: String,
    pub(super) version: String,
    pub(super) command: Vec<String>,
    pub(super) clock_pair: Option<ClockPair>,
    /// Build ids by names of files.
    pub(super) build_ids: HashMap<String, Vec<u8>>,
}

impl Features {
    /// Takes a feature record of a pipe.
    pub(super) fn add_record(&mut self, record: &[u8]) {
        let feature = u64_at(record, 8).and_then(|feature| u32::try_from(feature).ok());
        if let (Some(feature), Some(data)) = (feature, record.get(16..)) {
            self.add(feature, data);
        }
    }

    fn add(&mut self, feature: u32, data: &[u8]) {
        let string = || Cursor(data).take_string().unwrap_or_default();
        match feature {
            BUILD_ID => self.build_ids = build_ids(data),
            HOSTNAME => self.host = string(),
            OSRELEASE => self.release = string(),
            VERSION => self.version = string(),
            CMDLINE => {
                let mut cursor = Cursor(data);
                let count = cursor.u32().unwrap_or(0) as usize;
                self.command = (0..count.min(MAX_ARGUMENTS)).map_while(|_| cursor.take_string()).collect();
            }
            CLOCK_DATA => {
                let at = |offset| u64_at(data, offset).and_then(|time| i64::try_from(time).ok()).map(Nanos);
                self.clock_pair = at(8).zip(at(16)).map(|(wall, record)| ClockPair { record, wall });
            }
            _ => {}
        }
    }
}

/// Records of files: a header with the record's length, a process, 20 bytes of build id with its length behind it (24 in all),
/// and the file's name.
fn build_ids(data: &[u8]) -> HashMap<String, Vec<u8>> {
    /// Set where the length of the build id is told.
    const HAS_SIZE: u16 = 1 << 15;
    let mut rest = data;
    let mut found = HashMap::new();
    while found.len() < MAX_BUILD_IDS {
        let word = |at: usize| Some(u16::from_le_bytes(*rest.get(at..)?.first_chunk()?));
        let (Some(misc), Some(len)) = (word(4), word(6).map(usize::from)) else { break };
        let Some((record, after)) = rest.split_at_checked(len).filter(|_| len >= 36) else { break };
        let size = if misc & HAS_SIZE != 0 { usize::from(record[32]).min(20) } else { 20 };
        found.entry(text(&record[36..])).or_insert_with(|| record[12..12 + size].to_vec());
        rest = after;
    }
    found
}

impl Cursor<'_> {
    /// A length, and so many bytes with zeros at the end.
    fn take_string(&mut self) -> Option<String> {
        let len = u32_at(self.0, 0)? as usize;
        self.take(4)?;
        self.take(len).map(text)
    }
}
