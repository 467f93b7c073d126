//! The link model in real time: a path between two hosts, each of them a stack of ours in this
//! process or a kernel behind a TUN device.
//!
//! The module owns the two [`Link`](crate::link::Link)s of a path, the clock they run by, and the
//! thread that takes packets out of them when their time has come. What happens to a packet under
//! way is decided by the links alone; what is at the ends is for [`hosts`]. It never looks into a
//! packet.
//!
//! Two ends are possible. A stack of ours gets a [`PathDevice`], which hands its packets to the link
//! in the same call. A kernel gets a TUN device, which the thread reads. Waiting is exact to
//! some ten microseconds: the thread sleeps on a timer of the kernel, not on tokio's, which
//! counts milliseconds.

mod device;
mod forward;
pub mod hosts;
mod shared;
#[cfg(test)]
mod tests;

pub use device::PathDevice;

use crate::link::{LinkConfig, LinkCounters};
use device::Inbox;
use forward::{Forwarder, Outlet};
use shared::Shared;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tun_tap::Iface;

/// Which end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that connects.
    Client,
    /// The end that listens.
    Server,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Something that each end has one of.
#[derive(Clone, Debug, Default)]
struct PerSide<T> {
    client: T,
    server: T,
}

impl<T> PerSide<T> {
    const fn get(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    const fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// Both directions of a path. The default is perfect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathConfig {
    /// From the client to the server.
    pub to_server: LinkConfig,
    /// From the server to the client.
    pub to_client: LinkConfig,
    /// What all accidents follow from, in the order in which packets come.
    pub seed: u64,
}

impl PathConfig {
    /// The same link in both directions.
    #[must_use]
    pub fn symmetric(link: LinkConfig, seed: u64) -> Self {
        Self {
            to_server: link.clone(),
            to_client: link,
            seed,
        }
    }
}

/// What became of the packets of a path so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCounters {
    /// From the client to the server.
    pub to_server: LinkCounters,
    /// From the server to the client.
    pub to_client: LinkCounters,
    /// Packets that came out of a link and that the host there did not take.
    pub refused: u64,
}

/// Describes the ends of a path before it starts to carry. An end that is given nothing swallows
/// what arrives there.
#[derive(Debug)]
#[must_use = "a path carries nothing until it is started"]
pub struct PathBuilder {
    shared: Arc<Shared>,
    forwarder: Forwarder,
}

impl PathBuilder {
    /// Gives an end to a stack of ours: the device, for packets of up to `mtu` bytes.
    #[must_use]
    pub fn stack(&mut self, side: Side, mtu: u16) -> PathDevice {
        let inbox = Arc::new(Inbox::default());
        self.forwarder
            .attach(side, Outlet::Stack(Arc::clone(&inbox)));
        PathDevice::new(Arc::clone(&self.shared), side, inbox, mtu)
    }

    /// Gives an end to the kernel behind a TUN device, opened without packet information; `mtu`
    /// is that of the device.
    ///
    /// # Errors
    /// The device cannot be waited for.
    pub fn kernel(&mut self, side: Side, tun: Iface, mtu: u16) -> io::Result<()> {
        self.forwarder.attach_tun(side, tun, mtu)
    }

    /// Starts to carry.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn start(self) -> io::Result<EmulatedPath> {
        let Self { shared, forwarder } = self;
        let thread = thread::Builder::new()
            .name("emulated path".to_owned())
            .spawn(move || forwarder.run())?;
        Ok(EmulatedPath {
            shared,
            thread: Some(thread),
        })
    }
}

/// A path that carries packets until it is stopped or dropped.
#[derive(Debug)]
pub struct EmulatedPath {
    shared: Arc<Shared>,
    /// `None` once it has been waited for.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl EmulatedPath {
    /// Begins to describe a path. Its clock starts here: the cuts of `config` count from now.
    ///
    /// # Errors
    /// The operating system has no timer or no means of waiting to give.
    pub fn builder(config: PathConfig) -> io::Result<PathBuilder> {
        let (shared, poll) = Shared::new(config)?;
        let shared = Arc::new(shared);
        let forwarder = Forwarder::new(Arc::clone(&shared), poll)?;
        Ok(PathBuilder { shared, forwarder })
    }

    /// The counters so far.
    #[must_use]
    pub fn counters(&self) -> PathCounters {
        self.shared.counters()
    }

    /// Cuts the path in the middle, both ways, or joins it again. The ends do not notice.
    pub fn set_up(&self, up: bool) {
        self.shared.set_up(up);
    }

    /// Stops to carry: what is under way is lost, TUN devices are gone when this returns, and the
    /// devices of stacks report their link down.
    ///
    /// # Errors
    /// The thread had ended before, by an error of the operating system.
    pub fn stop(mut self) -> io::Result<PathCounters> {
        self.end()?;
        Ok(self.counters())
    }

    fn end(&mut self) -> io::Result<()> {
        self.shared.stop();
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the thread of the path has panicked")),
        }
    }
}

impl Drop for EmulatedPath {
    fn drop(&mut self) {
        // Whoever wants to know the outcome asks `stop`.
        let _ = self.end();
    }
}
