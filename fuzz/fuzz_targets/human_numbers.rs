//! Sizes, times, ratios and ranges as people write them.
#![no_main]

use damo_model::human;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = human::parse_number(text);
    let _ = human::parse_bytes(text);
    let _ = human::parse_addr_range(text);
    let _ = human::parse_time(text, human::TimeUnit::Micros);
    let _ = human::parse_percent(text);
    let _ = human::parse_percent(text);
    let _ = human::parse_bp(text);
    let _ = human::parse_number_with_unit(text);
    let _ = human::parse_bool(text);
});
