//! Whatever happens to a file, reading it ends with snapshots or a sentence: never with a panic, and never with
//! snapshots that are not what a snapshot must be (the sink of these tests looks at each).

mod common;

use common::{Perf, import, real_bytes, try_import};
use damo_import::{Format, ImportError, JsonWriter, Options, RawTrace, SideFiles, SideKind, import_with_sides};
use damo_model::{Item, Sink};
use proptest::prelude::*;
use std::sync::OnceLock;

fn small_perf() -> Perf {
    Perf::parse(&real_bytes("stairs/perf.data")).small(45)
}

fn json(compress: bool) -> Vec<u8> {
    let (_, sink) = import(&small_perf().file());
    let mut writer = JsonWriter::new(Vec::new(), compress);
    sink.items.iter().for_each(|item| writer.put(item).expect("to memory"));
    writer.finish().expect("to memory").0
}

fn text(file: &str, lines: usize) -> Vec<u8> {
    let bytes = real_bytes(file);
    bytes.split_inclusive(|byte| *byte == b'\n').take(lines).flatten().copied().collect()
}

/// Two moments of two targets.
fn legacy(version: i32) -> Vec<u8> {
    let mut out = Vec::new();
    if version > 0 {
        out.extend(b"damon_recfmt_ver");
        out.extend(version.to_le_bytes());
    }
    for second in 1..3_i64 {
        out.extend(second.to_le_bytes());
        out.extend(500_i64.to_le_bytes());
        out.extend(2_u32.to_le_bytes());
        for target in 0..2_u32 {
            out.extend(target.to_le_bytes());
            if version != 1 {
                out.extend([0; 4]);
            }
            out.extend(2_u32.to_le_bytes());
            for region in 0..2_u64 {
                out.extend((region * 4096).to_le_bytes());
                out.extend(((region + 1) * 4096).to_le_bytes());
                out.extend((7 * target).to_le_bytes());
            }
        }
    }
    out
}

fn perf_script() -> Vec<u8> {
    let (_, sink) = import(&small_perf().file());
    let mut writer = damo_import::PerfScriptWriter::new(Vec::new());
    sink.items.iter().for_each(|item| writer.put(item).expect("to memory"));
    writer.finish().expect("to memory").0
}

/// A small whole record of each format.
fn samples() -> &'static [(Format, Vec<u8>)] {
    static SAMPLES: OnceLock<Vec<(Format, Vec<u8>)>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let samples = vec![
            (Format::PerfData, small_perf().file()),
            (Format::PerfData, small_perf().pipe()),
            (Format::PerfData, small_perf().compressed().file()),
            (Format::DamoJson, json(false)),
            (Format::DamoJsonZlib, json(true)),
            (Format::PerfScript, perf_script()),
            (Format::TraceCmdText, text("trace-text/trace.txt", 40)),
            (Format::TraceCmdText, text("schemes/trace.txt", 40)),
            (Format::LegacyBinary, legacy(0)),
            (Format::LegacyBinary, legacy(1)),
            (Format::LegacyBinary, legacy(2)),
        ];
        for (format, bytes) in &samples {
            let (imported, _) = import(bytes);
            assert_eq!(imported.format, *format);
            assert!(imported.snapshots > 1 && !imported.damaged, "{imported:?}");
        }
        samples
    })
}

/// Reads it; the sink checks. What went wrong must be said in a sentence with a remedy.
fn read(bytes: &[u8]) {
    if let (Err(error), _) = try_import(bytes) {
        let text = error.to_string();
        assert!(text.contains("; ") && text.len() > 20, "{text}");
    }
}

#[test]
fn a_file_cut_anywhere_gives_what_came_before_or_a_sentence() {
    for (format, bytes) in samples() {
        // At every byte of the beginning and the end, and here and there in between.
        let step = (bytes.len() / 250).max(1);
        let places = (0..bytes.len()).filter(|at| at % step == 0 || *at < 200 || bytes.len() - at < 100);
        for at in places {
            let (result, sink) = try_import(&bytes[..at]);
            match result {
                Ok(imported) => assert_eq!(imported.snapshots as usize, sink.snapshots().len(), "{format:?} at {at}"),
                Err(error) => assert!(error.to_string().contains("; "), "{format:?} at {at}: {error}"),
            }
        }
    }
}

#[test]
fn a_cut_json_record_keeps_its_whole_snapshots_and_says_that_it_is_damaged() {
    for compress in [false, true] {
        let bytes = json(compress);
        let (whole, _) = import(&bytes);
        let mut most = 0;
        for at in (bytes.len() / 2..bytes.len()).step_by(bytes.len() / 300) {
            if let (Ok(imported), _) = try_import(&bytes[..at]) {
                let cut_of_checksum_alone = imported.snapshots == whole.snapshots;
                assert!(imported.damaged || cut_of_checksum_alone, "cut at {at}: {imported:?}");
                assert!(imported.notes.iter().any(|note| note.contains("what comes after is lost")), "{imported:?}");
                most = most.max(imported.snapshots);
            }
        }
        assert!(most >= 1, "compressed: {compress}");
    }
}

#[test]
fn side_files_with_any_damage_never_keep_a_record_from_being_read() {
    let record = perf_script();
    for kind in SideKind::ALL {
        let bytes = real_bytes(&format!("stairs/damon.data{}", kind.as_str()));
        let bytes = &bytes[..bytes.len().min(6000)];
        for at in (0..bytes.len()).step_by(97) {
            let mut damaged = bytes.to_vec();
            damaged[at] = damaged[at].wrapping_mul(31).wrapping_add(7);
            for bytes in [&bytes[..at], &damaged] {
                let mut side_data = SideFiles::default();
                side_data.read(kind, bytes, "side");
                let mut items: Vec<Item> = Vec::new();
                let imported = import_with_sides(&record, "record", &Options::default(), &side_data, &mut items);
                assert!(imported.is_ok_and(|imported| imported.snapshots > 1));
            }
        }
    }
}

