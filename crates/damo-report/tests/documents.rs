//! What the documents say is so: docs/tables.md lists every table of every report with its columns and their types, and
//! the pictures of docs/gallery.md are there.

mod common;

use damo_frame::{OpenOptions, Record};
use damo_model::scheme::Action;
use damo_report::access::{self, Style};
use damo_report::filter::Filter;
use damo_report::footprints::{self, footprints};
use damo_report::heats::{HeatsOptions, heats};
use damo_report::{
    Report, Table, ages, guide, holistic, nr_regions, probes, profile, raw, suggest, times, whatif, wss,
};
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn open(name: &str) -> [Record; 1] {
    [Record::open(&top().join("testdata/real").join(name), &OpenOptions::default()).expect("the recording is readable")]
}

/// The tables of every report, in the order of the document.
fn all_tables() -> Vec<(&'static str, Vec<Table>)> {
    let stairs = open("stairs/damon.data");
    let [record] = &stairs;
    let page = holistic::HolisticOptions { heats: HeatsOptions { rows: 4, ..HeatsOptions::overview() }, long: false };
    let mut regions = Vec::new();
    let probed = open("../golden/python/probes.json.zlib");
    let raw = raw::raw(&probed, raw::RawOptions::default()).expect("a report");
    raw.pieces(&mut |piece| {
        regions.push(piece);
        Ok(())
    })
    .expect("tables");
    let of_style = |style| {
        let options = access::AccessOptions { style, ..access::AccessOptions::default() };
        access::AccessReport { records: &stairs, options }
    };
    let mut of_access: Vec<Table> = Vec::new();
    for style in [Style::Detailed, Style::RecencySzHist, Style::RecencyPercentiles] {
        let tables = of_style(style).tables().expect("tables").into_iter();
        of_access.extend(tables.filter(|table| style == Style::Detailed || table.name != "snapshots"));
    }
    let of_probed = access::AccessReport { records: &probed, options: access::AccessOptions::default() };
    of_access.extend(of_probed.large_table("regions").expect("a table"));
    let scheme = serde_json::from_str(
        r#"{"action": "pageout", "filters": [{"filter_type": "anon", "matching": true, "allow": false}]}"#,
    );
    let what_if =
        whatif::what_if(record, &[scheme.expect("a scheme")], &whatif::WhatIfOptions::default()).expect("a report");
    let search = suggest::SuggestOptions {
        action: Action::Pageout,
        goals: Vec::new(),
        whatif: whatif::WhatIfOptions::default(),
    };
    let idle = damo_report::idle::IdleReport {
        idle: vec![damo_model::Nanos(0); 101],
        bandwidth: None,
        aggregation: None,
        shown: Vec::new(),
    };
    let progress = |second| {
        let counts = Some(damo_model::SchemeCounts::default());
        let (at, kdamond) = (damo_model::Stamp::Record(damo_model::Nanos::from_secs(second)), None);
        let progress = damo_model::SchemeProgress { at, kdamond, context: 0, scheme: 0, effective_quota: None, counts };
        damo_model::Item::Side(damo_model::Side::Scheme(progress))
    };
    let items = [damo_model::Item::Meta(damo_model::Meta::default()), progress(0), progress(1)];
    let with_schemes = [damo_frame::Record::from_items(&items).expect("a record")];
    let mut of_profiles = damo_report::cpu_profile::CpuProfileReport::default().tables().expect("tables");
    of_profiles.extend(damo_report::cpu_profile::ProfileDifference::default().tables().expect("tables"));
    fn of<R: Report>(report: R) -> (&'static str, Vec<Table>) {
        (R::NAME, report.tables().expect("tables"))
    }
    vec![
        ("raw", regions),
        ("access", of_access),
        of(heats(&open("schemes/trace.txt"), &page.heats).expect("a map")),
        of(holistic::holistic(&stairs, &page).expect("a page")),
        of(wss::wss(&stairs, &wss::WssOptions::default()).expect("a report")),
        of(profile::profile(record, &profile::ProfileOptions::default()).expect("a report")),
        of(footprints(&stairs, &footprints::FootprintsOptions::default()).expect("a report")),
        of(nr_regions::nr_regions(&stairs, &Default::default()).expect("a report")),
        of(damo_analysis::phases::phases(&stairs, &Default::default()).expect("a report")),
        of(damo_analysis::explain::explain(&stairs).expect("sentences")),
        of(damo_analysis::right_size::right_size(record, &Filter::default()).expect("a curve")),
        ("profile", of_profiles),
        of(ages::ages(&stairs, &ages::AgesOptions::default()).expect("a report")),
        of(damo_report::nodes::nodes(&[common::placed()], &Filter::default()).expect("a report")),
        of(probes::probes(&probed, &Filter::default()).expect("a report")),
        of(times::times(&stairs, &Filter::default()).expect("a report")),
        of(damo_report::schemes::schemes(&with_schemes, &Default::default()).expect("a report")),
        of(idle),
        of(guide::guide(&stairs).expect("a report")),
        of(what_if),
        of(suggest::suggest(record, &search).expect("a suggestion")),
        of(damo_analysis::diff::diff(&stairs, &stairs, &Default::default()).expect("a comparison")),
    ]
}

