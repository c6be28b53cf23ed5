//! What DAMON is set up to: targets, monitoring parameters and schemes of one kdamond, or of several with the Python tool's
//! markers. `--kdamond` begins a kdamond, `--damon_ctx` its context, `--damon_target` a target; options behind a marker belong
//! to what it began. (`--damos_scheme` and `--probe` are [`DamosArgs`]' and [`ProbeArgs`](super::probes::ProbeArgs)'.)

use super::counts::{COUNTS, with_markers};
use super::{DamosArgs, MonitorArgs};
use crate::error::{UsageError, usage};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use damo_model::kdamond::Kdamond;
use damo_model::scheme::Scheme;
use damo_steer::plan::{KdamondSpec, Monitoring, TargetSpec};

/// The markers, and their help.
const MARKERS: [(&str, &str); 3] = [
    ("kdamond", "Begin another kdamond: the options behind it are for this one, up to the next"),
    ("damon_ctx", "Begin the context of a kdamond; may be left out"),
    ("damon_target", "Begin another target of the same context"),
];
/// Options that say what a target is; all others are a context's.
pub(super) const OF_TARGET: [&str; 9] =
    ["targets", "target_pid", "cgroup", "comm", "exe", "min_rss", "top", "numa_node", "regions"];

/// Targets, monitoring parameters and schemes.
#[derive(Clone, Debug, Default)]
pub struct SetupArgs {
    /// Targets and monitoring parameters; with several kdamonds only what holds for all of them.
    pub monitor: MonitorArgs,
    /// Schemes; with several kdamonds none.
    pub damos: DamosArgs,
    /// With markers: the kdamonds.
    kdamonds: Vec<TypedKdamond>,
}

/// What was typed of one kdamond.
#[derive(Clone, Debug)]
struct TypedKdamond {
    /// One for each target. Each has the context's parameters as well.
    targets: Vec<MonitorArgs>,
    damos: DamosArgs,
    /// Whether there is nothing but words that belong to no option.
    is_word: bool,
}

impl SetupArgs {
    /// What to monitor; `None` without any target.
    ///
    /// # Errors
    /// A sentence on the contradiction.
    pub(crate) fn targets(&self) -> Result<Option<TargetSpec>, UsageError> {
        if self.kdamonds.is_empty() {
            return self.monitor.targets();
        }
        let kdamonds = self.kdamonds.iter().map(TypedKdamond::spec).collect::<Result<_, _>>()?;
        Ok(Some(TargetSpec::Several(kdamonds)))
    }

    /// How many kinds of targets are named.
    pub(crate) fn kinds(&self) -> usize {
        if self.kdamonds.is_empty() { self.monitor.kinds() } else { 1 }
    }

    /// Whether a target is named.
    pub(crate) fn names_targets(&self) -> bool {
        let several = self.kdamonds.iter().flat_map(|kdamond| &kdamond.targets);
        self.monitor.names_targets() || several.into_iter().any(MonitorArgs::names_targets)
    }

    /// Leaves out the first word behind the options if it is this one.
    pub(crate) fn without_word(&mut self, word: &str) {
        let several = self.kdamonds.first_mut().and_then(|kdamond| kdamond.targets.first_mut());
        let targets = &mut several.unwrap_or(&mut self.monitor).targets;
        if targets.first().is_some_and(|first| first == word) {
            targets.remove(0);
        }
        self.kdamonds.retain(|kdamond| !kdamond.is_word || kdamond.targets.iter().any(MonitorArgs::names_targets));
    }

    /// The monitoring parameters of a single kdamond.
    ///
    /// # Errors
    /// A sentence on what cannot be.
    pub(crate) fn monitoring(&self) -> Result<Monitoring, UsageError> {
        self.monitor.monitoring()
    }

    /// The schemes of a single kdamond; `None` if none were named.
    ///
    /// # Errors
    /// A sentence that names the option or the scheme's field.
    pub(crate) fn schemes(&self) -> Result<Option<Vec<Scheme>>, UsageError> {
        self.damos.schemes()
    }

    /// Whether any monitoring parameter or scheme is named.
    pub(crate) fn gave_parameters(&self) -> bool {
        self.monitor.gave_parameters() || self.damos.is_given() || !self.kdamonds.is_empty() || self.marks()
    }

    /// Whether contexts are to be paused or targets to be removed.
    pub(crate) fn marks(&self) -> bool {
        self.monitor.pause_ctx.is_some() || !self.monitor.obsolete_targets.is_empty()
    }

