//! Two hosts with several links between them, and data to send.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use umptcp::{
    ConnectionConfig, LinkSwitch, MemoryDevice, MptcpListener, MptcpStream, Stack, StackBuilder,
    SubflowId,
};

/// Where servers listen.
pub(crate) const PORT: u16 = 4000;

/// Longer than anything takes that works.
const TOO_LONG: Duration = Duration::from_secs(60);

/// The future's value, which must come in a reasonable time.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TOO_LONG, future)
        .await
        .expect("this takes too long")
}

/// Whether a future still waits, polled once.
pub(crate) async fn waits<T>(mut future: Pin<&mut impl Future<Output = T>>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// Polls a future once and drops it.
pub(crate) async fn cancel_after_one_poll<T>(future: impl Future<Output = T>) {
    assert!(
        waits(std::pin::pin!(future)).await,
        "the future was to wait"
    );
}

/// A client and a server, and the links between them.
pub(crate) struct Hosts {
    pub(crate) client: Stack,
    pub(crate) server: Stack,
    pub(crate) links: Vec<LinkSwitch>,
}

/// The client's address on a link.
pub(crate) fn client_address(link: u8) -> IpAddr {
    [10, 0, link, 1].into()
}

/// The server's address on a link.
pub(crate) fn server_address(link: u8) -> IpAddr {
    [10, 0, link, 2].into()
}

impl Hosts {
    /// Starts two hosts with so many links between them.
    pub(crate) fn start(links: u8) -> Self {
        let mut client = Stack::builder().seed([1; 32]);
        let mut server = Stack::builder().seed([2; 32]);
        let mut switches = Vec::new();
        for link in 0..links {
            let (one, other) = MemoryDevice::pair(1500);
            switches.push(one.switch());
            client = client.interface(one, [client_address(link)]);
            server = server.interface(other, [server_address(link)]);
        }
        let start = |host: StackBuilder| host.start().expect("a stack");
        Self {
            client: start(client),
            server: start(server),
            links: switches,
        }
    }

    /// The server's address on the first link.
    pub(crate) fn address(&self) -> SocketAddr {
        (server_address(0), PORT).into()
    }

    pub(crate) fn listen(&self) -> MptcpListener {
        let local = "0.0.0.0:4000".parse().expect("an address");
        self.server
            .listen(local, ConnectionConfig::default())
            .expect("a listener")
    }

    /// A connection, and the two ends of it: the client's and the server's.
    pub(crate) async fn connection(&self) -> (MptcpStream, MptcpStream) {
        let listener = self.listen();
        let (client, server) =
            soon(async { tokio::join!(self.client.connect(self.address()), listener.accept()) })
                .await;
        (client.expect("connected"), server.expect("accepted").0)
    }
}

/// One message from each end to the other.
pub(crate) async fn exchange(one: &mut MptcpStream, other: &mut MptcpStream) {
    let mut buffer = [0; 4];
    one.write_all(b"ping").await.unwrap();
    soon(other.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"ping");
    other.write_all(b"pong").await.unwrap();
    soon(one.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"pong");
}

/// Waits for the subflow that uses a link at both ends; full mesh also makes crossing ones.
pub(crate) async fn subflow_over(client: &MptcpStream, link: u8) -> SubflowId {
    let subflow = soon(async {
        loop {
            let subflows = client.subflows();
            let mut over_link = subflows.iter().filter(|subflow| {
                subflow.local.ip() == client_address(link)
                    && subflow.remote.ip() == server_address(link)
            });
            if let Some(subflow) = over_link.next() {
                return subflow.id;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(client.subflow_established(subflow)).await.unwrap();
    subflow
}

/// Endless data whose every byte follows from its position.
pub(crate) struct Pattern {
    position: u64,
}

impl Pattern {
    pub(crate) fn new() -> Self {
        Self { position: 0 }
    }

    /// How much was filled or checked.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn next(&mut self) -> u8 {
        let word = (self.position / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let byte = word.rotate_left(29).to_le_bytes()[usize::try_from(self.position % 8).unwrap()];
        self.position += 1;
        byte
    }

    /// Continues the data.
    pub(crate) fn fill(&mut self, data: &mut [u8]) {
        for byte in data {
            *byte = self.next();
        }
    }

    /// Checks that `data` continues what was checked before.
    pub(crate) fn check(&mut self, data: &[u8]) -> io::Result<()> {
        for byte in data {
            let position = self.position;
            if *byte != self.next() {
                return Err(io::Error::other(format!(
                    "wrong byte at position {position}"
                )));
            }
        }
        Ok(())
    }
}
