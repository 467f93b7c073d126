//! What the application is told of addresses.

use super::address;
use crate::peer::options::remove_addr;
use crate::peer::{Scene, Setup, VERSIONS};
use umptcp_stack::{AddressId, Event};

/// The events about addresses since the last time.
fn told(scene: &mut Scene) -> Vec<Event> {
    let mut events = scene.events();
    events.retain(|event| {
        matches!(
            event,
            Event::RemoteAddressAdded { .. }
                | Event::RemoteAddressRemoved { .. }
                | Event::LocalAddressAdded { .. }
                | Event::LocalAddressRemoved { .. }
        )
    });
    events
}

#[test]
fn announcements_of_the_peer_are_told_once() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::listener(version));
        let connection = scene.connection();
        for (port, news) in [(None, true), (None, false), (Some(99), true)] {
            scene.announce(0, 4, address(1), port);
            let added = Event::RemoteAddressAdded {
                connection,
                id: AddressId(4),
                address: address(1),
                port,
            };
            let expected = if news { vec![added] } else { vec![] };
            assert_eq!(told(&mut scene), expected);
        }
        assert_eq!(scene.info().addresses_accepted, 1);
        scene.option(0, remove_addr(&[4, 9]));
        let removed = Event::RemoteAddressRemoved {
            connection,
            id: AddressId(4),
        };
        assert_eq!(told(&mut scene), [removed], "nobody knows of 9");
        assert_eq!(scene.info().addresses_accepted, 0);
    }
}

#[test]
fn addresses_of_ours_are_told_as_they_come_and_go() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::listener(version));
        let connection = scene.connection();
        let (now, new) = (scene.now, address(7));
        let interface = scene.interface(scene.setup.addresses[0]);
        scene.endpoint.add_address(now, interface, new);
        scene.collect();
        let id = AddressId(1);
        let added = Event::LocalAddressAdded {
            connection,
            address: new,
            id,
        };
        assert_eq!(told(&mut scene), [added]);
        scene.advance_ms(100);
        assert_eq!(scene.info().addresses_announced, 1);
        let now = scene.now;
        scene.endpoint.remove_address(now, new);
        scene.collect();
        let removed = Event::LocalAddressRemoved {
            connection,
            address: new,
            id,
        };
        assert_eq!(told(&mut scene), [removed]);
        assert_eq!(scene.info().addresses_announced, 0);
    }
}
