//! A heat map on a terminal as pictures have it: time from left to right, addresses upwards, a panel for each contiguous
//! area under a line with its name, and two cells in each character where there are colours.
//!
//! Everything is counted in columns and lines first, so that header, map and legend fit the window: names are cut in the
//! middle, and what does not fit of the remarks below the map is counted instead.

use super::axis::{address, nanos};
use super::overlay::Overlay;
use super::terminal::{Depth, END, TerminalStyle};
use super::{Axis, Columns, Grid, HeatsReport};
use crate::colormap::Rgb;
use crate::events::{Event, EventKind};
use crate::picture::ticks;
use crate::text_width::{cut, padded, width};
use damo_frame::Record;
use damo_model::human::{Show, Style, format_size};
use damo_model::{Bytes, Nanos, Side, TimeSpan};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Columns left of the map: an address and the axis.
const GUTTER: usize = 11;
/// Columns that are left free at the right edge: some terminals begin a new line when the last one is written to.
const FREE: usize = 1;
/// A map is at least so wide and so high, however small the window is.
const LEAST_WIDTH: usize = 20;
const LEAST_LINES: usize = 6;
/// Lines around the panels: the title, the axis and its numbers.
const AROUND: usize = 3;
/// Lines of the scale and what else is explained, where there is not much.
const LEGEND: usize = 2;
/// Columns of the scale's colours.
const RAMP: usize = 16;
/// Lines for what a panel shows, at least, its name included.
const LEAST_PANEL: usize = 3;
/// Remarks below the map are spelled out one by one up to this many.
const MAX_MARKS: usize = 12;
/// Shades for maps without colours.
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];
/// Between two things on one line.
const BETWEEN: &str = " · ";

/// Signs of events, the most telling first.
const SIGNS: [char; 4] = ['+', '-', '~', '*'];
/// The sign of a mark.
const MARK: char = '▲';

fn sign_of(kind: EventKind) -> char {
    match kind {
        EventKind::Start => '+',
        EventKind::Exit => '-',
        EventKind::Mapped => '~',
        EventKind::Intervals => '*',
    }
}

/// The cells of a map that fits a window, and how many panels it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Cells in time.
    pub rows: usize,
    /// Cells in addresses.
    pub columns: Columns,
    /// The most panels that there is room for.
    pub most_panels: usize,
}

impl Fit {
    /// For `lines` lines of `columns` columns, of which `other` lines are taken by something else.
    pub fn new((columns, lines): (usize, usize), other: usize, depth: Depth) -> Self {
        let rows = columns.saturating_sub(GUTTER + FREE).max(LEAST_WIDTH);
        let lines = lines.saturating_sub(AROUND + LEGEND + other).max(LEAST_LINES);
        // A process has three areas that lie far apart. Where there is little room, a line for each is better than one panel
        // that is mostly the gap between two of them.
        let least_panel = if lines < 3 * LEAST_PANEL { 2 } else { LEAST_PANEL };
        let most_panels = (lines / least_panel).clamp(1, 12);
        // Each panel's name takes a line; the first one's is none between two panels.
        let columns =
            Columns::Lines { total: lines - 1, least: least_panel - 1, between: 1, each: cells_per_line(depth) };
        Self { rows, columns, most_panels }
    }

    /// The lines that remarks on these records take below a map.
    pub fn remarks(records: &[Record]) -> usize {
        let has = |wanted: fn(&Side) -> bool| {
            records.iter().any(|record| record.side_data().is_ok_and(|side_data| side_data.iter().any(wanted)))
        };
        let marks = usize::from(has(|side| matches!(side, Side::Mark(_))));
        // Processes that came or went, and mappings that changed.
        let lives = usize::from(has(|side| matches!(side, Side::Process(_))));
        let maps = usize::from(has(|side| matches!(side, Side::Mappings(_))));
        let schemes = records.iter().flat_map(Record::targets).any(|target| target.scheme.is_some());
        let damaged = records.iter().any(|record| !record.coverage().is_full());
        marks + lives + maps + usize::from(schemes) + usize::from(damaged)
    }
}

/// Cells above one another in a line.
fn cells_per_line(depth: Depth) -> usize {
    if depth == Depth::Plain { 1 } else { 2 }
}

