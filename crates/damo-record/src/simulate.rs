//! A recording without DAMON: the embedded monitor watches simulated workloads in virtual time.

use crate::error::RecordError;
use crate::request::{Request, Simulation};
use crate::session::{Ending, Findings, Recording, Session, run as record};
use crate::summary::{grouped, tenths};
use damo_model::human::{Show, Style, format_size, time_text};
use damo_model::scheme::Scheme;
use damo_model::{Nanos, Ops};
use damo_sim::builtin::{self, Builtin};
use damo_sim::{Options, Outcome, Workload, simulate};
use damo_steer::Notifier;
use damo_steer::signals::Signals;
use std::fmt::Write;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

/// A configuration file describes a handful of phases; more than this is another kind of file.
const LARGEST_CONFIG: u64 = 16 << 20;

/// Records a simulation.
///
/// # Errors
/// A mistake in a configuration file, with its line and the remedy; a record that cannot be written.
pub(crate) fn run(
    request: &Request,
    simulation: &Simulation,
    signals: &Signals,
    notifier: &mut dyn Notifier,
) -> Result<ExitCode, RecordError> {
    let (workloads, options) = prepare(request, simulation)?;
    record(request, signals, notifier, |_, _| {
        Ok((SimulatedRecording { workloads, options, outcome: None }, Vec::new()))
    })
}

/// A recording of simulated workloads.
struct SimulatedRecording {
    workloads: Vec<Workload>,
    options: Options,
    outcome: Option<Outcome>,
}

impl Recording for SimulatedRecording {
    const IS_LIVE: bool = false;

