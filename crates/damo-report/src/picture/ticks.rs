//! Round numbers along axes: seconds, minutes and hours, powers of 1024, tens.

use damo_model::Nanos;
use damo_model::human;

const S: i128 = 1_000_000_000;
const M: i128 = 60 * S;
const H: i128 = 60 * M;

/// Steps of time that people count in, beyond powers of ten below a second.
const TIME_STEPS: [i128; 18] = [
    S,
    2 * S,
    5 * S,
    10 * S,
    15 * S,
    30 * S,
    M,
    2 * M,
    5 * M,
    10 * M,
    15 * M,
    30 * M,
    H,
    2 * H,
    3 * H,
    6 * H,
    12 * H,
    24 * H,
];

/// The smallest round step of time with at most `count` steps in `length` ns.
pub fn time_step(length: i128, count: usize) -> i128 {
    let least = length / count.max(1) as i128;
    if least < S {
        return decimal_step(least);
    }
    TIME_STEPS
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
pub fn byte_step(length: i128, count: usize) -> i128 {
    let least = length / count.max(1) as i128;
    let mut step = 1;
    while step < least {
        step *= 2;
    }
    step
}

/// 1, 2 or 5 times a power of ten so that at most `count` steps fit in `length`; 1 for lengths that are no number.
pub fn number_step(length: f64, count: usize) -> f64 {
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

/// A size without superfluous zeros: `32 MiB`, `1.5 GiB`, `0`.
pub fn bytes_text(bytes: f64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes == 0.0 {
        return "0".to_owned();
    }
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value.abs() >= 100.0 { 0 } else { 1 };
    format!("{} {}", trimmed(&format!("{value:.digits$}")), UNITS.get(unit).unwrap_or(&""))
}

/// A number without superfluous zeros.
pub fn number_text(value: f64) -> String {
    let digits = if value == 0.0 || value.abs() >= 100.0 { 0 } else { 2 };
    if value != 0.0 && value.abs() < 0.01 {
        return format!("{value:.1e}");
    }
    trimmed(&format!("{value:.digits$}"))
}

/// A time: `0`, `250 ms`, `1 min 30 s`.
pub fn time_text(nanos: i128) -> String {
    match i64::try_from(nanos) {
        Ok(0) => "0".to_owned(),
        Ok(nanos) => human::time_text(Nanos(nanos)),
        Err(_) => "∞".to_owned(),
    }
}

fn trimmed(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// Multiples of `step` from `from` to `to`.
pub fn multiples_within(from: i128, to: i128, step: i128) -> impl Iterator<Item = i128> {
    let step = step.max(1);
    let first = from.div_euclid(step) + i128::from(from.rem_euclid(step) > 0);
    (first..=to.div_euclid(step)).map(move |i| i * step)
}

/// Multiples of `step` from 0 to `length`.
pub fn multiples(length: i128, step: i128) -> Vec<i128> {
    (0..=length / step.max(1)).map(|i| i * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
