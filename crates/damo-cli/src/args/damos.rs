//! `--schemes` and the `--damos_*` options: schemes as typed on a command line. The n-th occurrence of an option belongs
//! to the n-th `--damos_action`. Values are set by [`Scheme::set`], which also reads what `--schemes` takes.

use super::offered;
use super::setup::{flag, occurrences};
use crate::error::{UsageError, usage};
use crate::values;
use clap::{Arg, ArgAction, ArgMatches, Command};
use damo_model::ParamError;
use damo_model::scheme::{
    Action, Dest, FIELDS, FilterKind, Goal, GoalTuner, Metric, Scheme, SchemeFilter, Weights, memcg_path,
};

/// Name, value names, fewest and most values, help.
type Spec = (&'static str, &'static [&'static str], usize, usize, &'static str);

const OPTIONS: [Spec; 19] = [
    ("damos_action", &["ACTION"], 1, 64, "A scheme: its action, and for migrations a node, or nodes with weights"),
    ("damos_sz_region", &["MIN", "MAX"], 2, 2, "Sizes of the regions that the scheme is for"),
    ("damos_access_rate", &["MIN", "MAX"], 2, 2, "Their access rates, in percent or `N samples`"),
    ("damos_age", &["MIN", "MAX"], 2, 2, "Their ages, a time or `N aggr_intervals`; a bare number is microseconds"),
    ("damos_apply_interval", &["TIME"], 1, 1, "How often it is applied; a bare number is microseconds"),
    (
        "damos_quotas",
        &["TIME"],
        1,
        6,
        "Limits: TIME [SIZE [RESET_INTERVAL [weights of size, rate, age]]]; bare times are milliseconds",
    ),
    ("damos_quota_interval", &["TIME"], 1, 1, "Reset interval of the quotas; a bare number is milliseconds"),
    ("damos_quota_time", &["TIME"], 1, 1, "CPU time per reset interval; a bare number is milliseconds"),
    ("damos_quota_space", &["SIZE"], 1, 1, "Bytes per reset interval"),
    ("damos_quota_weights", &["SIZE", "RATE", "AGE"], 3, 3, "Weights by which regions are put in order, permille"),
    ("damos_quota_goal", &["METRIC"], 2, 4, "A goal of the quota: METRIC TARGET [CURRENT|NODE [CGROUP]]"),
    ("damos_quota_goal_tuner", &["TUNER"], 1, 1, "How goals adapt the quota: consist or temporal (7.1 and later)"),
    ("damos_quota_fail_charge_ratio", &["OF", "ALL"], 2, 2, "Share charged of what the action failed on (after 7.1)"),
    ("damos_nr_quota_goals", &["NUMBER"], 1, 64, "With several actions: how many goals each has, in order"),
    (
        "damos_wmarks",
        &["METRIC", "INTERVAL", "HIGH", "MID", "LOW"],
        5,
        5,
        "When the scheme is active; a bare interval is microseconds",
    ),
    ("damos_filter", &["FILTER"], 1, 64, FILTER_HELP),
    ("damos_nr_filters", &["NUMBER"], 1, 64, "With several actions: how many filters each has, in order"),
    ("damos_max_nr_snapshots", &["NUMBER"], 1, 1, "Ends after so many snapshots (7.0 and later)"),
    ("schemes", &["FILE|JSON"], 1, 1, "Schemes as a list: a JSON or YAML file, or the JSON text itself"),
];

const FILTER_HELP: &str = "allow|reject [none] TYPE, repeated as needed; TYPE is anon, active, young, unmapped, memcg PATH, \
                           addr START END, target INDEX or hugepage_size MIN MAX";

const MARKER: &str = "damos_scheme";
const MARKER_HELP: &str = "Begin another scheme: the options behind it are for this one, up to the next";

/// What was typed.
#[derive(Clone, Debug, Default)]
pub struct DamosArgs {
    /// One for each `--damos_scheme`; without any, one for all schemes.
    parts: Vec<SchemeOptions>,
    /// Targets that stand right behind an action.
    targets: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct SchemeOptions {
    /// Number of its first scheme.
    first: usize,
    /// For each option its occurrences, each with its words.
    options: Vec<(&'static str, Vec<Vec<String>>)>,
}

crate::own_args!(DamosArgs);

impl DamosArgs {
    fn options(command: Command) -> Command {
        let command = OPTIONS.into_iter().fold(command, |command, (id, names, min, max, help)| {
            let arg = Arg::new(id).long(id).value_names(names.to_vec()).num_args(min..=max).help(help);
            let arg = if id == "schemes" { arg.short('c') } else { arg };
            let arg = match id {
                "damos_action" => arg.value_parser(offered(Action::WORDS)),
                "damos_quota_goal_tuner" => arg.value_parser(offered(GoalTuner::WORDS)),
                _ => arg,
            };
            command.arg(arg.action(ArgAction::Append).help_heading("Schemes"))
        });
        command.arg(flag(Arg::new(MARKER).long(MARKER)).help(MARKER_HELP).help_heading("Schemes"))
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let begins: Vec<usize> = occurrences(matches, MARKER).into_iter().map(|(place, _)| place).collect();
        let mut parts = vec![SchemeOptions::default(); begins.len() + 1];
        let mut targets = Vec::new();
        for (id, ..) in OPTIONS {
            for (place, mut words) in occurrences(matches, id) {
                // `--damos_action pageout $(pidof app)`: only migrations have more words than the action.
                if id == "damos_action" && words.first().is_some_and(|action| !action.starts_with("migrate")) {
                    targets.extend(words.drain(1..));
                }
                parts[begins.iter().filter(|begin| **begin < place).count()].add(id, words);
            }
        }
        // What stands ahead of the first marker is a scheme as well, unless there is nothing.
        if parts[0].options.is_empty() {
            parts.remove(0);
        }
        parts.iter_mut().enumerate().for_each(|(at, part)| part.first = at);
        Ok(Self { parts, targets })
    }
}

impl DamosArgs {
    /// Targets that stand right behind an action.
    pub(crate) fn targets(&self) -> &[String] {
        &self.targets
    }

    /// Whether any option of schemes was typed.
    pub(crate) fn is_given(&self) -> bool {
        !self.parts.is_empty()
    }

    /// The schemes, checked; `None` if none were named.
    ///
    /// # Errors
    /// A sentence that names the option or the scheme's field.
    pub fn schemes(&self) -> Result<Option<Vec<Scheme>>, UsageError> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.extend(part.schemes()?);
        }
        Ok((!self.parts.is_empty()).then_some(all))
    }

    /// Files that may be read for the schemes. Of JSON given as text there is no file of that name.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        let given = self.parts.iter().flat_map(|part| part.get("schemes"));
        given.map(|words| words.concat().into()).collect()
    }

    /// Whether there are options of schemes, but none that makes one: then they are for those that run.
    pub(crate) fn are_changes(&self) -> bool {
        let makes = |part: &SchemeOptions| ["damos_action", "schemes"].iter().any(|id| !part.get(id).is_empty());
        !self.parts.is_empty() && !self.parts.iter().any(makes)
    }

    /// Changes what was named of the schemes that run: the n-th occurrence of an option is for the n-th scheme, or with
    /// `--damos_scheme` all behind the n-th one.
    ///
    /// # Errors
    /// A sentence that names the option or the scheme's field.
    pub(crate) fn change(&self, running: &mut [Scheme]) -> Result<(), UsageError> {
        if let [part] = &self.parts[..] {
            return part.change(running);
        }
        if self.parts.len() > running.len() {
            return usage(format!(
                "there are {} of --damos_scheme for {} schemes at work",
                self.parts.len(),
                running.len()
            ));
        }
        let mut each = self.parts.iter().zip(running);
        each.try_for_each(|(part, scheme)| part.change(std::slice::from_mut(scheme)))
    }
}

