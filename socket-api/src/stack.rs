//! A stack: starting one, connecting and listening on it.
//!
//! The module owns the construction of the endpoint and its driver. What happens on a connection
//! afterwards is for streams and listeners.

use crate::address::{ToAddresses, resolve};
use crate::bsd::{Errno, Net, Socket};
use crate::connect::{LocalEnd, connect_to_any};
use crate::control_socket::ControlServer;
use crate::device::Device;
use crate::driver::Driver;
use crate::error::{self, StackError, Stopped};
use crate::events::{EventQueue, StackEvents};
use crate::listener::MptcpListener;
use crate::shared::{Clock, Handle, Shared, State, wake_all};
use crate::smapp::{Answer, Command, Controller, ControllerId, EventMask, Query, Reply};
use crate::socket::{MptcpSocket, within};
use crate::stack_socket::StackSocket;
use crate::stream::MptcpStream;
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use umptcp_stack::{
    ConnectionConfig, Endpoint, EndpointConfig, EndpointStats, InterfaceConfig, InterfaceId,
    MptcpCounters, PeerKnowledge,
};

/// A host of its own: interfaces, addresses, connections and listeners, driven by one task.
///
/// Clones are the same stack. When all clones, streams and listeners are dropped, the task ends as
/// soon as the connections have ended in order; [`Stack::stop`] ends it at once.
#[derive(Clone, Debug)]
pub struct Stack {
    handle: Handle,
    interfaces: Arc<[InterfaceId]>,
}

impl Stack {
    /// Begins to describe a stack.
    pub fn builder() -> StackBuilder {
        StackBuilder::default()
    }

    /// Connects to `remote` with the default settings: an address, or a name with a port such as
    /// `"www.example.org:80"`.
    ///
    /// Of several addresses the first that answers is taken. IPv6 and IPv4 take turns, and the next
    /// attempt begins when the one before has failed or has lasted for 250 ms (RFC 8305); whoever
    /// answers too late is let go.
    ///
    /// Cancellation safe: dropping the future gives all attempts up.
    ///
    /// # Errors
    /// As for [`Self::connect_with`], or what the resolver gives. If several addresses were tried,
    /// the error is that of the last, and its text tells of all.
    pub async fn connect(&self, remote: impl ToAddresses) -> io::Result<MptcpStream> {
        let remotes = resolve(remote).await?;
        let config = self.default_config();
        let local = LocalEnd::default();
        let connection = connect_to_any(&self.handle, local, remotes, &config).await?;
        Ok(MptcpStream::new(connection))
    }

    /// As [`Self::connect`], giving up after `limit`: the time for resolving the name and all
    /// attempts together.
    ///
    /// Cancellation safe: dropping the future gives all attempts up.
    ///
    /// # Errors
    /// `TimedOut` at the limit, otherwise as for [`Self::connect`].
    pub async fn connect_timeout(
        &self,
        remote: impl ToAddresses,
        limit: Duration,
    ) -> io::Result<MptcpStream> {
        within(limit, self.connect(remote)).await
    }

    /// The settings that new sockets start with: those of [`ConnectionConfig::default`] and what
    /// sysctls have changed.
    #[must_use]
    pub fn default_config(&self) -> ConnectionConfig {
        self.handle.look(|state| {
            let defaults = state.system.defaults.clone();
            ConnectionConfig {
                mptcp: defaults.mptcp && state.system.enabled,
                ..defaults
            }
        })
    }

    /// Changes the settings that new sockets start with.
    pub fn set_default_config(&self, config: ConnectionConfig) {
        self.handle
            .command(|state, _| state.system.defaults = config);
    }

    /// The value of a setting by the name that Linux has for it, such as `net.mptcp.scheduler`.
    ///
    /// # Errors
    /// `NotFound` if there is none with this name, `NetworkDown` if the stack has stopped.
    pub fn sysctl(&self, name: &str) -> io::Result<String> {
        Ok(self.with_net(|net| net.sysctl(name))?)
    }

    /// Changes a setting by the name that Linux has for it: for new sockets, or for the whole stack.
    ///
    /// # Errors
    /// As for [`Net::set_sysctl`], by their numbers; `NetworkDown` if the stack has stopped.
    pub fn set_sysctl(&self, name: &str, value: &str) -> io::Result<()> {
        Ok(self.with_net(|net| net.set_sysctl(name, value))?)
    }

