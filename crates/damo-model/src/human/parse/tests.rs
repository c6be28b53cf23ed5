use super::*;

#[test]
fn sizes_are_read_as_the_python_tool_reads_them() {
    for (text, value) in [
        ("5", 5),
        ("3.949 MiB", 4_140_826),
        ("1.5G", 1_610_612_736),
        ("12B", 12),
        ("1,024 KB", 1 << 20),
        ("-4K", -4096),
        ("max", u64::MAX.into()),
        ("16E", u64::MAX.into()),
        ("1_000", 1000),
        ("0x7f37b14d9000", 0x7f37_b14d_9000),
    ] {
        assert_eq!(parse_bytes_number(text), Ok(Number::Int(value)), "{text}");
    }
    assert_eq!(parse_bytes_number("1e3"), Ok(Number::Float(1000.0)));
    assert_eq!(parse_bytes("1e3"), Ok(Bytes(1000)));
}

#[test]
fn a_wrong_size_says_what_is_wrong_and_what_would_be_right() {
    let message = |text| parse_bytes(text).expect_err(text).to_string();
    assert!(message("5kb").starts_with("'5kb' is not a size: unknown unit 'kb'; write a number of bytes"));
    assert!(message("K").contains("does not begin with a number"));
    assert!(message(" ").contains("empty text"));
    assert!(message("-4K").ends_with("it is negative"));
    assert!(message("nan").ends_with("it is not finite"));
    assert!(message("0xzz").contains("after 0x"));
    assert!(message("1__0").contains("no number has"));
    assert!(message(&"9 elephants ".repeat(1000)).len() < 400);
}

#[test]
fn times_are_read_as_the_python_tool_reads_them() {
    assert_eq!(parse_nanos_number("1 h 2 m 3.4 s"), Ok(Number::Float(3_723_400_000_000.0)));
    assert_eq!(parse_nanos_number("-3 s"), Ok(Number::Int(-3_000_000_000)));
    assert_eq!(parse_nanos_number("1 s 5"), Ok(Number::Int(1_000_000_005)));
    assert_eq!(parse_time_number("5 ms", TimeUnit::Micros), Ok(Number::Float(5000.0)));
    assert_eq!(parse_time_number("5000", TimeUnit::Micros), Ok(Number::Int(5000)));
    assert_eq!(parse_time("5000", TimeUnit::Micros), Ok(Nanos::from_millis(5)));
    assert_eq!(parse_time("1h 2m", TimeUnit::Secs), Ok(Nanos::from_secs(3720)));
    assert_eq!(parse_time("125.883 ms", TimeUnit::Nanos), Ok(Nanos(125_883_000)));
    assert_eq!(parse_time("max", TimeUnit::Secs), Ok(Nanos(i64::MAX)));
    assert_eq!(
        parse_time("20,233 d 16 h 48 m 46 s 781 ms 395 us 200 ns", TimeUnit::Nanos),
        Ok(Nanos(1_748_191_726_781_395_200))
    );
}

#[test]
fn minutes_are_min_or_m() {
    for text in ["2min", "2 min", "2m", "2 m", "1 min 60 s", "120s"] {
        assert_eq!(parse_time(text, TimeUnit::Nanos), Ok(Nanos::from_secs(120)), "{text}");
    }
    assert_eq!(parse_time("1 min 22.331 s", TimeUnit::Nanos), Ok(Nanos::from_millis(82_331)));
    assert_eq!(parse_time("min", TimeUnit::Secs), Ok(Nanos(0)));
    assert_eq!(parse_time("5 µs", TimeUnit::Secs), Ok(Nanos(5_000)));
}

#[test]
fn a_bare_number_is_refused_with_the_two_likely_units() {
    let parse = |text| parse_time_with_unit(text, ["min", "s"]);
    let message = |text| parse(text).expect_err(text).to_string();
    assert_eq!(message("5"), "which unit? write 5min or 5s");
    assert_eq!(message(" 1.5 "), "which unit? write 1.5min or 1.5s");
    assert_eq!(message("1 s 5"), "which unit? write 5min or 5s");
    assert_eq!(parse("5min"), Ok(Nanos::from_secs(300)));
    assert_eq!(parse("0"), Ok(Nanos(0)));
    assert_eq!(parse("max"), Ok(Nanos(i64::MAX)));
    assert!(message("5 apples").contains("unknown unit 'apples'"));
}

#[test]
fn a_wrong_time_says_what_is_wrong() {
    let message = |text, unit| parse_time(text, unit).expect_err(text).to_string();
    assert!(message("5 parsecs", TimeUnit::Nanos).contains("unknown unit 'parsecs'"));
    assert!(message("soon", TimeUnit::Nanos).contains("does not begin with a number"));
    assert!(message("1e30", TimeUnit::Secs).contains("as seconds it is more than 292 years"));
    assert!(message("inf s", TimeUnit::Secs).contains("not finite"));
}

#[test]
fn a_percent_sign_means_percent_and_a_bare_number_the_callers_unit() {
    assert_eq!(parse_percent("50"), Ok(Number::Int(50)));
    assert_eq!(parse_percent("0.25 %"), Ok(Number::Float(0.25)));
    assert_eq!(parse_bp("50"), Ok(Number::Int(50)));
    assert_eq!(parse_bp("50%"), Ok(Number::Float(5000.0)));
    assert_eq!(parse_permil("50%"), Ok(Number::Float(500.0)));
    assert!(parse_percent("%").is_err());
    assert!(parse_percent("5 apples").is_err());
}

#[test]
fn two_words_are_a_number_and_its_unit() {
    assert_eq!(parse_number_with_unit("5 samples"), Ok((Number::Int(5), "samples")));
    assert!(parse_number_with_unit("5").is_err());
    assert!(parse_number_with_unit("five samples").is_err());
}

#[test]
fn booleans_are_words_not_digits() {
    assert_eq!(parse_bool("YES"), Ok(true));
    assert_eq!(parse_bool("n"), Ok(false));
    assert!(parse_bool("1").is_err());
}

#[test]
fn an_address_range_has_two_ends_in_order() {
    assert_eq!(parse_addr_range("4K-0x2000"), Ok(AddrRange::new(Addr(4096), Addr(8192))));
    assert!(parse_addr_range("8K-4K").is_err());
    assert!(parse_addr_range("8K").is_err());
}
