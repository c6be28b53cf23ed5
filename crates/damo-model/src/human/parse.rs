//! From text to numbers. The untyped functions keep exactly what the Python tool's grammar gives (negative sizes, floats);
//! the typed ones, which options and importers want, refuse what the type cannot hold and say so.

use super::{Number, Show, TimeUnit};
use crate::{Addr, AddrRange, Bytes, Nanos};

/// A text that is not the number wanted: what is wrong with it and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Nothing but blanks.
    #[error("empty text where {wanted} was expected; write {accepted}")]
    Empty {
        /// What was to be read.
        wanted: &'static str,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// Not in the grammar.
    #[error("'{}' is not {wanted}: {}; write {accepted}", text.shown(), why.shown())]
    Syntax {
        /// The text that was given.
        text: String,
        /// What was to be read.
        wanted: &'static str,
        /// What is wrong with it.
        why: String,
        /// What would be accepted.
        accepted: &'static str,
    },
    /// A number, but one that cannot be meant.
    #[error("'{}' cannot be {wanted}: {why}", text.shown())]
    Range {
        /// The text that was given.
        text: String,
        /// What was to be read.
        wanted: &'static str,
        /// Why it cannot be meant.
        why: &'static str,
    },
    /// A bare number where nobody could say which unit is meant.
    #[error("which unit? write {text}{} or {text}{}", .likely[0], .likely[1])]
    NoUnit {
        /// The number that was given.
        text: String,
        /// The units that are likely here.
        likely: [&'static str; 2],
    },
}

type Result<T> = std::result::Result<T, ParseError>;

/// What one kind of number is called, for error messages.
struct Kind {
    wanted: &'static str,
    accepted: &'static str,
}

const NUMBER: Kind = Kind { wanted: "a number", accepted: "digits such as 20, 1,234, 0.5 or 1e3, or min or max" };
const SIZE: Kind = Kind {
    wanted: "a size",
    accepted: "a number of bytes, or one with B, K, M, G, T, P or E (also KB, KiB; capital letters), such as 4K, 1.5 GiB or 0x1000, or min or max",
};
const TIME: Kind = Kind {
    wanted: "a time",
    accepted: "a number with ns, us, ms, s, min, h or d, such as 100ms, 1.5 s or 1 h 2 min, or max",
};
const RATIO: Kind =
    Kind { wanted: "a ratio", accepted: "a number such as 0.5, or one with a percent sign such as 50%" };
const RANGE: Kind =
    Kind { wanted: "an address range", accepted: "START-END, each a size, such as 4K-1G or 0x1000-0x2000" };
const BOOL: Kind = Kind { wanted: "yes or no", accepted: "y, yes, true, n, no or false" };
const WITH_UNIT: Kind = Kind { wanted: "a number and a unit", accepted: "two words such as '5 samples'" };

impl Kind {
    fn syntax(&self, text: &str, why: impl Into<String>) -> ParseError {
        ParseError::Syntax { text: shorten(text), wanted: self.wanted, why: why.into(), accepted: self.accepted }
    }

    fn range(&self, text: &str, why: &'static str) -> ParseError {
        ParseError::Range { text: shorten(text), wanted: self.wanted, why }
    }

    fn empty(&self) -> ParseError {
        ParseError::Empty { wanted: self.wanted, accepted: self.accepted }
    }

    /// `min`, `max`, or a bare number.
    fn shortcut(&self, text: &str) -> Result<Option<Number>> {
        match text.trim() {
            "" => Err(self.empty()),
            "min" => Ok(Some(Number::Int(0))),
            "max" => Ok(Some(Number::MAX)),
            bare => Ok(plain(bare)),
        }
    }
}

/// Untrusted text goes into messages only in part.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Python's `int()`, then its `float()`, after taking out commas.
fn plain(text: &str) -> Option<Number> {
    let text = text.trim();
    let without_commas;
    let mut text = text;
    if text.contains(',') {
        without_commas = text.replace(',', "");
        text = without_commas.trim();
    }
    let without_groups;
    if text.contains('_') {
        // Python allows `_` between two digits only.
        let bytes = text.as_bytes();
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let grouped = |at: usize| digit(at.checked_sub(1)) && digit(Some(at + 1));
        if !bytes.iter().enumerate().all(|(at, byte)| *byte != b'_' || grouped(at)) {
            return None;
        }
        without_groups = text.replace('_', "");
        text = &without_groups;
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only more digits than an i128 holds make this fail; such a number is as good as infinite.
        return text.parse().map(Number::Int).or_else(|_| text.parse().map(Number::Float)).ok();
    }
    text.parse().map(Number::Float).ok()
}

/// A bare number, `min` or `max`, integer or float as written; `,` and `_` may group digits.
///
/// # Errors
/// If it is anything else.
pub fn parse_number(text: &str) -> Result<Number> {
    NUMBER.shortcut(text)?.ok_or_else(|| NUMBER.syntax(text, "it has characters that no number has"))
}

const SIZE_UNITS: [(&str, u32); 19] = [
    ("KiB", 10),
    ("MiB", 20),
    ("GiB", 30),
    ("TiB", 40),
    ("PiB", 50),
    ("EiB", 60),
    ("KB", 10),
    ("MB", 20),
    ("GB", 30),
    ("TB", 40),
    ("PB", 50),
    ("EB", 60),
    ("K", 10),
    ("M", 20),
    ("G", 30),
    ("T", 40),
    ("P", 50),
    ("E", 60),
    ("B", 0),
];

/// A size in bytes as the Python tool reads it: may be negative, and a bare float stays one. Values with a unit are
/// integers, cut off, at most 2^64 - 1. Hexadecimal after `0x` as well.
///
/// # Errors
/// If it is not a number, or its unit is none of `B`, `K`, `KB`, `KiB` … `E`, `EB`, `EiB`.
pub fn parse_bytes_number(text: &str) -> Result<Number> {
    if let Some(number) = SIZE.shortcut(text)? {
        return Ok(number);
    }
    let trimmed = text.trim();
    if let Some(digits) = trimmed.strip_prefix("0x").or_else(|| trimmed.strip_prefix("0X")) {
        let value = u64::from_str_radix(digits, 16)
            .map_err(|_| SIZE.syntax(text, "after 0x come 1 to 16 of the digits 0-9 and a-f"))?;
        return Ok(Number::from(value));
    }
    let Some((unit, shift)) = SIZE_UNITS.iter().find(|(unit, _)| trimmed.ends_with(unit)) else {
        return Err(SIZE.syntax(text, unknown_unit(trimmed)));
    };
    let digits = &trimmed[..trimmed.len() - unit.len()];
    let Some(number) = plain(digits) else {
        return Err(SIZE.syntax(text, unknown_unit(trimmed)));
    };
    if !number.is_finite() {
        return Err(SIZE.range(text, "it is not finite"));
    }
    Ok(Number::Int(number.times(1 << shift).trunc().min(i128::from(u64::MAX))))
}

fn unknown_unit(text: &str) -> String {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.,_ ".contains(c));
    if unit.len() == text.len() {
        "it does not begin with a number".to_owned()
    } else if unit.is_empty() {
        "it has characters that no number has".to_owned()
    } else {
        format!("unknown unit '{}'", shorten(unit))
    }
}

/// A size: as [`parse_bytes_number`], without fraction.
///
/// # Errors
/// If it is no size, negative, or not finite.
pub fn parse_bytes(text: &str) -> Result<Bytes> {
    let number = parse_bytes_number(text)?;
    if !number.is_finite() {
        return Err(SIZE.range(text, "it is not finite"));
    }
    let value = number.trunc();
    if value < 0 {
        return Err(SIZE.range(text, "it is negative"));
    }
    Ok(Bytes(u64::try_from(value).unwrap_or(u64::MAX)))
}

/// An address: written as a size.
///
/// # Errors
/// As [`parse_bytes`].
pub fn parse_addr(text: &str) -> Result<Addr> {
    parse_bytes(text).map(|bytes| Addr(bytes.0))
}

/// `START-END`, each an address.
///
/// # Errors
/// If either is no address, or the end is not above the start.
pub fn parse_addr_range(text: &str) -> Result<AddrRange> {
    let (start, end) =
        text.split_once('-').ok_or_else(|| RANGE.syntax(text, "there is no '-' between two addresses"))?;
    let range = AddrRange::new(parse_addr(start)?, parse_addr(end)?);
    if range.end <= range.start {
        return Err(RANGE.range(text, "its end is not above its start"));
    }
    Ok(range)
}

const TIME_UNITS: [(&str, i64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// One number with a unit, as nanoseconds.
fn time_part(part: &str) -> Option<Number> {
    let (unit, factor) = TIME_UNITS.iter().find(|(unit, _)| part.ends_with(unit))?;
    Some(plain(&part[..part.len() - unit.len()])?.times(*factor))
}

/// A time in nanoseconds as the Python tool reads it: a float as soon as one part has a fraction. Several parts add up
/// (`1 h 2 m 3.4 s`); a last bare number counts as nanoseconds.
///
/// # Errors
/// If a part is not a number, or its unit is none of ns, us, ms, s, min (or m), h, d.
pub(crate) fn parse_nanos_number(text: &str) -> Result<Number> {
    if let Some(number) = TIME.shortcut(text)? {
        return Ok(number);
    }
    let mut sum: Option<Number> = None;
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let part = match (time_part(word), plain(word)) {
            (Some(part), _) => part,
            (None, Some(number)) => match words.next() {
                None => number,
                Some(unit) => {
                    let factor = TIME_UNITS.iter().find(|(name, _)| *name == unit);
                    let (_, factor) =
                        factor.ok_or_else(|| TIME.syntax(text, unknown_unit(&format!("{word}{unit}"))))?;
                    number.times(*factor)
                }
            },
            (None, None) => return Err(TIME.syntax(text, unknown_unit(word))),
        };
        sum = Some(sum.map_or(part, |sum| sum.plus(part)));
    }
    sum.ok_or_else(|| TIME.empty())
}

/// A time in `unit` as the Python tool reads it: a bare number as is, one with a unit converted, hence a float.
///
/// # Errors
/// As [`parse_time`].
pub fn parse_time_number(text: &str, unit: TimeUnit) -> Result<Number> {
    if let Some(number) = TIME.shortcut(text)? {
        return Ok(number);
    }
    let nanos = parse_nanos_number(text)?;
    // Division by division, as the Python tool does it: the last digit depends on it.
    let steps = match unit {
        TimeUnit::Nanos => return Ok(nanos),
        TimeUnit::Micros => 1,
        TimeUnit::Millis => 2,
        TimeUnit::Secs => 3,
    };
    Ok(Number::Float((0..steps).fold(nanos.as_f64(), |value, _| value / 1000.0)))
}

/// A time; a bare number is in `unit`. `max` is the longest time there is (about 292 years). Rounded to the nanosecond.
///
/// # Errors
/// If it is no time, or longer than that.
pub fn parse_time(text: &str, unit: TimeUnit) -> Result<Nanos> {
    let (number, factor) = match TIME.shortcut(text)? {
        Some(_) if text.trim() == "max" => return Ok(Nanos(i64::MAX)),
        Some(bare) => (bare, unit.nanos()),
        None => (parse_nanos_number(text)?, 1),
    };
    if !number.is_finite() {
        return Err(TIME.range(text, "it is not finite"));
    }
    let value = number.times(factor).round();
    let too_long = match unit {
        _ if factor == 1 => "it is more than 292 years",
        TimeUnit::Nanos => "it is more than 292 years",
        TimeUnit::Micros => "as microseconds it is more than 292 years",
        TimeUnit::Millis => "as milliseconds it is more than 292 years",
        TimeUnit::Secs => "as seconds it is more than 292 years",
    };
    i64::try_from(value).map(Nanos).map_err(|_| TIME.range(text, too_long))
}

/// A time that has a unit; 0 needs none. For options of which nobody knows what a bare number means.
///
/// # Errors
/// As [`parse_time`]; and [`ParseError::NoUnit`] for a bare number, which offers the two `likely` units.
pub fn parse_time_with_unit(text: &str, likely: [&'static str; 2]) -> Result<Nanos> {
    let time = parse_time(text, TimeUnit::Nanos)?;
    // The grammar takes a last number without a unit (`1 s 5`) for nanoseconds.
    let last = text.split_whitespace().last().unwrap_or_default();
    if time != Nanos(0) && plain(last).is_some() {
        return Err(ParseError::NoUnit { text: shorten(last), likely });
    }
    Ok(time)
}

/// A share, as a number of which the whole has `whole`: a bare number is one already, one with a percent sign is converted.
fn share(text: &str, whole: f64) -> Result<Number> {
    if let Some(bare) = RATIO.shortcut(text)? {
        return Ok(bare);
    }
    let digits = text.trim().strip_suffix('%').ok_or_else(|| RATIO.syntax(text, unknown_unit(text.trim())))?;
    let percent = plain(digits).ok_or_else(|| RATIO.syntax(text, "there is no number before the percent sign"))?;
    Ok(Number::Float(percent.as_f64() / 100.0 * whole))
}

/// Percent: `50` or `50%`.
///
/// # Errors
/// If it is neither.
pub fn parse_percent(text: &str) -> Result<Number> {
    share(text, 100.0)
}

/// Basis points (hundredths of a percent): `50` is 50 basis points, `50%` is 5000.
///
/// # Errors
/// If it is neither.
pub fn parse_bp(text: &str) -> Result<Number> {
    share(text, 10_000.0)
}

/// Thousandths: `50` is 50 permil, `50%` is 500.
///
/// # Errors
/// If it is neither.
pub(crate) fn parse_permil(text: &str) -> Result<Number> {
    share(text, 1000.0)
}

/// Two words: `5 samples`, `3 aggr_intervals`. Gives the number and the second word.
///
/// # Errors
/// If there are not two words or the first is no number.
pub fn parse_number_with_unit(text: &str) -> Result<(Number, &str)> {
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(number), Some(unit), None) => Ok((parse_number(number)?, unit)),
        (None, ..) => Err(WITH_UNIT.empty()),
        _ => Err(WITH_UNIT.syntax(text, "it is not two words")),
    }
}

/// `y`, `yes`, `true`, `n`, `no` or `false` in any case.
///
/// # Errors
/// If it is anything else, 0 and 1 included.
pub fn parse_bool(text: &str) -> Result<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" => Ok(true),
        "n" | "no" | "false" => Ok(false),
        "" => Err(BOOL.empty()),
        _ => Err(BOOL.syntax(text, "it is another word")),
    }
}

#[cfg(test)]
mod tests;
