//! Refaults against limits as text, tables and picture.

use super::{LimitPoint, MOST_WAITING, RightSize};
use crate::text::{bytes, share, write_lines};
use damo_model::human::time_text;
use damo_report::picture::{Chart, Line, Picture, Unit};
use damo_report::{Report, ReportError, Table};
use std::io::Write;

/// Limits of the curve that the text shows, beside those that have names.
const SHOWN: usize = 12;

impl RightSize {
    /// The limits that have names, by size.
    pub(crate) fn named(&self) -> Vec<(LimitPoint, &'static str)> {
        let mut named = vec![(self.at(self.working_set), "p95 of the working set")];
        named.extend(self.knee.map(|knee| (knee, "knee: more memory gains little")));
        named.extend(self.chosen.map(|chosen| (chosen, "proposed: waiting for 0.1 % at most")));
        named.push((self.at(self.enough()), "nothing comes back"));
        named.sort_by(|a, b| a.0.limit.total_cmp(&b.0.limit));
        named
    }

    /// The limit to set, in a sentence.
    pub(crate) fn proposal(&self) -> String {
        match self.chosen {
            Some(LimitPoint { limit, refault, waiting }) if self.curve.len() > 1 => format!(
                "With memory.high at {} about {} would be read back per second, and programs would wait for {} of the time \
                 (the goal is {} at most).",
                bytes(limit),
                bytes(refault),
                share(waiting),
                share(MOST_WAITING),
            ),
            _ => format!(
                "Nothing that was accessed once was accessed again after more than {} of other memory: that is enough.",
                bytes(self.enough())
            ),
        }
    }
}

impl Report for RightSize {
    const NAME: &'static str = "right_size";
    type Layout = ();

    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        writeln!(out, "# what would be read back under memory limits, from {}", time_text(self.length))?;
        writeln!(out, "# {:>11} {:>13} {:>12}", "limit", "per second", "waiting")?;
        let mut rows: Vec<(LimitPoint, &str)> = self.named();
        let (first, last) = (self.curve.get(1).copied(), self.enough());
        if let Some(first) = first.filter(|first| first.limit < last) {
            let ratio = (last / first.limit).powf(1.0 / SHOWN as f64);
            rows.extend((0..SHOWN).map(|n| (self.at(first.limit * ratio.powi(n as i32)), "")));
        }
        rows.sort_by(|a, b| a.0.limit.total_cmp(&b.0.limit).then(b.1.cmp(a.1)));
        // A limit without a name that changes nothing says nothing.
        rows.dedup_by(|next, before| next.1.is_empty() && next.0.refault == before.0.refault);
        for (point, name) in rows {
            let (limit, refault, waiting) = (bytes(point.limit), bytes(point.refault), share(point.waiting.min(1.0)));
            let line = format!("  {limit:>11} {refault:>13} {waiting:>12}  {name}");
            writeln!(out, "{}", line.trim_end())?;
        }
        write_lines(out, &format!("# {}", self.proposal()), "# ")?;
        let remark = "# below the working set these are least values; page cache and kernel memory of the control group come \
                      on top of what is monitored";
        Ok(write_lines(out, remark, "# ")?)
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let named = self.named();
        let limits = Table::of("limits", &named)
            .col("name", "what is special about it", |(_, name)| *name)
            .col("limit", "bytes", |(point, _)| point.limit)
            .col("refault", "bytes read back per second", |(point, _)| point.refault)
            .col("waiting", "share of the time that programs wait for it", |(point, _)| point.waiting);
        let curve = Table::of("curve", &self.curve)
            .col("limit", "bytes", |point| point.limit)
            .col("refault", "bytes read back per second", |point| point.refault)
            .col("waiting", "share of the time that programs wait for it", |point| point.waiting);
        Ok(vec![limits.table()?, curve.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        let points = self.curve.iter().map(|point| (point.limit, point.refault)).collect();
        let line = Line { name: "read back per second".to_owned(), points, steps: true, filled: true };
        let axes = (("memory limit", Unit::Bytes), ("read back per second", Unit::Bytes));
        let mut chart = Chart::new("What would be read back under a memory limit", axes.0, axes.1, vec![line]);
        let mark = |point: LimitPoint, name: &str| (point.limit, format!("{name} {}", bytes(point.limit)));
        chart.marks = [(self.knee, "knee"), (self.chosen, "proposed")]
            .into_iter()
            .filter_map(|(point, name)| Some(mark(point?, name)))
            .collect();
        chart.marks.dedup_by(|a, b| a.0 == b.0);
        Ok(Box::new(chart))
    }
}
