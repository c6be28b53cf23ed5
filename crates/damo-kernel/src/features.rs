//! What this kernel's DAMON can do, told by which files and events are there. Nothing is ever set up to find out: files
//! below a kdamond that does not exist cannot be seen, and then the release that brought them is all there is to go by.

use crate::io::Root;
use crate::procfs::Procfs;
use crate::sysfs::KDAMONDS;
use crate::tracefs::Tracefs;
use damo_model::features::{FEATURES, Shows, Shows::*};
use serde::Serialize;
use std::collections::HashMap;

/// Whether the kernel has something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// Not seen, but the kernel's release should have it.
    Likely,
    /// Not seen, and the kernel's release should not have it.
    Unlikely,
    /// Not seen, and the kernel's release is not known.
    Unknown,
}

impl Support {
    /// Whether to count on it.
    pub fn is_expected(self) -> bool {
        matches!(self, Support::Present | Support::Likely)
    }
}

/// Something that DAMON can do since some release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// Its name: `sysfs/intervals_goal`, `trace/damon_aggregated`.
    pub name: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// Release that brought it.
    pub since: &'static str,
    /// Whether this kernel has it.
    pub support: Support,
}

/// All features that this version knows of.
pub fn features(root: &Root) -> Vec<Feature> {
    let release = parse_release(&Procfs::new(root).kernel_release());
    let events = Tracefs::find(root).ok().map(|tracefs| tracefs.damon_event_names());
    let mut directories = Directories::new(root);
    let mut support = |shows: &Shows, since: &str| {
        let seen = match shows {
            Tree(file) => Some(root.exists(&format!("{KDAMONDS}/{file}"))),
            Event(name) => events.as_ref().map(|events| events.iter().any(|event| event == name)),
            Kdamond(file) => directories.seen_below(KDAMONDS, &[], file),
            Context(file) => directories.seen_below(KDAMONDS, &["contexts"], file),
            Target(file) => directories.seen_below(KDAMONDS, &["contexts", "targets"], file),
            Scheme(file) => directories.seen_below(KDAMONDS, &["contexts", "schemes"], file),
            Filter(file) => directories
                .seen_below(KDAMONDS, &["contexts", "schemes", "filters"], file)
                .or_else(|| directories.seen_below(KDAMONDS, &["contexts", "schemes", "ops_filters"], file)),
            Goal(file) => directories.seen_below(KDAMONDS, &["contexts", "schemes", "quotas/goals"], file),
        };
        match (seen, release.zip(parse_release(since))) {
            (Some(true), _) => Support::Present,
            (Some(false), _) => Support::Absent,
            (None, Some((have, need))) if have >= need => Support::Likely,
            (None, Some(_)) => Support::Unlikely,
            (None, None) => Support::Unknown,
        }
    };
    let mut feature = |(name, what, since, shows): &(&'static str, &'static str, &'static str, Shows)| Feature {
        name,
        what,
        since,
        support: support(shows, since),
    };
    FEATURES.iter().map(&mut feature).collect()
}

/// The tree below a root, each directory listed once: nearly all features are looked for in the same few.
struct Directories<'r> {
    root: &'r Root,
    /// By directory: its numbered directories; `None` if it cannot be listed.
    numbered: HashMap<String, Option<Vec<String>>>,
}

impl<'r> Directories<'r> {
    fn new(root: &'r Root) -> Self {
        Self { root, numbered: HashMap::new() }
    }

    fn numbered(&mut self, dir: &str) -> Option<Vec<String>> {
        if let Some(known) = self.numbered.get(dir) {
            return known.clone();
        }
        let names = self.root.io().list(dir).ok();
        let numbered = names.map(|names| names.into_iter().filter(|name| name.parse::<u32>().is_ok()).collect());
        self.numbered.entry(dir.to_owned()).or_insert(numbered).clone()
    }

    /// Looks for `file` in the first numbered directory on the way down; `None` if there is none to look into.
    fn seen_below(&mut self, dir: &str, way: &[&str], file: &str) -> Option<bool> {
        let mut seen = None;
        for name in self.numbered(dir)? {
            let at = format!("{dir}/{name}");
            let found = match way.split_first() {
                None => Some(self.root.exists(&format!("{at}/{file}"))),
                Some((next, rest)) => self.seen_below(&format!("{at}/{next}"), rest, file),
            };
            seen = seen.or(found);
            if seen == Some(true) {
                break;
            }
        }
        seen
    }
}

/// Major and minor number of `6.12.113+deb12-amd64`.
pub fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysfs::MemorySysfs;
    use std::sync::Arc;

    fn find(features: &[Feature], name: &str) -> Support {
        features.iter().find(|feature| feature.name == name).expect("known").support
    }

    #[test]
    fn a_release_is_read_from_the_front() {
        assert_eq!(parse_release("6.12.113+deb12-amd64"), Some((6, 12)));
        assert_eq!(parse_release("7.0"), Some((7, 0)));
        assert_eq!(parse_release("6.19-rc1"), Some((6, 19)));
        assert_eq!(parse_release(""), None);
    }

    #[test]
    fn what_cannot_be_seen_is_told_by_the_release_and_nothing_is_written_to_find_out() {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        fake.put("proc/sys/kernel/osrelease", "6.12.1");
        let found = features(&Root::with_io(fake.clone()));
        assert_eq!(find(&found, "sysfs"), Support::Present);
        assert_eq!(find(&found, "sysfs/target_nid"), Support::Likely);
        assert_eq!(find(&found, "sysfs/intervals_goal"), Support::Unlikely);
        assert!(fake.log().is_empty());
    }

    #[test]
    fn what_is_there_counts_whatever_the_release_says() {
        let fake = Arc::new(MemorySysfs::new((6, 15)));
        fake.put("proc/sys/kernel/osrelease", "5.15.0");
        let root = Root::with_io(fake.clone());
        root.io().write(&format!("{KDAMONDS}/nr_kdamonds"), "1").expect("fake");
        root.io().write(&format!("{KDAMONDS}/0/contexts/nr_contexts"), "1").expect("fake");
        let found = features(&root);
        assert_eq!(find(&found, "sysfs/intervals_goal"), Support::Present);
        assert_eq!(find(&found, "sysfs/refresh_ms"), Support::Absent);
    }
}
