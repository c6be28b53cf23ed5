//! `damo symbolize`: names of functions for the CPU profile of a record.

use crate::destination::{Destination, FileType};
use crate::edits::{self, History, OutputArgs};
use crate::errors::{self, Outcome};
use crate::inputs::Inputs;
use anyhow::{Result, bail};
use clap::Args;
use damo_cli::Request;
use damo_frame::profile::Profile;
use damo_frame::{OpenOptions, Record};
use damo_model::human::{Show, count_text};
use damo_model::profile::Symbols;
use damo_model::{Item, Side, Sink, Stamp};
use damo_profile::{ModuleOutcome, OwnFiles, Places, SampledCode, Symbolizer};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the new record goes if no name is given.
const DEFAULT: &str = "damon.symbolized.damo";
/// Files without names that are told one by one.
const MOST_PROBLEMS: usize = 12;

/// Arguments of `damo symbolize`.
#[derive(Args, Debug)]
#[command(
    after_help = "Names come from the files that ran, wherever their build ids are right: debug information (with inlined \
                  functions and source lines), else symbol tables, of the files themselves, of debug files below \
                  /usr/lib/debug by build id or debug link; from /proc/kallsyms for the kernel, if it has not been started \
                  again since; and from /tmp/perf-PID.map for code that a JIT compiler made. `damo record --profile` does \
                  this at its end; do it again after debug symbols were installed, or elsewhere with --symfs.\n\n\
                  Examples:\n  damo symbolize app.damo -o app.named.damo\n  damo symbolize app.damo --symfs /mnt/target -o app.named.damo"
)]
pub(crate) struct SymbolizeArgs {
    /// The record [default: damon.damo, then damon.data]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    places: PlacesArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Where names are looked for.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PlacesArgs {
    /// A directory with files of the machine that was recorded, at their paths below it; looked at first (repeatable)
    #[arg(long, value_name = "DIR", help_heading = "Names")]
    symfs: Vec<PathBuf>,
    /// A directory with debug files, by build id (.build-id/ab/cdef.debug) or by path (repeatable)
    #[arg(long = "debug_dir", value_name = "DIR", default_value = "/usr/lib/debug", help_heading = "Names")]
    debug_dirs: Vec<PathBuf>,
    /// The kernel's symbols, as /proc/kallsyms of the recorded kernel had them
    #[arg(long, value_name = "FILE", help_heading = "Names")]
    kallsyms: Option<PathBuf>,
}

/// Symbolizes.
///
/// # Errors
/// If the record has no profile, cannot be read, or the new one cannot be written.
pub(crate) fn run(args: &SymbolizeArgs) -> Result<Outcome> {
    let opened = args.inputs.known.open_profiles(&args.inputs.paths(&args.files)?)?;
    if opened.records.len() > 1 {
        bail!("names are added to one record at a time, and {} are named", opened.records.len());
    }
    let mut late = Outcome::Fine;
    for record in &opened.records {
        let Some(profile) = Profile::of(record)? else {
            bail!("{}: the record has no CPU profile; record with `damo record --profile`", record.name());
        };
        let (symbols, outcomes) = look_up(record, &profile, &args.places);
        args.output.write(DEFAULT, |out| {
            let mut out = History::new("names added", out);
            late = edits::pass(record, &mut out)?;
            for symbols in symbols {
                out.put(&Item::Side(symbols))?;
            }
            Ok(())
        })?;
        let path = args.output.path(DEFAULT);
        tell(Some(&path.shown().to_string()), &outcomes);
    }
    Ok(edits::outcome(&opened, late))
}

/// Adds names to a record that was just made with `--profile`, in its place. The recording was a success, whatever becomes of
/// the names: problems are warnings.
pub(crate) fn after_recording(request: &Request) {
    let Some(path) = request.output.path.as_deref().filter(|_| request.profile.is_some()) else { return };
    let is_one_file = !request.output.rotation.is_on() && request.output.keep.is_none();
    if !is_one_file || !path.is_file() {
        errors::note(format_args!("`damo symbolize FILE` adds names of functions to each file of the recording"));
        return;
    }
    if let Err(error) = add_names(path, request.quiet) {
        errors::warn(format_args!(
            "{}: no names were added to the profile: {error:#}; the record is whole without them, and `damo symbolize {0}` \
             tries again",
            path.shown()
        ));
    }
}

