//! Records made of records, on the command line: adjust, cut, merge, validate, convert.

mod common;

use common::{damo, fails, items, ok, real, record_pair, record_stairs, run, top};
use damo_format::Reader;
use damo_model::{Item, Side};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// A record as the Python tool's JSON.
fn json(directory: &Path, name: &str) -> Value {
    serde_json::from_str(&ok(directory, &format!("convert {name} - --to json"))).expect("JSON")
}

fn side_data(path: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for item in items(path) {
        if let Item::Side(side) = item {
            *counts.entry(format!("{side:?}")).or_default() += 1;
        }
    }
    counts
}

/// Sum of size × accesses, from the Python tool's JSON.
fn byte_samples(records: &Value) -> u128 {
    let number = |value: &Value| -> u128 {
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.replace(',', ""));
        text.parse().expect("a number")
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut sum = 0;
    for snapshot in list(records).iter().flat_map(|record| list(&record["snapshots"])) {
        for region in list(&snapshot["regions"]) {
            sum += (number(&region["end"]) - number(&region["start"])) * number(&region["nr_accesses"]["samples"]);
        }
    }
    sum
}

#[test]
fn the_files_of_a_rotated_recording_merge_into_what_one_file_would_have_been() {
    let here = directory();
    record_pair(here.path(), "-o whole.damo");
    record_pair(here.path(), "-o part.damo --rotate_time 3s");
    let mut parts: Vec<String> = fs::read_dir(here.path())
        .expect("directory")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .filter(|name| name.starts_with("part.0"))
        .collect();
    parts.sort();
    assert!(parts.len() >= 3, "{parts:?}");
    ok(here.path(), &format!("merge {} -o merged.damo", parts.join(" ")));
    assert_eq!(ok(here.path(), "report raw merged.damo"), ok(here.path(), "report raw whole.damo"));
    assert_eq!(side_data(&here.path().join("merged.damo")), side_data(&here.path().join("whole.damo")));
    assert_eq!(ok(here.path(), "report wss merged.damo"), ok(here.path(), "report wss whole.damo"));
    // In whatever order they are named, and cut anew.
    parts.reverse();
    ok(here.path(), &format!("merge {} -o backwards.damo", parts.join(" ")));
    assert_eq!(ok(here.path(), "report raw backwards.damo"), ok(here.path(), "report raw whole.damo"));
    ok(here.path(), "cut merged.damo --time_range 0 4500ms -o a.damo");
    ok(here.path(), "cut merged.damo --time_range 4500ms 1h -o b.damo");
    ok(here.path(), "merge a.damo b.damo -o again.damo");
    assert_eq!(ok(here.path(), "report raw again.damo"), ok(here.path(), "report raw whole.damo"));
}

#[test]
fn a_part_by_process_has_that_process_only_with_its_mappings_and_footprints() {
    let here = directory();
    record_pair(here.path(), "");
    ok(here.path(), "cut --pid 1002");
    let info: Value = serde_json::from_str(&ok(here.path(), "info damon.cut.damo --format json")).expect("JSON");
    assert_eq!(info["targets"].as_array().expect("targets").len(), 1);
    assert_eq!((&info["targets"][0]["pid"], &info["targets"][0]["key"]), (&1002.into(), &1.into()));
    assert_eq!(info["history"][0], format!("damo {}: cut, 1 of 2 targets", env!("CARGO_PKG_VERSION")));
    for side in side_data(&here.path().join("damon.cut.damo")).keys() {
        assert!(!side.contains("pid: 1001"), "{side}");
    }
    ok(here.path(), "cut --target 1 -o key.damo");
    assert_eq!(ok(here.path(), "report raw key.damo"), ok(here.path(), "report raw damon.cut.damo"));
    assert!(fails(here.path(), "cut --pid 77", 2).contains("no target fits"));
}

