//! The options of multipath-tcp.org between two hosts.

use super::*;
use crate::bsd::testing::{Pair, SERVER};
use crate::bsd::{Family, NoMemory, SockAddr, System};
use std::collections::BTreeMap;
use std::time::Duration;
use umptcp_stack::{ChecksumPolicy, ResetReason, SubflowId, Version};

const TCP: i32 = libc::IPPROTO_TCP;

/// Memory at made-up addresses: one block for each.
#[derive(Default)]
struct Blocks(BTreeMap<u64, Vec<u8>>);

impl UserMemory for Blocks {
    fn read(&self, _: u64, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EFAULT)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let block = self.0.get_mut(&address).ok_or(Errno::EFAULT)?;
        let room = block.get_mut(..bytes.len()).ok_or(Errno::EFAULT)?;
        room.copy_from_slice(bytes);
        Ok(())
    }
}

fn org_pair() -> Pair {
    let mut pair = Pair::new();
    for host in &mut pair.hosts {
        host.system.profile = OptionProfile::MultipathTcpOrg;
    }
    pair
}

fn tcp(pair: &Pair) -> Socket {
    let system = &pair.hosts[0].system;
    Socket::new(system, libc::AF_INET, libc::SOCK_STREAM, 0).expect("a socket")
}

fn get(pair: &mut Pair, socket: &mut Socket, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
    socket.getsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

fn set(pair: &mut Pair, socket: &mut Socket, name: i32, value: &[u8]) -> Result<(), Errno> {
    socket.setsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

fn enabled(pair: &mut Pair, socket: &mut Socket) -> i32 {
    let mut value = [0; 4];
    assert_eq!(get(pair, socket, MPTCP_ENABLED, &mut value), Ok(4));
    i32::from_ne_bytes(value)
}

fn name(pair: &mut Pair, socket: &mut Socket, option: i32) -> String {
    let mut value = [0; 16];
    assert_eq!(get(pair, socket, option, &mut value), Ok(16));
    let text = value.split(|byte| *byte == 0).next().unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

fn number(value: i32) -> [u8; 4] {
    value.to_ne_bytes()
}

/// A listener, and `client` connected to it.
fn connect(pair: &mut Pair, client: &mut Socket) -> Socket {
    let mut listener = pair.mptcp(1, Family::V4);
    listener
        .bind(&mut pair.net(1), SockAddr::plain(SERVER))
        .unwrap();
    listener.listen(&mut pair.net(1), 5).unwrap();
    let _ = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(client.connecting(&mut pair.net(0)), Some(Ok(())));
    listener
}

#[test]
fn a_tcp_socket_speaks_mptcp_unless_it_is_told_not_to() {
    let mut pair = org_pair();
    let mut client = tcp(&pair);
    assert_eq!(enabled(&mut pair, &mut client), 1);
    let _listener = connect(&mut pair, &mut client);
    assert_eq!(enabled(&mut pair, &mut client), 1);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_ENABLED, &number(0)),
        Err(Errno::EPERM)
    );

    let mut pair = org_pair();
    let mut client = tcp(&pair);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_ENABLED, &number(0)),
        Ok(())
    );
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_ENABLED, &[0]),
        Err(Errno::EINVAL)
    );
    let _listener = connect(&mut pair, &mut client);
    assert_eq!(enabled(&mut pair, &mut client), 0);

    let mut pair = org_pair();
    pair.strip = true;
    let mut client = tcp(&pair);
    let _ = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    assert_eq!(enabled(&mut pair, &mut client), 1, "the wish");
    let mut client = tcp(&pair);
    let mut listener = connect(&mut pair, &mut client);
    assert_eq!(enabled(&mut pair, &mut client), 0);
    let late = listener.setsockopt(
        &mut pair.net(1),
        TCP,
        MPTCP_ENABLED,
        &number(0),
        &mut NoMemory,
    );
    assert_eq!(late, Err(Errno::EPERM));

    // Switched off, nobody can switch it on.
    let mut pair = org_pair();
    pair.hosts[0].system.enabled = false;
    let mut client = tcp(&pair);
    assert_eq!(enabled(&mut pair, &mut client), 0);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_ENABLED, &number(1)),
        Err(Errno::EPERM)
    );
}