/// What the document says of the tables: a heading for each report, and a row for each column.
fn generated() -> String {
    let mut text = String::new();
    for (report, tables) in all_tables() {
        text += &format!("## `{report}`\n\n| table | column | type | what it is |\n|---|---|---|---|\n");
        for table in tables {
            let schema = table.frame.schema();
            assert_eq!(schema.len(), table.columns.len(), "{report} {}", table.name);
            for (i, (column, (name, kind))) in table.columns.iter().zip(schema.iter()).enumerate() {
                assert_eq!(column.name, name.as_str());
                let of = if i == 0 { format!("`{}` ", table.name) } else { String::new() };
                let null = if column.may_be_null { ", null" } else { "" };
                let row = format!("| {of}| `{name}` | {kind}{null} | {} |", column.about);
                text += &(row.replace("|  |", "| |") + "\n");
            }
        }
        text.push('\n');
    }
    text += &of_questions();
    text += &of_data_sets();
    text.trim_end().to_owned() + "\n"
}

/// The tables that `damo query` asks.
fn of_questions() -> String {
    let mut text =
        "## `damo query`\n\nTimes count from when the recording began.\n\n| table | column | type | what it is |\n\
                    |---|---|---|---|\n"
            .to_owned();
    for table in damo_query::tables().expect("tables") {
        let kinds = table.frame.dtypes();
        for (i, (column, kind)) in table.columns.iter().zip(kinds).enumerate() {
            let of = if i == 0 { format!("`{}` ", table.name) } else { String::new() };
            let null = if column.may_be_null { ", null" } else { "" };
            let row = format!("| {of}| `{}` | {kind}{null} | {} |", column.name, column.about);
            text += &(row.replace("|  |", "| |") + "\n");
        }
    }
    text + "\n"
}

/// The tables that `damo export` writes.
fn of_data_sets() -> String {
    let mut text = format!(
        "## `damo export`\n\nVersion {} of the data set; each table has the columns `date` and `host` of its partitions as well.\n\n\
         | table | column | type | what it is |\n|---|---|---|---|\n",
        damo_export::VERSION
    );
    for table in damo_export::tables() {
        for (i, column) in table.columns.iter().enumerate() {
            let of = if i == 0 { format!("`{}` ", table.name) } else { String::new() };
            text += &format!("| {of}| `{}` | {} | {} |\n", column.name, column.kind.name(), column.about);
        }
    }
    text
}

/// With `BLESS=1` the document is written instead of compared.
#[test]
fn the_document_of_tables_lists_every_column_and_its_type() {
    let path = top().join("docs/tables.md");
    let text = std::fs::read_to_string(&path).expect("docs/tables.md");
    let (prose, _) = text.split_once("## `").expect("a heading for each report");
    let wanted = prose.to_owned() + &generated();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).expect("docs/tables.md can be written");
    }
    let text = std::fs::read_to_string(&path).expect("docs/tables.md");
    let differing = text.lines().zip(wanted.lines()).find(|(line, wanted)| line != wanted);
    assert_eq!(differing, None, "the document, and what it should be; BLESS=1 writes it");
    assert_eq!(text.len(), wanted.len(), "BLESS=1 writes the document");
}

#[test]
fn every_column_of_nanoseconds_is_a_moment_or_a_known_duration() {
    // What `damo report` counts from when the recording began must be known by name.
    let durations = [
        "age_ns",
        "from_ns",
        "to_ns",
        "window_ns",
        "waited_ns",
        "idle_ns",
        "aggregation_ns",
        "reset_interval_ns",
        "length_ns",
        "period_ns",
        "needs_ns",
        "base_length_ns",
        "new_length_ns",
    ];
    for (report, tables) in all_tables() {
        for name in tables.iter().flat_map(|table| &table.columns).map(|column| &*column.name) {
            let known = damo_report::table::MOMENTS.contains(&name) || durations.contains(&name);
            assert!(known || !name.ends_with("_ns"), "{report} {name}");
        }
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
    assert!(total < 5 << 19, "{total} bytes");
}
