//! Draws the heat map of a record: `heatmap RECORD PICTURE.png [light|dark]`.

use damo_frame::{OpenOptions, Record};
use damo_report::heats::heats;
use damo_report::picture::{Format, HeatMap, Style, Theme, draw};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(output)) = (args.next(), args.next()) else {
        return Err("usage: heatmap RECORD PICTURE.png|PICTURE.svg [light|dark]".into());
    };
    let format = Format::of(&output).ok_or("the picture's name must end in .png or .svg")?;
    let theme = args.next().and_then(|name| Theme::named(&name.to_string_lossy())).unwrap_or_default();
    let style = Style { theme, subtitle: Some(input.display().to_string()), ..Style::default() };
    let record = Record::open(&input, &OpenOptions::default())?;
    let report = heats(&[record], &HeatMap::options(&style))?;
    std::fs::write(&output, draw(&HeatMap { report: &report }, format, &style)?)?;
    Ok(())
}
