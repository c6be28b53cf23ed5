//! Inputs that were misread once, as a user gives them to the command line.

mod common;

use common::{fails, ok, run, top};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

fn case(name: &str) -> String {
    top().join("testdata/cases").join(name).display().to_string()
}

/// Runs `damo` with `input` on standard input; exit code and what it said on standard error.
fn piped(directory: &Path, line: &str, input: &[u8]) -> (Option<i32>, String) {
    let mut command = common::damo(directory);
    command.args(line.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("damo starts");
    // It may have had enough before it took everything.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("damo ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn losses_in_every_shape_are_told_by_reports() {
    let here = here();
    for (name, told) in [
        ("lost-crlf.txt", "35 events were lost"),
        ("lost-quoted.txt", "35 events were lost"),
        ("perf-trace-5.15.txt", "123 events were lost"),
        ("perf-lost-chunks-and-tuning.txt", "perf lost 3 chunks of events"),
    ] {
        let output = run(here.path(), &format!("report raw -i {}", case(name)));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(told), "{name}: {said}");
    }
}

#[test]
fn what_is_no_record_is_refused_in_one_sentence() {
    let here = here();
    for (name, looks) in [
        ("utf16.txt", "text in UTF-16"),
        ("latency-format.txt", "latency format"),
        ("raw-hex.txt", "trace-cmd report -R"),
        ("rfc-2020-pid.txt", "patches of 2020"),
        ("clock-counter.txt", "`counter`"),
        ("clock-tsc.txt", "`x86-tsc`"),
        ("perf-no-tracepoint.data", "it holds no DAMON event"),
    ] {
        for line in ["info", "report wss -i", "convert --to json --force"] {
            let more = if line.starts_with("convert") { " out.json" } else { "" };
            let said = fails(here.path(), &format!("{line} {}{more}", case(name)), 2);
            assert!(said.contains(looks) && said.contains("; "), "{line} {name}: {said}");
        }
        // The same through a pipe.
        let (code, said) = piped(here.path(), "info -", &std::fs::read(case(name)).expect("in testdata"));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(looks), "{name}: {said}");
    }
    assert!(!here.path().join("out.json").exists());
}

#[test]
fn a_directory_of_perf_record_is_refused_with_the_file_to_give() {
    let here = here();
    std::fs::create_dir(here.path().join("perf.data")).expect("made");
    std::fs::copy(case("one-snapshot.data"), here.path().join("perf.data/data")).expect("copied");
    for line in ["info perf.data", "report heats -i perf.data", "convert perf.data x.damo"] {
        let said = fails(here.path(), line, 2);
        assert!(said.contains("a directory of `perf record`") && said.contains("perf.data/data"), "{line}: {said}");
    }
}

#[test]
fn a_clock_of_ticks_is_read_when_their_length_is_told() {
    let here = here();
    let told = ok(here.path(), &format!("report raw --clock_tick 2MHz -i {}", case("clock-tsc.txt")));
    assert!(told.contains("monitoring_duration:           100 ms"), "{told}");
    ok(here.path(), &format!("convert --clock_tick 2MHz {} x.damo", case("clock-tsc.txt")));
    let info = ok(here.path(), "info x.damo");
    assert!(info.contains("2 snapshots, 4 regions in 200"), "{info}");
    let said = fails(here.path(), &format!("info --clock_tick 10 {}", case("clock-tsc.txt")), 2);
    assert!(said.contains("10ms") && said.contains("2.4GHz"), "{said}");
}

#[test]
fn a_gap_is_a_gap_in_every_report() {
    let here = here();
    for known in ["", "--intervals 5ms 100ms"] {
        let file = case("two-hour-gap.txt");
        let raw = ok(here.path(), &format!("report raw {known} -i {file}"));
        assert_eq!(raw.matches("monitoring_duration:           100 ms").count(), 6, "{raw}");
        let wss =
            ok(here.path(), &format!("report wss --exclude_samples 0 --format csv --table series {known} -i {file}"));
        let spans: Vec<i64> = wss.lines().skip(1).map(span_of).collect();
        assert!(spans.len() == 6 && spans.iter().all(|span| (99_999_000..100_001_000).contains(span)), "{wss}");
        let heats = ok(here.path(), &format!("report heats --output raw --resol 10 1 {known} -i {file}"));
        let has_heat: Vec<bool> = heats.lines().map(|line| !line.ends_with("NaN")).collect();
        assert_eq!(has_heat, [true, false, false, false, false, false, false, false, false, true], "{heats}");
    }
}

