//! Paths that carry less than their ends think, with routers that say so and without, and people
//! who say so although it is not true.

use super::*;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use umptcp_lab::world::{Chunks, DropIf, Ip, Middlebox, PathMtuRouter, ReadPause, Undelivered};
use umptcp_stack::base::seq::SeqNum;
use umptcp_stack::wire::icmp::{self, IcmpErrorKind};
use umptcp_stack::wire::mptcp_option::{CapableKeys, MptcpOption, WireMapping};
use umptcp_stack::wire::packet::{FourTuple, Segment, parse};
use umptcp_stack::{
    ChecksumPolicy, ChecksumStatus, CloseReason, ConnectionProtocol, Event, Instant, NetworkError,
    ReceivedPacket, SubflowInfo, Version,
};

/// What the ends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Plain,
    Mptcp(Version, ChecksumPolicy),
}

const SPEECHES: [Speech; 5] = [
    Speech::Plain,
    Speech::Mptcp(Version::V0, ChecksumPolicy::Offer),
    Speech::Mptcp(Version::V0, ChecksumPolicy::Require),
    Speech::Mptcp(Version::V1, ChecksumPolicy::Offer),
    Speech::Mptcp(Version::V1, ChecksumPolicy::Require),
];

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// One path, four megabytes from the client: about 1.7 seconds.
fn one_way(name: &str, speech: Speech, ip: Ip) -> Scenario {
    let mut scenario = scenario(name).connections(|config| match speech {
        Speech::Plain => config.mptcp = false,
        Speech::Mptcp(version, checksum) => {
            config.version = version;
            config.checksum = checksum;
        }
    });
    scenario.paths = paths(1, link());
    scenario.paths[0].ip = ip;
    scenario.client.plan = Plan::sending(4 * MEGABYTE);
    scenario.server.plan = Plan::default();
    scenario
}

fn every_kind() -> impl Iterator<Item = (Speech, Ip)> {
    SPEECHES
        .into_iter()
        .flat_map(|speech| [Ip::V4, Ip::V6].map(|ip| (speech, ip)))
}

fn assert_speech(run: &mut Run, speech: Speech) {
    match speech {
        Speech::Plain => run.assert_protocol(ConnectionProtocol::Tcp),
        Speech::Mptcp(version, checksum) => {
            let info = run.client().last_info().expect("a connection");
            assert_eq!(info.checksum, checksum == ChecksumPolicy::Require);
            run.assert_protocol(ConnectionProtocol::Mptcp(version))
        }
    };
}

fn segment(packet: &Bytes) -> Segment {
    parse(&ReceivedPacket {
        data: packet.clone(),
        checksum: ChecksumStatus::Unverified,
    })
    .expect("nobody else sends in this direction")
}

/// A router that looks at every packet, and finds fault with fragments that are allowed and with
/// data whose mapping is missing, wrong, or not what it was before.
struct Inspector {
    router: PathMtuRouter,
    mptcp: bool,
    iss: HashMap<FourTuple, SeqNum>,
    mappings: HashMap<(FourTuple, u32), WireMapping>,
    /// Data packets that began within a mapping, not at its start.
    pieces: Rc<RefCell<u32>>,
}

impl Inspector {
    fn new(router: PathMtuRouter, speech: Speech) -> (Self, Rc<RefCell<u32>>) {
        let pieces = Rc::new(RefCell::new(0));
        let inspector = Self {
            router,
            mptcp: speech != Speech::Plain,
            iss: HashMap::new(),
            mappings: HashMap::new(),
            pieces: Rc::clone(&pieces),
        };
        (inspector, pieces)
    }

    fn inspect(&mut self, packet: &Bytes) {
        if packet[0] >> 4 == 4 {
            assert_eq!(packet[6] & 0x60, 0x40, "DF, and no fragment");
        }
        let segment = segment(packet);
        if segment.flags.syn {
            self.iss.insert(segment.tuple, segment.seq);
        }
        if self.mptcp && !segment.payload.is_empty() {
            self.inspect_mapping(&segment);
        }
    }

