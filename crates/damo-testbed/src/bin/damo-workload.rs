//! The program to be monitored: runs a masim configuration on its own memory, alone or with children, and writes down
//! what it really did. Options are named as masim's where masim has them.

use anyhow::{Context, Result};
use clap::Parser;
use damo_format::{Kind, NewFile, Rules};
use damo_model::human::{Style, format_nr};
use damo_sim::Workload;
use damo_testbed::phases;
use damo_testbed::run::{Options, PhaseDone, run};
use damo_testbed::truth::Truth;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::thread;
use std::time::Duration;

/// Access memory in phases, as a masim configuration says.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// masim configuration: regions, then phases with their access patterns
    #[arg(required_unless_present_any = ["wake_every", "phases"])]
    config: Option<PathBuf>,
    /// Print the configuration as it was understood
    #[arg(short = 'p', long = "pr_config")]
    print_config: bool,
    /// Read the configuration and say what would be done, without any access
    #[arg(short, long = "dry_run")]
    dry_run: bool,
    /// Do not print a line per phase
    #[arg(short, long, alias = "silent")]
    quiet: bool,
    /// Run all phases this often
    #[arg(short = 'c', long, default_value_t = 1)]
    repeat: u32,
    /// Accesses between two looks at the clock
    #[arg(long = "nr_accesses_per_region", default_value_t = 131_072, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Pause after each of those, in microseconds; without it a whole CPU is kept busy
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0)]
    rest: u64,
    /// Start of the pseudo-random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write down what was accessed when, as JSON lines (a child N adds .N to the name)
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Start this many child processes that do the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    children: u32,
    /// Time between the starts of children, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    child_delay: u64,
    /// Access nothing but wake up this often, in microseconds, until killed: makes a CPU switch address spaces, without
    /// which an emulated CPU may never tell of accesses again
    #[arg(long, value_name = "MICROSECONDS", conflicts_with = "config")]
    wake_every: Option<u64>,
    /// Use CPU time in phases, each in a function of its own, and write down when and where, as JSON lines
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    phases: Option<PathBuf>,
    /// How long each of those lasts, in milliseconds
    #[arg(long = "phase_time", value_name = "MILLISECONDS", default_value_t = 3000)]
    phase_time: u64,
    /// In how many threads each of those runs
    #[arg(long = "phase_threads", value_name = "N", default_value_t = 1)]
    phase_threads: usize,
}

