//! Files that commands write: what is never lost, what is replaced, and what is left when a command does not come to its
//! end.

mod common;
#[path = "outputs/failures.rs"]
mod failures;
#[path = "outputs/recordings.rs"]
mod recordings;

use common::{damo, fails, ok, real, top};
use damo_format::{Reader, Writer, WriterOptions};
use damo_model::profile::{
    CodeBase, CodeMapping, CodeMappings, LostSamples, ProfileInfo, Sample, Sampled, SampledThread, Samples, StackNode,
    Stacks,
};
use damo_model::{Addr, Item, Nanos, Side, Stamp};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// Runs a shell script in `directory`, with the program as `$damo`.
fn shell(directory: &Path, script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("damo", env!("CARGO_BIN_EXE_damo")).current_dir(directory);
    command.stdin(Stdio::null()).output().expect("a shell")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A short record with a scheme and a CPU profile, as `damon.damo`.
fn record(directory: &Path) {
    let schemes = r#"[{"action":"stat","access_pattern":{}}]"#;
    ok(directory, &format!("record --quiet --simulate stairs --nodes 2 --timeout 8s --schemes {schemes}"));
    add_profile(&directory.join("damon.damo"));
}

/// Puts 200 samples of a thread, of two stacks, into a record.
fn add_profile(path: &Path) {
    let reader = Reader::open(path).expect("a record");
    let mut writer = Writer::new(Vec::new(), WriterOptions::default()).expect("a writer");
    let (mut items, mut start) = (reader.stream().expect("a record"), None);
    while let Some(item) = items.next_item().expect("an item") {
        if let Item::Snapshot(snapshot) = &item {
            start.get_or_insert(snapshot.start);
        }
        writer.write(&item).expect("written");
    }
    let at = Stamp::Record(start.expect("snapshots"));
    let (start, end, name) = (Addr(0x1000), Addr(0x9000), "/no/such/program".to_owned());
    let mapping = CodeMapping { start, end, name, ..CodeMapping::default() };
    let node = |parent, address| StackNode { parent, address: Addr(address), ..StackNode::default() };
    let nodes = vec![node(None, 0x1010), node(Some(0), 0x2010), node(Some(0), 0x3010)];
    let sample = |time| Sample { time, thread: 0, stack: 1 + time % 2, weight: 1 };
    let info = ProfileInfo { at, event: "cpu-clock".to_owned(), frequency: 99, ..ProfileInfo::default() };
    let samples = Samples {
        at,
        sampled: Sampled::Cpu,
        table: 5,
        unit: Nanos(10_000_000),
        threads: vec![SampledThread { pid: 7, tid: 7, comm: "program".to_owned() }],
        samples: (0..200).map(sample).collect(),
        addresses: Vec::new(),
    };
    for side in [
        Side::Profile(info),
        Side::Code(CodeMappings { at, pid: 7, base: CodeBase::Nothing, mappings: vec![mapping] }),
        Side::Stacks(Stacks { at, table: 5, first: 0, nodes }),
        Side::Samples(samples),
        Side::LostSamples(LostSamples { at, samples: 3, reason: "ring".to_owned() }),
    ] {
        writer.write(&Item::Side(side)).expect("written");
    }
    fs::write(path, writer.finish().expect("finished").0).expect("a file");
}

/// Names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A command that writes: IN and OUT stand for its input and its output, PROBES for a record with hits of probes. `ending` is what the output is called like.
struct Writing {
    line: &'static str,
    ending: &'static str,
    /// What a file can hold that gives way to the output.
    replaces: &'static [u8],
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nold";
const SVG: &[u8] = b"<svg>old</svg>";
const TEXT: &[u8] = b"old\n";
const PARQUET: &[u8] = b"PAR1old";
const HTML: &[u8] = b"<!DOCTYPE html><title>old</title>";
const NONE: &[u8] = b"";

const fn writing(line: &'static str, ending: &'static str, replaces: &'static [u8]) -> Writing {
    Writing { line, ending, replaces }
}

/// Every command that writes a file, with every option that names one. New ones belong here.
const WRITINGS: [Writing; 90] = [
    writing("convert IN OUT", "damo", NONE),
    writing("convert IN -o OUT", "json", NONE),
    writing("convert --record_file IN --output_file OUT", "data", NONE),
    writing("convert IN --out OUT --to perf_script", "txt", NONE),
    writing("repair IN OUT", "damo", NONE),
    writing("repair IN -o OUT", "damo", NONE),
    writing("adjust IN --access_rate 0 100 -o OUT", "damo", NONE),
    writing("adjust IN --aggregate_interval 1s --output OUT", "data", NONE),
    writing("cut IN --time_range 0 30s -o OUT", "damo", NONE),
    writing("cut IN --time_range 0 30s --out OUT --to json", "json", NONE),
    writing("merge IN IN -o OUT", "damo", NONE),
    writing("anonymize IN -o OUT", "damo", NONE),
    writing("check IN --wss_max 1TiB -o OUT", "txt", TEXT),
    writing("check IN --wss_max 1TiB --out OUT", "md", TEXT),
    writing("check IN --wss_max 1TiB -o OUT --format github", "json", TEXT),
    writing("check IN --wss_max 1TiB --output OUT", "xml", TEXT),
    writing("check IN --wss_max 1TiB --plot OUT", "png", PNG),
    writing("query SELECT/**/snapshot,accessed_bytes/**/FROM/**/snapshots IN -o OUT", "txt", TEXT),
    writing("query SELECT/**/snapshot,accessed_bytes/**/FROM/**/snapshots IN --out OUT", "csv", TEXT),
    writing("query SELECT/**/snapshot,accessed_bytes/**/FROM/**/snapshots IN --output OUT", "parquet", PARQUET),
    writing(
        "query SELECT/**/snapshot,accessed_bytes/**/FROM/**/snapshots IN --plot snapshot accessed_bytes -o OUT",
        "png",
        PNG,
    ),
    writing("diff IN IN -o OUT", "txt", TEXT),
    writing("diff IN IN --out OUT", "json", TEXT),
    writing("diff --base IN --new IN -o OUT", "html", HTML),
    writing("diff IN IN --plot OUT", "png", PNG),
    writing("diff IN IN -o OUT", "svg", SVG),
    writing("report raw IN -o OUT", "txt", TEXT),
    writing("report raw IN -o OUT", "csv", TEXT),
    writing("report raw IN --plot OUT", "svg", SVG),
    writing("report access IN -o OUT", "txt", TEXT),
    writing("report access IN --format parquet --out OUT", "parquet", PARQUET),
    writing("report access IN --raw_form -o OUT", "txt", TEXT),
    writing("report access IN --plot OUT", "png", PNG),
    writing("report heats IN -o OUT", "png", PNG),
    writing("report heats IN -o OUT", "svg", PNG),
    writing("report heats IN -o OUT", "csv", TEXT),
    writing("report heats IN -o OUT", "txt", TEXT),
    writing("report heats IN --heatmap OUT", "svg", SVG),
    writing("report heats IN --plot OUT", "png", SVG),
    writing("report heats IN --format csv --out OUT", "csv", TEXT),
    writing("report heats IN --output raw --out OUT", "txt", TEXT),
    writing("report heats IN --format png --out OUT", "png", PNG),
    writing("report heats IN --phases -o OUT", "png", PNG),
    writing("report phases IN -o OUT", "txt", TEXT),
    writing("explain IN -o OUT", "txt", TEXT),
    writing("explain IN --right-size --plot OUT", "png", SVG),
    writing("report phases IN --plot OUT", "svg", SVG),
    writing("report holistic IN -o OUT", "txt", TEXT),
    writing("report holistic IN --plot OUT", "png", PNG),
    writing("report html IN -o OUT", "html", HTML),
    writing("report html IN --out OUT", "html", HTML),
    writing("report wss IN -o OUT", "txt", TEXT),
    writing("report wss IN -o OUT", "json", TEXT),
    writing("report wss IN -o OUT", "md", TEXT),
    writing("report wss IN -o OUT", "parquet", PARQUET),
    writing("report wss IN --plot OUT", "svg", SVG),
    writing("report footprints -i IN -o OUT", "csv", TEXT),
    writing("report footprints -i IN --plot OUT", "png", PNG),
    writing("report nr_regions IN -o OUT", "csv", TEXT),
    writing("report nr_regions IN --plot OUT", "png", PNG),
    writing("report record_info IN -o OUT", "json", TEXT),
    writing("report record_info IN --plot OUT", "svg", SVG),
    writing("report probes PROBES -o OUT", "csv", TEXT),
    writing("report probes PROBES --plot OUT", "svg", SVG),
    writing("report heats PROBES --probe 0 -o OUT", "png", PNG),
    writing("report heats IN --color_by node -o OUT", "png", PNG),
    writing("report nodes IN -o OUT", "csv", TEXT),
    writing("report nodes IN --plot OUT", "png", PNG),
    writing("report ages IN -o OUT", "csv", TEXT),
    writing("report ages IN --plot OUT", "png", PNG),
    writing("report wss_profile IN -o OUT", "csv", TEXT),
    writing("report wss_profile IN --plot OUT", "png", PNG),
    writing("report profile IN -o OUT", "txt", TEXT),
    writing("report profile IN -o OUT", "csv", TEXT),
    writing("report profile IN -o OUT", "png", PNG),
    writing("report profile IN --plot OUT", "svg", SVG),
    writing("report profile IN --folded -o OUT", "txt", TEXT),
    writing("report profile IN --format firefox -o OUT", "json", TEXT),
    writing("symbolize IN -o OUT", "damo", NONE),
    writing("symbolize IN --output OUT", "damo", NONE),
    writing("report schemes IN -o OUT", "csv", TEXT),
    writing("report schemes IN -o OUT", "parquet", PARQUET),
    writing("report schemes IN --plot OUT", "svg", SVG),
    writing("report times IN -o OUT", "csv", TEXT),
    writing("report times IN --plot OUT", "png", PNG),
    writing("schemes suggest IN --goal refault<50% -o OUT", "json", TEXT),
    writing("schemes suggest IN --goal refault<50% --plot OUT", "png", PNG),
    writing("schemes --what-if IN --damos_action pageout --damos_age 5s max -o OUT", "csv", TEXT),
    writing("schemes --what-if IN --damos_action pageout --damos_age 5s max --plot OUT", "png", PNG),
    writing("record --quiet --simulate stairs --timeout 5s -o OUT", "damo", NONE),
];

impl Writing {
    /// Its words, `output` being what is written.
    fn words(&self, input: &str, output: &str) -> Vec<String> {
        let word = |word: &str| match word {
            "IN" => input.to_owned(),
            "OUT" => output.to_owned(),
            "PROBES" => top().join("testdata/golden/python/probes.json.zlib").display().to_string(),
            "refault<50%" => "refault < 50%".to_owned(),
            word => word.to_owned(),
        };
        self.line.split_whitespace().map(word).collect()
    }

    fn run(&self, directory: &Path, input: &str, output: &str) -> Output {
        damo(directory).args(self.words(input, output)).output().expect("damo starts")
    }

    /// A name with the output's ending.
    fn name(&self, stem: &str) -> String {
        format!("{stem}.{}", self.ending)
    }
}

#[test]
fn no_command_writes_over_what_it_reads_by_path_link_or_hard_link() {
    let here = directory();
    let source = here.path().join("source.damo");
    record(here.path());
    fs::rename(here.path().join("damon.damo"), &source).expect("rename");
    let whole = fs::read(&source).expect("a record");
    for writing in WRITINGS.iter().filter(|writing| writing.line.contains("IN")) {
        for force in ["", "--force"] {
            let dir = directory();
            let [input, link, hard] = ["in", "link", "hard"].map(|stem| writing.name(stem));
            let path = dir.path().join(&input);
            fs::write(&path, &whole).expect("write");
            symlink(&input, dir.path().join(&link)).expect("a link");
            fs::hard_link(&path, dir.path().join(&hard)).expect("a link");
            let before = names(dir.path());
            let outputs = [&hard, &input, &link];
            for output in &outputs[..if force.is_empty() { 3 } else { 1 }] {
                let mut words = writing.words(&input, output);
                words.extend((!force.is_empty()).then(|| force.to_owned()));
                let out = damo(dir.path()).args(&words).output().expect("damo starts");
                let said = said(&out);
                assert_eq!(out.status.code(), Some(2), "{words:?}: {said}");
                assert!(said.contains("what is read here") && said.contains(output.as_str()), "{words:?}: {said}");
                assert!(fs::read(&path).expect("still there") == whole, "{words:?}");
                assert_eq!(names(dir.path()), before, "{words:?}");
            }
        }
    }
}

#[test]
fn an_existing_record_gives_way_to_no_other_command_unless_forced() {
    let here = directory();
    record(here.path());
    let foreign = fs::read(real("stairs/damon.data")).expect("a record");
    let ours = fs::read(here.path().join("damon.damo")).expect("a record");
    for writing in WRITINGS.iter().filter(|writing| !writing.line.starts_with("record")) {
        let name = writing.name("there");
        for record in [&ours, &foreign] {
            let path = here.path().join(&name);
            fs::write(&path, record).expect("write");
            let out = writing.run(here.path(), "damon.damo", &name);
            let said = said(&out);
            assert_eq!(out.status.code(), Some(2), "{}: {said}", writing.line);
            assert!(said.contains(&name) && said.contains("is a record") && said.contains("--force"), "{said}");
            assert!(fs::read(&path).expect("a record") == *record, "{}", writing.line);
        }
        let mut words = writing.words("damon.damo", &name);
        words.push("--force".to_owned());
        let out = damo(here.path()).args(&words).output().expect("damo starts");
        assert!(out.status.success(), "{words:?}: {}", said(&out));
        assert!(fs::read(here.path().join(&name)).expect("written") != foreign, "{words:?}");
    }
}

#[test]
fn a_file_of_the_kind_that_is_written_is_replaced_and_other_files_stay() {
    let here = directory();
    record(here.path());
    for writing in WRITINGS.iter().filter(|writing| !writing.line.starts_with("record")) {
        let (name, path) = (writing.name("there"), here.path().join(writing.name("there")));
        // An empty file is as good as none, and so is what it replaces.
        for content in [NONE, writing.replaces] {
            fs::write(&path, content).expect("write");
            let out = writing.run(here.path(), "damon.damo", &name);
            assert!(out.status.success(), "{}: {}", writing.line, said(&out));
            let (written, found) = (fs::read(&path).expect("written"), fs::metadata(&path).expect("written"));
            assert!(!written.is_empty() && written != content, "{}", writing.line);
            assert_eq!(found.permissions().mode() & 0o777, 0o600, "{}", writing.line);
        }
        let content = b"\x7fELF\0a program";
        fs::write(&path, content).expect("write");
        let out = writing.run(here.path(), "damon.damo", &name);
        assert_eq!(out.status.code(), Some(2), "{}", writing.line);
        assert!(said(&out).contains(&name), "{}", said(&out));
        assert!(fs::read(&path).expect("still there") == content, "{}", writing.line);
        fs::remove_file(&path).expect("ours");
    }
}

#[test]
fn links_and_directories_are_refused_and_what_is_behind_them_stays() {
    let here = directory();
    record(here.path());
    fs::write(here.path().join("precious"), "").expect("write");
    fs::create_dir(here.path().join("folder")).expect("mkdir");
    for writing in &WRITINGS {
        let (link, folder) = (writing.name("link"), writing.name("folder"));
        let dangling = writing.name("dangling");
        let _ = fs::remove_file(here.path().join(&link));
        let _ = fs::remove_file(here.path().join(&dangling));
        symlink("precious", here.path().join(&link)).expect("a link");
        symlink("nowhere", here.path().join(&dangling)).expect("a link");
        fs::create_dir_all(here.path().join(&folder)).expect("mkdir");
        for (name, what) in [(&link, "symbolic link"), (&dangling, "symbolic link"), (&folder, "directory")] {
            let out = writing.run(here.path(), "damon.damo", name);
            assert_eq!(out.status.code(), Some(2), "{}: {}", writing.line, said(&out));
            assert!(said(&out).contains(what), "{}: {}", writing.line, said(&out));
        }
        assert_eq!(fs::metadata(here.path().join("precious")).expect("a file").len(), 0, "{}", writing.line);
        assert!(!here.path().join("nowhere").exists(), "{}", writing.line);
    }
}

#[test]
fn devices_pipes_and_descriptors_are_written_to_as_they_are() {
    let here = directory();
    record(here.path());
    for writing in &WRITINGS {
        let out = writing.run(here.path(), "damon.damo", "/dev/null");
        // Where the ending alone says what to write, the device's name does not.
        let needs_ending = said(&out).contains("ends in") || said(&out).contains("end in");
        assert!(out.status.success() || needs_ending, "{}: {}", writing.line, said(&out));
    }
    assert!(!Path::new("/dev/null.mark").exists());
    assert_eq!(fs::metadata("/dev/null").expect("a device").mode() & 0o170_000, 0o020_000);
    let expected = ok(here.path(), "report wss damon.damo");
    for script in [
        "mkfifo pipe; cat pipe >got & \"$damo\" report wss damon.damo -o pipe && wait",
        "\"$damo\" report wss damon.damo -o /dev/stdout >got",
        "\"$damo\" report wss damon.damo -o - >got",
        "\"$damo\" report wss damon.damo --out /dev/fd/3 3>&1 >/dev/null | cat >got",
    ] {
        let out = shell(here.path(), script);
        assert!(out.status.success(), "{script}: {}", said(&out));
        assert_eq!(fs::read_to_string(here.path().join("got")).expect("written"), expected, "{script}");
    }
    let out = shell(
        here.path(),
        "\"$damo\" record --quiet --simulate stairs --timeout 5s -o - >a.damo && rm -f pipe && \
        mkfifo pipe && { cat pipe >b.damo & \"$damo\" record --quiet --simulate stairs --timeout 5s -o pipe && wait; }",
    );
    assert!(out.status.success(), "{}", said(&out));
    assert_eq!(ok(here.path(), "report raw a.damo"), ok(here.path(), "report raw b.damo"));
}

/// Pseudo-random numbers, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

#[test]
fn what_a_profile_holds_is_told_before_any_analysis() {
    let here = directory();
    record(here.path());
    let told = ok(here.path(), "info");
    let line = told.lines().find(|line| line.trim_start().starts_with("CPU profile")).expect("a line");
    for part in
        ["200 samples of CPU time (cpu-clock, 99 Hz)", "2 stacks", "1 process", "3 samples LOST", "without names"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    let json: serde_json::Value = serde_json::from_str(&ok(here.path(), "info --format json")).expect("JSON");
    let profile = &json["profile"];
    assert_eq!(profile["sampled"][0]["samples"], 200);
    let counts = ["stacks", "processes", "threads", "lost_samples", "places", "named_places"];
    assert_eq!(counts.map(|name| profile[name].as_u64()), [2, 1, 1, 3, 3, 0].map(Some));
    ok(here.path(), "record --quiet --simulate stairs --timeout 5s -o plain.damo");
    assert!(!ok(here.path(), "info plain.damo").contains("profile"));
}

#[test]
fn the_ending_of_the_output_chooses_the_form() {
    let here = directory();
    record(here.path());
    for (ending, form) in
        [("csv", "csv"), ("json", "json"), ("md", "markdown"), ("parquet", "parquet"), ("txt", "text")]
    {
        ok(here.path(), &format!("report wss -o by_name.{ending}"));
        ok(here.path(), &format!("report wss --format {form} --out by_form.{ending}"));
        let read = |name: &str| fs::read(here.path().join(format!("{name}.{ending}"))).expect("written");
        assert!(read("by_name") == read("by_form"), "{form}");
    }
    for (ending, begin) in [("png", &b"\x89PNG"[..]), ("svg", b"<"), ("PNG", b"\x89PNG")] {
        for report in ["wss", "heats", "raw", "ages", "holistic"] {
            ok(here.path(), &format!("report {report} --output a.{ending}"));
            assert!(fs::read(here.path().join(format!("a.{ending}"))).expect("written").starts_with(begin), "{report}");
        }
    }
    let said = fails(here.path(), "report wss --format csv -o a.png", 2);
    assert!(said.contains("a.png") && said.contains("--format"), "{said}");
    let said = fails(here.path(), "report wss -o a.html", 2);
    assert!(said.contains("damo report html"), "{said}");
    // The Python tool's words.
    assert!(ok(here.path(), "report heatmap --output stdout").contains("# x-axis"));
    assert_eq!(ok(here.path(), "report heatmap --output raw --resol 2 3").lines().count(), 6);
    assert!(fails(here.path(), "report heatmap --output a.pdf", 2).contains("a.pdf"));
}

#[test]
fn manual_pages_are_replaced_and_other_files_of_their_names_stay() {
    let here = directory();
    ok(here.path(), "man pages");
    let path = here.path().join("pages/damo-report-heats.1");
    assert_eq!(fs::metadata(&path).expect("a page").permissions().mode() & 0o777, 0o644);
    ok(here.path(), "man pages");
    fs::write(&path, "dear diary").expect("write");
    let said = fails(here.path(), "man pages", 2);
    assert!(said.contains("damo-report-heats.1 exists and is no manual page"), "{said}");
    assert_eq!(fs::read(&path).expect("still there"), b"dear diary");
}

/// Source files of the crates, without their tests.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "fake.rs" {
            found.push(path);
        }
    }
}

#[test]
fn no_other_code_than_the_guard_makes_files() {
    // damo-format: the guard and the records in the making. damo-kernel: DAMON's own files. The rest: locks and notes of
    // running kdamonds, FIFOs of marks, and terminals.
    let allowed = [
        "damo-format/src/file.rs",
        "damo-format/src/new_file.rs",
        "damo-kernel/src/io.rs",
        "damo-steer/src/notes.rs",
        "damo-steer/src/notes/settings_lock.rs",
        "damo-cli/src/status_line.rs",
    ];
    let makes = ["File::create", "fs::write", "OpenOptions::new", "File::options", "fs::copy", "create_new(true)"];
    let mut found = Vec::new();
    for krate in fs::read_dir(top().join("crates")).expect("crates") {
        sources(&krate.expect("a crate").path().join("src"), &mut found);
    }
    assert!(found.len() > 200, "{}", found.len());
    for path in found {
        let name = path.display().to_string();
        if allowed.iter().any(|allowed| name.ends_with(allowed)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        // `NewFile::create` is what is wanted.
        let code = code.replace("NewFile::create", "").replace("RecordFile::create", "");
        for word in makes {
            assert!(!code.contains(word), "{name}: {word}: files are made by damo_format::NewFile");
        }
    }
}
