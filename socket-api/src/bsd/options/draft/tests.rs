//! The options of the drafts between two hosts.

use super::*;
use crate::bsd::testing::{Pair, SERVER};
use crate::bsd::{Family, NoMemory, SockAddr};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use umptcp_stack::PathManagerKind;

const TCP: i32 = libc::IPPROTO_TCP;

/// Memory at made-up addresses: one block for each.
#[derive(Default)]
struct Blocks(BTreeMap<u64, Vec<u8>>);

impl UserMemory for Blocks {
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        let block = self.0.get(&address).ok_or(Errno::EFAULT)?;
        bytes.copy_from_slice(block.get(..bytes.len()).ok_or(Errno::EFAULT)?);
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let block = self.0.get_mut(&address).ok_or(Errno::EFAULT)?;
        let room = block.get_mut(..bytes.len()).ok_or(Errno::EFAULT)?;
        room.copy_from_slice(bytes);
        Ok(())
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A connection on which nobody opens subflows but the application.
fn connected(pair: &mut Pair) -> [Socket; 3] {
    for host in &mut pair.hosts {
        host.system.defaults.path_manager = PathManagerKind::Passive;
    }
    pair.connected()
}

fn get(pair: &mut Pair, socket: &mut Socket, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
    socket.getsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

fn set(pair: &mut Pair, socket: &mut Socket, name: i32, value: &[u8]) -> Result<(), Errno> {
    socket.setsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

/// The ids and flags of all subflows.
fn ids(pair: &mut Pair, socket: &mut Socket) -> Vec<(u8, u8)> {
    let mut value = [0; 64];
    let len = get(pair, socket, MPTCP_GET_SUB_IDS, &mut value).expect("ids");
    assert_eq!(len, 2 + 2 * usize::from(value[0]));
    let entries = value[2..len].chunks(2);
    entries.map(|entry| (entry[0], entry[1])).collect()
}

/// `mptcp_sub_tuple` in our layout.
fn tuple(prio: u8, interface: i32, local: &str, remote: &str) -> Vec<u8> {
    let mut value = vec![0, prio, 0, 0];
    value.extend(interface.to_ne_bytes());
    value.extend(SockAddr::plain(at(local)).to_bytes());
    value.extend(SockAddr::plain(at(remote)).to_bytes());
    value
}

fn open(pair: &mut Pair, socket: &mut Socket, mut value: Vec<u8>) -> Result<u8, Errno> {
    let len = get(pair, socket, MPTCP_OPEN_SUB_TUPLE, &mut value)?;
    assert_eq!(len, value.len());
    Ok(value[0])
}

fn close(pair: &mut Pair, socket: &mut Socket, id: u8, how: i32) -> Result<usize, Errno> {
    let mut value = vec![id, 0, 0, 0];
    value.extend(how.to_ne_bytes());
    get(pair, socket, MPTCP_CLOSE_SUB_ID, &mut value)
}

#[test]
fn subflows_are_listed_opened_looked_at_and_closed() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    assert_eq!(ids(&mut pair, &mut client), [(1, 0x06)]);
    // A backup from the second interface, at the port of the first subflow.
    let wanted = tuple(1, 2, "0.0.0.0:0", "10.1.0.2:0");
    assert_eq!(open(&mut pair, &mut client, wanted), Ok(2));
    let connecting = ids(&mut pair, &mut client);
    assert_eq!(connecting, [(1, 0x06), (2, 0x09)], "before any answer");
    pair.settle();
    assert_eq!(ids(&mut pair, &mut client), [(1, 0x06), (2, 0x0f)]);

    let mut value = [0; 64];
    value[0] = 2;
    let len = get(&mut pair, &mut client, MPTCP_GET_SUB_TUPLE, &mut value);
    assert_eq!(len, Ok(8 + 2 * 16));
    assert_eq!(value[..2], [2, 1]);
    assert_eq!(value[4..8], 2_i32.to_ne_bytes(), "the interface");
    let local = SockAddr::from_bytes(&value[8..24]).unwrap().as_given();
    let remote = SockAddr::from_bytes(&value[24..40]).unwrap().as_given();
    assert_eq!(local.ip(), at("10.1.0.1:0").ip());
    assert_ne!(local.port(), 0);
    assert_eq!(remote, at("10.1.0.2:8080"));

    // Closing in order and at once; another in the same place has a new id.
    assert_eq!(close(&mut pair, &mut client, 1, libc::SHUT_RDWR), Ok(8));
    pair.settle();
    assert_eq!(ids(&mut pair, &mut client), [(2, 0x0f)]);
    assert_eq!(
        close(&mut pair, &mut client, 1, libc::SHUT_RDWR),
        Err(Errno::EINVAL)
    );
    let wanted = tuple(0, 0, "10.0.0.1:4000", "10.0.0.2:8080");
    assert_eq!(open(&mut pair, &mut client, wanted), Ok(3));
    pair.settle();
    assert_eq!(close(&mut pair, &mut client, 3, 3), Ok(8));
    assert_eq!(close(&mut pair, &mut client, 2, libc::SHUT_WR), Ok(8));
    pair.settle();
    assert_eq!(
        ids(&mut pair, &mut client),
        [],
        "the connection lives on without"
    );
    let wanted = tuple(0, 0, "10.0.0.1:4001", "10.0.0.2:8080");
    assert_eq!(open(&mut pair, &mut client, wanted), Ok(4));
}

#[test]
fn ipv6_addresses_and_mapped_ones_are_taken() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    let six = tuple(0, 0, "[::]:0", "[2001:db8:1::2]:8080");
    assert_eq!(open(&mut pair, &mut client, six), Ok(2));
    let mapped = tuple(0, 0, "[::ffff:10.1.0.1]:0", "[::ffff:10.1.0.2]:8080");
    assert_eq!(open(&mut pair, &mut client, mapped), Ok(3));
    pair.settle();
    assert_eq!(ids(&mut pair, &mut client).len(), 3);
    let mut value = [0; 64];
    value[0] = 2;
    let len = get(&mut pair, &mut client, MPTCP_GET_SUB_TUPLE, &mut value);
    assert_eq!(len, Ok(8 + 2 * 28));
}

#[test]
fn opening_has_the_errors_of_bind_and_connect() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    let used = client.local_name().as_given().to_string();
    for (value, errno) in [
        (
            tuple(0, 0, "10.9.9.9:0", "10.1.0.2:8080"),
            Errno::EADDRNOTAVAIL,
        ),
        (tuple(0, 0, "10.1.0.1:80", "10.1.0.2:8080"), Errno::EACCES),
        (tuple(0, 0, &used, "10.0.0.2:8080"), Errno::EADDRINUSE),
        (tuple(0, 9, "0.0.0.0:0", "10.1.0.2:8080"), Errno::ENODEV),
        (tuple(0, -1, "0.0.0.0:0", "10.1.0.2:8080"), Errno::EINVAL),
        (
            tuple(0, 1, "10.1.0.1:0", "10.1.0.2:8080"),
            Errno::EADDRNOTAVAIL,
        ),
        (tuple(0, 0, "0.0.0.0:0", "[::1]:8080"), Errno::EINVAL),
        (tuple(0, 0, "10.1.0.1:0", "0.0.0.0:8080"), Errno::EINVAL),
        (
            tuple(0, 0, "[::ffff:10.1.0.1]:0", "[2001:db8::2]:1"),
            Errno::EINVAL,
        ),
        (vec![0; 8], Errno::EINVAL),
        (vec![0; 3], Errno::EINVAL),
    ] {
        assert_eq!(
            open(&mut pair, &mut client, value.clone()),
            Err(errno),
            "{value:?}"
        );
    }
    let whole = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:8080");
    let routed = [whole.clone(), vec![1; 8]].concat();
    assert_eq!(open(&mut pair, &mut client, routed), Err(Errno::EOPNOTSUPP));
    for wrong in [
        whole[..whole.len() - 1].to_vec(),
        [whole.clone(), vec![0; 3]].concat(),
    ] {
        assert_eq!(open(&mut pair, &mut client, wrong), Err(Errno::EINVAL));
    }
    let unrouted = [whole, vec![0; 8]].concat();
    assert_eq!(open(&mut pair, &mut client, unrouted), Ok(2));
    pair.hosts[0].system.privileged = true;
    let low = tuple(0, 0, "10.1.0.1:80", "10.1.0.2:8080");
    assert_eq!(open(&mut pair, &mut client, low), Ok(3));
    let mut last = Ok(0);
    for _ in 0..100 {
        let more = tuple(0, 0, "0.0.0.0:0", "10.1.0.2:8080");
        last = open(&mut pair, &mut client, more);
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last, Err(Errno::ENOSPC));
}

