//! `damo info`: what is in a record, before any analysis. For people, or as JSON for programs.

mod profile;

use crate::errors::Outcome;
use crate::inputs::Inputs;
use crate::output;
use crate::progress;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use damo_frame::{Detail, FrameError, Record};
use damo_model::calendar::date_of_day;
use damo_model::human::{Show, Style, count_text, format_nr, format_size, plain_json, time_text};
use damo_model::{Bytes, Intervals, Nanos, Ops, Selection, Side, Source, Target, TargetKey, TimeSpan};
use profile::ProfileFacts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `damo info`.
#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// Records to describe; `-` is standard input [default: damon.damo, then damon.data]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Form::Text, help_heading = "Output")]
    format: Form,
}

/// How to print the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// For programs: one object per record
    Json,
}

/// Describes each record.
///
/// # Errors
/// If one cannot be read, or stdout cannot be written.
pub(crate) fn run(args: &InfoArgs) -> Result<Outcome> {
    let opened = args.inputs.open(&args.files)?;
    output::to_stdout(|out| {
        for (i, record) in opened.records.iter().enumerate() {
            let facts = progress::during(&opened.records, || Facts::of(record))?;
            match args.format {
                Form::Text if i > 0 => writeln!(out).map_err(Into::into).and_then(|()| facts.write_text(out)),
                Form::Text => facts.write_text(out),
                Form::Json => writeln!(out, "{}", plain_json(&format!("{:#}", facts.json()))).context("writing JSON"),
            }?;
        }
        Ok(())
    })?;
    Ok(opened.outcome())
}

/// Counts of one target's snapshots.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    snapshots: u64,
    partial: u64,
    regions: u64,
    span: Option<TimeSpan>,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.snapshots += other.snapshots;
        self.partial += other.partial;
        self.regions += other.regions;
        self.span = [self.span, other.span].into_iter().flatten().reduce(TimeSpan::including);
    }
}

/// What a pass over the snapshots finds.
#[derive(Debug, Default)]
struct Pass {
    targets: BTreeMap<TargetKey, Counts>,
    /// Intervals in force, in the order of their first appearance.
    intervals: Vec<Intervals>,
}

/// Everything that is told of one record.
struct Facts<'a> {
    record: &'a Record,
    pass: Pass,
    /// How many of each kind of side data.
    side_data: Vec<(&'static str, u64)>,
    profile: Option<ProfileFacts>,
}

impl<'a> Facts<'a> {
    fn of(record: &'a Record) -> Result<Self> {
        let pass = record.fold_detail::<Pass, FrameError>(
            &Selection::all(),
            Detail::Heads,
            Pass::default,
            |pass, chunk| {
                for head in chunk.heads() {
                    let counts = Counts {
                        snapshots: 1,
                        partial: u64::from(head.state != damo_model::SnapshotState::Complete),
                        regions: head.regions.len() as u64,
                        span: Some(head.time_span()),
                    };
                    pass.targets.entry(head.target).or_default().add(&counts);
                    if let Some(intervals) = head.intervals
                        && pass.intervals.last() != Some(&intervals)
                    {
                        pass.intervals.push(intervals);
                    }
                }
                Ok(())
            },
            |mut all, next| {
                for (key, counts) in &next.targets {
                    all.targets.entry(*key).or_default().add(counts);
                }
                all.intervals.extend(next.intervals);
                all.intervals.dedup();
                all
            },
        )?;
        let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
        for side in record.side_data()? {
            *kinds.entry(kind(side)).or_default() += 1;
        }
        let profile = ProfileFacts::of(record)?;
        Ok(Self { record, pass, side_data: kinds.into_iter().collect(), profile })
    }

