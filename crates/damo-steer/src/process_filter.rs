//! Which processes of the machine are targets, by what they are: their name, their program, their size.

use damo_kernel::procfs::Procfs;
use damo_model::Bytes;
use damo_model::human::{Style, format_size};
use regex_lite::Regex;
use std::cmp::Reverse;
use std::fmt;

/// A regular expression that is compared by its text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it is found in a text.
    fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl std::str::FromStr for Pattern {
    type Err = regex_lite::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Regex::new(text).map(Pattern)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

/// What all of the processes that are chosen have in common. What is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFilter {
    /// Found in the command name (`/proc/PID/comm`).
    pub comm: Option<Pattern>,
    /// Found in the path of the program (`/proc/PID/exe`).
    pub exe: Option<Pattern>,
    /// At least so much resident memory.
    pub min_rss: Option<Bytes>,
    /// Only so many, those with the most resident memory.
    pub top: Option<usize>,
}

impl ProcessFilter {
    /// Whether anything is asked for.
    pub fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Those that are chosen now, the largest first if only some are wanted. `known` have been chosen before: they are left
    /// out, and count among the wanted ones. Kernel threads and this process are never chosen.
    pub fn choose(&self, procfs: &Procfs, known: &[i32]) -> Vec<i32> {
        let own = std::process::id().cast_signed();
        let wanted = |pid: &i32| *pid != own && !known.contains(pid) && self.matches(procfs, *pid);
        let mut found: Vec<i32> = procfs.pids().into_iter().filter(wanted).collect();
        if let Some(top) = self.top {
            let rss = |pid: &i32| procfs.footprint(*pid, false).ok().and_then(|footprint| footprint.rss);
            found.sort_by_cached_key(|pid| Reverse(rss(pid)));
            found.truncate(top.saturating_sub(known.len()));
        }
        found
    }

    /// The cheapest question first: most processes are sorted out by it.
    fn matches(&self, procfs: &Procfs, pid: i32) -> bool {
        let is_named = |pattern: &Pattern| procfs.stat(pid).is_ok_and(|stat| pattern.is_in(&stat.comm));
        let is_program = |pattern: &Pattern| procfs.program(pid).is_some_and(|path| pattern.is_in(&path));
        let rss = || procfs.footprint(pid, false).ok()?.rss;
        self.comm.as_ref().is_none_or(is_named)
            && self.exe.as_ref().is_none_or(is_program)
            // A kernel thread has none.
            && rss().is_some_and(|rss| rss.0 > 0 && self.min_rss.is_none_or(|least| rss >= least))
    }
}

/// As it was typed.
impl fmt::Display for ProcessFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = |pattern: &Option<Pattern>| pattern.as_ref().map(|pattern| format!("'{}'", pattern.0.as_str()));
        let parts = [
            ("--comm", pattern(&self.comm)),
            ("--exe", pattern(&self.exe)),
            ("--min_rss", self.min_rss.map(|least| format_size(least, Style::Human).replace(' ', ""))),
            ("--top", self.top.map(|top| top.to_string())),
        ];
        let given = parts.into_iter().filter_map(|(option, value)| Some(format!("{option} {}", value?)));
        f.write_str(&given.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use std::sync::Arc;

    /// Processes with their names, programs and resident pages; one without pages is a kernel thread.
    fn machine(processes: &[(i32, &str, &str, u64)]) -> Procfs {
        let fake = Arc::new(MemorySysfs::new((6, 12)));
        for (pid, comm, exe, pages) in processes {
            let rest = "1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 1 0 100 9 9";
            fake.put(&format!("proc/{pid}/stat"), &format!("{pid} ({comm}) S {rest}"));
            fake.put(&format!("proc/{pid}/statm"), &format!("{} {pages} 0 1 0 200 0", pages * 2));
            if !exe.is_empty() {
                fake.put(&format!("proc/{pid}/exe"), exe);
            }
        }
        Procfs::new(&Root::with_io(fake))
    }

    fn procfs_page() -> u64 {
        Procfs::new(&Root::host()).page_size().0
    }

    fn filter(comm: &str, exe: &str, least: u64, top: usize) -> ProcessFilter {
        let pattern = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        ProcessFilter {
            comm: pattern(comm),
            exe: pattern(exe),
            min_rss: (least > 0).then_some(Bytes(least)),
            top: (top > 0).then_some(top),
        }
    }

    #[test]
    fn processes_are_chosen_by_name_program_and_size_and_kernel_threads_never() {
        let page = procfs_page();
        let procfs = machine(&[
            (2, "kthreadd", "", 0),
            (10, "postgres", "/usr/lib/postgresql/15/bin/postgres", 100),
            (11, "postgres", "/usr/lib/postgresql/15/bin/postgres", 300),
            (12, "java", "/opt/jdk/bin/java", 900),
            (13, "java", "/opt/old jdk/bin/java (deleted)", 20),
        ]);
        let chosen = |comm, exe, least, top| filter(comm, exe, least, top).choose(&procfs, &[]);
        assert_eq!(chosen("", "", 0, 0), [10, 11, 12, 13]);
        assert_eq!(chosen("^post", "", 0, 0), [10, 11]);
        assert_eq!(chosen("gres$", "15/bin", 0, 1), [11]);
        assert_eq!(chosen("", "^/opt/.*/java$", 0, 0), [12, 13], "the name of a program whose file was replaced");
        assert_eq!(chosen("", "", 100 * page, 0), [10, 11, 12]);
        assert_eq!(chosen("", "", 0, 2), [12, 11]);
        assert!(chosen("kthreadd", "", 0, 0).is_empty());
        assert_eq!(filter("", "", 0, 3).choose(&procfs, &[12]), [11, 10], "those that are known count");
        assert!(filter("", "", 0, 1).choose(&procfs, &[12]).is_empty());
    }

    #[test]
    fn it_is_told_as_it_is_typed() {
        assert_eq!(filter("^a b$", "", 2 << 20, 3).to_string(), "--comm '^a b$' --min_rss 2.000MiB --top 3");
        assert!(!ProcessFilter::default().is_given() && filter("", "x", 0, 0).is_given());
    }
}
