//! A heat map as characters.
//!
//! Two layouts. [`Glyphs::Digits`] is the Python tool's: each range by itself, a digit from 0 to 9 per cell, addresses
//! from left to right, times from top to bottom. [`Glyphs::HalfBlocks`] puts all ranges side by side under their names
//! with times along the left edge, two cells in each character. What the colours cannot say is said by the characters:
//! [`Overlay`] has those.

use super::overlay::Overlay;
use super::{Axis, Grid, HeatsReport, Unit};
use crate::colormap::{ColorMap, Rgb};
use crate::events::{Event, EventKind};
use damo_model::human::{Show, Style, format_hz, format_size, format_size_accurate, format_time, time_text};
use damo_model::{Bytes, Hz, Nanos};
use std::io::{self, Write};

/// The Python tool's sets of terminal colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorSet {
    /// Grey digits, brighter is more.
    #[default]
    Gray,
    /// Backgrounds from black over red and yellow to blue, hottest last.
    Flame,
    /// Backgrounds from black over blue and green to red, hottest last.
    Emotion,
}

impl ColorSet {
    /// The set of a name.
    pub fn named(name: &str) -> Option<ColorSet> {
        match name {
            "gray" => Some(ColorSet::Gray),
            "flame" => Some(ColorSet::Flame),
            "emotion" => Some(ColorSet::Emotion),
            _ => None,
        }
    }

    /// Background and foreground of a level, as numbers of the terminal's 256 colours.
    pub(crate) fn codes(self, level: usize) -> (u8, u8) {
        const FLAME: [u8; 10] = [232, 1, 1, 2, 3, 3, 20, 21, 26, 27];
        const EMOTION: [u8; 10] = [232, 234, 20, 21, 26, 2, 3, 1, 1, 1];
        const GRAYS: [u8; 10] = [237, 239, 241, 243, 245, 247, 249, 251, 253, 255];
        const INKS: [u8; 10] = [239, 235, 237, 239, 243, 245, 247, 249, 251, 255];
        let level = level.min(9);
        match self {
            ColorSet::Gray => (232, GRAYS[level]),
            ColorSet::Flame => (FLAME[level], INKS[level]),
            ColorSet::Emotion => (EMOTION[level], INKS[level]),
        }
    }
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// No colours: not a terminal, or NO_COLOR is set.
    Plain,
    /// 256 colours.
    #[default]
    Ansi256,
    /// 24 bits (COLORTERM=truecolor).
    True,
}

/// What cells are drawn with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// A digit per cell.
    #[default]
    Digits,
    /// Half blocks: two cells per character. Without colours, shades of one cell per character.
    HalfBlocks,
}

/// How to draw on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalStyle {
    /// What cells are drawn with.
    pub glyphs: Glyphs,
    /// What the terminal can show.
    pub depth: Depth,
    /// Colours of digits.
    pub colors: ColorSet,
    /// Colours of half blocks.
    pub map: ColorMap,
    /// Whether to explain the digits.
    pub legend: bool,
}

impl Default for TerminalStyle {
    /// As the Python tool.
    fn default() -> Self {
        Self {
            glyphs: Glyphs::Digits,
            depth: Depth::Ansi256,
            colors: ColorSet::Gray,
            map: ColorMap::Inferno,
            legend: true,
        }
    }
}

const END: &str = "\x1b[0m";
/// Columns that times take at the left edge of half-block maps.
pub const TIME_COLUMNS: usize = 12;
/// Texts below a map are at least so wide.
const LEAST_TEXT: usize = 48;
/// Marks that are spelled out below a map.
const MAX_MARKS: usize = 12;
/// Shades for maps without colours.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];

