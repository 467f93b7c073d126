//! Calls on sockets over two hosts in one process.

use super::testing::{Pair, SERVER};
use super::{
    Errno, Family, HowToShutDown, IPPROTO_MPTCP, NoMemory, Protocol, Readiness, ReceiveFlags,
    SendFlags, SockAddr, Socket, SocketState, System,
};
use std::net::SocketAddr;
use std::time::Duration;

fn at(text: &str) -> SockAddr {
    SockAddr::plain(text.parse().expect("an address"))
}

const NONE: ReceiveFlags = ReceiveFlags {
    peek: false,
    wait_all: false,
    discard: false,
    dont_wait: false,
    urgent: false,
    error_queue: false,
};

#[test]
fn sockets_are_made_as_in_linux() {
    let mut system = System::default();
    let made = |system: &System, domain, kind, protocol| {
        Socket::new(system, domain, kind, protocol).map(|socket| socket.protocol())
    };
    for (domain, kind, protocol, expected) in [
        (libc::AF_INET, libc::SOCK_STREAM, 0, Ok(Protocol::Tcp)),
        (libc::AF_INET6, libc::SOCK_STREAM, 6, Ok(Protocol::Tcp)),
        (
            libc::AF_INET,
            libc::SOCK_STREAM,
            IPPROTO_MPTCP,
            Ok(Protocol::Mptcp),
        ),
        (
            libc::AF_INET,
            libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
            IPPROTO_MPTCP,
            Ok(Protocol::Mptcp),
        ),
        (
            libc::AF_UNIX,
            libc::SOCK_STREAM,
            IPPROTO_MPTCP,
            Err(Errno::EAFNOSUPPORT),
        ),
        (
            libc::AF_INET,
            libc::SOCK_DGRAM,
            IPPROTO_MPTCP,
            Err(Errno::EPROTONOSUPPORT),
        ),
        (
            libc::AF_INET,
            libc::SOCK_SEQPACKET,
            IPPROTO_MPTCP,
            Err(Errno::ESOCKTNOSUPPORT),
        ),
        (
            libc::AF_INET,
            libc::SOCK_STREAM,
            17,
            Err(Errno::EPROTONOSUPPORT),
        ),
        (libc::AF_INET, 99, 0, Err(Errno::EINVAL)),
    ] {
        assert_eq!(
            made(&system, domain, kind, protocol),
            expected,
            "{domain} {kind} {protocol}"
        );
    }
    system.enabled = false;
    let refused = made(&system, libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP);
    assert_eq!(refused, Err(Errno::ENOPROTOOPT));
}

#[test]
fn bytes_go_both_ways_and_ends_are_seen() {
    let mut pair = Pair::new();
    let [mut client, mut server, _listener] = pair.connected();
    assert_eq!(server.protocol(), Protocol::Mptcp);
    let sent = client.send(&mut pair.net(0), b"hello", SendFlags::default());
    assert_eq!(sent, Ok(5));
    pair.settle();
    let mut buffer = [0; 16];
    let peek = ReceiveFlags { peek: true, ..NONE };
    for flags in [peek, NONE] {
        let read = server.receive(&mut pair.net(1), &mut buffer, flags);
        assert_eq!(read, Ok(5));
        assert_eq!(&buffer[..5], b"hello");
    }
    let nothing = server.receive(&mut pair.net(1), &mut buffer, NONE);
    assert_eq!(nothing, Err(Errno::EAGAIN));
    client
        .shutdown(&mut pair.net(0), HowToShutDown::Write)
        .unwrap();
    pair.settle();
    assert_eq!(
        server.readiness(&mut pair.net(1)),
        Readiness {
            readable: true,
            writable: true,
            peer_finished: true,
            ..Readiness::default()
        }
    );
    assert_eq!(server.receive(&mut pair.net(1), &mut buffer, NONE), Ok(0));
    let broken = client.send(&mut pair.net(0), b"more", SendFlags::default());
    assert_eq!(broken, Err(Errno::EPIPE));
}

#[test]
fn connecting_tells_how_it_goes() {
    let mut pair = Pair::new();
    let mut client = pair.mptcp(0, Family::V4);
    let unheard = SockAddr::plain(SERVER);
    let begun = client.connect(&mut pair.net(0), unheard);
    assert_eq!(begun, Err(Errno::EINPROGRESS));
    assert_eq!(
        client.connect(&mut pair.net(0), unheard),
        Err(Errno::EALREADY)
    );
    assert_eq!(client.peer_name(), Err(Errno::ENOTCONN));
    pair.settle();
    // Nobody listens.
    assert!(client.readiness(&mut pair.net(0)).error);
    assert_eq!(
        client.take_error(&mut pair.net(0)),
        Some(Errno::ECONNREFUSED)
    );
    assert_eq!(client.take_error(&mut pair.net(0)), None);
    assert_eq!(*client.state(), SocketState::Fresh);

    let [mut client, server, mut listener] = pair.connected();
    let again = client.connect(&mut pair.net(0), unheard);
    assert_eq!(again, Err(Errno::EISCONN));
    assert_eq!(client.peer_name(), Ok(unheard));
    assert_eq!(server.local_name(), unheard);
    assert_eq!(server.peer_name(), Ok(client.local_name()));
    let mistaken = listener.connect(&mut pair.net(1), unheard);
    assert_eq!(mistaken, Err(Errno::EOPNOTSUPP));
    let none = listener.accept(&mut pair.net(1)).map(|_| ());
    assert_eq!(none, Err(Errno::EAGAIN));
    let mistaken = client.accept(&mut pair.net(0)).map(|_| ());
    assert_eq!(mistaken, Err(Errno::EINVAL));
}

