//! Maps of code that a program compiled while it ran: text files that runtimes write for profilers, `START SIZE NAME` in
//! hexadecimal on each line. A later line counts more than an earlier one: the memory was used again.

use crate::binary::open_regular;
use crate::demangle::demangle;
use crate::module::{Frame, Module, Problem, Resolved};
use crate::places::{Places, below};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A map larger than this is read up to here.
const MAX_MAP: u64 = 1 << 30;
/// The clock of the day may have been set by so many seconds since the machine or a process was started.
const CLOCK_SET: u64 = 10;
/// Ticks of `/proc/PID/stat` in a second, on all architectures.
const TICKS: u64 = 100;

/// Code of some of the addresses that are asked for: up to this position of them, not included.
struct Code {
    end: usize,
    name: Rc<str>,
}

/// Resolves addresses of code that the module's processes compiled.
pub(crate) fn resolve(module: &Module, addresses: &[u64], places: &Places) -> Resolved {
    let mut sorted: Vec<u64> = addresses.to_vec();
    sorted.sort_unstable();
    let mut frames = vec![Vec::new(); addresses.len()];
    let mut looked_at = places.perf_maps.join("perf-PID.map");
    let mut unreadable = None;
    let mut found_map = false;
    for pid in &module.pids {
        for (path, earliest) in candidates(*pid, places) {
            let map = match read(&path, earliest, &sorted) {
                Ok(map) => map,
                Err(error) => {
                    if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
                        unreadable.get_or_insert(Problem::Unreadable { path: path.clone(), why: error.to_string() });
                    }
                    looked_at = path;
                    continue;
                }
            };
            found_map = true;
            for (frames, address) in frames.iter_mut().zip(addresses).filter(|(frames, _)| frames.is_empty()) {
                let at = sorted.partition_point(|other| other < address);
                let code = map.range(..=at).next_back().filter(|(_, code)| at < code.end);
                frames.extend(code.map(|(_, code)| Frame { function: demangle(&code.name), ..Frame::default() }));
            }
            break;
        }
    }
    let is_missing = !found_map && !addresses.is_empty();
    let missing = || unreadable.unwrap_or(Problem::NoPerfMap { path: looked_at });
    Resolved { frames, problem: is_missing.then(missing) }
}

/// Where the map of a process may be: in its own file system, under its number in its own namespace, and in ours. With each
/// since when the process can have written it: an older one is of an earlier process of that number.
fn candidates(pid: i32, places: &Places) -> Vec<(PathBuf, SystemTime)> {
    let mut paths = Vec::new();
    let name = |pid: i32| format!("perf-{pid}.map");
    let earliest = places.proc.as_deref().and_then(|proc| earliest(proc, pid)).unwrap_or(UNIX_EPOCH);
    if let Some(proc) = &places.proc {
        let process = proc.join(pid.to_string());
        let own = inner_pid(&process.join("status")).unwrap_or(pid);
        let maps = below(&process.join("root"), &places.perf_maps);
        paths.extend([own, pid].map(|pid| (maps.join(name(pid)), earliest)));
    }
    paths.extend(places.symfs.iter().map(|root| (below(root, &places.perf_maps).join(name(pid)), UNIX_EPOCH)));
    paths.extend(places.proc.is_some().then(|| (places.perf_maps.join(name(pid)), earliest)));
    paths
}

/// When a process began, or if it is gone, when the machine was started; `None` if neither is known.
fn earliest(proc: &Path, pid: i32) -> Option<SystemTime> {
    let of_machine = std::fs::read_to_string(proc.join("stat")).ok()?;
    let boot: u64 = of_machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let of_process = std::fs::read_to_string(proc.join(pid.to_string()).join("stat")).unwrap_or_default();
    // Its 22nd word; the second one, in parentheses, may contain blanks.
    let after_name = of_process.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name.split_whitespace().nth(19).and_then(|word| word.parse().ok()).unwrap_or(0);
    UNIX_EPOCH.checked_add(Duration::from_secs((boot + ticks / TICKS).saturating_sub(CLOCK_SET)))
}

/// The number of a process in its innermost namespace, from `/proc/PID/status`.
fn inner_pid(status: &Path) -> Option<i32> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

/// The code that some addresses lie in, by positions of these addresses, which are sorted. The rest of the map, which may be
/// large, is not kept.
fn read(path: &Path, earliest: SystemTime, addresses: &[u64]) -> io::Result<BTreeMap<usize, Code>> {
    let file = open_regular(path)?;
    if file.metadata()?.modified()? < earliest {
        return Err(io::Error::other("it is older than the process: another one wrote it"));
    }
    let mut map = BTreeMap::new();
    for line in BufReader::new(file.take(MAX_MAP)).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        let Some((code, name)) = code_of(&line) else { continue };
        let [start, end] = [code.start, code.end].map(|end| addresses.partition_point(|address| *address < end));
        if start < end {
            insert(&mut map, start, Code { end, name: name.into() });
        }
    }
    Ok(map)
}

