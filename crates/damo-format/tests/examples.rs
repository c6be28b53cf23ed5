//! The example writes a record that reads back.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs an example, which must succeed; its standard output. Examples are built together with the crate's tests.
fn example(name: &str, args: &[&Path]) -> String {
    let here = std::env::current_exe().expect("this test's program");
    let program: PathBuf = here.ancestors().nth(2).expect("target directory").join("examples").join(name);
    let output = Command::new(&program).args(args).output();
    let output = output
        .unwrap_or_else(|error| panic!("{} (`cargo test` of the whole crate builds it): {error}", program.display()));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

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