    fn inspect_mapping(&mut self, segment: &Segment) {
        let first = self.iss[&segment.tuple];
        let at = u32::try_from(segment.seq.distance_from(first)).expect("small");
        let end = at + u32::try_from(segment.payload.len()).expect("small");
        let capable = segment
            .options
            .mptcp
            .iter()
            .find_map(|option| match option {
                MptcpOption::Capable(capable) => Some(capable.keys),
                _ => None,
            });
        let (ssn, len) = match (capable, segment.options.dss.and_then(|dss| dss.mapping)) {
            // RFC 8684 §3.1: of the first data of the initiator.
            (Some(CapableKeys::BothWithData { data_len, .. }), None) => (1, data_len),
            (None, Some(mapping)) => {
                let key = (segment.tuple, mapping.ssn);
                let before = *self.mappings.entry(key).or_insert(mapping);
                assert_eq!(before, mapping, "a mapping never changes");
                (mapping.ssn, mapping.len - u16::from(mapping.data_fin))
            }
            other => panic!("data without a mapping, or with two: {other:?}"),
        };
        assert!(
            ssn <= at && end <= ssn + u32::from(len),
            "mapped: {at}..{end}"
        );
        *self.pieces.borrow_mut() += u32::from(ssn < at);
    }
}

impl Middlebox for Inspector {
    fn process(&mut self, now: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        self.inspect(&packet);
        self.router.process(now, packet, out);
    }

    fn answer(&mut self, back: &mut Vec<Bytes>) {
        self.router.answer(back);
    }
}

/// A router whose MTU is another from a given time on.
struct Changing {
    before: Inspector,
    after: PathMtuRouter,
    at: Instant,
}

impl Middlebox for Changing {
    fn process(&mut self, now: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        if now < self.at {
            self.before.process(now, packet, out);
        } else {
            self.before.inspect(&packet);
            self.after.process(now, packet, out);
        }
    }

    fn answer(&mut self, back: &mut Vec<Bytes>) {
        self.before.answer(back);
        self.after.answer(back);
    }
}

/// Runs a transfer over a path that changes its router after half a second. Returns the run, how
/// long it took, and how many packets began within a mapping.
fn change_under_way(
    scenario: Scenario,
    speech: Speech,
    before: PathMtuRouter,
    after: PathMtuRouter,
) -> (Run, Instant, u32) {
    let mut run = Run::of(scenario);
    let (before, pieces) = Inspector::new(before, speech);
    let changing = Changing {
        before,
        after,
        at: at(500),
    };
    let wire = run.pair.wires[0];
    run.world().set_middlebox(wire, 0, changing);
    run.complete_within(300).assert_intact();
    assert_speech(&mut run, speech);
    let took = run.world().now();
    run.assert_nothing_left();
    let pieces = *pieces.borrow();
    (run, took, pieces)
}

fn subflow(run: &Run) -> &SubflowInfo {
    &run.client().last_subflows()[0]
}

fn wide() -> PathMtuRouter {
    PathMtuRouter::new(1500)
}

/// Protocol statement 121.
#[test]
fn a_path_that_carries_less_from_one_moment_to_the_next() {
    for (speech, ip) in every_kind() {
        // The window keeps the queue from overflowing: nothing is lost but what is too long.
        let narrow =
            |name| one_way(name, speech, ip).connections(|config| config.receive_buffer = 100_000);
        let (_, undisturbed, _) = change_under_way(narrow("wide"), speech, wide(), wide());
        let (run, took, pieces) =
            change_under_way(narrow("cut"), speech, wide(), PathMtuRouter::new(1300));
        assert_eq!(subflow(&run).path_mtu, 1300);
        assert!(pieces > 0 || speech == Speech::Plain, "{speech:?}");
        // The rest of one and a half round trips of 40 ms, a window that goes again, and more
        // headers. A timeout alone takes 200 ms.
        let lost = took.saturating_duration_since(undisturbed);
        println!("{speech:?} {ip:?}: the cut costs {lost:?}");
        assert!(lost < millis(120), "{speech:?} {ip:?}: {lost:?}");
    }
}

