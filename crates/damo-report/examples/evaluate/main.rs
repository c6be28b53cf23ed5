//! What schemes and sampling are worth, on simulated memory: the tables and pictures of docs/evaluation.md, which
//! `scripts/evaluate.sh` puts there. Everything is in virtual time and follows from the seed, so that the figures are the
//! same on every machine; what the simulator itself took is not, and is not told.
//!
//! Usage: `evaluate DIRECTORY` writes TABLE.md and PICTURE.png files there.

mod priorities;
mod sampling;
mod schemes;

use damo_report::picture::{Format, Picture, Style, draw};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where tables and pictures go.
struct Out(PathBuf);

impl Out {
    /// Writes a table: its columns' names, and its rows.
    fn table(&self, name: &str, columns: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>());
        text += &format!("|{}\n", "---|".repeat(columns.len()));
        rows.iter().for_each(|row| text += &line(row));
        Ok(fs::write(self.0.join(name).with_extension("md"), text)?)
    }

    fn picture(&self, name: &str, picture: &dyn Picture, size: (usize, usize)) -> Result<()> {
        let style = Style {
            width: size.0,
            height: size.1,
            subtitle: Some("simulated memory, seed 0".to_owned()),
            command: Some("scripts/evaluate.sh".to_owned()),
            ..Style::default()
        };
        Ok(fs::write(self.0.join(name).with_extension("png"), draw(picture, Format::Png, &style)?)?)
    }
}

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).ok_or("usage: evaluate DIRECTORY")?;
    let out = Out(Path::new(&directory).to_owned());
    schemes::run(&out)?;
    priorities::run(&out)?;
    sampling::run(&out)
}
