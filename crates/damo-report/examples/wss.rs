//! What `damo report wss` does: `wss RECORD`.

use damo_frame::Record;
use damo_report::Report;
use damo_report::distribution::DistributionText;
use damo_report::wss::{WssOptions, wss};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: wss RECORD")?;
    let record = Record::open(Path::new(&name), &Default::default())?;
    let report = wss(&[record], &WssOptions::default())?;
    report.write_text(&mut std::io::stdout(), &DistributionText::default())?;
    Ok(())
}
