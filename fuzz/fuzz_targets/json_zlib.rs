//! Compressed JSON: the bytes as they are, and compressed anew so that the text in them is reached.
#![no_main]

use damo_fuzz::import;
use libfuzzer_sys::fuzz_target;
use std::io::Write;

fuzz_target!(|data: &[u8]| {
    import(data);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(data).expect("to memory");
    import(&packed.finish().expect("to memory"));
});
