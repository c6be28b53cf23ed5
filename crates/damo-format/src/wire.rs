//! Meta, targets and the parts of side data as bytes.
//!
//! [`Wire`] is implemented here, field by field, for the vocabulary's types: what is written must not change when a field
//! is added there. [`wire!`] takes a type apart by the names of its fields, so a new field does not compile until somebody
//! decides how it is written: always behind what is there, as readers ignore what follows the fields they know.
//!
//! Numbers, texts and index entries are written by bincode (2.0.1, no longer maintained; it must stay replaceable without
//! changing a byte) in its "standard" configuration: little-endian, integers below 251 in one byte, larger ones as 251, 252
//! or 253 and then 2, 4 or 8 bytes; signed ones zigzag first; strings and lists with their length in front; options as 0 or
//! 1 and the value; enums as their number and the fields.

use crate::error::Fault;
use crate::layout::MAX_RAW;
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};
use damo_model::{
    Addr, Bytes, Clock, ClockPair, Intervals, IntervalsGoal, KdamondIndex, Meta, Nanos, NrRegions, Ops, Process,
    Source, Target, TargetKey, TracepointFormat,
};

/// Nothing is decoded that claims more memory than a block may have.
pub(crate) const CONFIG: Configuration<LittleEndian, Varint, Limit<{ MAX_RAW as usize }>> =
    bincode::config::standard().with_limit::<{ MAX_RAW as usize }>();

/// As bytes, behind what `out` holds already.
pub(crate) fn encode<T: Encode>(value: T, out: &mut Vec<u8>) -> Result<(), Fault> {
    bincode::encode_into_std_write(value, out, CONFIG).map(|_| ()).map_err(|e| Fault::Library(e.to_string()))
}

/// From the front of `bytes`; also how many of them it took.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<(T, usize), Fault> {
    bincode::decode_from_slice(bytes, CONFIG).map_err(|e| Fault::Library(e.to_string()))
}

/// How a value is written in a record.
pub(crate) trait Wire: Sized {
    /// Writes it behind what `out` holds already.
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault>;

    /// Takes it from the front of `bytes`.
    fn take(bytes: &mut &[u8]) -> Result<Self, Fault>;

    /// Writes what may be absent.
    fn put_option(value: Option<&Self>, out: &mut Vec<u8>) -> Result<(), Fault> {
        u8::from(value.is_some()).put(out)?;
        value.map_or(Ok(()), |value| value.put(out))
    }

    /// Takes what may be absent.
    fn take_option(bytes: &mut &[u8]) -> Result<Option<Self>, Fault> {
        match u8::take(bytes)? {
            0 => Ok(None),
            1 => Self::take(bytes).map(Some),
            _ => Err("what may be absent is neither there nor absent".into()),
        }
    }
}

/// Implements [`Wire`] for structs whose fields follow one another in this order; a field behind `|` is left out.
macro_rules! wire {
    ($($type:ident { $($field:ident),* $(| $later:ident)? })*) => {
        $(impl $crate::wire::Wire for $type {
            fn put(&self, out: &mut Vec<u8>) -> Result<(), $crate::error::Fault> {
                let $type { $($field,)* $($later: _)? } = self;
                $($field.put(out)?;)*
                Ok(())
            }

            fn take(bytes: &mut &[u8]) -> Result<Self, $crate::error::Fault> {
                Ok($type { $($field: $crate::wire::Wire::take(bytes)?,)* $($later: Default::default())? })
            }
        })*
    };
}
pub(crate) use wire;

/// Implements [`Wire`] for what bincode writes by itself.
macro_rules! plain {
    ($($type:ty),*) => {
        $(impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
                encode(self, out)
            }

            fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
                let (value, used) = decode(bytes)?;
                *bytes = bytes.get(used..).unwrap_or_default();
                Ok(value)
            }
        })*
    };
}
plain!(bool, u8, u32, u64, i32, i64, String);

/// Implements [`Wire`] for names of numbers, which are written as the number.
macro_rules! quantities {
    ($($type:ident),*) => {
        $(impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
                self.0.put(out)
            }

            fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
                Wire::take(bytes).map($type)
            }
        })*
    };
}
quantities!(Addr, Bytes, KdamondIndex, Nanos, TargetKey);

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        T::put_option(self.as_ref(), out)
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        T::take_option(bytes)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        put_list(self.iter(), out)
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        let count = u64::take(bytes)?;
        if count.saturating_mul(size_of::<T>() as u64) > u64::from(MAX_RAW) {
            return Err("a list claims more memory than a block may have".into());
        }
        (0..count).map(|_| T::take(bytes)).collect()
    }
}

/// Writes a list, as `Vec` does.
pub(crate) fn put_list<'a, T: Wire + 'a>(
    list: impl ExactSizeIterator<Item = &'a T>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    (list.len() as u64).put(out)?;
    list.into_iter().try_for_each(|value| value.put(out))
}

