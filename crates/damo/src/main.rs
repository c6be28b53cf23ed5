//! `damo`: record, report and steer DAMON.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    damo::run(std::env::args_os())
}
