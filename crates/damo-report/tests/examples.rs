//! The examples do what they say, on a real recording.

#[path = "../../../tests/common/example.rs"]
mod example;

use damo_frame::Record;
use damo_report::Report;
use damo_report::distribution::DistributionText;
use damo_report::wss::{WssOptions, wss};
use example::example;
use std::path::{Path, PathBuf};

fn stairs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real/stairs/damon.data")
}

#[test]
fn wss_says_what_the_python_tool_says_of_the_same_recording() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden/stairs/wss.txt");
    assert_eq!(example("wss", &[&stairs()]), std::fs::read_to_string(golden).expect("golden"));
}

#[test]
fn touched_agrees_with_wss_on_the_most_when_no_snapshot_is_left_out() {
    let said = example("touched", &[&stairs()]);
    let most = said.trim_end().strip_suffix(" at most").and_then(|said| said.split(", ").nth(1)).expect("the most");
    let record = Record::open(&stairs(), &Default::default()).expect("record");
    let report = wss(&[record], &WssOptions { exclude_samples: Some(0), ..WssOptions::default() }).expect("report");
    let mut text = Vec::new();
    report.write_text(&mut text, &DistributionText::default()).expect("to memory");
    let text = String::from_utf8(text).expect("text");
    let highest = text.lines().find(|line| line.trim_start().starts_with("100 ")).expect("the 100th percentile");
    assert!(highest.contains(most), "{most} is not in: {highest}");
}

#[test]
fn heats_draws_a_png() {
    let here = tempfile::tempdir().expect("temporary directory");
    let picture = here.path().join("heats.png");
    example("heats", &[&stairs(), &picture]);
    let bytes = std::fs::read(picture).expect("picture");
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5000);
}
