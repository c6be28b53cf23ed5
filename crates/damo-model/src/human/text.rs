//! Numbers to text without allocation and without `format!`: reports print millions of them.
//!
//! Each function gives a [`Text`], a short text on the stack, whose length the caller can pad to.

use std::fmt;
use std::ops::Deref;

const CAPACITY: usize = 48;

/// A short ASCII text on the stack.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; CAPACITY],
    start: u8,
}

impl Text {
    fn new() -> Text {
        Text { bytes: [0; CAPACITY], start: CAPACITY as u8 }
    }

    /// Puts one byte in front. What does not fit (nothing here comes near) is left out.
    fn prepend(&mut self, byte: u8) {
        if self.start > 0 {
            self.start -= 1;
            self.bytes[usize::from(self.start)] = byte;
        }
    }

    fn prepend_str(&mut self, text: &str) {
        for byte in text.bytes().rev() {
            self.prepend(byte);
        }
    }

    fn prepend_uint(&mut self, mut value: u64) {
        loop {
            self.prepend(b'0' + (value % 10) as u8);
            value /= 10;
            if value == 0 {
                return;
            }
        }
    }

    fn prepend_grouped(&mut self, mut value: u128) {
        let mut digits = 0;
        loop {
            if digits > 0 && digits % 3 == 0 {
                self.prepend(b',');
            }
            self.prepend(b'0' + (value % 10) as u8);
            value /= 10;
            digits += 1;
            if value == 0 {
                return;
            }
        }
    }

    /// Exactly `digits` digits.
    fn prepend_fraction(&mut self, mut value: u64, digits: u32) {
        for _ in 0..digits {
            self.prepend(b'0' + (value % 10) as u8);
            value /= 10;
        }
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }

    /// The text, as long as it lives.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in, so that the fallback is never taken.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Appends the text to `out`, with blanks before it up to `width`.
    pub fn push_right(&self, out: &mut Vec<u8>, width: usize) {
        let bytes = self.as_bytes();
        out.resize(out.len() + width.saturating_sub(bytes.len()), b' ');
        out.extend_from_slice(bytes);
    }

    /// Appends the text to `out`.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The decimal digits of a number, without separators.
pub fn uint_text(value: u64) -> Text {
    let mut text = Text::new();
    text.prepend_uint(value);
    text
}

/// Lower-case hexadecimal, at least twelve digits: an address as in /proc/PID/maps.
pub fn hex12_text(mut value: u64) -> Text {
    let mut text = Text::new();
    let mut digits = 0;
    while value > 0 || digits < 12 {
        text.prepend(b"0123456789abcdef"[(value % 16) as usize]);
        value /= 16;
        digits += 1;
    }
    text
}

/// Digits in groups of three: `-1,234,567`. Values beyond 2^100 or so are cut to it.
pub fn nr_text(value: i128) -> Text {
    let mut text = Text::new();
    text.prepend_grouped(value.unsigned_abs().min(1 << 100));
    if value < 0 {
        text.prepend(b'-');
    }
    text
}

/// A size with `decimals` digits after the point: `3.949 MiB`, `512 B`, `max`.
///
/// Computed in integers, with ties to even as in C's `printf`, on the value as a double holds it.
pub(super) fn size_text_with(value: u64, decimals: u32) -> Text {
    let mut text = Text::new();
    // What a double cannot tell from 2^64 - 1 is `max`.
    let double = value as f64;
    if double == u64::MAX as f64 {
        text.prepend_str("max");
        return text;
    }
    let value = double as u64;
    const UNITS: [(&str, u32); 6] =
        [(" EiB", 60), (" PiB", 50), (" TiB", 40), (" GiB", 30), (" MiB", 20), (" KiB", 10)];
    let Some((unit, shift)) = UNITS.iter().find(|(_, shift)| value > 1 << shift) else {
        text.prepend_str(" B");
        text.prepend_uint(value);
        return text;
    };
    let scale = 10u64.pow(decimals);
    let scaled = u128::from(value) * u128::from(scale);
    let mut rounded = (scaled >> shift) as u64;
    let rest = scaled & ((1 << shift) - 1);
    let half = 1u128 << (shift - 1);
    if rest > half || (rest == half && rounded % 2 == 1) {
        rounded += 1;
    }
    text.prepend_str(unit);
    text.prepend_fraction(rounded % scale, decimals);
    text.prepend(b'.');
    text.prepend_uint(rounded / scale);
    text
}

/// A size as people read it: `3.949 MiB`, `1024 B` (a unit is taken from strictly more than one of it), `max`.
pub fn size_text(value: u64) -> Text {
    size_text_with(value, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_a_unit_only_above_one_of_it() {
        for (value, text) in [
            (0, "0 B"),
            (1024, "1024 B"),
            (1025, "1.001 KiB"),
            (1 << 20, "1024.000 KiB"),
            ((1 << 20) + 1, "1.000 MiB"),
            (1 << 30, "1024.000 MiB"),
            (4_140_826, "3.949 MiB"),
            (u64::MAX, "max"),
            (u64::MAX - 1, "max"),
            (1 << 63, "8.000 EiB"),
        ] {
            assert_eq!(size_text(value).as_str(), text);
        }
    }

    #[test]
    fn addresses_have_at_least_twelve_digits() {
        assert_eq!(hex12_text(0x40_0000).as_str(), "000000400000");
        assert_eq!(hex12_text(0xffff_8000_0000_0000).as_str(), "ffff800000000000");
    }

    #[test]
    fn padding_is_on_the_left() {
        let mut out = b"|".to_vec();
        uint_text(42).push_right(&mut out, 5);
        size_text(10).push_right(&mut out, 2);
        assert_eq!(out, b"|   4210 B");
        assert_eq!(format!("{:>6}|{:<6}|", uint_text(7), nr_text(-1234)), "     7|-1,234|");
    }
}
