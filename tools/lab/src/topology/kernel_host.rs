//! A host whose stack is the Linux kernel: a network namespace with one TUN device.
//!
//! It owns the namespace, the device's address and route, and the settings. It opens no socket and
//! carries no packet: whoever takes the device's file does.

use super::MTU;
use super::namespace::{self, Namespace, NamespaceError};
use std::io;
use std::net::IpAddr;
use tun_tap::{Iface, Mode};
use umptcp::Network;

/// The device of each such host; there is nobody else in its namespace.
const DEVICE: &str = "path0";

/// Packets that wait until they are read from the device: more than any window of an experiment,
/// so that nothing is dropped there.
const QUEUE_LENGTH: u32 = 10_000;

/// A kernel as a host of its own.
#[derive(Debug)]
pub struct KernelHost {
    namespace: Namespace,
}

impl KernelHost {
    /// Makes a host with these settings, such as `("net/ipv4/tcp_sack", "0")`.
    ///
    /// # Errors
    /// No namespace is to be had (see [`Namespace::create`]), or a setting does not exist.
    pub fn new(settings: &[(&str, &str)]) -> Result<Self, NamespaceError> {
        let namespace = Namespace::create()?;
        namespace.run(|| {
            namespace::make_quiet()?;
            settings
                .iter()
                .try_for_each(|(name, value)| namespace::set(name, value))
        })??;
        Ok(Self { namespace })
    }

    /// Gives the host a TUN device with the address `local`, and the route to `remote` through it.
    ///
    /// # Errors
    /// The kernel refuses, or the host has a device already.
    pub fn attach(&self, local: IpAddr, remote: IpAddr) -> io::Result<Iface> {
        self.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let device = Iface::without_packet_info(DEVICE, Mode::Tun)?;
                let prefix = if local.is_ipv4() { 32 } else { 128 };
                let network = Network::connect().await?;
                network.set_mtu(DEVICE, MTU.into()).await?;
                network.set_queue_length(DEVICE, QUEUE_LENGTH).await?;
                network.add_address(DEVICE, local, prefix).await?;
                network.set_up(DEVICE).await?;
                network.add_route(remote, prefix, DEVICE).await?;
                Ok(device)
            })
        })
    }

    /// Runs `body` on the host, on a thread of its own.
    ///
    /// # Errors
    /// `body` fails, or the namespace cannot be entered.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        self.namespace.run(body).map_err(io::Error::other)?
    }

    /// Packets that the kernel meant to send and that its device dropped, as it does when nobody
    /// reads them for long.
    ///
    /// # Errors
    /// The kernel's list of devices is out of reach.
    pub fn dropped_packets(&self) -> io::Result<u64> {
        let list = self.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))?;
        Ok(transmit_drops(&list, DEVICE))
    }

    /// Packets with ECT(0) that the kernel has received, of both families.
    ///
    /// # Errors
    /// The kernel's counters are out of reach.
    pub fn ecn_capable_packets(&self) -> io::Result<u64> {
        self.run(|| {
            let v4 = std::fs::read_to_string("/proc/thread-self/net/netstat")?;
            let v6 = std::fs::read_to_string("/proc/thread-self/net/snmp6")?;
            Ok(ecn_capable(&v4) + ecn_capable_v6(&v6))
        })
    }
}

/// The counter stands below its name, in a line that begins as that of the names does.
fn ecn_capable(netstat: &str) -> u64 {
    let mut lines = netstat
        .lines()
        .filter_map(|line| line.strip_prefix("IpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        return 0;
    };
    names
        .split_whitespace()
        .zip(values.split_whitespace())
        .find_map(|(name, value)| (name == "InECT0Pkts").then(|| value.parse().ok())?)
        .unwrap_or_default()
}

fn ecn_capable_v6(snmp6: &str) -> u64 {
    snmp6
        .lines()
        .find_map(|line| line.strip_prefix("Ip6InECT0Pkts")?.trim().parse().ok())
        .unwrap_or_default()
}

/// The twelfth number after the device's name.
fn transmit_drops(list: &str, device: &str) -> u64 {
    const TRANSMIT_DROPS: usize = 11;
    list.lines()
        .filter_map(|line| line.trim().strip_prefix(device)?.strip_prefix(':'))
        .find_map(|numbers| numbers.split_whitespace().nth(TRANSMIT_DROPS)?.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_number_is_read() {
        let list = "Inter-|   Receive    |  Transmit\n face |bytes    packets errs drop\n    \
                    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n path0: 21 22 23 24 25 26 27 28 \
                    29 30 31 32 33 34 35 36\n";
        assert_eq!(transmit_drops(list, "path0"), 32);
        assert_eq!(transmit_drops(list, "lo"), 12);
        assert_eq!(transmit_drops(list, "path"), 0);
    }

    #[test]
    fn the_right_counter_is_read() {
        let netstat = "TcpExt: InECT0Pkts\nTcpExt: 1\nIpExt: InNoECTPkts InECT1Pkts InECT0Pkts \
                       InCEPkts\nIpExt: 2 3 4 5\n";
        assert_eq!(ecn_capable(netstat), 4);
        assert_eq!(ecn_capable(""), 0);
        let snmp6 = "Ip6InNoECTPkts \t1\nIp6InECT1Pkts \t2\nIp6InECT0Pkts \t3\n";
        assert_eq!(ecn_capable_v6(snmp6), 3);
        assert_eq!(ecn_capable_v6(""), 0);
    }
}
