//! Makes a sound record of what is readable in a damaged or unfinished one.

use crate::error::{Damage, ReadError, WriteError};
use crate::file::RecordFile;
use crate::stream::StreamReader;
use crate::writer::{Summary, WriterOptions};
use damo_model::{Item, Lost, Meta, Nanos, Side, Stamp, Target, TargetKey};
use std::collections::BTreeSet;
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
    let what = || format!("read {}", path.display());
    let file = File::open(path).map_err(|source| ReadError::Io { what: what(), source })?;
    let mut stream = StreamReader::new(file)?;
    // Read before anything is created: the input may be no record at all.
    let mut next = stream.next_item()?;
    let mut output = RecordFile::create(output.as_ref(), WriterOptions::default(), false)?;
    if !matches!(next, Some(Item::Meta(_))) {
        output.write(&Item::Meta(Meta::default()))?;
    }
    let mut seen: BTreeSet<TargetKey> = BTreeSet::new();
    let (mut lost, mut time) = (0, Nanos(0));
    let mut first = true;
    while let Some(item) = next {
        match &item {
            Item::Meta(_) if !first => {}
            Item::Target(target) => {
                seen.insert(target.key);
                output.write(&item)?;
            }
            Item::Snapshot(snapshot) => {
                if seen.insert(snapshot.target) {
                    output.write(&Item::Target(Target { key: snapshot.target, ..Target::default() }))?;
                }
                if stream.lost_snapshots() > lost {
                    let missing = stream.lost_snapshots() - lost;
                    lost = stream.lost_snapshots();
                    let reason = format!("file: {missing} snapshots were in a damaged part of the record");
                    output.write(&Item::Side(Side::Lost(Lost { at: Stamp::Record(time), events: 0, reason })))?;
                }
                time = snapshot.end;
                output.write(&item)?;
            }
            _ => output.write(&item)?,
        }
        first = false;
        next = stream.next_item()?;
    }
    let mut damage = stream.damage().to_vec();
    if stream.pending().0 > 0 {
        damage.push(Damage::new(stream.position().0, stream.pending().0, "the file ends within a block"));
    }
    let written = output.finish()?;
    let was_finished = stream.is_finished();
    Ok(RepairReport { written, damage, notes: stream.notes().to_vec(), lost_snapshots: lost, was_finished })
}
