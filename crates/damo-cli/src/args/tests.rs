use super::*;
use clap::Parser;
use damo_model::NrRegions;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: RecordArgs,
}

fn typed(line: &str) -> RecordArgs {
    use clap::CommandFactory;
    let words = std::iter::once("damo-record").chain(line.split_whitespace()).map(OsString::from);
    Cli::try_parse_from(with_underscores(&Cli::command(), words)).map(|cli| cli.args).unwrap()
}

fn asked(line: &str) -> Request {
    typed(line).request().unwrap()
}

fn refused(line: &str) -> String {
    typed(line).request().unwrap_err().to_string()
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn several_process_ids_are_taken_as_pidof_prints_them() {
    let pids = vec![10, 20];
    assert_eq!(asked("10 20").what, TargetSpec::Pids { pids: pids.clone(), ranges: vec![] }.into());
    // Quoted: one word. And twice the same process is one target.
    let mut quoted = RecordArgs { out: "x".into(), ..RecordArgs::default() };
    quoted.setup.monitor.targets = vec!["10 20 10".into()];
    assert_eq!(quoted.request().unwrap().what, TargetSpec::Pids { pids, ranges: vec![] }.into());
}

#[test]
fn nothing_or_ongoing_attaches_and_paddr_is_physical_memory() {
    assert_eq!(asked("").what, RequestSource::Attach);
    assert_eq!(asked("ongoing").what, RequestSource::Attach);
    assert_eq!(asked("paddr").what, TargetSpec::Paddr { ranges: vec![], nodes: vec![] }.into());
    assert_eq!(asked("--numa_node 0 1").what, TargetSpec::Paddr { ranges: vec![], nodes: vec![0, 1] }.into());
}

#[test]
fn words_after_two_dashes_are_a_command_whatever_they_look_like() {
    let RequestSource::Targets(TargetSpec::Command { words, .. }) = asked("-s 10ms -- 1234 -s").what else { panic!() };
    assert_eq!(words, ["1234", "-s"]);
}

#[test]
fn a_program_on_the_path_may_stand_without_dashes() {
    let RequestSource::Targets(TargetSpec::Command { words, .. }) = asked("sh nothing").what else { panic!() };
    assert_eq!(words, ["sh", "nothing"]);
    assert!(refused("no-such-program-anywhere").contains("after `--`"));
}

#[test]
fn bare_intervals_are_microseconds_and_units_work() {
    let monitoring = asked("-s 1000 -a 200ms -u 2s -n 5 -m 1,500 7").monitoring;
    assert_eq!(monitoring.intervals.sample, Nanos::from_millis(1));
    assert_eq!(monitoring.intervals.aggregation, Nanos::from_millis(200));
    assert_eq!(monitoring.intervals.update, Nanos::from_secs(2));
    assert_eq!(monitoring.nr_regions, NrRegions { min: 5, max: 1500 });
}

#[test]
fn short_options_override_the_triple() {
    let monitoring = asked("--monitoring_intervals 1ms 10ms 100ms -a 50ms 7").monitoring;
    assert_eq!(monitoring.intervals.sample, Nanos::from_millis(1));
    assert_eq!(monitoring.intervals.aggregation, Nanos::from_millis(50));
}

#[test]
fn old_and_dashed_spellings_mean_the_same() {
    for line in ["--sample 7000 --aggr 70000 1", "--monitoring-intervals 7ms 70ms 1s 1"] {
        assert_eq!(asked(line).monitoring.intervals.sample, Nanos::from_millis(7), "{line}");
    }
    assert_eq!(asked("--output_flush_sec 60 1").output.rotation.time, Some(Nanos::from_secs(60)));
    assert!(asked("--output_type json 1").notes[0].contains("damo convert"));
}

#[test]
fn contradictions_are_refused_with_the_remedy() {
    for (line, remedy) in [
        ("-s 1s -a 10ms 1", "raise --aggr"),
        ("-n 2 1", "raise --minr"),
        ("-n 20 -m 10 1", "raise --maxr"),
        ("-n 2000 1", "raise --maxr"),
        ("1 --cgroup /x", "more than one kind"),
        ("-s 5ms", "leaves them as they are"),
        ("-o - --rotate_time 1m 1", "file name"),
        ("-o - --keep 5min 1", "file name"),
        ("--rotate_keep 3 1", "needs --rotate_size"),
        ("-r 10-5 1", "not above its start"),
        ("--regions 0-10 --regions 5-20 -- x", "ascending"),
        ("0", "not positive"),
        ("--monitoring_intervals_goal 4% 3 10s 5ms 1", "below the smallest"),
    ] {
        let said = refused(line);
        assert!(said.contains(remedy), "{line}: {said}");
    }
}

#[test]
fn the_flight_recorder_counts_in_minutes_and_timeouts_in_seconds() {
    assert_eq!(asked("--keep 5min 1").output.keep, Some(Nanos::from_secs(300)));
    assert_eq!(asked("--keep 90s 1").output.keep, Some(Nanos::from_secs(90)));
    assert_eq!(asked("--timeout 3 1").limits.timeout, Some(Nanos::from_secs(3)));
}

#[test]
fn the_usual_tuning_goal_is_the_kernel_documents() {
    let goal = asked("--monitoring_intervals_autotune 1").monitoring.goal.unwrap();
    assert_eq!((goal.access_bp, goal.aggregations), (400, 3));
    let typed = asked("--monitoring_intervals_goal 4% 3 5ms 10s 1").monitoring.goal.unwrap();
    assert_eq!(typed, goal);
}

#[test]
fn a_simulation_has_no_files_to_read_snapshots_from() {
    let said = refused("--simulate stairs --snapshot 1 2");
    assert!(said.contains("--snapshot"), "{said}");
}
