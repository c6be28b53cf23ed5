//! The texts of `/proc` and `/sys`, without files. Untrusted: a process chooses its own name, and maps of another
//! kernel may have anything in them.

use damo_model::{Addr, AddrRange, Bytes, Footprint, Mapping, Nanos, Stamp, SystemFootprint};
use std::collections::HashMap;

/// What is needed of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Command name; may hold anything.
    pub comm: String,
    /// State as one letter: `R`, `S`, `Z` for a zombie, and so on.
    pub state: char,
    /// The process id of its parent.
    pub parent: i32,
    /// Process group: the pid of its leader.
    pub group: i32,
    /// Session: the pid of its leader.
    pub session: i32,
    /// CPU time in user mode since it started.
    pub user: Nanos,
    /// CPU time in the kernel since it started.
    pub system: Nanos,
    /// When it started, since boot.
    pub started: Nanos,
    /// The CPU that it ran on last.
    pub cpu: Option<u32>,
}

/// `/proc/PID/stat` with `ticks` clock ticks per second. The name is whatever stands between the first `(` and the last
/// `)`: it may hold both.
pub fn stat(bytes: &[u8], ticks: i64) -> Option<Stat> {
    let open = bytes.iter().position(|b| *b == b'(')?;
    let close = bytes.iter().rposition(|b| *b == b')')?;
    let comm = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    // From the third field of proc(5) on.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = i128::from(ticks.max(1));
    let time = |at: usize| -> Option<Nanos> {
        let count: u64 = fields.get(at)?.parse().ok()?;
        let ns = i128::from(count) * 1_000_000_000 / ticks;
        Some(Nanos(i64::try_from(ns).unwrap_or(i64::MAX)))
    };
    Some(Stat {
        comm,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        user: time(11)?,
        system: time(12)?,
        started: time(19)?,
        cpu: fields.get(36).and_then(|field| field.parse().ok()),
    })
}

/// `/proc/uptime`: `350735.47 234388.90`.
pub fn uptime(bytes: &[u8]) -> Option<Nanos> {
    let text = std::str::from_utf8(bytes).ok()?.split_whitespace().next()?;
    let (seconds, hundredths) = text.split_once('.')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let hundredths: i64 = digits(hundredths).then(|| hundredths.parse().ok()).flatten()?;
    let seconds: i64 = seconds.parse::<u32>().ok()?.into();
    Some(Nanos(seconds * 1_000_000_000 + hundredths * 10_000_000))
}

/// `/proc/PID/cmdline`: arguments joined by blanks.
pub fn cmdline(bytes: &[u8]) -> String {
    let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let words: Vec<_> = text.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    words.join(" ")
}

/// `/proc/PID/maps`. Lines that are none are left out.
pub fn maps(bytes: &[u8]) -> Vec<Mapping> {
    bytes.split(|b| *b == b'\n').filter_map(maps_line).collect()
}

pub(super) fn maps_line(line: &[u8]) -> Option<Mapping> {
    let line = String::from_utf8_lossy(line);
    let mut rest = line.as_ref();
    let mut word = || {
        rest = rest.trim_start_matches(' ');
        let end = rest.find(' ').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        word
    };
    let range = hex_range(word())?;
    let perms = word();
    let offset = u64::from_str_radix(word(), 16).ok()?;
    let (_device, _inode) = (word(), word());
    if range.start > range.end || perms.is_empty() {
        return None;
    }
    Some(Mapping {
        start: range.start,
        end: range.end,
        perms: perms.to_owned(),
        offset: Bytes(offset),
        // The name is the rest of the line, blanks inside it included.
        name: rest.trim_start_matches(' ').to_owned(),
    })
}

fn hex_range(text: &str) -> Option<AddrRange> {
    let (start, end) = text.split_once('-')?;
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok().map(Addr);
    Some(AddrRange::new(hex(start)?, hex(end)?))
}

