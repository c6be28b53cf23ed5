//! From numbers to text. What the Python tool prints, byte for byte, but for ratios: it loses a percent to double rounding
//! (29 % prints as `28 %` there).

use super::text::{nr_text, size_text_with, uint_text};
use super::{Number, Style, TimeUnit};
use crate::{AddrRange, Bytes, Hz, Nanos};

/// A count: `1,234,567`, raw `1234567`.
pub fn format_nr(value: i128, style: Style) -> String {
    match style {
        Style::Human => nr_text(value).to_string(),
        Style::Raw => value.to_string(),
    }
}

/// How many of something there are: `1 snapshot`, `2 snapshots`, `1,234 regions`.
pub fn count_text(count: u64, of: &str) -> String {
    format!("{} {of}{}", nr_text(count.into()), if count == 1 { "" } else { "s" })
}

/// A size: `3.949 MiB`, raw `4140826`.
pub fn format_size(size: Bytes, style: Style) -> String {
    match style {
        Style::Human => size_text_with(size.0, 3).to_string(),
        Style::Raw => uint_text(size.0).to_string(),
    }
}

/// A size with six decimals: `86.245035 TiB`, raw as [`format_size`].
pub fn format_size_accurate(size: Bytes, style: Style) -> String {
    match style {
        Style::Human => size_text_with(size.0, 6).to_string(),
        Style::Raw => uint_text(size.0).to_string(),
    }
}

/// A computed size, which may be negative or have a fraction (a mean): as [`format_size`].
pub fn format_size_f64(size: f64, style: Style) -> String {
    if style == Style::Raw {
        return Number::Float(size).trunc().to_string();
    }
    if size == u64::MAX as f64 {
        return "max".to_owned();
    }
    const UNITS: [(&str, i32); 6] = [("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS.iter().find(|(_, power)| size > 2f64.powi(*power)) {
        Some((unit, power)) => format!("{:.3} {unit}", size / 2f64.powi(*power)),
        None => format!("{} B", Number::Float(size).trunc()),
    }
}

/// A range of addresses as /proc/PID/maps has them, with what marks them as hexadecimal: `0x1000-0x2000`. Options take
/// ranges in this form.
pub fn format_hex_range(range: AddrRange) -> String {
    format!("{:#x}-{:#x}", range.start.0, range.end.0)
}

/// A time or a duration: `8 m 59.809 s`, `125.883 ms`, `0 ns`; raw nanoseconds.
pub fn format_time(time: Nanos, style: Style) -> String {
    match style {
        Style::Human => format_time_f64(time.0 as f64, style),
        Style::Raw => time.0.to_string(),
    }
}

/// A time or a duration as people read it: as [`format_time`], but minutes are `min`, because `m` is also read as metres
/// or as milli: `8 min 59.809 s`, `125.883 ms`, `0 ns`.
///
/// For everything but texts that have the Python tool's layout.
pub fn time_text(time: Nanos) -> String {
    units_text(time.0 as f64, "min")
}

/// For how long memory has been idle: `3 min`; a negative time means that it is accessed: `accessed (12 s)`.
pub fn idle_text(idle: Nanos) -> String {
    match idle.0 {
        ..0 => format!("accessed ({})", time_text(Nanos(idle.0.saturating_neg()))),
        _ => time_text(idle),
    }
}

/// A computed time in nanoseconds: as [`format_time`].
pub(crate) fn format_time_f64(nanos: f64, style: Style) -> String {
    match style {
        Style::Human => units_text(nanos, "m"),
        Style::Raw => Number::Float(nanos).trunc().to_string(),
    }
}

fn units_text(nanos: f64, minute: &str) -> String {
    let (sign, nanos) = if nanos < 0.0 { ("-", -nanos) } else { ("", nanos) };
    if nanos >= u64::MAX as f64 {
        return format!("{sign}max");
    }
    const SECOND: f64 = 1e9;
    const MINUTE: f64 = 60e9;
    const HOUR: f64 = 3600e9;
    if nanos >= HOUR {
        let hours = format!("{sign}{} h", (nanos / HOUR).trunc());
        let rest = nanos % HOUR;
        return if rest == 0.0 { hours } else { format!("{hours} {}", units_text(rest, minute)) };
    }
    if nanos >= MINUTE {
        let minutes = format!("{sign}{} {minute}", (nanos / MINUTE).trunc());
        let rest = nanos % MINUTE;
        return if rest == 0.0 {
            minutes
        } else if rest % SECOND == 0.0 {
            format!("{minutes} {} s", rest / SECOND)
        } else {
            format!("{minutes} {:.3} s", rest / SECOND)
        };
    }
    for (unit, size) in [("s", SECOND), ("ms", 1e6), ("us", 1e3)] {
        if nanos >= size {
            return if nanos % size == 0.0 {
                format!("{sign}{} {unit}", nanos / size)
            } else {
                format!("{sign}{:.3} {unit}", nanos / size)
            };
        }
    }
    format!("{sign}{} ns", nanos.trunc())
}

/// A value counted in `unit`: human as a time, raw as the plain count.
pub fn format_time_in(value: Number, unit: TimeUnit, style: Style) -> String {
    match style {
        Style::Human => format_time_f64(value.times(unit.nanos()).as_f64(), style),
        Style::Raw => value.trunc().to_string(),
    }
}

/// A time without any rounding: `1 d 2 h 3 ms`, `0 ns`; raw nanoseconds.
pub(crate) fn format_time_exact(time: Nanos, style: Style) -> String {
    if style == Style::Raw {
        return time.0.to_string();
    }
    const UNITS: [(&str, u64); 7] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = time.0.unsigned_abs();
    let mut text = String::new();
    for (unit, size) in UNITS {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            let gap = if text.is_empty() { "" } else { " " };
            text.push_str(&format!("{gap}{} {unit}", nr_text(count.into())));
        }
    }
    match (text.is_empty(), time.0 < 0) {
        (true, _) => "0 ns".to_owned(),
        (false, true) => format!("-{text}"),
        (false, false) => text,
    }
}