wire! {
    Intervals { sample, aggregation, update }
    IntervalsGoal { access_bp, aggregations, min_sample, max_sample }
    NrRegions { min, max }
    TracepointFormat { event, text }
    ClockPair { record, wall }
    Process { pid, started, comm, cmdline }
    Target { key, kdamond, context, scheme, target_id, process, data_source, scheme_filters }
    Meta {
        tool, kernel_release, features, formats, source, ops, intervals, intervals_goal, nr_regions, page_size, clock,
        clock_pair, boot_id, host, command | history
    }
}

/// Operations sets from 1 on; 0 is none.
const OPS: [Ops; 3] = [Ops::Vaddr, Ops::Fvaddr, Ops::Paddr];
/// The number of all others, whose word stands behind the structure.
const OPS_BY_WORD: u8 = 4;

/// Writes the word of an operations set that has no number of its own.
pub(crate) fn put_ops_word(ops: Option<Ops>, out: &mut Vec<u8>) -> Result<(), Fault> {
    ops.filter(|ops| !OPS.contains(ops)).map_or(Ok(()), |ops| ops.to_string().put(out))
}

/// An operations set as it was taken, with its word if that stands here.
pub(crate) fn take_ops_word(ops: Option<Ops>, bytes: &mut &[u8]) -> Result<Option<Ops>, Fault> {
    match ops.filter(|ops| !OPS.contains(ops)) {
        None => Ok(ops),
        Some(_) if bytes.is_empty() => Ok(None),
        Some(_) => Ok(Ops::of_file(&String::take(bytes)?)),
    }
}

/// Clocks from 0 on.
const CLOCKS: [Clock; 5] = [Clock::Unknown, Clock::Monotonic, Clock::TraceLocal, Clock::Wall, Clock::Virtual];

impl Wire for Ops {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        Self::put_option(Some(self), out)
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        Self::take_option(bytes)?.ok_or_else(|| "an operations set is missing".into())
    }

    fn put_option(ops: Option<&Self>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let known = ops.map(|ops| OPS.iter().position(|known| known == ops));
        known.map_or(0, |known| known.map_or(OPS_BY_WORD, |at| at as u8 + 1)).put(out)
    }

    /// `None` also for one of a later version. Of one that has no number of its own [`take_ops_word`] tells which it is.
    fn take_option(bytes: &mut &[u8]) -> Result<Option<Self>, Fault> {
        Ok(match u8::take(bytes)? {
            OPS_BY_WORD => Some(Ops::of_kernel("?")),
            number => usize::from(number).checked_sub(1).and_then(|at| OPS.get(at)).copied(),
        })
    }
}

impl Wire for Clock {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let number = CLOCKS.iter().position(|known| known == self).unwrap_or(0);
        (number as u8).put(out)
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        Ok(CLOCKS.get(usize::from(u8::take(bytes)?)).copied().unwrap_or_default())
    }
}

impl Wire for Source {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Source::Unknown => 0u32.put(out),
            Source::Kernel => 1u32.put(out),
            Source::KernelSnapshots => 2u32.put(out),
            Source::Simulator { seed, workload } => {
                3u32.put(out)?;
                seed.put(out)?;
                workload.put(out)
            }
            Source::Imported { format } => {
                4u32.put(out)?;
                format.put(out)
            }
            Source::Referenced => 5u32.put(out),
        }
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Fault> {
        Ok(match u32::take(bytes)? {
            0 => Source::Unknown,
            1 => Source::Kernel,
            2 => Source::KernelSnapshots,
            3 => Source::Simulator { seed: Wire::take(bytes)?, workload: Wire::take(bytes)? },
            4 => Source::Imported { format: Wire::take(bytes)? },
            5 => Source::Referenced,
            _ => return Err("the record is from a source that this version does not know".into()),
        })
    }
}

/// Meta; what was done to the record before comes last, and only if there is any, or the word of the operations set
/// behind it.
pub(crate) fn encode_meta(meta: &Meta, out: &mut Vec<u8>) -> Result<(), Fault> {
    meta.put(out)?;
    let has_word = meta.ops.is_some_and(|ops| !OPS.contains(&ops));
    if !meta.history.is_empty() || has_word {
        meta.history.put(out)?;
    }
    put_ops_word(meta.ops, out)
}

/// The inverse of [`encode_meta`].
pub(crate) fn decode_meta(mut bytes: &[u8]) -> Result<Meta, Fault> {
    let meta = Meta::take(&mut bytes)?;
    let history = if bytes.is_empty() { Vec::new() } else { Wire::take(&mut bytes)? };
    let ops = take_ops_word(meta.ops, &mut bytes)?;
    Ok(Meta { history, ops, ..meta })
}
