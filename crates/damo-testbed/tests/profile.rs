//! CPU samples of a real process on this machine, beside a recording of referenced pages: what ran when is known.
#![allow(clippy::unwrap_used)]

use damo_format::Reader;
use damo_kernel::Root;
use damo_kernel::sampling::choose;
use damo_model::profile::{CodeMaps, ProfileInfo};
use damo_model::{Nanos, Side, Stamp};
use damo_record::RecordError;
use damo_record::request::{Request, Simulation, SourceChoice};
use damo_steer::Notifier;
use damo_steer::plan::TargetSpec;
use damo_testbed::phases::{judge, read};
use std::io::BufReader;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Signals are the process's: one recording at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Keeps what is said.
#[derive(Default)]
struct Said(Vec<String>);

impl Notifier for Said {
    fn draw(&mut self, _: &dyn Fn() -> String) {}
    fn say(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
    fn note(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }
    fn warn(&mut self, text: &str) {
        self.0.push(format!("warning: {text}"));
    }
    fn clear(&mut self) {}
}

/// Whether this machine lets this user sample. If not, that is said.
fn may_sample() -> bool {
    let may = choose(&Root::host(), 99, false);
    if let Err(error) = &may {
        eprintln!("not tested: {error}");
    }
    may.is_ok()
}

/// Records a program with a profile; `None` if it was over before anything could be recorded.
fn record(dir: &Path, words: &[&str]) -> (Option<Reader>, Vec<String>) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let words = words.iter().map(Into::into).collect();
    let mut request = Request::new(TargetSpec::Command { words, ranges: Vec::new() }, Some(dir.join("a.damo")));
    request.source = SourceChoice::Referenced;
    request.profile = Some(199);
    let mut said = Said::default();
    damo_record::run(&request, &mut said).unwrap();
    let path = dir.join("a.damo");
    (path.exists().then(|| Reader::open(path).unwrap()), said.0)
}

#[test]
fn each_phase_of_a_program_has_its_samples_in_its_own_function() {
    if !may_sample() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("phases");
    let program = env!("CARGO_BIN_EXE_damo-workload");
    let words = [program, "--phases", log.to_str().unwrap(), "--phase_time", "1500", "--phase_threads", "2"];
    let (reader, said) = record(dir.path(), &words);
    let reader = reader.unwrap();
    let phases = read(BufReader::new(std::fs::File::open(&log).unwrap())).unwrap();
    let found = judge(&reader, &phases).unwrap();
    assert_eq!(found.phases.len(), 3);
    // A busy machine gives the program what it gives: its own CPU time is what counts.
    let ratio = found.samples as f64 / found.expected;
    assert!((0.85..1.15).contains(&ratio), "{ratio}: {found:?}");
    assert!(found.least_share() >= 0.95, "{found:?}");
    assert!(found.lost == 0, "{found:?}");
    let summary = said.iter().find(|text| text.contains("samples of CPU time")).unwrap();
    assert!(summary.contains("199 Hz") && summary.contains("none lost"), "{summary}");
    let maps = reader.profile().unwrap();
    let code: Vec<_> =
        maps.iter().filter_map(|side| if let Side::Code(code) = side { Some(code) } else { None }).collect();
    let moment = |at: Stamp| if let Stamp::Record(at) = at { at } else { Nanos(0) };
    let maps = CodeMaps::new(code.iter().map(|code| (moment(code.at), *code)));
    let target = reader.targets()[0].process.as_ref().unwrap().pid;
    for phase in &phases {
        let found = maps.find(target, Nanos(phase.start), damo_model::Addr(phase.function)).unwrap();
        assert_eq!(maps.mappings()[found as usize].name, program);
    }
}

#[test]
fn a_program_that_ends_at_once_gives_a_whole_record_or_none_and_a_word() {
    if !may_sample() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (reader, said) = record(dir.path(), &["true"]);
    let Some(reader) = reader else {
        assert!(said.iter().any(|text| text.contains("ended before")), "{said:?}");
        return;
    };
    let profile = reader.profile().unwrap();
    let infos: Vec<&ProfileInfo> =
        profile.iter().filter_map(|side| if let Side::Profile(info) = side { Some(info) } else { None }).collect();
    assert_eq!(infos[0].frequency, 199);
    assert!(reader.is_finished() && reader.damage().is_empty());
}

#[test]
fn a_script_is_followed_through_the_programs_that_it_starts_and_becomes() {
    if !may_sample() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("phases");
    let (program, log) = (env!("CARGO_BIN_EXE_damo-workload"), log.to_str().unwrap());
    // A child of the shell, then the shell itself becomes the program.
    let script = format!(
        "'{program}' --phases '{log}.1' --phase_time 400; exec '{program}' --phases '{log}.2' --phase_time 400"
    );
    let (reader, _) = record(dir.path(), &["sh", "-c", &script]);
    let reader = reader.unwrap();
    for which in ["1", "2"] {
        let phases = read(BufReader::new(std::fs::File::open(format!("{log}.{which}")).unwrap())).unwrap();
        let found = judge(&reader, &phases).unwrap();
        assert!(found.samples as f64 >= found.expected * 0.8, "{which}: {found:?}");
        assert!(found.least_share() >= 0.9, "{which}: {found:?}");
    }
}

#[test]
fn what_cannot_be_profiled_is_refused_before_anything_starts() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let (path, begun) = (dir.path().join("a.damo"), dir.path().join("begun"));
    let words = ["touch".into(), begun.clone().into()].to_vec();
    let command = || Request::new(TargetSpec::Command { words: words.clone(), ranges: Vec::new() }, Some(path.clone()));
    // A machine on which nobody may be asked so often, as its own file says.
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("proc/sys/kernel")).unwrap();
    std::fs::write(root.join("proc/sys/kernel/perf_event_max_sample_rate"), "50\n").unwrap();
    let simulation =
        Request::new(Simulation { configs: vec!["stairs".into()], ..Simulation::default() }, Some(path.clone()));
    let slow = Request { root, ..command() };
    for (request, frequency, why) in [
        (simulation, 99, "simulation has none"),
        (command(), 0, "from 1 to 10000"),
        (slow, 99, "perf_event_max_sample_rate"),
    ] {
        let mut request = request;
        request.profile = Some(frequency);
        request.source = SourceChoice::Referenced;
        let error: RecordError = damo_record::run(&request, &mut Said::default()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(!path.exists() && !begun.exists(), "{why}");
    }
}
