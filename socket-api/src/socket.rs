//! A socket before it is connected or listens: where its settings are collected.
//!
//! The module owns the settings and the local end that were asked for. It takes nothing of the
//! stack until `connect` or `listen`: a bound port is not reserved.

use crate::address::{ToAddresses, resolve};
use crate::connect::{LocalEnd, connect_to_any};
use crate::listener::MptcpListener;
use crate::shared::State;
use crate::stack::Stack;
use crate::stream::MptcpStream;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use umptcp_stack::{
    ChecksumPolicy, ConnectionConfig, InterfaceId, Keepalive, OtherVersion, Version,
};

/// A socket that is not connected yet, as tokio's `TcpSocket`: it is bound, its options are set,
/// and then it becomes an [`MptcpStream`] or an [`MptcpListener`].
///
/// There is no `reuseaddr` and no `reuseport`, as they would mean nothing here: listening is never
/// hindered by connections that are in TIME-WAIT, a port that is in TIME-WAIT is used again where
/// that is safe, and one port of one address has one listener, which any number of tasks may
/// accept from.
#[derive(Debug)]
pub struct MptcpSocket {
    stack: Stack,
    family: Family,
    local: LocalEnd,
    config: ConnectionConfig,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

impl MptcpSocket {
    /// A socket for IPv4, with the default settings.
    #[must_use]
    pub fn new_v4(stack: &Stack) -> Self {
        Self::new(stack, Family::V4)
    }

    /// A socket for IPv6, with the default settings.
    #[must_use]
    pub fn new_v6(stack: &Stack) -> Self {
        Self::new(stack, Family::V6)
    }

    fn new(stack: &Stack, family: Family) -> Self {
        Self {
            stack: stack.clone(),
            family,
            local: LocalEnd::default(),
            config: stack.default_config(),
        }
    }

