//! CPU time by function over time: for tracks beside maps.

use super::count::{Function, functions};
use super::stacks::{Chosen, chosen};
use super::{Choice, profile_of};
use crate::ReportError;
use damo_frame::Record;
use damo_model::Nanos;

/// How many samples an interval has on average, at least: fewer would be noise.
const SAMPLES: u64 = 20;

/// CPU time by function in equal intervals.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// When each interval begins, on the record's clock.
    pub starts: Vec<Nanos>,
    /// Functions, the hottest of all of the time first, each with the CPUs that its own code kept busy in each interval.
    pub functions: Vec<(String, Vec<f64>)>,
}

/// The course of the `most` hottest functions and of all others together, in at most so many intervals; `None` if the
/// recording has no samples of CPU time at a known frequency.
///
/// # Errors
/// When a record cannot be read.
pub fn course(records: &[Record], most: usize, intervals: usize) -> Result<Option<Course>, ReportError> {
    if !records.iter().any(|record| record.reader().has_profile()) {
        return Ok(None);
    }
    let Ok(profile) = profile_of(records) else { return Ok(None) };
    let mut all = chosen(records, &profile, &Choice::default())?;
    let Some(whole) = all.whole.filter(|_| all.basis.frequency > 0 && all.basis.samples > 0) else { return Ok(None) };
    let (hottest, basis) = functions(&profile, &all, false);
    let names: Vec<String> = hottest.iter().take(most).filter(|f| f.self_samples > 0).map(label).collect();
    let intervals = u64::try_from(intervals).unwrap_or(1).min(basis.samples / SAMPLES).max(1);
    let length = (whole.length().0.max(1) as u64).div_ceil(intervals) as i64;
    let samples = std::mem::take(&mut all.samples);
    let mut parts: Vec<Vec<_>> = vec![Vec::new(); intervals as usize];
    for sample in samples {
        let at = sample.at.saturating_sub(whole.start).0 / length;
        if let Some(part) = usize::try_from(at).ok().and_then(|at| parts.get_mut(at)) {
            part.push(sample);
        }
    }
    let mut course = Course::default();
    course.functions.extend(names.iter().map(|name| (name.clone(), Vec::new())));
    course.functions.push(("other functions".to_owned(), Vec::new()));
    let per_cpu = f64::from(basis.frequency) * Nanos(length).as_secs_f64();
    for (number, part) in (0..).zip(parts) {
        course.starts.push(whole.start.saturating_add(Nanos(length.saturating_mul(number))));
        all.samples = part;
        add(&mut course, &functions(&profile, weighed(&mut all), false).0, per_cpu);
    }
    Ok(Some(course))
}

/// The same samples, with a basis of just these.
fn weighed(all: &mut Chosen) -> &Chosen {
    all.basis.samples = all.samples.len() as u64;
    all.basis.weight = all.samples.iter().fold(0, |sum, sample| sum.saturating_add(sample.weight.into()));
    all
}

/// Adds an interval.
fn add(course: &mut Course, found: &[Function], per_cpu: f64) {
    let last = course.functions.len().saturating_sub(1);
    course.functions.iter_mut().for_each(|(_, values)| values.push(0.0));
    for function in found {
        let label = label(function);
        let at = course.functions.iter().position(|(name, _)| *name == label).unwrap_or(last);
        let value = course.functions.get_mut(at).and_then(|(_, values)| values.last_mut());
        if let Some(value) = value {
            *value += function.self_samples as f64 / per_cpu;
        }
    }
}

/// What a function is called beside others: code without a name by its module, because its hottest address differs.
fn label(function: &Function) -> String {
    if function.has_name { function.name.clone() } else { format!("[no name, in {}]", function.module) }
}
