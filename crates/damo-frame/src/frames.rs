//! Whole frames, for exporting and for analyses that join and group.
//!
//! Large records do not fit in memory this way (a region takes 36 bytes in a frame and one or two in the file):
//! analyses over every region use [`Record::fold`] and take frames of what they found.

use crate::chunk::column;
use crate::{Chunk, FrameError, Record};
use damo_model::{Bytes, Footprint, ProcessFootprint, Selection, Side, Stamp, SystemFootprint};
use polars::prelude::DataFrame;

/// A stamp as two columns: record clock and wall clock, one of them null unless the record relates its clocks.
#[derive(Default)]
struct Stamps {
    record: Vec<Option<i64>>,
    wall: Vec<Option<i64>>,
}

impl Stamps {
    fn push(&mut self, record: &Record, at: Stamp) {
        let pair = record.meta().clock_pair;
        let wall = match at {
            Stamp::Wall(wall) => Some(wall),
            Stamp::Record(time) => pair.map(|pair| time.saturating_sub(pair.record).saturating_add(pair.wall)),
        };
        self.record.push(record.on_record_clock(at).map(|time| time.0));
        self.wall.push(wall.map(|time| time.0));
    }
}

impl Record {
    /// The wanted regions, one row each: see [`Chunk::into_regions`]. A column that only some blocks have is 0 in the
    /// others.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn regions(&self, selection: &Selection) -> Result<DataFrame, FrameError> {
        let mut chunks: Vec<Chunk> = Vec::new();
        self.for_each_owned(selection, |chunk| {
            chunks.push(chunk);
            Ok::<_, FrameError>(())
        })?;
        let mut extras: Vec<_> = chunks.iter().flat_map(|chunk| chunk.extras().iter().map(|(id, _)| *id)).collect();
        extras.sort_unstable();
        extras.dedup();
        let mut whole = Chunk::default().with_extras(&extras).into_regions()?;
        for chunk in chunks {
            whole.vstack_mut_owned(chunk.with_extras(&extras).into_regions()?)?;
        }
        Ok(whole)
    }

    /// Memory use over time, in record order: a row for each reading of a process or cgroup, and for each of the system, whose
    /// `pid` is null. `record_ns`, `wall_ns` (i64, null if unknown), `pid` (i32), `target` (u32, null if unknown), then bytes
    /// (u64, null where not recorded). Of a process: `vsz`, `rss`, `shared`, `text`, `data`, `pss`, `swap`, `cgroup`; of the
    /// system: `total`, `free`, `available`, `buffers`, `cached`, `swap_used`.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn readings(&self) -> Result<DataFrame, FrameError> {
        let mut stamps = Stamps::default();
        let mut rows = Vec::new();
        for side in self.side_data()? {
            let (at, row) = match side {
                Side::Process(process) => (process.at, (Some(process), None)),
                Side::System(system) => (system.at, (None, Some(system))),
                _ => continue,
            };
            stamps.push(self, at);
            rows.push(row);
        }
        let process = |name, pick: fn(&Footprint) -> Option<Bytes>| {
            let of = |row: &ProcessFootprint| pick(&row.footprint).map(|bytes| bytes.0);
            column(name, rows.iter().map(|(process, _)| process.and_then(of)).collect::<Vec<_>>())
        };
        let system = |name, pick: fn(&SystemFootprint) -> Option<Bytes>| {
            let of = |row: &SystemFootprint| pick(row).map(|bytes| bytes.0);
            column(name, rows.iter().map(|(_, system)| system.and_then(of)).collect::<Vec<_>>())
        };
        let pids: Vec<Option<i32>> = rows.iter().map(|(process, _)| Some(process.as_ref()?.pid)).collect();
        let targets: Vec<Option<u32>> = rows.iter().map(|(process, _)| Some(process.as_ref()?.target?.0)).collect();
        Ok(DataFrame::new(
            rows.len(),
            vec![
                column("record_ns", stamps.record),
                column("wall_ns", stamps.wall),
                column("pid", pids),
                column("target", targets),
                process("vsz", |f| f.vsz),
                process("rss", |f| f.rss),
                process("shared", |f| f.shared),
                process("text", |f| f.text),
                process("data", |f| f.data),
                process("pss", |f| f.pss),
                process("swap", |f| f.swap),
                process("cgroup", |f| f.cgroup),
                system("total", |f| Some(f.total)),
                system("free", |f| Some(f.free)),
                system("available", |f| f.available),
                system("buffers", |f| f.buffers),
                system("cached", |f| f.cached),
                system("swap_used", |f| f.swap_used),
            ],
        )?)
    }
}
