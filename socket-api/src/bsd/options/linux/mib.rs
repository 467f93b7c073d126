//! The counters of MPTCP by the names of Linux, as programs that read them expect it (API reference
//! 4.7).
//!
//! The module owns the order of the names in two kernels and the texts of `nstat` and of
//! `/proc/net/netstat`. The counters are the endpoint's.

use std::fmt::Write as _;
use umptcp_stack::{MptcpCounter, MptcpCounters};

/// What `nstat` prints before each name, and `/proc/net/netstat` before each line.
pub const PREFIX: &str = "MPTcpExt";

/// Whose names there are, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Names {
    /// Those of Linux 6.18.
    #[default]
    Linux6_18,
    /// Those of Linux 6.12: without `MPJoinRejected` and `WinProbe`, and with `RcvPruned`.
    Linux6_12,
}

/// Counts what is dropped for want of memory in Linux 6.12. Nothing is here: what is in the window
/// has its place.
const RCV_PRUNED: &str = "RcvPruned";

/// Every counter with its name, without the prefix.
#[must_use]
pub fn counters(counters: &MptcpCounters, names: Names) -> Vec<(&'static str, u64)> {
    let mut list = Vec::new();
    for (counter, number) in counters.iter() {
        let known = names == Names::Linux6_18
            || !matches!(
                counter,
                MptcpCounter::MpJoinRejected | MptcpCounter::WinProbe
            );
        if known {
            list.push((counter.name(), number));
        }
        if names == Names::Linux6_12 && counter == MptcpCounter::MpRstRx {
            list.push((RCV_PRUNED, 0));
        }
    }
    list
}

/// What `nstat -az 'MPTcpExt*'` prints: a line for each counter. The third column, a rate, is 0 in
/// the first run of `nstat`.
#[must_use]
pub fn nstat(numbers: &MptcpCounters, names: Names) -> String {
    let mut text = String::new();
    for (name, number) in counters(numbers, names) {
        let name = format!("{PREFIX}{name}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<32}{number:<16}0.0");
    }
    text
}

/// The two lines of `/proc/net/netstat`: names, then numbers.
#[must_use]
pub fn netstat(numbers: &MptcpCounters, names: Names) -> String {
    let mut lines = [PREFIX.to_owned(), PREFIX.to_owned()].map(|line| line + ":");
    for (name, number) in counters(numbers, names) {
        let [first, second] = &mut lines;
        // Writing to a string cannot fail.
        let _ = write!(first, " {name}");
        let _ = write!(second, " {number}");
    }
    lines.map(|line| line + "\n").concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.18: the line of `/proc/net/netstat`.
    const LINUX_6_18: &str = "MPCapableSYNRX MPCapableSYNTX MPCapableSYNACKRX MPCapableACKRX \
        MPCapableFallbackACK MPCapableFallbackSYNACK MPCapableSYNTXDrop MPCapableSYNTXDisabled \
        MPCapableEndpAttempt MPFallbackTokenInit MPTCPRetrans MPJoinNoTokenFound MPJoinSynRx \
        MPJoinSynBackupRx MPJoinSynAckRx MPJoinSynAckBackupRx MPJoinSynAckHMacFailure MPJoinAckRx \
        MPJoinAckHMacFailure MPJoinRejected MPJoinSynTx MPJoinSynTxCreatSkErr MPJoinSynTxBindErr \
        MPJoinSynTxConnectErr DSSNotMatching DSSCorruptionFallback DSSCorruptionReset \
        InfiniteMapTx InfiniteMapRx DSSNoMatchTCP DataCsumErr OFOQueueTail OFOQueue OFOMerge \
        NoDSSInWindow DuplicateData AddAddr AddAddrTx AddAddrTxDrop EchoAdd EchoAddTx \
        EchoAddTxDrop PortAdd AddAddrDrop MPJoinPortSynRx MPJoinPortSynAckRx MPJoinPortAckRx \
        MismatchPortSynRx MismatchPortAckRx RmAddr RmAddrDrop RmAddrTx RmAddrTxDrop RmSubflow \
        MPPrioTx MPPrioRx MPFailTx MPFailRx MPFastcloseTx MPFastcloseRx MPRstTx MPRstRx \
        SubflowStale SubflowRecover SndWndShared RcvWndShared RcvWndConflictUpdate \
        RcvWndConflict MPCurrEstab Blackhole MPCapableDataFallback MD5SigFallback DssFallback \
        SimultConnectFallback FallbackFailed WinProbe";

    fn names(which: Names) -> Vec<&'static str> {
        let all = counters(&MptcpCounters::default(), which);
        all.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn names_and_order_are_those_of_the_kernels() {
        let newer: Vec<&str> = LINUX_6_18.split(' ').collect();
        assert_eq!(names(Names::Linux6_18), newer);
        let mut older = newer;
        older.retain(|name| !matches!(*name, "MPJoinRejected" | "WinProbe"));
        let place = older.iter().position(|name| *name == "SubflowStale");
        older.insert(place.unwrap(), "RcvPruned");
        assert_eq!(names(Names::Linux6_12), older);
    }

    #[test]
    fn texts_are_those_of_nstat_and_netstat() {
        let mut numbers = MptcpCounters::default();
        for _ in 0..12 {
            numbers.count(MptcpCounter::MpCapableSynTx);
        }
        let text = nstat(&numbers, Names::Linux6_18);
        let second = text.lines().nth(1).unwrap();
        assert_eq!(
            second,
            "MPTcpExtMPCapableSYNTX          12              0.0"
        );
        assert_eq!(text.lines().count(), MptcpCounter::ALL.len());
        let text = netstat(&numbers, Names::Linux6_12);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("MPTcpExt: MPCapableSYNRX MPCapableSYNTX "));
        assert!(lines[1].starts_with("MPTcpExt: 0 12 0 "));
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].split(' ').count(), lines[1].split(' ').count());
    }
}
