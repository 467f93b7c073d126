//! Two hosts and the paths between them, as plain data that builds a [`World`].

use super::{
    Connect, Expectation, HostId, Plan, Reach, SessionId, Tampering, Transfer, WireId, World,
};
use crate::link::LinkConfig;
use crate::payload::Pattern;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use umptcp_stack::{ConnectionConfig, EndpointConfig, Instant, InterfaceConfig};

/// The family of a path's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ip {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

/// One path: an interface with one address on each host, and a wire between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// The family of its addresses.
    pub ip: Ip,
    /// From the client to the server.
    pub up: LinkConfig,
    /// From the server to the client.
    pub down: LinkConfig,
}

impl Path {
    /// A path with the same link in both directions.
    #[must_use]
    pub fn symmetric(link: LinkConfig) -> Self {
        Self {
            ip: Ip::V4,
            up: link.clone(),
            down: link,
        }
    }

    /// This path with IPv6 addresses.
    #[must_use]
    pub fn v6(self) -> Self {
        Self { ip: Ip::V6, ..self }
    }
}

/// One of the two hosts.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Settings of its stack.
    pub endpoint: EndpointConfig,
    /// Settings of all its interfaces.
    pub interface: InterfaceConfig,
    /// Settings of its connections.
    pub connection: ConnectionConfig,
    /// What it does with each.
    pub plan: Plan,
    /// What somebody on the way makes of what it sends.
    pub tampering: Tampering,
}

/// A client and a server.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For reports and file names.
    pub name: String,
    /// Everything random in the run grows from it.
    pub seed: u64,
    /// The paths; the client connects over the first.
    pub paths: Vec<Path>,
    /// Whether a host's addresses can be had on its other paths too.
    pub reach: Reach,
    /// Connects.
    pub client: Side,
    /// Listens.
    pub server: Side,
    /// The server's port.
    pub port: u16,
    /// The server listens at all.
    pub listening: bool,
    /// Where captures of failed runs go; `None` for the system's temporary directory.
    pub failed_runs: Option<PathBuf>,
}

/// A built [`Scenario`].
#[derive(Debug)]
pub struct Pair {
    /// The world.
    pub world: World,
    /// The connecting host.
    pub client: HostId,
    /// The listening host.
    pub server: HostId,
    /// The connecting application.
    pub session: SessionId,
    /// The paths' wires; direction 0 is from the client.
    pub wires: Vec<WireId>,
}

impl Scenario {
    /// A scenario with one perfect path, in which nobody sends anything.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            paths: vec![Path::default()],
            reach: Reach::default(),
            client: Side::default(),
            server: Side::default(),
            port: 5001,
            listening: true,
            failed_runs: None,
        }
    }

    /// Changes the settings of both sides' connections.
    #[must_use]
    pub fn connections(mut self, change: impl Fn(&mut ConnectionConfig)) -> Self {
        change(&mut self.client.connection);
        change(&mut self.server.connection);
        self
    }

    /// The client's address on a path.
    #[must_use]
    pub fn client_address(&self, path: usize) -> IpAddr {
        address(self.paths[path].ip, path, 1)
    }

    /// The server's address on a path.
    #[must_use]
    pub fn server_address(&self, path: usize) -> IpAddr {
        address(self.paths[path].ip, path, 2)
    }

    /// The content that the client sends.
    #[must_use]
    pub fn client_pattern(&self) -> Pattern {
        Pattern::new(self.seed.wrapping_mul(2))
    }

    /// The content that the server sends.
    #[must_use]
    pub fn server_pattern(&self) -> Pattern {
        Pattern::new(self.seed.wrapping_mul(2).wrapping_add(1))
    }

    /// The client's script.
    #[must_use]
    pub fn client_script(&self) -> Transfer {
        let expected = Expectation {
            pattern: self.server_pattern(),
            len: self.server.plan.sends,
            tampering: self.server.tampering,
        };
        Transfer::new(
            self.client.plan.clone(),
            self.client_pattern(),
            expected,
            self.seed,
        )
    }

    /// The server's script for each connection.
    #[must_use]
    pub fn server_script(&self) -> Transfer {
        let expected = Expectation {
            pattern: self.client_pattern(),
            len: self.client.plan.sends,
            tampering: self.client.tampering,
        };
        let seed = self.seed.wrapping_add(1 << 63);
        Transfer::new(
            self.server.plan.clone(),
            self.server_pattern(),
            expected,
            seed,
        )
    }

    /// Builds the world, ready to run: the client connects at time zero.
    ///
    /// # Panics
    /// If there is no path, or the server cannot listen.
    #[must_use]
    pub fn build(&self) -> Pair {
        let mut world = World::new(&self.name, self.seed);
        world.set_reach(self.reach);
        world.set_description(format!("{self:#?}"));
        if let Some(directory) = &self.failed_runs {
            world.set_failed_runs(directory.clone());
        }
        let client = world.add_host("client", self.client.endpoint.clone());
        let server = world.add_host("server", self.server.endpoint.clone());
        let wires = self.paths.iter().enumerate().map(|(number, path)| {
            let addresses = [self.client_address(number), self.server_address(number)];
            let from = world.add_interface(client, self.client.interface, &addresses[..1]);
            let to = world.add_interface(server, self.server.interface, &addresses[1..]);
            world.add_wire(
                (client, from),
                (server, to),
                path.up.clone(),
                path.down.clone(),
            )
        });
        let wires = wires.collect();
        let remote = SocketAddr::new(self.server_address(0), self.port);
        if self.listening {
            let any: IpAddr = match self.paths[0].ip {
                Ip::V4 => Ipv4Addr::UNSPECIFIED.into(),
                Ip::V6 => Ipv6Addr::UNSPECIFIED.into(),
            };
            let scenario = self.clone();
            world
                .serve(
                    server,
                    SocketAddr::new(any, self.port),
                    self.server.connection.clone(),
                    Box::new(move |_| Box::new(scenario.server_script())),
                )
                .expect("the port of a new host is free");
        }
        let connect = Connect {
            at: Instant::ZERO,
            local: None,
            remote,
            config: self.client.connection.clone(),
        };
        let session = world.connect(client, connect, Box::new(self.client_script()));
        Pair {
            world,
            client,
            server,
            session,
            wires,
        }
    }
}

/// Host `host` of path `path`: 10.0.path.host or fd00:path::host.
fn address(ip: Ip, path: usize, host: u8) -> IpAddr {
    let path = u8::try_from(path).unwrap_or(u8::MAX);
    match ip {
        Ip::V4 => Ipv4Addr::new(10, 0, path, host).into(),
        Ip::V6 => Ipv6Addr::new(0xfd00, path.into(), 0, 0, 0, 0, 0, host.into()).into(),
    }
}
