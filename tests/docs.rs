//! Every `damo` line in the pages of docs/ is understood by the program that they describe.

mod common;

use std::ffi::OsString;

/// The `damo` lines of the ```sh blocks of a page.
fn commands(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && line.starts_with("damo ") {
            lines.push(line);
        }
    }
    lines
}

/// Words as a shell makes them: quotes are taken off, and a comment, a pipe or a redirection ends them.
fn words(line: &str) -> Vec<OsString> {
    let line = line.replace("$(pidof app)", "4711").replace("$(pidof masim)", "4711");
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            ('#' | '|' | '>', None) if word.is_none() => break,
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.into_iter().map(OsString::from).collect()
}

#[test]
fn words_are_told_apart_as_by_a_shell() {
    let shown = |line| words(line).into_iter().map(|word| word.into_string().expect("UTF-8")).collect::<Vec<_>>();
    assert_eq!(
        shown("damo start --schemes '[{\"a\": 1}]' 7 # so"),
        ["damo", "start", "--schemes", "[{\"a\": 1}]", "7"]
    );
    assert_eq!(shown("damo args \"a b\" > x"), ["damo", "args", "a b"]);
}

#[test]
fn every_damo_line_is_understood() {
    let mut seen = 0;
    for entry in std::fs::read_dir(common::top().join("docs")).expect("docs").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ext| ext != "md") {
            continue;
        }
        let page = std::fs::read_to_string(&path).expect("a page");
        for line in commands(&page) {
            seen += 1;
            let parsed = damo::cli::parse(words(line));
            let why = parsed.err().map(|error| error.to_string());
            assert_eq!(why, None, "{}: {line}", path.display());
        }
    }
    assert!(seen > 20, "the pages show commands, not {seen}");
}

#[test]
fn the_page_on_steering_starts_what_the_talk_starts() {
    let page = std::fs::read_to_string(common::top().join("docs/steering.md")).expect("docs/steering.md");
    for line in [
        "damo start --damos_access_rate 0% 0% --damos_age 5s max --damos_action pageout $(pidof app)",
        r#"damo start --schemes '[{"access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 m"}}, "action": "pageout"}]'"#,
    ] {
        assert!(commands(&page).contains(&line), "{line}");
    }
}
