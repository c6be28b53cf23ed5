//! The records that are asked, and what is the same for all rows of one of their targets.

use crate::mapping::Layouts;
use damo_frame::{FrameError, Record};
use damo_model::{Nanos, TargetKey};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Records that many threads may read.
pub type SharedRecords = Arc<dyn AsRef<[Record]> + Send + Sync>;

/// What a row says of its target.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetInfo {
    /// The scheme whose view of the target it is; `None` for plain monitoring.
    pub scheme: Option<u64>,
    /// The process, where it is one.
    pub pid: Option<i64>,
    /// Name (`comm`) of the target's process.
    pub comm: Option<String>,
}

/// One record among those that are asked.
pub(crate) struct Source {
    records: SharedRecords,
    at: usize,
    /// What its rows call it.
    pub name: String,
    /// When it began, on its own clock: times are counted from then on.
    pub began: Nanos,
    targets: BTreeMap<TargetKey, TargetInfo>,
    layouts: OnceLock<Layouts>,
}

impl Source {
    /// The record. The list of records never changes, so there always is one.
    pub(crate) fn record(&self) -> Option<&Record> {
        (*self.records).as_ref().get(self.at)
    }

    /// What is known of a target.
    pub(crate) fn target(&self, key: TargetKey) -> Option<&TargetInfo> {
        self.targets.get(&key)
    }

    /// All targets of the record by their keys, later entries in place of earlier ones.
    pub(crate) fn targets(&self) -> &BTreeMap<TargetKey, TargetInfo> {
        &self.targets
    }

    /// A moment on the record's clock, in nanoseconds since the recording began.
    pub(crate) fn since(&self, at: Nanos) -> i64 {
        at.saturating_sub(self.began).0
    }

    /// A moment on the record's clock, in nanoseconds since 1970; `None` if the record does not relate its clocks.
    pub(crate) fn wall(&self, at: Nanos) -> Option<i64> {
        let pair = self.record()?.meta().clock_pair?;
        Some(at.saturating_sub(pair.record).saturating_add(pair.wall).0)
    }

    /// What was mapped where, and when.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn layouts(&self) -> Result<&Layouts, FrameError> {
        if let Some(layouts) = self.layouts.get() {
            return Ok(layouts);
        }
        let found = self.record().map(Layouts::of).transpose()?.unwrap_or_default();
        Ok(self.layouts.get_or_init(|| found))
    }
}

/// All records that are asked.
pub(crate) struct Sources {
    /// One for each record, in their order.
    pub all: Vec<Arc<Source>>,
}

impl Sources {
    /// Those of these records.
    pub(crate) fn new(records: &SharedRecords) -> Self {
        let of = |(at, record): (usize, &Record)| {
            let info = |target: &damo_model::Target| TargetInfo {
                scheme: target.scheme.map(u64::from),
                pid: target.process.as_ref().map(|process| process.pid.into()),
                comm: target.process.as_ref().map(|process| process.comm.clone()),
            };
            Arc::new(Source {
                records: Arc::clone(records),
                at,
                name: record.name().to_owned(),
                began: record.began(),
                targets: record.targets().iter().map(|target| (target.key, info(target))).collect(),
                layouts: OnceLock::new(),
            })
        };
        Self { all: (**records).as_ref().iter().enumerate().map(of).collect() }
    }

    /// The first record of a name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Source>> {
        self.all.iter().find(|source| source.name == name)
    }
}
