//! What help and completion have in common for all commands: values that are one of a list, and a short help that fits a
//! screen.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};

/// A value that is one of `names`, and what `parse` makes of it. Completion offers the names; help lists them, and so does
/// the error for any other word.
pub fn named<T: Clone + Send + Sync + 'static, E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
    names: impl IntoIterator<Item = &'static str>,
    parse: fn(&str) -> Result<T, E>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names).try_map(move |name| parse(&name))
}

/// Any word, of which help and completion offer `names`.
pub fn offered(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = OsString> {
    Offered(names.into_iter().collect())
}

#[derive(Clone)]
struct Offered(Vec<&'static str>);

impl TypedValueParser for Offered {
    type Value = OsString;

    fn parse_ref(&self, _: &Command, _: Option<&Arg>, value: &OsStr) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|name| PossibleValue::new(*name))))
    }
}

/// Commands with more visible options than this show only [`COMMON`] ones in their short help.
const FEW: usize = 16;

/// Options that most users need, by their ids. `--help` shows all.
const COMMON: [&str; 39] = [
    "targets",
    "command",
    "cgroup",
    "sample",
    "aggr",
    "minr",
    "maxr",
    "schemes",
    "damos_action",
    "damos_access_rate",
    "damos_age",
    "damos_sz_region",
    "dry_run",
    "what_if",
    "goal",
    "out",
    "output",
    "force",
    "keep",
    "timeout",
    "simulate",
    "exclude_child_tasks",
    "quiet",
    "files",
    "words",
    "input",
    "format",
    "plot",
    "time_range",
    "address",
    "pid",
    "range",
    "sortby",
    "style",
    "plain",
    "json_lines",
    "interval",
    "count",
    "speed",
];

/// Makes `-h` short, here and in all subcommands: without examples, and with the common options only where there are many.
/// `--help` shows everything.
#[must_use]
pub fn with_short_help(mut command: Command) -> Command {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_positional()).count();
    if shown > FEW {
        command = command.mut_args(|arg| {
            let common = arg.is_positional() || COMMON.contains(&arg.get_id().as_str());
            if common { arg } else { arg.hide_short_help(true) }
        });
    }
    if let Some(text) = command.get_after_help().cloned() {
        let more = if shown > FEW { "More options and examples: --help" } else { "Examples and details: --help" };
        command = command.after_long_help(text).after_help(more);
    } else if shown > FEW {
        command = command.after_help("More options: --help").after_long_help("");
    }
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_short_help))
}
