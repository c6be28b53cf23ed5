//! CPU profiles of a record: its samples, and what code their stacks are of.
//!
//! A profile is read as a whole when somebody asks for it: samples are a few bytes each, and each stack is there once.
//! [`Profile::walk`] gives the samples with their frames as [`Location`]s, which are numbered, so that whatever is counted by
//! location or by function is counted by number.

mod names;
mod stacks;

pub use names::{Name, Names};

use crate::{FrameError, Record};
use damo_model::profile::{
    CodeKind, CodeMaps, CodeModule, LostSamples, ProfileInfo, Sampled, SampledThread, Samples, Symbols,
};
use damo_model::{Addr, Nanos, Side, Stamp, TimeSpan};
use stacks::{Resolver, Tables};
use std::collections::BTreeSet;
use std::convert::Infallible;

/// A place in the code: of a module, by the address that names are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Position in [`Located::modules`]; `None` where nothing is known to be mapped.
    pub module: Option<u32>,
    /// See [`damo_model::profile::CodeMapping::symbol_address`]; of frames that called another one, an address within the call.
    pub address: u64,
}

/// A module with the processes that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name and build id.
    pub module: CodeModule,
    /// What it is.
    pub kind: CodeKind,
    /// The processes in whose samples it is, a few of them.
    pub pids: BTreeSet<i32>,
}

/// A frame of a sample's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frame {
    /// Code: a position in [`Located::locations`].
    Code(u32),
    /// Frames are missing here.
    Cut,
}

/// A sample with its stack.
#[derive(Clone, Copy, Debug)]
pub struct SampleView<'a> {
    /// When, on the record's clock.
    pub at: Nanos,
    /// What it is a sample of.
    pub sampled: Sampled,
    /// The thread that ran when the sample was taken.
    pub thread: &'a SampledThread,
    /// How many events it stands for.
    pub weight: u32,
    /// The address that was accessed, of samples of accesses.
    pub address: Option<Addr>,
    /// The number of its stack, which is the same for samples of equal stacks.
    pub stack: u32,
    /// The frames, innermost first.
    pub frames: &'a [Frame],
}

impl SampleView<'_> {
    /// Whether the stack lacks its outermost frames.
    pub fn is_cut(&self) -> bool {
        self.frames.contains(&Frame::Cut)
    }
}

/// What locations are of; it fills while samples are walked over.
#[derive(Clone, Debug, Default)]
pub struct Located {
    /// All modules that code ran in; locations name them by position.
    pub modules: Vec<Module>,
    /// All places in code that stacks go through; stacks name them by position.
    pub locations: Vec<Location>,
    /// All stacks, as positions in `locations`.
    pub stacks: Vec<Vec<Frame>>,
}

/// The samples of a record and what belongs to them.
#[derive(Debug, Default)]
pub struct Profile {
    /// What was sampled, from when on.
    pub infos: Vec<ProfileInfo>,
    /// Samples that were dropped, and when, where that is known.
    pub lost: Vec<(Option<Nanos>, LostSamples)>,
    /// Names of functions that the record has.
    pub names: Names,
    maps: CodeMaps,
    tables: Tables,
    batches: Vec<(Nanos, Samples)>,
}

impl Profile {
    /// The profile of a record; `None` if it has none. Read at each call: keep it.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn of(record: &Record) -> Result<Option<Profile>, FrameError> {
        let sides = record.profile_data()?;
        if sides.is_empty() {
            return Ok(None);
        }
        let clock = |stamp: Stamp| record.on_record_clock(stamp);
        let mut profile = Profile::default();
        let mut code = Vec::new();
        for side in sides {
            match side {
                // What is not on the record's clock was there from the beginning, as far as anybody knows.
                Side::Code(mappings) => code.push((clock(mappings.at).unwrap_or(Nanos(i64::MIN)), mappings)),
                Side::Stacks(stacks) => profile.tables.add(stacks),
                Side::Samples(samples) => {
                    let at = clock(samples.at).unwrap_or_default();
                    profile.batches.push((at, samples));
                }
                Side::Profile(info) => profile.infos.push(info),
                Side::LostSamples(lost) => profile.lost.push((clock(lost.at), lost)),
                Side::Symbols(symbols) => profile.names.add(symbols),
                _ => {}
            }
        }
        profile.names.sort();
        profile.maps = CodeMaps::new(code.iter().map(|(at, mappings)| (*at, mappings)));
        Ok(Some(profile))
    }

    /// Adds names that the record does not have.
    pub fn add_names(&mut self, symbols: Vec<Symbols>) {
        symbols.into_iter().for_each(|symbols| self.names.add(symbols));
        self.names.sort();
    }

    /// How many samples there are of a kind.
    pub fn count(&self, sampled: Sampled) -> u64 {
        let of_kind = self.batches.iter().filter(|(_, batch)| batch.sampled == sampled);
        of_kind.map(|(_, batch)| batch.samples.len() as u64).sum()
    }

    /// Whether there is neither a sample nor a word of what was sampled.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.infos.is_empty()
    }

    /// From the first sample to the last one; `None` without samples.
    pub fn time_span(&self) -> Option<TimeSpan> {
        let of_batch = |(base, batch): &(Nanos, Samples)| {
            let [first, last] =
                [batch.samples.first()?, batch.samples.last()?].map(|sample| batch.time_of(sample, *base));
            Some(TimeSpan::new(first, last.max(first)))
        };
        self.batches.iter().filter_map(of_batch).reduce(TimeSpan::including)
    }

    /// What samples of a kind are of, as it was said last.
    pub fn info(&self, sampled: Sampled) -> Option<&ProfileInfo> {
        self.infos.iter().rev().find(|info| info.sampled == sampled)
    }

    /// The code of all samples: of each module the addresses that names are looked up by, each once.
    pub fn code(&self) -> Vec<(Module, BTreeSet<u64>)> {
        let nothing = |_: &Located, _: SampleView<'_>| Ok::<(), Infallible>(());
        let located = match self.walk(nothing) {
            Ok(located) => located,
            Err(never) => match never {},
        };
        let mut code: Vec<(Module, BTreeSet<u64>)> =
            located.modules.into_iter().map(|module| (module, BTreeSet::new())).collect();
        for Location { module, address } in located.locations {
            if let Some((_, addresses)) = module.and_then(|module| code.get_mut(module as usize)) {
                addresses.insert(address);
            }
        }
        code
    }

    /// Gives all samples in the order of the record, each with its stack.
    ///
    /// # Errors
    /// The first that `take` returns.
    pub fn walk<E>(&self, mut take: impl FnMut(&Located, SampleView<'_>) -> Result<(), E>) -> Result<Located, E> {
        let mut resolver = Resolver::new(&self.maps, &self.tables);
        for (base, batch) in &self.batches {
            for (at, sample) in batch.samples.iter().enumerate() {
                let Some(thread) = batch.threads.get(sample.thread as usize) else { continue };
                let time = batch.time_of(sample, *base);
                let stack = resolver.stack(thread.pid, time, batch.table, sample.stack);
                let frames = resolver.located.stacks.get(stack as usize).map_or(&[][..], Vec::as_slice);
                let view = SampleView {
                    at: time,
                    sampled: batch.sampled,
                    thread,
                    weight: sample.weight,
                    address: batch.addresses.get(at).copied(),
                    stack,
                    frames,
                };
                take(&resolver.located, view)?;
            }
        }
        Ok(resolver.located)
    }
}
