//! `damo monitor`: shows what a recording says while it is made. Whatever the source, it is a `.damo` stream that is
//! followed; what is recorded for it is recorded by `damo record` in a process of its own.

mod recorder;
mod recording;
#[cfg(feature = "screen")]
mod terminal;

use crate::commands::report::options::seconds_or_minutes;
use crate::errors::{self, Outcome};
use crate::output;
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_cli::ValueError;
use damo_format::{Writer, WriterOptions};
use damo_model::Nanos;
use damo_model::human::Show;
use damo_monitor::{End, MonitorError, PlainOptions, Source};
pub(crate) use recorder::RECORDER_OUTPUT;
use recorder::Recorder;
use recording::Recording;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Arguments of `damo monitor`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    damo monitor $(pidof app)                 a running program (as root)\n  \
    damo monitor \"./app --its --arguments\"    a program that is started for it\n  \
    damo monitor damon.damo                   a record, also while it is written\n  \
    ssh host damo-record -o - paddr | damo monitor -\n  \
    damo monitor --simulate stairs            without DAMON and root\n  \
    damo monitor --json --interval 5s paddr   one JSON object each 5 seconds")]
pub struct MonitorArgs {
    /// Print a block of text for each interval, also on a terminal
    #[arg(long, help_heading = "Form")]
    plain: bool,
    /// Print one JSON object a line for each interval
    #[arg(long = "json", conflicts_with = "plain", help_heading = "Form")]
    json_lines: bool,
    /// The time of one block or line, such as 5s or 1min
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = seconds_or_minutes, help_heading = "Form")]
    interval: Nanos,
    /// End after so many blocks or lines
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Form")]
    count: Option<u64>,
    /// Show a finished record or a simulation at so many times its speed: 1, 0.5, 100; `max` is as fast as it can be read
    /// [default: max, and 1 for simulations on the screen]
    #[arg(long, value_name = "NUMBER", value_parser = speed, help_heading = "Form")]
    speed: Option<Speed>,
    #[command(flatten)]
    recording: Recording,
}

/// How many times as fast as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    Times(f64),
    Max,
}

fn speed(text: &str) -> Result<Speed, ValueError> {
    match text.trim().trim_end_matches('x').parse::<f64>() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if times.is_finite() && times > 0.0 => Ok(Speed::Times(times)),
        _ => Err(ValueError::Unwanted("a number greater than 0 such as 10, or `max`, is wanted")),
    }
}

/// Monitors until the stream ends, or until the user ends it.
///
/// # Errors
/// If there is nothing that can be followed.
pub(crate) fn run(args: &MonitorArgs) -> Result<Outcome> {
    if args.interval.0 <= 0 {
        bail!("--interval needs a time greater than 0");
    }
    output::check_stdout()?;
    let (source, mut recorder) = open(args)?;
    if args.speed.is_some() && recorder.is_none() && source.is_live() {
        bail!("--speed is for finished records and simulations: this one comes as it is recorded");
    }
    let source = match args.speed {
        Some(Speed::Times(times)) => source.at_speed(times),
        _ => source,
    };
    let shown = show(source, args);
    let recorded = recorder.as_mut().map(Recorder::finish).transpose()?;
    outcome(shown?, recorded)
}

/// Shows the stream on the screen, or prints it.
fn show(source: Source, args: &MonitorArgs) -> Result<Result<(End, u64), MonitorError>> {
    #[cfg(feature = "screen")]
    if !args.plain && !args.json_lines && args.count.is_none() && terminal::is_possible() {
        // A simulation is faster than the time that it simulates.
        let simulated = args.speed.is_none() && args.recording.is_simulation();
        let source = if simulated { source.at_speed(1.0) } else { source };
        return terminal::show(source, args.recording.out());
    }
    let options =
        PlainOptions { interval: args.interval, count: args.count, json: args.json_lines, stop: stop_signals()? };
    Ok(damo_monitor::plain(source, &options, &mut io::stdout().lock()))
}

/// What to follow, and the recorder if one was started for it.
fn open(args: &MonitorArgs) -> Result<(Source, Option<Recorder>)> {
    let recording = &args.recording;
    if let Some(word) = recording.only_target() {
        if word == "-" {
            let live = !matches!(args.speed, Some(Speed::Times(_)));
            return Ok((Source::pipe("standard input", io::stdin(), live), None));
        }
        if let Some(source) = record(Path::new(word))? {
            return Ok((source, None));
        }
    }
    let live = !recording.is_simulation();
    if live && args.speed.is_some() {
        bail!("--speed is for finished records and simulations: what is recorded now has its own speed");
    }
    let (recorder, source) = Recorder::start(recording, live)?;
    Ok((source, Some(recorder)))
}

/// The record of this name, if it is one: finished, or `NAME.part` while it is written.
fn record(path: &Path) -> Result<Option<Source>> {
    let cannot = || format!("cannot open {}", path.shown());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // What is written now is what is wanted, and an older record of the name is still there meanwhile.
    if let Ok(source) = Source::file(&part)
        && source.is_live()
    {
        return Ok(Some(source));
    }
    let Ok(data) = std::fs::metadata(path) else {
        if path.extension().is_some_and(|ending| ending == "damo") {
            bail!("{}: there is no such record, and none is being written", path.shown());
        }
        return Ok(None);
    };
    if !data.is_file() {
        return Ok(None);
    }
    let mut head = Vec::new();
    File::open(path).with_context(cannot)?.take(64).read_to_end(&mut head).with_context(cannot)?;
    if damo_format::sniff(&head) {
        return Source::file(path).with_context(cannot).map(Some);
    }
    if damo_import::recognise_path(path).is_ok() {
        let mut writer = Writer::new(Vec::new(), WriterOptions::default())?;
        let imported = damo_import::import_path(path, &damo_import::Options::default(), &mut writer)?;
        for note in &imported.notes {
            errors::note(format_args!("{}: {note}", path.shown()));
        }
        let (bytes, _) = writer.finish()?;
        return Ok(Some(Source::pipe(path.display().to_string(), Cursor::new(bytes), false)));
    }
    if path.extension().is_some_and(|ending| ending == "damo") {
        bail!("{} is not a record", path.shown());
    }
    Ok(None)
}

/// Set when a signal asks to end.
fn stop_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&stop)).context("listening for signals")?;
    }
    Ok(stop)
}

/// What became of it; the recorder's own words come first.
fn outcome(shown: Result<(End, u64), MonitorError>, recorded: Option<ExitCode>) -> Result<Outcome> {
    let failed = recorded.is_some_and(|code| code != ExitCode::SUCCESS);
    let (end, left_out) = match shown {
        // The recorder said why there is no stream.
        Err(MonitorError::Read { .. }) if failed => return Ok(Outcome::Exit(recorded.unwrap_or(ExitCode::from(2)))),
        other => other?,
    };
    if left_out > 0 {
        errors::warn(format_args!("the output was too slow for {left_out} intervals: they were left out"));
    }
    if let End::BrokenOff { at } = end
        && recorded.is_none()
    {
        errors::warn(format_args!("the stream breaks off after {} bytes, before the end of the record", at.0));
        return Ok(Outcome::Partial);
    }
    Ok(recorded.map_or(Outcome::Fine, Outcome::Exit))
}
