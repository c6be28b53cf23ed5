//! What the crates' tests of their examples share.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs an example, which must succeed; its standard output. Examples are built together with the crate's tests.
pub fn example(name: &str, args: &[&Path]) -> String {
    let here = std::env::current_exe().expect("this test's program");
    let program: PathBuf = here.ancestors().nth(2).expect("target directory").join("examples").join(name);
    let output = Command::new(&program).args(args).output();
    let output = output
        .unwrap_or_else(|error| panic!("{} (`cargo test` of the whole crate builds it): {error}", program.display()));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
