use super::*;
use crate::rng::Rng;
use proptest::prelude::*;

fn range(start: u64, end: u64) -> AddrRange {
    AddrRange::new(Addr(start), Addr(end))
}

fn piece(start: u64, end: u64, nr_accesses: u32, last_nr_accesses: u32, age: u32) -> Piece {
    Piece { start: start * PAGE, end: end * PAGE, nr_accesses, last_nr_accesses, age }
}

fn monitor(pieces: Vec<Piece>, bounds: NrRegions) -> Monitor {
    let mut monitor = Monitor::new(&[vec![]], false, bounds, 20, Rng::new(5));
    monitor.targets[0].pieces = pieces;
    monitor.update_size_limit();
    monitor
}

const FEW: NrRegions = NrRegions { min: 3, max: 100 };

/// What a monitor begins with.
fn pieces_of(ranges: Vec<AddrRange>) -> Vec<Piece> {
    Monitor::new(&[ranges], true, NrRegions::default(), 20, Rng::new(0)).targets.remove(0).pieces
}

#[test]
fn ranges_are_cut_evenly_to_about_the_minimum() {
    let pieces = pieces_of(vec![range(0, 80 * PAGE), range(1 << 30, (1 << 30) + 20 * PAGE)]);
    assert_eq!(pieces.len(), 10);
    assert!(pieces.iter().all(|p| p.size() == 10 * PAGE));
}

#[test]
fn a_range_smaller_than_a_piece_is_one_region() {
    let pieces = pieces_of(vec![range(0, 1000 * PAGE), range(1 << 30, (1 << 30) + PAGE)]);
    assert_eq!(pieces.last().map(|p| p.size()), Some(PAGE));
}

#[test]
fn a_region_keeps_its_age_while_its_count_stays_within_the_threshold() {
    // The hottest has 20: the threshold is 2. Gaps keep the regions apart.
    let cases = [
        (piece(0, 1, 20, 18, 4), 5),
        (piece(2, 3, 20, 17, 4), 0),
        (piece(4, 5, 3, 1, 7), 8),
        (piece(6, 7, 1, 0, 7), 0),
        (piece(8, 9, 0, 2, 7), 0),
        (piece(10, 11, 0, 0, 7), 8),
        (piece(12, 13, 5, 5, u32::MAX), u32::MAX),
    ];
    let mut m = monitor(cases.iter().map(|(p, _)| *p).collect(), FEW);
    m.merge();
    let ages: Vec<u32> = m.targets[0].pieces.iter().map(|p| p.age).collect();
    assert_eq!(ages, cases.map(|(_, age)| age));
}

#[test]
fn alike_neighbours_merge_into_size_weighted_means() {
    let mut m = monitor(vec![piece(0, 1, 20, 20, 9), piece(1, 4, 18, 18, 1), piece(9, 100, 0, 0, 0)], FEW);
    m.merge();
    // (20 + 3 * 18) / 4 = 18.5 and (10 + 3 * 2) / 4 = 4, in whole numbers.
    assert_eq!(m.targets[0].pieces[0], piece(0, 4, 18, 20, 4));
    assert_eq!(m.targets[0].pieces.len(), 2);
}

#[test]
fn neighbours_do_not_merge_across_a_gap_or_beyond_the_threshold_or_the_size_limit() {
    let apart = vec![piece(0, 1, 5, 5, 0), piece(2, 3, 5, 5, 0), piece(3, 4, 20, 20, 0), piece(10, 99, 0, 0, 0)];
    let mut m = monitor(apart.clone(), FEW);
    m.merge();
    assert_eq!(m.targets[0].pieces.len(), apart.len());
    // 90 pages of at least 3 regions: at most 30 pages each.
    let mut m = monitor(vec![piece(0, 20, 0, 0, 0), piece(20, 30, 0, 0, 0), piece(30, 90, 0, 0, 0)], FEW);
    m.merge();
    assert_eq!(m.targets[0].pieces.iter().map(Piece::size).collect::<Vec<_>>(), [30 * PAGE, 60 * PAGE]);
}

#[test]
fn too_many_regions_are_merged_with_a_doubled_threshold() {
    // Counts 0, 10, 0, 10, ... over 40 single pages; more than 10 regions may not stay.
    let pieces: Vec<Piece> = (0..40).map(|i| piece(i, i + 1, (i % 2) as u32 * 10, 0, 0)).collect();
    let mut m = monitor(pieces, NrRegions { min: 3, max: 10 });
    m.merge();
    assert!(m.nr_regions() <= 10, "{}", m.nr_regions());
}

#[test]
fn a_split_gives_two_parts_that_inherit_age_and_last_count() {
    let mut m = monitor(vec![piece(0, 100, 7, 3, 5)], NrRegions { min: 3, max: 4 });
    m.last_nr_regions = 9;
    m.reset_and_split();
    let [a, b] = m.targets[0].pieces[..] else { panic!("two parts: {:?}", m.targets[0].pieces) };
    assert_eq!((a.start, b.end, a.end), (0, 100 * PAGE, b.start));
    for part in [a, b] {
        assert_eq!((part.nr_accesses, part.last_nr_accesses, part.age), (0, 7, 5));
        assert!(part.size() >= 10 * PAGE && part.size() % PAGE == 0);
    }
}

#[test]
fn regions_are_split_in_three_when_their_number_stayed_the_same() {
    let mut m = monitor(vec![piece(0, 100_000, 0, 0, 0)], FEW);
    m.last_nr_regions = 1;
    m.reset_and_split();
    assert_eq!(m.nr_regions(), 3);
}

