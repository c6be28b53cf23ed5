//! Phases are found where simulated workloads have them, and nowhere else.

use damo_analysis::phases::{PhasesOptions, label, phase_times, phases, times_of};
use damo_frame::{OpenOptions, Record};
use damo_model::{Item, Nanos, TimeSpan};
use damo_report::Report;
use damo_sim::builtin::{self, Builtin};
use damo_sim::{Options, Workload, simulate};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

const SEEDS: u64 = 20;
/// In which DAMON's regions settle.
const SETTLED: Nanos = Nanos(2_000_000_000);

fn record(workloads: &[Workload], options: &Options, seed: u64) -> Record {
    let mut items: Vec<Item> = Vec::new();
    let options = Options { seed, ..options.clone() };
    simulate(workloads, &options, &mut items, &mut |_| ControlFlow::Continue(())).expect("simulated");
    Record::from_items(&items).expect("in order")
}

fn found(record: &Record) -> Vec<(TimeSpan, usize)> {
    phase_times(record, &PhasesOptions::default()).expect("phases")
}

/// When any of the workloads begins to access other regions.
fn changes(workloads: &[Workload], end: Nanos) -> Vec<Nanos> {
    let mut times = Vec::new();
    for workload in workloads {
        let (mut at, mut last) = (Nanos(0), None);
        while at < end {
            for phase in workload.phases() {
                let active = phase.patterns.iter().filter(|pattern| pattern.weight > 0);
                let mut regions: Vec<usize> = active.map(|pattern| pattern.region).collect();
                regions.sort_unstable();
                regions.dedup();
                if last.is_some_and(|last| last != regions) && SETTLED < at && at < end {
                    times.push(at);
                }
                last = Some(regions);
                at = at.saturating_add(phase.duration);
            }
        }
    }
    times.sort_unstable();
    times.dedup();
    times
}

/// Of all seeds together: how many changes are found within one aggregation, how many more are reported, how many not.
fn score(builtin: Builtin) -> (usize, usize, usize) {
    let (workloads, options) = (builtin.workloads(), builtin.options());
    let wanted = changes(&workloads, options.duration.expect("a duration"));
    let (mut right, mut wrong, mut missed) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut left = wanted.clone();
        for (time, _) in found(&record(&workloads, &options, seed)).iter().skip(1) {
            let near = |at: &Nanos| (at.0 - time.start.0).abs() <= options.intervals.aggregation.0;
            match left.iter().position(near) {
                Some(at) => {
                    left.remove(at);
                    right += 1;
                }
                None => wrong += 1,
            }
        }
        missed += left.len();
    }
    (right, wrong, missed)
}

#[test]
fn phases_of_staircase_zigzag_and_two_processes_are_found_at_their_times() {
    for builtin in [builtin::STAIRS, builtin::STAIRS_30S, builtin::ZIGZAG, builtin::PAIR] {
        let (right, wrong, missed) = score(builtin);
        let [precision, recall] = [wrong, missed].map(|not| right as f64 / (right + not) as f64);
        let said = format!("{}: {right} right, {wrong} wrong, {missed} missed", builtin.name);
        assert!(precision >= 0.95 && recall >= 0.95 && right > 0, "{said}");
    }
}

/// A workload of regions of 10 MB called `r0`, `r1`, …, and phases of so many milliseconds with what they access.
fn workload(regions: usize, phases: &[(u32, String)]) -> Workload {
    let mut text = String::new();
    for region in 0..regions {
        writeln!(text, "r{region}, 10000000").expect("a string");
    }
    for (number, (length, patterns)) in phases.iter().enumerate() {
        write!(text, "\nphase {number}\n{length}\n{patterns}").expect("a string");
    }
    Workload::parse(&text, "made").expect("a configuration")
}

fn all_of(regions: std::ops::Range<usize>) -> String {
    regions.fold(String::new(), |text, region| text + &format!("r{region}, 0, 4096, 1\n"))
}

#[test]
fn a_steady_sparse_growing_or_sweeping_program_has_one_phase() {
    let slow = |accesses_per_ms| Options { accesses_per_ms, accesses_per_pick: 100, ..Options::default() };
    let at_random = |weights: &[u32]| {
        let pattern = |(region, weight): (usize, &u32)| format!("r{region}, 1, 64, {weight}\n");
        vec![(30_000, weights.iter().enumerate().map(pattern).collect::<String>())]
    };
    let growing: Vec<_> = (12..60).map(|regions| (700, all_of(0..regions))).collect();
    let sweeping: Vec<_> = (0..110).map(|at| (300, all_of(at % 50..at % 50 + 5))).collect();
    let blips: Vec<_> = (0..16).map(|n| if n % 2 == 0 { (3000, all_of(0..5)) } else { (200, all_of(5..15)) }).collect();
    let cases = [
        ("steady", workload(20, &[(30_000, all_of(0..5))]), Options::default()),
        ("two rates", workload(2, &at_random(&[9, 1])), slow(50)),
        ("nearly idle", workload(100, &at_random(&[1; 100])), slow(20)),
        ("sparse", workload(100, &at_random(&[1; 100])), slow(500)),
        ("uniform", workload(100, &at_random(&[1; 100])), slow(5000)),
        ("growing", workload(60, &growing), Options::default()),
        ("sweeping", workload(60, &sweeping), Options::default()),
        ("blips", workload(15, &blips), Options::default()),
    ];
    for (name, workload, options) in cases {
        for seed in 0..SEEDS {
            let found = found(&record(std::slice::from_ref(&workload), &options, seed));
            assert_eq!(found.len(), 1, "{name}, seed {seed}: {found:?}");
        }
    }
}

