//! How fast a record becomes Polars frames: `bench_frame RECORD`. Every block of the record is read and turned into a
//! frame of regions, on all cores; best of five passes.

use damo_frame::{FrameError, OpenOptions, Record};
use damo_model::Selection;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: bench_frame RECORD")?;
    let record = Record::open(Path::new(&path), &OpenOptions::default())?;
    let mut best = f64::MAX;
    let mut rows = 0;
    for _ in 0..5 {
        let start = Instant::now();
        rows = record.fold::<usize, FrameError>(
            &Selection::all(),
            || 0,
            |rows, chunk| {
                *rows += chunk.clone().into_regions()?.height();
                Ok(())
            },
            |a, b| a + b,
        )?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("frames: {rows} regions in {best:.3} s, {:.1} M regions/s", rows as f64 / best / 1e6);
    Ok(())
}
