//! A box for each region whose length, colour and height show its age, access rate and size (or whatever is asked for).

use super::palette::{digit, paint, sample};
use super::snapshot::{Region, Snapshot};
use crate::heats::ColorSet;
use damo_model::human::{Style, TimeUnit, format_percent, format_size_f64, format_time_in};

/// What a dimension of the box shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BoxValue {
    /// Size in bytes.
    Size,
    /// Access rate in percent.
    AccessRate,
    /// The age of the region.
    Age,
}

/// How values become lengths.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// In proportion to the value.
    Linear,
    /// By the logarithm.
    Log,
}

/// What length, colour and height of a box show, and how it is scaled.
const DIMENSIONS: [(BoxValue, Scale); 3] =
    [(BoxValue::Age, Scale::Log), (BoxValue::AccessRate, Scale::Linear), (BoxValue::Size, Scale::Log)];

/// How boxes look.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxOptions {
    /// Smallest and largest length in characters.
    length: (usize, usize),
    /// Smallest and largest height in lines.
    height: (usize, usize),
    /// The colours of the boxes.
    pub(super) colors: ColorSet,
    /// Whether a box that is narrower than the widest stands at the right edge.
    right: bool,
}

impl BoxOptions {
    /// One line, flush right: the boxes of the box styles.
    pub(super) fn simple() -> Self {
        Self { length: (1, 40), height: (1, 1), colors: ColorSet::Emotion, right: true }
    }

    /// Up to five lines: the boxes beside regions of other styles.
    pub(super) fn tall() -> Self {
        Self { length: (1, 30), height: (1, 5), colors: ColorSet::Gray, right: false }
    }

    fn ranges(&self) -> [(usize, usize); 3] {
        [self.length, (0, 9), self.height]
    }
}

/// Smallest and largest values over all regions of all records: what the largest box stands for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BoxBounds([Option<(f64, f64)>; 3]);

impl BoxBounds {
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        for region in &snapshot.regions {
            for (bounds, (value, _)) in self.0.iter_mut().zip(DIMENSIONS) {
                let value = value_of(value, region, snapshot);
                let (min, max) = bounds.unwrap_or((value, value));
                *bounds = Some((min.min(value), max.max(value)));
            }
        }
    }

    fn of(&self, i: usize) -> (f64, f64) {
        self.0.get(i).copied().flatten().unwrap_or((0.0, 0.0))
    }
}

fn value_of(value: BoxValue, region: &Region, snapshot: &Snapshot) -> f64 {
    match value {
        BoxValue::Size => region.size() as f64,
        BoxValue::AccessRate => region.percent(snapshot.intervals) as f64,
        BoxValue::Age => region.age_usec(snapshot.intervals) as f64,
    }
}

fn rescale(value: f64, (min, max): (f64, f64), scale: Scale, (from, to): (usize, usize)) -> usize {
    let scaled = |value: f64| match scale {
        Scale::Linear => value,
        Scale::Log if value > 0.0 => value.log2(),
        Scale::Log => 0.0,
    };
    let (value, min, max) = (scaled(value), scaled(min), scaled(max));
    let span = to.saturating_sub(from) as f64;
    let ratio = if max == min { 1.0 } else { span / (max - min) };
    ((value - min) * ratio + from as f64) as usize
}

/// The box of one region.
pub(super) fn draw(
    options: &BoxOptions,
    bounds: &BoxBounds,
    snapshot: &Snapshot,
    region: &Region,
    color: bool,
) -> String {
    let [length, level, height] = [0, 1, 2].map(|i| {
        let (value, scale) = DIMENSIONS[i];
        rescale(value_of(value, region, snapshot), bounds.of(i), scale, options.ranges()[i])
    });
    let mut row = String::new();
    if options.right {
        row.extend(std::iter::repeat_n(' ', options.length.1.saturating_sub(length)));
    }
    row.push('|');
    paint(&mut row, options.colors, level, &digit(level).repeat(length), color);
    row.push('|');
    let mut text = vec![row; height.max(1)].join("\n");
    if options.height.1 > 1 {
        text.push('\n');
    }
    text
}

/// What boxes stand for.
pub(super) fn describe(options: &BoxOptions, bounds: &BoxBounds, numbers: Style, color: bool) -> String {
    let mut lines = Vec::new();
    for (i, name) in ["length", "color", "height"].into_iter().enumerate() {
        let (value, scale) = DIMENSIONS[i];
        let shown = |number: f64| match value {
            BoxValue::Size => format_size_f64(number, numbers),
            BoxValue::AccessRate => format_percent(number, numbers),
            BoxValue::Age => format_time_in((number as i64).into(), TimeUnit::Micros, numbers),
        };
        let value_name = match value {
            BoxValue::Size => "size",
            BoxValue::AccessRate => "access_rate",
            BoxValue::Age => "age",
        };
        let (min, max) = bounds.of(i);
        let (min, max) = (shown(min), shown(max));
        let (from, to) = options.ranges()[i];
        let display = match i {
            0 => format!(" with [{from}, {to}] columns"),
            1 => format!("with [{from}, {to}] number and color ({})", sample(options.colors, color)),
            _ => format!("with [{from}, {to}] rows"),
        };
        let scale = if scale == Scale::Log { "log" } else { "linear" };
        lines.push(format!("# {name}: {value_name} (represents [{min}, {max}] {display} in {scale}scale)"));
    }
    lines.join("\n")
}
