//! Walking through the JSON of parameters, in the Python tool's schema: each value knows its place, so that errors name it.

use crate::human::{self, Style, TimeUnit, format_time_exact};
use crate::keyword::unknown_key;
use crate::{Bytes, Nanos};
use serde_json::{Value, json};
use std::fmt;

/// A parameter that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}{between}{what}", between = if field.is_empty() { "" } else { ": " })]
#[non_exhaustive]
pub struct ParamError {
    /// Where in the parameters, by the JSON keys: `quotas.reset_interval_ms`; empty for a scheme as a whole.
    pub field: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl ParamError {
    /// At `field`, `what` is wrong.
    pub fn new(field: impl Into<String>, what: impl fmt::Display) -> Self {
        ParamError { field: field.into(), what: what.to_string() }
    }

    /// The same, of an object that is at `place` of a larger one.
    #[must_use]
    pub(crate) fn within(self, place: impl Into<String>) -> Self {
        let place = place.into();
        let field = if self.field.is_empty() { place } else { format!("{place}.{}", self.field) };
        ParamError { field, ..self }
    }
}

pub(crate) type Result<T> = std::result::Result<T, ParamError>;

/// Texts for people, which the Python tool writes at every level.
const LABELS: [&str; 2] = ["name", "comments"];

/// Whether nothing is asked for: `null`, `false`, and what is empty or holds nothing else.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.trim().is_empty() || human::parse_bool(text) == Ok(false),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(map) => map.values().all(is_nothing),
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct At<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
}

impl<'a> At<'a> {
    pub(crate) fn new(value: &'a Value, path: &str) -> Self {
        At { value, path: path.to_owned() }
    }

    pub(crate) fn error<T>(&self, why: impl fmt::Display) -> Result<T> {
        Err(ParamError::new(self.path.clone(), why))
    }

    fn below(&self, key: &str, value: &'a Value) -> At<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        At { value, path }
    }

    /// What is under `key`; `null` is a value that is absent.
    pub(crate) fn maybe(&self, key: &str) -> Option<At<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(self.below(key, value))
    }

    pub(crate) fn get(&self, key: &str) -> Result<At<'a>> {
        match self.maybe(key) {
            Some(found) => Ok(found),
            None => self.error(format!("`{key}` is missing")),
        }
    }

    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, At<'a>)>> {
        match self.value.as_object() {
            Some(map) => Ok(map.iter().map(|(key, value)| (key.as_str(), self.below(key, value))).collect()),
            None => self.error("an object is needed here"),
        }
    }

    /// Refuses keys that nobody would look at; `name` and `comments` are labels.
    pub(crate) fn only(&self, known: &[&str]) -> Result<()> {
        match self.entries()?.iter().find(|(key, _)| !known.contains(key) && !LABELS.contains(key)) {
            Some((key, _)) => self.error(unknown_key(key, known)),
            None => Ok(()),
        }
    }

    /// Refuses a wish that this version cannot meet, unless there is nothing in it.
    pub(crate) fn nothing(&self, key: &str, why: &str) -> Result<()> {
        match self.maybe(key) {
            Some(wish) if !is_nothing(wish.value) => wish.error(why),
            _ => Ok(()),
        }
    }

    pub(crate) fn items(&self) -> Result<Vec<At<'a>>> {
        let Some(items) = self.value.as_array() else { return self.error("a list is needed here") };
        Ok(items.iter().enumerate().map(|(i, value)| At { value, path: format!("{}[{i}]", self.path) }).collect())
    }

    /// A number or a text, as text: the grammar of numbers with units is one of texts.
    pub(crate) fn text(&self) -> Result<String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) if number.is_f64() => Ok(number.as_f64().unwrap_or(0.0).to_string()),
            Value::Number(number) => Ok(number.to_string()),
            _ => self.error("a number or a text such as \"5 s\" is needed here"),
        }
    }

    pub(crate) fn parse<T, E: fmt::Display>(&self, parse: impl Fn(&str) -> std::result::Result<T, E>) -> Result<T> {
        let text = self.text()?;
        parse(&text).or_else(|why| self.error(why))
    }

    pub(crate) fn time(&self, unit: TimeUnit) -> Result<Nanos> {
        self.parse(|text| human::parse_time(text, unit))
    }

    pub(crate) fn count(&self) -> Result<u64> {
        self.parse(parse_count)
    }

    pub(crate) fn flag(&self) -> Result<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            _ => self.parse(human::parse_bool),
        }
    }

    pub(crate) fn signed(&self) -> Result<i32> {
        self.parse(|text| text.trim().parse().map_err(|_| format!("`{text}` is not a whole number")))
    }
}

/// A whole number, digits possibly grouped.
///
/// # Errors
/// If it is anything else.
pub fn parse_count(text: &str) -> Result<u64> {
    let number = human::parse_number(text).map_err(|error| ParamError::new("", error))?.as_f64();
    if number < 0.0 || number.fract() != 0.0 || number > u64::MAX as f64 {
        return Err(ParamError::new("", format!("`{text}` is not a whole number from 0 up")));
    }
    Ok(number as u64)
}

/// A share in basis points; `4%` is 400.
///
/// # Errors
/// If it is no share.
pub fn parse_basis_points(text: &str) -> Result<u64> {
    let number = human::parse_bp(text).map_err(|error| ParamError::new("", error))?.as_f64();
    if !(0.0..=10_000.0).contains(&number) {
        return Err(ParamError::new("", "a share is from 0 % to 100 % (0 to 10000 basis points)"));
    }
    Ok(number.round() as u64)
}

/// An object without those of its keys whose value is `null`.
pub(crate) fn known(mut object: Value) -> Value {
    if let Value::Object(map) = &mut object {
        map.retain(|_, value| !value.is_null());
    }
    object
}

/// A time as a text with its unit.
pub(crate) fn time(time: Nanos) -> Value {
    if time.0 == i64::MAX { json!("max") } else { json!(format_time_exact(time, Style::Human)) }
}

/// Bytes; the largest number there is means that there is no bound.
pub(crate) fn size(bytes: Bytes) -> Value {
    if bytes.0 == u64::MAX { json!("max") } else { json!(bytes.0) }
}
