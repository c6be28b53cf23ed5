//! `--schemes` and the `--damos_*` options: schemes as typed on a command line. The n-th occurrence of an option belongs
//! to the n-th `--damos_action`. They become the JSON that `--schemes` takes, so that one reader knows what values mean.

use crate::args::{UsageError, offered};
use crate::values;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use damo_kernel::sysfs::Scheme as Running;
use damo_model::Intervals;
use damo_model::scheme::{Action, GoalTuner, Scheme};
use serde::Deserialize;
use serde_json::{Map, Value, json};

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

/// What was typed: for each option its occurrences, each with its words.
#[derive(Clone, Debug, Default)]
pub struct DamosArgs(Vec<(&'static str, Vec<Vec<String>>)>, Vec<String>);

impl Args for DamosArgs {
    fn augment_args(command: Command) -> Command {
        OPTIONS.into_iter().fold(command, |command, (id, names, min, max, help)| {
            let arg = Arg::new(id).long(id).value_names(names.to_vec()).num_args(min..=max).help(help);
            let arg = if id == "schemes" { arg.short('c') } else { arg };
            let arg = match id {
                "damos_action" => arg.value_parser(offered(Action::WORDS)),
                "damos_quota_goal_tuner" => arg.value_parser(offered(GoalTuner::WORDS)),
                _ => arg,
            };
            command.arg(arg.action(ArgAction::Append).help_heading("Schemes"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for DamosArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let words = |id: &str| {
            let groups = matches.get_raw_occurrences(id);
            let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
            groups.into_iter().flatten().map(|group| group.map(text).collect()).collect()
        };
        let mut options: Vec<(&'static str, Vec<Vec<String>>)> = OPTIONS.map(|(id, ..)| (id, words(id))).into();
        let mut targets = Vec::new();
        for words in options.iter_mut().filter(|(id, _)| *id == "damos_action").flat_map(|(_, groups)| groups) {
            // `--damos_action pageout $(pidof app)`: only migrations have more words than the action.
            if words.first().is_some_and(|action| !action.starts_with("migrate")) {
                targets.extend(words.drain(1..));
            }
        }
        Ok(Self(options, targets))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn usage<T>(text: impl Into<String>) -> Result<T, UsageError> {
    Err(UsageError(text.into()))
}

impl DamosArgs {
    /// Targets that stand right behind an action.
    pub(crate) fn targets(&self) -> &[String] {
        &self.1
    }

    /// The schemes, checked; `None` if none were named.
    ///
    /// # Errors
    /// A sentence that names the option or the scheme's field.
    pub fn schemes(&self) -> Result<Option<Vec<Scheme>>, UsageError> {
        let list = match self.get("schemes") {
            [] => self.typed()?,
            given => {
                if let Some((id, _)) = self.0.iter().find(|(id, groups)| *id != "schemes" && !groups.is_empty()) {
                    return usage(format!("--schemes has all of a scheme: leave out --{id}"));
                }
                let mut all = Vec::new();
                for one in given {
                    all.extend(values::schemes(&one.concat())?);
                }
                return Ok(Some(all));
            }
        };
        list.map(|list| crate::json::schemes(&Value::Array(list))).transpose()
    }

    /// Files that may be read for the schemes. Of JSON given as text there is no file of that name.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        self.get("schemes").iter().map(|words| words.concat().into()).collect()
    }

    fn get(&self, id: &str) -> &[Vec<String>] {
        self.0.iter().find(|(known, _)| *known == id).map_or(&[], |(_, groups)| groups)
    }

    /// Whether there are options of schemes, but none that makes one: then they are for those that run.
    pub(crate) fn are_changes(&self) -> bool {
        let given = |id: &str| !self.get(id).is_empty();
        !given("damos_action") && !given("schemes") && self.0.iter().any(|(_, groups)| !groups.is_empty())
    }

    /// The schemes that run with what was named changed: the n-th occurrence of an option is for the n-th scheme.
    ///
    /// # Errors
    /// A sentence that names the option or the scheme's field.
    pub(crate) fn change(&self, present: &[Running], intervals: &Intervals) -> Result<Vec<Running>, UsageError> {
        if present.is_empty() {
            return usage("no scheme is at work to be changed: give a --damos_action");
        }
        self.check_counts(present.len(), "schemes at work")?;
        let goals = self.shared_out("damos_quota_goal", "damos_nr_quota_goals", present.len())?;
        let filters = self.shared_out("damos_filter", "damos_nr_filters", present.len())?;
        let mut changed = Vec::with_capacity(present.len());
        for (at, ((running, goals), filters)) in present.iter().zip(goals).zip(filters).enumerate() {
            let named = self.named(at, &goals, &filters)?;
            if named.is_empty() {
                changed.push(running.clone());
                continue;
            }
            let Some(written) = running.written() else {
                return usage(format!(
                    "scheme {at} ({}) has words of a newer kernel, which would get lost: give all of it, with its \
                     --damos_action",
                    running.action
                ));
            };
            let mut value = serde_json::to_value(written).map_err(|e| UsageError(e.to_string()))?;
            merge(&mut value, Value::Object(named));
            let written = Scheme::deserialize(&value).map_err(|error| UsageError(format!("scheme {at}: {error}")))?;
            changed.push(Running::resolve(&written, intervals));
        }
        Ok(changed)
    }

    fn check_counts(&self, schemes: usize, of: &str) -> Result<(), UsageError> {
        for (id, groups) in &self.0 {
            let shared =
                matches!(*id, "damos_quota_goal" | "damos_filter" | "damos_nr_quota_goals" | "damos_nr_filters");
            if !shared && groups.len() > schemes {
                return usage(format!("--{id} was given {} times for {schemes} {of}", groups.len()));
            }
        }
        Ok(())
    }

    fn typed(&self) -> Result<Option<Vec<Value>>, UsageError> {
        let actions = self.get("damos_action");
        if actions.is_empty() {
            return match self.0.iter().find(|(_, groups)| !groups.is_empty()) {
                Some((id, _)) => usage(format!("--{id} belongs to a scheme: give its --damos_action")),
                None => Ok(None),
            };
        }
        self.check_counts(actions.len(), "actions")?;
        let goals = self.shared_out("damos_quota_goal", "damos_nr_quota_goals", actions.len())?;
        let filters = self.shared_out("damos_filter", "damos_nr_filters", actions.len())?;
        let mut schemes = Vec::with_capacity(actions.len());
        for (at, ((action, goals), filters)) in actions.iter().zip(goals).zip(filters).enumerate() {
            schemes.push(self.scheme(at, action, &goals, &filters)?);
        }
        Ok(Some(schemes))
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
    ) -> Result<Value, UsageError> {
        let mut scheme = self.named(at, goals, filters)?;
        let [name, nodes @ ..] = action else { return usage("--damos_action needs an action") };
        scheme.insert("action".to_owned(), json!(name));
        let number = |word: &String| {
            word.parse::<i64>().map_err(|_| UsageError(format!("--damos_action {name}: `{word}` is no number")))
        };
        match nodes {
            [] => {}
            [node] => drop(scheme.insert("target_nid".to_owned(), json!(number(node)?))),
            pairs if pairs.len() % 2 == 0 => {
                let dest = |pair: &[String]| Ok(json!({ "id": number(&pair[0])?, "weight": number(&pair[1])? }));
                let dests = pairs.chunks(2).map(dest).collect::<Result<Vec<_>, UsageError>>()?;
                scheme.insert("dests".to_owned(), json!(dests));
            }
            _ => return usage(format!("--damos_action {name}: give one node, or each node with its weight")),
        }
        // --damos_quotas alone puts regions in no order, as in the Python tool.
        if let Some(Value::Object(quotas)) = scheme.get_mut("quotas")
            && self.get("damos_quotas").get(at).is_none()
        {
            quotas.entry("weights").or_insert_with(|| weights("1", "1", "1"));
        }
        Ok(Value::Object(scheme))
    }

    /// What was named of a scheme, but its action.
    fn named(
        &self,
        at: usize,
        goals: &[Vec<String>],
        filters: &[Vec<String>],
    ) -> Result<Map<String, Value>, UsageError> {
        let nth = |id: &str| self.get(id).get(at).map(Vec::as_slice);
        let mut scheme = Map::new();
        let mut pattern = Map::new();
        for (id, key) in [("damos_sz_region", "sz_bytes"), ("damos_access_rate", "nr_accesses"), ("damos_age", "age")] {
            if let Some([min, max]) = nth(id) {
                pattern.insert(key.to_owned(), json!({ "min": min, "max": max }));
            }
        }
        if !pattern.is_empty() {
            scheme.insert("access_pattern".to_owned(), Value::Object(pattern));
        }
        if let Some([interval]) = nth("damos_apply_interval") {
            scheme.insert("apply_interval_us".to_owned(), json!(interval));
        }
        let quotas = self.quotas(at, goals)?;
        if !quotas.is_empty() {
            scheme.insert("quotas".to_owned(), Value::Object(quotas));
        }
        if let Some([metric, interval, high, mid, low]) = nth("damos_wmarks") {
            let marks = json!({
                "metric": metric, "interval_us": interval, "high_permil": high, "mid_permil": mid, "low_permil": low,
            });
            scheme.insert("watermarks".to_owned(), marks);
        }
        let filters = filters.iter().map(|words| filter(words)).collect::<Result<Vec<_>, _>>()?.concat();
        if !filters.is_empty() {
            scheme.insert("filters".to_owned(), json!(filters));
        }
        if let Some([most]) = nth("damos_max_nr_snapshots") {
            scheme.insert("max_nr_snapshots".to_owned(), json!(values::count(most).map_err(UsageError)?));
        }
        Ok(scheme)
    }

    fn quotas(&self, at: usize, goals: &[Vec<String>]) -> Result<Map<String, Value>, UsageError> {
        let nth = |id: &str| self.get(id).get(at).map(Vec::as_slice);
        let mut quotas = Map::new();
        if let Some(words) = nth("damos_quotas") {
            for (key, word) in ["time_ms", "sz_bytes", "reset_interval_ms"].into_iter().zip(words) {
                quotas.insert(key.to_owned(), json!(word));
            }
            match &words[words.len().min(3)..] {
                [] => {}
                [size, rate, age] => drop(quotas.insert("weights".to_owned(), weights(size, rate, age))),
                _ => {
                    return usage(
                        "--damos_quotas: give three weights (of size, rate and age) or none; a target stands ahead of it or behind \
                     --damos_action",
                    );
                }
            }
        }
        let single = [
            ("damos_quota_time", "time_ms"),
            ("damos_quota_space", "sz_bytes"),
            ("damos_quota_interval", "reset_interval_ms"),
        ];
        for (id, key) in single {
            if let Some([word]) = nth(id) {
                quotas.insert(key.to_owned(), json!(word));
            }
        }
        if let Some([tuner]) = nth("damos_quota_goal_tuner") {
            quotas.insert("goal_tuner".to_owned(), json!(tuner));
        }
        if let Some([numerator, denominator]) = nth("damos_quota_fail_charge_ratio") {
            quotas.insert("fail_charge_num".to_owned(), json!(numerator));
            quotas.insert("fail_charge_denom".to_owned(), json!(denominator));
        }
        if let Some([size, rate, age]) = nth("damos_quota_weights") {
            quotas.insert("weights".to_owned(), weights(size, rate, age));
        }
        if !goals.is_empty() {
            let goals = goals.iter().map(|words| goal(words)).collect::<Result<Vec<_>, _>>()?;
            quotas.insert("goals".to_owned(), json!(goals));
        }
        Ok(quotas)
    }
}

/// Weights of size, rate and age.
fn weights(size: &str, rate: &str, age: &str) -> Value {
    json!({ "sz_permil": size, "nr_accesses_permil": rate, "age_permil": age })
}

/// Puts `named` over `value`: objects key by key, anything else as a whole.
fn merge(value: &mut Value, named: Value) {
    match (value, named) {
        (Value::Object(value), Value::Object(named)) => {
            for (key, named) in named {
                merge(value.entry(key).or_insert(Value::Null), named);
            }
        }
        (value, named) => *value = named,
    }
}

/// METRIC TARGET [CURRENT|NODE [CGROUP]]
fn goal(words: &[String]) -> Result<Value, UsageError> {
    let [metric, target, more @ ..] = words else { return usage("--damos_quota_goal needs a metric and a target") };
    let mut goal = json!({ "metric": metric, "target_value": target });
    match more {
        [] => {}
        [node, path @ ..] if metric.starts_with("node_") => {
            let number: i32 =
                node.parse().map_err(|_| UsageError(format!("--damos_quota_goal {metric}: `{node}` is no node")))?;
            goal["nid"] = json!(number);
            if let [path] = path {
                goal["memcg_path"] = json!(path);
            }
        }
        [current] => goal["current_value"] = json!(current),
        _ => return usage(format!("--damos_quota_goal {metric} takes its target and a present value, nothing more")),
    }
    Ok(goal)
}

/// Filters of one occurrence, in the present grammar or in the old one.
fn filter(words: &[String]) -> Result<Vec<Value>, UsageError> {
    let words: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
    let present = filters_now(&words);
    if present.is_err()
        && let Ok(old) = filter_before(&words)
    {
        return Ok(vec![old]);
    }
    present
}

/// `allow|reject [none] TYPE [values]`, repeated.
fn filters_now<'a>(mut words: &'a [&'a str]) -> Result<Vec<Value>, UsageError> {
    let mut filters = Vec::new();
    while let [verb, rest @ ..] = words {
        let allow = match *verb {
            "allow" | "pass" => true,
            "reject" | "deny" | "block" => false,
            other => {
                return usage(format!(
                    "--damos_filter: `{other}` is neither allow nor reject; a target stands ahead of it or behind --damos_action"
                ));
            }
        };
        let (matching, rest) = match rest {
            ["none", rest @ ..] => (false, rest),
            rest => (true, rest),
        };
        let (mut filter, rest) = kind(rest)?;
        filter["matching"] = json!(matching);
        filter["allow"] = json!(allow);
        filters.push(filter);
        words = rest;
    }
    Ok(filters)
}

/// `TYPE matching|nomatching [values] [allow|reject]`.
fn filter_before(words: &[&str]) -> Result<Value, UsageError> {
    let [name, matching, rest @ ..] = words else { return usage("--damos_filter needs a type") };
    let matching = match *matching {
        "matching" => true,
        "nomatching" => false,
        other => return usage(format!("--damos_filter: `{other}` is neither matching nor nomatching")),
    };
    let words = [&[*name], rest].concat();
    let (mut filter, rest) = kind(&words)?;
    filter["matching"] = json!(matching);
    filter["allow"] = json!(match rest {
        [] | ["reject" | "deny" | "block"] => false,
        ["allow" | "pass"] => true,
        _ => return usage(format!("--damos_filter: `{}` is too much", rest.join(" "))),
    });
    Ok(filter)
}

/// A filter's type with its values, and the words behind them.
fn kind<'w>(words: &'w [&'w str]) -> Result<(Value, &'w [&'w str]), UsageError> {
    Ok(match words {
        [name @ ("anon" | "active" | "young" | "unmapped"), rest @ ..] => (json!({ "filter_type": name }), rest),
        ["memcg", path, rest @ ..] => (json!({ "filter_type": "memcg", "memcg_path": path }), rest),
        ["addr", start, end, rest @ ..] => {
            (json!({ "filter_type": "addr", "address_range": { "start": start, "end": end } }), rest)
        }
        ["target", index, rest @ ..] => (json!({ "filter_type": "target", "damon_target_idx": index }), rest),
        ["hugepage_size", min, max, rest @ ..] => {
            (json!({ "filter_type": "hugepage_size", "hugepage_size": [min, max] }), rest)
        }
        [] => return usage("--damos_filter: a type is missing behind allow or reject"),
        [name, ..] => {
            return usage(format!(
                "--damos_filter: `{name}` is no filter, or its values are missing: anon, active, young, unmapped, memcg \
                 PATH, addr START END, target INDEX, hugepage_size MIN MAX"
            ));
        }
    })
}

#[cfg(test)]
mod tests;
