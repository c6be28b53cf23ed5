//! The commands against a fake kernel in memory. Nothing here touches the machine's own DAMON.

mod several;

use super::tune::tune_on;
use super::*;
use crate::args::steer::TuneArgs;
use clap::{Args, Command, FromArgMatches};
use damo_kernel::Root;
use damo_kernel::sysfs::MemorySysfs;
use damo_steer::notes::NoteStore;
use std::sync::Arc;
use tempfile::TempDir;

/// In the fake tree.
const CONTEXT: &str = "sys/kernel/mm/damon/admin/kdamonds/0/contexts/0";

fn place() -> (TempDir, Arc<MemorySysfs>, Machine) {
    let notes = tempfile::tempdir().unwrap();
    let fake = Arc::new(MemorySysfs::new((6, 12)));
    fake.put("proc/iomem", "00001000-0009ffff : System RAM\n00100000-7fffffff : System RAM\n");
    let place = Machine::new(Root::with_io(fake.clone()), NoteStore::new(notes.path()));
    (notes, fake, place)
}

fn parse<T: Args + FromArgMatches>(words: &[&str]) -> T {
    let matches = T::augment_args(Command::new("test").no_binary_name(true)).try_get_matches_from(words).unwrap();
    T::from_arg_matches(&matches).unwrap()
}

