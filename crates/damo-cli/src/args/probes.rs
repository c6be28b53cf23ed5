//! `--probe`, `--probe_filter`, `--probe_weight`: attribute probes as the Python tool has them. Each `--probe` begins one, and
//! what stands behind it is its; without any there is one.

use super::damos::filters_now;
use super::setup::{flag, occurrences};
use crate::error::{UsageError, usage};
use clap::{Arg, ArgAction, ArgMatches, Command};
use damo_model::kdamond::{Probe, parse_count};

const HEADING: &str = "Monitoring parameters";

/// What was typed, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProbeArgs(Vec<(&'static str, Vec<String>)>);

crate::own_args!(ProbeArgs);

impl ProbeArgs {
    fn options(command: Command) -> Command {
        let arg = |id: &'static str, help: &'static str| Arg::new(id).long(id).help(help).help_heading(HEADING);
        let words = |arg: Arg, name: &'static str| arg.value_name(name).num_args(1..).action(ArgAction::Append);
        command
            .arg(flag(arg("probe", "Begin an attribute probe (7.2 and later): count of what kind sampled pages are")))
            .arg(words(arg("probe_filter", FILTER_HELP), "FILTER"))
            .arg(words(arg("probe_weight", WEIGHT_HELP), "NUMBER"))
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let found = ["probe", "probe_filter", "probe_weight"]
            .into_iter()
            .flat_map(|id| occurrences(matches, id).into_iter().map(move |(place, words)| (place, (id, words))));
        let mut found: Vec<(usize, (&'static str, Vec<String>))> = found.collect();
        found.sort_by_key(|(place, _)| *place);
        Ok(Self(found.into_iter().map(|(_, typed)| typed).collect()))
    }
}

const FILTER_HELP: &str =
    "Which pages are a hit: allow|reject [none] TYPE, repeated as needed; TYPE is anon or memcg PATH";
const WEIGHT_HELP: &str = "Weight of the probe's hits where regions are split and joined; with several numbers, of the first \
                           probe, the second and so on. With a weight, 7.3 counts no accesses";

impl ProbeArgs {
    pub(super) fn is_given(&self) -> bool {
        !self.0.is_empty()
    }

    /// The probes; `None` if none was typed.
    ///
    /// # Errors
    /// A sentence on the word that is wrong.
    pub(super) fn probes(&self) -> Result<Option<Vec<Probe>>, UsageError> {
        let mut probes: Vec<Probe> = Vec::new();
        for (id, words) in &self.0 {
            if *id == "probe" || probes.is_empty() {
                probes.push(Probe::default());
            }
            let present = probes.len() - 1;
            match *id {
                "probe_filter" => {
                    let words: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
                    // The Python tool has `non` here and `none` elsewhere.
                    let words: Vec<&str> =
                        words.into_iter().map(|word| if word == "non" { "none" } else { word }).collect();
                    probes[present].filters.extend(filters_now("probe_filter", &words)?);
                }
                "probe_weight" => {
                    let first = if words.len() > 1 { 0 } else { present };
                    for (at, word) in words.iter().enumerate() {
                        let weight =
                            parse_count(word).map_err(|error| UsageError(format!("--probe_weight: {error}")))?;
                        match probes.get_mut(first + at) {
                            Some(probe) => probe.weight = weight,
                            None => {
                                return usage(format!(
                                    "--probe_weight: {} for {} of --probe",
                                    words.len(),
                                    probes.len()
                                ));
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok((!probes.is_empty()).then_some(probes))
    }
}