#[test]
fn closing_has_its_errors() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    for (how, errno) in [
        (libc::SHUT_RD, Errno::EOPNOTSUPP),
        (4, Errno::EINVAL),
        (-1, Errno::EINVAL),
    ] {
        assert_eq!(close(&mut pair, &mut client, 1, how), Err(errno), "{how}");
    }
    assert_eq!(
        close(&mut pair, &mut client, 9, libc::SHUT_RDWR),
        Err(Errno::EINVAL)
    );
    for len in [0, 2, 7] {
        let mut value = vec![1; len];
        let result = get(&mut pair, &mut client, MPTCP_CLOSE_SUB_ID, &mut value);
        assert_eq!(result, Err(Errno::EINVAL), "{len}");
    }
    for name in [MPTCP_GET_SUB_TUPLE, MPTCP_GET_SUB_INFO] {
        assert_eq!(
            get(&mut pair, &mut client, name, &mut []),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            get(&mut pair, &mut client, name, &mut [9; 64]),
            Err(Errno::EINVAL)
        );
    }
    for (name, len) in [(MPTCP_GET_SUB_IDS, 3), (MPTCP_GET_SUB_TUPLE, 39)] {
        let result = get(&mut pair, &mut client, name, &mut vec![1; len]);
        assert_eq!(result, Err(Errno::EINVAL), "too small");
    }
    // One byte is the prototype's form.
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_CLOSE_SUB_ID, &mut [1]),
        Ok(1)
    );
    pair.settle();
    assert_eq!(ids(&mut pair, &mut client), []);
}

