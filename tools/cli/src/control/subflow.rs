//! `umptcp subflow`: opening subflows, closing them, and changing which are backups.

use super::args::{OnOff, SubflowCommand};
use super::{Failed, command, print};
use umptcp::control_socket::ControlClient;
use umptcp::smapp::{Command, CreateSubflow, Reply, Token};

pub(super) fn run(client: &mut ControlClient, wanted: &SubflowCommand) -> Result<(), Failed> {
    match *wanted {
        SubflowCommand::Open {
            token,
            to,
            from,
            from_port,
            backup,
        } => {
            let subflow = CreateSubflow {
                local: from,
                local_port: from_port,
                backup,
                ..CreateSubflow::new(Token(token), to)
            };
            match command(client, Command::CreateSubflow(subflow))? {
                Reply::Subflow { id } => print(&format!("subflow {id}")),
                _ => Ok(()),
            }
        }
        SubflowCommand::Close {
            token,
            local,
            remote,
        } => {
            let token = Token(token);
            let destroy = Command::DestroySubflow {
                token,
                local,
                remote,
            };
            command(client, destroy).map(drop)
        }
        SubflowCommand::Backup {
            token,
            local,
            remote,
            on,
        } => {
            let priority = Command::SetPriority {
                token: Token(token),
                local,
                remote,
                backup: on == OnOff::On,
            };
            command(client, priority).map(drop)
        }
    }
}
