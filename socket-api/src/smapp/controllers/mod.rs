//! Controllers that are ready to use: the four of SMAPP, and the two use cases of
//! draft-hesmans-mptcp-socket. Each keeps the rule that its documentation gives, and has its numbers
//! as parameters.
//!
//! All of them act on the side that connects, which is the one that can reach the other through
//! NATs and firewalls. They are for connections with the path manager `Passive`.

mod delayed_establishment;
mod full_mesh;
mod openings;
mod refresh;
mod refreshing_subflows;
mod replacement;
mod smart_backup;
mod smart_streaming;
#[cfg(test)]
mod tests;

pub use delayed_establishment::{DelayedEstablishment, DelayedEstablishmentConfig};
pub use full_mesh::{FullMesh, ReopenDelays};
pub use refresh::Refresh;
pub use refreshing_subflows::RefreshingSubflows;
pub use replacement::ReplacementConfig;
pub use smart_backup::{SmartBackup, SmartBackupConfig};
pub use smart_streaming::{SmartStreaming, SmartStreamingConfig};

use super::controller::Commands;
use super::event::Token;
use std::net::{IpAddr, SocketAddr};

/// A local address and where it is to lead, other than from `bad`: `wanted` if it is given, or else
/// the first of ours that is on no such address, towards an address of the peer's of its family.
/// The peer's addresses other than `bad_remote` come first: they may be another path's.
fn other_path(
    commands: &mut Commands<'_>,
    token: Token,
    wanted: Option<IpAddr>,
    bad: IpAddr,
    bad_remote: SocketAddr,
) -> Option<(IpAddr, SocketAddr)> {
    let addresses = commands.addresses(token).ok()?;
    let local = match wanted {
        Some(wanted) => wanted,
        None => addresses
            .local
            .iter()
            .map(|&(_, address)| address)
            .find(|&address| address != bad)?,
    };
    let reachable = |remote: &SocketAddr| remote.is_ipv4() == local.is_ipv4();
    let mut remotes = addresses.remote.iter().map(|&(_, address)| address);
    let other = remotes.find(|remote| *remote != bad_remote && reachable(remote));
    let remote = other.or_else(|| Some(bad_remote).filter(reachable))?;
    Some((local, remote))
}
