//! Figures mislead nobody: units are named, selections hold something, times have one zero, records stay apart, and what is
//! shown says whose it is.

mod common;

use common::{damo, fails, ok, real, record_pair, run};
use std::path::Path;
use std::process::Output;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The rows of a CSV table as cells, the head first. None of the tables here has a cell with a comma.
fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The cells of a column.
fn column(text: &str, name: &str) -> Vec<String> {
    let rows = rows(text);
    let at = rows[0].iter().position(|head| head == name).unwrap_or_else(|| panic!("no column {name}: {:?}", rows[0]));
    rows[1..].iter().map(|row| row[at].clone()).collect()
}

fn stairs() -> String {
    real("stairs/damon.data").display().to_string()
}

/// A record of a few snapshots: the first part of a simulated one.
fn short_record(directory: &Path) {
    record_pair(directory, "-o pair.damo");
    ok(directory, "cut pair.damo --time_range 0 1s -o short.damo");
}

#[test]
fn a_bare_number_is_refused_where_no_script_relies_on_it() {
    let here = tempfile::tempdir().expect("a directory");
    for (line, wanted) in [
        ("record --keep 5 --simulate pair", "which unit? write 5min or 5s"),
        ("status --watch 2", "which unit? write 2s or 2min"),
        ("cut a.damo --time_range 5 9", "which unit? write 5s or 5min"),
        ("report footprints a.damo --time_range 5 9", "which unit? write 5s or 5min"),
        ("report ages a.damo --at 7", "which unit? write 7s or 7min"),
        ("report wss a.txt --intervals 5 100ms", "which unit? write 5ms or 5us"),
        ("schemes --what-if a.damo --refault_within 10", "which unit? write 10s or 10min"),
        ("report heats a.damo --time_range 5s 9", "give both a unit"),
    ] {
        let said = fails(here.path(), line, 2);
        assert!(said.contains(wanted), "damo {line}: {said}");
    }
}

