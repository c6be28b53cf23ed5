//! When a scheme is active.

use crate::Nanos;
use crate::json::{ParamError, Result};
use crate::keyword::keywords;

keywords! { "metric of watermarks",
    /// What decides when a scheme is active.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum WatermarkMetric or Newer {
        /// Nothing: always active.
        #[default]
        None = "none",
        /// The free part of the system's memory, in thousandths.
        FreeMemRate = "free_mem_rate",
    }
}

/// When a scheme is active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// What decides; with none it is always active, and nothing below counts.
    pub metric: WatermarkMetric,
    /// How often it is looked at while inactive.
    pub interval: Nanos,
    /// Inactive above, in thousandths.
    pub high: u32,
    /// Active below, in thousandths.
    pub mid: u32,
    /// Inactive below, in thousandths.
    pub low: u32,
}

impl Watermarks {
    /// Whether anything decides when the scheme is active.
    pub fn is_on(&self) -> bool {
        self.metric != WatermarkMetric::None
    }

    pub(super) fn check(&self) -> Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        if self.interval.0 <= 0 {
            return Err(ParamError::new("watermarks.interval_us", "is 0; 5 s is usual"));
        }
        if !(self.low <= self.mid && self.mid <= self.high && self.high <= 1000) {
            let what = format!(
                "high {}, mid {} and low {} do not fall in this order from at most 1000 to 0",
                self.high, self.mid, self.low
            );
            return Err(ParamError::new("watermarks", what));
        }
        Ok(())
    }
}