#[test]
fn time_is_counted_from_the_records_start_from_a_mark_or_on_its_clock() {
    let here = directory();
    let record = real("stairs/damon.data");
    let cut = |range: &str, name: &str| {
        ok(here.path(), &format!("cut -i {} --time_range {range} -o {name}", record.display()));
        let info = ok(here.path(), &format!("info {name} --format json"));
        let info: Value = serde_json::from_str(&info).expect("JSON");
        (info["start_ns"].as_i64().expect("start"), info["end_ns"].as_i64().expect("end"))
    };
    let (start, end) = cut("10s 20s", "a.damo");
    assert!((9_900_000_000..10_200_000_000).contains(&(end - start)), "{start} to {end}");
    let whole = cut("0 1h", "whole.damo");
    assert_eq!(start - whole.0, (start - whole.0).clamp(10_000_000_000, 10_200_000_000));
    assert_eq!(
        cut(&format!("{}ns {}ns --abs_time", whole.0 + 10_000_000_000, whole.0 + 20_000_000_000), "b.damo"),
        (start, end)
    );
    assert_eq!(cut("-5s 0 guided_end", "c.damo").1, whole.1);
    let said = fails(here.path(), &format!("cut -i {} --time_range 1h 2h", record.display()), 2);
    assert!(said.contains("is not in the record, which lasts"), "{said}");

    record_stairs(here.path());
    let output = damo(here.path()).args(["cut", "--time_range", "0", "5s", "on step 3", "-o", "step.damo"]).output();
    assert!(output.expect("damo starts").status.success());
    let step: Value = serde_json::from_str(&ok(here.path(), "info step.damo --format json")).expect("JSON");
    assert_eq!((&step["snapshots"], &step["start_ns"]), (&50.into(), &25_000_000_000_i64.into()));
    // Names still work in the part.
    assert!(ok(here.path(), "report heats step.damo --mapping heap --output raw --resol 2 2").lines().count() == 4);
    assert!(fails(here.path(), "cut --time_range 0 1s nowhere", 2).contains("on step 3"));
}

#[test]
fn a_part_by_mapping_or_address_has_only_those_addresses() {
    let here = directory();
    record_stairs(here.path());
    ok(here.path(), "cut --mapping heap -o heap.damo");
    let heap: Vec<(u64, u64)> = items(&here.path().join("heap.damo"))
        .into_iter()
        .find_map(|item| match item {
            Item::Side(Side::Mappings(all)) => Some(all.mappings),
            _ => None,
        })
        .expect("mappings")
        .iter()
        .filter(|mapping| mapping.name == "[heap]")
        .map(|mapping| (mapping.start.0, mapping.end.0))
        .collect();
    let (start, end) = heap[0];
    let mut regions = 0;
    for item in items(&here.path().join("heap.damo")) {
        if let Item::Snapshot(snapshot) = item {
            assert!(snapshot.regions.iter().all(|region| start <= region.start.0 && region.end.0 <= end));
            regions += snapshot.regions.len();
        }
    }
    assert!(regions > 0);
    ok(here.path(), &format!("cut --address_range {start} {end} -o range.damo"));
    assert_eq!(ok(here.path(), "report raw range.damo"), ok(here.path(), "report raw heap.damo"));
    assert!(fails(here.path(), "cut --mapping nothing", 2).contains("[heap]"));
    assert!(fails(here.path(), "cut", 2).contains("nothing to cut"));
    assert!(fails(here.path(), "cut --address_range 0 1 -o none.damo", 2).contains("no region lies there"));
    assert!(!here.path().join("none.damo").exists() && !here.path().join("none.damo.part").exists());
}

#[test]
fn aggregation_conserves_accesses_of_real_recordings_in_every_format() {
    let here = directory();
    for record in ["stairs/damon.data", "stairs/perf.data", "thousand-regions/damon.data"] {
        let record = real(record);
        let before = byte_samples(&json(here.path(), record.to_str().expect("text")));
        for name in ["long.damo", "long.data", "long.json"] {
            ok(here.path(), &format!("adjust -f -i {} --aggregate_interval 1s --skip 0 -o {name}", record.display()));
            assert_eq!(byte_samples(&json(here.path(), name)), before, "{} as {name}", record.display());
        }
    }
}

