//! What must hold for every number and every text.

use super::*;
use crate::{Bytes, Nanos};
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,24}") {
        let _ = parse_number(&text);
        let _ = parse_bytes(&text);
        let _ = parse_addr_range(&text);
        let _ = parse_time(&text, TimeUnit::Secs);
        let _ = parse_time_number(&text, TimeUnit::Micros);
        let _ = parse_percent(&text);
        let _ = parse_number_with_unit(&text);
        let _ = parse_bool(&text);
    }

    #[test]
    fn no_text_near_the_grammar_makes_a_parser_panic(text in "[-+0-9._,eEKMGTiBnusmhd% ]{0,16}") {
        let _ = parse_bytes(&text);
        let _ = parse_time(&text, TimeUnit::Micros);
        let _ = parse_permil(&text);
    }

    #[test]
    fn a_raw_number_reads_back_the_same(value in any::<u64>(), nanos in any::<i64>()) {
        prop_assert_eq!(parse_bytes(&format_size(Bytes(value), Style::Raw)), Ok(Bytes(value)));
        prop_assert_eq!(parse_bytes(&format_nr(value.into(), Style::Human)), Ok(Bytes(value)));
        prop_assert_eq!(parse_time(&format_time(Nanos(nanos), Style::Raw), TimeUnit::Nanos), Ok(Nanos(nanos)));
    }

    #[test]
    fn an_exact_time_reads_back_the_same(nanos in 0..i64::MAX) {
        prop_assert_eq!(parse::parse_nanos_number(&format_time_exact(Nanos(nanos), Style::Human)), Ok(Number::from(nanos)));
    }

    #[test]
    fn a_human_size_reads_back_within_its_last_digit(value in any::<u64>(), shift in 0u32..60) {
        let value = value >> shift;
        let text = format_size(Bytes(value), Style::Human);
        let back = parse_bytes(&text).expect("own output").0;
        // Half of the third decimal of the unit, the cut-off fraction, and what a double cannot hold.
        let unit = if value > 1 << 60 { 1u64 << 60 } else { value.next_power_of_two() };
        prop_assert!(back.abs_diff(value) <= unit / 1000 + 2048, "{} from {} is {}", text, value, back);
    }

    #[test]
    fn integer_formatting_equals_printf(value in any::<u64>(), shift in 0u32..63) {
        let value = value >> shift;
        prop_assert_eq!(format_size(Bytes(value), Style::Human), format_size_f64(value as f64, Style::Human));
        prop_assert_eq!(uint_text(value).to_string(), value.to_string());
        prop_assert_eq!(hex12_text(value).to_string(), format!("{value:012x}"));
        prop_assert_eq!(nr_text(value.into()).replace(',', ""), value.to_string());
    }

    #[test]
    fn floats_read_back_the_same(value in any::<f64>()) {
        let text = Number::Float(value).to_string();
        match parse_number(&text) {
            Ok(Number::Float(back)) => prop_assert!(back == value || (back.is_nan() && value.is_nan())),
            other => prop_assert!(false, "{} gave {:?}", text, other),
        }
    }
}
