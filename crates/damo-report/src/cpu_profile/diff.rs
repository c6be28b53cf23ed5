//! How two profiles differ, function by function.

use super::show::{ProfileLayout, percent, row, write_sentences};
use super::{Basis, CpuProfileReport, Function};
use crate::picture::{Bar, Bars, Picture, Unit};
use crate::table::Table;
use crate::{Report, ReportError};
use damo_model::human::Show;
use std::collections::BTreeMap;
use std::io::Write;

/// Bars of the picture: two of each function.
const MOST_BARS: usize = 12;
/// Differences of less than so many standard errors may be chance.
const ERRORS: f64 = 2.0;

/// A function in both profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The function, as in the profile in which it took more.
    pub name: String,
    /// The file without folders that the function is in.
    pub module: String,
    /// Share of its own code before and after, 0 to 1.
    pub own: [f64; 2],
    /// Share with what it called.
    pub total: [f64; 2],
    /// CPUs that its own code kept busy before and after; `None` if the samples do not tell.
    pub cpus: [Option<f64>; 2],
    /// Standard error of the difference of its own shares.
    pub error: f64,
}

impl Change {
    /// How much more its own code takes after, as a share.
    pub fn by(&self) -> f64 {
        self.own[1] - self.own[0]
    }

    /// Whether the difference is more than chance gives: two standard errors.
    pub fn is_sure(&self) -> bool {
        self.by().abs() > ERRORS * self.error
    }
}

/// How a profile differs from another one.
#[derive(Clone, Debug, Default)]
pub struct ProfileDifference {
    /// The largest differences first.
    pub changes: Vec<Change>,
    /// What the profiles are of, before and after.
    pub names: [String; 2],
    /// What they are based on.
    pub bases: [Basis; 2],
}

/// How `after` differs from `before`; `names` says what they are of. Functions are the same if their names and their modules'
/// names are.
pub fn difference(before: &CpuProfileReport, after: &CpuProfileReport, names: [String; 2]) -> ProfileDifference {
    let mut functions: BTreeMap<(String, &str), [Option<&Function>; 2]> = BTreeMap::new();
    for (side, report) in [before, after].into_iter().enumerate() {
        for function in &report.functions {
            // Addresses of code without names differ from run to run.
            let name = if function.has_name { function.name.clone() } else { String::new() };
            functions.entry((name, function.module.as_str())).or_default()[side] = Some(function);
        }
    }
    let bases = [before.basis.clone(), after.basis.clone()];
    let change = |((name, module), sides): ((String, &str), [Option<&Function>; 2])| {
        let share = |pick: fn(&Function) -> f64| sides.map(|side| side.map_or(0.0, pick));
        let own = share(|function| function.self_share);
        let variance = |side: usize| own[side] * (1.0 - own[side]) / bases[side].samples.max(1) as f64;
        let cpus = [0, 1].map(|side: usize| bases[side].cpus().map(|cpus| cpus * own[side]));
        Change {
            name: if name.is_empty() { format!("[no name, in {module}]") } else { name },
            module: module.to_owned(),
            own,
            total: share(|function| function.total_share),
            cpus,
            error: (variance(0) + variance(1)).sqrt(),
        }
    };
    let mut changes: Vec<Change> = functions.into_iter().map(change).collect();
    changes.sort_by(|a, b| b.by().abs().total_cmp(&a.by().abs()).then_with(|| a.name.cmp(&b.name)));
    ProfileDifference { changes, names, bases }
}

fn signed(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

impl Report for ProfileDifference {
    const NAME: &'static str = "profile";
    type Layout = ProfileLayout;

    fn write_text(&self, out: &mut dyn Write, layout: &ProfileLayout) -> Result<(), ReportError> {
        for ((word, name), basis) in ["before", "after"].iter().zip(&self.names).zip(&self.bases) {
            let mut sentences = basis.sentences();
            sentences.truncate(1);
            write_sentences(
                out,
                &sentences.iter().map(|said| format!("{word}: {}: {said}", name.shown())).collect::<Vec<_>>(),
            )?;
        }
        let join = self.bases[1].sentences().split_off(1);
        write_sentences(out, &join)?;
        let heading = format!("#{:>8} {:>9} {:>9}", "before", "after", "change");
        writeln!(out, "{}", row(&heading, "function (its own code)", "module", "sure?"))?;
        for change in self.changes.iter().take(layout.most) {
            let [before, after] = change.own.map(percent);
            let figures = format!(" {before:>8} {after:>9} {:>9}", signed(change.by()));
            let sure =
                if change.is_sure() { String::new() } else { format!("within ±{}", percent(ERRORS * change.error)) };
            writeln!(out, "{}", row(&figures, &change.name, &change.module, &sure))?;
        }
        if self.changes.len() > layout.most {
            writeln!(out, "# {} more", self.changes.len() - layout.most)?;
        }
        let remark = "Changes are of shares, in percentage points. One that is within two standard errors of the sampling may be chance.";
        write_sentences(out, &[remark.to_owned()])?;
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let changes = Table::of("changes", &self.changes)
            .col("function", "", |row| row.name.as_str())
            .col("module", "", |row| row.module.as_str())
            .col("before_self_share", "of its own code, 0 to 1", |row| row.own[0])
            .col("after_self_share", "of its own code, 0 to 1", |row| row.own[1])
            .col("before_total_share", "with what it called", |row| row.total[0])
            .col("after_total_share", "with what it called", |row| row.total[1])
            .col("before_cpus", "CPUs that its own code kept busy", |row| row.cpus[0])
            .col("after_cpus", "CPUs that its own code kept busy", |row| row.cpus[1])
            .col("change", "of the share of its own code", |row| row.by())
            .col("standard_error", "of that change, by the numbers of samples", |row| row.error);
        Ok(vec![changes.table()?])
    }

    fn picture(&self, _: &ProfileLayout) -> Result<Box<dyn Picture + '_>, ReportError> {
        let bars = |change: &Change| {
            let bar = |side: usize| Bar {
                label: ["before", "after"][side].to_owned(),
                spans: vec![(0.0, change.own[side] * 100.0)],
                text: percent(change.own[side]),
                color: side,
            };
            (change.name.shown().to_string(), vec![bar(0), bar(1)])
        };
        Ok(Box::new(Bars {
            title: format!("Functions that took more or less, by {}", self.bases[1].samples_word()),
            x: ("share of samples, of its own code".to_owned(), Unit::Percent),
            groups: self.changes.iter().take(MOST_BARS).map(bars).collect(),
        }))
    }
}
