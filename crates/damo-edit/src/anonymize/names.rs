//! Names that become numbers, by order of appearance, and free texts that keep what everybody may know.

use damo_model::scheme::FilterKind;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Mappings that the kernel itself names.
const KERNEL_MAPPINGS: [&str; 8] =
    ["[heap]", "[stack]", "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]", "[uprobes]", "[sigpage]"];

/// Foreign formats by the names that `damo convert` has for them.
pub(super) const FORMATS: [&str; 9] = [
    "perf_trace",
    "json",
    "json_compressed",
    "perf_script",
    "trace_text",
    "perf_data",
    "record",
    "trace_pages",
    "mem_footprint",
];

/// Programs that make records.
const TOOLS: [&str; 6] = ["damo", "damo-record", "damo-sim", "perf", "trace-cmd", "damo-workload"];

/// Below this, a target's id is its place in the list of targets, which tells nothing. Old kernels have pointers there, and
/// first of all had process ids.
const PLACES: u64 = 256;

/// New ids for those targets whose own tell more than a place in a list: the smallest numbers that are not taken.
pub(super) fn target_ids(ids: impl Iterator<Item = u64>) -> BTreeMap<u64, u64> {
    let all: BTreeSet<u64> = ids.collect();
    let mut free = (0..).filter(|id| !all.contains(id) || *id >= PLACES);
    let mut new = BTreeMap::new();
    for id in all.iter().filter(|id| **id >= PLACES) {
        new.extend(free.next().map(|number| (*id, number)));
    }
    new
}

/// Whether these are permissions as the kernel prints them.
pub(super) fn is_perms(perms: &str) -> bool {
    let letters: Vec<char> = perms.chars().collect();
    let known = ["r-", "w-", "x-", "ps"];
    letters.len() == known.len() && letters.iter().zip(known).all(|(letter, of)| of.contains(*letter))
}

/// Whether a thread is called as the kernel calls kdamonds.
pub(super) fn is_kdamond(comm: &str) -> bool {
    comm.strip_prefix("kdamond.")
        .is_some_and(|number| (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The recorder and its version, if it is a known one; its name alone if the version is not in numbers.
pub(super) fn tool(tool: &str) -> String {
    let mut words = tool.split(' ');
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !TOOLS.contains(&name) {
        return String::new();
    }
    format!("{name} {}", release(version)).trim_end().to_owned()
}

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
        ("type" | "filter_type", Value::String(name)) if FilterKind::value_keys(name).is_ok() => {
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
    fn target_ids_that_may_be_pointers_or_process_ids_become_small_numbers() {
        let new = target_ids([0, 2, 0xffff_8881_0000_1000, 4242, 4242].into_iter());
        assert_eq!(new, BTreeMap::from([(4242, 1), (0xffff_8881_0000_1000, 3)]));
    }

    #[test]
    fn permissions_kdamonds_and_tools_are_kept_in_the_words_that_everybody_has() {
        let good = ["rw-p", "r-xs", "----", "---p"].map(is_perms);
        assert_eq!(good, [true, true, false, true]);
        assert!(!is_perms("rw-p jane") && !is_perms("") && !is_perms("jane"));
        assert!(is_kdamond("kdamond.0") && !is_kdamond("kdamond.jane") && !is_kdamond("kdamond.4242"));
        assert_eq!(
            ["damo 0.1.0", "perf 6.8.12-jane", "jane 1.0", "damo", ""].map(tool),
            ["damo 0.1.0", "perf 6.8.12", "", "damo", ""]
        );
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
