//! Raw trace records to typed events, by the layouts that the running kernel told. No allocation per event; a record
//! that is too short for its layout is an error, never a read beyond it.

use super::format::{EventFormat, FieldLocation, FormatError};
use damo_model::features::TUNE_EVENT;
use damo_model::{Addr, Age, Bytes, Nanos, NrAccesses, Region, SchemeCounts};
use thiserror::Error;

/// A record that does not fit its event's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Shorter than its layout.
    #[error("a trace record of {len} bytes is too short for event {id}, which has a field at {offset}")]
    Short {
        /// The event's number.
        id: u32,
        /// Where the field begins.
        offset: usize,
        /// How long the record is.
        len: usize,
    },
}

/// What an event says. Field names as in the kernel's tracepoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// `damon_aggregated`: one region of a target's snapshot.
    Aggregated {
        /// The target: its index on present kernels, an address on old ones.
        target_id: u64,
        /// How many regions the target's snapshot has.
        nr_regions: u32,
        /// The region with its access count and age.
        region: Region,
    },
    /// `damon_region_aggregated`: the same with what data probes found; one event per region beside `Aggregated`.
    RegionAggregated {
        /// The target's index.
        target_id: u64,
        /// How many regions the target's snapshot has.
        nr_regions: u32,
        /// The region with its access count and age.
        region: Region,
        /// Hits per probe.
        probe_hits: &'a [u8],
    },
    /// `damos_before_apply`: a scheme is about to be applied to a region.
    BeforeApply {
        /// Context index in the kdamond.
        context_idx: u32,
        /// Scheme index in the context.
        scheme_idx: u32,
        /// Target index in the context.
        target_idx: u64,
        /// How many regions the target has.
        nr_regions: u32,
        /// The region with its access count and age.
        region: Region,
    },
    /// `damon_monitor_intervals_tune`: auto-tuning chose new intervals.
    IntervalsTune {
        /// The sampling interval from now on; the aggregation interval keeps its ratio to it.
        sample: Nanos,
    },
    /// `damos_esz`: a scheme's quota in effect.
    EffectiveQuota {
        /// Index of the context within the kdamond.
        context_idx: u32,
        /// Index of the scheme within the context.
        scheme_idx: u32,
        /// How much it may be applied to per reset interval.
        size: Bytes,
    },
    /// `damos_stat_after_apply_interval`: a scheme's statistics so far.
    SchemeStat {
        /// Index of the context within the kdamond.
        context_idx: u32,
        /// Index of the scheme within the context.
        scheme_idx: u32,
        /// What it did.
        counts: SchemeCounts,
    },
}

/// A decoded record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The thread that emitted it: a kdamond, which is what tells kdamonds apart.
    pub pid: i32,
    /// What it says.
    pub event: Event<'a>,
}

/// Offset and size of an integer in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    offset: usize,
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RegionSlots {
    nr_regions: Slot,
    start: Slot,
    end: Slot,
    nr_accesses: Slot,
    age: Option<Slot>,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Aggregated { target: Slot, region: RegionSlots },
    RegionAggregated { target: Slot, region: RegionSlots, hits: Option<(Slot, FieldLocation)> },
    BeforeApply { context: Slot, scheme: Slot, target: Slot, region: RegionSlots },
    Tune { sample: Slot },
    Esz { context: Slot, scheme: Slot, esz: Slot },
    Stat { context: Slot, scheme: Slot, values: [Slot; 5], passed: Option<Slot>, snapshots: Option<Slot> },
}

/// Decodes raw records of the events it was made for.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// By event number; a handful, so that a linear search beats a map.
    layouts: Vec<(u32, Layout)>,
    pid: Slot,
    /// The number of `damon_aggregated`, if it has the usual layout: see [`usual`].
    usual: Option<u16>,
}

/// `damon_aggregated` as kernels with `age` lay it out. Nearly all records of a recording are of this
/// event, so that they have a way of their own with everything at a fixed place. Whether the running kernel's layout
/// is this one is asked of its format text, like any other.
mod usual {
    use super::{Decoded, Event, RegionSlots, Slot};
    use damo_model::{Addr, Age, NrAccesses, Region};

    /// As long as its last field needs.
    pub(super) const LEN: usize = 48;
    const PID: Slot = Slot { offset: 4, size: 4 };
    const TARGET: Slot = Slot { offset: 8, size: 8 };
    const NR_REGIONS: Slot = Slot { offset: 16, size: 4 };
    const START: Slot = Slot { offset: 24, size: 8 };
    const END: Slot = Slot { offset: 32, size: 8 };
    const NR_ACCESSES: Slot = Slot { offset: 40, size: 4 };
    const AGE: Slot = Slot { offset: 44, size: 4 };

