//! The generator itself: its scenarios differ, and cover what they are meant to.

use super::generate::{self, Disturbance, Generated, Narrow, Promise};
use super::rude::Kind;
use umptcp_lab::link::{Cut, LinkConfig, Loss};
use umptcp_lab::world::{Scenario, Side};
use umptcp_stack::{
    ChecksumPolicy, CongestionAlgorithm, EcnPolicy, FastcloseMethod, Instant, SynCookies,
};

/// Scenarios of the first seeds, to be counted.
struct Sample(Vec<Generated>);

impl Sample {
    fn draw() -> Self {
        Self((0..2000).map(generate::scenario).collect())
    }

    fn count(&self, property: fn(&Scenario) -> bool) -> usize {
        let has = |generated: &&Generated| property(&generated.scenario);
        self.0.iter().filter(has).count()
    }

    fn any(&self, property: impl Fn(&Generated) -> bool) -> usize {
        self.0
            .iter()
            .filter(|generated| property(generated))
            .count()
    }

    /// Scenarios in which either side has the property.
    fn side(&self, property: fn(&Side) -> bool) -> usize {
        let has = |g: &&Generated| property(&g.scenario.client) || property(&g.scenario.server);
        self.0.iter().filter(has).count()
    }

    /// Scenarios in which a link from the client has the property.
    fn up(&self, property: fn(&LinkConfig) -> bool) -> usize {
        let has = |g: &&Generated| g.scenario.paths.iter().any(|path| property(&path.up));
        self.0.iter().filter(has).count()
    }

    /// Scenarios with such a narrow place in the middle of a path.
    fn narrow(&self, property: fn(&Narrow) -> bool) -> usize {
        let has = |generated: &&Generated| generated.narrow.iter().any(property);
        self.0.iter().filter(has).count()
    }
}

fn assert_frequent(kinds: &[(&str, usize)]) {
    for (what, found) in kinds {
        assert!(*found >= 15, "{what}: {found}");
    }
}

#[test]
fn paths_and_applications_are_diverse() {
    let sample = Sample::draw();
    assert_frequent(&[
        ("several paths", sample.count(|s| s.paths.len() > 1)),
        ("loss", sample.up(|l| l.loss != Loss::None)),
        (
            "bursts",
            sample.up(|l| matches!(l.loss, Loss::GilbertElliott { .. })),
        ),
        ("cuts", sample.up(|l| !l.cuts.is_empty())),
        ("holds", sample.up(|l| !l.holds.is_empty())),
        ("marks", sample.up(|l| l.mark_above.is_some())),
        (
            "much reordering",
            sample.up(|l| l.reorder.probability > 0.5),
        ),
        ("duplicates", sample.up(|l| l.duplicate > 0.5)),
        ("damage", sample.up(|l| l.corrupt > 0.0)),
        ("MTU 576", sample.side(|s| s.interface.mtu == 576)),
        ("MTU 1280", sample.side(|s| s.interface.mtu == 1280)),
        (
            "super-segments that are cut",
            sample.count(|s| {
                s.client.interface.segmentation_offload.is_some() && s.paths[0].up.mtu < 65_000
            }),
        ),
        (
            "super-segments as a whole",
            sample.count(|s| {
                s.client.interface.segmentation_offload.is_some() && s.paths[0].up.mtu == u16::MAX
            }),
        ),
        ("narrow routers", sample.narrow(|n| n.speaks)),
        ("black holes", sample.narrow(|n| !n.speaks)),
        (
            "plain TCP",
            sample.count(|s| !s.client.connection.mptcp || !s.server.connection.mptcp),
        ),
        (
            "small buffers",
            sample.count(|s| s.client.connection.receive_buffer < 5000),
        ),
        (
            "both ways",
            sample.count(|s| s.client.plan.sends > 0 && s.server.plan.sends > 0),
        ),
    ]);
}

#[test]
fn settings_are_diverse() {
    let sample = Sample::draw();
    assert_frequent(&[
        (
            "Reno",
            sample.side(|s| s.connection.subflow.congestion == CongestionAlgorithm::NewReno),
        ),
        (
            "CUBIC",
            sample.side(|s| s.connection.subflow.congestion == CongestionAlgorithm::Cubic),
        ),
        (
            "ECN",
            sample.count(|s| {
                s.client.connection.ecn == EcnPolicy::Request
                    && s.server.connection.ecn != EcnPolicy::Off
            }),
        ),
        (
            "no ECN",
            sample.side(|s| s.connection.ecn == EcnPolicy::Off),
        ),
        ("no pacing", sample.side(|s| !s.connection.pacing)),
        ("Nagle off", sample.side(|s| s.connection.nodelay)),
        (
            "keepalive",
            sample.side(|s| s.connection.subflow.keepalive.is_some()),
        ),
        (
            "slow acknowledgments",
            sample.side(|s| s.connection.delayed_ack.as_millis() > 300),
        ),
        (
            "cookies",
            sample.side(|s| s.endpoint.syn_cookies == SynCookies::Always),
        ),
    ]);
}

