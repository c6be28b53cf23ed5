//! Axes: what they count, where their labels stand and what these say.

use super::canvas::{Align, Font, text_width};
use super::ticks::{byte_step, byte_tick, multiples_within, number_step, number_text, time_step, time_text, time_tick};
use super::{Canvas, SMALL, Style};

/// Pixels of a horizontal axis for each of its labels, about: in charts and in heat maps, which stand below one another.
pub(crate) const LABEL_EVERY: f64 = 90.0;

/// What an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, labelled in powers of 1024.
    Bytes,
    /// Nanoseconds, labelled in seconds, minutes and hours.
    Time,
    /// The binary logarithm of nanoseconds, labelled as times.
    LogTime,
    /// A plain count.
    Count,
    /// Percent, 0 to 100.
    Percent,
    /// Accesses per second.
    Hz,
}

/// An axis: its range and where it begins and ends on the picture.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    pub(super) fn at(&self, value: f64) -> f64 {
        let length = self.high - self.low;
        let part = if length > 0.0 { (value - self.low) / length } else { 0.0 };
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }
}

pub(super) fn step(unit: Unit, length: f64, count: usize) -> f64 {
    match unit {
        Unit::Bytes => byte_step(length as i128, count) as f64,
        Unit::Time => time_step(length as i128, count).max(1) as f64,
        Unit::LogTime => (length / count.max(1) as f64).ceil().max(1.0),
        Unit::Count => number_step(length, count).max(1.0),
        Unit::Percent if length < 50.0 => number_step(length, count),
        Unit::Percent if count >= 10 => 10.0,
        Unit::Percent => 25.0,
        Unit::Hz => number_step(length, count),
    }
}

pub(super) fn label(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Bytes => byte_tick(value as i128),
        Unit::Time => time_tick(value as i128),
        Unit::LogTime => time_text(rounded_time(value.exp2())),
        Unit::Count | Unit::Hz => number_text(value),
        Unit::Percent => format!("{} %", number_text(value)),
    }
}

/// A time of two or three digits, so that labels of doubling times stay short.
fn rounded_time(nanos: f64) -> i128 {
    let unit = [3.6e12, 6e10, 1e9, 1e6, 1e3, 1.0].into_iter().find(|unit| nanos >= unit * 10.0).unwrap_or(1.0);
    ((nanos / unit).round() * unit) as i128
}

/// Where labels of a horizontal axis stand: at the left edge and in steps from there for logarithms, else at multiples of
/// the step.
fn ticks(unit: Unit, x: Scale, step: f64) -> impl Iterator<Item = f64> {
    let log = unit == Unit::LogTime;
    let first = if log { x.low } else { (x.low / step).ceil() * step };
    // Windows of the longest length are a little shorter than twice those of the length before.
    let slack = if log { step * 0.02 } else { step * 1e-6 };
    (0..=64)
        .map(move |i| first + f64::from(i) * step)
        .take_while(move |at| *at <= x.high + slack)
        .map(move |at| at.min(x.high))
}

/// Where labels of a horizontal axis stand on the picture, with what they say: about one in `every` pixels.
pub(super) fn labels(unit: Unit, x: Scale, every: f64) -> Vec<(f64, String)> {
    if unit == Unit::Time {
        return time_labels((x.low as i128, x.high as i128), (x.from, x.to), every);
    }
    let step = step(unit, x.high - x.low, ((x.to - x.from) / every) as usize);
    ticks(unit, x, step).map(|value| (x.at(value), label(unit, value))).collect()
}

/// The same for an axis of times between two moments, which lies between two edges of the picture: at round times.
pub(crate) fn time_labels((start, end): (i128, i128), (left, right): (f64, f64), every: f64) -> Vec<(f64, String)> {
    let length = (end - start).max(1);
    let step = time_step(length, ((right - left) / every) as usize);
    let at = |time: i128| left + (time - start) as f64 / length as f64 * (right - left);
    multiples_within(start, end, step).map(|time| (at(time), time_tick(time))).collect()
}

/// Labels and name of a horizontal axis, below its line at `y`; `mark` draws what leads from a label to the data.
pub(crate) fn draw_below(
    canvas: &mut dyn Canvas,
    style: &Style,
    labels: Vec<(f64, String)>,
    (name, middle, y): (&str, f64, f64),
    mark: impl Fn(&mut dyn Canvas, f64),
) {
    let muted = Font { size: SMALL, color: style.theme.muted(), align: Align::Center };
    let mut free = f64::NEG_INFINITY;
    for (at, text) in labels {
        let half = text_width(&text, SMALL) / 2.0;
        // A label that would lie on the one before is left out with its mark.
        if at - half < free {
            continue;
        }
        free = at + half + 6.0;
        mark(canvas, at);
        canvas.text((at, y + 19.0), &text, muted);
    }
    canvas.text((middle, y + 40.0), name, Font { color: style.theme.ink(), ..muted });
}

/// The smallest and the largest of the values that are numbers.
pub(crate) fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let known = values.filter(|value| value.is_finite()).map(|value| (value, value));
    known.reduce(|(low, high), (value, _)| (value.min(low), value.max(high)))
}
