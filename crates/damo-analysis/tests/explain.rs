//! Sentences fit a screen, say what is true of simulated workloads, and are the same each time.

use damo_analysis::explain::{Explanation, explain};
use damo_analysis::right_size::right_size;
use damo_frame::{OpenOptions, Record};
use damo_model::{Addr, Age, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
use damo_report::Report;
use damo_report::filter::Filter;
use damo_sim::{Options, Workload, builtin, simulate};
use std::ops::ControlFlow;
use std::path::Path;

fn record(workloads: &[Workload], options: &Options) -> Record {
    let mut items: Vec<Item> = Vec::new();
    simulate(workloads, options, &mut items, &mut |_| ControlFlow::Continue(())).expect("simulated");
    Record::from_items(&items).expect("in order")
}

fn of(workload: &str) -> Explanation {
    let workload = Workload::parse(workload, "made").expect("a configuration");
    explain(&[record(&[workload], &Options::default())]).expect("sentences")
}

fn said<'e>(explanation: &'e Explanation, topic: &str) -> &'e str {
    explanation.sentences.iter().find(|said| said.topic == topic).map_or("", |said| said.text.as_str())
}

fn text(explanation: &Explanation) -> String {
    let mut text = Vec::new();
    explanation.write_text(&mut text, &()).expect("text");
    String::from_utf8(text).expect("UTF-8")
}

#[test]
fn sentences_fit_a_screen_and_are_the_same_each_time() {
    let real = |name: &str| {
        let path = Path::new("../../testdata/real").join(name);
        vec![Record::open(&path, &OpenOptions::default()).expect("a recording")]
    };
    let simulated = |one: builtin::Builtin| vec![record(&one.workloads(), &one.options())];
    let records = [
        simulated(builtin::ZIGZAG),
        simulated(builtin::STAIRS),
        simulated(builtin::PAIR),
        real("stairs/damon.data"),
        real("thousand-regions/damon.data"),
        real("lossy/perf.data"),
        real("schemes/trace.txt"),
    ];
    for records in records {
        let explanation = explain(&records).expect("sentences");
        let shown = text(&explanation);
        assert!(shown.lines().count() <= 24, "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.contains("    damo ") && !shown.contains("NaN"), "{shown}");
        assert_eq!(shown, text(&explain(&records).expect("sentences")));
    }
}

#[test]
fn a_zigzag_is_said_to_come_again_and_to_need_both_areas() {
    let explanation = explain(&[record(&builtin::ZIGZAG.workloads(), &builtin::ZIGZAG.options())]).expect("sentences");
    assert_eq!(
        said(&explanation, "phases"),
        "The run has 13 phases of 3 kinds: B comes 6 times, every 10 s; C comes 6 times, every 10 s."
    );
    assert!(said(&explanation, "hot").starts_with("Hot in B: [anon:low] 95.4 MiB; in C: [anon:high] 95.4 MiB;"));
    assert!(said(&explanation, "limit").contains("costs nothing"), "{}", said(&explanation, "limit"));
    assert!(said(&explanation, "trust").starts_with("Nothing speaks against"));
}

#[test]
fn idle_memory_is_said_to_be_reclaimable_and_hot_blocks_to_be_for_huge_pages() {
    let explanation = of("busy, 100000000\nonce, 300000000\n\nload\n6000\nbusy, 0, 4096, 1\nonce, 0, 4096, 1\n\n\
                          serve\n60000\nbusy, 0, 4096, 1\n");
    assert!(said(&explanation, "idle").contains("(7"), "{}", said(&explanation, "idle"));
    let reclaim = said(&explanation, "reclaim");
    assert!(reclaim.contains("would save 2") && reclaim.contains("would come back within 1 min"), "{reclaim}");
    let huge = said(&explanation, "huge pages");
    assert!(huge.starts_with("9") && huge.contains(" MiB are hot in whole"), "{huge}");
    assert!(said(&explanation, "growth").is_empty());
}

#[test]
fn growth_without_end_is_told_and_a_short_record_is_distrusted_first() {
    let mut text = String::new();
    (0..60).for_each(|n| text += &format!("g{n}, 10000000\n"));
    for regions in 10..60 {
        text += &format!("\nwith {regions}\n1000\n");
        (0..regions).for_each(|n| text += &format!("g{n}, 0, 4096, 1\n"));
    }
    let growth = of(&text);
    // 10 MB each second.
    let told = said(&growth, "growth");
    assert!(told.contains("grows all the time") && told.contains("by 57"), "{told}");
    assert!(said(&growth, "phases").contains("one phase"), "{}", said(&growth, "phases"));
    let short = of("a, 10000000\n\nall\n1500\na, 0, 4096, 1\n");
    assert_eq!(short.sentences[0].topic, "trust", "{:?}", short.sentences);
    let lossy = Record::open(Path::new("../../testdata/real/lossy/perf.data"), &OpenOptions::default());
    let lossy = explain(&[lossy.expect("a recording")]).expect("sentences");
    assert!(
        lossy.sentences.len() == 1 && said(&lossy, "trust").contains("supports no conclusion"),
        "{:?}",
        lossy.sentences
    );
    let empty = Record::from_items(&[Item::Meta(Meta::default())]).expect("a record");
    assert!(explain(&[empty]).is_err_and(|error| error.to_string().contains("no snapshot")));
}

#[test]
fn the_largest_addresses_times_and_counts_are_explained_as_well() {
    let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
    for n in 0..60i64 {
        let start = Nanos((n - 30) * (i64::MAX / 31));
        let end = Nanos(start.0.saturating_add(i64::MAX / 31));
        let mut snapshot = Snapshot::new(TargetKey(0), start, end, None);
        let count = |seed: i64| NrAccesses(if (n + seed) % 3 == 0 { u32::MAX } else { 0 });
        snapshot.regions.push(Region::new(Addr(0), Addr(1 << 63), count(0), Some(Age(u32::MAX))));
        snapshot.regions.push(Region::new(Addr(1 << 63), Addr(u64::MAX), count(1), Some(Age(u32::MAX))));
        items.push(Item::Snapshot(snapshot));
    }
    let record = [Record::from_items(&items).expect("in order")];
    let shown = text(&explain(&record).expect("sentences"));
    assert!(shown.contains("16"), "{shown}");
    right_size(&record[0], &Filter::default()).expect("a curve");
}
