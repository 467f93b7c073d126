//! What a run starts from: who the hosts are, their addresses and settings.

use crate::bed::Bed;
use crate::counts::Expected;
use crate::filter::Filter;
use tokio::runtime::Runtime;
use umptcp::{ConnectionConfig, EndpointConfig, Version};
use umptcp_lab::kernel::Use;
use umptcp_lab::topology::{AddressPlan, Family};
use umptcp_tests::privilege::in_private_network;

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

    /// The version that connections with it have.
    pub(crate) const fn version(self) -> Version {
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

    /// Who has which address.
    pub(crate) fn plan(&self) -> AddressPlan {
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