    fn follow(&mut self, session: &mut Session<'_>) -> Result<Ending, RecordError> {
        let Session { pipeline, notifier, signals, .. } = session;
        let outcome = simulate(&self.workloads, &self.options, pipeline, &mut |progress| {
            notifier.draw(&|| {
                let share = progress.at.0 as f64 * 100.0 / progress.end.0.max(1) as f64;
                format!(
                    "simulating: {} of {} ({share:.0} %), {} snapshots, {} regions",
                    time(progress.at),
                    time(progress.end),
                    grouped(progress.snapshots),
                    grouped(progress.regions)
                )
            });
            if signals.stop().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let outcome = outcome.map_err(|e| RecordError::Simulation(e.to_string()))?;
        let ending = if outcome.complete { Ending::Complete } else { Ending::SimulationStopped(outcome.end) };
        self.outcome = Some(outcome);
        Ok(ending)
    }

    fn end(self, _: &mut Session<'_>) -> Findings {
        let span = self.outcome.as_ref().map(|outcome| outcome.end);
        let details = self.outcome.map(|outcome| of_schemes(&self.options.schemes, &outcome)).unwrap_or_default();
        Findings { span, details, ..Findings::new(Ok(()), Ok(())) }
    }
}

/// What is simulated, and how.
fn prepare(request: &Request, simulation: &Simulation) -> Result<(Vec<Workload>, Options), RecordError> {
    let Simulation { configs, ranges, seed, nodes } = simulation;
    let mut workloads = Vec::new();
    let mut options = Options::default();
    for config in configs {
        match builtin(config) {
            Some(builtin) => {
                options.layout = builtin.layout;
                options.accesses_per_pick = builtin.accesses_per_pick;
                options.nr_regions = builtin.nr_regions.unwrap_or(options.nr_regions);
                options.duration = options.duration.max(builtin.options().duration);
                workloads.extend(builtin.workloads());
            }
            None => workloads.push(read(config)?),
        }
    }
    let monitoring = &request.monitoring;
    options.intervals = monitoring.intervals;
    options.intervals_goal = monitoring.goal;
    if monitoring.given_nr_regions {
        options.nr_regions = monitoring.nr_regions;
    }
    if let Some(schemes) = &request.schemes {
        options.schemes.clone_from(schemes);
        options.scheme_snapshots = request.schemes_target_regions;
    }
    options.seed = *seed;
    (options.nodes, options.spread) = (nodes.unwrap_or(options.nodes), nodes.is_some());
    options.ops = monitoring.ops.unwrap_or(if ranges.is_empty() { Ops::Vaddr } else { Ops::Fvaddr });
    options.ranges.clone_from(ranges);
    options.duration = request.limits.timeout.or(options.duration);
    options.tool = crate::tool();
    options.command = damo_steer::command_line();
    options.check().map_err(|e| RecordError::Simulation(e.to_string()))?;
    Ok((workloads, options))
}

/// What each scheme did, a line each.
fn of_schemes(schemes: &[Scheme], outcome: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    let size = |bytes| format_size(bytes, Style::Human);
    for (i, (scheme, stats)) in schemes.iter().zip(&outcome.schemes).enumerate() {
        let mut text = format!(
            "Scheme {i} ({}): tried on {} regions, {}; changed {}",
            scheme.action,
            grouped(stats.counts.nr_tried),
            size(stats.counts.sz_tried),
            size(stats.sz_changed)
        );
        if let Some(quota) = stats.effective_quota {
            let _ =
                write!(text, "; quota {} at the end, used up {} times", size(quota), grouped(stats.counts.qt_exceeds));
        }
        lines.push(text);
    }
    if !schemes.is_empty() {
        lines.push(format!(
            "Resident at the end: {}; swapped out: {}; {} pages came back.",
            size(outcome.memory.rss),
            size(outcome.memory.swapped),
            grouped(outcome.refaults)
        ));
    }
    lines
}

fn time(time: Nanos) -> String {
    time_text(tenths(time))
}

/// A workload that comes with the program, unless there is a file of that name.
fn builtin(config: &Path) -> Option<Builtin> {
    if config.exists() { None } else { builtin::find(config.to_str()?) }
}

fn read(file: &Path) -> Result<Workload, RecordError> {
    let wrong = |why: String| RecordError::Workload { file: file.to_path_buf(), why };
    let data = std::fs::metadata(file).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            let names = builtin::ALL.map(|builtin| builtin.name).join(", ");
            wrong(format!("there is no such file; name a masim configuration, or a workload that is built in: {names}"))
        }
        _ => wrong(e.to_string()),
    })?;
    if data.is_dir() {
        return Err(wrong("it is a directory; name a masim configuration, a text file".to_owned()));
    }
    if data.len() > LARGEST_CONFIG {
        return Err(wrong(format!("{} bytes are too many for a masim configuration", data.len())));
    }
    let bytes = std::fs::read(file).map_err(|e| wrong(e.to_string()))?;
    let no_text = |e: std::string::FromUtf8Error| {
        wrong(format!("it is no text from byte {} on; name a masim configuration", e.utf8_error().valid_up_to()))
    };
    let text = String::from_utf8(bytes).map_err(no_text)?;
    let name = file.file_name().map_or_else(|| file.shown().to_string(), |name| name.to_string_lossy().into_owned());
    Workload::parse(&text, &name).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use damo_model::scheme::list_from_json;

    fn prepared(config: &str, schemes: Option<&str>) -> Result<(Vec<Workload>, Options), RecordError> {
        let simulation = Simulation { configs: vec![config.into()], ..Simulation::default() };
        let schemes = schemes.map(|text| list_from_json(&serde_json::from_str(text).unwrap()).unwrap());
        prepare(&Request { schemes, ..Request::new(simulation.clone(), None) }, &simulation)
    }

    #[test]
    fn a_built_in_workload_brings_all_of_its_options() {
        for builtin in builtin::ALL {
            let (workloads, options) = prepared(builtin.name, None).unwrap();
            assert_eq!(workloads, builtin.workloads());
            let expected = builtin.options();
            assert_eq!(Options { tool: expected.tool.clone(), command: Vec::new(), ..options }, expected);
        }
    }

    #[test]
    fn a_configuration_that_is_not_there_gets_the_names_of_those_that_are_built_in() {
        let error = prepared("/no/such/file.cfg", None).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/file.cfg: there is no such file"), "{error}");
        assert!(builtin::ALL.iter().all(|builtin| error.contains(builtin.name)), "{error}");
    }

    #[test]
    fn schemes_act_on_simulated_memory_and_their_mistakes_are_told() {
        let pageout =
            r#"[{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 s"}}}]"#;
        let (_, options) = prepared("stairs", Some(pageout)).unwrap();
        assert_eq!(options.schemes.len(), 1);
        let error = prepared("stairs", Some(r#"[{"action": "lru_prio"}]"#)).unwrap_err();
        assert!(error.to_string().contains("scheme 0: vaddr cannot lru_prio"), "{error}");
    }
}
