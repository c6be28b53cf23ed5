//! Phases as text, tables and picture.

use super::{Kind, Phase, PhasesReport, label};
use crate::course::UNMAPPED;
use crate::text::{bytes, write_lines};
use damo_model::human::{count_text, time_text};
use damo_model::{Nanos, TimeSpan};
use damo_report::picture::{Band, Chart, Line, Picture, Unit};
use damo_report::{Report, ReportError, Table};
use std::io::Write;

/// Mappings of a hot set that are told one by one in text.
const MOST_MAPPINGS: usize = 3;
/// Mappings with less than this share of the hot set are not told one by one.
const LEAST_SHARE: f64 = 0.02;
/// The largest parts of a hot set, such as `[heap] 1.000 MiB, libc.so.6 4.000 KiB`; `nothing` if it is empty.
pub(crate) fn hot_text(hot: &[(String, f64)]) -> String {
    if let [(UNMAPPED, size)] = &hot.iter().map(|(name, size)| (name.as_str(), *size)).collect::<Vec<_>>()[..] {
        return bytes(*size);
    }
    let total: f64 = hot.iter().map(|(_, bytes)| bytes).sum();
    let large: Vec<_> = hot.iter().filter(|(_, bytes)| *bytes > 0.0 && *bytes >= total * LEAST_SHARE).collect();
    let mut parts: Vec<String> =
        large.iter().take(MOST_MAPPINGS).map(|(name, size)| format!("{name} {}", bytes(*size))).collect();
    match (parts.is_empty(), large.len() - parts.len()) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => parts.join(", "),
        (false, more) => {
            parts.push(format!("{more} more"));
            parts.join(", ")
        }
    }
}

impl Kind {
    /// How often it comes again, in words.
    pub fn recurrence(&self) -> String {
        let times = self.phases.len();
        match (times, self.period) {
            (0 | 1, _) | (_, None) => "once".to_owned(),
            (2, Some(period)) => format!("twice, {} apart", time_text(period)),
            (_, Some(period)) if self.is_regular => format!("{times} times, every {}", time_text(period)),
            (_, Some(period)) => format!("{times} times, {} apart in the median", time_text(period)),
        }
    }
}

impl PhasesReport {
    /// The phases as bands of pictures, on the record's clock.
    pub fn bands(&self) -> Vec<Band> {
        let band = |phase: &Phase| Band { time: phase.time, label: label(phase.kind), color: phase.kind };
        self.phases.iter().map(band).collect()
    }

    fn rows(&self) -> Vec<(u64, &Phase, &Kind)> {
        let rows = (1..).zip(&self.phases);
        rows.filter_map(|(number, phase)| Some((number, phase, self.kinds.get(phase.kind)?))).collect()
    }

    fn since(&self, at: Nanos) -> String {
        moment(self.zero.since(at))
    }
}

/// A time, from an hour on in whole seconds: the column has no room for more.
fn moment(at: Nanos) -> String {
    const SECOND: i64 = 1_000_000_000;
    let at = if at.0 < 3600 * SECOND { at } else { Nanos(at.0.saturating_add(SECOND / 2) / SECOND * SECOND) };
    time_text(at).to_string()
}

