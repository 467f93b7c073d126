//! Connecting to the first of several addresses that answers.
//!
//! The module owns the race of attempts (RFC 8305 §5) and the choice of the local end of each. What
//! an attempt is, the connection knows.

use crate::address::interleave;
use crate::connection::Connection;
use crate::error;
use crate::shared::Handle;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use umptcp_stack::{ConnectionConfig, InterfaceId};

/// How long an attempt may take before the next one begins beside it (RFC 8305 §8, Connection
/// Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What the application has said about the local end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LocalEnd {
    /// An unspecified address or port 0 are left open.
    pub(crate) address: Option<SocketAddr>,
    /// The address is to be one of this interface.
    pub(crate) interface: Option<InterfaceId>,
}

impl LocalEnd {
    /// The local end of a connection to `remote`.
    fn towards(self, handle: &Handle, remote: SocketAddr) -> io::Result<Option<SocketAddr>> {
        let Some(interface) = self.interface else {
            return Ok(self.address);
        };
        let port = self.address.map_or(0, |address| address.port());
        let wanted = self.address.map(|address| address.ip());
        let wanted = wanted.filter(|ip| !ip.is_unspecified());
        let addresses = handle.look(|state| state.endpoint.addresses_of(interface));
        addresses
            .into_iter()
            .filter(|ip| ip.is_ipv4() == remote.is_ipv4())
            .find(|ip| wanted.is_none_or(|wanted| wanted == *ip))
            .map(|ip| Some(SocketAddr::new(ip, port)))
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    format!("the interface has no such address to reach {remote} from"),
                )
            })
    }
}

/// Connects to the first of `remotes` that answers; the other attempts are given up.
///
/// An attempt begins when the one before has failed, or has lasted for [`ATTEMPT_DELAY`].
pub(crate) async fn connect_to_any(
    handle: &Handle,
    local: LocalEnd,
    remotes: Vec<SocketAddr>,
    config: &ConnectionConfig,
) -> io::Result<Connection> {
    let mut waiting = interleave(remotes).into_iter();
    let mut running = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(remote) = waiting.next() {
            let config = config.clone();
            running.push(async move { (remote, attempt(handle, local, remote, config).await) });
        }
        // A single address needs no timer, and so works without a runtime around it.
        let ended = if waiting.len() == 0 {
            running.next().await
        } else {
            match tokio::time::timeout(ATTEMPT_DELAY, running.next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some((_, Ok(connection))) => return Ok(connection),
            Some((remote, Err(error))) => failures.push((remote, error)),
            None => return Err(all_failed(failures)),
        }
    }
}

async fn attempt(
    handle: &Handle,
    local: LocalEnd,
    remote: SocketAddr,
    config: ConnectionConfig,
) -> io::Result<Connection> {
    let local = local.towards(handle, remote)?;
    let connection = Connection::connect(handle, local, remote, config)?;
    poll_fn(|cx| connection.poll_established(cx)).await?;
    Ok(connection)
}

/// The last error; if there were others, with what was tried. That the stack has no address of a
/// family says less than what became of a real attempt.
fn all_failed(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let telling = |(_, error): &(_, io::Error)| error.kind() != io::ErrorKind::AddrNotAvailable;
    let index = failures.iter().rposition(telling);
    let index = index.or_else(|| failures.len().checked_sub(1));
    let Some((remote, cause)) = index.map(|index| failures.remove(index)) else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to");
    };
    if failures.is_empty() {
        return cause;
    }
    let others: Vec<String> = failures
        .iter()
        .map(|(remote, error)| format!("{remote} ({error})"))
        .collect();
    error::failed(format!("tried {} and {remote}", others.join(", ")), cause)
}

/// The future's value, or `TimedOut` if it does not come in time.
pub(crate) async fn within<T>(
    limit: Duration,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match tokio::time::timeout(limit, future).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("not connected within {limit:?}"),
        )),
    }
}
