//! The mapped areas of several runs of one program, found again by process, name, order and size: their addresses differ.

use crate::course::{AreaCourse, Course};
use crate::figure::Statistic;
use damo_model::Bytes;
use damo_model::human::Show;
use std::collections::BTreeMap;
use std::fmt;

/// Pairs of areas that are compared one by one, at most; beyond, areas of one name are taken by order.
const MOST_PAIRS: usize = 1 << 22;
/// What it costs to take no partner for an area, in doublings of a size: areas whose sizes differ by a factor of 16 are two.
const ALONE: f64 = 2.0;

/// What an area is called, and its size on both sides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AreaName {
    /// The process's name, where there are several processes.
    pub process: String,
    /// The mapping's name.
    pub name: String,
    /// Its position among the areas of this name, from 1; 0 if there is but one.
    pub order: usize,
    /// Its size in the base's first run that has it.
    pub base: Option<Bytes>,
    /// The same of the new side.
    pub new: Option<Bytes>,
}

/// An area with its working set in each run of the base and of the new side.
#[derive(Clone, Debug)]
pub(crate) struct AlignedArea {
    pub name: AreaName,
    /// Bytes at each instant, by side and run; all 0 in runs that do not have the area.
    pub series: [Vec<Vec<f64>>; 2],
    /// Its position in [`Course::areas`] of each run, by side.
    pub at: [Vec<Option<usize>>; 2],
}

impl AreaName {
    /// Whether one side only has it.
    pub(crate) fn is_one_sided(&self) -> bool {
        self.base.is_some() != self.new.is_some()
    }
}

impl fmt::Display for AreaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.process.is_empty() {
            write!(f, "{}: ", self.process.shown())?;
        }
        write!(f, "{}", self.name.shown())?;
        if self.order > 0 { write!(f, " #{}", self.order) } else { Ok(()) }
    }
}

impl AlignedArea {
    /// The larger of both sides' mean working sets, in bytes.
    pub fn largest(&self) -> f64 {
        let mean = |runs: &Vec<Vec<f64>>| {
            let of = |series: &Vec<f64>| Statistic::Mean.of(series).unwrap_or_default();
            runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64
        };
        mean(&self.series[0]).max(mean(&self.series[1]))
    }
}

/// An area while runs are added: its size where it was seen last, and its position in each run, base first.
#[derive(Clone)]
struct Found {
    size: u64,
    at: Vec<Option<usize>>,
}

/// Finds the areas of all runs.
pub(super) fn align(base: &[Course], new: &[Course]) -> Vec<AlignedArea> {
    let runs: Vec<&Course> = base.iter().chain(new).collect();
    // One process on each side is the same one, whatever it is called.
    let named = runs.iter().any(|run| run.processes.len() > 1);
    let mut groups: BTreeMap<(&str, &str), Vec<Found>> = BTreeMap::new();
    for (number, run) in runs.iter().enumerate() {
        let mut own: BTreeMap<(&str, &str), Vec<(usize, u64)>> = BTreeMap::new();
        for (at, area) in run.areas.iter().enumerate() {
            let process = if named { area.process.as_str() } else { "" };
            own.entry((process, &area.name)).or_default().push((at, area.size.0));
        }
        for (key, areas) in own {
            add(groups.entry(key).or_default(), &areas, number, runs.len());
        }
    }
    let mut aligned = Vec::new();
    for ((process, name), group) in groups {
        let several = group.len() > 1;
        for (order, found) in (1..).zip(&group) {
            let area_of = |run: usize| Some(&runs[run].areas[found.at[run]?]);
            let size = |mut of: std::ops::Range<usize>| of.find_map(|run| area_of(run).map(|area| area.size));
            let name = AreaName {
                process: process.to_owned(),
                name: name.to_owned(),
                order: if several { order } else { 0 },
                base: size(0..base.len()),
                new: size(base.len()..runs.len()),
            };
            let series = |of: std::ops::Range<usize>| -> Vec<Vec<f64>> {
                of.map(|run| working_set(runs[run], area_of(run))).collect()
            };
            let (base_at, new_at) = found.at.split_at(base.len());
            let series = [series(0..base.len()), series(base.len()..runs.len())];
            aligned.push(AlignedArea { name, series, at: [base_at.to_vec(), new_at.to_vec()] });
        }
    }
    aligned
}

fn working_set(run: &Course, area: Option<&AreaCourse>) -> Vec<f64> {
    match area {
        Some(area) if !area.working_set.is_empty() => area.working_set.clone(),
        _ => vec![0.0; run.times.len()],
    }
}

/// Several areas together.
pub(super) fn sum(name: &str, areas: &[&AlignedArea]) -> AlignedArea {
    let mut all = AlignedArea {
        name: AreaName { name: name.to_owned(), ..AreaName::default() },
        series: [Vec::new(), Vec::new()],
        at: [Vec::new(), Vec::new()],
    };
    for (side, sums) in all.series.iter_mut().enumerate() {
        for area in areas {
            sums.resize(area.series[side].len(), Vec::new());
            for (sum, series) in sums.iter_mut().zip(&area.series[side]) {
                sum.resize(series.len(), 0.0);
                sum.iter_mut().zip(series).for_each(|(sum, value)| *sum += value);
            }
        }
    }
    all
}

