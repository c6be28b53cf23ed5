//! Event layouts, and records read by them.
#![no_main]

use damo_trace::{Decoder, EventFormat, RawPage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (text, record) = data.split_at(data.len() / 2);
    if let Ok(format) = EventFormat::parse(&String::from_utf8_lossy(text))
        && let Ok(decoder) = Decoder::new(std::slice::from_ref(&format))
    {
        let _ = decoder.decode(record);
    }
    if let Some(page) = RawPage::new(data) {
        assert!(page.count() <= data.len());
    }
});
