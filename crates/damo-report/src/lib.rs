//! Reports over records: one file per report, and one per output form.
//!
//! A report is a function from records and options to a plain value, which writes itself as text and gives tables for
//! the other forms. No report parses arguments or opens files.
//!
//! - [`raw`]: every region of every snapshot
//! - [`access`]: snapshots region by region, as boxes, histograms, percentiles
//! - [`wss`]: distribution of working set sizes
//! - [`profile`]: working set size against length of window
//! - [`cpu_profile`]: where CPU time went, for parts of the time
//! - [`probes`]: what kind of memory was accessed
//! - [`nodes`]: how hot memory is on which NUMA node
//! - [`ages`]: when memory was last accessed
//! - `bounds`: between which sizes a working set lies, whatever is within regions
//! - [`confidence`]: how far a record can be trusted
//! - [`footprints`]: distribution of memory footprints
//! - [`nr_regions`]: distribution of region counts
//! - [`times`]: when a filter passes
//! - [`schemes`]: what schemes did over time, and whether their quotas are in control
//! - [`whatif`]: what schemes would have done
//! - [`suggest`]: which thresholds a scheme should have
//! - [`heats`]: how often which addresses were accessed when
//! - `events`: processes that came and went, mappings and parameters that changed
//! - [`holistic`]: all of that on one page
//! - [`guide`], [`survey`]: which times and addresses a record covers
//! - [`range`]: times and addresses as people name them
//! - [`filter`]: which snapshots and regions a report looks at
//! - [`series`], [`distribution`]: a number per snapshot, and its percentiles
//! - [`statistic`], [`resample`]: which number stands for a series, and how much it would vary in another run
//! - [`temperature`]: how hot a region is
//! - [`colormap`]: colours for numbers
//! - [`picture`]: PNG and SVG
//! - [`table`], [`Form`]: results as tables, and the forms in which they are written
//!
//! ```
//! use damo_frame::Record;
//! use damo_model::{Addr, Item, Meta, Nanos, NrAccesses, Region, Snapshot, Target, TargetKey};
//! use damo_report::Report;
//! use damo_report::distribution::DistributionText;
//! use damo_report::wss::{WssOptions, wss};
//!
//! let mut items = vec![Item::Meta(Meta::default()), Item::Target(Target::default())];
//! for second in 0..60 {
//!     let mut snapshot = Snapshot::new(TargetKey(0), Nanos::from_secs(second), Nanos::from_secs(second + 1), None);
//!     snapshot.regions.push(Region::new(Addr(0), Addr(4096), NrAccesses(3), None));
//!     items.push(Item::Snapshot(snapshot));
//! }
//! let record = Record::from_items(&items)?;
//! let report = wss(&[record], &WssOptions::default())?;
//! let mut text = Vec::new();
//! report.write_text(&mut text, &DistributionText::default())?;
//! assert!(String::from_utf8(text)?.contains("4.000 KiB"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod access;
pub mod ages;
mod bounds;
pub mod colormap;
pub mod confidence;
pub mod cpu_profile;
pub mod distribution;
mod error;
mod events;
pub mod extents;
pub mod filter;
pub mod footprints;
pub mod guide;
pub mod heats;
pub mod holistic;
pub mod html;
pub mod idle;
pub mod nodes;
pub mod nr_regions;
mod output_format;
pub mod picture;
pub mod probes;
pub mod profile;
pub mod range;
pub mod raw;
mod report;
pub mod resample;
pub mod schemes;
pub mod selection;
pub mod series;
mod series_chart;
pub mod several;
pub mod statistic;
pub mod suggest;
pub mod survey;
pub mod table;
mod target;
pub mod temperature;
pub mod text_width;
pub mod times;
pub mod whatif;
mod window;
pub mod wss;
mod zero;

pub use error::ReportError;
pub use output_format::Form;
pub use report::Report;
pub use table::Table;
pub use zero::Zero;
