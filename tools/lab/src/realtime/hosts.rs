//! Two hosts with an emulated path between them, and TCP connections over it.
//!
//! The module owns who is at which end, a stack of ours or a kernel in a network namespace of its
//! own, and how they come together. What is sent over a connection is the caller's business, and
//! the same code can send whoever the hosts are.

use super::{EmulatedPath, PathBuilder, PathConfig, PathCounters, Side};
use crate::kernel;
use crate::topology::{AddressPlan, Family, KernelHost, MTU};
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;
use umptcp::{ConnectionConfig, MptcpListener, MptcpStream, Stack};

/// Where the server listens; any port does on a host of one's own.
const PORT: u16 = 5001;

/// Time for the kernel's SYN to get through: it is sent six times within this.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// Who is at one end of the path.
#[derive(Clone, Debug)]
pub enum HostKind {
    /// A stack of ours in this process, whose connections have these settings.
    Stack(Box<ConnectionConfig>),
    /// The Linux kernel's plain TCP.
    Kernel(KernelTcp),
}

/// What is set in a kernel that is a host; the rest stays as it comes.
#[derive(Clone, Debug)]
pub struct KernelTcp {
    /// The congestion control of its connections.
    pub congestion_control: &'static str,
    /// Settings of its namespace, such as `("net/ipv4/tcp_sack", "0")`.
    pub settings: Vec<(&'static str, &'static str)>,
}

impl Default for KernelTcp {
    /// CUBIC, which Linux has unless somebody has decided otherwise for this machine.
    fn default() -> Self {
        Self {
            congestion_control: "cubic",
            settings: Vec::new(),
        }
    }
}

#[derive(Debug)]
enum Host {
    Stack(Stack, Box<ConnectionConfig>),
    Kernel(Arc<KernelHost>, KernelTcp),
}

#[derive(Debug)]
enum Listener {
    Stack(MptcpListener),
    Kernel(TcpListener),
}

/// A client, a server that listens, and the path between them.
///
/// Needs what [`KernelHost`] needs if one of them is a kernel, and a tokio runtime with I/O and
/// time.
#[derive(Debug)]
pub struct Hosts {
    client: Host,
    server: Host,
    listener: Listener,
    remote: SocketAddr,
    path: EmulatedPath,
}

impl Hosts {
    /// Makes the hosts and starts the path.
    ///
    /// # Errors
    /// A namespace, a device or a setting cannot be made.
    pub fn start(
        family: Family,
        client: HostKind,
        server: HostKind,
        path: PathConfig,
    ) -> io::Result<Self> {
        let plan = AddressPlan::new(family, 1);
        let (here, there) = (plan.client(0), plan.server(0));
        let remote = SocketAddr::new(there, PORT);
        let mut builder = EmulatedPath::builder(path)?;
        let client = Host::start(client, &mut builder, Side::Client, here, there)?;
        let server = Host::start(server, &mut builder, Side::Server, there, here)?;
        let listener = server.listen(remote)?;
        Ok(Self {
            client,
            server,
            listener,
            remote,
            path: builder.start()?,
        })
    }

    /// Makes a connection; gives the client's end and the server's.
    ///
    /// # Errors
    /// They do not come together.
    pub async fn connect(&self) -> io::Result<(Socket, Socket)> {
        tokio::try_join!(self.client.connect(self.remote), self.listener.accept())
    }

    /// The path between the hosts.
    #[must_use]
    pub const fn path(&self) -> &EmulatedPath {
        &self.path
    }

    /// Packets that did not get as far as the path, because the kernel's own device dropped them.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn dropped_before_path(&self) -> io::Result<u64> {
        let mut dropped = 0;
        for host in [&self.client, &self.server] {
            if let Host::Kernel(kernel, _) = host {
                dropped += kernel.dropped_packets()?;
            }
        }
        Ok(dropped)
    }

    /// Packets with ECT(0) that kernels have received: marked by a sender that has negotiated
    /// explicit congestion notification (RFC 3168 §5).
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn ecn_capable_at_kernels(&self) -> io::Result<u64> {
        let mut packets = 0;
        for host in [&self.client, &self.server] {
            if let Host::Kernel(kernel, _) = host {
                packets += kernel.ecn_capable_packets()?;
            }
        }
        Ok(packets)
    }

    /// Stops the path and the stacks at once.
    ///
    /// # Errors
    /// The path had failed.
    pub async fn stop(self) -> io::Result<PathCounters> {
        let counters = self.path.stop();
        for host in [&self.client, &self.server] {
            if let Host::Stack(stack, _) = host {
                stack.stop().await;
            }
        }
        counters
    }
}

impl Host {
    fn start(
        kind: HostKind,
        path: &mut PathBuilder,
        side: Side,
        local: IpAddr,
        remote: IpAddr,
    ) -> io::Result<Self> {
        match kind {
            HostKind::Stack(config) => {
                let device = path.stack(side, MTU);
                let stack = Stack::builder().interface(device, [local]).start()?;
                Ok(Self::Stack(stack, config))
            }
            HostKind::Kernel(tcp) => {
                let host = KernelHost::new(&tcp.settings).map_err(io::Error::other)?;
                path.kernel(side, host.attach(local, remote)?, MTU)?;
                Ok(Self::Kernel(Arc::new(host), tcp))
            }
        }
    }

    fn listen(&self, local: SocketAddr) -> io::Result<Listener> {
        match self {
            Self::Stack(stack, config) => {
                stack.listen(local, (**config).clone()).map(Listener::Stack)
            }
            Self::Kernel(host, tcp) => {
                let listener = host.run(|| kernel::listen_tcp(local, tcp.congestion_control))?;
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Listener::Kernel)
            }
        }
    }

    async fn connect(&self, remote: SocketAddr) -> io::Result<Socket> {
        match self {
            Self::Stack(stack, config) => stack
                .connect_with(None, remote, (**config).clone())
                .await
                .map(Socket::Stack),
            Self::Kernel(host, tcp) => {
                let (host, control) = (Arc::clone(host), tcp.congestion_control);
                let connecting =
                    move || host.run(|| kernel::connect_tcp(remote, control, CONNECT_LIMIT));
                let stream = spawn_blocking(connecting).await??;
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream).map(Socket::Kernel)
            }
        }
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Stack(listener) => listener.accept().await.map(|(s, _)| Socket::Stack(s)),
            Self::Kernel(listener) => listener.accept().await.map(|(s, _)| Socket::Kernel(s)),
        }
    }
}

/// One end of a connection, whoever made it.
#[derive(Debug)]
pub enum Socket {
    /// Of a stack of ours.
    Stack(MptcpStream),
    /// Of a kernel.
    Kernel(TcpStream),
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl Socket {
    /// Ends the connection at once, without waiting for anything that is under way.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn abort(self) -> io::Result<()> {
        match self {
            Self::Stack(stream) => {
                stream.abort();
                Ok(())
            }
            // Closing then resets; otherwise the kernel goes on trying for minutes.
            Self::Kernel(stream) => SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
        }
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut dyn Stream> {
        match self.get_mut() {
            Self::Stack(stream) => Pin::new(stream),
            Self::Kernel(stream) => Pin::new(stream),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
