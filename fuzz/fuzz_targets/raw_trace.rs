//! Pages of the kernel's ring buffer, of two processors.
#![no_main]

use damo_fuzz::Checked;
use damo_import::{Options, RawTrace, import_raw_trace};
use libfuzzer_sys::fuzz_target;

const FORMAT: &str = include_str!("../../testdata/kernel/formats/6.12-damon_aggregated.txt");

fuzz_target!(|data: &[u8]| {
    let (first, second) = data.split_at(data.len() / 2);
    let cpus = vec![first.to_vec(), second.to_vec()];
    let trace = RawTrace { cpus, formats: vec![FORMAT.to_owned()], ..RawTrace::default() };
    let _ = import_raw_trace(&trace, "fuzz", &Options::default(), &mut Checked::default());
});
