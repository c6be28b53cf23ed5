//! What the tests share: real files, a sink that checks what every snapshot must be, and ways to put perf.data together.
#![allow(dead_code, reason = "no test file uses all of it")]

use damo_import::{ImportError, Imported, Options};
use damo_model::{Item, Nanos, Side, Sink, SinkError, Snapshot, SnapshotState, Target, TargetKey};
use std::collections::HashMap;
use std::path::PathBuf;

pub fn real(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real").join(name)
}

pub fn real_bytes(name: &str) -> Vec<u8> {
    std::fs::read(real(name)).expect("in testdata")
}

/// Keeps everything and checks what holds for every stream of items.
#[derive(Debug, Default)]
pub struct Checked {
    pub items: Vec<Item>,
    ends: HashMap<TargetKey, Nanos>,
    targets: Vec<TargetKey>,
}

impl Sink for Checked {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        assert_eq!(matches!(item, Item::Meta(_)), self.items.is_empty(), "meta comes once and first");
        match item {
            Item::Target(target) => self.targets.push(target.key),
            Item::Snapshot(snapshot) => {
                assert!(self.targets.contains(&snapshot.target), "a snapshot of a target that was not told");
                assert!(snapshot.start <= snapshot.end, "{snapshot:?}");
                let last = self.ends.insert(snapshot.target, snapshot.end);
                assert!(last.is_none_or(|last| last <= snapshot.end), "times go backwards");
                let mut end = 0;
                for region in &snapshot.regions {
                    assert!(region.start.0 >= end && region.start < region.end, "{region:?} after {end}");
                    end = region.end.0;
                }
                assert!(snapshot.extras.iter().all(|extra| extra.values.len() == snapshot.regions.len()));
            }
            _ => {}
        }
        self.items.push(item.clone());
        Ok(())
    }
}

impl Checked {
    pub fn snapshots(&self) -> Vec<&Snapshot> {
        self.items
            .iter()
            .filter_map(|item| if let Item::Snapshot(snapshot) = item { Some(snapshot) } else { None })
            .collect()
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.items.iter().filter_map(|item| if let Item::Target(target) = item { Some(target) } else { None }).collect()
    }

    pub fn side_data(&self) -> Vec<&Side> {
        self.items.iter().filter_map(|item| if let Item::Side(side) = item { Some(side) } else { None }).collect()
    }

    pub fn meta(&self) -> &damo_model::Meta {
        match self.items.first() {
            Some(Item::Meta(meta)) => meta,
            other => panic!("no meta first: {other:?}"),
        }
    }

    /// Key, end in ns, number of regions, whether complete.
    pub fn shapes(&self) -> Vec<(u32, i64, usize, bool)> {
        let shape = |snapshot: &Snapshot| {
            (snapshot.target.0, snapshot.end.0, snapshot.regions.len(), snapshot.state == SnapshotState::Complete)
        };
        self.snapshots().into_iter().map(shape).collect()
    }
}

pub fn try_import(bytes: &[u8]) -> (Result<Imported, ImportError>, Checked) {
    let mut sink = Checked::default();
    let imported = damo_import::import(bytes, "test", &Options::default(), &mut sink);
    (imported, sink)
}

pub fn import(bytes: &[u8]) -> (Imported, Checked) {
    let (imported, sink) = try_import(bytes);
    (imported.expect("a record"), sink)
}