#[test]
fn a_path_that_carries_less_from_the_start() {
    for (speech, ip) in every_kind() {
        let router = || PathMtuRouter::new(1300);
        let scenario = one_way("narrow", speech, ip);
        let (run, took, _) = change_under_way(scenario, speech, router(), router());
        assert_eq!(subflow(&run).path_mtu, 1300);
        assert!(took < at(2500), "{speech:?} {ip:?}: {took:?}");
    }
}

#[test]
fn a_router_of_old_that_does_not_say_its_mtu() {
    // RFC 1191 §5: the sender goes down the plateaus, 1492 and then 1006.
    let mut run = Run::of(one_way("plateau", SPEECHES[1], Ip::V4));
    let wire = run.pair.wires[0];
    let judge =
        |_, packet: &Bytes| (packet.len() > 1100).then_some(IcmpErrorKind::PacketTooBig { mtu: 0 });
    run.world().set_middlebox(wire, 0, Undelivered::new(judge));
    run.complete_within(60)
        .assert_intact()
        .assert_nothing_left();
    assert_eq!(subflow(&run).path_mtu, 1006);
}

#[test]
fn every_path_has_its_own_mtu() {
    for version in [Version::V0, Version::V1] {
        let mut scenario = scenario("own mtu").connections(|config| config.version = version);
        scenario.client.plan = Plan::sending(4 * MEGABYTE);
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[1];
        run.world().set_middlebox(wire, 0, PathMtuRouter::new(1200));
        run.complete_within(60)
            .assert_intact()
            .assert_subflows(2)
            .assert_nothing_left();
        let subflows = run.client().last_subflows();
        let of_client: Vec<usize> = subflows.iter().map(|subflow| subflow.path_mtu).collect();
        assert_eq!(of_client, [1500, 1200]);
        assert!(subflows.iter().all(|subflow| subflow.bytes_sent > MEGABYTE));
        // The other direction was never narrow.
        let of_server = run.server().last_subflows();
        assert!(of_server.iter().all(|subflow| subflow.path_mtu == 1500));
    }
}

#[test]
fn a_black_hole_that_opens_under_way() {
    for (speech, ip) in every_kind() {
        let hole = PathMtuRouter::black_hole(1400);
        let (run, took, _) = change_under_way(one_way("hole", speech, ip), speech, wide(), hole);
        let mtu = subflow(&run).path_mtu;
        println!("{speech:?} {ip:?}: {took:?}, {mtu}");
        assert!((1024..=1400).contains(&mtu), "{mtu}");
        // Two timeouts, the second twice as long, and the way back from a window of one segment.
        assert!(took < at(4500), "{speech:?} {ip:?}: {took:?}");
    }
}

#[test]
fn a_black_hole_from_the_start() {
    for (speech, ip) in every_kind() {
        let hole = || PathMtuRouter::black_hole(1300);
        let scenario = one_way("hole at once", speech, ip);
        let (run, took, _) = change_under_way(scenario, speech, hole(), hole());
        let mtu = subflow(&run).path_mtu;
        println!("{speech:?} {ip:?}: {took:?}, {mtu}");
        assert!((1024..=1300).contains(&mtu), "{mtu}");
        assert!(took < at(4500), "{speech:?} {ip:?}: {took:?}");
    }
}

