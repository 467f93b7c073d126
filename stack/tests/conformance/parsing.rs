//! Which bytes are options, and which are not: statements 1 to 13.

mod handshakes;
mod reserved;
mod vectors;

use crate::peer::options::{self, mp_prio, mp_prio_for, mp_tcprst, raw, remove_addr};
use crate::peer::packet::flag;
use crate::peer::{Dss, Role, Scene, Setup, VERSIONS, Version, all_setups, crypto};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::tcp::state::TcpState;

/// Subflows that are neither closed nor being set up.
fn established(scene: &Scene) -> usize {
    let subflows = scene.subflow_infos();
    let states = subflows.iter().map(|subflow| subflow.state);
    states
        .filter(|state| *state == TcpState::Established)
        .count()
}

/// The peer sends "new", mapped by a DSS that `change` may spoil, behind the option `before`.
fn send_new(scene: &mut Scene, before: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let offset = scene.peer.data_sent;
    let ssn = scene.peer.subflows[0].ssn();
    let mut dss = scene.peer.dss_for(offset, ssn, b"new").bytes();
    change(&mut dss);
    let segment = scene.segment(0).option(before).option(dss).payload(b"new");
    scene.peer.data_sent += 3;
    scene.send(segment);
}

/// Protocol statement 1.
#[test]
fn what_stands_behind_an_unknown_option_is_read() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        for number in 9..16 {
            // Kind 253 is for experiments (RFC 4727); there is no room for more.
            for unknown in [raw(number, 0xf, &[]), vec![253, 2]] {
                let mut bare = scene.segment(0).without_options();
                bare.options = unknown;
                let ssn = scene.peer.subflows[0].ssn();
                let offset = scene.peer.data_sent;
                let dsn = scene.peer.dsn(offset);
                let timestamps = scene.segment(0).options;
                let segment = bare
                    .option(timestamps)
                    .option(Dss::new().map32(dsn, ssn, 3).bytes())
                    .payload(b"new");
                scene.peer.data_sent += 3;
                scene.send(segment);
                assert_eq!(scene.read(), b"new", "behind subtype {number}");
            }
        }
        assert!(scene.is_mptcp());
    }
}

/// An option of kind 30 with this subtype, and a length that it never has.
fn malformed() -> impl Iterator<Item = Vec<u8>> {
    let lengths: [&[usize]; 9] = [
        &[3, 5, 11, 13, 19, 21, 23, 25],
        &[3, 11, 13, 15, 17, 23, 25],
        &[3],
        &[3, 7, 9, 15, 17, 19, 21, 27],
        &[3],
        &[5, 12],
        &[3, 4, 11, 13],
        &[3, 4, 11, 13],
        &[3, 5],
    ];
    (0_u8..).zip(lengths).flat_map(|(subtype, lengths)| {
        lengths
            .iter()
            .map(move |len| raw(subtype, 0, &vec![0; len - 3]))
    })
}

/// Protocol statement 2.
#[test]
fn options_of_an_impossible_length_do_nothing() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        for option in malformed() {
            scene.option(0, option);
            scene.advance_ms(300);
            assert_eq!(scene.sent(), [], "nobody asked anything");
            assert!(scene.is_mptcp());
        }
        // A DSS that is too short for its flags maps nothing: its data waits for a mapping.
        send_new(&mut scene, &[], |dss| {
            dss.pop();
            dss[1] -= 1;
        });
        assert_eq!(scene.read(), b"");
        assert!(scene.is_mptcp());
    }
}

/// Bytes that look like options, and are not always.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    /// At most so many bytes, mostly with a known subtype at the front.
    fn options(&mut self, most: u8) -> Vec<u8> {
        let len = self.byte() % (most + 1);
        let mut bytes: Vec<u8> = (0..len).map(|_| self.byte()).collect();
        let whole = self.byte().is_multiple_of(2);
        if let [kind, length, third, ..] = bytes.as_mut_slice()
            && !self.byte().is_multiple_of(4)
        {
            *kind = options::KIND;
            *length = if whole { len } else { *length % 41 };
            *third = (*third % 10) << 4 | *third & 0x0f;
        }
        bytes
    }
}

