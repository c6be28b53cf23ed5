//! The example turns a foreign recording into a record that reads.

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
fn convert_keeps_every_snapshot_of_a_foreign_recording() {
    let here = tempfile::tempdir().expect("temporary directory");
    let name = here.path().join("converted.damo");
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real/stairs/damon.data");
    let said = example("convert", &[&foreign, &name]);
    let reader = damo_format::Reader::from_bytes(std::fs::read(name).expect("record")).expect("a sound record");
    let snapshots = reader.totals().snapshots;
    assert!(snapshots > 100 && said.starts_with(&format!("DamoJsonZlib: {snapshots} snapshots\n")), "{said}");
}