impl SchemeOptions {
    fn of_scheme(&self, at: usize, error: ParamError) -> UsageError {
        ParamError::new(format!("scheme {}", self.first + at), error).into()
    }

    fn add(&mut self, id: &'static str, words: Vec<String>) {
        match self.options.iter_mut().find(|(known, _)| *known == id) {
            Some((_, groups)) => groups.push(words),
            None => self.options.push((id, vec![words])),
        }
    }

    fn schemes(&self) -> Result<Vec<Scheme>, UsageError> {
        let given = self.get("schemes");
        if given.is_empty() {
            return self.typed();
        }
        if let Some((id, _)) = self.options.iter().find(|(id, _)| *id != "schemes") {
            return usage(format!("--schemes has all of a scheme: leave out --{id}"));
        }
        let mut all = Vec::new();
        for one in given {
            all.extend(values::schemes(&one.concat())?);
        }
        Ok(all)
    }

    fn get(&self, id: &str) -> &[Vec<String>] {
        self.options.iter().find(|(known, _)| *known == id).map_or(&[], |(_, groups)| groups)
    }

    fn change(&self, running: &mut [Scheme]) -> Result<(), UsageError> {
        if running.is_empty() {
            return usage("no scheme is at work to be changed: give a --damos_action");
        }
        self.check_counts(running.len(), "schemes at work")?;
        let goals = self.shared_out("damos_quota_goal", "damos_nr_quota_goals", running.len())?;
        let filters = self.shared_out("damos_filter", "damos_nr_filters", running.len())?;
        for (at, ((scheme, goals), filters)) in running.iter_mut().zip(goals).zip(filters).enumerate() {
            let before = scheme.clone();
            self.apply(at, &goals, &filters, scheme)?;
            if *scheme != before {
                scheme.check().map_err(|error| self.of_scheme(at, error))?;
            }
        }
        Ok(())
    }

