//! `damo demo`: the whole way of the data in one command, for a first look where there is no DAMON and no root.

use crate::errors::Outcome;
use crate::output::{self, ColorWhen};
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `damo demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Directory for the record and its pictures
    #[arg(value_name = "DIR", default_value = "damo-demo")]
    directory: PathBuf,
    /// Seed of the simulation: same seed, same record
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Records the staircase, shows it, and writes its pictures.
///
/// # Errors
/// If the directory cannot be written.
pub(crate) fn run(args: &DemoArgs) -> Result<Outcome> {
    let directory = &args.directory;
    fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    let record = directory.join("damon.damo");
    let seed = args.seed.to_string();
    step(
        "A workload touches ten areas of 10 MB one after the other. DAMON's algorithm watches it, simulated, for a minute:",
    )?;
    say_command(&["record", "--simulate", "stairs", "--seed", &seed, "-o", &text(&record)])?;
    let recording = damo_cli::args::RecordArgs {
        simulate: vec!["stairs".into()],
        seed: args.seed,
        out: record.clone(),
        quiet: true,
        ..damo_cli::args::RecordArgs::default()
    };
    damo_cli::record(&recording)?;
    for (why, words) in [
        ("What is in the record:", vec!["info"]),
        ("When was which memory how hot; the staircase is the workload's phases:", vec!["report", "heats"]),
        (
            "How much memory was in use at a time, as percentiles over the snapshots:",
            vec!["report", "wss", "--range", "0", "101", "10"],
        ),
        ("The same as pictures:", vec!["report", "heats", "--heatmap", "heats.png"]),
        ("", vec!["report", "heats", "--heatmap", "heats.svg"]),
        ("", vec!["report", "wss", "--sortby", "time", "--range", "0", "101", "1", "--plot", "wss.png"]),
        (
            "",
            vec![
                "report",
                "footprints",
                "rss",
                "--sortby",
                "time",
                "--range",
                "0",
                "101",
                "1",
                "--plot",
                "footprints.png",
            ],
        ),
    ] {
        if !why.is_empty() {
            step(why)?;
        }
        command(&words, directory, &record)?;
    }
    step("Now on a real program, as root:\n\n    damo record $(pidof app)\n    damo report heats")?;
    Ok(Outcome::Fine)
}

/// Runs one of our own commands on the record, as the user would type it; pictures go to the directory.
fn command(words: &[&str], directory: &Path, record: &Path) -> Result<()> {
    let mut words: Vec<String> = words
        .iter()
        .map(|word| {
            if word.ends_with(".png") || word.ends_with(".svg") { text(&directory.join(word)) } else { (*word).into() }
        })
        .collect();
    words.extend(["-i".into(), text(record)]);
    say_command(&words)?;
    let typed = std::iter::once("damo".to_owned()).chain(words).map(Into::into);
    super::run(crate::cli::parse(typed)?.command)?;
    Ok(())
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
