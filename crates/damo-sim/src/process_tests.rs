use super::*;
use crate::rng::Rng;
use proptest::prelude::*;

fn process(text: &str, options: &Options) -> Process {
    Process::new(&Workload::parse(text, "t").unwrap(), options, 0)
}

#[test]
fn a_region_walked_within_the_interval_is_accessed_at_each_page_and_others_at_none() {
    let mut p = process("a, 10000000\nb, 10000000\n\np\n1000\na, 0, 4096, 1\n", &Options::default());
    p.run_until(Nanos::from_millis(5), |_, _| {});
    assert_eq!(p.activeness(0), Activeness::All);
    assert_eq!(p.activeness(1), Activeness::Idle);
    assert_eq!(p.rss().0 - p.space.base_rss.0, round_up(10_000_000));
}

#[test]
fn a_large_region_is_swept_in_order() {
    // 1000 accesses per ms of one page each: 5 ms cover 5000 of 262144 pages.
    let options = Options { accesses_per_ms: 1000, ..Options::default() };
    let mut p = process("a, 1073741824\n\np\n1000000\na, 0, 4096, 1\n", &options);
    let mut rng = Rng::new(0);
    for step in 0..60u64 {
        p.run_until(Nanos::from_millis(5 * (step as i64 + 1)), |_, _| {});
        assert_eq!(p.activeness(0), Activeness::Some);
        for page in [0, 4999, 5000, 9999, 10_000, 262_143] {
            let at = (page + 262_144 - step * 5000 % 262_144) % 262_144;
            assert_eq!(p.accessed(0, page, &mut rng), at < 5000, "page {page} in step {step}");
        }
    }
    assert_eq!(p.rss().0 - p.space.base_rss.0, 1 << 30);
}

#[test]
fn phases_follow_each_other_and_start_over() {
    let mut p = process("a, 4096\n\none\n100\na, 0, 1, 1\n\ntwo\n50\na, 0, 1, 1\n", &Options::default());
    let mut began = Vec::new();
    p.run_until(Nanos::from_millis(320), |at, name| began.push((at.0 / 1_000_000, name.to_owned())));
    let expected = [(100, "two"), (150, "one"), (250, "two"), (300, "one")];
    assert_eq!(began, expected.map(|(at, name)| (at, name.to_owned())));
}

#[test]
fn picks_follow_the_weights() {
    let mut p = process("a, 4096\nb, 4096\n\np\n3600000\na, 0, 64, 3\nb, 0, 64, 1\n", &Options::default());
    let mut seen = [0u32; 2];
    for ms in 1..20_000 {
        p.run_until(Nanos(ms * 1_747_627), |_, _| {});
        for (region, seen) in seen.iter_mut().enumerate() {
            *seen += u32::from(p.activeness(region) != Activeness::Idle);
        }
    }
    let share = f64::from(seen[0]) / f64::from(seen[0] + seen[1]);
    // An interval of one pick's length overlaps two picks: (1 - 1/16) : (1 - 9/16), thus 0.68 and not 0.75.
    assert!((share - 15.0 / 22.0).abs() < 0.02, "{share}");
}

#[test]
fn a_filled_region_is_resident_from_the_start() {
    let p = process("a, 8192, file\nb, 8192, none\n\np\n1\na, 0, 1, 1\n", &Options::default());
    assert_eq!(p.rss().0 - p.space.base_rss.0, 8192);
}

proptest! {
    /// Against the plain enumeration of accesses.
    #[test]
    fn arcs_cover_the_pages_that_single_accesses_touch(
        size in 1u64..200_000,
        stride in 1u64..20_000,
        steps in proptest::collection::vec(1i64..30, 1..6),
    ) {
        let options = Options { accesses_per_ms: 7, ..Options::default() };
        let text = format!("a, {size}\n\np\n1000\na, 0, {stride}, 1\n");
        let mut p = process(&text, &options);
        let mut rng = Rng::new(0);
        let (mut now, mut offset) = (0, 0);
        let mut ever = std::collections::BTreeSet::new();
        for step in steps {
            let mut touched = std::collections::BTreeSet::new();
            for _ in 0..step * 7 {
                touched.insert(offset / PAGE);
                offset += stride;
                if offset >= size {
                    offset = 0;
                }
            }
            now += step;
            p.run_until(Nanos::from_millis(now), |_, _| {});
            for page in 0..p.nr_pages(0) {
                prop_assert_eq!(p.accessed(0, page, &mut rng), touched.contains(&page), "page {}", page);
            }
            if p.activeness(0) == Activeness::All {
                prop_assert_eq!(touched.len() as u64, p.nr_pages(0));
            }
            ever.extend(touched);
            prop_assert_eq!(p.rss().0 - p.space.base_rss.0, ever.len() as u64 * PAGE);
        }
    }
}

#[test]
fn an_idle_phase_accesses_nothing_and_ends_in_its_time() {
    let config = "a, 1048576\n\nidle\n100\na, 0, 4096, 0\n\nbusy\n50\na, 0, 4096, 1\n";
    let mut p = process(config, &Options::default());
    p.run_until(Nanos::from_millis(99), |_, _| panic!("no other phase yet"));
    assert_eq!((p.activeness(0), p.rss()), (Activeness::Idle, p.space.base_rss));
    let mut began = Vec::new();
    p.run_until(Nanos::from_millis(110), |at, name| began.push((at.0 / 1_000_000, name.to_owned())));
    assert_eq!(began, [(100, "busy".to_owned())]);
    assert_eq!(p.activeness(0), Activeness::All);
}
