//! Values that may be numbers, or text with or without units, or null.

use damo_model::Nanos;
use damo_model::human::{
    Number, ParseError, TimeUnit, parse_bytes_number, parse_number, parse_percent, parse_time_number,
};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A visitor that is the seed of its value.
macro_rules! seed {
    ($name:ty, $how:ident, $value:ty) => {
        impl<'de> serde::de::DeserializeSeed<'de> for $name {
            type Value = $value;

            fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.$how(self)
            }
        }
    };
}
pub(super) use seed;
seed!(Scalar, deserialize_any, Option<Number>);
seed!(Small<'_>, deserialize_any, Value);

/// What a bare number or a unit means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar {
    Plain,
    Bytes,
    Nanos,
    Micros,
    /// Percents; `%` may follow.
    Percent,
}

impl Scalar {
    fn parse(self, text: &str) -> Result<Number, ParseError> {
        if let Some(number) = grouped(text) {
            return Ok(number);
        }
        match self {
            Scalar::Plain => parse_number(text),
            Scalar::Bytes => parse_bytes_number(text),
            Scalar::Nanos => parse_time_number(text, TimeUnit::Nanos),
            Scalar::Micros => parse_time_number(text, TimeUnit::Micros),
            Scalar::Percent => parse_percent(text),
        }
    }
}

/// Digits, perhaps with commas: almost every number.
fn grouped(text: &str) -> Option<Number> {
    if text.is_empty() || text.len() > 24 {
        return None;
    }
    let mut number = 0_i128;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => number = number * 10 + i128::from(byte - b'0'),
            b',' if number > 0 => {}
            _ => return None,
        }
    }
    Some(Number::Int(number))
}

impl Visitor<'_> for Scalar {
    type Value = Option<Number>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or text that is one")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Number::Int(number.into())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Number::Int(number.into())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(Number::Float(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let number = self.parse(text).map_err(E::custom)?;
        if !number.is_finite() {
            return Err(E::custom(format_args!("'{text}' where a finite number belongs")));
        }
        Ok(Some(number))
    }
}

/// A count or an address.
pub(super) fn unsigned<E: Error>(number: Number, what: &str) -> Result<u64, E> {
    let whole = number.trunc();
    u64::try_from(whole).map_err(|_| match whole {
        ..0 => E::custom(format_args!("{what} is negative ({whole})")),
        _ => E::custom(format_args!("{what} is too large ({whole})")),
    })
}

/// A count of at most 2^32 - 1.
pub(super) fn small<E: Error>(number: Number, what: &str) -> Result<u32, E> {
    let whole = unsigned(number, what)?;
    u32::try_from(whole).map_err(|_| E::custom(format_args!("{what} is too large ({whole})")))
}

/// A time on the record's clock.
pub(super) fn time<E: Error>(number: Number, what: &str) -> Result<Nanos, E> {
    let whole = number.trunc();
    let time = i64::try_from(whole).map(Nanos);
    time.map_err(|_| E::custom(format_args!("{what} is out of range ({whole})")))
}

/// Any JSON of moderate size.
pub(super) struct Small<'b>(pub(super) &'b mut u32);

/// So many values are moderate.
pub(super) const MODERATE: u32 = 20_000;

impl Small<'_> {
    fn spend<E: Error>(&mut self) -> Result<(), E> {
        *self.0 = self.0.checked_sub(1).ok_or_else(|| E::custom("more values than any record has here"))?;
        Ok(())
    }
}

impl<'de> Visitor<'de> for Small<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Small(self.0))? {
            self.spend()?;
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.spend()?;
            values.insert(key, map.next_value_seed(Small(self.0))?);
        }
        Ok(Value::Object(values))
    }
}
