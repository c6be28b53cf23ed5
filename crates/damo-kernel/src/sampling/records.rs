//! The bytes of a ring of samples to records, without a kernel. A record that makes no sense ends the stretch of bytes and
//! is counted, because nothing behind it can be trusted.

use crate::ring::sample_type as st;
use damo_model::profile::FrameKind;
use damo_model::{Addr, Bytes, Nanos};

/// `type` of a record's header.
mod kind {
    pub(super) const LOST: u32 = 2;
    pub(super) const COMM: u32 = 3;
    pub(super) const EXIT: u32 = 4;
    pub(super) const THROTTLE: u32 = 5;
    pub(super) const FORK: u32 = 7;
    pub(super) const SAMPLE: u32 = 9;
    pub(super) const MMAP2: u32 = 10;
    pub(super) const LOST_SAMPLES: u32 = 13;
}

/// Bits of `misc` of a record's header.
const COMM_EXEC: u16 = 1 << 13;
const MMAP_BUILD_ID: u16 = 1 << 14;
/// Addresses in a call chain from here on say which context those behind them are of.
const CONTEXT_MAX: u64 = -4095_i64 as u64;
const CONTEXT_KERNEL: u64 = -128_i64 as u64;
const CONTEXT_USER: u64 = -512_i64 as u64;
/// Size of `struct perf_event_header`.
const HEADER: usize = 8;
/// What our events record. [`Layout`] knows where each part is.
pub(super) const SAMPLE_TYPE: u64 =
    st::IDENTIFIER | st::IP | st::TID | st::TIME | st::ADDR | st::PERIOD | st::CALLCHAIN;
/// Behind all other records with `sample_id_all`: thread, time, identifier.
const TRAILER: usize = 24;

/// One record of a ring of samples.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A thread ran, or accessed memory, when a sample was due.
    Sample(Sample),
    /// Memory that can be executed was mapped.
    Mmap(Mmap),
    /// A thread has a new name.
    Comm {
        /// When it got the name, by CLOCK_MONOTONIC.
        time: Nanos,
        /// Number of the process (thread group).
        pid: i32,
        /// Number of the thread.
        tid: i32,
        /// The name that the thread has from then on.
        comm: String,
        /// Whether it has it because it executed a program: all its mappings are new.
        exec: bool,
    },
    /// A thread was created.
    Fork {
        /// When it began, by CLOCK_MONOTONIC.
        time: Nanos,
        /// Its process, which may be new as well.
        pid: i32,
        /// Number of the new thread.
        tid: i32,
        /// The process of the thread that created it.
        parent: i32,
        /// The thread that created it, whose name it has.
        creator: i32,
    },
    /// A thread ended.
    Exit {
        /// When it ended, by CLOCK_MONOTONIC.
        time: Nanos,
        /// Number of its process (thread group).
        pid: i32,
        /// Number of the thread.
        tid: i32,
    },
    /// The ring was full.
    Lost {
        /// When that was noticed.
        time: Nanos,
        /// How many records were dropped.
        records: u64,
    },
    /// The kernel paused sampling because it took too much time.
    Throttled {
        /// When sampling was paused, by CLOCK_MONOTONIC.
        time: Nanos,
    },
}

impl Record {
    /// When it was made.
    pub fn time(&self) -> Nanos {
        match self {
            Record::Sample(sample) => sample.time,
            Record::Mmap(mmap) => mmap.time,
            Record::Comm { time, .. }
            | Record::Fork { time, .. }
            | Record::Exit { time, .. }
            | Record::Lost { time, .. }
            | Record::Throttled { time } => *time,
        }
    }
}

/// A sample of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken, by CLOCK_MONOTONIC.
    pub time: Nanos,
    /// The event's id.
    pub event: u64,
    /// Number of the process (thread group) that ran.
    pub pid: i32,
    /// Number of the thread that ran.
    pub tid: i32,
    /// The address of the data, where the event has one.
    pub address: Addr,
    /// How many events it stands for.
    pub period: u64,
    /// The frames, innermost first.
    pub frames: Vec<(FrameKind, Addr)>,
}