    /// Pauses the contexts that were named and lets the others go on, and marks targets as obsolete. Numbers go on from one
    /// kdamond to the next.
    ///
    /// # Errors
    /// A sentence on a number of which there is none.
    pub(crate) fn mark(&self, kdamonds: &mut [Kdamond]) -> Result<(), UsageError> {
        let mut contexts: Vec<_> = kdamonds.iter_mut().flat_map(|kdamond| &mut kdamond.contexts).collect();
        if let Some(paused) = &self.monitor.pause_ctx {
            exists("--pause_ctx", "context", paused, contexts.len())?;
            for (at, context) in contexts.iter_mut().enumerate() {
                context.pause = Some(paused.contains(&at));
            }
        }
        let mut targets: Vec<_> = contexts.into_iter().flat_map(|context| &mut context.targets).collect();
        exists("--obsolete_targets", "target", &self.monitor.obsolete_targets, targets.len())?;
        self.monitor.obsolete_targets.iter().for_each(|at| targets[*at].obsolete = true);
        Ok(())
    }

    /// Refuses `--pause_ctx` and `--obsolete_targets` where nothing is changed that runs.
    ///
    /// # Errors
    /// If one of them is given.
    pub(crate) fn refuse_marks(&self) -> Result<(), UsageError> {
        if self.marks() {
            return usage(
                "--pause_ctx and --obsolete_targets are for what runs: a paused context reports nothing, and a target that \
                 is to be removed is best left out; see `damo tune`",
            );
        }
        Ok(())
    }
}

fn exists(option: &str, what: &str, numbers: &[usize], count: usize) -> Result<(), UsageError> {
    match numbers.iter().find(|number| **number >= count) {
        Some(number) => usage(format!("{option}: there is no {what} {number}; there are {count}, counted from 0")),
        None => Ok(()),
    }
}

impl TypedKdamond {
    fn spec(&self) -> Result<KdamondSpec, UsageError> {
        let target = |monitor: &MonitorArgs| match monitor.targets()?.unwrap_or(TargetSpec::PADDR) {
            TargetSpec::Command { .. } | TargetSpec::Kdamonds(_) => usage(
                "with --kdamond, --damon_ctx or --damon_target each target is a process id, paddr, a node or a cgroup",
            ),
            target => Ok(target),
        };
        Ok(KdamondSpec {
            targets: self.targets.iter().map(target).collect::<Result<_, _>>()?,
            monitoring: self.targets.first().map_or_else(|| Ok(Monitoring::default()), MonitorArgs::monitoring)?,
            schemes: self.damos.schemes()?.unwrap_or_default(),
        })
    }
}

/// An option with its words, as it was typed.
pub(super) struct Typed {
    pub(super) id: String,
    pub(super) words: Vec<String>,
}

impl Typed {
    fn args(&self) -> Vec<String> {
        match (self.id.as_str(), &self.words[..]) {
            ("targets", words) => words.to_vec(),
            (id, [word]) if !is_flag(id) => vec![format!("--{id}={word}")],
            (id, _) if is_flag(id) => vec![format!("--{id}")],
            (id, words) => [&[format!("--{id}")], words].concat(),
        }
    }
}

/// Whether an option has no words.
fn is_flag(id: &str) -> bool {
    matches!(id, "monitoring_intervals_autotune" | "damos_scheme" | "probe") || MARKERS.iter().any(|(it, _)| *it == id)
}

/// The options of a single kdamond.
fn single() -> Command {
    DamosArgs::augment_args(MonitorArgs::augment_args(Command::new("damo").no_binary_name(true)))
}

/// Reads options of a single kdamond that were found one by one.
fn read(typed: &[&Typed]) -> Result<(MonitorArgs, DamosArgs), clap::Error> {
    // Words that belong to no option come first, or the option before them would take them.
    let (words, options): (Vec<&Typed>, Vec<&Typed>) = typed.iter().copied().partition(|one| one.id == "targets");
    let args = words.into_iter().chain(options).flat_map(Typed::args);
    let matches = single().try_get_matches_from(args).map_err(without_usage)?;
    let (mut monitor, damos) = (MonitorArgs::from_arg_matches(&matches)?, DamosArgs::from_arg_matches(&matches)?);
    monitor.targets.extend_from_slice(damos.targets());
    Ok((monitor, damos))
}

/// The command that is typed has another usage line than the options of a kdamond alone.
fn without_usage(error: clap::Error) -> clap::Error {
    let text = error.to_string();
    let said = text.trim_start_matches("error: ").split("\n\nUsage").next().unwrap_or_default();
    clap::Error::raw(error.kind(), format!("{said}\n"))
}

crate::own_args!(SetupArgs);

