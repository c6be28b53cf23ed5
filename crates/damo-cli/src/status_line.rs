//! What a recording says while it runs and when it ends: one live line on a terminal, a summary, the next command.
//! All of it goes to standard error, because standard output may be the record. A terminal can stand still (Ctrl-S) and a
//! pipe can be read by nobody; that must not hold up a recording, nor its end, so what is not taken soon is not said.

use crate::messages::{self, Kind};
use crate::record_output::Written;
use damo_model::human::{self, Show, Style};
use damo_model::{Bytes, Nanos};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// A line that is drawn over itself. Silent when standard error is no terminal.
pub(crate) struct StatusLine {
    live: bool,
    quiet: bool,
    begun: Instant,
    drawn: Option<Instant>,
    out: Out,
}

/// Work shorter than this needs no progress line.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(250);
/// So long a sentence waits for a terminal that takes nothing, unless an earlier one waited in vain.
const SENTENCE: Duration = Duration::from_millis(500);

impl StatusLine {
    pub(crate) fn new(quiet: bool) -> Self {
        let live = !quiet && io::stderr().is_terminal();
        Self { live, quiet, begun: Instant::now(), drawn: None, out: Out::open() }
    }

    /// Draws the line that `text` makes, if one is due.
    pub(crate) fn draw(&mut self, text: impl FnOnce() -> String) {
        let due = self.drawn.map_or(self.begun.elapsed() >= PATIENCE, |drawn| drawn.elapsed() >= REDRAW);
        if !self.live || !due {
            return;
        }
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
        let line: String = text().shown().to_string().chars().take(width(columns) - 1).collect();
        // A terminal that is gone is no reason to stop recording.
        self.out.write(&format!("\r{line}\x1b[K"), Duration::ZERO);
        self.drawn = Some(Instant::now());
    }

    /// Says what was done, unless quiet.
    pub(crate) fn say(&mut self, text: &str) {
        if !self.quiet {
            self.put(Kind::Done, text);
        }
    }

    /// Says something that helps to understand what is done, unless quiet.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.put(Kind::Note, text);
        }
    }

    /// Says what must be heard even when quiet.
    pub(crate) fn warn(&mut self, text: &str) {
        self.put(Kind::Warning, text);
    }

    fn put(&mut self, kind: Kind, text: &str) {
        self.clear();
        self.out.write(&messages::line(kind, text, messages::is_colored()), SENTENCE);
    }

    /// Takes the live line away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.out.write("\r\x1b[K", Duration::ZERO);
        }
    }
}

/// Standard error that holds nobody up.
struct Out {
    /// The terminal or pipe, opened anew: whether writing waits is a property of what was opened, and what we were given
    /// belongs to others, too.
    own: Option<File>,
    /// A sentence waited in vain.
    stands: bool,
}

impl Out {
    fn open() -> Self {
        const PATH: &str = "/proc/self/fd/2";
        // A file takes everything, and opened anew it would begin at its start.
        let can_stand =
            std::fs::metadata(PATH).is_ok_and(|it| it.file_type().is_char_device() || it.file_type().is_fifo());
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let open = || OpenOptions::new().write(true).custom_flags(flags).open(PATH).ok();
        Self { own: can_stand.then(open).flatten(), stands: false }
    }

    /// Writes what is taken at once, and more as long as `patience` lasts.
    fn write(&mut self, text: &str, patience: Duration) {
        let Some(own) = &mut self.own else {
            // One that is gone is no reason to stop recording.
            let _ = io::stderr().write_all(text.as_bytes());
            return;
        };
        let begun = Instant::now();
        let waits = !patience.is_zero();
        let patience = if self.stands { Duration::ZERO } else { patience };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match own.write(rest) {
                Ok(taken) if taken > 0 => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => break,
            }
        }
        self.stands = !rest.is_empty() && (waits || self.stands);
    }
}

/// How wide a line may be on a terminal that says to have so many columns. Serial lines say 0: they do not know.
fn width(columns: u16) -> usize {
    if columns == 0 { 80 } else { usize::from(columns).max(20) }
}