#[test]
fn the_other_layouts_are_spoken() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    let ends = |header: &[u8]| {
        let ends = ["10.1.0.1:0", "10.1.0.2:0"].map(|end| SockAddr::plain(at(end)).to_bytes());
        [header, &ends.concat()].concat()
    };
    pair.hosts[0].system.draft_layout = DraftLayout::Prototype;
    assert_eq!(open(&mut pair, &mut client, ends(&[0])), Ok(2));
    assert_eq!(
        open(&mut pair, &mut client, ends(&[0, 0])),
        Err(Errno::EAFNOSUPPORT)
    );
    pair.settle();
    let mut value = [2; 33];
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_GET_SUB_TUPLE, &mut value),
        Ok(33)
    );
    let remote = SockAddr::from_bytes(&value[17..]).unwrap().as_given();
    assert_eq!(remote, at("10.1.0.2:8080"));
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_CLOSE_SUB_ID, &mut [2]),
        Ok(1)
    );
    pair.settle();
    assert_eq!(ids(&mut pair, &mut client), [(1, 0x06)]);

    pair.hosts[0].system.draft_layout = DraftLayout::Draft;
    assert_eq!(open(&mut pair, &mut client, ends(&[0, 1])), Ok(3));
    pair.settle();
    assert_eq!(
        ids(&mut pair, &mut client),
        [(1, 0), (3, 1)],
        "low_prio alone"
    );
    let mut value = [3; 33];
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_GET_SUB_TUPLE, &mut value),
        Ok(33)
    );
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_CLOSE_SUB_ID, &mut [3]),
        Err(Errno::EINVAL)
    );
    assert_eq!(close(&mut pair, &mut client, 3, libc::SHUT_RDWR), Ok(8));
}