impl HeatsReport {
    /// Draws the map.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write_terminal(&self, out: &mut dyn Write, style: &TerminalStyle) -> io::Result<()> {
        match style.glyphs {
            Glyphs::Digits => self.panels.iter().try_for_each(|grid| self.write_digits(out, grid, style)),
            Glyphs::HalfBlocks => self.write_blocks(out, style),
        }?;
        self.write_coverage(out)
    }

    /// Says so if something is missing.
    fn write_coverage(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.coverage.is_full() {
            return Ok(());
        }
        let cover = &self.coverage;
        writeln!(
            out,
            "# coverage: {:.1} % of {} snapshots complete, {} events lost{}",
            cover.ratio() * 100.0,
            cover.snapshots,
            cover.lost_events,
            if cover.damaged > 0 { ", parts of the file unreadable" } else { "" },
        )
    }

    fn heat_text(&self, heat: f64) -> String {
        match self.unit {
            Unit::Hz => format_hz(Hz(heat), Style::Human),
            Unit::Samples => format!("{heat:.3} samples"),
        }
    }

    fn write_digits(&self, out: &mut dyn Write, grid: &Grid, style: &TerminalStyle) -> io::Result<()> {
        let colored = style.depth != Depth::Plain;
        let cell = |out: &mut dyn Write, level: usize, glyph: char| {
            if colored {
                let (back, ink) = style.colors.codes(level);
                write!(out, "\x1b[48;5;{back}m\x1b[38;5;{ink}m")?;
            }
            write!(out, "{glyph}")
        };
        let end = if colored { END } else { "" };
        if let Some((low, high)) = grid.range() {
            for row in 0..grid.time.len() {
                for column in 0..grid.space.len() {
                    let heat = grid.heat_at(row, column);
                    if heat.is_nan() {
                        cell(out, 4, ' ')?;
                    } else {
                        let level = level(heat, low, high);
                        cell(out, level, char::from(b'0' + level as u8))?;
                    }
                }
                writeln!(out, "{end}")?;
            }
            if style.legend {
                write!(out, "# access_frequency: ")?;
                (0..10).try_for_each(|level| cell(out, level, char::from(b'0' + level as u8)))?;
                writeln!(out, "{end} ({low:.3}-{high:.3} {})", self.unit.name())?;
            }
        } else {
            writeln!(out, "# no snapshot covers this range")?;
        }
        let sizes = |bytes: i128| Bytes(u64::try_from(bytes).unwrap_or(0));
        let accurate = |bytes: i128| format_size_accurate(sizes(bytes), Style::Human);
        let (space, time) = (&grid.space, &grid.time);
        writeln!(
            out,
            "# x-axis: space [{}, {}) ({})",
            accurate(space.start()),
            accurate(space.end()),
            format_size(sizes(space.end() - space.start()), Style::Human)
        )?;
        writeln!(
            out,
            "# y-axis: time [{}, {}) ({})",
            format_time(nanos(time.start()), Style::Human),
            format_time(nanos(time.end()), Style::Human),
            format_time(nanos(time.end() - time.start()), Style::Human)
        )?;
        writeln!(
            out,
            "# resolution: {}x{} ({} and {} for each character)",
            space.len(),
            time.len(),
            format_size(sizes(space.size(0)), Style::Human),
            format_time(nanos(time.size(0)), Style::Human)
        )
    }

    fn write_blocks(&self, out: &mut dyn Write, style: &TerminalStyle) -> io::Result<()> {
        let Some(first) = self.panels.first() else {
            return writeln!(out, "# no snapshot covers this range");
        };
        let high = self.range().map_or(0.0, |(_, high)| high);
        self.write_names(out)?;
        let time = &first.time;
        let lines = if style.depth == Depth::Plain { time.len() } else { time.len().div_ceil(2) };
        let rows_per_line = if style.depth == Depth::Plain { 1 } else { 2 };
        let every = (lines / 8).max(1);
        let overlay = Overlay::new(self, time, rows_per_line);
        for line in 0..lines {
            let row = line * rows_per_line;
            let label = if line % every == 0 { self.time_label(time, row) } else { String::new() };
            let bounds = (nanos(time.bound(row)), nanos(time.bound(row + rows_per_line)));
            let sign = self.sign(bounds);
            write!(out, "{label:>width$}{sign}", width = TIME_COLUMNS - 1)?;
            for (i, grid) in self.panels.iter().enumerate() {
                if i > 0 {
                    write!(out, " ")?;
                }
                for column in 0..grid.space.len() {
                    let upper = scaled(grid.covered_heat_at(row, column), high);
                    let below = rows_per_line > 1 && row + 1 < grid.time.len();
                    let lower = if below { scaled(grid.covered_heat_at(row + 1, column), high) } else { None };
                    let glyph = overlay.glyph(grid, (i, line, column), upper.is_some() || lower.is_some());
                    match (glyph, style.depth) {
                        (Some(glyph), Depth::Plain) => write!(out, "{glyph}")?,
                        (None, Depth::Plain) => write!(out, "{}", shade(upper))?,
                        (Some(glyph), depth) => {
                            let heat = [upper, lower].into_iter().flatten().reduce(f64::max);
                            write!(out, "{}", on_ground(glyph, heat, style.map, depth))?;
                        }
                        (None, depth) => write!(out, "{}", half_blocks(upper, lower, style.map, depth))?,
                    }
                }
                if style.depth != Depth::Plain {
                    write!(out, "{END}")?;
                }
            }
            writeln!(out)?;
        }
        self.write_scale(out, style, high)?;
        overlay.write_legend(self, out)?;
        let sizes: Vec<String> = self.panels.iter().map(|grid| span_text(&grid.space)).collect();
        let width = self.panels.iter().map(|grid| grid.space.len() + 1).sum::<usize>().max(LEAST_TEXT);
        write_wrapped(out, ' ', &sizes, width)?;
        self.write_marks(out, width)
    }

    /// The sign at the left edge of a line: of the most telling thing that happened then.
    fn sign(&self, bounds: (Nanos, Nanos)) -> char {
        let within = |at: Nanos| bounds.0 <= at && at < bounds.1;
        if self.marks.iter().any(|(at, _)| within(*at)) {
            return '▸';
        }
        let signs = self.events.iter().filter(|event| within(event.at)).map(|event| sign_of(event.kind));
        signs.min_by_key(|sign| SIGNS.iter().position(|known| known == sign)).unwrap_or(' ')
    }

    /// What the signs at the left edge stand for, a line for each kind.
    fn write_marks(&self, out: &mut dyn Write, width: usize) -> io::Result<()> {
        let since = |at: Nanos| time_text(self.zero.since(at));
        let marks: Vec<String> = self.marks.iter().map(|(at, text)| format!("{} {text}", since(*at))).collect();
        write_signs(out, '▸', marks, width)?;
        for sign in SIGNS {
            let of = |event: &&Event| sign_of(event.kind) == sign;
            let texts = self.events.iter().filter(of).map(|event| format!("{} {}", since(event.at), event.text));
            write_signs(out, sign, texts.collect(), width)?;
        }
        Ok(())
    }

    /// Names above the panels, as far as they fit.
    fn write_names(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{:TIME_COLUMNS$}", "")?;
        for (i, grid) in self.panels.iter().enumerate() {
            let width = grid.space.len();
            let name: String = self.panel_name(grid).shown().to_string().chars().take(width).collect();
            write!(out, "{}{name:width$}", if i > 0 { " " } else { "" })?;
        }
        writeln!(out)
    }

    /// The colours and what they mean.
    fn write_scale(&self, out: &mut dyn Write, style: &TerminalStyle, high: f64) -> io::Result<()> {
        write!(out, "{:TIME_COLUMNS$}", "")?;
        if style.legend {
            for i in 0..20 {
                let part = f64::from(i) / 19.0;
                match style.depth {
                    Depth::Plain if i % 4 == 0 => write!(out, "{}", shade(Some(part)))?,
                    Depth::Plain => {}
                    depth => write!(out, "{}", half_blocks(Some(part), Some(part), style.map, depth))?,
                }
            }
            if style.depth != Depth::Plain {
                write!(out, "{END}")?;
            }
            if high <= 0.0 {
                return writeln!(out, " no access seen");
            }
            write!(out, " 0 … {}", self.heat_text(high))?;
            if let Some(possible) = self.possible.filter(|possible| *possible > 0.0) {
                let most = format_hz(Hz(possible), Style::Human);
                write!(out, " ({:.1} % of the {most} possible)", high / possible * 100.0)?;
            }
        }
        writeln!(out)
    }

    fn time_label(&self, time: &Axis, row: usize) -> String {
        time_text(nanos(self.zero.since_wide(time.bound(row))))
    }

    /// What a panel is called: the mapping in it, or else where it is.
    pub fn panel_name(&self, grid: &Grid) -> String {
        use damo_model::{Addr, AddrRange};
        let addr = |at: i128| Addr(u64::try_from(at).unwrap_or(u64::MAX));
        let range = AddrRange::new(addr(grid.space.start()), addr(grid.space.end()));
        self.names.title(range).unwrap_or_else(|| format!("{:#x}", range.start.0))
    }
}