fn add_names(path: &Path, quiet: bool) -> Result<()> {
    let record = Record::open(path, &OpenOptions::default())?;
    let Some(profile) = Profile::of(&record)? else { return Ok(()) };
    let (symbols, outcomes) = look_up(&record, &profile, &PlacesArgs::default());
    if !symbols.is_empty() {
        let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
        let mut out = Destination::create(path, FileType::Damo, true, mode)?;
        edits::pass(&record, &mut out)?;
        for symbols in symbols {
            out.put(&Item::Side(symbols))?;
        }
        out.finish()?;
    }
    if !quiet {
        tell(None, &outcomes);
    }
    Ok(())
}

/// Names for a report of a foreign record, which has none: those of files that are here. Whether the kernel and the processes
/// are those of the record is not known.
pub(crate) fn names_of_foreign(record: &Record) -> Result<Vec<Symbols>> {
    if !record.is_imported() {
        return Ok(Vec::new());
    }
    let Some(profile) = Profile::of(record)? else { return Ok(Vec::new()) };
    let (sides, _) = look_up(record, &profile, &PlacesArgs::default());
    let symbols =
        sides.into_iter().filter_map(|side| if let Side::Symbols(symbols) = side { Some(symbols) } else { None });
    Ok(symbols.collect())
}

/// Looks up all code of a record's profile.
fn look_up(record: &Record, profile: &Profile, args: &PlacesArgs) -> (Vec<Side>, Vec<ModuleOutcome>) {
    let mut places = Places {
        symfs: args.symfs.clone(),
        debug_dirs: args.debug_dirs.clone(),
        kallsyms: args.kallsyms.clone(),
        ..Places::default()
    };
    if args.debug_dirs.is_empty() {
        places.debug_dirs = Places::default().debug_dirs;
    }
    if !is_of_this(&record.meta().boot_id, "random/boot_id") {
        // Processes and addresses of another boot mean nothing here: only files do, and these by their paths.
        places.proc = None;
    }
    let host = record.meta().host.as_str();
    if places.proc.is_none() && !host.is_empty() && !is_of_this(host, "hostname") {
        places.own_files = OwnFiles::WithBuildId;
    }
    let symbolizer = Symbolizer::new(places);
    let at = Stamp::Record(profile.time_span().map(|span| span.end).unwrap_or_default());
    let mut all = Vec::new();
    let mut outcomes = Vec::new();
    for (module, addresses) in profile.code() {
        let code = SampledCode {
            module: module.module,
            kind: module.kind,
            pids: module.pids.into_iter().collect(),
            addresses: addresses.into_iter().collect(),
        };
        let (symbols, outcome) = symbolizer.symbols(&code, at);
        all.extend(symbols.into_iter().map(Side::Symbols));
        outcomes.push(outcome);
    }
    (all, outcomes)
}

/// Whether what a record says of the machine is what this machine says of itself in a file of `/proc/sys/kernel`: `hostname`,
/// or `random/boot_id`, which changes when it is started again.
fn is_of_this(said: &str, file: &str) -> bool {
    let own = std::fs::read_to_string(Path::new("/proc/sys/kernel").join(file)).unwrap_or_default();
    !own.trim().is_empty() && own.trim() == said
}

/// Says what got names and what did not.
fn tell(path: Option<&str>, outcomes: &[ModuleOutcome]) {
    let sum = |pick: fn(&ModuleOutcome) -> usize| outcomes.iter().map(pick).sum::<usize>();
    let (named, addresses) = (sum(|outcome| outcome.named), sum(|outcome| outcome.addresses));
    let files = count_text(outcomes.len() as u64, "file");
    let path = path.map(|path| format!("{path}: ")).unwrap_or_default();
    errors::done(format_args!("{path}{named} of {addresses} addresses in {files} have names"));
    let problems: Vec<&ModuleOutcome> = outcomes.iter().filter(|outcome| outcome.problem.is_some()).collect();
    for outcome in problems.iter().take(MOST_PROBLEMS) {
        let Some(problem) = &outcome.problem else { continue };
        let name = if outcome.module.name.is_empty() { "memory without a file" } else { &outcome.module.name };
        let missing = outcome.addresses.saturating_sub(outcome.named);
        errors::note(format_args!(
            "{}: {missing} of {} addresses have no name: {}",
            name.shown(),
            outcome.addresses,
            problem.to_string().shown()
        ));
    }
    if problems.len() > MOST_PROBLEMS {
        errors::note(format_args!("{} more files have no names", problems.len() - MOST_PROBLEMS));
    }
}
