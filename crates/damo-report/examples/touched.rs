//! A report of one's own, over all regions on all cores: `touched RECORD` says how much memory was ever seen accessed in
//! a snapshot, on average and at most.

use damo_frame::{FrameError, Record};
use damo_model::human::{Style, format_size};
use damo_model::{Bytes, Selection};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: touched RECORD")?;
    let record = Record::open(Path::new(&name), &Default::default())?;
    let sizes = record.fold(
        &Selection::all(),
        Vec::new,
        |sizes, chunk| {
            sizes.extend(chunk.snapshots().filter(|snapshot| snapshot.is_complete()).map(|s| s.working_set()));
            Ok::<_, FrameError>(())
        },
        |earlier, later| [earlier, later].concat(),
    )?;
    let most = sizes.iter().max().ok_or("no complete snapshot")?;
    let mean = Bytes(sizes.iter().map(|size| size.0).sum::<u64>() / sizes.len() as u64);
    println!("{} on average, {} at most", format_size(mean, Style::Human), format_size(*most, Style::Human));
    Ok(())
}
