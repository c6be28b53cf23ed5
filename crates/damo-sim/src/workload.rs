//! What a workload is: memory regions and phases that access them, in the terms of masim, the memory access pattern
//! simulator that DAMON's own evaluations use. A [`Workload`] says nothing of addresses; those are the layout's
//! business.

use damo_model::{Bytes, Nanos};
use std::fmt;

damo_model::words! {
    /// How a pattern accesses memory. Monitoring sees reads and writes alike.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum RwMode {
        /// Reads only (`ro`).
        ReadOnly = "ro",
        /// Writes only (`wo`), masim's default.
        #[default]
        WriteOnly = "wo",
        /// Reads and writes (`rw`).
        ReadWrite = "rw",
    }
}

/// A piece of memory that the workload allocates when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemRegion {
    /// Its name: patterns refer to it, and its mapping is called `[anon:NAME]`.
    pub name: String,
    /// How many bytes are allocated.
    pub size: Bytes,
    /// A file whose content fills the region at the start. The simulator never opens it; it only takes the region's
    /// pages as touched from the beginning.
    pub init_file: Option<String>,
}

/// One way of accessing a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Index into [`Workload::regions`].
    pub region: usize,
    /// Whether each access goes to a random address; else the next one is `stride` bytes on, and from the start again
    /// after the end.
    pub random: bool,
    /// Distance of sequential accesses.
    pub stride: Bytes,
    /// Weight of this pattern among the phase's patterns.
    pub weight: u32,
    /// Reads, writes or both.
    pub mode: RwMode,
}

/// A time during which the same patterns are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The name of the phase.
    pub name: String,
    /// How long it lasts.
    pub duration: Nanos,
    /// At least one pattern. If all have weight 0, the phase is idle.
    pub patterns: Vec<Pattern>,
}

impl Phase {
    /// Sum of the patterns' weights; 0 if the phase is idle.
    pub fn total_weight(&self) -> u64 {
        self.patterns.iter().map(|p| u64::from(p.weight)).sum()
    }
}

/// A process that accesses its memory in phases, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub(crate) name: String,
    pub(crate) regions: Vec<MemRegion>,
    pub(crate) phases: Vec<Phase>,
}

impl Workload {
    /// Its name, usually the configuration file's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it allocates, in order of allocation.
    pub fn regions(&self) -> &[MemRegion] {
        &self.regions
    }

    /// What it does, in order of time.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// How long all phases together last.
    pub fn duration(&self) -> Nanos {
        self.phases.iter().fold(Nanos(0), |sum, phase| sum.saturating_add(phase.duration))
    }

    /// Bytes allocated in total.
    pub fn size(&self) -> Bytes {
        self.regions.iter().fold(Bytes(0), |sum, region| sum.saturating_add(region.size))
    }
}

/// Writes the workload as a configuration file that parses to the same workload.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#regions")?;
        for region in &self.regions {
            match &region.init_file {
                Some(file) => writeln!(f, "{}, {}, {file}", region.name, region.size.0)?,
                None => writeln!(f, "{}, {}", region.name, region.size.0)?,
            }
        }
        writeln!(f, "\n#phases")?;
        for (i, phase) in self.phases.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}\n{}", phase.name, phase.duration.0 / 1_000_000)?;
            for p in &phase.patterns {
                let region = self.regions.get(p.region).map_or("?", |r| r.name.as_str());
                let (random, mode) = (u8::from(p.random), p.mode.as_str());
                writeln!(f, "{region}, {random}, {}, {}, {mode}", p.stride.0, p.weight)?;
            }
        }
        Ok(())
    }
}
