use super::*;
use proptest::prelude::*;

const GOOD: &str = "#regions\na, 1000\nb, 2000, none\n\n#phases\nfirst\n100\na, 0, 4096, 1\n\nsecond phase\n200\n# remark\nb, 1, 64, 3, ro\n";

fn error(text: &str) -> Mistake {
    parse(text, "t").expect_err("must be refused")
}

fn printed(text: &str) -> String {
    Workload::parse(text, "t").expect_err("must be refused").to_string()
}

#[test]
fn a_good_file_gives_regions_and_phases() {
    let workload = Workload::parse(GOOD, "t").unwrap();
    assert_eq!(workload.regions().len(), 2);
    assert_eq!(workload.size(), Bytes(3000));
    assert_eq!(workload.duration(), Nanos::from_millis(300));
    let [first, second] = workload.phases() else { panic!("two phases") };
    assert_eq!(first.name, "first");
    assert_eq!(second.name, "second phase");
    let expected = Pattern { region: 1, random: true, stride: Bytes(64), weight: 3, mode: RwMode::ReadOnly };
    assert_eq!(second.patterns, [expected]);
    assert_eq!(first.patterns[0].mode, RwMode::WriteOnly);
}

#[test]
fn line_ends_and_blank_lines_may_be_any() {
    let expected = Workload::parse(GOOD, "t").unwrap();
    let trimmed = GOOD.trim_end();
    for text in [
        trimmed.to_owned(),
        format!("{GOOD}\n\n\n"),
        format!("\n\n{GOOD}"),
        GOOD.replace('\n', "\r\n"),
        GOOD.replace("\n\n", "\n \t\n\n\n"),
        GOOD.replace(", ", " ,\t"),
        format!("\u{feff}{GOOD}"),
        format!("{trimmed}   "),
    ] {
        assert_eq!(Workload::parse(&text, "t").unwrap(), expected, "{text:?}");
    }
}

/// Every kind of mistake: the file, the line it is in, and a word of what is wrong and of the remedy.
#[test]
fn each_mistake_gives_its_line_what_is_wrong_and_the_remedy() {
    let phase = "p\n1\na, 0, 1, 1\n";
    let with_region = |region: &str| format!("ok, 1\n{region}\n\n{}", phase.replace("a,", "ok,"));
    let with_phase = |phase: &str| format!("a, 1\n\n{phase}\n");
    let with_pattern = |pattern: &str| format!("a, 1\n\np\n1\n{pattern}\n");
    let long = "x".repeat(256);
    let cases: Vec<(String, usize, &str, &str)> = vec![
        (String::new(), 1, "no regions", "begin with"),
        ("\n\n\n".into(), 3, "no regions", "begin with"),
        ("# only a remark\n".into(), 1, "no regions", "begin with"),
        ("a, 1\n".into(), 1, "no phases", "write a phase"),
        ("a\0, 1\n".into(), 1, "zero byte", "no text file"),
        (with_region("b"), 2, "1 field where", "name, bytes"),
        (with_region("b, 1, c, d"), 2, "4 fields where", "name, bytes"),
        (with_region(", 1"), 2, "without a name", "name, bytes"),
        (with_region(&format!("{long}, 1")), 2, "256 bytes", "at most 255"),
        (with_region("b, 10 MB"), 2, "no whole number: `10 MB`", "number of bytes"),
        (with_region("b, 1.5"), 2, "no whole number", "number of bytes"),
        (with_region("b, nan"), 2, "no whole number", "number of bytes"),
        (with_region("b, 0x1000"), 2, "no whole number", "number of bytes"),
        (with_region("b, -1"), 2, "negative", "number of bytes"),
        (with_region("b, -"), 2, "no whole number", "number of bytes"),
        (with_region("b,"), 2, "missing", "number of bytes"),
        (with_region("b, 0"), 2, "no bytes", "at least 1"),
        (with_region("b, 99999999999999999999"), 2, "too large", "number of bytes"),
        (with_region("b, 9223372036854775807"), 2, "address space", "bytes"),
        (with_region("ok, 1"), 2, "second region called `ok`", "of its own"),
        (with_region("b, 1,"), 2, "empty third field", "none"),
        (with_phase("p"), 3, "only a name", "milliseconds"),
        (with_phase("p\n1"), 4, "no patterns", "at least one pattern"),
        (with_phase("p\na, 0, 1, 1"), 4, "no whole number", "milliseconds"),
        (with_phase("p\n\n1\na, 0, 1, 1"), 3, "only a name", "without blank lines"),
        (with_phase("p\n-1\na, 0, 1, 1"), 4, "negative", "milliseconds"),
        (with_phase("p\n0\na, 0, 1, 1"), 4, "lasts 0 ms", "at least 1 ms"),
        (with_phase("p\n9223372036854775807\na, 0, 1, 1"), 4, "292 years", "milliseconds"),
        (with_pattern("b, 0, 1, 1"), 5, "no region is called `b`", "first paragraph: a"),
        (with_pattern("a, 2, 1, 1"), 5, "where 0 (sequential)", "0 or 1"),
        (with_pattern("a, , 1, 1"), 5, "where 0 (sequential)", "0 or 1"),
        (with_pattern("a, 0, 1"), 5, "3 fields where", "region, 0 or 1"),
        (with_pattern("a, 0, 1, 1, wo, x"), 5, "6 fields where", "region, 0 or 1"),
        (with_pattern("a, 0, 0, 1"), 5, "stride of 0", "4096"),
        (with_pattern("a, 0, x, 1"), 5, "stride is no whole number", "stride"),
        (with_pattern("a, 0, 1, -3"), 5, "weight is negative", "weight"),
        (with_pattern("a, 0, 1, 4294967296"), 5, "4294967296 is too large", "4294967295"),
        (with_pattern("a, 0, 1, 1, wr"), 5, "`wr` is no access mode", "ro, wo or rw"),
    ];
    for (text, line, what, remedy) in cases {
        let error = error(&text);
        assert_eq!(error.line, line, "{text:?}: {error:?}");
        assert!(error.what.contains(what), "{text:?}: {}", error.what);
        assert!(error.remedy.contains(remedy), "{text:?}: {}", error.remedy);
        let printed = printed(&text);
        assert!(printed.starts_with(&format!("t, line {line}: ")), "{printed}");
    }
}

