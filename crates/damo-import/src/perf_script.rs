//! Writes text as `perf script` prints it, the way the Python tool does: a line per region.
//!
//! Intervals, statistics and the start of the first snapshot are lost in it. For a target of a single snapshot a mark is
//! added where one more would have ended, from which readers find the first start.

use crate::Written;
use damo_model::{Item, Nanos, Sink, SinkError, Snapshot, Target, TargetKey};
use std::io::{self, Write};

/// Writes the Python tool's `perf_script` form. Call [`PerfScriptWriter::finish`] at the end.
#[derive(Debug)]
pub struct PerfScriptWriter<W: Write> {
    out: W,
    targets: Vec<TargetProgress>,
    written: Written,
}

/// What is known of one target while its events are read.
#[derive(Debug)]
struct TargetProgress {
    target: Target,
    snapshots: u64,
    /// The only snapshot so far.
    first: Option<(Nanos, Nanos)>,
}

impl<W: Write> PerfScriptWriter<W> {
    /// Writes to `out`, in small pieces: give something buffered.
    pub fn new(out: W) -> Self {
        Self { out, targets: Vec::new(), written: Written::default() }
    }

    /// Adds the marks for targets of a single snapshot.
    ///
    /// # Errors
    /// If the output takes no more.
    pub fn finish(mut self) -> io::Result<(W, Written)> {
        for at in 0..self.targets.len() {
            let series = &self.targets[at];
            if let (1, Some((start, end))) = (series.snapshots, series.first) {
                let head = self.head(at, end.saturating_add(end.saturating_sub(start)));
                writeln!(self.out, "{head} nr_regions=1 0-0: -1 -1")?;
            }
        }
        self.out.flush()?;
        Ok((self.out, self.written))
    }

    fn series(&mut self, key: TargetKey) -> usize {
        let known = self.targets.iter().position(|series| series.target.key == key);
        known.unwrap_or_else(|| {
            self.targets.push(TargetProgress {
                target: Target { key, ..Target::default() },
                snapshots: 0,
                first: None,
            });
            self.targets.len() - 1
        })
    }

    /// A line up to the target. Usually it has neither thread nor scheme in it, as the Python tool has it; where two
    /// targets could not be told apart, it has.
    fn head(&self, at: usize, end: Nanos) -> String {
        let target = &self.targets[at].target;
        let id = |target: &Target| target.target_id.unwrap_or(target.key.0.into());
        let same = || {
            let others = self.targets.iter().enumerate().filter(move |(other, _)| *other != at);
            others.map(|(_, series)| &series.target).filter(|other| id(other) == id(target))
        };
        let who = match target.kdamond {
            Some(kdamond) if same().any(|other| other.kdamond != target.kdamond) => {
                format!("kdamond.{kdamond} {kdamond} [000]")
            }
            _ => "kdamond.x xxxx xxxx".to_owned(),
        };
        let time = end.0 as f64 / 1e9;
        match target.scheme {
            Some(scheme) if same().any(|other| other.scheme != target.scheme) => format!(
                "{who} {time:.6}: damon:damos_before_apply: ctx_idx={} scheme_idx={scheme} target_idx={}",
                target.context.unwrap_or(0),
                id(target)
            ),
            _ => format!("{who} {time:.6}: damon:damon_aggregated: target_id={}", id(target)),
        }
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.written.count(snapshot);
        let at = self.series(snapshot.target);
        let series = &mut self.targets[at];
        series.snapshots += 1;
        series.first = series.first.or(Some((snapshot.start, snapshot.end)));
        let head = self.head(at, snapshot.end);
        // As many as there are, for a partial snapshot as well: told that one lacks regions, the Python tool would pour
        // the next snapshot's into it.
        let nr_regions = snapshot.regions.len();
        for region in &snapshot.regions {
            write!(
                self.out,
                "{head} nr_regions={nr_regions} {}-{}: {}",
                region.start.0, region.end.0, region.nr_accesses.0
            )?;
            // The Python tool writes "None" for an age that is not known, and cannot read that again.
            match region.age {
                Some(age) => writeln!(self.out, " {}", age.0)?,
                None => self.out.write_all(b"\n")?,
            }
        }
        Ok(())
    }
}

impl<W: Write> Sink for PerfScriptWriter<W> {
    fn put(&mut self, item: &Item) -> Result<(), SinkError> {
        match item {
            Item::Meta(_) => {}
            Item::Target(target) => {
                let at = self.series(target.key);
                self.targets[at].target = target.clone();
            }
            Item::Snapshot(snapshot) => self.put_snapshot(snapshot).map_err(SinkError::new)?,
            _ => self.written.left_out += 1,
        }
        Ok(())
    }
}