    /// A socket for IPv4, to be set up before it connects or listens.
    #[must_use]
    pub fn socket_v4(&self) -> MptcpSocket {
        MptcpSocket::new_v4(self)
    }

    /// A socket for IPv6, to be set up before it connects or listens.
    #[must_use]
    pub fn socket_v6(&self) -> MptcpSocket {
        MptcpSocket::new_v6(self)
    }

    /// `socket(domain, kind, protocol)`: a socket as C programs know it, by numbers.
    ///
    /// # Errors
    /// As for [`Socket::new`].
    pub fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<StackSocket, Errno> {
        let made = |state: &State| Socket::new(&state.system, domain, kind, protocol);
        let socket = self.handle.look(made)?;
        Ok(StackSocket::new(&self.handle, socket))
    }

    /// What happens on the stack from now on, connections of all kinds included; at most `capacity`
    /// events wait to be read.
    #[must_use]
    pub fn events(&self, capacity: usize) -> StackEvents {
        let (queue, receiver) = EventQueue::new(capacity);
        self.handle.command(|state, _| {
            if state.stopped {
                queue.finish(None, &mut Vec::new());
            } else {
                state.monitors.push(queue);
            }
        });
        StackEvents::new(receiver)
    }

    /// Lets a controller rule the connections of the stack; it hears of those that are there as if
    /// they were new. It runs in the stack's own task, so it must not wait.
    pub fn add_controller(&self, controller: Box<dyn Controller>) -> ControllerId {
        self.handle
            .command(|state, now| state.controllers.add(now, &mut state.endpoint, controller))
    }

    /// Changes which events a controller hears, and tells it of what there is if it is to be `known`.
    pub(crate) fn set_controller_events(&self, id: ControllerId, events: EventMask, known: bool) {
        self.handle.command(|state, now| {
            state.controllers.set_events(id, events);
            if known {
                let endpoint = &mut state.endpoint;
                state.controllers.tell_known(now, endpoint, id);
            }
        });
    }

    /// Opens a control socket at `path`, by which other processes of the same user look at the stack
    /// and rule it, such as the command `umptcp ss`: see [`control_socket`](crate::control_socket).
    /// It lasts until the result is dropped, and keeps the stack running until then.
    ///
    /// # Errors
    /// `AddrInUse` if another stack has it, or what the file system gives.
    pub fn serve_control(&self, path: impl AsRef<Path>) -> io::Result<ControlServer> {
        ControlServer::open(self.clone(), path.as_ref())
    }

    /// Takes a controller away; what it has done stays.
    pub fn remove_controller(&self, id: ControllerId) -> Option<Box<dyn Controller>> {
        self.handle.command(|state, _| state.controllers.remove(id))
    }

    /// Carries out a command of SMAPP.
    ///
    /// # Errors
    /// See [`Control::execute`](crate::smapp::Control::execute).
    pub fn execute(&self, command: &Command) -> Result<Reply, Errno> {
        self.handle
            .command(|state, now| state.controllers.execute(now, &mut state.endpoint, command))
    }

    /// Looks something up for SMAPP.
    ///
    /// # Errors
    /// See [`Control::query`](crate::smapp::Control::query).
    pub fn query(&self, query: &Query) -> Result<Answer, Errno> {
        self.handle
            .command(|state, _| state.controllers.query(&mut state.endpoint, query))
    }