/// What a half of a character shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Half {
    /// Nothing: the map ends here.
    Outside,
    /// No snapshot tells anything.
    NoData,
    /// A heat between 0 and 1.
    Heat(f64),
}

/// Colours as a terminal takes them.
struct Ink {
    depth: Depth,
    style: TerminalStyle,
    ramp: Vec<u8>,
}

impl Ink {
    fn new(style: TerminalStyle) -> Self {
        let ramp = if style.depth == Depth::Ansi256 { style.map.ansi256(style.theme.is_dark()) } else { Vec::new() };
        Self { depth: style.depth, style, ramp }
    }

    fn color(&self, half: Half) -> Option<Rgb> {
        match half {
            Half::Outside => None,
            Half::NoData => Some(self.style.theme.empty()),
            Half::Heat(part) => Some(self.style.map.color(self.style.theme.is_dark(), part)),
        }
    }

    /// The escape that makes a colour the ground (48) or the ink (38).
    fn code(&self, ground: u8, half: Half) -> Option<String> {
        let Rgb(r, g, b) = self.color(half)?;
        let step = |part: f64| (part.clamp(0.0, 1.0) * self.ramp.len().saturating_sub(1) as f64).round() as usize;
        Some(match (self.depth, half) {
            (Depth::True, _) => format!("\x1b[{ground};2;{r};{g};{b}m"),
            (_, Half::Heat(part)) => format!("\x1b[{ground};5;{}m", self.ramp.get(step(part)).copied().unwrap_or(16)),
            _ => format!("\x1b[{ground};5;{}m", Rgb(r, g, b).ansi256()),
        })
    }

    /// A character whose upper and lower halves have colours of their own, or a shade of the hotter one without colours.
    fn halves(&self, upper: Half, lower: Half) -> String {
        if self.depth == Depth::Plain {
            return shade(upper).to_string();
        }
        match (self.code(38, upper), self.code(48, lower)) {
            (Some(upper), Some(lower)) => format!("{upper}{lower}▀"),
            (Some(upper), None) => format!("{END}{upper}▀"),
            (None, Some(_)) => format!("{END}{}▄", self.code(38, lower).unwrap_or_default()),
            (None, None) => format!("{END} "),
        }
    }

    /// A character on a ground, in an ink that can be read there.
    fn on_ground(&self, glyph: char, half: Half) -> String {
        let (Some(color), Some(ground)) = (self.color(half), self.code(48, half)) else {
            return format!("{END}{glyph}");
        };
        match self.depth {
            Depth::Plain => glyph.to_string(),
            _ => format!("{ground}\x1b[38;5;{}m{glyph}", if color.lightness() > 0.6 { 16 } else { 255 }),
        }
    }

    fn end(&self) -> &'static str {
        if self.depth == Depth::Plain { "" } else { END }
    }
}

fn shade(half: Half) -> char {
    match half {
        Half::Outside | Half::NoData => ' ',
        Half::Heat(part) => SHADES[((part * SHADES.len() as f64) as usize).min(SHADES.len() - 1)],
    }
}

impl HeatsReport {
    /// Draws the map for a window as wide, and if it is given as high, as the style says.
    pub(super) fn write_blocks(&self, out: &mut dyn Write, style: &TerminalStyle) -> io::Result<()> {
        let whole = style.width.saturating_sub(FREE).max(GUTTER + LEAST_WIDTH);
        writeln!(out, "{}", self.title_line(whole))?;
        let Some(first) = self.panels.first() else {
            return writeln!(out, "no snapshot covers this range");
        };
        let ink = Ink::new(*style);
        let overlay = Overlay::new(self, &first.time);
        let mut used = 1 + 2;
        for (i, grid) in self.panels.iter().enumerate().rev() {
            writeln!(out, "{}", self.panel_line(grid, whole))?;
            self.write_panel(out, &ink, &overlay, (i, grid))?;
            used += 1 + grid.space.len().div_ceil(cells_per_line(style.depth));
        }
        self.write_time_axis(out, &first.time)?;
        // The prompt takes a line as well.
        let room = style.lines.map(|lines| lines.saturating_sub(used + 1).max(1));
        let lines = self.legend_lines(&ink, &overlay, whole);
        let shown = room.map_or(lines.len(), |room| if lines.len() > room { room } else { lines.len() });
        lines.iter().take(shown).try_for_each(|line| writeln!(out, "{line}"))
    }

