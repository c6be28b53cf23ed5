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

/// Recordings of one run in different files, as in testdata: there is nothing to find.
#[test]
fn recordings_of_one_run_by_different_programs_have_no_figure_that_changed() {
    let open = |name: &str| {
        let path = format!("{}/../../testdata/real/{name}", env!("CARGO_MANIFEST_DIR"));
        [Record::open(std::path::Path::new(&path), &damo_frame::OpenOptions::default()).expect("a record")]
    };
    let names = ["stairs/damon.data", "stairs/perf.data"];
    for (base, new) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let found = compared(&open(names[base]), &open(names[new]));
        assert!(found.rows.len() > 3 && changed(&found).is_empty(), "{}", text(&found));
    }
    let other = open("thousand-regions/damon.data");
    assert!(changed(&compared(&other, &other)).is_empty());
    let lossy = open("lossy/perf.data");
    let said = diff(&lossy, &lossy, &DiffOptions::default()).expect_err("too few complete snapshots").to_string();
    assert!(said.contains("too few to compare"), "{said}");
}

#[test]
fn what_cannot_be_compared_is_refused_in_a_sentence() {
    let uniform = &programs()[0];
    let made = |name: &str, options: Options| {
        let config = uniform.config.replace("GROWN", "50000000");
        let workload = Workload::parse(&config, name).expect("a workload");
        let mut items = Vec::new();
        simulate(&[workload], &options, &mut items, &mut |_| ControlFlow::Continue(())).expect("a simulation");
        if name != "app" {
            for item in &mut items {
                if let damo_model::Item::Target(target) = item
                    && let Some(process) = &mut target.process
                {
                    process.comm = name.to_owned();
                }
            }
        }
        [Record::from_items(&items).expect("a record")]
    };
    let lasting = |seconds| Options { duration: Some(Nanos::from_secs(seconds)), ..Options::default() };
    let base = made("app", lasting(20));
    let mut slow = lasting(40);
    slow.intervals.aggregation = Nanos::from_millis(200);
    let cases = [
        (made("app", lasting(2)), "too few to compare"),
        (made("other", lasting(20)), "different programs"),
        (made("app", slow), "different intervals"),
    ];
    for (new, wanted) in cases {
        let said = diff(&base, &new, &DiffOptions::default()).expect_err(wanted).to_string();
        assert!(said.contains(wanted), "{said}");
        let anyway = diff(&base, &new, &DiffOptions { anyway: true, ..DiffOptions::default() });
        assert_eq!(anyway.is_err(), wanted.starts_with("too few"), "{wanted}");
    }
    let mapping = DiffOptions { mapping: Some("nothing".to_owned()), ..DiffOptions::default() };
    assert!(
        diff(&base, &base, &mapping).expect_err("no such mapping").to_string().contains("no mapping has this name")
    );
}

#[test]
fn names_of_strangers_are_shown_as_they_may_be_shown() {
    let mut ladder = programs()[2].config.replace("GROWN", "16777216");
    ladder = ladder.replace("a1,", "\u{1b}[2J,");
    let run = |seed| {
        let workload = Workload::parse(&ladder, "a\u{1b}[2Jb").expect("a workload");
        let options = Options { seed, duration: Some(Nanos::from_secs(10)), ..Options::default() };
        let mut items = Vec::new();
        simulate(&[workload], &options, &mut items, &mut |_| ControlFlow::Continue(())).expect("a simulation");
        [Record::from_items(&items).expect("a record")]
    };
    let (base, new) = (run(1), run(2));
    let mut found = compared(&base, &new);
    found.look_for_maps(&base, &new).expect("maps");
    assert!(text(&found).contains(r"\x1b[2J") && !text(&found).contains('\u{1b}'), "{}", text(&found));
    let mut page = Vec::new();
    found.write_page("data:,", "damo diff \u{1b}[2J<b>", &mut page).expect("a page");
    let page = String::from_utf8(page).expect("a page");
    assert!(!page.contains('\u{1b}') && !page.contains("<b>"), "{page}");
}

/// A program that accesses one area for 12 s and another one, of `high` bytes, for as long.
fn of_two_phases(high: u64, seed: u64) -> [Record; 1] {
    let config = format!("low, 40000000\nhigh, {high}\n\none\n12000\nlow, 1, 64, 1\n\nother\n12000\nhigh, 1, 64, 1\n");
    let workload = Workload::parse(&config, "app").expect("a workload");
    let options = Options { seed, duration: Some(Nanos::from_secs(24)), ..Options::default() };
    let mut items = Vec::new();
    simulate(&[workload], &options, &mut items, &mut |_| ControlFlow::Continue(())).expect("a simulation");
    [Record::from_items(&items).expect("a record")]
}

#[test]
fn of_phases_that_are_named_nothing_else_is_compared() {
    let (base, new) = (of_two_phases(40_000_000, 1), of_two_phases(60_000_000, 2));
    let of =
        |phases: (usize, usize)| diff(&base, &new, &DiffOptions { phases: vec![phases], ..DiffOptions::default() });
    let areas = |found: &Diff| -> Vec<String> {
        changed(found).iter().filter_map(|row| Some(row.area.as_ref()?.name.clone())).collect()
    };
    let first = of((1, 1)).expect("a comparison");
    // More of the memory is idle, because the other area is larger; what is in use is the same.
    assert!(changed(&first).iter().all(|row| !row.comparison.figure.is_size()), "{}", text(&first));
    assert!(text(&first).contains("phase 1 of both sides"), "{}", text(&first));
    let mut second = of((2, 2)).expect("a comparison");
    assert_eq!(areas(&second), ["[anon:high]"], "{}", text(&second));
    // The first 20 snapshots of the phase are left out.
    for run in second.runs() {
        assert!((run.length().as_secs_f64() - 10.0).abs() < 0.3, "{:?}", run.length());
        assert!(run.times.iter().all(|time| time.start >= Nanos::from_millis(13_900)), "{:?}", run.times.first());
    }
    second.look_for_maps(&base, &new).expect("maps");
    let crossed = of((1, 2)).expect("a comparison");
    assert!(text(&crossed).contains("phase 1 of the base, phase 2 of the new side"), "{}", text(&crossed));
    let mut both = areas(&crossed);
    both.sort();
    assert_eq!(both, ["[anon:high]", "[anon:low]"], "{}", text(&crossed));
    let said = of((1, 3)).expect_err("no such phase").to_string();
    assert!(said.contains("--phase 3: the record has 2 phases"), "{said}");
}