/// A mapping that can be executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mmap {
    /// When it was made.
    pub time: Nanos,
    /// Number of the process (thread group) that mapped it.
    pub pid: i32,
    /// Address of its first byte.
    pub start: Addr,
    /// How many bytes are mapped.
    pub size: Bytes,
    /// Offset in the file.
    pub offset: Bytes,
    /// The file's name, or `//anon`.
    pub name: String,
    /// The file's build id; empty if the kernel does not tell.
    pub build_id: Vec<u8>,
}

/// Reads all whole records of `bytes`, up to the first that was made at `horizon` or later; gives how many bytes were used,
/// and how many of them made no sense.
pub fn read(bytes: &[u8], horizon: Nanos, mut take: impl FnMut(Record)) -> (usize, u64) {
    let mut at = 0;
    let mut nonsense = 0;
    while let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk::<HEADER>()) {
        let [k0, k1, k2, k3, m0, m1, s0, s1] = *header;
        let size = usize::from(u16::from_ne_bytes([s0, s1]));
        let Some(body) = bytes.get(at + HEADER..at + size.max(HEADER)).filter(|_| size >= HEADER) else { break };
        let misc = u16::from_ne_bytes([m0, m1]);
        match record(u32::from_ne_bytes([k0, k1, k2, k3]), misc, body) {
            Some(Some(record)) if record.time() >= horizon => return (at, nonsense),
            Some(Some(record)) => take(record),
            Some(None) => {}
            None => nonsense += size as u64,
        }
        at += size;
    }
    // Where the next record would begin is unknown.
    nonsense += (bytes.len() - at) as u64;
    (bytes.len(), nonsense)
}

/// One record without its header: `None` if it makes no sense, `Some(None)` if it is of no interest.
fn record(of_kind: u32, misc: u16, body: &[u8]) -> Option<Option<Record>> {
    if of_kind == kind::SAMPLE {
        return sample(body).map(Record::Sample).map(Some);
    }
    if !matches!(
        of_kind,
        kind::LOST | kind::COMM | kind::EXIT | kind::THROTTLE | kind::FORK | kind::MMAP2 | kind::LOST_SAMPLES
    ) {
        return Some(None);
    }
    let (body, trailer) = body.split_at_checked(body.len().checked_sub(TRAILER)?)?;
    let time = nanos(u64_at(trailer, 8)?);
    Some(match of_kind {
        kind::LOST => Some(Record::Lost { time, records: u64_at(body, 8)? }),
        kind::LOST_SAMPLES => Some(Record::Lost { time, records: u64_at(body, 0)? }),
        kind::COMM => {
            let (pid, tid) = (i32_at(body, 0)?, i32_at(body, 4)?);
            Some(Record::Comm { time, pid, tid, comm: text(body.get(8..)?), exec: misc & COMM_EXEC != 0 })
        }
        kind::FORK => {
            let (pid, parent) = (i32_at(body, 0)?, i32_at(body, 4)?);
            Some(Record::Fork { time, pid, tid: i32_at(body, 8)?, parent, creator: i32_at(body, 12)? })
        }
        kind::EXIT => Some(Record::Exit { time, pid: i32_at(body, 0)?, tid: i32_at(body, 8)? }),
        kind::THROTTLE => Some(Record::Throttled { time }),
        _ => {
            // pid, tid, addr, len, pgoff, 24 bytes of which file, prot, flags, name
            let build_id = if misc & MMAP_BUILD_ID != 0 {
                let size = usize::from(*body.get(32)?);
                body.get(36..36 + size.min(20))?.to_vec()
            } else {
                Vec::new()
            };
            Some(Record::Mmap(Mmap {
                time,
                pid: i32_at(body, 0)?,
                start: Addr(u64_at(body, 8)?),
                size: Bytes(u64_at(body, 16)?),
                offset: Bytes(u64_at(body, 24)?),
                name: text(body.get(64..)?),
                build_id,
            }))
        }
    })
}

