//! The tables of what is recorded beside regions. They are little and made whole.

use crate::mapping::name_of;
use crate::source::{Source, Sources};
use damo_frame::FrameError;
use damo_model::{Bytes, Mapping, Side, Stamp, TargetKey};
use damo_report::{ReportError, Table};
use std::sync::Arc;

/// A small table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SideTable {
    Records,
    Targets,
    Mappings,
    Footprints,
    System,
    Cpu,
    Pressure,
    Params,
    Schemes,
    Events,
}

/// Something that was recorded, and when.
struct Row<'a, T> {
    record: &'a str,
    at: Option<i64>,
    wall: Option<i64>,
    what: T,
}

/// What was recorded of a kind, in all records, in their order.
fn rows<'a, T>(
    sources: &'a [Arc<Source>],
    pick: impl Fn(&'a Side) -> Option<(Stamp, T)>,
) -> Result<Vec<Row<'a, T>>, FrameError> {
    let mut rows = Vec::new();
    for source in sources {
        let Some(record) = source.record() else { continue };
        for side in record.side_data()? {
            let Some((stamp, what)) = pick(side) else { continue };
            let at = record.on_record_clock(stamp);
            let wall = match stamp {
                Stamp::Wall(wall) => Some(wall.0),
                Stamp::Record(at) => source.wall(at),
            };
            rows.push(Row { record: &source.name, at: at.map(|at| source.since(at)), wall, what });
        }
    }
    Ok(rows)
}

fn key(target: Option<TargetKey>) -> Option<u64> {
    target.map(|key| key.0.into())
}

fn bytes(bytes: Option<Bytes>) -> Option<u64> {
    bytes.map(|bytes| bytes.0)
}

/// A table with the columns that all tables of readings begin with.
macro_rules! readings {
    ($name:literal, $rows:expr) => {
        Table::of($name, $rows)
            .col("record", "the record's name", |row| row.record)
            .col("at_ns", "when it was read; null if the record does not relate its clocks", |row| row.at)
            .col("wall_ns", "the same since 1970, UTC", |row| row.wall)
    };
}

impl SideTable {
    /// All of them, in the order of the document.
    pub(crate) const ALL: [SideTable; 10] = [
        Self::Records,
        Self::Targets,
        Self::Mappings,
        Self::Footprints,
        Self::System,
        Self::Cpu,
        Self::Pressure,
        Self::Params,
        Self::Schemes,
        Self::Events,
    ];

    /// The table's name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Targets => "targets",
            Self::Mappings => "mappings",
            Self::Footprints => "footprints",
            Self::System => "system",
            Self::Cpu => "cpu",
            Self::Pressure => "pressure",
            Self::Params => "params",
            Self::Schemes => "schemes",
            Self::Events => "events",
        }
    }

    /// Makes it of all records; of none it has its columns and no rows.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(crate) fn table(self, sources: &Sources) -> Result<Table, ReportError> {
        let all = &sources.all;
        match self {
            Self::Records => records(all),
            Self::Targets => targets(all),
            Self::Mappings => mappings(all),
            Self::Footprints => footprints(all),
            Self::System => system(all),
            Self::Cpu => cpu(all),
            Self::Pressure => pressure(all),
            Self::Params => params(all),
            Self::Schemes => schemes(all),
            Self::Events => events(all),
        }
    }
}

fn records(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows: Vec<_> = sources.iter().filter_map(|source| Some((source, source.record()?))).collect();
    Table::of("records", &rows)
        .col("record", "the record's name, as in all other tables", |(source, _)| source.name.as_str())
        .col("host", "name of the host; empty if unknown", |(_, record)| record.meta().host.as_str())
        .col("kernel", "release of its kernel; empty if unknown", |(_, record)| record.meta().kernel_release.as_str())
        .col("ops", "operations set: `vaddr`, `fvaddr`, `paddr` or a newer one", |(_, record)| {
            record.meta().ops.as_ref().map(|ops| ops.as_str())
        })
        .col("began_ns", "when the recording began, since 1970, UTC", |(source, _)| source.wall(source.began))
        .col("length_ns", "from the first snapshot's start to the last one's end", |(_, record)| {
            record.time_span().map(|span| span.length().0)
        })
        .col("snapshots", "partial ones included", |(_, record)| record.coverage().snapshots)
        .col("partial", "of them, those that lack regions", |(_, record)| record.coverage().partial)
        .col("regions", "of all snapshots", |(_, record)| record.totals().regions)
        .col("lost_events", "events that were lost while recording", |(_, record)| record.coverage().lost_events)
        .table()
}

