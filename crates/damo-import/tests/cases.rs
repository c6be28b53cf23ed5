//! Small inputs that were misread once, each for a kind of fault. What is right of them was found by hand; see
//! `testdata/cases/README.md`.

mod common;

use common::{Checked, import, try_import};
use damo_import::{Format, ImportError, Imported, Options, Tick};
use damo_model::{Intervals, Nanos, Side, Snapshot};
use std::io::Read;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/cases").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("in testdata")
}

fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).expect("text")
}

fn import_with(bytes: &[u8], options: &Options) -> (Imported, Checked) {
    let mut sink = Checked::default();
    let imported = damo_import::import(bytes, "test", options, &mut sink).expect("a record");
    (imported, sink)
}

/// Start and end of each snapshot, in microseconds from the end of the first.
fn spans(sink: &Checked) -> Vec<(i64, i64)> {
    let snapshots = sink.snapshots();
    let zero = snapshots.first().map_or(Nanos(0), |first| first.end);
    let span = |snapshot: &&Snapshot| {
        (snapshot.start.saturating_sub(zero).as_micros(), snapshot.end.saturating_sub(zero).as_micros())
    };
    snapshots.iter().map(span).collect()
}

/// The snapshots of plain monitoring, without those of schemes.
fn plain(sink: &Checked) -> Vec<&Snapshot> {
    let schemes: Vec<_> = sink.targets().iter().filter(|t| t.scheme.is_some()).map(|t| t.key).collect();
    sink.snapshots().into_iter().filter(|snapshot| !schemes.contains(&snapshot.target)).collect()
}

fn lengths_ms(sink: &Checked) -> Vec<i64> {
    let length = |snapshot: &Snapshot| (snapshot.end.saturating_sub(snapshot.start).as_micros() + 500) / 1000;
    plain(sink).into_iter().map(length).collect()
}

fn refusal(bytes: &[u8]) -> String {
    try_import(bytes).0.expect_err("refused").to_string()
}

#[test]
fn losses_are_counted_whatever_line_ends_blanks_and_quotation_marks_there_are() {
    let crlf = text("lost-crlf.txt");
    let plain = crlf.replace('\r', "");
    let of_tracefs = plain.replace("[35 EVENTS DROPPED]", "[LOST 35 EVENTS]");
    for (kind, text) in [
        ("CRLF", crlf),
        ("trailing blanks", plain.replace('\n', " \t\n")),
        ("quoted", plain.lines().map(|line| format!("> {line}\n")).collect()),
        ("quoted twice", plain.lines().map(|line| format!(">> {line}\r\n")).collect()),
        ("of tracefs", of_tracefs),
        ("byte order mark", format!("\u{feff}{plain}")),
        ("plain", plain),
    ] {
        let (imported, sink) = import(text.as_bytes());
        assert_eq!((imported.lost_events, imported.snapshots, imported.regions), (35, 2, 4), "{kind}: {imported:?}");
        assert_eq!(imported.format, Format::TraceCmdText, "{kind}");
        assert_eq!(sink.side_data().iter().filter(|side| matches!(side, Side::Lost(_))).count(), 1, "{kind}");
    }
}

#[test]
fn a_snapshot_that_lacks_regions_because_of_a_loss_is_partial() {
    let (imported, sink) = import(&bytes("lost-quoted.txt"));
    assert_eq!((imported.lost_events, imported.snapshots, imported.partial_snapshots), (35, 3, 1));
    assert_eq!(
        sink.shapes().iter().map(|shape| (shape.2, shape.3)).collect::<Vec<_>>(),
        [(12, true), (13, true), (5, false)]
    );
}

#[test]
fn chunks_that_perf_lost_are_noticed_and_told() {
    let (imported, sink) = import(&bytes("perf-lost-chunks-and-tuning.txt"));
    assert!(imported.lost_events > 0, "{imported:?}");
    let told = imported.notes.iter().find(|note| note.contains("lost 3 chunks")).expect("a note");
    assert!(told.contains("unknown size"), "{told}");
    // Where they are missing is not known, so that no snapshot is blamed.
    assert_eq!((imported.snapshots, imported.partial_snapshots), (4, 0));
    assert!(sink.side_data().iter().any(|side| matches!(side, Side::Lost(_))));
}

