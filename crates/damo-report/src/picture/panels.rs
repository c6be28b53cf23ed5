//! Several charts below one another on one page, for figures that belong together but have no common unit.

use super::{Canvas, Chart, Picture, Style};

/// Charts from top to bottom.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panels {
    /// Headline of all.
    pub title: String,
    /// Each with its part of the height, relative to the others'.
    pub panels: Vec<(f64, Chart)>,
}

impl Picture for Panels {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn draw(&self, canvas: &mut dyn Canvas, style: &Style, top: f64) {
        let bottom = canvas.size().1;
        let parts: f64 = self.panels.iter().map(|(part, _)| part).sum();
        let mut from = top;
        for (part, chart) in &self.panels {
            let to = from + (bottom - top) * part / parts;
            chart.draw_between(canvas, style, from, to);
            from = to;
        }
    }
}