/// `damon.damo: 6,000 snapshots with 336,000 regions over 10 min, 640.000 KiB (1.95 bytes per region).`
pub(crate) fn summary(written: &Written, span: Option<Nanos>) -> String {
    let name = match written.files.as_slice() {
        [] => "standard output".to_string(),
        [file] => file.shown().to_string(),
        [first, .., last] => format!("{} files, {} to {}", written.files.len(), first.shown(), last.shown()),
    };
    let over = span.map_or_else(String::new, |span| format!(" over {}", human::time_text(tenths(span))));
    let each = if written.regions == 0 {
        String::new()
    } else {
        format!(" ({:.2} bytes per region)", written.bytes as f64 / written.regions as f64)
    };
    format!(
        "{name}: {} snapshots with {} regions{over}, {}{each}.",
        grouped(written.snapshots),
        grouped(written.regions),
        human::format_size(Bytes(written.bytes), Style::Human),
    )
}

/// The command that shows the record just made.
pub(crate) fn next_command(written: &Written) -> Option<String> {
    let file = written.files.last()?;
    if written.snapshots == 0 {
        return None;
    }
    let input = if file == Path::new("damon.damo") { String::new() } else { format!(" --input {}", shell_word(file)) };
    // Where a recording made with sudo could not be given to the user, it is root's and nobody else's to read.
    let of_root = std::fs::symlink_metadata(file).is_ok_and(|meta| meta.uid() == 0);
    let sudo = if of_root && std::env::var_os("SUDO_UID").is_some() { "sudo " } else { "" };
    Some(format!("Next: {sudo}damo report heats{input}    (also: wss, raw, footprints, record_info)"))
}

/// A duration rounded to tenths of a second, for people.
pub(crate) fn tenths(time: Nanos) -> Nanos {
    Nanos(time.0 / 100_000_000 * 100_000_000)
}

/// A duration cut to whole seconds, for a line that is drawn again and again: `0 s`, `1 min 5 s`.
pub(crate) fn whole_seconds(time: Nanos) -> String {
    match Nanos(time.0 / 1_000_000_000 * 1_000_000_000) {
        // Which people would be told as `0 ns`.
        Nanos(0) => "0 s".to_string(),
        whole => human::time_text(whole),
    }
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A path as it can be pasted into a shell.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.shown().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text;
    }
    if text.starts_with('-') {
        return shell_word(&Path::new(".").join(path));
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_the_file_and_the_cost_per_region() {
        let written =
            Written { files: vec!["damon.damo".into()], snapshots: 6000, regions: 336_000, bytes: 655_200, held: None };
        let text = summary(&written, Some(Nanos(600_040_000_000)));
        assert_eq!(
            text,
            "damon.damo: 6,000 snapshots with 336,000 regions over 10 min, 639.844 KiB (1.95 bytes per region)."
        );
        assert_eq!(
            next_command(&written).unwrap(),
            "Next: damo report heats    (also: wss, raw, footprints, record_info)"
        );
    }

    #[test]
    fn a_terminal_that_does_not_know_its_width_has_eighty_columns() {
        assert_eq!([0, 5, 20, 79, 200].map(width), [80, 20, 20, 79, 200]);
    }

    #[test]
    fn the_live_line_counts_whole_seconds_from_nought() {
        let texts = [0, 999_999_999, 1_000_000_000, 65_900_000_000].map(|time| whole_seconds(Nanos(time)));
        assert_eq!(texts, ["0 s", "0 s", "1 s", "1 min 5 s"]);
    }

    #[test]
    fn the_next_command_can_be_pasted_whatever_the_file_is_called() {
        for (name, word) in
            [("a/b.damo", "a/b.damo"), ("my rec.damo", "'my rec.damo'"), ("it's", r"'it'\''s'"), ("-x", "./-x")]
        {
            assert_eq!(shell_word(Path::new(name)), word);
        }
    }

    #[test]
    fn an_empty_record_suggests_no_report() {
        let written = Written { files: vec!["x".into()], ..Written::default() };
        assert_eq!(next_command(&written), None);
    }
}