    fn check_counts(&self, schemes: usize, of: &str) -> Result<(), UsageError> {
        for (id, groups) in &self.options {
            let shared =
                matches!(*id, "damos_quota_goal" | "damos_filter" | "damos_nr_quota_goals" | "damos_nr_filters");
            if !shared && groups.len() > schemes {
                return usage(format!("--{id} was given {} times for {schemes} {of}", groups.len()));
            }
        }
        Ok(())
    }

    fn typed(&self) -> Result<Vec<Scheme>, UsageError> {
        let actions = self.get("damos_action");
        if actions.is_empty() {
            let id = self.options.first().map_or(MARKER, |(id, _)| id);
            return usage(format!("--{id} belongs to a scheme: give its --damos_action"));
        }
        self.check_counts(actions.len(), "actions")?;
        let goals = self.shared_out("damos_quota_goal", "damos_nr_quota_goals", actions.len())?;
        let filters = self.shared_out("damos_filter", "damos_nr_filters", actions.len())?;
        let mut schemes = Vec::with_capacity(actions.len());
        for (at, ((action, goals), filters)) in actions.iter().zip(goals).zip(filters).enumerate() {
            schemes.push(self.scheme(at, action, &goals, &filters)?);
        }
        Ok(schemes)
    }

    /// What each action has of an option that it may have several times: all to a single action, else by the numbers
    /// given.
    fn shared_out(&self, id: &str, numbers: &str, actions: usize) -> Result<Vec<Vec<Vec<String>>>, UsageError> {
        let (groups, words) = (self.get(id), self.get(numbers).concat());
        if words.is_empty() && actions > 1 && !groups.is_empty() {
            return usage(format!(
                "--{id}: which action is it for? Say with --{numbers} how many belong to each of the {actions} actions"
            ));
        }
        let whole = |word: &String| word.parse().map_err(|_| UsageError(format!("--{numbers}: `{word}` is no number")));
        let counts: Vec<usize> = words.iter().map(whole).collect::<Result<_, _>>()?;
        let counts = if counts.is_empty() { vec![groups.len()] } else { counts };
        if counts.len() > actions || counts.iter().sum::<usize>() != groups.len() {
            let shares: Vec<String> = counts.iter().map(usize::to_string).collect();
            return usage(format!(
                "--{numbers} {}: there are {} of --{id} for {actions} actions",
                shares.join(" "),
                groups.len()
            ));
        }
        let mut rest = groups.iter().cloned();
        let mut shares: Vec<Vec<_>> = counts.iter().map(|count| rest.by_ref().take(*count).collect()).collect();
        shares.resize(actions, Vec::new());
        Ok(shares)
    }