#[test]
fn times_and_sizes_are_understood_with_and_without_a_blank() {
    let here = tempfile::tempdir().expect("a directory");
    record_pair(here.path(), "-o a.damo");
    let cut = |range: [&str; 2], name: &str| {
        let output = damo(here.path()).args(["cut", "a.damo", "--time_range"]).args(range).args(["-o", name]).output();
        let output = output.expect("damo starts");
        assert!(output.status.success(), "{range:?}: {}", said(&output));
        std::fs::read(here.path().join(name)).expect("a record").len()
    };
    let size = cut(["0", "2s"], "b.damo");
    assert_eq!(cut(["0", "2 s"], "c.damo"), size);
    assert_eq!(cut(["0ms", "2000 ms"], "d.damo"), size);
    assert!(cut(["0", "2min"], "e.damo") > size && cut(["0", "1h"], "f.damo") > size);
    let whole = ok(here.path(), "report wss a.damo --sz_thres 1.5KiB");
    let output =
        damo(here.path()).args(["report", "wss", "a.damo", "--sz_thres", "1.5 KiB"]).output().expect("damo starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), whole);
}

#[test]
fn a_selection_that_leaves_nothing_is_an_error_with_what_there_is() {
    let here = tempfile::tempdir().expect("a directory");
    record_pair(here.path(), "-o a.damo");
    for line in [
        "report heats a.damo --time_range 1h 2h",
        "report heats a.damo --address_range 1 2 --output raw",
        "report heats a.damo --time_range 1h 2h --plot a.png",
        "report heats a.damo --pid 7",
        "report raw a.damo --address 1 2",
        "report raw a.damo --duration 3000 4000",
        "report access a.damo --snapshot_time 1h 2h",
        "report access a.damo --age 100h 200h --format csv",
        "report wss a.damo --snapshot_time 1h 2h",
        "report nr_regions a.damo --sz_region 1E 2E",
        "report ages a.damo --at 1h",
        "report times a.damo --snapshot_idx 9999 99999",
        "report wss_profile a.damo --address 1 2",
        "cut a.damo --time_range 1h 2h",
        "cut a.damo --address_range 1 2",
        "adjust a.damo --sz_region 1E 2E -o b.damo",
        "adjust a.damo --tid 77 -o b.damo",
    ] {
        let said = fails(here.path(), line, 2);
        assert!(said.contains("the record lasts") || said.contains("which lasts 10"), "damo {line}: {said}");
    }
    for name in ["a.png", "b.damo", "damon.cut.damo"] {
        assert!(!here.path().join(name).exists(), "{name} was written");
    }
    let said = fails(here.path(), "report heats a.damo --mapping nowhere", 2);
    assert!(said.contains("no mapping is called 'nowhere'"), "{said}");
}

#[test]
fn all_reports_of_a_record_count_time_from_one_moment() {
    let here = tempfile::tempdir().expect("a directory");
    let record = stairs();
    let first = |report: &str, table: &str, name: &str| -> i64 {
        let text = ok(here.path(), &format!("report {report} {record} --format csv --table {table}"));
        column(&text, name)[0].parse().expect("a number")
    };
    assert_eq!(first("raw", "regions", "start_ns"), 0);
    assert_eq!(first("access", "snapshots", "start_ns"), 0);
    // The first 20 snapshots are left out of the working set; the ages of the first one tell of the time before.
    let wss = first("wss", "series", "start_ns");
    assert!((2_000_000_000..4_000_000_000).contains(&wss), "{wss}");
    let heats = first("heats", "cells", "start_ns");
    assert!((-10_000_000_000..=0).contains(&heats), "{heats}");
    let footprint = first("footprints", "series", "time_ns");
    assert!((-2_000_000_000..2_000_000_000).contains(&footprint), "{footprint}");
    let clock = ok(here.path(), &format!("report raw {record} --format csv --abs_time"));
    let clock: i64 = column(&clock, "start_ns")[0].parse().expect("a number");
    assert!(clock > 10_000_000_000, "{clock}");
    let abs = ok(here.path(), &format!("report wss {record} --format csv --table series --abs_time"));
    assert_eq!(column(&abs, "start_ns")[0].parse::<i64>().expect("a number") - clock, wss);
    for report in ["wss --sortby time", "heats", "raw", "nr_regions --sortby time", "holistic", "times", "access"] {
        ok(here.path(), &format!("report {report} {record} --plot a.svg"));
        let svg = std::fs::read_to_string(here.path().join("a.svg")).expect("a picture");
        assert!(svg.contains("time since the recording began"), "{report}");
        ok(here.path(), &format!("report {report} {record} --plot a.svg --abs_time"));
        let svg = std::fs::read_to_string(here.path().join("a.svg")).expect("a picture");
        assert!(
            svg.contains("time on the record's clock") || svg.contains("time on the record&apos;s clock"),
            "{report}"
        );
    }
}

#[test]
fn times_in_options_count_from_the_same_moment_or_from_the_clocks() {
    let here = tempfile::tempdir().expect("a directory");
    let record = stairs();
    let guide = ok(here.path(), &format!("report heats {record} --guide"));
    let clock = ok(here.path(), &format!("report raw {record} --format csv --abs_time"));
    let began: i64 = column(&clock, "start_ns")[0].parse().expect("a number");
    assert!(guide.contains("time: ["), "{guide}");
    let raw =
        |range: &str| ok(here.path(), &format!("report heats {record} --output raw --resol 4 4 --time_range {range}"));
    let map = raw("5s 9s");
    // Bare numbers are the Python tool's: nanoseconds on the record's clock.
    assert_eq!(raw(&format!("{} {}", began + 5_000_000_000, began + 9_000_000_000)), map);
    // With --abs_time, times are the clock's in options as in what is printed.
    let heat =
        |map: &str| map.lines().filter_map(|line| line.rsplit('\t').next().map(str::to_owned)).collect::<Vec<_>>();
    let clocks = raw(&format!("{}ns {}ns --abs_time", began + 5_000_000_000, began + 9_000_000_000));
    assert_eq!(heat(&clocks), heat(&map));
    assert_eq!(raw("0 4s 5s"), map);
    let part = ok(here.path(), &format!("report raw {record} --snapshot_time 5s 9s --format csv"));
    let starts: Vec<i64> = column(&part, "start_ns").iter().map(|at| at.parse().expect("a number")).collect();
    assert!(starts.iter().all(|at| (5_000_000_000..9_000_000_000).contains(at)), "{starts:?}");
}

#[test]
fn several_records_are_kept_apart_in_text_tables_and_pictures() {
    let here = tempfile::tempdir().expect("a directory");
    record_pair(here.path(), "-o a.damo");
    ok(here.path(), "record --quiet --simulate stairs --timeout 8 -o b.damo");
    for report in
        ["wss", "nr_regions", "ages", "times", "record_info", "raw", "access", "heats --output raw", "holistic"]
    {
        let text = ok(here.path(), &format!("report {report} a.damo b.damo"));
        let at = |name: &str| text.find(&format!("# record {name}\n")).unwrap_or_else(|| panic!("{report}: no {name}"));
        assert!(at("a.damo") < at("b.damo"), "{report}");
        let alone = |name: &str| ok(here.path(), &format!("report {report} {name}"));
        let joined = format!("# record a.damo\n{}# record b.damo\n{}", alone("a.damo"), alone("b.damo"));
        assert_eq!(text, joined, "{report}");
    }
    for report in ["wss", "nr_regions", "ages", "times", "record_info", "raw", "access", "heats", "holistic"] {
        let csv = |names: &str| ok(here.path(), &format!("report {report} {names} --format csv"));
        let (both, a, b) = (csv("a.damo b.damo"), csv("a.damo"), csv("b.damo"));
        assert_eq!(rows(&both)[0].last().map(String::as_str), Some("record"), "{report}");
        assert_eq!(
            both,
            a.clone() + &b.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>(),
            "{report}"
        );
    }
    ok(here.path(), "report heats a.damo b.damo --plot both.svg");
    let svg = std::fs::read_to_string(here.path().join("both.svg")).expect("a picture");
    assert!(svg.contains("a.damo: Memory accesses") && svg.contains("b.damo: Memory accesses"));
    let said = fails(here.path(), "report html a.damo b.damo", 2);
    assert!(said.contains("a page shows one record"), "{said}");
}

#[test]
fn pictures_show_all_targets_and_say_whose_they_are() {
    let here = tempfile::tempdir().expect("a directory");
    record_pair(here.path(), "-o a.damo");
    let targets = ok(here.path(), "info a.damo --format json");
    let info: serde_json::Value = serde_json::from_str(&targets).expect("JSON");
    let pids: Vec<i64> =
        info["targets"].as_array().expect("targets").iter().filter_map(|t| t["pid"].as_i64()).collect();
    assert_eq!(pids.len(), 2, "{targets}");
    let picture = |line: &str| {
        ok(here.path(), &format!("report {line} --plot a.svg"));
        std::fs::read_to_string(here.path().join("a.svg")).expect("a picture")
    };
    for report in ["heats a.damo", "holistic a.damo", "raw a.damo"] {
        let svg = picture(report);
        assert!(pids.iter().all(|pid| svg.contains(&format!("(pid {pid})"))), "{report}");
    }
    let one = picture(&format!("heats a.damo --pid {}", pids[1]));
    assert!(one.contains(&format!("(pid {})", pids[1])) && !one.contains(&format!("(pid {})", pids[0])));
    assert!(picture("holistic a.damo").contains("of all 2 targets"));
    assert!(picture("wss a.damo --sortby time").contains("of all 2 targets"));
    let mappings = picture("wss a.damo --per_mapping --sortby time");
    assert!(mappings.contains("of target 0") && mappings.contains("of target 1"));
    let cells = ok(here.path(), "report heats a.damo --format csv");
    let mut shown = column(&cells, "target_pid");
    shown.dedup();
    assert_eq!(shown, pids.iter().map(i64::to_string).collect::<Vec<_>>());
}

#[test]
fn records_of_few_snapshots_have_the_same_figure_in_all_reports() {
    let here = tempfile::tempdir().expect("a directory");
    short_record(here.path());
    let output = run(here.path(), "report wss short.damo --raw_number");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("--exclude_samples"), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let median = text.lines().find(|line| line.starts_with(" 50 ")).expect("a median");
    let median = median.split_whitespace().nth(1).expect("a number").to_owned();
    let page = ok(here.path(), "report holistic short.damo --format csv");
    let holistic = rows(&page).into_iter().find(|row| row[..3] == ["wss", "size", "50"]).expect("a row");
    assert_eq!(holistic[3], median);
    for report in ["wss", "nr_regions", "wss_profile", "wss --plot none.png"] {
        let said = fails(here.path(), &format!("report {report} short.damo --exclude_samples 20"), 2);
        assert!(said.contains("--exclude_samples leaves out all snapshots"), "{report}: {said}");
    }
    assert!(!here.path().join("none.png").exists());
}

#[test]
fn doctor_says_that_one_snapshot_supports_no_conclusion() {
    let here = tempfile::tempdir().expect("a directory");
    short_record(here.path());
    ok(here.path(), "cut pair.damo --time_range 0 90ms -o one.damo");
    let output = run(here.path(), "doctor one.damo");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("one complete snapshot: it supports no conclusion"), "{text}");
    assert_eq!(output.status.code(), Some(1));
    let few = String::from_utf8_lossy(&run(here.path(), "doctor short.damo").stdout).into_owned();
    assert!(few.contains("too few for conclusions"), "{few}");
    for text in [text, few] {
        assert!(!text.contains("no problems found") && !text.contains("nothing speaks against"), "{text}");
    }
}

