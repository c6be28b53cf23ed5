//! What `damo convert` does: `convert FOREIGN RECORD.damo`, whatever the foreign file is.

use damo_format::{RecordFile, WriterOptions};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let [foreign, name] = &names[..] else { return Err("usage: convert FOREIGN RECORD.damo".into()) };
    let mut record = RecordFile::create(name, WriterOptions::default(), false)?;
    let imported = damo_import::import_path(Path::new(foreign), &Default::default(), &mut record)?;
    record.finish()?;
    println!("{:?}: {} snapshots", imported.format, imported.snapshots);
    imported.notes.iter().for_each(|note| println!("{note}"));
    Ok(())
}
