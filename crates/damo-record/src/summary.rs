//! What is said of a recording when it ends, and of figures while it runs: a summary, the next command.

use crate::record_output::Written;
use damo_model::human::{self, Show, Style};
use damo_model::{Bytes, Nanos};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// `damon.damo: 6,000 snapshots with 336,000 regions over 10 min, 640.000 KiB (1.95 bytes per region).`
pub(crate) fn summary(written: &Written, span: Option<Nanos>) -> String {
    let name = match written.files.as_slice() {
        [] => "standard output".to_string(),
        [file] => file.shown().to_string(),
        [first, .., last] => format!("{} files, {} to {}", written.files.len(), first.shown(), last.shown()),
    };
    let over = span.map_or_else(String::new, |span| format!(" over {}", human::time_text(tenths(span))));
    let each = if written.regions == 0 {
        String::new()
    } else {
        format!(" ({:.2} bytes per region)", written.bytes as f64 / written.regions as f64)
    };
    format!(
        "{name}: {} snapshots with {} regions{over}, {}{each}.",
        grouped(written.snapshots),
        grouped(written.regions),
        human::format_size(Bytes(written.bytes), Style::Human),
    )
}

/// The command that shows the record just made.
pub(crate) fn next_command(written: &Written) -> Option<String> {
    let file = written.files.last()?;
    if written.snapshots == 0 {
        return None;
    }
    let input = if file == Path::new("damon.damo") { String::new() } else { format!(" --input {}", shell_word(file)) };
    // Where a recording made with sudo could not be given to the user, it is root's and nobody else's to read.
    let of_root = std::fs::symlink_metadata(file).is_ok_and(|meta| meta.uid() == 0);
    let sudo = if of_root && std::env::var_os("SUDO_UID").is_some() { "sudo " } else { "" };
    Some(format!("Next: {sudo}damo report heats{input}    (also: wss, raw, footprints, record_info)"))
}

/// A duration cut to tenths of a second, for messages.
pub(crate) fn tenths(time: Nanos) -> Nanos {
    Nanos(time.0 / 100_000_000 * 100_000_000)
}

/// A duration cut to whole seconds, for a line that is drawn again and again: `0 s`, `1 min 5 s`.
pub(crate) fn whole_seconds(time: Nanos) -> String {
    match Nanos(time.0 / 1_000_000_000 * 1_000_000_000) {
        // The text of a time of 0 would be `0 ns`.
        Nanos(0) => "0 s".to_string(),
        whole => human::time_text(whole),
    }
}

/// A number with a comma before each three digits: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    human::format_nr(number.into(), Style::Human)
}

/// A path as it can be pasted into a shell.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.shown().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text;
    }
    if text.starts_with('-') {
        return shell_word(&Path::new(".").join(path));
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_the_file_and_the_cost_per_region() {
        let written =
            Written { files: vec!["damon.damo".into()], snapshots: 6000, regions: 336_000, bytes: 655_200, held: None };
        let text = summary(&written, Some(Nanos(600_040_000_000)));
        assert_eq!(
            text,
            "damon.damo: 6,000 snapshots with 336,000 regions over 10 min, 639.844 KiB (1.95 bytes per region)."
        );
        assert_eq!(
            next_command(&written).unwrap(),
            "Next: damo report heats    (also: wss, raw, footprints, record_info)"
        );
    }

    #[test]
    fn the_live_line_counts_whole_seconds_from_nought() {
        let texts = [0, 999_999_999, 1_000_000_000, 65_900_000_000].map(|time| whole_seconds(Nanos(time)));
        assert_eq!(texts, ["0 s", "0 s", "1 s", "1 min 5 s"]);
    }

    #[test]
    fn the_next_command_can_be_pasted_whatever_the_file_is_called() {
        for (name, word) in
            [("a/b.damo", "a/b.damo"), ("my rec.damo", "'my rec.damo'"), ("it's", r"'it'\''s'"), ("-x", "./-x")]
        {
            assert_eq!(shell_word(Path::new(name)), word);
        }
    }

    #[test]
    fn an_empty_record_suggests_no_report() {
        let written = Written { files: vec!["x".into()], ..Written::default() };
        assert_eq!(next_command(&written), None);
    }
}