/// A sample of [`SAMPLE_TYPE`].
fn sample(body: &[u8]) -> Option<Sample> {
    let (event, ip) = (u64_at(body, 0)?, u64_at(body, 8)?);
    let (pid, tid) = (i32_at(body, 16)?, i32_at(body, 20)?);
    let (time, address, period) = (nanos(u64_at(body, 24)?), Addr(u64_at(body, 32)?), u64_at(body, 40)?);
    let count = usize::try_from(u64_at(body, 48)?).ok()?;
    let chain = body.get(56..56usize.checked_add(count.checked_mul(8)?)?)?;
    let mut frames = Vec::with_capacity(count);
    let mut context = FrameKind::User;
    for ip in chain.chunks_exact(8).filter_map(|word| word.first_chunk()).map(|word| u64::from_ne_bytes(*word)) {
        match ip {
            CONTEXT_KERNEL => context = FrameKind::Kernel,
            CONTEXT_USER => context = FrameKind::User,
            // A context of a guest or of a later kernel, whose addresses nobody can name.
            ip if ip >= CONTEXT_MAX => context = FrameKind::Cut,
            // The unwinder took a word for a frame that is none.
            0 => {}
            ip if context != FrameKind::Cut => frames.push((context, Addr(ip))),
            _ => {}
        }
    }
    if frames.is_empty() && ip != 0 {
        frames.push((if ip >> 63 == 1 { FrameKind::Kernel } else { FrameKind::User }, Addr(ip)));
    }
    Some(Sample { time, event, pid, tid, address, period, frames })
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn nanos(time: u64) -> Nanos {
    Nanos(i64::try_from(time).unwrap_or(i64::MAX))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: Nanos = Nanos(1_000);

    fn bytes(of_kind: u32, misc: u16, body: &[u8], trailer: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let trailing: Vec<u8> = if trailer {
            [0u64, TIME.0 as u64, 77].iter().flat_map(|word| word.to_ne_bytes()).collect()
        } else {
            vec![]
        };
        out.extend(of_kind.to_ne_bytes());
        out.extend(misc.to_ne_bytes());
        out.extend(((HEADER + body.len() + trailing.len()) as u16).to_ne_bytes());
        out.extend(body);
        out.extend(trailing);
        out
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn ids(low: i32, high: i32) -> u64 {
        u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
    }

    fn all(bytes: &[u8]) -> (Vec<Record>, usize, u64) {
        let mut records = Vec::new();
        let (used, nonsense) = read(bytes, Nanos(i64::MAX), |record| records.push(record));
        (records, used, nonsense)
    }

    fn sample_bytes(time: u64, chain: &[u64]) -> Vec<u8> {
        let mut body = words(&[77, 0x1234, ids(7, 8), time, 0xbeef, 5, chain.len() as u64]);
        body.extend(words(chain));
        bytes(kind::SAMPLE, 2, &body, false)
    }

    #[test]
    fn a_sample_has_its_frames_of_the_kernel_and_of_the_process() {
        let chain = [CONTEXT_KERNEL, 1 << 63, 1 << 63 | 5, CONTEXT_USER, 0x1000, 0, 0x2000, CONTEXT_MAX, 0x3000];
        let (records, _, nonsense) = all(&sample_bytes(1_000, &chain));
        let frames = [
            (FrameKind::Kernel, Addr(1 << 63)),
            (FrameKind::Kernel, Addr(1 << 63 | 5)),
            (FrameKind::User, Addr(0x1000)),
            (FrameKind::User, Addr(0x2000)),
        ];
        let expected =
            Sample { time: TIME, event: 77, pid: 7, tid: 8, address: Addr(0xbeef), period: 5, frames: frames.to_vec() };
        assert_eq!((records, nonsense), (vec![Record::Sample(expected)], 0));
        let (records, ..) = all(&sample_bytes(1_000, &[]));
        assert!(matches!(&records[..], [Record::Sample(sample)] if sample.frames == [(FrameKind::User, Addr(0x1234))]));
    }

    #[test]
    fn mappings_names_threads_and_losses_are_read_with_their_times() {
        let mut mmap = words(&[ids(7, 8), 0x40_0000, 0x2000, 0x1000]);
        mmap.extend([20, 0, 0, 0]);
        mmap.extend(1..=20);
        mmap.extend(words(&[ids(5, 2)]));
        let plain = [mmap.clone(), b"/bin/x\0\0".to_vec()].concat();
        let stream = [
            bytes(kind::MMAP2, 2 | MMAP_BUILD_ID, &plain, true),
            bytes(kind::MMAP2, 2, &plain, true),
            bytes(kind::COMM, COMM_EXEC, &[words(&[ids(7, 8)]), b"sh\0\0\0\0\0\0".to_vec()].concat(), true),
            bytes(kind::FORK, 0, &words(&[ids(9, 7), ids(10, 8), 0]), true),
            bytes(kind::EXIT, 0, &words(&[ids(9, 7), ids(10, 8), 0]), true),
            bytes(kind::LOST, 0, &words(&[77, 300]), true),
            bytes(kind::LOST_SAMPLES, 0, &words(&[4]), true),
            bytes(kind::THROTTLE, 0, &words(&[0, 0, 0]), true),
            bytes(99, 0, &[], true),
        ]
        .concat();
        let (records, used, nonsense) = all(&stream);
        let mapped = Mmap {
            time: TIME,
            pid: 7,
            start: Addr(0x40_0000),
            size: Bytes(0x2000),
            offset: Bytes(0x1000),
            name: "/bin/x".into(),
            build_id: (1..=20).collect(),
        };
        let expected = [
            Record::Mmap(mapped.clone()),
            Record::Mmap(Mmap { build_id: Vec::new(), ..mapped }),
            Record::Comm { time: TIME, pid: 7, tid: 8, comm: "sh".into(), exec: true },
            Record::Fork { time: TIME, pid: 9, tid: 10, parent: 7, creator: 8 },
            Record::Exit { time: TIME, pid: 9, tid: 10 },
            Record::Lost { time: TIME, records: 300 },
            Record::Lost { time: TIME, records: 4 },
            Record::Throttled { time: TIME },
        ];
        assert_eq!((records.as_slice(), used, nonsense), (&expected[..], stream.len(), 0));
    }

    #[test]
    fn what_was_made_at_the_horizon_or_later_is_left_for_the_next_time() {
        let stream = [sample_bytes(5, &[1]), sample_bytes(6, &[2]), sample_bytes(7, &[3])].concat();
        let mut times = Vec::new();
        let (used, nonsense) = read(&stream, Nanos(6), |record| times.push(record.time().0));
        assert_eq!((times, used, nonsense), (vec![5], sample_bytes(5, &[1]).len(), 0));
    }

    #[test]
    fn a_record_that_lies_about_its_length_or_its_chain_is_counted_and_left_out() {
        let mut lying = sample_bytes(5, &[1]);
        lying[HEADER + 48] = 200;
        let (records, used, nonsense) = all(&[lying.clone(), sample_bytes(6, &[2])].concat());
        assert_eq!((records.len(), used, nonsense), (1, 2 * lying.len(), lying.len() as u64));
        for size in [0u16, 4, 4096] {
            let mut bad = sample_bytes(5, &[1]);
            bad[6..8].copy_from_slice(&size.to_ne_bytes());
            assert_eq!(all(&bad), (vec![], bad.len(), bad.len() as u64));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_used_up_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), kinds in 0u8..14) {
            if let Some(first) = bytes.first_mut() {
                *first = kinds;
            }
            let (_, used, nonsense) = all(&bytes);
            prop_assert_eq!(used, bytes.len());
            prop_assert!(nonsense <= bytes.len() as u64);
        }
    }
}
