use super::*;
use damo_model::{
    Addr, Age, Bytes, CpuTime, Intervals, KdamondIndex, Lost, Meta, NodeMemory, NodeThreads, NrAccesses, Placement,
    Process, Region, SchemeCounts, SchemeProgress, Side, Snapshot, Stamp, Target, TargetKey,
};

const MIB: u64 = 1 << 20;

/// Regions of 1 MiB with these numbers of accesses and ages.
fn snapshot(number: i64, regions: &[(u32, u32)]) -> Item {
    let (start, end) = (Nanos::from_millis(number * 100), Nanos::from_millis(number * 100 + 100));
    let mut snapshot = Snapshot::new(TargetKey(0), start, end, None);
    for (i, (nr_accesses, age)) in (0..).zip(regions) {
        let range = (Addr(i * MIB), Addr((i + 1) * MIB));
        snapshot.regions.push(Region::new(range.0, range.1, NrAccesses(*nr_accesses), Some(Age(*age))));
    }
    Item::Snapshot(snapshot)
}

fn beginning() -> Vec<Item> {
    let process = Process { pid: 12, comm: "a \"b\\c".to_owned(), ..Process::default() };
    vec![
        Item::Meta(Meta { intervals: Some(Intervals::default()), ..Meta::default() }),
        Item::Target(Target { process: Some(process), ..Target::default() }),
    ]
}

fn at(number: i64) -> Stamp {
    Stamp::Record(Nanos::from_millis(number * 100))
}

fn file(dir: &tempfile::TempDir) -> String {
    std::fs::read_to_string(dir.path().join("m.prom")).expect("the metrics")
}

fn metrics(dir: &tempfile::TempDir) -> Metrics {
    Metrics::new(dir.path().join("m.prom"), Nanos::from_secs(1), Rules::new(Kind::Record)).expect("metrics")
}

#[test]
fn figures_are_means_of_the_interval_and_idle_times_of_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut metrics = metrics(&dir);
    assert!(!dir.path().join("m.prom").exists(), "nothing is written before there is a figure");
    beginning().iter().for_each(|item| metrics.take(item).expect("taken"));
    for number in 0..10 {
        // Ten seconds idle, accessed now and then, hot: 2 MiB and then 3 MiB of four.
        let second = u32::from(number >= 5);
        metrics.take(&snapshot(number, &[(0, 100), (second, 3), (1, 3), (20, 50)])).expect("taken");
    }
    let text = file(&dir);
    let labels = r#"target="0",name="a \"b\\c",pid="12""#;
    for (name, value) in [
        ("working_set_bytes", 2.5 * MIB as f64),
        ("hot_bytes", MIB as f64),
        ("cold_bytes", MIB as f64),
        ("monitored_bytes", 4.0 * MIB as f64),
        ("regions", 4.0),
    ] {
        let line = format!("damon_target_{name}{{{labels}}} {value}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    for (percentile, idle) in [(25, "-5"), (50, "-0.3"), (75, "-0.3"), (90, "10"), (99, "10")] {
        let line = format!("damon_target_idle_seconds{{{labels},percentile=\"{percentile}\"}} {idle}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(text.contains("damon_recording 1\n") && text.contains("damon_snapshots_total 10\n"), "{text}");
}

#[test]
fn each_interval_writes_the_file_anew_and_the_end_says_that_nothing_records() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut metrics = metrics(&dir);
    beginning().iter().for_each(|item| metrics.take(item).expect("taken"));
    let counts = SchemeCounts { nr_tried: 7, sz_tried: Bytes(9), qt_exceeds: 2, ..SchemeCounts::default() };
    let progress = SchemeProgress {
        at: at(1),
        kdamond: Some(KdamondIndex(3)),
        context: 0,
        scheme: 1,
        effective_quota: Some(Bytes(4096)),
        counts: Some(counts),
    };
    let cpu = |pid, comm: &str, kdamond, number: i64, seconds| {
        let (user, system) = (Nanos::from_secs(seconds), Nanos::from_millis(500));
        Item::Side(Side::Cpu(CpuTime { at: at(number), pid, comm: comm.into(), user, system, kdamond }))
    };
    for number in 0..25 {
        metrics.take(&snapshot(number, &[(20, 1)])).expect("taken");
        if number == 3 {
            metrics
                .take(&Item::Side(Side::Lost(Lost { at: at(3), events: 35, reason: "ring".into() })))
                .expect("taken");
            metrics.take(&Item::Side(Side::Scheme(progress))).expect("taken");
            metrics.take(&cpu(90, "kdamond.3", true, 3, 1)).expect("taken");
            metrics.take(&cpu(91, "damo", false, 3, 2)).expect("taken");
            metrics.take(&cpu(12, "a", false, 3, 4)).expect("taken");
        }
    }
    let text = file(&dir);
    for line in [
        "damon_snapshots_total 20",
        "damon_lost_events_total 35",
        "damon_kdamond_cpu_seconds_total 1.5",
        "damon_recorder_cpu_seconds_total 2.5",
        "damon_target_process_cpu_seconds_total{target=\"0\",name=\"a \\\"b\\\\c\",pid=\"12\"} 4.5",
        "damon_scheme_tried_bytes_total{kdamond=\"3\",context=\"0\",scheme=\"1\"} 9",
        "damon_scheme_quota_exceeded_total{kdamond=\"3\",context=\"0\",scheme=\"1\"} 2",
        "damon_scheme_effective_quota_bytes{kdamond=\"3\",context=\"0\",scheme=\"1\"} 4096",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    metrics.end().expect("written");
    let text = file(&dir);
    assert!(text.contains("damon_recording 0\n") && text.contains("damon_snapshots_total 25\n"), "{text}");
    assert!(!text.contains("damon_target_"), "what has ended is not told as if it was still so: {text}");
    // Every family is told once, before its values.
    let helped: Vec<&str> = text.lines().filter(|line| line.starts_with("# HELP")).collect();
    let mut unique = helped.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), helped.len(), "{text}");
}

