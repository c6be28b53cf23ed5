//! The comparison as an HTML page of one file.

use super::Diff;
use damo_model::human::Show;
use damo_report::ReportError;
use std::io::Write;

/// The page's frame; nothing of it runs, and nothing is loaded.
const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="damo">
<title>damo diff</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c242c; background: #fff; max-width: 1200px; margin: 1em auto;
  padding: 0 1em }
h1 { font-size: 1.3em; margin: 0 }
p { margin: .4em 0 }
img { max-width: 100%; height: auto }
pre { font: 13px/1.45 ui-monospace, monospace; overflow-x: auto }
.soft { color: #5d6975 }
</style>
</head>
<body>
"#;

impl Diff {
    /// Writes the page; `picture` is the address of its picture, such as a `data:` one, and `command` what made the page.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn write_page(&self, picture: &str, command: &str, out: &mut dyn Write) -> Result<(), ReportError> {
        out.write_all(HEAD.as_bytes())?;
        for (i, sentence) in self.sentences().iter().enumerate() {
            let element = if i == 0 { "h1" } else { "p" };
            writeln!(out, "<{element}>{}</{element}>", escaped(sentence))?;
        }
        writeln!(out, "<p class=\"soft\">{}</p>", escaped(&command.shown().to_string()))?;
        let what = "maps of accesses of both sides and of their difference, and working sets over the run";
        writeln!(out, "<img src=\"{}\" alt=\"{what}\">", escaped(picture))?;
        let mut text = Vec::new();
        self.write_figures(&mut text)?;
        writeln!(out, "<pre>{}</pre>\n</body>\n</html>", escaped(&String::from_utf8_lossy(&text)))?;
        Ok(())
    }
}

/// Text as it may stand in a page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
