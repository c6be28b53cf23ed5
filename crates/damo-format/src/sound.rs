//! The items of a record that may be damaged, in such an order and so completed that a writer takes them: the meta item
//! first, each target before its snapshots, a word about snapshots that are missing.

use crate::error::ReadError;
use crate::stream::StreamReader;
use damo_model::{Item, Lost, Meta, Nanos, Side, Stamp, Target, TargetKey};
use std::collections::{BTreeSet, VecDeque};
use std::io::Read;

/// Gives a record's items for writing them again.
pub struct SoundReader<R> {
    stream: StreamReader<R>,
    begun: bool,
    known: BTreeSet<TargetKey>,
    lost: u64,
    /// End of the last snapshot.
    time: Nanos,
    waiting: VecDeque<Item>,
}

impl<R: Read> SoundReader<R> {
    /// Reads on from where `stream` is.
    pub fn new(stream: StreamReader<R>) -> Self {
        let (known, waiting) = (BTreeSet::new(), VecDeque::new());
        SoundReader { stream, begun: false, known, lost: 0, time: Nanos(0), waiting }
    }

    /// What it reads from: for what could not be read.
    pub fn stream(&self) -> &StreamReader<R> {
        &self.stream
    }

    /// The next item; `None` when the input has no more.
    ///
    /// # Errors
    /// As [`StreamReader::next_item`].
    pub fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        while self.waiting.is_empty() {
            let next = self.stream.next_item()?;
            let is_meta = matches!(next, Some(Item::Meta(_)));
            match (std::mem::replace(&mut self.begun, true), is_meta) {
                (false, false) => self.waiting.push_back(Item::Meta(Meta::default())),
                // A second one says nothing new.
                (true, true) => continue,
                _ => {}
            }
            match next {
                None => break,
                Some(item) => self.complete(item),
            }
        }
        Ok(self.waiting.pop_front())
    }

    /// Puts what a writer needs to know before the item.
    fn complete(&mut self, item: Item) {
        match &item {
            Item::Target(target) => {
                self.known.insert(target.key);
            }
            Item::Snapshot(snapshot) => {
                if self.known.insert(snapshot.target) {
                    self.waiting.push_back(Item::Target(Target { key: snapshot.target, ..Target::default() }));
                }
                let missing = self.stream.lost_snapshots().saturating_sub(self.lost);
                if missing > 0 {
                    self.lost = self.stream.lost_snapshots();
                    let reason = format!("file: {missing} snapshots were in a damaged part of the record");
                    let lost = Lost { at: Stamp::Record(self.time), events: 0, reason };
                    self.waiting.push_back(Item::Side(Side::Lost(lost)));
                }
                self.time = snapshot.end;
            }
            _ => {}
        }
        self.waiting.push_back(item);
    }
}
