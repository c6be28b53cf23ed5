//! Percentiles of memory: the temperature or idle time below which so many percent of the bytes are.

use super::histogram::Metric;
use super::snapshot::Snapshot;
use crate::ReportError;
use crate::temperature::Weights;
use damo_model::human::Style;

/// Which percentiles, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Percentiles(pub Vec<u32>);

impl Default for Percentiles {
    fn default() -> Self {
        Percentiles(vec![0, 1, 25, 50, 75, 99, 100])
    }
}

impl Percentiles {
    /// From the numbers of an option: up to three are start, stop and step as in Python's `range`, more are the
    /// percentiles themselves.
    ///
    /// # Errors
    /// If one is not within 0..=100, the step is not positive, or there is none.
    pub fn from_numbers(numbers: &[i64]) -> Result<Self, ReportError> {
        let listed: Vec<i64> = match *numbers {
            [] => return Err(ReportError::invalid("no percentiles given; give a stop, or start, stop and step")),
            [stop] => (0..stop).collect(),
            [start, stop] => (start..stop).collect(),
            [start, stop, step] if step > 0 => {
                (start..stop).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect()
            }
            [_, _, _] => return Err(ReportError::invalid("the step between percentiles must be above 0")),
            _ => {
                let mut listed = numbers.to_vec();
                listed.sort_unstable();
                listed
            }
        };
        let percentile = |number: i64| {
            let valid = u32::try_from(number).ok().filter(|number| *number <= 100);
            valid.ok_or_else(|| ReportError::invalid(format!("percentile {number} is not within 0 to 100")))
        };
        Ok(Percentiles(listed.into_iter().map(percentile).collect::<Result<_, _>>()?))
    }
}

/// The wanted percentiles and their values; empty without memory.
pub(super) fn values(wanted: &Percentiles, mut regions: Vec<(i128, u64)>) -> Vec<(u32, i128)> {
    let total = regions.iter().fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
    if total == 0 {
        return Vec::new();
    }
    regions.sort_by_key(|(value, _)| *value);
    let mut wanted = wanted.0.iter().copied().peekable();
    let mut values = Vec::new();
    let mut percent = 0.0;
    for (value, size) in &regions {
        percent += (*size as f64) * 100.0 / total as f64;
        while let Some(next) = wanted.next_if(|next| f64::from(*next) <= percent) {
            values.push((next, *value));
        }
    }
    // Rounding may leave the sum a little below 100.
    if let Some((last, _)) = regions.last() {
        values.extend(wanted.map(|next| (next, *last)));
    }
    values
}

/// For each wanted percentile the values that lie a standard error below and above it: so many bytes may be on the wrong
/// side, because DAMON might have found them accessed, or not, had it checked again.
pub(super) fn bounds(wanted: &Percentiles, snapshot: &Snapshot, mut regions: Vec<(i128, u64)>) -> Vec<(i128, i128)> {
    let total: f64 = regions.iter().map(|(_, size)| *size as f64).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let error = snapshot.working_set_error() * 100.0 / total;
    regions.sort_by_key(|(value, _)| *value);
    let at = |percentile: f64| {
        let mut percent = 0.0;
        let found = regions.iter().find(|(_, size)| {
            percent += *size as f64 * 100.0 / total;
            percentile <= percent
        });
        found.or(regions.last()).map_or(0, |(value, _)| *value)
    };
    wanted.0.iter().map(|p| (at((f64::from(*p) - error).max(0.0)), at((f64::from(*p) + error).min(100.0)))).collect()
}

/// The percentiles as text, with a line of headings.
pub(super) fn draw(
    wanted: &Percentiles,
    metric: Metric,
    snapshot: &Snapshot,
    weights: Weights,
    passed: bool,
    numbers: Style,
    errors: bool,
) -> String {
    let regions = metric.values(snapshot, weights, passed);
    let bounds = if errors { bounds(wanted, snapshot, regions.clone()) } else { Vec::new() };
    let values = values(wanted, regions);
    let heading = match metric {
        Metric::Idle if numbers == Style::Raw => "<idle time (us)>".to_owned(),
        Metric::Idle => "<idle time>".to_owned(),
        Metric::Temperature => {
            let Weights { size, access_rate, age } = weights;
            format!("<temperature (weights: [{size}, {access_rate}, {age}])>")
        }
    };
    let percentile = if passed { "<df-passed percentile>" } else { "<percentile>" };
    let mut lines = vec![format!("{percentile} {heading}")];
    let min = values.iter().map(|(_, value)| *value).min().unwrap_or(0);
    let max = values.iter().map(|(_, value)| *value).max().unwrap_or(0);
    let per_star = if max == min { 1.0 } else { (max - min) as f64 / 20.0 };
    let cells: Vec<(String, String, usize)> = values
        .iter()
        .map(|(percentile, value)| {
            let stars = (((value - min) as f64 / per_star) as usize).min(20);
            (percentile.to_string(), metric.format(*value, numbers), stars)
        })
        .collect();
    let wide = |f: fn(&(String, String, usize)) -> usize| cells.iter().map(f).max().unwrap_or(0);
    let (left, right) = (wide(|cell| cell.0.len()), wide(|cell| cell.1.len()));
    lines.extend(cells.iter().map(|(percentile, value, stars)| {
        format!("{percentile:>left$}  {value:>right$}  |{:<20}|", "*".repeat(*stars))
    }));
    for (line, (low, high)) in lines.iter_mut().skip(1).zip(bounds) {
        line.push_str(&format!(" [{}, {}]", metric.format(low, numbers), metric.format(high, numbers)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_value_below_which_so_many_bytes_are() {
        let regions = vec![(30, 25), (10, 50), (20, 25)];
        let found = values(&Percentiles(vec![0, 50, 51, 75, 100]), regions);
        assert_eq!(found, [(0, 10), (50, 10), (51, 20), (75, 20), (100, 30)]);
        assert!(values(&Percentiles::default(), vec![(1, 0)]).is_empty());
    }

    #[test]
    fn up_to_three_numbers_are_a_range_and_more_a_list() {
        assert_eq!(Percentiles::from_numbers(&[0, 101, 50]).unwrap().0, [0, 50, 100]);
        assert_eq!(Percentiles::from_numbers(&[3]).unwrap().0, [0, 1, 2]);
        assert_eq!(Percentiles::from_numbers(&[100, 0, 50, 25]).unwrap().0, [0, 25, 50, 100]);
        assert!(Percentiles::from_numbers(&[0, 102, 1]).is_err());
        assert!(Percentiles::from_numbers(&[0, 10, 0]).is_err());
    }
}
