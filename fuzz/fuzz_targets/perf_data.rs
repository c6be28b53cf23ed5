//! perf.data, to a file and through a pipe.
#![no_main]

use damo_fuzz::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    import(data);
    import(&[b"PERFILE2\x10\0\0\0\0\0\0\0", data].concat());
});
