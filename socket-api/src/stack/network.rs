//! The interfaces of a stack and their addresses.
//!
//! The module owns these methods of the stack; what they change is the endpoint's.

use super::Stack;
use crate::error::StackError;
use crate::shared::wake_all;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use umptcp_stack::InterfaceId;

impl Stack {
    /// The interfaces, in the order in which the builder got them.
    #[must_use]
    pub fn interfaces(&self) -> &[InterfaceId] {
        &self.interfaces
    }

    /// Disables or enables an interface: what was in flight there moves to other paths. It works
    /// while it is enabled and its device's link is up.
    pub fn set_interface_up(&self, interface: InterfaceId, up: bool) {
        let mut woken = Vec::new();
        self.handle
            .command(|state, now| state.enable_interface(now, interface, up, &mut woken));
        wake_all(&mut woken);
    }

    /// Waits until an interface is enabled and its device's link is up. A link that was down when
    /// the stack started is noticed a moment after it has come up; connecting over it before
    /// that fails.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// `NotFound` for an interface of another stack, `NotConnected` if the stack has stopped.
    pub async fn interface_up(&self, interface: InterfaceId) -> io::Result<()> {
        poll_fn(|cx| {
            self.handle
                .command(|state, _| state.poll_interface_up(interface, cx.waker()))
        })
        .await
    }

    /// Gives an interface a further address; connections may open subflows from it.
    pub fn add_address(&self, interface: InterfaceId, address: IpAddr) {
        self.handle
            .command(|state, now| state.endpoint.add_address(now, interface, address));
    }

    /// Takes an address away: its subflows close, and peers are told.
    pub fn remove_address(&self, address: IpAddr) {
        self.handle
            .command(|state, now| state.endpoint.remove_address(now, address));
    }

    /// Announces an address of ours to the peers of all connections, now and in future (ADD_ADDR).
    /// `port` is where they are to join, if that is not the port they connected to; nobody has to
    /// listen there.
    ///
    /// # Errors
    /// `NotFound` if no interface has the address, or for port 0.
    pub fn announce_address(&self, address: IpAddr, port: Option<u16>) -> io::Result<()> {
        self.handle
            .command(|state, now| state.endpoint.announce_address(now, None, address, port))
            .map_err(StackError::into_io)
    }

    /// Takes such an announcement back (REMOVE_ADDR): subflows of ours on that address, or on that
    /// port of it, end.
    ///
    /// # Errors
    /// `NotFound` if no connection knows the address.
    pub fn withdraw_address(&self, address: IpAddr, port: Option<u16>) -> io::Result<()> {
        self.handle
            .command(|state, now| state.endpoint.withdraw_address(now, None, address, port))
            .map_err(StackError::into_io)
    }
}
