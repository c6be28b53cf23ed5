//! A record, whatever file it came from, and the ways over it.

use crate::{Chunk, FrameError, fold};
use damo_format::{Damage, Detail, Reader};
use damo_model::{Addr, AddrRange, Bytes, ColumnId, Meta, Nanos, Selection, Side, Stamp, Target, TargetKey, TimeSpan};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A record opened for analysis. Cheap to read from many threads.
pub struct Record {
    name: String,
    reader: Reader,
    notes: Vec<String>,
    cut_short: Option<String>,
    imported: bool,
    file_size: Option<Bytes>,
    side_data: OnceLock<Vec<Side>>,
    threads: usize,
    /// Whether reports show times on the record's own clock instead of since [`Record::began`].
    pub shows_clock: bool,
    planned: AtomicU64,
    done: AtomicU64,
}

/// So many bytes may the decoded blocks of all threads take.
const BLOCKS_IN_MEMORY: u64 = 384 << 20;

/// How much of what happened is in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Snapshots in the record, partial ones included.
    pub snapshots: u64,
    /// Snapshots that lack regions.
    pub partial: u64,
    /// Events that the kernel or the recorder dropped.
    pub lost_events: u64,
    /// Places in the file that could not be read.
    pub damaged: u64,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("name", &self.name).field("totals", &self.totals()).finish_non_exhaustive()
    }
}

impl Coverage {
    /// Share of complete snapshots, 0..=1; 1 for a record without snapshots.
    pub fn ratio(&self) -> f64 {
        if self.snapshots == 0 {
            return 1.0;
        }
        (self.snapshots.saturating_sub(self.partial)) as f64 / self.snapshots as f64
    }

    /// Whether nothing is known to be missing.
    pub fn is_full(&self) -> bool {
        self.partial == 0 && self.lost_events == 0 && self.damaged == 0
    }
}

impl Record {
    pub(crate) fn new(name: String, reader: Reader, notes: Vec<String>, threads: usize) -> Self {
        let (planned, done) = (AtomicU64::new(0), AtomicU64::new(0));
        // Each thread has a block in memory. Blocks that recorders write are a hundredth of what a block may be.
        let largest = reader.index().iter().map(|block| 9 * block.raw.0 + 24 * block.regions).max().unwrap_or(0);
        let threads = threads.min(usize::try_from(BLOCKS_IN_MEMORY / largest.max(1)).unwrap_or(usize::MAX)).max(1);
        Self {
            name,
            reader,
            notes,
            cut_short: None,
            imported: false,
            file_size: None,
            side_data: OnceLock::new(),
            threads,
            shows_clock: false,
            planned,
            done,
        }
    }

    /// The name it was opened by; `-` for standard input.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known of the record as a whole.
    pub fn meta(&self) -> &Meta {
        self.reader.meta()
    }

    /// The monitored targets; a `TargetKey` is a position in this list.
    pub fn targets(&self) -> &[Target] {
        self.reader.targets()
    }

    /// The target of a key.
    pub fn target(&self, key: TargetKey) -> Option<&Target> {
        let at = self.targets().binary_search_by_key(&key, |target| target.key).ok()?;
        self.targets().get(at)
    }

    /// The underlying reader.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What the importer of a foreign record had to say, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Why a foreign record could be read in part only; `None` if it was read to its end. (What is missing of a `.damo`
    /// record is in [`Record::damage`].)
    pub fn cut_short(&self) -> Option<&str> {
        self.cut_short.as_deref()
    }

    /// Size of the file that the record was read from, whatever its format; `None` where there is no one file.
    pub fn file_size(&self) -> Option<Bytes> {
        self.file_size
    }

    pub(crate) fn with_file_size(mut self, size: u64) -> Self {
        self.file_size = Some(Bytes(size));
        self
    }

    /// Whether it was read from another format, so that [`crate::OpenOptions::import`] had a say. A `.damo` record that
    /// was made of one is what it is.
    pub fn is_imported(&self) -> bool {
        self.imported
    }

    pub(crate) fn set_imported(&mut self, cut_short: Option<String>) {
        self.imported = true;
        self.cut_short = cut_short;
    }

    /// Parts of the file that could not be read.
    pub fn damage(&self) -> &[Damage] {
        self.reader.damage()
    }

    /// Counts over the whole record.
    pub fn totals(&self) -> damo_format::Totals {
        self.reader.totals()
    }

