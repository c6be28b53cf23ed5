//! What all reports are asked in the same way (which records, which part of them, in what form the result is shown), and the
//! one runner that makes and shows them.

use super::form::{AnyForm, FormArgs, FormOptions, PagerArgs};
use super::live::LiveArgs;
use super::options::ClockArgs;
use super::part::{PartOptions, PhaseArgs};
use crate::errors::Outcome;
use crate::inputs::{Inputs, Opened};
use crate::progress;
use anyhow::Result;
use clap::{Args, Command};
use damo_analysis::phases::times_of;
use damo_frame::{OpenOptions, Record};
use damo_report::Report;
use damo_report::filter::Filter;
use damo_report::selection::selected;
use damo_report::several::Apart;
use std::fmt::Debug;
use std::path::PathBuf;

/// A report on the command line.
pub(crate) trait ReportCommand: Debug {
    /// Changes what clap knows of the options that all reports have.
    fn adapt(command: Command) -> Command
    where
        Self: Sized,
    {
        command
    }

    /// Makes the report and shows it.
    ///
    /// # Errors
    /// If a record cannot be read, an option makes no sense, or the result cannot be written.
    fn run(&self) -> Result<Outcome>;
}

/// What a report has of its own on the command line.
pub(crate) trait ReportArgs: Args + Debug + 'static {
    /// The report; those that read records while they are written borrow them.
    type Report<'r>: Report;
    /// The options that say which part of the records it looks at.
    type Part: PartOptions;
    /// The options that say in which form it is shown.
    type Form: FormOptions;

    /// Whether it reads profiles: perf.data without an event of DAMON is a record as well.
    const PROFILES: bool = false;

    /// Changes what clap knows of the options that all reports have.
    fn adapt(command: Command) -> Command {
        command
    }

    /// The records to read.
    ///
    /// # Errors
    /// If none is named and there is no default one.
    fn paths(asked: &Asked<Self>) -> Result<Vec<PathBuf>> {
        asked.inputs.paths(&[&asked.files[..], asked.form.files(), asked.part.files()].concat())
    }

    /// Sees that the options make sense, before a record is opened.
    ///
    /// # Errors
    /// If one does not.
    fn check(_: &Asked<Self>, _: &FormArgs) -> Result<()> {
        Ok(())
    }

    /// Does what some options ask for instead of the report. Gives whether one did.
    ///
    /// # Errors
    /// If it cannot be done.
    fn instead(_: &Request<'_, Self>) -> Result<bool> {
        Ok(false)
    }

    /// Makes the report of each recording.
    ///
    /// # Errors
    /// If a record cannot be read, or an option makes no sense for it.
    fn find<'r>(request: &Request<'r, Self>) -> Result<Apart<Self::Report<'r>>>;

    /// How text and picture are laid out.
    ///
    /// # Errors
    /// If the records cannot be read.
    fn layout<'r>(_: &Request<'r, Self>, _: &Apart<Self::Report<'r>>) -> Result<<Self::Report<'r> as Report>::Layout> {
        Ok(Default::default())
    }

    /// Whether text that is longer than the window goes through a pager.
    fn pager(&self) -> PagerArgs {
        PagerArgs { no_pager: true }
    }
}

/// The options of a report: its own, and those that all reports have.
#[derive(Args, Debug)]
pub(crate) struct Asked<A: ReportArgs> {
    /// Records to read
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The same by an option, and what the records do not tell.
    #[command(flatten)]
    pub inputs: Inputs,
    /// What to record for the report.
    #[command(flatten)]
    live: LiveArgs,
    /// The report's own.
    #[command(flatten)]
    pub own: A,
    /// In which form the result is shown, and where it goes.
    #[command(flatten)]
    pub form: A::Form,
    /// Which part of the records.
    #[command(flatten)]
    pub part: A::Part,
    /// Which phases of their time.
    #[command(flatten)]
    pub phases: PhaseArgs,
    /// Which clock times are of.
    #[command(flatten)]
    pub clock: ClockArgs,
}