/// What a command prints.
fn said(command: impl FnOnce(&mut Vec<u8>) -> Result<ExitCode, CliError>) -> Result<String, CliError> {
    let mut out = Vec::new();
    command(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn start(place: &Machine, words: &[&str]) -> Result<String, CliError> {
    said(|out| start_on(place, &parse(words), out))
}

fn tune(place: &Machine, words: &[&str]) -> Result<Vec<String>, String> {
    tune_on(place, &parse::<TuneArgs>(words)).map_err(|error| error.to_string())
}

fn status(place: &Machine) -> String {
    said(|out| status_on(place, &parse(&[]), out)).unwrap()
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
    tune(&place, &["-s", "10ms"]).unwrap();
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
    assert!(!parse::<SetupArgs>(&[]).names_targets());
}

fn print(place: &Machine, words: &[&str]) -> Result<String, CliError> {
    said(|out| print_on(place, &parse(words), out))
}

fn kernel_says(fake: &MemorySysfs, file: &str, value: &str) {
    fake.kernel_writes(&format!("{CONTEXT}/schemes/0/{file}"), value);
}

#[test]
fn what_options_mean_is_printed_as_json_in_the_words_typed_and_as_writes() {
    let (_notes, fake, place) = place();
    let before = fake.files();
    let text = print(&place, &[&["damon"][..], &PAGEOUT].concat()).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["kdamonds"][0]["contexts"][0]["schemes"][0]["access_pattern"]["age"]["min"], "5 s");
    assert_eq!(json["kdamonds"][0]["contexts"][0]["ops"], "paddr");
    // What it prints starts the same.
    let again = print(&place, &["--kdamonds", &text, "--dry_run"]).unwrap();
    assert_eq!(again, print(&place, &[&["--dry_run"][..], &PAGEOUT].concat()).unwrap());
    assert!(again.ends_with("on > /sys/kernel/mm/damon/admin/kdamonds/0/state\n"), "{again}");
    assert_eq!(fake.files(), before);
}

#[test]
fn status_fits_into_eighty_columns_and_tells_all_there_is() {
    let (_notes, fake, place) = place();
    fake.put("sys/module/damon_reclaim/parameters/enabled", "N");
    let filter = ["--damos_filter", "reject", "anon", "reject addr", "4K", "1G"];
    let more = "--damos_quotas 10ms 100M 1s 0 3 7 --damos_quota_goal some_mem_psi_us 10ms --damos_apply_interval 1s \
                --damos_wmarks free_mem_rate 5s 50% 40% 5%";
    let words: Vec<&str> = PAGEOUT.into_iter().chain(filter).chain(more.split(' ')).collect();
    start(&place, &words).unwrap();
    for (file, value) in [
        ("stats/nr_tried", "1234"),
        ("stats/sz_tried", "5368709120"),
        ("stats/nr_applied", "1200"),
        ("stats/sz_applied", "4294967296"),
        ("stats/qt_exceeds", "12"),
        ("quotas/effective_bytes", "1048576"),
    ] {
        kernel_says(&fake, file, value);
    }
    let text = status(&place);
    let expected = "\
kdamond 0: on (thread 1001), started by `damo start`
  context 0: paddr, 10 to 1,000 regions
    intervals: sampling 5 ms, aggregation 100 ms, update 1 s
    target 0: physical memory
      0x1000-0xa0000 (636.000 KiB)
      0x100000-0x80000000 (1.999 GiB)
    scheme 0: pageout
      size     0 B to max
      rate     0 % to 0 % (0 to 0 samples)
      age      5 s to max
      applied  every 1 s
      quota    10 ms and 100.000 MiB per 1 s
               weights: size 0, rate 3, age 7
      goal     some_mem_psi_us 10 ms
      active   while free_mem_rate is 5 % to 50 %, from 40 % on
               looked at every 5 s
      filter   reject anon
      filter   reject addr 0x1000-0x40000000 (1023.996 MiB)
      tried    1,234 regions, 5.000 GiB
      changed  1,200 regions, 4.000 GiB
      used up  the quota 12 times, 1024.000 KiB in effect
module damon_reclaim: not enabled
";
    assert_eq!(text, expected);
    assert!(text.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn status_shows_names_of_processes_without_their_control_characters() {
    let (_notes, fake, place) = place();
    let name = "evil\u{1b}]0;title\u{7}\u{202e}";
    fake.put("proc/42/stat", &format!("42 ({name}) S 1 42 42 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 777 0 0 0"));
    fake.put("proc/42/comm", &format!("{name}\n"));
    fake.put("proc/42/statm", "1000 100 50 1 0 200 0");
    start(&place, &["--damos_action", "stat", "42"]).unwrap();
    let shown = status(&place);
    assert!(shown.contains("process 42 (evil\\x1b]0;title\\x07\\u{202e})"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']));
}

#[test]
fn status_as_json_has_the_python_tools_keys_and_is_read_as_parameters() {
    let (_notes, fake, place) = place();
    start(&place, &PAGEOUT).unwrap();
    kernel_says(&fake, "stats/sz_applied", "4096");
    let text = said(|out| status_on(&place, &parse(&["--json"]), out)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let kdamond = &json["kdamonds"][0];
    assert_eq!((&kdamond["state"], &kdamond["started_by_damo"]), (&"on".into(), &true.into()));
    let scheme = &kdamond["contexts"][0]["schemes"][0];
    assert_eq!(scheme["stats"]["sz_applied"], 4096);
    assert_eq!(scheme["stats"]["nr_snapshots"], serde_json::Value::Null, "6.12 does not tell");
    assert_eq!(scheme["tried_regions"]["regions"], serde_json::json!([]));
    let again = print(&place, &["--kdamonds", &text, "--dry_run"]).unwrap();
    assert!(again.contains("50 > /sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/schemes/0/access_pattern/age/min"));
}

#[test]
fn a_module_that_is_enabled_is_shown_with_its_parameters() {
    let (_notes, fake, place) = place();
    for (name, value) in
        [("enabled", "Y"), ("kdamond_pid", "77"), ("min_age", "120000000"), ("nr_reclaimed_regions", "3")]
    {
        fake.put(&format!("sys/module/damon_reclaim/parameters/{name}"), value);
    }
    let text = status(&place);
    assert_eq!(
        text,
        "no kdamond is set up\nmodule damon_reclaim: enabled (thread 77)\n  min_age=120000000 nr_reclaimed_regions=3\n"
    );
}

#[test]
fn a_change_of_intervals_says_what_it_makes_of_schemes_that_stay() {
    let (_notes, fake, place) = place();
    start(&place, &PAGEOUT).unwrap();
    let notes = tune(&place, &["-a", "200ms"]).unwrap();
    assert!(notes.len() == 1 && notes[0].contains("5 s to max became 10 s to max"), "{notes:?}");
    let age = format!("{CONTEXT}/schemes/0/access_pattern/age/min");
    assert_eq!(fake.files()[&age], "50", "what was not named is not changed");
    assert!(tune(&place, &["-n", "20"]).unwrap().is_empty());
    assert!(tune(&place, &[]).unwrap_err().contains("nothing to change"));
}

#[test]
fn replacing_all_parameters_keeps_the_targets() {
    let (_notes, fake, place) = place();
    start(&place, &["-r", "4096-8192", "-n", "50", "--damos_action", "stat"]).unwrap();
    tune(&place, &["--replace", "-m", "500"]).unwrap();
    let files = fake.files();
    let read = |name: &str| files[&format!("{CONTEXT}/{name}")].clone();
    assert_eq!(
        (read("monitoring_attrs/nr_regions/min"), read("monitoring_attrs/nr_regions/max")),
        ("10".into(), "500".into())
    );
    assert_eq!((read("targets/0/regions/0/end"), read("schemes/nr_schemes")), ("8192".into(), "0".into()));
}

#[test]
fn a_filter_that_the_kernel_would_pass_over_is_refused() {
    let (_notes, fake, place) = place();
    fake.put("proc/77/stat", "77 (app) S 1 77 77 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 100 8192 2");
    fake.put("proc/77/statm", "2 2 0 0 0 0 0");
    fake.put("proc/77/status", "VmSize:\t8 kB\nVmRSS:\t8 kB\n");
    let before = fake.files();
    let error = start(&place, &["77", "--damos_action", "pageout", "--damos_filter", "reject", "anon"]).unwrap_err();
    assert!(error.to_string().contains("monitor paddr"), "{error}");
    assert_eq!(fake.files(), before);
    start(&place, &["77", "--damos_action", "stat", "--damos_filter", "reject", "anon"]).unwrap();
}

#[test]
fn schemes_in_the_foreground_end_with_their_time_and_tell_what_they_did() {
    let (_notes, fake, place) = place();
    let before = fake.files();
    let schemes = |words: &[&str]| said(|out| schemes_on(&place, &parse(words), &Signals::default(), out));
    assert!(schemes(&[&PAGEOUT[..], &["--timeout", "0"]].concat()).unwrap().contains("scheme 0: pageout"));
    assert_eq!(fake.files(), before);
    let error = schemes(&["paddr"]).unwrap_err();
    assert!(error.to_string().contains("--damos_action"), "{error}");
    assert_eq!(fake.files(), before);
}

fn scheme_of(fake: &MemorySysfs, index: usize) -> impl Fn(&str) -> String {
    let files = fake.files();
    move |name: &str| files[&format!("{CONTEXT}/schemes/{index}/{name}")].clone()
}

#[test]
fn tuning_without_an_action_changes_what_is_named_of_the_scheme_that_runs() {
    let (_notes, fake, place) = place();
    let quotas =
        ["--damos_quotas", "10ms", "100M", "1s", "0", "3", "7", "--damos_filter", "reject", "addr", "4K", "1G"];
    start(&place, &[&PAGEOUT[..], &quotas].concat()).unwrap();
    let before = fake.files();
    let changed = |words: &[&str]| {
        tune(&place, words).unwrap();
        let after = fake.files();
        let scheme = format!("{CONTEXT}/schemes/0/");
        let changed = after.iter().filter(|(path, value)| before.get(*path) != Some(value));
        changed.map(|(path, value)| format!("{} {value}", path.trim_start_matches(&scheme))).collect::<Vec<_>>()
    };
    assert_eq!(changed(&["--damos_quota_space", "200M"]), ["quotas/bytes 209715200"]);
    assert_eq!(changed(&["--damos_age", "1m", "max"]), ["access_pattern/age/min 600", "quotas/bytes 209715200"]);
    let reset =
        ["--damos_quota_space", "100M", "--damos_age", "5s", "max", "--damos_filter", "allow", "addr", "0", "4K"];
    let error = tune(&place, &reset).unwrap_err();
    assert!(error.contains("filter 0, allow") && error.contains("6.14"), "{error}");
    let reset =
        ["--damos_quota_space", "100M", "--damos_age", "5s", "max", "--damos_filter", "reject", "addr", "0", "4K"];
    assert_eq!(changed(&reset), ["filters/0/addr_end 4096", "filters/0/addr_start 0"]);
}

#[test]
fn of_several_schemes_the_nth_option_changes_the_nth() {
    let (_notes, fake, place) = place();
    let two = r#"[{"action": "pageout"}, {"action": "stat", "access_pattern": {"age": {"min": "1 s"}}}]"#;
    start(&place, &["--schemes", two]).unwrap();
    tune(&place, &["--damos_age", "2s", "max", "--damos_age", "3s", "max"]).unwrap();
    assert_eq!(scheme_of(&fake, 0)("access_pattern/age/min"), "20");
    assert_eq!(scheme_of(&fake, 1)("access_pattern/age/min"), "30");
    let log = fake.log();
    for (words, said) in [
        (
            &["--damos_age", "1s", "2s", "--damos_age", "1s", "2s", "--damos_age", "1s", "2s"][..],
            "3 times for 2 schemes",
        ),
        (&["--damos_filter", "reject", "anon"], "--damos_nr_filters"),
        (&["--damos_age", "3s", "1s"], "scheme 0: access_pattern.age: at least 3 s"),
        (&["--replace", "--damos_age", "3s", "max"], "give its --damos_action"),
        (
            &["--damos_quota_goal", "user_input", "1", "--damos_nr_quota_goals", "0", "1"],
            "scheme 1: quotas.reset_interval",
        ),
    ] {
        let error = tune(&place, words).unwrap_err();
        assert!(error.contains(said), "{words:?}: {error}");
    }
    assert_eq!(fake.log(), log, "refused before the first write");
    tune(&place, &["--schemes", "[]"]).unwrap();
    let error = tune(&place, &["--damos_age", "1s", "max"]).unwrap_err();
    assert!(error.contains("no scheme is at work"), "{error}");
}

#[test]
fn rates_named_together_with_intervals_are_of_the_new_ones() {
    let (_notes, fake, place) = place();
    start(&place, &PAGEOUT).unwrap();
    let words = ["-s", "10ms", "-a", "1s", "--damos_access_rate", "0%", "10%"];
    let notes = tune(&place, &words).unwrap();
    assert_eq!(scheme_of(&fake, 0)("access_pattern/nr_accesses/max"), "10");
    assert!(notes.len() == 1 && notes[0].contains("its age of 5 s to max became 50 s to max"), "{notes:?}");
}

const TWO_KDAMONDS: &str = r#"{"kdamonds": [
    {"contexts": [{"ops": "paddr", "targets": [{"regions": [{"start": 0, "end": "1 G"}]}]}]},
    {"contexts": [{"ops": "paddr", "targets": [{"regions": [{"start": "1 G", "end": "2 G"}]}]}]}]}"#;

#[test]
fn several_kdamonds_are_tuned_alike_and_keep_their_targets() {
    let (_notes, fake, place) = place();
    start(&place, &["--kdamonds", TWO_KDAMONDS, "--damos_action", "stat"]).unwrap();
    let read = |kdamond: usize, name: &str| {
        let context = CONTEXT.replace("kdamonds/0", &format!("kdamonds/{kdamond}"));
        fake.files()[&format!("{context}{name}")].clone()
    };
    for words in [&["-m", "500"][..], &["--replace", "-m", "400", "--damos_action", "cold"]] {
        tune(&place, words).unwrap();
        for kdamond in [0, 1] {
            assert!(words.contains(&read(kdamond, "/monitoring_attrs/nr_regions/max").as_str()), "{words:?}");
        }
    }
    assert_eq!((read(0, "/schemes/0/action"), read(1, "/schemes/0/action")), ("cold".into(), "cold".into()));
    assert_eq!(read(1, "/targets/0/regions/0/start"), (1_u64 << 30).to_string());
    let log = fake.log();
    let error = tune(&place, &["-r", "0-4096"]).unwrap_err();
    assert!(error.contains("2 kdamonds run") && error.contains("--kdamonds"), "{error}");
    let two = TWO_KDAMONDS
        .replace(r#""1 G", "end": "2 G"}]}]}"#, r#""1 G", "end": "2 G"}]}]}, {"ops": "paddr", "targets": []}"#);
    let error = tune(&place, &["--kdamonds", &two]).unwrap_err();
    assert!(error.contains("kdamonds[1].contexts: kernels take one, not 2"), "{error}");
    assert_eq!(fake.log(), log, "refused before the first write");
}

#[test]
fn what_the_machine_lacks_is_told_when_steering_fails_and_only_then() {
    let (_dir, fake, place) = place();
    fake.put("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000");
    fake.fail_next("nr_kdamonds", 13);
    let error = start(&place, &["paddr", "--regions", "4096-8192"]).unwrap_err();
    let said = explained(&place, error).to_string();
    for word in ["not ready for steering DAMON", "uid 1000", "Try: sudo ", "--simulate"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // What was typed wrong has nothing to do with the machine.
    let error = start(&place, &["paddr", "--regions", "8192-4096"]).unwrap_err();
    let before = error.to_string();
    assert_eq!(explained(&place, error).to_string(), before);
}
