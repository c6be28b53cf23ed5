//! The binary record of the first DAMON versions.
#![no_main]

use damo_fuzz::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    import(data);
    for version in 0..3 {
        import(&[b"damon_recfmt_ver", &[version, 0, 0, 0][..], data].concat());
    }
});
