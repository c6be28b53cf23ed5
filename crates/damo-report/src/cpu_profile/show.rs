//! A profile as text, as a table, and as a picture.

use super::{Basis, CpuProfileReport, Function, Join};
use crate::picture::{Bar, Bars, Picture, Unit};
use crate::table::Table;
use crate::text_width::{padded, width, wrapped};
use crate::{Report, ReportError};
use damo_model::human::{Show, count_text, time_text};
use damo_model::profile::Sampled;
use std::io::Write;

/// Columns of a line of text.
const COLUMNS: usize = 100;
/// Columns of a function's name.
const NAME: usize = 46;
/// Columns of a module's name.
const MODULE: usize = 18;
/// Bars of the picture.
const MOST_BARS: usize = 20;

damo_model::with_defaults! {
    /// How the text is laid out.
    #[derive(Clone, Copy, Debug)]
    pub struct ProfileLayout {
        /// Functions that are told one by one; of the rest, how many there are.
        pub most: usize = 25,
        /// Functions are in the order of what they and what they called took.
        pub by_total: bool = false,
    }
}

/// A share of 0 to 1 in percent, for columns.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Samples in words.
fn samples(count: u64) -> String {
    count_text(count, "sample")
}

impl Basis {
    /// What the figures are based on, and what to keep in mind, in sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = vec![self.what()];
        said.push(match self.join {
            Join::Time if self.sampled == Sampled::Access => {
                "These are samples of accesses to memory, not of CPU time: functions and memory are joined by time."
                    .to_owned()
            }
            Join::Time => {
                "CPU samples say where time went, not which instruction touched the memory: functions and memory \
                           are joined by time."
                    .to_owned()
            }
            Join::Address => {
                "The processor sampled accesses with the addresses of their data: functions and memory are joined \
                              by address."
                    .to_owned()
            }
        });
        said
    }

    /// What the samples are, in words.
    pub(crate) fn samples_word(&self) -> &'static str {
        match self.sampled {
            Sampled::Cpu => "CPU samples",
            Sampled::Access => "samples of memory accesses",
        }
    }

    fn what(&self) -> String {
        let event = match (self.event.is_empty(), self.frequency) {
            (true, _) => "samples".to_owned(),
            (false, 0) => format!("samples of {}", self.event.shown()),
            (false, hz) => format!("samples of {} at {hz} Hz", self.event.shown()),
        };
        let part =
            if self.part.is_empty() { String::new() } else { format!(" of {}, {}", self.all, self.part.shown()) };
        let time = match self.time.0 > 0 && self.join == Join::Time {
            true if self.part.is_empty() => format!(", in {}", time_text(self.time)),
            true => format!(", in {} of {}", time_text(self.time), time_text(self.whole)),
            false => String::new(),
        };
        let busy = match self.cpus() {
            Some(cpus) => format!("; {cpus:.2} CPUs were busy"),
            None => String::new(),
        };
        format!("{} {event}{part}{time}{busy}", self.samples)
    }

    /// How many CPUs were busy on average; `None` if the samples do not tell.
    pub fn cpus(&self) -> Option<f64> {
        let expected = f64::from(self.frequency) * self.time.as_secs_f64();
        // Only samples of a clock are so many per second of CPU time; `cycles` adapts its period to be so as well.
        (self.sampled == Sampled::Cpu && expected >= 1.0).then(|| self.samples as f64 / expected)
    }

    /// What is missing, and what helps, in sentences.
    pub fn remarks(&self) -> Vec<String> {
        let mut said = Vec::new();
        let of = |part: u64| {
            format!("{part} of {} ({})", samples(self.samples), percent(part as f64 / self.samples.max(1) as f64))
        };
        if !self.has_names {
            said.push(
                "There are no names in the record: `damo symbolize RECORD` adds them, on the machine where it was recorded."
                    .to_owned(),
            );
        } else if self.unnamed > 0 {
            said.push(format!(
                "{} are in code without a name; `damo symbolize RECORD` says why, file by file.",
                of(self.unnamed)
            ));
        }
        if self.no_stack > 0 {
            said.push(format!("{} have no stack at all.", of(self.no_stack)));
        }
        if self.cut > 0 {
            said.push(format!(
                "The stacks of {} are cut: they do not reach the function with which the thread began, so that totals of callers \
                 are too low. Build with frame pointers: -fno-omit-frame-pointer (C, C++), -C force-frame-pointers=yes (Rust).",
                of(self.cut)
            ));
        }
        if self.lost > 0 {
            said.push(format!("{} were lost while recording.", samples(self.lost)));
        }
        if !self.no_kernel.is_empty() {
            said.push(format!("Frames of the kernel are missing: {}.", self.no_kernel.shown()));
        }
        said
    }
}

impl CpuProfileReport {
    /// The functions in an order, without those of which nothing was sampled.
    fn sorted(&self, by_total: bool) -> Vec<&Function> {
        let mut rows: Vec<&Function> = self.functions.iter().filter(|row| row.total_samples > 0).collect();
        if by_total {
            rows.sort_by(|a, b| b.total_share.total_cmp(&a.total_share));
        }
        rows
    }
}

