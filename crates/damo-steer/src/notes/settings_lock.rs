//! The lock under which DAMON's settings are changed, on a file beside the notes. The tree is one for all programs, so between
//! finding that nothing runs and switching on, and between switching off and putting back, no other `damo` may write.

use crate::error::{Result, SteerError};
use damo_kernel::Error;
use damo_model::human::Show;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Time between two tries to take the lock.
const PAUSE: Duration = Duration::from_millis(10);

/// The lock, held as long as this value lives (and the process does).
#[derive(Debug)]
#[must_use = "dropping it lets others change DAMON's settings"]
pub struct SettingsLock {
    _file: File,
}

impl SettingsLock {
    /// Waits for the lock, at most `patience`. Its file is in the directory `notes`, which is made if need be.
    ///
    /// # Errors
    /// [`SteerError::Lock`] if there can be no such file, [`Error::Timeout`].
    pub(super) fn take(notes: &Path, patience: Duration) -> Result<Self> {
        let path = notes.join("lock");
        let failed = |source| SteerError::Lock { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(notes).map_err(failed)?;
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if begin.elapsed() < patience => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let what = format!("the end of what another `damo` does to DAMON (its lock: {})", path.shown());
                    return Err(Error::Timeout { what, waited: patience }.into());
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_cannot_be_taken_is_no_reason_to_stop_damon() {
        let notes = tempfile::tempdir().expect("temp dir");
        std::fs::create_dir(notes.path().join("lock")).expect("room");
        let error = SettingsLock::take(notes.path(), Duration::ZERO).expect_err("a directory is no lock");
        assert!(error.kind().is_some());
        let said = error.to_string();
        assert!(said.contains("/lock") && said.contains("damo doctor") && !said.contains("damo stop"), "{said}");
    }
}