    fn scheme(
        &self,
        at: usize,
        action: &[String],
        goals: &[Vec<String>],
        filters: &[Vec<String>],
    ) -> Result<Scheme, UsageError> {
        let mut scheme = Scheme::default();
        // --damos_quotas alone puts regions in no order, as in the Python tool.
        let given = |id: &str| id.starts_with("damos_quota_") && self.get(id).get(at).is_some();
        let mut options = FIELDS.iter().flat_map(|(_, options)| *options);
        if self.get("damos_quotas").get(at).is_none() && (!goals.is_empty() || options.any(|id| given(id))) {
            scheme.quotas.weights = Weights { size: 1, nr_accesses: 1, age: 1 };
        }
        self.apply(at, goals, filters, &mut scheme)?;
        let [name, nodes @ ..] = action else { return usage("--damos_action needs an action") };
        let number = |word: &String| {
            word.parse().map_err(|_| UsageError(format!("--damos_action {name}: `{word}` is no number from 0 up")))
        };
        match nodes {
            [] => {}
            [node] => scheme.set("target_nid", node).map_err(|error| self.of_scheme(at, error))?,
            pairs if pairs.len() % 2 == 0 => {
                let dest = |pair: &[String]| Ok(Dest { id: number(&pair[0])?, weight: number(&pair[1])? });
                scheme.dests = pairs.chunks(2).map(dest).collect::<Result<_, UsageError>>()?;
            }
            _ => return usage(format!("--damos_action {name}: give one node, or each node with its weight")),
        }
        scheme.check().map_err(|error| self.of_scheme(at, error))?;
        Ok(scheme)
    }

    /// Sets what was named of a scheme, but the nodes of its action.
    fn apply(
        &self,
        at: usize,
        goals: &[Vec<String>],
        filters: &[Vec<String>],
        scheme: &mut Scheme,
    ) -> Result<(), UsageError> {
        if self.get("damos_quotas").get(at).is_some_and(|words| matches!(words.len(), 4 | 5)) {
            return usage(
                "--damos_quotas: give three weights (of size, rate and age) or none; a target stands ahead of it or behind \
                 --damos_action",
            );
        }
        for (nth, (field, options)) in FIELDS.iter().enumerate() {
            for id in *options {
                let place = FIELDS[..nth].iter().filter(|(_, options)| options.contains(id)).count();
                if let Some(word) = self.get(id).get(at).and_then(|words| words.get(place)) {
                    scheme.set(field, word).map_err(|error| self.of_scheme(at, error))?;
                }
            }
        }
        if !goals.is_empty() {
            scheme.quotas.goals = goals.iter().map(|words| goal(words)).collect::<Result<_, _>>()?;
        }
        if !filters.is_empty() {
            scheme.filters = filters.iter().map(|words| filter(words)).collect::<Result<Vec<_>, _>>()?.concat();
        }
        Ok(())
    }
}

