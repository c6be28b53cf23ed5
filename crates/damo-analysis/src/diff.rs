//! The difference of two sides of runs of one program: `damo diff`.
//!
//! Addresses differ from run to run, and so do lengths. Mappings are found again by name, order and size (`areas`), and times by
//! marks or by share of the run. What is compared, and what each answer means, is in docs/diff.md.

mod align;
mod areas;
mod checks;
mod maps;
mod page;
mod phases;
mod picture;
mod show;
mod tables;
mod words;

pub use areas::AreaName;

use crate::AnalysisError;
use crate::compare::{Alignment, Answer, Comparison, Margin};
use crate::course::{Course, UNMAPPED};
use crate::figure::{Figure, Quantity, Statistic, is_called};
use crate::phases::times_of;
use align::AlignedBy;
use areas::AlignedArea;
use damo_frame::Record;
use damo_model::Nanos;
use damo_model::human::Show;
use damo_report::filter::Filter;
use damo_report::selection::selected;
pub use phases::PhaseRow;

/// An area has a row of its own from this share of the working set on.
const OWN_ROW: f64 = 0.01;
/// Ages of cold shares, in seconds: of these, the longest ones that a run is long enough for.
const AGES: [i64; 14] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200];
/// A run is so many times as long as an age that is looked at.
const RUN_OF_AGES: i64 = 3;
/// So many ages are looked at.
const MOST_AGES: usize = 2;
/// A share that differs by so many margins at most is not called a change: ages vary more than sizes.
const SHARE_MARGINS: f64 = 2.0;
/// What areas without a row of their own are called together.
const OTHERS: &str = "other mappings";

damo_model::words! {
    /// How times of two runs are aligned.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum AlignBy {
        /// By marks where all runs have some in common, else by phases where all runs have the same, else by share of the run.
        #[default]
        Auto = "auto",
        /// By marks of the same text.
        Marks = "marks",
        /// By phases: times in which the same memory is touched.
        Phases = "phases",
        /// By share of the run.
        Share = "share",
    }
}

damo_model::with_defaults! {
    /// What is compared, and how.
    #[derive(Clone, Debug)]
    pub struct DiffOptions {
        /// Which part of the records.
        pub filter: Filter = Filter::default(),
        /// Only the time of these phases, by their numbers (from 1) in the runs of the base and in those of the new side. The
        /// numbers are those of [`crate::phases::phases`]; without any, all of the time is compared.
        pub phases: Vec<(usize, usize)>,
        /// How times are aligned.
        pub align: AlignBy = AlignBy::Auto,
        /// Differences up to this one are of no interest, in percent of a size, and in percentage points of a share.
        pub margin: f64 = 5.0,
        /// Compare mappings of this name only.
        pub mapping: Option<String>,
        /// Compare records of different programs or intervals all the same.
        pub anyway: bool,
    }
}

/// A figure of both sides.
#[derive(Clone, Debug)]
pub struct Row {
    /// The figures and their difference.
    pub comparison: Comparison,
    /// What it is of; `None` for the whole.
    pub area: Option<AreaName>,
    /// Up to where the difference is of no interest.
    pub(crate) margin: Margin,
    /// What the difference says; `None` for the largest working set: one snapshot decides it, and no interval tells how it
    /// would vary.
    pub(crate) answer: Option<Answer>,
}

/// How two sides of runs differ.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The runs of the base.
    pub base: Vec<Course>,
    /// The runs of the new side.
    pub new: Vec<Course>,
    /// How times were aligned.
    pub(crate) aligned_by: AlignedBy,
    /// Differences up to this one are of no interest, in percent.
    pub margin: f64,
    /// The figures: those of the whole, then those of mappings, the largest first.
    pub rows: Vec<Row>,
    /// The phases that all runs have, where times were aligned by them.
    pub phases: Vec<PhaseRow>,
    /// Mappings that one side only has.
    pub(crate) one_sided: Vec<AreaName>,
    /// What else a reader should know.
    pub notes: Vec<String>,
    /// The phases that are compared, as in [`DiffOptions::phases`].
    pub of_phases: Vec<(usize, usize)>,
    /// The part of each record that is compared.
    filters: [Vec<Filter>; 2],
    areas: Vec<AlignedArea>,
    maps: Option<maps::Maps>,
}

