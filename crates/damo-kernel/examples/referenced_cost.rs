//! What it costs to find out which pages of a process are referenced, on the machine that this runs on; docs/evaluation.md shows
//! it.
//!
//! `referenced_cost MIB…` makes itself as large, with a quarter of the memory in use, and prints a row of a table: how long it
//! takes to reset and to read the referenced bits, and to go once through the pages in use, before and after a reset. Each is the
//! least of many times, so that other work on the machine hardly matters.

use damo_kernel::Root;
use damo_kernel::areas::Areas;
use damo_kernel::procfs::Procfs;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often each time is taken.
const TIMES: usize = 15;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let procfs = Procfs::new(&Root::host());
    let page = usize::try_from(procfs.page_size().0)?;
    let me = std::process::id().cast_signed();
    for word in std::env::args().skip(1) {
        let mib: usize = word.parse()?;
        // In four areas, of which one is in use.
        let mut areas = Areas::new(4, mib << 18)?;
        areas.iter_mut().for_each(|area| touch(area, page));
        let mut least = [Duration::MAX; 4];
        for _ in 0..TIMES {
            let hot = areas.iter_mut().next().ok_or("no area")?;
            touch(hot, page);
            let before = timed(|| touch(hot, page));
            let mut result = Ok(());
            let reset = timed(|| result = procfs.clear_referenced(me));
            result?;
            let after = timed(|| touch(hot, page));
            let mut found = Ok(Vec::new());
            let read = timed(|| found = procfs.mapping_use(me));
            found?;
            for (least, time) in least.iter_mut().zip([reset, read, before, after]) {
                *least = time.min(*least);
            }
        }
        let ms = least.map(|time| format!("{:.2} ms", time.as_secs_f64() * 1e3));
        println!("| {mib} | {} |", ms.join(" | "));
    }
    Ok(())
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn touch(area: &mut [u8], page: usize) {
    area.iter_mut().step_by(page).for_each(|byte| *byte = black_box(*byte).wrapping_add(1));
}