/// Options that make sense by themselves, and the records that they are for.
pub(crate) struct Request<'r, A: ReportArgs> {
    /// The options as they were given.
    pub asked: &'r Asked<A>,
    /// In which form the result is shown.
    pub form: FormArgs,
    /// Which part of the records; times since the recording began are not on a record's clock yet.
    pub filter: Filter,
    /// The records that are open.
    pub opened: &'r Opened,
}

impl<'r, A: ReportArgs> Request<'r, A> {
    /// The report's own options.
    pub(crate) fn own(&self) -> &'r A {
        &self.asked.own
    }

    /// Looks at the records of each recording, of which something passes the filter; that is on their clock.
    ///
    /// # Errors
    /// If nothing passes, or the first that `look` returns.
    pub(crate) fn each<T>(&self, mut look: impl FnMut(&'r [Record], Filter) -> Result<T>) -> Result<Apart<T>> {
        progress::during(&self.opened.records, || {
            Apart::look(&self.opened.records, |records| {
                let mut filter = self.filter.clone();
                if let Some(record) = records.first() {
                    filter.snapshot_time.extend(times_of(record, &self.asked.phases.numbers)?);
                }
                look(records, selected(records, &filter)?)
            })
        })
    }

    /// Shows what was found in the form that was asked for.
    ///
    /// # Errors
    /// If it cannot be written, or there is no such table.
    pub(crate) fn show<R: Report>(&self, found: &Apart<R>, layout: &R::Layout) -> Result<()> {
        let form = &self.form;
        if let Some(place) = form.picture_output() {
            let picture = progress::during(&self.opened.records, || found.picture(layout))?;
            return form.plot.picture.draw(&*picture, self.opened, &place);
        }
        form.write(self.own().pager(), |out| {
            Ok(match form.format() {
                AnyForm::Tables(tables) => found.write_tables(tables, form.table.as_deref(), out),
                _ => found.write_text(out, layout),
            }?)
        })
    }
}

impl<A: ReportArgs> ReportCommand for Asked<A> {
    fn adapt(command: Command) -> Command {
        let command = A::adapt(command);
        if A::Part::HAS_TIMES { command } else { command.mut_arg("numbers", |phase| phase.hide(true)) }
    }

    fn run(&self) -> Result<Outcome> {
        // Mistakes in options are told before a long record is read.
        let (form, filter) = (self.form.form()?, self.part.filter(self.clock)?);
        self.phases.check(&self.part)?;
        A::check(self, &form)?;
        let mut opened = match self.live.record(&OpenOptions::default())? {
            Some(record) => Opened { records: vec![record] },
            None if A::PROFILES => self.inputs.known.open_profiles(&A::paths(self)?)?,
            None => self.inputs.known.open(&A::paths(self)?)?,
        };
        opened.has_target(&filter.target)?;
        form.check()?;
        opened.records.iter_mut().for_each(|record| record.shows_clock = self.clock.abs_time);
        let request = Request { asked: self, form, filter, opened: &opened };
        if !A::instead(&request)? {
            let found = A::find(&request)?;
            request.show(&found, &A::layout(&request, &found)?)?;
        }
        Ok(opened.outcome())
    }
}

/// Shows a report of one record, whose moments stay on the record's clock.
///
/// # Errors
/// As [`Request::show`].
pub(crate) fn show_one<R: Report<Layout = ()>>(report: &R, form: &FormArgs, opened: &Opened) -> Result<()> {
    if let Some(place) = form.picture_output() {
        return form.plot.picture.draw(&*report.picture(&())?, opened, &place);
    }
    form.write(PagerArgs { no_pager: true }, |out| {
        Ok(match form.format() {
            AnyForm::Tables(tables) => tables.write(R::NAME, report.tables()?, form.table.as_deref(), out),
            _ => report.write_text(out, &()),
        }?)
    })
}
