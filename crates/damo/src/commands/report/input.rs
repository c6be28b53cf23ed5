//! Which records a report reads, and what is known of them that they do not tell: perf.data and trace text have numbers of
//! accesses, but not the intervals that make rates and times of them.

use super::options::microseconds;
use crate::inputs::{self, Inputs, Opened};
use anyhow::{Result, bail};
use clap::Args;
use damo_frame::OpenOptions;
use damo_model::{Intervals, Nanos};
use std::path::PathBuf;

/// The records of a report.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportInputs {
    /// Their names.
    #[command(flatten)]
    pub named: Inputs,
    /// What they do not tell.
    #[command(flatten)]
    pub known: Known,
}

impl ReportInputs {
    /// Opens the named files, and `more`; without any, the default one.
    ///
    /// # Errors
    /// If there is none, or one is no record.
    pub fn open(&self, more: &[PathBuf]) -> Result<Opened> {
        self.known.open(&self.named.paths(more)?)
    }
}

/// What is known beyond the records.
#[derive(Args, Clone, Debug, Default)]
pub struct Known {
    /// Sampling and aggregation interval of records that do not tell them (perf.data, trace text), as in `5ms 100ms`; bare
    /// numbers are microseconds
    #[arg(long, num_args = 2, value_names = ["SAMPLE", "AGGREGATION"], value_parser = microseconds, help_heading = "Input")]
    intervals: Vec<Nanos>,
}

impl Known {
    /// Opens records.
    ///
    /// # Errors
    /// If one is no record, or the intervals cannot be.
    pub fn open(&self, paths: &[PathBuf]) -> Result<Opened> {
        let [sample, aggregation] = self.intervals[..] else { return inputs::open(paths) };
        if sample.0 <= 0 || aggregation < sample {
            bail!(
                "--intervals: the sampling interval is above 0 and at most the aggregation interval, as in 5ms 100ms"
            );
        }
        let mut options = OpenOptions::default();
        options.import.intervals = Some(Intervals { sample, aggregation, ..Intervals::default() });
        let opened = inputs::open_with(paths, &options)?;
        if let Some(record) =
            opened.records.iter().find(|record| record.totals().snapshots > 0 && record.meta().intervals.is_none())
        {
            bail!(
                "--intervals: {} is a .damo record that was made without intervals, and those cannot be added; name the \
                 file that it was made from",
                record.name()
            );
        }
        Ok(opened)
    }
}
