//! The sockets for programs without async.

use crate::hosts::{Hosts, soon};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};
use umptcp::blocking::{MptcpListener, MptcpStream, Stack};
use umptcp::{ConnectionConfig, MemoryDevice};

const ADDRESS: &str = "10.0.0.2:4000";
/// Short enough to wait for, long enough to be measured.
const MOMENT: Duration = Duration::from_millis(100);
/// Longer than anything takes that works.
const TOO_LONG: Duration = Duration::from_secs(60);

struct Pair {
    client: Stack,
    server: Stack,
    listener: MptcpListener,
}

impl Pair {
    fn start(config: ConnectionConfig) -> Self {
        let (one, other) = MemoryDevice::pair(1500);
        let host = |device, address: [u8; 4]| {
            let builder = umptcp::Stack::builder().interface(device, [address.into()]);
            Stack::start(builder).unwrap()
        };
        let (client, server) = (host(one, [10, 0, 0, 1]), host(other, [10, 0, 0, 2]));
        let listener = server.listen(ADDRESS.parse().unwrap(), config).unwrap();
        Self {
            client,
            server,
            listener,
        }
    }

    fn connection(&self) -> (MptcpStream, MptcpStream) {
        let client = self.client.connect_timeout(ADDRESS, TOO_LONG).unwrap();
        let (server, peer) = self.listener.accept().unwrap();
        assert_eq!(peer, client.local_addr());
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(TOO_LONG)).unwrap();
            stream.set_write_timeout(Some(TOO_LONG)).unwrap();
        }
        (client, server)
    }
}

#[test]
fn many_threads_share_a_stack_and_a_stream() {
    let pair = Pair::start(ConnectionConfig::default());
    let listener = pair.listener.try_clone().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().take(8) {
            let stream = stream.unwrap();
            thread::spawn(move || {
                std::io::copy(&mut &stream, &mut &stream).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
        }
    });
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let client = pair.client.clone();
            scope.spawn(move || {
                let mut stream = client.connect(ADDRESS).unwrap();
                stream.set_read_timeout(Some(TOO_LONG)).unwrap();
                let writer = stream.try_clone().unwrap();
                let data = vec![number; 500_000];
                thread::scope(|scope| {
                    scope.spawn(|| {
                        (&writer).write_all(&data).unwrap();
                        writer.shutdown(Shutdown::Write).unwrap();
                        writer.flushed().unwrap();
                    });
                    let mut echoed = Vec::new();
                    stream.read_to_end(&mut echoed).unwrap();
                    assert_eq!(echoed.len(), data.len());
                    assert!(echoed.iter().all(|byte| *byte == number));
                });
            });
        }
    });
}

