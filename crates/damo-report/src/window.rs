//! Working sets of times longer than one snapshot.
//!
//! How often each byte was found accessed within the window is the sum of its regions' counts, so the window's memory
//! is cut at every region border that occurs in it. (The Python tool keeps the first snapshot's borders, so that a
//! region of which one page was accessed later counts as a whole.)

use crate::ReportError;
use crate::filter::{Filter, Rows, for_each_rows};
use crate::series::{Point, excluded, without_first};
use crate::wss::{WssOptions, working_set};
use damo_frame::Record;
use damo_model::{Nanos, TargetKey};
use std::collections::HashMap;

/// A part of the address space and how often it was found accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub start: u64,
    pub end: u64,
    pub count: u64,
}

/// Adds the counts of two lists of pieces, each sorted and disjoint. Touching pieces of equal count become one.
pub(crate) fn add(a: &[Piece], b: &[Piece]) -> Vec<Piece> {
    let mut sum: Vec<Piece> = Vec::with_capacity(a.len() + b.len());
    let mut push = |start: u64, end: u64, count: u64| {
        if start >= end {
            return;
        }
        match sum.last_mut() {
            Some(last) if last.end == start && last.count == count => last.end = end,
            _ => sum.push(Piece { start, end, count }),
        }
    };
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    let (mut left, mut right) = (a.next(), b.next());
    loop {
        match (left, right) {
            (None, None) => return sum,
            (Some(one), None) => {
                push(one.start, one.end, one.count);
                left = a.next();
            }
            (None, Some(one)) => {
                push(one.start, one.end, one.count);
                right = b.next();
            }
            (Some(l), Some(r)) => {
                let start = l.start.min(r.start);
                // Up to the next border, one or both cover the memory from `start` on.
                let end = match (l.start == start, r.start == start) {
                    (true, true) => l.end.min(r.end),
                    (true, false) => l.end.min(r.start),
                    (false, _) => r.end.min(l.start),
                };
                let count = |piece: Piece| if piece.start == start { piece.count } else { 0 };
                push(start, end, count(l).saturating_add(count(r)));
                if l.start == start {
                    left = if end < l.end { Some(Piece { start: end, ..l }) } else { a.next() };
                }
                if r.start == start {
                    right = if end < r.end { Some(Piece { start: end, ..r }) } else { b.next() };
                }
            }
        }
    }
}

/// A snapshot's regions as pieces: sorted and disjoint even if the record's are not.
pub(crate) fn pieces(rows: &Rows<'_>) -> Vec<Piece> {
    let regions = rows.start.iter().zip(rows.end).zip(rows.nr_accesses);
    let mut pieces: Vec<Piece> = regions
        .filter(|((start, end), _)| start < end)
        .map(|((start, end), count)| Piece { start: *start, end: *end, count: u64::from(*count) })
        .collect();
    if !pieces.is_sorted_by_key(|piece| piece.start) {
        pieces.sort_by_key(|piece| piece.start);
    }
    let mut last_end = 0;
    pieces.retain_mut(|piece| {
        piece.start = piece.start.max(last_end);
        let keep = piece.start < piece.end;
        if keep {
            last_end = piece.end;
        }
        keep
    });
    pieces
}

/// What has been seen of a target's present window.
struct OpenWindow {
    start: Nanos,
    snapshots: u64,
    single: u64,
    pieces: Vec<Piece>,
    partial: bool,
}

/// The working set of each window, per target. Snapshots after the last full window are left out.
pub(crate) fn working_sets(record: &Record, filter: &Filter, options: &WssOptions) -> Result<Vec<Point>, ReportError> {
    without_first(
        excluded(record, options.exclude_samples),
        |first| without(record, filter, options, first),
        Vec::is_empty,
    )
}

/// The same, without so many snapshots of each target at the beginning.
fn without(record: &Record, filter: &Filter, options: &WssOptions, first: u64) -> Result<Vec<Point>, ReportError> {
    let mut skipped: HashMap<TargetKey, u64> = HashMap::new();
    let mut open: HashMap<TargetKey, OpenWindow> = HashMap::new();
    let mut points = Vec::new();
    for_each_rows(record, filter, |_, rows| {
        let head = rows.head;
        let seen = skipped.entry(head.target).or_default();
        if *seen < first {
            *seen += 1;
            return Ok(());
        }
        let window = open.entry(head.target).or_insert_with(|| OpenWindow {
            start: head.start,
            snapshots: 0,
            single: 0,
            pieces: Vec::new(),
            partial: false,
        });
        window.partial |= !rows.is_complete();
        window.snapshots += 1;
        let full = head.end.saturating_sub(window.start) >= options.work_time;
        if full && window.snapshots == 1 {
            window.single = working_set(&rows, options.acc_thres, options.sz_thres);
        } else {
            window.pieces = add(&window.pieces, &pieces(&rows));
        }
        if full {
            let counts = |piece: &&Piece| {
                piece.count >= u64::from(options.acc_thres.0) && piece.end - piece.start >= options.sz_thres.0
            };
            let size: u64 = window.pieces.iter().filter(counts).map(|piece| piece.end - piece.start).sum();
            let value = if window.snapshots == 1 { window.single } else { size };
            let (start, partial) = (window.start, window.partial);
            points.push(Point { start, partial, ..Point::of(&rows, (value, 0.0)) });
            open.remove(&head.target);
        }
        Ok(())
    })?;
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(start: u64, end: u64, count: u64) -> Piece {
        Piece { start, end, count }
    }

    #[test]
    fn only_the_bytes_that_were_accessed_count_more() {
        let sum = add(&[piece(0, 100, 0)], &[piece(0, 10, 5), piece(10, 100, 0)]);
        assert_eq!(sum, [piece(0, 10, 5), piece(10, 100, 0)]);
        let sum = add(&[piece(0, 10, 1), piece(20, 30, 2)], &[piece(5, 25, 4)]);
        assert_eq!(sum, [piece(0, 5, 1), piece(5, 10, 5), piece(10, 20, 4), piece(20, 25, 6), piece(25, 30, 2)]);
    }

    fn any_pieces() -> impl Strategy<Value = Vec<Piece>> {
        prop::collection::vec((0u64..5, 1u64..5, 0u64..3), 0..8).prop_map(|parts| {
            let mut at = 0;
            let mut pieces = Vec::new();
            for (gap, size, count) in parts {
                pieces.push(piece(at + gap, at + gap + size, count));
                at += gap + size;
            }
            pieces
        })
    }

    fn at(pieces: &[Piece], byte: u64) -> Option<u64> {
        pieces.iter().find(|piece| piece.start <= byte && byte < piece.end).map(|piece| piece.count)
    }

    proptest! {
        #[test]
        fn every_byte_counts_the_sum(a in any_pieces(), b in any_pieces()) {
            let sum = add(&a, &b);
            for byte in 0..90 {
                let expected = match (at(&a, byte), at(&b, byte)) {
                    (None, None) => None,
                    (x, y) => Some(x.unwrap_or(0) + y.unwrap_or(0)),
                };
                prop_assert_eq!(at(&sum, byte), expected);
            }
            prop_assert!(sum.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
