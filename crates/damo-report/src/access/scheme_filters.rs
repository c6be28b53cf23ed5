//! A scheme's filters in words, from the JSON that records keep of them.

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
        "hugepage_size" => filter.get("hugepage_size").map(plain),
        _ => None,
    };
    let mut text = words.join(" ");
    if let Some(argument) = argument {
        text.push(' ');
        text.push_str(&argument);
    }
    Some(text)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            format!("[{}]", values.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
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
        assert_eq!(describe("not json"), "");
        assert!(!any("[]"));
    }
}
