//! The example writes a record that reads back.

#[path = "../../../tests/common/example.rs"]
mod example;

use example::example;

#[test]
fn write_makes_a_record_of_ten_snapshots_that_get_hotter() {
    let here = tempfile::tempdir().expect("temporary directory");
    let name = here.path().join("own.damo");
    assert_eq!(example("write", &[&name]), "10 snapshots\n");
    let reader = damo_format::Reader::from_bytes(std::fs::read(name).expect("record")).expect("a sound record");
    let mut accesses = Vec::new();
    for block in 0..reader.index().len() {
        let batch = reader.read_block(block, &damo_model::Selection::all()).expect("a sound block");
        accesses.extend_from_slice(&batch.nr_accesses);
    }
    assert_eq!(accesses, (0..10).map(|second| 2 * second).collect::<Vec<u32>>());
}
