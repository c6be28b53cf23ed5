//! Lines as trace-cmd and tracefs print them.
#![no_main]

use damo_fuzz::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    import(&[b"k-1 [000] .... 1.5: damon_aggregated: ", data].concat());
});