#[test]
fn phases_that_touch_the_same_memory_again_are_of_one_kind_with_a_period() {
    let record = record(&builtin::ZIGZAG.workloads(), &builtin::ZIGZAG.options(), 7);
    let report = phases(&[record], &PhasesOptions::default()).expect("phases");
    let kinds: String = report.phases.iter().map(|phase| label(phase.kind)).collect();
    assert_eq!(kinds, "ABCBCBCBCBCBC");
    let [both, low, high] = &report.kinds[..] else { panic!("{:?}", report.kinds) };
    assert_eq!((both.period, both.recurrence().as_str()), (None, "once"));
    for (kind, name) in [(low, "[anon:low]"), (high, "[anon:high]")] {
        assert_eq!(kind.recurrence(), "6 times, every 10 s");
        assert_eq!(kind.hot[0].0, name, "{:?}", kind.hot);
        assert!((kind.hot[0].1 / 1e8 - 1.0).abs() < 0.02, "{:?}", kind.hot);
        assert!((kind.working_set / 1e8 - 1.0).abs() < 0.02, "{}", kind.working_set);
    }
}

#[test]
fn bursts_that_come_again_are_phases_although_they_are_short_and_hold_all_that_is_touched_between_them() {
    let bursts: Vec<_> =
        (0..12).map(|n| if n % 2 == 0 { (5000, all_of(0..5)) } else { (1500, all_of(0..15)) }).collect();
    for seed in 0..SEEDS {
        let found = found(&record(&[workload(15, &bursts)], &Options::default(), seed));
        let kinds: String = found.iter().map(|(_, kind)| label(*kind)).collect();
        assert_eq!(kinds, "ABABABABABAB", "seed {seed}: {found:?}");
        for (n, (time, _)) in found.iter().enumerate().skip(1) {
            let wanted = 5000 * n.div_ceil(2) as i64 + 1500 * (n / 2) as i64;
            assert!((time.start.0 / 1_000_000 - wanted).abs() <= 100, "seed {seed}: {found:?}");
        }
    }
}

#[test]
fn the_phases_of_a_real_staircase_are_found_and_no_others_in_real_recordings() {
    let open = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real").join(name);
        Record::open(&path, &OpenOptions::default()).expect("a recording")
    };
    for name in ["stairs/damon.data", "stairs/perf.data"] {
        let found = found(&open(name));
        assert_eq!(found.len(), 11, "{name}: {found:?}");
        // Ten steps of the same length, in aggregations of 124 to 145 ms.
        for (time, _) in &found[1..] {
            assert!((time.length().0 - 2_030_000_000).abs() < 300_000_000, "{name}: {found:?}");
        }
    }
    for name in ["lossy/perf.data", "thousand-regions/damon.data", "schemes/trace.txt"] {
        assert_eq!(found(&open(name)).len(), 1, "{name}");
    }
}

#[test]
fn phases_cover_the_record_without_holes_and_are_told_by_their_numbers() {
    let record = record(&builtin::STAIRS_30S.workloads(), &builtin::STAIRS_30S.options(), 3);
    let found = found(&record);
    let span = record.time_span().expect("snapshots");
    assert_eq!((found[0].0.start, found[found.len() - 1].0.end), (span.start, span.end));
    assert!(found.windows(2).all(|pair| pair[0].0.end == pair[1].0.start), "{found:?}");
    let second = times_of(&record, &[2]).expect("a phase");
    assert_eq!((second[0].min, second[0].max), (found[1].0.start, found[1].0.end));
    for number in [0, 12] {
        let error = times_of(&record, &[number]).expect_err("no such phase").to_string();
        assert!(error.contains("11 phases, numbers 1 to 11"), "{error}");
    }
}

#[test]
fn a_record_without_accesses_or_snapshots_has_no_change() {
    let idle = workload(3, &[(10_000, "r0, 0, 4096, 0\n".to_owned())]);
    assert_eq!(found(&record(&[idle], &Options::default(), 1)).len(), 1);
    let empty = Record::from_items(&[Item::Meta(damo_model::Meta::default())]).expect("a record");
    assert!(found(&empty).is_empty());
    let report = phases(&[empty], &PhasesOptions::default()).expect("phases");
    let mut text = Vec::new();
    report.write_text(&mut text, &()).expect("text");
    assert!(String::from_utf8_lossy(&text).contains("no complete snapshot"));
}

#[test]
fn the_letters_of_kinds_go_on_after_z() {
    assert_eq!([0, 25, 26, 51, 52, 701, 702].map(label), ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
}
