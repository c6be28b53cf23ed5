//! What `damo info` tells of a CPU profile: how many samples of what, in how many stacks of how many processes, and whether
//! their code has names.

use super::nr;
use anyhow::Result;
use damo_frame::Record;
use damo_frame::profile::{Located, Profile, SampleView};
use damo_model::human::count_text;
use damo_model::profile::{ProfileInfo, Sampled};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Counts of a profile.
#[derive(Debug, Default)]
pub(super) struct ProfileFacts {
    kinds: Vec<Kind>,
    /// Different stacks of all samples.
    stacks: u64,
    processes: u64,
    threads: u64,
    /// Samples whose stacks lack their outermost frames.
    cut: u64,
    /// Samples that were dropped.
    lost: u64,
    /// Different places in code, and how many of them have names.
    places: u64,
    named: u64,
}

/// Samples of one kind.
#[derive(Debug)]
struct Kind {
    sampled: Sampled,
    samples: u64,
    /// How they were taken, if the record tells.
    info: Option<ProfileInfo>,
}

impl ProfileFacts {
    /// Of a record; `None` if it has no profile.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(super) fn of(record: &Record) -> Result<Option<Self>> {
        let profile = if record.reader().has_profile() { Profile::of(record)? } else { None };
        Ok(profile.map(|profile| Self::of_profile(&profile)))
    }

    fn of_profile(profile: &Profile) -> Self {
        let mut facts = Self::default();
        let (mut processes, mut threads) = (BTreeSet::new(), BTreeSet::new());
        let count = |_: &Located, sample: SampleView<'_>| {
            processes.insert(sample.thread.pid);
            threads.insert((sample.thread.pid, sample.thread.tid));
            facts.cut += u64::from(sample.is_cut());
            Ok::<(), Infallible>(())
        };
        let located = match profile.walk(count) {
            Ok(located) => located,
            Err(never) => match never {},
        };
        (facts.processes, facts.threads) = (processes.len() as u64, threads.len() as u64);
        facts.stacks = located.stacks.iter().filter(|stack| !stack.is_empty()).count() as u64;
        facts.places = located.locations.len() as u64;
        let named = located.locations.iter().filter(|place| !profile.names.of(&located, **place).is_empty());
        facts.named = named.count() as u64;
        facts.lost = profile.lost.iter().fold(0, |sum, (_, lost)| sum.saturating_add(lost.samples));
        let kind = |sampled| Kind { sampled, samples: profile.count(sampled), info: profile.info(sampled).cloned() };
        let kinds = [Sampled::Cpu, Sampled::Access].map(kind);
        facts.kinds = kinds.into_iter().filter(|kind| kind.samples > 0 || kind.info.is_some()).collect();
        facts
    }

    /// As a line for people: of names only where the record has code.
    pub(super) fn text(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(Kind::text).collect();
        let mut text = format!(
            "{}; {} of {} in {}",
            kinds.join(" and "),
            count_text(self.stacks, "stack"),
            count_text(self.threads, "thread"),
            match self.processes {
                1 => "1 process".to_owned(),
                n => format!("{} processes", nr(n)),
            }
        );
        if self.cut > 0 {
            text += &format!(", {} of the samples with stacks that were cut", nr(self.cut));
        }
        text += &if self.lost > 0 { format!("; {} samples LOST", nr(self.lost)) } else { "; none lost".to_owned() };
        match (self.named, self.places) {
            (_, 0) => text,
            (0, _) => text + "; without names of functions (`damo symbolize` adds them)",
            (named, places) => {
                format!("{text}; {:.0} % of places in code have names", named as f64 * 100.0 / places as f64)
            }
        }
    }

    /// The counts as JSON, under the names that scripts use.
    pub(super) fn json(&self) -> Value {
        let kinds: Vec<Value> = self.kinds.iter().map(Kind::json).collect();
        json!({
            "sampled": kinds, "stacks": self.stacks, "processes": self.processes, "threads": self.threads,
            "cut_samples": self.cut, "lost_samples": self.lost, "places": self.places, "named_places": self.named,
        })
    }
}

impl Kind {
    fn of(&self) -> &'static str {
        match self.sampled {
            Sampled::Cpu => "CPU time",
            Sampled::Access => "memory accesses",
        }
    }

    fn text(&self) -> String {
        let samples = format!("{} of {}", count_text(self.samples, "sample"), self.of());
        match &self.info {
            None => samples,
            Some(info) if info.frequency == 0 => format!("{samples} ({})", info.event),
            Some(info) => format!("{samples} ({}, {} Hz)", info.event, info.frequency),
        }
    }

    fn json(&self) -> Value {
        let info = self.info.as_ref();
        json!({
            "of": self.of(), "samples": self.samples, "event": info.map(|info| &info.event),
            "frequency": info.map(|info| info.frequency), "no_kernel": info.map(|info| &info.no_kernel),
            "no_addresses": info.map(|info| &info.no_addresses),
        })
    }
}
