//! Region-based sampling against scanning every page, as kstaled and idle page tracking do, over memory sizes.

use crate::{Out, Result};
use damo_model::{AddrRange, Item, Nanos, Sink, SinkError};
use damo_report::picture::{Chart, Line, Unit};
use damo_sim::{GroundTruth, Options, Outcome, PAGE_SIZE, SimError, Workload, simulate};
use std::ops::ControlFlow;

/// Looks each second that both are to give.
const LOOKS: f64 = 10.0;

/// Found, real and common bytes over all snapshots: the measure of the simulator's tests.
struct Score<'a> {
    truth: &'a GroundTruth,
    found: u64,
    real: u64,
    both: u64,
}

impl Sink for Score<'_> {
    fn put(&mut self, item: &Item) -> std::result::Result<(), SinkError> {
        if let Item::Snapshot(snapshot) = item {
            let real = self.truth.accessed(snapshot.start, snapshot.end);
            let overlap = |range: AddrRange| -> u64 {
                real.iter().filter_map(|r| r.intersection(range)).map(|r| r.size().0).sum()
            };
            self.real += real.iter().map(|r| r.size().0).sum::<u64>();
            for region in snapshot.regions.iter().filter(|r| r.nr_accesses.0 > 0) {
                self.found += region.size().0;
                self.both += overlap(region.range());
            }
        }
        Ok(())
    }
}

/// A staircase of ten steps of `mib` MiB, each for six seconds.
fn staircase(mib: u64) -> Result<Workload> {
    let mut text = String::new();
    (0..10).for_each(|i| text += &format!("s{i}, {}\n", mib << 20));
    (0..10).for_each(|i| text += &format!("\nstep {i}\n6000\ns{i}, 0, 4096, 1\n"));
    Ok(Workload::parse(&text, "staircase")?)
}

pub(crate) fn run(out: &Out) -> Result<()> {
    let mut rows = Vec::new();
    let (mut scanning, mut sampling) = (Vec::new(), Vec::new());
    for mib in [1, 10, 100, 1000, 10_000] {
        let workload = staircase(mib)?;
        let options = Options { footprint_interval: Nanos(0), ..Options::default() };
        let truth = GroundTruth::new(&workload, &options, 0)?;
        let mut score = Score { truth: &truth, found: 0, real: 0, both: 0 };
        let go = |score: &mut Score<'_>| -> std::result::Result<Outcome, SimError> {
            simulate(std::slice::from_ref(&workload), &options, score, &mut |_| ControlFlow::Continue(()))
        };
        let outcome = go(&mut score)?;
        // A scanner looks at each page once for each look.
        let pages = (workload.size().0 / PAGE_SIZE.0) as f64;
        let scanned = pages * LOOKS;
        let sampled = outcome.samples as f64 / outcome.end.as_secs_f64();
        let memory = (mib as f64 * 10.0).log10();
        scanning.push((memory, scanned.log10()));
        sampling.push((memory, sampled.log10()));
        rows.push(vec![
            (mib * 10).to_string(),
            format!("{scanned:.0}"),
            format!("{sampled:.0}"),
            format!("{:.1}", scanned / sampled),
            format!("{:.3}", score.both as f64 / score.found as f64),
            format!("{:.3}", score.both as f64 / score.real as f64),
            format!("{:.1} s", pages / sampled),
        ]);
    }
    let columns = [
        "memory MiB",
        "pages scanned/s",
        "pages sampled/s",
        "ratio",
        "precision",
        "recall",
        "one scan at the sampling's cost",
    ];
    out.table("sampling", &columns, &rows)?;
    let line = |name: &str, points| Line { name: name.to_owned(), points, steps: false, filled: false };
    let chart = Chart {
        x_range: Some((0.0, 5.0)),
        ..Chart::new(
            "Ten looks a second: pages checked",
            ("memory in MiB, as a power of ten", Unit::Count),
            ("checks each second, as a power of ten", Unit::Count),
            vec![line("scanning every page", scanning), line("sampling regions", sampling)],
        )
    };
    out.picture("sampling", &chart, (1000, 480))
}