/// Writes sentences as lines of a comment.
pub(super) fn write_sentences(out: &mut dyn Write, sentences: &[String]) -> std::io::Result<()> {
    for sentence in sentences {
        for line in wrapped(&format!("# {sentence}"), COLUMNS, "#   ") {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// A row of functions: figures, the name, the module, and what follows.
pub(super) fn row(figures: &str, name: &str, module: &str, more: &str) -> String {
    let (name, module) = (name.shown().to_string(), module.shown().to_string());
    format!("{figures}  {}  {}  {}", padded(&name, NAME), padded(&module, MODULE), more.shown()).trim_end().to_owned()
}

impl Report for CpuProfileReport {
    const NAME: &'static str = "profile";
    type Layout = ProfileLayout;

    fn write_text(&self, out: &mut dyn Write, layout: &ProfileLayout) -> Result<(), ReportError> {
        write_sentences(out, &self.basis.sentences())?;
        let rows = self.sorted(layout.by_total);
        writeln!(out, "{}", row(&format!("#{:>8} {:>9}", "self", "total"), "function", "module", "called by"))?;
        for function in rows.iter().take(layout.most) {
            let figures = format!(" {:>8} {:>9}", percent(function.self_share), percent(function.total_share));
            let caller = match &function.caller {
                Some(caller) if caller.share < 0.995 => format!("{} ({})", caller.name, percent(caller.share)),
                Some(caller) => caller.name.clone(),
                None => String::new(),
            };
            let room = COLUMNS.saturating_sub(width(&figures) + NAME + MODULE + 6).max(20);
            writeln!(
                out,
                "{}",
                row(&figures, &function.name, &function.module, &crate::text_width::cut(&caller, room))
            )?;
        }
        if rows.len() > layout.most {
            let more = rows.len() - layout.most;
            let own: f64 = rows.iter().skip(layout.most).map(|row| row.self_share).sum();
            writeln!(out, "# {more} more with {} together; --top {} shows all", percent(own), rows.len())?;
        }
        Ok(write_sentences(out, &self.basis.remarks())?)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let functions = Table::of("functions", &self.functions)
            .col("function", "name, or module and address of code without a name", |row| row.name.as_str())
            .col("module", "file without folders, `[kernel]`, `[vdso]`, `[jit]`", |row| row.module.as_str())
            .col("named", "whether `function` is a function's name", |row| row.has_name)
            .col("self_samples", "samples of its own code", |row| row.self_samples)
            .col("total_samples", "samples of its code and of what it called", |row| row.total_samples)
            .col("self_share", "of the samples that count, 0 to 1, by events", |row| row.self_share)
            .col("total_share", "of the samples that count, 0 to 1, by events", |row| row.total_share)
            .col("line", "source line with the most samples of its own code, `FILE:LINE`; empty if unknown", |row| {
                row.line.as_str()
            })
            .col("caller", "function that called it most often", |row| {
                row.caller.as_ref().map(|caller| caller.name.as_str())
            })
            .col("caller_share", "of its own samples", |row| row.caller.as_ref().map(|caller| caller.share));
        let basis = [&self.basis];
        let basis = Table::of("basis", &basis)
            .col("event", "what was sampled, in perf's words", |basis| basis.event.as_str())
            .col("frequency_hz", "samples per second of CPU time; 0 if unknown", |basis| basis.frequency)
            .col("join", "`time`, or `address` of samples with addresses of data", |basis| match basis.join {
                Join::Time => "time",
                Join::Address => "address",
            })
            .col("part", "which part of the time; empty for all", |basis| basis.part.as_str())
            .col("samples", "that count", |basis| basis.samples)
            .col("all_samples", "in the record", |basis| basis.all)
            .col("length_ns", "how much time counts", |basis| basis.time.0)
            .col("cut_samples", "whose stacks lack their outermost frames", |basis| basis.cut)
            .col("no_stack_samples", "without any frame", |basis| basis.no_stack)
            .col("unnamed_samples", "in code without a name", |basis| basis.unnamed)
            .col("lost_samples", "while recording", |basis| basis.lost)
            .col("no_kernel", "why frames of the kernel are missing; empty if they are there", |basis| {
                basis.no_kernel.as_str()
            })
            .col("no_addresses", "why samples with addresses of data are missing; empty if they are there", |basis| {
                basis.no_addresses.as_str()
            });
        Ok(vec![functions.table()?, basis.table()?])
    }

    fn picture(&self, layout: &ProfileLayout) -> Result<Box<dyn Picture + '_>, ReportError> {
        let mut title = format!("Hottest functions by {}", self.basis.samples_word());
        if !self.basis.part.is_empty() {
            title = format!("{title}, {}", self.basis.part.shown());
        }
        let rows = self.sorted(layout.by_total);
        let bars = bars(rows.iter().take(MOST_BARS).copied(), layout.by_total);
        let name = if layout.by_total { "share of samples, with what it called" } else { "share of samples" };
        Ok(Box::new(Bars { title, x: (name.to_owned(), Unit::Percent), groups: vec![(String::new(), bars)] }))
    }
}

/// A bar for each function.
fn bars<'f>(functions: impl Iterator<Item = &'f Function>, by_total: bool) -> Vec<Bar> {
    let bar = |function: &Function| {
        let share = if by_total { function.total_share } else { function.self_share };
        let other = if by_total { function.self_share } else { function.total_share };
        let text = match (other - share).abs() < 0.0005 {
            true => percent(share),
            false if by_total => format!("{} (itself {})", percent(share), percent(other)),
            false => format!("{} (total {})", percent(share), percent(other)),
        };
        let label = function.name.shown().to_string();
        Bar { label, spans: vec![(0.0, share * 100.0)], text, color: 0 }
    };
    functions.map(bar).collect()
}