#[test]
fn a_loss_that_is_told_before_the_first_event_lies_within_the_record() {
    let text = format!("Processed 24680 events and lost 3 chunks!\n{}", text("permuted.txt"));
    let (_, sink) = import(text.as_bytes());
    let lost = |side: &&Side| if let Side::Lost(lost) = side { Some(lost.at) } else { None };
    assert_eq!(sink.side_data().iter().find_map(lost), Some(damo_model::Stamp::Record(Nanos(10_200_004_000))));
}

#[test]
fn what_perf_trace_lost_is_counted() {
    let (imported, _) = import(&bytes("perf-trace-5.15.txt"));
    assert_eq!((imported.format, imported.lost_events, imported.snapshots), (Format::PerfTrace, 123, 2));
}

#[test]
fn both_layouts_of_perf_trace_give_the_same_figures_as_other_trace_text() {
    for name in ["perf-trace-5.17.txt", "report-trace-perf.txt"] {
        let (imported, sink) = import(&bytes(name));
        assert_eq!((imported.format, imported.snapshots, imported.regions), (Format::PerfTrace, 2, 4), "{name}");
        assert_eq!(spans(&sink), [(-100_200, 0), (0, 100_200)], "{name}");
        let ages: Vec<_> = sink.snapshots()[1].regions.iter().map(|r| r.age.map(|age| age.0)).collect();
        assert_eq!(ages, [Some(121), Some(4)], "{name}");
    }
    let (_, sink) = import(&bytes("perf-trace-negative-id.txt"));
    assert_eq!(sink.targets()[0].target_id, Some(121_171_723_722_880_u64.wrapping_neg()));
    let region = sink.snapshots()[0].regions[0];
    assert_eq!((region.start.0, region.nr_accesses.0, region.age), (139_995_295_608_832, 1, None));
    assert_eq!(sink.snapshots()[0].end, Nanos(12_400_049_000));
}

#[test]
fn an_age_that_perf_trace_leaves_out_is_zero_if_others_are_there() {
    let line = |start, age| {
        format!("  0.03 k/1 damon:damon_aggregated(nr_regions: 2, start: {start}, end: {}{age})\n", start + 4096)
    };
    let (_, sink) = import((line(4096, ", age: 7") + &line(8192, "")).as_bytes());
    let ages: Vec<_> = sink.snapshots()[0].regions.iter().map(|r| r.age.map(|age| age.0)).collect();
    assert_eq!(ages, [Some(7), Some(0)]);
}

#[test]
fn clocks_that_do_not_count_seconds_are_refused_with_their_kind() {
    for (name, kind, remedy) in
        [("clock-counter.txt", "`counter`", "echo local"), ("clock-tsc.txt", "`x86-tsc`", "--clock_tick 2.4GHz")]
    {
        let said = refusal(&bytes(name));
        assert!(said.contains(kind) && said.contains(remedy) && said.contains("line 7"), "{name}: {said}");
    }
    let uptime = text("clock-counter.txt").replace("1042:", "1041:").replace("104", "105").replace("1053", "1054");
    let said = refusal(uptime.as_bytes());
    assert!(said.contains("`uptime`") && said.contains("--clock_tick 10ms"), "{said}");
}

#[test]
fn a_clock_that_counts_ticks_is_read_when_their_length_is_told() {
    let options = Options { clock_tick: Tick::per_second(2_000_000), ..Options::default() };
    let (_, sink) = import_with(&bytes("clock-tsc.txt"), &options);
    assert_eq!(lengths_ms(&sink), [100, 100]);
    assert_eq!(sink.snapshots()[0].end, Nanos(4_105_169_000));
    // Times with a point are seconds, whatever is told of others.
    let (_, sink) = import_with(&bytes("permuted.txt"), &options);
    assert_eq!(lengths_ms(&sink), [100, 100, 100]);
}

#[test]
fn neither_the_first_snapshot_nor_one_behind_a_gap_claims_the_gap() {
    let known = Options { intervals: Some(Intervals::default()), ..Options::default() };
    for options in [Options::default(), known] {
        let (imported, sink) = import_with(&bytes("two-hour-gap.txt"), &options);
        assert_eq!((imported.snapshots, imported.partial_snapshots), (6, 0));
        assert_eq!(lengths_ms(&sink), [100; 6], "{options:?}");
        assert_eq!(spans(&sink)[3], (7_200_100_000, 7_200_200_000));
        assert!(imported.notes.iter().any(|note| note.starts_with("1 gap between snapshots")), "{:?}", imported.notes);
    }
}

