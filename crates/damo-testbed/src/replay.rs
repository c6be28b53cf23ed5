//! The accesses of a record, made again on real memory of this process, at the times at which they were seen: so that a recorded
//! pattern can be monitored again, and tried under schemes.
//!
//! Each stretch of addresses that was monitored becomes an area of the same size, whose pages are touched as often in each
//! aggregation interval as samples found them accessed, spread evenly over it. Where it lies is up to the system.

use crate::error::TestbedError;
use damo_kernel::areas::Areas;
use damo_model::{AddrRange, Nanos, TimeSpan};
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

/// The unit of accesses: no page is smaller.
const PAGE: usize = 4096;

/// Memory that stands for recorded addresses.
#[derive(Debug)]
pub struct ReplayMemory {
    areas: Vec<Area>,
}

#[derive(Debug)]
struct Area {
    /// The recorded addresses.
    range: AddrRange,
    memory: Areas,
}

impl ReplayMemory {
    /// Memory for these ranges, sorted and disjoint. No page of it is touched.
    ///
    /// # Errors
    /// If this machine cannot address so much.
    pub fn allocate(ranges: &[AddrRange]) -> Result<Self, TestbedError> {
        let areas = ranges.iter().map(|range| {
            let size = range.size().0;
            let too_large = || TestbedError::TooLarge { name: format!("{:#x}", range.start.0), size };
            let bytes = usize::try_from(size).map_err(|_| too_large())?;
            // Reserved by name only: what is not touched takes no memory.
            Ok(Area { range: *range, memory: Areas::new(1, bytes).map_err(|_| too_large())? })
        });
        Ok(Self { areas: areas.collect::<Result<_, _>>()? })
    }

    /// Touches each page of recorded addresses, and tells how many there are.
    pub fn touch(&mut self, range: AddrRange) -> u64 {
        let first = self.areas.partition_point(|area| area.range.end <= range.start);
        let mut touched = 0;
        for area in self.areas[first..].iter_mut().take_while(|area| area.range.start < range.end) {
            let Some(part) = area.range.intersection(range) else { continue };
            let offset = |address: u64| (address - area.range.start.0) as usize;
            let pages = offset(part.start.0) / PAGE..offset(part.end.0).div_ceil(PAGE);
            let Some(bytes) = area.memory.iter_mut().next() else { continue };
            for byte in bytes.iter_mut().step_by(PAGE).take(pages.end).skip(pages.start) {
                let byte = black_box(byte);
                *byte = byte.wrapping_add(1);
                touched += 1;
            }
        }
        touched
    }

    /// Touches all of it once.
    pub fn populate(&mut self) {
        let ranges: Vec<AddrRange> = self.areas.iter().map(|area| area.range).collect();
        for range in ranges {
            self.touch(range);
        }
    }
}

/// A snapshot that is to be played.
#[derive(Clone, Debug)]
pub struct Played<'a> {
    /// When it began and ended, on the record's clock.
    pub span: TimeSpan,
    /// How often memory was sampled in it.
    pub samples: u32,
    /// Regions with the number of samples that found an access.
    pub regions: &'a [(AddrRange, u32)],
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Snapshots whose accesses were made.
    pub snapshots: u64,
    /// Pages that were touched, each time.
    pub touched: u64,
    /// Samples' times that were over before all of their accesses were made, and all of such times.
    pub late: u64,
    /// All of the samples' times.
    pub steps: u64,
}

impl ReplayCounts {
    /// What two threads did together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            snapshots: self.snapshots + other.snapshots,
            touched: self.touched + other.touched,
            late: self.late + other.late,
            steps: self.steps + other.steps,
        }
    }
}

/// Plays snapshots one after the other.
#[derive(Debug)]
pub struct Replayer {
    memory: ReplayMemory,
    /// The moment that stands for `zero`.
    begun: Instant,
    zero: Nanos,
    speed: f64,
    counts: ReplayCounts,
}

impl Replayer {
    /// One for which `zero` of the record's clock is the moment `begun`, and time passes `speed` times as fast.
    pub fn new(memory: ReplayMemory, begun: Instant, zero: Nanos, speed: f64) -> Self {
        Self { memory, begun, zero, speed, counts: ReplayCounts::default() }
    }

    /// What was done so far.
    pub fn counts(&self) -> ReplayCounts {
        self.counts
    }