/// Protocol statement 2.
#[test]
fn no_bytes_make_the_stack_panic() {
    let mut noise = Noise(1);
    for setup in all_setups() {
        // So that nothing but noise is in the options.
        let setup = setup.bare();
        for round in 0..200 {
            let mut scene = Scene::new(setup.clone());
            match setup.role {
                _ if round % 2 == 0 => scene = Scene::established(setup.clone()),
                Role::Client => {
                    scene.connect();
                    scene.syn_ack(0, noise.options(36));
                }
                Role::Listener => {
                    scene.syn(noise.options(36));
                }
            }
            for _ in 0..20 {
                let payload = vec![7; usize::from(noise.byte() % 3)];
                let flags = if noise.byte() == 0 { flag::FIN } else { 0 };
                let segment = scene
                    .segment(0)
                    .option(noise.options(40))
                    .payload(payload)
                    .flag(flags);
                scene.send(segment);
            }
            scene.advance_ms(5000);
        }
    }
}

/// Protocol statement 6.
#[test]
fn every_shape_of_dss_is_understood() {
    for setup in all_setups().flat_map(|setup| [setup.clone(), setup.checksum()]) {
        // 5 bytes each way.
        let mut scene = Scene::confirmed(setup);
        for ack in [0, 4, 8] {
            for dsn in [4, 8] {
                scene.write(b"x");
                let acked = scene.peer.data_received();
                let written = scene.info().bytes_written;
                assert_eq!(scene.info().bytes_acked, written - 1);
                let mut dss = Dss::new();
                if ack == 4 {
                    dss = dss.ack32(scene.peer.their_dsn(acked));
                } else if ack == 8 {
                    dss = dss.ack64(scene.peer.their_dsn(acked));
                }
                let (ssn, offset) = (scene.peer.subflows[0].ssn(), scene.peer.data_sent);
                let full = scene.peer.dsn(offset);
                dss = match dsn {
                    4 => dss.map32(full, ssn, 3),
                    _ => dss.map64(full, ssn, 3),
                };
                if scene.peer.checksum {
                    dss = dss.checksum(crypto::dss_checksum(full, ssn, 3, b"new"));
                }
                let bytes = dss.bytes();
                let expected = 4 + ack + dsn + 6 + if scene.peer.checksum { 2 } else { 0 };
                assert_eq!(bytes.len(), expected, "the table of the reference, 1.3");
                let state = &mut scene.peer.subflows[0];
                state.acked = state.rcv_nxt;
                let segment = scene.segment(0).option(bytes).payload(b"new");
                scene.peer.data_sent += 3;
                scene.send(segment);
                assert_eq!(scene.read(), b"new", "{ack} {dsn}");
                let expected = if ack == 0 { written - 1 } else { written };
                assert_eq!(scene.info().bytes_acked, expected, "{ack} {dsn}");
                scene.data_ack(0);
            }
        }
        // And without a mapping.
        for wide in [false, true] {
            scene.write(b"x");
            let acked = scene.peer.their_dsn(scene.peer.data_received());
            let dss = match wide {
                true => Dss::new().ack64(acked),
                false => Dss::new().ack32(acked),
            };
            let state = &mut scene.peer.subflows[0];
            state.acked = state.rcv_nxt;
            scene.option(0, dss.bytes());
            assert_eq!(scene.info().bytes_acked, scene.info().bytes_written);
        }
    }
}

/// Protocol statement 7.
#[test]
fn flags_about_what_is_not_there_mean_nothing() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        // m, a and F, with nothing they could be about.
        for flags in [0x08, 0x02, 0x10, 0x0a, 0x18, 0x12, 0x1a] {
            scene.option(0, Dss::new().flags(flags).bytes());
            assert_eq!(scene.read(), b"", "{flags:#x}");
            assert!(!scene.ended && scene.is_mptcp(), "{flags:#x}");
        }
        // m and F beside a DATA_ACK, which still counts.
        for flags in [0x08, 0x10, 0x18] {
            scene.write(b"x");
            let acked = scene.peer.their_dsn(scene.peer.data_received());
            let state = &mut scene.peer.subflows[0];
            state.acked = state.rcv_nxt;
            scene.option(0, Dss::new().ack64(acked).flags(flags).bytes());
            let info = scene.info();
            assert_eq!(info.bytes_acked, info.bytes_written, "{flags:#x}");
            assert_eq!(scene.read(), b"");
            assert!(!scene.ended, "{flags:#x}");
        }
        // a beside a mapping, which still counts.
        send_new(&mut scene, &[], |dss| {
            // From 64/64 to a mapping alone.
            dss.drain(4..12);
            dss[1] -= 8;
            dss[3] = 0x0c | 0x02;
        });
        assert_eq!(scene.read(), b"new");
    }
}

