//! Lines as perf prints them.
#![no_main]

use damo_fuzz::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    import(&[b"k 1 [0] 1.5: damon:damon_aggregated: ", data].concat());
});
