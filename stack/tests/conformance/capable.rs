//! How connections are established, or become plain TCP: statements 14 to 36.
//!
//! | file | what |
//! |---|---|
//! | `capable` | MP_CAPABLE on SYN, SYN/ACK and third packet |
//! | `first_data` | what the first data says, and what decides when the third packet did not |
//! | `retries` | SYNs that are lost, the other version, what is remembered of peers |
//! | `stateless` | the listener that keeps nothing |

mod first_data;
mod retries;
mod stateless;

use crate::peer::options::{add_addr_v1, capable_flag, mp_capable, raw, subtype};
use crate::peer::packet::flag;
use crate::peer::{Packet, ROLES, Role, Scene, Setup, VERSIONS, Version, Wide, all_setups, crypto};
use umptcp_stack::{ChecksumPolicy, SubflowError};

const H: u8 = capable_flag::HMAC;

/// The number under one of the kernel's names.
fn counted(scene: &Scene, name: &str) -> u64 {
    let counters = scene.endpoint.mptcp_counters();
    counters.by_name(name).expect("a name of the kernel's")
}

/// Data both ways and an orderly end, all of it plain TCP: not one MPTCP option.
fn converse_in_tcp(scene: &mut Scene) {
    assert!(scene.is_tcp(), "{:?}", scene.protocol());
    scene.clear();
    let before = scene.peer.subflows[0].plain_stream().len();
    scene.write(b"over TCP");
    assert_eq!(
        scene.peer.subflows[0].plain_stream()[before..],
        *b"over TCP"
    );
    scene.ack(0);
    let segment = scene.segment(0).payload(b"back over TCP");
    scene.send(segment);
    assert_eq!(scene.read(), b"back over TCP");
    scene.advance_ms(500);
    scene.shutdown();
    assert!(
        scene.peer.subflows[0].fin_seen,
        "FIN, as nothing else ends it"
    );
    scene.ack(0);
    scene.fin(0);
    assert_eq!(scene.read(), b"");
    assert!(scene.ended);
    scene.advance_ms(500);
    let sent = scene.sent();
    assert!(
        sent.len() > 3 && sent.iter().all(Packet::is_plain),
        "{sent:?}"
    );
}

/// The peer's SYN with this option is answered as plain TCP, and stays so.
fn syn_leads_to_tcp(setup: Setup, option: &[u8]) {
    let mut scene = Scene::new(setup);
    scene.syn(option);
    let answer = scene.sent_one();
    assert!(answer.has(flag::SYN) && answer.is_plain(), "{answer:?}");
    scene.third_ack(0, []);
    scene.accept().expect("it is established");
    assert_eq!(counted(&scene, "MPCapableSYNRX"), 0);
    assert_eq!(counted(&scene, "MPCurrEstab"), 0);
    converse_in_tcp(&mut scene);
}

/// The peer's SYN/ACK with this option ends MPTCP.
fn syn_ack_leads_to_tcp(setup: Setup, option: &[u8]) {
    let mut scene = Scene::new(setup);
    scene.connect();
    scene.syn_ack(0, option);
    assert!(scene.sent_one().is_plain(), "the third ACK");
    assert_eq!(counted(&scene, "MPCapableSYNTX"), 1);
    assert_eq!(counted(&scene, "MPCapableSYNACKRX"), 0);
    assert_eq!(counted(&scene, "MPCapableFallbackSYNACK"), 1);
    assert_eq!(counted(&scene, "MPCurrEstab"), 1, "as the kernel counts");
    assert_eq!(scene.endpoint.stats().fallbacks, 1);
    converse_in_tcp(&mut scene);
}

/// The third packet with the option that `make` gives ends MPTCP.
fn third_packet_leads_to_tcp(setup: Setup, make: impl Fn(&Scene) -> Vec<u8>) {
    let mut scene = Scene::new(setup);
    let option = scene.capable_syn();
    scene.syn(option);
    assert!(scene.sent_one().capable().is_some());
    let option = make(&scene);
    scene.third_ack(0, option);
    scene.accept().expect("it is established");
    assert_eq!(counted(&scene, "MPCapableSYNRX"), 1);
    assert_eq!(counted(&scene, "MPCapableACKRX"), 0);
    assert_eq!(counted(&scene, "MPCapableFallbackACK"), 1);
    converse_in_tcp(&mut scene);
}