#[test]
fn policies_are_chosen_by_name_before_the_connection() {
    let mut pair = org_pair();
    let mut client = tcp(&pair);
    for (option, default, known, unknown) in [
        (
            MPTCP_SCHEDULER,
            "default",
            &["default", "roundrobin"][..],
            &["redundant", "blest", "ecf", "fullmesh", ""][..],
        ),
        (
            MPTCP_PATH_MANAGER,
            "fullmesh",
            &["default", "fullmesh", "ndiffports"][..],
            &["binder", "netlink", "roundrobin", ""][..],
        ),
    ] {
        assert_eq!(name(&mut pair, &mut client, option), default);
        for wanted in known {
            assert_eq!(
                set(&mut pair, &mut client, option, wanted.as_bytes()),
                Ok(())
            );
            assert_eq!(name(&mut pair, &mut client, option), *wanted);
        }
        for wanted in unknown {
            let refused = set(&mut pair, &mut client, option, wanted.as_bytes());
            assert_eq!(refused, Err(Errno::ENOENT), "{wanted}");
        }
    }
    for unknown in ["lia", "olia", "balia", "wvegas"] {
        let refused = set(
            &mut pair,
            &mut client,
            libc::TCP_CONGESTION,
            unknown.as_bytes(),
        );
        assert_eq!(refused, Err(Errno::ENOENT), "{unknown}");
    }
    let _listener = connect(&mut pair, &mut client);
    for (option, chosen) in [
        (MPTCP_SCHEDULER, "roundrobin"),
        (MPTCP_PATH_MANAGER, "ndiffports"),
    ] {
        assert_eq!(name(&mut pair, &mut client, option), chosen);
        assert_eq!(
            set(&mut pair, &mut client, option, b"default"),
            Err(Errno::EPERM)
        );
    }
    let subflows = pair.hosts[0]
        .endpoint
        .subflows(client.connection().unwrap());
    assert_eq!(subflows.len(), 2, "ndiffports opens one more");
}

#[test]
fn the_numbers_are_upstream_linux_otherwise() {
    let mut pair = Pair::new();
    let mut client = pair.mptcp(0, Family::V4);
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_SCHEDULER, b"default"),
        Err(Errno::ENOPROTOOPT)
    );
    for option in [MPTCP_ENABLED, MPTCP_INFO] {
        let refused = get(&mut pair, &mut client, option, &mut [0; 56]);
        assert!(
            matches!(refused, Err(Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)),
            "{option}"
        );
    }
}

/// `struct mptcp_info` with these lengths and pointers.
fn table(lengths: [u32; 5], pointers: [u64; 4]) -> Vec<u8> {
    let mut bytes = lengths.map(u32::to_ne_bytes).concat();
    bytes.extend([0; 4]);
    bytes.extend(pointers.map(u64::to_ne_bytes).concat());
    bytes
}

fn lengths(table: &[u8]) -> [u32; 5] {
    [0, 4, 8, 12, 16].map(|at| u32::from_ne_bytes(table[at..at + 4].try_into().unwrap()))
}

#[test]
fn figures_go_where_the_pointers_lead() {
    let mut pair = org_pair();
    let mut client = tcp(&pair);
    let _listener = connect(&mut pair, &mut client);
    let sent = client.send(&mut pair.net(0), &[7; 1000], Default::default());
    assert_eq!(sent, Ok(1000));
    pair.settle();
    let open = pair.hosts[0]
        .endpoint
        .subflows(client.connection().unwrap());
    let count = u32::try_from(
        open.iter()
            .filter(|subflow| subflow.closed.is_none())
            .count(),
    )
    .unwrap();
    assert!(count >= 2);

    let mut memory = Blocks::default();
    for (address, len) in [(1, 100), (2, 300), (3, 9000), (4, 9000)] {
        memory.0.insert(address, vec![0xaa; len]);
    }
    let mut value = table([300, 9000, 100, 100, 9000], [1, 2, 3, 4]);
    let got = client.getsockopt(&mut pair.net(0), TCP, MPTCP_INFO, &mut value, &mut memory);
    assert_eq!(got, Ok(56));
    let sizes = [280, 280 * count, 48, 56, 56 * count];
    assert_eq!(lengths(&value), sizes);
    let meta = &memory.0[&1];
    assert_eq!(meta[0], 1, "established");
    assert_eq!(u64::from_ne_bytes(meta[32..40].try_into().unwrap()), 1000);
    assert_eq!(meta[48], 0xaa, "nothing beyond");
    assert_eq!(memory.0[&2][0], 1, "the state of the first subflow");
    let first = SockAddr::from_bytes(&memory.0[&4]).unwrap();
    assert_eq!(first, client.local_name());
    let remote = SockAddr::from_bytes(&memory.0[&4][28..]).unwrap();
    assert_eq!(remote, SockAddr::plain(SERVER));

    // Short buffers get whole elements, cut to the size that was asked for.
    let mut value = table([8, 12, 4, 0, 9000], [1, 2, 3, 4]);
    let got = client.getsockopt(&mut pair.net(0), TCP, MPTCP_INFO, &mut value, &mut memory);
    assert_eq!(got, Ok(56));
    assert_eq!(lengths(&value), [8, 8, 4, 0, 0]);
    let mut value = table([8, 12, 4, 0, 9000], [9, 0, 0, 0]);
    let got = client.getsockopt(&mut pair.net(0), TCP, MPTCP_INFO, &mut value, &mut memory);
    assert_eq!(got, Err(Errno::EFAULT));
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_INFO, &mut [0; 55]),
        Err(Errno::EINVAL)
    );
    // A table without pointers asks whether it is MPTCP.
    assert_eq!(
        get(&mut pair, &mut client, MPTCP_INFO, &mut [0; 56]),
        Ok(56)
    );
}

