//! A stack: connecting and listening on it.
//!
//! The module owns the handle on a running stack. What happens on a connection afterwards is for streams
//! and listeners.
//!
//! | file | what |
//! |---|---|
//! | `mod` | connecting, listening, the end |
//! | `builder` | starting one |
//! | `network` | interfaces and addresses |
//! | `settings` | defaults, sysctls, counters, what is remembered of peers |
//! | `ruling` | sockets by numbers, events, controllers, the control socket |

mod builder;
mod network;
mod ruling;
mod settings;

pub use builder::StackBuilder;

use crate::address::{ToAddresses, resolve};
use crate::connect::{LocalEnd, connect_to_any, within};
use crate::listener::MptcpListener;
use crate::shared::Handle;
use crate::stream::MptcpStream;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use umptcp_stack::{ConnectionConfig, InterfaceId};

/// A host of its own: interfaces, addresses, connections and listeners, driven by one task.
///
/// Clones are the same stack. When all clones, streams and listeners are dropped, the task ends as
/// soon as the connections have ended in order; [`Stack::stop`] ends it at once.
#[derive(Clone, Debug)]
pub struct Stack {
    handle: Handle,
    interfaces: Arc<[InterfaceId]>,
}

impl Stack {
    /// Begins to describe a stack.
    pub fn builder() -> StackBuilder {
        StackBuilder::default()
    }

    /// Connects to `remote` with the default settings: an address, or a name with a port such as
    /// `"www.example.org:80"`.
    ///
    /// Of several addresses the first that answers is taken. IPv6 and IPv4 take turns, and the next
    /// attempt begins when the one before has failed or has lasted for 250 ms (RFC 8305); whoever
    /// answers too late is let go.
    ///
    /// Cancellation safe: dropping the future gives all attempts up.
    ///
    /// # Errors
    /// As for [`Self::connect_with`], or what the resolver gives. If several addresses were tried,
    /// the error is that of the last, and its text tells of all.
    pub async fn connect(&self, remote: impl ToAddresses) -> io::Result<MptcpStream> {
        let remotes = resolve(remote).await?;
        let config = self.default_config();
        let local = LocalEnd::default();
        let connection = connect_to_any(&self.handle, local, remotes, &config).await?;
        Ok(MptcpStream::new(connection))
    }

    /// As [`Self::connect`], giving up after `limit`: the time for resolving the name and all
    /// attempts together.
    ///
    /// Cancellation safe: dropping the future gives all attempts up.
    ///
    /// # Errors
    /// `TimedOut` at the limit, otherwise as for [`Self::connect`].
    pub async fn connect_timeout(
        &self,
        remote: impl ToAddresses,
        limit: Duration,
    ) -> io::Result<MptcpStream> {
        within(limit, self.connect(remote)).await
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Connects to `remote`, from `local` if it is given; its address may be unspecified and its
    /// port 0, which leaves them open.
    ///
    /// Cancellation safe: dropping the future gives the attempt up.
    ///
    /// # Errors
    /// `ConnectionRefused`, `ConnectionReset`, `HostUnreachable`, `NetworkUnreachable` or `TimedOut`
    /// as with any TCP socket; `AddrNotAvailable` if no interface or no port could be used,
    /// `AddrInUse` if `local` is in use towards `remote`, `NotConnected` if the stack has stopped.
    pub async fn connect_with(
        &self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        config: ConnectionConfig,
    ) -> io::Result<MptcpStream> {
        let local = LocalEnd {
            address: local,
            interface: None,
        };
        let connection = connect_to_any(&self.handle, local, vec![remote], &config).await?;
        Ok(MptcpStream::new(connection))
    }

    /// Accepts connections to `local`; an unspecified address stands for every local one of its
    /// family, and port 0 for one that the stack chooses. The connections get the settings
    /// `config`.
    ///
    /// # Errors
    /// `AddrInUse`, or `NotConnected` if the stack has stopped.
    pub fn listen(&self, local: SocketAddr, config: ConnectionConfig) -> io::Result<MptcpListener> {
        MptcpListener::new(&self.handle, &[local], &config)
    }

    /// As [`Self::listen`], at every address that `locals` stands for: all of a name, or several.
    /// Those with port 0 get the same port.
    ///
    /// Cancellation safe: dropping the future listens nowhere.
    ///
    /// # Errors
    /// As for [`Self::listen`], or what the resolver gives. If one address fails, none is listened
    /// at.
    pub async fn listen_at(
        &self,
        locals: impl ToAddresses,
        config: ConnectionConfig,
    ) -> io::Result<MptcpListener> {
        let locals = resolve(locals).await?;
        MptcpListener::new(&self.handle, &locals, &config)
    }

    /// Ends the stack at once, for all its clones: the devices are closed when this returns, what
    /// was not sent is lost, peers are told nothing, and whoever waits gets an error.
    ///
    /// Cancellation safe: the stack ends all the same.
    pub async fn stop(&self) {
        self.handle.command(|state, _| state.stop_requested = true);
        poll_fn(|cx| {
            self.handle
                .command(|state, _| state.poll_stopped(cx.waker()))
        })
        .await;
    }
}
