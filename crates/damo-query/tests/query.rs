//! Questions are answered as if every region had been looked at, whatever was left out because it cannot matter.

use damo_frame::{FrameError, OpenOptions, Record};
use damo_model::Sink;
use damo_model::{
    Addr, Age, Bytes, ClockPair, Footprint, Intervals, Item, Mapping, Mappings, Mark, Meta, Nanos, NrAccesses, Process,
    ProcessFootprint, Region, Selection, Side, Snapshot, Stamp, Target, TargetKey,
};
use damo_query::{Database, QueryError, tables};
use polars::prelude::DataFrame;
use std::path::Path;
use std::sync::Arc;

const PAGE: u64 = 4096;

/// Two processes for a minute, ten snapshots a second: the first touches a page more each second, the second nothing.
fn minute() -> Record {
    Record::from_items(&minute_items()).expect("a record")
}

fn minute_items() -> Vec<Item> {
    let meta = Meta {
        clock_pair: Some(ClockPair { record: Nanos::from_secs(100), wall: Nanos::from_secs(1_796_040_000) }),
        host: "web-1".to_owned(),
        ..Meta::default()
    };
    let process = |pid, comm: &str| Process { pid, comm: comm.to_owned(), ..Process::default() };
    let target = |key, process| Target { key: TargetKey(key), process: Some(process), ..Target::default() };
    let mut items = vec![
        Item::Meta(meta),
        Item::Target(target(0, process(41, "server"))),
        Item::Target(target(1, process(42, "idle"))),
        Item::Side(mappings(0, "old")),
        Item::Side(mappings(30, "new")),
        Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos::from_secs(130)), text: "half".to_owned() })),
    ];
    for second in 0..60u64 {
        let rss = Some(Bytes((second + 1) * PAGE));
        let (at, pid, target) = (Stamp::Record(Nanos::from_secs(100 + second as i64)), 41, Some(TargetKey(0)));
        let footprint = Footprint { rss, ..Footprint::default() };
        items.push(Item::Side(Side::Process(ProcessFootprint { at, pid, target, footprint })));
        for tenth in 0..10 {
            for key in 0..2 {
                items.push(Item::Snapshot(snapshot(key, second, tenth)));
            }
        }
    }
    items
}

fn mappings(after: i64, name: &str) -> Side {
    let of = |start, end, name: &str| Mapping {
        start: Addr(start),
        end: Addr(end),
        name: name.to_owned(),
        ..Mapping::default()
    };
    let mappings = vec![of(0, 100 * PAGE, name), of(100 * PAGE, 1000 * PAGE, "rest")];
    Side::Mappings(Mappings {
        at: Stamp::Record(Nanos::from_secs(100 + after)),
        pid: 41,
        target: Some(TargetKey(0)),
        mappings,
    })
}

fn snapshot(key: u32, second: u64, tenth: u64) -> Snapshot {
    let start = Nanos::from_millis(((100 + second) * 1000 + tenth * 100) as i64);
    let intervals =
        Intervals { sample: Nanos::from_millis(5), aggregation: Nanos::from_millis(100), ..Intervals::default() };
    let end = start.saturating_add(Nanos::from_millis(100));
    let mut snapshot = Snapshot::new(TargetKey(key), start, end, Some(intervals));
    let hot = if key == 0 { (second + 1) * PAGE } else { PAGE };
    let count = if key == 0 { 20 } else { 0 };
    snapshot.regions.push(Region::new(Addr(0), Addr(hot), NrAccesses(count), Some(Age(tenth as u32))));
    snapshot.regions.push(Region::new(Addr(hot), Addr(1000 * PAGE), NrAccesses(0), Some(Age(7))));
    snapshot
}

fn stairs() -> Record {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/real/stairs/damon.data");
    Record::open(&path, &OpenOptions::default()).expect("the recording is readable")
}

fn ask(record: Record, sql: &str) -> DataFrame {
    let answer = Database::new(Arc::new([record])).ask(sql);
    answer.unwrap_or_else(|error| panic!("{sql}: {error}")).frame().clone()
}