#[test]
fn every_cut_begins_early_and_one_path_heals() {
    let late = Instant::from_millis(60_000);
    for Generated { scenario, .. } in Sample::draw().0 {
        let healed = |cut: &Cut| cut.to.is_some();
        assert!(scenario.paths[0].up.cuts.iter().all(healed));
        let cuts = || scenario.paths.iter().flat_map(|path| &path.up.cuts);
        assert!(cuts().all(|cut| cut.from < late));
    }
}

#[test]
fn troubles_are_diverse() {
    let sample = Sample::draw();
    let rude = |kind: fn(&Kind) -> bool| sample.any(|g| g.rude.iter().any(|rude| kind(&rude.kind)));
    let disturbed =
        |kind: fn(&Disturbance) -> bool| sample.any(|g| g.disturbances.iter().any(kind));
    assert_frequent(&[
        ("strippers", rude(|k| matches!(k, Kind::Strip(_)))),
        ("SYN droppers", rude(|k| matches!(k, Kind::DropSyn(_)))),
        ("NATs", rude(|k| *k == Kind::Nat)),
        ("rewriters", rude(|k| *k == Kind::Rewrite)),
        ("splitters", rude(|k| matches!(k, Kind::Split(_)))),
        ("mergers", rude(|k| matches!(k, Kind::Merge(_)))),
        ("resets", rude(|k| matches!(k, Kind::Reset { .. }))),
        ("proxies", rude(|k| *k == Kind::Acknowledge)),
        ("changers", rude(|k| matches!(k, Kind::Change(_)))),
        ("inserters", rude(|k| matches!(k, Kind::Insert(_)))),
        (
            "later middleboxes",
            sample.any(|g| g.rude.iter().any(|rude| rude.from.is_some())),
        ),
        ("middleboxes on all paths", sample.any(|g| g.rude.len() > 1)),
        (
            "announcements",
            disturbed(|d| matches!(d, Disturbance::Address { announce: true, .. })),
        ),
        (
            "ports announced",
            disturbed(|d| matches!(d, Disturbance::Address { port: Some(_), .. })),
        ),
        (
            "withdrawals",
            disturbed(|d| {
                matches!(
                    d,
                    Disturbance::Address {
                        announce: false,
                        ..
                    }
                )
            }),
        ),
        (
            "priorities by the server",
            disturbed(|d| matches!(d, Disturbance::Backup { host: 1, .. })),
        ),
        (
            "all paths cut",
            sample.count(|s| s.client.connection.user_timeout.as_secs() < 1000),
        ),
        ("aborts", sample.side(|s| s.plan.abort.is_some())),
        (
            "fastclose on acknowledgments",
            sample.side(|s| s.connection.fastclose == FastcloseMethod::Acknowledgment),
        ),
        ("linger", sample.side(|s| s.connection.linger.is_some())),
        (
            "impatience",
            sample.side(|s| s.connection.close_timeout.is_zero()),
        ),
        (
            "an end with an error allowed",
            sample.any(|g| g.promise == Promise::Clear),
        ),
        ("none allowed", sample.any(|g| g.promise == Promise::Intact)),
    ]);
}

#[test]
fn checksum_policies_meet_in_every_combination() {
    const POLICIES: [ChecksumPolicy; 3] = [
        ChecksumPolicy::Offer,
        ChecksumPolicy::Require,
        ChecksumPolicy::Forbid,
    ];
    let sample = Sample::draw();
    let checksums = |client: ChecksumPolicy, server: ChecksumPolicy| {
        sample.any(|g| {
            let Scenario {
                client: Side { connection: c, .. },
                server: Side { connection: s, .. },
                ..
            } = &g.scenario;
            (c.checksum, s.checksum) == (client, server)
        })
    };
    for (client, server) in POLICIES.into_iter().flat_map(|c| POLICIES.map(|s| (c, s))) {
        assert_frequent(&[("checksums of both sides", checksums(client, server))]);
    }
}
