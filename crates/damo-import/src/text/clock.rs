//! The times of trace texts. A time with a point is seconds, whichever clock it is of: the kernel prints it so for every
//! clock that counts nanoseconds. A time without a point counts something else (events, processor cycles, ticks of the
//! timer), and how long that is must be told.

use damo_model::Nanos;

/// How long one step of a clock lasts that does not count nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    nanos: u64,
    ticks: u64,
}

impl Tick {
    /// One step lasts `length`; `None` if that is not above 0.
    pub fn lasting(length: Nanos) -> Option<Self> {
        let nanos = u64::try_from(length.0).ok().filter(|nanos| *nanos > 0)?;
        Some(Self { nanos, ticks: 1 })
    }

    /// So many steps in a second, as a processor's cycles; `None` for 0.
    pub fn per_second(ticks: u64) -> Option<Self> {
        (ticks > 0).then_some(Self { nanos: 1_000_000_000, ticks })
    }

    /// The time after `count` steps; the longest there is for more.
    pub(crate) fn after(self, count: u64) -> Nanos {
        let nanos = u128::from(count) * u128::from(self.nanos) / u128::from(self.ticks);
        Nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Known(Nanos),
    /// So many steps of a clock that counts something else.
    Ticks(u64),
}

/// A time without its unit: `12.345678` is seconds, `12345678` is not.
pub(super) fn time(text: &str) -> Option<Time> {
    if text.contains('.') { decimal(text, 1_000_000_000).map(Time::Known) } else { digits(text).map(Time::Ticks) }
}

/// `12.345`, exactly, where a whole is `unit` nanoseconds, a power of ten; digits beyond nanoseconds are cut off.
pub(super) fn decimal(text: &str, unit: i64) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.')?;
    let whole: i64 = digits(whole)?.try_into().ok()?;
    let mut nanos = 0_i64;
    let mut place = unit / 10;
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        nanos += i64::from(digit - b'0') * place;
        place /= 10;
    }
    Some(Nanos(whole.checked_mul(unit)?.checked_add(nanos)?))
}

/// A plain decimal number: no sign, no blanks.
pub(super) fn digits(text: &str) -> Option<u64> {
    if text.len() > 20 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// What a clock counts, by some of its times in order, and what to do about it: for an error.
pub(super) fn kind_of(times: &[u64]) -> (&'static str, &'static str) {
    let mut steps: Vec<u64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    steps.sort_unstable();
    let again = "record again with `echo local > /sys/kernel/tracing/trace_clock`";
    match steps.get(steps.len() / 2) {
        Some(1..=16) if !steps.contains(&0) => (
            "they are of the clock `counter`, which counts events and does not measure time",
            "record again with `echo local > /sys/kernel/tracing/trace_clock`",
        ),
        Some(_) if steps.contains(&0) => (
            "they seem to be of the clock `uptime`, which counts ticks of the system timer",
            "tell how long a tick is, as in --clock_tick 10ms (1 s / USER_HZ), or record again with `echo local > \
             /sys/kernel/tracing/trace_clock`",
        ),
        Some(1000..) => (
            "they seem to be of the clock `x86-tsc`, which counts cycles of the processor",
            "tell how many cycles are in a second, as in --clock_tick 2.4GHz (`dmesg | grep -i tsc` on that machine), or \
             record again with `echo local > /sys/kernel/tracing/trace_clock`",
        ),
        _ => ("they are of a clock that does not count seconds", again),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        let seconds = |text| decimal(text, 1_000_000_000);
        assert_eq!(seconds("4611686018.427387903"), Some(Nanos(4_611_686_018_427_387_903)));
        assert_eq!(seconds("0.0000000019"), Some(Nanos(1)));
        assert_eq!([seconds(""), seconds("1.-5"), seconds("-1.5"), seconds("99999999999.0")], [None; 4]);
        assert_eq!(decimal("12400.049", 1_000_000), Some(Nanos(12_400_049_000)));
    }

    #[test]
    fn a_time_without_a_point_is_never_seconds() {
        assert_eq!(time("12.5"), Some(Time::Known(Nanos(12_500_000_000))));
        assert_eq!(time("12"), Some(Time::Ticks(12)));
    }

    #[test]
    fn ticks_of_known_length_are_exact() {
        assert_eq!(Tick::per_second(2_400_000_000).map(|tick| tick.after(24)), Some(Nanos(10)));
        assert_eq!(Tick::lasting(Nanos::from_millis(10)).map(|tick| tick.after(7)), Some(Nanos::from_millis(70)));
        assert_eq!(Tick::per_second(1).map(|tick| tick.after(u64::MAX)), Some(Nanos(i64::MAX)));
        assert_eq!([Tick::lasting(Nanos(0)), Tick::per_second(0)], [None; 2]);
    }

    #[test]
    fn clocks_are_told_apart_by_their_steps() {
        for (times, name) in [
            (&[1041, 1042, 1043, 1044][..], "`counter`"),
            (&[8_210_338, 8_222_442, 8_410_338], "`x86-tsc`"),
            (&[4711, 4711, 4711, 4721, 4721], "`uptime`"),
            (&[7], "does not count seconds"),
        ] {
            assert!(kind_of(times).0.contains(name), "{times:?}");
        }
    }
}
