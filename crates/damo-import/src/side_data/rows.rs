//! The side files that are lists of moments.

use damo_model::{
    Addr, Bytes, CpuTime, Footprint, Mapping, Mappings, Nanos, ProcessFootprint, Side, Stamp, SystemFootprint,
    TargetKey,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use std::fmt;

/// The Python tool writes pages without saying how large they are, and takes them for 4 KiB itself.
const PAGE: u64 = 4096;
/// Clock ticks of /proc/PID/stat: USER_HZ, 100 on every architecture of the last decade but Alpha and IA-64.
const TICK: Nanos = Nanos(10_000_000);

/// A moment of `.mem_footprint`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FootprintRow {
    time: f64,
    footprints: Vec<PidFootprint>,
}

#[derive(Clone, Debug, Deserialize)]
struct PidFootprint {
    pid: Option<i32>,
    footprint: Option<Figures>,
}

/// A process's figures (pages), or the system's (KiB).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    size: Option<u64>,
    resident: Option<u64>,
    shared: Option<u64>,
    trs: Option<u64>,
    drs: Option<u64>,
    total: Option<u64>,
    free: Option<u64>,
    available: Option<u64>,
    buffers: Option<u64>,
    cached: Option<u64>,
}

impl FootprintRow {
    pub(super) fn side_data(&self, target: impl Fn(i32) -> Option<TargetKey>) -> Vec<Side> {
        let at = wall(self.time);
        let pages = |figure: Option<u64>| figure.map(|pages| Bytes(pages.saturating_mul(PAGE)));
        let kib = |figure: Option<u64>| figure.map(|kib| Bytes(kib.saturating_mul(1024)));
        let side = |row: &PidFootprint| {
            let figures = row.footprint?;
            Some(match row.pid {
                Some(pid) => Side::Process(ProcessFootprint {
                    at,
                    pid,
                    target: target(pid),
                    footprint: Footprint {
                        vsz: pages(figures.size),
                        rss: pages(figures.resident),
                        shared: pages(figures.shared),
                        text: pages(figures.trs),
                        data: pages(figures.drs),
                        ..Footprint::default()
                    },
                }),
                None => Side::System(SystemFootprint {
                    at,
                    total: kib(figures.total)?,
                    free: kib(figures.free)?,
                    available: kib(figures.available),
                    buffers: kib(figures.buffers),
                    cached: kib(figures.cached),
                    swap_used: None,
                }),
            })
        };
        self.footprints.iter().filter_map(side).collect()
    }
}

/// A moment of `.vmas`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct VmaRow {
    time: f64,
    procvmas: Vec<PidVmas>,
}

#[derive(Clone, Debug, Deserialize)]
struct PidVmas {
    pid: i32,
    vmas: Option<Vec<Vma>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Vma {
    start: u64,
    end: u64,
    #[serde(default)]
    name: String,
}

impl VmaRow {
    /// Mappings that differ from the `last` ones of the process.
    pub(super) fn side_data(
        &self,
        target: impl Fn(i32) -> Option<TargetKey>,
        last: &mut Vec<(i32, Vec<Mapping>)>,
    ) -> Vec<Side> {
        let mut side_data = Vec::new();
        for row in &self.procvmas {
            let Some(vmas) = &row.vmas else { continue };
            let mut mappings: Vec<Mapping> = vmas.iter().filter(|vma| vma.start < vma.end).map(Vma::mapping).collect();
            mappings.sort_by_key(|mapping| mapping.start);
            let known = last.iter().position(|(pid, _)| *pid == row.pid);
            if known.is_some_and(|at| last[at].1 == mappings) {
                continue;
            }
            match known {
                Some(at) => last[at].1.clone_from(&mappings),
                None => last.push((row.pid, mappings.clone())),
            }
            let at = wall(self.time);
            side_data.push(Side::Mappings(Mappings { at, pid: row.pid, target: target(row.pid), mappings }));
        }
        side_data
    }
}

impl Vma {
    fn mapping(&self) -> Mapping {
        Mapping {
            start: Addr(self.start),
            end: Addr(self.end),
            // The last word of a line without a name is the inode.
            name: if self.name == "0" { String::new() } else { self.name.clone() },
            ..Mapping::default()
        }
    }
}

/// A moment of `.proc_stats`.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "RawStatRow")]
pub(super) struct StatRow {
    time: f64,
    pub(super) stats: Vec<Stat>,
}

/// What is used of a process's line in /proc/PID/stat.
#[derive(Clone, Debug)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) comm: String,
    pub(super) started: Nanos,
    user: Nanos,
    system: Nanos,
}

#[derive(Deserialize)]
struct RawStatRow {
    time: f64,
    proc_stats: Vec<RawStat>,
}

#[derive(Deserialize)]
struct RawStat {
    fields: Option<Vec<String>>,
}

impl From<RawStatRow> for StatRow {
    fn from(raw: RawStatRow) -> Self {
        let stats = raw.proc_stats.iter().filter_map(|stat| Stat::of(stat.fields.as_deref()?)).collect();
        Self { time: raw.time, stats }
    }
}

impl Stat {
    fn of(fields: &[String]) -> Option<Self> {
        // A command name with blanks is several words; only its last one ends with a parenthesis.
        let name_end = fields.iter().rposition(|word| word.ends_with(')'))?;
        let comm = fields.get(1..=name_end)?.join(" ");
        let comm = comm.strip_prefix('(')?.strip_suffix(')')?.to_owned();
        let ticks = |at: usize| {
            let ticks: i64 = fields.get(name_end + at)?.parse().ok()?;
            Some(Nanos(ticks.saturating_mul(TICK.0)))
        };
        let pid = fields.first()?.parse().ok()?;
        Some(Self { pid, comm, user: ticks(12)?, system: ticks(13)?, started: ticks(20)? })
    }
}

impl StatRow {
    pub(super) fn side_data(&self, kdamonds: &[i32]) -> Vec<Side> {
        let side = |stat: &Stat| {
            Side::Cpu(CpuTime {
                at: wall(self.time),
                pid: stat.pid,
                comm: stat.comm.clone(),
                kdamond: kdamonds.contains(&stat.pid) || stat.comm.starts_with("kdamond."),
                user: stat.user,
                system: stat.system,
            })
        };
        self.stats.iter().map(side).collect()
    }
}

/// Seconds since 1970. Floats of this size are good to a quarter of a microsecond.
fn wall(seconds: f64) -> Stamp {
    Stamp::Wall(Nanos((seconds * 1e9).round() as i64))
}

/// Reads a list of rows; what was read stays in `rows` if there is a fault, which is given back.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], rows: &mut Vec<T>) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = json.deserialize_seq(Collect(rows)).and_then(|()| json.end());
    read.err().map(|error| error.to_string())
}

struct Collect<'r, T>(&'r mut Vec<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Collect<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(row) = seq.next_element()? {
            self.0.push(row);
        }
        Ok(())
    }
}
