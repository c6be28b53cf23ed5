//! Where results go, and what the terminal there can show. stdout is data: buffered, and flushed at the end so that a
//! full disk or a closed pipe is noticed.

use anyhow::{Context, Result, bail};
use damo_model::human::Screen;
use damo_report::heats::Depth;
use damo_report::picture::Theme;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Writes text for people to stdout through a large buffer, and flushes it. What a terminal would obey is escaped, except
/// line ends, tabs and colours: reports show names that others chose.
///
/// # Errors
/// Whatever `write` returns, or the final flush.
pub(crate) fn to_stdout(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    bytes_to_stdout(|out| {
        let mut screen = Screen::new(out, true);
        write(&mut screen)?;
        screen.flush().context("writing to standard output")
    })
}

/// The same for data, which no byte of may change.
///
/// # Errors
/// As [`to_stdout`].
pub(crate) fn bytes_to_stdout(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    check_stdout()?;
    let mut out = buffered(io::stdout().lock());
    write(&mut out)?;
    out.flush().context("writing to standard output")
}

/// Sees that standard output leads somewhere.
///
/// # Errors
/// If whoever started us closed it.
pub(crate) fn check_stdout() -> Result<()> {
    if damo_cli::stdout_is_closed() {
        bail!("standard output is closed, so what is printed would be lost: open it, or name a file with -o FILE");
    }
    Ok(())
}

/// Writes long text to stdout; on a terminal through a pager, so that its beginning is seen: `$PAGER`, or else `less` if
/// there is one. None if `PAGER` is empty, or with `no_pager`.
///
/// # Errors
/// As [`to_stdout`]. That the user left the pager before the end is no error.
pub(crate) fn to_pager(no_pager: bool, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let child = if no_pager || !is_terminal() { None } else { pager().and_then(|mut pager| pager.spawn().ok()) };
    let Some(mut child) = child else { return to_stdout(write) };
    // Ctrl-C is for the pager, which goes on; we end when it does.
    let heard = Arc::new(AtomicBool::new(false));
    let handler = signal_hook::flag::register(signal_hook::consts::SIGINT, heard);
    let written = match child.stdin.take() {
        Some(pipe) => {
            let mut screen = Screen::new(buffered(pipe), true);
            write(&mut screen).and_then(|()| screen.flush().context("writing to the pager"))
        }
        None => Ok(()),
    };
    let ended = child.wait().context("waiting for the pager");
    if let Ok(handler) = handler {
        signal_hook::low_level::unregister(handler);
    }
    match written {
        Err(error) if crate::errors::is_closed_pipe(&error) => {}
        other => other?,
    }
    ended.map(|_| ())
}

/// The pager to start, its standard input a pipe.
fn pager() -> Option<Command> {
    let variable = |name: &str| std::env::var_os(name);
    // Whoever may run this program through sudo need not be allowed to run others as root: no program of the
    // environment's choice then, and `less` without its shell.
    let is_sudo = variable("SUDO_UID").is_some();
    let asked = variable("PAGER");
    if asked.as_ref().is_some_and(|pager| pager.to_string_lossy().trim().is_empty()) {
        return None;
    }
    let mut command = match asked.filter(|_| !is_sudo) {
        Some(pager) => {
            // As git and man do: the variable may have options, and is the user's own.
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(pager);
            shell
        }
        None => {
            let path = variable("PATH")?;
            let less = std::env::split_paths(&path).map(|dir| dir.join("less")).find(|less| less.is_file())?;
            let mut less = Command::new(less);
            less.arg("-FRX");
            less
        }
    };
    if is_sudo {
        command.env("LESSSECURE", "1").env_remove("LESSOPEN").env_remove("LESSCLOSE");
    } else if variable("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    command.stdin(Stdio::piped());
    Some(command)
}

/// A large buffer before `out`.
pub(crate) fn buffered<W: Write>(out: W) -> BufWriter<W> {
    BufWriter::with_capacity(1 << 16, out)
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always, as the Python tool does.
    Always,
    /// Never, whatever the terminal can show.
    Never,
}

/// The command line as it was typed, for the metadata of pictures.
pub(crate) fn command_line() -> String {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    // Where the program lies says nothing of the picture.
    words.next();
    std::iter::once("damo".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Whether stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How many colours stdout shows: by its kind, NO_COLOR, COLORTERM and TERM.
pub(crate) fn depth(when: ColorWhen) -> Depth {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let term = set("TERM").unwrap_or_default();
    let colorful = match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => is_terminal() && set("NO_COLOR").is_none() && damo_cli::messages::has_colors(&term),
    };
    match set("COLORTERM") {
        _ if !colorful => Depth::Plain,
        Some(term) if term == "truecolor" || term == "24bit" => Depth::True,
        _ => Depth::Ansi256,
    }
}

/// Whether the terminal's ground is dark, as far as it says so: `15;0` in COLORFGBG is white on black. Most are.
pub(crate) fn theme() -> Theme {
    let ground = std::env::var("COLORFGBG").ok().and_then(|text| text.rsplit(';').next()?.parse::<u8>().ok());
    match ground {
        Some(7 | 9..=15) => Theme::Light,
        _ => Theme::Dark,
    }
}

/// Columns and rows of the terminal: what it says itself, else COLUMNS and LINES, else 80 x 24.
pub(crate) fn terminal_size() -> (usize, usize) {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok()).filter(|n: &usize| *n > 0);
    let (width, height) = damo_cli::terminal::size(io::stdout());
    let (width, height) = (width.unwrap_or(80), height.unwrap_or(24));
    (variable("COLUMNS").unwrap_or(width), variable("LINES").unwrap_or(height))
}
