//! Makes a sound record of what is readable in a damaged or unfinished one.

use crate::error::{Damage, ReadError, WriteError};
use crate::guard::{Kind, Rules};
use crate::new_file::NewFile;
use crate::sound::SoundReader;
use crate::stream::StreamReader;
use crate::writer::{Summary, Writer, WriterOptions};
use damo_model::Bytes;
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

/// Copies what is readable of `input` to the new record `output`, under the rules of [`NewFile`]: it appears when it is
/// whole, never in the place of `input`, and in that of another record only with `force`. Where snapshots are missing,
/// the new record says so.
///
/// # Errors
/// If `input` cannot be read at all or `output` cannot be written.
pub fn repair(input: impl AsRef<Path>, output: impl AsRef<Path>, force: bool) -> Result<RepairReport, WriteError> {
    let rules = Rules { force, inputs: vec![input.as_ref().into()], ..Rules::new(Kind::Record) };
    repair_with(input, output, rules, &mut |_| {})
}

/// As [`repair`], with all rules given. `progress` is told how many bytes of the input have been read.
///
/// # Errors
/// As [`repair`].
pub fn repair_with(
    input: impl AsRef<Path>,
    output: impl AsRef<Path>,
    rules: Rules,
    progress: &mut dyn FnMut(Bytes),
) -> Result<RepairReport, WriteError> {
    let path = input.as_ref();
    let what = || format!("read {}", path.shown());
    let file = File::open(path).map_err(|source| ReadError::Io { what: what(), source })?;
    // Of what is no regular file the length is not known.
    let length = Bytes(file.metadata().map_or(0, |found| found.len()));
    let mut items = SoundReader::new(StreamReader::new(file)?.with_length(length));
    // Read before anything is created: the input may be no record at all.
    let mut next = items.next_item()?;
    let mut output = Writer::new(NewFile::create(output.as_ref(), rules)?, WriterOptions::default())?;
    while let Some(item) = next {
        output.write(&item)?;
        progress(items.stream().position());
        next = items.next_item()?;
    }
    let stream = items.stream();
    let mut damage = stream.damage().to_vec();
    if stream.pending().0 > 0 {
        damage.push(Damage::new(stream.position().0, stream.pending().0, "the file ends within a block"));
    }
    let (file, written) = output.finish()?;
    file.commit()?;
    let was_finished = stream.is_finished();
    Ok(RepairReport {
        written,
        damage,
        notes: stream.notes().to_vec(),
        lost_snapshots: stream.lost_snapshots(),
        was_finished,
    })
}
