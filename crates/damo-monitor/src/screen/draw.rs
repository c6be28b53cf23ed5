//! The panels: where they are and what they show.

use super::map::{Columns, names, rows as map_rows, segments};
use super::style::ScreenStyle;
use super::table::{List, node_readings};
use super::view::View;
use crate::plain::{cost_text, percent, scheme_text, size};
use crate::reading::IDLE_PERCENTILES;
use crate::state::State;
use damo_model::human::time_text;
use damo_model::{AddrRange, Bytes, Nanos, TargetKey, TimeSpan};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// The smallest terminal on which all panels have room.
pub(crate) const SMALLEST: (u16, u16) = (60, 16);
/// Columns left of the map, for names.
const NAMES: u16 = 15;

/// Keys, and what each does, as `?` shows them.
const KEYS: [(&str, &str); 18] = [
    ("q, Ctrl-C", "end, and the recording with it"),
    ("?", "this help; any key leaves it"),
    ("Tab, 1-5", "processes, mappings, regions, schemes, NUMA nodes"),
    ("Up, Down, PgUp, PgDn", "choose a row"),
    ("Enter", "into a process, a mapping or a region: the map shows it alone"),
    ("Esc, Backspace", "back: from the filter, the mapping, the process"),
    ("<, >", "sort by the column before or after"),
    ("r", "sort the other way round"),
    ("/", "show only rows with a text; empty shows all"),
    ("Space", "stop at this moment, or go on with the latest one"),
    ("Left, Right", "back and forth in time, while recording goes on"),
    ("Home, End", "to the oldest moment that is kept, to the latest one"),
    ("+, -", "show less or more time"),
    ("m", "set a mark at the moment that is shown"),
    ("s", "save what is shown: NAME.png, .svg, .html, or .damo"),
    ("", ""),
    ("HOT", "accessed in at least half of the samples"),
    ("COLD", "not accessed for 5 s or longer; WSET: accessed at all"),
];

/// What is known of the stream beside its state.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) name: String,
    /// How it ended, if it has.
    pub(crate) end: Option<String>,
}

/// Draws the whole screen, or on one that is too small the sentence that says so.
pub(crate) fn draw(buffer: &mut Buffer, view: &mut View, state: &State, about: &About, style: &ScreenStyle) {
    let area = buffer.area;
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (width, height) = SMALLEST;
        let text = [
            format!("This terminal has {}x{};", area.width, area.height),
            format!("{width}x{height} are needed. q ends."),
        ];
        for (line, text) in (0..area.height).zip(text) {
            put(buffer, area.x, area.y + line, area.width, &text, Style::new());
        }
        return;
    }
    let curve = if area.height >= 36 { 2 } else { 1 };
    let left = area.height - 6 - 2 * curve;
    let map = left / 2;
    let line = |y: u16, height: u16| Rect::new(area.x, area.y + y, area.width, height);
    let mut drawing = Drawing { buffer, state, style, about };
    drawing.header(line(0, 1), view);
    if view.help {
        drawing.help(line(1, area.height - 2));
    } else {
        drawing.map_and_curves(line(1, map + 1 + 2 * curve), curve, view);
        drawing.idle(line(2 + map + 2 * curve, 1), view);
        drawing.list(line(3 + map + 2 * curve, left - map + 1), view);
    }
    drawing.status(line(area.height - 2, 1), view);
    drawing.footer(line(area.height - 1, 1), view);
}

fn put(buffer: &mut Buffer, x: u16, y: u16, width: u16, text: &str, style: Style) {
    buffer.set_stringn(x, y, text, usize::from(width), style);
}

struct Drawing<'a> {
    buffer: &'a mut Buffer,
    state: &'a State,
    style: &'a ScreenStyle,
    about: &'a About,
}

