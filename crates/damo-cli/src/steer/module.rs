//! `damo module`, `damo reclaim`, `damo lru_sort`.

use super::explained;
use crate::args::module::{ModuleAction, ModuleActionArgs, ModuleArgs};
use crate::error::{CliError, UsageError, usage};
use crate::messages;
use damo_kernel::sysfs::Module;
use damo_model::human::Show;
use damo_steer::show::print;
use damo_steer::{Machine, SteerError, modules};
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Shows, switches or sets modules.
///
/// # Errors
/// If the kernel has no such module, or refuses.
pub(crate) fn module(args: &ModuleArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    one_module(args.module.map(Module::from), &args.action, out)
}

/// The same for one module, or for all without one.
///
/// # Errors
/// As [`module`].
pub(crate) fn one_module(
    module: Option<Module>,
    args: &ModuleActionArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let machine = Machine::at(&args.root);
    run(&machine, module, args, out).map_err(|error| explained(&machine, error))
}

fn run(
    machine: &Machine,
    module: Option<Module>,
    args: &ModuleActionArgs,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let action = args.action.unwrap_or(ModuleAction::Show);
    let mut changes = changes(&args.parameters)?;
    let (module, on) = match (action, module) {
        (ModuleAction::Show | ModuleAction::Disable, _) if !changes.is_empty() => {
            return Ok(usage("parameters are for `enable` and `set`: damo module reclaim set min_age=30s")?);
        }
        (ModuleAction::Set, _) if changes.is_empty() => {
            return Ok(usage("nothing to set: name parameters as PARAMETER=VALUE, such as min_age=30s")?);
        }
        (ModuleAction::Show, module) => return show(machine, module, args.json, out),
        (_, None) => return Ok(usage("which module? name stat, reclaim or lru_sort")?),
        (ModuleAction::Enable, Some(module)) => (module, Some(true)),
        (ModuleAction::Disable, Some(module)) => (module, Some(false)),
        (ModuleAction::Set, Some(module)) => (module, switch(&mut changes)?),
    };
    machine.set_module(module, &changes, on)?;
    let now = machine.sysfs.module(module).map_err(SteerError::from)?;
    messages::done(format_args!("{}: {}", now.module, modules::state(&now)));
    Ok(ExitCode::SUCCESS)
}

fn show(machine: &Machine, module: Option<Module>, json: bool, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let found = match module {
        Some(module) => vec![machine.sysfs.module(module).map_err(SteerError::from)?],
        None => machine.sysfs.modules(),
    };
    let text = if json {
        let all: Vec<Value> = found.iter().map(modules::to_json).collect();
        format!("{:#}", json!({ "modules": all }))
    } else if found.is_empty() {
        "this kernel has no module that uses DAMON".to_owned()
    } else {
        found.iter().flat_map(modules::describe).collect::<Vec<_>>().join("\n")
    };
    print(out, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// `NAME=VALUE` each, or names and values in turn, as in the Python tool's `module stat write enabled N`.
fn changes(words: &[String]) -> Result<Vec<(String, String)>, UsageError> {
    let in_turn = words.len().is_multiple_of(2) && words.iter().step_by(2).all(|word| !word.contains('='));
    let pair = |word: &str, value: &str| (word.replace('-', "_"), value.to_owned());
    if in_turn {
        return Ok(words.chunks_exact(2).map(|both| pair(&both[0], &both[1])).collect());
    }
    let change = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(pair(name, value)),
        _ => usage(format!("'{}' is no parameter: write PARAMETER=VALUE, such as min_age=30s", word.shown())),
    };
    words.iter().map(change).collect()
}

/// Takes `enabled` out of the changes: it is no parameter like the others, since the module must have come up or gone.
fn switch(changes: &mut Vec<(String, String)>) -> Result<Option<bool>, UsageError> {
    let Some(at) = changes.iter().position(|(name, _)| name == "enabled") else { return Ok(None) };
    match changes.remove(at).1.as_str() {
        "Y" | "y" | "1" => Ok(Some(true)),
        "N" | "n" | "0" => Ok(Some(false)),
        word => usage(format!("enabled is Y or N, not '{}'", word.shown())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};
    use damo_kernel::Root;
    use damo_kernel::sysfs::MemorySysfs;
    use damo_steer::notes::NoteStore;
    use std::sync::Arc;

    #[test]
    fn parameters_are_set_with_an_equals_sign_or_in_the_words_of_the_python_tool() {
        let notes = tempfile::tempdir().unwrap();
        let fake = Arc::new(MemorySysfs::new((7, 3)));
        fake.put_module("damon_stat", &[("enabled", "Y")], &[]);
        fake.put_module("damon_reclaim", &[("enabled", "N"), ("min_age", "120000000"), ("quota_ms", "10")], &[]);
        let machine = Machine::new(Root::with_io(fake.clone()), NoteStore::new(notes.path()));
        let typed = |line: &str| {
            let parser = ModuleArgs::augment_args(Command::new("module").no_binary_name(true));
            let args = ModuleArgs::from_arg_matches(&parser.get_matches_from(line.split_whitespace())).unwrap();
            run(&machine, args.module.map(Module::from), &args.action, &mut Vec::new())
                .map_err(|error| error.to_string())
        };
        let parameter = |name: &str| fake.files()[&format!("sys/module/{name}")].clone();
        typed("stat write enabled N").unwrap();
        assert_eq!(parameter("damon_stat/parameters/enabled"), "N");
        typed("reclaim write min_age 30s quota_ms 20").unwrap();
        assert_eq!(parameter("damon_reclaim/parameters/min_age"), "30000000");
        assert_eq!(parameter("damon_reclaim/parameters/quota_ms"), "20");
        typed("reclaim set quota_ms=5 enabled=Y").unwrap();
        assert_eq!(parameter("damon_reclaim/parameters/quota_ms"), "5");
        assert_eq!(parameter("damon_reclaim/parameters/enabled"), "Y");
        for (wrong, named) in [("reclaim set min_age", "min_age"), ("reclaim set enabled=maybe", "maybe")] {
            assert!(typed(wrong).unwrap_err().contains(named), "{wrong}");
        }
    }
}