fn numbers(frame: &DataFrame, column: &str) -> Vec<Option<i64>> {
    let column = frame.column(column).expect("a column").cast(&polars::prelude::DataType::Int64).expect("numbers");
    column.i64().expect("numbers").iter().collect()
}

fn texts(frame: &DataFrame, column: &str) -> Vec<Option<String>> {
    frame.column(column).expect("a column").str().expect("text").iter().map(|text| text.map(str::to_owned)).collect()
}

/// The regions that were decoded, of how many.
fn decoded(sql: &str) -> (u64, u64) {
    let records: Arc<[Record; 1]> = Arc::new([minute()]);
    let all = records[0].totals().regions;
    Database::new(records.clone()).ask(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    (records[0].progress().0, all)
}

#[test]
fn sums_of_regions_are_those_of_a_loop_over_all_of_them() {
    let record = stairs();
    let (mut bytes, mut accesses, mut rows, mut most) = (0, 0, 0, 0);
    record
        .for_each(&Selection::all(), |chunk| {
            rows += chunk.nr_regions() as i64;
            bytes += chunk.start().iter().zip(chunk.end()).map(|(start, end)| (end - start) as i64).sum::<i64>();
            accesses += chunk.nr_accesses().iter().map(|count| i64::from(*count)).sum::<i64>();
            most = most.max(chunk.nr_accesses().iter().copied().max().unwrap_or(0));
            Ok::<_, FrameError>(())
        })
        .expect("a record");
    assert!(rows > 1000);
    let sql =
        "SELECT COUNT(*) AS n, SUM(size) AS bytes, SUM(nr_accesses) AS accesses, MAX(nr_accesses) AS most FROM regions";
    let found = ask(record, sql);
    let all = ["n", "bytes", "accesses", "most"].map(|column| numbers(&found, column)[0]);
    assert_eq!(all, [Some(rows), Some(bytes), Some(accesses), Some(most.into())]);
}

/// What is split over blocks gives the same as what is not: a subquery of all columns keeps it from being split.
#[test]
fn aggregates_by_blocks_are_those_of_all_regions_at_once() {
    for query in [
        "SELECT COUNT(*) AS n FROM regions",
        "SELECT snapshot, SUM(size) AS b FROM regions WHERE nr_accesses > 0 GROUP BY snapshot ORDER BY snapshot",
        "SELECT nr_accesses, COUNT(*), AVG(size) AS mean FROM regions GROUP BY nr_accesses ORDER BY nr_accesses",
        "SELECT FLOOR(start_ns / 1e9) AS s, MIN(age), MAX(size) - MIN(size) AS spread FROM regions GROUP BY 1 ORDER BY s",
        "SELECT target, SUM(CASE WHEN nr_accesses > 0 THEN size ELSE 0 END) * 1.0 / SUM(size) AS hot FROM regions \
         GROUP BY target HAVING SUM(size) > 0 ORDER BY hot DESC, target LIMIT 5",
        "SELECT SUM(size) AS b, COUNT(age) AS aged FROM regions WHERE nr_accesses > 1000000",
        "SELECT AVG(b) AS mean FROM (SELECT snapshot, SUM(size) AS b FROM regions GROUP BY snapshot) AS per",
        "WITH per AS (SELECT snapshot, SUM(size) AS b FROM regions GROUP BY snapshot) SELECT MEDIAN(b) AS m FROM per",
        "SELECT nr_accesses * 0 AS nr_accesses, COUNT(*) AS n FROM regions GROUP BY nr_accesses ORDER BY n",
        "SELECT r.target AS t, AVG(hz(r.nr_accesses)) AS rate FROM regions AS r GROUP BY r.target ORDER BY t",
    ] {
        let whole =
            query.replace("FROM regions", "FROM (SELECT * FROM regions) AS regions").replace("AS regions AS", "AS");
        for record in [stairs, minute] {
            let (split, whole) = (ask(record(), query), ask(record(), &whole));
            assert_eq!(split.shape(), whole.shape(), "{query}");
            for (one, other) in split.columns().iter().zip(whole.columns()) {
                let float = |column: &polars::prelude::Column| -> Vec<Option<f64>> {
                    let column = column.cast(&polars::prelude::DataType::Float64).expect("numbers");
                    column.f64().expect("numbers").iter().collect()
                };
                for (a, b) in float(one).into_iter().zip(float(other)) {
                    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
                    assert!(a == b || a.zip(b).is_some_and(|(a, b)| near(a, b)), "{query}: {a:?} {b:?}");
                }
            }
        }
    }
}

#[test]
fn snapshots_have_the_working_sets_of_their_regions() {
    let of_regions = "SELECT snapshot, SUM(CASE WHEN nr_accesses > 0 THEN size ELSE 0 END) AS b, COUNT(*) AS n FROM regions \
                      GROUP BY snapshot ORDER BY snapshot";
    let regions = ask(stairs(), of_regions);
    let snapshots = ask(stairs(), "SELECT accessed_bytes AS b, nr_regions AS n FROM snapshots ORDER BY snapshot");
    assert!(regions.height() > 50);
    assert_eq!(numbers(&regions, "b"), numbers(&snapshots, "b"));
    assert_eq!(numbers(&regions, "n"), numbers(&snapshots, "n"));
}

#[test]
fn conditions_on_time_and_target_skip_blocks() {
    for (condition, most) in [
        ("start_ns < 6e9", 0.15),
        ("start_ns / 1e9 BETWEEN 30 AND 33", 0.25),
        ("end_ns <= 6000000000 AND nr_accesses > 3", 0.15),
        ("wall_ns >= 1796040054 * 1000000000", 0.2),
        ("10 * 1000000000 > start_ns", 0.25),
        ("start_ns < 1e9 OR start_ns BETWEEN 2e9 AND 3e9", 0.15),
        ("comm = 'nobody'", 0.0),
        ("pid IN (7, 8)", 0.0),
        ("record LIKE 'nothing%'", 0.0),
    ] {
        for what in ["COUNT(*)", "MEDIAN(size)"] {
            let (some, all) = decoded(&format!("SELECT {what} AS x FROM regions WHERE {condition}"));
            assert!(some as f64 <= all as f64 * most, "{what} {condition}: {some} of {all}");
        }
    }
    let (some, all) = decoded("SELECT MAX(accessed_bytes) AS x FROM snapshots WHERE start_ns < 6e9");
    assert!(some * 5 < all, "{some} of {all}");
}

#[test]
fn what_is_skipped_would_not_have_passed() {
    for condition in [
        "start_ns < 5900000000",
        "start_ns <= 5900000000",
        "start_ns = 5900000000",
        "start_ns > 53e9 AND end_ns < 54.05e9",
        "NOT start_ns < 53e9",
        "start_ns / 7 < 100000000",
        "start_ns / 1000000000 BETWEEN 29.95 AND 30.05",
        "start_ns / 1e9 >= 59.9",
        "-start_ns > -300000000",
        "(start_ns + 5) * 2 < 900000010",
        "wall_ns - 1796040000000000000 < 1000000000",
        "end_ns = 6000000000",
        "start >= 4096 * 3 AND start < 4096 * 5",
        "\"end\" = 4096 * 1000 AND start_ns < 1e9",
        "\"end\" <= 8192",
        "overlap(start, end, 0, 4096) > 0 AND start_ns < 2e9",
        "comm = 'server' AND start_ns < 2e9",
        "comm <> 'server' OR start_ns < 2e9",
        "target IN (1) AND start_ns BETWEEN 1e9 AND 2e9",
        "pid = 41 AND target = 1",
        "CAST(start_ns AS DOUBLE) < 1e8",
        "start_ns < 1e9 OR start = 0",
        // A cast or a quotient that is rounded down is one of a thousand million values.
        "CAST(start_ns / 1e9 AS BIGINT) = 5",
        "CAST(start_ns / 1e9 AS INT) * 2 = 10",
        "start_ns // 1e9 = 5",
        "start_ns / 1e9 // 10 = 2",
        "CAST(start_ns AS BOOLEAN) = 1",
        "mapping = 'old' AND start_ns > 29e9",
    ] {
        // Without its name, a column says nothing that blocks could be skipped by.
        let hidden = ["start_ns", "end_ns", "wall_ns", "start", "\"end\"", "comm", "pid", "target"];
        let columns = hidden.map(|name| format!("COALESCE({name}, {name}) AS {name}")).join(", ");
        let whole = format!(
            "SELECT COUNT(*) AS n, SUM(size) AS b FROM (SELECT {columns}, size, mapping FROM regions) AS r WHERE {condition}"
        );
        let pruned = format!("SELECT COUNT(*) AS n, SUM(size) AS b FROM regions WHERE {condition}");
        let listed = format!(
            "SELECT COUNT(n) AS n, SUM(b) AS b FROM (SELECT nr_accesses AS n, size AS b FROM regions WHERE {condition}) AS r"
        );
        let found = [whole, pruned, listed].map(|sql| {
            let frame = ask(minute(), &sql);
            (numbers(&frame, "n"), numbers(&frame, "b"))
        });
        assert_eq!(found[0], found[1], "{condition}");
        assert_eq!(found[0], found[2], "{condition}");
        let n = found[0].0[0];
        assert!(
            n.is_some_and(|n| n < 2400) && (n != Some(0) || condition.contains("pid = 41 AND")),
            "{condition}: {n:?}"
        );
    }
}

#[test]
fn every_table_has_the_columns_and_types_that_its_description_says() {
    for table in tables().expect("tables") {
        let rows = ask(minute(), &format!("SELECT * FROM {}", table.name));
        let said: Vec<_> = table
            .frame
            .schema()
            .iter()
            .filter(|(name, _)| !name.starts_with("probe") && *name != "filter_passed")
            .collect();
        let schema = rows.schema();
        assert_eq!(schema.iter().collect::<Vec<_>>(), said, "{}", table.name);
    }
}

#[test]
fn rates_overlaps_and_mappings_are_those_of_the_row() {
    let sql = "SELECT start_ns, hz(nr_accesses) AS rate, hz(nr_accesses, aggregation_ns * 2) AS half, \
               overlap(start, end, 4096, 12288) AS over, mapping(start) AS at, mapping(r.start + 409600) AS behind \
               FROM regions AS r WHERE target = 0 AND start = 0 AND start_ns IN (0, 29900000000, 30000000000) ORDER BY start_ns";
    let rows = ask(minute(), &sql.replace("r.start", "start"));
    let rate = rows.column("rate").expect("a column").f64().expect("floats").to_vec();
    assert_eq!(rate, [Some(200.0); 3]);
    assert_eq!(rows.column("half").expect("a column").f64().expect("floats").to_vec(), [Some(100.0); 3]);
    // The hot region has 1 page, 30 pages, 31 pages: of [1, 3) pages it covers none, both, both.
    assert_eq!(numbers(&rows, "over"), [Some(0), Some(8192), Some(8192)]);
    assert_eq!(texts(&rows, "at"), ["old", "old", "new"].map(|name| Some(name.to_owned())));
    assert_eq!(texts(&rows, "behind"), vec![Some("rest".to_owned()); 3]);
    let by_name =
        ask(minute(), "SELECT mapping, COUNT(*) AS n FROM regions WHERE target = 0 GROUP BY mapping ORDER BY mapping");
    assert_eq!(texts(&by_name, "mapping"), ["new", "old", "rest"].map(|name| Some(name.to_owned())));
    assert_eq!(numbers(&by_name, "n"), [Some(300), Some(300), Some(600)]);
}

#[test]
fn mappings_of_no_rows_are_none_and_those_that_cannot_be_read_an_error() {
    let rows = ask(minute(), "SELECT mapping(0, record, target, start_ns) AS m FROM regions WHERE start_ns < -5");
    assert_eq!(rows.shape(), (0, 1));
    // A record whose side data are gone when the question needs them.
    let here = tempfile::tempdir().expect("temporary directory");
    let path = here.path().join("r.damo");
    let mut writer = damo_format::Writer::new(Vec::new(), damo_format::WriterOptions::default()).expect("a writer");
    for item in minute_items() {
        writer.put(&item).expect("written");
    }
    let (bytes, _) = writer.finish().expect("finished");
    std::fs::write(&path, &bytes).expect("a file");
    let record = Record::open(&path, &OpenOptions::default()).expect("a record");
    let name = record.name().to_owned();
    std::fs::write(&path, &bytes[..64]).expect("a file");
    let said = Database::new(Arc::new([record]))
        .ask(&format!("SELECT mapping(number, '{name}', 0, 0) AS m FROM (SELECT 4096 AS number) AS one"));
    let said = said.map(|answer| answer.frame().clone()).expect_err("it cannot be read").to_string();
    assert!(said.contains("r.damo"), "{said}");
}

#[test]
fn several_records_are_in_one_table_by_their_names() {
    let database = Database::new(Arc::new([minute(), stairs()]));
    let answer =
        database.ask("SELECT record, COUNT(*) AS n FROM snapshots GROUP BY record ORDER BY record").expect("rows");
    let names = texts(answer.frame(), "record");
    assert_eq!(names.len(), 2);
    assert!(
        names[0].as_deref() == Some("(items)") && names[1].as_deref().is_some_and(|name| name.ends_with("damon.data"))
    );
    let joined = "SELECT r.host, COUNT(*) AS n FROM snapshots AS s JOIN records AS r ON s.record = r.record \
                  WHERE s.accessed_bytes > 0 GROUP BY r.host ORDER BY r.host";
    let rows = database.ask(joined).expect("rows");
    assert!(texts(rows.frame(), "host").contains(&Some("web-1".to_owned())));
}

#[test]
fn errors_name_what_is_wrong_and_what_there_is() {
    let said = |sql: &str| match Database::new(Arc::new([minute()])).ask(sql) {
        Ok(answer) => panic!("{sql}: {:?}", answer.frame()),
        Err(error) => error.to_string(),
    };
    let table = said("SELECT * FROM region");
    assert!(table.contains("no table 'region'") && table.contains("regions, snapshots"), "{table}");
    for sql in [
        "SELECT bytes FROM snapshots",
        "SELECT SUM(bytes) FROM snapshots",
        "SELECT snapshot FROM snapshots WHERE bytes > 3",
        "SELECT regions.size FROM regions JOIN snapshots ON regions.snapshot = snapshots.snapshot WHERE bytes = 1",
    ] {
        let column = said(sql);
        assert!(column.contains("no column 'bytes'") && column.contains("accessed_bytes"), "{sql}: {column}");
    }
    let sum = said("SELECT SUM(bytes) FROM regions GROUP BY target");
    assert!(sum.contains("no column 'bytes'") && sum.contains("nr_accesses"), "{sum}");
    // What is wrong with a column that there is, is not that it is missing.
    for sql in ["SELECT CAST(comm AS BIGINT) AS x FROM regions", "SELECT comm + 1 AS x FROM regions"] {
        let wrong = said(sql);
        assert!(!wrong.contains("no column") && wrong.contains("comm"), "{sql}: {wrong}");
    }
    let twice = said("SELECT start_ns AS a, end_ns AS a FROM snapshots");
    assert!(!twice.contains("no column") && twice.contains('a'), "{twice}");
    let exists = said("SELECT COUNT(*) FROM snapshots WHERE EXISTS (SELECT 1 FROM targets WHERE pid = 3)");
    assert!(exists.contains("EXISTS is not known") && exists.contains("IN (SELECT") && exists.len() < 200, "{exists}");
    assert!(said("SELEC 1").contains("cannot be parsed"));
    assert!(said("DROP TABLE regions").contains("only a question"));
    assert!(said("SELECT 1 AS a FROM regions; SELECT 2 AS b FROM regions").contains("one at a time"));
    assert!(said("SELECT * FROM read_csv('/etc/passwd')").contains("no table"));
    assert!(said("SELECT overlap(start, 3) AS x FROM regions").contains("four addresses"));
    assert!(matches!(Database::new(Arc::new([minute()])).ask(""), Err(QueryError::NoQuestion(_))));
}

#[test]
fn a_limit_is_kept_and_columns_are_named_after_their_texts() {
    let rows = ask(minute(), "SELECT snapshot, size FROM regions LIMIT 3");
    assert_eq!(rows.height(), 3);
    let rows = ask(minute(), "SELECT COUNT(*), SUM(size) / 2 FROM regions");
    let names: Vec<&str> = rows.get_column_names().into_iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["COUNT(*)", "SUM(size) / 2"]);
}

