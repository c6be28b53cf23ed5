//! What the hottest colour stands for: the highest heat seen, or a wanted value, so that two maps can be compared.

use super::{HeatsReport, Unit};
use crate::ReportError;
use damo_model::human::{self, ParseError};

/// The top of a scale of heat; scales begin at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Accesses per second.
    Hz(f64),
    /// Percent of the highest rate that the intervals allow.
    Percent(f64),
    /// Samples of an aggregation interval, where intervals are not known.
    Samples(f64),
}

/// Why a text is no scale.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScaleError {
    /// It does not begin at 0.
    #[error("a scale is written 0..MAX and begins at 0, as in 0..50% or 0..200Hz")]
    Form,
    /// The number behind the dots is none.
    #[error(transparent)]
    Number(#[from] ParseError),
    /// A number without a unit says nothing.
    #[error("'{0}' needs a unit: 0..{0}Hz for accesses per second, or 0..{0}% of the highest rate possible")]
    Unit(String),
    /// The top does not lie above 0, or above what is possible.
    #[error("the top of a scale is above 0, and no more than 100 %")]
    Empty,
}

impl std::str::FromStr for Scale {
    type Err = ScaleError;

    fn from_str(text: &str) -> Result<Self, ScaleError> {
        let (low, high) = text.split_once("..").ok_or(ScaleError::Form)?;
        if low.trim().trim_end_matches('%').to_ascii_lowercase().trim_end_matches("hz").trim() != "0" {
            return Err(ScaleError::Form);
        }
        let high = high.trim();
        let letters = high.find(|c: char| !c.is_ascii_digit() && !"., _".contains(c)).unwrap_or(high.len());
        let (number, unit) = high.split_at(letters);
        let number = human::parse_number(number.trim())?.as_f64();
        let scale = match unit.trim().to_ascii_lowercase().as_str() {
            "%" => Scale::Percent(number),
            "hz" => Scale::Hz(number),
            "khz" => Scale::Hz(number * 1e3),
            "mhz" => Scale::Hz(number * 1e6),
            "sample" | "samples" => Scale::Samples(number),
            _ => return Err(ScaleError::Unit(high.to_owned())),
        };
        let above = number.is_finite() && number > 0.0;
        let possible = !matches!(scale, Scale::Percent(percent) if percent > 100.0);
        if above && possible { Ok(scale) } else { Err(ScaleError::Empty) }
    }
}

impl HeatsReport {
    /// Has colours stand for the heat from 0 to `scale` instead of the highest heat seen.
    ///
    /// # Errors
    /// If the record's heat is not in the scale's unit: without intervals, samples are not rates.
    pub fn set_scale(&mut self, scale: Scale) -> Result<(), ReportError> {
        self.scale = Some(self.top_of(scale)?);
        Ok(())
    }

    /// The top of a scale in the report's unit.
    ///
    /// # Errors
    /// As [`HeatsReport::set_scale`].
    pub(crate) fn top_of(&self, scale: Scale) -> Result<f64, ReportError> {
        Ok(match (scale, self.unit, self.possible) {
            (Scale::Hz(top), Unit::Hz, _) => top,
            (Scale::Percent(percent), Unit::Hz, Some(possible)) if possible > 0.0 => possible * percent / 100.0,
            (Scale::Samples(top), Unit::Samples, _) => top,
            (_, Unit::Samples, _) => {
                return Err(ReportError::invalid(
                    "the record has no intervals, so its heat is in samples: give --intervals, or a scale such as 0..20samples",
                ));
            }
            (_, Unit::Hz, _) => {
                return Err(ReportError::invalid(
                    "the record's heat is in accesses per second: give a scale such as 0..200Hz or 0..50%",
                ));
            }
        })
    }

    /// The highest mean over the covered part of any cell; 0 where there is none.
    pub fn peak(&self) -> f64 {
        let cells = self.panels.iter().flat_map(|grid| {
            (0..grid.time.len()).flat_map(move |row| (0..grid.space.len()).map(move |c| grid.covered_heat_at(row, c)))
        });
        cells.filter(|heat| !heat.is_nan()).fold(0.0, f64::max)
    }

    /// What the hottest colour stands for.
    pub fn top(&self) -> f64 {
        self.scale.unwrap_or_else(|| self.peak())
    }

    /// Says so if some cells are hotter than the top of the scale: `hotter, up to 187 Hz, has the colour of 100 Hz`.
    pub fn clipped(&self) -> Option<String> {
        let (peak, top) = (self.peak(), self.scale?);
        let text = |heat| self.unit.text(heat);
        (peak > top * 1.000_001).then(|| format!("up to {} has the colour of {}", text(peak), text(top)))
    }
}

impl Unit {
    /// A heat with its unit, as short as three digits allow: `187 Hz`, `3.5 samples`.
    pub fn text(self, heat: f64) -> String {
        let digits = if heat == 0.0 || heat >= 100.0 { 0 } else { 2 };
        let number = if heat > 0.0 && heat < 0.01 { format!("{heat:.1e}") } else { format!("{heat:.digits$}") };
        let number = if number.contains('.') && !number.contains('e') {
            number.trim_end_matches('0').trim_end_matches('.')
        } else {
            &number
        };
        match self {
            Unit::Hz => format!("{number} Hz"),
            Unit::Samples if number == "1" => "1 sample".to_owned(),
            Unit::Samples => format!("{number} samples"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_needs_zero_a_top_and_a_unit() {
        let parse = |text: &str| text.parse::<Scale>();
        assert_eq!(parse("0..50%").unwrap(), Scale::Percent(50.0));
        assert_eq!(parse("0..200Hz").unwrap(), Scale::Hz(200.0));
        assert_eq!(parse("0 .. 1.5 kHz").unwrap(), Scale::Hz(1500.0));
        assert_eq!(parse("0..20samples").unwrap(), Scale::Samples(20.0));
        let said = |text: &str| parse(text).unwrap_err().to_string();
        assert!(said("0..50").contains("0..50Hz") && said("0..50").contains("0..50%"));
        assert!(said("10..50%").contains("begins at 0"));
        assert!(said("50%").contains("0..MAX"));
        assert!(said("0..0%").contains("above 0") && said("0..150%").contains("100 %"));
        assert!(parse("0..much").is_err());
    }

    #[test]
    fn heat_is_written_with_its_unit() {
        assert_eq!(Unit::Hz.text(187.4), "187 Hz");
        assert_eq!(Unit::Hz.text(3.504), "3.5 Hz");
        assert_eq!(Unit::Samples.text(1.0), "1 sample");
        assert_eq!(Unit::Hz.text(0.0), "0 Hz");
    }
}