/// `end_ns` less `start_ns` of a line of a table.
fn span_of(line: &str) -> i64 {
    let cells: Vec<&str> = line.split(',').collect();
    let [start, end] = [cells[1], cells[2]].map(|cell| cell.parse::<i64>().expect("a time"));
    end - start
}

#[test]
fn intervals_can_be_told_of_a_tuned_trace_and_hold_up_to_the_tuning() {
    let here = here();
    let file = case("perf-lost-chunks-and-tuning.txt");
    let access = ok(here.path(), &format!("report access --intervals 5ms 100ms -i {file}"));
    // The last one is of a scheme, which was applied before the tuning.
    assert_eq!(access.matches("intervals: sample 5 ms aggr 100 ms").count(), 3, "{access}");
    assert_eq!(access.matches("intervals: sample 10 ms aggr 200 ms").count(), 1, "{access}");
    // What the advice of the report without them says is what helps.
    let said = fails(here.path(), &format!("report access -i {file}"), 2);
    assert!(said.contains("--intervals 5ms 100ms"), "{said}");
    // A record that was made with them needs them no more, and is not refused for being told again.
    ok(here.path(), &format!("convert --intervals 5ms 100ms {file} tuned.damo"));
    ok(here.path(), "report access -i tuned.damo");
    ok(here.path(), "report access --intervals 5ms 100ms -i tuned.damo");
    ok(here.path(), &format!("convert {file} untold.damo"));
    let said = fails(here.path(), "report access --intervals 5ms 100ms -i untold.damo", 2);
    assert!(said.contains("convert the file that it was made from once more, with --intervals"), "{said}");
}

#[test]
fn pictures_of_a_snapshot_without_a_length_say_that_intervals_cure_it() {
    let here = here();
    let file = case("one-snapshot.data");
    for line in ["report html", "report heats", "report heats --output x.png", "report heats --output raw"] {
        let said = fails(here.path(), &format!("{line} -i {file}"), 2);
        assert!(said.contains("length") && said.contains("--intervals 5ms 100ms"), "{line}: {said}");
        ok(here.path(), &format!("{line} --intervals 5ms 100ms -i {file}"));
    }
}

#[test]
fn a_filter_of_huge_page_sizes_is_told_with_units_in_all_styles() {
    let here = here();
    for style in ["detailed", "hot", "cold", "temperature-sz-hist", "recency-sz-hist", "recency-percentiles"] {
        for numbers in ["", "--raw_number"] {
            let line = format!("report access --style {style} {numbers} -i {}", case("hugepage-filter.json"));
            let told = ok(here.path(), &line);
            assert!(told.contains("allow hugepage_size [2.000 MiB, max]\n"), "{style}: {told}");
        }
    }
}

#[test]
fn boxes_of_one_snapshot_tell_its_time() {
    let here = here();
    let file = case("one-snapshot.data");
    let told = ok(here.path(), &format!("report access --style simple-boxes --intervals 5ms 100ms -i {file}"));
    assert!(told.starts_with("snapshot time: [0 ns, 100 ms] (100 ms)\n"), "{told}");
}

#[test]
fn an_idle_phase_of_a_workload_is_simulated() {
    let here = here();
    ok(here.path(), &format!("record --quiet --simulate {} --timeout 2 -o x.damo", case("idle-phase.cfg")));
    let wss = ok(here.path(), "report wss --exclude_samples 0 --format csv --table series -i x.damo");
    let sizes: Vec<u64> =
        wss.lines().skip(1).filter_map(|line| line.split(',').nth(3).and_then(|size| size.parse().ok())).collect();
    assert_eq!(sizes.len(), 20, "{wss}");
    // A second in which nothing but the program itself is accessed, and one with two areas of 10 MB.
    assert!(sizes[1..10].iter().all(|size| *size < 1_000_000), "{wss}");
    assert!(sizes[10..].iter().all(|size| *size > 15_000_000), "{wss}");
}

#[test]
fn a_large_file_and_an_endless_stream_that_are_no_records_are_refused_at_once() {
    let here = here();
    let zeros = std::fs::File::create(here.path().join("zeros")).expect("made");
    // Sparse, and too large for any memory.
    zeros.set_len(1 << 42).expect("a sparse file");
    for line in
        ["info zeros", "report heats -i zeros", "convert zeros x.damo", "info /dev/zero", "convert /dev/zero x.damo"]
    {
        let said = fails(here.path(), line, 2);
        assert!(said.contains("unknown binary data"), "{line}: {said}");
    }
    let (code, said) = piped(here.path(), "info -", &vec![0; 32 << 20]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("unknown binary data"), "{said}");
}
