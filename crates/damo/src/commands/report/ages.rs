//! `damo report ages`.

use super::form::FormArgs;
use super::options::{ClockArgs, seconds_or_minutes};
use super::part::FilterArgs;
use super::shared::{Asked, ReportArgs, Request};
use anyhow::Result;
use clap::Args;
use damo_frame::Record;
use damo_model::Nanos;
use damo_model::human::time_text;
use damo_report::ReportError;
use damo_report::ages::{self, AgesOptions, AgesReport};
use damo_report::selection::nothing_left;
use damo_report::several::Apart;

#[derive(Args, Debug)]
pub(super) struct AgesArgs {
    /// Where one class of ages ends and the next begins, e.g. 0,5s,30s,10min,2h
    #[arg(long, value_name = "TIMES", help_heading = "Output")]
    edges: Option<String>,
    /// The snapshot in force at this time since the recording began, such as 30s, instead of the last one
    #[arg(long, value_name = "TIME", value_parser = seconds_or_minutes, help_heading = "Selection")]
    at: Option<Nanos>,
}

impl ReportArgs for AgesArgs {
    type Report<'r> = AgesReport;
    type Part = FilterArgs;
    type Form = FormArgs;

    fn check(asked: &Asked<Self>, _: &FormArgs) -> Result<()> {
        asked.own.edges().map(drop)
    }

    fn find(request: &Request<'_, Self>) -> Result<Apart<AgesReport>> {
        let edges = request.own().edges()?;
        request.each(|records, filter| {
            let at = request.own().at.map(|at| moment(records, at, request.asked.clock)).transpose()?;
            Ok(ages::ages(records, &AgesOptions { edges: edges.clone(), at, filter })?)
        })
    }
}

impl AgesArgs {
    fn edges(&self) -> Result<Vec<Nanos>> {
        Ok(match &self.edges {
            Some(edges) => ages::parse_edges(edges)?,
            None => AgesOptions::default().edges,
        })
    }
}

/// A time on the clock of a record, which covers it.
fn moment(records: &[Record], at: Nanos, clock: ClockArgs) -> Result<Nanos, ReportError> {
    let Some(record) = records.first() else { return Ok(at) };
    let on_clock = if clock.abs_time { at } else { at.saturating_add(record.began()) };
    match record.time_span() {
        Some(span) if on_clock < span.start || span.end < on_clock => {
            Err(nothing_left(record, &format!("--at {} is not in the record", time_text(at))))
        }
        _ => Ok(on_clock),
    }
}
