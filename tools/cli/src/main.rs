//! The `umptcp` command: Multipath TCP in user space, at work.
//!
//! It owns the command line: what users may ask, how they are told what came of it, and the exit
//! status. The work itself is done in `umptcp-lab`.
//!
//! Exit status: 0 if all went well, 1 if a transfer failed or was not intact, 2 for bad use.

mod args;
mod control;
mod demo;

use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind;
use std::process::ExitCode;

/// The transfer failed, or what arrived is not what was sent.
const FAILED: u8 = 1;
/// The command was asked for something that cannot be.
const BAD_USE: u8 = 2;

fn main() -> ExitCode {
    // No runtime and no thread here: `demo` needs the process to itself while it makes its
    // namespaces.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Control(command) => control::run(&command),
    }
}

/// Says on standard error why the command ends with `status`.
fn refuse(status: u8, why: &str) -> ExitCode {
    eprintln!("umptcp: {why}");
    ExitCode::from(status)
}

fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // A reader that went away early is no failure.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_USE))
        }
        _ => refuse(BAD_USE, &args::one_line(error)),
    }
}
