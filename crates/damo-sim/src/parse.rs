//! masim configuration files. The original ignores or misreads most mistakes (numbers go through `atoi`, a missing
//! last newline loses a line, a second empty line makes an empty phase); here each mistake is an error that names the
//! line, what is wrong there, and the remedy. Blank lines, line ends and blanks around fields may be any.
//!
//! The grammar: lines that begin with `#` are comments. Blank lines separate paragraphs. The first paragraph has one
//! memory region per line, `name, bytes[, file|none]`; each further one is a phase: a line with its name, a line with
//! its duration in milliseconds, and patterns, `region, 0|1 (random), stride, weight[, ro|wo|rw]`. A phase whose patterns
//! all have weight 0 is idle.

use crate::error::SimError;
use crate::workload::{MemRegion, Pattern, Phase, RwMode, Workload};
use damo_model::human::{count_text, excerpt};
use damo_model::{Bytes, Nanos};
use std::collections::HashMap;

/// Longest region name that masim takes.
const MAX_NAME: usize = 255;
/// Longest piece of the file that an error message quotes.
const MAX_QUOTE: usize = 40;

/// What is wrong in a configuration file, where, and what to do about it, before the file's name is known.
#[derive(Debug)]
struct Mistake {
    line: usize,
    what: String,
    remedy: String,
}

type Result<T, E = Mistake> = std::result::Result<T, E>;

fn mistake<T>(line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Result<T> {
    Err(Mistake { line, what: what.into(), remedy: remedy.into() })
}

/// A line that is neither comment nor blank.
struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Workload {
    /// Reads a masim configuration. `name` is what errors and records call it, usually the file's name.
    ///
    /// # Errors
    /// The first mistake in the file, with its line and the remedy.
    ///
    /// ```
    /// let text = "a, 1048576\n\nwarm up\n1000\na, 0, 4096, 1\n";
    /// let workload = damo_sim::Workload::parse(text, "example")?;
    /// assert_eq!(workload.duration().0, 1_000_000_000);
    ///
    /// let error = damo_sim::Workload::parse("a, ten\n", "example").unwrap_err();
    /// assert!(error.to_string().starts_with("example, line 1: "));
    /// # Ok::<(), damo_sim::SimError>(())
    /// ```
    pub fn parse(text: &str, name: &str) -> Result<Workload, SimError> {
        parse(text, name).map_err(|Mistake { line, what, remedy }| SimError::Config {
            name: name.to_owned(),
            line,
            what,
            remedy,
        })
    }
}

fn parse(text: &str, name: &str) -> Result<Workload> {
    if let Some(at) = text.find('\0') {
        let line = text[..at].lines().count().max(1);
        return mistake(line, "a zero byte", "this is no text file: give a masim configuration");
    }
    let paragraphs = paragraphs(text);
    let last_line = text.lines().count().max(1);
    let Some((first, rest)) = paragraphs.split_first() else {
        return mistake(last_line, "no regions", "begin with one line per memory region: name, bytes");
    };
    let (regions, names) = parse_regions(first)?;
    if rest.is_empty() {
        return mistake(
            last_line,
            "no phases",
            "after the regions and a blank line, write a phase: its name, its milliseconds, and its patterns, \
             each on a line",
        );
    }
    let mut total = Nanos(0);
    let mut phases = Vec::with_capacity(rest.len());
    for lines in rest {
        let phase = parse_phase(lines, &names)?;
        total = total.saturating_add(phase.duration);
        if total.0 == i64::MAX {
            return mistake(lines[0].number, "all phases together last over 292 years", "shorten them");
        }
        phases.push(phase);
    }
    Ok(Workload { name: name.to_owned(), regions, phases })
}

/// Runs of lines between blank ones, none of them empty. Comments vanish without ending a paragraph.
fn paragraphs(text: &str) -> Vec<Vec<Line<'_>>> {
    // A byte order mark is what some editors put before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut paragraphs = Vec::new();
    let mut current = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        if !line.is_empty() {
            current.push(Line { number: i + 1, text: line });
        } else if !current.is_empty() {
            paragraphs.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        paragraphs.push(current);
    }
    paragraphs
}

fn parse_regions<'a>(lines: &[Line<'a>]) -> Result<(Vec<MemRegion>, HashMap<&'a str, usize>)> {
    const FORM: &str = "a region is: name, bytes, and optionally a file to fill it with";
    let mut regions: Vec<MemRegion> = Vec::with_capacity(lines.len());
    let mut names = HashMap::new();
    let mut total = Bytes(0);
    for Line { number, text } in lines {
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let (name, size, file) = match fields[..] {
            [name, size] => (name, size, None),
            [name, size, file] => (name, size, Some(file)),
            _ => {
                let what =
                    format!("{} where a region should be: `{}`", count_text(fields.len() as u64, "field"), quote(text));
                return mistake(*number, what, FORM);
            }
        };
        if name.is_empty() {
            return mistake(*number, "a region without a name", FORM);
        }
        if name.len() > MAX_NAME {
            let what = format!("a region name of {} bytes", name.len());
            return mistake(*number, what, format!("use at most {MAX_NAME}"));
        }
        let size = Bytes(parse_number(*number, size, "the region's size", "write the number of bytes, as 10485760")?);
        if size.0 == 0 {
            return mistake(*number, format!("region `{}` has no bytes", quote(name)), "give it at least 1");
        }
        total = total.saturating_add(size);
        if total.0 > i64::MAX as u64 {
            return mistake(*number, "the regions are larger than any address space", "write sizes in bytes");
        }
        if names.insert(name, regions.len()).is_some() {
            let what = format!("a second region called `{}`", quote(name));
            return mistake(*number, what, "give each region a name of its own");
        }
        let init_file = match file {
            None | Some("none") => None,
            Some("") => return mistake(*number, "an empty third field", "name a file, or `none`, or drop the comma"),
            Some(file) => Some(file.to_owned()),
        };
        regions.push(MemRegion { name: name.to_owned(), size, init_file });
    }
    Ok((regions, names))
}

