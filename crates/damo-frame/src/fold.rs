//! Decoding blocks on all cores, without holding more of a record than a block per thread.
//!
//! Two ways over a record: [`fold`] for results that can be put together from parts (each thread takes a contiguous
//! run of blocks, so that merging in order is all that order-dependent analyses need), and [`in_order`] for output
//! that streams. Both stop all threads at the first error.

use crate::{Chunk, FrameError};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

/// Blocks that each decoding thread may be ahead of the consumer in [`in_order`].
const AHEAD: usize = 2;

/// Cuts `0..weights.len()` into at most `parts` contiguous runs of about equal weight, none empty.
pub(crate) fn contiguous_runs(weights: &[u64], parts: usize) -> Vec<Range<usize>> {
    let total = weights.iter().fold(0_u128, |sum, w| sum + u128::from(*w).max(1));
    let parts = parts.clamp(1, weights.len().max(1)) as u128;
    let mut runs = Vec::new();
    let (mut first, mut done) = (0, 0_u128);
    for (i, weight) in weights.iter().enumerate() {
        done += u128::from(*weight).max(1);
        if done * parts >= total * (runs.len() as u128 + 1) {
            runs.push(first..i + 1);
            first = i + 1;
        }
    }
    runs
}

/// Folds the blocks named by `0..weights.len()`: see [`crate::Record::fold`].
pub(crate) fn fold<A: Send, E: From<FrameError> + Send>(
    weights: &[u64],
    threads: usize,
    read: &(impl Fn(usize) -> Result<Chunk, FrameError> + Sync),
    make: &(impl Fn() -> A + Sync),
    step: &(impl Fn(&mut A, &Chunk) -> Result<(), E> + Sync),
    merge: impl FnMut(A, A) -> A,
) -> Result<A, E> {
    let stop = AtomicBool::new(false);
    let run = |blocks: Range<usize>| -> Result<A, E> {
        let mut sum = make();
        for block in blocks {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let done = read(block).map_err(E::from).and_then(|chunk| step(&mut sum, &chunk));
            if let Err(error) = done {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(sum)
    };
    let mut runs = contiguous_runs(weights, threads);
    let Some(last) = runs.pop() else {
        return Ok(make());
    };
    let parts = thread::scope(|scope| {
        let handles: Vec<_> = runs.into_iter().map(|blocks| scope.spawn(|| run(blocks))).collect();
        let last = run(last);
        let mut parts: Vec<_> = handles.into_iter().map(join).collect();
        parts.push(last);
        parts
    });
    // An error of one thread makes the others stop early with what they have: look for it before merging.
    let parts = parts.into_iter().collect::<Result<Vec<A>, E>>()?;
    Ok(parts.into_iter().reduce(merge).unwrap_or_else(make))
}

/// Gives `f` the blocks `0..count` in order, while other threads decode the next ones.
pub(crate) fn in_order<E: From<FrameError>>(
    count: usize,
    threads: usize,
    read: &(impl Fn(usize) -> Result<Chunk, FrameError> + Sync),
    mut f: impl FnMut(Chunk) -> Result<(), E>,
) -> Result<(), E> {
    if count <= 1 || threads <= 1 {
        return (0..count).try_for_each(|block| f(read(block)?));
    }
    let threads = threads.min(count);
    thread::scope(|scope| {
        let mut receivers = Vec::new();
        for first in 0..threads {
            let (sender, receiver) = mpsc::sync_channel(AHEAD);
            receivers.push(receiver);
            scope.spawn(move || {
                for block in (first..count).step_by(threads) {
                    let chunk = read(block);
                    let failed = chunk.is_err();
                    // A consumer that has had enough drops its ends: then nobody wants the rest.
                    if sender.send(chunk).is_err() || failed {
                        return;
                    }
                }
            });
        }
        for block in 0..count {
            let Some(Ok(chunk)) = receivers.get(block % threads).map(mpsc::Receiver::recv) else {
                break;
            };
            f(chunk?)?;
        }
        drop(receivers);
        Ok(())
    })
}

fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::{Batch, Nanos, Snapshot, TargetKey};

    fn block(i: usize) -> Result<Chunk, FrameError> {
        let mut batch = Batch::default();
        batch.push(i as u64, &Snapshot::new(TargetKey(0), Nanos(i as i64), Nanos(i as i64 + 1), None));
        Ok(batch.into())
    }

    #[test]
    fn runs_cover_every_block_once_in_order_and_share_the_weight() {
        for parts in 1..6 {
            for count in 0..20_usize {
                let weights: Vec<u64> = (0..count as u64).map(|i| i % 3).collect();
                let runs = contiguous_runs(&weights, parts);
                let covered: Vec<usize> = runs.iter().cloned().flatten().collect();
                assert_eq!(covered, (0..count).collect::<Vec<_>>());
                assert!(runs.len() <= parts && runs.iter().all(|run| !run.is_empty()));
            }
        }
        assert_eq!(contiguous_runs(&[10; 10], 2), [0..5, 5..10]);
    }

    #[test]
    fn parts_are_merged_in_record_order_whatever_the_number_of_threads() {
        for threads in 1..5 {
            let step = |seen: &mut Vec<u64>, chunk: &Chunk| {
                seen.extend(chunk.heads().iter().map(|head| head.index));
                Ok::<_, FrameError>(())
            };
            let merge = |mut a: Vec<u64>, b| {
                a.extend::<Vec<_>>(b);
                a
            };
            let seen = fold(&[1; 13], threads, &block, &Vec::new, &step, merge).unwrap();
            assert_eq!(seen, (0..13).collect::<Vec<_>>());
            let mut seen = Vec::new();
            in_order(13, threads, &block, |chunk| {
                seen.extend(chunk.heads().iter().map(|head| head.index));
                Ok::<_, FrameError>(())
            })
            .unwrap();
            assert_eq!(seen, (0..13).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_ends_the_work_on_all_threads() {
        let bad = |i: usize| if i == 3 { Err(FrameError::invalid("block 3")) } else { block(i) };
        let mut seen = 0;
        let result = in_order(100, 3, &bad, |_| {
            seen += 1;
            Ok::<_, FrameError>(())
        });
        assert!(result.is_err());
        assert_eq!(seen, 3);
        let stopped = in_order(100, 3, &block, |chunk| match chunk.heads()[0].index {
            5 => Err(FrameError::invalid("enough")),
            _ => Ok(()),
        });
        assert!(stopped.is_err());
        let result = fold(&[1; 100], 3, &bad, &|| (), &|(), _| Ok::<_, FrameError>(()), |(), ()| ());
        assert!(result.is_err());
    }
}