/// Protocol statement 14.
#[test]
fn the_syn_offers_hmac_and_shows_a_key_only_in_version_0() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        let syn = scene.connect();
        let capable = syn.capable().expect("MP_CAPABLE on the SYN");
        assert_eq!(capable.version, version.number());
        assert_eq!(capable.flags, 0x01, "H alone");
        let keys = match version {
            Version::V0 => 1,
            Version::V1 => 0,
        };
        assert_eq!(capable.keys.len(), keys);
        // A SYN that is sent again says the same.
        scene.advance_ms(1500);
        assert_eq!(scene.sent_one().capable(), Some(capable));
        assert_eq!(counted(&scene, "MPCapableSYNTX"), 1, "attempts, not SYNs");
    }
}

/// Protocol statement 15.
#[test]
fn a_syn_without_the_option_is_answered_without() {
    for version in VERSIONS {
        syn_leads_to_tcp(Setup::listener(version), &[]);
    }
}

/// Protocol statements 16, 74.
#[test]
fn a_syn_ack_without_the_option_means_plain_tcp_for_good() {
    for version in VERSIONS {
        syn_ack_leads_to_tcp(Setup::client(version), &[]);
    }
}

/// Protocol statement 17.
#[test]
fn the_third_ack_has_both_keys() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        let syn = scene.connect();
        let option = scene.capable_syn_ack();
        scene.syn_ack(0, option);
        let third = scene.sent_one();
        assert!(third.is_pure_ack());
        let capable = third.capable().expect("MP_CAPABLE");
        assert_eq!(capable.keys[1], scene.setup.key, "the initiator's is first");
        assert_eq!((capable.keys.len(), capable.data_len), (2, None));
        assert_eq!(capable.version, version.number());
        if let [key] = syn.capable().expect("MP_CAPABLE").keys[..] {
            assert_eq!(capable.keys[0], key);
        }
        assert_eq!(counted(&scene, "MPCapableSYNACKRX"), 1);
        assert_eq!(counted(&scene, "MPCurrEstab"), 1);
        // The SYN/ACK comes again: so does the third ACK.
        let option = scene.capable_syn_ack();
        scene.syn_ack(0, option);
        assert_eq!(scene.sent_one().capable(), Some(capable));
        scene.abort();
        assert_eq!(counted(&scene, "MPCurrEstab"), 0);
    }
}

/// Protocol statement 18.
#[test]
fn version_0_does_not_answer_extension_b() {
    let mut scene = Scene::new(Setup::listener(Version::V0));
    let option = mp_capable(Version::V0, H | capable_flag::EXTENSION, &[scene.setup.key]);
    scene.syn(option);
    assert!(scene.sent().is_empty());
    assert_eq!(scene.endpoint.connection_count(), 0);
    let option = scene.capable_syn();
    let again = scene.syn(option);
    let option = scene.capable_third_ack();
    scene.third_ack(again, option);
    scene.accept().expect("it is established");
    assert!(scene.is_mptcp());
}

/// Protocol statement 19.
#[test]
fn extension_b_means_plain_tcp() {
    let flags = H | capable_flag::EXTENSION;
    for version in VERSIONS {
        let syn_ack = mp_capable(version, flags, &[2]);
        syn_ack_leads_to_tcp(Setup::client(version), &syn_ack);
        third_packet_leads_to_tcp(Setup::listener(version), |scene| {
            mp_capable(version, flags, &[scene.peer.key, scene.peer.their_key()])
        });
    }
    let syn = mp_capable(Version::V1, flags, &[]);
    syn_leads_to_tcp(Setup::listener(Version::V1), &syn);
}

/// Protocol statement 20.
#[test]
fn without_a_common_algorithm_it_is_plain_tcp() {
    for version in VERSIONS {
        for flags in [0, 0x02, 0x1e] {
            let keys: &[u64] = match version {
                Version::V0 => &[1],
                Version::V1 => &[],
            };
            syn_leads_to_tcp(Setup::listener(version), &mp_capable(version, flags, keys));
            let syn_ack = mp_capable(version, flags, &[2]);
            syn_ack_leads_to_tcp(Setup::client(version), &syn_ack);
            third_packet_leads_to_tcp(Setup::listener(version), |scene| {
                mp_capable(version, flags, &[scene.peer.key, scene.peer.their_key()])
            });
        }
    }
}

