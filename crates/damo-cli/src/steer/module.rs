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
pub fn module(args: &ModuleArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    one_module(args.module.map(Module::from), &args.action, out)
}

/// The same for one module, or for all without one.
///
/// # Errors
/// As [`module`].
pub fn one_module(module: Option<Module>, args: &ModuleActionArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
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
    let changes = args.parameters.iter().map(|word| change(word)).collect::<Result<Vec<_>, _>>()?;
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
        (ModuleAction::Set, Some(module)) => (module, None),
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

/// `NAME=VALUE`.
fn change(word: &str) -> Result<(String, String), UsageError> {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.replace('-', "_"), value.to_owned())),
        _ => usage(format!("'{}' is no parameter: write PARAMETER=VALUE, such as min_age=30s", word.shown())),
    }
}
