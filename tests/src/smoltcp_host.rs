//! A host with smoltcp's TCP: a peer that shares no code with ours above the wire formats, and
//! speaks plain TCP only.

use bytes::Bytes;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{self, RecvError, Socket, SocketBuffer};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use umptcp_lab::payload::Pattern;
use umptcp_lab::world::{Expectation, ForeignHost, Progress};
use umptcp_stack::Instant;

/// Packets on their way in and out.
#[derive(Debug)]
struct Queues {
    received: VecDeque<Bytes>,
    to_send: VecDeque<Bytes>,
    mtu: usize,
}

struct Received(Bytes);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Sending<'a>(&'a mut VecDeque<Bytes>);

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push_back(packet.into());
        result
    }
}

impl Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: SmolInstant) -> Option<(Received, Sending<'_>)> {
        let packet = self.received.pop_front()?;
        Some((Received(packet), Sending(&mut self.to_send)))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.to_send))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

/// Whether the host connects or is connected to.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// Listens on this port of its address.
    Listens(u16),
    /// Connects to this address from a port of its own.
    Connects(SocketAddr),
}

/// The host, with an application that sends bytes of a pattern, checks those of the peer, and
/// ends its direction when it has sent everything.
pub struct SmoltcpHost {
    interface: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    pattern: Pattern,
    sends: u64,
    expected: Expectation,
    progress: Progress,
    failure: Option<String>,
    finished: bool,
    /// When the application begins to read.
    reads_from: Instant,
    timeout: Option<Instant>,
}

impl std::fmt::Debug for SmoltcpHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmoltcpHost")
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl SmoltcpHost {
    /// A host with one address, whose packets are of `mtu` bytes at most. It sends `sends` bytes
    /// of `pattern`.
    ///
    /// # Panics
    /// If smoltcp does not take the address or the port.
    #[must_use]
    pub fn new(
        address: IpAddr,
        role: Role,
        (pattern, sends): (Pattern, u64),
        expected: Expectation,
        buffer: usize,
        mtu: u16,
    ) -> Self {
        let mut queues = Queues {
            received: VecDeque::new(),
            to_send: VecDeque::new(),
            mtu: mtu.into(),
        };
        let config = Config::new(HardwareAddress::Ip);
        let mut interface = Interface::new(config, &mut queues, SmolInstant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // A prefix of 8 bits: every peer of the simulations is a neighbour.
            addresses
                .push(IpCidr::new(address.into(), 8))
                .expect("room for one address");
        });
        let buffers = [(); 2].map(|()| SocketBuffer::new(vec![0; buffer]));
        let [receive, send] = buffers;
        let mut socket = Socket::new(receive, send);
        match role {
            Role::Listens(port) => socket.listen(port).expect("a port to listen on"),
            Role::Connects(remote) => {
                let remote = (IpAddress::from(remote.ip()), remote.port());
                socket
                    .connect(interface.context(), remote, 40_000)
                    .expect("an address to connect to");
            }
        }
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self {
            interface,
            queues,
            sockets,
            socket,
            pattern,
            sends,
            expected,
            progress: Progress::default(),
            failure: None,
            finished: false,
            reads_from: Instant::ZERO,
            timeout: Some(Instant::ZERO),
        }
    }

    /// Lets the application read nothing before this time.
    #[must_use]
    pub fn reading_from(mut self, time: Instant) -> Self {
        self.reads_from = time;
        self
    }

    /// Lets stack and application work until neither has anything to do.
    fn work(&mut self, now: Instant) {
        let smol_now =
            SmolInstant::from_micros(i64::try_from(now.as_nanos() / 1000).unwrap_or(i64::MAX));
        loop {
            self.interface
                .poll(smol_now, &mut self.queues, &mut self.sockets);
            if !self.step(now) {
                break;
            }
        }
        let next = self.interface.poll_at(smol_now, &self.sockets);
        let stack = next.map(|next| {
            let micros = u64::try_from(next.total_micros()).unwrap_or(0);
            // Its clock counts microseconds: at the same one it would have nothing new to do.
            Instant::from_nanos(micros * 1000).max(now + std::time::Duration::from_micros(1))
        });
        let application = (now < self.reads_from).then_some(self.reads_from);
        self.timeout = stack.into_iter().chain(application).min();
    }

    /// The application; true if it did something.
    fn step(&mut self, now: Instant) -> bool {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        let mut buffer = [0; 8192];
        let mut busy = false;
        let readable = if now >= self.reads_from {
            socket.recv_slice(&mut buffer)
        } else {
            Ok(0)
        };
        match readable {
            Ok(0) | Err(RecvError::InvalidState) => {}
            Ok(count) => {
                busy = true;
                let at = self.progress.received;
                self.progress.received += count as u64;
                if let Some(wrong) = self.expected.pattern.first_difference(at, &buffer[..count]) {
                    self.failure
                        .get_or_insert_with(|| format!("byte {wrong} is not what was sent"));
                }
            }
            Err(RecvError::Finished) if self.progress.end_of_stream => {}
            Err(RecvError::Finished) => {
                self.progress.end_of_stream = true;
                let Progress { received, .. } = self.progress;
                if received != self.expected.len {
                    self.failure = Some(format!("the stream ended after {received} bytes"));
                }
            }
        }
        let left = usize::try_from(self.sends - self.progress.sent).unwrap_or(usize::MAX);
        if left > 0 && socket.can_send() {
            let len = left.min(buffer.len());
            self.pattern.fill(self.progress.sent, &mut buffer[..len]);
            let taken = socket.send_slice(&buffer[..len]).unwrap_or(0);
            self.progress.sent += taken as u64;
            busy |= taken > 0;
        } else if left == 0 && !self.finished && socket.may_send() {
            self.finished = true;
            socket.close();
            busy = true;
        }
        busy
    }
}

impl ForeignHost for SmoltcpHost {
    fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        self.queues.received.push_back(packet);
        self.work(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.work(now);
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.queues.to_send.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn progress(&self) -> Result<Progress, String> {
        self.failure.clone().map_or(Ok(self.progress), Err)
    }

    fn is_done(&self) -> bool {
        let state = self.sockets.get::<Socket<'_>>(self.socket).state();
        let over = matches!(state, tcp::State::Closed | tcp::State::TimeWait);
        self.progress.end_of_stream && self.finished && over
    }
}
