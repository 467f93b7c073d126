//! What is told: once for each change, to whoever it concerns.

use crate::peer::options::mp_prio;
use crate::peer::{Scene, Setup, VERSIONS, all_setups};
use umptcp_stack::{CloseReason, Event};

/// What the application was told of subflow priorities: subflow, backup, by the peer.
fn priorities(scene: &mut Scene) -> Vec<(u32, bool, bool)> {
    let priority = |event: &Event| match *event {
        Event::SubflowPriority {
            subflow,
            backup,
            by_peer,
            ..
        } => Some((subflow.index(), backup, by_peer)),
        _ => None,
    };
    scene.events().iter().filter_map(priority).collect()
}

#[test]
fn a_priority_is_told_when_it_changes() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        for backup in [true, false] {
            scene.option(second, mp_prio(backup));
            assert_eq!(priorities(&mut scene), [(1, backup, true)]);
            scene.option(second, mp_prio(backup));
            assert_eq!(priorities(&mut scene), [], "it is known");
        }
        // What we ask for ourselves is never said to come from the peer.
        let (now, id) = (scene.now, scene.connection());
        let subflow = scene.subflow_infos()[second].id;
        for told in [1, 0] {
            assert_eq!(
                scene.endpoint.set_backup(now, id, subflow, true),
                Ok(()),
                "{told}"
            );
            scene.collect();
            let expected = [(1, true, false)];
            assert_eq!(priorities(&mut scene), expected[..told]);
        }
    }
}

#[test]
fn half_open_connections_are_told_of_from_the_first_to_the_last() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::listener(version));
        scene.collect();
        let listener = scene.listener().expect("it listens");
        assert_eq!(scene.events(), [Event::ListenerOpened(listener)]);
        let capable = scene.capable_syn();
        scene.syn(capable);
        let events = scene.events();
        let [Event::Created(id)] = events[..] else {
            panic!("{events:?}");
        };
        assert!(!scene.endpoint.connection_info(id).unwrap().established);
        // Nobody completes the handshake.
        scene.advance_ms(300_000);
        let events = scene.events();
        assert!(events.contains(&Event::Closed(id, CloseReason::TimedOut)));
        assert_eq!(scene.endpoint.connection_count(), 0);
        let now = scene.now;
        scene.endpoint.close_listener(now, listener);
        scene.collect();
        assert_eq!(scene.events(), [Event::ListenerClosed(listener)]);
    }
}

#[test]
fn a_connection_of_our_own_is_created_before_it_is_connected() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        scene.collect();
        assert_eq!(scene.events(), []);
        scene.connect();
        let id = scene.connection();
        assert_eq!(scene.events(), [Event::Created(id)]);
        let info = scene.info();
        assert!(info.initiator && !info.established);
        let capable = scene.capable_syn_ack();
        scene.syn_ack(0, capable);
        let connected = |event: &Event| matches!(event, Event::Connected(known, _) if *known == id);
        assert!(scene.events().iter().any(connected));
        assert!(scene.info().established);
    }
}

#[test]
fn each_expiry_of_the_timer_is_told_with_the_next_timeout() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.write(b"lost");
        scene.advance_ms(20_000);
        let expiry = |event: &Event| match *event {
            Event::RetransmissionTimeout { rto, backoff, .. } => Some((rto, backoff)),
            _ => None,
        };
        let told: Vec<_> = scene.events().iter().filter_map(expiry).collect();
        assert!(told.len() >= 3, "{told:?}");
        for (pair, count) in told.windows(2).zip(1..) {
            assert_eq!(pair[0].1, count);
            assert_eq!(pair[1].0, 2 * pair[0].0);
        }
        let statistics = scene.subflow_infos()[0].tcp;
        let (rto, backoff) = *told.last().unwrap();
        assert_eq!((statistics.rto, statistics.backoff), (rto, backoff));
        assert_eq!(statistics.timeouts, told.len() as u64);
    }
}

/// A transfer brings no event for each of its packets.
#[test]
fn packets_are_no_events() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        for _ in 0..50 {
            scene.data(0, b"some bytes");
            scene.write(b"others");
            scene.data_ack(0);
            scene.advance_ms(50);
        }
        // The reader waited once.
        assert!(scene.events().len() <= 1);
    }
}

/// Nobody accepts it any more, and whoever has seen it begin sees it end.
#[test]
fn a_connection_that_waits_for_a_listener_that_closes() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::listener(version));
        let capable = scene.capable_syn();
        scene.syn(capable);
        let capable = scene.capable_third_ack();
        scene.third_ack(0, capable);
        let events = scene.events();
        let created = events.iter().find_map(|event| match event {
            Event::Created(id) => Some(*id),
            _ => None,
        });
        let id = created.expect("it was created");
        let (now, listener) = (scene.now, scene.listener().expect("it listens"));
        scene.endpoint.close_listener(now, listener);
        scene.collect();
        let events = scene.events();
        assert!(events.contains(&Event::Closed(id, CloseReason::Aborted)));
        assert!(events.contains(&Event::ListenerClosed(listener)));
    }
}
