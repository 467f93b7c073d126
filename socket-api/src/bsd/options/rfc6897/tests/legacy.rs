//! Rules for programs that know nothing of MPTCP.

use super::*;

#[test]
fn under_the_legacy_rules_a_binding_means_plain_tcp() {
    let mut pair = Pair::new();
    pair.hosts[0].system.legacy_rules = true;
    let _listener = listening(&mut pair);
    let on = 1_i32.to_ne_bytes();
    let bound = |pair: &mut Pair, aware: bool| {
        let mut client = pair.mptcp(0, Family::V4);
        if aware {
            assert_eq!(set(pair, &mut client, TCP_MULTIPATH_ENABLE, &on), Ok(()));
        }
        client
            .bind(&mut pair.net(0), SockAddr::plain(at("10.0.0.1:0")))
            .unwrap();
        connect(pair, &mut client);
        client
    };
    let mut unaware = bound(&mut pair, false);
    assert_eq!(enabled(&mut pair, &mut unaware), 0);
    // MPTCP stays on, with the addresses that were given.
    let mut aware = bound(&mut pair, true);
    assert_eq!(enabled(&mut pair, &mut aware), 1);
    assert_eq!(locals(&mut pair, &mut aware), [at("10.0.0.1:0").ip()]);

    let mut on_device = pair.mptcp(0, Family::V4);
    let device = on_device.setsockopt(
        &mut pair.net(0),
        libc::SOL_SOCKET,
        libc::SO_BINDTODEVICE,
        b"link0",
        &mut NoMemory,
    );
    assert_eq!(device, Ok(()));
    connect(&mut pair, &mut on_device);
    assert_eq!(enabled(&mut pair, &mut on_device), 0);
    let mut anywhere = pair.mptcp(0, Family::V4);
    anywhere
        .bind(&mut pair.net(0), SockAddr::plain(at("0.0.0.0:0")))
        .unwrap();
    connect(&mut pair, &mut anywhere);
    assert_eq!(enabled(&mut pair, &mut anywhere), 1);
    pair.hosts[0].system.legacy_rules = false;
    let mut bound = bound(&mut pair, false);
    assert_eq!(enabled(&mut pair, &mut bound), 1, "as in Linux");
}

#[test]
fn a_connection_may_share_the_fate_of_its_first_subflow() {
    for (shared, by_reset) in [(false, true), (true, false), (true, true)] {
        let mut pair = Pair::new();
        pair.hosts[0].system.fate_sharing = shared;
        let _listener = listening(&mut pair);
        let mut client = pair.mptcp(0, Family::V4);
        connect(&mut pair, &mut client);
        let id = client.connection().unwrap();
        let now = pair.now;
        let endpoint = &mut pair.hosts[0].endpoint;
        assert!(endpoint.subflows(id).len() > 1);
        let first = umptcp_stack::SubflowId::INITIAL;
        if by_reset {
            let reason = umptcp_stack::ResetReason::Unspecified;
            endpoint.reset_subflow(now, id, first, reason).unwrap();
        } else {
            endpoint.close_subflow(now, id, first).unwrap();
        }
        pair.run_for(Duration::from_secs(90));
        let info = pair.hosts[0].endpoint.connection_info(id).unwrap();
        if shared && by_reset {
            assert_eq!(info.closed, Some(CloseReason::Aborted));
        } else {
            assert_eq!(info.can_write, !shared, "{by_reset}");
        }
    }
}
