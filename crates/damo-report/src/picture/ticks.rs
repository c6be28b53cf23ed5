//! Round numbers along axes: seconds, minutes and hours, powers of 1024, tens.

const S: i128 = 1_000_000_000;
const M: i128 = 60 * S;
const H: i128 = 60 * M;

/// Steps of time that people count in, beyond powers of ten below a second.
const TIME_STEPS_SECS: [i128; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/// The smallest round step of time with at most `count` steps in `length` ns.
pub(crate) fn time_step(length: i128, count: usize) -> i128 {
    let least = length / count.max(1) as i128;
    if least < S {
        return decimal_step(least);
    }
    TIME_STEPS_SECS
        .map(|seconds| seconds * S)
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or_else(|| decimal_step((least + 24 * H - 1) / (24 * H)) * 24 * H)
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn decimal_step(least: i128) -> i128 {
    let mut power = 1;
    loop {
        for digit in [1, 2, 5] {
            if digit * power >= least {
                return digit * power;
            }
        }
        power *= 10;
    }
}

/// A power of two, at least `least` bytes.
pub(crate) fn byte_step(length: i128, count: usize) -> i128 {
    let least = length / count.max(1) as i128;
    let mut step = 1;
    while step < least {
        step *= 2;
    }
    step
}

/// 1, 2 or 5 times a power of ten so that at most `count` steps fit in `length`; 1 for lengths that are no number.
pub(crate) fn number_step(length: f64, count: usize) -> f64 {
    let least = length / count.max(1) as f64;
    if !least.is_finite() || least <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(power)
}

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size of three digits, without superfluous zeros: `32 MiB`, `1.26 GiB`, `0`. For what stands on an axis, see
/// [`byte_tick`].
pub(crate) fn bytes_text(bytes: f64) -> String {
    if bytes == 0.0 {
        return "0".to_owned();
    }
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value.abs() >= 100.0 { 0 } else { 2 };
    format!("{} {}", trimmed(&format!("{value:.digits$}")), UNITS.get(unit).unwrap_or(&""))
}

/// The exact size at a tick: in the largest unit of which it is so many quarters, `1.25 GiB` or else `1088 MiB`.
pub(crate) fn byte_tick(bytes: i128) -> String {
    if bytes == 0 {
        return "0".to_owned();
    }
    let units = UNITS.iter().enumerate().rev().map(|(power, name)| (1_i128 << (10 * power), name));
    for (unit, name) in units {
        let quarters = bytes * 4;
        if unit == 1 {
            break;
        }
        if bytes.abs() >= unit && quarters % unit == 0 {
            let part = ["", ".25", ".5", ".75"][usize::try_from(quarters / unit % 4).unwrap_or(0)];
            return format!("{}{part} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

/// A number without superfluous zeros.
pub(crate) fn number_text(value: f64) -> String {
    let digits = if value == 0.0 || value.abs() >= 100.0 { 0 } else { 2 };
    if value != 0.0 && value.abs() < 0.01 {
        return format!("{value:.1e}");
    }
    trimmed(&format!("{value:.digits$}"))
}

/// A time to the millisecond, or to three digits if it is shorter: `0`, `250 ms`, `1 min 30 s`.
pub(crate) fn time_text(nanos: i128) -> String {
    let unit = match nanos.unsigned_abs() {
        0..10_000 => 1,
        10_000..10_000_000 => 1_000,
        _ => 1_000_000,
    };
    time_tick((nanos + nanos.signum() * unit / 2) / unit * unit)
}

/// The exact time at a tick, as short as it can be: `1 h 30 min`, `2.25 s`, `40 ms`.
pub(crate) fn time_tick(nanos: i128) -> String {
    let size = nanos.unsigned_abs() as i128;
    let decimals = |size: i128, unit: i128, name: &str| {
        let digits = unit.ilog10() as usize;
        let rest = if digits > 0 { format!(".{:0digits$}", size % unit) } else { String::new() };
        format!("{} {name}", trimmed(&format!("{}{rest}", size / unit)))
    };
    let text = match size {
        0 => return "0".to_owned(),
        _ if size < 1_000 => decimals(size, 1, "ns"),
        _ if size < 1_000_000 => decimals(size, 1_000, "µs"),
        _ if size < S => decimals(size, 1_000_000, "ms"),
        _ => {
            let whole = [(size / H, "h"), (size / M % 60, "min")];
            let mut parts: Vec<String> =
                whole.into_iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}")).collect();
            if size % M > 0 {
                parts.push(decimals(size % M, S, "s"));
            }
            parts.join(" ")
        }
    };
    if nanos < 0 { format!("−{text}") } else { text }
}

/// Round times from `start` to `end` with their texts, on an axis of `room`: as many as fit, of which `wide` tells the
/// space that a text takes, the gap to its neighbour included.
pub(crate) fn times(start: i128, end: i128, room: f64, wide: &dyn Fn(&str) -> f64) -> Vec<(i128, String)> {
    let length = (end - start).max(1);
    let most = (room / wide("0 s").max(1.0)) as usize;
    for count in (2..=most.clamp(2, 30)).rev() {
        let step = time_step(length, count);
        let found: Vec<(i128, String)> = multiples_within(start, end, step).map(|at| (at, time_tick(at))).collect();
        let apart = step as f64 / length as f64 * room;
        if found.iter().all(|(_, text)| wide(text) <= apart) {
            return found;
        }
    }
    let step = time_step(length, 1);
    multiples_within(start, end, step).take(1).map(|at| (at, time_tick(at))).collect()
}

fn trimmed(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// Multiples of `step` from `from` to `to`.
pub(crate) fn multiples_within(from: i128, to: i128, step: i128) -> impl Iterator<Item = i128> {
    let step = step.max(1);
    let first = from.div_euclid(step) + i128::from(from.rem_euclid(step) > 0);
    (first..=to.div_euclid(step)).map(move |i| i * step)
}

/// Multiples of `step` from 0 to `length`.
pub(crate) fn multiples(length: i128, step: i128) -> Vec<i128> {
    (0..=length / step.max(1)).map(|i| i * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_what_people_count_in() {
        assert_eq!(time_step(58 * S, 8), 10 * S);
        assert_eq!(time_step(H, 8), 10 * M);
        assert_eq!(time_step(S / 3, 8), 50_000_000);
        assert_eq!(time_step(1000 * H, 8), 10 * 24 * H);
        assert_eq!(byte_step(100 << 20, 6), 32 << 20);
        assert_eq!(number_step(187.0, 5), 50.0);
        assert_eq!(number_step(0.0, 5), 1.0);
    }

    #[test]
    fn multiples_begin_where_the_axis_does() {
        assert_eq!(multiples_within(-25, 25, 10).collect::<Vec<_>>(), [-20, -10, 0, 10, 20]);
        assert_eq!(multiples_within(S * S, S * S + 10, 5).count(), 3);
        assert_eq!(multiples_within(3, 3, 5).count(), 0);
    }

    #[test]
    fn labels_have_no_superfluous_zeros() {
        assert_eq!(bytes_text(f64::from(32 << 20)), "32 MiB");
        assert_eq!(bytes_text(1536.0), "1.5 KiB");
        assert_eq!(number_text(12.5), "12.5");
        assert_eq!(number_text(200.0), "200");
        assert_eq!(time_text(90 * S), "1 min 30 s");
        assert_eq!(time_text(82_331_499_999), "1 min 22.331 s");
        assert_eq!(time_text(-12_345_678), "−12 ms");
        assert_eq!(time_text(0), "0");
    }

    #[test]
    fn what_stands_at_a_tick_is_exact() {
        assert_eq!(byte_tick(5 << 28), "1.25 GiB");
        assert_eq!(byte_tick(7 << 28), "1.75 GiB");
        assert_eq!(byte_tick(17 << 26), "1088 MiB");
        assert_eq!(byte_tick(100), "100 B");
        assert_eq!(time_tick(2_250_000_000), "2.25 s");
        assert_eq!(time_tick(5_000_025_000), "5.000025 s");
        assert_eq!(time_tick(90 * M), "1 h 30 min");
        assert_eq!(time_tick(1_500), "1.5 µs");
        assert_eq!(time_tick(40_000_000), "40 ms");
    }

    proptest! {
        #[test]
        fn ticks_are_told_apart_and_say_the_place_that_they_stand_at(
            start in 0_i64..1 << 45, length in 1_i64..1 << 50, room in 60.0..2000.0_f64, bits in 12_u32..60,
        ) {
            let (start, end) = (i128::from(start), i128::from(start) + i128::from(length));
            let found = times(start, end, room, &|text| text.chars().count() as f64 * 8.0);
            for pair in found.windows(2) {
                prop_assert!(pair[0].1 != pair[1].1, "{:?}", pair);
                let apart = (pair[1].0 - pair[0].0) as f64 / length as f64 * room;
                prop_assert!(apart >= 8.0 * pair[0].1.chars().count() as f64 - 1e-6);
            }
            let length = 1_i128 << bits;
            let step = byte_step(length, 6);
            for offset in multiples(length, step) {
                let text = byte_tick(offset);
                let mut words = text.split(' ');
                let number: f64 = words.next().and_then(|word| word.parse().ok()).expect("a number");
                let unit = words.next().map_or(0, |unit| UNITS.iter().position(|known| *known == unit).expect("a unit"));
                prop_assert_eq!(number * 1024f64.powi(unit as i32), offset as f64);
            }
        }
    }
}