#[test]
fn the_python_tools_options_of_adjust_are_understood() {
    let here = directory();
    fs::copy(real("stairs/damon.data"), here.path().join("damon.data")).expect("copy");
    ok(
        here.path(),
        "adjust --aggregate_interval 1000000 --output_type json_compressed -o a.data --output_permission 644",
    );
    let mode = fs::metadata(here.path().join("a.data")).expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    // 435 snapshots less 20, eight or nine to a second, and what is left.
    let adjusted = json(here.path(), "a.data");
    let adjusted = adjusted[0]["snapshots"].as_array().expect("snapshots");
    assert_eq!(adjusted[0]["start_time"], json(here.path(), "damon.data")[0]["snapshots"][20]["start_time"]);
    assert!((45..=52).contains(&adjusted.len()), "{}", adjusted.len());
    // Filters alone: the same as in reports.
    let filters = "--sz_region 4K max --access_rate 50 100 --age 1s max --address 0 1E --snapshot_idx 3 90";
    ok(here.path(), &format!("adjust {filters} -o filtered.damo"));
    assert_eq!(
        ok(here.path(), "report access filtered.damo --raw_number"),
        ok(here.path(), &format!("report access damon.data --raw_number {filters}"))
    );
    assert!(fails(here.path(), "adjust", 2).contains("nothing to adjust"));
    let aggregate = |options: &str| run(here.path(), &format!("adjust --aggregate_interval {options} -o other.json"));
    let said = |options: &str| String::from_utf8_lossy(&aggregate(options).stderr).into_owned();
    assert!(said("0").contains("must be longer than 0"));
    assert!(said("1s --skip 435").contains("no target has more than 435 snapshots"));
    assert!(!here.path().join("other.json").exists());
    // Eight snapshots make a second here, or nine: the format cannot tell.
    assert!(said("1s").contains("one aggregation interval for all"));
    assert!(said("1ms -f").contains("none were aggregated"));
    assert!(fails(here.path(), "adjust --skip 3 --output_permission 999 --age 0 1", 2).contains("octal"));
}

#[test]
fn a_longer_aggregation_reports_the_same_rates() {
    let here = directory();
    record_stairs(here.path());
    ok(here.path(), "adjust --aggregate_interval 1s --skip 0 -o long.damo");
    let heats = |name: &str| -> Vec<f64> {
        let text = ok(here.path(), &format!("report heats {name} --output raw --resol 12 20 --time_range 0 1m"));
        text.lines().map(|line| line.split_whitespace().last().expect("heat").parse().expect("number")).collect()
    };
    let (before, after) = (heats("damon.damo"), heats("long.damo"));
    assert_eq!(before.len(), after.len());
    for (a, b) in before.iter().zip(&after) {
        assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn records_of_unknown_hosts_are_merged_only_when_told_to() {
    let here = directory();
    fs::copy(real("stairs/damon.data"), here.path().join("a.data")).expect("copy");
    let other = real("thousand-regions/damon.data");
    let said = fails(here.path(), &format!("merge a.data {}", other.display()), 2);
    assert!(said.contains("has no boot id") && said.contains("--any_host"), "{said}");
    assert!(!here.path().join("damon.merged.damo").exists() && !here.path().join("damon.merged.damo.part").exists());
    assert!(said.contains(&format!("a.data and {}", other.display())), "{said}");
    assert!(fails(here.path(), "merge a.data", 2).contains("two or more"));
    // The same record twice is the same record.
    let said = run(here.path(), "merge --any_host a.data a.data");
    assert!(String::from_utf8_lossy(&said.stderr).contains("435 snapshots that are in two records were kept once"));
    assert_eq!(byte_samples(&json(here.path(), "damon.merged.damo")), byte_samples(&json(here.path(), "a.data")));
}

#[test]
fn validate_is_silent_about_sound_records_and_names_snapshot_and_block_of_a_fault() {
    let here = directory();
    record_stairs(here.path());
    assert_eq!(ok(here.path(), "validate"), "");
    assert_eq!(ok(here.path(), "validate --allow_error 0 --regions_boundary 0-max"), "");
    let output = run(here.path(), "validate --nr_accesses 0 3");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("damon.damo: snapshot 0 of target 0 (block at byte "), "{said}");
    assert!(said.contains("not within 0 to 3"), "{said}");
    // A real one in an emulated machine is slow now and then; how often is up to the gate.
    let slow = real("stairs/damon.data");
    let output = run(here.path(), &format!("validate -i {}", slow.display()));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("of 435 snapshots"), "{:?}", output.stdout);
    let wide = format!("validate -i {} --aggr 75000 170000 --nr_regions 3 1200 --nr_accesses 0 24", slow.display());
    assert_eq!(ok(here.path(), &wide), "");
    fails(here.path(), "validate -i nowhere.damo", 2);
    // One that cannot be read does not keep others from being judged.
    let output = run(here.path(), "validate nowhere.damo damon.damo gone.damo --nr_accesses 0 3");
    assert_eq!(output.status.code(), Some(2));
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        out.starts_with("damon.damo: ") && said.contains("nowhere.damo: ") && said.contains("gone.damo: "),
        "{said}"
    );
}

#[test]
fn validate_finds_damage_and_a_missing_end() {
    let here = directory();
    record_stairs(here.path());
    let path = here.path().join("damon.damo");
    let whole = fs::read(&path).expect("record");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&path, &flipped).expect("write");
    let output = run(here.path(), "validate");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("damon.damo: ") && said.contains("are damaged: the checksum"), "{said}");
    // Without its end block.
    fs::write(&path, &whole[..whole.len() - 44]).expect("write");
    let output = run(here.path(), "validate");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("has no end"), "{:?}", output.stdout);
}

