//! Values as they are typed: numbers with units (in the grammar of [`damo_model::human`]), address ranges, JSON
//! or YAML given as a text or as a file, and programs given without `--`.

use crate::error::UsageError;
use damo_model::human::{self, ParseError, TimeUnit};
use damo_model::kdamond::{self, Kdamond};
use damo_model::scheme::{self, Scheme};
use damo_model::{AddrRange, Nanos};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Why a value of an option is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It is not in the grammar of numbers with units.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It is out of bounds or of another kind: the sentence says what is wanted.
    #[error("{0}")]
    Unwanted(&'static str),
}

/// An interval of DAMON: a bare number is microseconds, as in the kernel's files. Positive.
pub(crate) fn interval(text: &str) -> Result<Nanos, ValueError> {
    let time = human::parse_time(text, TimeUnit::Micros)?;
    if time.0 < 1_000 {
        return Err(ValueError::Unwanted("the kernel counts in whole microseconds: give at least 1us"));
    }
    Ok(time)
}

/// Samples per second of CPU time.
pub(crate) fn frequency(text: &str) -> Result<u32, ValueError> {
    let known = text.trim().parse().ok().filter(|frequency| damo_kernel::sampling::FREQUENCIES.contains(frequency));
    known.ok_or(ValueError::Unwanted("give samples per second of CPU time, a whole number from 1 to 10000"))
}

/// A duration whose bare number is milliseconds, as in the kernel's file. Not negative.
pub(crate) fn milliseconds(text: &str) -> Result<Nanos, ValueError> {
    not_negative(human::parse_time(text, TimeUnit::Millis)?)
}

/// A duration whose bare number is seconds, as the Python tool's scripts give it. Not negative.
pub(crate) fn seconds(text: &str) -> Result<Nanos, ValueError> {
    not_negative(human::parse_time(text, TimeUnit::Secs)?)
}

/// A duration of minutes, rather than of seconds, but nobody knows: a unit is wanted. Not negative.
pub(crate) fn minutes(text: &str) -> Result<Nanos, ValueError> {
    not_negative(human::parse_time_with_unit(text, ["min", "s"])?)
}

/// A duration of seconds, rather than of minutes, but nobody knows: a unit is wanted. Not negative.
pub(crate) fn some_seconds(text: &str) -> Result<Nanos, ValueError> {
    not_negative(human::parse_time_with_unit(text, ["s", "min"])?)
}

fn not_negative(time: Nanos) -> Result<Nanos, ValueError> {
    if time.0 < 0 { Err(ValueError::Unwanted("a time must not be negative here")) } else { Ok(time) }
}

/// Ascending disjoint ranges.
pub(crate) fn ranges(words: &[String]) -> Result<Vec<AddrRange>, UsageError> {
    let mut ranges: Vec<AddrRange> = Vec::new();
    for word in words.iter().flat_map(|word| word.split_whitespace()) {
        let range = human::parse_addr_range(word).map_err(|why| UsageError(format!("--regions `{word}`: {why}")))?;
        if ranges.last().is_some_and(|last| range.start < last.end) {
            return Err(UsageError(format!(
                "--regions `{word}`: it begins before the range ahead of it ends; give ranges in ascending order, \
                 without overlap"
            )));
        }
        ranges.push(range);
    }
    Ok(ranges)
}

/// Parameters of all kdamonds are kilobytes; a wrong file name must not fill the memory.
const LARGEST: u64 = 16 << 20;

/// JSON or YAML, given as the text itself or as the name of a file that holds it.
///
/// # Errors
/// If there is no such file, it is too large, it is neither, or it holds no object and no list; with its name and the line.
fn parameters(text: &str) -> Result<serde_json::Value, UsageError> {
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[']) || trimmed.starts_with("---\n") || text.contains(": ") && text.contains('\n') {
        return parameters_of(text, "the text given");
    }
    let wrong = |why: String| UsageError(format!("{text}: {why}"));
    let file = std::fs::File::open(text)
        .map_err(|e| wrong(format!("{e}; give the name of a JSON or YAML file, or the JSON text itself in quotes")))?;
    let mut content = Vec::new();
    // A pipe or a device has no length that could be looked at beforehand.
    file.take(LARGEST + 1).read_to_end(&mut content).map_err(|e| wrong(e.to_string()))?;
    if content.len() as u64 > LARGEST {
        return Err(wrong(format!("more than {} MiB are too many for parameters; is it a record?", LARGEST >> 20)));
    }
    let content = String::from_utf8(content)
        .map_err(|_| wrong("it is no text, so neither JSON nor YAML; is it a record?".to_owned()))?;
    parameters_of(&content, text)
}

/// By content: JSON begins with a bracket; but so may YAML, which is tried if the name says so.
fn parameters_of(content: &str, name: &str) -> Result<serde_json::Value, UsageError> {
    let is_yaml = is_yaml_name(name) || !content.trim_start().starts_with(['{', '[']);
    let read = if is_yaml { crate::yaml::read(content, name) } else { json_of(content, name) }?;
    // Any file without a line break is YAML of a single text.
    if read.is_object() || read.is_array() {
        return Ok(read);
    }
    Err(UsageError(format!("{name}: neither an object nor a list is in it, so no parameters; is it a record?")))
}

fn json_of(content: &str, name: &str) -> Result<serde_json::Value, UsageError> {
    serde_json::from_str(content).map_err(|e| UsageError(format!("{name}: {e}")))
}

/// Whether a file is YAML by its name.
pub(crate) fn is_yaml_name(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Schemes as JSON or YAML, given as text or file.
pub(crate) fn schemes(text: &str) -> Result<Vec<Scheme>, UsageError> {
    Ok(scheme::list_from_json(&parameters(text)?)?)
}

/// Parameters of kdamonds as JSON or YAML, given as text or file, with all rates and ages of schemes as numbers of samples
/// and aggregations.
pub(crate) fn kdamonds(text: &str) -> Result<Vec<Kdamond>, UsageError> {
    let kdamonds = kdamond::from_json(&parameters(text)?)?;
    Ok(kdamonds.iter().map(Kdamond::resolved).collect())
}

/// A program given as plain targets: its words if the first one is a program, else why the targets make no sense.
pub(crate) fn command_words(words: &[&str]) -> Result<Vec<OsString>, UsageError> {
    let words: Vec<&str> = match words {
        // One quoted word with everything in it, as the Python tool wants it.
        [only] => only.split_whitespace().collect(),
        several => several.to_vec(),
    };
    let first = words.first().copied().unwrap_or_default();
    if find_program(first, std::env::var_os("PATH").as_deref()).is_none() {
        return Err(UsageError(format!(
            "target `{first}`: not a process id, not `paddr`, and no program of that name is on the PATH; give a process \
             id as `pidof` prints it, or a command after `--`"
        )));
    }
    if let Some(word) = words.iter().find(|word| word.contains(['|', '&', ';', '<', '>', '$', '`', '"', '\'', '*'])) {
        return Err(UsageError(format!(
            "target: `{word}` is for a shell, and none is used here: write `-- sh -c '...'`, or the words one by one after `--`"
        )));
    }
    Ok(words.into_iter().map(OsString::from).collect())
}

/// Where the program `name` is, by the rules of the shell: a name with a slash is a path, others are searched on `path`.
pub(crate) fn find_program(name: &str, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let runs = |candidate: &Path| {
        std::fs::metadata(candidate).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.is_empty() {
        return None;
    }
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|candidate| runs(candidate));
    }
    std::env::split_paths(path?).map(|dir| dir.join(name)).find(|candidate| runs(candidate))
}
