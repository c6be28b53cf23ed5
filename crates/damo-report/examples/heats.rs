//! What `damo report heats -o PICTURE` does: `heats RECORD PICTURE.png`.

use damo_frame::Record;
use damo_report::heats::{HeatMap, heats};
use damo_report::picture::{Format, Style, draw};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let [name, picture] = &names[..] else { return Err("usage: heats RECORD PICTURE.png".into()) };
    let record = Record::open(Path::new(name), &Default::default())?;
    let style = Style::default();
    let report = heats(&[record], &HeatMap::options(&style))?;
    std::fs::write(picture, draw(&HeatMap { report: &report }, Format::Png, &style)?)?;
    Ok(())
}