#[test]
fn a_sink_that_takes_no_more_ends_the_import_with_its_own_words() {
    struct Full(usize);
    impl Sink for Full {
        fn put(&mut self, _: &Item) -> Result<(), damo_model::SinkError> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| damo_model::SinkError::new("disk full"))?;
            Ok(())
        }
    }
    for (format, bytes) in samples() {
        for room in [0, 1, 2, 3] {
            let error = damo_import::import(bytes, "x", &Options::default(), &mut Full(room)).expect_err("full");
            assert!(matches!(error, ImportError::Sink(_)), "{format:?}: {error}");
            assert_eq!(error.to_string(), "disk full");
        }
    }
}

#[test]
fn a_zip_bomb_costs_neither_memory_nor_time_to_speak_of() {
    use std::io::Write;
    // 80 MiB, more than is held, of blanks, then of one word, within a record.
    for (filler, expected) in [(b' ', "more than 300 times its size"), (b'a', "a word of more than 1 MiB")] {
        let mut bomb = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        bomb.write_all(b"[{\"target_id\": 0, \"x\": \"").expect("to memory");
        if filler == b' ' {
            bomb.write_all(b"\",").expect("to memory");
        }
        (0..80).for_each(|_| bomb.write_all(&vec![filler; 1 << 20]).expect("to memory"));
        let bytes = bomb.finish().expect("to memory");
        let (result, _) = try_import(&bytes);
        let error = result.expect_err("no record").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Few by default; PROPTEST_CASES asks for more.
fn cases() -> u32 {
    if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 150 }
}

/// A few real pages of two processors.
fn pages() -> &'static RawTrace {
    static PAGES: OnceLock<RawTrace> = OnceLock::new();
    PAGES.get_or_init(|| {
        let kernel = common::real("../kernel");
        let read = |name: &str| std::fs::read(kernel.join(name)).expect("in testdata");
        let cpus = ["tracefs/raw.cpu0", "tracefs/raw.cpu1"].map(|name| read(name)[..6 * 4096].to_vec()).to_vec();
        let format = read("formats/6.12-damon_aggregated.txt");
        RawTrace { cpus, formats: vec![String::from_utf8_lossy(&format).into_owned()], ..RawTrace::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_pages_of_a_trace_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut trace = pages().clone();
        for (at, value) in changes {
            let cpu = at.index(trace.cpus.len());
            let at = at.index(trace.cpus[cpu].len());
            trace.cpus[cpu][at] = value;
        }
        let at = cut.index(trace.cpus[0].len());
        trace.cpus[0].truncate(at);
        let mut sink = common::Checked::default();
        if let Ok(imported) = damo_import::import_raw_trace(&trace, "x", &Options::default(), &mut sink) {
            prop_assert_eq!(imported.snapshots as usize, sink.snapshots().len());
        }
    }

    #[test]
    fn bytes_changed_anywhere_do_no_harm(
        which in 0_usize..11,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = samples()[which].1.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read(&bytes);
    }

    #[test]
    fn pieces_left_out_doubled_or_swapped_do_no_harm(
        which in 0_usize..11,
        pieces in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..600), 1..6),
    ) {
        let whole = &samples()[which].1;
        let mut bytes = Vec::new();
        for (at, len) in pieces {
            let at = at.index(whole.len());
            bytes.extend_from_slice(if bytes.is_empty() { &whole[..at] } else { &whole[at..(at + len).min(whole.len())] });
        }
        read(&bytes);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
        let with = |magic: &[u8]| [magic, &bytes].concat();
        read(&with(b"PERFILE2\x10\0\0\0\0\0\0\0"));
        read(&with(b"PERFILE2\x68\0\0\0\0\0\0\0"));
        read(&with(b"damon_recfmt_ver\x02\0\0\0"));
        read(&with(b"[{\"target_id\":0,\"snapshots\":["));
        read(&with(b"a 1 [0] 1.5: damon:damon_aggregated: "));
    }

    #[test]
    fn numbers_of_every_kind_in_json_are_taken_or_refused_with_their_line(
        number in prop::sample::select(vec![
            "-1", "1e400", "\"nan\"", "\"inf\"", "\"-4 KiB\"", "99999999999999999999999", "1.5", "\"1.5 GiB\"", "null",
            "\"\"", "[]", "{}", "true", "\"max\"", "18446744073709551615", "-9223372036854775808", "\"12,34\"", "0",
        ]),
        field in 0_usize..7,
    ) {
        let value = |at: usize, default: &str| if at == field { number.to_owned() } else { default.to_owned() };
        let json = format!(
            "[{{\"target_id\": {}, \"snapshots\": [{{\"start_time\": {}, \"end_time\": {},\n\"regions\": [{{\"start\": {}, \
             \"end\": {}, \"nr_accesses\": {{\"samples\": {}, \"percent\": null}}, \"age\": {{\"usec\": null, \
             \"aggr_intervals\": {}}}}}]}}]}}]",
            value(0, "0"), value(1, "100"), value(2, "200"), value(3, "4096"), value(4, "\"8,192\""), value(5, "3"),
            value(6, "\"7\""),
        );
        if let (Err(error), _) = try_import(json.as_bytes()) {
            prop_assert!(error.to_string().starts_with("test, line "), "{error}");
        }
    }
}