/// Adds the areas of one name of run `number`: those that were found before keep their order, and new ones come between.
fn add(group: &mut Vec<Found>, areas: &[(usize, u64)], number: usize, runs: usize) {
    let sizes: Vec<u64> = group.iter().map(|found| found.size).collect();
    let own: Vec<u64> = areas.iter().map(|(_, size)| *size).collect();
    let pairs = if sizes.len() == own.len() || sizes.len().saturating_mul(own.len()) > MOST_PAIRS {
        (0..sizes.len().min(own.len())).map(|i| (i, i)).collect()
    } else {
        by_size(&sizes, &own)
    };
    let mut merged = Vec::with_capacity(group.len() + areas.len());
    let (mut known, mut next) = (0, 0);
    let single = |(at, size): (usize, u64)| {
        let mut found = Found { size, at: vec![None; runs] };
        found.at[number] = Some(at);
        found
    };
    for (i, j) in pairs.into_iter().chain([(group.len(), areas.len())]) {
        merged.extend(group[known..i].iter().cloned());
        merged.extend(areas[next..j].iter().map(|area| single(*area)));
        if let (Some(found), Some((at, size))) = (group.get(i), areas.get(j)) {
            let mut found = Found { size: *size, ..found.clone() };
            found.at[number] = Some(*at);
            merged.push(found);
        }
        (known, next) = (i + 1, j + 1);
    }
    *group = merged;
}

/// The pairs of an alignment that keeps the order of both lists, so that the sizes of partners are as much alike as possible.
fn by_size(a: &[u64], b: &[u64]) -> Vec<(usize, usize)> {
    let log = |size: &u64| (size.max(&1).to_owned() as f64).log2();
    let (a, b): (Vec<f64>, Vec<f64>) = (a.iter().map(log).collect(), b.iter().map(log).collect());
    let width = b.len() + 1;
    // What it costs to align the first i of one with the first j of the other.
    let mut cost = vec![0.0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            cost[i * width + j] = match (i, j) {
                (0, _) => j as f64 * ALONE,
                (_, 0) => i as f64 * ALONE,
                _ => {
                    let together = cost[(i - 1) * width + j - 1] + (a[i - 1] - b[j - 1]).abs();
                    let alone = cost[(i - 1) * width + j].min(cost[i * width + j - 1]) + ALONE;
                    together.min(alone)
                }
            };
        }
    }
    let mut pairs = Vec::new();
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        let here = cost[i * width + j];
        if here == cost[(i - 1) * width + j - 1] + (a[i - 1] - b[j - 1]).abs() {
            (i, j) = (i - 1, j - 1);
            pairs.push((i, j));
        } else if here == cost[(i - 1) * width + j] + ALONE {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::TargetKey;

    fn run(areas: &[(&str, u64)]) -> Course {
        let mut orders: BTreeMap<&str, usize> = BTreeMap::new();
        let areas = areas.iter().map(|(name, size)| {
            let order = orders.entry(name).or_default();
            *order += 1;
            AreaCourse {
                process: "app".to_owned(),
                name: (*name).to_owned(),
                order: *order - 1,
                target: TargetKey(0),
                start: damo_model::Addr(0),
                size: Bytes(*size),
                working_set: Vec::new(),
            }
        });
        Course { areas: areas.collect(), processes: vec!["app".to_owned()], ..Course::default() }
    }

    fn sizes(base: &[Course], new: &[Course]) -> Vec<(String, Option<u64>, Option<u64>)> {
        let aligned = align(base, new).into_iter();
        aligned.map(|area| (area.name.to_string(), area.name.base.map(|b| b.0), area.name.new.map(|b| b.0))).collect()
    }

    #[test]
    fn areas_of_one_name_are_taken_by_order_where_there_are_as_many() {
        let (base, new) = (run(&[("[anon]", 10), ("[anon]", 5000)]), run(&[("[anon]", 4000), ("[anon]", 12)]));
        let wanted = [("[anon] #1".to_owned(), Some(10), Some(4000)), ("[anon] #2".to_owned(), Some(5000), Some(12))];
        assert_eq!(sizes(&[base], &[new]), wanted);
    }

    #[test]
    fn where_there_are_more_the_new_one_is_that_of_another_size() {
        let base = run(&[("[anon]", 100), ("[heap]", 7), ("[anon]", 9000)]);
        let new = run(&[("[anon]", 110), ("[anon]", 1 << 20), ("[anon]", 8000), ("lib", 5)]);
        let found = sizes(&[base], &[new]);
        assert_eq!(found[0], ("[anon] #1".to_owned(), Some(100), Some(110)));
        assert_eq!(found[1], ("[anon] #2".to_owned(), None, Some(1 << 20)));
        assert_eq!(found[2], ("[anon] #3".to_owned(), Some(9000), Some(8000)));
        assert_eq!(found[3..], [("[heap]".to_owned(), Some(7), None), ("lib".to_owned(), None, Some(5))]);
    }

    #[test]
    fn runs_of_one_side_are_aligned_with_one_another() {
        let runs = [run(&[("[anon]", 100)]), run(&[("[anon]", 4), ("[anon]", 100)])];
        let found = sizes(&runs, &[run(&[("[anon]", 4), ("[anon]", 128)])]);
        assert_eq!(found[0], ("[anon] #1".to_owned(), Some(4), Some(4)));
        assert_eq!(found[1], ("[anon] #2".to_owned(), Some(100), Some(128)));
    }
}