    /// Makes the accesses of a snapshot in its time; what is late is made up for as fast as it goes.
    pub fn play(&mut self, snapshot: &Played<'_>) {
        let steps = snapshot.samples.max(1);
        for step in 0..steps {
            self.wait(self.moment(snapshot, step, steps));
            for (range, accesses) in snapshot.regions {
                if is_touched(step, (*accesses).min(steps), steps) {
                    self.counts.touched += self.memory.touch(*range);
                }
            }
            self.counts.steps += 1;
            self.counts.late += u64::from(Instant::now() > self.moment(snapshot, step + 1, steps));
        }
        self.counts.snapshots += 1;
    }

    /// When a step of a snapshot begins.
    fn moment(&self, snapshot: &Played<'_>, step: u32, steps: u32) -> Instant {
        let length = snapshot.span.length().0 as f64 * f64::from(step) / f64::from(steps);
        let since = (snapshot.span.start.saturating_sub(self.zero).0 as f64 + length) / self.speed;
        self.begun + Duration::from_nanos(since.max(0.0) as u64)
    }

    fn wait(&self, until: Instant) {
        thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

/// Whether memory that was accessed in `accesses` of `steps` is touched in this one: evenly spread.
fn is_touched(step: u32, accesses: u32, steps: u32) -> bool {
    let until = |step: u32| u64::from(step) * u64::from(accesses) / u64::from(steps);
    until(step + 1) > until(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Addr;

    const K: u64 = 1 << 10;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(Addr(start), Addr(end))
    }

    /// How often each page of an area was touched.
    fn touches(memory: &mut ReplayMemory, area: usize) -> Vec<u8> {
        let bytes = memory.areas[area].memory.iter_mut().next().unwrap();
        bytes.iter().copied().step_by(PAGE).collect()
    }

    #[test]
    fn pages_of_a_range_are_touched_in_every_area_that_it_lies_in_and_no_others() {
        let mut memory = ReplayMemory::allocate(&[range(64 * K, 80 * K), range(1 << 40, (1 << 40) + 8 * K)]).unwrap();
        assert_eq!(memory.touch(range(68 * K, 76 * K)), 2);
        assert_eq!(memory.touch(range(0, 1 << 41)), 6);
        assert_eq!(memory.touch(range(80 * K, 1 << 40)), 0, "between the areas");
        assert_eq!(touches(&mut memory, 0), [1, 2, 2, 1]);
        assert_eq!(touches(&mut memory, 1), [1, 1]);
    }

    #[test]
    fn memory_is_touched_as_often_as_samples_found_it_accessed_and_evenly() {
        for accesses in 0..=20 {
            let steps: Vec<u32> = (0..20).filter(|step| is_touched(*step, accesses, 20)).collect();
            assert_eq!(steps.len(), accesses as usize);
            let widest = steps.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            assert!(accesses < 2 || widest <= 20_u32.div_ceil(accesses), "{accesses}: {steps:?}");
        }
    }

    #[test]
    fn a_snapshot_is_played_in_its_time_at_the_speed_that_is_wanted() {
        let memory = ReplayMemory::allocate(&[range(0, 16 * K)]).unwrap();
        let begun = Instant::now();
        let mut replayer = Replayer::new(memory, begun, Nanos::from_millis(500), 10.0);
        let regions = [(range(0, 4 * K), 20), (range(4 * K, 8 * K), 5), (range(8 * K, 16 * K), 0)];
        for number in 0..2 {
            let (start, end) = (Nanos::from_millis(500 + number * 200), Nanos::from_millis(700 + number * 200));
            replayer.play(&Played { span: TimeSpan::new(start, end), samples: 20, regions: &regions });
        }
        // Two intervals of 200 ms but for the last step, ten times as fast.
        assert!(begun.elapsed() >= Duration::from_millis(39), "{:?}", begun.elapsed());
        let counts = replayer.counts();
        assert_eq!((counts.snapshots, counts.touched, counts.steps), (2, 50, 40));
        assert_eq!(touches(&mut replayer.memory, 0), [40, 10, 0, 0]);
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        let error = ReplayMemory::allocate(&[range(0, u64::MAX - 4095)]).unwrap_err();
        assert!(error.to_string().contains("more than this machine can address"), "{error}");
    }
}