#[test]
fn binding_is_checked() {
    let mut pair = Pair::new();
    for (address, errno) in [
        ("[::1]:80", Errno::EAFNOSUPPORT),
        ("10.9.9.9:8080", Errno::EADDRNOTAVAIL),
        ("10.0.0.1:80", Errno::EACCES),
    ] {
        let mut socket = pair.mptcp(0, Family::V4);
        assert_eq!(
            socket.bind(&mut pair.net(0), at(address)),
            Err(errno),
            "{address}"
        );
    }
    pair.hosts[0].system.privileged = true;
    let mut socket = pair.mptcp(0, Family::V4);
    assert_eq!(socket.bind(&mut pair.net(0), at("10.0.0.1:80")), Ok(()));
    assert_eq!(
        socket.bind(&mut pair.net(0), at("10.0.0.1:81")),
        Err(Errno::EINVAL)
    );
    let mut other = pair.mptcp(0, Family::V4);
    assert_eq!(
        other.bind(&mut pair.net(0), at("0.0.0.0:80")),
        Err(Errno::EADDRINUSE)
    );
    socket.close(&mut pair.net(0));
    assert_eq!(other.bind(&mut pair.net(0), at("0.0.0.0:80")), Ok(()));
    let mut any = pair.mptcp(0, Family::V4);
    any.bind(&mut pair.net(0), at("0.0.0.0:0")).unwrap();
    assert_ne!(any.local_name().as_given().port(), 0);
}

#[test]
fn an_ipv6_listener_hears_ipv4_unless_it_is_told_not_to() {
    let mut pair = Pair::new();
    let mut listener = pair.mptcp(1, Family::V6);
    listener.bind(&mut pair.net(1), at("[::]:8080")).unwrap();
    listener.listen(&mut pair.net(1), 1).unwrap();
    let mut client = pair.mptcp(0, Family::V4);
    let _ = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    pair.settle();
    let server = listener.accept(&mut pair.net(1)).expect("accepted");
    let mapped: SocketAddr = "[::ffff:10.0.0.2]:8080".parse().unwrap();
    assert_eq!(server.local_name().as_given(), mapped);
}

#[test]
fn without_mptcp_the_listener_gives_a_socket_of_plain_tcp() {
    let mut pair = Pair::new();
    pair.strip = true;
    let [client, server, _listener] = pair.connected();
    assert_eq!(client.protocol(), Protocol::Mptcp, "what it was made for");
    assert_eq!(server.protocol(), Protocol::Tcp);
}

#[test]
fn a_reset_is_told_once() {
    let mut pair = Pair::new();
    let [mut client, server, _listener] = pair.connected();
    let _ = client.send(&mut pair.net(0), b"unread", SendFlags::default());
    pair.settle();
    // Closing with something unread resets.
    server.close(&mut pair.net(1));
    pair.settle();
    let mut buffer = [0; 16];
    let told = client.receive(&mut pair.net(0), &mut buffer, NONE);
    assert_eq!(told, Err(Errno::ECONNRESET));
    assert_eq!(client.receive(&mut pair.net(0), &mut buffer, NONE), Ok(0));
    let broken = client.send(&mut pair.net(0), b"more", SendFlags::default());
    assert_eq!(broken, Err(Errno::EPIPE));
}

/// What is less than a segment waits for more while it is announced, and goes when it is not.
#[test]
fn more_is_waited_for_under_a_cork() {
    let mut pair = Pair::new();
    let [mut client, server, _listener] = pair.connected();
    let more = SendFlags {
        more: true,
        ..SendFlags::default()
    };
    assert_eq!(client.send(&mut pair.net(0), b"first", more), Ok(5));
    pair.run_for(Duration::from_millis(20));
    assert_eq!(server.bytes_to_read(&pair.net(1)), Ok(0));
    let rest = client.send(&mut pair.net(0), b" rest", SendFlags::default());
    assert_eq!(rest, Ok(5));
    pair.run_for(Duration::from_millis(20));
    assert_eq!(server.bytes_to_read(&pair.net(1)), Ok(10));

    let set = |socket: &mut Socket, pair: &mut Pair, on: i32| {
        let value = on.to_ne_bytes();
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_CORK);
        let result = socket.setsockopt(&mut pair.net(0), level, name, &value, &mut NoMemory);
        assert_eq!(result, Ok(()));
    };
    set(&mut client, &mut pair, 1);
    let corked = client.send(&mut pair.net(0), b"cork", SendFlags::default());
    assert_eq!(corked, Ok(4));
    pair.run_for(Duration::from_millis(20));
    assert_eq!(server.bytes_to_read(&pair.net(1)), Ok(10));
    set(&mut client, &mut pair, 0);
    pair.run_for(Duration::from_millis(20));
    assert_eq!(server.bytes_to_read(&pair.net(1)), Ok(14));
}
