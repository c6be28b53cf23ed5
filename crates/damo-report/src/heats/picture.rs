//! The heat map as a picture: time from left to right, addresses upwards, a panel per contiguous area.

use super::{Columns, Grid, HeatsOptions, HeatsReport, NodeColors, Unit, nodes};
use crate::colormap::Rgb;
use crate::events::EventKind;
use crate::picture::axis::{LABEL_EVERY, draw_below, time_labels};
use crate::picture::bands::{BAND, draw_bands};
use crate::picture::canvas::{
    Align, COLDEST, Font, HATCH, Indexed, NO_DATA, OVERLAY, OVERLAYS, PALETTE, Rect, fit, frame, text_width,
};
use crate::picture::ticks::{byte_step, byte_tick, bytes_text, multiples, number_step, number_text};
use crate::picture::{BELOW, Canvas, MARGIN, Picture, SMALL, Style, TEXT_SIZE, top};
use damo_model::{Addr, Nanos, TimeSpan};

/// Room for address labels left of the panels.
const LEFT: f64 = 92.0;
/// Room for the colour bar right of the panels.
const RIGHT: f64 = 136.0;
/// Room for a panel's name above it.
const NAME: f64 = 22.0;
/// Panels are at least so high.
const LEAST: usize = 14;
const TINY: f64 = 11.0;
/// Marks get a line each while there is so much room for each of them, in pixels.
const LINE_EVERY: f64 = 36.0;
/// Cut texts of marks have at least so many letters.
const LEAST_TEXT: usize = 8;
/// And a tick on the axis as long as there is so much.
const TICK_EVERY: f64 = 4.0;

/// Events that get a triangle on the time axis, and their colours among those of series.
const CHANGES: [EventKind; 2] = [EventKind::Mapped, EventKind::Intervals];
const CHANGE_COLORS: [usize; 2] = [2, 3];

/// A heat map to be drawn: a report made with [`HeatMap::options`] for the same style.
#[derive(Clone, Copy, Debug)]
pub struct HeatMap<'a> {
    /// What to draw.
    pub report: &'a HeatsReport,
}

/// The palette index of each pixel of a sample in the legend.
type Sample = Box<dyn Fn(usize) -> u8>;

/// Where panels go.
struct PanelArea {
    left: f64,
    top: f64,
    width: usize,
    height: usize,
}

/// Left and right edge of the panels on a picture of this style: for what stands below them.
pub(crate) fn edges(style: &Style) -> (f64, f64) {
    let place = place(style);
    (place.left, place.left + place.width as f64)
}

fn place(style: &Style) -> PanelArea {
    let (left, top) = (MARGIN + LEFT, top(style));
    let width = (style.width as f64 - left - RIGHT - MARGIN).max(16.0) as usize;
    let height = (style.height as f64 - top - BELOW - MARGIN / 2.0).max(16.0) as usize;
    PanelArea { left, top: top.round(), width, height }
}