    /// From the first snapshot's start to the last one's end; `None` without snapshots.
    pub fn time_span(&self) -> Option<TimeSpan> {
        self.reader.index().iter().map(|block| block.time).reduce(TimeSpan::including)
    }

    /// When the recording began, on the record's clock: the start of the first snapshot, or where there is none the first
    /// reading beside snapshots. What reports show times since.
    pub fn began(&self) -> Nanos {
        if let Some(TimeSpan { start, .. }) = self.time_span() {
            return start;
        }
        let readings = self.side_data().unwrap_or_default().iter().filter_map(|side| match side {
            Side::Process(process) => Some(process.at),
            Side::System(system) => Some(system.at),
            Side::Cpu(cpu) => Some(cpu.at),
            Side::Pressure(pressure) => Some(pressure.at),
            Side::Mark(mark) => Some(mark.at),
            _ => None,
        });
        let times = readings.map(|stamp| match stamp {
            Stamp::Record(at) => at,
            Stamp::Wall(at) => self.on_record_clock(stamp).unwrap_or(at),
        });
        times.min().unwrap_or_default()
    }

    /// The smallest range that covers all regions; `None` without regions.
    pub fn address_range(&self) -> Option<AddrRange> {
        let spans = || self.reader.index().iter().map(|block| block.addresses).filter(|span| span.size().0 > 0);
        let start: Addr = spans().map(|span| span.start).min()?;
        Some(AddrRange::new(start, spans().map(|span| span.end).max()?))
    }

    /// How much of what happened is in the record.
    pub fn coverage(&self) -> Coverage {
        let totals = self.totals();
        Coverage {
            snapshots: totals.snapshots,
            partial: totals.partial,
            lost_events: totals.lost_events,
            damaged: (self.damage().len() + self.reader.late_damage().len()) as u64,
        }
    }

    /// What was recorded beside snapshots, in record order. Read once, then kept.
    ///
    /// # Errors
    /// When a side block cannot be read at all; damaged parts are left out and listed in [`Record::damage`].
    pub fn side_data(&self) -> Result<&[Side], FrameError> {
        if let Some(side_data) = self.side_data.get() {
            return Ok(side_data);
        }
        let side_data = self.reader.side_data().map_err(|source| self.read_error(source))?;
        Ok(self.side_data.get_or_init(|| side_data))
    }

    /// The side data of CPU profiles, in record order. They are read at each call, because few reports need them.
    ///
    /// # Errors
    /// As [`Record::side_data`].
    pub(crate) fn profile_data(&self) -> Result<Vec<Side>, FrameError> {
        self.reader.profile().map_err(|source| self.read_error(source))
    }

    /// A stamp on the record's clock; `None` for wall time when the record does not tell how its clock relates to it.
    pub fn on_record_clock(&self, stamp: Stamp) -> Option<Nanos> {
        match stamp {
            Stamp::Record(at) => Some(at),
            Stamp::Wall(at) => {
                let pair = self.meta().clock_pair?;
                Some(at.saturating_sub(pair.wall).saturating_add(pair.record))
            }
        }
    }