    /// Looks at, or changes, what belongs to no socket: the endpoint, and what all sockets have in
    /// common. What the change leads to is carried out at once.
    ///
    /// # Errors
    /// `ENETDOWN` if the stack has stopped, or what the call gives.
    pub fn with_net<T>(
        &self,
        call: impl FnOnce(&mut Net<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.handle.command(|state, now| {
            if state.stopped {
                return Err(Errno::ENETDOWN);
            }
            call(&mut state.net(now))
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Connects to `remote`, from `local` if it is given; its address may be unspecified and its
    /// port 0, which leaves them open.
    ///
    /// Cancellation safe: dropping the future gives the attempt up.
    ///
    /// # Errors
    /// `ConnectionRefused`, `ConnectionReset`, `HostUnreachable`, `NetworkUnreachable` or `TimedOut`
    /// as with any TCP socket; `AddrNotAvailable` if no interface or no port could be used,
    /// `AddrInUse` if `local` is in use towards `remote`, `NotConnected` if the stack has stopped.
    pub async fn connect_with(
        &self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        config: ConnectionConfig,
    ) -> io::Result<MptcpStream> {
        let local = LocalEnd {
            address: local,
            interface: None,
        };
        let connection = connect_to_any(&self.handle, local, vec![remote], &config).await?;
        Ok(MptcpStream::new(connection))
    }

    /// Accepts connections to `local`; an unspecified address stands for every local one of its
    /// family, and port 0 for one that the stack chooses. The connections get the settings
    /// `config`.
    ///
    /// # Errors
    /// `AddrInUse`, or `NotConnected` if the stack has stopped.
    pub fn listen(&self, local: SocketAddr, config: ConnectionConfig) -> io::Result<MptcpListener> {
        MptcpListener::new(&self.handle, &[local], &config)
    }

    /// As [`Self::listen`], at every address that `locals` stands for: all of a name, or several.
    /// Those with port 0 get the same port.
    ///
    /// Cancellation safe: dropping the future listens nowhere.
    ///
    /// # Errors
    /// As for [`Self::listen`], or what the resolver gives. If one address fails, none is listened
    /// at.
    pub async fn listen_at(
        &self,
        locals: impl ToAddresses,
        config: ConnectionConfig,
    ) -> io::Result<MptcpListener> {
        let locals = resolve(locals).await?;
        MptcpListener::new(&self.handle, &locals, &config)
    }

    /// The interfaces, in the order in which the builder got them.
    #[must_use]
    pub fn interfaces(&self) -> &[InterfaceId] {
        &self.interfaces
    }

    /// Counters of the whole stack.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.handle.look(|state| state.endpoint.stats())
    }

    /// What happened to MPTCP, counted under the names of the Linux kernel's `MPTcpExt`.
    #[must_use]
    pub fn mptcp_counters(&self) -> MptcpCounters {
        self.handle.look(|state| state.endpoint.mptcp_counters())
    }

    /// What earlier connections have shown of other hosts: which versions they speak, and to which
    /// of them SYNs with MP_CAPABLE vanish.
    #[must_use]
    pub fn peer_memory(&self) -> PeerKnowledge {
        let now = self.handle.clock.now();
        self.handle.look(|state| state.endpoint.peer_memory(now))
    }

    /// Forgets what is remembered of a host: the next connection to it tries everything anew.
    pub fn forget_peer(&self, remote: IpAddr) {
        self.handle
            .command(|state, _| state.endpoint.forget_peer(remote));
    }

    /// Forgets what is remembered of all hosts.
    pub fn forget_peers(&self) {
        self.handle
            .command(|state, _| state.endpoint.forget_peers());
    }

    /// Disables or enables an interface: what was in flight there moves to other paths. It works
    /// while it is enabled and its device's link is up.
    pub fn set_interface_up(&self, interface: InterfaceId, up: bool) {
        let mut woken = Vec::new();
        self.handle
            .command(|state, now| state.enable_interface(now, interface, up, &mut woken));
        wake_all(&mut woken);
    }

    /// Waits until an interface is enabled and its device's link is up. A link that was down when
    /// the stack started is noticed a moment after it has come up; connecting over it before
    /// that fails.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// `NotFound` for an interface of another stack, `NotConnected` if the stack has stopped.
    pub async fn interface_up(&self, interface: InterfaceId) -> io::Result<()> {
        poll_fn(|cx| {
            self.handle
                .command(|state, _| state.poll_interface_up(interface, cx.waker()))
        })
        .await
    }

    /// Gives an interface a further address; connections may open subflows from it.
    pub fn add_address(&self, interface: InterfaceId, address: IpAddr) {
        self.handle
            .command(|state, now| state.endpoint.add_address(now, interface, address));
    }

    /// Takes an address away: its subflows close, and peers are told.
    pub fn remove_address(&self, address: IpAddr) {
        self.handle
            .command(|state, now| state.endpoint.remove_address(now, address));
    }

    /// Announces an address of ours to the peers of all connections, now and in future (ADD_ADDR).
    /// `port` is where they are to join, if that is not the port they connected to; nobody has to
    /// listen there.
    ///
    /// # Errors
    /// `NotFound` if no interface has the address, or for port 0.
    pub fn announce_address(&self, address: IpAddr, port: Option<u16>) -> io::Result<()> {
        self.handle
            .command(|state, now| state.endpoint.announce_address(now, None, address, port))
            .map_err(StackError::into_io)
    }

    /// Takes such an announcement back (REMOVE_ADDR): subflows of ours on that address, or on that
    /// port of it, end.
    ///
    /// # Errors
    /// `NotFound` if no connection knows the address.
    pub fn withdraw_address(&self, address: IpAddr, port: Option<u16>) -> io::Result<()> {
        self.handle
            .command(|state, now| state.endpoint.withdraw_address(now, None, address, port))
            .map_err(StackError::into_io)
    }

    /// Ends the stack at once, for all its clones: the devices are closed when this returns, what
    /// was not sent is lost, peers are told nothing, and whoever waits gets an error.
    ///
    /// Cancellation safe: the stack ends all the same.
    pub async fn stop(&self) {
        self.handle.command(|state, _| state.stop_requested = true);
        poll_fn(|cx| {
            self.handle
                .command(|state, _| state.poll_stopped(cx.waker()))
        })
        .await;
    }
}

/// Describes a [`Stack`] to start.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it is started"]
pub struct StackBuilder {
    config: EndpointConfig,
    seed: Option<[u8; 32]>,
    interfaces: Vec<(Box<dyn Device>, Vec<IpAddr>)>,
}

impl StackBuilder {
    /// Settings of the whole stack; the default ones otherwise.
    pub fn config(mut self, config: EndpointConfig) -> Self {
        self.config = config;
        self
    }

    /// The seed of all keys, nonces and sequence numbers. Whoever knows it can forge packets: fix
    /// it only to repeat an experiment. It comes from the operating system otherwise.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds an interface with its addresses. The first one has index 0, and so on.
    pub fn interface(
        mut self,
        device: impl Device,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        self.interfaces
            .push((Box::new(device), addresses.into_iter().collect()));
        self
    }

    /// Starts the stack: from now on its task drives the devices.
    ///
    /// # Errors
    /// Not inside a tokio runtime, or the operating system gives no random seed.
    pub fn start(self) -> io::Result<Stack> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|source| error::failed("cannot start a stack", io::Error::other(source)))?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let clock = Clock::start();
        let mut endpoint = Endpoint::new(self.config, seed);
        let mut devices = Vec::with_capacity(self.interfaces.len());
        let mut names = Vec::with_capacity(self.interfaces.len());
        for (device, addresses) in self.interfaces {
            let config = InterfaceConfig {
                mtu: device.mtu(),
                ..InterfaceConfig::default()
            };
            let interface = endpoint.add_interface(config);
            for address in addresses {
                endpoint.add_address(clock.now(), interface, address);
            }
            let name = device.link_name();
            let name = name.unwrap_or_else(|| format!("if{}", interface.index()));
            names.push((interface, name));
            devices.push((interface, device));
        }
        let interfaces: Arc<[InterfaceId]> = devices.iter().map(|(id, _)| *id).collect();
        let shared = Arc::new(Shared::new(clock, endpoint, &interfaces));
        shared.lock().system.interfaces = names;
        let handle = Handle::new(Arc::clone(&shared));
        // `Driver::new` sets up a timer, which needs the runtime's context: we are in it.
        runtime.spawn(Driver::new(shared, devices));
        Ok(Stack { handle, interfaces })
    }
}

fn random_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|source| {
        error::failed(
            "cannot get a random seed from the system",
            io::Error::other(source),
        )
    })?;
    Ok(seed)
}

/// Fails if the stack has stopped.
pub(crate) fn check_running(state: &State) -> io::Result<()> {
    if state.stopped {
        Err(Stopped.into_io())
    } else {
        Ok(())
    }
}
