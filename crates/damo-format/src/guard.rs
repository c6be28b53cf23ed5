//! Which files may be written over: the one place that decides it, for records, reports, pictures and everything else
//! that a command writes.
//!
//! - Never a file that the command reads: by its name, through a link, or by another name of the same file.
//! - Never through a symbolic link, never a directory or device, never a file of another user.
//! - A record only if `force` is given; a file that is read-only, too.
//! - A file of the kind that is about to be written is replaced. What begins with its own signature (PNG, SVG, HTML,
//!   Parquet, manual pages) is known by that; other text by the ending of its name.
//! - An empty file is replaced. Anything else only if `force` is given.

use crate::error::WriteError;
use crate::file::{Owner, file_error};
use crate::reader::sniff;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// So much of a file is looked at to see what it is.
const HEAD: u64 = 64 << 10;

/// What a file is about to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A record of access patterns, in our format or another.
    Record,
    /// A picture made of pixels.
    Png,
    /// A picture made of lines.
    Svg,
    /// A page for browsers.
    Html,
    /// A table in columns.
    Parquet,
    /// A table as comma-separated values.
    Csv,
    /// Values as JSON.
    Json,
    /// Tables as Markdown.
    Markdown,
    /// What tests came to, as JUnit's XML.
    Junit,
    /// Text for people.
    Text,
    /// Metrics for Prometheus' node_exporter.
    Metrics,
    /// A manual page.
    Manual,
}

/// Each kind with the endings of its files' names, and what is said of a file that is not of this kind.
const KINDS: [(Kind, &[&str], &str); 12] = [
    (Kind::Record, &["damo", "data"], "exists and is no record"),
    (Kind::Png, &["png"], "exists and is no picture (PNG or SVG)"),
    (Kind::Svg, &["svg"], "exists and is no picture (PNG or SVG)"),
    (Kind::Html, &["html", "htm"], "exists and is no HTML page"),
    (Kind::Parquet, &["parquet"], "exists and is no Parquet table"),
    (Kind::Csv, &["csv"], "exists and is no table: no text, or its name does not end in .csv"),
    (Kind::Json, &["json", "jsonl"], "exists and is no JSON: no text, or its name does not end in .json"),
    (Kind::Markdown, &["md", "markdown"], "exists and is no table: no text, or its name does not end in .md"),
    (Kind::Junit, &["xml"], "exists and is no XML of tests: no text, or its name does not end in .xml"),
    (Kind::Text, &["txt"], "exists and is no report: no text, or its name does not end in .txt"),
    (Kind::Metrics, &["prom"], "exists and is no file of metrics: no text, or its name does not end in .prom"),
    (Kind::Manual, &[], "exists and is no manual page"),
];

impl Kind {
    /// The kind that a name's ending stands for.
    pub fn of_name(path: &Path) -> Option<Kind> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        KINDS.into_iter().find(|(_, endings, _)| endings.contains(&ending.as_str())).map(|(kind, ..)| kind)
    }

    /// Whether its bytes are no text, so that a terminal must not get them.
    pub fn is_binary(self) -> bool {
        matches!(self, Kind::Record | Kind::Png | Kind::Parquet)
    }

    /// The kind that a file's first bytes show, if it is one that shows it.
    fn of_content(head: &[u8]) -> Option<Kind> {
        if head.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Some(Kind::Png);
        }
        if head.starts_with(b"PAR1") {
            return Some(Kind::Parquet);
        }
        if head.starts_with(b".ie \\n(.g") || head.starts_with(b".TH ") {
            return Some(Kind::Manual);
        }
        let text = String::from_utf8_lossy(head.get(..1024).unwrap_or(head)).to_ascii_lowercase();
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with("<!doctype html") || text.starts_with("<html") {
            return Some(Kind::Html);
        }
        let is_xml = text.starts_with("<?xml") || text.starts_with("<!--");
        (text.starts_with("<svg") || is_xml && text.contains("<svg")).then_some(Kind::Svg)
    }

    /// Said of a file that is not of this kind.
    fn refusal(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("exists", |(.., refusal)| refusal)
    }

    /// Whether a file of this name that begins so is one that may give way to one of this kind.
    fn replaces(self, path: &Path, head: &[u8]) -> bool {
        let is_picture = |kind| matches!(kind, Kind::Png | Kind::Svg);
        match Kind::of_content(head) {
            Some(there) => there == self || is_picture(there) && is_picture(self),
            None => match self {
                Kind::Csv | Kind::Json | Kind::Markdown | Kind::Junit | Kind::Text | Kind::Metrics => {
                    !head.contains(&0) && Kind::of_name(path) == Some(self)
                }
                _ => false,
            },
        }
    }
}