#[test]
fn regions_beyond_half_of_the_maximum_and_tiny_ones_are_not_split() {
    let mut m = monitor((0..6).map(|i| piece(i * 10, i * 10 + 10, 0, 0, 0)).collect(), NrRegions { min: 3, max: 10 });
    m.reset_and_split();
    assert_eq!(m.nr_regions(), 6);
    let mut m = monitor(vec![piece(0, 2, 0, 0, 0)], FEW);
    m.reset_and_split();
    assert_eq!(m.nr_regions(), 1);
}

#[test]
fn new_ranges_drop_resize_add_and_fill() {
    let r = |start, end| range(start * PAGE, end * PAGE);
    let mut m = monitor(
        vec![piece(0, 10, 1, 1, 1), piece(10, 20, 2, 2, 2), piece(30, 40, 3, 3, 3), piece(50, 60, 4, 4, 4)],
        FEW,
    );
    m.update_ranges(0, &[r(5, 45), r(70, 80)]);
    let expected = [
        piece(5, 10, 1, 1, 1),
        piece(10, 20, 2, 2, 2),
        piece(20, 30, 0, 0, 0),
        piece(30, 45, 3, 3, 3),
        piece(70, 80, 0, 0, 0),
    ];
    assert_eq!(m.targets[0].pieces, expected);
    // A region over a border of two ranges is cut there.
    m.update_ranges(0, &[r(5, 12), r(15, 45)]);
    let starts: Vec<u64> = m.targets[0].pieces.iter().map(|p| p.start / PAGE).collect();
    assert_eq!(starts, [5, 10, 15, 20, 30]);
    m.update_ranges(0, &[]);
    assert_eq!(m.nr_regions(), 0);
}

#[test]
fn a_sample_counts_regions_by_the_page_picked() {
    let pieces = vec![piece(0, 10, 0, 0, 0), piece(10, 20, 0, 0, 0), piece(20, 30, 0, 0, 0), piece(30, 130, 0, 0, 0)];
    let mut m = monitor(pieces, FEW);
    let stretch = |start: u64, end: u64, every_page| Stretch {
        start: start * PAGE,
        end: end * PAGE,
        every_page,
        id: start as usize,
    };
    let stretches = [stretch(0, 10, true), stretch(12, 14, false), stretch(30, 80, true)];
    let mut asked = 0;
    for _ in 0..10_000 {
        m.sample(0, &stretches, |s, addr, _| {
            asked += 1;
            assert!(s.id == 12 && addr.0 >= 12 * PAGE && addr.0 < 14 * PAGE);
            addr.0 < 13 * PAGE
        });
    }
    let counts: Vec<u32> = m.targets[0].pieces.iter().map(|p| p.nr_accesses).collect();
    assert_eq!((counts[0], counts[2]), (10_000, 0));
    assert!((1_800..2_200).contains(&asked), "a fifth of the picks hit the stretch: {asked}");
    assert!((800..1_200).contains(&counts[1]), "a tenth of the pages: {}", counts[1]);
    assert!((4_700..5_300).contains(&counts[3]), "half of the pages: {}", counts[3]);
}

fn covers_exactly(pieces: &[Piece], ranges: &[AddrRange]) -> bool {
    let mut joined: Vec<AddrRange> = Vec::new();
    for p in pieces {
        if p.start >= p.end || joined.last().is_some_and(|last| p.start < last.end.0) {
            return false;
        }
        match joined.last_mut() {
            Some(last) if last.end.0 == p.start => last.end.0 = p.end,
            _ => joined.push(range(p.start, p.end)),
        }
    }
    joined == AddrRange::joined(ranges.to_vec())
}

fn ranges() -> impl Strategy<Value = Vec<AddrRange>> {
    proptest::collection::vec((0u64..50, 1u64..500), 1..5).prop_map(|parts| {
        let mut at = 0;
        parts
            .into_iter()
            .map(|(gap, size)| {
                let start = at + gap;
                at = start + size;
                range(start * PAGE, at * PAGE)
            })
            .collect()
    })
}

proptest! {
    /// Whatever is accessed and however the ranges change, regions cover them exactly and keep to the maximum.
    #[test]
    fn regions_cover_their_ranges_exactly_whatever_happens(
        first in ranges(),
        steps in proptest::collection::vec((proptest::option::of(ranges()), any::<u64>()), 1..15),
        min in 3u64..20,
        more in 0u64..100,
    ) {
        let bounds = NrRegions { min, max: min + more };
        let mut m = Monitor::new(std::slice::from_ref(&first), true, bounds, 20, Rng::new(min));
        let mut current = first;
        prop_assert!(covers_exactly(&m.targets[0].pieces, &current));
        for (change, hot) in steps {
            for sample in 0..20 {
                let stretch = Stretch { start: hot % 300 * PAGE, end: (hot % 300 + 1 + hot % 64) * PAGE, every_page: sample % 2 == 0, id: 0 };
                m.sample(0, &[stretch], |_, addr, _| (addr.0 / PAGE).is_multiple_of(2));
            }
            prop_assert!(m.targets[0].pieces.iter().all(|p| p.nr_accesses <= 20));
            m.merge();
            prop_assert!(covers_exactly(&m.targets[0].pieces, &current));
            // Gaps and the size limit can force more regions than the maximum, by no more than this.
            prop_assert!(m.nr_regions() <= bounds.max + current.len() as u64 + 2 * bounds.min);
            m.reset_and_split();
            prop_assert!(covers_exactly(&m.targets[0].pieces, &current));
            if let Some(change) = change {
                m.update_ranges(0, &change);
                current = change;
                prop_assert!(covers_exactly(&m.targets[0].pieces, &current), "{:?} {:?}", m.targets[0].pieces, current);
            }
        }
    }
}
