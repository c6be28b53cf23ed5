//! Puts a finished record's small blocks together. A record written as it happens has a block for every second or two,
//! so that a killed recorder loses no more; each costs its header, its targets and side data packed by themselves, and
//! columns too short to pack well. Once the end is written nothing can be lost any more, and larger blocks take less.
//!
//! The old file stays whole until a better one is on the disk: whatever fails, and whenever the process dies, one of
//! the two stands there complete.

use crate::error::{ReadError, WriteError};
use crate::file::file_error;
use crate::new_file::create_beside;
use crate::stream::StreamReader;
use crate::writer::{Summary, Writer, WriterOptions};
use damo_model::Bytes;
use damo_model::human::Show;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Blocks of this mean size pack well enough.
const SMALL_BLOCK: u64 = 64 << 10;
/// So do blocks of so many regions, however few bytes those take: what a block costs by itself is little beside them.
const FEW_REGIONS: u64 = 1 << 13;
/// New blocks are as large as pays; the regions of an old and of a new one are in memory at once.
const REGIONS_PER_BLOCK: usize = 1 << 15;
/// Larger records are left alone: who waits for the end of a recording should not notice.
const LARGEST: u64 = 8 << 20;

/// Replaces the finished record at `part`, which is open and locked as `file`, by one with larger blocks, and gives
/// that. `None` if that is not worth it or does not succeed; the old one is untouched then.
pub(crate) fn repack(part: &Path, file: &File, old: &Summary) -> Option<(File, Summary)> {
    let mean = |total: u64| total / old.blocks.max(1);
    let small = mean(old.bytes.0) < SMALL_BLOCK && mean(old.regions) < FEW_REGIONS;
    if old.blocks < 2 || !small || old.bytes.0 > LARGEST {
        return None;
    }
    // Under a name that the next recording removes, should this process be killed.
    let (output, beside) = create_beside(part).ok()?;
    let replaced = copy(part, file, output, old).and_then(|(output, summary)| {
        fs::rename(&beside, part).map_err(|e| file_error("rename", &beside, e))?;
        Ok((output, summary))
    });
    if replaced.is_err() {
        // Ours: it was created anew.
        let _ = fs::remove_file(&beside);
    }
    replaced.ok()
}

/// Writes what `part` holds to `output`, down to the disk.
fn copy(part: &Path, file: &File, output: File, old: &Summary) -> Result<(File, Summary), WriteError> {
    let error = |what, e| file_error(what, part, e);
    let (was, is) = (file.metadata().map_err(|e| error("examine", e))?, output.metadata());
    let is = is.map_err(|e| error("examine", e))?;
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        return Err(WriteError::Pack("the record was given to another user meanwhile".into()));
    }
    // As it was, the lock included: another recorder must keep off the new file as it did off the old one.
    output.try_lock().map_err(|e| error("lock", e.into()))?;
    output.set_permissions(was.permissions()).map_err(|e| error("write", e))?;
    let input = File::open(part).map_err(|source| ReadError::Io { what: format!("read {}", part.shown()), source })?;
    let mut items = StreamReader::new(input)?.with_length(Bytes(was.len()));
    let options = WriterOptions { max_regions_per_block: REGIONS_PER_BLOCK, ..WriterOptions::default() };
    let mut writer = Writer::new(output, options)?;
    while let Some(item) = items.next_item()? {
        writer.write(&item)?;
    }
    let (output, new) = writer.finish()?;
    let whole = items.is_finished() && items.damage().is_empty() && items.notes().is_empty();
    let same = (new.snapshots, new.regions) == (old.snapshots, old.regions);
    if !whole || !same || new.bytes >= old.bytes {
        return Err(WriteError::Pack("the repacked record is no better".into()));
    }
    output.sync_all().map_err(|e| error("write", e))?;
    Ok((output, new))
}
