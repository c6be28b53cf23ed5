//! Simulated workloads of which it is known what they access, and how far reports are from that.
//!
//! Truth is an expectation: the bytes whose pages are accessed at least once in a snapshot's interval. What is accessed in
//! order is known exactly; a page of a random pattern is accessed at least once with the probability 1 − exp(−touches).

use damo_frame::Record;
use damo_model::{Intervals, IntervalsGoal, Item, Nanos, Ops};
use damo_report::distribution::PercentileRange;
use damo_report::wss::{WssOptions, wss};
use damo_sim::{GroundTruth, Options, Workload, simulate};
use std::ops::ControlFlow;

/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;
/// Which percentiles are judged.
const PERCENTILES: [u8; 2] = [50, 95];

/// A workload with what it is simulated with.
pub struct Case {
    /// What it is, in a few words.
    pub name: &'static str,
    /// masim configurations, a process each.
    pub configs: Vec<String>,
    /// How it is simulated; the seed is another each time.
    pub options: Options,
    /// Whether ages are taken out of the record.
    pub without_ages: bool,
}

/// What a report says of a case with one seed, in MiB.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// The mean of the true working sets.
    pub truth: f64,
    /// The mean working set as it is counted, and its standard error by the checks alone.
    pub wss: (f64, f64),
    /// The range of the mean.
    pub range: (f64, f64),
    /// How many of the percentiles lie in their ranges, of how many.
    pub percentiles: (u32, u32),
}

impl Judged {
    /// Whether the true mean lies in the range.
    pub fn holds(&self) -> bool {
        self.range.0 <= self.truth && self.truth <= self.range.1
    }

    /// Whether the true mean lies within so many standard errors of the checks.
    pub fn holds_by_checks(&self, errors: f64) -> bool {
        (self.wss.0 - self.truth).abs() <= errors * self.wss.1
    }
}

fn case(name: &'static str, config: String, accesses_per_ms: u64, accesses_per_pick: u64) -> Case {
    let options = Options {
        accesses_per_ms,
        accesses_per_pick,
        duration: Some(Nanos::from_secs(60)),
        footprint_interval: Nanos(0),
        ..Options::default()
    };
    Case { name, configs: vec![config], options, without_ages: false }
}

/// Areas of random accesses, each with so many touches of a page in 5 ms on average.
fn ladder(name: &'static str, touches: &[f64], area: u64) -> Case {
    let total: f64 = touches.iter().sum();
    let per_ms = total * (area / 4096) as f64 / 5.0;
    let regions: String = (0..touches.len()).map(|i| format!("a{i}, {area}\n")).collect();
    let weight = |touches: f64| ((touches / total * 1e6) as u64).max(1);
    let patterns: String =
        touches.iter().enumerate().map(|(i, touches)| format!("a{i}, 1, 4096, {}\n", weight(*touches))).collect();
    case(name, format!("{regions}\nrun\n1000000\n{patterns}"), (per_ms as u64).max(1), 256)
}

/// A hot area in cold memory.
fn hot_in_cold(name: &'static str, hot: u64, cold: u64) -> Case {
    let config = format!("hot, {}\ncold, {}\n\nrun\n1000000\nhot, 0, 4096, 1\n", hot * MIB, cold * MIB);
    case(name, config, 75_000, 131_072)
}

/// A page in so many that is accessed all the time, in one area.
fn scattered(name: &'static str, one_in: u64, mib: u64) -> Case {
    case(name, format!("a, {}\n\nrun\n1000000\na, 0, {}, 1\n", mib * MIB, 4096 * one_in), 75_000, 131_072)
}

/// Phases, each of which accesses some areas of a size: durations in ms, and the areas' numbers.
fn phases(name: &'static str, areas: u64, mib: u64, phases: &[(u64, &[u64])]) -> Case {
    let regions: String = (0..areas).map(|i| format!("w{i}, {}\n", mib * MIB)).collect();
    let patterns = |own: &[u64]| match own {
        [] => "w0, 0, 4096, 0\n".to_owned(),
        own => own.iter().map(|i| format!("w{i}, 0, 4096, 1\n")).collect::<String>(),
    };
    let text: String =
        phases.iter().enumerate().map(|(i, (ms, own))| format!("\np{i}\n{ms}\n{}", patterns(own))).collect();
    case(name, regions + &text, 75_000, 2048)
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let zipf: Vec<f64> = (1..=16).map(|i| 1.5 / f64::from(i)).collect();
    let steeper: Vec<f64> = (1..=16).map(|i| 2.0 / f64::from(i * i)).collect();
    let window: Vec<(u64, Vec<u64>)> = (0..20).map(|i| (500, vec![i])).collect();
    let window: Vec<(u64, &[u64])> = window.iter().map(|(ms, own)| (*ms, own.as_slice())).collect();
    let heap: Vec<Vec<u64>> = (1..=12).map(|n| (0..n).collect()).collect();
    let heap: Vec<(u64, &[u64])> = heap.iter().map(|own| (5000, own.as_slice())).collect();
    let tuned = IntervalsGoal {
        access_bp: 400,
        aggregations: 3,
        min_sample: Nanos::from_millis(5),
        max_sample: Nanos::from_secs(1),
    };
    let plain = || hot_in_cold("", 50, 462);
    let with = |name, case: Case, change: &dyn Fn(&mut Options)| {
        let mut case = Case { name, ..case };
        change(&mut case.options);
        case
    };
    vec![
        hot_in_cold("uniform hot area", 50, 462),
        ladder("two rates, one of 2 %", &[3.0, 0.0202, 0.0202], 50 * MIB),
        ladder("Zipf ladder, 16 areas", &zipf, 16 * MIB),
        ladder("steeper ladder", &steeper, 16 * MIB),
        scattered("one hot page in 16", 16, 1024),
        scattered("one hot page in 128", 128, 1024),
        phases("moving window, 0.5 s steps", 20, 10, &window),
        phases("bursts of 10 ms in 100", 5, 100, &[(10, &[0]), (90, &[])]),
        case("random over 2 GiB", format!("a, {}\n\nrun\n1000000\na, 1, 4096, 1\n", 2048 * MIB), 75_000, 131_072),
        phases("growing heap", 12, 20, &heap),
        Case {
            configs: [30, 70].map(|mib| hot_in_cold("", mib, 300).configs.remove(0)).to_vec(),
            ..hot_in_cold("two processes", 1, 1)
        },
        with("5 GiB hot in 100 GiB", hot_in_cold("", 5 << 10, 95 << 10), &|options| {
            options.accesses_per_ms = 1_000_000
        }),
        with("physical memory", plain(), &|options| options.ops = Ops::Paddr),
        with("tuned intervals", hot_in_cold("", 10, 1014), &|options| options.intervals_goal = Some(tuned)),
        Case { without_ages: true, ..with("without ages", plain(), &|_| ()) },
        with("at most 100 regions", ladder("", &zipf, 16 * MIB), &|options| options.nr_regions.max = 100),
        with("1 s aggregations", ladder("", &steeper, 16 * MIB), &|options| {
            options.intervals = Intervals { aggregation: Nanos::from_secs(1), ..Intervals::default() };
        }),
        phases("two areas in turn, 3 s each", 2, 100, &[(3000, &[0]), (3000, &[1])]),
        scattered("one hot page in 4", 4, 512),
    ]
}

