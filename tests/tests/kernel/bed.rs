//! The hosts of one run and what is between them, counted and captured.
//!
//! The module owns how the hosts come together, and what is looked at after every run. What a run
//! should have shown is for `counts` and for the rows themselves.

use crate::counts::{Counts, Expected};
use crate::ends::Ends;
use crate::hosts::{self, Listener, Peer};
use crate::setup::{PORT, PeerKind, Setup};
use std::fs::File;
use std::io::BufWriter;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use umptcp::{MptcpStream, Stack, TunDevice};
use umptcp_lab::capture::SharedCapture;
use umptcp_lab::kernel::{KernelEndpoint, PathManager};
use umptcp_lab::realtime::hosts::Socket;
use umptcp_lab::topology::{AddressPlan, Interfaces, Recorder, TunPaths};
use umptcp_tests::flow::LIMIT;
use umptcp_tests::mptcp_capture::Checked;
use umptcp_tests::tshark::CaptureFile;

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
    /// Makes them.
    pub(crate) async fn new(setup: Setup) -> Self {
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
                (
                    paths,
                    interfaces,
                    Vec::new(),
                    hosts::kernel_peer(&setup, plan),
                )
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
        let ours = hosts::our_stack(&setup, our_interfaces, capture.as_ref().map(|(_, r)| r));
        let listener = hosts::listen(&setup, &ours, &peer, plan);
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
        hosts::peer_address(self.setup.peer, self.plan, index)
    }

    /// The peer's address as an endpoint of the kernel's path manager.
    pub(crate) fn peer_endpoint(&self, index: usize) -> KernelEndpoint {
        hosts::endpoint(self.plan, index)
    }

    /// What the peer has counted so far.
    pub(crate) fn peer_counts(&self) -> Counts {
        match &self.peer {
            Peer::Kernel(_) | Peer::KernelTcp => Counts::of_kernel(),
            Peer::Stack(stack) => Counts::of_stack(stack),
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
            while !right(self.peer_counts().get(name)) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(LIMIT, waiting).await;
        assert!(
            waited.is_ok(),
            "{name} of {:?}",
            self.peer_counts().nonzero()
        );
    }

    /// Whether the peer has sent data again at the data level: the kernel then takes a backup, too,
    /// if the others have something in flight.
    pub(crate) fn peer_has_reinjected(&self) -> bool {
        self.peer_counts().get("MPTCPRetrans") > 0
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
                        (Peer::Kernel(_), true) => (hosts::mapped(from), hosts::mapped(here)),
                        _ => (from, here),
                    };
                    let config = self.setup.peer_config.clone();
                    let connecting = hosts::connect_from(peer, from, here, config);
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
    pub(crate) async fn finish(self, expected: &Expected) {
        let (ours, peer) = (Counts::of_stack(&self.ours), self.peer_counts());
        self.ours.stop().await;
        if let Peer::Stack(stack) = &self.peer {
            stack.stop().await;
        }
        expected.check(&peer, self.setup.peer == PeerKind::Kernel);
        if self.setup.filter.is_none() {
            expected.check_mirrored(&ours, &peer);
        }
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