/// `/proc/PID/statm`, in pages of `page` bytes.
pub(crate) fn statm(bytes: &[u8], page: u64) -> Option<Footprint> {
    let pages: Vec<u64> = numbers(bytes);
    let size = |at: usize| pages.get(at).map(|n| Bytes(n.saturating_mul(page)));
    Some(Footprint {
        vsz: Some(size(0)?),
        rss: Some(size(1)?),
        shared: Some(size(2)?),
        text: Some(size(3)?),
        data: Some(size(5)?),
        ..Footprint::default()
    })
}

/// Numbers parted by white space, up to the first thing that is none.
pub fn numbers<T: std::str::FromStr>(bytes: &[u8]) -> Vec<T> {
    let words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.map_while(|word| std::str::from_utf8(word).ok()?.parse().ok()).collect()
}

/// Lines such as `Pss:   12 kB`, in bytes.
pub(crate) fn kb_lines(bytes: &[u8]) -> HashMap<String, Bytes> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter_map(kb_line).map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn kb_line(line: &str) -> Option<(&str, Bytes)> {
    let (name, rest) = line.split_once(':')?;
    let kb: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((name, Bytes(kb.saturating_mul(1024))))
}

/// Memory of the whole system, from the text of `/proc/meminfo`.
pub fn meminfo(bytes: &[u8], at: Stamp) -> Option<SystemFootprint> {
    const NAMES: [&str; 7] = ["MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree"];
    let mut values = [None; NAMES.len()];
    for (name, value) in String::from_utf8_lossy(bytes).lines().filter_map(kb_line) {
        if let Some(at) = NAMES.iter().position(|wanted| *wanted == name) {
            values[at] = Some(value);
        }
    }
    let [total, free, available, buffers, cached, swap_total, swap_free] = values;
    let swap_used = swap_total.zip(swap_free).map(|(total, free)| Bytes(total.0.saturating_sub(free.0)));
    Some(SystemFootprint { at, total: total?, free: free?, available, buffers, cached, swap_used })
}

/// `/proc/pressure/*`: total stall time, of some and of all tasks.
pub fn pressure(bytes: &[u8]) -> Option<(Nanos, Option<Nanos>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let total = |kind: &str| {
        let line = text.lines().find(|line| line.split(' ').next() == Some(kind))?;
        let us = line.split(' ').find_map(|word| word.strip_prefix("total="))?.parse().ok()?;
        Some(Nanos::from_micros(us))
    };
    Some((total("some")?, total("full")))
}

/// `0-3,8` as single numbers; `None` if it is not such a list, or an absurdly long one.
pub(crate) fn parse_id_list(text: &str) -> Option<Vec<u32>> {
    let mut ids = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?),
            None => (part.parse::<u32>().ok()?, part.parse::<u32>().ok()?),
        };
        if last < first || (last - first) as usize + ids.len() > 1 << 16 {
            return None;
        }
        ids.extend(first..=last);
    }
    Some(ids)
}

/// `/proc/iomem`: the ranges of main memory, end exclusive. Empty if addresses are hidden (all zero, not root).
///
/// Memory that a driver added later is `System RAM (kmem)` (CXL, persistent memory) or `System RAM (virtio_mem)`, and stands
/// below the device that it comes from, at any depth.
pub fn system_ram(bytes: &[u8]) -> Vec<AddrRange> {
    let text = String::from_utf8_lossy(bytes);
    let range = |line: &str| {
        let (range, name) = line.split_once(" : ")?;
        let by = name.trim().strip_prefix("System RAM")?;
        (by.is_empty() || (by.starts_with(" (") && by.ends_with(')'))).then_some(())?;
        let range = hex_range(range.trim_start_matches(' '))?;
        (range.end > range.start).then(|| AddrRange::new(range.start, Addr(range.end.0.saturating_add(1))))
    };
    AddrRange::joined(text.lines().filter_map(range).collect())
}
