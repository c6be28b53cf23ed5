//! What is drawn on terminals: it fits the window, and terminals that know no colours get none.

mod common;

use common::terminal::on_terminal;
use common::{damo, fails, ok, real, record_pair, record_stairs};
use std::path::Path;
use tempfile::TempDir;

const COLUMNS: usize = 80;
const LINES: usize = 24;

/// A copy of a real recording, with what lies beside it, so that messages name no long paths.
fn copied(name: &str, here: &Path) {
    for file in std::fs::read_dir(real(name)).expect("a directory") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), here.join(file.file_name())).expect("copied");
    }
}

/// What `damo` shows on a terminal of that kind, which is 80 columns wide and 24 lines high.
fn shown(here: &Path, term: &str, words: &[&str]) -> String {
    let mut command = damo(here);
    command.env("TERM", term).env_remove("COLORTERM").env_remove("COLUMNS").env_remove("LINES");
    command.args(words);
    let (status, text) = on_terminal(command);
    assert!(status.success(), "damo {words:?}: {text}");
    text
}

/// The lines as they stay on the terminal, without colours and without what was overwritten.
fn lines(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\x1b' {
            // `ESC [ … letter`.
            rest.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            plain.push(c);
        }
    }
    plain.lines().map(|line| line.rsplit('\r').next().unwrap_or_default().to_owned()).collect()
}

/// A map of half blocks or shades stands here: its time axis does.
fn maps(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.trim_start().starts_with('└')).count()
}

fn fits(words: &[&str], lines: &[String]) {
    // The prompt takes the last line.
    assert!(lines.len() < LINES, "damo {words:?} takes {} lines:\n{}", lines.len(), lines.join("\n"));
    let wide = lines.iter().find(|line| line.chars().count() > COLUMNS);
    assert!(wide.is_none(), "damo {words:?}: a line is too wide: {wide:?}");
}

#[test]
fn terminals_without_colours_get_no_escape_sequences() {
    let here = TempDir::new().expect("a directory");
    let stairs = real("stairs/damon.data");
    let stairs = stairs.to_str().expect("text");
    for term in ["vt100", "dumb"] {
        for words in [
            &["report", "heats", stairs][..],
            &["report", "heats", "--color", "auto", stairs],
            &["report", "heats", "--style", "digits", stairs],
            &["report", "holistic", stairs],
            &["report", "wss", stairs],
            &["info", stairs],
        ] {
            let text = shown(here.path(), term, words);
            assert!(!text.contains('\x1b'), "damo {words:?} on {term}: {text:?}");
        }
    }
    assert!(shown(here.path(), "xterm-256color", &["report", "heats", stairs]).contains("\x1b["));
}

#[test]
fn a_map_fits_a_window_of_80_columns_and_24_lines() {
    let here = TempDir::new().expect("a directory");
    record_stairs(here.path());
    copied("stairs", here.path());
    for term in ["xterm-256color", "vt100"] {
        for words in [&["report", "heats", "damon.data"][..], &["report", "heats", "damon.damo"]] {
            let lines = lines(&shown(here.path(), term, words));
            fits(words, &lines);
            assert_eq!(maps(&lines), 1, "{}", lines.join("\n"));
        }
    }
}

#[test]
fn maps_of_several_targets_and_records_do_not_scroll() {
    let here = TempDir::new().expect("a directory");
    record_pair(here.path(), "-o pair.damo");
    std::fs::copy(here.path().join("pair.damo"), here.path().join("again.damo")).expect("copied");
    for term in ["xterm-256color", "vt100"] {
        let words = ["report", "heats", "pair.damo"];
        let two = lines(&shown(here.path(), term, &words));
        fits(&words, &two);
        assert_eq!(maps(&two), 2, "{}", two.join("\n"));
        // Four maps: two have room, and it is said how to see the others.
        let words = ["report", "heats", "pair.damo", "again.damo"];
        let four = lines(&shown(here.path(), term, &words));
        fits(&words, &four);
        assert_eq!(maps(&four), 2, "{}", four.join("\n"));
        let note = four.iter().find(|line| line.starts_with("note: ")).expect("a note");
        assert!(note.contains("2 of 4 maps") && note.contains("--tid") && note.contains("--style blocks"), "{note}");
    }
    // What the note says shows all.
    let all = ok(here.path(), "report heats --style blocks pair.damo again.damo");
    assert_eq!(maps(&lines(&all)), 4, "{all}");
}

#[test]
fn the_holistic_page_is_not_wider_than_80_columns() {
    let here = TempDir::new().expect("a directory");
    record_pair(here.path(), "-o pair.damo");
    copied("stairs", here.path());
    copied("schemes", here.path());
    for record in ["pair.damo", "damon.data", "trace.txt"] {
        let lines = lines(&shown(here.path(), "xterm-256color", &["report", "holistic", record]));
        let wide: Vec<_> = lines.iter().filter(|line| line.chars().count() > COLUMNS).collect();
        assert!(wide.is_empty(), "{record}: {wide:#?}");
    }
}

#[test]
fn a_scale_without_a_unit_is_refused_with_both_likely_units() {
    let here = TempDir::new().expect("a directory");
    let stairs = real("stairs/damon.data");
    let stairs = stairs.to_str().expect("text");
    for report in ["heats", "holistic"] {
        let said = fails(here.path(), &format!("report {report} --scale 0..50 {stairs}"), 2);
        assert!(said.starts_with("error: "), "{said}");
        assert!(said.contains("0..50Hz") && said.contains("0..50%"), "{said}");
        for wrong in ["50", "5..50%", "0-50Hz", "max"] {
            let said = fails(here.path(), &format!("report {report} --scale {wrong} {stairs}"), 2);
            assert!(said.contains("0..50%") && said.contains("0..200Hz"), "{wrong}: {said}");
        }
        for wrong in ["0..0Hz", "0..150%", "0..furlongs", "0..-3Hz"] {
            let said = fails(here.path(), &format!("report {report} --scale {wrong} {stairs}"), 2);
            assert!(said.starts_with("error: ") && said.contains("--scale"), "{wrong}: {said}");
        }
    }
    ok(here.path(), &format!("report heats --scale 0..50% --style blocks {stairs}"));
}