fn targets(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let of = |source: &'_ Arc<Source>| source.record().map_or(&[][..], |record| record.targets()).len();
    let rows: Vec<_> = sources
        .iter()
        .flat_map(|source| (0..of(source)).filter_map(move |at| Some((source, source.record()?.targets().get(at)?))))
        .collect();
    Table::of("targets", &rows)
        .col("record", "the record's name", |(source, _)| source.name.as_str())
        .col("target", "the record's own number for it, as in all other tables", |(_, target)| u64::from(target.key.0))
        .col("kdamond", "", |(_, target)| target.kdamond.map(|index| u64::from(index.0)))
        .col("context", "", |(_, target)| target.context.map(u64::from))
        .col("scheme", "the scheme whose view of the target it is; null for plain monitoring", |(_, target)| {
            target.scheme.map(u64::from)
        })
        .col("target_id", "the kernel's own number, which is not unique", |(_, target)| target.target_id)
        .col("pid", "of its process", |(_, target)| target.process.as_ref().map(|process| i64::from(process.pid)))
        .col("comm", "name of its process", |(_, target)| target.process.as_ref().map(|process| process.comm.as_str()))
        .col("cmdline", "command line of its process", |(_, target)| {
            target.process.as_ref().map(|process| process.cmdline.as_str())
        })
        .table()
}

