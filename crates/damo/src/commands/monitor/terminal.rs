//! The screen of `damo monitor`: what the terminal shows decides how it is drawn.

use super::stop_signals;
use crate::output::{self, ColorWhen};
use anyhow::Result;
use damo_cli::args::MarkArgs;
use damo_format::Kind;
use damo_model::human::Show;
use damo_monitor::{End, MonitorError, OnMark, ScreenOptions, ScreenStyle, Source, Tone, screen};
use damo_report::colormap::{ColorMap, Rgb};
use damo_report::heats::Depth;
use damo_report::picture::Theme;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Steps of the colours of heat: more than can be told apart.
const STEPS: usize = 64;

/// Whether standard output is a terminal on which a screen can be drawn.
pub(super) fn is_possible() -> bool {
    output::is_terminal() && std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb")
}

/// Shows the stream until the user ends it. `record` is the file that is written meanwhile: marks are set in it, too.
pub(super) fn show(source: Source, record: Option<&Path>) -> Result<Result<(End, u64), MonitorError>> {
    let on_mark = record.map(|record| {
        let record = record.to_owned();
        let mark = move |text: &str| {
            let args = MarkArgs { text: vec![text.to_owned()], record: Some(record.clone()), ..MarkArgs::default() };
            damo_cli::mark(&args).err().map(|error| error.to_string())
        };
        Box::new(mark) as OnMark
    });
    let options = ScreenOptions { style: style(), stop: stop_signals()?, on_mark, on_save: Some(Box::new(save)) };
    Ok(screen(source, options).map(|end| (end, 0)))
}

/// Makes a picture, a page or a record of what is shown, in a process of its own: what it says must not go to the terminal that
/// the screen is on.
fn save(name: &str, record: Vec<u8>) -> String {
    let path = PathBuf::from(name);
    let mut words = match Kind::of_name(&path) {
        Some(Kind::Html) => vec!["report", "html", "-", "-o"],
        Some(Kind::Png | Kind::Svg) => vec!["report", "heats", "-", "-o"],
        Some(Kind::Record) => vec!["convert", "-", "-o"],
        _ => return format!("{}: the name must end in .png, .svg, .html or .damo", name.shown()),
    };
    // A name that begins with a dash is no option then.
    let file = std::path::absolute(&path).unwrap_or(path).into_os_string();
    let command = |program: PathBuf| {
        let mut command = Command::new(program);
        command.args(words.drain(..)).arg(&file).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // If it reads no more, its own message says why.
            let _ = stdin.write_all(&record);
        }
        child.wait_with_output()
    };
    match std::env::current_exe().and_then(command) {
        Ok(out) if out.status.success() => format!("saved: {}", name.shown()),
        Ok(out) => {
            let said = String::from_utf8_lossy(&out.stderr);
            said.lines().find(|line| line.starts_with("error: ")).unwrap_or("error: not saved").shown().to_string()
        }
        Err(error) => format!("error: {error}"),
    }
}

/// The colours of `report heats`.
fn style() -> ScreenStyle {
    let (map, dark) = (ColorMap::default(), output::theme() == Theme::Dark);
    let heat = match output::depth(ColorWhen::Auto) {
        Depth::Plain => Vec::new(),
        Depth::Ansi256 => map.ansi256(dark).into_iter().map(Tone::Indexed).collect(),
        Depth::True => (0..STEPS)
            .map(|step| {
                let Rgb(r, g, b) = map.color(dark, step as f64 / (STEPS - 1) as f64);
                Tone::True(r, g, b)
            })
            .collect(),
    };
    ScreenStyle { heat, unicode: is_utf8() }
}

/// Whether the locale says that the terminal takes UTF-8: the first of these that is set decides.
fn is_utf8() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