#[test]
fn the_page_has_a_line_for_each_metric_with_the_same_words() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(top.join("docs/monitor.md")).expect("docs/monitor.md");
    let source = include_str!("../metrics.rs");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `damon_"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let names: std::collections::BTreeSet<&str> =
        source.split('"').skip(1).step_by(2).filter(|text| text.starts_with("damon_")).collect();
    assert!(names.len() >= 20 && rows.len() == names.len(), "{names:?}");
    for row in rows {
        let name = row[1].trim_matches('`');
        assert!(names.contains(name), "{name} is on the page only");
        assert_eq!(row[2], if name.ends_with("_total") { "counter" } else { "gauge" }, "{name}");
        assert!(source.contains(&format!("\"{}\"", row[3])), "{name} has another help text than {}", row[3]);
    }
}

#[test]
fn ages_that_are_not_known_give_no_idle_times() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut metrics = metrics(&dir);
    beginning().iter().for_each(|item| metrics.take(item).expect("taken"));
    for number in 0..11 {
        let Item::Snapshot(mut snapshot) = snapshot(number, &[(0, 1), (3, 1)]) else { unreachable!() };
        snapshot.regions.iter_mut().for_each(|region| region.age = None);
        metrics.take(&Item::Snapshot(snapshot)).expect("taken");
    }
    let text = file(&dir);
    assert!(text.contains("damon_target_working_set_bytes") && !text.contains("damon_target_idle_seconds"), "{text}");
}

#[test]
fn what_is_no_file_of_metrics_is_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let refused = |path: &std::path::Path| {
        let rules = Rules::new(Kind::Record);
        let error = Metrics::new(path.to_owned(), Nanos::from_secs(1), rules).expect_err("refused");
        error.to_string()
    };
    let there = dir.path().join("m.prom");
    std::fs::write(&there, [0_u8; 8]).expect("write");
    assert!(refused(&there).contains("is no file of metrics"));
    std::fs::remove_file(&there).expect("removed");
    std::os::unix::fs::symlink("elsewhere", &there).expect("a link");
    assert!(refused(&there).contains("symbolic link"));
    assert!(refused(&dir.path().join("none/m.prom")).contains("none/"));
}

#[test]
fn figures_by_node_have_the_node_as_a_label() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut metrics = metrics(&dir);
    beginning().iter().for_each(|item| metrics.take(item).expect("taken"));
    let row =
        |start, node, bytes| NodeMemory { start: Addr(start), end: Addr(start + 2 * MIB), node, bytes: Bytes(bytes) };
    let memory = vec![row(0, 0, MIB), row(2 * MIB, 0, MIB), row(2 * MIB, 1, 3 * MIB)];
    let threads = vec![NodeThreads { node: 0, threads: 2 }];
    let placement = Placement { at: at(0), pid: 12, target: None, memory, threads };
    metrics.take(&Item::Side(Side::Placement(placement))).expect("taken");
    for number in 0..11 {
        // Two hot mebibytes, of which three quarters of the second one are on node 1, and as many cold ones.
        metrics.take(&snapshot(number, &[(20, 50), (0, 100), (20, 50), (0, 100)])).expect("taken");
    }
    let text = file(&dir);
    let mib = |mebibytes: f64| (mebibytes * MIB as f64).to_string();
    for (name, node, value) in [
        ("resident_memory_bytes", 0, mib(2.0)),
        ("resident_memory_bytes", 1, mib(3.0)),
        ("hot_bytes", 0, mib(1.25)),
        ("hot_bytes", 1, mib(0.75)),
        ("warm_bytes", 1, mib(0.0)),
        ("cold_bytes", 0, mib(1.25)),
        ("cold_bytes", 1, mib(0.75)),
        ("access_ratio", 1, "0.375".to_owned()),
    ] {
        let line = format!(
            "damon_target_node_{name}{{target=\"0\",name=\"a \\\"b\\\\c\",pid=\"12\",node=\"{node}\"}} {value}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(text.contains("damon_target_remote_access_ratio") && text.contains("} 0.375\n"), "{text}");
}