fn mappings(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let lists = rows(sources, |side| match side {
        Side::Mappings(read) => Some((read.at, read)),
        _ => None,
    })?;
    let each = |list: &Row<'_, &'_ damo_model::Mappings>| list.what.mappings.len();
    let rows: Vec<(&Row<'_, &damo_model::Mappings>, &Mapping)> = lists
        .iter()
        .flat_map(|list| (0..each(list)).filter_map(move |at| Some((list, list.what.mappings.get(at)?))))
        .collect();
    Table::of("mappings", &rows)
        .col("record", "the record's name", |(list, _)| list.record)
        .col(
            "at_ns",
            "when it was read: all mappings of a process are in the table each time that one changed",
            |(list, _)| list.at,
        )
        .col("wall_ns", "the same since 1970, UTC", |(list, _)| list.wall)
        .col("pid", "the process", |(list, _)| i64::from(list.what.pid))
        .col("target", "as in `targets`; null where unknown", |(list, _)| key(list.what.target))
        .col("start", "first byte", |(_, mapping)| mapping.start.0)
        .col("end", "first byte behind it", |(_, mapping)| mapping.end.0)
        .col("size", "bytes", |(_, mapping)| mapping.end.0.saturating_sub(mapping.start.0))
        .col("perms", "as the kernel prints them, such as `rw-p`", |(_, mapping)| mapping.perms.as_str())
        .col("offset", "in the mapped file, bytes", |(_, mapping)| mapping.offset.0)
        .col("name", "file, `[heap]` and the like; `[anon]` for memory without a name", |(_, mapping)| name_of(mapping))
        .table()
}

fn footprints(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows = rows(sources, |side| match side {
        Side::Process(process) => Some((process.at, process)),
        _ => None,
    })?;
    readings!("footprints", &rows)
        .col("pid", "the process", |row| i64::from(row.what.pid))
        .col("target", "as in `targets`; null where unknown", |row| key(row.what.target))
        .col("vsz", "virtual size", |row| bytes(row.what.footprint.vsz))
        .col("rss", "resident", |row| bytes(row.what.footprint.rss))
        .col("shared", "resident and shared", |row| bytes(row.what.footprint.shared))
        .col("text", "code", |row| bytes(row.what.footprint.text))
        .col("data", "data and stack", |row| bytes(row.what.footprint.data))
        .col("pss", "proportional share of what is resident", |row| bytes(row.what.footprint.pss))
        .col("swap", "swapped out", |row| bytes(row.what.footprint.swap))
        .col("cgroup", "of its control group", |row| bytes(row.what.footprint.cgroup))
        .table()
}

fn system(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows = rows(sources, |side| match side {
        Side::System(system) => Some((system.at, system)),
        _ => None,
    })?;
    readings!("system", &rows)
        .col("total", "bytes of memory", |row| row.what.total.0)
        .col("free", "", |row| row.what.free.0)
        .col("available", "", |row| bytes(row.what.available))
        .col("buffers", "", |row| bytes(row.what.buffers))
        .col("cached", "", |row| bytes(row.what.cached))
        .col("swap_used", "", |row| bytes(row.what.swap_used))
        .table()
}

fn cpu(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows = rows(sources, |side| match side {
        Side::Cpu(cpu) => Some((cpu.at, cpu)),
        _ => None,
    })?;
    readings!("cpu", &rows)
        .col("pid", "the process or kernel thread", |row| i64::from(row.what.pid))
        .col("comm", "its name", |row| row.what.comm.as_str())
        .col("kdamond", "whether it is a kdamond: DAMON's own cost", |row| row.what.kdamond)
        .col("user_ns", "in user mode since it started", |row| row.what.user.0)
        .col("system_ns", "in the kernel since it started", |row| row.what.system.0)
        .table()
}

fn pressure(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows = rows(sources, |side| match side {
        Side::Pressure(pressure) => Some((pressure.at, pressure)),
        _ => None,
    })?;
    readings!("pressure", &rows)
        .col("resource", "`memory`, `cpu` or `io`", |row| row.what.resource.as_str())
        .col("some_ns", "that some tasks stalled, in total", |row| row.what.some.0)
        .col("full_ns", "that all tasks stalled, in total", |row| row.what.full.map(|full| full.0))
        .table()
}

fn params(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows = rows(sources, |side| match side {
        Side::Params(params) => Some((params.at, params)),
        _ => None,
    })?;
    readings!("params", &rows)
        .col("kdamond", "", |row| row.what.kdamond.map(|index| u64::from(index.0)))
        .col("context", "", |row| row.what.context.map(u64::from))
        .col("ops", "operations set", |row| row.what.ops.as_ref().map(|ops| ops.as_str()))
        .col("sample_ns", "sampling interval from then on", |row| row.what.intervals.map(|all| all.sample.0))
        .col("aggregation_ns", "aggregation interval", |row| row.what.intervals.map(|all| all.aggregation.0))
        .col("update_ns", "interval of updates of the regions", |row| row.what.intervals.map(|all| all.update.0))
        .col("min_nr_regions", "", |row| row.what.nr_regions.map(|bounds| bounds.min))
        .col("max_nr_regions", "", |row| row.what.nr_regions.map(|bounds| bounds.max))
        .col("json", "all parameters of the kdamond in the Python tool's schema; empty if unknown", |row| {
            row.what.json.as_str()
        })
        .table()
}

fn schemes(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows = rows(sources, |side| match side {
        Side::Scheme(progress) => Some((progress.at, progress)),
        _ => None,
    })?;
    readings!("schemes", &rows)
        .col("kdamond", "", |row| row.what.kdamond.map(|index| u64::from(index.0)))
        .col("context", "", |row| u64::from(row.what.context))
        .col("scheme", "its index in the context", |row| u64::from(row.what.scheme))
        .col("effective_quota", "bytes in each reset interval", |row| bytes(row.what.effective_quota))
        .col("nr_tried", "regions that it was tried on so far", |row| row.what.counts.map(|all| all.nr_tried))
        .col("sz_tried", "bytes", |row| row.what.counts.map(|all| all.sz_tried.0))
        .col("nr_applied", "regions that it was applied to so far", |row| row.what.counts.map(|all| all.nr_applied))
        .col("sz_applied", "bytes", |row| row.what.counts.map(|all| all.sz_applied.0))
        .col("sz_ops_filter_passed", "bytes that passed the filters of the operations set", |row| {
            row.what.counts.and_then(|all| bytes(all.sz_ops_filter_passed))
        })
        .col("qt_exceeds", "times that the quota was exceeded", |row| row.what.counts.map(|all| all.qt_exceeds))
        .table()
}

fn events(sources: &[Arc<Source>]) -> Result<Table, ReportError> {
    let rows = rows(sources, |side| match side {
        Side::Mark(mark) => Some((mark.at, ("mark", mark.text.as_str(), None))),
        Side::Lost(lost) => Some((lost.at, ("lost", lost.reason.as_str(), Some(lost.events)))),
        _ => None,
    })?;
    readings!("events", &rows)
        .col("kind", "`mark` for what somebody named with `damo mark`, `lost` for events that were dropped", |row| {
            row.what.0
        })
        .col("text", "the mark's text, or what dropped the events", |row| row.what.1)
        .col("count", "how many events were lost", |row| row.what.2)
        .table()
}
