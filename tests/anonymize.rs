//! Anonymous records, on the command line: nothing in them tells whose they are, and reports say the same.

mod common;

use common::{items, ok, real, record_pair, record_stairs, run};
use damo_format::{Writer, WriterOptions};
use damo_model::{Item, Side};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn nothing_of_names_or_places_is_in_an_anonymous_record() {
    let here = directory();
    fs::copy(real("stairs/damon.data"), here.path().join("damon.data")).expect("copy");
    for side in ["kdamonds", "mem_footprint", "vmas", "proc_stats"] {
        let name = format!("damon.data.{side}");
        fs::copy(real("stairs").join(&name), here.path().join(&name)).expect("copy");
    }
    ok(here.path(), "convert damon.data app.damo");
    ok(here.path(), "anonymize app.damo");
    let (before, after) = (here.path().join("app.damo"), here.path().join("damon.anonymous.damo"));
    let bytes = payloads(&after);
    let mut secrets: Vec<String> = Vec::new();
    for item in items(&before) {
        match item {
            Item::Side(Side::Mappings(all)) => secrets
                .extend(all.mappings.into_iter().map(|mapping| mapping.name).filter(|name| !name.starts_with('['))),
            Item::Side(Side::Params(params)) => secrets.push(params.json),
            Item::Side(Side::Cpu(time)) if !time.kdamond => secrets.push(time.comm),
            Item::Target(target) => {
                let process = target.process.unwrap_or_default();
                secrets.extend([process.comm, process.cmdline]);
            }
            Item::Meta(meta) => secrets.extend([meta.host, meta.boot_id].into_iter().chain(meta.command)),
            _ => {}
        }
    }
    secrets.retain(|secret| !secret.is_empty());
    assert!(secrets.iter().any(|secret| secret.contains("masim")), "{secrets:?}");
    for secret in secrets {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} is in the anonymous record");
    }
}

#[test]
fn no_address_process_id_or_time_of_the_recording_is_in_an_anonymous_record() {
    let here = directory();
    fs::copy(real("stairs/damon.data"), here.path().join("damon.data")).expect("copy");
    fs::copy(real("stairs/damon.data.vmas"), here.path().join("damon.data.vmas")).expect("copy");
    ok(here.path(), "convert damon.data app.damo");
    ok(here.path(), "anonymize app.damo");
    let (before, after) = (here.path().join("app.damo"), here.path().join("damon.anonymous.damo"));
    let mut secrets: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut pids: BTreeSet<i32> = BTreeSet::new();
    for item in items(&before) {
        match item {
            Item::Snapshot(snapshot) => {
                secrets.extend(
                    snapshot.regions.iter().flat_map(|region| [region.start.0, region.end.0]).flat_map(spellings),
                );
                secrets.extend(spellings(snapshot.start.0.cast_unsigned() << 1));
            }
            Item::Side(Side::Mappings(all)) => {
                pids.insert(all.pid);
                secrets.extend(
                    all.mappings.iter().flat_map(|mapping| [mapping.start.0, mapping.end.0]).flat_map(spellings),
                );
            }
            _ => {}
        }
    }
    let holds = |bytes: &[u8]| secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret));
    assert!(holds(&payloads(&before)), "the recording has them");
    assert!(!holds(&payloads(&after)), "the anonymous record does not");
    assert!(!pids.is_empty());
    for item in items(&after) {
        if let Item::Side(Side::Mappings(all)) = item {
            assert!(!pids.contains(&all.pid), "{all:?}");
        }
    }
}

/// A record's bytes, and its payloads without compression.
fn payloads(path: &Path) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), WriterOptions { level: 0, ..WriterOptions::default() }).expect("a writer");
    items(path).iter().for_each(|item| writer.write(item).expect("written"));
    let mut bytes = writer.finish().expect("finished").0;
    bytes.extend(fs::read(path).expect("record"));
    bytes
}

/// How a large number may stand in a record: as it is, and as varint in bytes and in pages. Short ones would be found
/// anywhere.
fn spellings(number: u64) -> Vec<Vec<u8>> {
    let varint = |mut rest: u64| {
        let mut bytes = Vec::new();
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    };
    let all = [number.to_le_bytes().to_vec(), varint(number), varint(number >> 12)];
    all.into_iter().filter(|bytes| bytes.len() >= 5 && number >= 1 << 40).collect()
}

#[test]
fn reports_of_an_anonymous_record_give_the_same_numbers() {
    let here = directory();
    record_pair(here.path(), "-o pair.damo");
    record_stairs(here.path());
    let stairs = real("stairs/damon.data");
    for record in ["pair.damo", "damon.damo", stairs.to_str().expect("text")] {
        ok(here.path(), &format!("anonymize -f -i {record} -o anonymous.damo"));
        for report in [
            "wss --range 0 101 5",
            "nr_regions",
            "footprints rss",
            "heats --output raw --resol 30 40",
            "access --style recency-percentiles",
            "access --style temperature-sz-hist",
        ] {
            let of = |record: &str| ok(here.path(), &format!("report {report} -i {record}"));
            assert_eq!(of("anonymous.damo"), of(record), "{report} of {record}");
        }
    }
}

#[test]
fn marks_lose_their_texts_unless_told_otherwise() {
    let here = directory();
    record_stairs(here.path());
    let marks = |name: &str| -> Vec<String> {
        let marks = items(&here.path().join(name)).into_iter().filter_map(|item| match item {
            Item::Side(Side::Mark(mark)) => Some(mark.text),
            _ => None,
        });
        marks.take(2).collect()
    };
    ok(here.path(), "anonymize");
    assert_eq!(marks("damon.anonymous.damo"), ["mark #1", "mark #2"]);
    let output = run(here.path(), "anonymize --keep_marks -o kept.damo");
    assert!(String::from_utf8_lossy(&output.stderr).contains("THE TEXTS OF MARKS"));
    assert_eq!(marks("kept.damo"), ["all steps", "on step 0"]);
}
