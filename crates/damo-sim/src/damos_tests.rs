use super::*;
use crate::monitor::MonitorTarget;
use crate::rng::Rng;
use damo_model::NrRegions;
use damo_model::scheme::{MinMax, Quotas, Rate, Span, WatermarkMetric, Watermarks, Weights};

/// Notes what is asked of it.
#[derive(Default)]
struct Notes {
    /// (target, first page, pages, whether filters had decided).
    applied: Vec<(usize, u64, u64, bool)>,
    free: u32,
}

impl Memory for Notes {
    fn apply(&mut self, _: &Scheme, target: usize, range: AddrRange, decided: bool) -> Applied {
        let size = range.size();
        self.applied.push((target, range.start.0 / PAGE, size.0 / PAGE, decided));
        Applied { applied: size, passed: size, changed: size, time: Nanos(size.0 as i64) }
    }

    fn metric(&self, _: &Goal) -> u64 {
        0
    }

    fn stalled(&self) -> Nanos {
        Nanos(0)
    }

    fn free_permil(&self) -> u32 {
        self.free
    }
}

fn piece(start: u64, end: u64, nr_accesses: u32, age: u32) -> Piece {
    Piece { start: start * PAGE, end: end * PAGE, nr_accesses, last_nr_accesses: nr_accesses, age }
}

fn monitor(targets: &[&[Piece]]) -> Monitor {
    let mut monitor = Monitor::new(&vec![vec![]; targets.len()], false, NrRegions::default(), 20, Rng::new(0));
    monitor.targets = targets.iter().map(|pieces| MonitorTarget { pieces: pieces.to_vec() }).collect();
    monitor
}

/// Applies at the end of the `nth` aggregation.
fn apply(damos: &mut Damos, nth: i64, monitor: &mut Monitor, notes: &mut Notes) {
    damos.apply(Nanos::from_millis(100 * nth), 20, &Intervals::default(), monitor, notes, |_| {});
}

fn damos(schemes: &[Scheme]) -> Damos {
    Damos::new(schemes, &Intervals::default())
}

fn limited(pages: u64) -> Quotas {
    let weights = Weights { size: 0, nr_accesses: 1, age: 1 };
    Quotas { size: Bytes(pages * PAGE), reset_interval: Nanos::from_secs(1), weights, ..Quotas::default() }
}

fn filter(kind: FilterKind, matching: bool, allow: bool) -> SchemeFilter {
    SchemeFilter { kind, matching, allow }
}

fn pages(start: u64, end: u64) -> FilterKind {
    FilterKind::Addr(AddrRange::new(Addr(start * PAGE), Addr(end * PAGE)))
}

#[test]
fn regions_within_all_three_ranges_are_acted_on_and_grow_young() {
    let mut scheme = Scheme::new(Action::Pageout);
    scheme.access_pattern.sz_bytes = MinMax { min: Bytes(2 * PAGE), max: Bytes(10 * PAGE) };
    scheme.access_pattern.nr_accesses = MinMax { min: Rate::Percent(0.0), max: Rate::Percent(10.0) };
    scheme.access_pattern.age = MinMax { min: Span::Intervals(5), max: Span::Intervals(50) };
    let pieces = [
        piece(0, 10, 0, 5),
        piece(10, 21, 0, 5),
        piece(21, 22, 0, 5),
        piece(22, 30, 2, 50),
        piece(30, 35, 3, 50),
        piece(35, 40, 0, 4),
        piece(40, 45, 0, 51),
    ];
    let (mut m, mut notes, mut d) = (monitor(&[&pieces]), Notes::default(), damos(&[scheme]));
    apply(&mut d, 1, &mut m, &mut notes);
    assert_eq!(notes.applied, [(0, 0, 10, false), (0, 22, 8, false)]);
    let ages: Vec<u32> = m.targets[0].pieces.iter().map(|p| p.age).collect();
    assert_eq!(ages, [0, 5, 5, 0, 50, 4, 51]);
    let stats = d.stats()[0];
    assert_eq!((stats.counts.nr_tried, stats.counts.sz_tried, stats.counts.nr_applied), (2, Bytes(18 * PAGE), 2));
    assert_eq!(
        (stats.counts.sz_applied, stats.counts.nr_snapshots, stats.effective_quota),
        (Bytes(18 * PAGE), Some(1), None)
    );
}

