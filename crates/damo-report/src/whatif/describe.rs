//! A scheme in a line, for tables and legends.

use damo_model::human::time_text;
use damo_model::scheme::{Rate, Scheme, SchemeFilter, Span};
use damo_model::{Bytes, Nanos};

/// `pageout, rate 0 %, age from 5 s, at most 1 MiB per 1 s`: what differs from a scheme for any region without limits.
pub fn describe(scheme: &Scheme) -> String {
    parts(scheme).join(", ")
}

/// What several schemes have in common, and what each has beyond that.
pub(super) fn describe_apart(schemes: &[&Scheme]) -> (String, Vec<String>) {
    let all: Vec<Vec<String>> = schemes.iter().map(|scheme| parts(scheme)).collect();
    let is_common = |part: &&String| all.iter().all(|parts| parts.contains(*part));
    let common: Vec<String> =
        all.first().map(|first| first.iter().filter(is_common).cloned().collect()).unwrap_or_default();
    let rest = |parts: &Vec<String>| {
        let own: Vec<&str> = parts.iter().filter(|part| !common.contains(part)).map(String::as_str).collect();
        own.join(", ")
    };
    let rests = all.iter().map(rest).collect();
    (common.join(", "), rests)
}

fn parts(scheme: &Scheme) -> Vec<String> {
    let mut parts = vec![scheme.action.to_string()];
    let pattern = &scheme.access_pattern;
    let (rate, age, sizes) = (pattern.nr_accesses, pattern.age, pattern.sz_bytes);
    let has_min = !matches!(rate.min, Rate::Percent(0.0) | Rate::Samples(0));
    let at_most = |max: Rate| {
        if matches!(max, Rate::Percent(0.0) | Rate::Samples(0)) {
            "rate 0 %".to_owned()
        } else {
            format!("rate to {max}")
        }
    };
    match (has_min, rate.max) {
        (false, Rate::Max) => {}
        (false, max) => parts.push(at_most(max)),
        (true, Rate::Max) => parts.push(format!("rate from {}", rate.min)),
        (true, max) => parts.push(format!("rate {} to {max}", rate.min)),
    }
    let has_min = !matches!(age.min, Span::Time(Nanos(0)) | Span::Intervals(0));
    match (has_min, age.max) {
        (false, Span::Max) => {}
        (false, max) => parts.push(format!("age to {max}")),
        (true, Span::Max) => parts.push(format!("age from {}", age.min)),
        (true, max) => parts.push(format!("age {} to {max}", age.min)),
    }
    match (sizes.min.0, sizes.max.0) {
        (0, u64::MAX) => {}
        (0, _) => parts.push(format!("size to {}", size(sizes.max))),
        (_, u64::MAX) => parts.push(format!("size from {}", size(sizes.min))),
        _ => parts.push(format!("size {} to {}", size(sizes.min), size(sizes.max))),
    }
    let quotas = &scheme.quotas;
    let each = time_text(quotas.reset_interval);
    if quotas.size.0 > 0 {
        parts.push(format!("at most {} per {each}", size(quotas.size)));
    }
    if quotas.time.0 > 0 {
        parts.push(format!("at most {} per {each}", time_text(quotas.time)));
    }
    parts.extend(quotas.goals.iter().map(|goal| format!("goal {} = {}", goal.metric, goal.target_value)));
    parts.extend(scheme.filters.iter().map(SchemeFilter::rule));
    if scheme.watermarks.is_on() {
        parts.push("watermarks".to_owned());
    }
    parts
}

/// A size as it was written: in the largest unit that needs no fraction.
fn size(size: Bytes) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(bits, _)| size.0 > 0 && size.0.trailing_zeros() >= *bits) {
        Some((bits, unit)) => format!("{} {unit}", size.0 >> bits),
        None => format!("{} B", size.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_limits_a_scheme_is_said() {
        let of = |json: &str| describe(&serde_json::from_str(json).unwrap());
        assert_eq!(of(r#"{"action": "stat"}"#), "stat");
        let json = r#"{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "5 s"}},
            "quotas": {"sz_bytes": "1 MiB", "reset_interval_ms": "1 s"},
            "filters": [{"filter_type": "anon", "matching": false, "allow": true}]}"#;
        assert_eq!(of(json), "pageout, rate 0 %, age from 5 s, at most 1 MiB per 1 s, allow none anon");
        let json = r#"{"action": "hugepage", "access_pattern": {"nr_accesses": {"min": "5 %"}, "sz_bytes": {"min": "2 MiB"}}}"#;
        assert_eq!(of(json), "hugepage, rate from 5 %, size from 2 MiB");
    }

    #[test]
    fn what_schemes_have_in_common_is_said_once() {
        let of = |age: &str| -> Scheme {
            let json = format!(
                r#"{{"action": "pageout", "access_pattern": {{"nr_accesses": {{"max": 0}}, "age": {{"min": "{age}"}}}}}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        let (common, rest) = describe_apart(&[&of("2 s"), &of("9 s")]);
        assert_eq!((common.as_str(), rest.join("; ").as_str()), ("pageout, rate 0 %", "age from 2 s; age from 9 s"));
    }
}