impl Report for PhasesReport {
    const NAME: &'static str = "phases";
    type Layout = ();

    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        let used = self.used.snapshots.saturating_sub(self.used.partial);
        let [phases, kinds] =
            [(self.phases.len(), "phase"), (self.kinds.len(), "kind")].map(|(n, of)| count_text(n as u64, of));
        writeln!(out, "# {phases} of {kinds} in {}", count_text(used, "snapshot"))?;
        if self.phases.is_empty() {
            return Ok(writeln!(out, "# no complete snapshot")?);
        }
        writeln!(out, "# what each kind touches")?;
        for (number, kind) in self.kinds.iter().enumerate() {
            let what = format!(
                "{:>3}  {}, {} in all; working set {}; hot {}",
                label(number),
                kind.recurrence(),
                time_text(kind.length),
                bytes(kind.working_set),
                hot_text(&kind.hot),
            );
            write_lines(out, &what, "     ")?;
        }
        let (no, from, length) = ("no", "from", "length");
        writeln!(
            out,
            "#\n#{no:>5} {:>4} {from:>12} {:>12} {length:>13} {:>11} {:>11}",
            "kind", "to", "working set", "hot"
        )?;
        for (number, phase, _) in self.rows() {
            let TimeSpan { start, end } = phase.time;
            let (from, to, length) = (self.since(start), self.since(end), moment(phase.time.length()));
            let (set, hot) = (bytes(phase.working_set), bytes(phase.hot_bytes()));
            writeln!(out, "{number:>6} {:>4} {from:>12} {to:>12} {length:>13} {set:>11} {hot:>11}", label(phase.kind))?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let rows = self.rows();
        let phases = Table::of("phases", &rows)
            .col("number", "from 1; for `--phase`", |(number, ..)| *number)
            .col("kind", "phases of one kind touch the same memory", |(_, phase, _)| label(phase.kind))
            .col("start_ns", "", |(_, phase, _)| phase.time.start.0)
            .col("end_ns", "", |(_, phase, _)| phase.time.end.0)
            .col("length_ns", "", |(_, phase, _)| phase.time.length().0)
            .col("working_set", "mean, bytes", |(_, phase, _)| phase.working_set)
            .col("hot", "bytes accessed in at least half of the samples, mean", |(_, phase, _)| phase.hot_bytes())
            .col("hot_mappings", "the largest mappings of it with their bytes", |(_, phase, _)| hot_text(&phase.hot))
            .col("occurrences", "phases of this kind", |(.., kind)| kind.phases.len() as u64)
            .col("period_ns", "median time between beginnings of phases of this kind", |(.., kind)| {
                kind.period.map(|period| period.0)
            })
            .col("regular", "whether all of these times are about the same", |(.., kind)| kind.is_regular);
        let hot: Vec<(u64, &Phase, &(String, f64))> =
            rows.iter().flat_map(|(number, phase, _)| phase.hot.iter().map(|part| (*number, *phase, part))).collect();
        let hot = Table::of("hot", &hot)
            .col("number", "the phase", |(number, ..)| *number)
            .col("kind", "", |(_, phase, _)| label(phase.kind))
            .col("mapping", "mappings of one name together", |(.., (name, _))| name.as_str())
            .col("bytes", "accessed in at least half of the samples, mean", |(.., (_, bytes))| *bytes);
        Ok(vec![phases.table()?, hot.table()?])
    }

    /// The working set over time, with a band for each phase.
    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let since = |at: Nanos| self.zero.since(at).0 as f64;
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(self.course.len() + 1);
        let mut last: Option<(TimeSpan, f64)> = None;
        for (time, value) in &self.course {
            // Instants that were left out interrupt the line.
            let is_gap = |last: &(TimeSpan, f64)| time.start.saturating_sub(last.0.end).0 > time.length().0 / 2;
            points.extend(last.filter(is_gap).map(|(last, _)| (since(last.end), f64::NAN)));
            points.push((since(time.start), *value));
            last = Some((*time, *value));
        }
        points.extend(last.map(|(time, value)| (since(time.end), value)));
        let line = Line { name: "working set".to_owned(), points, steps: true, filled: true };
        let mut chart = Chart::new(
            "Phases: working set over time",
            (self.zero.axis(), Unit::Time),
            ("working set", Unit::Bytes),
            vec![line],
        );
        chart.bands = self.bands();
        chart.bands.iter_mut().for_each(|band| {
            band.time = TimeSpan::new(self.zero.since(band.time.start), self.zero.since(band.time.end))
        });
        let whole = self.phases.first().zip(self.phases.last());
        chart.x_range = whole.map(|(first, last)| (since(first.time.start), since(last.time.end)));
        Ok(Box::new(chart))
    }
}
