//! Numbers as people write and read them: `4K`, `1.5 GiB`, `100ms`, `1 h 2 m`, `50%`, `1,234`.
//!
//! Records, options and reports all use one grammar, that of the Python tool, so that its files and command lines keep
//! working and its outputs compare byte for byte. Sizes are powers of 1024 whatever the unit's spelling (`KB` is 1024
//! bytes), blanks between number and unit are welcome, `,` and `_` may group digits, and `min` and `max` stand for the
//! ends of what is possible. Beyond that grammar, sizes and addresses may be hexadecimal (`0x7f00...`, as the raw report
//! prints them), times may be glued (`1h 2m`), and minutes may be `min`.
//!
//! What a bare number means is for each option to say: [`parse_time`] takes the unit that the Python tool's scripts rely on,
//! [`parse_time_with_unit`] refuses it.
//!
//! Text that comes from outside is printed with [`Show`], which escapes what a terminal would obey.
//!
//! Every formatter has a raw variant ([`Style::Raw`]): plain integers, or six decimals for ratios and rates.
//!
//! ```
//! use damo_model::human::{Style, TimeUnit, format_size, format_time, parse_bytes, parse_time};
//! use damo_model::{Bytes, Nanos};
//! assert_eq!(parse_bytes("1.5G")?, Bytes(1_610_612_736));
//! assert_eq!(parse_time("1 h 2 m 3.4 s", TimeUnit::Nanos)?, Nanos(3_723_400_000_000));
//! assert_eq!(format_size(Bytes(4_140_826), Style::Human), "3.949 MiB");
//! assert_eq!(format_time(Nanos(539_809_434_100), Style::Human), "8 m 59.809 s");
//! # Ok::<(), damo_model::human::ParseError>(())
//! ```

mod escape;
mod format;
mod number;
mod parse;
mod text;

pub use escape::{Screen, Show, Shown, excerpt, is_plain, plain_json, sentence};
pub(crate) use format::format_time_exact;
pub use format::{
    count_text, format_bp, format_hex_range, format_hz, format_hz_number, format_nr, format_percent, format_size,
    format_size_accurate, format_size_f64, format_time, format_time_in, idle_text, time_text,
};
pub use number::Number;
pub(crate) use parse::parse_permil;
pub use parse::{
    ParseError, parse_addr, parse_addr_range, parse_bool, parse_bp, parse_bytes, parse_bytes_number, parse_number,
    parse_number_with_unit, parse_percent, parse_time, parse_time_number, parse_time_with_unit,
};
pub use text::{Text, hex12_text, nr_text, size_text, uint_text};

/// Whether numbers are for people or for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// Units, grouped digits.
    #[default]
    Human,
    /// Plain numbers: integers in the quantity's own unit, ratios and rates with six decimals.
    Raw,
}

/// The unit that a bare number is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Billionths of a second.
    #[default]
    Nanos,
    /// Millionths of a second.
    Micros,
    /// Thousandths of a second.
    Millis,
    /// Whole seconds.
    Secs,
}

impl TimeUnit {
    /// Nanoseconds in one.
    pub fn nanos(self) -> i64 {
        match self {
            TimeUnit::Nanos => 1,
            TimeUnit::Micros => 1_000,
            TimeUnit::Millis => 1_000_000,
            TimeUnit::Secs => 1_000_000_000,
        }
    }
}

#[cfg(test)]
mod properties;