impl HeatMap<'_> {
    /// Options for a report that fills a picture of this style: a cell per pixel, all that was ever mapped.
    pub fn options(style: &Style) -> HeatsOptions {
        let place = place(style);
        let columns = Columns::Shared {
            total: place.height.saturating_sub(NAME as usize),
            least: LEAST,
            between: NAME as usize + 6,
        };
        HeatsOptions::picture(place.width, columns)
    }

    /// A panel's pixels, highest address first.
    fn image(&self, panel: usize, grid: &Grid, width: usize, highest: f64) -> Indexed {
        let (rows, height) = (grid.time.len(), grid.space.len());
        let incomplete = self.report.incomplete_rows(&grid.time);
        let doubtful = self.report.has_doubtful_cells();
        let colors = self.report.nodes.as_ref().map(|nodes| nodes.of_cells(grid)).unwrap_or_default();
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                // Maps of less time than there are pixels have fewer cells than pixels.
                let row = x * rows / width.max(1);
                let column = height - 1 - y;
                if let Some(index) = self.overlay(panel, grid, (row, column), (x, y)) {
                    pixels.push(index);
                    continue;
                }
                let heat = grid.covered_heat_at(row, column);
                let dotted = doubtful && x % 4 == 1 && y % 4 == 1;
                let hatched = incomplete.get(row).copied().unwrap_or(false);
                pixels.push(if dotted && grid.is_doubtful(row, column, self.report.min_checks) {
                    HATCH
                } else if !heat.is_nan() {
                    let color = colors.get(row * grid.space.len() + column);
                    color.map_or_else(|| index_of(heat, highest), |color| nodes::index(*color, part_of(heat, highest)))
                } else if hatched && (x + y) % 6 < 2 {
                    HATCH
                } else {
                    NO_DATA
                });
            }
        }
        Indexed { width, height, pixels }
    }

    /// The overlay's colour at a pixel of a cell: an outline around where a scheme was applied, and thin lines within, the
    /// other way for every second scheme.
    fn overlay(&self, panel: usize, grid: &Grid, cell: (usize, usize), (x, y): (usize, usize)) -> Option<u8> {
        let (row, column) = cell;
        let (rows, columns) = (grid.time.len(), grid.space.len());
        for (i, layer) in self.report.schemes.iter().enumerate().take(OVERLAYS.into()) {
            let applied = |row: usize, column: usize| layer.is_applied(panel, row * columns + column);
            if !applied(row, column) {
                continue;
            }
            let edge = (row > 0 && !applied(row - 1, column))
                || (row + 1 < rows && !applied(row + 1, column))
                || (column > 0 && !applied(row, column - 1))
                || (column + 1 < columns && !applied(row, column + 1));
            let diagonal = if i % 2 == 0 { x + y } else { x + 7 * y + 4 };
            if edge || diagonal.is_multiple_of(8) {
                return Some(OVERLAY + i as u8);
            }
        }
        None
    }

    fn palette(&self, style: &Style) -> [Rgb; PALETTE] {
        std::array::from_fn(|i| match i as u8 {
            NO_DATA => style.theme.empty(),
            HATCH => style.theme.hatch(),
            i if i < COLDEST => style.theme.overlay(usize::from(i - OVERLAY)),
            i if self.report.nodes.is_some() => nodes::palette_color(style.theme, i),
            i => style.theme.heat(style.map, f64::from(i - COLDEST) / f64::from(u8::MAX - COLDEST)),
        })
    }

    fn draw_panel(&self, canvas: &mut dyn Canvas, style: &Style, panel: usize, grid: &Grid, rect: Rect, high: f64) {
        let image = self.image(panel, grid, rect.w as usize, high);
        let ink = Font { size: TEXT_SIZE, color: style.theme.ink(), align: Align::Left };
        let muted = Font { size: SMALL, color: style.theme.muted(), align: Align::Right };
        let name = self.report.panel_name(grid);
        let size = bytes_text((grid.space.end() - grid.space.start()) as f64);
        let whole = match self.report.by_temperature {
            true => format!("regions by temperature, hottest above · {size}"),
            false => format!("{:#x} – {:#x} · {size}", grid.space.start(), grid.space.end()),
        };
        // The name goes first: where there is not room for both, the place is cut.
        let name = fit(&name, TEXT_SIZE, rect.w);
        let room = rect.w - text_width(&name, TEXT_SIZE) - 16.0;
        canvas.text((rect.x, rect.y - 6.0), &name, ink);
        canvas.text((rect.right(), rect.y - 6.0), &fit(&whole, SMALL, room), muted);
        canvas.image((rect.x, rect.y), &image, &self.palette(style));
        self.draw_mappings(canvas, style, grid, rect);
        // Around the cells: at the edges may be all that there is.
        let around = Rect { x: rect.x - 1.0, y: rect.y - 1.0, w: rect.w + 1.0, h: rect.h + 1.0 };
        frame(canvas, around, style.theme.muted());
        self.draw_addresses(canvas, style, grid, rect);
    }

    /// Where several mappings share a panel: their borders and, where they fit, their names, at its right edge.
    fn draw_mappings(&self, canvas: &mut dyn Canvas, style: &Style, grid: &Grid, rect: Rect) {
        let spans = self.report.names.spans(grid.space.addresses());
        if spans.len() < 2 || self.report.by_temperature {
            return;
        }
        let length = (grid.space.end() - grid.space.start()).max(1) as f64;
        let y = |at: Addr| rect.bottom() - (i128::from(at.0) - grid.space.start()) as f64 / length * rect.h;
        let font = Font { size: TINY, color: style.theme.ink(), align: Align::Right };
        for (range, name) in spans {
            let (top, bottom) = (y(range.end), y(range.start));
            if bottom - top < TINY + 3.0 {
                continue;
            }
            for edge in [top, bottom].into_iter().filter(|edge| *edge > rect.y + 1.0 && *edge < rect.bottom() - 1.0) {
                canvas.line(&[(rect.right() - 8.0, edge), (rect.right(), edge)], style.theme.muted(), 1.0);
            }
            let name = fit(&name, TINY, rect.w / 4.0);
            let width = text_width(&name, TINY);
            // The top is where marks have their texts.
            let middle = ((top + bottom) / 2.0).max(rect.y + if self.report.marks.is_empty() { 0.0 } else { 28.0 });
            if middle + TINY * 0.6 > bottom {
                continue;
            }
            let back = Rect { x: rect.right() - width - 6.0, y: middle - TINY * 0.55, w: width + 5.0, h: TINY * 1.15 };
            canvas.rect(back, style.theme.ground(), 0.75);
            canvas.text((rect.right() - 4.0, middle + TINY * 0.32), &name, font);
        }
    }

    /// Offsets into the panel, at its left.
    fn draw_addresses(&self, canvas: &mut dyn Canvas, style: &Style, grid: &Grid, rect: Rect) {
        let length = grid.space.end() - grid.space.start();
        let count = (rect.h / 40.0).floor().max(1.0) as usize;
        let font = Font { size: SMALL, color: style.theme.muted(), align: Align::Right };
        for offset in multiples(length, byte_step(length, count)) {
            let y = rect.bottom() - offset as f64 / length.max(1) as f64 * rect.h;
            // Labels of neighbouring panels would touch at the very top.
            if offset > 0 && y < rect.y + 10.0 {
                continue;
            }
            canvas.line(&[(rect.x - 5.0, y), (rect.x, y)], style.theme.muted(), 1.0);
            let label = format!("+{}", byte_tick(offset));
            canvas.text((rect.x - 9.0, y + SMALL * 0.32), &label, font);
        }
    }

    fn draw_times(&self, canvas: &mut dyn Canvas, style: &Style, rect: Rect) {
        let [start, end] = [self.report.time.start, self.report.time.end].map(|at| self.report.since(at.0.into()));
        let labels = time_labels((start, end), (rect.x, rect.right()), LABEL_EVERY);
        let name = fit(&self.report.time_axis_name(), SMALL, rect.w);
        let below = (name.as_str(), rect.x + rect.w / 2.0, rect.bottom());
        draw_below(canvas, style, labels, below, |canvas, x| {
            canvas.line(&[(x, rect.bottom()), (x, rect.bottom() + 5.0)], style.theme.muted(), 1.0);
        });
    }

    /// Remarks of the record: lines through all panels while they are few, else small marks along the time axis as long
    /// as they can be told apart. Texts stand where they fit before the next mark.
    fn draw_marks(&self, canvas: &mut dyn Canvas, style: &Style, rect: Rect, panels: &[Rect]) {
        let Some(tallest) = panels.iter().copied().reduce(|a, b| if b.h > a.h { b } else { a }) else { return };
        let TimeSpan { start, end } = self.report.time;
        let length = end.saturating_sub(start).0.max(1) as f64;
        let color = style.theme.series(1);
        let place = |at: &Nanos| rect.x + at.saturating_sub(start).0 as f64 / length * rect.w;
        let mut marks: Vec<(f64, &str)> =
            self.report.marks.iter().map(|(at, text)| (place(at), text.as_str())).collect();
        let lives = self.report.events.iter().filter(|e| matches!(e.kind, EventKind::Start | EventKind::Exit));
        marks.extend(lives.map(|event| (place(&event.at), event.text.as_str())));
        self.draw_changes(canvas, style, rect, &place);
        marks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let few = marks.len() as f64 <= rect.w / LINE_EVERY;
        let mut last = f64::NEG_INFINITY;
        for (i, (x, whole)) in marks.iter().enumerate() {
            if !few {
                if x - last >= TICK_EVERY {
                    canvas.line(&[(*x, rect.bottom() + 1.0), (*x, rect.bottom() + 4.0)], color, 1.0);
                    last = *x;
                }
                continue;
            }
            for panel in panels {
                let mut y = panel.y;
                while y < panel.bottom() {
                    canvas.line(&[(*x, y), (*x, (y + 4.0).min(panel.bottom()))], color, 1.0);
                    y += 10.0;
                }
            }
            let room = marks.get(i + 1).map_or(rect.right(), |next| next.0) - x - 8.0;
            let text = fit(whole, SMALL, room);
            // A few letters say less than the line alone.
            if !whole.starts_with(text.as_str()) && text.chars().count() < LEAST_TEXT {
                continue;
            }
            let width = text_width(&text, SMALL);
            canvas.rect(Rect { x: x + 2.0, y: tallest.y + 2.0, w: width + 4.0, h: 17.0 }, style.theme.ground(), 0.85);
            let font = Font { size: SMALL, color: style.theme.ink(), align: Align::Left };
            canvas.text((x + 4.0, tallest.y + 15.0), &text, font);
        }
    }

    /// Remarks that are only ticks on the axis, and those that fall onto one another there.
    fn left_out(&self, style: &Style) -> Option<String> {
        let report = self.report;
        let TimeSpan { start, end } = report.time;
        let width = place(style).width as f64;
        let lives = report.events.iter().filter(|e| matches!(e.kind, EventKind::Start | EventKind::Exit));
        let mut at: Vec<i64> = report.marks.iter().map(|(at, _)| at.0).chain(lives.map(|event| event.at.0)).collect();
        if at.len() as f64 <= width / LINE_EVERY {
            return None;
        }
        at.sort_unstable();
        let (mut shown, mut last) = (0, f64::NEG_INFINITY);
        for at in &at {
            let x = at.saturating_sub(start.0) as f64 / end.saturating_sub(start).0.max(1) as f64 * width;
            if x - last >= TICK_EVERY {
                (shown, last) = (shown + 1, x);
            }
        }
        let count = at.len();
        Some(if shown < count { format!("{shown} of {count} marks") } else { format!("{count} marks: ticks") })
    }

    /// Changes of mappings and intervals: small triangles on the time axis.
    fn draw_changes(&self, canvas: &mut dyn Canvas, style: &Style, rect: Rect, place: &dyn Fn(&Nanos) -> f64) {
        for (i, kind) in CHANGES.into_iter().enumerate() {
            let mut last = f64::NEG_INFINITY;
            for event in self.report.events.iter().filter(|event| event.kind == kind) {
                let x = place(&event.at);
                if x - last >= TICK_EVERY {
                    triangle(canvas, (x, rect.bottom() + 1.0), style.theme.series(CHANGE_COLORS[i]));
                    last = x;
                }
            }
        }
    }

    /// What else is on the map, below the colour bar: a sample and a word for each.
    fn draw_legend(&self, canvas: &mut dyn Canvas, style: &Style, (x, mut y): (f64, f64)) {
        let report = self.report;
        let muted = Font { size: SMALL, color: style.theme.muted(), align: Align::Left };
        if report.clipped().is_some() {
            // Two lines: what is hotter than the top, and how it is drawn.
            let peak = format!("up to {},", report.unit.text(report.peak()));
            for text in [peak, "drawn as the top".to_owned()] {
                canvas.text((x, y + 11.0), &fit(&text, SMALL, style.width as f64 - x - 4.0), muted);
                y += 18.0;
            }
            y += 4.0;
        }
        let hatch = |i: usize| if (i % 14 + i / 14) % 6 < 2 { HATCH } else { NO_DATA };
        let dots = |i: usize| if i % 14 % 4 == 1 && i / 14 % 4 == 1 { HATCH } else { COLDEST };
        let mut entries: Vec<(Sample, String)> = Vec::new();
        for (color, name) in (0..).zip(report.nodes.iter().flat_map(NodeColors::names)) {
            entries.push((Box::new(move |_| nodes::index(color, 1.0)), name));
        }
        if report.nodes.is_some() {
            entries.push((Box::new(|_| nodes::index(nodes::ON_NO_NODE, 0.5)), "on no node".to_owned()));
        }
        entries.push((Box::new(|_| NO_DATA), "no data".to_owned()));
        if !report.partial.is_empty() {
            entries.push((Box::new(hatch), "incomplete data".to_owned()));
        }
        if report.has_doubtful_cells() {
            entries.push((Box::new(dots), format!("under {} checks", report.min_checks)));
        }
        for (layer, index) in report.schemes.iter().zip(OVERLAY..COLDEST) {
            let even = (index - OVERLAY).is_multiple_of(2);
            let lines = move |i: usize| {
                let (x, y) = (i % 14, i / 14);
                let on = if even { (x + y) % 5 == 0 } else { (x + 4 * y) % 5 == 0 };
                if on || x == 0 || x == 13 || y == 0 || y == 11 { index } else { COLDEST }
            };
            entries.push((Box::new(lines), format!("scheme {}", layer.scheme)));
            if let Some(action) = &layer.action {
                entries.push((Box::new(|_| u8::MAX), action.clone()));
            }
        }
        let room = style.width as f64 - x - 20.0 - 4.0;
        for (pixel, text) in entries {
            if pixel(0) == u8::MAX {
                // Goes on with the entry above.
                canvas.text((x + 20.0, y + 7.0), &fit(&text, SMALL, room), muted);
                y += 18.0;
                continue;
            }
            let pixels = (0..12 * 14).map(pixel).collect();
            canvas.image((x, y), &Indexed { width: 14, height: 12, pixels }, &self.palette(style));
            frame(canvas, Rect { x, y, w: 14.0, h: 12.0 }, style.theme.muted());
            canvas.text((x + 20.0, y + 11.0), &fit(&text, SMALL, room), muted);
            y += 20.0;
        }
        for (i, (kind, text)) in CHANGES.into_iter().zip(["mappings changed", "intervals changed"]).enumerate() {
            if report.events.iter().any(|event| event.kind == kind) {
                triangle(canvas, (x + 7.0, y + 3.0), style.theme.series(CHANGE_COLORS[i]));
                canvas.text((x + 20.0, y + 11.0), &fit(text, SMALL, room), muted);
                y += 20.0;
            }
        }
        if let Some(left_out) = self.left_out(style) {
            canvas.text((x, y + 11.0), &fit(&left_out, SMALL, room + 20.0), muted);
            y += 20.0;
        }
        if !report.coverage.is_full() {
            let text = format!("{:.1} % complete", report.coverage.ratio() * 100.0);
            canvas.text((x, y + 11.0), &text, muted);
        }
    }

    /// What the colours mean.
    fn draw_scale(&self, canvas: &mut dyn Canvas, style: &Style, bar: Rect, high: f64) {
        let ink = Font { size: SMALL, color: style.theme.ink(), align: Align::Left };
        let muted = Font { color: style.theme.muted(), ..ink };
        let possible = self.report.possible.filter(|possible| *possible > 0.0);
        let (what, unit) = match self.report.unit {
            Unit::Hz => ("access rate", "Hz"),
            Unit::Samples => ("accesses", "samples"),
        };
        canvas.text((bar.x, bar.y - 26.0), what, ink);
        let below = if possible.is_some() { format!("{unit} (% of possible)") } else { unit.to_owned() };
        canvas.text((bar.x, bar.y - 10.0), &below, muted);
        let (width, height) = (bar.w as usize, bar.h as usize);
        // Without any access there is one colour only.
        let top = if high > 0.0 { 1.0 } else { 0.0 };
        let colors = self.report.nodes.as_ref().map_or(0, |nodes| nodes.names().len());
        let pixel = |x: usize, y: usize| {
            let part = (height - 1 - y) as f64 / (height.max(2) - 1) as f64 * top;
            // A strip for each node.
            if colors > 0 { nodes::index((x * colors / width) as u8, part) } else { index_of(part, 1.0) }
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| pixel(x, y))).collect();
        canvas.image((bar.x, bar.y), &Indexed { width, height, pixels }, &self.palette(style));
        frame(canvas, bar, style.theme.muted());
        let step = number_step(high, 5);
        let ticks = (0..=5).map(|i| f64::from(i) * step).take_while(|tick| *tick <= high * 1.000_001);
        let mut free = f64::INFINITY;
        for tick in ticks.chain((high > 0.0).then_some(high)) {
            let y = bar.bottom() - if high > 0.0 { tick / high } else { 0.0 } * bar.h;
            // The top is always labelled; what would lie on its label is not.
            let is_top = tick == high;
            if !is_top && (tick / high.max(f64::MIN_POSITIVE) - 1.0).abs() * bar.h < SMALL * 1.3 && high > 0.0
                || y > free
            {
                continue;
            }
            free = y - SMALL * 1.3;
            canvas.line(&[(bar.right(), y), (bar.right() + 4.0, y)], style.theme.muted(), 1.0);
            let value = number_text(tick);
            canvas.text((bar.right() + 8.0, y + SMALL * 0.32), &value, ink);
            if high <= 0.0 {
                canvas.text((bar.right() + 22.0, y + SMALL * 0.32), "no access seen", muted);
                break;
            }
            if let Some(possible) = possible {
                let share = format!("({} %)", number_text((tick / possible * 1000.0).round() / 10.0));
                let x = bar.right() + 8.0 + text_width(&value, SMALL) + 5.0;
                canvas.text((x, y + SMALL * 0.32), &share, muted);
            }
        }
        self.draw_legend(canvas, style, (bar.x, bar.bottom() + 22.0));
    }
}

