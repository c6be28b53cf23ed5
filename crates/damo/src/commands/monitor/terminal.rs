//! The screen of `damo monitor`: what the terminal shows decides how it is drawn.

use super::stop_signals;
use crate::output::{self, ColorWhen};
use anyhow::Result;
use damo_cli::args::MarkArgs;
use damo_monitor::{End, MonitorError, OnMark, ScreenOptions, ScreenStyle, Source, Tone, screen};
use damo_report::colormap::{ColorMap, Rgb};
use damo_report::heats::Depth;
use damo_report::picture::Theme;
use std::path::Path;

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
    let options = ScreenOptions { style: style(), stop: stop_signals()?, on_mark };
    Ok(screen(source, options).map(|end| (end, 0)))
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