/// A record of half a minute of a workload in one area of 512 MiB, and in 512 MiB of others.
fn simulated(here: &Path, pattern: &str, record: &str) {
    let config = format!("area, 536870912\nrest, 536870912\n\nrun\n30000\narea, {pattern}, 1\n");
    std::fs::write(here.join("work.cfg"), config).expect("a configuration");
    ok(here, &format!("record --quiet --simulate work.cfg -o {record}"));
}

#[test]
fn doctor_tells_that_accesses_are_sparse_within_regions_and_only_then() {
    let here = tempfile::tempdir().expect("a directory");
    simulated(here.path(), "0, 65536", "sparse.damo");
    simulated(here.path(), "0, 4096", "dense.damo");
    let judged = |record: &str| {
        let output = run(here.path(), &format!("doctor --json {record}"));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), value)
    };
    let (code, dense) = judged("dense.damo");
    assert_eq!((code, &dense["sound"]), (Some(0), &true.into()), "{dense}");
    let (least, most) = (&dense["records"][0]["working_set"]["least"], &dense["records"][0]["working_set"]["most"]);
    let mib = |value: &serde_json::Value| value.as_f64().expect("a number") / 1048576.0;
    assert!(mib(least) <= 512.1 && 512.0 <= mib(most) && mib(most) < 560.0, "{dense}");
    // A page in 16 is accessed: 32 MiB, and the record looks as if it could be all 512.
    let (code, sparse) = judged("sparse.damo");
    assert_eq!((code, &sparse["sound"]), (Some(1), &false.into()), "{sparse}");
    assert!(
        sparse["records"][0]["findings"][0]["text"].as_str().expect("text").contains("sparse within regions"),
        "{sparse}"
    );
    let set = &sparse["records"][0]["working_set"];
    assert!(mib(&set["least"]) <= 32.0 && 32.0 <= mib(&set["most"]), "{sparse}");
    assert!(mib(&set["mean"]) > 100.0, "{sparse}");
}

