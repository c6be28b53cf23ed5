//! What `damo demo` looks at: a process that goes through its memory area by area.

use anyhow::{Context, Result};
use damo_kernel::areas::Areas;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many areas there are.
pub(super) const AREAS: usize = 10;
/// How large each is: reading which pages are referenced must cost little.
const SIZE: usize = 1 << 20;
/// How long each is touched.
pub(super) const PHASE: Duration = Duration::from_millis(500);
/// Between two rounds through an area, so that it takes little of a CPU.
const REST: Duration = Duration::from_millis(2);
/// No page is smaller.
const PAGE: usize = 4096;

/// Touches all areas once, then one after the other, for [`PHASE`] each.
///
/// # Errors
/// If there is no such memory.
pub(super) fn run() -> Result<()> {
    let mut areas = Areas::new(AREAS, SIZE).context("memory for the workload of the demo")?;
    areas.iter_mut().for_each(touch);
    let mut end = Instant::now();
    for area in areas.iter_mut() {
        end += PHASE;
        while Instant::now() < end {
            touch(area);
            std::thread::sleep(REST);
        }
    }
    Ok(())
}

fn touch(area: &mut [u8]) {
    area.iter_mut().step_by(PAGE).for_each(|byte| *byte = black_box(*byte).wrapping_add(1));
}