/// A record with a profile: a thread in `inner`, called by `outer`, then in code without a name.
fn profiled() -> Record {
    use damo_model::profile::{
        CodeBase, CodeKind, CodeMapping, CodeMappings, CodeModule, FrameKind, Sample, Sampled, SampledThread, Samples,
        StackNode, Stacks, SymbolAddress, SymbolFrame, Symbols,
    };
    let at = Stamp::Record(Nanos::from_secs(100));
    let mapping = CodeMapping {
        start: Addr(0x1000),
        end: Addr(0x9000),
        kind: CodeKind::File,
        name: "/usr/bin/app".to_owned(),
        ..CodeMapping::default()
    };
    let module = CodeModule { name: mapping.name.clone(), ..CodeModule::default() };
    let node = |parent, address| StackNode { parent, address: Addr(address), kind: FrameKind::User };
    let symbol =
        |address, function| SymbolAddress { address, frames: vec![SymbolFrame { function, ..SymbolFrame::default() }] };
    let symbols = Symbols {
        at,
        module,
        texts: vec!["outer".to_owned(), "inner".to_owned()],
        addresses: vec![symbol(0xfff, 0), symbol(0x1000, 0), symbol(0x2000, 1)],
    };
    let sample = |time, stack| Sample { time, thread: 0, stack, weight: 2 };
    let samples = Samples {
        at,
        sampled: Sampled::Cpu,
        table: 7,
        unit: Nanos::from_millis(1),
        threads: vec![SampledThread { pid: 41, tid: 43, comm: "worker".to_owned() }],
        samples: vec![sample(1_000, 1), sample(2_000, 1), sample(30_000, 2), sample(31_000, Sample::NO_STACK)],
        addresses: Vec::new(),
    };
    let code = CodeMappings { at, pid: 41, base: CodeBase::default(), mappings: vec![mapping] };
    let stacks =
        Stacks { at, table: 7, first: 0, nodes: vec![node(None, 0x2000), node(Some(0), 0x3000), node(None, 0x4000)] };
    let mut items = minute_items();
    items.extend(
        [Side::Code(code), Side::Stacks(stacks), Side::Samples(samples), Side::Symbols(symbols)].map(Item::Side),
    );
    Record::from_items(&items).expect("a record")
}

