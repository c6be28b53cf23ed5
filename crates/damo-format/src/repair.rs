//! Makes a sound record of what is readable in a damaged or unfinished one.

use crate::error::{Damage, ReadError, WriteError};
use crate::file::RecordFile;
use crate::sound::SoundReader;
use crate::stream::StreamReader;
use crate::writer::{Summary, WriterOptions};
use damo_model::human::Show;
use std::fs::File;
use std::path::Path;

/// What a repair found and made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// What is in the new record.
    pub written: Summary,
    /// What could not be read of the old one.
    pub damage: Vec<Damage>,
    /// What only later versions can read, and is left out.
    pub notes: Vec<String>,
    /// Snapshots known to be missing.
    pub lost_snapshots: u64,
    /// Whether the old record had its end.
    pub was_finished: bool,
}

/// Copies what is readable of `input` to the new record `output`, under the rules of [`RecordFile`]. Where snapshots
/// are missing, the new record says so. The two names may be the same: the old record then becomes `NAME.old`.
///
/// # Errors
/// If `input` cannot be read at all or `output` cannot be written.
pub fn repair(input: impl AsRef<Path>, output: impl AsRef<Path>) -> Result<RepairReport, WriteError> {
    let path = input.as_ref();
    let what = || format!("read {}", path.shown());
    let file = File::open(path).map_err(|source| ReadError::Io { what: what(), source })?;
    let mut items = SoundReader::new(StreamReader::new(file)?);
    // Read before anything is created: the input may be no record at all.
    let mut next = items.next_item()?;
    let mut output = RecordFile::create(output.as_ref(), WriterOptions::default(), false)?;
    while let Some(item) = next {
        output.write(&item)?;
        next = items.next_item()?;
    }
    let stream = items.stream();
    let mut damage = stream.damage().to_vec();
    if stream.pending().0 > 0 {
        damage.push(Damage::new(stream.position().0, stream.pending().0, "the file ends within a block"));
    }
    let written = output.finish()?;
    let was_finished = stream.is_finished();
    Ok(RepairReport {
        written,
        damage,
        notes: stream.notes().to_vec(),
        lost_snapshots: stream.lost_snapshots(),
        was_finished,
    })
}
