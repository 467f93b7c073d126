//! The Linux kernel's plain TCP as peer, in both roles, over an emulated path that does harm; and
//! the command that compares it with ours.

use serde_json::Value;
use std::process::{Command, Output};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use umptcp::{ConnectionConfig, ConnectionProtocol, EcnPolicy};
use umptcp_lab::link::{LinkConfig, LinkCounters, Loss, Reorder};
use umptcp_lab::payload::Pattern;
use umptcp_lab::realtime::hosts::{HostKind, Hosts, KernelTcp, Socket};
use umptcp_lab::realtime::{PathConfig, PathCounters};
use umptcp_lab::topology::{Family, MTU};
use umptcp_tests::flow::{LIMIT, receive, send};
use umptcp_tests::privilege::in_private_network;

const MIB: u64 = 1 << 20;

/// What the kernel is, and what lies between it and us.
#[derive(Clone)]
struct Case {
    family: Family,
    settings: Vec<(&'static str, &'static str)>,
    link: LinkConfig,
    /// Bytes each way.
    len: u64,
    /// Explicit congestion notification is asked for, by whoever connects, and so negotiated: who
    /// is connected to agrees by default, the kernel as we do.
    ecn: bool,
}

/// What can be told after both have sent everything.
struct Exchanged {
    counters: PathCounters,
    /// Packets with ECT(0) that the kernel has counted.
    ecn_capable: u64,
}

impl Case {
    /// A path of 100 Mbit/s and 4 ms there and back.
    fn new(change: impl FnOnce(&mut LinkConfig)) -> Self {
        let mut link = LinkConfig::with_rate_and_delay(100_000_000, Duration::from_millis(2));
        change(&mut link);
        Self {
            family: Family::V4,
            settings: Vec::new(),
            link,
            len: 2 * MIB,
            ecn: false,
        }
    }

    fn lossy() -> Self {
        Self::new(|link| link.loss = Loss::Bernoulli(0.01))
    }

    fn ipv6(self) -> Self {
        Self {
            family: Family::V6,
            ..self
        }
    }

    /// The kernel asks for ECN when it connects, and so do we.
    fn with_ecn(self) -> Self {
        Self {
            ecn: true,
            ..self.with("net/ipv4/tcp_ecn", "1")
        }
    }

    fn with(mut self, setting: &'static str, value: &'static str) -> Self {
        self.settings.push((setting, value));
        self
    }

    /// The kernel connects to us, then we to it; `harmed` tells from the counters of a direction
    /// whether the path did what it was meant to.
    fn in_both_roles(self, harmed: fn(&LinkCounters) -> bool) {
        for kernel_connects in [true, false] {
            let case = self.clone();
            in_private_network(move || {
                let exchanged = Runtime::new()
                    .expect("runtime")
                    .block_on(case.exchange(kernel_connects));
                let counters = exchanged.counters;
                for link in [counters.to_server, counters.to_client] {
                    assert!(link.delivered_bytes > case.len, "{counters:?}");
                    assert!(harmed(&link), "no harm was done: {counters:?}");
                }
                assert_eq!(counters.refused, 0, "{counters:?}");
                if case.ecn {
                    // At the least what carried our bytes for the first time.
                    let least = case.len / u64::from(MTU);
                    assert!(exchanged.ecn_capable >= least, "{}", exchanged.ecn_capable);
                } else {
                    assert_eq!(exchanged.ecn_capable, 0);
                }
            });
        }
    }

    /// Sends different bytes both ways at the same time, and waits for both ends of stream.
    async fn exchange(&self, kernel_connects: bool) -> Exchanged {
        let mut config = ConnectionConfig {
            mptcp: false,
            ..ConnectionConfig::default()
        };
        if self.ecn && !kernel_connects {
            config.ecn = EcnPolicy::Request;
        }
        let ours = HostKind::Stack(Box::new(config));
        let kernel = HostKind::Kernel(KernelTcp {
            settings: self.settings.clone(),
            ..KernelTcp::default()
        });
        let (client, server) = if kernel_connects {
            (kernel, ours)
        } else {
            (ours, kernel)
        };
        let path = PathConfig::symmetric(self.link.clone(), 1);
        let hosts = Hosts::start(self.family, client, server, path).expect("hosts");
        let (mut client, mut server) = timeout(LIMIT, hosts.connect())
            .await
            .expect("they do not come together")
            .expect("connection");
        let ((Socket::Kernel(_), Socket::Stack(stream))
        | (Socket::Stack(stream), Socket::Kernel(_))) = (&client, &server)
        else {
            panic!("a kernel and a stack of ours: {client:?}, {server:?}");
        };
        assert_eq!(stream.info().protocol, ConnectionProtocol::Tcp);
        let subflows = stream.subflows();
        let ecn = subflows.iter().all(|subflow| subflow.ecn);
        assert_eq!(
            ecn, self.ecn,
            "kernel connects: {kernel_connects}, {subflows:?}"
        );
        let (there, back) = (Pattern::new(1), Pattern::new(2));
        let (mut client_reader, mut client_writer) = tokio::io::split(&mut client);
        let (mut server_reader, mut server_writer) = tokio::io::split(&mut server);
        tokio::join!(
            send(&mut client_writer, there, self.len),
            receive(&mut server_reader, there, self.len),
            send(&mut server_writer, back, self.len),
            receive(&mut client_reader, back, self.len),
        );
        let counters = hosts.path().counters();
        let ecn_capable = hosts.ecn_capable_at_kernels().expect("counters");
        hosts.stop().await.expect("path");
        Exchanged {
            counters,
            ecn_capable,
        }
    }
}

