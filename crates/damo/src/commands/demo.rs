//! `damo demo`: the whole way of the data in one command, for a first look where there is no DAMON and no root.

use crate::errors::Outcome;
use crate::output::{self, ColorWhen};
use anyhow::{Context, Result, bail};
use clap::Args;
use damo_frame::{OpenOptions, Record};
use std::fs;
use std::path::{Path, PathBuf};

mod workload;

/// Arguments of `damo demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Directory for the record and its pictures
    #[arg(value_name = "DIR", default_value = "damo-demo")]
    directory: PathBuf,
    /// Record a simulated workload instead of a process
    #[arg(long)]
    simulate: bool,
    /// Seed of the simulation: same seed, same record
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Be the process that is recorded
    #[arg(long, hide = true)]
    workload: bool,
}

/// Records a staircase, shows it, and writes its pictures.
///
/// # Errors
/// If the directory cannot be written.
pub(crate) fn run(args: &DemoArgs) -> Result<Outcome> {
    if args.workload {
        return workload::run().map(|()| Outcome::Fine);
    }
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    let record = directory.join("damon.damo");
    let recorded = if args.simulate { None } else { Some(record_process(&record)) };
    if let Some(Err(error)) = &recorded {
        step(&format!("This machine does not tell which pages of a process are referenced: {error:#}"))?;
    }
    if !matches!(recorded, Some(Ok(()))) {
        simulate(&record, args.seed)?;
    }
    for (why, line) in [
        ("What is in the record:", "info"),
        ("When was which memory how hot; the staircase is the workload's phases:", "report heats"),
        ("How much memory was in use at a time, as percentiles over the snapshots:", "report wss --range 0 101 10"),
        ("The same as pictures:", "report heats --heatmap heats.png"),
        ("", "report heats --heatmap heats.svg"),
        ("", "report wss --sortby time --range 0 101 1 --plot wss.png"),
        ("", "report footprints rss --sortby time --range 0 101 1 --plot footprints.png"),
    ] {
        if !why.is_empty() {
            step(why)?;
        }
        command(line, directory, &record)?;
    }
    step(
        "Now on a program of yours; as root DAMON sees it, also within mappings:\n\n    damo record $(pidof app)\n    damo report heats",
    )?;
    Ok(Outcome::Fine)
}

/// Records a process of this program by its referenced pages, which needs neither DAMON nor root.
///
/// # Errors
/// If this machine does not tell them, or the record cannot be written.
fn record_process(record: &Path) -> Result<()> {
    let program = text(&std::env::current_exe().context("the path of this program is not known")?);
    step(&format!(
        "A process touches {} areas of its memory one after the other, for {} ms each. Which of its pages are referenced is read \
         from /proc meanwhile:",
        workload::AREAS,
        workload::PHASE.as_millis()
    ))?;
    let how = ["record", "--source", "referenced", "-s", "30ms", "-a", "300ms", "-o", &text(record)].map(str::to_owned);
    let what = ["--", &program, "demo", "--workload"].map(str::to_owned);
    say_command(&[&how[..], &what[..]].concat())?;
    type_command(how.into_iter().chain(["--quiet".to_owned()]).chain(what))?;
    if Record::open(record, &OpenOptions::default())?.time_span().is_none() {
        bail!("nothing of the process was seen");
    }
    Ok(())
}

/// Records the staircase as the embedded monitor sees it.
fn simulate(record: &Path, seed: u64) -> Result<()> {
    step(
        "A workload touches ten areas of 10 MB one after the other. DAMON's algorithm watches it, simulated, for a minute:",
    )?;
    let words = ["record", "--simulate", "stairs", "--seed", &seed.to_string(), "-o", &text(record)].map(str::to_owned);
    say_command(&words)?;
    type_command(words.into_iter().chain(["--quiet".to_owned()]))
}

/// Runs one of our own commands, as the user would type it.
fn type_command(words: impl IntoIterator<Item = String>) -> Result<()> {
    let typed = std::iter::once("damo".to_owned()).chain(words).map(Into::into);
    super::run(crate::cli::parse(typed)?.command)?;
    Ok(())
}

/// Runs one of our own commands on the record; pictures go to the directory.
fn command(line: &str, directory: &Path, record: &Path) -> Result<()> {
    let is_picture = |word: &str| word.ends_with(".png") || word.ends_with(".svg");
    let word = |word: &str| if is_picture(word) { text(&directory.join(word)) } else { word.to_owned() };
    let mut words: Vec<String> = line.split(' ').map(word).collect();
    words.extend(["-i".into(), text(record)]);
    say_command(&words)?;
    type_command(words)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn step(what: &str) -> Result<()> {
    output::to_stdout(|out| Ok(writeln!(out, "\n{what}")?))
}

/// The command line, as the user could type it.
fn say_command(words: &[impl AsRef<str>]) -> Result<()> {
    let line: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let (on, off) = match output::depth(ColorWhen::Auto) {
        damo_report::heats::Depth::Plain => ("", ""),
        _ => ("\x1b[1m", "\x1b[0m"),
    };
    output::to_stdout(|out| Ok(writeln!(out, "{on}$ damo {}{off}\n", line.join(" "))?))
}
