//! Our stack and another host over TUN devices, each run in a network namespace of its own,
//! counted and captured.
//!
//! The module owns the addresses, the two hosts and how they come together. What a run should have
//! shown is for `counts` and for the rows themselves.

use crate::counts::{Counts, Expected};
use crate::filter::{Filter, Filtered};
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use umptcp::{
    ConnectionConfig, Device, EndpointConfig, MptcpListener, MptcpStream, Stack, TunDevice, Version,
};
use umptcp_lab::capture::SharedCapture;
use umptcp_lab::kernel::{self, KernelEndpoint, KernelProtocol, PathManager, Use};
use umptcp_lab::payload::Pattern;
use umptcp_lab::realtime::hosts::Socket;
use umptcp_lab::topology::{AddressPlan, Family, Interfaces, Recorder, TunPaths, namespace};
use umptcp_tests::flow::{LIMIT, receive, send};
use umptcp_tests::mptcp_capture::Checked;
use umptcp_tests::privilege::in_private_network;
use umptcp_tests::tshark::CaptureFile;

pub(crate) const PORT: u16 = 5001;

/// Enough for every subflow to carry some of it, little enough to be captured and dissected.
pub(crate) const LEN: u64 = 1 << 20;

/// Who the other host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerKind {
    /// The Linux kernel with MPTCP version 1.
    Kernel,
    /// The Linux kernel with plain TCP.
    KernelTcp,
    /// Another stack of ours, with MPTCP version 0.
    Stack,
}

impl PeerKind {
    /// Those that speak MPTCP, each its own version.
    pub(crate) const MULTIPATH: [Self; 2] = [Self::Kernel, Self::Stack];

    const fn version(self) -> Version {
        match self {
            Self::Kernel | Self::KernelTcp => Version::V1,
            Self::Stack => Version::V0,
        }
    }
}

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opener {
    /// Our stack; the peer listens.
    Ours,
    /// The peer; our stack listens.
    Peer,
}

impl Opener {
    /// Both roles.
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Peer];
}

/// What a run starts from.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) peer: PeerKind,
    pub(crate) opener: Opener,
    /// Of the initial subflow.
    pub(crate) family: Family,
    /// All other addresses are of the other family.
    pub(crate) mixed: bool,
    pub(crate) our_addresses: usize,
    pub(crate) peer_addresses: usize,
    /// What the kernel does with its addresses, by number. A stack uses all it has.
    pub(crate) endpoints: Vec<(usize, Use)>,
    /// Settings of the kernel.
    pub(crate) settings: Vec<(&'static str, &'static str)>,
    pub(crate) config: ConnectionConfig,
    /// Of the peer, if it is a stack.
    pub(crate) peer_config: ConnectionConfig,
    pub(crate) endpoint_config: EndpointConfig,
    /// What does not get through, on the way to or from our stack.
    pub(crate) filter: Option<Filter>,
    /// Large transfers are not.
    pub(crate) captured: bool,
}

impl Setup {
    /// One path, IPv4.
    pub(crate) fn new(peer: PeerKind, opener: Opener) -> Self {
        let config = ConnectionConfig {
            version: peer.version(),
            ..ConnectionConfig::default()
        };
        Self {
            peer,
            opener,
            family: Family::V4,
            mixed: false,
            our_addresses: 1,
            peer_addresses: 1,
            endpoints: Vec::new(),
            settings: Vec::new(),
            config: config.clone(),
            peer_config: config,
            endpoint_config: EndpointConfig::default(),
            filter: None,
            captured: true,
        }
    }

    /// With so many subflows: whoever connects has as many addresses, and joins from all of them.
    pub(crate) fn subflows(mut self, count: usize) -> Self {
        match self.opener {
            Opener::Ours => self.our_addresses = count,
            Opener::Peer => {
                self.peer_addresses = count;
                self.endpoints = (1..count).map(|index| (index, Use::SUBFLOW)).collect();
            }
        }
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn plan(&self) -> AddressPlan {
        let paths = match self.peer {
            PeerKind::Kernel | PeerKind::KernelTcp => self.our_addresses,
            PeerKind::Stack => self.our_addresses.max(self.peer_addresses),
        };
        if self.mixed {
            AddressPlan::mixed(self.family, paths)
        } else {
            AddressPlan::new(self.family, paths)
        }
    }

    /// Runs `row` between the hosts, then checks what was counted and captured.
    pub(crate) fn run(self, row: impl AsyncFnOnce(&mut Bed) -> Expected + Send + 'static) {
        in_private_network(move || {
            Runtime::new().expect("runtime").block_on(async move {
                let mut bed = Bed::new(self).await;
                let expected = row(&mut bed).await;
                bed.finish(&expected).await;
            });
        });
    }
}

/// The other host.
#[derive(Debug)]
pub(crate) enum Peer {
    Kernel(PathManager),
    KernelTcp,
    Stack(Stack),
}

#[derive(Debug)]
enum Listener {
    Ours(MptcpListener),
    Kernel(TcpListener),
    Stack(MptcpListener),
}

/// The hosts and what is between them.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) setup: Setup,
    pub(crate) ours: Stack,
    pub(crate) peer: Peer,
    pub(crate) paths: TunPaths,
    plan: AddressPlan,
    listener: Listener,
    capture: Option<(CaptureFile, Recorder)>,
    /// Links that nobody uses are there all the same.
    _unused: Interfaces<TunDevice>,
}