    pub(super) fn is(pid: Slot, target: Slot, region: RegionSlots) -> bool {
        let usual =
            RegionSlots { nr_regions: NR_REGIONS, start: START, end: END, nr_accesses: NR_ACCESSES, age: Some(AGE) };
        (pid, target, region) == (PID, TARGET, usual)
    }

    #[inline]
    pub(super) fn decode(raw: &[u8; LEN]) -> Decoded<'static> {
        let region = Region::new(
            Addr(wide(raw, START)),
            Addr(wide(raw, END)),
            NrAccesses(narrow(raw, NR_ACCESSES)),
            Some(Age(narrow(raw, AGE))),
        );
        let event = Event::Aggregated { target_id: wide(raw, TARGET), nr_regions: narrow(raw, NR_REGIONS), region };
        Decoded { pid: narrow(raw, PID) as i32, event }
    }

    #[inline]
    fn wide(raw: &[u8; LEN], slot: Slot) -> u64 {
        raw.get(slot.offset..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    #[inline]
    fn narrow(raw: &[u8; LEN], slot: Slot) -> u32 {
        raw.get(slot.offset..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

impl Decoder {
    /// For these events. Formats of events that this version does not know are left out: their records decode to
    /// `None`.
    ///
    /// # Errors
    /// If a known event lacks a field that it cannot do without. `age` is not one of them: 5.15 lacks it.
    pub fn new(formats: &[EventFormat]) -> Result<Self, FormatError> {
        let mut layouts = Vec::with_capacity(formats.len());
        // The common header has not changed since 2.6.
        let mut pid = Slot { offset: 4, size: 4 };
        for format in formats {
            if let Ok(slot) = slot(format, "common_pid") {
                pid = slot;
            }
            let layout = match format.name.as_str() {
                "damon_aggregated" => {
                    Layout::Aggregated { target: slot(format, "target_id")?, region: region_slots(format)? }
                }
                "damon_region_aggregated" => Layout::RegionAggregated {
                    target: slot(format, "target_id")?,
                    region: region_slots(format)?,
                    hits: format
                        .field("probe_hits")
                        .map(|field| (Slot { offset: field.offset as usize, size: field.size as usize }, field.place)),
                },
                "damos_before_apply" => Layout::BeforeApply {
                    context: slot(format, "context_idx")?,
                    scheme: slot(format, "scheme_idx")?,
                    target: slot(format, "target_idx")?,
                    region: region_slots(format)?,
                },
                TUNE_EVENT => Layout::Tune { sample: slot(format, "sample_us")? },
                "damos_esz" => Layout::Esz {
                    context: slot(format, "context_idx")?,
                    scheme: slot(format, "scheme_idx")?,
                    esz: slot(format, "esz")?,
                },
                "damos_stat_after_apply_interval" => Layout::Stat {
                    context: slot(format, "context_idx")?,
                    scheme: slot(format, "scheme_idx")?,
                    values: [
                        slot(format, "nr_tried")?,
                        slot(format, "sz_tried")?,
                        slot(format, "nr_applied")?,
                        slot(format, "sz_applied")?,
                        slot(format, "qt_exceeds")?,
                    ],
                    passed: slot(format, "sz_ops_filter_passed").ok(),
                    snapshots: slot(format, "nr_snapshots").ok(),
                },
                _ => continue,
            };
            layouts.push((format.id, layout));
        }
        let usual = layouts.iter().find_map(|(id, layout)| match layout {
            Layout::Aggregated { target, region } if usual::is(pid, *target, *region) => u16::try_from(*id).ok(),
            _ => None,
        });
        Ok(Self { layouts, pid, usual })
    }

    /// One raw record, from `common_type` on. `None` for an event that this decoder was not made for.
    ///
    /// # Errors
    /// If the record is shorter than its layout.
    #[inline]
    pub fn decode<'a>(&self, raw: &'a [u8]) -> Result<Option<Decoded<'a>>, DecodeError> {
        if let Some(bytes) = raw.first_chunk::<{ usual::LEN }>()
            && Some(u16::from_ne_bytes([bytes[0], bytes[1]])) == self.usual
        {
            return Ok(Some(usual::decode(bytes)));
        }
        self.decode_any(raw)
    }

    fn decode_any<'a>(&self, raw: &'a [u8]) -> Result<Option<Decoded<'a>>, DecodeError> {
        let Some(id) = raw.first_chunk::<2>().map(|b| u32::from(u16::from_ne_bytes(*b))) else {
            return Err(DecodeError::Short { id: 0, offset: 0, len: raw.len() });
        };
        let Some((_, layout)) = self.layouts.iter().find(|(known, _)| *known == id) else {
            return Ok(None);
        };
        let at = |slot: Slot| read(raw, slot).ok_or(DecodeError::Short { id, offset: slot.offset, len: raw.len() });
        let small = |slot: Slot| at(slot).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        let region = |slots: &RegionSlots| -> Result<(u32, Region), DecodeError> {
            let age = slots.age.map(&small).transpose()?.map(Age);
            let nr_accesses = NrAccesses(small(slots.nr_accesses)?);
            let region = Region::new(Addr(at(slots.start)?), Addr(at(slots.end)?), nr_accesses, age);
            Ok((small(slots.nr_regions)?, region))
        };
        let event = match layout {
            Layout::Aggregated { target, region: slots } => {
                let (nr_regions, region) = region(slots)?;
                Event::Aggregated { target_id: at(*target)?, nr_regions, region }
            }
            Layout::RegionAggregated { target, region: slots, hits } => {
                let (nr_regions, region) = region(slots)?;
                let probe_hits = match hits {
                    Some((slot, place)) => bytes(raw, *slot, *place).ok_or(DecodeError::Short {
                        id,
                        offset: slot.offset,
                        len: raw.len(),
                    })?,
                    None => &[],
                };
                Event::RegionAggregated { target_id: at(*target)?, nr_regions, region, probe_hits }
            }
            Layout::BeforeApply { context, scheme, target, region: slots } => {
                let (nr_regions, region) = region(slots)?;
                Event::BeforeApply {
                    context_idx: small(*context)?,
                    scheme_idx: small(*scheme)?,
                    target_idx: at(*target)?,
                    nr_regions,
                    region,
                }
            }
            Layout::Tune { sample } => Event::IntervalsTune { sample: micros(at(*sample)?) },
            Layout::Esz { context, scheme, esz } => Event::EffectiveQuota {
                context_idx: small(*context)?,
                scheme_idx: small(*scheme)?,
                size: Bytes(at(*esz)?),
            },
            Layout::Stat { context, scheme, values, passed, snapshots } => Event::SchemeStat {
                context_idx: small(*context)?,
                scheme_idx: small(*scheme)?,
                counts: SchemeCounts {
                    nr_tried: at(values[0])?,
                    sz_tried: Bytes(at(values[1])?),
                    nr_applied: at(values[2])?,
                    sz_applied: Bytes(at(values[3])?),
                    sz_ops_filter_passed: passed.map(at).transpose()?.map(Bytes),
                    qt_exceeds: at(values[4])?,
                    nr_snapshots: snapshots.map(at).transpose()?,
                },
            },
        };
        let pid = small(self.pid)? as i32;
        Ok(Some(Decoded { pid, event }))
    }
}

