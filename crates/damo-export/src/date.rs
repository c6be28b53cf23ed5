//! Dates of partitions, in UTC.

use crate::ExportError;
use damo_model::Nanos;
use damo_model::calendar::{date_of_day, day_of_date};

const DAY: i64 = 86_400;
const SECOND: i64 = 1_000_000_000;

/// The date of a moment since 1970, as `2026-11-30`.
pub(crate) fn date_of(at: Nanos) -> String {
    let (year, month, day) = date_of_day(at.0.div_euclid(SECOND).div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A moment since 1970: `2026-11-30`, `2026-11-30T10:00:00Z`, or a number of seconds.
///
/// # Errors
/// If the text is none of these, or no date that exists.
pub fn parse_moment(text: &str) -> Result<Nanos, ExportError> {
    let wanted = || ExportError::NoMoment(text.to_owned());
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(SECOND).map(Nanos).ok_or_else(wanted);
    }
    let text_of_day = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = match text_of_day.split_once('T') {
        Some((date, time)) if text.ends_with('Z') => (date, time),
        None if !text.ends_with('Z') => (text_of_day, "00:00:00"),
        _ => return Err(wanted()),
    };
    let numbers = |text: &str, by: char| -> Option<[i64; 3]> {
        let parts: Vec<i64> = text.split(by).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-').ok_or_else(wanted)?;
    let [hour, minute, second] = numbers(time, ':').ok_or_else(wanted)?;
    // Before anything is reckoned with them: what was typed may be any number.
    let is_sound = (1970..=2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    if !is_sound {
        return Err(wanted());
    }
    let days = day_of_date(year, month, day);
    if date_of_day(days) != (year, month, day) {
        return Err(wanted());
    }
    Ok(Nanos((days * DAY + hour * 3600 + minute * 60 + second) * SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_of_day_or_seconds() {
        let noon = Nanos(1_796_040_000 * SECOND);
        assert_eq!(parse_moment("2026-11-30T12:00:00Z").unwrap(), noon);
        assert_eq!(parse_moment("1796040000").unwrap(), noon);
        assert_eq!(date_of(noon), "2026-11-30");
        assert_eq!(date_of(Nanos(-1)), "1969-12-31");
        for wrong in
            ["2026-02-30", "2026-11-30T25:00:00Z", "2026-11-30T12:00:00", "yesterday", "", "9999999999999999999"]
                .into_iter()
                .chain(["9223372036854775807-01-01", "2026-9223372036854775807-01", "2026-01-9223372036854775807"])
        {
            assert!(parse_moment(wrong).is_err(), "{wrong}");
        }
    }
}