#[test]
fn samples_of_profiles_have_times_threads_functions_and_stacks() {
    let rows = ask(profiled(), "SELECT * FROM samples ORDER BY at_ns");
    assert_eq!(numbers(&rows, "at_ns"), [1, 2, 30, 31].map(|second| Some(second * 1_000_000_000)));
    assert_eq!(numbers(&rows, "wall_ns")[0], Some(1_796_040_001_000_000_000));
    assert_eq!((numbers(&rows, "pid")[0], numbers(&rows, "tid")[0]), (Some(41), Some(43)));
    assert_eq!(numbers(&rows, "weight"), [Some(2); 4]);
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(texts(&rows, "comm")[0], named("worker"));
    assert_eq!(texts(&rows, "function"), [named("inner"), named("inner"), named("app+0x3000"), None]);
    assert_eq!(texts(&rows, "module"), [named("app"), named("app"), named("app"), None]);
    assert_eq!(texts(&rows, "stack"), [named("outer;inner"), named("outer;inner"), named("app+0x3000"), None]);
    let counted = "SELECT function, SUM(weight) AS n FROM samples WHERE at_ns < 20e9 GROUP BY function";
    let counted = ask(profiled(), counted);
    assert_eq!((texts(&counted, "function"), numbers(&counted, "n")), (vec![named("inner")], vec![Some(4)]));
    let joined = "SELECT s.comm AS c, COUNT(*) AS n FROM samples AS s JOIN targets AS t ON s.pid = t.pid WHERE s.at_ns >= 2e9 GROUP BY s.comm";
    assert_eq!(numbers(&ask(profiled(), joined), "n"), [Some(3)]);
    assert_eq!(ask(minute(), "SELECT * FROM samples").height(), 0);
    assert_eq!(ask(profiled(), "SELECT stack FROM samples LIMIT 2").height(), 2);
}
