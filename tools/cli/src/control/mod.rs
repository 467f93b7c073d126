//! Commands for a stack that runs in another process, over its control socket.
//!
//! The module owns finding the socket and what users are told when there is none. Each command has a
//! file.

mod args;
mod endpoint;
mod limits;
mod monitor;
mod nstat;
mod ss;
mod subflow;
mod words;

use crate::{BAD_USE, FAILED, refuse};
pub(crate) use args::ControlCommand;
use args::SocketArgs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use umptcp::control_socket::{Answered, ControlClient, Request};
use umptcp::smapp::{Command, Reply};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
enum Failed {
    /// It was asked for something that cannot be.
    BadUse(String),
    /// It could not be done.
    CouldNot(String),
    /// Whoever reads what is printed has gone, which is no failure.
    ReaderGone,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderGone
        } else {
            Self::CouldNot(error.to_string())
        }
    }
}

pub(crate) fn run(command: &ControlCommand) -> ExitCode {
    match carry_out(command) {
        Ok(()) | Err(Failed::ReaderGone) => ExitCode::SUCCESS,
        Err(Failed::BadUse(why)) => refuse(BAD_USE, &why),
        Err(Failed::CouldNot(why)) => refuse(FAILED, &why),
    }
}

fn carry_out(command: &ControlCommand) -> Result<(), Failed> {
    // What is wrong with the command line is said whether or not a stack runs.
    match command {
        ControlCommand::Ss(args) => ss::run(&mut connect(&args.socket)?, args),
        ControlCommand::Monitor(args) => monitor::run(&mut connect(&args.socket)?, args),
        ControlCommand::Endpoint(args) => {
            let wanted = endpoint::parse(&args.words).map_err(Failed::BadUse)?;
            endpoint::run(&mut connect(&args.socket)?, &wanted)
        }
        ControlCommand::Limits(args) => {
            let wanted = limits::parse(&args.words).map_err(Failed::BadUse)?;
            limits::run(&mut connect(&args.socket)?, wanted)
        }
        ControlCommand::Subflow(args) => subflow::run(&mut connect(&args.socket)?, &args.command),
        ControlCommand::Nstat(args) => nstat::run(&mut connect(&args.socket)?, args),
    }
}

fn connect(socket: &SocketArgs) -> Result<ControlClient, Failed> {
    let path = socket.socket.clone().unwrap_or_else(default_socket);
    ControlClient::connect(&path).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ": no stack runs with this control socket (name it with --socket)"
            }
            io::ErrorKind::PermissionDenied => ": it belongs to another user",
            _ => "",
        };
        Failed::CouldNot(format!("{}: {error}{hint}", path.display()))
    })
}

/// Where a stack has its control socket if nobody says otherwise.
fn default_socket() -> PathBuf {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| "/run".into(), PathBuf::from);
    folder.join("umptcp.sock")
}

/// Carries a command of SMAPP out.
fn command(client: &mut ControlClient, command: Command) -> Result<Reply, Failed> {
    match client.request(Request::Command(command))? {
        Answered::Reply(reply) => Ok(reply),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &Answered) -> Failed {
    Failed::CouldNot(format!(
        "the stack gave an answer to another question: {answer:?}"
    ))
}

/// Prints, so that a reader that has gone is noticed.
fn print(text: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
