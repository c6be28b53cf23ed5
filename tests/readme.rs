//! What README.md says works: its two commands, and every `damo` line in it.

mod common;

use damo_model::{Item, Source};
use std::ffi::OsString;

fn commands() -> Vec<String> {
    common::commands("README.md")
}

#[test]
fn every_damo_line_of_the_readme_and_the_documents_is_understood() {
    let documents = std::fs::read_dir(common::top().join("docs")).expect("docs");
    let names = documents.map(|entry| entry.expect("entry").file_name().into_string().expect("text"));
    let pages = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    for page in pages.chain(["README.md".to_owned()]) {
        let lines = common::commands(&page);
        let lines: Vec<&String> = lines.iter().filter(|line| line.starts_with("damo ")).collect();
        assert!(page != "README.md" || lines.len() > 10, "the README shows commands");
        for line in lines {
            let plain = line.replace("$(pidof app)", "4711").replace("$(pidof masim)", "4711");
            let parsed = damo::cli::parse(common::words(&plain).into_iter().map(OsString::from));
            let why = parsed.err().map(|error| error.to_string());
            assert_eq!(why, None, "{page}: {line}");
        }
    }
}

#[test]
fn words_are_told_apart_as_by_a_shell() {
    let line = "damo start --schemes '[{\"a\": 1}]' 7 # so";
    assert_eq!(common::words(line), ["damo", "start", "--schemes", "[{\"a\": 1}]", "7"]);
    assert_eq!(common::words("damo args \"a b\" > x"), ["damo", "args", "a b"]);
}

#[test]
fn the_first_command_is_the_demo_and_it_shows_and_writes_what_is_promised() {
    assert_eq!(commands()[0], "cargo run --release -- demo");
    let directory = tempfile::tempdir().expect("temporary directory");
    let shown = common::ok(directory.path(), "demo");
    // Whatever machine this is, its own processes can be read, unless it is said why not.
    let record = common::items(&directory.path().join("damo-demo/damon.damo"));
    let is_real = record.iter().any(|item| matches!(item, Item::Meta(meta) if meta.source == Source::Referenced));
    assert!(is_real || shown.contains("This machine does not tell which pages"), "{shown}");
    assert!(shown.contains("# access_frequency"), "the heat map's legend:\n{shown}");
    assert!(shown.contains("<percentile> <wss>"), "the working set distribution:\n{shown}");
    for file in ["damon.damo", "heats.png", "heats.svg", "wss.png", "footprints.png"] {
        let path = directory.path().join("damo-demo").join(file);
        assert!(path.metadata().is_ok_and(|meta| meta.len() > 500), "{}", path.display());
    }
}

#[test]
fn the_demo_shows_the_staircase_of_a_real_process() {
    let directory = tempfile::tempdir().expect("temporary directory");
    common::ok(directory.path(), "demo");
    let items = common::items(&directory.path().join("damo-demo/damon.damo"));
    if !items.iter().any(|item| matches!(item, Item::Meta(meta) if meta.source == Source::Referenced)) {
        return;
    }
    // The areas are mappings of 1 MiB. Each is hot at some time, and they are hardly ever all hot.
    let snapshots =
        items.iter().filter_map(|item| if let Item::Snapshot(snapshot) = item { Some(snapshot) } else { None });
    let hot: Vec<Vec<u64>> = snapshots
        .map(|snapshot| {
            let regions = snapshot.regions.iter();
            let areas = regions.filter(|region| region.nr_accesses.0 > 0 && region.size().0 == 1 << 20);
            areas.map(|region| region.start.0).collect()
        })
        .collect();
    let ever: std::collections::BTreeSet<u64> = hot.iter().flatten().copied().collect();
    assert!(ever.len() >= 10, "{hot:x?}");
    assert!(hot.iter().filter(|areas| areas.len() >= 8).count() <= 2, "{hot:x?}");
}

