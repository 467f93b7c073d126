//! What happens when something on the way breaks MPTCP: statements 61, 62, 74 and 88 to 97.
//!
//! | file | what |
//! |---|---|
//! | `mod` | what the tests share; checksums that should not be there, or should |
//! | `early` | a path that MPTCP does not pass from the start |
//! | `receiver` | a wrong checksum in what the stack receives |
//! | `sender` | MP_FAIL about what the stack has sent |

mod early;
mod receiver;
mod sender;

use crate::peer::options::{self, mp_capable_data};
use crate::peer::packet::{DssMapping, flag};
use crate::peer::{Packet, Role, Scene, Segment, Setup, Version, Wide, all_setups};
use umptcp_stack::{Event, MptcpCounter, PlainDirections};

/// Versions and roles, with checksums that the peer asks for.
fn with_checksums() -> impl Iterator<Item = Setup> {
    all_setups().map(Setup::checksum)
}

/// The peer's next bytes, mapped, but something else arrives.
fn damaged(scene: &mut Scene, subflow: usize, sent: &[u8], arrives: &[u8]) -> Segment {
    let offset = scene.peer.data_sent;
    let segment = scene.data_segment(subflow, offset, sent).payload(arrives);
    scene.peer.data_sent += sent.len() as u64;
    segment
}

/// The peer's bytes at the end of its subflow with an infinite mapping that begins at this offset,
/// which one subflow in order gives the SSN behind it.
fn infinite(scene: &Scene, anchor: u64, payload: &[u8]) -> Segment {
    let ssn = u32::try_from(anchor).expect("few") + 1;
    let dss = crate::peer::Dss::new().map64(scene.peer.dsn(anchor), ssn, 0);
    let dss = if scene.peer.checksum {
        dss.checksum(0)
    } else {
        dss
    };
    let segment = scene.segment(0).option(dss.bytes());
    segment.payload(payload)
}

/// The infinite mapping of the stack that begins at this offset of its stream.
fn infinite_of_stack(scene: &Scene, anchor: u64) -> DssMapping {
    DssMapping {
        dsn: Wide::Long(scene.peer.their_dsn(anchor)),
        ssn: u32::try_from(anchor).expect("few") + 1,
        len: 0,
        fin: false,
        checksum: scene.peer.checksum.then_some(0),
    }
}

/// What the packets acknowledge at the data level, as offsets in the peer's stream.
fn data_acks(scene: &Scene, packets: &[Packet]) -> Vec<u64> {
    let acks = packets.iter().filter_map(Packet::data_ack);
    acks.map(|ack| scene.peer.acked_offset(ack)).collect()
}

/// The MP_FAILs among the packets.
fn fails(packets: &[Packet]) -> Vec<u64> {
    packets.iter().filter_map(Packet::fail).collect()
}

/// The RST of the stack on a subflow.
fn reset_of(scene: &mut Scene, subflow: usize) -> Packet {
    let sent = scene.sent_on(subflow);
    let reset = sent.iter().find(|packet| packet.has(flag::RST));
    reset
        .unwrap_or_else(|| panic!("a reset among {sent:?}"))
        .clone()
}

/// Version 1 says why.
fn assert_reason(scene: &Scene, reset: &Packet, reason: u8) {
    let expected = match scene.setup.version {
        Version::V0 => None,
        Version::V1 => Some((false, reason)),
    };
    assert_eq!(reset.tcp_rst(), expected);
}

fn fell_back(scene: &mut Scene) -> usize {
    let events = scene.events();
    let fell = |event: &&Event| matches!(event, Event::FellBack(..));
    events.iter().filter(fell).count()
}

fn counted(scene: &Scene, counter: MptcpCounter) -> u64 {
    scene.endpoint.mptcp_counters()[counter]
}

/// From here on the connection is plain TCP: data both ways, the end, and no option of MPTCP.
fn goes_on_as_tcp(scene: &mut Scene) {
    assert!(scene.is_tcp());
    assert_eq!(scene.info().plain, PlainDirections::Both);
    scene.ack(0);
    scene.read();
    scene.advance_ms(500);
    scene.clear();
    let before = scene.peer.subflows[0].plain_stream().len();
    let acked = scene.info().bytes_acked;
    // Options of MPTCP do not count any more: this mapping would put the bytes elsewhere.
    let far = scene.peer.dss_for(1000, 7, b"plain").bytes();
    let segment = scene.segment(0).option(far).payload(b"plain");
    scene.send(segment);
    assert_eq!(scene.read(), b"plain");
    scene.write(b"as TCP");
    scene.advance_ms(500);
    assert_eq!(&scene.peer.subflows[0].plain_stream()[before..], b"as TCP");
    // The subflow's acknowledgment frees what was sent.
    scene.ack(0);
    assert_eq!(scene.info().bytes_acked, acked + 6);
    scene.fin(0);
    assert_eq!(scene.read(), b"");
    assert!(scene.ended);
    scene.shutdown();
    scene.ack(0);
    assert!(scene.peer.subflows[0].fin_seen);
    let sent = scene.sent();
    assert!(sent.iter().all(Packet::is_plain), "{sent:?}");
}

/// Protocol statement 61.
#[test]
fn a_mapping_without_the_checksum_that_was_agreed_on_resets_the_subflow() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        let dss = scene.peer.dss().map64(scene.peer.dsn(5), 1, 4).bytes();
        let segment = scene.segment(second).option(dss).payload(b"lost");
        scene.send(segment);
        let reset = reset_of(&mut scene, second);
        assert_reason(&scene, &reset, 1);
        assert_eq!(scene.read(), b"");
        assert!(!scene.peer.subflows[0].rst_seen);
        scene.data(0, b"found");
        assert_eq!(scene.read(), b"found");
    }
}

/// Protocol statement 61.
#[test]
fn so_does_mp_capable_with_data_and_without_the_checksum() {
    let mut scene = Scene::new(Setup::new(Role::Listener, Version::V1).checksum());
    let capable = scene.capable_syn();
    let initial = scene.syn(capable);
    let capable = scene.capable_third_ack();
    scene.third_ack(initial, capable);
    scene.accept().expect("the handshake is complete");
    let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
    let capable = mp_capable_data(0x81, ours, theirs, 4, None);
    let segment = scene.segment(0).option(capable).payload(b"lost");
    scene.send(segment);
    let reset = reset_of(&mut scene, 0);
    assert_reason(&scene, &reset, 1);
    assert_eq!(scene.read(), b"");
}

/// Protocol statement 62.
#[test]
fn a_checksum_that_nobody_asked_for_is_nothing_or_a_reset() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        // A wrong one: it must not be looked at.
        let dss = scene.peer.dss().map64(scene.peer.dsn(5), 1, 4);
        let dss = dss.checksum(0x1234).bytes();
        let segment = scene.segment(second).option(dss).payload(b"data");
        scene.send(segment);
        match scene.setup.version {
            Version::V0 => assert_eq!(scene.read(), b"data"),
            Version::V1 => {
                let reset = reset_of(&mut scene, second);
                assert_reason(&scene, &reset, 1);
                assert_eq!(scene.read(), b"");
            }
        }
        assert!(!scene.peer.subflows[0].rst_seen);
    }
}
