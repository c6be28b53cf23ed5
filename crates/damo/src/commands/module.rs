//! `damo module`, `damo reclaim`, `damo lru_sort`: the kernel's own users of DAMON.

use crate::errors::{self, Outcome};
use crate::output;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use damo_kernel::Root;
use damo_kernel::sysfs::{Module, ModuleKdamond, Sysfs};
use damo_model::human::Show;
use damo_report::idle::idle_text;
use serde_json::{Map, Value, json};
use std::io::Write;

/// The percentiles of idle times that fit in a line.
const SHOWN_PERCENTILES: [usize; 5] = [0, 25, 50, 75, 100];

/// Arguments of `damo module`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    damo module                              show all modules and their parameters\n  \
    damo module stat enable                  let DAMON_STAT watch the machine (damo report idle shows what it finds)\n  \
    damo module reclaim enable min_age=2min quota_sz=128M\n  \
    damo module reclaim set min_age=30s      change it while it is enabled\n  \
    damo module lru_sort disable")]
pub struct ModuleArgs {
    /// Which module; all are shown if none is named
    #[arg(value_name = "MODULE")]
    module: Option<ModuleName>,
    #[command(flatten)]
    action: ActionArgs,
}

/// What to do with a module.
#[derive(Args, Debug)]
pub struct ActionArgs {
    /// What to do
    #[arg(value_name = "ACTION")]
    action: Option<Action>,
    /// Parameters for `enable` and `set`: times, sizes and percentages may have units
    #[arg(value_name = "PARAMETER=VALUE")]
    parameters: Vec<String>,
    /// Show modules as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModuleName {
    /// DAMON_STAT: idle times and bandwidth of all memory
    Stat,
    /// DAMON_RECLAIM: pages out what is idle
    Reclaim,
    /// DAMON_LRU_SORT: sorts hot and cold memory in the LRU lists
    #[value(name = "lru_sort", alias = "lru-sort")]
    LruSort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Show it and its parameters, which is the default
    #[value(alias = "read", alias = "status")]
    Show,
    /// Set parameters, if any are given, and switch it on
    Enable,
    /// Switch it off
    Disable,
    /// Set parameters; an enabled module takes them at once
    #[value(alias = "write")]
    Set,
}

/// Shows, switches or sets modules.
///
/// # Errors
/// If the kernel has no such module, or refuses.
pub fn run(args: &ModuleArgs) -> Result<Outcome> {
    let module = args.module.map(|name| match name {
        ModuleName::Stat => Module::Stat,
        ModuleName::Reclaim => Module::Reclaim,
        ModuleName::LruSort => Module::LruSort,
    });
    run_on(&Root::host(), module, &args.action)
}

/// The same for one module, for `damo reclaim` and `damo lru_sort`.
///
/// # Errors
/// As [`run`].
pub fn run_one(module: Module, args: &ActionArgs) -> Result<Outcome> {
    run_on(&Root::host(), Some(module), args)
}

fn run_on(root: &Root, module: Option<Module>, args: &ActionArgs) -> Result<Outcome> {
    let sysfs = Sysfs::new(root);
    let action = args.action.unwrap_or(Action::Show);
    if action == Action::Show {
        if !args.parameters.is_empty() {
            bail!("parameters are set with `enable` or `set`: damo module MODULE set {}", args.parameters.join(" "));
        }
        let found = match module {
            Some(module) => vec![sysfs.module(module)?],
            None => sysfs.modules(),
        };
        output::to_stdout(|out| if args.json { show_json(&found, out) } else { show(&found, out) })?;
        return Ok(Outcome::Fine);
    }
    let Some(module) = module else { bail!("which module? name stat, reclaim or lru_sort") };
    let changes = args.parameters.iter().map(|word| change(word)).collect::<Result<Vec<_>>>()?;
    match action {
        Action::Disable if !changes.is_empty() => bail!("`disable` takes no parameters; set them with `set`"),
        Action::Set if changes.is_empty() => bail!("nothing to set: name parameters as PARAMETER=VALUE"),
        Action::Disable => sysfs.enable_module(module, false)?,
        _ => sysfs.set_module(module, &changes)?,
    }
    if action == Action::Enable {
        sysfs.enable_module(module, true)?;
    }
    let state = if sysfs.module(module)?.enabled { "enabled" } else { "not enabled" };
    errors::done(format_args!("{}: {state}", module.name()));
    Ok(Outcome::Fine)
}

/// `NAME=VALUE`.
fn change(word: &str) -> Result<(String, String)> {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.replace('-', "_"), value.to_owned())),
        _ => bail!("'{}' is no parameter: write PARAMETER=VALUE, such as min_age=30s", word.shown()),
    }
}

fn show(found: &[ModuleKdamond], out: &mut dyn Write) -> Result<()> {
    if found.is_empty() {
        writeln!(out, "this kernel has no module of DAMON")?;
    }
    for module in found {
        let state = match (module.enabled, module.pid) {
            (true, Some(pid)) => format!("enabled (thread {pid})"),
            (true, None) => "enabled".to_owned(),
            (false, _) => "not enabled".to_owned(),
        };
        writeln!(out, "{}: {state}", module.module)?;
        let width = module.params.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in module.params.iter().filter(|(name, _)| name != "enabled") {
            let words = match module.idle_times() {
                Ok(Some(times)) if name == "memory_idle_ms_percentiles" => {
                    let at = |p: &usize| times.percentiles.get(*p).map(|idle| format!("{p} %: {}", idle_text(*idle)));
                    SHOWN_PERCENTILES.iter().filter_map(at).collect::<Vec<_>>().join(", ")
                }
                _ => match ModuleKdamond::in_words(name, value) {
                    words if words == *value => words,
                    words => format!("{value} ({words})"),
                },
            };
            writeln!(out, "  {name:<width$}  {}", words.shown())?;
        }
    }
    Ok(())
}

fn show_json(found: &[ModuleKdamond], out: &mut dyn Write) -> Result<()> {
    let one = |module: &ModuleKdamond| {
        let params: Map<String, Value> =
            module.params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({ "module": module.module, "enabled": module.enabled, "pid": module.pid, "params": params })
    };
    let all: Vec<Value> = found.iter().map(one).collect();
    Ok(writeln!(out, "{:#}", json!({ "modules": all }))?)
}