#[test]
fn the_first_subflow_is_remembered_if_that_was_asked_for() {
    let mut pair = org_pair();
    let mut client = tcp(&pair);
    let _listener = connect(&mut pair, &mut client);
    let (id, now) = (client.connection().unwrap(), pair.now);
    let endpoint = &mut pair.hosts[0].endpoint;
    endpoint
        .reset_subflow(now, id, SubflowId::INITIAL, ResetReason::Unspecified)
        .unwrap();
    pair.settle();
    let ask = |pair: &mut Pair, client: &mut Socket| {
        let mut memory = Blocks::default();
        memory.0.insert(2, vec![0; 280]);
        let mut value = table([280, 0, 0, 0, 0], [0, 2, 0, 0]);
        client.getsockopt(&mut pair.net(0), TCP, MPTCP_INFO, &mut value, &mut memory)
    };
    assert_eq!(ask(&mut pair, &mut client), Err(Errno::EINVAL));
    assert_eq!(set(&mut pair, &mut client, MPTCP_INFO, &number(1)), Ok(()));
    assert_eq!(ask(&mut pair, &mut client), Ok(56));
    for wrong in [&number(2)[..], &[1]] {
        assert_eq!(
            set(&mut pair, &mut client, MPTCP_INFO, wrong),
            Err(Errno::EINVAL)
        );
    }
}

#[test]
fn plain_tcp_has_no_figures() {
    let mut pair = org_pair();
    pair.strip = true;
    let mut fallen = tcp(&pair);
    let _listener = connect(&mut pair, &mut fallen);
    assert_eq!(
        get(&mut pair, &mut fallen, MPTCP_INFO, &mut [0; 56]),
        Err(Errno::EINVAL)
    );
    let mut fresh = tcp(&pair);
    assert_eq!(
        get(&mut pair, &mut fresh, MPTCP_INFO, &mut [0; 56]),
        Err(Errno::ENOTCONN)
    );
}

#[test]
fn sysctls_are_known_by_name() {
    let mut system = System {
        profile: OptionProfile::MultipathTcpOrg,
        ..System::default()
    };
    let mut change = |name: &str, value: &str| {
        MultipathTcpOrgSysctl::of_name(name).and_then(|known| {
            known.set(&mut system, value)?;
            Ok(known.get(&system))
        })
    };
    for (name, value) in [
        ("net.mptcp.mptcp_enabled", "2"),
        ("mptcp_checksum", "1"),
        ("mptcp_syn_retries", "5"),
        ("mptcp_debug", "0"),
        ("mptcp_version", "1"),
        ("mptcp_path_manager", "ndiffports"),
        ("mptcp_scheduler", "roundrobin"),
        ("mptcp_binder_gateways", ""),
    ] {
        assert_eq!(change(name, value), Ok(value.to_owned()), "{name}");
    }
    for (name, value, errno) in [
        ("mptcp_enabled", "3", Errno::EINVAL),
        ("mptcp_checksum", "x", Errno::EINVAL),
        ("mptcp_syn_retries", "-1", Errno::EINVAL),
        ("mptcp_debug", "1", Errno::EOPNOTSUPP),
        ("mptcp_version", "2", Errno::EINVAL),
        ("mptcp_path_manager", "binder", Errno::ENOENT),
        ("mptcp_scheduler", "redundant", Errno::ENOENT),
        ("mptcp_binder_gateways", "10.0.0.1", Errno::EOPNOTSUPP),
        ("enabled", "1", Errno::ENOENT),
    ] {
        assert_eq!(change(name, value), Err(errno), "{name}");
    }
    assert_eq!(system.defaults.checksum, ChecksumPolicy::Require);
    assert_eq!(system.defaults.version, Version::V1);
    // Only those that ask for it.
    let of = |system: &System| Socket::new(system, libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    assert!(!of(&system).config_mut().mptcp);
    MultipathTcpOrgSysctl::Enabled
        .set(&mut system, "1")
        .unwrap();
    assert!(of(&system).config_mut().mptcp);
    MultipathTcpOrgSysctl::Enabled
        .set(&mut system, "0")
        .unwrap();
    assert!(!of(&system).config_mut().mptcp);
}