/// Microseconds of the kernel's `unsigned long`, as far as they can be told in nanoseconds.
fn micros(us: u64) -> Nanos {
    Nanos::from_micros(i64::try_from(us).unwrap_or(i64::MAX))
}

fn slot(format: &EventFormat, name: &'static str) -> Result<Slot, FormatError> {
    format
        .field(name)
        .filter(|field| field.place == FieldLocation::Inline && matches!(field.size, 1 | 2 | 4 | 8))
        .map(|field| Slot { offset: field.offset as usize, size: field.size as usize })
        .ok_or_else(|| FormatError::NoField { event: format.name.clone(), field: name })
}

fn region_slots(format: &EventFormat) -> Result<RegionSlots, FormatError> {
    Ok(RegionSlots {
        nr_regions: slot(format, "nr_regions")?,
        start: slot(format, "start")?,
        end: slot(format, "end")?,
        nr_accesses: slot(format, "nr_accesses")?,
        age: slot(format, "age").ok(),
    })
}

/// An unsigned integer in the machine's byte order: records come from the kernel that we run on.
fn read(raw: &[u8], slot: Slot) -> Option<u64> {
    let bytes = raw.get(slot.offset..)?;
    Some(match slot.size {
        1 => u64::from(*bytes.first()?),
        2 => u64::from(u16::from_ne_bytes(*bytes.first_chunk()?)),
        4 => u64::from(u32::from_ne_bytes(*bytes.first_chunk()?)),
        _ => u64::from_ne_bytes(*bytes.first_chunk()?),
    })
}

/// The bytes of an array field.
fn bytes(raw: &[u8], slot: Slot, place: FieldLocation) -> Option<&[u8]> {
    if place == FieldLocation::Inline {
        return raw.get(slot.offset..slot.offset.checked_add(slot.size)?);
    }
    let location = read(raw, Slot { offset: slot.offset, size: 4 })? as usize;
    let (offset, len) = (location & 0xffff, location >> 16);
    let start = if place == FieldLocation::RelLoc { slot.offset + slot.size + offset } else { offset };
    raw.get(start..start.checked_add(len)?)
}
