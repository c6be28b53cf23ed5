//! `damo report profile`: where CPU time went, for the parts of the time that are asked for.

use super::form::{AnyForm, FormArgs, PROFILE_FORMS, StackForm, profile_form};
use super::options::ClockArgs;
use super::part::{FilterArgs, PartOptions};
use super::ranges::TimeArgs;
use super::shared::{Asked, ReportArgs, Request};
use crate::commands::symbolize::names_of_foreign;
use crate::progress;
use anyhow::{Context, Result, bail};
use clap::{Args, Command};
use damo_analysis::phases::times_of;
use damo_cli::args::named;
use damo_frame::Record;
use damo_model::human::{self, Show};
use damo_model::{Addr, AddrRange, TimeSpan};
use damo_report::ReportError;
use damo_report::cpu_profile::{
    Choice, CpuProfileOptions, CpuProfileReport, Hot, ProfileDifference, ProfileLayout, cpu_profile, difference,
    samples_of, whole_time_of, write_firefox, write_folded,
};
use damo_report::filter::{Bounds, Filter};
use damo_report::picture::Picture;
use damo_report::several::{Apart, paired};
use damo_report::{Report, Table};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(super) struct CpuProfileArgs {
    /// Only times in which this memory is hot (accessed in at least half of the monitor's samples, or as --access_rate says):
    /// a mapping by its name, as in '[heap]', or two addresses
    #[arg(long = "while_hot", value_names = ["NAME|START", "END"], num_args = 1..=2, help_heading = "Selection")]
    while_hot: Vec<String>,
    /// What belongs to this mapping: samples of accesses to its memory, whenever, if the record has samples with addresses of
    /// data; else samples of CPU time while it is hot
    #[arg(long, value_name = "NAME", conflicts_with = "while_hot", help_heading = "Selection")]
    mapping: Option<String>,
    /// How that differs from WHAT: another record's FILE (with the same selection), or of this record `all`, `phase=N`,
    /// `hot=NAME` or `time=START..END`
    #[arg(long, value_name = "WHAT", help_heading = "Selection")]
    diff: Option<String>,
    /// Functions that are told one by one
    #[arg(long, value_name = "NUMBER", default_value_t = 25, help_heading = "Output")]
    top: usize,
    /// In the order of what functions and those that they called took, instead of their own code
    #[arg(long = "by_total", help_heading = "Output")]
    by_total: bool,
    /// Functions that the compiler inlined as functions of their own; else their code counts for the function that it was put
    /// into
    #[arg(long, help_heading = "Output")]
    inlined: bool,
    /// Folded stacks, for flame graphs: the same as --format folded
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    folded: bool,
    /// Where perf is; not needed
    #[arg(long = "perf_path", value_name = "PATH", hide = true)]
    perf_path: Option<PathBuf>,
}

/// Which part of the records.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ProfilePart {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    time: TimeArgs,
}

impl PartOptions for ProfilePart {
    fn filter(&self, clock: ClockArgs) -> Result<Filter> {
        self.time.range(clock)?;
        self.filter.filter(clock)
    }

    fn time_option(&self) -> Option<&'static str> {
        self.filter.time_option().or(self.time.is_given().then_some("--time_range"))
    }
}

/// A profile, or the difference of two.
#[derive(Debug)]
pub(super) enum Shown {
    Profile(Box<CpuProfileReport>),
    Difference(Box<ProfileDifference>),
}

impl Report for Shown {
    const NAME: &'static str = CpuProfileReport::NAME;
    type Layout = ProfileLayout;

    fn write_text(&self, out: &mut dyn Write, layout: &ProfileLayout) -> Result<(), ReportError> {
        match self {
            Self::Profile(report) => report.write_text(out, layout),
            Self::Difference(report) => report.write_text(out, layout),
        }
    }

    fn tables(&self) -> Result<Vec<Table>, ReportError> {
        match self {
            Self::Profile(report) => report.tables(),
            Self::Difference(report) => report.tables(),
        }
    }

