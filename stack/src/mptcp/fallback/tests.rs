use super::*;
use crate::base::config::Version;
use crate::mptcp::key::HostKey;
use crate::mptcp::protocol::Protocol;
use crate::wire::mptcp_option::Key;
use core::fmt::Write as _;

fn session() -> Session {
    Session {
        version: Version::V1,
        local: HostKey::new(Version::V1, Key(1)),
        remote: HostKey::new(Version::V1, Key(2)),
        checksum: true,
        deny_join_initial: false,
        refuse_join_initial: false,
        assumed: false,
        confirmed: true,
        multipath: false,
        long_data_ack: true,
        data_acknowledged: true,
    }
}

fn steps() -> [Step; 10] {
    let (start, end) = (SeqNum(100), SeqNum(200));
    [
        Step::StopMapping { anchor: 7 },
        Step::Announced { start, end },
        Step::Asked,
        Step::Answered,
        Step::Heard,
        Step::Fail(Failure {
            dsn: DataSeq(50),
            give_up: Instant::from_millis(1),
            repeated: 0,
        }),
        Step::ForgetFailure,
        Step::Agree { asked: true },
        Step::Agree { asked: false },
        Step::PeerStopped { next: DataSeq(60) },
    ]
}

/// The cells of a direction's table that change something, found from its first state on.
fn table<State: Copy + PartialEq + core::fmt::Debug>(
    next: impl Fn(Option<State>, Step) -> Option<State>,
) -> String {
    let name = |state: Option<State>| state.map_or_else(|| "Mapped".into(), |s| format!("{s:?}"));
    let mut table = String::new();
    let mut states = vec![None];
    let mut at = 0;
    while let Some(from) = states.get(at).copied() {
        at += 1;
        for step in steps() {
            let to = next(from, step);
            if to != from {
                writeln!(table, "{}\n    --{step:?}--> {}", name(from), name(to)).unwrap();
            }
            if !states.contains(&to) {
                states.push(to);
            }
        }
    }
    table
}

#[test]
fn the_table_of_what_we_send() {
    insta::assert_snapshot!(table(Announcement::next));
}

#[test]
fn the_table_of_what_we_receive() {
    insta::assert_snapshot!(table(Receiving::next));
}

#[test]
fn nothing_is_left_once_both_have_stopped_and_the_peer_has_heard() {
    let mut protocol = Protocol::Mptcp(session());
    protocol.step(Step::StopMapping { anchor: 7 });
    protocol.step(Step::PeerStopped { next: DataSeq(60) });
    protocol.settle(DataSeq(60));
    assert!(protocol.session().is_some(), "the announcement is due");
    assert!(protocol.sends_plain() && protocol.receives_plain());
    protocol.step(Step::Heard);
    protocol.settle(DataSeq(70));
    assert!(
        protocol.session().is_some(),
        "bytes that were delivered come again"
    );
    protocol.settle(DataSeq(60));
    assert!(matches!(protocol, Protocol::Plain));
    for step in steps() {
        protocol.step(step);
        assert!(matches!(protocol, Protocol::Plain), "no way back: {step:?}");
    }
}

#[test]
fn one_direction_leaves_and_the_other_stays() {
    let mut protocol = Protocol::Mptcp(session());
    protocol.step(Step::StopMapping { anchor: 7 });
    protocol.step(Step::Heard);
    protocol.settle(DataSeq(60));
    assert!(protocol.sends_plain() && !protocol.receives_plain());
    assert!(protocol.acknowledges_data());

    let mut protocol = Protocol::Mptcp(session());
    protocol.step(Step::PeerStopped { next: DataSeq(60) });
    protocol.settle(DataSeq(60));
    assert!(!protocol.sends_plain() && protocol.receives_plain());
    assert!(!protocol.acknowledges_data());
}