/// Under which conditions a file is written.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What it will hold.
    pub kind: Kind,
    /// What the command reads, files and directories: never written over.
    pub inputs: Vec<PathBuf>,
    /// Any regular file of the user that is not an input may be replaced.
    pub force: bool,
    /// Permission bits of the new file.
    pub mode: u32,
    /// Root writes for this user: the file becomes theirs, and what is replaced may be theirs.
    pub heir: Option<Owner>,
    /// Recognises records of other programs by their first bytes.
    pub is_foreign_record: fn(&[u8]) -> bool,
}

impl Rules {
    /// The usual ones: readable by the owner only, nothing forced, no inputs, no other program's records known.
    pub fn new(kind: Kind) -> Self {
        Rules { kind, inputs: Vec::new(), force: false, mode: 0o600, heir: None, is_foreign_record: |_| false }
    }

    /// Whose files may be replaced.
    pub(crate) fn include(&self, writer: Option<u32>, uid: u32) -> bool {
        writer.is_none_or(|writer| writer == uid) || self.heir.is_some_and(|heir| heir.uid == uid)
    }
}

/// What stands at a path where something may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    Nothing,
    /// A file without content.
    Empty,
    /// A `.damo` record.
    Record,
    /// Another regular file of the same user that may be replaced.
    Other,
}

/// Says what stands at `path`, and refuses what must not be replaced. `writer` is the user who writes, if known.
pub(crate) fn check(path: &Path, rules: &Rules, writer: Option<u32>) -> Result<There, WriteError> {
    let occupied = |what, replaceable| Err(WriteError::Occupied { path: path.into(), what, replaceable });
    let found = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
        found => found.map_err(|e| file_error("examine", path, e))?,
    };
    // Also through a link: "is a symbolic link" would not say what is at stake.
    if rules.inputs.iter().any(|input| is_input(path, input)) {
        return occupied("is what is read here: writing it would destroy it", false);
    }
    if found.is_symlink() {
        return occupied("is a symbolic link, and links are not followed", false);
    }
    if found.is_dir() {
        return occupied("is a directory", false);
    }
    if !found.is_file() {
        return occupied("is a device or pipe", false);
    }
    if !rules.include(writer, found.uid()) {
        return occupied("belongs to another user", false);
    }
    regular(path, rules, &found)
}

/// The same for a regular file of the user.
fn regular(path: &Path, rules: &Rules, found: &Metadata) -> Result<There, WriteError> {
    let occupied = |what| Err(WriteError::Occupied { path: path.into(), what, replaceable: true });
    let head = match head(path) {
        Ok(head) => head,
        Err(_) if rules.force => return Ok(There::Other),
        Err(e) => return Err(file_error("read, to see whether it may be replaced,", path, e)),
    };
    if found.len() == 0 {
        return Ok(There::Empty);
    }
    let is_ours = sniff(&head);
    let there = if is_ours { There::Record } else { There::Other };
    if rules.force {
        return Ok(there);
    }
    if found.mode() & 0o222 == 0 {
        return occupied("is read-only");
    }
    if is_ours || (rules.is_foreign_record)(&head) {
        return occupied("is a record");
    }
    if rules.kind.replaces(path, &head) { Ok(there) } else { occupied(rules.kind.refusal()) }
}

/// Whether a `.damo` record stands there.
pub(crate) fn is_record(path: &Path) -> Result<bool, WriteError> {
    head(path).map(|head| sniff(&head)).map_err(|e| file_error("read", path, e))
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether two names are of one file that exists, or one lies in the directory that is the other.
fn is_input(path: &Path, input: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino(), data.is_dir()));
    let (Some(read), Some(written)) = (identity(input), identity(path)) else { return false };
    let same = (read.0, read.1) == (written.0, written.1);
    // Of a directory that is read as a whole, all that is in it.
    let within = read.2 && !written.2 && fs::canonicalize(input).ok() == parent(path).canonicalize().ok();
    same || within
}

