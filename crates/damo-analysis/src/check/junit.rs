//! What came of a check as JUnit's XML, which most CI servers show: a test case for each condition.

use super::CheckReport;
use super::judge::Verdict;
use damo_model::human::Show;
use std::io::{self, Write};

impl CheckReport {
    /// As JUnit's XML. What cannot be judged is an error there.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn write_junit(&self, out: &mut dyn Write) -> io::Result<()> {
        let count = |verdict| self.judgements.iter().filter(|judgement| judgement.verdict == verdict).count();
        let counts = format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
            self.judgements.len(),
            count(Verdict::Fails),
            count(Verdict::NotJudged),
            count(Verdict::Skipped)
        );
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(out, "<testsuites {counts}>\n  <testsuite name=\"damo check\" {counts}>")?;
        for judgement in &self.judgements {
            let name = escaped(&judgement.condition.to_string());
            write!(out, "    <testcase classname=\"damo.check\" name=\"{name}\"")?;
            let why = escaped(&judgement.why);
            let blame = judgement.blame().map(|blame| escaped(&blame)).unwrap_or_default();
            match judgement.verdict {
                Verdict::Holds => writeln!(out, ">\n      <system-out>{why}</system-out>\n    </testcase>")?,
                Verdict::Fails => {
                    writeln!(out, ">\n      <failure message=\"{why}\">{blame}</failure>\n    </testcase>")?
                }
                Verdict::NotJudged => writeln!(out, ">\n      <error message=\"{why}\"/>\n    </testcase>")?,
                Verdict::Skipped => writeln!(out, ">\n      <skipped message=\"{why}\"/>\n    </testcase>")?,
            }
        }
        writeln!(out, "  </testsuite>\n</testsuites>")
    }
}

/// Text between tags or in quotation marks.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.shown().to_string().chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}
