//! Shapes of side files that the real ones do not have.

use super::*;

fn put(side_data: &SideFiles) -> Vec<Side> {
    let mut items: Vec<Item> = Vec::new();
    let mut imported = Imported::of(crate::Format::DamoJson);
    side_data.put(&[], &mut items, &mut imported).expect("to memory");
    items.into_iter().filter_map(|item| if let Item::Side(side) = item { Some(side) } else { None }).collect()
}

#[test]
fn a_command_name_with_blanks_and_parentheses_does_not_shift_the_figures() {
    let words: Vec<String> = "77 (my (odd) app) S 1 77 77 0 -1 4194560 1 0 0 0 123 45 0 0 20 0 1 0 3315 0 0"
        .split(' ')
        .map(|word| format!("\"{word}\""))
        .collect();
    let json = format!("[{{\"time\": 1.5, \"proc_stats\": [{{\"fields\": [{}]}}]}}]", words.join(","));
    let mut side_data = SideFiles::default();
    side_data.read(SideKind::Stats, json.as_bytes(), "x");
    let [Side::Cpu(cpu)] = &put(&side_data)[..] else { panic!("one process: {side_data:?}") };
    assert_eq!((cpu.pid, cpu.comm.as_str(), cpu.kdamond), (77, "my (odd) app", false));
    assert_eq!((cpu.user, cpu.system), (Nanos::from_millis(1230), Nanos::from_millis(450)));
    assert_eq!(cpu.at, Stamp::Wall(Nanos::from_millis(1500)));
}

#[test]
fn a_file_that_is_cut_gives_the_moments_before_the_cut_and_a_note() {
    let whole = br#"[{"time": 1, "footprints": [{"pid": 7, "footprint": {"size": 2}}]}, {"time": 2, "footpri"#;
    let mut side_data = SideFiles::default();
    side_data.read(SideKind::Footprint, whole, "damon.data.mem_footprint");
    let [Side::Process(process)] = &put(&side_data)[..] else { panic!("one moment: {side_data:?}") };
    assert_eq!((process.footprint.vsz, process.footprint.rss), (Some(damo_model::Bytes(8192)), None));
    assert!(
        side_data.notes()[0].starts_with("damon.data.mem_footprint: only read up to a fault"),
        "{:?}",
        side_data.notes()
    );
}

#[test]
fn mappings_are_given_again_only_when_they_changed() {
    let row = |time: u32, end: u32| {
        format!(
            "{{\"time\": {time}, \"procvmas\": [{{\"pid\": 7, \"vmas\": [{{\"start\": 1, \"end\": {end}, \"name\": \"0\"}}]}}]}}"
        )
    };
    let json = format!("[{}, {}, {}]", row(1, 9), row(2, 9), row(3, 10));
    let mut side_data = SideFiles::default();
    side_data.read(SideKind::Vmas, json.as_bytes(), "x");
    let times: Vec<_> = put(&side_data)
        .iter()
        .map(|side| match side {
            Side::Mappings(mappings) => mappings.at,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(times, [Stamp::Wall(Nanos::from_secs(1)), Stamp::Wall(Nanos::from_secs(3))]);
}

#[test]
fn parameters_may_be_wrapped_or_not_raw_or_human() {
    let context = r#"{"ops": "paddr", "targets": [{"pid": null}], "nr_regions": {"min": "10", "max": "1,000"},
        "intervals": {"sample_us": "5 ms", "aggr_us": "100000", "ops_update_us": 1000000}}"#;
    for json in [
        format!("[{{\"pid\": \"3\", \"contexts\": [{context}]}}]"),
        format!("{{\"kdamonds\": [{{\"pid\": 3, \"contexts\": [{context}]}}]}}"),
    ] {
        let mut side_data = SideFiles::default();
        side_data.read(SideKind::Kdamonds, json.as_bytes(), "x");
        assert_eq!(side_data.intervals(), Some(Intervals::default()));
        let mut meta = Meta::default();
        side_data.describe(&mut meta);
        assert_eq!((meta.ops, meta.nr_regions), (Some(Ops::Paddr), Some(NrRegions::default())));
        assert_eq!(side_data.process(0, 0), None, "no process in the physical address space");
    }
}

#[test]
fn a_target_of_two_kdamonds_is_not_guessed() {
    let kdamond = |pid: u32| format!("{{\"pid\": 1, \"contexts\": [{{\"targets\": [{{\"pid\": {pid}}}]}}]}}");
    let mut side_data = SideFiles::default();
    side_data.read(SideKind::Kdamonds, format!("[{}]", kdamond(10)).as_bytes(), "x");
    assert_eq!(side_data.process(0, 0).map(|process| process.pid), Some(10));
    side_data.read(SideKind::Kdamonds, format!("[{}]", kdamond(11)).as_bytes(), "x");
    assert_eq!(side_data.process(0, 0), None);
}
