//! Listing, opening, looking at and closing subflows.

use super::*;

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
