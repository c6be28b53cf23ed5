//! A number that remembers whether it was written as an integer: the Python tool's outputs show the difference
//! (`100` or `100.0`), and integers above 2^53 must not lose digits on the way.

use std::fmt;

/// An integer or a float, as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Written without a fraction or exponent.
    Int(i128),
    /// Written with one, or computed by a division.
    Float(f64),
}

impl Number {
    /// `max`: the largest value of the kernel's `unsigned long`, 2^64 - 1.
    pub const MAX: Number = Number::Int(u64::MAX as i128);

    /// As a float; integers above 2^53 lose digits.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    /// Without its fraction, rounded towards zero. Not-a-number gives 0, infinities the ends of the type.
    pub fn trunc(self) -> i128 {
        match self {
            Number::Int(int) => int,
            Number::Float(float) => float as i128,
        }
    }

    /// Rounded to the nearest integer. Not-a-number gives 0, infinities the ends of the type.
    pub fn round(self) -> i128 {
        match self {
            Number::Int(int) => int,
            Number::Float(float) => float.round() as i128,
        }
    }

    /// Whether it is neither infinite nor not-a-number.
    pub fn is_finite(self) -> bool {
        match self {
            Number::Int(_) => true,
            Number::Float(float) => float.is_finite(),
        }
    }

    pub(super) fn times(self, factor: i64) -> Number {
        match self {
            Number::Int(int) => match int.checked_mul(i128::from(factor)) {
                Some(product) => Number::Int(product),
                None => Number::Float(int as f64 * factor as f64),
            },
            Number::Float(float) => Number::Float(float * factor as f64),
        }
    }

    pub(super) fn plus(self, other: Number) -> Number {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => match a.checked_add(b) {
                Some(sum) => Number::Int(sum),
                None => Number::Float(a as f64 + b as f64),
            },
            (a, b) => Number::Float(a.as_f64() + b.as_f64()),
        }
    }
}

/// Integers plain; floats in the shortest form that reads back the same, always recognisable as floats: `100.0`,
/// `1.5e-05`, `1e+16`, `nan` (what Python's `repr` prints).
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let float = match *self {
            Number::Int(int) => return write!(f, "{int}"),
            Number::Float(float) => float,
        };
        if float.is_nan() {
            return f.write_str("nan");
        }
        if float.is_infinite() {
            return f.write_str(if float < 0.0 { "-inf" } else { "inf" });
        }
        let size = float.abs();
        if size != 0.0 && !(1e-4..1e16).contains(&size) {
            let text = format!("{float:e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            return write!(f, "{mantissa}e{sign}{digits:0>2}");
        }
        if float.fract() == 0.0 { write!(f, "{float:.1}") } else { write!(f, "{float}") }
    }
}

impl From<i64> for Number {
    fn from(int: i64) -> Self {
        Number::Int(int.into())
    }
}

impl From<u64> for Number {
    fn from(int: u64) -> Self {
        Number::Int(int.into())
    }
}

impl From<f64> for Number {
    fn from(float: f64) -> Self {
        Number::Float(float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_prints_them() {
        for (float, text) in [
            (100.0, "100.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (1e-4, "0.0001"),
            (-0.03125, "-0.03125"),
            (0.0, "0.0"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (1.234e100, "1.234e+100"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(Number::Float(float).to_string(), text);
        }
        assert_eq!(Number::Int(100).to_string(), "100");
    }
}
