//! A scheme's filters in words, from the JSON that records keep of them.

use damo_model::Bytes;
use damo_model::human::{Style, format_size, parse_bytes};
use serde_json::Value;

/// Filters that the operations set applies page by page, so that regions may pass in part.
const BY_OPERATIONS: [&str; 6] = ["anon", "active", "memcg", "young", "hugepage_size", "unmapped"];

/// The filters that are applied page by page, such as `allow anon, reject none young`; empty if there is none.
pub(super) fn describe(json: &str) -> String {
    let Ok(Value::Array(filters)) = serde_json::from_str(json) else {
        return String::new();
    };
    filters.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// Whether there is any filter.
pub(super) fn any(json: &str) -> bool {
    matches!(serde_json::from_str(json), Ok(Value::Array(filters)) if !filters.is_empty())
}

fn one(filter: &Value) -> Option<String> {
    let kind = filter.get("filter_type")?.as_str().filter(|kind| BY_OPERATIONS.contains(kind))?;
    let is_true = |key: &str| match filter.get(key) {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => damo_model::human::parse_bool(text).unwrap_or(false),
        _ => false,
    };
    // "filter_pass" is what "allow" was called first.
    let allow = is_true("allow") || is_true("filter_pass");
    let mut words = vec![if allow { "allow" } else { "reject" }];
    if !is_true("matching") {
        words.push("none");
    }
    words.push(kind);
    let argument = match kind {
        "memcg" => filter.get("memcg_path").and_then(Value::as_str).map(str::to_owned),
        "hugepage_size" => filter.get("hugepage_size").map(sizes),
        _ => None,
    };
    let mut text = words.join(" ");
    if let Some(argument) = argument {
        text.push(' ');
        text.push_str(&argument);
    }
    Some(text)
}

/// `[2.000 MiB, max]`: a range of sizes, which records have as numbers, with or without units.
fn sizes(value: &Value) -> String {
    let Value::Array(values) = value else { return one_size(value) };
    format!("[{}]", values.iter().map(one_size).collect::<Vec<_>>().join(", "))
}

fn one_size(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match parse_bytes(&text) {
        _ if text == "max" => text,
        Ok(Bytes(u64::MAX)) => "max".to_owned(),
        Ok(size) => format_size(size, Style::Human),
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_as_the_words_that_make_them() {
        let json = r#"[{"filter_type": "anon", "matching": true, "allow": true},
            {"filter_type": "young", "matching": "false", "allow": "N"},
            {"filter_type": "addr", "matching": true, "allow": true},
            {"filter_type": "memcg", "matching": true, "allow": false, "memcg_path": "/a b"}]"#;
        assert_eq!(describe(json), "allow anon, reject none young, reject memcg /a b");
        assert!(any(json));
        for sizes in
            [r#"["2097152", "18446744073709551615"]"#, r#"["2 MiB", "max"]"#, "[2097152, 18446744073709551615]"]
        {
            let json = format!(
                r#"[{{"filter_type": "hugepage_size", "matching": true, "allow": true, "hugepage_size": {sizes}}}]"#
            );
            assert_eq!(describe(&json), "allow hugepage_size [2.000 MiB, max]", "{sizes}");
        }
        assert_eq!(describe("not json"), "");
        assert!(!any("[]"));
    }
}
