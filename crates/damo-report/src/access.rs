//! Snapshots as people look at them: region by region, as boxes, histograms or percentiles.
//!
//! The layout is made of five templates (head of a target's series, head of a snapshot, region, tail of a snapshot, tail
//! of a series) in which `<keyword>`s stand for values; styles are ready-made templates, and every template can be
//! replaced. Snapshots stream: memory does not grow with the record.

mod boxes;
mod heatmap;
mod histogram;
mod keywords;
mod palette;
mod percentile;
mod picture;
mod scheme_filters;
mod snapshot;
mod styles;
mod tables;
mod template;
mod write;

pub use histogram::HistogramOptions;
pub use percentile::Percentiles;
pub use snapshot::SortKey;
pub use styles::Style;
pub use template::Area;

use crate::filter::Filter;
use crate::heats::ColorSet;
use crate::picture::Picture;
use crate::table::Table;
use crate::temperature::Weights;
use crate::{Report, ReportError};
use damo_frame::Record;
use damo_model::human;
use std::io::Write;

damo_model::with_defaults! {
    /// How the text is to be.
    #[derive(Clone, Debug)]
    pub struct AccessOptions {
        /// The ready-made templates.
        pub style: Style = Style::Detailed,
        /// For people or for programs.
        pub numbers: human::Style = human::Style::Human,
        /// Which part of the records.
        pub filter: Filter,
        /// What makes the temperature.
        pub weights: Weights,
        /// Regions sorted by these, one after the other; the last counts most.
        pub sort_by: Vec<SortKey>,
        /// Which of them descend.
        pub descending: Vec<SortKey>,
        /// Changes of templates: `true` replaces, `false` appends.
        pub format: Vec<(bool, Area, String)>,
        /// Only the total size of each snapshot.
        pub total_sz_only: bool,
        /// Percentiles of the percentile styles.
        pub percentiles: Percentiles,
        /// Histograms of the histogram styles.
        pub histogram: HistogramOptions,
        /// Characters of a snapshot's heat map.
        pub heatmap_width: usize = 80,
        /// The colours of that heat map.
        pub heatmap_colors: ColorSet = ColorSet::Gray,
        /// Whether gaps of the address space are drawn to scale in it.
        pub heatmap_static: bool,
        /// A box beside each region, even where the style has none.
        pub region_box: bool,
        /// Standard errors: at the end of each snapshot, and beside percentiles.
        pub errors: bool,
        /// Escape sequences for colours.
        pub color: bool = true,
    }
}

/// The snapshots of some records, which are read when they are written.
#[derive(Clone, Debug)]
pub struct AccessReport<'r> {
    /// The records of one recording.
    pub records: &'r [Record],
    /// How they are shown.
    pub options: AccessOptions,
}

impl Report for AccessReport<'_> {
    const NAME: &'static str = "access";
    type Layout = ();

    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        write::write_access(self.records, &self.options, out)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        tables::access_tables(self.records, &self.options)
    }

    /// The regions, in the order of the text.
    fn large_table(&self, name: &str) -> Result<Option<Table>, ReportError> {
        (name == "regions").then(|| tables::regions(self.records, &self.options)).transpose()
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        picture::access_picture(self.records, &self.options)
    }
}
