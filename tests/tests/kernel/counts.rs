//! What both hosts have counted under the kernel's names, and what they should have counted.

use crate::setup::Opener;
use umptcp::{MptcpCounters, Stack};
use umptcp_lab::kernel::Counters;
use umptcp_tests::mptcp_capture::Checked;

/// The numbers of one host at one moment.
#[derive(Clone, Debug)]
pub(crate) enum Counts {
    /// The kernel's.
    Kernel(Counters),
    /// Those of a stack of ours.
    Stack(Box<MptcpCounters>),
}

impl Counts {
    /// The kernel's, in the namespace of the caller.
    pub(crate) fn of_kernel() -> Self {
        Self::Kernel(Counters::read().expect("counters"))
    }

    pub(crate) fn of_stack(stack: &Stack) -> Self {
        Self::Stack(Box::new(stack.mptcp_counters()))
    }

    /// The number under one of the kernel's names.
    pub(crate) fn get(&self, name: &str) -> u64 {
        match self {
            Self::Kernel(counters) => counters.get(name),
            Self::Stack(counters) => counters.by_name(name).expect("a name of the kernel"),
        }
    }

    /// What has been counted at all, to be shown.
    pub(crate) fn nonzero(&self) -> Vec<(&str, u64)> {
        match self {
            Self::Kernel(counters) => counters.nonzero(),
            Self::Stack(counters) => counters
                .iter()
                .filter(|&(_, number)| number > 0)
                .map(|(counter, number)| (counter.name(), number))
                .collect(),
        }
    }
}

/// What a peer that follows the RFC never makes the kernel count.
const TROUBLE: [&str; 30] = [
    "MPCapableFallbackACK",
    "MPCapableFallbackSYNACK",
    "MPCapableSYNTXDrop",
    "MPCapableSYNTXDisabled",
    "MPCapableEndpAttempt",
    "MPFallbackTokenInit",
    "MPJoinNoTokenFound",
    "MPJoinSynAckHMacFailure",
    "MPJoinAckHMacFailure",
    "MPJoinRejected",
    "MPJoinSynTxCreatSkErr",
    "MPJoinSynTxBindErr",
    "MPJoinSynTxConnectErr",
    "DSSNotMatching",
    "DSSCorruptionFallback",
    "DSSCorruptionReset",
    "InfiniteMapTx",
    "InfiniteMapRx",
    "DSSNoMatchTCP",
    "DataCsumErr",
    "NoDSSInWindow",
    "MismatchPortSynRx",
    "MismatchPortAckRx",
    "RmAddrDrop",
    "MPFailTx",
    "MPFailRx",
    "MPFastcloseTx",
    "MPFastcloseRx",
    "Blackhole",
    "MPCapableDataFallback",
];

/// The rest of them: what is about fallback.
const FALLBACK: [&str; 4] = [
    "MD5SigFallback",
    "DssFallback",
    "SimultConnectFallback",
    "FallbackFailed",
];

/// What we repeat to a peer that is slow to answer; it may be counted more often than it was needed.
const REPEATED: [&str; 2] = ["AddAddr", "EchoAddTx"];

/// What one host counts when it sends, and the other when it receives.
const MIRRORED: [(&str, &str); 7] = [
    ("MPJoinSynTx", "MPJoinSynRx"),
    ("AddAddrTx", "AddAddr"),
    ("EchoAddTx", "EchoAdd"),
    ("RmAddrTx", "RmAddr"),
    ("MPPrioTx", "MPPrioRx"),
    ("MPFailTx", "MPFailRx"),
    ("InfiniteMapTx", "InfiniteMapRx"),
];

/// What a row expects its peer to have counted, and its capture to have shown. What is trouble
/// must not have been counted at all, unless a row says so.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Expected {
    counted: Vec<(&'static str, u64)>,
    allowed: Vec<&'static str>,
    options: Vec<(u8, usize)>,
}

impl Expected {
    /// No trouble.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One connection, and so many joins that were completed, all by whoever connected.
    pub(crate) fn connection(opener: Opener, joins: u64) -> Self {
        Self::connections(opener, 1, joins)
    }

    /// The same for several connections with so many joins in all.
    pub(crate) fn connections(opener: Opener, connections: u64, joins: u64) -> Self {
        let expected = Self::new();
        match opener {
            Opener::Ours => expected
                .counts("MPCapableSYNRX", connections)
                .counts("MPCapableACKRX", connections)
                .counts("MPJoinSynRx", joins)
                .counts("MPJoinAckRx", joins),
            Opener::Peer => expected
                .counts("MPCapableSYNTX", connections)
                .counts("MPCapableSYNACKRX", connections)
                .counts("MPJoinSynTx", joins)
                .counts("MPJoinSynAckRx", joins),
        }
    }

    /// Exactly so often.
    pub(crate) fn counts(mut self, name: &'static str, count: u64) -> Self {
        self.counted.retain(|&(known, _)| known != name);
        self.counted.push((name, count));
        self
    }

    /// Any number of times, trouble or not.
    pub(crate) fn allows(mut self, name: &'static str) -> Self {
        self.counted.retain(|&(known, _)| known != name);
        self.allowed.push(name);
        self
    }

    /// The capture has at least so many packets with an option of this subtype.
    pub(crate) fn shows(mut self, subtype: u8, least: usize) -> Self {
        self.options.push((subtype, least));
        self
    }

    /// Compares with what the peer has counted; `echoes` tells whether its version has them.
    pub(crate) fn check(&self, peer: &Counts, echoes: bool) {
        for &(name, count) in &self.counted {
            if !echoes && name.starts_with("EchoAdd") {
                continue;
            }
            let counted = peer.get(name);
            let enough = counted == count || (counted > count && REPEATED.contains(&name));
            assert!(enough, "{name} is not {count}: {:?}", peer.nonzero());
        }
        let expected = |name| self.counted.iter().any(|&(known, _)| known == name);
        for name in TROUBLE.into_iter().chain(FALLBACK) {
            let allowed = expected(name) || self.allowed.contains(&name);
            assert!(
                allowed || peer.get(name) == 0,
                "{name} of {:?}",
                peer.nonzero()
            );
        }
    }

    /// Compares what both have counted, line by line, where both count the same thing.
    pub(crate) fn check_mirrored(&self, ours: &Counts, peer: &Counts) {
        for (sent, received) in MIRRORED {
            if [sent, received]
                .iter()
                .any(|name| self.allowed.contains(name))
            {
                continue;
            }
            let of_both = |name| (ours.get(name), peer.get(name));
            let (our_sent, peer_sent) = of_both(sent);
            let (our_received, peer_received) = of_both(received);
            assert!(
                our_sent == peer_received && peer_sent == our_received,
                "{sent} and {received}: we {:?}, the peer {:?}",
                ours.nonzero(),
                peer.nonzero()
            );
        }
    }

    /// Compares with what was captured.
    pub(crate) fn check_capture(&self, capture: &Checked) {
        for &(subtype, least) in &self.options {
            let found = capture.count(subtype);
            assert!(found >= least, "{found} packets with subtype {subtype}");
        }
    }
}
