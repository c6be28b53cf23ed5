//! masim configurations.
#![no_main]

use damo_sim::Workload;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Workload::parse(text, "fuzz");
    }
});
