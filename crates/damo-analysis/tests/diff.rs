//! Whether `damo diff` tells the truth: on simulated programs, whose working sets are known, over many seeds.

use damo_analysis::diff::{AlignBy, Diff, DiffOptions, Row, diff};
use damo_analysis::figure::Quantity;
use damo_frame::Record;
use damo_model::Nanos;
use damo_report::Report;
use damo_sim::{Options, Workload, simulate};
use std::ops::ControlFlow;

/// A workload, and the same with one area grown so that the working set is larger by so many percent.
struct Program {
    name: &'static str,
    /// `GROWN` is the size of the area that grows.
    config: String,
    /// Its name and size.
    area: (&'static str, f64),
    /// The mean working set while it has that size.
    working_set: f64,
}

fn programs() -> Vec<Program> {
    let config = |name: &str| {
        let path = format!("{}/../../testdata/masim/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("a workload")
    };
    let mut ladder = "a0, GROWN\n".to_owned();
    (1..16).for_each(|i| ladder += &format!("a{i}, 16777216\n"));
    ladder += "\nrun\n100000\n";
    (0..16).for_each(|i| ladder += &format!("a{i}, 1, 64, {}\n", 1.max(512 / (i + 1))));
    vec![
        Program {
            name: "uniform",
            config: "hot, GROWN\ncold, 200000000\n\nrun\n100000\nhot, 1, 64, 1\n".to_owned(),
            area: ("[anon:hot]", 5e7),
            working_set: 5e7,
        },
        Program {
            name: "two rates",
            config: "hot, GROWN\nslow, 30000000\ncold, 200000000\n\nrun\n100000\nhot, 1, 64, 4999\nslow, 1, 64, 1\n"
                .to_owned(),
            area: ("[anon:hot]", 5e7),
            working_set: 5.02e7,
        },
        Program { name: "ladder", config: ladder, area: ("[anon:a0]", 16_777_216.0), working_set: 2.218e8 },
        Program {
            name: "server",
            config: config("pair-server.cfg").replace("cache, 64000000", "cache, GROWN"),
            area: ("[anon:cache]", 6.4e7),
            working_set: 1.283e8,
        },
        Program { name: "stairs", config: config("stairs-30s.cfg"), area: ("", 0.0), working_set: 2e7 },
        Program { name: "zigzag", config: config("zigzag.cfg"), area: ("", 0.0), working_set: 1.286e8 },
    ]
}

impl Program {
    fn run(&self, percent: f64, seed: u64) -> Record {
        let size = self.area.1 + self.working_set * percent / 100.0;
        let config = self.config.replace("GROWN", &format!("{}", size as u64));
        let workload = Workload::parse(&config, "app").expect("a workload");
        let options = Options { seed, duration: Some(Nanos::from_secs(30)), ..Options::default() };
        let mut items = Vec::new();
        simulate(&[workload], &options, &mut items, &mut |_| ControlFlow::Continue(())).expect("a simulation");
        Record::from_items(&items).expect("a record")
    }
}

fn compared(base: &[Record], new: &[Record]) -> Diff {
    diff(base, new, &DiffOptions::default()).expect("a comparison")
}

/// The comparison as people read it.
fn text(found: &Diff) -> String {
    let mut text = Vec::new();
    found.write_text(&mut text, &()).expect("a text");
    String::from_utf8(text).expect("a text")
}

fn changed(found: &Diff) -> Vec<&Row> {
    found.rows.iter().filter(|row| row.has_changed()).collect()
}

/// Sees that no phase is said to have changed; 1 if the runs have the same phases, else 0.
fn alarms_by_phases(base: &[Record], new: &[Record]) -> usize {
    let options = DiffOptions { align: AlignBy::Phases, ..DiffOptions::default() };
    let Ok(found) = diff(base, new, &options) else { return 0 };
    let rows = found.phases.iter().filter_map(|phase| phase.working_set.as_ref());
    assert!(!rows.into_iter().any(Row::has_changed), "{}", text(&found));
    1
}

#[test]
fn an_unchanged_program_has_no_figure_that_changed() {
    for program in programs() {
        let runs: Vec<Record> = (0..24).map(|seed| program.run(0.0, seed)).collect();
        let pairs = runs.windows(2).map(|pair| (&pair[..1], &pair[1..]));
        let fours = runs.chunks(4).map(|four| four.split_at(2));
        for (base, new) in pairs.chain(fours.clone()) {
            let found = compared(base, new);
            assert!(found.rows.len() > 5);
            assert!(changed(&found).is_empty(), "{}: {}", program.name, text(&found));
        }
        let by_phases: usize = fours.map(|(base, new)| alarms_by_phases(base, new)).sum();
        assert_eq!(by_phases, 6, "{}: runs of one program have the same phases", program.name);
    }
}

#[test]
fn a_working_set_that_grew_by_a_tenth_is_found_with_its_mapping() {
    for program in programs().into_iter().filter(|program| !program.area.0.is_empty()) {
        let mut found_of_5 = 0;
        for seed in 0..20 {
            let base = [program.run(0.0, seed)];
            let found = compared(&base, &[program.run(10.0, seed + 100)]);
            let whole = changed(&found).into_iter().find(|row| row.comparison.figure.quantity == Quantity::WorkingSet);
            let what = || format!("{} {seed}: {}", program.name, text(&found));
            assert!(whole.is_some_and(|row| row.area.is_none() && row.comparison.difference > 0.0), "{}", what());
            let areas: Vec<&str> =
                changed(&found).iter().filter_map(|row| Some(row.area.as_ref()?.name.as_str())).collect();
            assert_eq!(areas, [program.area.0], "{}", what());
            let found = compared(&base, &[program.run(5.0, seed + 100)]);
            found_of_5 += usize::from(!changed(&found).is_empty());
        }
        println!("{}: 5 % more is found in {found_of_5} of 20", program.name);
    }
}
