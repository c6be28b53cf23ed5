//! What the tests of the command line share: the program, a directory of their own, recordings.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod terminal;
pub mod tmux;

use damo_format::Reader;
use damo_model::Item;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The workspace's top directory.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A recording of a real kernel that the project keeps.
pub fn real(name: &str) -> PathBuf {
    top().join("testdata/real").join(name)
}

/// Larger real recordings, if this machine has them: `$DAMO_REAL_DATA`, else `../shared/data` beside the project.
pub fn large_real_data() -> Option<PathBuf> {
    let path = std::env::var_os("DAMO_REAL_DATA").map_or_else(|| top().join("../shared/data"), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("note: no larger real recordings at {}: skipped", path.display());
    None
}

/// The program under test, in `directory`.
pub fn damo(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_damo"));
    command.current_dir(directory).stdin(Stdio::null()).env_remove("NO_COLOR").env("COLUMNS", "100");
    command
}

/// Runs `damo` with the words of `line` (split at blanks).
pub fn run(directory: &Path, line: &str) -> Output {
    damo(directory).args(line.split_whitespace()).output().expect("damo starts")
}

/// Runs `damo`, which must succeed; its standard output.
pub fn ok(directory: &Path, line: &str) -> String {
    let output = run(directory, line);
    assert!(output.status.success(), "damo {line}: {:?}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs `damo`, which must exit with `code`; what it said on standard error.
pub fn fails(directory: &Path, line: &str, code: i32) -> String {
    let output = run(directory, line);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "damo {line}: {said}");
    said
}

/// A short simulated staircase, recorded as `damon.damo` in `directory`.
pub fn record_stairs(directory: &Path) {
    let config = top().join("testdata/masim/stairs.cfg");
    let output = damo(directory).args(["record", "--quiet", "--simulate"]).arg(config).output().expect("damo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All items of a record, as they are in the file.
pub fn items(path: &Path) -> Vec<Item> {
    let reader = Reader::open(path).expect("a record");
    assert_eq!(reader.damage(), []);
    let mut stream = reader.stream().expect("a stream");
    let mut items = Vec::new();
    while let Some(item) = stream.next_item().expect("readable") {
        items.push(item);
    }
    items
}

pub fn record_pair(directory: &Path, more: &str) {
    ok(directory, &format!("record --quiet --simulate pair --timeout 10 {more}"));
}

/// The lines of the ```sh blocks of a page of the project.
pub fn commands(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(top().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && !line.is_empty() {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// A line's words as a shell makes them: quotes are taken off, and a comment, a pipe or a redirection ends them.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c == ' ' => words.extend(word.take()),
            None if word.is_none() && matches!(c, '#' | '|' | '>') => break,
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
