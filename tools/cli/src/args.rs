//! The command line as users type it.

use crate::control::ControlCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;
use umptcp_lab::demo::{Cut, Direction, LinkChoice};

/// Multipath TCP in user space.
#[derive(Debug, Parser)]
#[command(name = "umptcp", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    #[command(flatten)]
    Control(ControlCommand),
}

/// Send a file between two hosts over several paths at once, and check that it arrived.
///
/// The hosts, the paths and the router between them live in a network namespace that the command
/// makes for itself; nothing outside is touched.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct DemoArgs {
    /// Send this file
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,

    /// Send that much generated data; K, M and G are powers of 1024 [default: 64M]
    #[arg(long, value_name = "BYTES", value_parser = parse_size, conflicts_with = "file")]
    pub(crate) size: Option<u64>,

    /// MPTCP version to offer: 0 (RFC 6824) or 1 (RFC 8684) [default: 0; 1 with --peer kernel]
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub(crate) version: Option<u8>,

    /// Protect the data with DSS checksums
    #[arg(long)]
    pub(crate) checksum: bool,

    /// Paths between the hosts, 1 to 8; they are numbered from 0
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) paths: u8,

    /// IPv6 on the paths instead of IPv4
    #[arg(long)]
    pub(crate) ipv6: bool,

    /// Take path PATH down MS milliseconds after the start, for good; may be repeated
    #[arg(long, value_name = "PATH@MS", value_parser = parse_cut)]
    pub(crate) cut: Vec<Cut>,

    /// The other host: a second stack of ours, or the Linux kernel's own MPTCP
    #[arg(long, value_enum, default_value_t = PeerArg::Stack)]
    pub(crate) peer: PeerArg,

    /// Which way to send with --peer kernel [default: to-kernel]
    #[arg(long, value_enum)]
    pub(crate) direction: Option<DirectionArg>,

    /// What the paths are made of
    #[arg(long, value_enum, default_value_t = LinksArg::Auto)]
    pub(crate) links: LinksArg,

    /// Record the packets of all paths, as the client sees them, in a pcapng file
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// Print the outcome as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeerArg {
    Stack,
    Kernel,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DirectionArg {
    ToKernel,
    FromKernel,
}

impl From<DirectionArg> for Direction {
    fn from(direction: DirectionArg) -> Self {
        match direction {
            DirectionArg::ToKernel => Self::ToKernel,
            DirectionArg::FromKernel => Self::FromKernel,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LinksArg {
    /// TUN devices if possible, otherwise links inside the process
    Auto,
    /// TUN devices, or fail
    Tun,
    /// Links inside the process
    InProcess,
}

impl From<LinksArg> for LinkChoice {
    fn from(links: LinksArg) -> Self {
        match links {
            LinksArg::Auto => Self::Auto,
            LinksArg::Tun => Self::Tun,
            LinksArg::InProcess => Self::InProcess,
        }
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let count: u64 = digits
        .parse()
        .map_err(|_| "not a number of bytes such as 5000 or 64M")?;
    count.checked_mul(unit).ok_or_else(|| "too large".into())
}

fn parse_cut(text: &str) -> Result<Cut, String> {
    let parts = text.split_once('@').and_then(|(path, millis)| {
        Some(Cut {
            path: path.parse().ok()?,
            at: Duration::from_millis(millis.parse().ok()?),
        })
    });
    parts.ok_or_else(|| "not of the form PATH@MS, such as 1@200".into())
}

/// The gist of a usage error: its first paragraph, without the advice that follows.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let gist = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    gist.strip_prefix("error: ").unwrap_or(&gist).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn demo(words: &[&str]) -> Result<DemoArgs, String> {
        let words = ["umptcp", "demo"].iter().chain(words);
        match Cli::try_parse_from(words) {
            Ok(Cli {
                command: Command::Demo(args),
            }) => Ok(args),
            Ok(Cli { command }) => Err(format!("{command:?}")),
            Err(error) => Err(one_line(&error)),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn version_is_the_protocols() {
        assert_eq!(demo(&["--version", "1"]).expect("valid").version, Some(1));
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("5000", 5000),
            ("64K", 65536),
            ("1m", 1 << 20),
            ("2G", 2 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1.5M", "64T", "64MB", "99999999999G", "é"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cuts_name_a_path_and_a_time() {
        assert_eq!(
            parse_cut("1@200"),
            Ok(Cut {
                path: 1,
                at: Duration::from_millis(200)
            })
        );
        for text in ["", "@", "1", "1@", "@200", "a@200", "1@-5", "1@2@3"] {
            assert!(parse_cut(text).is_err(), "{text}");
        }
    }

    #[test]
    fn usage_errors_are_one_line_with_the_reason() {
        for (words, reason) in [
            (&["--paths", "9"][..], "9 is not in 1..=8"),
            (&["--version", "2"], "2 is not in 0..=1"),
            (&["--cut", "x"], "not of the form PATH@MS"),
            (&["--peer", "mars"], "possible values: stack, kernel"),
            (&["--nonsense"], "unexpected argument '--nonsense' found"),
            (&["--file", "a", "--size", "1"], "cannot be used with"),
            (&["--file"], "a value is required for '--file <PATH>'"),
        ] {
            let line = demo(words).expect_err("a usage error");
            assert!(
                line.contains(reason) && !line.contains('\n'),
                "{words:?}: {line}"
            );
            assert!(
                !line.contains("error:") && !line.contains("--help"),
                "{words:?}: {line}"
            );
        }
    }
}