#[test]
fn one_subflow_has_options_of_its_own() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    let wanted = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:0");
    assert_eq!(open(&mut pair, &mut client, wanted), Ok(2));
    pair.settle();
    let mut memory = Blocks::default();
    let cases: [(i32, i32, Vec<u8>, Vec<u8>); 9] = [
        (libc::IPPROTO_IP, libc::IP_TOS, vec![12], number(12)),
        (libc::IPPROTO_IP, libc::IP_TTL, number(9), number(9)),
        (
            libc::IPPROTO_IPV6,
            libc::IPV6_TCLASS,
            number(16),
            number(16),
        ),
        (
            TCP,
            libc::TCP_CONGESTION,
            b"reno".to_vec(),
            b"reno\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        ),
        (TCP, libc::TCP_MAXSEG, number(500), number(500)),
        (TCP, libc::TCP_KEEPIDLE, number(7), number(7)),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, number(1), number(1)),
        (TCP, libc::TCP_KEEPCNT, number(3), number(3)),
        (
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            number(1000),
            number(1000),
        ),
    ];
    for (level, name, value, expected) in cases {
        let len = value.len();
        memory.0.insert(0x1000, value);
        let setting = option(2, level, name, 0x1000, u64::try_from(len).unwrap());
        let set = client.setsockopt(
            &mut pair.net(0),
            TCP,
            MPTCP_SUB_SETSOCKOPT,
            &setting,
            &mut memory,
        );
        assert_eq!(set, Ok(()), "{level} {name}");
        memory.0.insert(0x2000, vec![0; expected.len()]);
        memory
            .0
            .insert(0x3000, number(i32::try_from(expected.len()).unwrap()));
        let mut getting = option(2, level, name, 0x2000, 0x3000);
        let got = client.getsockopt(
            &mut pair.net(0),
            TCP,
            MPTCP_SUB_GETSOCKOPT,
            &mut getting,
            &mut memory,
        );
        assert_eq!(got, Ok(32), "{level} {name}");
        assert_eq!(memory.0[&0x2000], expected, "{level} {name}");
        assert_eq!(
            memory.0[&0x3000],
            number(i32::try_from(expected.len()).unwrap())
        );
    }
    let id = client.connection().unwrap();
    let endpoint = &pair.hosts[0].endpoint;
    let subflows = endpoint.subflows(id);
    let [first, second] =
        [0, 1].map(|at| endpoint.subflow_options(id, Some(subflows[at].id)).unwrap());
    assert_eq!(
        (first.hop_limit, second.hop_limit),
        (64, 9),
        "the other is as it was"
    );
    assert_eq!(first.keepalive, None);
    assert_eq!(
        second.keepalive.map(|probes| (probes.idle, probes.probes)),
        Some((Duration::from_secs(7), 3))
    );
}

fn number(value: i32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

/// `mptcp_sub_getsockopt`, or `mptcp_sub_setsockopt`.
fn option(id: u8, level: i32, name: i32, value: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![id, 0, 0, 0];
    bytes.extend(level.to_ne_bytes());
    bytes.extend(name.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(value.to_ne_bytes());
    bytes.extend(len.to_ne_bytes());
    bytes
}

#[test]
fn options_of_a_subflow_have_their_errors() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    let inline = |id: u8, level: i32, name: i32, value: &[u8]| {
        let len = u64::try_from(value.len()).unwrap();
        [option(id, level, name, 0, len), value.to_vec()].concat()
    };
    let seven = number(7);
    for (value, errno) in [
        (
            inline(9, libc::IPPROTO_IP, libc::IP_TOS, &seven),
            Errno::EINVAL,
        ),
        (
            inline(1, libc::SOL_SOCKET, libc::SO_MARK, &seven),
            Errno::EPERM,
        ),
        (inline(1, TCP, libc::TCP_NODELAY, &seven), Errno::EOPNOTSUPP),
        (
            inline(1, libc::SOL_SOCKET, libc::SO_SNDBUF, &seven),
            Errno::EOPNOTSUPP,
        ),
        (inline(1, TCP, 999, &seven), Errno::ENOPROTOOPT),
        (inline(1, 999, 1, &seven), Errno::ENOPROTOOPT),
        (inline(1, TCP, libc::TCP_CONGESTION, b"lia"), Errno::ENOENT),
        (inline(1, TCP, libc::TCP_MAXSEG, &seven), Errno::EINVAL),
        (inline(1, TCP, libc::TCP_KEEPCNT, &[1]), Errno::EINVAL),
        (option(1, TCP, libc::TCP_KEEPCNT, 0x1000, 4), Errno::EFAULT),
        (option(1, TCP, libc::TCP_KEEPCNT, 0, 4), Errno::EINVAL),
        (vec![1; 31], Errno::EINVAL),
    ] {
        assert_eq!(
            set(&mut pair, &mut client, MPTCP_SUB_SETSOCKOPT, &value),
            Err(errno),
            "{value:?}"
        );
    }
    for (mut value, errno) in [
        (
            inline(9, libc::IPPROTO_IP, libc::IP_TOS, &seven),
            Errno::EINVAL,
        ),
        (inline(1, TCP, libc::TCP_NODELAY, &seven), Errno::EOPNOTSUPP),
        (inline(1, TCP, 999, &seven), Errno::ENOPROTOOPT),
        (
            option(1, TCP, libc::TCP_KEEPCNT, 0x1000, 0x2000),
            Errno::EFAULT,
        ),
        (vec![1; 31], Errno::EINVAL),
    ] {
        assert_eq!(
            get(&mut pair, &mut client, MPTCP_SUB_GETSOCKOPT, &mut value),
            Err(errno),
            "{value:?}"
        );
    }
    pair.hosts[0].system.privileged = true;
    let mark = inline(1, libc::SOL_SOCKET, libc::SO_MARK, &seven);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_SUB_SETSOCKOPT, &mark),
        Ok(())
    );
    let mut got = inline(1, libc::SOL_SOCKET, libc::SO_MARK, &[0; 4]);
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_SUB_GETSOCKOPT, &mut got),
        Ok(36)
    );
    assert_eq!(got[32..], seven);
}

