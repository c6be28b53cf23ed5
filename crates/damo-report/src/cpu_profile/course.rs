//! CPU time by function over time: for tracks beside maps.

use super::count::{Function, functions, own_functions};
use super::stacks::chosen;
use super::{Choice, find_profile};
use crate::ReportError;
use damo_frame::Record;
use damo_model::Nanos;
use damo_model::profile::Sampled;
use std::collections::HashMap;

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
    let Some(profile) = find_profile(records)? else { return Ok(None) };
    let all = chosen(records, &profile, &Choice::default())?;
    let is_time = all.basis.sampled == Sampled::Cpu && all.basis.frequency > 0;
    let Some(whole) = all.whole.filter(|_| is_time && all.basis.samples > 0) else { return Ok(None) };
    let (hottest, basis) = functions(&profile, &all, false);
    let names: Vec<String> = hottest.iter().take(most).filter(|f| f.self_samples > 0).map(label).collect();
    let intervals = u64::try_from(intervals).unwrap_or(1).min(basis.samples / SAMPLES).max(1);
    let length = (whole.length().0.max(1) as u64).div_ceil(intervals) as i64;
    let per_cpu = f64::from(basis.frequency) * Nanos(length).as_secs_f64();
    let mut course = Course::default();
    let starts =
        (0..).take(intervals as usize).map(|n: i64| whole.start.saturating_add(Nanos(length.saturating_mul(n))));
    course.starts.extend(starts);
    let others = names.len();
    let series = names.iter().map(String::as_str).chain(["other functions"]);
    course.functions.extend(series.map(|name| (name.to_owned(), vec![0.0; intervals as usize])));
    let own = own_functions(&profile, &all);
    let positions: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let positions: Vec<usize> =
        own.functions.iter().map(|own| positions.get(label(own).as_str()).copied().unwrap_or(others)).collect();
    for sample in &all.samples {
        let at = usize::try_from(sample.at.saturating_sub(whole.start).0 / length);
        let function = own.of_stack.get(&sample.stack).and_then(|own| positions.get(*own));
        let (Ok(at), Some(function)) = (at, function) else { continue };
        if let Some(value) = course.functions.get_mut(*function).and_then(|(_, values)| values.get_mut(at)) {
            *value += 1.0 / per_cpu;
        }
    }
    Ok(Some(course))
}

/// What a function is called beside others: code without a name by its module, because its hottest address differs.
fn label(function: &Function) -> String {
    if function.has_name { function.name.clone() } else { format!("[no name, in {}]", function.module) }
}
