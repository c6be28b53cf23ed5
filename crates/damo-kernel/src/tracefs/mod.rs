//! Tracefs: which DAMON events this kernel has and how they are laid out. Nothing is ever switched on here: events are
//! taken through perf ([`crate::ring`]), which leaves other users of tracing alone.
//!
//! ```no_run
//! use damo_kernel::{Root, tracefs::{Decoder, Tracefs}};
//! let tracefs = Tracefs::find(&Root::host())?;
//! let formats = tracefs.recording_events(true, false)?;
//! let decoder = Decoder::new(&formats).expect("a layout that this version knows");
//! # Ok::<(), damo_kernel::Error>(())
//! ```

// Records look the same wherever they are kept, so that reading them is the model's.
pub use damo_trace::{
    DecodeError, Decoded, Decoder, Event, EventFormat, Field, FieldLocation, FormatError, RawEvent, RawPage,
};

use crate::error::{Error, Result};
use crate::io::Root;
use damo_model::features::TUNE_EVENT;
use std::io;

/// Where tracefs is mounted if /proc/mounts does not say.
const USUAL: [&str; 2] = ["sys/kernel/tracing", "sys/kernel/debug/tracing"];

/// The event of a region's snapshot, and the one that is meant to replace it: kernels have the first, both, or the second.
const REGION_EVENTS: [&str; 2] = ["damon_aggregated", "damon_region_aggregated"];

/// The event that tells what a scheme did so far (7.0 and later).
pub const SCHEME_STATISTICS: &str = "damos_stat_after_apply_interval";

/// Events with figures of schemes.
const SCHEME_FIGURES: [&str; 2] = ["damos_esz", SCHEME_STATISTICS];

/// A mounted tracefs.
#[derive(Clone, Debug)]
pub struct Tracefs {
    root: Root,
    dir: String,
}

impl Tracefs {
    /// Tracefs mounted at `dir` below the root: `sys/kernel/tracing`.
    pub fn new(root: &Root, dir: &str) -> Self {
        Self { root: root.clone(), dir: dir.trim_matches('/').to_owned() }
    }

    /// Looks it up in /proc/mounts, then at the usual places.
    ///
    /// # Errors
    /// [`Error::Read`] with the remedy, if it is not mounted or may not be read.
    pub fn find(root: &Root) -> Result<Self> {
        let mounts = root.read_text("proc/mounts").unwrap_or_default();
        let mounted = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let (dir, kind) = (words.nth(1)?, words.next()?);
            (kind == "tracefs").then(|| dir.trim_start_matches('/').to_owned())
        });
        let places = mounted.into_iter().chain(USUAL.map(str::to_owned));
        let mut denied = None;
        for dir in places {
            match root.io().list(&format!("{dir}/events")) {
                Ok(_) => return Ok(Self { root: root.clone(), dir }),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied = denied.or(Some((dir, error))),
                Err(_) => {}
            }
        }
        let (dir, source, remedy) = match denied {
            Some((dir, error)) => (dir, error, "Tracefs is for root only: run it with sudo"),
            None => (
                USUAL[0].to_owned(),
                io::Error::new(io::ErrorKind::NotFound, "not mounted"),
                "Tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing",
            ),
        };
        Err(Error::Read { path: root.shown(&format!("{dir}/events")), source, remedy: remedy.to_owned() })
    }

    /// Names of the DAMON events of this kernel, sorted. Empty on a kernel without DAMON.
    pub fn damon_event_names(&self) -> Vec<String> {
        let names = self.root.io().list(&format!("{}/events/damon", self.dir)).unwrap_or_default();
        names.into_iter().filter(|name| self.root.exists(&self.format_path(name))).collect()
    }

    /// The layout of `damon:NAME`.
    ///
    /// # Errors
    /// If there is no such event, or its format is not understood.
    pub fn event(&self, name: &str) -> Result<EventFormat> {
        let rel = self.format_path(name);
        let text = match self.root.read_text(&rel) {
            Err(Error::Read { path, source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let remedy = "This kernel lacks the event: CONFIG_DAMON and CONFIG_TRACING must be on (5.15 or later)";
                return Err(Error::Read { path, source, remedy: remedy.to_owned() });
            }
            other => other?,
        };
        EventFormat::parse(&text).map_err(|source| Error::Format { path: self.root.shown(&rel), source })
    }

    /// The events that a recording takes: regions, chosen intervals where the kernel tunes them, and with `schemes` what
    /// schemes are applied to, their quotas in effect, and their statistics. First the one that is always there.
    ///
    /// The event of regions is one of the two that [`Tracefs::region_event`] knows, never both: they repeat each other. With
    /// `probes` it is the one that tells their hits, where the kernel has it.
    ///
    /// # Errors
    /// As [`Tracefs::event`]; also if there is no event of regions.
    pub fn recording_events(&self, schemes: bool, probes: bool) -> Result<Vec<EventFormat>> {
        let mut formats = vec![self.event(self.region_event(probes).unwrap_or(REGION_EVENTS[0]))?];
        formats.extend(self.those_there(&[TUNE_EVENT])?);
        if schemes {
            formats.extend(self.those_there(&["damos_before_apply"])?);
            formats.extend(self.those_there(&SCHEME_FIGURES)?);
        }
        Ok(formats)
    }

    /// The event that says each region of a snapshot: `damon_aggregated`, or `damon_region_aggregated`, which says the same
    /// with what data probes found, on kernels that have only that, and with `probes` on all that have it. `None` if there is
    /// neither.
    pub fn region_event(&self, probes: bool) -> Option<&'static str> {
        let names = self.damon_event_names();
        let mut events = REGION_EVENTS;
        if probes {
            events.reverse();
        }
        events.into_iter().find(|event| names.iter().any(|name| name == event))
    }

    /// The events that a recording takes of what schemes are applied to alone, without the monitoring.
    ///
    /// # Errors
    /// As [`Tracefs::event`]; also if there is no `damos_before_apply`.
    pub fn scheme_events(&self) -> Result<Vec<EventFormat>> {
        let mut formats = vec![self.event("damos_before_apply")?];
        formats.extend(self.those_there(&[TUNE_EVENT])?);
        formats.extend(self.those_there(&SCHEME_FIGURES)?);
        Ok(formats)
    }

    /// Newer events, as far as this kernel has them.
    fn those_there(&self, names: &[&str]) -> Result<Vec<EventFormat>> {
        let known = self.damon_event_names();
        names.iter().filter(|name| known.iter().any(|known| known == *name)).map(|name| self.event(name)).collect()
    }

    /// Where it is mounted, for messages.
    pub fn shown(&self) -> std::path::PathBuf {
        self.root.shown(&self.dir)
    }

    fn format_path(&self, event: &str) -> String {
        format!("{}/events/damon/{event}/format", self.dir)
    }
}

#[cfg(test)]
mod tests;
