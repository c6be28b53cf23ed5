//! `damo doctor`: whether this machine is ready for monitoring; with a record, whether that supports conclusions.

use crate::errors::Outcome;
use crate::inputs::Known;
use crate::output;
use crate::progress;
use anyhow::Result;
use clap::Args;
use damo_frame::Record;
use damo_model::human::{Style, format_size_f64, plain_json};
use damo_report::confidence::{Confidence, Finding, confidence, working_set_finding, write_findings};
use damo_report::distribution::PercentileRange;
use damo_report::filter::Filter;
use damo_report::wss::{WssOptions, wss};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::slice;

/// Arguments of `damo doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Exit code: 0 if all is well, 1 if something stands in the way.")]
pub(crate) struct Doctor {
    /// Records to judge instead of this machine: can they support conclusions, and which intervals to try if not
    #[arg(value_name = "RECORD")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    machine: damo_cli::args::DoctorArgs,
}

/// Looks at the machine, or at records.
///
/// # Errors
/// If a record cannot be read, or stdout takes no more.
pub(crate) fn run(args: &Doctor) -> Result<Outcome> {
    if args.records.is_empty() {
        return super::exits(|out| damo_cli::doctor(&args.machine, out));
    }
    let opened = args.known.open(&args.records)?;
    let judge = |record: &Record| progress::during(&opened.records, || Verdict::of(record));
    let verdicts: Vec<Verdict> = opened.records.iter().map(judge).collect::<Result<_>>()?;
    output::to_stdout(|out| {
        if args.machine.json {
            let records: Vec<Value> = verdicts.iter().map(Verdict::json).collect();
            let value = json!({ "sound": verdicts.iter().all(Verdict::is_sound), "records": records });
            writeln!(out, "{}", plain_json(&format!("{value:#}")))?;
            return Ok(());
        }
        for verdict in &verdicts {
            if verdicts.len() > 1 {
                writeln!(out, "{}:", verdict.record)?;
            }
            verdict.write_text(out)?;
        }
        Ok(())
    })?;
    Ok(match opened.outcome() {
        Outcome::Fine if !verdicts.iter().all(Verdict::is_sound) => Outcome::GateFailed,
        outcome => outcome,
    })
}

/// What a record is worth.
struct Verdict {
    record: String,
    confidence: Confidence,
    /// The mean working set and its range in bytes, where known.
    working_set: Option<(f64, (f64, f64))>,
    findings: Vec<Finding>,
}

impl Verdict {
    fn of(record: &Record) -> Result<Self> {
        let confidence = confidence(record, &Filter::default())?;
        // The mean is all that is asked for.
        let range = PercentileRange { stop: 0, ..PercentileRange::default() };
        let options = WssOptions { errors: true, range, ..WssOptions::default() };
        let report = wss(slice::from_ref(record), &options)?;
        let distribution = report.series.first().map(|series| &series.distribution);
        let working_set =
            distribution.and_then(|distribution| Some((distribution.mean, distribution.ranges.as_ref()?.mean)));
        let mut findings = confidence.judged();
        // What is too little for any conclusion needs no further word on its working set.
        if !findings.iter().any(|finding| finding.is_grave) {
            findings.extend(working_set.and_then(|(_, range)| working_set_finding(range)));
        }
        Ok(Verdict { record: record.name().to_owned(), confidence, working_set, findings })
    }

    fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn write_text(&self, out: &mut dyn Write) -> Result<()> {
        self.confidence.write_figures(out)?;
        if let Some((mean, (least, most))) = self.working_set {
            let size = |bytes: f64| format_size_f64(bytes, Style::Human);
            writeln!(out, "working set: {} on average, at least {}, at most {}", size(mean), size(least), size(most))?;
        }
        Ok(write_findings(&self.findings, out)?)
    }

    fn json(&self) -> Value {
        let finding = |finding: &Finding| json!({ "text": finding.text, "grave": finding.is_grave });
        let range = |(mean, (least, most))| json!({ "mean": mean, "least": least, "most": most });
        json!({
            "record": self.record,
            "sound": self.is_sound(),
            "figures": self.confidence.json(),
            "working_set": self.working_set.map(range),
            "findings": self.findings.iter().map(finding).collect::<Vec<Value>>(),
        })
    }
}