/// Puts code over what was there before: of that, what reaches beyond the new code stays.
fn insert(map: &mut BTreeMap<usize, Code>, start: usize, code: Code) {
    let covered: Vec<usize> = map.range(start..code.end).map(|(start, _)| *start).collect();
    let mut behind = None;
    if let Some((_, before)) = map.range_mut(..start).next_back() {
        behind = (before.end > code.end).then(|| Code { end: before.end, name: Rc::clone(&before.name) });
        before.end = before.end.min(start);
    }
    for covered in covered {
        behind = map.remove(&covered).filter(|old| old.end > code.end).or(behind);
    }
    if let Some(behind) = behind {
        map.insert(code.end, behind);
    }
    map.insert(start, code);
}

/// The addresses and the name that a line tells.
fn code_of(line: &str) -> Option<(Range<u64>, &str)> {
    let mut words = line.trim_end().splitn(3, ' ');
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let (start, size) = (number(words.next()?)?, number(words.next()?)?);
    let end = start.checked_add(size).filter(|end| *end > start)?;
    Some((start..end, words.next()?))
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
    fn names_that_a_runtime_gives_are_whole_and_symbols_in_them_are_readable() {
        let map = "1000 10 LazyCompile:*get /app/node_modules/@scope/x@1.2.js:3\n2000 10 _RNvC6_123foo3bar\n";
        let (names, _) = names(map, &[0x1000, 0x2000]);
        assert_eq!(names, ["LazyCompile:*get /app/node_modules/@scope/x@1.2.js:3", "123foo::bar"]);
    }

    #[test]
    fn what_lies_on_both_sides_of_later_code_keeps_its_name() {
        let (names, _) = names("1000 100 old\n1040 20 new\n1050 4 newest\n", &[0x103f, 0x104f, 0x1053, 0x105f, 0x1060]);
        assert_eq!(names, ["old", "new", "newest", "new", "old"]);
    }

    #[test]
    fn a_fifo_with_the_name_of_a_map_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("perf-77.map");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let places = Places { perf_maps: dir.path().to_owned(), ..Places::default() };
        let module = Module { kind: ModuleKind::Jit, pids: vec![77], ..Module::default() };
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(resolve(&module, &[1], &places).problem));
        let problem = receiver.recv_timeout(std::time::Duration::from_secs(60)).unwrap().unwrap();
        assert!(problem.to_string().contains("not a regular file"), "{problem}");
    }

    #[test]
    fn a_map_that_is_older_than_the_process_is_of_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("proc/77")).unwrap();
        let written = |at: u64| {
            let map = std::fs::File::create(path("perf-77.map")).unwrap();
            std::fs::write(path("perf-77.map"), "1000 10 code\n").unwrap();
            map.set_modified(UNIX_EPOCH + Duration::from_secs(at)).unwrap();
        };
        // The machine was started at 1,000,000 and the process 500 s later.
        std::fs::write(path("proc/stat"), "cpu 1 2 3\nbtime 1000000\n").unwrap();
        std::fs::write(path("proc/77/stat"), "77 (a )b) S 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 50000 1 1 1\n")
            .unwrap();
        let places = Places { proc: Some(path("proc")), perf_maps: dir.path().to_owned(), ..Places::default() };
        let named = |pid: i32, at: u64| {
            written(at);
            let module = Module { kind: ModuleKind::Jit, pids: vec![pid], ..Module::default() };
            let resolved = resolve(&module, &[0x1000], &places);
            assert_eq!(resolved.frames[0].is_empty(), resolved.problem.is_some());
            !resolved.frames[0].is_empty()
        };
        assert!(named(77, 1_000_501) && !named(77, 1_000_400));
        // Of a process that is gone it is known that it ran since the machine was started.
        std::fs::remove_dir_all(path("proc/77")).unwrap();
        assert!(named(77, 1_000_400) && !named(77, 999_000));
    }

    #[test]
    fn a_missing_map_is_said_with_its_path() {
        let places = Places { proc: None, ..Places::default() };
        let module = Module { kind: ModuleKind::Jit, pids: vec![77], ..Module::default() };
        let resolved = resolve(&module, &[1], &places);
        assert!(resolved.problem.unwrap().to_string().contains("perf-"));
    }
}
