//! In which form a report is shown, and where it goes.

use super::picture::{PictureOutput, PlotArgs};
use crate::output::{self, ColorWhen};
use crate::outputs::{self, Manner};
use anyhow::{Result, bail};
use clap::Args;
use damo_cli::args::named;
use damo_format::Kind;
use damo_model::human::Show;
use damo_report::Form;
use damo_report::heats::Depth;
use damo_report::picture::Format;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `--no_pager`, for reports that may be long.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct PagerArgs {
    /// Do not show the text through a pager ($PAGER, else less), as on a terminal otherwise
    #[arg(long = "no_pager", help_heading = "Output")]
    pub no_pager: bool,
}

/// In which form the result is written, and where to.
#[derive(Args, Clone, Debug)]
pub(crate) struct FormArgs {
    /// The picture, if the result is one.
    #[command(flatten)]
    pub plot: PlotArgs,
    /// Write to this file; its ending chooses the form: .txt, .json, .csv, .md, .parquet, .png or .svg
    #[arg(short = 'o', long = "output", visible_alias = "out", value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Form of the result: text, tables, or a picture (png, svg) [default: by the ending of FILE, else text]
    #[arg(long, value_name = "FORM", value_parser = named(FORMS, form), help_heading = "Output")]
    pub format: Option<AnyForm>,
    /// With csv and parquet, which of the report's tables; --format json shows them all
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    pub table: Option<String>,
    /// Replace FILE even if it is a record or of another kind
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// How a report's own options say in which form it is shown.
pub(crate) trait FormOptions: Args + std::fmt::Debug {
    /// The form.
    ///
    /// # Errors
    /// If there is none of that name, or two files are named.
    fn form(&self) -> Result<FormArgs>;

    /// Records that stand right behind one of the options.
    fn files(&self) -> &[PathBuf] {
        &[]
    }
}

impl FormOptions for FormArgs {
    fn form(&self) -> Result<FormArgs> {
        Ok(self.clone())
    }
}

/// The forms by their names.
pub(crate) const FORMS: [&str; 7] = ["text", "json", "csv", "markdown", "parquet", "png", "svg"];

/// Any form that a report can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AnyForm {
    /// Text for people.
    #[default]
    Text,
    /// Tables for programs.
    Tables(Form),
    /// A picture, of pixels or of lines.
    Picture(Format),
    /// Stacks of a profile, for other programs.
    Stacks(StackForm),
}

/// Forms that stacks of a profile are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackForm {
    /// A line for each stack.
    Folded,
    /// The Firefox Profiler's JSON.
    Firefox,
}

impl StackForm {
    /// What a file of this form is.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Folded => Kind::Text,
            Self::Firefox => Kind::Json,
        }
    }
}

/// The forms of profiles by their names.
pub(crate) const PROFILE_FORMS: [&str; 9] =
    ["text", "json", "csv", "markdown", "parquet", "png", "svg", "folded", "firefox"];

/// A form of a profile by its name.
///
/// # Errors
/// If there is none of that name.
pub(crate) fn profile_form(name: &str) -> Result<AnyForm, String> {
    match name {
        "folded" => Ok(AnyForm::Stacks(StackForm::Folded)),
        "firefox" => Ok(AnyForm::Stacks(StackForm::Firefox)),
        name => form(name).map_err(|_| format!("there is no such form; the forms are {}", PROFILE_FORMS.join(", "))),
    }
}

/// What a file of each form is, in the order of [`FORMS`].
const KINDS: [(AnyForm, Kind); 7] = [
    (AnyForm::Text, Kind::Text),
    (AnyForm::Tables(Form::Json), Kind::Json),
    (AnyForm::Tables(Form::Csv), Kind::Csv),
    (AnyForm::Tables(Form::Markdown), Kind::Markdown),
    (AnyForm::Tables(Form::Parquet), Kind::Parquet),
    (AnyForm::Picture(Format::Png), Kind::Png),
    (AnyForm::Picture(Format::Svg), Kind::Svg),
];

/// A form by its name.
///
/// # Errors
/// If there is none of that name.
pub(crate) fn form(name: &str) -> Result<AnyForm, String> {
    let name = if name == "md" { "markdown" } else { name };
    let found = FORMS.iter().zip(KINDS).find(|(known, _)| **known == name);
    found.map(|(_, (form, _))| form).ok_or_else(|| format!("there is no such form; the forms are {}", FORMS.join(", ")))
}