#[test]
fn one_percent_loss() {
    Case::lossy().in_both_roles(|link| link.dropped_loss > 0);
}

#[test]
fn one_percent_loss_with_ipv6() {
    Case::lossy()
        .ipv6()
        .in_both_roles(|link| link.dropped_loss > 0);
}

#[test]
fn bursts_of_losses() {
    let burst = Loss::GilbertElliott {
        to_bad: 0.005,
        to_good: 0.3,
        loss_good: 0.0,
        loss_bad: 0.5,
    };
    Case::new(|link| link.loss = burst).in_both_roles(|link| link.dropped_loss > 0);
}

#[test]
fn reordering() {
    let case = Case::new(|link| {
        link.reorder = Reorder {
            probability: 0.05,
            extra_delay: Duration::from_millis(2),
        };
    });
    case.clone().in_both_roles(|link| link.reordered > 0);
    case.ipv6().in_both_roles(|link| link.reordered > 0);
}

#[test]
fn duplication() {
    let case = Case::new(|link| link.duplicate = 0.05);
    case.clone().in_both_roles(|link| link.duplicated > 0);
    case.ipv6().in_both_roles(|link| link.duplicated > 0);
}

#[test]
fn a_queue_of_ten_packets() {
    let case = Case::new(|link| {
        link.rate = Some(50_000_000);
        link.queue = 15_000;
    });
    case.clone().in_both_roles(|link| link.dropped_queue > 0);
    case.ipv6().in_both_roles(|link| link.dropped_queue > 0);
}

#[test]
fn a_long_way() {
    let case = Case::new(|link| link.delay = Duration::from_millis(50));
    case.clone().in_both_roles(|_| true);
    case.ipv6().in_both_roles(|_| true);
}

#[test]
fn every_harm_at_once() {
    let case = Case::new(|link| {
        link.loss = Loss::Bernoulli(0.01);
        link.jitter = Duration::from_millis(1);
        link.reorder = Reorder {
            probability: 0.02,
            extra_delay: Duration::from_millis(1),
        };
        link.duplicate = 0.02;
        link.corrupt = 0.005;
        link.queue = 30_000;
    });
    let harmed = |link: &LinkCounters| link.dropped_loss > 0 && link.corrupted > 0;
    case.clone().in_both_roles(harmed);
    case.ipv6().in_both_roles(harmed);
}

#[test]
fn ecn_on_in_the_kernel() {
    // Nothing is lost: a SYN that is sent again asks for no ECN (RFC 3168 §6.1.1.1).
    let case = Case::new(|_| {}).with_ecn();
    case.clone().in_both_roles(|_| true);
    case.ipv6().in_both_roles(|_| true);
}

#[test]
fn timestamps_off_in_the_kernel() {
    Case::lossy()
        .with("net/ipv4/tcp_timestamps", "0")
        .in_both_roles(|link| link.dropped_loss > 0);
}

#[test]
fn sack_off_in_the_kernel() {
    Case::lossy()
        .with("net/ipv4/tcp_sack", "0")
        .in_both_roles(|link| link.dropped_loss > 0);
}

#[test]
fn window_scaling_off_in_the_kernel() {
    Case::lossy()
        .with("net/ipv4/tcp_window_scaling", "0")
        .in_both_roles(|link| link.dropped_loss > 0);
}

#[test]
fn nothing_but_the_bare_protocol_in_the_kernel() {
    Case::lossy()
        .ipv6()
        .with("net/ipv4/tcp_timestamps", "0")
        .with("net/ipv4/tcp_sack", "0")
        .with("net/ipv4/tcp_window_scaling", "0")
        .in_both_roles(|link| link.dropped_loss > 0);
}

/// Runs the comparison with these arguments; its own test of privileges comes first.
fn compare(arguments: &'static [&'static str], check: impl FnOnce(&Output) + Send + 'static) {
    in_private_network(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kernel-tcp-compare"));
        check(&command.args(arguments).output().expect("comparison"));
    });
}

#[test]
fn the_comparison_takes_turns_and_says_what_it_measured() {
    let arguments = &["--json", "--cross", "--runs", "2", "--seconds", "0.2"];
    compare(arguments, |output| {
        assert!(output.status.success(), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        for median in [
            "ours_mbit_s",
            "kernel_mbit_s",
            "ours_to_kernel_mbit_s",
            "kernel_to_ours_mbit_s",
        ] {
            assert!(report[median].is_number(), "{median}: {report}");
        }
        assert_eq!(report["rate_mbit_s"], 50.0);
        assert_eq!(report["queue_bytes"], 625_000);
        let runs = report["runs"].as_array().expect("runs");
        let order: Vec<_> = runs
            .iter()
            .filter_map(|run| run["pairing"].as_str())
            .collect();
        assert_eq!(
            order,
            [
                "kernel",
                "ours",
                "ours to kernel",
                "kernel to ours",
                "ours",
                "ours to kernel",
                "kernel to ours",
                "kernel"
            ]
        );
        assert!(runs.iter().all(|run| run["packets"].as_u64() > Some(0)));
    });
}

#[test]
fn the_comparison_refuses_conditions_that_cannot_be() {
    for arguments in [
        &["--rate", "0"],
        &["--rate", "nan"],
        &["--loss", "101"],
        &["--rtt=-1", "--json"],
        &["--runs", "0"],
        &["--seconds", "inf"],
    ] {
        compare(arguments, |output| {
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            assert!(!output.stderr.is_empty());
        });
    }
}