fn main() -> ExitCode {
    match work(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("damo-workload: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn work(args: &Args) -> Result<ExitCode> {
    if let Some(every) = args.wake_every {
        loop {
            thread::sleep(Duration::from_micros(every));
        }
    }
    if let Some(path) = &args.phases {
        let mut file = NewFile::create(path, Rules { mode: 0o644, ..Rules::new(Kind::Json) })?.into_log()?;
        phases::run(Duration::from_millis(args.phase_time), args.phase_threads, &mut file)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.config.clone().context("which configuration?")?;
    let name = config.display().to_string();
    let text = std::fs::read_to_string(&config).with_context(|| format!("cannot read {name}"))?;
    let workload = Workload::parse(&text, &name)?;
    if args.print_config {
        print!("{workload}");
    }
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let children = (args.children > 0).then(|| {
        thread::spawn({
            let plan = ChildPlan::new(args, config);
            move || plan.run()
        })
    });
    let mut truth: Box<dyn Write> = match &args.truth {
        Some(path) => Box::new(log(path, args.config.iter().cloned().collect())?),
        None => Box::new(io::sink()),
    };
    let options =
        Options { batch: args.batch, rest: Duration::from_micros(args.rest), repeat: args.repeat, seed: args.seed };
    run(&workload, &options, &mut truth, &mut |done| {
        if !args.quiet {
            println!("{}", phase_line(done));
        }
    })?;
    let all_well = match children {
        Some(thread) => thread.join().map_err(|_| anyhow::anyhow!("the thread that starts children panicked"))??,
        None => true,
    };
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Begins a log. It replaces an earlier one; other files and the configuration stay.
fn log(path: &Path, inputs: Vec<PathBuf>) -> Result<File> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64 << 10).read_to_end(&mut head));
    // A log begins with its process; text without a whole line has none.
    let is_log = read.is_ok() && Truth::read(&head[..]).is_ok_and(|truth| truth.clock.is_some());
    // Nothing in it is private, and other users' scripts read it.
    let rules = Rules { inputs, force: is_log, mode: 0o644, ..Rules::new(Kind::Json) };
    Ok(NewFile::create(path, rules)?.into_log()?)
}

/// What children are started with: this program and its arguments, without those about children.
struct ChildPlan {
    count: u32,
    delay: Duration,
    config: PathBuf,
    truth: Option<PathBuf>,
    options: Vec<String>,
}

impl ChildPlan {
    fn new(args: &Args, config: PathBuf) -> ChildPlan {
        let mut options = Vec::new();
        for (name, value) in [
            ("--repeat", u64::from(args.repeat)),
            ("--nr_accesses_per_region", args.batch),
            ("--rest", args.rest),
            ("--seed", args.seed),
        ] {
            options.extend([name.to_owned(), value.to_string()]);
        }
        ChildPlan {
            count: args.children,
            delay: Duration::from_millis(args.child_delay),
            config,
            truth: args.truth.clone(),
            options,
        }
    }

    /// Starts all children and waits for them. Whether all ended well.
    fn run(&self) -> Result<bool> {
        let mut children: Vec<Child> = Vec::new();
        for number in 1..=self.count {
            thread::sleep(self.delay);
            let mut command = Command::new("/proc/self/exe");
            command.arg("--quiet").args(&self.options).arg(&self.config);
            if let Some(truth) = &self.truth {
                command.arg("--truth").arg(numbered(truth, number));
            }
            children.push(command.spawn().with_context(|| format!("cannot start child {number}"))?);
        }
        let mut all_well = true;
        for mut child in children {
            all_well &= child.wait().context("cannot wait for a child")?.success();
        }
        Ok(all_well)
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// As masim says it: `initial phase:               123,456 accesses/msec, 10000 msecs run`.
fn phase_line(done: &PhaseDone) -> String {
    let millis = u64::try_from(done.took.0 / 1_000_000).unwrap_or(0);
    let rate = format_nr((done.accesses / millis.max(1)).into(), Style::Human);
    format!("{}:\t{rate:>20} accesses/msec, {millis} msecs run", done.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use damo_model::Nanos;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_phase_is_told_in_masims_words() {
        let done = PhaseDone { name: "phase 0".to_owned(), took: Nanos::from_millis(2000), accesses: 2_469_134_000 };
        assert_eq!(phase_line(&done), "phase 0:\t           1,234,567 accesses/msec, 2000 msecs run");
    }

    #[test]
    fn a_log_replaces_an_earlier_log_but_no_other_file_and_not_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let (truth, config) = (dir.path().join("a.truth"), dir.path().join("a.cfg"));
        std::fs::write(&config, "a, 10").unwrap();
        for _ in 0..2 {
            let clock = damo_kernel::procfs::clock_pair();
            let event = damo_testbed::truth::Event::Process { pid: 1, workload: "w".into(), clock };
            damo_testbed::truth::write_event(&mut log(&truth, vec![config.clone()]).unwrap(), &event).unwrap();
            assert_eq!(std::fs::read_to_string(&truth).unwrap().lines().count(), 1);
        }
        assert!(log(&config, vec![config.clone()]).unwrap_err().to_string().contains("is what is read here"));
        std::fs::write(&truth, "dear diary").unwrap();
        assert!(log(&truth, Vec::new()).is_err());
        assert_eq!(std::fs::read_to_string(&truth).unwrap(), "dear diary");
    }

    #[test]
    fn a_childs_log_has_its_number() {
        assert_eq!(numbered(Path::new("log/truth.json"), 3), Path::new("log/truth.json.3"));
    }
}