    /// Chooses the local address and port; an unspecified address and port 0 leave them open. The
    /// port is not reserved: whether it is free shows in `connect` or `listen`.
    ///
    /// # Errors
    /// `InvalidInput` for the other family, `AddrNotAvailable` if no interface has the address.
    pub fn bind(&mut self, local: SocketAddr) -> io::Result<()> {
        if Family::of(local) != self.family {
            return Err(other_family(local));
        }
        let ip = local.ip();
        let known = ip.is_unspecified()
            || self
                .stack
                .handle()
                .look(|state| state.endpoint.interface_of(ip).is_some());
        if !known {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                format!("{ip} is not an address of any interface"),
            ));
        }
        self.local.address = Some(local);
        Ok(())
    }

    /// Connects from an address of this interface, or listens at its addresses. Further subflows
    /// never leave it either, unless `allowed_local` of [`Self::config_mut`] says which local
    /// addresses may be used.
    pub fn bind_interface(&mut self, interface: InterfaceId) {
        self.local.interface = Some(interface);
    }

    /// What was bound; the unspecified address and port 0 before that.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let unbound = SocketAddr::new(self.family.unspecified(), 0);
        self.local.address.unwrap_or(unbound)
    }

    /// Connects to the first address of the socket's family that answers, trying the next one
    /// when one fails or takes longer than 250 ms (RFC 8305).
    ///
    /// Cancellation safe: dropping the future gives all attempts up.
    ///
    /// # Errors
    /// As for [`Stack::connect_with`]; `InvalidInput` if there is no address of the family.
    pub async fn connect(self, remote: impl ToAddresses) -> io::Result<MptcpStream> {
        let mut remotes = resolve(remote).await?;
        let first = remotes.first().copied();
        remotes.retain(|remote| Family::of(*remote) == self.family);
        if let (true, Some(first)) = (remotes.is_empty(), first) {
            return Err(other_family(first));
        }
        let handle = self.stack.handle();
        let config = self.starting_config();
        let connection = connect_to_any(handle, self.local, remotes, &config).await?;
        Ok(MptcpStream::new(connection))
    }

    /// What connections start with: bound to an interface, they never leave it.
    fn starting_config(&self) -> ConnectionConfig {
        let mut config = self.config.clone();
        if let (Some(interface), None) = (self.local.interface, &config.allowed_local) {
            let addresses = |state: &State| state.endpoint.addresses_of(interface);
            config.allowed_local = Some(self.stack.handle().look(addresses));
        }
        config
    }

    /// Listens where the socket is bound; not bound, at every address and a port that the stack
    /// chooses. So many established connections may wait to be accepted, at least one.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable` if the interface has no address of the family, or
    /// `NotConnected` if the stack has stopped.
    pub fn listen(self, backlog: usize) -> io::Result<MptcpListener> {
        let locals = self.listening_addresses()?;
        let config = self.starting_config();
        let listener = MptcpListener::new(self.stack.handle(), &locals, &config)?;
        listener.set_backlog(backlog);
        Ok(listener)
    }

    fn listening_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let local = self.local_addr();
        let Some(interface) = self.local.interface else {
            return Ok(vec![local]);
        };
        let handle = self.stack.handle();
        let addresses = handle.look(|state| state.endpoint.addresses_of(interface));
        let locals: Vec<SocketAddr> = addresses
            .into_iter()
            .map(|ip| SocketAddr::new(ip, local.port()))
            .filter(|address| Family::of(*address) == self.family)
            .filter(|address| local.ip().is_unspecified() || local.ip() == address.ip())
            .collect();
        if locals.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "the interface has no such address to listen at",
            ));
        }
        Ok(locals)
    }

    /// All the settings.
    #[must_use]
    pub fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    /// All the settings, to change.
    pub fn config_mut(&mut self) -> &mut ConnectionConfig {
        &mut self.config
    }

    /// Small writes are sent at once.
    #[must_use]
    pub fn nodelay(&self) -> bool {
        self.config.nodelay
    }

    /// Sends small writes at once (no Nagle algorithm, RFC 9293 §3.7.4).
    pub fn set_nodelay(&mut self, nodelay: bool) {
        self.config.nodelay = nodelay;
    }

    /// How idle subflows are probed, if they are.
    #[must_use]
    pub fn keepalive(&self) -> Option<Keepalive> {
        self.config.subflow.keepalive
    }

    /// Probes idle subflows (RFC 9293 §3.8.4).
    pub fn set_keepalive(&mut self, keepalive: Option<Keepalive>) {
        self.config.subflow.keepalive = keepalive;
    }

    /// See [`MptcpStream::set_linger`].
    #[must_use]
    pub fn linger(&self) -> Option<Duration> {
        self.config.linger
    }

    /// See [`MptcpStream::set_linger`].
    pub fn set_linger(&mut self, linger: Option<Duration>) {
        self.config.linger = linger;
    }

    /// The most bytes that may wait to be sent or acknowledged.
    #[must_use]
    pub fn send_buffer_size(&self) -> usize {
        self.config.send_buffer
    }

    /// Sets the most bytes that may wait to be sent or acknowledged. The buffer starts small and
    /// grows up to this.
    pub fn set_send_buffer_size(&mut self, size: usize) {
        self.config.send_buffer = size;
    }

    /// The most bytes that may wait to be read.
    #[must_use]
    pub fn recv_buffer_size(&self) -> usize {
        self.config.receive_buffer
    }

    /// Sets the most bytes that may wait to be read: the largest receive window. The buffer starts
    /// small and grows up to this.
    pub fn set_recv_buffer_size(&mut self, size: usize) {
        self.config.receive_buffer = size;
    }

    /// MPTCP is spoken, if the peer does.
    #[must_use]
    pub fn mptcp(&self) -> bool {
        self.config.mptcp
    }

    /// Speaks MPTCP, or plain TCP only.
    pub fn set_mptcp(&mut self, mptcp: bool) {
        self.config.mptcp = mptcp;
    }

    /// The version that is offered.
    #[must_use]
    pub fn version(&self) -> Version {
        self.config.version
    }

    /// Sets the version to offer. A listener answers in the version of the SYN.
    pub fn set_version(&mut self, version: Version) {
        self.config.version = version;
    }

    /// What is done if the peer does not speak that version.
    #[must_use]
    pub fn other_version(&self) -> OtherVersion {
        self.config.other_version
    }

    /// Sets what is done if the peer does not speak that version.
    pub fn set_other_version(&mut self, other_version: OtherVersion) {
        self.config.other_version = other_version;
    }

    /// What is done about DSS checksums.
    #[must_use]
    pub fn checksum(&self) -> ChecksumPolicy {
        self.config.checksum
    }

    /// Sets what is done about DSS checksums.
    pub fn set_checksum(&mut self, checksum: ChecksumPolicy) {
        self.config.checksum = checksum;
    }

    /// Subflows that the connection is brought to, and the most that are accepted.
    #[must_use]
    pub fn max_subflows(&self) -> usize {
        self.config.max_subflows
    }

    /// Sets the number of subflows that the connection is brought to, and the most that are
    /// accepted from the peer; the initial one included.
    pub fn set_max_subflows(&mut self, max_subflows: usize) {
        self.config.max_subflows = max_subflows;
    }

    /// How long an attempt to connect to one address may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.config.connect_timeout
    }

    /// Sets how long an attempt to connect to one address may take; `TimedOut` is the error then.
    pub fn set_connect_timeout(&mut self, timeout: Duration) {
        self.config.connect_timeout = timeout;
    }

    /// See [`MptcpStream::set_user_timeout`].
    #[must_use]
    pub fn user_timeout(&self) -> Duration {
        self.config.user_timeout
    }

    /// See [`MptcpStream::set_user_timeout`].
    pub fn set_user_timeout(&mut self, timeout: Duration) {
        self.config.user_timeout = timeout;
    }
}

fn other_family(address: SocketAddr) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{address} is not of the socket's address family"),
    )
}

impl Stack {
    /// A socket for IPv4, to be set up before it connects or listens.
    #[must_use]
    pub fn socket_v4(&self) -> MptcpSocket {
        MptcpSocket::new_v4(self)
    }

    /// A socket for IPv6, to be set up before it connects or listens.
    #[must_use]
    pub fn socket_v6(&self) -> MptcpSocket {
        MptcpSocket::new_v6(self)
    }
}
