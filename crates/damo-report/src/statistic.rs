//! Which number stands for a series of numbers.

use std::fmt;

/// The number that stands for a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Statistic {
    /// The mean over all instants.
    Mean,
    /// A percentile, 0 to 100.
    Percentile(u8),
}

impl Statistic {
    /// The number that stands for `values`; `None` for no values. The percentile is the one of `report wss`.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        match self {
            _ if values.is_empty() => None,
            Statistic::Mean => Some(values.iter().sum::<f64>() / values.len() as f64),
            Statistic::Percentile(percent) => {
                let mut sorted = values.to_vec();
                let at = ((f64::from(percent) / 100.0 * values.len() as f64) as usize).min(values.len() - 1);
                let (_, value, _) = sorted.select_nth_unstable_by(at, f64::total_cmp);
                Some(*value)
            }
        }
    }

    /// The four numbers that stand for a working set.
    pub const OF_SETS: [Statistic; 4] =
        [Statistic::Mean, Statistic::Percentile(50), Statistic::Percentile(95), Statistic::Percentile(100)];
}

/// What people call it.
impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::Mean => f.write_str("mean"),
            Statistic::Percentile(100) => f.write_str("max"),
            Statistic::Percentile(percent) => write!(f, "p{percent}"),
        }
    }
}