#[test]
fn where_processes_cannot_be_read_the_demo_says_so_and_simulates() {
    let directory = tempfile::tempdir().expect("temporary directory");
    // Without a /proc nothing is known of any process. Where nobody may make a namespace this cannot be tried.
    let mut command = std::process::Command::new("unshare");
    let script = r#"mount -t tmpfs none /proc && exec "$0" demo"#;
    command.current_dir(directory.path()).args(["-r", "-m", "sh", "-c", script]).arg(env!("CARGO_BIN_EXE_damo"));
    let Ok(output) = command.output() else { return };
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if why.contains("unshare: ") || why.contains("mount: ") {
        return;
    }
    assert!(output.status.success(), "{why}");
    assert!(said.contains("This machine does not tell") && said.contains("record --simulate stairs"), "{said}\n{why}");
    assert!(directory.path().join("damo-demo/heats.png").exists());
}

#[test]
fn the_second_command_is_the_test_script_that_ci_calls() {
    assert_eq!(commands()[1], "scripts/test");
    let ci = std::fs::read_to_string(common::top().join(".ci/run")).expect(".ci/run");
    assert!(ci.contains("\nscripts/test "));
}

#[test]
fn report_lines_of_the_readme_run_on_a_simulated_record() {
    let directory = tempfile::tempdir().expect("temporary directory");
    common::record_stairs(directory.path());
    let lines: Vec<String> = commands()
        .into_iter()
        .filter(|line| ["damo report", "damo info", "damo doctor damon"].iter().any(|start| line.starts_with(start)))
        .filter(|line| !line.contains("damon.data"))
        .collect();
    assert!(lines.len() >= 6, "the README shows reports");
    for line in lines {
        common::ok(directory.path(), line.trim_start_matches("damo "));
    }
}

#[test]
fn the_readme_installs_completions_and_manual_pages() {
    let home = tempfile::tempdir().expect("temporary directory");
    let at_home = |path: &str| home.path().join(path.trim_start_matches("~/"));
    let lines = commands();
    let starts = |start: &str| lines.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}"));
    for directory in common::words(starts("mkdir -p ~/")).iter().filter(|word| word.starts_with("~/")) {
        std::fs::create_dir_all(at_home(directory)).expect("mkdir");
    }
    let (command, file) = starts("damo completions").split_once(" > ").expect("into a file");
    let script = common::ok(home.path(), command.trim_start_matches("damo "));
    std::fs::write(at_home(file), script).expect("its directory is made first");
    let pages = starts("damo man ~/").trim_start_matches("damo man ");
    common::ok(home.path(), &format!("man {}", at_home(pages).display()));
    assert!(at_home(pages).join("damo-report-heats.1").exists());
}

#[test]
fn files_that_the_readme_links_to_exist() {
    let text = std::fs::read_to_string(common::top().join("README.md")).expect("README.md");
    let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 5);
    for link in links {
        assert!(common::top().join(link).exists(), "{link}");
    }
}

#[test]
fn the_glossary_names_types_that_exist_and_is_sorted() {
    let text = std::fs::read_to_string(common::top().join("GLOSSARY.md")).expect("GLOSSARY.md");
    for part in text.split("\n## ").skip(1) {
        let rows: Vec<Vec<&str>> = part.lines().filter(|line| line.starts_with("| ")).skip(1).map(cells).collect();
        assert!(rows.len() > 10, "{part}");
        let words: Vec<String> = rows.iter().map(|row| row[0].to_lowercase()).collect();
        assert!(words.is_sorted(), "{words:?}");
        for row in rows {
            let (name, class) = row[2].trim_matches('`').split_once("::").expect("crate::Type");
            let mut files = Vec::new();
            sources(&common::top().join("crates").join(name.replace('_', "-")).join("src"), &mut files);
            // Units are defined by a macro, each as `Name(u64)`.
            let forms = ["struct", "enum", "trait"].map(|form| format!("pub {form} {class} "));
            let unit = ["u32", "i32", "u64", "i64"].map(|width| format!("    {class}({width})"));
            let has = |text: &str| forms.iter().chain(&unit).any(|form| text.contains(form));
            let tuple = format!("pub struct {class}(");
            let found = files.iter().any(|file| {
                let text = std::fs::read_to_string(file).expect("source");
                has(&text) || text.contains(&tuple)
            });
            assert!(found, "GLOSSARY.md: {name} has no {class}");
        }
    }
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

fn sources(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a crate").map(|entry| entry.expect("entry").path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else {
            found.push(entry);
        }
    }
}
