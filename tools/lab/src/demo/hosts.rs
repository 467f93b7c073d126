//! The two hosts of a demonstration and the paths between them.

use super::DemoError;
use super::options::{DemoOptions, Peer};
use super::report::Links;
use crate::kernel::{self, KernelProtocol};
use crate::topology::{AddressPlan, Interfaces, MemoryPaths, Recorder, TunPaths};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use umptcp::{ChecksumPolicy, ConnectionConfig, Device, MptcpListener, MptcpStream, Stack};

/// Where the other host listens; any port does in a network of one's own.
const PORT: u16 = 5001;

/// A client of ours, somebody who listens, and paths in between.
#[derive(Debug)]
pub(super) struct Hosts {
    client: Stack,
    listener: Listener,
    remote: SocketAddr,
    paths: Paths,
}

#[derive(Debug)]
enum Listener {
    Stack(MptcpListener),
    Kernel(TcpListener),
}

/// The other end of the client's connection.
#[derive(Debug)]
pub(super) enum Far {
    Stack(MptcpStream),
    Kernel(TcpStream),
}

/// What can be cut.
#[derive(Debug)]
pub(super) enum Paths {
    Tun(TunPaths),
    Memory(MemoryPaths),
}

impl Paths {
    pub(super) async fn cut(&self, path: usize) -> io::Result<()> {
        match self {
            Self::Tun(paths) => paths.cut(path).await,
            Self::Memory(paths) => {
                paths.cut(path);
                Ok(())
            }
        }
    }

    pub(super) const fn links(&self) -> Links {
        match self {
            Self::Tun(_) => Links::Tun,
            Self::Memory(_) => Links::InProcess,
        }
    }
}

impl Hosts {
    /// Makes the paths, starts the stacks and listens.
    pub(super) async fn start(
        links: Links,
        plan: AddressPlan,
        options: &DemoOptions,
        recorder: Option<&Recorder>,
    ) -> Result<Self, DemoError> {
        match (links, options.peer) {
            (Links::InProcess, _) => {
                let (paths, clients, servers) = MemoryPaths::between_stacks(plan);
                Self::two_stacks(
                    Paths::Memory(paths),
                    clients,
                    servers,
                    plan,
                    options,
                    recorder,
                )
            }
            (Links::Tun, Peer::Stack) => {
                let (paths, clients, servers) = TunPaths::between_stacks(plan)
                    .await
                    .map_err(DemoError::Tun)?;
                Self::two_stacks(Paths::Tun(paths), clients, servers, plan, options, recorder)
            }
            (Links::Tun, Peer::Kernel(_)) => Self::stack_and_kernel(plan, options, recorder).await,
        }
    }

    fn two_stacks<D: Device>(
        paths: Paths,
        clients: Interfaces<D>,
        servers: Interfaces<D>,
        plan: AddressPlan,
        options: &DemoOptions,
        recorder: Option<&Recorder>,
    ) -> Result<Self, DemoError> {
        let remote = SocketAddr::new(plan.server(0), PORT);
        let server = start_stack(servers, None)?;
        let listener = server
            .listen(remote, connection_config(options))
            .map_err(DemoError::Stack)?;
        let client = start_stack(clients, recorder.map(|recorder| (recorder, plan)))?;
        Ok(Self {
            client,
            listener: Listener::Stack(listener),
            remote,
            paths,
        })
    }

    async fn stack_and_kernel(
        plan: AddressPlan,
        options: &DemoOptions,
        recorder: Option<&Recorder>,
    ) -> Result<Self, DemoError> {
        kernel::prepare_mptcp(options.paths)?;
        let (paths, clients) = TunPaths::to_kernel(plan, 1).await.map_err(DemoError::Tun)?;
        let remote = SocketAddr::new(plan.kernel(0), PORT);
        let listener = listen_in_kernel(remote).map_err(DemoError::Connect)?;
        let client = start_stack(clients, recorder.map(|recorder| (recorder, plan)))?;
        Ok(Self {
            client,
            listener: Listener::Kernel(listener),
            remote,
            paths: Paths::Tun(paths),
        })
    }

    pub(super) const fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Ends the client at once: nothing passes its devices any more.
    pub(super) async fn stop(&self) {
        self.client.stop().await;
    }

    /// Brings the hosts together.
    pub(super) async fn connect(
        &self,
        options: &DemoOptions,
    ) -> Result<(MptcpStream, Far), DemoError> {
        let near = self
            .client
            .connect_with(None, self.remote, connection_config(options));
        let far = async {
            match &self.listener {
                Listener::Stack(listener) => {
                    listener.accept().await.map(|(far, _)| Far::Stack(far))
                }
                Listener::Kernel(listener) => {
                    listener.accept().await.map(|(far, _)| Far::Kernel(far))
                }
            }
        };
        tokio::try_join!(near, far).map_err(DemoError::Connect)
    }
}

fn connection_config(options: &DemoOptions) -> ConnectionConfig {
    ConnectionConfig {
        version: options.version,
        checksum: if options.checksum {
            ChecksumPolicy::Require
        } else {
            ChecksumPolicy::Offer
        },
        max_subflows: options.paths,
        ..ConnectionConfig::default()
    }
}

/// Starts a stack on its interfaces, recording what passes them if somebody wants it.
fn start_stack<D: Device>(
    interfaces: Interfaces<D>,
    recorder: Option<(&Recorder, AddressPlan)>,
) -> Result<Stack, DemoError> {
    let mut stack = Stack::builder();
    for (path, (device, address)) in interfaces.into_iter().enumerate() {
        stack = match recorder {
            Some((recorder, plan)) => {
                let name = plan.client_device(path);
                let device = recorder.wrap(device, &name).map_err(DemoError::Capture)?;
                stack.interface(device, [address])
            }
            None => stack.interface(device, [address]),
        };
    }
    stack.start().map_err(DemoError::Stack)
}

/// A listening MPTCP socket of the kernel, for the runtime.
fn listen_in_kernel(local: SocketAddr) -> io::Result<TcpListener> {
    let listener = kernel::listen(KernelProtocol::Mptcp, local)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