    /// Whose map, how much memory, how long, and what times are counted from.
    fn title_line(&self, whole: usize) -> String {
        let bytes: i128 = self.panels.iter().map(|grid| grid.space.end() - grid.space.start()).sum();
        let size = format_size(Bytes(address(bytes)), Style::Human);
        let length = ticks::time_text(i128::from(self.time.end.0) - i128::from(self.time.start.0));
        let axis = self.time_axis_name();
        let subject = self.subject().shown().to_string();
        let figures = format!("{BETWEEN}{size} over {length}");
        let room = whole.saturating_sub(width(&axis) + width(&figures) + 2);
        if room < 12 {
            return cut(&format!("{subject}{figures}"), whole);
        }
        let left = format!("{}{figures}", cut(&subject, room));
        let gap = whole.saturating_sub(width(&left) + width(&axis));
        format!("{left}{}{axis}", " ".repeat(gap))
    }

    /// A panel's name, and where it is.
    fn panel_line(&self, grid: &Grid, whole: usize) -> String {
        let size = format_size(Bytes(address(grid.space.end() - grid.space.start())), Style::Human);
        let place = if self.by_temperature {
            format!("{size}, hottest above")
        } else {
            format!("{:#x} + {size}", grid.space.start())
        };
        let name = self.panel_name(grid).shown().to_string();
        let (place, room) = match whole.saturating_sub(width(&place) + 4) {
            room if room >= width(&name).min(12) => (place, room),
            _ => (String::new(), whole.saturating_sub(2)),
        };
        let name = cut(&name, room);
        let rule = whole.saturating_sub(width(&name) + width(&place) + 2);
        format!("{name} {} {place}", "─".repeat(rule)).trim_end().to_owned()
    }

    fn write_panel(
        &self,
        out: &mut dyn Write,
        ink: &Ink,
        overlay: &Overlay<'_>,
        (panel, grid): (usize, &Grid),
    ) -> io::Result<()> {
        let (height, top) = (grid.space.len(), self.top());
        let each = cells_per_line(ink.depth);
        let lines = height.div_ceil(each);
        let labels = address_labels(&grid.space, lines);
        let half = |row: usize, column: Option<usize>| match column {
            None => Half::Outside,
            Some(column) => match grid.covered_heat_at(row, column) {
                heat if heat.is_nan() => Half::NoData,
                heat => Half::Heat(if top > 0.0 { (heat / top).clamp(0.0, 1.0) } else { 0.0 }),
            },
        };
        for line in 0..lines {
            // Cells below one another in this line, the upper one first.
            let upper = height.checked_sub(1 + line * each);
            let lower = (each == 2).then(|| height.checked_sub(2 + line * each)).flatten();
            let label = labels.get(line).map(String::as_str).unwrap_or_default();
            write!(out, "{}{}", right(label, GUTTER - 1), if label.is_empty() { '│' } else { '┤' })?;
            for row in 0..grid.time.len() {
                let (a, b) = (half(row, upper), half(row, lower));
                let cells = [upper, lower].into_iter().flatten().map(|column| (row, column));
                let known = matches!(a, Half::Heat(_)) || matches!(b, Half::Heat(_));
                match overlay.glyph((panel, grid), cells, (row, line), known) {
                    Some(glyph) => write!(out, "{}", ink.on_ground(glyph, hotter(a, b)))?,
                    None => write!(out, "{}", ink.halves(a, b))?,
                }
            }
            writeln!(out, "{}", ink.end())?;
        }
        Ok(())
    }