/// The stack's SYNs with MP_JOIN among what it sent: where they go.
fn joins(scene: &mut Scene) -> Vec<SocketAddr> {
    let sent = scene.sent();
    let joins = sent.iter().filter(|packet| packet.join_syn().is_some());
    joins.map(|packet| packet.dst).collect()
}

/// Protocol statement 9.
#[test]
fn the_family_of_an_announced_address() {
    let v4: IpAddr = [192, 0, 2, 17].into();
    let v6: IpAddr = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x42].into();
    for version in VERSIONS {
        for (address, port) in [v4, v6]
            .into_iter()
            .flat_map(|ip| [(ip, None), (ip, Some(8443))])
        {
            let mut setup = Setup::client(version).bare();
            setup.addresses.push([0xfd00, 1, 0, 0, 0, 0, 0, 1].into());
            let mut scene = Scene::confirmed(setup);
            let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
            let (v0, v1) = (
                options::add_addr_v0(4, address, port),
                options::add_addr_v1(ours, theirs, 4, address, port),
            );
            let (right, mut wrong) = match version {
                Version::V0 => (v0, vec![v1]),
                Version::V1 => (v1, vec![v0]),
            };
            let own_nibble = right[2] & 0x0f;
            if version == Version::V0 {
                // Every other IP version, and the family that does not fit the length.
                wrong.extend(
                    (0..16)
                        .filter(|nibble| *nibble != own_nibble)
                        .map(|nibble| {
                            let mut option = right.clone();
                            option[2] = 0x30 | nibble;
                            option
                        }),
                );
            }
            for option in wrong {
                scene.option(0, &option);
                scene.advance_ms(500);
                assert_eq!(scene.sent(), [], "{version:?} {option:02x?}");
            }
            scene.option(0, right);
            scene.advance_ms(500);
            let expected = SocketAddr::new(address, port.unwrap_or(443));
            assert_eq!(joins(&mut scene), [expected], "{version:?}");
        }
    }
}

/// Protocol statement 10.
#[test]
fn all_ids_of_a_withdrawal_count() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        for id in [2, 3, 4] {
            scene.join(id);
        }
        assert_eq!(established(&scene), 4);
        scene.option(0, remove_addr(&[9, 2, 3, 200, 4]));
        // Nobody answers for these addresses any more.
        for _ in 0..60 {
            scene.advance_ms(1000);
            scene.data_ack(0);
        }
        assert_eq!(established(&scene), 1);
        let resets = scene.peer.subflows.iter().filter(|state| state.rst_seen);
        assert_eq!(resets.count(), 3);
    }
}

/// Protocol statement 11.
#[test]
fn the_long_form_of_mp_prio_is_for_version_0() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (second, _) = (scene.join(2), scene.join(3));
        let backups = |scene: &Scene| -> Vec<bool> {
            let infos = scene.subflow_infos();
            infos.iter().map(|subflow| subflow.backup).collect()
        };
        assert_eq!(backups(&scene), [false; 3]);
        scene.option(second, mp_prio(true));
        assert_eq!(backups(&scene), [false, true, false]);
        scene.option(second, mp_prio(false));
        assert_eq!(backups(&scene), [false; 3]);
        // About another subflow than the one it comes on.
        scene.option(second, mp_prio_for(true, 3));
        let expected = scene.setup.version == Version::V0;
        assert_eq!(backups(&scene), [false, false, expected]);
        scene.option(0, mp_prio_for(false, 3));
        assert_eq!(backups(&scene), [false; 3]);
    }
}

/// Protocol statement 12.
#[test]
fn a_reason_without_a_reset_is_ignored() {
    for role in [Role::Client, Role::Listener] {
        let mut scene = Scene::confirmed(Setup::new(role, Version::V1).bare());
        let second = scene.join(2);
        scene.option(second, mp_tcprst(false, 6));
        let offset = scene.peer.data_sent;
        let segment = scene.data_segment(second, offset, b"new");
        scene.send(segment.option(mp_tcprst(true, 2)));
        assert_eq!(scene.read(), b"new");
        assert_eq!(established(&scene), 2);
        scene.rst(second, mp_tcprst(false, 6));
        assert_eq!(established(&scene), 1);
    }
}
