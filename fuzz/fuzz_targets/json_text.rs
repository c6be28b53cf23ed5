//! JSON that is well-formed up to its regions, so that the fuzzer need not find the frame.
#![no_main]

use damo_fuzz::import;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let frame: [&[u8]; 3] = [b"[{\"target_id\":0,\"snapshots\":[", data, b"]}]"];
    import(&frame.concat());
});