#[test]
fn gaps_are_found_though_most_times_are_gaps_if_the_intervals_are_told() {
    // DAMON worked for one aggregation now and then, as by watermarks.
    let line = |n: i64| format!("k-1 [0] {}.0: damon_aggregated: target_id=0 nr_regions=1 4096-8192: 3 7\n", n * 60);
    let text: String = (1..9).map(line).collect();
    let options = Options { intervals: Some(Intervals::default()), ..Options::default() };
    assert_eq!(lengths_ms(&import_with(text.as_bytes(), &options).1), [100; 8]);
}

#[test]
fn snapshots_behind_a_tuning_have_the_length_of_their_own_kind() {
    let known = Options { intervals: Some(Intervals::default()), ..Options::default() };
    for options in [Options::default(), known] {
        let (_, sink) = import_with(&bytes("perf-lost-chunks-and-tuning.txt"), &options);
        assert_eq!(lengths_ms(&sink), [100, 100, 200], "{options:?}");
    }
}

#[test]
fn intervals_that_are_told_hold_up_to_a_tuning_event_and_the_events_behind_it() {
    let options = Options { intervals: Some(Intervals::default()), ..Options::default() };
    let (_, sink) = import_with(&bytes("perf-lost-chunks-and-tuning.txt"), &options);
    let aggregation = |snapshot: &&Snapshot| snapshot.intervals.map(|intervals| intervals.aggregation.as_micros());
    let told: Vec<_> = plain(&sink).iter().map(aggregation).collect();
    assert_eq!(told, [Some(100_000), Some(100_000), Some(200_000)]);
}

#[test]
fn lines_in_another_order_make_the_same_whole_snapshots() {
    let (imported, sink) = import(&bytes("permuted.txt"));
    assert_eq!((imported.snapshots, imported.partial_snapshots, imported.regions), (3, 0, 9));
    let starts = |snapshot: &&Snapshot| snapshot.regions.iter().map(|region| region.start.0).collect::<Vec<_>>();
    assert!(sink.snapshots().iter().all(|snapshot| starts(snapshot) == [4096, 8192, 16384]));
    let counts: Vec<_> = sink.snapshots()[2].regions.iter().map(|region| region.nr_accesses.0).collect();
    assert_eq!(counts, [0, 5, 2]);
}

#[test]
fn what_is_no_record_is_named_with_the_remedy() {
    let mut tar = vec![0_u8; 1024];
    tar[..4].copy_from_slice(b"name");
    tar[257..262].copy_from_slice(b"ustar");
    let log = |line: &str| format!("[   12.345678] {line}\n").into_bytes();
    let dump = log("kdamond.-177     5...... 10394634us : damon_aggregated: target_id=0 nr_regions=2 4096-8192: 0 974");
    let perfetto = b"\x0a\x04\x18\x01\x50\x02\x0a\x03\x32\x01\x00\x0a\x02\x18\x05".to_vec();
    for (bytes, looks, remedy) in [
        (bytes("utf16.txt"), "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
        (bytes("utf16.txt")[2..].to_vec(), "text in UTF-16", "iconv -f UTF-16LE -t UTF-8"),
        (bytes("latency-format.txt"), "latency format", "nolatency-format"),
        (bytes("raw-hex.txt"), "trace-cmd report -R", "without -R"),
        (bytes("rfc-2020-pid.txt"), "patches of 2020", "5.15"),
        (dump, "a kernel log", "/sys/kernel/tracing/trace"),
        (log("damon_aggregated: target_id=0 nr_regions=2 4096-8192: 0 974"), "a kernel log", "tracing/trace"),
        (tar, "a tar archive", "tar -xf test"),
        (b"\x1f\x8b\x08\0".to_vec(), "gzip", "gunzip test"),
        (b"\xfd7zXZ\0".to_vec(), "xz", "unxz test"),
        (b"\x04\x22\x4d\x18\0".to_vec(), "lz4", "unlz4 test"),
        (b"7z\xbc\xaf\x27\x1c".to_vec(), "a 7z archive", "7z x test"),
        (perfetto, "a trace of Perfetto", "damo record"),
        (b"\x17\x08\x44tracing7\n".to_vec(), "a trace.dat of trace-cmd", "trace-cmd report -i test"),
    ] {
        let said = refusal(&bytes);
        assert!(said.contains(looks) && said.contains(remedy) && !said.contains('\n'), "{looks}: {said}");
    }
}

#[test]
fn a_directory_of_perf_record_is_named_with_the_remedy() {
    let dir = tempfile::tempdir().expect("a directory");
    let refused = || {
        let refused = damo_import::import_path(dir.path(), &Options::default(), &mut Checked::default());
        refused.expect_err("no record").to_string()
    };
    std::fs::write(dir.path().join("data"), bytes("one-snapshot.data")).expect("to disk");
    assert!(refused().contains("give the file in it: "), "{}", refused());
    std::fs::write(dir.path().join("data.0"), b"").expect("to disk");
    assert!(refused().contains("perf script -i "), "{}", refused());
}

#[test]
fn a_finished_recording_of_other_events_was_not_killed() {
    let said = refusal(&bytes("perf-no-tracepoint.data"));
    assert!(said.contains("it holds no DAMON event") && !said.contains("killed"), "{said}");
    // Its length is filled in at the end only.
    let mut unfinished = bytes("perf-no-tracepoint.data");
    unfinished[48..56].fill(0);
    assert!(refusal(&unfinished).contains("killed"), "{}", refusal(&unfinished));
}

#[test]
fn a_recording_of_one_snapshot_has_a_length_as_soon_as_the_intervals_are_told() {
    let options = Options { intervals: Some(Intervals::default()), ..Options::default() };
    let lengths = |options| lengths_ms(&import_with(&bytes("one-snapshot.data"), &options).1);
    assert_eq!((lengths(Options::default()), lengths(options)), (vec![0], vec![100]));
}

/// Bytes without end, which counts how many were taken.
struct Endless<'a>(&'static [u8], &'a mut usize);

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = self.0[(*self.1 + at) % self.0.len()];
        }
        *self.1 += buffer.len();
        Ok(buffer.len())
    }
}

