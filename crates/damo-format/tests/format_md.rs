//! FORMAT.md and the program agree: its dump is a record that the program writes, byte by byte. The list of fields
//! below is where the dump's remarks come from; `DAMO_BLESS=1` writes the dump anew.
#![allow(clippy::unwrap_used)]
mod common;

use common::write;
use damo_format::{Reader, WriterOptions};
use damo_model::{
    Addr, Age, Intervals, Item, Mark, Meta, Nanos, NrAccesses, Region, Side, Snapshot, Stamp, Target, TargetKey,
};
use std::fmt::Write as _;

fn tiny() -> Vec<u8> {
    let region = |start, end, nr, age| Region::new(Addr(start), Addr(end), NrAccesses(nr), Some(Age(age)));
    let mut first = Snapshot::new(TargetKey(0), Nanos(1000), Nanos(1100), Some(Intervals::default()));
    first.regions = vec![region(0x1000, 0xb000, 20, 3), region(0x20000, 0x21000, 0, 7)];
    let mut second = Snapshot { start: Nanos(1100), end: Nanos(1201), ..first.clone() };
    second.regions = vec![region(0x1000, 0x4000, 20, 4), region(0x4000, 0xb000, 0, 0), region(0x20000, 0x21000, 1, 8)];
    let items = [
        Item::Meta(Meta { tool: "damo".into(), ..Meta::default() }),
        Item::Target(Target { key: TargetKey(0), target_id: Some(42), ..Target::default() }),
        Item::Side(Side::Mark(Mark { at: Stamp::Record(Nanos(1000)), text: "go".into() })),
        Item::Snapshot(first),
        Item::Snapshot(second),
    ];
    write(&items, WriterOptions { level: 0, ..WriterOptions::default() }).0
}

/// Lengths of fields and what they are.
const FIELDS: &[(usize, &str)] = &[
    (8, "magic"),
    (4, "version 1.2, reserved"),
    (4, "CRC-32 of the 12 bytes before"),
    (4, "block magic"),
    (4, "kind 1: meta; codec 0; reserved"),
    (4, "stored length"),
    (4, "unpacked length"),
    (4, "sequence 0"),
    (4, "CRC-32 of the payload"),
    (4, "CRC-32 of the header"),
    (5, "tool: \"damo\""),
    (1, "kernel_release: empty"),
    (2, "features, formats: none"),
    (2, "source: unknown; ops: unknown"),
    (4, "intervals, goal, bounds, page size: absent"),
    (2, "clock: unknown; clock pair: absent"),
    (3, "boot_id, host, command: empty"),
    (28, "header of block 1, targets"),
    (1, "one target"),
    (4, "key 0; kdamond, context, scheme: absent"),
    (2, "target_id 42"),
    (3, "process: absent; data_source, scheme_filters: empty"),
    (28, "header of block 2, side data"),
    (2, "a mark, 7 bytes"),
    (4, "on the record's clock, at 1000 ns"),
    (3, "\"go\""),
    (28, "header of block 3, snapshots, codec 2"),
    (4, "first_snapshot 0, 2 snapshots, 0 partial, 5 regions"),
    (6, "time_start 1000, time_end 1201"),
    (8, "address_start 0x1000, address_end 0x21000"),
    (1, "max_nr_accesses 20"),
    (3, "touched: 57344"),
    (2, "targets: 0"),
    (2, "shift 12 (pages); no flags"),
    (4, "column 1, heads: codec 0, unpacked and stored length"),
    (6, "has ages, new intervals; target 0; +2 regions; starts as expected; lasts 100 ns longer than 0"),
    (1, "intervals known:"),
    (4, "sampling 5 ms"),
    (4, "aggregation 100 ms"),
    (5, "update 1 s"),
    (5, "has ages; target 0; +1 region; starts as expected; lasts 1 ns longer"),
    (4, "column 2, ops: codec 0, lengths"),
    (2, "explicit start and end, twice"),
    (3, "3 tenths of old region 0; its end; old region 1 as it was"),
    (4, "column 3, sizes: codec 0, lengths"),
    (2, "10 pages, 1 page; less 1"),
    (4, "column 4, gaps: codec 0, lengths"),
    (2, "1 page from 0, 21 pages from the region before"),
    (4, "column 5, access counts: codec 0, lengths"),
    (5, "20, 0; 20, 0, 1"),
    (4, "column 6, ages: codec 0, lengths"),
    (2, "nothing known before: 0 + 3, 0 + 7"),
    (3, "not moved: next (4); moved: 0; not moved: next (8)"),
    (28, "header of block 4, index"),
    (4, "one snapshot block: offset, length, unpacked length"),
    (24, "its prelude once more"),
    (1, "three other blocks:"),
    (3, "meta"),
    (3, "targets"),
    (3, "side data"),
    (2, "no lost events; 4 blocks before the index"),
    (28, "header of block 5, end"),
    (8, "offset of the index"),
    (8, "end mark"),
];

fn dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    for (length, remark) in FIELDS {
        let field = &bytes[at..at + length];
        for (i, row) in field.chunks(16).enumerate() {
            let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            let remark = if i == 0 { *remark } else { "" };
            writeln!(out, "{}", format!("{:04x}  {:<47}  {remark}", at + i * 16, hex.join(" ")).trim_end()).unwrap();
        }
        at += length;
    }
    assert_eq!(at, bytes.len(), "the list of fields covers the record");
    out
}

#[test]
fn the_dump_in_format_md_is_what_is_written() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../FORMAT.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("<!-- dump begin -->\n```\n").unwrap();
    let (old, after) = rest.split_once("```\n<!-- dump end -->").unwrap();
    let bytes = tiny();
    let new = dump(&bytes);
    if std::env::var_os("DAMO_BLESS").is_some() {
        std::fs::write(path, format!("{before}<!-- dump begin -->\n```\n{new}```\n<!-- dump end -->{after}")).unwrap();
        return;
    }
    // The bytes in the text are those of a record, and the very ones that are written.
    let hex = old.lines().flat_map(|line| line[6..line.len().min(53)].split_whitespace());
    let shown: Vec<u8> = hex.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    assert_eq!(shown, bytes);
    assert_eq!(old, new);
    assert_eq!(Reader::from_bytes(shown).unwrap().totals().regions, 5);
}
