//! Recorded ring bytes through the same code as a live session: decoding, telling kdamonds apart, grouping, the queue,
//! the writer. It is how the recorder's own cost is measured on a machine without DAMON.

use super::events::{Events, Watched};
use crate::error::RecordError;
use crate::pipeline::{LIVE_BLOCK_AGE, Patience, Pipeline};
use crate::record_output::{RecordOutput, Written};
use crate::request::Output;
use damo_format::WriterOptions;
use damo_kernel::ring::{RecordRun, SampleLayout, merge};
use damo_kernel::tracefs::EventFormat;
use damo_model::{Intervals, Item, KdamondIndex, KdamondThread, Meta};
use damo_steer::notifier::Silent;

/// A live session without a kernel.
pub struct Replay {
    events: Events,
    pipeline: Pipeline,
    layout: SampleLayout,
}

impl Replay {
    /// Records events in these formats, emitted by the kdamond thread `thread` with these intervals, to `output`. `layout`
    /// is that of the ring's samples.
    ///
    /// # Errors
    /// If a format is not understood or the output cannot be opened.
    pub fn new(
        formats: &[EventFormat],
        layout: SampleLayout,
        thread: KdamondThread,
        intervals: Intervals,
        output: &Output,
    ) -> Result<Self, RecordError> {
        let mut events = Events::new(super::description::decoder(formats)?, None);
        events.watch(
            Watched { thread, kdamond: Some(KdamondIndex(0)), intervals: Some(intervals), ..Watched::default() },
            Vec::new(),
        );
        let output = RecordOutput::open(output, WriterOptions::live())?;
        let pipeline = Pipeline::start(output, None, Some(LIVE_BLOCK_AGE), Patience::default())?;
        give(&pipeline, [Item::Meta(Meta { tool: crate::tool(), ..Meta::default() })])?;
        Ok(Self { events, pipeline, layout })
    }

    /// Takes what a ring held at one look.
    ///
    /// # Errors
    /// If the record can take no more.
    pub fn feed(&mut self, ring: &[u8]) -> Result<(), RecordError> {
        let mut run = [RecordRun::new(self.layout, ring, &[])];
        let events = &mut self.events;
        merge(&mut run, u64::MAX, |record| events.take(record));
        give(&self.pipeline, self.events.ready())
    }

    /// Ends the record.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn finish(mut self) -> Result<Written, RecordError> {
        self.events.finish();
        give(&self.pipeline, self.events.ready())?;
        let ended = self.pipeline.finish(&mut Silent);
        ended.error.map_or(Ok(ended.written), Err)
    }
}

fn give(pipeline: &Pipeline, items: impl IntoIterator<Item = Item>) -> Result<(), RecordError> {
    pipeline.give_all(items).map_err(|e| RecordError::record("record", &e))
}
