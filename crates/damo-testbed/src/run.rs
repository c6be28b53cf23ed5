//! Runs a workload's phases, one after the other, each for its time, and notes what it does in a log.

use crate::error::TestbedError;
use crate::memory::Memory;
use crate::truth::{Event, write_event};
use damo_kernel::procfs::{clock_pair, now};
use damo_model::Nanos;
use damo_sim::{Phase, Workload};
use std::io::Write;
use std::thread;
use std::time::Duration;

damo_model::with_defaults! {
    /// How to run; by default as masim does.
    #[derive(Clone, Debug)]
    pub struct Options {
        /// Accesses between two looks at the clock, all by one pattern.
        pub batch: u64 = 131_072,
        /// Pause after each batch. Without one the workload takes a whole CPU, as masim does.
        pub rest: Duration = Duration::ZERO,
        /// How often all phases are run.
        pub repeat: u32 = 1,
        /// Starts the choice of patterns and of random addresses.
        pub seed: u64 = 1,
    }
}

/// What one phase did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseDone {
    /// The name of the phase.
    pub name: String,
    /// How long it really took.
    pub took: Nanos,
    /// Number of accesses that were made.
    pub accesses: u64,
}

/// Runs all phases of a workload. `truth` takes the log, `done` hears of each phase.
///
/// # Errors
/// Memory that cannot be had; a log that cannot be written.
pub fn run(
    workload: &Workload,
    options: &Options,
    truth: &mut dyn Write,
    done: &mut dyn FnMut(&PhaseDone),
) -> Result<(), TestbedError> {
    let mut memory = Memory::allocate(workload.regions(), options.seed)?;
    let mut log = |event: &Event| write_event(truth, event).map_err(TestbedError::WriteLog);
    log(&Event::Process { pid: std::process::id(), workload: workload.name().to_owned(), clock: clock_pair() })?;
    for (i, region) in workload.regions().iter().enumerate() {
        if let Some(range) = memory.range(i) {
            log(&Event::Region { name: region.name.clone(), range })?;
        }
    }
    for _ in 0..options.repeat {
        for phase in workload.phases() {
            let start = now();
            log(&Event::Begin { phase: phase.name.clone(), at: start, regions: accessed_regions(workload, phase) })?;
            let accesses = run_phase(&mut memory, phase, options, start.saturating_add(phase.duration));
            let end = now();
            log(&Event::End { phase: phase.name.clone(), at: end, accesses })?;
            done(&PhaseDone { name: phase.name.clone(), took: end.saturating_sub(start), accesses });
        }
    }
    Ok(())
}

/// Names of the regions that a phase accesses, each once.
fn accessed_regions(workload: &Workload, phase: &Phase) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for pattern in phase.patterns.iter().filter(|p| p.weight > 0) {
        if let Some(region) = workload.regions().get(pattern.region)
            && !names.contains(&region.name)
        {
            names.push(region.name.clone());
        }
    }
    names
}

fn run_phase(memory: &mut Memory, phase: &Phase, options: &Options, until: Nanos) -> u64 {
    let mut accesses = 0;
    let mut offsets = vec![0; phase.patterns.len()];
    let total = phase.total_weight();
    if total == 0 {
        sleep_until(until);
        return 0;
    }
    while now() < until {
        let mut ticket = memory.pick(total);
        for (pattern, offset) in phase.patterns.iter().zip(&mut offsets) {
            let weight = u64::from(pattern.weight);
            if ticket < weight {
                *offset = memory.access(pattern, options.batch, *offset);
                accesses += options.batch;
                break;
            }
            ticket -= weight;
        }
        if !options.rest.is_zero() {
            thread::sleep(options.rest);
        }
    }
    accesses
}

/// An idle phase.
fn sleep_until(until: Nanos) {
    loop {
        let left = until.saturating_sub(now());
        match u64::try_from(left.0) {
            Ok(left) if left > 0 => thread::sleep(Duration::from_nanos(left)),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Truth;
    use std::io;

    const CONFIG: &str =
        "a, 65536\nb, 65536\n\nboth\n20\na, 0, 4096, 1\nb, 1, 1, 1\n\nonly b\n10\na, 0, 1, 0\nb, 0, 64, 3\n";

    #[test]
    fn the_log_of_a_run_tells_every_phase_with_the_regions_it_accessed() {
        let workload = Workload::parse(CONFIG, "test").unwrap();
        let (mut log, mut names) = (Vec::new(), Vec::new());
        let options = Options { batch: 100, repeat: 2, ..Options::default() };
        run(&workload, &options, &mut log, &mut |done| names.push((done.name.clone(), done.accesses > 0))).unwrap();
        assert_eq!(names.len(), 4);
        assert!(names.iter().all(|(_, accesses)| *accesses));
        let truth = Truth::read(&log[..]).unwrap();
        assert_eq!(truth.pid, std::process::id());
        let phases: Vec<_> = truth.phases.iter().map(|p| (p.name.as_str(), p.ranges.len())).collect();
        assert_eq!(phases, [("both", 2), ("only b", 1), ("both", 2), ("only b", 1)]);
        for phase in &truth.phases {
            let least = if phase.name == "both" { 20 } else { 10 };
            assert!(phase.end.unwrap().0 - phase.start.0 >= least * 1_000_000);
        }
    }

    #[test]
    fn a_phase_of_zero_weights_only_accesses_nothing_for_its_time() {
        let workload = Workload::parse("a, 65536\n\nidle\n20\na, 0, 64, 0\n", "test").unwrap();
        let (mut log, mut done) = (Vec::new(), Vec::new());
        run(&workload, &Options::default(), &mut log, &mut |phase| done.push(phase.clone())).unwrap();
        assert_eq!(done.len(), 1);
        assert!(done[0].accesses == 0 && done[0].took >= Nanos::from_millis(20), "{done:?}");
        assert_eq!(Truth::read(&log[..]).unwrap().phases[0].ranges, []);
    }

    #[test]
    fn a_log_that_cannot_be_written_ends_the_run() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let workload = Workload::parse(CONFIG, "test").unwrap();
        let error = run(&workload, &Options::default(), &mut Full, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("--truth"), "{error}");
    }
}