/// Signs of events, the most telling first.
const SIGNS: [char; 4] = ['+', '-', '~', '*'];

fn sign_of(kind: EventKind) -> char {
    match kind {
        EventKind::Start => '+',
        EventKind::Exit => '-',
        EventKind::Mapped => '~',
        EventKind::Intervals => '*',
    }
}

/// Lines that spell out what a sign stands for; nothing without texts.
fn write_signs(out: &mut dyn Write, sign: char, mut texts: Vec<String>, width: usize) -> io::Result<()> {
    let more = texts.len().saturating_sub(MAX_MARKS);
    texts.truncate(MAX_MARKS);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    write_wrapped(out, sign, &texts, width)
}

/// Texts one after the other, on as many lines as they need, the first behind a sign.
fn write_wrapped(out: &mut dyn Write, sign: char, texts: &[String], width: usize) -> io::Result<()> {
    let mut line = String::new();
    let mut lead = format!("{sign} ");
    for text in texts {
        let text = text.shown().to_string();
        let full = line.chars().count() + text.chars().count() + 3 > width;
        if full && !line.is_empty() {
            writeln!(out, "{lead:>TIME_COLUMNS$}{line}")?;
            line.clear();
            lead.clear();
        }
        if !line.is_empty() {
            line.push_str(" · ");
        }
        line.push_str(&text);
    }
    if line.is_empty() { Ok(()) } else { writeln!(out, "{lead:>TIME_COLUMNS$}{line}") }
}

