//! Ranges of time and of addresses as people name them, and where they are in a record.

use crate::ReportError;
use damo_frame::Record;
use damo_model::human::Show;
use damo_model::{Addr, AddrRange, Nanos, Side, TimeSpan};

/// What times of a range are relative to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeBase {
    /// The given time on the record's clock; 0 means that the range is absolute.
    At(Nanos),
    /// When the recording began: the start of the first snapshot.
    Began,
    /// Where the guide begins: earlier than the recording, if ages tell of the time before.
    #[default]
    Guided,
    /// Where the guide ends: ranges have negative times.
    GuidedEnd,
    /// The first mark of this text.
    Mark(String),
}

/// A range of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// From, after the base.
    pub start: Nanos,
    /// To, after the base.
    pub end: Nanos,
    /// Relative to what.
    pub base: TimeBase,
}

/// What addresses of a range are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressBase {
    /// This address; 0 means that the range is absolute.
    At(Addr),
    /// The start of the guide's area of the same position as the range has among the options.
    Guided,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// From, after the base.
    pub start: Addr,
    /// To, after the base.
    pub end: Addr,
    /// Relative to what.
    pub base: AddressBase,
}

impl TimeRange {
    /// The same range on the clock of the records, of which `known` is the time that anything is known of.
    ///
    /// # Errors
    /// If the range is relative to a mark that does not exist, or a record cannot be read.
    pub fn resolve(&self, records: &[Record], known: TimeSpan) -> Result<TimeSpan, ReportError> {
        let base = match &self.base {
            TimeBase::At(base) => *base,
            TimeBase::Began => records.first().map(Record::began).unwrap_or_default(),
            TimeBase::Guided => known.start,
            TimeBase::GuidedEnd => known.end,
            TimeBase::Mark(text) => find_mark(records, text)?,
        };
        Ok(TimeSpan::new(base.saturating_add(self.start), base.saturating_add(self.end)))
    }
}

impl AddressRange {
    /// The addresses meant, given the start of the guide's area; `None` if that is needed and missing.
    pub fn resolve(&self, guided: Option<Addr>) -> Option<AddrRange> {
        let base = match self.base {
            AddressBase::At(base) => base,
            AddressBase::Guided => guided?,
        };
        let add = |addr: Addr| Addr(base.0.saturating_add(addr.0));
        Some(AddrRange::new(add(self.start), add(self.end)))
    }
}

/// When the first mark of this text was set, on its record's clock. The error lists the marks that exist.
pub(crate) fn find_mark(records: &[Record], text: &str) -> Result<Nanos, ReportError> {
    let mut known = Vec::new();
    for record in records {
        for side in record.side_data()? {
            if let Side::Mark(mark) = side {
                if mark.text == text
                    && let Some(at) = record.on_record_clock(mark.at)
                {
                    return Ok(at);
                }
                known.push(mark.text.clone());
            }
        }
    }
    let known = listed(&known);
    Err(ReportError::invalid(format!("no mark is called '{}'; the record has: {}", text.shown(), known.shown())))
}

/// Names for an error.
pub(crate) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
