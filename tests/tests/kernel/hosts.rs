//! The two hosts: our stack, and the kernel or another stack.
//!
//! The module owns how each is made, listens and connects.

use crate::filter::Filtered;
use crate::setup::{Opener, PORT, PeerKind, Setup};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use umptcp::{ConnectionConfig, Device, MptcpListener, Stack};
use umptcp_lab::kernel::{self, KernelEndpoint, KernelProtocol, PathManager};
use umptcp_lab::realtime::hosts::Socket;
use umptcp_lab::topology::{AddressPlan, Family, Interfaces, Recorder, namespace};
use umptcp_tests::flow::LIMIT;

/// The other host.
#[derive(Debug)]
pub(crate) enum Peer {
    Kernel(PathManager),
    KernelTcp,
    Stack(Stack),
}

#[derive(Debug)]
pub(crate) enum Listener {
    Ours(MptcpListener),
    Kernel(TcpListener),
    Stack(MptcpListener),
}

pub(crate) fn peer_address(kind: PeerKind, plan: AddressPlan, index: usize) -> IpAddr {
    match kind {
        PeerKind::Kernel | PeerKind::KernelTcp => plan.kernel(index),
        PeerKind::Stack => plan.server(index),
    }
}

/// Its number in the kernel's path manager is one more than its index.
pub(crate) fn endpoint(plan: AddressPlan, index: usize) -> KernelEndpoint {
    let id = u8::try_from(index + 1).expect("few addresses");
    KernelEndpoint::new(id, plan.kernel(index))
}

pub(crate) fn kernel_peer(setup: &Setup, plan: AddressPlan) -> Peer {
    if setup.peer == PeerKind::KernelTcp {
        for &(name, value) in &setup.settings {
            namespace::set(name, value).expect(name);
        }
        return Peer::KernelTcp;
    }
    kernel::prepare_mptcp(8).expect("MPTCP");
    for &(name, value) in &setup.settings {
        namespace::set(name, value).expect(name);
    }
    let manager = PathManager::open().expect("path manager");
    for &(index, purpose) in &setup.endpoints {
        let added = manager.add_endpoint(endpoint(plan, index), purpose);
        added.expect("endpoint");
    }
    Peer::Kernel(manager)
}

pub(crate) fn our_stack<D: Device>(
    setup: &Setup,
    interfaces: Interfaces<D>,
    recorder: Option<&Recorder>,
) -> Stack {
    let mut stack = Stack::builder().config(setup.endpoint_config.clone());
    for (path, (device, address)) in interfaces.into_iter().enumerate() {
        let filter = setup.filter.clone();
        stack = match recorder {
            Some(recorder) => {
                let device = recorder.wrap(device, &format!("c{path}")).expect("capture");
                stack.interface(Filtered::new(device, filter), [address])
            }
            None => stack.interface(Filtered::new(device, filter), [address]),
        };
    }
    stack.start().expect("stack")
}

pub(crate) fn listen(setup: &Setup, ours: &Stack, peer: &Peer, plan: AddressPlan) -> Listener {
    if setup.opener == Opener::Peer {
        let here = SocketAddr::new(plan.client(0), PORT);
        let listener = ours.listen(here, setup.config.clone());
        return Listener::Ours(listener.expect("listen"));
    }
    let protocol = match peer {
        Peer::Kernel(_) => KernelProtocol::Mptcp,
        Peer::KernelTcp => KernelProtocol::Tcp,
        Peer::Stack(stack) => {
            let there = SocketAddr::new(plan.server(0), PORT);
            let listener = stack.listen(there, setup.peer_config.clone());
            return Listener::Stack(listener.expect("listen"));
        }
    };
    // A join to a further address needs somebody who listens there; a socket of IPv6 takes both.
    let everywhere: IpAddr = match (setup.family, setup.mixed) {
        (Family::V4, false) => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    let listener = kernel::listen(protocol, SocketAddr::new(everywhere, PORT)).expect("listen");
    listener.set_nonblocking(true).expect("nonblocking");
    Listener::Kernel(TcpListener::from_std(listener).expect("listener of the runtime"))
}

pub(crate) async fn connect_from(
    peer: &Peer,
    from: SocketAddr,
    to: SocketAddr,
    config: ConnectionConfig,
) -> Socket {
    let protocol = match peer {
        Peer::Kernel(_) => KernelProtocol::Mptcp,
        Peer::KernelTcp => KernelProtocol::Tcp,
        Peer::Stack(stack) => {
            let connected = stack.connect_with(Some(from), to, config).await;
            return Socket::Stack(connected.expect("connect"));
        }
    };
    // The kernel's connect blocks; the namespace is that of this thread and those it starts.
    let connecting = move || kernel::connect(protocol, Some(from), to, LIMIT);
    let stream = spawn_blocking(connecting).await.expect("connecting thread");
    let stream = stream.expect("connect");
    stream.set_nonblocking(true).expect("nonblocking");
    Socket::Kernel(tokio::net::TcpStream::from_std(stream).expect("stream of the runtime"))
}

/// An address for sockets of IPv6 (RFC 4291 §2.5.5.2).
pub(crate) fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}