    /// Ticks, the signs of what happened, and the times below them.
    fn write_time_axis(&self, out: &mut dyn Write, time: &Axis) -> io::Result<()> {
        let columns = time.len();
        let mut axis: Vec<char> = vec!['─'; columns];
        let mut texts = vec![' '; columns + FREE];
        let (start, end) = (self.since(time.start()), self.since(time.end()));
        let at = |since: i128| ((since - start) as f64 / (end - start).max(1) as f64 * columns as f64) as usize;
        for (since, text) in ticks::times(start, end, columns as f64, &|text| width(text) as f64 + 3.0) {
            let column = at(since);
            // Texts begin at their tick; the last one ends with the map.
            let from = column.min(columns.saturating_sub(width(&text)));
            if let Some(tick) = axis.get_mut(column) {
                *tick = '┬';
            }
            let free = texts.iter().take(from + width(&text)).skip(from.saturating_sub(1)).all(|c| *c == ' ');
            if free && from <= column {
                text.chars().zip(texts.iter_mut().skip(from)).for_each(|(c, place)| *place = c);
            }
        }
        for (column, place) in axis.iter_mut().enumerate() {
            let within = TimeSpan::new(nanos(time.bound(column)), nanos(time.bound(column + 1)));
            *place = self.sign(within).unwrap_or(*place);
        }
        writeln!(out, "{}└{}", " ".repeat(GUTTER - 1), axis.iter().collect::<String>())?;
        let texts: String = texts.iter().collect();
        writeln!(out, "{}{}", " ".repeat(GUTTER), texts.trim_end())
    }

    /// The sign of the most telling thing that happened within some time.
    fn sign(&self, time: TimeSpan) -> Option<char> {
        if self.marks.iter().any(|(at, _)| time.contains(*at)) {
            return Some(MARK);
        }
        let signs = self.events.iter().filter(|event| time.contains(event.at)).map(|event| sign_of(event.kind));
        signs.min_by_key(|sign| SIGNS.iter().position(|known| known == sign))
    }

    /// What colours and signs mean, and what is missing.
    fn legend_lines(&self, ink: &Ink, overlay: &Overlay<'_>, whole: usize) -> Vec<String> {
        let mut parts: Vec<(String, usize)> = Vec::new();
        if ink.style.legend {
            parts.push(self.scale_text(ink));
        }
        if let Some(text) = self.clipped() {
            parts.push(plain(text));
        }
        let unknown = |grid: &Grid| grid.cover.iter().any(|cover| *cover <= 0.0);
        if ink.style.legend && self.panels.iter().any(unknown) {
            parts.push(match ink.depth {
                Depth::Plain => plain("blank: no data".to_owned()),
                _ => (format!("{}{END} no data", ink.halves(Half::NoData, Half::NoData)), 1 + " no data".len()),
            });
        }
        parts.extend(overlay.legend(self).into_iter().map(|text| plain(text.shown().to_string())));
        let mut lines = wrapped(parts, whole);
        lines.extend(self.coverage_text().map(|text| cut(&text, whole)));
        lines.extend(self.mark_lines(whole));
        lines
    }

    /// The scale with its values, and the columns that it takes.
    fn scale_text(&self, ink: &Ink) -> (String, usize) {
        let top = self.top();
        if top <= 0.0 {
            return plain("no access seen".to_owned());
        }
        let parts = if ink.depth == Depth::Plain { SHADES.len() } else { RAMP };
        let mut colors = String::new();
        for i in 0..parts {
            let half = Half::Heat(i as f64 / (parts - 1) as f64);
            let _ = write!(colors, "{}", ink.halves(half, half));
        }
        let low = self.unit.text(0.0);
        let mut high = self.unit.text(top);
        if let Some(possible) = self.possible.filter(|possible| *possible > 0.0) {
            let share = ticks::number_text((top / possible * 1000.0).round() / 10.0);
            let _ = write!(high, ", {share} % of the {} possible", self.unit.text(possible));
        }
        let columns = width(&low) + width(&high) + parts + 2;
        (format!("{low} {colors}{} {high}", ink.end()), columns)
    }

    /// What the signs on the axis stand for, a line for each kind.
    fn mark_lines(&self, whole: usize) -> Vec<String> {
        let since = |at: Nanos| ticks::time_text(self.since(at.0.into()));
        let marks = self.marks.iter().map(|(at, text)| format!("{} {}", since(*at), text.shown())).collect();
        let mut lines: Vec<String> = sign_line(MARK, marks, whole).into_iter().collect();
        for sign in SIGNS {
            let of = |event: &&Event| sign_of(event.kind) == sign;
            let texts =
                self.events.iter().filter(of).map(|event| format!("{} {}", since(event.at), event.text.shown()));
            lines.extend(sign_line(sign, texts.collect(), whole));
        }
        lines
    }
}