impl AnyForm {
    /// The form that a file's ending asks for.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        let named = Kind::of_name(path)?;
        KINDS.into_iter().find(|(_, kind)| *kind == named).map(|(form, _)| form)
    }

    /// What a file of this form is.
    pub(crate) fn kind(self) -> Kind {
        if let Self::Stacks(stacks) = self {
            return stacks.kind();
        }
        // The library may learn more forms; until they have a kind of their own they are text.
        KINDS.into_iter().find(|(form, _)| *form == self).map_or(Kind::Text, |(_, kind)| kind)
    }
}

impl FormArgs {
    /// Which form: the one that was asked for, else as the file's name ends.
    pub(crate) fn format(&self) -> AnyForm {
        self.format.or_else(|| AnyForm::of_name(self.out()?)).unwrap_or_default()
    }

    /// The file to write to; `None` for standard output.
    pub(crate) fn out(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| !outputs::is_stdout(path))
    }

    /// How many colours text has: in a file only if they are asked for.
    pub(crate) fn depth(&self, color: ColorWhen) -> Depth {
        if self.out().is_some() && color != ColorWhen::Always { Depth::Plain } else { output::depth(color) }
    }

    /// How files of a kind are written.
    pub(crate) fn manner(&self, kind: Kind) -> Manner {
        Manner { force: self.force, ..Manner::new(kind) }
    }

    /// Sees that the result can be written, before it is computed. The records must be open.
    ///
    /// # Errors
    /// If something stands at the name that must not be replaced, or the name's ending is that of another form.
    pub(crate) fn check(&self) -> Result<()> {
        let manner = self.manner(self.format().kind());
        let Some(path) = self.out() else { return outputs::check(None, manner) };
        let named = Kind::of_name(path);
        if named == Some(Kind::Html) {
            bail!("{}: pages are made by `damo report html -o {0}`", path.shown());
        }
        let is_other = |named: Kind| named != self.format().kind() && (named.is_binary() || named == Kind::Svg);
        if let Some(named) = named.filter(|named| *named != Kind::Record && is_other(*named)) {
            bail!(
                "{}: --format asks for another form than its ending says ({named:?}); leave --format out",
                path.shown()
            );
        }
        outputs::check(Some(path), manner)
    }

    /// Where the picture goes, if the result is one: as `--plot` says, or `--format` and `--output`.
    pub(crate) fn picture_output(&self) -> Option<PictureOutput<'_>> {
        let of = |format, path| PictureOutput { format, path, manner: self.manner(AnyForm::Picture(format).kind()) };
        if let Some(path) = self.plot.file() {
            return Format::of(path).map(|format| of(format, Some(path)));
        }
        match self.format() {
            AnyForm::Picture(format) => Some(of(format, self.out())),
            _ => None,
        }
    }

    /// Gives `write` the place to write data of a kind to: the file asked for, or stdout.
    ///
    /// # Errors
    /// As [`FormArgs::write`].
    pub(crate) fn write_as(&self, kind: Kind, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        if self.out().is_some() {
            return outputs::write(self.out(), self.manner(kind), write);
        }
        if output::is_terminal() { output::to_stdout(write) } else { output::bytes_to_stdout(write) }
    }

    /// Gives `write` the place to write to: the file asked for, or stdout; text on a terminal through a pager, unless there is
    /// to be none.
    ///
    /// # Errors
    /// Whatever `write` returns; or if the place takes no more.
    pub(crate) fn write(&self, pager: PagerArgs, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        if self.out.is_none() && self.format() == AnyForm::Text {
            return crate::output::to_pager(pager.no_pager, write);
        }
        self.check()?;
        if self.out().is_some() {
            return outputs::write(self.out(), self.manner(self.format().kind()), write);
        }
        // Tables are data wherever they go but to a terminal.
        let is_text = match self.format() {
            AnyForm::Text | AnyForm::Stacks(_) => true,
            AnyForm::Tables(Form::Parquet) | AnyForm::Picture(_) => false,
            AnyForm::Tables(_) => crate::output::is_terminal(),
        };
        if is_text { crate::output::to_stdout(write) } else { crate::output::bytes_to_stdout(write) }
    }
}