#[test]
fn stat_leaves_ages_alone() {
    let (mut m, mut notes, mut d) =
        (monitor(&[&[piece(0, 10, 0, 5)]]), Notes::default(), damos(&[Scheme::new(Action::Stat)]));
    apply(&mut d, 1, &mut m, &mut notes);
    assert_eq!(m.targets[0].pieces[0].age, 5);
}

#[test]
fn schemes_act_one_after_the_other_on_a_region_and_each_at_its_own_interval() {
    let mut second = Scheme::new(Action::Stat);
    second.apply_interval = Nanos::from_millis(300);
    let mut third = Scheme::new(Action::Stat);
    third.max_nr_snapshots = Some(2);
    let (mut m, mut notes) = (monitor(&[&[piece(0, 10, 0, 5)]]), Notes::default());
    let mut d = damos(&[Scheme::new(Action::Stat), second, third]);
    for nth in 1..=9 {
        apply(&mut d, nth, &mut m, &mut notes);
    }
    let snapshots: Vec<u64> = d.stats().iter().filter_map(|s| s.counts.nr_snapshots).collect();
    assert_eq!(snapshots, [9, 3, 2]);
}

#[test]
fn a_quota_takes_the_coldest_first_and_cuts_the_last_region() {
    let scheme = Scheme { quotas: limited(15), ..Scheme::new(Action::Pageout) };
    // The oldest idle region comes last in memory.
    let pieces = [piece(0, 10, 20, 100), piece(10, 20, 0, 10), piece(20, 30, 0, 10_000)];
    let (mut m, mut notes, mut d) = (monitor(&[&pieces]), Notes::default(), damos(&[scheme]));
    apply(&mut d, 1, &mut m, &mut notes);
    assert_eq!(notes.applied, [(0, 10, 10, false), (0, 20, 5, false)]);
    let sizes: Vec<u64> = m.targets[0].pieces.iter().map(|p| p.size() / PAGE).collect();
    assert_eq!(sizes, [10, 10, 5, 5]);
    // With room for ten pages only the oldest is taken.
    let scheme = Scheme { quotas: limited(10), ..Scheme::new(Action::Pageout) };
    let (mut m, mut notes, mut d) = (monitor(&[&pieces]), Notes::default(), damos(&[scheme]));
    apply(&mut d, 1, &mut m, &mut notes);
    assert_eq!(notes.applied, [(0, 20, 10, false)]);
}

#[test]
fn a_used_up_quota_stops_until_the_next_window_which_goes_on_where_it_ended() {
    let mut quotas = limited(15);
    quotas.weights = Weights::default();
    let scheme = Scheme { quotas, ..Scheme::new(Action::Willneed) };
    let (mut m, mut notes, mut d) =
        (monitor(&[&[piece(0, 40, 0, 0)], &[piece(0, 10, 0, 0)]]), Notes::default(), damos(&[scheme]));
    for nth in 1..=10 {
        apply(&mut d, nth, &mut m, &mut notes);
    }
    assert_eq!(notes.applied, [(0, 0, 15, false)]);
    assert_eq!(d.stats()[0].counts.qt_exceeds, 0);
    apply(&mut d, 11, &mut m, &mut notes);
    assert_eq!(notes.applied[1..], [(0, 15, 15, false)]);
    assert_eq!(d.stats()[0].counts.qt_exceeds, 1);
    apply(&mut d, 21, &mut m, &mut notes);
    assert_eq!(notes.applied[2..], [(0, 30, 10, false), (1, 0, 5, false)]);
    assert_eq!(d.stats()[0].effective_quota, Some(Bytes(15 * PAGE)));
}