/// METRIC TARGET [CURRENT|NODE [CGROUP]]
fn goal(words: &[String]) -> Result<Goal, UsageError> {
    let [name, target, more @ ..] = words else { return usage("--damos_quota_goal needs a metric and a target") };
    let wrong = |why: &dyn std::fmt::Display| UsageError(format!("--damos_quota_goal {name}: {why}"));
    let metric: Metric = name.parse().map_err(|error| wrong(&error))?;
    let value = |word: &String| metric.parse_value(word).map_err(|error| wrong(&error));
    let mut goal = Goal { metric, target_value: value(target)?, ..Goal::default() };
    match more {
        [] => {}
        [node, path @ ..] if name.starts_with("node_") => {
            goal.nid = Some(node.parse().map_err(|_| wrong(&format!("`{node}` is no node")))?);
            goal.memcg_path = path.first().map(|path| memcg_path(path));
        }
        [current] => goal.current_value = Some(value(current)?),
        _ => return usage(format!("--damos_quota_goal {name} takes its target and a present value, nothing more")),
    }
    Ok(goal)
}

/// Filters of one occurrence, in the present grammar or in the old one.
fn filter(words: &[String]) -> Result<Vec<SchemeFilter>, UsageError> {
    let words: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
    let present = filters_now("damos_filter", &words);
    if present.is_err()
        && let Ok(old) = filter_before(&words)
    {
        return Ok(vec![old]);
    }
    present
}

/// `allow|reject [none] TYPE [values]`, repeated.
pub(super) fn filters_now<'a>(option: &str, mut words: &'a [&'a str]) -> Result<Vec<SchemeFilter>, UsageError> {
    let mut filters = Vec::new();
    while let [verb, rest @ ..] = words {
        let allow = match *verb {
            "allow" | "pass" => true,
            "reject" | "deny" | "block" => false,
            other => {
                return usage(format!(
                    "--{option}: `{other}` is neither allow nor reject; a target stands ahead of it or behind --damos_action"
                ));
            }
        };
        let (matching, rest) = match rest {
            ["none", rest @ ..] => (false, rest),
            rest => (true, rest),
        };
        let (kind, rest) = kind(option, rest)?;
        filters.push(SchemeFilter { kind, matching, allow });
        words = rest;
    }
    Ok(filters)
}

/// `TYPE matching|nomatching [values] [allow|reject]`.
fn filter_before(words: &[&str]) -> Result<SchemeFilter, UsageError> {
    let [name, matching, rest @ ..] = words else { return usage("--damos_filter needs a type") };
    let matching = match *matching {
        "matching" => true,
        "nomatching" => false,
        other => return usage(format!("--damos_filter: `{other}` is neither matching nor nomatching")),
    };
    let words = [&[*name], rest].concat();
    let (kind, rest) = kind("damos_filter", &words)?;
    let allow = match rest {
        [] | ["reject" | "deny" | "block"] => false,
        ["allow" | "pass"] => true,
        _ => return usage(format!("--damos_filter: `{}` is too much", rest.join(" "))),
    };
    Ok(SchemeFilter { kind, matching, allow })
}

/// A filter's type with its values, and the words behind them.
fn kind<'w>(option: &str, words: &'w [&'w str]) -> Result<(FilterKind, &'w [&'w str]), UsageError> {
    let [name, rest @ ..] = words else {
        return usage(format!("--{option}: a type is missing behind allow or reject"));
    };
    let count = FilterKind::value_keys(name).map(<[&str]>::len).ok().filter(|count| *count <= rest.len());
    let Some(count) = count else {
        return usage(format!(
            "--{option}: `{name}` is no filter, or its values are missing: anon, active, young, unmapped, memcg PATH, \
             addr START END, target INDEX, hugepage_size MIN MAX"
        ));
    };
    let (values, rest) = rest.split_at(count);
    let kind = FilterKind::parse(name, values);
    Ok((kind.map_err(|error| UsageError(format!("--{option} {name}: {error}")))?, rest))
}

#[cfg(test)]
mod tests;
