//! Reports that the Python tool does not have, on simulated and real records.

mod common;

use common::{MS, simulated};
use damo_frame::Record;
use damo_model::{Addr, Age, Bytes, Intervals, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
use damo_report::Report;
use damo_report::ages::{self, ages};
use damo_report::confidence::confidence;
use damo_report::filter::Filter;
use damo_report::profile::{self, profile};
use std::path::Path;

const MIB: u64 = 1 << 20;

/// A region: start and end in MiB, nr_accesses, age.
type Row = (u64, u64, u32, u32);

/// A record of one target, a snapshot each 100 ms.
fn record(snapshots: &[&[Row]]) -> Record {
    let intervals = Some(Intervals::default());
    let meta = Meta { intervals, ..Meta::default() };
    let mut items = vec![Item::Meta(meta), Item::Target(Target { target_id: Some(7), ..Target::default() })];
    for (i, regions) in snapshots.iter().enumerate() {
        let start = i as i64 * 100 * MS;
        let mut snapshot = Snapshot::new(TargetKey(0), Nanos(start), Nanos(start + 100 * MS), intervals);
        let region = |r: &Row| Region::new(Addr(r.0 * MIB), Addr(r.1 * MIB), NrAccesses(r.2), Some(Age(r.3)));
        snapshot.regions = regions.iter().map(region).collect();
        items.push(Item::Snapshot(snapshot));
    }
    Record::from_items(&items).expect("items are in order")
}

#[test]
fn ages_put_each_byte_between_two_edges() {
    // Idle for 60 aggregations and this one: 6.1 s. Idle for 40: 4.1 s. Accessed: 0.
    let record = [record(&[&[(0, 1, 0, 0)], &[(0, 10, 0, 60), (10, 30, 5, 90), (30, 70, 0, 40)]])];
    let report = ages(&record, &ages::AgesOptions::default()).expect("a report");
    let bytes: Vec<_> = report.rows.iter().map(|row| row.bytes).collect();
    assert_eq!(bytes, [60 * MIB, 10 * MIB, 0, 0, 0].map(Bytes));
    let mut text = Vec::new();
    report.write_text(&mut text, &()).expect("memory takes all");
    let text = String::from_utf8(text).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[2], "       7         0.000        5.000    15360    0.059     85.71");
    assert_eq!(lines[6], "       7      7200.000          inf        0    0.000      0.00");
    let earlier = ages::AgesOptions { at: Some(Nanos(50 * MS)), ..ages::AgesOptions::default() };
    assert_eq!(ages(&record, &earlier).expect("a report").rows[0].bytes, Bytes(MIB));
}

#[test]
fn ages_of_a_real_recording_cover_all_of_its_memory() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real/stairs/damon.data");
    let mut items = Vec::new();
    damo_import::import_path(&path, &damo_import::Options::default(), &mut items).expect("a record");
    let report =
        ages(&[Record::from_items(&items).expect("in order")], &ages::AgesOptions::default()).expect("a report");
    let total: u64 = report.rows.iter().map(|row| row.bytes.0).sum();
    // What the access report says of the last snapshot: 855.074 MiB.
    assert_eq!(damo_model::human::size_text(total).as_str(), "855.074 MiB");
    let percent: f64 = report.rows.iter().map(|row| row.percent).sum();
    assert!((percent - 100.0).abs() < 1e-6);
}

#[test]
fn a_profile_counts_bytes_accessed_in_either_half_of_a_window_once() {
    let record = record(&[
        &[(0, 10, 1, 0), (10, 20, 0, 0)],
        &[(0, 5, 0, 0), (5, 15, 2, 0)],
        &[(0, 20, 0, 0)],
        &[(0, 20, 20, 0)],
    ]);
    let options = profile::ProfileOptions { exclude_samples: Some(0), ..profile::ProfileOptions::default() };
    let report = profile(&record, &options).expect("a report");
    let values: Vec<_> = report.steps.iter().map(|step| step.distribution.values.clone()).collect();
    assert_eq!(values, [vec![0, 10 * MIB, 10 * MIB, 20 * MIB], vec![15 * MIB, 20 * MIB], vec![20 * MIB]]);
    assert_eq!(report.steps.iter().map(|step| step.length.0 / MS).collect::<Vec<_>>(), [100, 200, 400]);
}

#[test]
fn a_profile_never_shrinks_with_the_window() {
    let report = profile(&simulated("stairs", 40), &profile::ProfileOptions::default()).expect("a report");
    assert!(report.steps.len() >= 8);
    let largest: Vec<_> = report.steps.iter().map(|step| step.distribution.values.last().copied()).collect();
    assert!(largest.windows(2).all(|pair| pair[0] <= pair[1]), "{largest:?}");
}

#[test]
fn what_was_never_seen_accessed_is_a_finding_with_intervals_to_try() {
    let idle: Vec<Row> = vec![(0, 999, 0, 50), (999, 1000, 1, 0)];
    let record = record(&[&idle[..]; 30]);
    let confidence = confidence(&record, &Filter::default()).expect("a judgement");
    let findings = confidence.findings().join("\n");
    assert!(findings.contains("99.9 % of the bytes were never seen accessed"), "{findings}");
    // 1 MiB of 1000, found by one check of 20: 4 % of the possible would take sampling 800 times as long.
    assert!(findings.contains("sampling 4 s and aggregation 1 min 20 s"), "{findings}");
}

#[test]
fn the_standard_error_of_a_region_is_that_of_its_checks() {
    // 10 of 20 checks: p = 0.5, n = 22 with the two added.
    let record = record(&[&[(0, 100, 10, 0)][..]; 36]);
    let confidence = confidence(&record, &Filter::default()).expect("a judgement");
    let size = (100 * MIB) as f64;
    let expected = size * (0.25f64 / 22.0).sqrt();
    assert!((confidence.mean_accessed() - size / 2.0).abs() < 1.0);
    assert!((confidence.snapshot_error() - expected).abs() < 1.0);
    assert!((confidence.mean_error() - expected / 6.0).abs() < 1.0, "36 snapshots divide the error by 6");
    assert_eq!(confidence.findings(), Vec::<String>::new());
}

#[test]
fn a_record_with_losses_says_so_first() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real/lossy/perf.data");
    let mut items = Vec::new();
    damo_import::import_path(&path, &damo_import::Options::default(), &mut items).expect("a record");
    let confidence =
        confidence(&Record::from_items(&items).expect("in order"), &Filter::default()).expect("a judgement");
    let findings = confidence.findings();
    assert!(findings[0].contains("snapshots are complete"), "{findings:?}");
}