    /// Regions decoded so far and regions planned to be decoded, over all passes since the record was opened: for
    /// showing progress from another thread.
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.planned.load(Ordering::Relaxed))
    }

    /// Number of decoding threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The blocks that may hold wanted snapshots, and their numbers of regions.
    fn plan(&self, selection: &Selection) -> (Vec<usize>, Vec<u64>) {
        let wanted = self.reader.index().iter().enumerate().filter(|(_, block)| block.wanted(selection));
        let (blocks, weights): (Vec<_>, Vec<u64>) = wanted.map(|(i, block)| (i, block.regions)).unzip();
        self.planned.fetch_add(weights.iter().sum(), Ordering::Relaxed);
        (blocks, weights)
    }

    fn read(&self, block: usize, weight: u64, selection: &Selection, detail: Detail) -> Result<Chunk, FrameError> {
        let batch = match self.reader.read_block_detail(block, selection, detail) {
            Ok(batch) => batch,
            // The rest of the record is as good as it was; what is missing is in `damage` and in the coverage.
            Err(source) if source.is_damage() => damo_model::Batch::default(),
            Err(source) => return Err(self.read_error(source)),
        };
        self.done.fetch_add(weight, Ordering::Relaxed);
        Ok(batch.into())
    }

    fn read_error(&self, source: damo_format::ReadError) -> FrameError {
        FrameError::Read { name: self.name.clone(), source }
    }

    /// The extra columns that some snapshot has, in order.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn extra_columns(&self) -> Result<Vec<ColumnId>, FrameError> {
        let mut found = BTreeSet::new();
        for block in 0..self.reader.index().len() {
            match self.reader.extra_columns(block) {
                Ok(columns) => found.extend(columns),
                Err(source) if source.is_damage() => {}
                Err(source) => return Err(self.read_error(source)),
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The attribute probes whose hits some snapshot has, in order.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn probes(&self) -> Result<Vec<u16>, FrameError> {
        Ok(self.extra_columns()?.into_iter().filter_map(ColumnId::probe).collect())
    }

    /// Goes over the wanted part of the record on all cores. Each thread takes a contiguous run of blocks, in order,
    /// into an accumulator of its own (`make`, `step`); the accumulators are merged in record order. Memory: a block
    /// and an accumulator per thread.
    ///
    /// # Errors
    /// The first that reading or `step` reports; `E` is the caller's own error type or [`FrameError`].
    pub fn fold<A: Send, E: From<FrameError> + Send>(
        &self,
        selection: &Selection,
        make: impl Fn() -> A + Sync,
        step: impl Fn(&mut A, &Chunk) -> Result<(), E> + Sync,
        merge: impl FnMut(A, A) -> A,
    ) -> Result<A, E> {
        self.fold_detail(selection, Detail::All, make, step, merge)
    }

    /// The same, decoding as far as `detail` says: for analyses that need less than everything.
    ///
    /// # Errors
    /// As [`Record::fold`].
    pub fn fold_detail<A: Send, E: From<FrameError> + Send>(
        &self,
        selection: &Selection,
        detail: Detail,
        make: impl Fn() -> A + Sync,
        step: impl Fn(&mut A, &Chunk) -> Result<(), E> + Sync,
        merge: impl FnMut(A, A) -> A,
    ) -> Result<A, E> {
        let (blocks, weights) = self.plan(selection);
        let read = |i: usize| match (blocks.get(i), weights.get(i)) {
            (Some(block), Some(weight)) => self.read(*block, *weight, selection, detail),
            _ => Ok(Chunk::default()),
        };
        fold::fold(&weights, self.threads, &read, &make, &step, merge)
    }

    /// Goes over the wanted part of the record in order, decoding ahead on other threads: for output that streams.
    ///
    /// # Errors
    /// The first that reading or `f` reports.
    pub fn for_each<E: From<FrameError>>(
        &self,
        selection: &Selection,
        mut f: impl FnMut(&Chunk) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_owned(selection, |chunk| f(&chunk))
    }

    /// Like [`Record::for_each`], giving the chunks away.
    ///
    /// # Errors
    /// The first that reading or `f` reports.
    pub(crate) fn for_each_owned<E: From<FrameError>>(
        &self,
        selection: &Selection,
        f: impl FnMut(Chunk) -> Result<(), E>,
    ) -> Result<(), E> {
        let (blocks, weights) = self.plan(selection);
        let read = |i: usize| match (blocks.get(i), weights.get(i)) {
            (Some(block), Some(weight)) => self.read(*block, *weight, selection, Detail::All),
            _ => Ok(Chunk::default()),
        };
        fold::in_order(blocks.len(), self.threads, &read, f)
    }

    /// A few blocks that tell about the whole: the first and the last one of each wanted target, and about `more` spread
    /// over the rest, in record order. For guesses that a full pass confirms.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn sample(&self, selection: &Selection, more: usize) -> Result<Vec<Chunk>, FrameError> {
        let index = self.reader.index();
        let wanted: Vec<usize> =
            (0..index.len()).filter(|i| index.get(*i).is_some_and(|b| b.wanted(selection))).collect();
        let mut picked: Vec<usize> = Vec::new();
        // The first and the last block of each target, found in one go over the index: a record may have thousands of both.
        let mut ends: HashMap<TargetKey, (usize, usize)> = HashMap::new();
        for i in wanted.iter().copied() {
            for target in index.get(i).into_iter().flat_map(|block| &block.targets) {
                if selection.wants_target(*target) {
                    ends.entry(*target).or_insert((i, i)).1 = i;
                }
            }
        }
        let known = self.targets().iter().filter_map(|target| ends.get(&target.key));
        picked.extend(known.flat_map(|(first, last)| [*first, *last]));
        picked.extend((0..more).filter_map(|i| wanted.get(i * wanted.len() / more.max(1))));
        picked.sort_unstable();
        picked.dedup();
        picked.into_iter().map(|block| self.read(block, 0, selection, Detail::All)).collect()
    }
}
