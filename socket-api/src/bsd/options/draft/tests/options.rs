//! Options and priorities of one subflow.

use super::*;
use std::collections::BTreeMap;
use std::time::Duration;

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