/// Protocol statement 21.
#[test]
fn versions_are_agreed_on_or_given_up() {
    for number in 2..=15 {
        let mut scene = Scene::new(Setup::listener(Version::V1));
        scene.syn(raw(subtype::CAPABLE, number, &[H]));
        let answer = scene.sent_one().capable().expect("MP_CAPABLE");
        assert_eq!((answer.version, answer.keys.len()), (1, 1));
        let option = scene.capable_third_ack();
        scene.third_ack(0, option);
        scene.accept().expect("it is established");
        assert!(scene.is_mptcp());
    }
    for version in VERSIONS {
        for number in (0..=15).filter(|number| *number != version.number()) {
            let mut body = vec![H];
            body.extend(scene_key(version).to_be_bytes());
            let syn_ack = raw(subtype::CAPABLE, number, &body);
            syn_ack_leads_to_tcp(Setup::client(version), &syn_ack);
        }
        third_packet_leads_to_tcp(Setup::listener(version), |scene| {
            let keys = [scene.peer.key, scene.peer.their_key()];
            mp_capable(version.other(), H, &keys)
        });
    }
}

fn scene_key(version: Version) -> u64 {
    Setup::client(version).key
}

/// Protocol statements 3, 4.
///
/// A length that does not belong to the version and the segment is no option at all.
#[test]
fn lengths_of_other_segments_do_not_count() {
    for version in VERSIONS {
        // A 4-byte SYN of version 0, a 12-byte one of version 1, third packets as SYN.
        for keys in [&[][..], &[1], &[1, 2]] {
            let fits = keys.len() == usize::from(version == Version::V0);
            if !fits {
                syn_leads_to_tcp(Setup::listener(version), &mp_capable(version, H, keys));
            }
        }
        for keys in [&[][..], &[1, 2]] {
            syn_ack_leads_to_tcp(Setup::client(version), &mp_capable(version, H, keys));
        }
        third_packet_leads_to_tcp(Setup::listener(version), |scene| {
            mp_capable(version, H, &[scene.peer.key])
        });
    }
}

/// RFC 6824 §3.1, RFC 8684 §3.1: keys that do not match.
#[test]
fn wrong_keys_in_the_third_packet_mean_plain_tcp() {
    for version in VERSIONS {
        third_packet_leads_to_tcp(Setup::listener(version), |scene| {
            mp_capable(version, H, &[scene.peer.key, scene.peer.their_key() ^ 1])
        });
    }
    third_packet_leads_to_tcp(Setup::listener(Version::V0), |scene| {
        mp_capable(
            Version::V0,
            H,
            &[scene.peer.key ^ 1, scene.peer.their_key()],
        )
    });
}

/// Protocol statement 22.
#[test]
fn either_side_turns_checksums_on() {
    for setup in all_setups() {
        let by_both = setup.clone().checksum().checksum_by_stack();
        for (setup, wanted) in [
            (setup.clone(), false),
            (setup.clone().checksum(), true),
            (setup.clone().checksum_by_stack(), true),
            (by_both, true),
        ] {
            let flags = if wanted { 0x81 } else { 0x01 };
            match setup.role {
                Role::Client => {
                    let mut scene = Scene::new(setup.clone());
                    scene.connect();
                    let option = mp_capable(setup.version, setup.capable_flags, &[setup.key]);
                    scene.syn_ack(0, option);
                    let third = scene.sent_one().capable().expect("MP_CAPABLE");
                    assert_eq!(third.flags, flags, "the outcome");
                }
                Role::Listener => {
                    let mut scene = Scene::new(setup.clone());
                    let option = scene.capable_syn();
                    scene.syn(option);
                    let answer = scene.sent_one().capable().expect("MP_CAPABLE");
                    assert_eq!(answer.flags, flags);
                }
            }
            let mut scene = Scene::established(setup);
            assert_eq!(scene.info().checksum, wanted);
            scene.write(b"hello");
            let mapping = scene.sent_one().mapping().expect("a mapping");
            assert_eq!(mapping.checksum.is_some(), wanted);
            scene.data(0, b"world");
            assert_eq!(scene.read(), b"world");
        }
    }
}

/// Protocol statement 23.
#[test]
fn checksums_that_are_forbidden_mean_plain_tcp() {
    for version in VERSIONS {
        let forbid = |setup: Setup| setup.tune(|c| c.checksum = ChecksumPolicy::Forbid);
        let flags = H | capable_flag::CHECKSUM;
        let keys: &[u64] = match version {
            Version::V0 => &[1],
            Version::V1 => &[],
        };
        let listener = forbid(Setup::listener(version));
        syn_leads_to_tcp(listener, &mp_capable(version, flags, keys));
        let client = forbid(Setup::client(version));
        syn_ack_leads_to_tcp(client, &mp_capable(version, flags, &[2]));
        // Without A there is nothing to forbid.
        for role in ROLES {
            let scene = Scene::established(forbid(Setup::new(role, version)));
            assert!(!scene.info().checksum);
        }
    }
}