impl Drawing<'_> {
    fn put(&mut self, area: Rect, text: &str, style: Style) {
        put(self.buffer, area.x, area.y, area.width, text, style);
    }

    /// Seconds since the stream began.
    fn since(&self, at: Nanos) -> String {
        self.rounded(at.saturating_sub(self.state.begin().unwrap_or(at)))
    }

    /// A time with as much precision as there is room for.
    fn rounded(&self, time: Nanos) -> String {
        match time.0.abs() {
            0..60_000_000_000 => format!("{:.1} s", time.as_secs_f64()),
            _ => time_text(Nanos(time.0 / 1_000_000_000 * 1_000_000_000)),
        }
    }

    fn header(&mut self, area: Rect, view: &View) {
        self.buffer.set_style(area, self.style.title());
        let at = view.time(self.state);
        let when = match (view.at, &self.about.end) {
            (None, Some(_)) => "ended".to_owned(),
            (None, None) => "live".to_owned(),
            (Some(at), _) => {
                format!("{} back", time_text(Nanos(self.state.now().saturating_sub(at).0 / 100_000_000 * 100_000_000)))
            }
        };
        let mut whose = view.target(self.state).map_or_else(
            || "waiting for the first snapshot".to_owned(),
            |key| self.state.targets.get(&key).map_or_else(String::new, |target| self.state.name(&target.target)),
        );
        if let Some((name, _)) = &view.focus {
            whose = format!("{whose}: {name}");
        }
        let right = format!("{}  {when} ", self.since(at));
        self.put(area, &format!(" damo monitor {}  {whose}", self.about.name), self.style.title());
        let width = right.chars().count() as u16;
        let x = area.right().saturating_sub(width);
        self.put(Rect { x, width, ..area }, &right, self.style.title());
    }

    fn help(&mut self, area: Rect) {
        for (y, (key, meaning)) in (area.y..area.bottom()).zip(KEYS) {
            let line = Rect { y, height: 1, ..area };
            self.put(Rect { x: area.x + 1, width: 22, ..line }, key, self.style.bold());
            self.put(Rect { x: area.x + 24, width: area.width - 24, ..line }, meaning, Style::new());
        }
    }

    /// The map, the line of times below it, and two curves over the same times.
    fn map_and_curves(&mut self, area: Rect, curve: u16, view: &mut View) {
        let height = area.height - 1 - 2 * curve;
        let Some(target) = view.target(self.state) else { return };
        let end = view.time(self.state);
        let columns = Columns::new(view.window(), end, usize::from(area.width - NAMES));
        let cells = Rect { x: area.x + NAMES, width: area.width - NAMES, height, ..area };
        let focus = view.focus.as_ref().map(|(_, ranges)| &ranges[..]);
        let segments = segments(self.state, target, focus, end);
        let per_line = if self.style.half_blocks() { 2 } else { 1 };
        let rows = map_rows(&segments, usize::from(height) * per_line);
        let heat = view.cache.cells(self.state, target, columns, &rows);
        self.map(cells, per_line, &heat);
        self.names(Rect { width: NAMES, height, ..area }, target, per_line, &rows);
        self.times(Rect { y: area.y + height, height: 1, ..area }, columns);
        let (working_sets, resident) = self.curves(target, columns);
        let below = |y: u16| Rect { y: area.y + height + 1 + y, height: curve, ..area };
        self.curve(below(0), "wset", &working_sets);
        self.curve(below(curve), "rss", &resident);
    }

    fn map(&mut self, area: Rect, per_line: usize, heat: &[Vec<Option<f32>>]) {
        let top = heat.iter().flatten().flatten().fold(0.0_f32, |top, heat| top.max(*heat)).max(f32::MIN_POSITIVE);
        for (x, column) in (area.x..area.right()).zip(heat) {
            for (y, cells) in (area.y..area.bottom()).rev().zip(column.chunks(per_line)) {
                let cells: Vec<Option<f32>> = cells.iter().map(|heat| heat.map(|heat| heat / top)).collect();
                let cell = &mut self.buffer[(x, y)];
                if self.style.heat.is_empty() {
                    cell.set_char(self.style.shade(cells[0]));
                    continue;
                }
                // The lower one is the first. Without half blocks the ground alone shows it.
                let lower = self.style.color(cells[0]);
                let upper = if per_line == 2 { cells.get(1).and_then(|heat| self.style.color(*heat)) } else { lower };
                match (lower, upper) {
                    (None, None) => {}
                    (Some(lower), Some(upper)) if per_line == 2 => {
                        cell.set_char('▄').set_fg(lower).set_bg(upper);
                    }
                    (Some(color), Some(_)) => {
                        cell.set_bg(color);
                    }
                    (Some(lower), None) => {
                        cell.set_char('▄').set_fg(lower);
                    }
                    (None, Some(upper)) => {
                        cell.set_char('▀').set_fg(upper);
                    }
                }
            }
        }
    }

    fn names(&mut self, area: Rect, target: TargetKey, per_line: usize, rows: &[AddrRange]) {
        let lines: Vec<AddrRange> =
            rows.chunks(per_line).map(|pair| AddrRange::new(pair[0].start, pair[pair.len() - 1].end)).collect();
        let areas = self.state.targets.get(&target).map_or(&[][..], |target| &target.areas);
        for (y, name) in (area.y..area.bottom()).rev().zip(names(&lines, areas)) {
            self.put(Rect { y, width: area.width - 1, ..area }, &name, Style::new());
        }
    }

    fn times(&mut self, area: Rect, columns: Columns) {
        let all = columns.all();
        let from = area.x + NAMES;
        self.put(area, "time", self.style.faint());
        let (left, right) = (self.since(all.start), self.since(all.end));
        self.put(Rect { x: from, width: area.right() - from, ..area }, &left, self.style.faint());
        let width = (right.chars().count() as u16).min(area.right() - from);
        let x = area.right() - width;
        let mut marks: Vec<(usize, &str)> =
            self.state.marks.iter().filter_map(|(at, text)| Some((columns.of(*at)?, text.as_str()))).collect();
        marks.sort_by_key(|(column, _)| *column);
        let mut end = usize::from(x - from);
        if marks.last().is_some_and(|(column, _)| *column >= end) {
            // A mark tells more than where the map ends.
            end = columns.count;
        } else {
            self.put(Rect { x, width, ..area }, &right, self.style.faint());
        }
        for (i, (column, text)) in marks.iter().enumerate() {
            // The text only where it has room before the next mark.
            let room = marks.get(i + 1).map_or(end, |(next, _)| (*next).min(end)).saturating_sub(column + 1);
            let text = if text.chars().count() < room { text } else { "" };
            let text = format!("{}{text}", self.style.mark());
            put(self.buffer, from + *column as u16, area.y, area.width, &text, self.style.bold());
        }
    }

    /// Working set and resident size in each column, where known.
    fn curves(&self, target: TargetKey, columns: Columns) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let mut sums = vec![(0.0, 0.0); columns.count];
        let mut latest = None;
        for moment in self.state.history.within(columns.all()).filter(|moment| moment.target == target) {
            latest = latest.max(Some(moment.span.end));
            // All columns that it is of.
            let first = columns.of(moment.span.start).unwrap_or(0);
            let last = columns.of(Nanos(moment.span.end.0 - 1)).unwrap_or(columns.count - 1);
            for sum in &mut sums[first..=last.max(first)] {
                *sum = (sum.0 + moment.sums.working_set as f64, sum.1 + 1.0);
            }
        }
        let working_sets = sums.iter().map(|(sum, count)| (*count > 0.0).then(|| sum / count)).collect();
        let rss = self.state.targets.get(&target).map(|target| &target.rss);
        let resident = |number: i64| {
            let span = columns.span(number);
            let has = latest.is_some_and(|latest| span.start < latest);
            rss.filter(|_| has)?.at(span.end).map(|rss| rss as f64)
        };
        (working_sets, columns.numbers().map(resident).collect())
    }

    /// Bars from 0 to the highest value, with the latest value before them.
    fn curve(&mut self, area: Rect, name: &str, values: &[Option<f64>]) {
        let latest = values.iter().rev().find_map(|value| *value);
        let text = latest.map_or_else(|| "-".into(), |value| size(Bytes(value as u64)));
        self.put(Rect { height: 1, width: NAMES - 1, ..area }, &format!("{name} {text}"), Style::new());
        let top = values.iter().flatten().fold(1.0_f64, |top, value| top.max(*value));
        let all = usize::from(area.height) * 8;
        for (x, value) in (area.x + NAMES..area.right()).zip(values) {
            let Some(value) = value else { continue };
            let eighths = ((value / top * all as f64).round() as usize).clamp(usize::from(*value > 0.0), all);
            for (line, y) in (area.y..area.bottom()).rev().enumerate() {
                self.buffer[(x, y)].set_char(self.style.bar(eighths.saturating_sub(line * 8)));
            }
        }
    }

    /// For how long the target's memory has not been accessed.
    fn idle(&mut self, area: Rect, view: &View) {
        self.put(area, "idle for", Style::new());
        let at = view.time(self.state);
        let moment = view.target(self.state).and_then(|target| self.state.history.last_of(target, at));
        let Some(idle) = moment.and_then(|moment| moment.idle(IDLE_PERCENTILES)) else { return };
        let texts = IDLE_PERCENTILES.into_iter().zip(idle).map(|(percentile, idle)| match idle.0 {
            ..1 => format!("p{percentile} accessed"),
            _ => format!("p{percentile} {}", self.rounded(idle)),
        });
        let text = texts.collect::<Vec<_>>().join("  ");
        self.put(Rect { x: area.x + NAMES, width: area.width - NAMES, ..area }, &text, Style::new());
    }

    fn list(&mut self, area: Rect, view: &mut View) {
        let mut x = area.x;
        for list in List::ALL {
            let style = if list == view.list { self.style.bold() } else { self.style.faint() };
            let name = if list == view.list { format!("[{}]", list.name()) } else { format!(" {} ", list.name()) };
            let width = name.len() as u16;
            self.put(Rect { x, width, height: 1, ..area }, &name, style);
            x += width;
        }
        let sorted = view.list.columns()[view.sort()].0;
        let mut about = format!("  by {sorted}{}", if view.reverse { ", reversed" } else { "" });
        if view.list == List::Nodes
            && let Some(target) = view.target(self.state)
        {
            let (nodes, remote) = node_readings(self.state, target, view.focused(), view.time(self.state));
            if !nodes.is_empty() {
                about.push_str(&format!("  est. remote {} %", percent(remote)));
            }
        }
        if !view.filter.is_empty() {
            about.push_str(&format!("  with \"{}\"", view.filter));
        }
        self.put(Rect { x, width: area.right() - x, ..area }, &about, Style::new());
        let rows = view.rows(self.state);
        let columns = view.list.columns();
        let titles: Vec<String> = columns.iter().map(|(title, ..)| (*title).to_owned()).collect();
        let line = |y: u16| Rect { y: area.y + y, height: 1, ..area };
        self.line(line(1), view.list, &titles, self.style.faint());
        view.row = view.row.min(rows.len().saturating_sub(1));
        let height = usize::from(area.height.saturating_sub(2));
        let first = (view.row + 1).saturating_sub(height);
        for (y, (number, row)) in (2..area.height).zip(rows.iter().enumerate().skip(first)) {
            let style = if number == view.row { self.style.title() } else { Style::new() };
            self.buffer.set_style(line(y), style);
            self.line(line(y), view.list, &row.cells, style);
        }
        if rows.is_empty() && area.height > 2 {
            self.put(line(2), nothing(view), Style::new());
        }
    }

    fn line(&mut self, area: Rect, list: List, cells: &[String], style: Style) {
        // What the terminal has beyond the usual width is the texts'.
        let usual: usize = list.columns().iter().map(|(_, width, _)| width + 1).sum();
        let more = usize::from(area.width).saturating_sub(usual);
        let mut x = area.x;
        let mut spare = more;
        for ((_, width, is_left), text) in list.columns().iter().zip(cells) {
            let width = if *is_left { width + std::mem::take(&mut spare) } else { *width } as u16;
            let left = area.right().saturating_sub(x);
            let length = text.chars().count() as u16;
            let indent = if *is_left { 0 } else { width.saturating_sub(length) };
            if indent < left {
                put(self.buffer, x + indent, area.y, (width - indent).min(left - indent), text, style);
            }
            x = x.saturating_add(width + 1).min(area.right());
        }
    }

    /// What DAMON takes, what was lost, what schemes do.
    fn status(&mut self, area: Rect, view: &View) {
        let at = view.time(self.state);
        let reading = self.state.reading(TimeSpan::new(at.saturating_sub(Nanos::from_secs(1)), at));
        let mut text = format!("{}; {} snapshots", cost_text(&reading), self.state.snapshots);
        if self.state.partial > 0 {
            text.push_str(&format!(", {} partial", self.state.partial));
        }
        if self.state.damaged > 0 {
            text.push_str(&format!("; {} parts unreadable", self.state.damaged));
        }
        if let Some(scheme) = reading.schemes.first() {
            text.push_str(&format!("; {}", scheme_text(scheme)));
        }
        self.put(area, &text, self.style.faint());
    }

    fn footer(&mut self, area: Rect, view: &View) {
        let text = match (&view.editing, &view.message, &self.about.end) {
            (Some(editing), ..) => {
                let (prompt, text) = editing.prompt();
                format!("{prompt}: {text}_")
            }
            (_, Some(message), _) => message.clone(),
            (_, _, Some(end)) => format!("{end}; q ends, arrows move, ? all keys"),
            _ => "q end  ? keys  Tab list  Enter into  Esc back  / filter  Space pause  +- time".to_owned(),
        };
        self.put(area, &text, self.style.bold());
    }
}

/// Why a list is empty.
fn nothing(view: &View) -> &'static str {
    match view.list {
        _ if !view.filter.is_empty() => "nothing with this text",
        List::Schemes => "no scheme told how it is doing",
        List::Nodes => "on which NUMA nodes this memory is, is not known",
        List::Mappings => "no mappings are known of this target",
        _ => "no snapshot yet",
    }
}
