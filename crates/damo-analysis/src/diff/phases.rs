//! The phases that all runs have, one by one: how long they are, and what they touch.

use super::{AlignedBy, Diff, Row};
use crate::AnalysisError;
use crate::compare::{Alignment, Comparison};
use crate::course::Course;
use crate::figure::{Figure, Quantity, Statistic};
use damo_model::{Nanos, TimeSpan};

/// A phase with fewer instants has no figures of its own.
const FEWEST: usize = 10;

/// A phase of both sides.
#[derive(Clone, Debug)]
pub struct PhaseRow {
    /// Its number, from 1, and its kind.
    pub name: String,
    /// Its mean length in the base's runs, and in the new ones.
    pub lengths: [Nanos; 2],
    /// Its mean working set; `None` where it is too short to tell.
    pub working_set: Option<Row>,
}

/// The time of each phase within the time that is compared; the courses' marks are the phases' beginnings.
fn times(course: &Course) -> Vec<TimeSpan> {
    let Some((first, last)) = course.times.first().zip(course.times.last()) else { return Vec::new() };
    let ends = course.marks.iter().skip(1).map(|(at, _)| *at).chain([last.end]);
    let span = |((at, _), end): (&(Nanos, String), Nanos)| TimeSpan::new((*at).max(first.start), end.max(first.start));
    course.marks.iter().zip(ends).map(span).collect()
}

impl Diff {
    pub(super) fn compare_phases(&mut self) -> Result<(), AnalysisError> {
        let AlignedBy::Phases(count) = self.aligned_by else { return Ok(()) };
        let spans = [&self.base, &self.new].map(|runs| runs.iter().map(times).collect::<Vec<_>>());
        let mut rows = Vec::new();
        for number in 0..count {
            let mean = |runs: &Vec<Vec<TimeSpan>>| {
                let lengths = runs.iter().filter_map(|spans| Some(spans.get(number)?.length().0));
                Nanos(lengths.sum::<i64>() / runs.len().max(1) as i64)
            };
            let of = |(run, spans): (&Course, &Vec<TimeSpan>)| Some(run.within(*spans.get(number)?));
            let [base, new] = [(&self.base, &spans[0]), (&self.new, &spans[1])]
                .map(|(runs, spans)| runs.iter().zip(spans).filter_map(of).collect::<Vec<Course>>());
            let name = self.base.first().and_then(|run| run.marks.get(number)).map(|(_, name)| name.clone());
            let is_long = base.iter().chain(&new).all(|part| part.times.len() >= FEWEST);
            let working_set = is_long.then(|| self.compare_parts(&base, &new)).transpose()?;
            let lengths = [mean(&spans[0]), mean(&spans[1])];
            rows.push(PhaseRow { name: name.unwrap_or_default(), lengths, working_set });
        }
        self.phases = rows;
        Ok(())
    }

    fn compare_parts(&self, base: &[Course], new: &[Course]) -> Result<Row, AnalysisError> {
        let figure = Figure::new(Quantity::WorkingSet, Statistic::Mean);
        let comparison = Comparison::of(&figure, base, new, |_, _| Alignment::default())?;
        Ok(self.judged(comparison, None))
    }
}