#[test]
fn an_endless_stream_that_is_no_record_is_refused_after_its_beginning() {
    for (piece, most, looks) in [
        (&b"\0"[..], 64 << 10, "unknown binary data"),
        (b"swapper 0 [000] 1.0: sched:sched_wakeup: x\n", 65 << 20, "without any DAMON event in its first 64 MiB"),
        (b"x", 65 << 20, "without any DAMON event in its first 64 MiB"),
    ] {
        let mut taken = 0;
        let stream = Endless(piece, &mut taken);
        let refused = damo_import::import_stream(stream, "-", &Options::default(), u64::MAX, &mut Checked::default());
        let said = refused.expect_err("no record").to_string();
        assert!(said.contains(looks), "{said}");
        assert!(taken <= most, "{taken} bytes were taken");
    }
}

#[test]
fn a_stream_is_read_as_a_file_is_and_no_further_than_it_may() {
    let file = bytes("two-hour-gap.txt");
    let (of_file, _) = import(&file);
    let read =
        |limit| damo_import::import_stream(&file[..], "test", &Options::default(), limit, &mut Checked::default());
    assert_eq!(read(file.len() as u64).expect("a record"), of_file);
    assert!(matches!(read(file.len() as u64 - 1), Err(ImportError::TooLarge { .. })));
}

#[test]
fn a_large_file_of_zeros_is_refused_without_reading_it() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    // Sparse: takes no room on the disk, but would take that much memory.
    file.as_file().set_len(1 << 42).expect("a sparse file");
    let refused = damo_import::import_path(file.path(), &Options::default(), &mut Checked::default());
    assert!(refused.expect_err("no record").to_string().contains("unknown binary data"));
}

#[test]
fn a_real_trace_gives_the_same_items_however_it_was_mailed() {
    let trace = String::from_utf8(common::real_bytes("trace-text/trace.txt")).expect("text");
    let (expected, plain) = import(trace.as_bytes());
    assert!(expected.snapshots > 10);
    for (kind, text) in [
        ("CRLF", trace.replace('\n', "\r\n")),
        ("quoted", trace.lines().map(|line| format!("> {line}\n")).collect()),
        ("trailing blanks", trace.replace('\n', "  \n")),
        ("byte order mark", format!("\u{feff}{trace}")),
    ] {
        let (imported, sink) = import(text.as_bytes());
        assert_eq!(imported, expected, "{kind}");
        assert_eq!(sink.items, plain.items, "{kind}");
    }
}
