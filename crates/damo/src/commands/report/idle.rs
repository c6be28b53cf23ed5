//! `damo report idle`.

use super::form::{FormArgs, FormOptions};
use super::shared::{ReportCommand, show_one};
use crate::errors::Outcome;
use crate::inputs::Opened;
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_kernel::Root;
use damo_kernel::sysfs::{Module, Sysfs};
use damo_report::idle::IdleReport;

#[derive(Args, Debug)]
#[command(
    after_help = "It reads what the kernel's module DAMON_STAT says at this moment (Linux 6.17 or later), and no record. \
    `damo module stat enable` switches the module on."
)]
pub(super) struct IdleArgs {
    /// Percentiles of the memory that the text shows
    #[arg(
        short = 'p',
        long,
        value_name = "PERCENT",
        num_args = 1..,
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(0..=100),
        default_values_t = [0, 1, 25, 50, 75, 99, 100],
        help_heading = "Output"
    )]
    percentiles: Vec<u32>,
    /// Print the figures as OpenMetrics text, for node_exporter's textfile collector
    #[arg(long, conflicts_with_all = ["format", "table", "plot"], help_heading = "Output")]
    openmetrics: bool,
    #[command(flatten)]
    form: FormArgs,
}

impl IdleArgs {
    fn report(&self, root: &Root) -> Result<IdleReport> {
        let stat = Sysfs::new(root).module(Module::Stat)?;
        if !stat.enabled {
            bail!("DAMON_STAT is not enabled, so that nothing is known: `damo module stat enable` switches it on");
        }
        let found = stat.idle_times()?.context("this kernel's DAMON_STAT does not tell idle times")?;
        Ok(IdleReport {
            idle: found.percentiles,
            bandwidth: found.bandwidth,
            aggregation: found.aggregation,
            shown: self.percentiles.clone(),
        })
    }
}

impl ReportCommand for IdleArgs {
    /// Reads the kernel instead of a record.
    fn run(&self) -> Result<Outcome> {
        let form = self.form.form()?;
        form.check()?;
        let report = self.report(&Root::host())?;
        if self.openmetrics {
            form.write(super::form::PagerArgs { no_pager: true }, |out| {
                Ok(out.write_all(report.open_metrics().as_bytes())?)
            })?;
        } else {
            show_one(&report, &form, &Opened { records: Vec::new() })?;
        }
        Ok(Outcome::Fine)
    }
}