fn parse_phase(lines: &[Line<'_>], names: &HashMap<&str, usize>) -> Result<Phase> {
    const FORM: &str = "a phase is a line with its name, a line with its milliseconds, and at least one pattern, \
                        without blank lines between them";
    let (name, duration, patterns) = match lines {
        [] => return mistake(0, "an empty phase", FORM),
        [name] => return mistake(name.number, format!("phase `{}` is only a name", quote(name.text)), FORM),
        [name, duration, patterns @ ..] => (name, duration, patterns),
    };
    let ms = parse_number(duration.number, duration.text, "the phase's duration", FORM)?;
    if ms == 0 {
        let what = format!("phase `{}` lasts 0 ms", quote(name.text));
        return mistake(duration.number, what, "give it at least 1 ms, or take it out");
    }
    let ns = i64::try_from(ms).unwrap_or(i64::MAX);
    let duration = Nanos::from_millis(ns);
    if duration.0 == i64::MAX {
        let what = format!("phase `{}` lasts over 292 years", quote(name.text));
        return mistake(lines[1].number, what, "write its duration in milliseconds");
    }
    if patterns.is_empty() {
        return mistake(lines[1].number, format!("phase `{}` has no patterns", quote(name.text)), FORM);
    }
    let patterns: Vec<Pattern> = patterns.iter().map(|line| parse_pattern(line, names)).collect::<Result<_>>()?;
    Ok(Phase { name: name.text.to_owned(), duration, patterns })
}

fn parse_pattern(line: &Line<'_>, names: &HashMap<&str, usize>) -> Result<Pattern> {
    const FORM: &str = "a pattern is: region, 0 or 1 (random), stride, weight, and optionally ro, wo or rw";
    let Line { number, text } = *line;
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let (name, random, stride, weight, mode) = match fields[..] {
        [name, random, stride, weight] => (name, random, stride, weight, None),
        [name, random, stride, weight, mode] => (name, random, stride, weight, Some(mode)),
        _ => {
            let what =
                format!("{} where a pattern should be: `{}`", count_text(fields.len() as u64, "field"), quote(text));
            return mistake(number, what, FORM);
        }
    };
    let Some(&region) = names.get(name) else {
        let mut known: Vec<&str> = names.keys().copied().collect();
        known.sort_by_key(|name| names.get(name));
        known.truncate(10);
        let what = format!("no region is called `{}`", quote(name));
        return mistake(number, what, format!("use a name from the first paragraph: {}", quote(&known.join(", "))));
    };
    let random = match random {
        "0" => false,
        "1" => true,
        other => {
            let what = format!("`{}` where 0 (sequential) or 1 (random) should be", quote(other));
            return mistake(number, what, FORM);
        }
    };
    let stride = Bytes(parse_number(number, stride, "the stride", FORM)?);
    if stride.0 == 0 && !random {
        let what = "a stride of 0 accesses one byte for ever";
        return mistake(number, what, "use 4096 to touch each page once per pass");
    }
    let weight = parse_number(number, weight, "the weight", FORM)?;
    let Ok(weight) = u32::try_from(weight) else {
        return mistake(number, format!("the weight {weight} is too large"), format!("use at most {}", u32::MAX));
    };
    let mode = match mode {
        None => RwMode::default(),
        Some("ro") => RwMode::ReadOnly,
        Some("wo") => RwMode::WriteOnly,
        Some("rw") => RwMode::ReadWrite,
        Some(other) => {
            return mistake(
                number,
                format!("`{}` is no access mode", quote(other)),
                "use ro, wo or rw, or leave it out",
            );
        }
    };
    Ok(Pattern { region, random, stride, weight, mode })
}

/// A whole number without sign, unit or separators.
fn parse_number(line: usize, text: &str, what: &str, remedy: &str) -> Result<u64> {
    if text.is_empty() {
        return mistake(line, format!("{what} is missing"), remedy);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse() {
            Ok(number) => Ok(number),
            Err(_) => mistake(line, format!("{what} is too large: `{}`", quote(text)), remedy),
        };
    }
    let digits = text.strip_prefix('-').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return mistake(line, format!("{what} is negative: `{}`", quote(text)), remedy);
    }
    mistake(line, format!("{what} is no whole number: `{}`", quote(text)), remedy)
}

/// At most [`MAX_QUOTE`] characters of `text`, without what would garble a terminal.
fn quote(text: &str) -> String {
    excerpt(text, MAX_QUOTE)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
