//! Conditions on the command line and in TOML files.

use anyhow::{Context, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use damo_analysis::check::Condition;
use damo_model::human::Show;
use std::path::{Path, PathBuf};

/// Options that are figures, and what they limit.
const FIGURES: [(&str, &str); 11] = [
    ("wss_mean", "Working set: its mean over the run"),
    ("wss_p50", "Working set: its median"),
    ("wss_p95", "Working set: its 95th percentile"),
    ("wss_p99", "Working set: its 99th percentile"),
    ("wss_max", "Working set: the largest"),
    ("hot_p95", "Memory that is accessed in at least half of the samples: its 95th percentile"),
    ("rss_mean", "Resident memory: its mean"),
    ("rss_max", "Resident memory: the most"),
    (
        "cold_share",
        "Share of the memory that has been idle for a time, which stands behind the limit: -10pp@2min, >=40%@30s",
    ),
    ("coverage", "Share of the snapshots that must be complete, as in 99%"),
    ("quota", "`held`: schemes try no more than their quotas allow, where that is recorded"),
];

/// Options whose values name the figure as well.
const PAIRS: [(&str, &str); 2] = [
    ("per_mapping", "A limit for mappings of a name, as in '[heap]:wss-p50 +10%' (repeatable)"),
    (
        "condition",
        "Any figure with its limit, as in 'wss-p90 +5%': wss, hot and rss with -mean, -max or -p0 to -p100, and \
         cold-share@TIME (repeatable)",
    ),
];

/// The conditions of the command line, in the order of the options above.
#[derive(Clone, Debug, Default)]
pub(super) struct ConditionArgs {
    given: Vec<(&'static str, String)>,
}

damo_cli::own_args!(ConditionArgs);

impl ConditionArgs {
    fn options(command: Command) -> Command {
        let option = |name: &'static str, help: &'static str, value: &'static str| {
            // Limits begin with + or -.
            let arg = Arg::new(name).long(name).value_name(value).allow_hyphen_values(true);
            arg.action(ArgAction::Append).help_heading("Conditions").help(help)
        };
        let command = FIGURES.iter().fold(command, |command, (name, help)| command.arg(option(name, help, "LIMIT")));
        PAIRS.iter().fold(command, |command, (name, help)| command.arg(option(name, help, "FIGURE LIMIT")))
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |name: &'static str| {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            values.map(move |value| (name, value.clone()))
        };
        let names = FIGURES.iter().chain(&PAIRS).map(|(name, _)| *name);
        Ok(Self { given: names.flat_map(values).collect() })
    }

    /// What the options say, in the order of the options above.
    ///
    /// # Errors
    /// If a limit is none, or of the wrong unit.
    pub(super) fn conditions(&self) -> Result<Vec<Condition>> {
        let one = |(name, value): &(&'static str, String)| {
            let condition = match *name {
                "per_mapping" => match value.contains(':') {
                    true => value.parse(),
                    false => bail!(
                        "--per_mapping '{}': a mapping's name is missing, as in '[heap]:wss-p50 +10%'",
                        value.shown()
                    ),
                },
                "condition" => value.parse(),
                figure => Condition::new(&figure.replace('_', "-"), value),
            };
            condition.with_context(|| format!("--{name}"))
        };
        self.given.iter().map(one).collect()
    }
}

/// What a file of conditions says.
#[derive(Debug, Default)]
pub(super) struct ConditionFile {
    /// What its table `[conditions]` says, in the order of the file.
    pub conditions: Vec<Condition>,
    /// Records to compare with; names are relative to the file's directory.
    pub baseline: Vec<PathBuf>,
}

impl ConditionFile {
    /// Reads a file: `baseline`, a name or a list of names, and a table `[conditions]` of figures and their limits, each a text
    /// or a list of texts.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, or says something else.
    pub(super) fn read(path: &Path) -> Result<Self> {
        crate::outputs::reads(path);
        let name = path.shown();
        let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| anyhow::anyhow!("{name}: {error}"))?;
        let mut file = ConditionFile::default();
        for (key, value) in &table {
            match (key.as_str(), value) {
                ("baseline", value) => {
                    let directory = path.parent().unwrap_or(Path::new(""));
                    let names = texts(value).with_context(|| format!("{name}: baseline"))?;
                    file.baseline = names.iter().map(|record| directory.join(record)).collect();
                }
                ("conditions", toml::Value::Table(conditions)) => {
                    for (figure, limits) in conditions {
                        let said = || format!("{name}: {}", figure.shown());
                        for limit in texts(limits).with_context(said)? {
                            file.conditions.push(Condition::new(figure, &limit).with_context(said)?);
                        }
                    }
                }
                _ => bail!(
                    "{name}: '{}' is nothing that a file of conditions says: there are baseline = [\"main.damo\"] and a table \
                     [conditions] with lines such as wss-p95 = \"+5%\"",
                    key.shown()
                ),
            }
        }
        if file.conditions.is_empty() {
            bail!("{name}: there is no condition in it: a table [conditions] has lines such as wss-p95 = \"+5%\"");
        }
        Ok(file)
    }
}

/// A text, or a list of them.
fn texts(value: &toml::Value) -> Result<Vec<String>> {
    let all = match value {
        toml::Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let text = |value: &toml::Value| value.as_str().map(str::to_owned);
    all.iter().map(text).collect::<Option<Vec<_>>>().context("a text in quotation marks is wanted, or a list of them")
}
