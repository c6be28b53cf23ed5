//! Where a live session's records come from: the kernel's ring, or recorded bytes in its place.

use super::events::Events;
use crate::error::RecordError;
use damo_kernel::Root;
use damo_kernel::procfs::foreign_pid_namespace;
use damo_kernel::ring::{Ring, RingOptions, Until};
use damo_kernel::tracefs::EventFormat;
use damo_model::{Bytes, KdamondThread};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Gives records in order of time.
pub(crate) trait Source {
    /// Waits until there is much to take, or one of `others` can be read, or for `timeout`. Whether one of `others` can
    /// be read.
    fn wait(&mut self, timeout: Duration, others: &[BorrowedFd<'_>]) -> Result<bool, RecordError>;
    /// Puts what is there into `events`.
    fn drain(&mut self, until: Until, events: &mut Events);
    /// Losses that no record told of.
    fn lost_untold(&self) -> u64;
    /// Whether all kdamonds that are followed have ended. Where that cannot be told it is `false`.
    fn hung_up(&self) -> bool;
    /// Whether [`Source::hung_up`] can tell.
    fn tells_end(&self) -> bool;
    /// These kdamonds run now: follow them alone, if that loses nothing.
    fn narrow(&mut self, threads: &[KdamondThread]) -> Result<(), RecordError>;
}

/// Opens sources. The session decides when: before DAMON starts.
pub(crate) trait Open {
    /// For kdamonds that do not run yet.
    fn before_start(&self, root: &Root, events: &[EventFormat]) -> Result<Box<dyn Source>, RecordError>;
    /// For kdamonds that run already; none named means all there are.
    fn running(
        &self,
        root: &Root,
        events: &[EventFormat],
        threads: &[KdamondThread],
    ) -> Result<Box<dyn Source>, RecordError>;
}

/// The kernel's perf ring.
pub(crate) struct Perf {
    /// Memory for events that wait to be taken; `None` is the default.
    pub(crate) size: Option<Bytes>,
}

/// A ring takes a file for each event on each CPU: on a large machine more than a shell allows at first. A command must be
/// started before, as it is to have the limit that its user gave it.
pub(crate) fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // If it is refused and matters, the ring says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

impl Perf {
    fn options(&self) -> RingOptions {
        let default = RingOptions::default();
        RingOptions { size: self.size.unwrap_or(default.size), ..default }
    }
}

impl Open for Perf {
    fn before_start(&self, root: &Root, events: &[EventFormat]) -> Result<Box<dyn Source>, RecordError> {
        allow_many_files();
        Ok(Box::new(Ring::per_cpu(root, events, &self.options())?))
    }

    fn running(
        &self,
        root: &Root,
        events: &[EventFormat],
        threads: &[KdamondThread],
    ) -> Result<Box<dyn Source>, RecordError> {
        allow_many_files();
        let options = self.options();
        let ring = if threads.is_empty() || foreign_pid_namespace(root).is_some() {
            // Also where the ids that DAMON tells are not ours. Whose an event is, it tells itself, by the same ids.
            Ring::per_cpu(root, events, &options)?
        } else {
            Ring::threads(threads, events, &options)?
        };
        Ok(Box::new(ring))
    }
}

impl Source for Ring {
    fn wait(&mut self, timeout: Duration, others: &[BorrowedFd<'_>]) -> Result<bool, RecordError> {
        Ok(Ring::wait(self, timeout, others)?)
    }

    fn drain(&mut self, until: Until, events: &mut Events) {
        Ring::drain(self, until, |record| events.take(record));
    }

    fn lost_untold(&self) -> u64 {
        Ring::lost_untold(self)
    }

    fn hung_up(&self) -> bool {
        Ring::hung_up(self)
    }

    fn tells_end(&self) -> bool {
        !self.is_per_cpu()
    }

    fn narrow(&mut self, threads: &[KdamondThread]) -> Result<(), RecordError> {
        Ring::narrow(self, threads);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_within_a_pid_namespace_a_running_kdamond_is_followed_on_each_cpu() {
        let dir = tempfile::tempdir().unwrap();
        let (link, online) = (dir.path().join("proc/self/ns/pid"), dir.path().join("sys/devices/system/cpu/online"));
        for path in [&link, &online] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        // Without a CPU nothing of this machine is opened; and no thread has this id.
        std::fs::write(online, "\n").unwrap();
        let root = Root::new(dir.path());
        let follows = || Perf { size: None }.running(&root, &[], &[KdamondThread(i32::MAX)]);
        assert!(follows().is_err(), "a thread is to be followed");
        std::os::unix::fs::symlink("pid:[4026532141]", link).unwrap();
        assert!(!follows().unwrap().tells_end());
    }
}
