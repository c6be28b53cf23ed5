//! What most reports are asked in the same way: which records, which part of them, and in what form the result is shown.

use super::input::ReportInputs;
use super::options::{ClockArgs, FilterArgs, FormArgs};
use super::picture::PlotArgs;
use crate::errors::Outcome;
use crate::inputs::Opened;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_frame::Record;
use damo_report::Report;
use damo_report::filter::Filter;
use damo_report::selection::selected;
use damo_report::several::Apart;
use std::path::{Path, PathBuf};

/// What a report has of its own on the command line.
pub trait ReportArgs: Args {
    /// The report.
    type Report: Report;

    /// Sees that the options make sense, before a record is opened.
    ///
    /// # Errors
    /// If one does not.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Whether a named file is a record to read.
    fn reads(_path: &Path) -> bool {
        true
    }

    /// Makes the report of the records of one recording; `filter` is on their clock.
    ///
    /// # Errors
    /// If a record cannot be read, or an option makes no sense for it.
    fn make(asked: &Asked<Self>, records: &[Record], filter: Filter) -> Result<Self::Report>;

    /// How text and picture are laid out.
    fn layout(&self) -> <Self::Report as Report>::Layout;
}

/// The options of a report: its own, and those that most reports have.
#[derive(Args, Debug)]
pub struct Asked<A: Args> {
    /// Records to read
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: ReportInputs,
    /// The report's own.
    #[command(flatten)]
    pub own: A,
    #[command(flatten)]
    plot: PlotArgs,
    /// In which form the result is written, and where to.
    #[command(flatten)]
    pub form: FormArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Which clock times are of.
    #[command(flatten)]
    pub clock: ClockArgs,
}

impl<A: ReportArgs> Asked<A> {
    /// Makes the report and shows it.
    ///
    /// # Errors
    /// If a record cannot be read, an option makes no sense, or the result cannot be written.
    pub fn run(&self) -> Result<Outcome> {
        self.own.check()?;
        let filter = self.filter.filter(self.clock)?;
        let mut paths = self.inputs.named.paths(&self.files)?;
        paths.retain(|path| A::reads(path));
        let opened = self.inputs.named.known.open(&paths)?;
        opened.has_target(&filter.target)?;
        self.form.check()?;
        let found = progress::during(&opened.records, || {
            Apart::look(&opened.records, |records| {
                let mut report = A::make(self, records, selected(records, &filter)?)?;
                if let Some(zero) = report.zero() {
                    *zero = self.clock.zero(*zero);
                }
                Ok::<_, anyhow::Error>(report)
            })
        })?;
        show(&found, &self.own.layout(), &opened, (&self.plot, &self.form, self.clock))
    }
}

/// Shows what was found in the form that was asked for.
///
/// # Errors
/// If it cannot be written, or there is no such table.
pub fn show<R: Report>(
    found: &Apart<R>,
    layout: &R::Layout,
    opened: &Opened,
    (plot, form, clock): (&PlotArgs, &FormArgs, ClockArgs),
) -> Result<Outcome> {
    let picture = || found.picture(|report| report.picture(layout));
    if let Some(form) = plot.or_form(picture, opened, form)? {
        let tables = || found.tables(clock.abs_time, Report::tables);
        form.write(R::NAME, |out| found.write_text(out, |report, out| report.write_text(out, layout)), tables)?;
    }
    Ok(opened.outcome())
}
