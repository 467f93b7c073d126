use super::*;
use Version::{V0, V1};

const HOUR: Duration = Duration::from_secs(3600);

fn memory() -> PeerMemory {
    PeerMemory::new(&EndpointConfig::default())
}

fn remote() -> SocketAddr {
    ([192, 0, 2, 1], 443).into()
}

const fn after(hours: u64, seconds: u64) -> Instant {
    Instant::from_millis((hours * 3600 + seconds) * 1000)
}

const fn refused(offered: Version) -> Lesson {
    Lesson::Refuses {
        offered,
        answered: None,
    }
}

fn plan(memory: &PeerMemory, now: Instant, policy: OtherVersion) -> (Version, Option<Version>) {
    let plan = memory.plan(now, remote(), V0, policy);
    (plan.version, plan.retry_with)
}

#[test]
fn the_next_connection_offers_the_other_version() {
    use OtherVersion::{AtOnce, Never, NextConnection};
    let mut memory = memory();
    let now = Instant::ZERO;
    assert_eq!(plan(&memory, now, NextConnection), (V0, None));
    assert_eq!(plan(&memory, now, AtOnce), (V0, Some(V1)));
    memory.learn(now, remote(), refused(V0));
    assert_eq!(plan(&memory, now, Never), (V0, None));
    assert_eq!(plan(&memory, now, NextConnection), (V1, None));
    assert_eq!(plan(&memory, now, AtOnce), (V1, None));
    // Another port may lead to another host.
    let elsewhere = SocketAddr::new(remote().ip(), 444);
    assert_eq!(memory.plan(now, elsewhere, V0, NextConnection).version, V0);
    memory.learn(now, remote(), refused(V1));
    assert_eq!(plan(&memory, now, NextConnection), (V0, None));
    assert_eq!(
        plan(&memory, now, AtOnce),
        (V0, None),
        "nothing else to try"
    );
}

#[test]
fn an_answer_in_the_other_version_says_both() {
    let mut memory = memory();
    let lesson = Lesson::Refuses {
        offered: V0,
        answered: Some(V1),
    };
    memory.learn(Instant::ZERO, remote(), lesson);
    let speech = memory.speech.get(Instant::ZERO, remote()).unwrap();
    assert_eq!(speech.speaks(Instant::ZERO, V0), Some(false));
    assert_eq!(speech.speaks(Instant::ZERO, V1), Some(true));
}

/// That a host speaks neither version does not count for ever, however often it is talked to.
#[test]
fn a_refusal_expires() {
    let mut memory = memory();
    for version in [V0, V1, V0, V0, V0] {
        memory.learn(after(0, 0), remote(), refused(version));
    }
    memory.learn(after(0, 3599), remote(), refused(V0));
    let policy = OtherVersion::AtOnce;
    assert_eq!(plan(&memory, after(0, 3599), policy), (V0, None));
    assert_eq!(plan(&memory, after(1, 0), policy), (V0, Some(V1)));
}

/// While a host is talked to in one version, the other is not tried again.
#[test]
fn a_success_keeps_what_is_known() {
    let mut memory = memory();
    memory.learn(after(0, 0), remote(), refused(V0));
    for minutes in 0..100 {
        memory.learn(after(0, minutes * 60), remote(), Lesson::Speaks(V1));
    }
    let policy = OtherVersion::NextConnection;
    assert_eq!(plan(&memory, after(2, 0), policy), (V1, None));
    assert_eq!(plan(&memory, after(2, 40 * 60), policy), (V0, None));
}