impl Bed {
    async fn new(setup: Setup) -> Self {
        let plan = setup.plan();
        let capture = setup.captured.then(|| {
            let file = CaptureFile::new();
            let writer = BufWriter::new(File::create(file.path()).expect("capture file"));
            let capture = SharedCapture::new(writer).expect("capture");
            (file, Recorder::new(capture))
        });
        let (paths, mut our_interfaces, mut unused, peer) = match setup.peer {
            PeerKind::Kernel | PeerKind::KernelTcp => {
                let peers = setup.peer_addresses;
                let (paths, interfaces) = TunPaths::to_kernel(plan, peers).await.expect("paths");
                (paths, interfaces, Vec::new(), kernel_peer(&setup, plan))
            }
            PeerKind::Stack => {
                let (paths, ours, mut theirs) =
                    TunPaths::between_stacks(plan).await.expect("paths");
                let unused = theirs.split_off(setup.peer_addresses);
                let mut stack = Stack::builder();
                for (device, address) in theirs {
                    stack = stack.interface(device, [address]);
                }
                let stack = stack.start().expect("stack");
                (paths, ours, unused, Peer::Stack(stack))
            }
        };
        unused.extend(our_interfaces.split_off(setup.our_addresses));
        let ours = our_stack(&setup, our_interfaces, capture.as_ref().map(|(_, r)| r));
        let listener = listen(&setup, &ours, &peer, plan);
        Self {
            setup,
            ours,
            peer,
            paths,
            plan,
            listener,
            capture,
            _unused: unused,
        }
    }

    pub(crate) fn our_address(&self, index: usize) -> IpAddr {
        self.plan.client(index)
    }

    pub(crate) fn peer_address(&self, index: usize) -> IpAddr {
        peer_address(self.setup.peer, self.plan, index)
    }

    /// The peer's address as an endpoint of the kernel's path manager.
    pub(crate) fn peer_endpoint(&self, index: usize) -> KernelEndpoint {
        endpoint(self.plan, index)
    }

    /// What the peer has counted so far.
    pub(crate) fn peer_counts(&self) -> Counts {
        match &self.peer {
            Peer::Kernel(_) | Peer::KernelTcp => Counts::of_kernel(),
            Peer::Stack(_) => Counts::unknown(),
        }
    }

    /// The kernel's path manager, if the peer is a kernel.
    pub(crate) const fn path_manager(&self) -> Option<&PathManager> {
        match &self.peer {
            Peer::Kernel(manager) => Some(manager),
            Peer::KernelTcp | Peer::Stack(_) => None,
        }
    }

    /// Waits until the peer has counted something so often.
    pub(crate) async fn peer_counts_to(&self, name: &str, count: u64) {
        self.peer_counts_until(name, |now| now >= count).await;
    }

