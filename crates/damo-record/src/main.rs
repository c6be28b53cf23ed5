//! `damo-record`: the recorder alone, for production hosts. The same as `damo record`.

use clap::Parser;
use damo_record::args::RecordArgs;
use std::process::ExitCode;

/// Record how a program uses its memory, with DAMON, the Linux kernel's data access monitor.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    args: RecordArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match damo_record::run(&cli.args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("damo-record: {error}");
            ExitCode::from(2)
        }
    }
}