#[test]
fn priorities_are_changed_and_told_to_the_peer() {
    let mut pair = Pair::new();
    let [mut client, server, _listener] = connected(&mut pair);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_SET_SUB_PRIO, &[1, 1]),
        Ok(())
    );
    pair.settle();
    assert_eq!(ids(&mut pair, &mut client), [(1, 0x0e)]);
    let there = pair.hosts[1]
        .endpoint
        .subflows(server.connection().unwrap());
    assert!(there[0].backup_asked_by_peer);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_SET_SUB_PRIO, &[1, 0]),
        Ok(())
    );
    for wrong in [&[9, 1][..], &[1], &[]] {
        assert_eq!(
            set(&mut pair, &mut client, MPTCP_SET_SUB_PRIO, wrong),
            Err(Errno::EINVAL)
        );
    }
    let wanted = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:0");
    assert_eq!(open(&mut pair, &mut client, wanted), Ok(2));
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_SET_SUB_PRIO, &[2, 1]),
        Err(Errno::EAGAIN)
    );
}

/// `mptcp_sub_path` for IPv4.
fn path(local: [u8; 4], remote: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0; 36];
    bytes[..2].copy_from_slice(&2_u16.to_ne_bytes());
    bytes[4..8].copy_from_slice(&local);
    bytes[20..24].copy_from_slice(&remote);
    bytes
}

#[test]
fn lists_that_are_set_before_connecting_decide_about_later_subflows() {
    let mut pair = Pair::new();
    pair.hosts[1].system.defaults.path_manager = PathManagerKind::Passive;
    let mut listener = pair.mptcp(1, Family::V4);
    listener
        .bind(&mut pair.net(1), SockAddr::plain(SERVER))
        .unwrap();
    listener.listen(&mut pair.net(1), 5).unwrap();
    let mut client = pair.mptcp(0, Family::V4);
    let any_from_second = path([10, 1, 0, 1], [0; 4]);
    assert_eq!(
        set(
            &mut pair,
            &mut client,
            MPTCP_SUB_PATH_BACKUP_LIST,
            &any_from_second
        ),
        Ok(())
    );
    let mut wrong_family = any_from_second.clone();
    wrong_family[0] = 99;
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_SUB_PATH_ACTIVE_LIST, &[0; 35]),
        Err(Errno::EINVAL)
    );
    let refused = set(
        &mut pair,
        &mut client,
        MPTCP_SUB_PATH_ACTIVE_LIST,
        &wrong_family,
    );
    assert_eq!(refused, Err(Errno::EAFNOSUPPORT));
    let _ = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    pair.run_for(Duration::from_secs(1));
    let backups = |pair: &Pair, client: &Socket| {
        let mut subflows = pair.hosts[0]
            .endpoint
            .subflows(client.connection().unwrap());
        subflows.retain(|subflow| {
            subflow.local.ip() == at("10.1.0.1:0").ip() && subflow.closed.is_none()
        });
        subflows
            .into_iter()
            .map(|subflow| subflow.backup)
            .collect::<Vec<_>>()
    };
    let made = backups(&pair, &client);
    assert!(
        !made.is_empty() && made.iter().all(|backup| *backup),
        "{made:?}"
    );
    // In both lists a pair counts as active, also on a connection that lives.
    let pair_listed = path([10, 1, 0, 1], [10, 1, 0, 2]);
    assert_eq!(
        set(
            &mut pair,
            &mut client,
            MPTCP_SUB_PATH_ACTIVE_LIST,
            &pair_listed
        ),
        Ok(())
    );
    let wanted = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:0");
    let id = open(&mut pair, &mut client, wanted).unwrap();
    pair.settle();
    let flags = ids(&mut pair, &mut client)
        .into_iter()
        .find(|(known, _)| *known == id);
    assert_eq!(flags.map(|(_, flags)| flags & 8), Some(0));
}