#[test]
fn a_black_hole_on_one_of_two_paths() {
    for version in [Version::V0, Version::V1] {
        let mut scenario = scenario("one hole").connections(|config| config.version = version);
        scenario.client.plan = Plan::sending(8 * MEGABYTE);
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[1];
        run.world()
            .set_middlebox(wire, 0, PathMtuRouter::black_hole(1200));
        run.complete_within(60)
            .assert_intact()
            .assert_subflows(2)
            .assert_nothing_left();
        let subflows = run.client().last_subflows();
        assert_eq!(subflows[0].path_mtu, 1500);
        assert!((1024..=1200).contains(&subflows[1].path_mtu));
        assert!(subflows[1].bytes_sent > MEGABYTE);
    }
}

#[test]
fn a_very_black_hole() {
    let hole = || PathMtuRouter::black_hole(600);
    let scenario = one_way("very black", SPEECHES[2], Ip::V4);
    let (run, took, _) = change_under_way(scenario, SPEECHES[2], hole(), hole());
    let mtu = subflow(&run).path_mtu;
    assert!((552..=600).contains(&mtu), "{mtu}");
    assert!(took < at(12_000), "{took:?}");
}

#[test]
fn the_search_behind_a_black_hole_finds_what_passes() {
    // Long enough for a probe a second: 1262 and 1381 pass, larger ones are lost three times.
    let mut scenario = one_way("search", SPEECHES[1], Ip::V4);
    scenario.client.plan = Plan::sending(60 * MEGABYTE);
    let hole = PathMtuRouter::black_hole(1400);
    let (run, took, _) = change_under_way(scenario, SPEECHES[1], wide(), hole);
    let mtu = subflow(&run).path_mtu;
    println!("{took:?}, {mtu}, {} again", subflow(&run).retransmissions);
    assert!((1369..=1400).contains(&mtu), "{mtu}");
    // 20 Mbit/s: probes cost next to nothing.
    assert!(took < at(27_500), "{took:?}");
}

#[test]
fn a_path_that_was_only_cut_gets_its_mtu_back() {
    let speech = SPEECHES[1];
    let mut scenario = one_way("outage", speech, Ip::V4);
    scenario.paths = paths(1, link().cut(at(500), Some(at(2500))));
    scenario.client.plan = Plan::sending(10 * MEGABYTE);
    let (run, ..) = change_under_way(scenario, speech, wide(), wide());
    assert_eq!(subflow(&run).path_mtu, 1500);
}

/// A transfer in two halves, more than ten minutes apart: the server does not read meanwhile.
fn with_a_long_pause(name: &str, ip: Ip) -> Scenario {
    let mut scenario = one_way(name, SPEECHES[1], ip).connections(|config| {
        config.user_timeout = Duration::from_secs(3600);
        config.receive_buffer = 1 << 20;
    });
    scenario.client.plan = Plan::sending(24 * MEGABYTE);
    scenario.server.plan.reads = Chunks::of(16 << 10);
    scenario.server.plan.read_pauses = vec![ReadPause {
        at: 4 * MEGABYTE,
        length: Duration::from_secs(620),
    }];
    scenario
}

#[test]
fn a_path_that_becomes_wide_again_is_found_out() {
    for ip in [Ip::V4, Ip::V6] {
        for (wider, expected) in [
            (PathMtuRouter::new(1500), 1500..=1500),
            // The first probe is refused, and what the router says is tried at once.
            (PathMtuRouter::new(1400), 1400..=1400),
            (PathMtuRouter::black_hole(1400), 1369..=1400),
        ] {
            let mut run = Run::of(with_a_long_pause("wide again", ip));
            let wire = run.pair.wires[0];
            run.world().set_middlebox(wire, 0, PathMtuRouter::new(1300));
            run.world().run_until(|_| false, at(300_000));
            let client = run.pair.client;
            let id = run.client_connection();
            let before = run.world().endpoint(client).subflows(id)[0].clone();
            assert_eq!(before.path_mtu, 1300);
            run.world().set_middlebox(wire, 0, wider);
            run.complete_within(1000)
                .assert_intact()
                .assert_nothing_left();
            let mtu = subflow(&run).path_mtu;
            let again = subflow(&run).retransmissions - before.retransmissions;
            println!("{ip:?}: {mtu}, {again} segments again");
            assert!(expected.contains(&mtu), "{ip:?}: {mtu}, not {expected:?}");
        }
    }
}