#[test]
fn address_filters_cut_regions_at_their_borders() {
    let run = |filters: Vec<SchemeFilter>| {
        let scheme = Scheme { filters, ..Scheme::new(Action::Stat) };
        let (mut m, mut notes, mut d) = (monitor(&[&[piece(0, 40, 0, 0)]]), Notes::default(), damos(&[scheme]));
        apply(&mut d, 1, &mut m, &mut notes);
        let covered: u64 = m.targets[0].pieces.iter().map(Piece::size).sum();
        assert_eq!(covered, 40 * PAGE);
        assert!(m.targets[0].pieces.windows(2).all(|w| w[0].end == w[1].start));
        notes.applied.iter().map(|(_, start, size, _)| (*start, *size)).collect::<Vec<_>>()
    };
    assert_eq!(run(vec![filter(pages(10, 20), true, false)]), [(0, 10), (20, 20)], "kept out");
    assert_eq!(run(vec![filter(pages(10, 20), false, false)]), [(10, 10)], "all but kept out");
    assert_eq!(run(vec![filter(pages(10, 20), true, true)]), [(10, 10)], "only let pass");
    let both = vec![filter(pages(5, 15), true, false), filter(pages(10, 30), true, true)];
    assert_eq!(run(both), [(15, 15)], "the first filter that matches decides");
    assert_eq!(run(vec![filter(pages(100, 200), true, false)]), [(0, 40)]);
}

#[test]
fn target_filters_and_those_for_pages_share_the_decision() {
    let run = |filters: Vec<SchemeFilter>| {
        let scheme = Scheme { filters, ..Scheme::new(Action::Stat) };
        let (mut m, mut notes) = (monitor(&[&[piece(0, 4, 0, 0)], &[piece(0, 4, 0, 0)]]), Notes::default());
        apply(&mut damos(&[scheme]), 1, &mut m, &mut notes);
        notes.applied.iter().map(|(target, .., decided)| (*target, *decided)).collect::<Vec<_>>()
    };
    assert_eq!(run(vec![filter(FilterKind::Target(1), true, false)]), [(0, false)]);
    assert_eq!(run(vec![filter(FilterKind::Target(1), true, true)]), [(1, true)]);
    // What the core lets pass is not asked again; the rest is for the page filters to decide.
    let mixed = vec![filter(FilterKind::Target(1), true, true), filter(FilterKind::Anon, true, false)];
    assert_eq!(run(mixed), [(0, false), (1, true)]);
}

#[test]
fn watermarks_put_schemes_and_monitoring_to_sleep() {
    let watermarks = Watermarks {
        metric: WatermarkMetric::FreeMemRate,
        interval: Nanos::from_secs(5),
        high: 500,
        mid: 400,
        low: 50,
    };
    let mut d = damos(&[Scheme { watermarks, ..Scheme::new(Action::Pageout) }]);
    let mut awake = |free| d.sleep(&Notes { free, ..Notes::default() }).is_none();
    assert!(awake(450), "active at first, between high and mid");
    assert!(!awake(501));
    assert!(!awake(450), "inactive until below mid");
    assert!(awake(399));
    assert!(awake(450));
    assert!(!awake(49), "too little memory left to care");
    let (mut m, mut notes) = (monitor(&[&[piece(0, 4, 0, 0)]]), Notes::default());
    apply(&mut d, 1, &mut m, &mut notes);
    assert_eq!(notes.applied, []);
    assert_eq!(d.sleep(&notes), Some(Nanos::from_secs(5)));
    // One scheme without watermarks keeps everything awake.
    let mut d = damos(&[Scheme { watermarks, ..Scheme::new(Action::Pageout) }, Scheme::new(Action::Stat)]);
    assert_eq!(d.sleep(&Notes { free: 900, ..Notes::default() }), None);
}

#[test]
fn between_aggregations_the_rate_is_that_of_the_last_interval_and_this_one_together() {
    let window = ApplyMoment { samples: 5, of: 20, intervals: Intervals::default() };
    let piece = Piece { nr_accesses: 5, last_nr_accesses: 12, ..piece(0, 1, 0, 0) };
    assert_eq!(window.rate(&piece), NrAccesses(5 + 9));
    let window = ApplyMoment { samples: 20, ..window };
    assert_eq!(window.rate(&piece), NrAccesses(5));
}
