//! The tree as it was found, to be put back. It is kept as files and values, not as typed parameters, so that settings
//! which this version does not know of are put back too.

use super::write::write_file;
use crate::error::Result;
use crate::io::Root;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the kernel writes itself, or takes commands through.
const NOT_SETTINGS: [&str; 5] = ["state", "pid", "avail_operations", "effective_bytes", "tried_regions"];

/// What tuning changes, beside the directory of its goal.
const TUNED: [&str; 2] = ["sample_us", "aggr_us"];

/// Files with their values and directories, below one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedTree {
    files: BTreeMap<String, String>,
    dirs: BTreeMap<String, SavedTree>,
}

impl SavedTree {
    /// Reads all settings below `dir`.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(super) fn take(root: &Root, dir: &str) -> Result<Self> {
        let mut saved = SavedTree::default();
        let names = root.io().list(dir).unwrap_or_default();
        for name in names.into_iter().filter(|name| !NOT_SETTINGS.contains(&name.as_str())) {
            let path = format!("{dir}/{name}");
            if root.io().is_dir(&path) {
                saved.dirs.insert(name, Self::take(root, &path)?);
            } else if root.io().writable(&path) {
                let value = root.read_line(&path)?;
                saved.files.insert(name, value);
            }
        }
        Ok(saved)
    }

    /// The tree of one of its directories.
    pub(super) fn dir(&self, name: &str) -> Option<&SavedTree> {
        self.dirs.get(name)
    }

    /// Whether it has the same settings. Intervals that the kernel tunes are not compared: asking what it chose writes
    /// them to the files.
    pub(super) fn is_like(&self, other: &SavedTree) -> bool {
        let tuned = self.dirs.get("intervals_goal").and_then(|goal| goal.files.get("aggrs")).is_some_and(|n| n != "0");
        let files = |tree: &SavedTree| {
            let mut files = tree.files.clone();
            files.retain(|name, _| !(tuned && TUNED.contains(&name.as_str())));
            files
        };
        files(self) == files(other)
            && self.dirs.len() == other.dirs.len()
            && self.dirs.iter().all(|(name, tree)| other.dirs.get(name).is_some_and(|other| tree.is_like(other)))
    }

    /// Writes what differs below `dir`, numbers of directories first.
    ///
    /// # Errors
    /// The first write that failed; the others were done all the same.
    pub(super) fn restore(&self, root: &Root, dir: &str) -> Result<()> {
        let mut result = Ok(());
        let mut keep_first = |done: Result<()>| {
            if result.is_ok() {
                result = done;
            }
        };
        let is_count = |name: &str| name.starts_with("nr_") && !self.dirs.contains_key(name);
        let (counts, others): (Vec<_>, Vec<_>) = self.files.iter().partition(|(name, _)| is_count(name));
        for (name, value) in counts.into_iter().chain(others) {
            let path = format!("{dir}/{name}");
            // A file that cannot be read is gone with its directory, which is an error of its own.
            if root.read_line(&path).is_ok_and(|present| present != *value) {
                // An empty write does not reach the kernel.
                let value = if value.is_empty() { "\n" } else { value };
                keep_first(write_file(root, &path, value));
            }
        }
        for (name, tree) in &self.dirs {
            keep_first(tree.restore(root, &format!("{dir}/{name}")));
        }
        result
    }
}
