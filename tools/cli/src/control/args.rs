//! The command line of the commands for a running stack.

use clap::{Args, Subcommand, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Commands that speak to a stack of another process.
#[derive(Debug, Subcommand)]
pub(crate) enum ControlCommand {
    Ss(SsArgs),
    Monitor(MonitorArgs),
    Endpoint(EndpointArgs),
    Limits(LimitsArgs),
    Subflow(SubflowArgs),
    Nstat(NstatArgs),
}

/// Which stack is meant.
#[derive(Debug, Args)]
pub(crate) struct SocketArgs {
    /// The control socket of the stack [default: umptcp.sock in $XDG_RUNTIME_DIR or /run]
    #[arg(long, value_name = "PATH", env = "UMPTCP_SOCKET", global = true)]
    pub(crate) socket: Option<PathBuf>,
}

/// Show the sockets of a running stack, as ss does those of the kernel.
#[derive(Debug, Args)]
pub(crate) struct SsArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArgs,

    /// Show what MPTCP and the subflows are doing
    #[arg(short, long)]
    pub(crate) info: bool,

    /// Show listening sockets instead
    #[arg(short, long, conflicts_with = "all")]
    pub(crate) listening: bool,

    /// Show both
    #[arg(short, long)]
    pub(crate) all: bool,

    /// Print one JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print what happens to the connections of a running stack, as `ip mptcp monitor` does.
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArgs,

    /// Begin with the connections and listeners that are there already
    #[arg(long)]
    pub(crate) known: bool,

    /// Stop after N events
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// Print a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show and change the addresses that the path manager "kernel" uses, as `ip mptcp endpoint` does.
#[derive(Debug, Args)]
#[command(after_help = "\
add ADDRESS [dev IF] [id N] [port P] [signal|subflow|backup|fullmesh|laminar]...
delete id N [ADDRESS]
change {id N|ADDRESS} [backup|nobackup|fullmesh|nofullmesh]...
show [id N]
flush")]
pub(crate) struct EndpointArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArgs,

    /// What to do
    #[arg(value_name = "WORDS")]
    pub(crate) words: Vec<String>,
}

/// Show and change how much the path manager "kernel" does, as `ip mptcp limits` does.
#[derive(Debug, Args)]
#[command(after_help = "show\nset [subflow N] [add_addr_accepted N]")]
pub(crate) struct LimitsArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArgs,

    /// What to do
    #[arg(value_name = "WORDS")]
    pub(crate) words: Vec<String>,
}

/// Open, close and change subflows of a connection, named by its token in hexadecimal.
#[derive(Debug, Args)]
pub(crate) struct SubflowArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArgs,

    #[command(subcommand)]
    pub(crate) command: SubflowCommand,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum SubflowCommand {
    /// Open a subflow
    Open {
        /// The connection
        #[arg(value_parser = parse_token)]
        token: u32,
        /// Where to; port 0 stands for that of the initial subflow
        #[arg(long, value_name = "ADDRESS:PORT")]
        to: SocketAddr,
        /// From where [default: the first address that can]
        #[arg(long, value_name = "ADDRESS")]
        from: Option<IpAddr>,
        /// From which port [default: a free one]
        #[arg(
            long,
            value_name = "PORT",
            default_value_t = 0,
            hide_default_value = true
        )]
        from_port: u16,
        /// As a backup
        #[arg(long)]
        backup: bool,
    },
    /// Reset a subflow; what it has not delivered goes to the others
    Close {
        /// The connection
        #[arg(value_parser = parse_token)]
        token: u32,
        /// The local end of the subflow
        local: SocketAddr,
        /// Its remote end
        remote: SocketAddr,
    },
    /// Ask the peer to treat a subflow as backup, or as regular
    Backup {
        /// The connection
        #[arg(value_parser = parse_token)]
        token: u32,
        /// The local end of the subflow
        local: SocketAddr,
        /// Its remote end
        remote: SocketAddr,
        /// Which
        #[arg(value_enum)]
        on: OnOff,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    On,
    Off,
}

/// Show the MPTCP counters of a running stack, as `nstat` does those of the kernel.
#[derive(Debug, Args)]
pub(crate) struct NstatArgs {
    #[command(flatten)]
    pub(crate) socket: SocketArgs,

    /// Show those that are zero, too
    #[arg(short, long)]
    pub(crate) zeros: bool,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    /// Only these counters
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// A token as `ss` and `monitor` print it.
fn parse_token(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u32::from_str_radix(digits, 16).map_err(|_| "a token has up to 8 hexadecimal digits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_hexadecimal() {
        assert_eq!(parse_token("beef"), Ok(0xbeef));
        assert_eq!(parse_token("0x10"), Ok(16));
        for text in ["", "xyz", "123456789", "-1"] {
            assert!(parse_token(text).is_err(), "{text}");
        }
    }
}