#[test]
fn a_black_hole_counts_longer_each_time() {
    let mut memory = memory();
    let ip = remote().ip();
    let mut now = Instant::ZERO;
    for doublings in [0, 1, 2, 3, 4, 5, 6, 6, 6] {
        assert!(!memory.is_black_hole(now, ip));
        assert!(memory.learn(now, remote(), Lesson::BlackHole));
        let pause = HOUR * (1 << doublings);
        assert!(memory.is_black_hole(now + pause - Duration::from_nanos(1), ip));
        now += pause;
    }
    assert!(!memory.is_black_hole(now, ip));
    assert!(memory.black_holes.get(now, ip).is_some(), "still known");
    // After as long again it is as if nothing had been.
    now += HOUR * 64;
    memory.learn(now, remote(), Lesson::BlackHole);
    assert!(!memory.is_black_hole(now + HOUR, ip));
}

#[test]
fn an_answer_to_the_option_ends_a_black_hole() {
    for lesson in [Lesson::Speaks(V0), refused(V1)] {
        let mut memory = memory();
        memory.learn(Instant::ZERO, remote(), Lesson::BlackHole);
        memory.learn(after(0, 1), remote(), lesson);
        assert!(!memory.is_black_hole(after(0, 1), remote().ip()));
    }
}

#[test]
fn nothing_is_remembered_where_that_is_off() {
    let mut memory = PeerMemory::new(&EndpointConfig {
        blackhole_timeout: Duration::ZERO,
        peer_memory_lifetime: Duration::ZERO,
        ..EndpointConfig::default()
    });
    assert!(!memory.learn(Instant::ZERO, remote(), Lesson::BlackHole));
    assert!(!memory.is_black_hole(Instant::ZERO, remote().ip()));
    memory.learn(Instant::ZERO, remote(), refused(V0));
    assert_eq!(
        plan(&memory, Instant::ZERO, OtherVersion::NextConnection),
        (V0, None)
    );
}

#[test]
fn an_operator_looks_and_forgets() {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [1; 32]);
    let now = Instant::ZERO;
    let other: SocketAddr = ([192, 0, 2, 2], 443).into();
    endpoint.learn(now, remote(), refused(V0));
    endpoint.learn(now, other, Lesson::Speaks(V1));
    endpoint.learn(now, other, Lesson::BlackHole);
    let speech = |remote, v0, v1| PeerVersions { remote, v0, v1 };
    let hole = BlackHole {
        remote: other.ip(),
        detections: 1,
        until: after(1, 0),
    };
    let known = endpoint.peer_memory(now);
    assert_eq!(
        known.versions,
        [
            speech(remote(), Some(false), None),
            speech(other, None, Some(true))
        ]
    );
    assert_eq!(known.black_holes, [hole]);
    assert_eq!(endpoint.mptcp_counters()[MptcpCounter::Blackhole], 1);
    endpoint.forget_peer(remote().ip());
    let known = endpoint.peer_memory(now);
    assert_eq!(known.versions, [speech(other, None, Some(true))]);
    assert_eq!(known.black_holes, [hole]);
    endpoint.forget_peers();
    assert_eq!(endpoint.peer_memory(now), PeerKnowledge::default());
}

#[test]
fn another_timeout_is_for_what_is_found_from_then_on() {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [1; 32]);
    assert_eq!(endpoint.blackhole_timeout(), HOUR);
    let until = |endpoint: &Endpoint| {
        let holes = endpoint.peer_memory(Instant::ZERO).black_holes;
        holes.first().map(|hole| hole.until)
    };
    endpoint.learn(Instant::ZERO, remote(), Lesson::BlackHole);
    assert_eq!(until(&endpoint), Some(after(1, 0)));
    endpoint.set_blackhole_timeout(HOUR * 2);
    assert_eq!(endpoint.blackhole_timeout(), HOUR * 2);
    assert_eq!(until(&endpoint), None, "what was known is forgotten");
    endpoint.learn(Instant::ZERO, remote(), Lesson::BlackHole);
    assert_eq!(until(&endpoint), Some(after(2, 0)));
    endpoint.set_blackhole_timeout(Duration::ZERO);
    endpoint.learn(Instant::ZERO, remote(), Lesson::BlackHole);
    assert_eq!(until(&endpoint), None);
}
