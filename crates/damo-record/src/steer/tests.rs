//! The commands against a fake kernel in memory. Nothing here touches the machine's own DAMON.

use super::args::{StartArgs, StatusArgs, TuneArgs};
use super::*;
use clap::{Args, Command, FromArgMatches};
use damo_kernel::sysfs::FakeDamon;
use std::sync::Arc;
use tempfile::TempDir;

/// In the fake tree.
const CONTEXT: &str = "sys/kernel/mm/damon/admin/kdamonds/0/contexts/0";

fn place() -> (TempDir, Arc<FakeDamon>, Place) {
    let notes = tempfile::tempdir().unwrap();
    let fake = Arc::new(FakeDamon::new((6, 12)));
    fake.put("proc/iomem", "00001000-0009ffff : System RAM\n00100000-7fffffff : System RAM\n");
    let place = Place { root: Root::with_io(fake.clone()), notes: notes.path().to_owned() };
    (notes, fake, place)
}

fn parse<T: Args + FromArgMatches>(words: &[&str]) -> T {
    let matches = T::augment_args(Command::new("test").no_binary_name(true)).try_get_matches_from(words).unwrap();
    T::from_arg_matches(&matches).unwrap()
}

fn start(place: &Place, words: &[&str]) -> Result<String, RecordError> {
    let mut out = Vec::new();
    start_on(place, &parse::<StartArgs>(words), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn status(place: &Place) -> String {
    let mut out = Vec::new();
    status_on(place, &parse::<StatusArgs>(&[]), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const PAGEOUT: [&str; 9] =
    ["--damos_access_rate", "0%", "0%", "--damos_age", "5s", "max", "--damos_action", "pageout", "paddr"];

#[test]
fn the_line_of_the_talk_starts_a_pageout_scheme() {
    let (_notes, fake, place) = place();
    start(&place, &PAGEOUT).unwrap();
    let files = fake.files();
    let scheme = |name: &str| files[&format!("{CONTEXT}/schemes/0/{name}")].trim().to_owned();
    assert_eq!(scheme("action"), "pageout");
    assert_eq!(
        (scheme("access_pattern/nr_accesses/min"), scheme("access_pattern/nr_accesses/max")),
        ("0".into(), "0".into())
    );
    // 5 s are 50 aggregations of 100 ms.
    assert_eq!(scheme("access_pattern/age/min"), "50");
    assert!(status(&place).contains("pageout"), "{}", status(&place));
}

#[test]
fn a_scheme_as_json_takes_natural_bounds_for_what_is_missing() {
    let (_notes, fake, place) = place();
    let json = r#"[{"access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 m"}}, "action": "pageout"}]"#;
    start(&place, &["--schemes", json, "paddr"]).unwrap();
    let files = fake.files();
    let scheme = |name: &str| files[&format!("{CONTEXT}/schemes/0/access_pattern/{name}")].trim().to_owned();
    assert_eq!((scheme("sz/min"), scheme("age/min")), ("0".into(), "1200".into()));
    assert!(scheme("age/max").parse::<u64>().unwrap() > 1 << 31);
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_would_be_written() {
    let (_notes, fake, place) = place();
    let before = fake.files();
    let mut words = vec!["--dry_run"];
    words.extend(PAGEOUT);
    let said = start(&place, &words).unwrap();
    assert!(said.contains("pageout > ") && said.contains("schemes/0/action"), "{said}");
    assert_eq!(fake.files(), before);
}

#[test]
fn tune_changes_what_is_named_and_leaves_the_rest() {
    let (_notes, fake, place) = place();
    start(&place, &PAGEOUT).unwrap();
    let before = fake.files();
    tune_on(&place, &parse::<TuneArgs>(&["-s", "10ms"])).unwrap();
    let after = fake.files();
    let changed: Vec<&String> =
        after.iter().filter(|(path, value)| before.get(*path) != Some(value)).map(|(path, _)| path).collect();
    assert_eq!(changed, [&format!("{CONTEXT}/monitoring_attrs/intervals/sample_us")]);
}

#[test]
fn stop_leaves_the_tree_as_it_was_found() {
    let (_notes, fake, place) = place();
    let before = fake.files();
    start(&place, &PAGEOUT).unwrap();
    place.steer().stop(false).unwrap();
    assert_eq!(fake.files(), before);
    assert!(place.steer().stop(false).is_err(), "nothing is left to stop");
}

#[test]
fn options_without_an_action_and_programs_are_refused_before_anything_is_written() {
    let (_notes, fake, place) = place();
    let before = fake.files();
    for words in [&["--damos_age", "5s", "max", "paddr"][..], &["sleep"], &["--damos_action", "frobnicate", "paddr"]] {
        assert!(start(&place, words).is_err(), "{words:?}");
    }
    assert_eq!(fake.files(), before);
    assert!(!parse::<MonitorArgs>(&[]).names_targets());
}
