//! Heat maps on the terminal: as many as its window has room for, and as large.

use super::super::shared::Request;
use super::{HeatsArgs, MOST_MAPS, first_maps, one_map, wanted_maps};
use crate::errors;
use crate::output;
use anyhow::Result;
use damo_report::heats::{Cells, DrawRange, Fit, Glyphs, HeatsOptions, HeatsReport, TerminalStyle};
use damo_report::several::{Apart, apart};

/// Lines of the window that a map leaves free: the next prompt.
const PROMPT: usize = 1;

/// Lines of a map, at least: what surrounds it, its scale, and something of two areas.
const LEAST_LINES: usize = 10;

/// What maps on the terminal are fitted to.
pub(super) struct Window {
    style: TerminalStyle,
    /// Whether the map is looked at on a terminal: not in a file, and not in a pipe.
    to_terminal: bool,
    /// Whether the map is as large as the window.
    fits: bool,
    /// Lines of the window.
    height: usize,
    /// How many maps there would be if all were shown.
    wanted: usize,
    /// Of how many records.
    records: usize,
}

impl Window {
    /// The window for what is asked for.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub(super) fn of(request: &Request<'_, HeatsArgs>) -> Result<Self> {
        let (own, form, records) = (request.own(), &request.form, &request.opened.records);
        let to_terminal = output::is_terminal() && form.out().is_none();
        let default = if to_terminal && own.resol.is_empty() { Glyphs::HalfBlocks } else { Glyphs::Digits };
        let glyphs = own.style.unwrap_or(default);
        let (width, height) = output::terminal_size();
        let style = TerminalStyle {
            glyphs,
            depth: form.depth(own.color),
            colors: own.colorset,
            map: form.plot.picture.colormap(),
            theme: form.plot.picture.terminal_theme(),
            width,
            lines: None,
            legend: !own.skip_example,
        };
        Ok(Self {
            style,
            to_terminal,
            fits: glyphs == Glyphs::HalfBlocks && own.resol.is_empty(),
            height,
            wanted: wanted_maps(records, &request.filter.target)?,
            records: apart(records)?.len(),
        })
    }

    /// How so many maps are laid out. What is below the maps is cut to the window, unless they are a page to scroll.
    pub(super) fn style(self, maps: usize) -> TerminalStyle {
        let lines = (self.fits && (self.to_terminal || maps == 1)).then(|| self.lines_of_each(maps) + PROMPT);
        TerminalStyle { lines, ..self.style }
    }

    /// The maps.
    ///
    /// # Errors
    /// If a record cannot be read, or nothing is left to be shown.
    pub(super) fn maps(&self, request: &Request<'_, HeatsArgs>, options: &HeatsOptions) -> Result<Apart<HeatsReport>> {
        if self.style.glyphs != Glyphs::HalfBlocks {
            return one_map(request, options);
        }
        let is_cut = self.to_terminal && self.fits;
        let (most, wanted) = (if is_cut { self.fitting_maps() } else { self.wanted.min(MOST_MAPS) }, self.wanted);
        if most < wanted && is_cut {
            // In one line of 80 columns: it takes a line of the window.
            let all = "--style blocks | less shows all";
            errors::note(format_args!("{most} of {wanted} maps fit; --tid, --pid choose, {all}"));
        } else if most < wanted {
            errors::note(format_args!("{most} of {wanted} targets are shown; --pid and --tid choose others"));
        }
        first_maps(request, most, &|maps| {
            if !request.own().resol.is_empty() {
                return options.clone();
            }
            // A window of its own for each map, its prompt included.
            let size = (self.style.width, self.lines_of_each(maps) + PROMPT);
            let remarks = PROMPT + Fit::remarks(&request.opened.records);
            let Fit { rows, columns, most_panels } = Fit::new(size, remarks, self.style.depth);
            let draw_range = request.own().draw_range.unwrap_or(DrawRange::Mapped);
            HeatsOptions { rows, columns, most_panels, draw_range, cells: Cells::Whole, ..options.clone() }
        })
    }

    /// Lines for each of some maps. What else is there: the prompt, a heading for each of several records, and a note if not
    /// all of the wanted maps are shown.
    fn lines_of_each(&self, maps: usize) -> usize {
        let headings = if self.records > 1 { self.records.min(maps) } else { 0 };
        let note = usize::from(maps < self.wanted.min(MOST_MAPS) || self.wanted > MOST_MAPS);
        self.height.saturating_sub(PROMPT + headings + note) / maps.max(1)
    }

    /// How many maps there is room for: one at least.
    fn fitting_maps(&self) -> usize {
        let fits = |maps: &usize| self.lines_of_each(*maps) >= LEAST_LINES;
        (1..=self.wanted.min(MOST_MAPS)).rev().find(fits).unwrap_or(1)
    }
}
