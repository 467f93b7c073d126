//! Control messages.

use super::*;

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
