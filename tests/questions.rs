//! What docs/query.md shows is what `damo query` prints, and pictures and files of answers are made.

mod common;

use std::fs;
use std::path::Path;

/// The commands of a page's shell blocks and what each is said to print: what the text block behind it holds.
fn shown(page: &str) -> Vec<(Vec<String>, Option<String>)> {
    let mut all = Vec::new();
    let mut rest = page;
    while let Some((_, from)) = rest.split_once("```sh\n") {
        let (commands, behind) = from.split_once("```\n").expect("a block has an end");
        let lines = commands.lines().map(str::to_owned).collect();
        let output =
            behind.strip_prefix("```text\n").and_then(|text| text.split_once("```\n")).map(|(text, _)| text.to_owned());
        all.push((lines, output));
        rest = behind;
    }
    all
}

/// Runs a line of the page; the records of the project are where the page says.
fn run(directory: &Path, line: &str) -> String {
    let words = common::words(line);
    let top = common::top();
    let word = |word: &String| match word.strip_prefix("testdata/") {
        Some(rest) => top.join("testdata").join(rest).display().to_string(),
        None => word.clone(),
    };
    let output = common::damo(directory).args(words[1..].iter().map(word)).output().expect("damo starts");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// With `BLESS=1` the answers on the page are written instead of compared.
#[test]
fn the_twelve_questions_of_the_page_have_the_answers_that_it_shows() {
    let path = common::top().join("docs/query.md");
    let mut page = fs::read_to_string(&path).expect("docs/query.md");
    let here = tempfile::tempdir().expect("temporary directory");
    let mut answered = 0;
    for (lines, expected) in shown(&page.clone()) {
        let printed: String = lines.iter().map(|line| run(here.path(), line)).collect();
        let Some(expected) = expected else { continue };
        answered += 1;
        if std::env::var_os("BLESS").is_some() {
            let block = |text: &str| format!("```sh\n{}\n```\n```text\n{text}```\n", lines.join("\n"));
            page = page.replace(&block(&expected), &block(&printed));
        } else {
            assert_eq!(printed, expected, "{lines:?}; BLESS=1 writes it");
        }
    }
    assert!(answered >= 12, "{answered} questions");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, page).expect("docs/query.md can be written");
    }
}

#[test]
fn answers_are_files_and_pictures_of_the_form_that_their_names_end_in() {
    let here = tempfile::tempdir().expect("temporary directory");
    let dir = here.path();
    run(dir, "damo record --quiet --simulate pair --timeout 10 -o pair.damo");
    let sql = "'SELECT start_ns, comm, accessed_bytes FROM snapshots'";
    for name in ["a.csv", "a.json", "a.md", "a.parquet", "a.txt"] {
        run(dir, &format!("damo query {sql} pair.damo -o {name}"));
        assert!(fs::metadata(dir.join(name)).is_ok_and(|meta| meta.len() > 100), "{name}");
    }
    assert!(fs::read_to_string(dir.join("a.csv")).expect("text").starts_with("start_ns,comm,accessed_bytes\n"));
    assert!(fs::read(dir.join("a.parquet")).expect("bytes").starts_with(b"PAR1"));
    run(dir, &format!("damo query {sql} pair.damo --plot start_ns accessed_bytes -o a.svg"));
    assert!(fs::read_to_string(dir.join("a.svg")).expect("text").contains("accessed_bytes by start_ns"));
    run(
        dir,
        "damo query 'SELECT mapping, SUM(size) AS bytes FROM regions GROUP BY mapping' pair.damo --plot mapping bytes -o b.png",
    );
    assert!(fs::read(dir.join("b.png")).expect("bytes").starts_with(b"\x89PNG"));
    let described = run(dir, "damo query --describe snapshots");
    assert!(described.contains("accessed_bytes") && described.contains("overlap(start, end, from, to)"), "{described}");
    for (line, why) in [
        ("damo query 'SELECT * FROM snapshots' pair.damo -o a.png", "--plot X Y"),
        ("damo query 'SELECT * FROM snapshots' pair.damo --plot start_ns nr_regions", "-o FILE.png"),
        ("damo query 'SELECT snapshot FROM snapshots' pair.damo --plot snapshot rss -o c.png", "no column 'rss'"),
        ("damo query --describe nothing", "no table 'nothing'"),
    ] {
        let output = common::damo(dir).args(&common::words(line)[1..]).output().expect("damo starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(why), "{line}: {said}");
    }
}