/// The last data packet that the client sent.
type Last = Rc<RefCell<Option<Bytes>>>;

/// Runs half a second of a transfer; returns the run and the packet that is on its way.
fn under_way(ip: Ip) -> (Run, Bytes) {
    let mut run = Run::of(one_way("forged", SPEECHES[1], ip));
    let last = Last::default();
    let seen = Rc::clone(&last);
    let wire = run.pair.wires[0];
    let watch = DropIf(move |_, packet: &Bytes| {
        if !segment(packet).payload.is_empty() {
            *seen.borrow_mut() = Some(packet.clone());
        }
        false
    });
    run.world().set_middlebox(wire, 0, watch);
    run.world().run_until(|_| false, at(500));
    let packet = last.borrow().clone().expect("data was sent");
    (run, packet)
}

/// Says to the client, as a router would, that this became of a packet.
fn tell(run: &mut Run, kind: IcmpErrorKind, about: &[u8]) {
    let routers: [IpAddr; 2] = [
        [203, 0, 113, 9].into(),
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 9].into(),
    ];
    let data = routers
        .into_iter()
        .find_map(|router| icmp::emit(router, kind, about))
        .expect("an IP packet");
    let (client, id) = (run.pair.client, run.client_connection());
    let now = run.world().now();
    let endpoint = run.world().endpoint_mut(client);
    let interface = endpoint.subflows(id)[0].interface;
    let packet = ReceivedPacket {
        data,
        checksum: ChecksumStatus::Unverified,
    };
    endpoint.handle_packet(now, interface, &packet);
    assert_eq!(endpoint.stats().packets_malformed, 0);
}

/// Protocol statement 121.
#[test]
fn forged_errors_change_nothing() {
    for ip in [Ip::V4, Ip::V6] {
        let (mut run, packet) = under_way(ip);
        let client = run.pair.client;
        let start = if ip == Ip::V4 { 20 } else { 40 };
        let (small, narrow) = if ip == Ip::V4 {
            (551, 600)
        } else {
            (1279, 1280)
        };
        let seq = segment(&packet).seq;
        let with_seq = |seq: SeqNum| {
            let mut packet = packet.to_vec();
            packet[start + 4..start + 8].copy_from_slice(&seq.0.to_be_bytes());
            packet
        };
        let mut other_port = packet.to_vec();
        other_port[start + 1] ^= 1;
        let mut other_address = packet.to_vec();
        other_address[start - 1] ^= 1;
        let too_big = |mtu| IcmpErrorKind::PacketTooBig { mtu };
        let forged = [
            // Long acknowledged, or never sent.
            (too_big(narrow), with_seq(seq - 10_000_000)),
            (too_big(narrow), with_seq(seq + 10_000_000)),
            (too_big(narrow), with_seq(seq + 1_500)),
            // Of nobody.
            (too_big(narrow), other_port),
            (too_big(narrow), other_address),
            // No link is so narrow, and none refuses what is shorter than it carries.
            (too_big(small), packet.to_vec()),
            (too_big(0), packet.to_vec()),
            (too_big(1500), packet.to_vec()),
            (too_big(9000), packet.to_vec()),
            (
                IcmpErrorKind::Undelivered(NetworkError::PortUnreachable),
                with_seq(seq + 10_000_000),
            ),
        ];
        // An MTU of zero means something for IPv4: see the router of old.
        let forged: Vec<_> = forged
            .into_iter()
            .filter(|(kind, _)| ip == Ip::V6 || *kind != too_big(0))
            .collect();
        for (kind, about) in &forged {
            tell(&mut run, *kind, about);
        }
        let stats = run.world().endpoint(client).stats();
        assert_eq!(stats.icmp_errors, 0);
        assert_eq!(stats.icmp_errors_ignored, forged.len() as u64);

        // The right packet, which arrives nonetheless: that gives it the lie (RFC 5927 §7.2).
        tell(&mut run, too_big(narrow), &packet);
        assert_eq!(run.world().endpoint(client).stats().icmp_errors, 1);
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
        let info = subflow(&run);
        assert_eq!((info.path_mtu, info.soft_error), (1500, None));
    }
}

