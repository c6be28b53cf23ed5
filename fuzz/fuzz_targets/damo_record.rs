//! The .damo record, at random access and as a stream.
#![no_main]

use damo_format::{Reader, StreamReader};
use damo_model::Selection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(reader) = Reader::from_bytes(data.to_vec()) {
        for block in 0..reader.index().len() {
            let _ = reader.read_block(block, &Selection::all());
        }
        let _ = reader.side_data();
    }
    if let Ok(mut stream) = StreamReader::new(data) {
        while let Ok(Some(_)) = stream.next_item() {}
    }
});
