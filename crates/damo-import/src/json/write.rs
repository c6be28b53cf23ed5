//! Writes the Python tool's JSON record, byte for byte as it does: indented by four, every number its own way.
//!
//! The format puts each target's snapshots into a list of their own, while snapshots come interleaved. The first
//! target's are written as they come; those of others wait until the end: their text is collected, and packed piece by
//! piece when all that was collected is [`COLLECTED`] long, by one encoder for all targets. So memory grows with what is
//! packed, and not with the number of targets.

use damo_model::human::{nr_text, size_text};
use damo_model::{
    ColumnId, Intervals, IntervalsGoal, Item, Meta, NrAccesses, Sink, SinkError, Snapshot, SnapshotState, Target,
    TargetKey,
};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};
use std::collections::HashMap;
use std::io::{self, Write};

/// So much text of waiting snapshots is kept before it is packed.
const COLLECTED: usize = 32 << 20;
/// And so much of one target.
const COLLECTED_EACH: usize = 256 << 10;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Number of snapshots that were written.
    pub snapshots: u64,
    /// Those of them that are partial, which the format has no word for.
    pub partial_snapshots: u64,
    /// Number of regions that were written.
    pub regions: u64,
    /// Items that the format has no place for: mappings, footprints, lost events and the like.
    pub left_out: u64,
    /// Snapshots with another aggregation interval than their target's first: the format has one for all.
    pub other_aggregations: u64,
}

impl Written {
    pub(crate) fn count(&mut self, snapshot: &Snapshot) {
        self.snapshots += 1;
        self.regions += snapshot.regions.len() as u64;
        self.partial_snapshots += u64::from(snapshot.state != SnapshotState::Complete);
    }
}

/// Writes the Python tool's JSON record (its `json` and `json_compressed`). Call [`JsonWriter::finish`] at the end:
/// without it the JSON is not whole.
#[derive(Debug)]
pub struct JsonWriter<W: Write> {
    out: Out<W>,
    meta: Meta,
    records: Vec<Record>,
    /// Positions in `records`.
    places: HashMap<TargetKey, usize>,
    /// Length of what is collected in all records.
    collected: usize,
    written: Written,
    text: Vec<u8>,
}

#[derive(Debug)]
enum Out<W: Write> {
    Plain(W),
    Packed(ZlibEncoder<W>),
}

#[derive(Debug)]
struct Record {
    target: Target,
    intervals: Option<Intervals>,
    snapshots: u64,
    /// Snapshots that wait; those of the first target are written as they come.
    waiting: Waiting,
}

/// Text that waits: packed pieces, and the end of it as it is.
#[derive(Debug, Default)]
struct Waiting {
    packed: Vec<Vec<u8>>,
    text: Vec<u8>,
}

impl Waiting {
    /// Packs what was collected.
    fn pack(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return Ok(());
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&text)?;
        let mut piece = encoder.finish()?;
        piece.shrink_to_fit();
        self.packed.push(piece);
        Ok(())
    }

    fn write(self, out: &mut impl Write) -> io::Result<()> {
        for piece in self.packed {
            io::copy(&mut ZlibDecoder::new(&piece[..]), out)?;
        }
        out.write_all(&self.text)
    }
}

impl<W: Write> JsonWriter<W> {
    /// Writes text, or compresses it with zlib.
    pub fn new(out: W, compress: bool) -> Self {
        let out = match compress {
            true => Out::Packed(ZlibEncoder::new(out, Compression::default())),
            false => Out::Plain(out),
        };
        Self {
            out,
            meta: Meta::default(),
            records: Vec::new(),
            places: HashMap::new(),
            collected: 0,
            written: Written::default(),
            text: Vec::new(),
        }
    }

    /// Writes what waits, and the end.
    ///
    /// # Errors
    /// If the output takes no more.
    pub fn finish(mut self) -> io::Result<(W, Written)> {
        if self.records.is_empty() {
            self.out.write_all(b"[]")?;
        }
        for at in 0..self.records.len() {
            if at > 0 || self.records[0].snapshots == 0 {
                self.begin_record(at)?;
            }
            std::mem::take(&mut self.records[at].waiting).write(&mut self.out)?;
            self.end_record(at)?;
        }
        if !self.records.is_empty() {
            self.out.write_all(b"\n]")?;
        }
        let out = match self.out {
            Out::Plain(mut out) => {
                out.flush()?;
                out
            }
            Out::Packed(out) => out.finish()?,
        };
        Ok((out, self.written))
    }