    fn picture(&self, layout: &ProfileLayout) -> Result<Box<dyn Picture + '_>, ReportError> {
        match self {
            Self::Profile(report) => report.picture(layout),
            Self::Difference(report) => report.picture(layout),
        }
    }
}

impl ReportArgs for CpuProfileArgs {
    type Report<'r> = Shown;
    type Part = ProfilePart;
    type Form = FormArgs;

    const PROFILES: bool = true;

    fn adapt(command: Command) -> Command {
        command.mut_arg("format", |format| {
            format
                .value_parser(named(PROFILE_FORMS, profile_form))
                .help("Form of the result: text, tables, a picture (png, svg), folded stacks for flame graphs, or the JSON of the Firefox Profiler (firefox), which profiler.firefox.com and `samply load` open [default: by the ending of FILE, else text]")
        })
    }

    /// A profile of perf beside the record of the same name, as the Python tool writes it, is read as well.
    fn paths(asked: &Asked<Self>) -> Result<Vec<PathBuf>> {
        let mut paths = asked.inputs.paths(&asked.files)?;
        if let [only] = &paths[..] {
            let mut beside = only.clone().into_os_string();
            beside.push(".profile");
            let beside = PathBuf::from(beside);
            if beside.is_file() {
                paths.push(beside);
            }
        }
        Ok(paths)
    }

    fn check(asked: &Asked<Self>, form: &FormArgs) -> Result<()> {
        asked.own.hot()?;
        if asked.own.diff.is_some() && asked.own.stacks(form).is_some() {
            bail!("--diff is for functions: text, tables or a picture; leave --folded and --format firefox out");
        }
        if let Some(what) = &asked.own.diff {
            Other::parse(what)?;
        }
        Ok(())
    }

    fn instead(request: &Request<'_, Self>) -> Result<bool> {
        let own = request.own();
        let Some(form) = own.stacks(&request.form) else { return Ok(false) };
        let groups = recordings(&request.opened.records)?;
        let [records] = &groups[..] else {
            bail!("stacks are written of one recording at a time, and {} are named", groups.len());
        };
        let choice = own.choice(request, records)?;
        let (profile, chosen) = progress::during(records, || samples_of(records, &choice))?;
        request.form.write_as(form.kind(), |out| {
            match (form, records.first()) {
                (StackForm::Firefox, Some(record)) => write_firefox(record, &profile, &chosen, out)?,
                _ => write_folded(&profile, &chosen, out)?,
            }
            Ok(())
        })?;
        Ok(true)
    }

    fn find<'r>(request: &Request<'r, Self>) -> Result<Apart<Shown>> {
        let own = request.own();
        let groups = recordings(&request.opened.records)?;
        let other = own.diff.as_deref().map(Other::parse).transpose()?;
        let record = match &other {
            Some(Other::Record(path)) => Some(request.asked.inputs.known.open_profiles(std::slice::from_ref(path))?),
            _ => None,
        };
        progress::during(&request.opened.records, || {
            Apart::of(&groups, |records| {
                let choice = own.choice(request, records)?;
                let make = |records: &[Record], choice: Choice| {
                    cpu_profile(records, &CpuProfileOptions { choice, inlined: own.inlined })
                };
                let report = make(records, choice.clone())?;
                let Some(other) = &other else { return Ok(Shown::Profile(Box::new(report))) };
                let name =
                    |records: &[Record]| records.first().map(|record| record.name().to_owned()).unwrap_or_default();
                let (before, before_name) = match &record {
                    Some(opened) => {
                        let records = &opened.records[..];
                        (make(records, own.choice(request, records)?)?, name(records))
                    }
                    None => (make(records, other.choice(records, &choice)?)?, own.diff.clone().unwrap_or_default()),
                };
                let names = [before_name, name(records)];
                Ok(Shown::Difference(Box::new(difference(&before, &report, names))))
            })
        })
    }

    fn layout(request: &Request<'_, Self>, _: &Apart<Shown>) -> Result<ProfileLayout> {
        Ok(ProfileLayout { most: request.own().top, by_total: request.own().by_total })
    }
}

