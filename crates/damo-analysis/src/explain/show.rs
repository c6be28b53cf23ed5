//! Sentences as text and as a table.

use super::Explanation;
use crate::text::{command_lines, lines, write_lines};
use damo_report::picture::Picture;
use damo_report::{Report, ReportError, Table};
use std::io::Write;

/// Lines of a screen.
const SCREEN: usize = 24;

impl Report for Explanation {
    const NAME: &'static str = "explain";
    type Layout = ();

    /// As many of the sentences as a screen has room for, the most useful first.
    fn write_text(&self, out: &mut dyn Write, _: &()) -> Result<(), ReportError> {
        let mut used = 0;
        for sentence in &self.sentences {
            let command = command_lines(&sentence.command);
            used += lines(&sentence.text, "").len() + command.len();
            if used > SCREEN {
                break;
            }
            write_lines(out, &sentence.text, "")?;
            command.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Ok(())
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        let sentences = Table::of("sentences", &self.sentences)
            .col(
                "topic",
                "`use`, `idle`, `growth`, `phases`, `hot`, `code`, `reclaim`, `limit`, `huge pages` or `trust`",
                |s| s.topic,
            )
            .col("text", "a sentence or two", |sentence| sentence.text.as_str())
            .col("command", "what shows the figures", |sentence| sentence.command.as_str());
        Ok(vec![sentences.table()?])
    }

    fn picture(&self, _: &()) -> Result<Box<dyn Picture + '_>, ReportError> {
        Err(ReportError::invalid(
            "sentences are no picture: `damo explain --right-size` has one, and `damo report holistic`",
        ))
    }
}
