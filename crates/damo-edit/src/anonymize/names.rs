//! Names that become numbers, by order of appearance, and free texts that keep what everybody may know.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Mappings that the kernel itself names.
const KERNEL_MAPPINGS: [&str; 8] =
    ["[heap]", "[stack]", "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]", "[uprobes]", "[sigpage]"];

/// Types of scheme filters.
const FILTERS: [&str; 8] = ["anon", "active", "memcg", "young", "hugepage_size", "unmapped", "addr", "target"];

/// Numbers for names.
#[derive(Debug, Default)]
pub(super) struct Names {
    pids: BTreeMap<i32, i32>,
    files: BTreeMap<String, usize>,
    anonymous: BTreeMap<String, usize>,
    others: BTreeMap<String, usize>,
    marks: BTreeMap<String, usize>,
}

/// The number of a name, from 1.
fn number(names: &mut BTreeMap<String, usize>, name: &str) -> usize {
    let next = names.len() + 1;
    *names.entry(name.to_owned()).or_insert(next)
}

impl Names {
    pub(super) fn pid(&mut self, pid: i32) -> i32 {
        let next = i32::try_from(self.pids.len() + 1).unwrap_or(i32::MAX);
        *self.pids.entry(pid).or_insert(next)
    }

    /// The kind of a mapping: `[heap]`, `[stack]` and what else the kernel names, `file #1`, `[anon:#1]`, `other #1`; empty
    /// for unnamed memory.
    pub(super) fn mapping(&mut self, name: &str) -> String {
        match name {
            "" => String::new(),
            name if KERNEL_MAPPINGS.contains(&name) => name.to_owned(),
            name if name.starts_with('/') => format!("file #{}", number(&mut self.files, name)),
            name if name.starts_with("[anon") => format!("[anon:#{}]", number(&mut self.anonymous, name)),
            name => format!("other #{}", number(&mut self.others, name)),
        }
    }

    pub(super) fn mark(&mut self, text: &str) -> String {
        format!("mark #{}", number(&mut self.marks, text))
    }

    pub(super) fn processes(&self) -> u64 {
        self.pids.len() as u64
    }

    pub(super) fn files(&self) -> u64 {
        self.files.len() as u64
    }
}

/// A kernel release without what its builder added: `6.12.113` of `6.12.113-acme-prod7`.
pub(super) fn release(release: &str) -> String {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
    release[..end].trim_end_matches('.').to_owned()
}

/// Why events were lost, in the words that recorders have for it.
pub(super) fn reason(reason: &str) -> String {
    let word = reason.split([':', ' ']).next().unwrap_or_default();
    if ["ring", "import", "file"].contains(&word) { word.to_owned() } else { "other".to_owned() }
}

/// A JSON list of scheme filters: which types, matching or not. No paths, no addresses.
pub(super) fn filters(json: &str) -> String {
    let Ok(Value::Array(filters)) = serde_json::from_str(json) else { return String::new() };
    let plain = |(key, value): (&String, &Value)| match (key.as_str(), value) {
        ("matching" | "allow", Value::Bool(_)) => Some((key.clone(), value.clone())),
        ("type" | "filter_type", Value::String(name)) if FILTERS.contains(&name.as_str()) => {
            Some((key.clone(), value.clone()))
        }
        _ => None,
    };
    let known = filters.iter().filter_map(Value::as_object);
    let kept: Vec<Value> = known.map(|filter| filter.iter().filter_map(plain).collect::<Map<_, _>>().into()).collect();
    Value::Array(kept).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_keep_their_kind_and_the_same_file_its_number() {
        let mut names = Names::default();
        let given =
            ["[heap]", "/opt/acme/bin/x", "", "/lib/y.so", "/opt/acme/bin/x", "[anon:secret]", "anon_inode:[z]"];
        let kept = given.map(|name| names.mapping(name));
        assert_eq!(kept, ["[heap]", "file #1", "", "file #2", "file #1", "[anon:#1]", "other #1"]);
    }

    #[test]
    fn releases_reasons_and_filters_keep_what_everybody_may_know() {
        assert_eq!(release("6.12.113-acme+ #3"), "6.12.113");
        assert_eq!(release("6.1.-x"), "6.1");
        assert_eq!((reason("file: 3 snapshots of /home/x").as_str(), reason("acme").as_str()), ("file", "other"));
        let json = r#"[{"filter_type": "memcg", "matching": true, "memcg_path": "/acme"}, {"filter_type": "acme"}]"#;
        assert_eq!(filters(json), r#"[{"filter_type":"memcg","matching":true},{}]"#);
        assert_eq!(filters("/acme"), "");
        assert_eq!(filters(""), "");
    }
}
