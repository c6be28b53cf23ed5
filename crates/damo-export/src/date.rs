//! Dates of partitions, in UTC.

use damo_model::Nanos;

const DAY: i64 = 86_400;
const SECOND: i64 = 1_000_000_000;

/// The date of a moment since 1970, as `2026-11-30`.
pub fn date_of(at: Nanos) -> String {
    let (year, month, day) = civil(at.0.div_euclid(SECOND).div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A moment since 1970: `2026-11-30`, `2026-11-30T10:00:00Z`, or a number of seconds.
///
/// # Errors
/// What is wrong with the text, and what is right.
pub fn parse_moment(text: &str) -> Result<Nanos, String> {
    let wanted = || {
        format!("'{text}' is no moment: give seconds since 1970, a date as 2026-11-30, or 2026-11-30T10:00:00Z (UTC)")
    };
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
    let is_sound = (1970..=2200).contains(&year)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    let days = days(year, month, day);
    if !is_sound || civil(days) != (year, month, day) {
        return Err(wanted());
    }
    Ok(Nanos((days * DAY + hour * 3600 + minute * 60 + second) * SECOND))
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar: years begin in March, so that the day
/// that leap years have is their last, and 400 years have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march_0 = days + 719_468;
    let era = since_march_0.div_euclid(146_097);
    let day_of_era = since_march_0.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9).rem_euclid(12);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_two_centuries_comes_back_and_the_next_one_follows() {
        let mut last = (1969, 12, 31);
        for number in 0..73_000 {
            let date = civil(number);
            assert_eq!(days(date.0, date.1, date.2), number);
            assert!(date > last && (date.2 == 1 || date.2 == last.2 + 1), "{date:?} after {last:?}");
            last = date;
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
    }

    #[test]
    fn a_moment_is_a_date_a_time_of_day_or_seconds() {
        let noon = Nanos(1_796_040_000 * SECOND);
        assert_eq!(parse_moment("2026-11-30T12:00:00Z"), Ok(noon));
        assert_eq!(parse_moment("1796040000"), Ok(noon));
        assert_eq!(date_of(noon), "2026-11-30");
        assert_eq!(date_of(Nanos(-1)), "1969-12-31");
        for wrong in
            ["2026-02-30", "2026-11-30T25:00:00Z", "2026-11-30T12:00:00", "yesterday", "", "9999999999999999999"]
        {
            assert!(parse_moment(wrong).is_err(), "{wrong}");
        }
    }
}