#[test]
fn a_host_that_becomes_unreachable_for_a_while() {
    for (speech, ip) in every_kind() {
        for error in [
            NetworkError::HostUnreachable,
            NetworkError::PortUnreachable,
            NetworkError::ProtocolUnreachable,
            NetworkError::TimeExceeded,
        ] {
            let mut run = Run::of(one_way("soft", speech, ip));
            let wire = run.pair.wires[0];
            let judge = move |now, _: &Bytes| {
                let gone = at(500) <= now && now < at(700);
                gone.then_some(IcmpErrorKind::Undelivered(error))
            };
            run.world().set_middlebox(wire, 0, Undelivered::new(judge));
            run.complete_within(60).assert_intact();
            assert_speech(&mut run, speech);
            run.assert_nothing_left();
            assert_eq!(subflow(&run).soft_error, Some(error));
        }
    }
}

/// Errors for the first `count` packets of the client on a path.
fn first_packets(count: u32, error: NetworkError) -> impl Middlebox {
    let mut left = count;
    Undelivered::new(move |_, _: &Bytes| {
        let hit = left > 0;
        left = left.saturating_sub(1);
        hit.then_some(IcmpErrorKind::Undelivered(error))
    })
}

#[test]
fn a_host_that_cannot_be_reached_is_given_up_at_once() {
    for (speech, ip) in every_kind() {
        for error in [NetworkError::HostUnreachable, NetworkError::Prohibited] {
            let mut run = Run::of(one_way("unreachable", speech, ip));
            let wire = run.pair.wires[0];
            run.world().set_middlebox(wire, 0, first_packets(2, error));
            let session = run.pair.session;
            run.until(5, move |world| world.session(session).closed().is_some());
            let closed = run.client().closed();
            assert_eq!(closed, Some(CloseReason::Unreachable(error)));
            // The second SYN goes out after a second.
            assert!(run.world().now() < at(1100));
        }
    }
}

#[test]
fn a_single_error_does_not_keep_from_connecting() {
    for (speech, ip) in every_kind() {
        let mut run = Run::of(one_way("once unreachable", speech, ip));
        let wire = run.pair.wires[0];
        let middlebox = first_packets(1, NetworkError::NetworkUnreachable);
        run.world().set_middlebox(wire, 0, middlebox);
        run.complete_within(60).assert_intact();
        assert_speech(&mut run, speech);
        run.assert_nothing_left();
    }
}

#[test]
fn a_second_path_that_leads_nowhere_is_given_up_at_once() {
    for version in [Version::V0, Version::V1] {
        let mut scenario = scenario("join unreachable");
        scenario = scenario.connections(|config| config.version = version);
        scenario.client.plan = Plan::sending(8 * MEGABYTE);
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[1];
        let middlebox = first_packets(u32::MAX, NetworkError::NetworkUnreachable);
        run.world().set_middlebox(wire, 0, middlebox);
        run.complete_within(60)
            .assert_intact()
            .assert_protocol(ConnectionProtocol::Mptcp(version))
            .assert_subflows(1);
        let closed = run.client().events().iter().find_map(|(time, event)| {
            matches!(event, Event::SubflowClosed(_, subflow, _) if subflow.index() == 1)
                .then_some(*time)
        });
        assert!(closed.is_some_and(|time| time < at(1300)), "{closed:?}");
        run.assert_nothing_left();
    }
}