    fn write_text(&self, out: &mut dyn Write) -> Result<()> {
        let record = self.record;
        let (totals, meta) = (record.totals(), record.meta());
        let duration = record.time_span().unwrap_or_default().length();
        // Imported records are held as .damo records, which are far smaller.
        let imported = record.is_imported();
        let each = per_region(totals.file, totals.regions).map_or(String::new(), |b| format!(" ({b:.2} B/region)"));
        let size =
            |size: Option<Bytes>| size.map_or(String::new(), |size| format!(", {}", format_size(size, Style::Human)));
        writeln!(
            out,
            "{}: {}, {} in {}{}",
            record.name(),
            count_text(totals.snapshots, "snapshot"),
            count_text(totals.regions, "region"),
            time_text(duration),
            if imported { size(record.file_size()) } else { format!("{}{each}", size(Some(totals.file))) },
        )?;
        let mut line = |name: &str, value: String| -> Result<()> {
            if !value.is_empty() {
                writeln!(out, "  {name:<12} {}", value.shown())?;
            }
            Ok(())
        };
        line("source", source(&meta.source))?;
        if imported {
            line("as .damo", format!("{}{each}", format_size(totals.file, Style::Human)))?;
        }
        let ops = meta.ops.filter(|ops| !Ops::ALL.contains(ops));
        line("operations set", ops.map_or(String::new(), |ops| format!("{ops}, which this version does not know")))?;
        line("recorder", meta.tool.clone())?;
        line("command", meta.command.join(" "))?;
        line("history", meta.history.join("; then "))?;
        line("kernel", meta.kernel_release.clone())?;
        line("host", meta.host.clone())?;
        line("recorded", meta.clock_pair.map_or(String::new(), |pair| utc(pair.wall)))?;
        if let Some(TimeSpan { start, end }) = record.time_span() {
            let length = time_text(end.saturating_sub(start));
            let clock = format!("{} to {} on its own clock ({:?})", time_text(start), time_text(end), meta.clock);
            line("time span", format!("0 to {length} since the recording began; {clock}"))?;
        }
        line("intervals", describe(&self.intervals().collect::<Vec<_>>()))?;
        if let Some(bounds) = meta.nr_regions {
            line("regions", format!("{} to {}", nr(bounds.min), nr(bounds.max)))?;
        }
        let coverage = record.coverage();
        line(
            "coverage",
            if coverage.is_full() {
                "complete".into()
            } else {
                format!(
                    "{:.1} % of snapshots complete, {} partial, {} events lost, {} damaged parts of the file",
                    coverage.ratio() * 100.0,
                    nr(coverage.partial),
                    nr(coverage.lost_events),
                    coverage.damaged
                )
            },
        )?;
        let side_data: Vec<String> = self.side_data.iter().map(|(kind, n)| format!("{} {kind}", nr(*n))).collect();
        line("also holds", side_data.join(", "))?;
        line("CPU profile", self.profile.as_ref().map_or(String::new(), ProfileFacts::text))?;
        for target in record.targets() {
            let counts = self.pass.targets.get(&target.key).copied().unwrap_or_default();
            let since = |at: Nanos| time_text(at.saturating_sub(record.began()));
            let span = counts.span.map_or(String::new(), |s| format!(", {} to {}", since(s.start), since(s.end)));
            let partial = if counts.partial > 0 { format!(" ({} partial)", nr(counts.partial)) } else { String::new() };
            line(
                &format!("target {}", target.key.0),
                format!(
                    "{}: {}{partial}, {}{span}",
                    identity(target),
                    count_text(counts.snapshots, "snapshot"),
                    count_text(counts.regions, "region")
                ),
            )?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let record = self.record;
        let (totals, meta, coverage) = (record.totals(), record.meta(), record.coverage());
        let targets: Vec<Value> = record
            .targets()
            .iter()
            .map(|target| {
                let counts = self.pass.targets.get(&target.key).copied().unwrap_or_default();
                json!({
                    "key": target.key.0, "kdamond": target.kdamond, "context": target.context, "scheme": target.scheme,
                    "target_id": target.target_id,
                    "pid": target.process.as_ref().map(|p| p.pid),
                    "started_ns": target.process.as_ref().and_then(|p| p.started).map(|at| at.0),
                    "comm": target.process.as_ref().map(|p| p.comm.clone()),
                    "cmdline": target.process.as_ref().map(|p| p.cmdline.clone()),
                    "snapshots": counts.snapshots, "partial": counts.partial, "regions": counts.regions,
                    "start_ns": counts.span.map(|s| s.start.0), "end_ns": counts.span.map(|s| s.end.0),
                })
            })
            .collect();
        json!({
            "name": record.name(), "source": source(&meta.source), "ops": meta.ops, "recorder": meta.tool, "command": meta.command,
            "history": meta.history,
            "kernel": meta.kernel_release, "host": meta.host, "clock": format!("{:?}", meta.clock),
            "recorded_wall_ns": meta.clock_pair.map(|pair| pair.wall.0),
            "start_ns": record.time_span().map(|s| s.start.0), "end_ns": record.time_span().map(|s| s.end.0),
            "intervals_ns": self.intervals().map(|i| json!({
                "sample": i.sample.0, "aggregation": i.aggregation.0, "update": i.update.0
            })).collect::<Vec<_>>(),
            "nr_regions": meta.nr_regions.map(|n| json!({"min": n.min, "max": n.max})),
            "snapshots": totals.snapshots, "partial": totals.partial, "regions": totals.regions,
            "lost_events": totals.lost_events, "coverage": coverage.ratio(), "damaged_parts": coverage.damaged,
            "file_bytes": record.file_size().map(|size| size.0), "damo_bytes": totals.file.0, "bytes_per_region": per_region(totals.file, totals.regions),
            "sides": self.side_data.iter().map(|(k, n)| ((*k).to_owned(), json!(n))).collect::<serde_json::Map<_, _>>(),
            "targets": targets, "profile": self.profile.as_ref().map(ProfileFacts::json),
        })
    }

    /// Intervals seen in snapshots, else what the record says of itself.
    fn intervals(&self) -> impl Iterator<Item = Intervals> {
        let told = self.record.meta().intervals.filter(|_| self.pass.intervals.is_empty());
        self.pass.intervals.iter().copied().chain(told)
    }
}

/// Bytes of the file per region in it, index, side data and framing counted.
fn per_region(file: Bytes, regions: u64) -> Option<f64> {
    (regions > 0).then(|| file.0 as f64 / regions as f64)
}

fn nr(number: u64) -> String {
    format_nr(number.into(), Style::Human)
}

/// So many intervals are told one by one. Tuning may change them a thousand times.
const MOST_INTERVALS: usize = 4;

fn describe(all: &[Intervals]) -> String {
    let words = |sample, aggregation, update| format!("sampling {sample}, aggregation {aggregation}, update {update}");
    let one = |i: &Intervals| words(time_text(i.sample), time_text(i.aggregation), time_text(i.update));
    let range = |of: fn(&Intervals) -> Nanos| match (all.iter().map(of).min(), all.iter().map(of).max()) {
        (Some(min), Some(max)) if min < max => format!("{} to {}", time_text(min), time_text(max)),
        (min, _) => time_text(min.unwrap_or_default()),
    };
    match all.len() {
        0 => "not known".to_owned(),
        n if n <= MOST_INTERVALS => all.iter().map(one).collect::<Vec<_>>().join("; then "),
        n => format!(
            "{}; changed {} times",
            words(range(|i| i.sample), range(|i| i.aggregation), range(|i| i.update)),
            n - 1
        ),
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Unknown => "not known".into(),
        Source::Kernel => "the kernel's tracepoint".into(),
        Source::KernelSnapshots => "the kernel's tried regions, read now and then".into(),
        Source::Referenced => "referenced pages of processes; addresses within a mapping are not known".into(),
        Source::Simulator { seed, workload } => format!("simulator, workload {workload}, seed {seed}"),
        Source::Imported { format } => format!("imported from {format}"),
    }
}

/// Who a target is, in words.
fn identity(target: &Target) -> String {
    let mut words = Vec::new();
    for (name, value) in
        [("kdamond", target.kdamond.map(|index| index.0)), ("context", target.context), ("scheme", target.scheme)]
    {
        if let Some(value) = value {
            words.push(format!("{name} {value}"));
        }
    }
    if let Some(id) = target.target_id {
        words.push(format!("target id {id}"));
    }
    if let Some(process) = &target.process {
        let name = if process.cmdline.is_empty() { &process.comm } else { &process.cmdline };
        words.push(format!("{name} (pid {})", process.pid).trim_start().to_owned());
    }
    if words.is_empty() { "unknown".into() } else { words.join(", ") }
}

fn kind(side: &Side) -> &'static str {
    match side {
        Side::Mappings(_) => "mapping lists",
        Side::Process(_) => "process footprints",
        Side::System(_) => "system footprints",
        Side::Cpu(_) => "CPU times",
        Side::Pressure(_) => "pressure readings",
        Side::Params(_) => "parameter changes",
        Side::Lost(_) => "losses",
        Side::Mark(_) => "marks",
        Side::Scheme(_) => "scheme statistics",
        Side::Placement(_) => "placements on NUMA nodes",
        side if side.is_profile() => "pieces of a CPU profile",
        _ => "other notes",
    }
}

/// A wall time as people write it: `2026-01-31 12:00:00 UTC`.
fn utc(wall: Nanos) -> String {
    let seconds = wall.0.div_euclid(1_000_000_000);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, date) = date_of_day(day);
    format!("{year:04}-{month:02}-{date:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_are_dates() {
        assert_eq!(utc(Nanos(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(Nanos(951_782_400_000_000_000)), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(Nanos(1_700_000_000_000_000_000)), "2023-11-14 22:13:20 UTC");
    }

    #[test]
    fn a_target_is_named_by_everything_known_of_it() {
        assert_eq!(identity(&Target::default()), "unknown");
        let process = damo_model::Process { pid: 7, comm: "a b".into(), ..Default::default() };
        let target = Target {
            kdamond: Some(damo_model::KdamondIndex(1)),
            context: Some(0),
            target_id: Some(0),
            process: Some(process),
            ..Target::default()
        };
        assert_eq!(identity(&target), "kdamond 1, context 0, target id 0, a b (pid 7)");
    }
}
