//! What tools say of events that they lost, in all their wordings.

use super::clock::digits;

/// A loss that a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Here, so many events; `None` if that is not told.
    Here(Option<u64>),
    /// Somewhere in the recording, so many chunks of events of unknown size.
    Chunks(u64),
    /// Somewhere in the recording, such a share of the events.
    Share,
}

/// The loss that a line tells of, if it does. Almost every line of a mixed trace comes here, so that the first question is
/// cheap.
pub(super) fn loss(raw: &[u8]) -> Option<Loss> {
    let ends = raw.ends_with(b"]") || raw.ends_with(b"!");
    if !ends && !raw.windows(11).any(|window| window == b"RECORD_LOST") {
        return None;
    }
    let text = std::str::from_utf8(raw).ok()?;
    in_brackets(text).or_else(|| of_perf_trace(text)).or_else(|| at_the_end(text)).or_else(|| of_a_record(text))
}

/// `CPU:1 [LOST 123 EVENTS]` of tracefs, `CPU:1 [123 EVENTS DROPPED]` of trace-cmd; both without a number where the kernel
/// does not know it.
fn in_brackets(text: &str) -> Option<Loss> {
    let (before, inner) = text.strip_suffix(']')?.rsplit_once('[')?;
    let before = before.trim();
    let is_cpu = before.strip_prefix("CPU:").is_some_and(|cpu| digits(cpu).is_some());
    if !before.is_empty() && !is_cpu {
        return None;
    }
    let words: Vec<&str> = inner.split_ascii_whitespace().collect();
    match words[..] {
        ["LOST", "EVENTS"] | ["EVENTS", "DROPPED"] => Some(Loss::Here(None)),
        ["LOST", count, "EVENTS"] | [count, "EVENTS", "DROPPED"] => digits(count).map(|count| Loss::Here(Some(count))),
        _ => None,
    }
}

/// `LOST 123 events!`
fn of_perf_trace(text: &str) -> Option<Loss> {
    let count = text.trim_start().strip_prefix("LOST ")?.strip_suffix(" events!")?;
    digits(count).map(|count| Loss::Here(Some(count)))
}

/// `Processed 24680 events and lost 3 chunks!`, `Processed 24680 samples and lost 12.34%!`: perf's warnings, which stand
/// wherever they came between the lines.
fn at_the_end(text: &str) -> Option<Loss> {
    let rest = text.get(text.find("Processed ")?..)?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    match words[..] {
        ["Processed", _, "events", "and", "lost", chunks, "chunks!"] => digits(chunks).map(Loss::Chunks),
        ["Processed", _, "samples", "and", "lost", share] if share.ends_with("%!") => Some(Loss::Share),
        _ => None,
    }
}

/// `... PERF_RECORD_LOST lost 123`, `... PERF_RECORD_LOST_SAMPLES lost 123`: `perf script --show-lost-events`.
fn of_a_record(text: &str) -> Option<Loss> {
    let (_, after) = text.split_once("PERF_RECORD_LOST")?;
    let count = after.split(|c: char| !c.is_ascii_digit()).find_map(digits);
    Some(Loss::Here(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_seen_in_every_wording() {
        for (text, expected) in [
            ("CPU:1 [LOST 123 EVENTS]", Some(123)),
            ("[LOST 35 EVENTS]", Some(35)),
            ("CPU:0 [LOST EVENTS]", None),
            ("CPU:0 [17 EVENTS DROPPED]", Some(17)),
            ("CPU:0 [EVENTS DROPPED]", None),
            ("kdamond.0 231 [001] 37.39: PERF_RECORD_LOST lost 853", Some(853)),
            ("LOST 123 events!", Some(123)),
        ] {
            assert_eq!(loss(text.as_bytes()), Some(Loss::Here(expected)), "{text}");
        }
        assert_eq!(loss(b"Processed 24680 events and lost 3 chunks!"), Some(Loss::Chunks(3)));
        assert_eq!(loss(b"Processed 24680 samples and lost 12.34%!"), Some(Loss::Share));
        for text in ["a [x] b", "a-1 [LOST 3 EVENTS]", "CPU 3 is empty", "CPU:5 [x]", "Check IO/CPU overload!"] {
            assert_eq!(loss(text.as_bytes()), None, "{text}");
        }
    }
}