#[test]
fn control_messages_tell_of_subflows() {
    let mut pair = Pair::new();
    let [mut client, mut server, _listener] = connected(&mut pair);
    assert!(
        client.take_control_messages(&mut pair.net(0), 9).is_empty(),
        "nobody asked"
    );
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_EVENTS, &number(1)),
        Ok(())
    );
    let mut value = [0; 4];
    assert_eq!(get(&mut pair, &mut client, MPTCP_EVENTS, &mut value), Ok(4));
    assert_eq!(value.to_vec(), number(1));
    let first = ControlMessage::SubflowEstablished {
        id: 1,
        low_prio: false,
    };
    assert!(client.has_control_messages(&pair.net(0)));
    assert_eq!(client.take_control_messages(&mut pair.net(0), 9), [first]);

    let wanted = tuple(1, 0, "10.1.0.1:0", "10.1.0.2:0");
    assert_eq!(open(&mut pair, &mut client, wanted), Ok(2));
    assert!(
        client
            .take_control_messages(&mut pair.net(0), 9)
            .iter()
            .all(|m| m.kind() != 1)
    );
    pair.settle();
    let told = client.take_control_messages(&mut pair.net(0), 9);
    let second = ControlMessage::SubflowEstablished {
        id: 2,
        low_prio: true,
    };
    assert!(told.contains(&second), "{told:?}");
    assert_eq!(second.to_bytes(), [2, 0, 1, 255, 0, 0, 0, 0]);

    // The peer resets one, and nobody answers at another.
    let there = server.connection().unwrap();
    let subflows = pair.hosts[1].endpoint.subflows(there);
    let now = pair.now;
    let reason = umptcp_stack::ResetReason::UnacceptablePerformance;
    pair.hosts[1]
        .endpoint
        .reset_subflow(now, there, subflows[1].id, reason)
        .unwrap();
    let nobody = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:9");
    assert_eq!(open(&mut pair, &mut client, nobody), Ok(3));
    pair.settle();
    let told = client.take_control_messages(&mut pair.net(0), 9);
    let reset = ControlMessage::SubflowClosed {
        id: 2,
        error: Some(Errno::ECONNRESET),
        by_peer: true,
        reset_reason: None,
    };
    assert!(told.contains(&reset), "{told:?}");
    assert_eq!(reset.kind(), 2);
    let opened_or_refused = told.iter().any(|message| {
        matches!(
            message,
            ControlMessage::SubflowClosed { id: 3, .. }
                | ControlMessage::SubflowEstablished { id: 3, .. }
        )
    });
    assert!(opened_or_refused, "how opening went: {told:?}");
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_EVENTS, &number(0)),
        Ok(())
    );
    let _ = server.take_error(&mut pair.net(1));
}

#[test]
fn lost_events_leave_a_mark() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_EVENTS, &number(1)),
        Ok(())
    );
    for _ in 0..40 {
        let wanted = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:0");
        let id = open(&mut pair, &mut client, wanted).unwrap();
        pair.settle();
        assert_eq!(close(&mut pair, &mut client, id, 3), Ok(8));
        pair.settle();
    }
    let told = client.take_control_messages(&mut pair.net(0), 1);
    assert_eq!(told, [ControlMessage::Overflow]);
    let rest = client.take_control_messages(&mut pair.net(0), 1000);
    assert!(!rest.is_empty() && !rest.contains(&ControlMessage::Overflow));
    assert!(!client.has_control_messages(&pair.net(0)));
}

