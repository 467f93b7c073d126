//! What happens to MPTCP on this host, counted under the names of the Linux kernel's `MPTcpExt`, so
//! that the two can be compared line by line.
//!
//! Owns the names and the numbers. It never decides when something is counted.

use core::ops::{Index, IndexMut};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One counter, in the kernel's order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum MptcpCounter {
            $($(#[$doc])* $variant,)*
        }

        impl MptcpCounter {
            /// All of them, in the kernel's order.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The kernel's name, without the prefix `MPTcpExt`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

counters! {
    /// SYN with MP_CAPABLE received.
    MpCapableSynRx = "MPCapableSYNRX",
    /// SYN with MP_CAPABLE sent.
    MpCapableSynTx = "MPCapableSYNTX",
    /// SYN/ACK with MP_CAPABLE received.
    MpCapableSynAckRx = "MPCapableSYNACKRX",
    /// Third packet with MP_CAPABLE received.
    MpCapableAckRx = "MPCapableACKRX",
    /// A listener fell back to TCP at the third packet.
    MpCapableFallbackAck = "MPCapableFallbackACK",
    /// An initiator fell back to TCP at the SYN/ACK.
    MpCapableFallbackSynAck = "MPCapableFallbackSYNACK",
    /// An initiator left MP_CAPABLE off because SYNs with it seemed to be dropped.
    MpCapableSynTxDrop = "MPCapableSYNTXDrop",
    /// MP_CAPABLE was not tried because of a black hole that is remembered.
    MpCapableSynTxDisabled = "MPCapableSYNTXDisabled",
    /// SYN with MP_CAPABLE to a port that is only announced for joins; refused.
    MpCapableEndpAttempt = "MPCapableEndpAttempt",
    /// No key with a free token was found.
    MpFallbackTokenInit = "MPFallbackTokenInit",
    /// Segments sent again at the data level, on this subflow or another.
    MptcpRetrans = "MPTCPRetrans",
    /// MP_JOIN with a token of no connection.
    MpJoinNoTokenFound = "MPJoinNoTokenFound",
    /// SYN with MP_JOIN received.
    MpJoinSynRx = "MPJoinSynRx",
    /// Of those, with the backup bit.
    MpJoinSynBackupRx = "MPJoinSynBackupRx",
    /// SYN/ACK with MP_JOIN received.
    MpJoinSynAckRx = "MPJoinSynAckRx",
    /// Of those, with the backup bit.
    MpJoinSynAckBackupRx = "MPJoinSynAckBackupRx",
    /// SYN/ACK with MP_JOIN whose HMAC is wrong.
    MpJoinSynAckHmacFailure = "MPJoinSynAckHMacFailure",
    /// Third packet of a join received.
    MpJoinAckRx = "MPJoinAckRx",
    /// Third packet of a join without the right HMAC.
    MpJoinAckHmacFailure = "MPJoinAckHMacFailure",
    /// A join was refused by policy or by a limit.
    MpJoinRejected = "MPJoinRejected",
    /// SYN with MP_JOIN sent.
    MpJoinSynTx = "MPJoinSynTx",
    /// A subflow could not be made: no resources.
    MpJoinSynTxCreatSkErr = "MPJoinSynTxCreatSkErr",
    /// A subflow could not be made: its local address or port is not to be had.
    MpJoinSynTxBindErr = "MPJoinSynTxBindErr",
    /// A subflow could not be made: the remote address cannot be reached from there.
    MpJoinSynTxConnectErr = "MPJoinSynTxConnectErr",
    /// A mapping contradicts one that is known.
    DssNotMatching = "DSSNotMatching",
    /// A broken mapping led to fallback.
    DssCorruptionFallback = "DSSCorruptionFallback",
    /// A broken mapping led to the reset of a subflow.
    DssCorruptionReset = "DSSCorruptionReset",
    /// Infinite mapping sent.
    InfiniteMapTx = "InfiniteMapTx",
    /// Infinite mapping received.
    InfiniteMapRx = "InfiniteMapRx",
    /// A mapping does not cover any of the bytes it came with.
    DssNoMatchTcp = "DSSNoMatchTCP",
    /// DSS checksum wrong.
    DataCsumErr = "DataCsumErr",
    /// Data out of order, put at the end of what waits.
    OfoQueueTail = "OFOQueueTail",
    /// Data out of order, put before something that waits.
    OfoQueue = "OFOQueue",
    /// Data out of order that was joined with what waits.
    OfoMerge = "OFOMerge",
    /// Data beyond the window of the connection, dropped.
    NoDssInWindow = "NoDSSInWindow",
    /// Data that had been received already, dropped.
    DuplicateData = "DuplicateData",
    /// ADD_ADDR received.
    AddAddr = "AddAddr",
    /// ADD_ADDR sent.
    AddAddrTx = "AddAddrTx",
    /// ADD_ADDR not sent: no room.
    AddAddrTxDrop = "AddAddrTxDrop",
    /// Echo of ADD_ADDR received.
    EchoAdd = "EchoAdd",
    /// Echo of ADD_ADDR sent.
    EchoAddTx = "EchoAddTx",
    /// Echo of ADD_ADDR not sent: no room.
    EchoAddTxDrop = "EchoAddTxDrop",
    /// ADD_ADDR with a port received.
    PortAdd = "PortAdd",
    /// ADD_ADDR received and not used.
    AddAddrDrop = "AddAddrDrop",
    /// SYN with MP_JOIN to an announced port received.
    MpJoinPortSynRx = "MPJoinPortSynRx",
    /// SYN/ACK with MP_JOIN from an announced port received.
    MpJoinPortSynAckRx = "MPJoinPortSynAckRx",
    /// Third packet of a join at an announced port received.
    MpJoinPortAckRx = "MPJoinPortAckRx",
    /// SYN with MP_JOIN to a port that was not announced.
    MismatchPortSynRx = "MismatchPortSynRx",
    /// Third packet of a join at a port that was not announced.
    MismatchPortAckRx = "MismatchPortAckRx",
    /// REMOVE_ADDR received.
    RmAddr = "RmAddr",
    /// REMOVE_ADDR received and not used.
    RmAddrDrop = "RmAddrDrop",
    /// REMOVE_ADDR sent.
    RmAddrTx = "RmAddrTx",
    /// REMOVE_ADDR not sent: no room.
    RmAddrTxDrop = "RmAddrTxDrop",
    /// Subflows ended because their address was removed.
    RmSubflow = "RmSubflow",
    /// MP_PRIO sent.
    MpPrioTx = "MPPrioTx",
    /// MP_PRIO received.
    MpPrioRx = "MPPrioRx",
    /// MP_FAIL sent.
    MpFailTx = "MPFailTx",
    /// MP_FAIL received.
    MpFailRx = "MPFailRx",
    /// MP_FASTCLOSE sent.
    MpFastcloseTx = "MPFastcloseTx",
    /// MP_FASTCLOSE received.
    MpFastcloseRx = "MPFastcloseRx",
    /// MP_TCPRST sent.
    MpRstTx = "MPRstTx",
    /// MP_TCPRST received.
    MpRstRx = "MPRstRx",
    /// A subflow made no progress and is no longer used for data.
    SubflowStale = "SubflowStale",
    /// A stale subflow is used again.
    SubflowRecover = "SubflowRecover",
    /// The window of a subflow grew to that of the connection, learnt on another subflow: never, as
    /// each subflow keeps to the last window that came on it.
    SndWndShared = "SndWndShared",
    /// The window announced on a subflow was that of the connection, larger than its own: never, as
    /// subflows have none of their own.
    RcvWndShared = "RcvWndShared",
    /// The window of the connection had grown while a segment was made, and was taken: never, as
    /// nothing happens meanwhile.
    RcvWndConflictUpdate = "RcvWndConflictUpdate",
    /// The window of the connection had grown while a segment was made: never, like the one before.
    RcvWndConflict = "RcvWndConflict",
    /// Connections established now, MPTCP only; the only one that goes down.
    MpCurrEstab = "MPCurrEstab",
    /// A path that swallows SYNs with MP_CAPABLE was found.
    Blackhole = "Blackhole",
    /// A listener fell back because the first data came without a mapping.
    MpCapableDataFallback = "MPCapableDataFallback",
    /// Fallback because of TCP MD5 signatures: never, as there are none here.
    Md5SigFallback = "MD5SigFallback",
    /// Fallback because a DSS was bad or missing.
    DssFallback = "DssFallback",
    /// Fallback because both sides opened the connection at once.
    SimultConnectFallback = "SimultConnectFallback",
    /// Fallback was due and no longer possible.
    FallbackFailed = "FallbackFailed",
    /// Window probes of the data level sent.
    WinProbe = "WinProbe",
}

/// The numbers of one host since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MptcpCounters([u64; MptcpCounter::ALL.len()]);

impl MptcpCounters {
    /// Counts one event.
    pub fn count(&mut self, counter: MptcpCounter) {
        self[counter] += 1;
    }

    /// Each counter with its number, in the kernel's order.
    pub fn iter(&self) -> impl Iterator<Item = (MptcpCounter, u64)> + '_ {
        MptcpCounter::ALL
            .into_iter()
            .map(|counter| (counter, self[counter]))
    }

    /// The number under one of the kernel's names.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<u64> {
        self.iter()
            .find(|(counter, _)| counter.name() == name)
            .map(|(_, number)| number)
    }
}

impl Default for MptcpCounters {
    fn default() -> Self {
        Self([0; MptcpCounter::ALL.len()])
    }
}

impl Index<MptcpCounter> for MptcpCounters {
    type Output = u64;

    fn index(&self, counter: MptcpCounter) -> &u64 {
        &self.0[counter as usize]
    }
}

impl IndexMut<MptcpCounter> for MptcpCounters {
    fn index_mut(&mut self, counter: MptcpCounter) -> &mut u64 {
        &mut self.0[counter as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_leads_to_its_own_number() {
        let mut counters = MptcpCounters::default();
        for (times, counter) in MptcpCounter::ALL.into_iter().enumerate() {
            for _ in 0..times {
                counters.count(counter);
            }
        }
        for (times, counter) in MptcpCounter::ALL.into_iter().enumerate() {
            assert_eq!(counters.by_name(counter.name()), Some(times as u64));
        }
        assert_eq!(counters.by_name("NoSuchCounter"), None);
    }
}
