//! What a workload really did, as JSON lines: who it was, where its regions lay, which phase accessed which regions from
//! when to when. Each line is written out at once, so that the log of a workload that was killed is complete up to then.

use crate::error::TestbedError;
use damo_model::{AddrRange, ClockPair, Nanos};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// First line: the process, and the same moment on CLOCK_MONOTONIC (`record`) and the wall clock.
    Process {
        /// Id of the process that makes the accesses.
        pid: u32,
        /// The configuration's name.
        workload: String,
        /// To convert the log's times, which are all CLOCK_MONOTONIC, to others.
        clock: ClockPair,
    },
    /// Where a region lies.
    Region {
        /// Its name in the configuration.
        name: String,
        /// Its addresses in the process.
        range: AddrRange,
    },
    /// A phase begins.
    Begin {
        /// The phase's name.
        phase: String,
        /// The moment on CLOCK_MONOTONIC.
        at: Nanos,
        /// Names of the regions that it accesses.
        regions: Vec<String>,
    },
    /// A phase is over.
    End {
        /// The phase's name.
        phase: String,
        /// The moment on CLOCK_MONOTONIC.
        at: Nanos,
        /// How many accesses it made.
        accesses: u64,
    },
}

/// Appends an event to a log.
///
/// # Errors
/// What writing gives.
pub fn write_event(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// A phase that was run, to its end or until the workload was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RanPhase {
    /// The name of the phase.
    pub name: String,
    /// When it began, CLOCK_MONOTONIC.
    pub start: Nanos,
    /// When it ended, CLOCK_MONOTONIC; `None` if the log ends before.
    pub end: Option<Nanos>,
    /// What it accessed.
    pub ranges: Vec<AddrRange>,
}

/// A whole log, read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Id of the process that made the accesses.
    pub pid: u32,
    /// The same moment on CLOCK_MONOTONIC (`record`) and the wall clock; `None` if the log lacks it.
    pub clock: Option<ClockPair>,
    /// Each region's name and place.
    pub regions: Vec<(String, AddrRange)>,
    /// What was run, in order.
    pub(crate) phases: Vec<RanPhase>,
}

impl Truth {
    /// Reads a log. A last line without its end (the workload was killed as it wrote) is left out.
    ///
    /// # Errors
    /// A line that is no event, or an event out of order.
    pub fn read(mut from: impl BufRead) -> Result<Truth, TestbedError> {
        let mut truth = Truth::default();
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            if from.read_line(&mut text).map_err(TestbedError::ReadLog)? == 0 || !text.ends_with('\n') {
                break;
            }
            let error = |what: String| TestbedError::Line { line, what };
            let event = serde_json::from_str(&text).map_err(|e| error(e.to_string()))?;
            truth.add(event).map_err(error)?;
        }
        Ok(truth)
    }

    fn add(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Process { pid, clock, .. } => {
                self.pid = pid;
                self.clock = Some(clock);
            }
            Event::Region { name, range } => self.regions.push((name, range)),
            Event::Begin { phase, at, regions } => {
                let mut ranges = Vec::new();
                for name in &regions {
                    let known = self.regions.iter().find(|(n, _)| n == name);
                    ranges.push(known.ok_or_else(|| format!("phase {phase} accesses an unknown region {name}"))?.1);
                }
                self.phases.push(RanPhase { name: phase, start: at, end: None, ranges });
            }
            Event::End { phase, at, .. } => match self.phases.last_mut() {
                Some(last) if last.name == phase && last.end.is_none() => last.end = Some(at),
                _ => return Err(format!("phase {phase} ends without having begun")),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::Addr;

    fn log() -> Vec<Event> {
        let range = |a, b| AddrRange::new(Addr(a), Addr(b));
        vec![
            Event::Process {
                pid: 5,
                workload: "w".to_owned(),
                clock: ClockPair { record: Nanos(1), wall: Nanos(1001) },
            },
            Event::Region { name: "a".to_owned(), range: range(0, 100) },
            Event::Region { name: "b".to_owned(), range: range(200, 300) },
            Event::Begin { phase: "one".to_owned(), at: Nanos(10), regions: vec!["b".to_owned()] },
            Event::End { phase: "one".to_owned(), at: Nanos(20), accesses: 3 },
            Event::Begin { phase: "two".to_owned(), at: Nanos(21), regions: vec!["a".to_owned(), "b".to_owned()] },
        ]
    }

    fn text(events: &[Event]) -> Vec<u8> {
        let mut out = Vec::new();
        for event in events {
            write_event(&mut out, event).unwrap();
        }
        out
    }

    #[test]
    fn a_log_read_back_tells_each_phase_with_its_ranges() {
        let truth = Truth::read(&text(&log())[..]).unwrap();
        assert_eq!((truth.pid, truth.regions.len(), truth.phases.len()), (5, 2, 2));
        assert_eq!(truth.phases[0].end, Some(Nanos(20)));
        assert_eq!(truth.phases[0].ranges, [AddrRange::new(Addr(200), Addr(300))]);
        assert_eq!(truth.phases[1].end, None);
        assert_eq!(truth.phases[1].ranges.len(), 2);
    }

    #[test]
    fn a_log_cut_anywhere_reads_up_to_its_last_whole_line() {
        let all = text(&log());
        for cut in 0..all.len() {
            let lines = all[..cut].iter().filter(|&&b| b == b'\n').count();
            let truth = Truth::read(&all[..cut]).unwrap();
            assert_eq!(truth.regions.len(), lines.saturating_sub(1).min(2));
        }
    }

    #[test]
    fn an_event_out_of_order_or_a_strange_line_is_an_error_with_its_line() {
        let mut events = log();
        events.remove(3);
        assert!(
            Truth::read(&text(&events)[..]).unwrap_err().to_string().starts_with("line 4 of the log: phase one ends")
        );
        let error = Truth::read(&b"{}\n"[..]).unwrap_err().to_string();
        assert!(error.starts_with("line 1 of the log: "), "{error}");
    }
}