/// Protocol statement 33.
#[test]
fn data_sequence_numbers_start_behind_the_hash() {
    for setup in all_setups() {
        let version = setup.version;
        let mut scene = Scene::established(setup);
        scene.write(b"hello");
        let dss = scene.sent_one().dss().expect("a DSS");
        let mapping = dss.mapping.expect("a mapping");
        let ours = crypto::idsn(version, scene.peer.their_key());
        assert_eq!(mapping.dsn, Wide::Long(ours.wrapping_add(1)));
        assert_eq!(mapping.ssn, 1);
        let theirs = crypto::idsn(version, scene.peer.key).wrapping_add(1);
        let expected = match dss.data_ack.expect("a DATA_ACK") {
            Wide::Long(_) => Wide::Long(theirs),
            Wide::Short(_) => Wide::Short((theirs & 0xffff_ffff) as u32),
        };
        assert_eq!(dss.data_ack, Some(expected));
    }
}

/// Protocol statement 34.
#[test]
fn syns_that_cross_end_as_one_plain_tcp_connection() {
    for version in VERSIONS {
        for with_syn_ack in [false, true] {
            let mut scene = Scene::new(Setup::client(version));
            let syn = scene.connect();
            assert!(syn.capable().is_some());
            let option = scene.capable_syn();
            let crossing = scene.syn_ack_segment(0, &option).without_ack();
            scene.send(crossing);
            let answer = scene.sent_one();
            assert!(answer.has(flag::SYN) && answer.ack.is_some());
            assert_eq!(answer.seq, syn.seq);
            assert!(answer.is_plain(), "nobody is the initiator: {answer:?}");
            assert_eq!(counted(&scene, "SimultConnectFallback"), 1);
            if with_syn_ack {
                // The peer's half of the simultaneous open, whatever it believes.
                let option = scene.capable_syn_ack();
                scene.syn_ack(0, option);
            } else {
                scene.ack(0);
            }
            assert_eq!(scene.endpoint.connection_count(), 1);
            converse_in_tcp(&mut scene);
            assert_eq!(counted(&scene, "MPCapableFallbackSYNACK"), 0);
        }
    }
}

/// Protocol statement 36.
#[test]
fn a_peer_with_flag_c_is_not_joined_where_it_was_met() {
    for denied in [false, true] {
        let mut setup = Setup::client(Version::V1).paths(2);
        if denied {
            setup.capable_flags |= capable_flag::DENY_JOIN;
        }
        let mut scene = Scene::established(setup);
        scene.advance_ms(1000);
        let joins = |scene: &mut Scene| -> Vec<_> {
            let sent = scene.sent();
            let syns = sent.iter().filter(|packet| packet.join_syn().is_some());
            syns.map(|packet| packet.dst.to_string()).collect()
        };
        let first = joins(&mut scene);
        assert_eq!(first.is_empty(), denied, "{first:?}");
        let (second, initial) = (scene.setup.addresses[1], scene.setup.peer);
        let opened =
            scene
                .endpoint
                .open_subflow(scene.now, scene.connection(), second, initial, false);
        let refused = opened == Err(SubflowError::DeniedByPeer(initial));
        assert_eq!(refused, denied, "{opened:?}");
        scene.clear();
        let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
        let announced = [10, 2, 5, 1].into();
        scene.option(0, add_addr_v1(ours, theirs, 5, announced, None));
        scene.advance_ms(1000);
        let more = joins(&mut scene);
        let expected = "10.2.5.1:443".to_string();
        assert!(more.contains(&expected), "announced: {more:?}");
    }
}

/// Flag C of our own: in version 1 the peer is told, and in both whoever joins there is refused.
#[test]
fn joins_to_the_initial_address_can_be_refused() {
    for setup in all_setups() {
        let setup = setup
            .paths(2)
            .tune(|config| config.allow_join_initial_address = false);
        let flags = match setup.version {
            Version::V0 => 0x01,
            Version::V1 => 0x21,
        };
        let mut scene = Scene::new(setup.clone());
        let said = match setup.role {
            Role::Client => scene.connect(),
            Role::Listener => {
                let option = scene.capable_syn();
                scene.syn(option);
                scene.sent_one()
            }
        };
        assert_eq!(said.capable().expect("MP_CAPABLE").flags, flags);
        let mut scene = Scene::confirmed(setup);
        let initial = scene.stack_address();
        let (from, other) = (scene.join_source(2), scene.join_source(3));
        let refused = scene.join_syn(from, initial, 2, false);
        assert!(scene.peer.subflows[refused].rst_seen);
        scene.clear();
        let mut elsewhere = initial;
        elsewhere.set_ip(scene.setup.addresses[1]);
        scene.join_from(other, elsewhere, 3, false);
        assert!(scene.is_mptcp());
    }
}
