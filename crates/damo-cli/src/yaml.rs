//! Parameters as YAML, read to the same values as JSON and written as the Python tool writes them.
//!
//! The parser (`saphyr-parser`) gives events; what is bounded is bounded here: depth, and the size of what aliases repeat.

use crate::error::UsageError;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashMap;

type Result<T> = std::result::Result<T, UsageError>;

/// Deepest nesting of lists and mappings. Parameters have about ten levels.
const DEEPEST: usize = 64;
/// Largest sum of the lengths of all texts and of [`EACH`] for each value, aliases counted as often as they are used.
const LARGEST: usize = 16 << 20;
/// What a value costs beside its text, in bytes.
const EACH: usize = 32;

/// Reads one YAML document. `name` is what errors call the text.
///
/// # Errors
/// If it is no YAML, or is ambiguous, too deep or too large, with the line.
pub(crate) fn read(text: &str, name: &str) -> Result<Value> {
    let mut reader = Reader { name, left: LARGEST, open: Vec::new(), anchors: HashMap::new(), document: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            UsageError(format!("{name}: line {}, column {}: {}", marker.line(), marker.col() + 1, error.info()))
        })?;
        reader.event(event, span)?;
    }
    reader.document.map(|(value, _)| value).ok_or_else(|| UsageError(format!("{name}: it is empty")))
}

/// How deep a value is nested, and what it costs.
#[derive(Clone, Copy, Default)]
struct Extent {
    depth: usize,
    cost: usize,
}

/// A list or mapping whose end was not seen yet.
struct Open {
    value: Value,
    /// Of a mapping: the key that waits for its value.
    key: Option<String>,
    anchor: usize,
    extent: Extent,
}

struct Reader<'n> {
    name: &'n str,
    left: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, (Value, Extent)>,
    document: Option<(Value, Extent)>,
}

impl Reader<'_> {
    fn error<T>(&self, span: Span, why: impl std::fmt::Display) -> Result<T> {
        Err(UsageError(format!("{}: line {}: {why}", self.name, span.start.line())))
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), span)?;
                let extent = Extent { depth: 1, cost: EACH + text.len() };
                self.keep(anchor, &value, extent);
                self.put(value, extent, span)
            }
            Event::SequenceStart(anchor, tag) => self.begin(Value::Array(Vec::new()), anchor, tag, span),
            Event::MappingStart(anchor, tag) => self.begin(Value::Object(Map::new()), anchor, tag, span),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let extent = Extent { depth: open.extent.depth + 1, cost: open.extent.cost + EACH };
                    self.keep(open.anchor, &open.value, extent);
                    self.attach(open.value, extent, span)
                }
                None => self.error(span, "a list or mapping ends that did not begin"),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((value, extent)) => self.put(value, extent, span),
                None => self.error(span, "an alias within what it stands for"),
            },
            Event::DocumentStart(_) if self.document.is_some() => {
                self.error(span, "a second document begins; keep one in each file")
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, value: Value, anchor: usize, tag: Option<Cow<'_, Tag>>, span: Span) -> Result<()> {
        if let Some(tag) = tag.filter(|tag| !is_plain(tag)) {
            return self.error(span, format!("the tag `{}{}` means nothing here", tag.handle, tag.suffix));
        }
        if self.open.len() >= DEEPEST {
            return self.error(span, format!("nested deeper than {DEEPEST} levels"));
        }
        self.spend(EACH, span)?;
        self.open.push(Open { value, key: None, anchor, extent: Extent::default() });
        Ok(())
    }

    fn spend(&mut self, cost: usize, span: Span) -> Result<()> {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => self.error(span, format!("more than {} MiB with its aliases written out", LARGEST >> 20)),
        }
    }

    fn keep(&mut self, anchor: usize, value: &Value, extent: Extent) {
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), extent));
        }
    }

    /// A value that was not counted yet.
    fn put(&mut self, value: Value, extent: Extent, span: Span) -> Result<()> {
        if self.open.len() + extent.depth > DEEPEST + 1 {
            return self.error(span, format!("nested deeper than {DEEPEST} levels"));
        }
        self.spend(extent.cost, span)?;
        self.attach(value, extent, span)
    }

    fn attach(&mut self, value: Value, extent: Extent, span: Span) -> Result<()> {
        let Some(open) = self.open.last_mut() else {
            self.document = Some((value, extent));
            return Ok(());
        };
        open.extent.depth = open.extent.depth.max(extent.depth);
        open.extent.cost += extent.cost;
        match (&mut open.value, open.key.take()) {
            (Value::Object(map), Some(key)) if map.contains_key(&key) => {
                let why = format!("the key `{}` is there twice", key.escape_debug());
                return self.error(span, why);
            }
            (Value::Object(map), Some(key)) => drop(map.insert(key, value)),
            (Value::Object(_), None) => match value {
                Value::String(key) if key == "<<" => return self.error(span, "merge keys (`<<`) are not supported"),
                Value::String(key) => open.key = Some(key),
                Value::Number(key) => open.key = Some(key.to_string()),
                _ => return self.error(span, "a key must be a text"),
            },
            (Value::Array(items), _) => items.push(value),
            _ => {}
        }
        Ok(())
    }

    /// What a scalar is: texts in quotes stay texts; others may be null, a truth value or a number.
    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value> {
        match tag {
            Some(tag) if is_plain(tag) && tag.suffix == "str" => return Ok(Value::String(text.to_owned())),
            Some(tag) if !is_plain(tag) => {
                return self.error(span, format!("the tag `{}{}` means nothing here", tag.handle, tag.suffix));
            }
            _ => {}
        }
        if style != ScalarStyle::Plain {
            return Ok(Value::String(text.to_owned()));
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let why = format!("`{text}` is octal for some programs and decimal for others; leave out the leading 0");
            return self.error(span, why);
        }
        Ok(match text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ => match text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)) {
                Ok(number) => Value::Number(number),
                // Other numbers stay texts: the grammar of numbers with units reads them with all of their digits.
                Err(_) => Value::String(text.to_owned()),
            },
        })
    }
}

