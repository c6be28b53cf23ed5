//! Options keep the Python tool's spellings (with `_`); each is understood with `-` as well, and by a unique prefix, as
//! argparse did.

use clap::{ArgMatches, Command};
use damo_model::human::Show;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Turns `--time-range` into `--time_range`, for options anywhere in `command` that are spelt so; what follows `--` is
/// not ours.
pub fn with_underscores(command: &Command, args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut spellings = BTreeSet::new();
    collect(command, &mut spellings);
    let mut ours = true;
    let spelt = |arg: OsString| {
        let Some(text) = arg.to_str().filter(|text| ours && text.starts_with("--")) else { return arg };
        if text == "--" {
            ours = false;
            return arg;
        }
        let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
        let underscored = name[2..].replace('-', "_");
        // A unique prefix will do, as for the other spelling.
        if spellings.iter().any(|spelling| spelling.starts_with(&underscored)) {
            return format!("--{underscored}{value}").into();
        }
        arg
    };
    args.into_iter().map(spelt).collect()
}

/// Matches arguments. A mistake is told with the arguments as they may be shown: clap repeats what it does not
/// understand, and an argument (a file name in a script, say) may hold what a terminal obeys.
///
/// # Errors
/// Clap's own: a mistake, or a request for help or the version.
pub fn matches(command: &Command, args: &[OsString]) -> Result<ArgMatches, clap::Error> {
    command.clone().try_get_matches_from(args).map_err(|error| {
        let shown = args.iter().map(|arg| arg.shown().to_string());
        command.clone().try_get_matches_from(shown).err().unwrap_or(error)
    })
}

/// Long options that are spelt with `_`, anywhere in the tree.
fn collect(command: &Command, into: &mut BTreeSet<String>) {
    for arg in command.get_arguments() {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let longs = arg.get_long().into_iter().chain(aliases).filter(|long| long.contains('_'));
        into.extend(longs.map(str::to_owned));
    }
    command.get_subcommands().for_each(|sub| collect(sub, into));
}