#[test]
fn info_tells_the_size_of_the_file_and_not_of_what_it_becomes() {
    let here = tempfile::tempdir().expect("a directory");
    let size = std::fs::metadata(stairs()).expect("a file").len();
    let json: serde_json::Value =
        serde_json::from_str(&ok(here.path(), &format!("info {} --format json", stairs()))).expect("JSON");
    assert_eq!(json["file_bytes"], size);
    assert_ne!(json["damo_bytes"], size);
    let text = ok(here.path(), &format!("info {}", stairs()));
    assert!(text.contains("  as .damo"), "{text}");
    ok(here.path(), &format!("report html {} -o page.html", stairs()));
    let page = std::fs::read_to_string(here.path().join("page.html")).expect("a page");
    assert!(page.contains("\"file size\"") && !page.contains("\"record size\""));
}

#[test]
fn floats_in_csv_always_have_a_point() {
    let here = tempfile::tempdir().expect("a directory");
    record_pair(here.path(), "-o a.damo");
    let mut seen = 0;
    for (line, floats) in [
        ("heats a.damo", &["heat", "cover"][..]),
        ("access a.damo", &["bytes_per_second", "accessed_error", "bandwidth_error"][..]),
        ("access a.damo --table regions", &["access_hz"][..]),
        ("ages a.damo", &["percent"][..]),
        ("wss a.damo", &["error"][..]),
        ("wss_profile a.damo", &["mean"][..]),
        ("holistic a.damo --table maps", &["mean_heat"][..]),
    ] {
        let text = ok(here.path(), &format!("report {line} --format csv"));
        for name in floats {
            let cells = column(&text, name);
            assert!(cells.iter().all(|cell| cell.is_empty() || cell.contains('.')), "{line}: {name}");
            seen += cells.iter().filter(|cell| cell.ends_with(".0")).count();
        }
    }
    assert!(seen > 0, "no float without a fraction was among them");
}

#[test]
fn minutes_are_min_and_one_thing_is_singular() {
    let here = tempfile::tempdir().expect("a directory");
    ok(here.path(), "record --quiet --simulate stairs --timeout 70 -o long.damo");
    let text = ok(here.path(), "info long.damo");
    assert!(text.contains("1 min ") && !text.contains(" 1 m "), "{text}");
    let output = run(here.path(), "cut long.damo --time_range 0 90ms -o one.damo");
    assert!(said(&output).contains("1 snapshot,"), "{}", said(&output));
    assert!(ok(here.path(), "info one.damo").contains(": 1 snapshot, "));
    // The Python tool's layouts keep its form.
    assert!(ok(here.path(), "report record_info long.damo").contains(" m "));
}