#[test]
fn of_damaged_records_the_readable_part_is_used_and_the_exit_code_says_so() {
    let here = directory();
    record_pair(here.path(), "-o whole.damo");
    let mut bytes = fs::read(here.path().join("whole.damo")).expect("record");
    // The first snapshot block.
    let reader = Reader::from_bytes(bytes.clone()).expect("record");
    let block = &reader.index()[0];
    bytes[(block.offset.0 + block.length.0 / 2) as usize] ^= 1;
    fs::write(here.path().join("bad.damo"), &bytes).expect("write");
    for line in [
        "cut bad.damo --pid 1001 --force -o out.damo",
        "adjust bad.damo --aggregate_interval 1s --force -o out.damo",
        "anonymize bad.damo --force -o out.damo",
        "merge bad.damo whole.damo --force -o out.damo",
    ] {
        let said = fails(here.path(), line, 3);
        assert!(said.contains("damaged"), "{line}: {said}");
        let out = items(&here.path().join("out.damo"));
        assert!(out.iter().any(|item| matches!(item, Item::Snapshot(_))), "{line}");
        let lost =
            out.iter().any(|item| matches!(item, Item::Side(Side::Lost(lost)) if lost.reason.starts_with("file")));
        assert!(lost, "{line}: the new record says that snapshots are missing");
    }
    // A foreign one: its text ends in the middle.
    let text = fs::read(real("stairs/damon.data")).expect("record");
    fs::write(here.path().join("cut.data"), &text[..text.len() / 2]).expect("write");
    let said = fails(here.path(), "cut -i cut.data --time_range 0 5s -o part.damo", 3);
    assert!(said.contains("cut.data"), "{said}");
    assert!(here.path().join("part.damo").exists());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let here = directory();
    record_pair(here.path(), "-o a.damo");
    for line in [
        "cut a.damo --time_range 1s 4s",
        "adjust a.damo --aggregate_interval 1s",
        "anonymize a.damo",
        "merge a.damo a.damo",
    ] {
        ok(here.path(), &format!("{line} --force -o one.damo"));
        ok(here.path(), &format!("{line} --force -o two.damo"));
        let bytes = |name: &str| fs::read(here.path().join(name)).expect("record");
        assert_eq!(bytes("one.damo"), bytes("two.damo"), "{line}");
    }
}