/// Whether a tag names what YAML itself has: `!!str`, `!!map` and so on, but not `!!python/object`.
fn is_plain(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && ["str", "int", "float", "bool", "null", "seq", "map"].contains(&tag.suffix.as_str())
}

/// In block style, with the keys in their order.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    node(value, 0, &mut out);
    out
}

/// `indent` is where keys and list items of `value` begin; `out` ends where the value begins.
fn node(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(&pad);
                }
                out.push_str(&scalar(&Value::String(key.clone())));
                out.push(':');
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        out.push_str(&format!("\n{pad}  "));
                        node(value, indent + 2, out);
                    }
                    Value::Array(items) if !items.is_empty() => {
                        out.push_str(&format!("\n{pad}"));
                        node(value, indent, out);
                    }
                    _ => out.push_str(&format!(" {}\n", scalar(value))),
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(&pad);
                }
                out.push_str("- ");
                node(item, indent + 2, out);
            }
        }
        _ => out.push_str(&format!("{}\n", scalar(value))),
    }
}

/// A text stands without quotes only where neither YAML 1.1 nor 1.2 takes it for anything else.
fn scalar(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    // `5 ms` and `10,000` are no numbers in YAML.
    let is_quantity = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains([' ', ',']);
    let plain = (begins_well || is_quantity)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _,./%-".contains(&byte))
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.clone();
    }
    if text.chars().any(char::is_control) {
        // JSON's escapes are among those of YAML's double quotes.
        return value.to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quoted_numbers_stay_texts_and_plain_ones_become_numbers() {
        let text = "a: '100'\nb: 100\nc: 10,000\nd: 5 ms\ne:\nf: ''\ng: [true, ~]\nh: 0x1000\ni: -3\nj: {}\n";
        let expected = json!({"a": "100", "b": 100, "c": "10,000", "d": "5 ms", "e": null, "f": "", "g": [true, null],
            "h": "0x1000", "i": -3, "j": {}});
        assert_eq!(read(text, "t").unwrap(), expected);
        assert_eq!(read(&expected.to_string(), "JSON is YAML").unwrap(), expected);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value = json!({"list": [{"a": 1, "b": [[], [1, [2]], {}]}, "yes", "", "- x", "it's", "a: b", "5 ms", "4,096",
            "0x10", "1e3", "~", "a\nb", "#", "/a b", "trailing ", "é", null, true], "empty": [], "max": "max", "no": {}});
        assert_eq!(read(&write(&value), "t").unwrap(), value, "{}", write(&value));
    }

    #[test]
    fn aliases_are_read_as_what_they_stand_for() {
        assert_eq!(read("a: &x [1, 2]\nb: *x\n", "t").unwrap(), json!({"a": [1, 2], "b": [1, 2]}));
    }

    #[test]
    fn aliases_that_repeat_each_other_are_refused_before_they_fill_the_memory() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = level - 1;
            let names = vec![format!("*a{before}"); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{names}]\n"));
        }
        let error = read(&bomb, "t").unwrap_err().to_string();
        assert!(error.contains("with its aliases written out"), "{error}");
    }

    #[test]
    fn nesting_is_bounded_in_every_style_and_through_aliases() {
        let flow = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let block = "- ".repeat(5_000) + "x";
        let mut aliases = String::from("- &a0 [x]\n");
        (1..200).for_each(|level| aliases.push_str(&format!("- &a{level} [*a{}]\n", level - 1)));
        for deep in [flow, block, aliases] {
            let error = read(&deep, "t").unwrap_err().to_string();
            assert!(error.contains("nested deeper") || error.contains("recursion"), "{error}");
        }
    }

    #[test]
    fn what_two_programs_would_read_differently_is_refused_with_its_line() {
        for (text, why) in [
            ("a: 1\na: 2\n", "the key `a` is there twice"),
            ("a: 1\n--- \nb: 2\n", "line 2: a second document"),
            ("a: 010\n", "line 1: `010` is octal"),
            ("a: !!python/object:os.system x\n", "means nothing here"),
            ("a: !x 1\n", "means nothing here"),
            ("b: &b {x: 1}\na:\n  <<: *b\n", "merge keys"),
            ("a: &a [*a]\n", "alias"),
            ("a: [1\n", "line"),
            ("? [1]\n: 2\n", "a key must be a text"),
            ("", "it is empty"),
        ] {
            let error = read(text, "t").unwrap_err().to_string();
            assert!(error.contains(why) && error.starts_with("t: "), "{text:?}: {error}");
        }
    }
}