#[test]
fn a_read_waits_no_longer_than_its_limit() {
    let pair = Pair::start(ConnectionConfig::default());
    let (mut client, mut server) = pair.connection();
    let mut buffer = [0; 10];
    client.set_read_timeout(Some(MOMENT)).unwrap();
    assert_eq!(client.read_timeout().unwrap(), Some(MOMENT));
    let began = Instant::now();
    let error = client.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    assert!(began.elapsed() >= MOMENT);
    assert_eq!(
        client.peek(&mut buffer).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    let error = client.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    // Nothing was lost by that.
    client.set_read_timeout(None).unwrap();
    server.write_all(b"late").unwrap();
    assert!(client.peek(&mut buffer).unwrap() > 0);
    client.read_exact(&mut buffer[..4]).unwrap();
    assert_eq!(&buffer[..4], b"late");
}

#[test]
fn a_write_waits_no_longer_than_its_limit() {
    let pair = Pair::start(ConnectionConfig {
        receive_buffer: 20_000,
        ..ConnectionConfig::default()
    });
    let mut socket = pair.client.socket_v4();
    socket.set_send_buffer_size(20_000);
    let mut client = socket.connect_timeout(ADDRESS, TOO_LONG).unwrap();
    let (mut server, _) = pair.listener.accept().unwrap();
    client.set_write_timeout(Some(MOMENT)).unwrap();
    let mut written = 0;
    let error = loop {
        match client.write(&[1; 1000]) {
            Ok(taken) => written += taken,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    assert!(written >= 20_000);
    assert_eq!(client.flushed().unwrap_err().kind(), ErrorKind::WouldBlock);
    server.read_exact(&mut vec![0; written]).unwrap();
    client.set_write_timeout(None).unwrap();
    client.write_all(&[2; 1000]).unwrap();
    let mut more = [0; 1000];
    server.read_exact(&mut more).unwrap();
    assert_eq!(more, [2; 1000]);
}

#[test]
fn without_blocking_nothing_waits() {
    let pair = Pair::start(ConnectionConfig::default());
    pair.listener.set_nonblocking(true).unwrap();
    assert_eq!(
        pair.listener.accept().unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    pair.listener.set_nonblocking(false).unwrap();
    let (mut client, mut server) = pair.connection();
    client.set_nonblocking(true).unwrap();
    let mut first = [0; 2];
    let mut second = [0; 10];
    assert_eq!(
        client.read(&mut second).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(client.read(&mut []).unwrap(), 0);
    client.set_nonblocking(false).unwrap();

    let slices = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
    assert_eq!(server.write_vectored(&slices).unwrap(), 5);
    while client.info().unread < 5 {
        client.peek(&mut first).unwrap();
        thread::yield_now();
    }
    let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(client.read_vectored(&mut buffers).unwrap(), 5);
    assert_eq!((&first, &second[..3]), (b"he", &b"llo"[..]));

    client.shutdown(Shutdown::Read).unwrap();
    server.write_all(b"unheard").unwrap();
    assert_eq!(client.read(&mut second).unwrap(), 0);
    assert!(client.take_error().unwrap().is_none());
    client.set_nodelay(true);
    assert!(client.nodelay());
}

#[test]
fn connecting_has_a_limit_and_refusals_are_told() {
    let pair = Pair::start(ConnectionConfig::default());
    let error = pair.client.connect("10.0.0.2:1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    let error = pair
        .client
        .connect_timeout("10.0.0.9:1", MOMENT)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    // The second of two addresses answers: the waiting thread has timers.
    let remotes = vec!["10.0.0.9:1".parse().unwrap(), ADDRESS.parse().unwrap()];
    let client = pair.client.connect(remotes).unwrap();
    assert_eq!(client.peer_addr(), ADDRESS.parse().unwrap());
    let _server = pair.listener.accept().unwrap();
    pair.server.stop();
    let error = pair.server.connect("10.0.0.1:1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    assert_eq!(
        pair.listener.accept().unwrap_err().kind(),
        ErrorKind::NotConnected
    );
}

#[test]
fn streams_outlive_the_handles_of_their_stacks() {
    let pair = Pair::start(ConnectionConfig::default());
    let (mut client, mut server) = pair.connection();
    drop(pair);
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    server.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    drop(server);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
}

/// The only thread of the runtime waits, and the stacks have threads of their own.
#[tokio::test]
async fn inside_a_runtime_it_works_all_the_same() {
    let pair = Pair::start(ConnectionConfig::default());
    let (mut client, mut server) = pair.connection();
    client.set_nodelay(true);
    // More often than a task may without letting others run.
    for round in 0..1000_u32 {
        client.write_all(&round.to_be_bytes()).unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, round.to_be_bytes());
    }
    let value = pair.client.block_on(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        7
    });
    assert_eq!(value, 7);
}

/// Whoever waits further out on the same thread is not forgotten.
#[test]
fn waiting_inside_of_waiting_works() {
    let pair = Pair::start(ConnectionConfig::default());
    let (mut client, mut server) = pair.connection();
    let text = pair.client.block_on(async {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let inner = async {
            client.write_all(b"inner").unwrap();
            let mut buffer = [0; 5];
            sender.send("outer").unwrap();
            server.read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"inner");
        };
        let (received, ()) = tokio::join!(receiver, inner);
        received.unwrap()
    });
    assert_eq!(text, "outer");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_change_between_async_and_blocking() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let hosts = Hosts::start(1);
    let (client, mut server) = hosts.connection().await;
    let mut client = client.into_blocking();
    let client = tokio::task::spawn_blocking(move || {
        client.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"pong");
        client
    });
    let mut buffer = [0; 4];
    soon(server.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"ping");
    server.write_all(b"pong").await.unwrap();
    let mut client = soon(client).await.unwrap().into_async();
    client.write_all(b"pang").await.unwrap();
    soon(server.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"pang");
}