/// Compares the runs of a new side with those of a base.
///
/// # Errors
/// If a record cannot be read, nothing passes the filter, or the records cannot be compared: they are too short, of different
/// programs or of different intervals.
pub fn diff(base: &[Record], new: &[Record], options: &DiffOptions) -> Result<Diff, AnalysisError> {
    let lengths = base.iter().chain(new).filter_map(Record::time_span).map(|span| span.length());
    let ages = ages(lengths.min().unwrap_or_default());
    let filters = [filters_of(base, options, |(base, _)| base)?, filters_of(new, options, |(_, new)| new)?];
    let courses = |records: &[Record], filters: &[Filter]| -> Result<Vec<Course>, AnalysisError> {
        records.iter().zip(filters).map(|(record, filter)| Course::of(record, filter, &ages)).collect()
    };
    let (mut base_runs, mut new_runs) = (courses(base, &filters[0])?, courses(new, &filters[1])?);
    let mut notes = checks::comparable(&base_runs, &new_runs, options.anyway)?;
    let parts = base.iter().zip(&filters[0]).chain(new.iter().zip(&filters[1]));
    let aligned_by = align::choose(options.align, parts, [&mut base_runs, &mut new_runs])?;
    let areas = areas::align(&base_runs, &new_runs);
    let mut diff = Diff {
        base: base_runs,
        new: new_runs,
        aligned_by,
        margin: options.margin,
        rows: Vec::new(),
        phases: Vec::new(),
        one_sided: Vec::new(),
        notes: Vec::new(),
        of_phases: options.phases.clone(),
        filters,
        areas,
        maps: None,
    };
    if let Some(mapping) = &options.mapping {
        diff.areas.retain(|area| is_called(&area.name.name, mapping));
        if diff.areas.is_empty() {
            return Err(no_such_mapping(&diff.base, &diff.new, mapping));
        }
        diff.compare_areas(&Statistic::OF_SETS, 0.0)?;
    } else {
        diff.compare_whole()?;
        diff.compare_phases()?;
        match diff.without_mappings() {
            None => diff.compare_areas(&[Statistic::Mean], OWN_ROW)?,
            note => notes.extend(note),
        }
    }
    diff.notes = notes;
    Ok(diff)
}

/// The part of each record that is compared; `side` picks the numbers of the records' phases.
fn filters_of(
    records: &[Record],
    options: &DiffOptions,
    side: impl Fn((usize, usize)) -> usize,
) -> Result<Vec<Filter>, AnalysisError> {
    let numbers: Vec<usize> = options.phases.iter().copied().map(side).collect();
    let filter = |record: &Record| {
        let mut filter = selected(std::slice::from_ref(record), &options.filter)?;
        filter.snapshot_time.extend(times_of(record, &numbers)?);
        Ok(filter)
    };
    records.iter().map(filter).collect()
}

/// The ages that a run of this length tells, ascending.
fn ages(length: Nanos) -> Vec<Nanos> {
    let fits = |age: &Nanos| age.0.saturating_mul(RUN_OF_AGES) <= length.0;
    AGES.into_iter().map(Nanos::from_secs).filter(fits).collect()
}

impl Diff {
    /// The runs of both sides.
    pub fn runs(&self) -> impl Iterator<Item = &Course> {
        self.base.iter().chain(&self.new)
    }

    /// Where in a new run is what is at a place of a base run.
    pub(crate) fn alignment(&self, base: &Course, new: &Course) -> Alignment {
        self.aligned_by.alignment(base, new)
    }

    /// Mean working set of the base, in bytes.
    fn whole(&self) -> f64 {
        let of = |course: &Course| Statistic::Mean.of(&course.working_set).unwrap_or_default();
        self.base.iter().map(of).sum::<f64>() / self.base.len().max(1) as f64
    }

    fn compare_whole(&mut self) -> Result<(), AnalysisError> {
        let shortest = self.runs().map(Course::length).min().unwrap_or_default();
        let ages = ages(shortest);
        let cold = ages.iter().skip(ages.len().saturating_sub(MOST_AGES)).copied().map(Quantity::ColdShare);
        let mut figures: Vec<Figure> =
            Statistic::OF_SETS.into_iter().map(|of| Figure::new(Quantity::WorkingSet, of)).collect();
        figures.push(Figure::new(Quantity::Hot, Statistic::Percentile(50)));
        figures.extend(cold.map(|quantity| Figure::new(quantity, Statistic::Mean)));
        figures.push(Figure::new(Quantity::Resident, Statistic::Percentile(100)));
        // What a record does not tell cannot be compared; its figures are left out.
        let told = |figure: &Figure| self.runs().all(|course| figure.values(course).is_ok_and(|all| !all.is_empty()));
        figures.retain(told);
        for figure in figures {
            let comparison = Comparison::of(&figure, &self.base, &self.new, |base, new| self.alignment(base, new))?;
            self.push(comparison, None);
        }
        Ok(())
    }

