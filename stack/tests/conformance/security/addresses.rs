//! Announcements that are lies, and addresses that tell too much.

use super::{assert_works, established, footprint};
use crate::peer::options::{add_addr_v0, add_addr_v1, add_addr_v1_with};
use crate::peer::{Packet, Role, Scene, Setup, VERSIONS, Version};
use std::collections::HashSet;
use std::net::IpAddr;

/// The announcement of an address as the version wants it.
fn announcement(scene: &Scene, id: u8, address: IpAddr) -> Vec<u8> {
    match scene.setup.version {
        Version::V0 => add_addr_v0(id, address, None),
        Version::V1 => {
            let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
            add_addr_v1(ours, theirs, id, address, None)
        }
    }
}

fn joins(sent: &[Packet]) -> Vec<&Packet> {
    let joins = sent.iter().filter(|packet| packet.join_syn().is_some());
    joins.collect()
}

/// Forged ADD_ADDR of version 1: nothing but the right HMAC is followed, or echoed.
#[test]
fn a_forged_announcement_is_neither_followed_nor_echoed() {
    let address: IpAddr = [192, 0, 2, 66].into();
    let mut scene = Scene::confirmed(Setup::client(Version::V1));
    let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
    let right = |id, address, port| {
        let option = add_addr_v1(ours, theirs, id, address, port);
        <[u8; 8]>::try_from(&option[option.len() - 8..]).expect("eight")
    };
    let genuine = right(9, address, None);
    let mut forgeries: Vec<Vec<u8>> = (0..64)
        .map(|bit| {
            let hmac = u64::from_be_bytes(genuine) ^ 1 << bit;
            add_addr_v1_with(9, address, None, hmac.to_be_bytes())
        })
        .collect();
    // The HMAC of another id, address, port, and of the keys the other way round.
    forgeries.push(add_addr_v1_with(9, address, None, right(8, address, None)));
    forgeries.push(add_addr_v1_with(9, address, Some(443), genuine));
    let other = [192, 0, 2, 67].into();
    forgeries.push(add_addr_v1_with(9, address, None, right(9, other, None)));
    forgeries.push(add_addr_v1(theirs, ours, 9, address, None));
    for forgery in forgeries {
        scene.option(0, &forgery);
        scene.advance_ms(500);
        assert_eq!(scene.sent(), [], "{forgery:02x?}");
    }
    scene.option(0, add_addr_v1_with(9, address, None, genuine));
    scene.advance_ms(500);
    let sent = scene.sent();
    assert_eq!(joins(&sent).len(), 1);
    assert!(sent.iter().any(|packet| packet.add_addr().is_some()));
}

/// ADD_ADDR attack: addresses that nobody may be sent to are not joined (RFC 7430 §2).
#[test]
fn nobody_is_sent_to_addresses_of_a_special_kind() {
    for version in VERSIONS {
        let mut setup = Setup::client(version).bare();
        setup.addresses.push([0xfd00, 1, 0, 0, 0, 0, 0, 1].into());
        let mut scene = Scene::confirmed(setup);
        let special = [
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:224.0.0.1",
        ];
        for (id, address) in (10..).zip(special) {
            let address: IpAddr = address.parse().expect("an address");
            let option = announcement(&scene, id, address);
            scene.option(0, option);
            scene.advance_ms(5000);
            let sent = scene.sent();
            assert!(joins(&sent).is_empty(), "{address}: {sent:#?}");
        }
        // Nor to itself.
        let own = scene.setup.addresses[0];
        let option = announcement(&scene, 30, own);
        scene.option(0, option);
        scene.advance_ms(5000);
        let sent = scene.sent();
        assert!(joins(&sent).is_empty(), "{sent:#?}");
        assert_works(&mut scene, 0);
    }
}

/// Flooding a third party: an address that was announced once is tried once, which takes a few
/// SYNs, without anything that would answer. No data goes there.
#[test]
fn a_third_party_gets_a_few_syns_for_an_announcement() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version));
        let victim: IpAddr = [203, 0, 113, 1].into();
        let option = announcement(&scene, 9, victim);
        scene.option(0, option);
        for _ in 0..600 {
            scene.write(b"data that goes on meanwhile");
            scene.advance_ms(1000);
            scene.data_ack(0);
        }
        let sent = scene.sent();
        let there: Vec<&Packet> = sent
            .iter()
            .filter(|packet| packet.dst.ip() == victim)
            .collect();
        assert!(!there.is_empty() && there.len() <= 10, "{}", there.len());
        assert!(there.iter().all(|packet| packet.payload.is_empty()));
        assert!(there.iter().all(|packet| packet.join_syn().is_some()));
        assert_works(&mut scene, 0);
    }
}

/// Many victims at once: no more attempts than the connection may have subflows, and no more
/// addresses kept than it has room for.
/// Protocol statement 122.
#[test]
fn a_flood_of_announcements_is_bounded() {
    for version in VERSIONS {
        for role in [Role::Client, Role::Listener] {
            let mut scene = Scene::confirmed(Setup::new(role, version));
            let start = footprint(&scene);
            let mut sizes = Vec::new();
            let mut victims = HashSet::new();
            let mut syns = 0;
            for round in 0..10_u8 {
                for id in 1..=255_u8 {
                    let address = [203, 0, 113 + round, id].into();
                    let option = announcement(&scene, id, address);
                    scene.option(0, option);
                    scene.advance_ms(1);
                    let sent = scene.sent();
                    for syn in joins(&sent) {
                        syns += 1;
                        victims.insert(syn.dst);
                    }
                }
                sizes.push(footprint(&scene));
            }
            // In 2.55 seconds: 2550 announcements.
            assert!(victims.len() < 40, "{} victims", victims.len());
            assert!(syns < 80, "{syns} SYNs");
            // Echoes queue up to a bound.
            let (early, late) = (sizes[4], sizes[9]);
            assert!(late < early + early / 4, "{early} grew to {late}");
            assert!(late < start + 100_000, "{start} grew to {late}");
            // Signals that were queued go out by and by.
            scene.advance_ms(100);
            scene.clear();
            scene.data_ack(0);
            assert_works(&mut scene, 0);
            assert_eq!(established(&scene), 1);
        }
    }
}

/// Address privacy: only addresses that somebody could join are announced, and none of another
/// kind of reach.
#[test]
fn only_addresses_that_can_be_joined_are_announced() {
    for version in VERSIONS {
        let mut setup = Setup::listener(version);
        let more = ["127.0.0.1", "169.254.7.7", "::1", "fe80::7", "10.1.1.1"];
        let more = more.iter().map(|address| {
            let address: IpAddr = address.parse().expect("an address");
            address
        });
        setup.addresses.extend(more);
        let mut scene = Scene::established_keeping_sent(setup);
        scene.advance_ms(5000);
        let announced: HashSet<IpAddr> = scene
            .sent()
            .iter()
            .filter_map(|packet| packet.add_addr())
            .map(|option| option.address)
            .collect();
        assert_eq!(announced, HashSet::from([[10, 1, 1, 1].into()]));
    }
}
