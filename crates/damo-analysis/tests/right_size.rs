//! What a record says of memory limits is what an LRU cache does that the same workload runs under.

use damo_analysis::right_size::{MOST_WAITING, RightSize, right_size};
use damo_frame::Record;
use damo_model::{Item, Nanos};
use damo_report::Report;
use damo_report::filter::Filter;
use damo_sim::builtin;
use damo_sim::{GroundTruth, Options, Workload, simulate};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

/// The cache counts memory in pieces of this size.
const PIECE: u64 = 2 << 20;
const STEP: Nanos = Nanos(100_000_000);

fn record(workloads: &[Workload], options: &Options) -> Record {
    let mut items: Vec<Item> = Vec::new();
    simulate(workloads, options, &mut items, &mut |_| ControlFlow::Continue(())).expect("simulated");
    Record::from_items(&items).expect("in order")
}

/// Bytes per second that come back into an LRU cache of so many bytes, in which a workload accesses all its active memory
/// once in each step; counted from `from` on.
fn cached(truth: &GroundTruth, limit: f64, from: Nanos, end: Nanos) -> f64 {
    let most = (limit / PIECE as f64) as usize;
    let (mut last, mut order): (HashMap<u64, u64>, BTreeMap<u64, u64>) = (HashMap::new(), BTreeMap::new());
    let mut known: BTreeSet<u64> = BTreeSet::new();
    let (mut clock, mut back, mut at) = (0, 0u64, Nanos(0));
    while at < end {
        for area in truth.at(at) {
            for piece in area.range.start.0 / PIECE..area.range.end.0 / PIECE {
                clock += 1;
                match last.insert(piece, clock) {
                    Some(before) => {
                        order.remove(&before);
                    }
                    None if known.insert(piece) || at < from => {}
                    None => back += 1,
                }
                order.insert(clock, piece);
                if order.len() > most {
                    let (_, oldest) = order.pop_first().expect("not empty");
                    last.remove(&oldest);
                }
            }
        }
        at = at.saturating_add(STEP);
    }
    (back * PIECE) as f64 / end.saturating_sub(from).as_secs_f64()
}

fn of(workload: &Workload, options: &Options) -> RightSize {
    right_size(&record(std::slice::from_ref(workload), options), &Filter::default()).expect("a curve")
}

fn rotating() -> Workload {
    let mut text = String::from("base, 60000000\n");
    (0..5).for_each(|n| text += &format!("r{n}, 50000000\n"));
    for (n, region) in [0, 1, 0, 2, 1, 0, 3, 0, 1, 4, 0, 2].into_iter().enumerate() {
        text += &format!("\nphase {n}\n4000\nbase, 0, 4096, 1\nr{region}, 0, 4096, 1\n");
    }
    Workload::parse(&text, "rotating").expect("a configuration")
}

#[test]
fn refaults_under_a_limit_are_those_of_an_lru_cache() {
    let rotating = rotating();
    let zigzag = builtin::ZIGZAG.workloads().remove(0);
    for (name, workload) in [("rotating", &rotating), ("zigzag", &zigzag)] {
        let options = Options { duration: Some(Nanos(2 * workload.duration().0)), ..Options::default() };
        let truth = GroundTruth::new(workload, &options, 0).expect("a truth");
        let end = options.duration.expect("a duration");
        for seed in 1..4 {
            let found = of(workload, &Options { seed, ..options.clone() });
            // DAMON's regions are a little larger than what is accessed, so limits come out up to a quarter higher. Below the
            // working set of a snapshot the curve is a least value.
            for limit in ((found.working_set / 1e6) as u64 + 5..330).step_by(10).map(|mb| mb as f64 * 1e6) {
                let [more, less] = [0.75, 1.05].map(|part| cached(&truth, limit * part, Nanos::from_secs(2), end));
                let ours = found.at(limit).refault;
                let said = format!("{name}, seed {seed}, {limit}: {ours:.0} of {less:.0} to {more:.0}");
                assert!(ours < more * 1.1 + 1e6 && ours > less * 0.9 - 1e6, "{said}");
            }
        }
    }
}

#[test]
fn a_zigzag_needs_both_of_its_areas_and_has_its_knee_at_one() {
    let found = of(&builtin::ZIGZAG.workloads()[0], &builtin::ZIGZAG.options());
    let near = |bytes: f64, mb: f64| (bytes / 1e6 - mb).abs() < mb * 0.05;
    let (knee, chosen) = (found.knee.expect("a knee"), found.chosen.expect("a proposal"));
    assert!(near(knee.limit, 100.0) && near(chosen.limit, 200.0), "{knee:?} {chosen:?}");
    assert!(chosen.waiting <= MOST_WAITING && knee.waiting > MOST_WAITING, "{knee:?} {chosen:?}");
    assert_eq!(found.at(1e7).refault, found.at(9e7).refault, "not even one of the areas fits");
    let mut text = Vec::new();
    found.write_text(&mut text, &()).expect("text");
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_steady_program_needs_its_working_set_and_no_more() {
    let workload = Workload::parse("a, 100000000\nb, 300000000\n\nall\n30000\na, 0, 4096, 1\n", "steady").expect("one");
    let found = of(&workload, &Options::default());
    let chosen = found.chosen.expect("a proposal").limit;
    assert!((chosen / 1e8 - 1.0).abs() < 0.1 && found.enough() < 1.3e8, "{chosen} {}", found.enough());
    assert!(found.at(2e8).refault == 0.0 && found.at(5e7).refault > 5e8, "{:?}", found.at(5e7));
}
