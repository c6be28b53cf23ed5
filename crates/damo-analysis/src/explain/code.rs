//! Which functions the CPU time of each phase went to, where the record has a CPU profile.

use super::Telling;
use crate::AnalysisError;
use crate::phases::PhasesReport;
use crate::text::share;
use damo_frame::Record;
use damo_model::human::time_text;
use damo_model::profile::Sampled;
use damo_model::{Nanos, TimeSpan};
use damo_report::ReportError;
use damo_report::cpu_profile::{Basis, Function, functions_of_times};

/// Phases that are told.
const MOST_PHASES: usize = 3;
/// A function with less of the CPU time is told after another one only.
const LEAST_SHARE: f64 = 0.1;
/// Functions of a phase that are told.
const MOST_FUNCTIONS: usize = 2;
/// Fewer samples support no sentence.
const LEAST_SAMPLES: u64 = 20;

/// The hottest functions in words, such as ``92 % in `transpose`, 6.1 % in `memcpy` (called by `fill`)``; empty if there are
/// too few samples.
fn words(functions: &[Function], basis: &Basis) -> String {
    if basis.samples < LEAST_SAMPLES {
        return String::new();
    }
    let told = functions.iter().take(MOST_FUNCTIONS).enumerate();
    let told =
        told.filter(|(at, function)| function.self_samples > 0 && (*at == 0 || function.self_share >= LEAST_SHARE));
    let told = told.map(|(_, function)| {
        let caller = match &function.caller {
            // Who calls a function of a library says which part of the program it is.
            Some(caller) if is_library(&function.module) && caller.share >= 0.5 => {
                format!(" (called by `{}`)", caller.name)
            }
            _ => String::new(),
        };
        format!("{} in `{}`{caller}", share(function.self_share), function.name)
    });
    told.collect::<Vec<_>>().join(", ")
}

fn is_library(module: &str) -> bool {
    module.contains(".so") || module == "[kernel]" || module == "[vdso]"
}

/// The hottest functions of each of some times, in words; empty where there are too few samples. Nothing at all if the
/// records have no CPU profile.
///
/// # Errors
/// When a record cannot be read.
pub fn functions_in_words(records: &[Record], times: &[TimeSpan]) -> Result<Vec<String>, ReportError> {
    let found = functions_of_times(records, times)?.unwrap_or_default();
    Ok(found.iter().map(|(functions, basis)| words(functions, basis)).collect())
}

impl Telling<'_> {
    /// The phases with the most CPU time, in the order of time.
    pub(super) fn code(&mut self, found: &PhasesReport) -> Result<(), AnalysisError> {
        let times: Vec<TimeSpan> = found.phases.iter().map(|phase| phase.time).collect();
        let Some(functions) = functions_of_times(self.records, &times)? else { return Ok(()) };
        let said: Vec<(usize, u64, String)> = (0..)
            .zip(&functions)
            .map(|(number, (functions, basis))| (number, basis.samples, words(functions, basis)))
            .filter(|(.., words)| !words.is_empty())
            .collect();
        let mut most = said.clone();
        most.sort_by_key(|(number, samples, _)| (std::cmp::Reverse(*samples), *number));
        most.truncate(MOST_PHASES);
        most.sort_by_key(|(number, ..)| *number);
        let since = |at: Nanos| time_text(found.zero.since(at));
        let phase = |(number, _, words): &(usize, u64, String)| match times.get(*number) {
            Some(time) if times.len() > 1 => {
                format!("phase {} ({}\u{2013}{}): {words}", number + 1, since(time.start), since(time.end))
            }
            _ => words.clone(),
        };
        let texts: Vec<String> = most.iter().map(phase).collect();
        let Some((hottest, ..)) = most.iter().max_by_key(|(_, samples, _)| *samples) else { return Ok(()) };
        let command = match times.len() {
            0 | 1 => "report profile RECORD".to_owned(),
            _ => format!("report profile RECORD --phase {}", hottest + 1),
        };
        let is_time = functions.iter().all(|(_, basis)| basis.sampled == Sampled::Cpu);
        let what = if is_time { "CPU time" } else { "Accesses to memory" };
        self.say("code", format!("{what}: {}.", texts.join("; ")), &command);
        Ok(())
    }
}
