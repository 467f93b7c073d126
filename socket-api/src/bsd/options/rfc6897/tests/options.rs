//! The five options.

use super::*;

#[test]
fn enable_is_a_wish_before_and_a_fact_afterwards() {
    let mut pair = Pair::new();
    let _listener = listening(&mut pair);
    let on = 1_i32.to_ne_bytes();
    let off = 0_i32.to_ne_bytes();
    let mut plain =
        Socket::new(&pair.hosts[0].system, libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    assert_eq!(enabled(&mut pair, &mut plain), 0);
    assert_eq!(
        set(&mut pair, &mut plain, TCP_MULTIPATH_ENABLE, &on),
        Ok(())
    );
    assert_eq!(enabled(&mut pair, &mut plain), 1);
    assert_eq!(
        set(&mut pair, &mut plain, TCP_MULTIPATH_ENABLE, &[1]),
        Err(Errno::EINVAL)
    );
    connect(&mut pair, &mut plain);
    assert_eq!(enabled(&mut pair, &mut plain), 1);
    assert_eq!(
        set(&mut pair, &mut plain, TCP_MULTIPATH_ENABLE, &off),
        Err(Errno::EINVAL)
    );

    let mut never = pair.mptcp(0, Family::V4);
    assert_eq!(
        set(&mut pair, &mut never, TCP_MULTIPATH_ENABLE, &off),
        Ok(())
    );
    connect(&mut pair, &mut never);
    assert_eq!(enabled(&mut pair, &mut never), 0);

    pair.strip = true;
    let mut fallen = pair.mptcp(0, Family::V4);
    assert_eq!(enabled(&mut pair, &mut fallen), 1);
    connect(&mut pair, &mut fallen);
    assert_eq!(enabled(&mut pair, &mut fallen), 0);

    pair.hosts[0].system.enabled = false;
    let mut plain =
        Socket::new(&pair.hosts[0].system, libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    assert_eq!(
        set(&mut pair, &mut plain, TCP_MULTIPATH_ENABLE, &on),
        Err(Errno::EOPNOTSUPP)
    );
}

#[test]
fn the_identity_is_the_token_and_subflows_are_pairs() {
    let mut pair = Pair::new();
    let _listener = listening(&mut pair);
    let mut client = pair.mptcp(0, Family::V4);
    for name in [
        TCP_MULTIPATH_CONNID,
        TCP_MULTIPATH_SUBFLOWS,
        CONNID_OF_3_0,
        SUBFLOWS_OF_3_0,
    ] {
        assert_eq!(
            get(&mut pair, &mut client, name, &mut [0; 80]),
            Err(Errno::ENOTCONN)
        );
        assert_eq!(
            set(&mut pair, &mut client, name, &[0; 4]),
            Err(Errno::ENOPROTOOPT)
        );
    }
    connect(&mut pair, &mut client);
    let id = client.connection().unwrap();
    let token = pair.hosts[0]
        .endpoint
        .connection_info(id)
        .unwrap()
        .token
        .unwrap();
    for name in [TCP_MULTIPATH_CONNID, CONNID_OF_3_0] {
        let mut value = [0; 4];
        assert_eq!(get(&mut pair, &mut client, name, &mut value), Ok(4));
        assert_eq!(u32::from_ne_bytes(value), token);
    }
    let both = [at("10.0.0.1:0").ip(), at("10.1.0.1:0").ip()];
    let found = locals(&mut pair, &mut client);
    assert!(both.iter().all(|local| found.contains(local)), "{found:?}");
    // Whole entries only.
    let mut value = [9; 81];
    assert_eq!(
        get(&mut pair, &mut client, SUBFLOWS_OF_3_0, &mut value),
        Ok(80)
    );
    let (first, local) = (SERVER, client.local_name().as_given());
    assert_eq!(value[..2], 2_u16.to_ne_bytes());
    assert_eq!(value[2..4], first.port().to_be_bytes());
    assert_eq!(value[4..6], local.port().to_be_bytes());
    assert_eq!(value[8..16], [10, 0, 0, 2, 10, 0, 0, 1]);
    assert_eq!(
        get(&mut pair, &mut client, TCP_MULTIPATH_SUBFLOWS, &mut [0; 31]),
        Ok(0)
    );
    for name in [TCP_MULTIPATH_ADD, TCP_MULTIPATH_REMOVE] {
        assert_eq!(
            get(&mut pair, &mut client, name, &mut [0; 16]),
            Err(Errno::ENOPROTOOPT)
        );
    }
}

#[test]
fn what_is_added_before_is_all_there_is() {
    let mut pair = Pair::new();
    let _listener = listening(&mut pair);
    let mut client = pair.mptcp(0, Family::V4);
    // The first of the family of the peer is where it comes from, with its port.
    let given = list(&["[2001:db8:1::1]:0", "10.1.0.1:4444"]);
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_ADD, &given),
        Ok(())
    );
    for (wrong, errno) in [
        (list(&["10.9.9.9:0"]), Errno::EADDRNOTAVAIL),
        (list(&["10.0.0.1:80"]), Errno::EACCES),
        (given[..40].to_vec(), Errno::EINVAL),
        (vec![], Errno::EINVAL),
        (vec![99; 16], Errno::EAFNOSUPPORT),
    ] {
        assert_eq!(
            set(&mut pair, &mut client, TCP_MULTIPATH_ADD, &wrong),
            Err(errno),
            "{wrong:?}"
        );
    }
    connect(&mut pair, &mut client);
    assert_eq!(client.local_name().as_given(), at("10.1.0.1:4444"));
    let found = locals(&mut pair, &mut client);
    assert!(!found.contains(&at("10.0.0.1:0").ip()), "{found:?}");

    // On the connection: one more is permitted, and used.
    let more = list(&["10.0.0.1:0"]);
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_ADD, &more),
        Ok(())
    );
    pair.run_for(Duration::from_secs(2));
    assert!(locals(&mut pair, &mut client).contains(&at("10.0.0.1:0").ip()));
    let port = list(&["10.0.0.1:5555"]);
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_ADD, &port),
        Ok(())
    );
    pair.run_for(Duration::from_secs(2));
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_ADD, &port),
        Err(Errno::EADDRINUSE)
    );
    let id = client.connection().unwrap();
    let from_port = |pair: &Pair| {
        let subflows = pair.hosts[0].endpoint.subflows(id);
        let mut open = subflows.iter().filter(|subflow| subflow.closed.is_none());
        open.any(|subflow| subflow.local == at("10.0.0.1:5555"))
    };
    assert!(from_port(&pair));
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_REMOVE, &port),
        Ok(())
    );
    pair.run_for(Duration::from_secs(90));
    assert!(!from_port(&pair));
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_REMOVE, &port),
        Err(Errno::EADDRNOTAVAIL)
    );
}