    fn record(&mut self, key: TargetKey) -> usize {
        match self.places.get(&key) {
            Some(at) => *at,
            None => self.add_target(Target { key, ..Target::default() }),
        }
    }

    fn add_target(&mut self, target: Target) -> usize {
        self.places.insert(target.key, self.records.len());
        self.records.push(Record { target, intervals: self.meta.intervals, snapshots: 0, waiting: Waiting::default() });
        self.records.len() - 1
    }

    fn begin_record(&mut self, at: usize) -> io::Result<()> {
        let record = &self.records[at];
        let target = &record.target;
        let text = &mut self.text;
        text.clear();
        text.extend_from_slice(if at == 0 { b"[\n    {\n" } else { b",\n    {\n" });
        writeln!(text, "        \"kdamond_idx\": {},", Value::from(target.kdamond.map(|index| index.0)))?;
        writeln!(text, "        \"context_idx\": {},", Value::from(target.context))?;
        match record.intervals {
            None => text.extend_from_slice(b"        \"intervals\": null,\n"),
            Some(intervals) => write_intervals(text, &intervals, self.meta.intervals_goal)?,
        }
        writeln!(text, "        \"scheme_idx\": {},", Value::from(target.scheme))?;
        // The format has no word for "unknown".
        writeln!(text, "        \"target_id\": {},", target.target_id.unwrap_or(target.key.0.into()))?;
        text.extend_from_slice(b"        \"scheme_filters\": ");
        write_filters(text, &target.scheme_filters)?;
        text.extend_from_slice(b",\n        \"snapshots\": [");
        self.out.write_all(text)
    }

    fn end_record(&mut self, at: usize) -> io::Result<()> {
        let record = &self.records[at];
        let source = if record.target.data_source.is_empty() { "unknown" } else { &record.target.data_source };
        let close = if record.snapshots > 0 { "\n        ]" } else { "]" };
        write!(self.out, "{close},\n        \"data_source\": {}\n    }}", ascii(&serde_json::to_string(source)?))
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.written.count(snapshot);
        let at = self.record(snapshot.target);
        let record = &mut self.records[at];
        record.intervals = record.intervals.or(snapshot.intervals);
        record.snapshots += 1;
        let other = |all: Intervals| snapshot.intervals.is_some_and(|own| own.aggregation != all.aggregation);
        self.written.other_aggregations += u64::from(record.intervals.is_some_and(other));
        let is_first = record.snapshots == 1;
        if at == 0 && is_first {
            self.begin_record(0)?;
        }
        let record = &mut self.records[at];
        self.text.clear();
        self.text.extend_from_slice(if is_first { b"\n" } else { b",\n" });
        write_snapshot(&mut self.text, snapshot, record.intervals)?;
        if at == 0 {
            return self.out.write_all(&self.text);
        }
        record.waiting.text.extend_from_slice(&self.text);
        self.collected += self.text.len();
        if record.waiting.text.len() >= COLLECTED_EACH {
            self.collected -= record.waiting.text.len();
            record.waiting.pack()?;
        }
        if self.collected >= COLLECTED {
            self.collected = 0;
            self.records.iter_mut().try_for_each(|record| record.waiting.pack())?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for JsonWriter<W> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Meta(meta) => self.meta = meta.clone(),
            Item::Target(target) => match self.places.get(&target.key).and_then(|at| self.records.get_mut(*at)) {
                Some(record) => record.target = target.clone(),
                None => drop(self.add_target(target.clone())),
            },
            Item::Snapshot(snapshot) => self.put_snapshot(snapshot).map_err(SinkError::new)?,
            _ => self.written.left_out += 1,
        }
        Ok(())
    }
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Plain(out) => out.write(bytes),
            Out::Packed(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Plain(out) => out.flush(),
            Out::Packed(out) => out.flush(),
        }
    }
}

