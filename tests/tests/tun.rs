//! Two stacks of ours over TUN devices, with the Linux kernel routing between them.

use std::fs;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;
use umptcp::{Device, TunDevice};
use umptcp_lab::demo::{self, Cut, DemoOptions, LinkChoice, Links, Report};
use umptcp_lab::payload::Payload;
use umptcp_lab::topology::{AddressPlan, Family, TunPaths, namespace};
use umptcp_stack::base::id::InterfaceId;
use umptcp_stack::base::seq::SeqNum;
use umptcp_stack::wire::packet::{self, FourTuple, SegmentHeader, Transmit, TransmitChecksum};
use umptcp_stack::{ChecksumStatus, ReceivedPacket, Version};
use umptcp_tests::flow::LIMIT;
use umptcp_tests::privilege::in_private_network;

/// Mebibyte.
const MIB: u64 = 1 << 20;

/// Runs one transfer of the demonstration over TUN devices, in a namespace of its own.
fn transfer(len: u64, change: impl FnOnce(&mut DemoOptions) + Send + 'static) -> Report {
    let (done, report) = std::sync::mpsc::channel();
    in_private_network(move || {
        let mut options = DemoOptions::new(Payload::generated(1, len));
        options.links = LinkChoice::Tun;
        change(&mut options);
        let report = demo::run(&options, &mut ()).expect("transfer");
        assert!(report.intact, "{:?}", report.difference);
        assert_eq!((report.links, report.bytes), (Links::Tun, len));
        assert_eq!(report.version, Some(options.version.number()), "no fallback to TCP");
        done.send(report).expect("the test waits for it");
    });
    report.recv().expect("report")
}

/// Each path has its own subflow, on its own pair of addresses, and all of them carried data.
fn assert_spread(report: &Report, paths: usize) {
    let mut used: Vec<Option<usize>> = report.subflows.iter().map(|subflow| subflow.path).collect();
    used.sort_unstable();
    assert_eq!(used, (0..paths).map(Some).collect::<Vec<_>>(), "{report}");
    for subflow in &report.subflows {
        assert!(subflow.bytes > 0, "{report}");
        // Disjoint: the same path at both ends.
        let (local, remote) = (subflow.local.ip().to_string(), subflow.remote.ip().to_string());
        assert_eq!(local.replace("77", "78"), remote, "{report}");
    }
}
