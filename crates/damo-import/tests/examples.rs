//! The example turns a foreign recording into a record that reads.

#[path = "../../../tests/common/example.rs"]
mod example;

use example::example;
use std::path::Path;

#[test]
fn convert_keeps_every_snapshot_of_a_foreign_recording() {
    let here = tempfile::tempdir().expect("temporary directory");
    let name = here.path().join("converted.damo");
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real/stairs/damon.data");
    let said = example("convert", &[&foreign, &name]);
    let reader = damo_format::Reader::from_bytes(std::fs::read(name).expect("record")).expect("a sound record");
    let snapshots = reader.totals().snapshots;
    assert!(snapshots > 100 && said.starts_with(&format!("DamoJsonZlib: {snapshots} snapshots\n")), "{said}");
}