fn write_intervals(text: &mut Vec<u8>, intervals: &Intervals, goal: Option<IntervalsGoal>) -> io::Result<()> {
    let us = |time: damo_model::Nanos| time.as_micros();
    write!(
        text,
        "        \"intervals\": {{\n            \"sample_us\": \"{}\",\n            \"aggr_us\": \"{}\",\n            \
         \"ops_update_us\": \"{}\",\n            \"intervals_goal\": {{\n",
        us(intervals.sample),
        us(intervals.aggregation),
        us(intervals.update)
    )?;
    let (access_bp, aggrs, min, max) = match goal {
        Some(goal) => (goal.access_bp, goal.aggregations, us(goal.min_sample), us(goal.max_sample)),
        None => (0, 0, 0, 0),
    };
    write!(
        text,
        "                \"access_bp\": \"{access_bp}.000000\",\n                \"aggrs\": \"{aggrs}\",\n                \
         \"min_sample_us\": \"{min}\",\n                \"max_sample_us\": \"{max}\"\n            }}\n        }},\n"
    )
}

/// A list as given, indented to its place.
fn write_filters(text: &mut Vec<u8>, filters: &str) -> io::Result<()> {
    let value: Value = match filters {
        "" => Value::Array(Vec::new()),
        // Not from a file of this format: kept as text.
        _ => serde_json::from_str(filters).unwrap_or_else(|_| filters.into()),
    };
    let mut pretty = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut pretty, PrettyFormatter::with_indent(b"    ")))?;
    let pretty = ascii(&String::from_utf8_lossy(&pretty)).replace('\n', "\n        ");
    text.extend_from_slice(pretty.as_bytes());
    Ok(())
}

fn write_snapshot(text: &mut Vec<u8>, snapshot: &Snapshot, intervals: Option<Intervals>) -> io::Result<()> {
    write!(
        text,
        "            {{\n                \"start_time\": \"{}\",\n                \"end_time\": \"{}\",\n                \
         \"regions\": [",
        snapshot.start.0, snapshot.end.0
    )?;
    let column = |id| snapshot.extras.iter().find(|column| column.id == id);
    let passed = column(ColumnId::FILTER_PASSED);
    let probes: Vec<_> = ColumnId::of_probes().map_while(column).collect();
    let mut total = 0_u64;
    for (row, region) in snapshot.regions.iter().enumerate() {
        let NrAccesses(samples) = region.nr_accesses;
        write!(
            text,
            "{}\n                    {{\n                        \"start\": \"{}\",\n                        \
             \"end\": \"{}\",\n                        \"nr_accesses\": {{\n                            \
             \"samples\": {samples},\n                            \"percent\": null\n                        }},\n\
             \x20                       \"age\": {{\n                            \"usec\": null,\n                            \
             \"aggr_intervals\": ",
            if row > 0 { "," } else { "" },
            nr_text(region.start.0.into()),
            nr_text(region.end.0.into()),
        )?;
        match region.age {
            Some(age) => write!(text, "\"{}\"", nr_text(age.0.into()))?,
            None => text.extend_from_slice(b"null"),
        }
        text.extend_from_slice(b"\n                        },\n                        \"probe_hits\": [");
        for (at, probe) in probes.iter().enumerate() {
            let hits = probe.values.get(row).copied().unwrap_or(0);
            write!(text, "{}\n                            {hits}", if at > 0 { "," } else { "" })?;
        }
        let close = if probes.is_empty() { "]" } else { "\n                        ]" };
        let passed = passed.and_then(|column| column.values.get(row)).copied().unwrap_or(0);
        write!(
            text,
            "{close},\n                        \"sz_filter_passed\": \"{}\"\n                    }}",
            size_text(passed)
        )?;
        total = total.saturating_add(region.size().0);
    }
    let close = if snapshot.regions.is_empty() { "]" } else { "\n                ]" };
    // Only where it differs from the record's, as tuning makes it.
    let tuned = snapshot.intervals.filter(|own| intervals.is_some_and(|all| all.sample != own.sample));
    write!(
        text,
        "{close},\n                \"total_bytes\": \"{total}\",\n                \"damos_stats\": null,\n                \
         \"sample_interval_us\": "
    )?;
    match tuned {
        Some(own) => write!(text, "\"{}\"", own.sample.as_micros())?,
        None => text.extend_from_slice(b"null"),
    }
    text.extend_from_slice(b"\n            }");
    Ok(())
}

/// JSON with everything beyond ASCII escaped.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}
