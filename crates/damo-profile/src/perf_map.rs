//! Maps of code that a program compiled while it ran: text files that runtimes write for profilers, `START SIZE NAME` in
//! hexadecimal on each line. A later line counts more than an earlier one: the memory was used again.

use crate::demangle::demangle;
use crate::module::{Frame, Module, Problem, Resolved};
use crate::places::{Places, below};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A map larger than this is read up to here.
const MAX_MAP: u64 = 1 << 30;

/// A range of code.
struct Code {
    end: u64,
    name: String,
}

/// Resolves addresses of code that the module's processes compiled.
pub(crate) fn resolve(module: &Module, addresses: &[u64], places: &Places) -> Resolved {
    let mut frames = vec![Vec::new(); addresses.len()];
    let mut looked_at = places.perf_maps.join("perf-PID.map");
    let mut found_map = false;
    for pid in &module.pids {
        for path in candidates(*pid, places) {
            looked_at = path.clone();
            let Ok(map) = read(&path) else { continue };
            found_map = true;
            for (frames, address) in frames.iter_mut().zip(addresses).filter(|(frames, _)| frames.is_empty()) {
                let code = map.range(..=*address).next_back().filter(|(_, code)| *address < code.end);
                frames.extend(code.map(|(_, code)| Frame { function: code.name.clone(), ..Frame::default() }));
            }
            break;
        }
    }
    let is_missing = !found_map && !addresses.is_empty();
    Resolved { frames, problem: is_missing.then_some(Problem::NoPerfMap { path: looked_at }) }
}

/// Where the map of a process may be: in its own file system, under its number in its own namespace, and in ours.
fn candidates(pid: i32, places: &Places) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Some(proc) = &places.proc {
        let process = proc.join(pid.to_string());
        let own = inner_pid(&process.join("status")).unwrap_or(pid);
        let root = process.join("root");
        for pid in [own, pid] {
            paths.push(below(&below(&root, &places.perf_maps), Path::new(&format!("perf-{pid}.map"))));
        }
    }
    for root in &places.symfs {
        paths.push(below(root, &places.perf_maps).join(format!("perf-{pid}.map")));
    }
    if places.proc.is_some() {
        paths.push(places.perf_maps.join(format!("perf-{pid}.map")));
    }
    paths
}

/// The number of a process in its innermost namespace, from `/proc/PID/status`.
fn inner_pid(status: &Path) -> Option<i32> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

fn read(path: &Path) -> std::io::Result<BTreeMap<u64, Code>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut map = BTreeMap::new();
    for line in BufReader::new(file.take(MAX_MAP)).split(b'\n') {
        let line = line?;
        if let Some((start, code)) = code_of(&String::from_utf8_lossy(&line)) {
            insert(&mut map, start, code);
        }
    }
    Ok(map)
}

/// Puts code over what was there before.
fn insert(map: &mut BTreeMap<u64, Code>, start: u64, code: Code) {
    let covered: Vec<u64> = map.range(start..code.end).map(|(start, _)| *start).collect();
    for covered in covered {
        // What reaches beyond the new code stays there.
        if let Some(old) = map.remove(&covered).filter(|old| old.end > code.end) {
            map.insert(code.end, old);
        }
    }
    if let Some((_, before)) = map.range_mut(..start).next_back() {
        before.end = before.end.min(start);
    }
    map.insert(start, code);
}

fn code_of(line: &str) -> Option<(u64, Code)> {
    let mut words = line.trim_end().splitn(3, ' ');
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let (start, size) = (number(words.next()?)?, number(words.next()?)?);
    let end = start.checked_add(size).filter(|end| *end > start)?;
    Some((start, Code { end, name: demangle(words.next()?) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleKind;

    fn names(map: &str, addresses: &[u64]) -> (Vec<String>, bool) {
        let dir = tempfile::tempdir().unwrap();
        let tmp = dir.path().join("proc/77/root/tmp");
        std::fs::create_dir_all(&tmp).unwrap();
        std::fs::write(dir.path().join("proc/77/status"), "Name:\tnode\nNSpid:\t77\t5\n").unwrap();
        std::fs::write(tmp.join("perf-5.map"), map).unwrap();
        let places = Places { proc: Some(dir.path().join("proc")), ..Places::default() };
        let module = Module { kind: ModuleKind::Jit, pids: vec![77], ..Module::default() };
        let resolved = resolve(&module, addresses, &places);
        let names = resolved.frames.iter().map(|f| f.first().map_or(String::new(), |frame| frame.function.clone()));
        (names.collect(), resolved.problem.is_some())
    }

    #[test]
    fn the_map_of_a_process_in_a_container_is_under_its_inner_number() {
        let map = "1000 100 LazyCompile:~run app.js:3\n2000 10 other thing\nnot a line\n3000 0 empty\n";
        let (names, problem) = names(map, &[0x1000, 0x10ff, 0x1100, 0x200f, 0x3000]);
        assert_eq!(names, ["LazyCompile:~run app.js:3", "LazyCompile:~run app.js:3", "", "other thing", ""]);
        assert!(!problem);
    }

    #[test]
    fn code_that_was_compiled_later_lies_over_earlier_code() {
        let (names, _) = names("1000 100 old\n1040 20 new\n", &[0x1000, 0x1040, 0x105f]);
        assert_eq!(names, ["old", "new", "new"]);
    }

    #[test]
    fn a_missing_map_is_said_with_its_path() {
        let places = Places { proc: None, ..Places::default() };
        let module = Module { kind: ModuleKind::Jit, pids: vec![77], ..Module::default() };
        let resolved = resolve(&module, &[1], &places);
        assert!(resolved.problem.unwrap().to_string().contains("perf-"));
    }
}
