//! The files beside a record.
#![no_main]

use damo_fuzz::Checked;
use damo_import::{Options, SideFiles, SideKind, import_with_sides};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let record = b"k 1 [0] 1.5: damon:damon_aggregated: target_id=0 nr_regions=1 0-4096: 1 1";
    for kind in SideKind::ALL {
        let mut side_data = SideFiles::default();
        side_data.read(kind, data, "side");
        let read = import_with_sides(record, "record", &Options::default(), &side_data, &mut Checked::default());
        assert!(read.is_ok());
    }
});
