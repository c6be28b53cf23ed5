//! The options of `damo record` within `damo monitor`, and the words of a command line that say the same.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use damo_cli::args::RecordArgs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const OUT: &str = "Keep the record in this file as well";
const TARGETS: &str = "A record (also while it is written), `-` for one on standard input, or what to record: process ids, \
                       `paddr`, or a program. Without any: the kdamonds that run";

/// What is recorded for the monitor.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    args: RecordArgs,
    /// What was typed of it, but for the output.
    words: Vec<OsString>,
    /// The file that keeps the record, if one was named.
    out: Option<PathBuf>,
}

impl Recording {
    /// The only target, if there is one and nothing else is to be recorded.
    pub(super) fn only_target(&self) -> Option<&str> {
        match &self.args.setup.monitor.targets[..] {
            [word] if self.words.len() == 1 => Some(word),
            _ => None,
        }
    }

    pub(super) fn is_simulation(&self) -> bool {
        !self.args.simulate.is_empty()
    }

    pub(super) fn args(&self) -> &RecordArgs {
        &self.args
    }

    pub(super) fn out(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Arguments for `damo record`, which writes to `out`.
    pub(super) fn words(&self, out: &Path) -> Vec<OsString> {
        let mut output = OsString::from("--out=");
        output.push(out);
        // Without a file there is nothing to say of it.
        let quiet = (self.out.is_none() && !self.args.quiet).then(|| OsString::from("--quiet"));
        // Behind the first word, so that it cannot be taken for a value, and before what follows `--`.
        [OsString::from("record"), output].into_iter().chain(quiet).chain(self.words.iter().cloned()).collect()
    }
}

damo_cli::own_args!(Recording);

impl Recording {
    fn options(command: Command) -> Command {
        // The options alone, without what is said of `damo record` as a whole, and in their order: that of what is given
        // without a name counts.
        let record = RecordArgs::augment_args(Command::new("record"));
        let args = record.get_arguments().cloned().map(|arg| match arg.get_id().as_str() {
            "out" => arg.hide_default_value(true).help(OUT).long_help(OUT),
            "targets" => arg.help(TARGETS).long_help(TARGETS),
            // There is so much that the short help is to fit a screen without them.
            "keep" | "force" | "damos_action" | "damos_sz_region" | "damos_access_rate" | "damos_age" => {
                arg.hide_short_help(true)
            }
            _ => arg,
        });
        command.args(args)
    }

    fn read(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let args = RecordArgs::from_arg_matches(matches)?;
        let typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        // Targets first: some options take any number of values.
        let mut words: Vec<OsString> = args.setup.monitor.targets.iter().map(OsString::from).collect();
        for arg in RecordArgs::augment_args(Command::new("record")).get_arguments() {
            let id = arg.get_id().as_str();
            let Some(long) = arg.get_long().filter(|_| id != "out" && typed(id)) else { continue };
            if !arg.get_action().takes_values() {
                words.push(format!("--{long}").into());
                continue;
            }
            for values in matches.get_raw_occurrences(id).into_iter().flatten() {
                let mut values: Vec<OsString> = values.map(OsString::from).collect();
                if let [value] = &values[..] {
                    let mut word = OsString::from(format!("--{long}="));
                    word.push(value);
                    words.push(word);
                } else {
                    words.push(format!("--{long}").into());
                    words.append(&mut values);
                }
            }
        }
        if !args.command.is_empty() {
            words.push("--".into());
            words.extend(args.command.iter().cloned());
        }
        let out = typed("out").then(|| args.out.clone());
        Ok(Self { args, words, out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let command = Recording::augment_args(Command::new("monitor"));
        let matches = command.try_get_matches_from(line.split(' ')).expect(line);
        let recording = Recording::from_arg_matches(&matches).expect(line);
        let words = recording.words(Path::new("x"));
        words.into_iter().map(|word| word.into_string().expect("text")).collect()
    }

    #[test]
    fn the_recorder_is_told_what_was_typed() {
        let line = "monitor 12 13 -s 5ms --pause_modules --simulate a b --cgroup /c -o kept.damo -- ./app --flag";
        let expected = [
            "record",
            "--out=x",
            "12",
            "13",
            "--cgroup=/c",
            "--sample=5ms",
            "--simulate",
            "a",
            "b",
            "--pause_modules",
            "--",
            "./app",
            "--flag",
        ];
        let mut found = words(line);
        let mut expected: Vec<String> = expected.map(str::to_owned).into();
        assert_eq!(found[..4], expected[..4]);
        assert_eq!(found[found.len() - 3..], expected[expected.len() - 3..]);
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(words("monitor"), ["record", "--out=x", "--quiet"]);
    }
}