#[test]
fn records_come_from_standard_input_and_go_to_standard_output() {
    let here = directory();
    record_pair(here.path(), "-o a.damo");
    let record = fs::read(here.path().join("a.damo")).expect("record");
    for line in ["cut --time_range 1s 4s", "adjust --aggregate_interval 1s", "anonymize", "merge a.damo"] {
        ok(here.path(), &format!("{line} -i a.damo --force -o named.damo"));
        let mut child = damo(here.path())
            .args(line.split_whitespace())
            .args(["-i", "-", "-o", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("damo starts");
        child.stdin.take().expect("stdin").write_all(&record).expect("piped");
        let output = child.wait_with_output().expect("damo ends");
        assert!(output.status.success(), "{line}");
        assert_eq!(output.stdout, fs::read(here.path().join("named.damo")).expect("record"), "{line}");
    }
}

#[test]
fn what_stands_in_the_way_is_not_overwritten_and_what_is_read_never() {
    let here = directory();
    record_pair(here.path(), "-o a.damo");
    fs::write(here.path().join("notes.damo"), "not a record").expect("write");
    let said = fails(here.path(), "cut a.damo --time_range 1s 2s -o notes.damo", 2);
    assert!(said.contains("exists and is no record"), "{said}");
    assert_eq!(fs::read_to_string(here.path().join("notes.damo")).expect("text"), "not a record");
    // Never onto the record that is read, whatever is said; another record only by force.
    let before = fs::read(here.path().join("a.damo")).expect("record");
    assert!(fails(here.path(), "cut a.damo --time_range 1s 2s --force -o a.damo", 2).contains("is what is read"));
    assert_eq!(fs::read(here.path().join("a.damo")).expect("record"), before);
    fs::copy(here.path().join("a.damo"), here.path().join("b.damo")).expect("copy");
    assert!(fails(here.path(), "cut a.damo --time_range 1s 2s -o b.damo", 2).contains("--force"));
    assert_eq!(fs::read(here.path().join("b.damo")).expect("record"), before);
    ok(here.path(), "cut a.damo --time_range 1s 2s --force -o b.damo");
    // Formats without a place of their own until they are complete.
    ok(here.path(), "convert a.damo a.json");
    let before = fs::read(here.path().join("a.json")).expect("record");
    for line in ["convert --force a.json a.json", "adjust --force -i a.json --age 0 1s -o a.json"] {
        assert!(fails(here.path(), line, 2).contains("is what is read"), "{line}");
        assert_eq!(fs::read(here.path().join("a.json")).expect("record"), before, "{line}");
    }
    assert!(fails(here.path(), "adjust -i a.json --age 0 1s -o out.xyz", 2).contains("give the format"));
}

#[test]
fn conversion_goes_both_ways_under_the_python_tools_name_and_options() {
    let here = directory();
    fs::copy(real("stairs/damon.data"), here.path().join("damon.data")).expect("copy");
    let line = "convert_record_format --record_file damon.data --output_file a.damo --format damo";
    ok(here.path(), line);
    ok(here.path(), "convert_record_format --record_file a.damo --format json_compressed --output_file back.data");
    assert_eq!(json(here.path(), "back.data"), json(here.path(), "damon.data"));
    ok(here.path(), "convert_record_format --record_file a.damo --format perf_script --output_file back.txt");
    assert_eq!(byte_samples(&json(here.path(), "back.txt")), byte_samples(&json(here.path(), "damon.data")));
}

#[test]
fn a_second_reader_sees_the_history() {
    let here = directory();
    record_pair(here.path(), "-o a.damo");
    ok(here.path(), "cut a.damo --time_range 1s 4s -o b.damo");
    ok(here.path(), "anonymize b.damo -o c.damo");
    let history = |name: &str| -> Value {
        let info: Value = serde_json::from_str(&ok(here.path(), &format!("info {name} --format json"))).expect("JSON");
        info["history"].clone()
    };
    assert_eq!(history("a.damo"), Value::Array(Vec::new()));
    assert!(history("b.damo")[0].as_str().expect("text").ends_with("cut, from 1 s to 4 s after the start"));
    // What was done before may name things.
    assert_eq!(history("c.damo").as_array().expect("list").len(), 1);
    let script: PathBuf = top().join("scripts/read_damo.py");
    let available = |program: &str| std::process::Command::new(program).arg("--version").output().is_ok();
    if available("python3") && available("zstd") {
        let output = std::process::Command::new("python3").arg(script).arg(here.path().join("b.damo")).output();
        let text = String::from_utf8(output.expect("python3 starts").stdout).expect("text");
        let meta: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!(meta["meta"]["history"], history("b.damo"));
    }
}

#[test]
fn the_examples_of_the_page_run_as_they_stand_and_make_what_it_says() {
    let here = directory();
    let program = Path::new(env!("CARGO_BIN_EXE_damo")).parent().expect("directory").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let lines = common::commands("docs/editing.md").join("\n");
    let output = std::process::Command::new("sh")
        .args(["-e", "-c", &lines])
        .current_dir(here.path())
        .env("PATH", format!("{program}:{path}"))
        .output()
        .expect("sh starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for command in ["cut", "merge", "adjust", "anonymize", "validate"] {
        assert!(lines.contains(&format!("damo {command} ")), "{command} is shown");
    }
    let raw = |name: &str| ok(here.path(), &format!("report raw {name}"));
    assert_eq!(raw("whole.damo"), raw("damon.damo"));
    assert_eq!(raw("both.damo"), raw("damon.damo"));
    assert_eq!(raw("user.damo"), raw("damon.damo"));
    assert_eq!(
        byte_samples(&json(here.path(), "second.damo")),
        byte_samples(&json(here.path(), "damon.damo")),
        "accesses are neither lost nor invented"
    );
}

#[test]
fn a_conversion_that_fails_leaves_nothing_behind_and_a_closed_pipe_is_no_failure() {
    let here = directory();
    fs::write(here.path().join("empty"), "").expect("write");
    for out in ["x.damo", "x.json", "x.txt"] {
        assert!(fails(here.path(), &format!("convert empty {out}"), 2).contains("empty"));
    }
    let left = fs::read_dir(here.path()).expect("directory").count();
    assert_eq!(left, 1, "only the empty file is there");
    for line in ["convert RECORD - --to json", "adjust -i RECORD --aggregate_interval 200ms -o - --output_type json"] {
        let mut child = damo(here.path())
            .args(line.replace("RECORD", real("stairs/damon.data").to_str().expect("text")).split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("damo starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("damo ends");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
