//! Every real recording goes through every report. Those that the project keeps, and larger ones where present.

mod common;

use std::path::{Path, PathBuf};

/// Records under `directory`, recognised by name: the ones that hold snapshots.
fn recordings(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("directory").map(|entry| entry.expect("entry").path()) {
        if entry.is_dir() {
            found.extend(recordings(&entry));
        } else if entry.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name == "damon.data" || name == "trace.txt" || name.ends_with("perf.data")
        }) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

const REPORTS: [&str; 9] = [
    "info",
    "report raw",
    "report wss",
    "report nr_regions",
    "report record_info",
    "report heats",
    "report heats --output raw --resol 20 40",
    "report heats --heatmap out.png",
    "report wss --plot out.svg",
];

fn through_every_report(record: &Path) {
    let here = tempfile::tempdir().expect("temporary directory");
    for report in REPORTS {
        let output = common::damo(here.path())
            .args(report.split(' '))
            .args(if report == "info" { vec![] } else { vec!["-i"] })
            .arg(record)
            .output()
            .expect("damo starts");
        let said = String::from_utf8_lossy(&output.stderr);
        // The lossy recording has no whole snapshot behind the first ones: reports that leave the first ones out say so.
        if said.contains("that remain lack regions") {
            assert_eq!(output.status.code(), Some(2), "{report} {}: {said}", record.display());
            assert!(record.parent().is_some_and(|directory| directory.ends_with("lossy")), "{}", record.display());
            continue;
        }
        // 3: lost events, told by the reports.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{report} {}: {said}", record.display());
        if !report.contains("out.") {
            assert!(!output.stdout.is_empty(), "{report} {}", record.display());
        }
    }
}

#[test]
fn kept_recordings_go_through_every_report() {
    let records = recordings(&common::top().join("testdata/real"));
    assert!(records.len() >= 3, "{records:?}");
    records.iter().for_each(|record| through_every_report(record));
}

#[test]
fn larger_recordings_go_through_every_report() {
    let Some(data) = common::large_real_data() else { return };
    let records = recordings(&data);
    assert!(records.len() >= 5, "{records:?}");
    records.iter().for_each(|record| through_every_report(record));
}
