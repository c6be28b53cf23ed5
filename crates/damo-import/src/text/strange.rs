//! Texts with DAMON's events in a layout that is not read: named for what they are, with what to do instead.

/// A layout that is known by sight only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strange {
    /// ftrace's option `latency-format`: command names are cut, and times are microseconds since the trace began.
    Latency,
    /// What the kernel prints of its trace buffer when it crashes.
    KernelLog,
    /// `trace-cmd report -R`.
    Raw,
    /// The tracepoint of the patches before DAMON was merged.
    Patches,
}

impl Strange {
    /// What it looks like, and what to do about it.
    pub(crate) fn describe(self) -> (&'static str, &'static str) {
        match self {
            Strange::Latency => (
                "trace text in latency format",
                "write it without: `echo nolatency-format > /sys/kernel/tracing/trace_options`, then copy \
                 /sys/kernel/tracing/trace once more",
            ),
            Strange::KernelLog => (
                "a kernel log with trace events in it, as of an ftrace dump",
                "give the trace itself: a copy of /sys/kernel/tracing/trace, or a recording by `damo record`",
            ),
            Strange::Raw => (
                "raw fields of trace events, as `trace-cmd report -R` prints them",
                "print them without -R: `trace-cmd report -i trace.dat > NEW.txt`",
            ),
            Strange::Patches => (
                "trace text of DAMON's patches of 2020, before it was part of the kernel (`pid=` instead of `target_id=`)",
                "record with a kernel from 5.15 on; a debugfs record (binary) of that time is read",
            ),
        }
    }
}

/// The layout of a line that has an event of DAMON. `head` stands before the event's name, `rest` behind its colon.
pub(super) fn layout(head: &str, rest: &str) -> Option<Strange> {
    let first = rest.split_ascii_whitespace().next().unwrap_or("");
    if is_of_kernel_log(head) {
        Some(Strange::KernelLog)
    } else if is_latency(head) {
        Some(Strange::Latency)
    } else if first.contains("=0x") {
        Some(Strange::Raw)
    } else if first.starts_with("pid=") {
        Some(Strange::Patches)
    } else {
        None
    }
}

/// `[  123.456789] ` or `<4>[  123.456789] ` at the begin, or syslog's ` kernel: `.
fn is_of_kernel_log(head: &str) -> bool {
    let head = head.trim_start();
    let behind_level = head.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(head, |(_, rest)| rest);
    let stamp = behind_level.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(stamp, _)| stamp.trim());
    let is_stamp =
        stamp.is_some_and(|stamp| stamp.contains('.') && stamp.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    is_stamp || head.contains(" kernel: ")
}

/// `10394634us+: ` before the event: the time and a mark of how long the step was.
fn is_latency(head: &str) -> bool {
    let Some(before) = head.trim_end().strip_suffix(':') else { return false };
    let time = before.trim_end().trim_end_matches(['+', '!', '#', '*', '@', '$']);
    let time = time.rsplit([' ', '\t']).next().unwrap_or(time);
    time.strip_suffix("us").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_that_are_not_read_are_named_and_those_that_are_are_not() {
        let rest = " target_id=0 nr_regions=2 4096-8192: 0 974";
        for (head, rest, expected) in [
            ("kdamond.-177     5...... 10394634us+: ", rest, Some(Strange::Latency)),
            ("kdamond.-177     5...... 10394634us : ", rest, Some(Strange::Latency)),
            ("[   12.345678] kdamond.-177     5...... 10394634us : ", rest, Some(Strange::KernelLog)),
            ("<4>[   12.345678] ", rest, Some(Strange::KernelLog)),
            ("Jan  2 10:11:12 host kernel: ", rest, Some(Strange::KernelLog)),
            ("kdamond.0-1 [005] 1.5: ", " target_id=0x0 start=0x1000 end=0x2000", Some(Strange::Raw)),
            ("kdamond  4452 [000] 1.5: damon:", " pid=1234 nr_regions=2 1-2: 0", Some(Strange::Patches)),
            ("kdamond.0-177     [005] ..... 1041: ", rest, None),
            ("[000] 1.5: ", rest, None),
        ] {
            assert_eq!(layout(head, rest), expected, "{head}");
        }
    }
}
