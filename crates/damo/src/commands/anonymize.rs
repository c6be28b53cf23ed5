//! `damo anonymize`: a record to share, without names and with addresses moved.

use crate::edits::{self, History, OutputArgs};
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use anyhow::Result;
use clap::Args;
use damo_edit::anonymize::{Anonymize, Anonymized, Survey, WHAT};
use damo_frame::Record;
use damo_model::human::Show;
use damo_model::{Side, Source};
use std::path::PathBuf;

/// Where the new record goes if no name is given.
const DEFAULT: &str = "damon.anonymous.damo";

/// Arguments of `damo anonymize`.
#[derive(Args, Debug)]
#[command(after_help = "Every contiguous area of addresses is moved to a place that tells nothing; order, sizes and \
                        positions within pages stay, so that reports give the same numbers. Names of hosts, programs, \
                        users, files and control groups, command lines, process ids, the boot id and the time of day go. \
                        Mappings keep their kind ([heap], [stack], file #1). Merge before you anonymize: each run moves \
                        addresses its own way.\n\n\
                        Example:\n  damo anonymize damon.damo -o share.damo")]
pub(crate) struct AnonymizeArgs {
    /// The record [default: damon.damo, then damon.data]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    /// Keep the texts of marks
    #[arg(long = "keep_marks")]
    keep_marks: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Anonymizes.
///
/// # Errors
/// If the record cannot be read, its addresses cannot be moved, or the new one cannot be written.
pub(crate) fn run(args: &AnonymizeArgs) -> Result<Outcome> {
    let opened = edits::open_one(&args.inputs, &args.files)?;
    let mut late = Outcome::Fine;
    for record in &opened.records {
        let mut survey = Survey::default();
        edits::pass(record, &mut survey)?;
        let done = args.output.write(DEFAULT, |out| {
            let mut out = History::new(WHAT, out);
            let mut anonymize = Anonymize::new(survey, args.keep_marks, &mut out)?;
            late = edits::pass(record, &mut anonymize)?;
            Ok(anonymize.done())
        })?;
        args.tell(record, done);
    }
    Ok(edits::outcome(&opened, late))
}

impl AnonymizeArgs {
    /// What went and what stays, to look over before the record leaves the house.
    fn tell(&self, record: &Record, done: Anonymized) {
        let meta = record.meta();
        let mut stays =
            vec!["regions, access counts and ages", "intervals and parameters in numbers", "times from 0 on"];
        stays.push("sizes, permissions and file offsets of mappings");
        stays.push("footprints, CPU times and pressure");
        if record.side_data().is_ok_and(|sides| sides.iter().any(|side| matches!(side, Side::Placement(_)))) {
            stays.push("on which NUMA nodes memory is");
        }
        if !meta.kernel_release.is_empty() {
            stays.push("the kernel's version without its builder's suffix");
        }
        if !meta.features.is_empty() {
            stays.push("features of the kernel");
        }
        if let Source::Simulator { .. } = meta.source {
            stays.push("the simulation's seed");
        }
        if self.keep_marks && done.marks > 0 {
            stays.push("THE TEXTS OF MARKS");
        }
        errors::done(format_args!(
            "{}: {} address areas moved; the names of {} processes and {} files replaced by numbers{}",
            self.output.path(DEFAULT).shown(),
            done.areas,
            done.processes,
            done.files,
            if self.keep_marks || done.marks == 0 {
                String::new()
            } else {
                format!(", and the texts of {} marks as well", done.marks)
            }
        ));
        errors::done(format_args!("  still in the record: {}", stays.join("; ")));
    }
}
