//! What a peer has counted under the kernel's names, and what it should have counted.

use crate::bed::Opener;
use umptcp_lab::kernel::Counters;
use umptcp_tests::mptcp_capture::Checked;

/// The numbers of one host at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Counts(Option<Counters>);

impl Counts {
    /// The kernel's, in the namespace of the caller.
    pub(crate) fn of_kernel() -> Self {
        Self(Some(Counters::read().expect("counters")))
    }

    /// Of a host that counts nothing.
    pub(crate) const fn unknown() -> Self {
        Self(None)
    }

    /// The number under a name, if the host counts.
    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.0.as_ref().map(|counters| counters.get(name))
    }
}

/// What a peer that follows the RFC never makes the kernel count.
const TROUBLE: [&str; 31] = [
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
    "AddAddrDrop",
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

    /// Compares with what was counted.
    pub(crate) fn check(&self, counts: &Counts) {
        let Some(counters) = &counts.0 else {
            return;
        };
        for &(name, count) in &self.counted {
            assert_eq!(
                counters.get(name),
                count,
                "{name} of {:?}",
                counters.nonzero()
            );
        }
        for name in TROUBLE.into_iter().chain(FALLBACK) {
            let expected = self.allowed.contains(&name)
                || self.counted.iter().any(|&(known, _)| known == name);
            assert!(
                expected || counters.get(name) == 0,
                "{name} of {:?}",
                counters.nonzero()
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