#[test]
fn what_is_removed_is_closed_and_stays_away() {
    let mut pair = Pair::new();
    let _listener = listening(&mut pair);
    let first = list(&["10.0.0.1:0"]);
    // Before the connection: another address is where it comes from.
    let mut client = pair.mptcp(0, Family::V4);
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_REMOVE, &first),
        Ok(())
    );
    let strange = list(&["10.9.9.9:0"]);
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_REMOVE, &strange),
        Err(Errno::EADDRNOTAVAIL)
    );
    connect(&mut pair, &mut client);
    assert_eq!(client.local_name().as_given().ip(), at("10.1.0.1:0").ip());
    let away = at("10.0.0.1:0").ip();
    assert!(!locals(&mut pair, &mut client).contains(&away));
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_REMOVE, &strange),
        Err(Errno::EADDRNOTAVAIL)
    );

    // On a connection: the initial subflow ends, its names stay.
    let mut client = pair.mptcp(0, Family::V4);
    connect(&mut pair, &mut client);
    let name = client.local_name();
    assert!(locals(&mut pair, &mut client).contains(&away));
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_REMOVE, &first),
        Ok(())
    );
    pair.run_for(Duration::from_secs(90));
    let left = locals(&mut pair, &mut client);
    assert!(!left.contains(&away) && !left.is_empty(), "{left:?}");
    assert_eq!(client.local_name(), name);
    assert_eq!(client.peer_name(), Ok(SockAddr::plain(SERVER)));
}

#[test]
fn nothing_of_the_right_family_is_no_way() {
    let mut pair = Pair::new();
    let mut client = pair.mptcp(0, Family::V4);
    let six = list(&["[2001:db8:1::1]:0"]);
    assert_eq!(set(&mut pair, &mut client, TCP_MULTIPATH_ADD, &six), Ok(()));
    let refused = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    assert_eq!(refused, Err(Errno::ENETUNREACH));
}

#[test]
fn a_port_needs_a_connection_that_is_old_enough() {
    let mut pair = Pair::new();
    let mut client = pair.mptcp(0, Family::V4);
    let _ = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    let port = list(&["10.1.0.1:5555"]);
    assert_eq!(
        set(&mut pair, &mut client, TCP_MULTIPATH_ADD, &port),
        Err(Errno::EAGAIN)
    );
    let mut listener = listening(&mut pair);
    let any = list(&["10.1.0.2:0"]);
    let late = listener.setsockopt(
        &mut pair.net(1),
        TCP,
        TCP_MULTIPATH_ADD,
        &any,
        &mut NoMemory,
    );
    assert_eq!(late, Err(Errno::EINVAL));
}

#[test]
fn a_server_announces_what_it_adds() {
    let mut pair = Pair::new();
    for host in &mut pair.hosts {
        host.system.defaults.path_manager = PathManagerKind::Passive;
    }
    let [mut client, mut server, _listener] = pair.connected();
    // In version 0 the server has seen that the client speaks MPTCP once it has sent something.
    client
        .send(&mut pair.net(0), b"hello", Default::default())
        .unwrap();
    pair.settle();
    let port = list(&["10.1.0.2:9999"]);
    let added = server.setsockopt(
        &mut pair.net(1),
        TCP,
        TCP_MULTIPATH_ADD,
        &port,
        &mut NoMemory,
    );
    assert_eq!(added, Ok(()));
    pair.settle();
    let known = pair.hosts[0]
        .endpoint
        .remote_addresses(client.connection().unwrap());
    assert!(
        known
            .iter()
            .any(|known| known.address == at("10.1.0.2:9999")),
        "{known:?}"
    );
}

#[test]
fn plain_tcp_has_none_of_it() {
    let mut pair = Pair::new();
    pair.strip = true;
    let [mut fallen, _server, _listener] = pair.connected();
    let mut plain =
        Socket::new(&pair.hosts[0].system, libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    let address = list(&["10.0.0.1:0"]);
    for socket in [&mut fallen, &mut plain] {
        for name in [
            TCP_MULTIPATH_CONNID,
            TCP_MULTIPATH_SUBFLOWS,
            CONNID_OF_3_0,
            SUBFLOWS_OF_3_0,
        ] {
            assert_eq!(
                get(&mut pair, socket, name, &mut [0; 64]),
                Err(Errno::EOPNOTSUPP),
                "{name}"
            );
        }
        for name in [TCP_MULTIPATH_ADD, TCP_MULTIPATH_REMOVE] {
            assert_eq!(
                set(&mut pair, socket, name, &address),
                Err(Errno::EOPNOTSUPP),
                "{name}"
            );
        }
    }
}
