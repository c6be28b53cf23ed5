//! A snapshot's heat map in one line: characters for equal pieces of the address space, with what nobody maps cut out.
//!
//! The arithmetic is the Python tool's, in doubles and in its order, because the digits are compared byte for byte: each
//! character's heat is the size-weighted mean of its regions' temperatures.

use super::palette::{digit, paint};
use super::snapshot::{Region, Snapshot};
use crate::heats::ColorSet;
use crate::temperature::Weights;
use damo_model::human::{Number, Style, format_nr, format_size_f64};

/// What is drawn.
pub(super) struct Heatmap {
    pub width: usize,
    pub colors: ColorSet,
    /// Gaps to scale.
    pub to_scale: bool,
    pub weights: Weights,
    pub numbers: Style,
    pub color: bool,
    /// Only regions of which something passed the scheme's filters.
    pub passed_only: bool,
}

enum Pixel {
    Heat(f64),
    /// So many characters of nothing.
    Void(f64),
}

impl Heatmap {
    /// The map and a line that explains its digits.
    pub(super) fn draw(&self, snapshot: &Snapshot) -> String {
        let wanted = |region: &&Region| !self.passed_only || region.passed.unwrap_or(0) > 0;
        let regions: Vec<&Region> = snapshot.regions.iter().filter(wanted).collect();
        let (Some(first), Some(last)) = (regions.first(), regions.last()) else {
            return "n/a (no region)".to_owned();
        };
        let span = if self.to_scale {
            last.end.saturating_sub(first.start)
        } else {
            regions.iter().fold(0u64, |sum, region| sum.saturating_add(region.size()))
        };
        let unit = span as f64 / self.width.max(1) as f64;
        if unit <= 0.0 {
            return "n/a (no region)".to_owned();
        }
        let pixels = self.pixels(snapshot, &regions, unit);
        let heats = || {
            pixels.iter().filter_map(|pixel| match pixel {
                Pixel::Heat(heat) => Some(*heat),
                Pixel::Void(_) => None,
            })
        };
        let min = heats().fold(f64::INFINITY, f64::min);
        let max = heats().fold(f64::NEG_INFINITY, f64::max);
        let step = match (max - min) / 9.0 {
            step if step != 0.0 => step,
            _ if max != 0.0 => max / 9.0,
            _ => 1.0,
        };
        let mut text = String::new();
        for pixel in &pixels {
            match pixel {
                Pixel::Heat(heat) => {
                    let level = ((heat - min) / step).clamp(0.0, 9.0) as usize;
                    paint(&mut text, self.colors, level, digit(level), self.color);
                }
                Pixel::Void(count) if !self.to_scale && *count > 4.0 => text.push_str("[...]"),
                Pixel::Void(count) => (0..*count as usize).for_each(|_| text.push('.')),
            }
        }
        let nr = |value: f64| format_nr(Number::Float(value).trunc(), self.numbers);
        let unit = format_size_f64(unit, self.numbers);
        text.push_str(&format!("\n# min/max temperatures: {}, {}, column size: {unit}", nr(min), nr(max)));
        text
    }

    fn pixels(&self, snapshot: &Snapshot, regions: &[&Region], unit: f64) -> Vec<Pixel> {
        let mut pixels = Vec::new();
        let (Some(first), Some(last)) = (regions.first(), regions.last()) else {
            return pixels;
        };
        let temperature = |region: &Region, size: f64| {
            self.weights.temperature_f64(size, region.nr_accesses, region.age, snapshot.intervals)
        };
        let mut x = first.start as f64;
        // Regions before this one end before `x`.
        let mut from = 0;
        // A map to scale may have a character more than its width for a rest, one that is not has one for each gap.
        let most = self.width.saturating_add(regions.len().saturating_mul(2)).saturating_add(2);
        while x < last.end as f64 && pixels.len() < most {
            let end = x + unit;
            while regions.get(from).is_some_and(|region| region.end as f64 <= x) {
                from += 1;
            }
            let mut heat = 0.0;
            let mut touched = false;
            for region in regions.iter().skip(from).take_while(|region| (region.start as f64) < end) {
                let size = (region.end as f64).min(end) - (region.start as f64).max(x);
                if size > 0.0 {
                    heat += temperature(region, size) * size;
                    touched = true;
                }
            }
            if touched {
                pixels.push(Pixel::Heat(heat / (end - x)));
                x = end;
                continue;
            }
            let Some(next) = regions.iter().skip(from).find(|region| region.start as f64 > end) else {
                break;
            };
            let to = (next.start as f64 / unit).floor() * unit;
            pixels.push(Pixel::Void((to - x) / unit));
            // Rounding may lead back to where it is: then on by one character.
            x = if to > x { to } else { end };
        }
        pixels
    }
}
