//! Links, addresses and routes of the operating system, over netlink.
//!
//! The module owns the requests to the kernel ([`Network`]) and the watching of one link
//! (`LinkWatcher`). It runs no other program, and it knows nothing of MPTCP.

mod local;
mod watch;

pub(crate) use watch::LinkWatcher;

use crate::error;
use futures::StreamExt as _;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::route::{RouteMessage, RouteScope};
use rtnetlink::{
    AddressMessageBuilder, Handle, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder,
};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::task::JoinHandle;

/// The kernel's view of a network namespace: sets link state, addresses and routes.
///
/// Errors name the link and what failed; their kind is the kernel's (`PermissionDenied` without
/// `CAP_NET_ADMIN`, `AlreadyExists`, …), `NotFound` if there is no such link. Every method is
/// cancellation safe in that the kernel does all of a request or nothing; whether it has done it
/// is then not known.
pub struct Network {
    handle: Handle,
    _connection: AbortOnDrop,
}

impl Network {
    /// Opens a connection to the kernel for the network namespace of the calling thread.
    ///
    /// # Errors
    /// The netlink socket cannot be opened.
    // Without an await so far, but opening is I/O: callers should not notice if it gets one.
    pub async fn connect() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()
            .map_err(|source| error::failed("cannot open a netlink socket", source))?;
        Ok(Self {
            handle,
            _connection: AbortOnDrop(tokio::spawn(connection)),
        })
    }

    /// Brings a link up.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn set_up(&self, link: &str) -> io::Result<()> {
        self.set_link(link, "bring it up", LinkMessageBuilder::up)
            .await
    }

    /// Takes a link down; the kernel also removes the routes over it.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn set_down(&self, link: &str) -> io::Result<()> {
        self.set_link(link, "take it down", LinkMessageBuilder::down)
            .await
    }

    /// Sets the largest packet of a link, in bytes.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn set_mtu(&self, link: &str, mtu: u32) -> io::Result<()> {
        self.set_link(link, &format!("set its MTU to {mtu}"), |request| {
            request.mtu(mtu)
        })
        .await
    }

    /// Sets how many packets wait in a link's transmit queue.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn set_queue_length(&self, link: &str, packets: u32) -> io::Result<()> {
        let what = format!("set its queue length to {packets}");
        self.set_link(link, &what, |request| request.txqueuelen(packets))
            .await
    }

    /// Gives a link an address; the kernel adds the route to its prefix. When this returns the
    /// address can be used: for IPv6 nobody is asked whether it is a duplicate.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn add_address(&self, link: &str, address: IpAddr, prefix: u8) -> io::Result<()> {
        let what = format!("add the address {address}/{prefix}");
        check_prefix(address, prefix).map_err(|source| on_link(link, &what, source))?;
        let index = self.index(link, &what).await?;
        let mut request = self.handle.address().add(index, address, prefix);
        if address.is_ipv6() {
            // On a TUN device there is nobody to ask, and the address would be unusable meanwhile.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        request
            .execute()
            .await
            .map_err(|e| on_link(link, &what, to_io(e)))?;
        match address {
            IpAddr::V4(_) => Ok(()),
            IpAddr::V6(address) => local::until_local(&self.handle, address)
                .await
                .map_err(|source| on_link(link, &what, source)),
        }
    }

    /// Takes an address away from a link.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn remove_address(&self, link: &str, address: IpAddr, prefix: u8) -> io::Result<()> {
        let what = format!("remove the address {address}/{prefix}");
        check_prefix(address, prefix).map_err(|source| on_link(link, &what, source))?;
        let index = self.index(link, &what).await?;
        let message = match address {
            IpAddr::V4(address) => AddressMessageBuilder::<Ipv4Addr>::new()
                .index(index)
                .address(address, prefix)
                .build(),
            IpAddr::V6(address) => AddressMessageBuilder::<Ipv6Addr>::new()
                .index(index)
                .address(address, prefix)
                .build(),
        };
        let request = self.handle.address().del(message);
        request
            .execute()
            .await
            .map_err(|e| on_link(link, &what, to_io(e)))
    }

    /// Routes a prefix over a link, which must be up.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn add_route(&self, destination: IpAddr, prefix: u8, link: &str) -> io::Result<()> {
        let what = format!("add the route to {destination}/{prefix}");
        let message = self.route(destination, prefix, link, &what).await?;
        let request = self.handle.route().add(message);
        request
            .execute()
            .await
            .map_err(|e| on_link(link, &what, to_io(e)))
    }

    /// Removes the route of a prefix over a link.
    ///
    /// # Errors
    /// See [`Network`].
    pub async fn remove_route(
        &self,
        destination: IpAddr,
        prefix: u8,
        link: &str,
    ) -> io::Result<()> {
        let what = format!("remove the route to {destination}/{prefix}");
        let message = self.route(destination, prefix, link, &what).await?;
        let request = self.handle.route().del(message);
        request
            .execute()
            .await
            .map_err(|e| on_link(link, &what, to_io(e)))
    }

    async fn set_link(
        &self,
        link: &str,
        what: &str,
        change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> io::Result<()> {
        let message = change(LinkUnspec::new_with_name(link)).build();
        let request = self.handle.link().set(message);
        request
            .execute()
            .await
            .map_err(|e| on_link(link, what, to_io(e)))
    }

    async fn index(&self, link: &str, what: &str) -> io::Result<u32> {
        let mut answers = Box::pin(self.handle.link().get().match_name(link).execute());
        match answers.next().await {
            Some(Ok(message)) => Ok(message.header.index),
            Some(Err(e)) => Err(on_link(link, what, to_io(e))),
            None => Err(on_link(link, what, io::ErrorKind::NotFound.into())),
        }
    }

    async fn route(
        &self,
        destination: IpAddr,
        prefix: u8,
        link: &str,
        what: &str,
    ) -> io::Result<RouteMessage> {
        let index = self.index(link, what).await?;
        let invalid = |e| on_link(link, what, io::Error::new(io::ErrorKind::InvalidInput, e));
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(destination, prefix)
            .map_err(invalid)?
            .output_interface(index);
        // Without a gateway, an IPv4 destination is on the link itself; IPv6 knows no such scope.
        let scope = if destination.is_ipv4() {
            RouteScope::Link
        } else {
            RouteScope::Universe
        };
        Ok(route.scope(scope).build())
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn check_prefix(address: IpAddr, prefix: u8) -> io::Result<()> {
    let longest = if address.is_ipv4() { 32 } else { 128 };
    if prefix <= longest {
        return Ok(());
    }
    let text = format!("a prefix of this family has at most {longest} bits");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn on_link(link: &str, what: &str, source: io::Error) -> io::Error {
    error::failed(format!("link {link}: cannot {what}"), source)
}

/// The kernel's error number as an `io::Error`, other errors as their text.
fn to_io(error: rtnetlink::Error) -> io::Error {
    /// "No such device", for which `io::ErrorKind` has no name.
    const ENODEV: i32 = 19;
    match error {
        rtnetlink::Error::NetlinkError(message) => {
            let error = message.to_io();
            if error.raw_os_error() == Some(ENODEV) {
                return io::Error::new(io::ErrorKind::NotFound, "no such link");
            }
            error
        }
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests;