/// The true working set of an interval, in MiB.
fn truth(workload: &Workload, accesses_per_ms: u64, from: Nanos, to: Nanos) -> f64 {
    let round = workload.duration().0;
    let mut touches = vec![0.0; workload.regions().len()];
    let mut passed = vec![0.0; workload.regions().len()];
    let mut t = from.0;
    while t < to.0 {
        let within = t.rem_euclid(round);
        let mut end = 0;
        let phase = workload.phases().iter().find(|phase| {
            end += phase.duration.0;
            within < end
        });
        let phase = phase.expect("phases fill the round");
        let time = (end - within).min(to.0 - t);
        let total = phase.total_weight().max(1) as f64;
        for pattern in phase.patterns.iter().filter(|pattern| pattern.weight > 0) {
            let accesses = f64::from(pattern.weight) / total * accesses_per_ms as f64 * time as f64 / 1e6;
            let size = workload.regions()[pattern.region].size.0 as f64;
            if pattern.random {
                touches[pattern.region] += accesses * 4096.0 / size;
            } else {
                let step = pattern.stride.0.max(4096) as f64;
                let pass = accesses * pattern.stride.0 as f64 / size;
                passed[pattern.region] = f64::max(passed[pattern.region], pass.min(1.0) * 4096.0 / step);
            }
        }
        t += time;
    }
    let bytes = workload.regions().iter().enumerate().map(|(i, region)| {
        let random: f64 = touches[i];
        region.size.0 as f64 * f64::max(passed[i], 1.0 - (-random).exp())
    });
    bytes.sum::<f64>() / MIB as f64
}

/// What the report of working sets says of a case with this seed.
pub fn judge(case: &Case, seed: u64) -> Judged {
    let workloads: Vec<Workload> =
        case.configs.iter().map(|text| Workload::parse(text, "case").expect("a configuration")).collect();
    let options = Options { seed, ..case.options.clone() };
    let mut items: Vec<Item> = Vec::new();
    simulate(&workloads, &options, &mut items, &mut |_| ControlFlow::Continue(())).expect("it runs");
    if case.without_ages {
        for item in &mut items {
            if let Item::Snapshot(snapshot) = item {
                snapshot.regions.iter_mut().for_each(|region| region.age = None);
            }
        }
    }
    let record = Record::from_items(&items).expect("items are in order");
    let range = PercentileRange { start: 50, stop: 101, step: 45 };
    let report = wss(&[record], &WssOptions { errors: true, range, ..WssOptions::default() }).expect("a report");
    let series = &report.series[0];
    let mib = |bytes: f64| bytes / MIB as f64;
    // A process keeps a few pages of its own busy: text and stack.
    let busy = |(i, own)| GroundTruth::new(own, &options, i).expect("it was simulated").busy().to_vec();
    let busy: u64 = workloads.iter().enumerate().flat_map(busy).map(|range| range.size().0).sum();
    let mut true_sizes: Vec<f64> = series
        .points
        .iter()
        .map(|point| {
            let of = |own| truth(own, options.accesses_per_ms, point.start, point.end);
            workloads.iter().map(of).sum::<f64>() + mib(busy as f64)
        })
        .collect();
    let truth = true_sizes.iter().sum::<f64>() / true_sizes.len() as f64;
    true_sizes.sort_by(f64::total_cmp);
    let ranges = series.distribution.ranges.clone().expect("the intervals are known");
    let held = PERCENTILES.iter().zip(&ranges.percentiles).filter(|(percent, (least, most))| {
        let at = (usize::from(**percent) * true_sizes.len() / 100).min(true_sizes.len() - 1);
        mib(*least) <= true_sizes[at] && true_sizes[at] <= mib(*most)
    });
    Judged {
        truth,
        wss: (mib(series.distribution.mean), mib(series.distribution.errors.as_ref().expect("errors").mean)),
        range: (mib(ranges.mean.0), mib(ranges.mean.1)),
        percentiles: (held.count() as u32, PERCENTILES.len() as u32),
    }
}
