//! How much a record takes. Sizes do not depend on the machine, so they can be tested.
#![allow(clippy::unwrap_used)]
mod common;
#[path = "common/real.rs"]
mod real;

use common::write;
use damo_format::{Reader, WriterOptions};
use damo_model::Item;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Bytes of the whole file per region.
fn bytes_per_region(items: &[Item], options: WriterOptions) -> f64 {
    let reader = Reader::from_bytes(write(items, options).0).unwrap();
    reader.totals().file.0 as f64 / reader.totals().regions as f64
}

#[test]
fn the_real_staircase_takes_at_most_a_byte_and_a_quarter_per_region() {
    let data = std::env::var_os("DAMO_REAL_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let path = data.join("stairs/damon.data");
    let Some(items) = real::load(&path) else {
        eprintln!("no recording at {}: its size is not tested", path.display());
        return;
    };
    let size = bytes_per_region(&items, WriterOptions::default());
    assert!(size <= 1.25, "{size}");
}

#[test]
fn a_moving_hot_window_over_12_gib_takes_at_most_two_bytes_per_region() {
    let builtin = damo_sim::builtin::BENCH_A;
    let mut items: Vec<Item> = Vec::new();
    damo_sim::simulate(&builtin.workloads(), &builtin.options(), &mut items, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    let size = bytes_per_region(&items, WriterOptions::default());
    assert!(size <= 2.0, "{size}");
    assert!(bytes_per_region(&items, WriterOptions::live()) <= 2.0);
}
