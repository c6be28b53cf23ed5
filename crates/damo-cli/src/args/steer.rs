//! The command line of `damo start`, `tune`, `stop`, `status` and `schemes`. Targets and parameters are typed as for `damo
//! record`.

use super::SetupArgs;
use crate::values;
use clap::Args;
use damo_model::Nanos;
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of `damo start`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:\n  \
    damo start $(pidof app)                 monitor only\n  \
    damo start --damos_access_rate 0% 0% --damos_age 5s max --damos_action pageout $(pidof app)\n  \
    damo start --schemes schemes.json --dry_run\n\n\
    A scheme begins with its --damos_action; of several, the n-th of each option is for the n-th action.")]
pub(crate) struct StartArgs {
    /// Targets, monitoring parameters and schemes.
    #[command(flatten)]
    pub setup: SetupArgs,

    /// Switch kernel modules that use DAMON (DAMON_STAT and others) off without asking; `stop` switches them on again.
    #[arg(long = "pause_modules")]
    pub pause_modules: bool,

    /// Write nothing to the kernel: print each write that would be made, in order.
    #[arg(long = "dry_run")]
    pub dry_run: bool,

    /// Write nothing to the kernel: print the parameters as JSON, to be given back by --kdamonds.
    #[arg(long, conflicts_with = "dry_run")]
    pub json: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// How parameters are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ParameterFormat {
    /// JSON.
    #[default]
    Json,
    /// YAML.
    Yaml,
}

/// Options of `damo args`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Example: damo args -a 200ms --damos_action stat $(pidof app) > params.json")]
pub struct PrintArgs {
    /// Targets, monitoring parameters and schemes.
    #[command(flatten)]
    pub setup: SetupArgs,

    /// Print each write to DAMON's files that `damo start` would make, in order, instead of parameters.
    #[arg(long = "dry_run")]
    pub dry_run: bool,

    /// As JSON or as YAML; --kdamonds and --schemes read both.
    #[arg(long, value_enum, default_value_t, conflicts_with = "dry_run")]
    pub(crate) format: ParameterFormat,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of `damo tune`.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:\n  \
    damo tune -s 10ms                       the sampling interval, nothing else\n  \
    damo tune --damos_quota_space 200M      this quota of the scheme that runs, nothing else of it\n  \
    damo tune --schemes schemes.json        other schemes\n  \
    damo tune --replace -m 500              these parameters, defaults for all others, no schemes\n\n\
    Options of schemes without a --damos_action change the schemes that run: the n-th of each is for the n-th scheme. \
    With --damos_action or --schemes, what is given are all schemes from now on.\n\n\
    Defaults named above are those of --replace; without it, what is not named stays as it is.")]
pub(crate) struct TuneArgs {
    /// Targets, monitoring parameters and schemes.
    #[command(flatten)]
    pub setup: SetupArgs,

    /// Replace all parameters and schemes: what is not named gets its default, or is no more. Targets stay unless named.
    #[arg(long)]
    pub replace: bool,

    /// Also change kdamonds that were not started by `damo start`.
    #[arg(long)]
    pub adopt: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of schemes that run in the foreground.
#[derive(Args, Clone, Debug, Default)]
pub struct ForegroundArgs {
    /// Targets, monitoring parameters and schemes.
    #[command(flatten)]
    pub setup: SetupArgs,

    /// A program to start, with its arguments, and to apply the schemes to. Its exit code is passed on.
    ///
    /// It is waited for even if the schemes stop before it. Under sudo it runs with the rights of the user who called sudo, not as root.
    #[arg(last = true, value_name = "COMMAND", help_heading = "Targets")]
    pub command: Vec<OsString>,

    /// Stop after this time; a bare number is seconds.
    #[arg(long, value_name = "TIME", value_parser = values::seconds)]
    pub timeout: Option<Nanos>,

    /// Switch kernel modules that use DAMON (DAMON_STAT and others) off meanwhile without asking, and on again at the end.
    #[arg(long = "pause_modules")]
    pub pause_modules: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of `damo stop`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StopArgs {
    /// Also stop kdamonds that were not started by `damo start`.
    #[arg(long)]
    pub adopt: bool,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of `damo status`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StatusArgs {
    /// Also the regions that schemes were last tried on.
    #[arg(long = "tried_regions")]
    pub tried_regions: bool,

    /// Also ask for present figures of kdamonds that were not started by `damo start`: a write to their state file.
    #[arg(long)]
    pub adopt: bool,

    /// As JSON, for scripts; with --watch one line each time.
    #[arg(long)]
    pub json: bool,

    /// Show it again and again, with this time in between, such as 500ms [default: 1 s].
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1 s", value_parser = values::some_seconds)]
    pub watch: Option<Nanos>,

    /// Take the kernel's files from under this directory instead of `/`.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

impl StatusArgs {
    /// Whether to draw over what was shown before, rather than to add to it.
    pub(crate) fn redraw(&self) -> bool {
        std::io::IsTerminal::is_terminal(&std::io::stdout())
    }
}