/// A rate: `200 hz`, `1,000 hz`, `7.500 hz` below ten; raw `7.500000`.
pub fn format_hz(rate: Hz, style: Style) -> String {
    match style {
        Style::Human => format!("{} hz", format_hz_number(rate)),
        Style::Raw => format!("{:.6}", rate.0),
    }
}

/// A rate without its unit: `200`, `7.500`.
pub fn format_hz_number(rate: Hz) -> String {
    if rate.0 != 0.0 && rate.0 < 10.0 {
        format!("{:.3}", rate.0)
    } else {
        nr_text(Number::Float(rate.0).trunc()).to_string()
    }
}

/// Percent, seven decimals at most: `29 %`, `40.0312744 %`; raw `29.000000`.
///
/// Correctly rounded, where the Python tool prints `28 %` for 0.29.
pub fn format_percent(percent: f64, style: Style) -> String {
    match style {
        Style::Human => percent_text(percent),
        Style::Raw => format!("{percent:.6}"),
    }
}

/// Basis points: 400 is `4 %`; raw `400.000000`.
pub fn format_bp(bp: f64, style: Style) -> String {
    match style {
        Style::Human => percent_text(bp / 100.0),
        Style::Raw => format!("{bp:.6}"),
    }
}

fn percent_text(percent: f64) -> String {
    let text = format!("{:.7}", percent.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let sign = if percent < 0.0 && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), |whole: i128| nr_text(whole).to_string());
    if fraction.is_empty() { format!("{sign}{whole} %") } else { format!("{sign}{whole}.{fraction} %") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Addr;

    #[test]
    fn times_print_as_the_python_tool_prints_them() {
        for (nanos, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.500 us"),
            (100_000_000, "100 ms"),
            (125_883_000, "125.883 ms"),
            (59_999_999_999, "60.000 s"),
            (60_000_000_000, "1 m"),
            (92_000_000_000, "1 m 32 s"),
            (539_809_434_100, "8 m 59.809 s"),
            (3_600_000_000_000, "1 h"),
            (5_715_800_000_000, "1 h 35 m 15.800 s"),
            (1_748_191_726_781_395_200, "485608 h 48 m 46.781 s"),
            (-300_000_000, "-300 ms"),
        ] {
            assert_eq!(format_time(Nanos(nanos), Style::Human), text);
        }
        assert_eq!(format_time_f64(u64::MAX as f64, Style::Human), "max");
        assert_eq!(format_time(Nanos(125_883_000), Style::Raw), "125883000");
        assert_eq!(format_time_in(Number::Int(5000), TimeUnit::Micros, Style::Human), "5 ms");
        assert_eq!(format_time_in(Number::Int(5000), TimeUnit::Micros, Style::Raw), "5000");
    }

    #[test]
    fn one_thing_is_told_in_the_singular() {
        assert_eq!(count_text(1, "snapshot"), "1 snapshot");
        assert_eq!(count_text(0, "region"), "0 regions");
        assert_eq!(count_text(1234, "region"), "1,234 regions");
    }

    #[test]
    fn minutes_are_min_where_people_read() {
        assert_eq!(time_text(Nanos(82_331_000_000)), "1 min 22.331 s");
        assert_eq!(time_text(Nanos(60_000_000_000)), "1 min");
        assert_eq!(time_text(Nanos(-5_715_800_000_000)), "-1 h 35 min 15.800 s");
        assert_eq!(time_text(Nanos(125_883_000)), "125.883 ms");
    }

    #[test]
    fn exact_times_lose_nothing() {
        let text = format_time_exact(Nanos(1_748_191_726_781_395_200), Style::Human);
        assert_eq!(text, "20,233 d 16 h 48 m 46 s 781 ms 395 us 200 ns");
        assert_eq!(format_time_exact(Nanos(0), Style::Human), "0 ns");
        assert_eq!(format_time_exact(Nanos(-1_000), Style::Human), "-1 us");
    }

    #[test]
    fn sizes_print_as_the_python_tool_prints_them() {
        assert_eq!(format_size_accurate(Bytes(94_827_419_009_024), Style::Human), "86.245035 TiB");
        assert_eq!(format_size_f64(-4096.0, Style::Human), "-4096 B");
        assert_eq!(format_size_f64(62_957_316.3, Style::Human), "60.041 MiB");
        assert_eq!(format_size_f64(62_957_316.3, Style::Raw), "62957316");
        let range = AddrRange::new(Addr(4096), Addr(8192));
        assert_eq!(format_hex_range(range), "0x1000-0x2000");
        assert_eq!(crate::human::parse_addr_range(&format_hex_range(range)), Ok(range));
    }

    #[test]
    fn rates_below_ten_keep_three_decimals() {
        assert_eq!(format_hz(Hz(0.0), Style::Human), "0 hz");
        assert_eq!(format_hz(Hz(7.5), Style::Human), "7.500 hz");
        assert_eq!(format_hz(Hz(1234.9), Style::Human), "1,234 hz");
        assert_eq!(format_hz(Hz(7.5), Style::Raw), "7.500000");
    }

    #[test]
    fn percentages_are_not_rounded_twice() {
        for percent in [29, 57, 58, 28, 100, 1000] {
            let text = format!("{} %", nr_text(percent));
            assert_eq!(format_percent(percent as f64, Style::Human), text);
            assert_eq!(format_bp(percent as f64 * 100.0, Style::Human), text);
        }
        assert_eq!(format_percent(40.031_274_4, Style::Human), "40.0312744 %");
        assert_eq!(format_bp(400.0, Style::Raw), "400.000000");
        assert_eq!(format_percent(-0.5, Style::Human), "-0.5 %");
    }
}