#[test]
fn an_accepted_socket_has_the_events_of_its_listener() {
    let mut pair = Pair::new();
    let [_client, _server, mut listener] = connected(&mut pair);
    let on = number(1);
    listener
        .setsockopt(&mut pair.net(1), TCP, MPTCP_EVENTS, &on, &mut NoMemory)
        .unwrap();
    let mut client = pair.mptcp(0, Family::V4);
    let _ = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    pair.settle();
    let mut server = listener.accept(&mut pair.net(1)).unwrap();
    let first = ControlMessage::SubflowEstablished {
        id: 1,
        low_prio: false,
    };
    assert_eq!(server.take_control_messages(&mut pair.net(1), 9), [first]);
    server.close(&mut pair.net(1));
}

#[test]
fn ids_begin_anew_after_255() {
    let mut pair = Pair::new();
    let [mut client, _server, _listener] = connected(&mut pair);
    let mut seen = vec![];
    for _ in 0..256 {
        let wanted = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:0");
        let id = open(&mut pair, &mut client, wanted).unwrap();
        seen.push(id);
        assert_eq!(close(&mut pair, &mut client, id, 3), Ok(8));
        pair.settle();
    }
    // 1 is still open, so its number is passed over.
    let expected: Vec<u8> = (2..=255).chain([2, 3]).collect();
    assert_eq!(seen, expected);
    assert_eq!(ids(&mut pair, &mut client), [(1, 0x06)]);
}

#[test]
fn without_mptcp_or_a_connection_every_option_says_so() {
    let gets = [
        MPTCP_GET_SUB_IDS,
        MPTCP_CLOSE_SUB_ID,
        MPTCP_GET_SUB_TUPLE,
        MPTCP_OPEN_SUB_TUPLE,
        MPTCP_GET_SUB_INFO,
        MPTCP_SUB_GETSOCKOPT,
    ];
    let sets = [MPTCP_SUB_SETSOCKOPT, MPTCP_SET_SUB_PRIO];
    let lists = [MPTCP_SUB_PATH_ACTIVE_LIST, MPTCP_SUB_PATH_BACKUP_LIST];
    let mut pair = Pair::new();
    pair.strip = true;
    let [mut fallen, _server, _listener] = connected(&mut pair);
    let mut plain =
        Socket::new(&pair.hosts[0].system, libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    let mut fresh = pair.mptcp(0, Family::V4);
    for name in gets {
        for socket in [&mut fallen, &mut plain] {
            let result = get(&mut pair, socket, name, &mut [0; 64]);
            assert_eq!(result, Err(Errno::EOPNOTSUPP), "{name}");
        }
        let result = get(&mut pair, &mut fresh, name, &mut [0; 64]);
        assert_eq!(result, Err(Errno::ENOTCONN), "{name}");
        assert_eq!(
            set(&mut pair, &mut fresh, name, &[0; 64]),
            Err(Errno::ENOPROTOOPT)
        );
    }
    for name in sets.into_iter().chain(lists) {
        for socket in [&mut fallen, &mut plain] {
            let result = set(&mut pair, socket, name, &[0; 72]);
            assert_eq!(result, Err(Errno::EOPNOTSUPP), "{name}");
        }
        assert_eq!(
            get(&mut pair, &mut fresh, name, &mut [0; 64]),
            Err(Errno::ENOPROTOOPT)
        );
    }
    for name in sets {
        assert_eq!(
            set(&mut pair, &mut fresh, name, &[0; 64]),
            Err(Errno::ENOTCONN),
            "{name}"
        );
    }
}

#[test]
fn before_the_peer_is_heard_nothing_is_opened() {
    let mut pair = Pair::new();
    let mut client = pair.mptcp(0, Family::V4);
    let _ = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    assert_eq!(ids(&mut pair, &mut client), [(1, 0)]);
    let wanted = tuple(0, 0, "10.1.0.1:0", "10.1.0.2:0");
    assert_eq!(open(&mut pair, &mut client, wanted), Err(Errno::EAGAIN));
}