impl SetupArgs {
    fn options(command: Command) -> Command {
        let ids: Vec<clap::Id> = single().get_arguments().map(|arg| arg.get_id().clone()).collect();
        let command = DamosArgs::augment_args(MonitorArgs::augment_args(command));
        // Each kdamond may have each option: which of them has it twice is looked at later.
        let command = ids.into_iter().fold(command, |command, id| {
            command.mut_arg(id, |arg| match arg.get_action() {
                ArgAction::Set => arg.action(ArgAction::Append),
                ArgAction::SetTrue => flag(arg).conflicts_with(clap::builder::Resettable::Reset),
                _ => arg,
            })
        });
        let marker = |(id, help): (&'static str, &'static str)| flag(Arg::new(id).long(id).help(help));
        let command =
            MARKERS.into_iter().fold(command, |command, it| command.arg(marker(it).help_heading("Several kdamonds")));
        let count = |id: &'static str| Arg::new(id).long(id).num_args(1..).action(ArgAction::Append).hide(true);
        COUNTS.into_iter().fold(command, |command, id| command.arg(count(id)))
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let own = single();
        let ids =
            own.get_arguments().map(|arg| arg.get_id().as_str()).chain(MARKERS.iter().map(|(id, _)| *id)).chain(COUNTS);
        let mut typed: Vec<(usize, Typed)> = Vec::new();
        for id in ids.filter(|id| !matches!(*id, "help" | "version")) {
            let found = occurrences(matches, id).into_iter();
            typed.extend(found.map(|(place, words)| (place, Typed { id: id.to_owned(), words })));
        }
        typed.sort_by_key(|(place, _)| *place);
        let typed = with_markers(typed.into_iter().map(|(_, typed)| typed).collect());
        let typed = typed.map_err(|why| clap::Error::raw(ErrorKind::ArgumentConflict, format!("{why}\n")))?;
        if !typed.iter().any(|one| MARKERS.iter().any(|(id, _)| *id == one.id)) {
            let (monitor, damos) = read(&typed.iter().collect::<Vec<_>>())?;
            return Ok(Self { monitor, damos, kdamonds: Vec::new() });
        }
        several(&typed)
    }
}

/// An option without words that may be given several times, each at a place of its own.
pub(super) fn flag(arg: Arg) -> Arg {
    arg.num_args(0)
        .default_missing_value("true")
        .value_parser(clap::builder::BoolishValueParser::new())
        .action(ArgAction::Append)
}

/// The occurrences of an option, each with its words and its place on the command line.
pub(super) fn occurrences(matches: &ArgMatches, id: &str) -> Vec<(usize, Vec<String>)> {
    if !matches!(matches.value_source(id), Some(clap::parser::ValueSource::CommandLine)) {
        return Vec::new();
    }
    let places: Vec<usize> = matches.indices_of(id).into_iter().flatten().collect();
    let mut at = 0;
    let groups = matches.get_raw_occurrences(id).into_iter().flatten();
    groups
        .map(|group| {
            let words: Vec<String> = group.map(|word| word.to_string_lossy().into_owned()).collect();
            let place = places.get(at).copied().unwrap_or_default();
            at += words.len();
            (place, words)
        })
        .collect()
}

/// What was typed with markers.
fn several(typed: &[Typed]) -> Result<SetupArgs, clap::Error> {
    let wrong = |what: &str| Err(clap::Error::raw(ErrorKind::ArgumentConflict, format!("{what}\n")));
    let of_all = |one: &&Typed| matches!(one.id.as_str(), "pause_ctx" | "obsolete_targets");
    let (of_all, typed): (Vec<&Typed>, Vec<&Typed>) = typed.iter().partition(of_all);
    if typed.iter().any(|one| one.id == "kdamonds") {
        return wrong(
            "--kdamonds has whole kdamonds: give it alone, without --kdamond, --damon_ctx and --damon_target",
        );
    }
    let mut kdamonds = Vec::new();
    // What stands ahead of the first --kdamond is one of its own, unless there is nothing.
    for part in typed.split(|one| one.id == "kdamond").enumerate().filter(|(at, part)| *at > 0 || !part.is_empty()) {
        let mut contexts = part.1.split(|one| one.id == "damon_ctx");
        let first = contexts.next().unwrap_or_default();
        let context: Vec<&Typed> = first.iter().chain(contexts.next().unwrap_or_default()).copied().collect();
        if contexts.next().is_some() {
            return wrong("--damon_ctx: kernels take one context per kdamond: begin another one with --kdamond");
        }
        let mut parts: Vec<&[&Typed]> = context.split(|one| one.id == "damon_target").collect();
        let is_of_target = |one: &&&Typed| OF_TARGET.contains(&one.id.as_str());
        if parts.len() > 1 && !parts[0].iter().any(|one| is_of_target(&one)) {
            // Nothing but options of the context ahead of the first target.
            parts.remove(0);
        }
        let others: Vec<&Typed> =
            context.iter().filter(|one| !is_of_target(one) && one.id != "damon_target").copied().collect();
        let target = |part: &[&Typed]| {
            let own = part.iter().filter(|one| is_of_target(one)).copied();
            read(&others.iter().copied().chain(own).collect::<Vec<_>>())
        };
        let read: Vec<(MonitorArgs, DamosArgs)> = parts.into_iter().map(target).collect::<Result<_, _>>()?;
        let damos = read.first().map(|(_, damos)| damos.clone()).unwrap_or_default();
        let targets = read.into_iter().map(|(monitor, _)| monitor).collect();
        let is_word = context.iter().all(|one| one.id == "targets");
        kdamonds.push(TypedKdamond { targets, damos, is_word });
    }
    let (monitor, _) = read(&of_all)?;
    Ok(SetupArgs { monitor, damos: DamosArgs::default(), kdamonds })
}
