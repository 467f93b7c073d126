//! Options, `connectx` and a service on a connection.

use super::*;

fn set(pair: &mut Pair, socket: &mut Socket, name: i32, value: &[u8]) -> Result<(), Errno> {
    socket.setsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

fn get(pair: &mut Pair, socket: &mut Socket, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
    socket.getsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

fn number(value: i32) -> [u8; 4] {
    value.to_ne_bytes()
}

#[test]
fn options_are_checked() {
    let mut pair = Pair::new();
    let mut socket = pair.mptcp(0, Family::V4);
    let service = MPTCP_SERVICE_TYPE;
    assert_eq!(
        set(&mut pair, &mut socket, service, &number(0)),
        Err(Errno::EACCES)
    );
    pair.hosts[0].system.apple.entitled = true;
    for (value, expected) in [
        (0, Ok(())),
        (1, Ok(())),
        (2, Err(Errno::EACCES)),
        (3, Ok(())),
        (4, Ok(())),
        (5, Err(Errno::EINVAL)),
        (-1, Err(Errno::EINVAL)),
    ] {
        assert_eq!(
            set(&mut pair, &mut socket, service, &number(value)),
            expected,
            "{value}"
        );
    }
    pair.hosts[0].system.apple.allow_aggregate = true;
    assert_eq!(set(&mut pair, &mut socket, service, &number(2)), Ok(()));
    for (name, value, expected) in [
        (MPTCP_ALTERNATE_PORT, 65536, Err(Errno::EINVAL)),
        (MPTCP_ALTERNATE_PORT, 443, Ok(())),
        (MPTCP_FORCE_ENABLE, 1, Ok(())),
        (MPTCP_FORCE_VERSION, 2, Err(Errno::EINVAL)),
        (MPTCP_FORCE_VERSION, 1, Ok(())),
    ] {
        assert_eq!(
            set(&mut pair, &mut socket, name, &number(value)),
            expected,
            "{name} {value}"
        );
    }
    let read = |pair: &mut Pair, socket: &mut Socket, name| {
        let mut value = [0; 4];
        get(pair, socket, name, &mut value).map(|_| i32::from_ne_bytes(value))
    };
    for (name, value) in [
        (service, 2),
        (MPTCP_ALTERNATE_PORT, 443),
        (MPTCP_FORCE_ENABLE, 1),
        (MPTCP_FORCE_VERSION, 1),
    ] {
        assert_eq!(read(&mut pair, &mut socket, name), Ok(value), "{name}");
    }
    let target = MPTCP_EXPECTED_PROGRESS_TARGET;
    assert_eq!(
        set(&mut pair, &mut socket, target, &number(1)),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        set(&mut pair, &mut socket, target, &9_000_u64.to_ne_bytes()),
        Ok(())
    );
    let mut value = [0; 8];
    assert_eq!(get(&mut pair, &mut socket, target, &mut value), Ok(8));
    assert_eq!(u64::from_ne_bytes(value), 9_000);
}

#[test]
fn options_come_too_late_or_meet_plain_tcp() {
    let mut pair = Pair::new();
    let mut socket = pair.mptcp(0, Family::V4);
    let _ = socket.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    for name in [MPTCP_FORCE_ENABLE, MPTCP_FORCE_VERSION] {
        assert_eq!(
            set(&mut pair, &mut socket, name, &number(1)),
            Err(Errno::EINVAL)
        );
    }
    pair.strip = true;
    let [mut fallen, _server, _listener] = pair.connected();
    for name in [
        MPTCP_SERVICE_TYPE,
        MPTCP_ALTERNATE_PORT,
        MPTCP_FORCE_ENABLE,
        MPTCP_EXPECTED_PROGRESS_TARGET,
        MPTCP_FORCE_VERSION,
    ] {
        assert_eq!(
            set(&mut pair, &mut fallen, name, &[0; 8]),
            Err(Errno::EOPNOTSUPP),
            "{name}"
        );
        assert_eq!(
            get(&mut pair, &mut fallen, name, &mut [0; 8]),
            Err(Errno::EOPNOTSUPP),
            "{name}"
        );
    }
}

#[test]
fn connectx_has_its_errors() {
    let mut pair = passive_pair();
    let mut socket = pair.mptcp(0, Family::V4);
    let first = towards(1, None, "10.0.0.2:8080");
    let refused = socket.connectx(&mut pair.net(0), &first, SAE_ANY, 0, &[]);
    assert_eq!(refused, Err(Errno::EPERM));
    pair.hosts[0].system.apple.entitled = true;
    for (endpoints, association, flags, errno) in [
        (first, 7, 0, Errno::EINVAL),
        (first, SAE_ANY, 8, Errno::EINVAL),
        (
            first,
            SAE_ANY,
            CONNECT_RESUME_ON_READ_WRITE,
            Errno::EOPNOTSUPP,
        ),
        (towards(9, None, "10.0.0.2:8080"), SAE_ANY, 0, Errno::ENODEV),
        (
            towards(2, Some("10.0.0.1:0"), "10.0.0.2:8080"),
            SAE_ANY,
            0,
            Errno::EADDRNOTAVAIL,
        ),
        (
            towards(0, Some("[2001:db8:0::1]:0"), "10.0.0.2:8080"),
            SAE_ANY,
            0,
            Errno::EAFNOSUPPORT,
        ),
        (
            towards(0, Some("10.0.0.1:80"), "10.0.0.2:8080"),
            SAE_ANY,
            0,
            Errno::EACCES,
        ),
    ] {
        let refused = socket.connectx(&mut pair.net(0), &endpoints, association, flags, &[]);
        assert_eq!(refused, Err(errno), "{endpoints:?} {association} {flags}");
    }
}

#[test]
fn connectx_begins_and_goes_on() {
    let mut pair = passive_pair();
    let mut listener = pair.mptcp(1, Family::V4);
    listener
        .bind(&mut pair.net(1), SockAddr::plain(SERVER))
        .unwrap();
    listener.listen(&mut pair.net(1), 5).unwrap();
    let mut socket = pair.mptcp(0, Family::V4);
    let first = towards(1, None, "10.0.0.2:8080");
    pair.hosts[0].system.apple.entitled = true;
    let flags = CONNECT_DATA_IDEMPOTENT | CONNECT_DATA_AUTHENTICATED;
    let begun = socket.connectx(&mut pair.net(0), &first, SAE_ALL, flags, b"early");
    assert_eq!(begun, Ok(Connected { id: 1, sent: 5 }));
    let connecting = socket.conninfo(&pair.net(0), SAE_ANY).unwrap();
    assert!(
        connecting
            .flags
            .contains(CifFlags::CONNECTING | CifFlags::BOUND_IF)
    );
    pair.settle();
    let mut server = listener.accept(&mut pair.net(1)).unwrap();
    let mut buffer = [0; 8];
    let read = server.receive(&mut pair.net(1), &mut buffer, ReceiveFlags::default());
    assert_eq!((read, &buffer[..5]), (Ok(5), &b"early"[..]));

    let second = towards(2, Some("10.1.0.1:4000"), "10.1.0.2:8080");
    let more = socket.connectx(&mut pair.net(0), &second, SAE_ANY, 0, &[]);
    assert_eq!(more, Ok(Connected { id: 2, sent: 0 }));
    pair.settle();
    assert_eq!(socket.connection_ids(&pair.net(0)), Ok(vec![1, 2]));
    let info = socket.conninfo(&pair.net(0), 2).unwrap();
    let bound = CifFlags::BOUND_IF | CifFlags::BOUND_IP | CifFlags::BOUND_PORT;
    let ready = CifFlags::CONNECTED | CifFlags::MP_CAPABLE | CifFlags::MP_READY;
    assert!(
        info.flags
            .contains(bound | ready | CifFlags::PREFERRED | CifFlags::MP_ACTIVE)
    );
    assert!(!info.flags.contains(CifFlags::MP_V1) && !info.flags.contains(CifFlags::MP_DEGRADED));
    assert_eq!((info.interface, info.error), (2, None));
    assert_eq!(info.source, second.source.unwrap());
    let figures = socket.connection_figures(&pair.net(0)).unwrap();
    assert_eq!((figures.subflow_count, figures.initial_sent), (2, 5));

    assert_eq!(
        socket.disconnectx(&mut pair.net(0), 7, 2),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        socket.disconnectx(&mut pair.net(0), SAE_ANY, 9),
        Err(Errno::EINVAL)
    );
    assert_eq!(socket.disconnectx(&mut pair.net(0), SAE_ANY, 2), Ok(()));
    pair.settle();
    assert_eq!(socket.connection_ids(&pair.net(0)), Ok(vec![1]));
    let ended = socket.conninfo(&pair.net(0), 2).unwrap().flags;
    assert!(!ended.contains(CifFlags::CONNECTED));
    assert_eq!(socket.conninfo(&pair.net(0), 9), Err(Errno::EINVAL));
    assert_eq!(
        socket.disconnectx(&mut pair.net(0), SAE_ANY, SAE_ALL),
        Ok(())
    );
    pair.settle();
    let end = server.receive(&mut pair.net(1), &mut buffer, ReceiveFlags::default());
    assert_eq!(end, Ok(0));
}

#[test]
fn after_fallback_nothing_is_added() {
    let mut pair = Pair::new();
    pair.strip = true;
    pair.hosts[0].system.apple.entitled = true;
    let [mut client, _server, _listener] = pair.connected();
    let second = towards(0, None, "10.1.0.2:8080");
    let refused = client.connectx(&mut pair.net(0), &second, SAE_ANY, 0, &[]);
    assert_eq!(refused, Err(Errno::EINVAL));
    let info = client.conninfo(&pair.net(0), 1).unwrap();
    assert!(
        info.flags
            .contains(CifFlags::CONNECTED | CifFlags::MP_DEGRADED)
    );
    assert!(!info.flags.contains(CifFlags::MP_CAPABLE));
    assert_eq!(
        client.connection_figures(&pair.net(0)),
        Err(Errno::EOPNOTSUPP)
    );
    assert_eq!(client.run_service(&mut pair.net(0)), Err(Errno::EOPNOTSUPP));
    let fresh = pair.mptcp(0, Family::V4);
    assert_eq!(fresh.connection_ids(&pair.net(0)), Err(Errno::ENOTCONN));
}

#[test]
fn the_service_runs_on_a_connection() {
    let mut pair = passive_pair();
    let system = &mut pair.hosts[0].system;
    system.apple.entitled = true;
    let links: Vec<InterfaceId> = system.interfaces.iter().map(|(id, _)| *id).collect();
    let interface = |id, cost, quality| Interface {
        id,
        cost,
        quality,
        up: true,
    };
    system.apple.interfaces = vec![
        interface(links[0], Cost::Cheap, Quality::Good),
        interface(links[1], Cost::Costly, Quality::Good),
    ];
    let [mut client, _server, _listener] = pair.connected();
    assert_eq!(
        client.run_service(&mut pair.net(0)),
        Ok(vec![]),
        "no service was chosen"
    );
    assert_eq!(
        set(&mut pair, &mut client, MPTCP_SERVICE_TYPE, &number(0)),
        Ok(())
    );
    assert_eq!(
        client.run_service(&mut pair.net(0)),
        Ok(vec![]),
        "Wi-Fi is good"
    );

    // Wi-Fi goes bad while idle: cellular is made, and used only if Wi-Fi fails.
    pair.hosts[0].system.apple.interfaces[0].quality = Quality::Bad;
    let opened = client.run_service(&mut pair.net(0));
    assert_eq!(opened, Ok(vec![Action::Open(links[1])]));
    pair.settle();
    let told = client.run_service(&mut pair.net(0)).unwrap();
    assert!(matches!(told[..], [Action::SetBackup(_, true)]), "{told:?}");
    pair.settle();
    pair.cut[0] = true;
    client
        .send(&mut pair.net(0), b"hello", Default::default())
        .unwrap();
    let mut moved = Vec::new();
    for _ in 0..100 {
        pair.run_for(Duration::from_millis(100));
        moved = client.run_service(&mut pair.net(0)).unwrap();
        if !moved.is_empty() {
            break;
        }
    }
    let cell = pair.hosts[0]
        .endpoint
        .subflows(client.connection().unwrap())[1]
        .id;
    assert_eq!(
        moved.first(),
        Some(&Action::SetBackup(cell, false)),
        "{moved:?}"
    );
    let figures = client.connection_figures(&pair.net(0)).unwrap();
    assert_eq!(figures.switch_count, 1);

    // It works again: the costly subflow is let go.
    pair.cut[0] = false;
    pair.run_for(Duration::from_secs(30));
    pair.hosts[0].system.apple.interfaces[0].quality = Quality::Good;
    let closed = client.run_service(&mut pair.net(0)).unwrap();
    assert!(closed.contains(&Action::Close(cell)), "{closed:?}");
    pair.settle();
    assert_eq!(client.connection_ids(&pair.net(0)), Ok(vec![1]));
}
