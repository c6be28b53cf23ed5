//! What the documents say is so: docs/tables.md lists every table of every report with its columns and their types, and
//! the pictures of docs/gallery.md are there.

use damo_frame::{OpenOptions, Record};
use damo_model::scheme::Action;
use damo_report::access::{self, Style};
use damo_report::filter::Filter;
use damo_report::footprints::{self, footprints};
use damo_report::heats::{HeatsOptions, heats};
use damo_report::several::Apart;
use damo_report::{Form, Report, Table, ages, guide, holistic, nr_regions, profile, raw, suggest, times, whatif, wss};
use polars::prelude::DataFrame;
use polars_io::prelude::{ParquetReader, SerReader};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn open(name: &str) -> [Record; 1] {
    [Record::open(&top().join("testdata/real").join(name), &OpenOptions::default()).expect("the recording is readable")]
}

fn columns(report: &str, table: &str, frame: &DataFrame) -> Vec<String> {
    let schema = frame.schema();
    schema.iter().map(|(name, kind)| format!("{report} {table} {name} {kind}")).collect()
}

/// Every column of every report: `report table column type`.
fn of_the_code() -> BTreeSet<String> {
    let stairs = open("stairs/damon.data");
    let mut found = BTreeSet::new();
    let mut take = |report: &str, tables: Vec<Table>| {
        for table in tables {
            found.extend(columns(report, table.name, &table.frame));
        }
    };
    take("wss", wss::wss(&stairs, &wss::WssOptions::default()).expect("a report").tables().expect("tables"));
    let [record] = &stairs;
    take(
        "wss_profile",
        profile::profile(record, &profile::ProfileOptions::default()).expect("ok").tables().expect("tables"),
    );
    take(
        "footprints",
        footprints(&stairs, &footprints::FootprintsOptions::default()).expect("ok").tables().expect("tables"),
    );
    take("nr_regions", nr_regions::nr_regions(&stairs, &Default::default()).expect("ok").tables().expect("tables"));
    take("ages", ages::ages(&stairs, &ages::AgesOptions::default()).expect("a report").tables().expect("tables"));
    take("times", times::times(&stairs, &Filter::default()).expect("a report").tables().expect("tables"));
    take("record_info", guide::guide(&stairs).expect("a report").tables().expect("tables"));
    let page = holistic::HolisticOptions { heats: HeatsOptions { rows: 4, ..HeatsOptions::overview() }, long: false };
    take("holistic", holistic::holistic(&stairs, &page).expect("a page").tables().expect("tables"));
    take("heats", heats(&open("schemes/trace.txt"), &page.heats).expect("a map").tables().expect("tables"));
    for style in [Style::Detailed, Style::RecencySzHist, Style::RecencyPercentiles] {
        let options = access::AccessOptions { style, ..access::AccessOptions::default() };
        let report = access::AccessReport { records: &stairs, options };
        take("access", report.tables().expect("tables"));
        take("access", report.large_table("regions").expect("a table").into_iter().collect());
    }
    let scheme = serde_json::from_str(
        r#"{"action": "pageout", "filters": [{"filter_type": "anon", "matching": true, "allow": false}]}"#,
    );
    let what_if =
        whatif::what_if(record, &[scheme.expect("a scheme")], &whatif::WhatIfOptions::default()).expect("a report");
    take("schemes", what_if.tables().expect("tables"));
    let search = suggest::SuggestOptions {
        action: Action::Pageout,
        goals: Vec::new(),
        whatif: whatif::WhatIfOptions::default(),
    };
    take("suggest", suggest::suggest(record, &search).expect("ok").tables().expect("tables"));
    let mut regions = Vec::new();
    let found = Apart::look(&stairs, |records| raw::raw(records, raw::RawOptions::default())).expect("a report");
    found.write_tables(Form::Parquet, None, false, &mut regions).expect("written");
    let regions = ParquetReader::new(std::io::Cursor::new(regions)).finish().expect("Parquet");
    found.extend(columns("raw", "regions", &regions));
    found
}

/// What stands in the document: a heading for each report, and rows of table, column and type.
fn of_the_document() -> BTreeSet<String> {
    let text = std::fs::read_to_string(top().join("docs/tables.md")).expect("docs/tables.md");
    let mut found = BTreeSet::new();
    let (mut report, mut table) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## `") {
            report = name.trim_end_matches('`').to_owned();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", of, column, kind, ..] = cells[..]
            && let Some(column) = column.strip_prefix('`')
        {
            if !of.is_empty() {
                table = of.trim_matches('`').to_owned();
            }
            let kind = kind.split(',').next().unwrap_or_default();
            found.insert(format!("{report} {table} {} {kind}", column.trim_end_matches('`')));
        }
    }
    found
}

#[test]
fn the_document_of_tables_lists_every_column_and_its_type() {
    let (code, document) = (of_the_code(), of_the_document());
    let missing: Vec<_> = code.difference(&document).collect();
    let invented: Vec<_> = document.difference(&code).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not in the document: {missing:#?}; only there: {invented:#?}");
}

#[test]
fn every_column_of_nanoseconds_is_a_moment_or_a_known_duration() {
    // What `damo report` counts from when the recording began must be known by name.
    let durations = ["age_ns", "from_ns", "to_ns", "window_ns", "waited_ns"];
    for column in of_the_code() {
        let name = column.split(' ').nth(2).unwrap_or_default();
        let known = damo_report::table::MOMENTS.contains(&name) || durations.contains(&name);
        assert!(known || !name.ends_with("_ns"), "{column}");
    }
}

#[test]
fn the_pictures_of_the_gallery_are_there_and_small() {
    let page = std::fs::read_to_string(top().join("docs/gallery.md")).expect("docs/gallery.md");
    let names: Vec<&str> = page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(names.len() >= 9, "a gallery shows pictures");
    let size = |name: &&str| std::fs::metadata(top().join("docs").join(name)).map(|meta| meta.len());
    let sizes: Result<Vec<u64>, _> = names.iter().map(size).collect();
    let total: u64 = sizes.unwrap_or_else(|error| panic!("{names:?}: {error}")).iter().sum();
    assert!(total < 2 << 20, "{total} bytes");
}