fn plain(text: String) -> (String, usize) {
    let columns = width(&text);
    (text, columns)
}

/// Parts of known widths one after the other, on as many lines as they need.
fn wrapped(parts: Vec<(String, usize)>, whole: usize) -> Vec<String> {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for (text, columns) in parts {
        match lines.last_mut() {
            Some((line, used)) if *used + width(BETWEEN) + columns <= whole => {
                line.push_str(BETWEEN);
                line.push_str(&text);
                *used += width(BETWEEN) + columns;
            }
            // Coloured texts are short enough.
            _ if columns > whole => lines.push((cut(&text, whole), whole)),
            _ => lines.push((text, columns)),
        }
    }
    lines.into_iter().map(|(line, _)| line).collect()
}

/// A sign and what it stands for, on one line: as many as fit, and how many more there are. `None` without texts.
fn sign_line(sign: char, texts: Vec<String>, whole: usize) -> Option<String> {
    let mut line = String::from(sign);
    let count = texts.len();
    for (i, text) in texts.iter().enumerate() {
        let left = count - i;
        let between = if i == 0 { " " } else { BETWEEN };
        let more = format!("{BETWEEN}and {left} more");
        let rest = if left > 1 { width(&more) } else { 0 };
        let room = whole.saturating_sub(width(&line) + width(between) + rest);
        if i > 0 && (i >= MAX_MARKS || room < width(text)) {
            line.push_str(&more);
            break;
        }
        line.push_str(between);
        line.push_str(&cut(text, room));
    }
    (count > 0).then_some(line)
}

/// The one to be seen of two halves.
fn hotter(a: Half, b: Half) -> Half {
    match (a, b) {
        (Half::Heat(a), Half::Heat(b)) => Half::Heat(a.max(b)),
        (Half::Heat(_), _) => a,
        (_, Half::Heat(_)) => b,
        (Half::NoData, _) => a,
        _ => b,
    }
}

/// The text, to the right within some columns.
fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    padded("", columns.saturating_sub(width(&text))) + &text
}

/// Offsets into a panel for each line, from above; empty where no round one is.
fn address_labels(space: &Axis, lines: usize) -> Vec<String> {
    let length = space.end() - space.start();
    let mut labels = vec![String::new(); lines];
    let step = ticks::byte_step(length, (lines / 3).max(1));
    for offset in ticks::multiples(length, step) {
        let from_below = (offset as f64 / length.max(1) as f64 * lines as f64) as usize;
        let text = if offset == 0 { "+0".to_owned() } else { format!("+{}", ticks::byte_tick(offset)) };
        if let Some(label) = lines.checked_sub(1 + from_below).and_then(|line| labels.get_mut(line)) {
            *label = text;
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Theme;

    #[test]
    fn what_is_outside_has_no_colour_and_no_data_has_one_of_its_own() {
        let ink = Ink::new(TerminalStyle { depth: Depth::True, theme: Theme::Dark, ..TerminalStyle::default() });
        assert_eq!(ink.halves(Half::Outside, Half::Outside), "\x1b[0m ");
        let Rgb(r, g, b) = Theme::Dark.empty();
        assert_eq!(ink.halves(Half::NoData, Half::Outside), format!("\x1b[0m\x1b[38;2;{r};{g};{b}m▀"));
        assert_ne!(ink.color(Half::NoData), ink.color(Half::Heat(0.0)));
    }

    #[test]
    fn remarks_that_do_not_fit_are_counted() {
        let texts: Vec<String> = (0..20).map(|i| format!("{i} s load")).collect();
        let line = sign_line(MARK, texts, 40).expect("there are some");
        assert_eq!(line, "▲ 0 s load · 1 s load · and 18 more");
        assert_eq!(sign_line(MARK, Vec::new(), 40), None);
        let long = sign_line('+', vec!["x".repeat(100)], 30).expect("there is one");
        assert_eq!(width(&long), 30);
    }
}
