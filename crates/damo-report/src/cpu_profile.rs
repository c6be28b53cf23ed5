//! Where CPU time went: functions by the samples of their code, for the whole recording or for the part of it in which
//! memory looked as asked for.
//!
//! Samples of CPU time and regions of memory have only the time in common: "`transpose` while `[heap]` is hot" means the
//! samples that were taken in snapshots in which the heap is hot. Which instruction touched the memory is known of samples
//! that the processor took of memory accesses, with the address of the data, and only of these. A report says which of the
//! two it is ([`Join`]).

mod choice;
mod count;
mod course;
mod diff;
mod firefox;
mod folded;
mod show;
mod stacks;

pub use choice::{Choice, Hot};
pub use count::{Caller, Function, functions_of_times};
pub use course::{Course, course};
pub use diff::{Change, ProfileDifference, difference};
pub use firefox::write_firefox;
pub use folded::write_folded;
pub use show::ProfileLayout;
pub use stacks::Chosen;

use crate::ReportError;
use crate::zero::Zero;
use damo_frame::Record;
use damo_frame::profile::Profile;
use damo_model::profile::Sampled;
use damo_model::{Nanos, TimeSpan};
use stacks::chosen;

/// By what samples and memory belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// By time: samples of CPU time say where time went, not which instruction touched the memory.
    #[default]
    Time,
    /// By the address of the data, which the processor gave with each sample.
    Address,
}

/// What to count.
#[derive(Clone, Debug, Default)]
pub struct CpuProfileOptions {
    /// Which samples are counted: a part of the time, or while memory is hot.
    pub choice: Choice,
    /// Functions that the compiler inlined are functions of their own; else their code counts for the function that it was put
    /// into.
    pub inlined: bool,
}

/// Functions by the samples of their code.
#[derive(Clone, Debug, Default)]
pub struct CpuProfileReport {
    /// By samples of their own code, the most first.
    pub functions: Vec<Function>,
    /// What the figures are based on.
    pub basis: Basis,
    /// From when times are counted in what is shown.
    pub zero: Zero,
}

/// What the figures of a profile are based on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basis {
    /// The event in perf's words.
    pub event: String,
    /// Samples per second of CPU time; 0 if unknown.
    pub frequency: u32,
    /// Whether the samples are of CPU time or of accesses to memory.
    pub sampled: Sampled,
    /// By what samples and memory belong together.
    pub join: Join,
    /// Samples that count.
    pub samples: u64,
    /// All samples of their kind in the record.
    pub all: u64,
    /// Events that the samples that count stand for.
    pub weight: u64,
    /// How much time the samples that count are of, of one clock.
    pub time: Nanos,
    /// From the first to the last moment of the recording.
    pub whole: Nanos,
    /// In which part of the time, in words; empty for all of it.
    pub part: String,
    /// Samples whose stacks lack their outermost frames.
    pub cut: u64,
    /// Samples without any frame.
    pub no_stack: u64,
    /// Samples of code without a name.
    pub unnamed: u64,
    /// Whether the record has names at all.
    pub has_names: bool,
    /// Samples that were lost in the recording.
    pub lost: u64,
    /// Why there are no frames of the kernel; empty if there are.
    pub no_kernel: String,
    /// Why there are no samples with addresses of data; empty if there are.
    pub no_addresses: String,
}

/// The profile of a recording: that of the first record that has one.
///
/// # Errors
/// If none has one, with the remedy; or a record cannot be read.
pub(crate) fn profile_of(records: &[Record]) -> Result<Profile, ReportError> {
    if let Some(profile) = find_profile(records)? {
        return Ok(profile);
    }
    let name = records.first().map_or("", Record::name);
    Err(ReportError::invalid(format!(
        "{name}: the record has no CPU profile; record with `damo record --profile`, or name a perf.data file of `perf record -g` \
         behind it"
    )))
}

/// The profile of a recording; `None` if it has none.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn find_profile(records: &[Record]) -> Result<Option<Profile>, ReportError> {
    for record in records.iter().filter(|record| record.reader().has_profile()) {
        if let Some(profile) = Profile::of(record)?.filter(|profile| !profile.is_empty()) {
            return Ok(Some(profile));
        }
    }
    Ok(None)
}

/// The functions of a recording's profile, for what tells of other things as well; `None` if it has no sample.
///
/// # Errors
/// When a record cannot be read.
pub(crate) fn functions_if_any(records: &[Record]) -> Result<Option<CpuProfileReport>, ReportError> {
    let Some(profile) = find_profile(records)? else { return Ok(None) };
    let chosen = chosen(records, &profile, &Choice::default())?;
    if chosen.basis.samples == 0 {
        return Ok(None);
    }
    let (functions, basis) = count::functions(&profile, &chosen, false);
    Ok(Some(CpuProfileReport { functions, basis, zero: Zero::of(records) }))
}

/// The functions of a recording's profile.
///
/// # Errors
/// If there is no profile, nothing is left of it by the choice, or a record cannot be read.
pub fn cpu_profile(records: &[Record], options: &CpuProfileOptions) -> Result<CpuProfileReport, ReportError> {
    let mut profile = profile_of(records)?;
    profile.add_names(options.choice.names.clone());
    let chosen = chosen(records, &profile, &options.choice)?;
    if chosen.basis.samples == 0 {
        return Err(nothing_left(records, &chosen));
    }
    let (functions, basis) = count::functions(&profile, &chosen, options.inlined);
    Ok(CpuProfileReport { functions, basis, zero: Zero::of(records) })
}

/// The samples that a choice leaves of a recording, with their stacks, for other programs.
///
/// # Errors
/// As [`cpu_profile`].
pub fn samples_of(records: &[Record], choice: &Choice) -> Result<(Profile, Chosen), ReportError> {
    let mut profile = profile_of(records)?;
    profile.add_names(choice.names.clone());
    let chosen = chosen(records, &profile, choice)?;
    if chosen.basis.samples == 0 {
        return Err(nothing_left(records, &chosen));
    }
    Ok((profile, chosen))
}

/// The time that a recording with a profile covers; `None` if nothing is in it.
///
/// # Errors
/// If none has one, with the remedy; or a record cannot be read.
pub fn whole_time_of(records: &[Record]) -> Result<Option<TimeSpan>, ReportError> {
    Ok(whole_time(records, &profile_of(records)?))
}

fn nothing_left(records: &[Record], chosen: &Chosen) -> ReportError {
    let name = records.first().map_or("", Record::name);
    let Basis { all, part, .. } = &chosen.basis;
    ReportError::invalid(match (all, part.is_empty()) {
        (0, _) => {
            format!("{name}: no sample was taken: the program used no CPU time while it was recorded, or ended at once")
        }
        (_, true) => format!("{name}: no sample is of the processes that are asked for"),
        (all, false) => {
            format!("{name}: none of the {all} samples was taken {part}; `damo report times` lists such times")
        }
    })
}

/// All samples of CPU time count, or those of accesses if there are no others.
pub(crate) fn kind_of(profile: &Profile) -> Sampled {
    if profile.count(Sampled::Cpu) > 0 { Sampled::Cpu } else { Sampled::Access }
}

/// The time in which samples were taken.
pub(crate) fn whole_time(records: &[Record], profile: &Profile) -> Option<TimeSpan> {
    let snapshots = records.first().and_then(Record::time_span);
    match (snapshots, profile.time_span()) {
        (Some(a), Some(b)) => Some(a.including(b)),
        (a, b) => a.or(b),
    }
}