/// The directory that a name is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const SVG: &[u8] = b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>";

    fn may(dir: &Path, name: &str, content: &[u8], kind: Kind) -> bool {
        fs::write(dir.join(name), content).expect("room");
        check(&dir.join(name), &Rules::new(kind), None).is_ok()
    }

    #[test]
    fn a_file_of_the_same_kind_is_replaced_and_any_other_is_not() {
        let dir = tempfile::tempdir().expect("room");
        let may = |name, content, kind| may(dir.path(), name, content, kind);
        assert!(may("a.png", b"\x89PNG\r\n\x1a\n...", Kind::Png));
        assert!(may("a.dat", SVG, Kind::Png), "a picture over a picture, whatever it is called");
        assert!(!may("a.csv", SVG, Kind::Csv));
        assert!(!may("a.png", b"no picture at all", Kind::Png));
        assert!(may("a.html", b"<!DOCTYPE html><title>x</title>", Kind::Html));
        assert!(!may("a.html", b"dear diary", Kind::Html));
        assert!(may("a.csv", b"a,b\n1,2\n", Kind::Csv));
        assert!(!may("a.csv", b"a\0b", Kind::Csv), "no text");
        assert!(!may("a.csv", b"a,b\n1,2\n", Kind::Json));
        assert!(!may(".bashrc", b"alias ls='ls -l'\n", Kind::Text));
        assert!(!may("main.c", b"int main;\n", Kind::Csv));
        assert!(may("empty", b"", Kind::Parquet));
    }

    #[test]
    fn a_record_or_a_read_only_file_gives_way_only_to_force() {
        let dir = tempfile::tempdir().expect("room");
        let (record, protected) = (dir.path().join("a.json"), dir.path().join("b.csv"));
        fs::write(&record, b"{\"foreign\": 1}").expect("room");
        fs::write(&protected, b"a,b\n").expect("room");
        fs::set_permissions(&protected, fs::Permissions::from_mode(0o444)).expect("ours");
        for (path, kind, what) in [(&record, Kind::Json, "is a record"), (&protected, Kind::Csv, "is read-only")] {
            let mut rules = Rules { is_foreign_record: |head| head.starts_with(b"{\"foreign"), ..Rules::new(kind) };
            let said = check(path, &rules, None).unwrap_err().to_string();
            assert!(said.contains(what) && said.contains("--force"), "{said}");
            rules.force = true;
            assert_eq!(check(path, &rules, None).ok(), Some(There::Other));
        }
    }

    #[test]
    fn an_input_is_safe_under_each_of_its_names_even_from_force() {
        let dir = tempfile::tempdir().expect("room");
        let [input, link, other, folder] = ["in.csv", "link.csv", "other.csv", "folder"].map(|n| dir.path().join(n));
        fs::write(&input, "a,b\n").expect("room");
        symlink(&input, &link).expect("a link");
        fs::hard_link(&input, &other).expect("a link");
        fs::create_dir(&folder).expect("room");
        fs::write(folder.join("cpu0"), "a,b\n").expect("room");
        let rules = Rules { inputs: vec![input.clone(), folder.clone()], force: true, ..Rules::new(Kind::Csv) };
        for path in [&input, &link, &other, &dir.path().join("folder/../in.csv"), &folder.join("cpu0")] {
            let said = check(path, &rules, None).unwrap_err().to_string();
            assert!(said.contains("is what is read here"), "{said}");
        }
        assert!(check(&dir.path().join("new.csv"), &rules, None).is_ok());
    }

    #[test]
    fn another_users_file_is_left_alone_unless_the_record_is_for_them() {
        let dir = tempfile::tempdir().expect("room");
        let path = dir.path().join("a.csv");
        fs::write(&path, "a,b\n").expect("room");
        let uid = path.metadata().expect("a file").uid();
        let mut rules = Rules::new(Kind::Csv);
        assert!(check(&path, &rules, Some(uid)).is_ok());
        let said = check(&path, &rules, Some(uid + 1)).unwrap_err().to_string();
        assert!(said.contains("belongs to another user"), "{said}");
        rules.heir = Some(Owner { uid, gid: 0 });
        assert!(check(&path, &rules, Some(uid + 1)).is_ok());
    }
}