/// A triangle that points up at the axis.
fn triangle(canvas: &mut dyn Canvas, (x, y): (f64, f64), color: Rgb) {
    canvas.area(&[(x, y), (x + 4.0, y + 7.0), (x - 4.0, y + 7.0)], color, 1.0);
}

/// Palette index of a heat.
fn index_of(heat: f64, highest: f64) -> u8 {
    COLDEST + (part_of(heat, highest) * f64::from(u8::MAX - COLDEST)).round() as u8
}

/// Where a heat is between none and the highest, 0..=1.
fn part_of(heat: f64, highest: f64) -> f64 {
    if highest > 0.0 { (heat / highest).clamp(0.0, 1.0) } else { 0.0 }
}

impl Picture for HeatMap<'_> {
    fn title(&self) -> String {
        let known = self.report.process.as_ref().is_some_and(|process| !process.comm.is_empty());
        match known || self.report.physical || self.report.identity.target_id.is_some() {
            true => format!("Memory accesses of {}", self.report.subject()),
            false => "Memory accesses".to_owned(),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, _: f64) {
        let mut place = place(style);
        if !self.report.bands.is_empty() {
            let TimeSpan { start, end } = self.report.time;
            let length = end.saturating_sub(start).0.max(1) as f64;
            let strip = Rect { x: place.left, y: place.top, w: place.width as f64, h: BAND };
            draw_bands(canvas, style, strip, &self.report.bands, |at| {
                strip.x + at.saturating_sub(start).0 as f64 / length * strip.w
            });
            place.top += BAND;
        }
        let high = self.report.top();
        let mut y = place.top + NAME;
        let mut panels = Vec::new();
        for (i, grid) in self.report.panels.iter().enumerate().rev() {
            let rect = Rect { x: place.left, y, w: place.width as f64, h: grid.space.len() as f64 };
            self.draw_panel(canvas, style, i, grid, rect, high);
            panels.push(rect);
            y += grid.space.len() as f64 + NAME + 6.0;
        }
        let bottom = y - NAME - 6.0;
        let first = place.top + NAME;
        let all = Rect { x: place.left, y: first, w: place.width as f64, h: (bottom - first).max(1.0) };
        if self.report.panels.is_empty() {
            let font = Font { size: TEXT_SIZE, color: style.theme.muted(), align: Align::Center };
            canvas.text((all.x + all.w / 2.0, all.y + 60.0), "no snapshot covers this range", font);
        }
        self.draw_times(canvas, style, all);
        self.draw_marks(canvas, style, all, &panels);
        let more = usize::from(self.left_out(style).is_some()) + 2 * usize::from(self.report.clipped().is_some());
        let colors = self.report.nodes.as_ref().map_or(0, |nodes| nodes.names().len());
        let entries = 3
            + colors
            + usize::from(colors > 0)
            + more
            + 2 * self.report.schemes.len()
            + self.report.events.len().min(2);
        let height = (all.h - 50.0 - 20.0 * entries as f64).clamp(60.0, 420.0);
        let bar = Rect {
            x: (all.right() + 28.0).round(),
            y: first + 34.0,
            w: 16.0_f64.max(8.0 * colors as f64),
            h: height.round(),
        };
        self.draw_scale(canvas, style, bar, high);
    }
}
