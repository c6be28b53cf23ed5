//! The samples that count, by stack.

use super::choice::{Choice, Wanted};
use super::{Basis, whole_time};
use crate::ReportError;
use damo_frame::Record;
use damo_frame::profile::{Frame, Located, Profile};
use damo_model::profile::SampledThread;
use damo_model::{Nanos, TimeSpan};
use std::collections::HashMap;

/// A sample that counts.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// When, on the record's clock.
    pub at: Nanos,
    /// Position in [`Chosen::threads`].
    pub thread: u32,
    /// The number of its stack.
    pub stack: u32,
    /// How many events it stands for.
    pub weight: u32,
}

/// The samples that count.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Stacks and what they are of.
    pub located: Located,
    /// The samples, in the order of the record.
    pub samples: Vec<Taken>,
    /// Threads of the samples, which name them by position.
    pub threads: Vec<SampledThread>,
    /// What they are.
    pub basis: Basis,
    /// From the first to the last moment of the recording.
    pub whole: Option<TimeSpan>,
}

/// The samples and events of a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub samples: u64,
    pub weight: u64,
}

/// Walks over the profile and keeps what is wanted.
pub(super) fn chosen(records: &[Record], profile: &Profile, choice: &Choice) -> Result<Chosen, ReportError> {
    let wanted = Wanted::of(records, profile, choice)?;
    let mut chosen = Chosen { whole: whole_time(records, profile), ..Chosen::default() };
    let mut threads: HashMap<SampledThread, u32> = HashMap::new();
    let (mut cut, mut no_stack, mut weight) = (0, 0, 0u64);
    chosen.located = profile.walk(|_, sample| {
        if !wanted.holds(&sample) {
            return Ok::<(), ReportError>(());
        }
        let thread = match threads.get(sample.thread) {
            Some(thread) => *thread,
            None => {
                let thread = chosen.threads.len() as u32;
                threads.insert(sample.thread.clone(), thread);
                chosen.threads.push(sample.thread.clone());
                thread
            }
        };
        cut += u64::from(sample.is_cut());
        no_stack += u64::from(sample.frames.iter().all(|frame| *frame == Frame::Cut));
        weight = weight.saturating_add(sample.weight.into());
        chosen.samples.push(Taken { at: sample.at, thread, stack: sample.stack, weight: sample.weight });
        Ok(())
    })?;
    let info = profile.info(wanted.sampled);
    let whole = chosen.whole.map(|whole| whole.length()).unwrap_or_default();
    chosen.basis = Basis {
        event: info.map(|info| info.event.clone()).unwrap_or_default(),
        frequency: info.map_or(0, |info| info.frequency),
        sampled: wanted.sampled,
        join: wanted.join,
        samples: chosen.samples.len() as u64,
        all: profile.count(wanted.sampled),
        weight,
        time: wanted.time,
        whole,
        part: wanted.words.clone(),
        cut,
        no_stack,
        unnamed: 0,
        has_names: !profile.names.is_empty(),
        lost: profile.lost.iter().map(|(_, lost)| lost.samples).sum(),
        no_kernel: info.map(|info| info.no_kernel.clone()).unwrap_or_default(),
        no_addresses: info.map(|info| info.no_addresses.clone()).unwrap_or_default(),
    };
    Ok(chosen)
}

impl Chosen {
    /// How often each stack was seen.
    pub(super) fn tallies(&self) -> Vec<(u32, Tally)> {
        let mut tallies: HashMap<u32, Tally> = HashMap::new();
        for sample in &self.samples {
            let tally = tallies.entry(sample.stack).or_default();
            tally.samples += 1;
            tally.weight = tally.weight.saturating_add(sample.weight.into());
        }
        let mut tallies: Vec<_> = tallies.into_iter().collect();
        tallies.sort_unstable_by_key(|(stack, _)| *stack);
        tallies
    }

    /// The frames of a stack, innermost first.
    pub(super) fn frames(&self, stack: u32) -> &[Frame] {
        self.located.stacks.get(stack as usize).map_or(&[], Vec::as_slice)
    }
}
