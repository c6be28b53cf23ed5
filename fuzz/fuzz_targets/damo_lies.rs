//! The .damo record with right checksums: what is read behind them must not trust what it reads.
#![no_main]

use damo_format::{Reader, StreamReader};
use damo_model::Selection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    damo_fuzz::mend(&mut data);
    if let Ok(reader) = Reader::from_bytes(data.as_slice()) {
        for block in 0..reader.index().len() {
            let _ = reader.read_block(block, &Selection::all());
        }
        let _ = reader.side_data();
    }
    if let Ok(mut stream) = StreamReader::new(data.as_slice()) {
        while let Ok(Some(_)) = stream.next_item() {}
    }
});
