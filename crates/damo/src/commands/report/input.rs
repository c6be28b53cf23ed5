//! Which records a report reads.

pub use crate::inputs::Known;
use crate::inputs::{Inputs, Opened};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// The records of a report.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportInputs {
    /// Their names, and what they do not tell.
    #[command(flatten)]
    pub named: Inputs,
}

impl ReportInputs {
    /// Opens the named files, and `more`; without any, the default one.
    ///
    /// # Errors
    /// If there is none, or one is no record.
    pub fn open(&self, more: &[PathBuf]) -> Result<Opened> {
        self.named.open(more)
    }
}