fn nanos(value: i128) -> Nanos {
    Nanos(i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX }))
}

fn span_text(space: &Axis) -> String {
    let size = u64::try_from(space.end() - space.start()).unwrap_or(0);
    format!("{:#x}+{}", space.start(), format_size(Bytes(size), Style::Human))
}

/// Ten levels of equal width between the lowest and the highest heat. (The Python tool's widths are a ninth of one hertz
/// more than the range, so that its level 9 cannot occur.)
fn level(heat: f64, low: f64, high: f64) -> usize {
    if high <= low {
        return if high > 0.0 { 9 } else { 0 };
    }
    (((heat - low) / (high - low) * 10.0) as usize).min(9)
}

/// Position of a heat between 0 and the highest; `None` where it is not known.
fn scaled(heat: f64, high: f64) -> Option<f64> {
    if heat.is_nan() {
        return None;
    }
    Some(if high > 0.0 { (heat / high).clamp(0.0, 1.0) } else { 0.0 })
}

/// A character on the ground of a heat, in ink that can be read there; no ground where nothing is known.
fn on_ground(glyph: char, heat: Option<f64>, map: ColorMap, depth: Depth) -> String {
    let Some(heat) = heat else { return format!("{END}{glyph}") };
    let Rgb(r, g, b) = map.on_dark(heat);
    let bright = u32::from(r) * 2 + u32::from(g) * 5 + u32::from(b) > 8 * 128;
    let ground = match depth {
        Depth::True => format!("\x1b[48;2;{r};{g};{b}m"),
        _ => format!("\x1b[48;5;{}m", Rgb(r, g, b).ansi256()),
    };
    format!("{ground}\x1b[38;5;{}m{glyph}", if bright { 16 } else { 252 })
}

fn shade(part: Option<f64>) -> char {
    match part {
        None => ' ',
        Some(part) => SHADES[((part * SHADES.len() as f64) as usize).min(SHADES.len() - 1)],
    }
}

/// A character whose upper and lower halves have colours of their own; no colour where nothing is known.
fn half_blocks(upper: Option<f64>, lower: Option<f64>, map: ColorMap, depth: Depth) -> String {
    let code = |ground: u8, part: f64| {
        let Rgb(r, g, b) = map.on_dark(part);
        match depth {
            Depth::True => format!("\x1b[{ground};2;{r};{g};{b}m"),
            _ => format!("\x1b[{ground};5;{}m", Rgb(r, g, b).ansi256()),
        }
    };
    match (upper, lower) {
        (Some(upper), Some(lower)) => format!("{}{}▀", code(38, upper), code(48, lower)),
        (Some(upper), None) => format!("{END}{}▀", code(38, upper)),
        (None, Some(lower)) => format!("{END}{}▄", code(38, lower)),
        (None, None) => format!("{END} "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_reach_from_0_to_9() {
        assert_eq!(level(5.0, 5.0, 15.0), 0);
        assert_eq!(level(15.0, 5.0, 15.0), 9);
        assert_eq!(level(10.0, 5.0, 15.0), 5);
        assert_eq!(level(0.0, 0.0, 0.0), 0);
        assert_eq!(level(7.0, 7.0, 7.0), 9);
    }

    #[test]
    fn unknown_halves_have_no_colour() {
        assert_eq!(half_blocks(None, None, ColorMap::Inferno, Depth::True), "\x1b[0m ");
        assert!(half_blocks(None, Some(1.0), ColorMap::Gray, Depth::Ansi256).ends_with("\x1b[38;5;231m▄"));
    }
}
