//! Paths made of TUN devices, with the kernel routing between them.

use super::namespace;
use super::plan::{AddressPlan, Family};
use std::io;
use std::net::IpAddr;
use umptcp::{Network, TunDevice};

/// The devices' MTU: what most of the Internet carries.
pub const MTU: u16 = 1500;

/// Packets that wait in a device's transmit queue; the kernel's 500 for TUN devices is less than
/// one window of a fast transfer.
const QUEUE_LENGTH: u32 = 1000;

/// Both ends of the paths as a stack needs them: a device and its address, path by path.
pub type Interfaces<D> = Vec<(D, IpAddr)>;

/// Paths through the kernel of the current network namespace.
#[derive(Debug)]
pub struct TunPaths {
    network: Network,
    plan: AddressPlan,
    /// The server has devices too, and is not the kernel itself.
    server: bool,
}

impl TunPaths {
    /// Makes a client with one device for each path of `plan`, and a server likewise. The kernel
    /// forwards between them.
    ///
    /// # Errors
    /// A device, a route or a setting cannot be made.
    pub async fn between_stacks(
        plan: AddressPlan,
    ) -> io::Result<(Self, Interfaces<TunDevice>, Interfaces<TunDevice>)> {
        let paths = Self::new(plan, true).await?;
        let (mut clients, mut servers) = (Vec::new(), Vec::new());
        for path in 0..plan.paths() {
            clients.push(
                paths
                    .interface(&plan.client_device(path), plan.client(path))
                    .await?,
            );
            servers.push(
                paths
                    .interface(&plan.server_device(path), plan.server(path))
                    .await?,
            );
        }
        Ok((paths, clients, servers))
    }

    /// Makes a client with one device for each path of `plan`. At the other end of all of them is
    /// the kernel itself, with as many of its own addresses as `kernel_addresses` says.
    ///
    /// # Errors
    /// A device, a route, an address or a setting cannot be made.
    pub async fn to_kernel(
        plan: AddressPlan,
        kernel_addresses: usize,
    ) -> io::Result<(Self, Interfaces<TunDevice>)> {
        let paths = Self::new(plan, false).await?;
        for index in 0..kernel_addresses {
            let address = plan.kernel(index);
            paths
                .network
                .add_address(LOOPBACK, address, Family::of(address).host_prefix())
                .await?;
        }
        let mut clients = Vec::new();
        for path in 0..plan.paths() {
            clients.push(
                paths
                    .interface(&plan.client_device(path), plan.client(path))
                    .await?,
            );
        }
        Ok((paths, clients))
    }

    async fn new(plan: AddressPlan, server: bool) -> io::Result<Self> {
        namespace::make_router().map_err(io::Error::other)?;
        let network = Network::connect().await?;
        network.set_up(LOOPBACK).await?;
        Ok(Self {
            network,
            plan,
            server,
        })
    }

    async fn interface(&self, name: &str, address: IpAddr) -> io::Result<(TunDevice, IpAddr)> {
        let device = TunDevice::open(name, MTU)?;
        self.network.set_mtu(name, MTU.into()).await?;
        self.network.set_queue_length(name, QUEUE_LENGTH).await?;
        self.network.set_up(name).await?;
        // The address is the stack's, so the kernel gets no address, only the way to it.
        self.network
            .add_route(address, Family::of(address).host_prefix(), name)
            .await?;
        Ok((device, address))
    }

    /// Takes a path down, at both its ends.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn cut(&self, path: usize) -> io::Result<()> {
        self.network
            .set_down(&self.plan.client_device(path))
            .await?;
        if self.server {
            self.network
                .set_down(&self.plan.server_device(path))
                .await?;
        }
        Ok(())
    }

    /// Brings a path that was cut up again.
    ///
    /// # Errors
    /// The kernel refuses.
    pub async fn heal(&self, path: usize) -> io::Result<()> {
        let mut ends = vec![(self.plan.client_device(path), self.plan.client(path))];
        if self.server {
            ends.push((self.plan.server_device(path), self.plan.server(path)));
        }
        for (device, address) in ends {
            self.network.set_up(&device).await?;
            // The kernel forgets the routes of a device that goes down.
            self.network
                .add_route(address, Family::of(address).host_prefix(), &device)
                .await?;
        }
        Ok(())
    }
}

const LOOPBACK: &str = "lo";