/// The pieces of a perf.data file.
#[derive(Clone, Debug)]
pub struct Perf {
    /// Attributes of 128 bytes.
    pub attrs: Vec<Vec<u8>>,
    pub ids: Vec<Vec<u64>>,
    pub records: Vec<Vec<u8>>,
    pub tracing: Vec<u8>,
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

fn section(bytes: &[u8], at: usize) -> &[u8] {
    let (offset, len) = (u64_at(bytes, at) as usize, u64_at(bytes, at + 8) as usize);
    &bytes[offset..offset + len]
}

pub fn kind(record: &[u8]) -> u32 {
    u32::from_le_bytes(record[..4].try_into().expect("4 bytes"))
}

impl Perf {
    /// Takes a file apart.
    pub fn parse(bytes: &[u8]) -> Self {
        let entries: Vec<&[u8]> = section(bytes, 24).chunks(144).collect();
        let ids = |entry: &&[u8]| section(bytes, entry.as_ptr() as usize - bytes.as_ptr() as usize + 128);
        let mut records = Vec::new();
        let mut data = section(bytes, 40);
        while !data.is_empty() {
            let len = u16::from_le_bytes([data[6], data[7]]) as usize;
            records.push(data[..len].to_vec());
            data = &data[len..];
        }
        let features_at = (u64_at(bytes, 40) + u64_at(bytes, 48)) as usize;
        Self {
            attrs: entries.iter().map(|entry| entry[..128].to_vec()).collect(),
            ids: entries.iter().map(|e| ids(e).chunks(8).map(|id| u64_at(id, 0)).collect()).collect(),
            records,
            // Feature 1 is the first one set.
            tracing: section(bytes, features_at).to_vec(),
        }
    }

    /// Only what is needed, and the first `samples` samples.
    pub fn small(&self, samples: usize) -> Self {
        let mut seen = 0;
        let keep = |record: &&Vec<u8>| {
            seen += usize::from(kind(record) == 9);
            matches!(kind(record), 2 | 9 | 68) && seen <= samples
        };
        let mut small = self.clone();
        small.records = self.records.iter().filter(keep).cloned().collect();
        small
    }

    /// As `perf record -o FILE` writes it.
    pub fn file(&self) -> Vec<u8> {
        let mut out = vec![0_u8; 104];
        let put = |out: &mut Vec<u8>, at: usize, value: usize| {
            out[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
        };
        out[..8].copy_from_slice(b"PERFILE2");
        put(&mut out, 8, 104);
        put(&mut out, 16, 144);
        let mut places = Vec::new();
        for ids in &self.ids {
            places.push((out.len(), ids.len() * 8));
            ids.iter().for_each(|id| out.extend(id.to_le_bytes()));
        }
        let at = out.len();
        put(&mut out, 24, at);
        put(&mut out, 32, self.attrs.len() * 144);
        for (attr, (at, len)) in self.attrs.iter().zip(places) {
            out.extend(attr);
            out.extend((at as u64).to_le_bytes());
            out.extend((len as u64).to_le_bytes());
        }
        let at = out.len();
        put(&mut out, 40, at);
        self.records.iter().for_each(|record| out.extend(record));
        let len = out.len() - at;
        put(&mut out, 48, len);
        out[72] = 1 << 1;
        let at = out.len() + 16;
        out.extend((at as u64).to_le_bytes());
        out.extend((self.tracing.len() as u64).to_le_bytes());
        out.extend(&self.tracing);
        out
    }

    /// As `perf record -o -` writes it.
    pub fn pipe(&self) -> Vec<u8> {
        let mut out = b"PERFILE2\x10\0\0\0\0\0\0\0".to_vec();
        for (attr, ids) in self.attrs.iter().zip(&self.ids) {
            let ids: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            out.extend(record(64, &[&attr[..], &ids].concat()));
        }
        let padded = self.tracing.len().next_multiple_of(8);
        out.extend(record(66, &(padded as u32).to_le_bytes()));
        out.extend(&self.tracing);
        out.resize(out.len() + padded - self.tracing.len(), 0);
        self.records.iter().for_each(|record| out.extend(record));
        out
    }

    /// As `perf record -z` writes it: samples in compressed records, which end anywhere.
    pub fn compressed(&self) -> Self {
        use std::io::Write;
        let mut stream = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
        let mut records = Vec::new();
        let all: Vec<u8> = self.records.concat();
        for piece in all.chunks(1000) {
            stream.write_all(piece).expect("to memory");
            stream.flush().expect("to memory");
            records.push(record(81, &std::mem::take(stream.get_mut())));
        }
        Self { records, ..self.clone() }
    }
}

/// A record with a body.
pub fn record(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut record = kind.to_le_bytes().to_vec();
    record.extend([0, 0]);
    record.extend((u16::try_from(body.len() + 8).expect("short")).to_le_bytes());
    record.extend(body);
    record
}