#[test]
fn a_phase_of_which_all_weights_are_zero_is_idle() {
    let config = include_str!("../../../testdata/cases/idle-phase.cfg");
    let workload = Workload::parse(config, "idle").expect("a workload");
    assert_eq!(workload.phases().iter().map(Phase::total_weight).collect::<Vec<_>>(), [0, 2, 1, 3, 1, 1]);
}

#[test]
fn two_phases_that_overflow_the_clock_together_are_refused() {
    let phase = "p\n9000000000000\na, 0, 1, 1\n";
    let error = error(&format!("a, 1\n\n{phase}\n{phase}"));
    assert_eq!(error.line, 7);
    assert!(error.what.contains("292 years"));
}

#[test]
fn an_error_never_repeats_a_terminal_escape_or_a_whole_file() {
    let printed = printed(&format!("a, 1\n\np\n1\n\u{1b}[2J{}\n", "y".repeat(10_000)));
    assert!(!printed.contains('\u{1b}'));
    assert!(printed.len() < 400, "{}", printed.len());
}

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::hash_set("[a-z][a-z0-9_. ]{0,6}[a-z0-9]", 1..6).prop_map(|s| s.into_iter().collect())
}

fn workloads() -> impl Strategy<Value = Workload> {
    names().prop_flat_map(|names| {
        let n = names.len();
        let regions: Vec<_> = names
            .into_iter()
            .map(|name| {
                (1u64..1 << 40, proptest::option::of("[a-z/]{1,9}".prop_filter("not the word", |f| f != "none")))
                    .prop_map(move |(size, init_file)| MemRegion { name: name.clone(), size: Bytes(size), init_file })
            })
            .collect();
        let mode = prop_oneof![Just(RwMode::ReadOnly), Just(RwMode::WriteOnly), Just(RwMode::ReadWrite)];
        let pattern =
            (0..n, any::<bool>(), 1u64..1 << 30, 1u32.., mode).prop_map(|(region, random, stride, weight, mode)| {
                Pattern { region, random, stride: Bytes(stride), weight, mode }
            });
        let phase = ("[a-z][a-z ,]{0,8}[a-z]", 1i64..1 << 40, proptest::collection::vec(pattern, 1..4))
            .prop_map(|(name, ms, patterns)| Phase { name, duration: Nanos::from_millis(ms), patterns });
        (regions, proptest::collection::vec(phase, 1..4)).prop_map(|(regions, phases)| Workload {
            name: "t".into(),
            regions,
            phases,
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(workload in workloads()) {
        prop_assert_eq!(Workload::parse(&workload.to_string(), "t").unwrap(), workload);
    }

    #[test]
    fn any_text_is_a_workload_or_an_error_with_a_line_of_the_file(text in "[ab01,#\n -]{0,80}") {
        if let Err(error) = parse(&text, "t") {
            prop_assert!(error.line >= 1 && error.line <= text.lines().count().max(1));
            prop_assert!(!error.what.is_empty() && !error.remedy.is_empty());
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Workload::parse(&String::from_utf8_lossy(&bytes), "t");
    }

    #[test]
    fn a_damaged_file_is_a_workload_or_an_error_with_a_line(at in 0..GOOD.len(), byte in 0u8..128) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        if let Err(error) = parse(&text, "t") {
            prop_assert!(error.line >= 1);
        }
        if let Err(error) = parse(&text[..at], "t") {
            prop_assert!(error.line >= 1);
        }
    }
}