    /// Compares mapped areas; those below a share of the working set have no row of their own.
    fn compare_areas(&mut self, statistics: &[Statistic], own_row: f64) -> Result<(), AnalysisError> {
        let least = own_row * self.whole();
        let mut areas = std::mem::take(&mut self.areas);
        areas.sort_by(|a, b| b.largest().total_cmp(&a.largest()));
        let (large, small): (Vec<_>, Vec<_>) = areas.iter().partition(|area| area.largest() >= least);
        let rest = small.iter().any(|area| area.largest() > 0.0).then(|| areas::sum(OTHERS, &small));
        for area in large.into_iter().chain(&rest) {
            for statistic in statistics {
                let mapping = Some(area.name.to_string());
                let figure = Figure { quantity: Quantity::WorkingSet, mapping, statistic: *statistic };
                let align = |base: &Course, new: &Course| self.alignment(base, new);
                let comparison = Comparison::of_series(&figure, [&self.base, &self.new], &area.series, align)?;
                self.push(comparison, Some(area.name.clone()));
            }
        }
        let one_sided = areas.iter().filter(|area| area.name.is_one_sided() && area.name.name != UNMAPPED);
        self.one_sided = one_sided.map(|area| area.name.clone()).collect();
        self.one_sided.sort_by_key(|area| std::cmp::Reverse(area.base.or(area.new)));
        self.areas = areas;
        Ok(())
    }

    /// Judges a comparison.
    fn judged(&self, comparison: Comparison, area: Option<AreaName>) -> Row {
        let margin = self.margin_of(&comparison);
        let figure = &comparison.figure;
        let is_one_snapshot = figure.statistic == Statistic::Percentile(100) && figure.quantity == Quantity::WorkingSet;
        let answer = (!is_one_snapshot).then(|| comparison.answer(margin));
        Row { comparison, area, margin, answer }
    }

    fn push(&mut self, comparison: Comparison, area: Option<AreaName>) {
        self.rows.push(self.judged(comparison, area));
    }

    fn margin_of(&self, comparison: &Comparison) -> Margin {
        let figure = &comparison.figure;
        if !figure.is_size() {
            return Margin { of_interest: self.margin, negligible: self.margin * SHARE_MARGINS };
        }
        let share = self.margin / 100.0;
        let own = share * comparison.base.value;
        let is_part = figure.mapping.is_some() || figure.quantity == Quantity::Hot;
        Margin { of_interest: own, negligible: if is_part { own.max(share * self.whole()) } else { own } }
    }

    fn without_mappings(&self) -> Option<String> {
        // Mappings of processes do not tell what is where in physical memory.
        let tells = |course: &Course| {
            let (unmapped, mapped): (Vec<_>, Vec<_>) = course.areas.iter().partition(|area| area.name == UNMAPPED);
            mapped.iter().any(|area| !area.working_set.is_empty()) || (!mapped.is_empty() && unmapped.is_empty())
        };
        let silent: Vec<String> =
            self.runs().filter(|course| !tells(course)).map(|course| course.record.shown().to_string()).collect();
        let does = if silent.len() == 1 { "does" } else { "do" };
        (!silent.is_empty()).then(|| {
            format!(
                "{} {does} not tell mappings, so that no difference has a place in the program",
                silent.join(" and ")
            )
        })
    }
}

fn no_such_mapping(base: &[Course], new: &[Course], wanted: &str) -> AnalysisError {
    let areas = base.iter().chain(new).flat_map(|course| &course.areas);
    let mut names: Vec<&str> = areas.map(|area| area.name.as_str()).filter(|name| *name != UNMAPPED).collect();
    names.sort_unstable();
    names.dedup();
    let wanted = wanted.shown();
    AnalysisError::invalid(match names.is_empty() {
        true => format!("--mapping {wanted}: the records do not tell mappings; leave it out"),
        false => format!("--mapping {wanted}: no mapping has this name; there are {}", names.join(", ").shown()),
    })
}
