//! Everything that the programs say on standard error goes through [`line()`]: errors, warnings, notes and what was done.
//! One place decides how they begin, whether they are coloured, and what may reach a terminal.

use damo_model::human;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// What a message is, which decides how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command could not do what it was asked to do: `error: `, in red.
    Error,
    /// The command went on, but its result is not all that was asked for: `warning: `, in yellow.
    Warning,
    /// Something that helps to understand a result: `note: `.
    Note,
    /// What was done, the usual talk of a command: without a prefix.
    Done,
}

impl Kind {
    /// The word and the colour that a message begins with.
    fn prefix(self, colored: bool) -> &'static str {
        match (self, colored) {
            (Self::Error, true) => "\x1b[1;31merror:\x1b[0m ",
            (Self::Error, false) => "error: ",
            (Self::Warning, true) => "\x1b[1;33mwarning:\x1b[0m ",
            (Self::Warning, false) => "warning: ",
            (Self::Note, _) => "note: ",
            (Self::Done, _) => "",
        }
    }
}

/// The message as it is written to standard error, with its prefix and the end of the line. What a terminal would obey is
/// escaped: messages quote names, values and files that others chose.
#[must_use]
pub fn line(kind: Kind, text: impl Display, colored: bool) -> String {
    format!("{}{}\n", kind.prefix(colored), human::sentence(&text.to_string()))
}

/// Says that a command failed.
pub fn error(text: impl Display) {
    print(Kind::Error, text);
}

/// Says that a result is not all that was asked for.
pub fn warn(text: impl Display) {
    print(Kind::Warning, text);
}

/// Says something that helps to understand a result.
pub fn note(text: impl Display) {
    print(Kind::Note, text);
}

/// Says what was done.
pub fn done(text: impl Display) {
    print(Kind::Done, text);
}

fn print(kind: Kind, text: impl Display) {
    let line = line(kind, text, is_colored());
    // Standard error may be closed. There is nobody to tell then, and no reason to stop.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Prints what clap has to say about the command line and gives the exit code: 0 for `--help` and `--version`, 2 for a
/// mistake.
pub fn usage(error: &clap::Error) -> ExitCode {
    // A reader that went away does not want the help text either.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// Whether standard error shows colours: it is a terminal, `TERM` names one that has colours, and `NO_COLOR` is not set.
pub(crate) fn is_colored() -> bool {
    let variable = |name| std::env::var_os(name);
    io::stderr().is_terminal() && wants_color(variable("NO_COLOR").as_deref(), variable("TERM").as_deref())
}

/// Whether colours are wanted on a terminal, by the values of `NO_COLOR` and `TERM`.
fn wants_color(no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    // An empty NO_COLOR counts as not set, as https://no-color.org says.
    let refused = no_color.is_some_and(|value| !value.is_empty());
    !refused && term.and_then(OsStr::to_str).is_some_and(has_colors)
}

/// Whether a terminal of this kind has colours, without asking a terminfo database, which may not be there: not those of
/// which nothing is known, and not those that are known to have none or only eight, which misread the codes of 256.
pub fn has_colors(term: &str) -> bool {
    const NONE: [&str; 14] = [
        "dumb",
        "unknown",
        "network",
        "dialup",
        "lpr",
        "emacs",
        "ansi",
        "ansi-m",
        "pcansi",
        "sun",
        "cons25",
        "hurd",
        "adm3a",
        "xterm-old",
    ];
    let kind = term.split_once('-').map_or(term, |(kind, _)| kind);
    let (letters, rest) = kind.split_at(kind.find(|c: char| c.is_ascii_digit()).unwrap_or(kind.len()));
    // vt52, vt100, vt220, vt420 …, and those of their time.
    let old = ["vt", "wy", "wyse", "hp", "tvi", "ibm", "h", "tn", "qvt", "att"].contains(&letters) && !rest.is_empty();
    let mono = term.ends_with("-m") || term.ends_with("-mono");
    !term.is_empty() && !NONE.contains(&term) && !NONE.contains(&kind) && !old && !mono
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_begins_with_its_kind_and_is_coloured_only_if_asked_for() {
        assert_eq!(line(Kind::Error, "no record", false), "error: no record\n");
        assert_eq!(line(Kind::Warning, "no record", false), "warning: no record\n");
        assert_eq!(line(Kind::Error, "no record", true), "\x1b[1;31merror:\x1b[0m no record\n");
        assert_eq!(line(Kind::Warning, "no record", true), "\x1b[1;33mwarning:\x1b[0m no record\n");
        for colored in [true, false] {
            assert_eq!(line(Kind::Note, "no record", colored), "note: no record\n");
            assert_eq!(line(Kind::Done, "a.damo written", colored), "a.damo written\n");
        }
    }

    #[test]
    fn a_message_never_gives_a_terminal_orders() {
        assert_eq!(
            line(Kind::Error, "no mark '\u{1b}[2J\u{202e}'\nTry: ls", false),
            "error: no mark '\\x1b[2J\\u{202e}'\nTry: ls\n"
        );
    }

    #[test]
    fn terminals_without_colours_are_known_by_their_names() {
        for term in
            ["vt100", "vt220", "vt52", "dumb", "", "unknown", "ansi", "wyse50", "xterm-mono", "vt100-am", "emacs"]
        {
            assert!(!has_colors(term), "{term}");
        }
        for term in
            ["xterm", "xterm-256color", "tmux-256color", "screen", "linux", "alacritty", "foot", "xterm-kitty", "vte"]
        {
            assert!(has_colors(term), "{term}");
        }
    }

    #[test]
    fn no_color_and_terminals_without_colours_show_none() {
        let wants =
            |no_color: Option<&str>, term: Option<&str>| wants_color(no_color.map(OsStr::new), term.map(OsStr::new));
        assert!(wants(None, Some("xterm-256color")) && wants(Some(""), Some("linux")));
        assert!(!wants(Some("1"), Some("xterm-256color")));
        assert!(!wants(None, Some("dumb")) && !wants(None, Some("vt100")) && !wants(None, None));
    }
}