    /// Waits until a number of the peer is as it should be.
    pub(crate) async fn peer_counts_until(&self, name: &str, right: impl Fn(u64) -> bool) {
        let waiting = async {
            while self.peer_counts().get(name).is_some_and(|now| !right(now)) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(LIMIT, waiting).await;
        assert!(waited.is_ok(), "{name} of {:?}", self.peer_counts());
    }

    /// Whether the peer has sent data again at the data level: the kernel then takes a backup, too,
    /// if the others have something in flight.
    pub(crate) fn peer_has_reinjected(&self) -> bool {
        self.peer_counts()
            .get("MPTCPRetrans")
            .is_some_and(|count| count > 0)
    }

    /// A connection between the first addresses of both.
    pub(crate) async fn connect(&self) -> Ends {
        let connecting = async {
            match (&self.listener, &self.peer) {
                (Listener::Ours(listener), peer) => {
                    let here = SocketAddr::new(self.our_address(0), PORT);
                    let from = SocketAddr::new(self.peer_address(0), 0);
                    let (from, here) = match (peer, self.setup.mixed) {
                        // The kernel joins over both families for sockets of IPv6 only.
                        (Peer::Kernel(_), true) => (mapped(from), mapped(here)),
                        _ => (from, here),
                    };
                    let config = self.setup.peer_config.clone();
                    let connecting = connect_from(peer, from, here, config);
                    let (accepted, peer) = tokio::join!(listener.accept(), connecting);
                    (accepted.expect("accepted").0, peer)
                }
                (Listener::Kernel(listener), _) => {
                    let (ours, peer) = tokio::join!(self.our_connect(), listener.accept());
                    (ours, Socket::Kernel(peer.expect("accepted").0))
                }
                (Listener::Stack(listener), _) => {
                    let (ours, peer) = tokio::join!(self.our_connect(), listener.accept());
                    (ours, Socket::Stack(peer.expect("accepted").0))
                }
            }
        };
        let connected = timeout(LIMIT, connecting).await;
        let (ours, peer) = connected.expect("they do not come together");
        Ends { ours, peer }
    }

    async fn our_connect(&self) -> MptcpStream {
        let from = SocketAddr::new(self.our_address(0), 0);
        let there = SocketAddr::new(self.peer_address(0), PORT);
        let config = self.setup.config.clone();
        let connecting = self.ours.connect_with(Some(from), there, config);
        connecting.await.expect("connected")
    }

    /// Stops everything and checks what must hold after every run.
    async fn finish(self, expected: &Expected) {
        let counts = self.peer_counts();
        self.ours.stop().await;
        if let Peer::Stack(stack) = &self.peer {
            stack.stop().await;
        }
        expected.check(&counts);
        if let Some((file, recorder)) = self.capture {
            recorder.finish().expect("capture");
            let checked = Checked::of(&file);
            let version = self.setup.peer.version().number();
            for connection in &checked.connections {
                assert_eq!(connection.version, version);
            }
            expected.check_capture(&checked);
        }
    }
}

fn peer_address(kind: PeerKind, plan: AddressPlan, index: usize) -> IpAddr {
    match kind {
        PeerKind::Kernel | PeerKind::KernelTcp => plan.kernel(index),
        PeerKind::Stack => plan.server(index),
    }
}

/// Its number in the kernel's path manager is one more than its index.
fn endpoint(plan: AddressPlan, index: usize) -> KernelEndpoint {
    let id = u8::try_from(index + 1).expect("few addresses");
    KernelEndpoint::new(id, plan.kernel(index))
}

fn kernel_peer(setup: &Setup, plan: AddressPlan) -> Peer {
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

fn our_stack<D: Device>(
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

fn listen(setup: &Setup, ours: &Stack, peer: &Peer, plan: AddressPlan) -> Listener {
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

async fn connect_from(
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
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Both ends of a connection.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) ours: MptcpStream,
    pub(crate) peer: Socket,
}

impl Ends {
    /// A word each way: joins begin once the peer was heard with data (RFC 6824 §3.1).
    pub(crate) async fn greet(&mut self) {
        const WORD: &[u8] = b"hello";
        let greeting = async {
            let mut word = [0; WORD.len()];
            self.ours.write_all(WORD).await?;
            self.peer.read_exact(&mut word).await?;
            self.peer.write_all(&word).await?;
            self.ours.read_exact(&mut word).await?;
            io::Result::Ok(word)
        };
        let greeted = timeout(LIMIT, greeting).await.expect("no greeting");
        assert_eq!(greeted.expect("greeting"), WORD);
    }

    /// Waits until so many of our subflows are usable.
    pub(crate) async fn subflows_are_up(&self, count: usize) {
        self.until("usable subflows", |ours| {
            let subflows = ours.subflows();
            subflows.iter().filter(|s| s.state.can_send()).count() == count
        })
        .await;
    }

    /// Waits for something that our end shows.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&MptcpStream) -> bool) {
        let waiting = async {
            while !holds(&self.ours) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(LIMIT, waiting).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.ours.subflows());
    }

    /// Sends different bytes both ways at the same time, and leaves both directions open.
    pub(crate) async fn swap(&mut self, len: usize) {
        let (there, back) = (Pattern::new(3).bytes(0, len), Pattern::new(4).bytes(0, len));
        let (mut our_reader, mut our_writer) = tokio::io::split(&mut self.ours);
        let (mut peer_reader, mut peer_writer) = tokio::io::split(&mut self.peer);
        let (mut arrived, mut came_back) = (vec![0; len], vec![0; len]);
        let swapping = async {
            tokio::try_join!(
                our_writer.write_all(&there),
                peer_reader.read_exact(&mut arrived),
                peer_writer.write_all(&back),
                our_reader.read_exact(&mut came_back),
            )
        };
        let swapped = timeout(LIMIT, swapping).await.expect("swapping has hung");
        swapped.expect("swapped");
        assert!(arrived == there && came_back == back, "not what was sent");
    }

    /// Sends different bytes both ways at the same time, and ends both directions.
    pub(crate) async fn exchange(&mut self, len: u64) {
        self.exchange_lens(len, len).await;
    }

    /// The same with another length each way.
    pub(crate) async fn exchange_lens(&mut self, to_peer: u64, to_us: u64) {
        let (there, back) = (Pattern::new(1), Pattern::new(2));
        let (mut our_reader, mut our_writer) = tokio::io::split(&mut self.ours);
        let (mut peer_reader, mut peer_writer) = tokio::io::split(&mut self.peer);
        tokio::join!(
            send(&mut our_writer, there, to_peer),
            receive(&mut peer_reader, there, to_peer),
            send(&mut peer_writer, back, to_us),
            receive(&mut our_reader, back, to_us),
        );
    }
}
