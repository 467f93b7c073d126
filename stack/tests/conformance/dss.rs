//! Data and its mappings: statements 51 to 60, 63 to 72, and the first half of 74.
//!
//! | file | statements |
//! |---|---|
//! | `sending` | what the stack sends: 51, 52, 59, 60, 74 |
//! | `mappings` | mappings that come early, late, twice, wrong: 53 to 56, 60, 72 |
//! | `numbers` | 4 and 8 bytes, and where they wrap: 57, 58 |
//! | `receiving` | the data level of the receiver: 63, 65, 67, 68 |
//! | `windows` | the peer's window and its DATA_ACKs: 66, 71 |
//! | `again` | data that is sent again: 64, 69, 70 |
//! | `stale` | paths that do not work, and what the stack does about them |

#![expect(
    clippy::cast_possible_truncation,
    reason = "tests are small, and a wrong number fails"
)]

mod again;
mod mappings;
mod numbers;
mod receiving;
mod sending;
mod stale;
mod windows;

use crate::peer::{Packet, Scene, Setup, VERSIONS, all_setups};
use umptcp_stack::base::mptcp_counters::MptcpCounter;
use umptcp_stack::tcp::state::TcpState;

/// How often the stack has counted something.
fn counted(scene: &Scene, counter: MptcpCounter) -> u64 {
    scene.endpoint.mptcp_counters()[counter]
}

/// Bytes that are easy to tell apart, as the peer's or the stack's stream from an offset on.
fn pattern(offset: u64, len: usize) -> Vec<u8> {
    let offset = usize::try_from(offset).expect("tests are small");
    (offset..offset + len).map(|at| (at % 251) as u8).collect()
}

/// Packets with payload.
fn data(packets: &[Packet]) -> Vec<Packet> {
    let with_data = packets.iter().filter(|packet| !packet.payload.is_empty());
    with_data.cloned().collect()
}

/// A subflow, on which this was sent, ended with an RST, with this reason in version 1.
fn assert_reset(scene: &Scene, subflow: usize, sent: &[Packet], reason: u8) {
    let reset = sent.last().expect("an RST");
    assert!(scene.peer.subflows[subflow].rst_seen, "{sent:?}");
    let expected = match scene.setup.version {
        umptcp_stack::Version::V0 => None,
        umptcp_stack::Version::V1 => Some(reason),
    };
    assert_eq!(reset.tcp_rst().map(|(_, reason)| reason), expected);
    assert_eq!(scene.subflow_infos()[subflow].state, TcpState::Closed);
}

/// The subflow that carries what the application writes next, which is written.
fn write_and_find(scene: &mut Scene, bytes: &[u8]) -> usize {
    scene.clear();
    scene.write(bytes);
    let sent = data(&scene.sent());
    let first = sent.first().expect("it is sent at once");
    scene.peer.subflow_of(first).expect("on a known subflow")
}

/// Small segments do not wait for acknowledgments (RFC 9293 §3.7.4).
fn at_once(setup: Setup) -> Setup {
    setup.tune(|config| config.nodelay = true)
}

/// Versions and roles, where small segments do not wait.
fn setups() -> impl Iterator<Item = Setup> {
    all_setups().map(at_once)
}

/// Connections in both versions on which a second subflow was joined; the stack plays either part.
fn with_two_subflows(change: impl Fn(Setup) -> Setup) -> impl Iterator<Item = Scene> {
    VERSIONS.into_iter().flat_map(move |version| {
        [Setup::client(version), Setup::listener(version)].map(|setup| {
            let mut scene = Scene::confirmed(change(at_once(setup)));
            scene.join(2);
            scene
        })
    })
}
