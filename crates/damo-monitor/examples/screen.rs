//! Shows a record, which may still be written, or standard input: `screen FILE|- [SPEED]`.

use damo_monitor::{MonitorError, ScreenOptions, ScreenStyle, Source, Tone, screen};
use std::path::Path;

fn main() -> Result<(), MonitorError> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "-".into());
    let source = match name.as_str() {
        "-" => Source::pipe("standard input", std::io::stdin(), true),
        name => Source::file(Path::new(name)).map_err(MonitorError::Terminal)?,
    };
    let source = match args.next().and_then(|speed| speed.parse().ok()) {
        Some(speed) => source.at_speed(speed),
        None => source,
    };
    // Greys of the 256 colours; the program itself has the colours of its heat maps.
    let heat =
        if std::env::var_os("NO_COLOR").is_some() { Vec::new() } else { (234..=255).map(Tone::Indexed).collect() };
    let style = ScreenStyle { heat, unicode: std::env::var_os("ASCII").is_none() };
    screen(source, ScreenOptions { style, ..ScreenOptions::default() }).map(|_| ())
}