/// The recordings: a profile without snapshots goes with the record before it, if that has none.
fn recordings(records: &[Record]) -> Result<Vec<&[Record]>> {
    paired(records, |record, next| Ok(next.reader().has_profile() && !record.reader().has_profile()))
}

impl CpuProfileArgs {
    /// The form, if it is one of stacks.
    fn stacks(&self, form: &FormArgs) -> Option<StackForm> {
        match form.format() {
            _ if self.folded => Some(StackForm::Folded),
            AnyForm::Stacks(stacks) => Some(stacks),
            _ => None,
        }
    }

    fn hot(&self) -> Result<Option<Hot>> {
        match &self.while_hot[..] {
            [] => Ok(None),
            [name] => Ok(Some(Hot::Mapping(name.clone()))),
            words => {
                let said = || format!("--while_hot {}", words.join(" "));
                let address = |text: Option<&String>| -> Result<Addr> {
                    human::parse_addr(text.map_or("", String::as_str)).with_context(said)
                };
                let (start, end) = (address(words.first())?, address(words.get(1))?);
                if end <= start {
                    bail!("{}: the range ends before it starts", said());
                }
                Ok(Some(Hot::Addresses(AddrRange::new(start, end))))
            }
        }
    }

    /// Which samples of a recording count.
    fn choice(&self, request: &Request<'_, Self>, records: &[Record]) -> Result<Choice> {
        let mut filter = request.filter.clone();
        if let Some(record) = records.first() {
            filter.snapshot_time.extend(times_of(record, &request.asked.phases.numbers)?);
        }
        if let Some(range) = request.asked.part.time.range(request.asked.clock)? {
            let known = whole_time_of(records)?.unwrap_or_default();
            let time = range.resolve(records, known).context("--time_range")?;
            filter.snapshot_time.push(bounds(time));
        }
        let mut names = Vec::new();
        for record in records {
            names.extend(names_of_foreign(record)?);
        }
        Ok(Choice { filter, while_hot: self.hot()?, mapping: self.mapping.clone(), names })
    }
}

/// What a profile is compared with.
#[derive(Debug)]
enum Other {
    Record(PathBuf),
    All,
    Phase(usize),
    Hot(String),
    Time(Vec<String>),
}

impl Other {
    fn parse(text: &str) -> Result<Self> {
        let said = || format!("--diff {}", text.shown());
        Ok(match text.split_once('=') {
            None if text == "all" => Self::All,
            Some(("phase", number)) => Self::Phase(number.parse().with_context(said)?),
            Some(("hot", name)) => Self::Hot(name.to_owned()),
            Some(("time", times)) => {
                let Some((start, end)) = times.split_once("..") else {
                    bail!("{}: a time is START..END, as in time=5s..9s", said());
                };
                Self::Time(vec![start.to_owned(), end.to_owned()])
            }
            _ if Path::new(text).exists() => Self::Record(text.into()),
            _ => bail!(
                "{}: there is no such file; of this record `all`, phase=N, hot=NAME and time=START..END can be compared with",
                said()
            ),
        })
    }

    /// The choice of samples of the same record. Processes stay the same.
    fn choice(&self, records: &[Record], choice: &Choice) -> Result<Choice> {
        let mut other = Choice {
            filter: Filter { target: choice.filter.target.clone(), ..Filter::default() },
            names: choice.names.clone(),
            ..Choice::default()
        };
        match self {
            Self::Record(_) | Self::All => {}
            Self::Phase(number) => {
                if let Some(record) = records.first() {
                    other.filter.snapshot_time = times_of(record, &[*number])?;
                }
            }
            Self::Hot(name) => other.while_hot = Some(Hot::Mapping(name.clone())),
            Self::Time(words) => {
                let range = super::ranges::time_range(words, super::ranges::BareTimes::Refused, ClockArgs::default())?;
                let known = whole_time_of(records)?.unwrap_or_default();
                other.filter.snapshot_time.push(bounds(range.resolve(records, known)?));
            }
        }
        Ok(other)
    }
}

fn bounds(time: TimeSpan) -> Bounds<damo_model::Nanos> {
    Bounds::new(time.start, time.end)
}
