//! What sits on the paths and changes what passes (RFC 6824 §6), and what may be promised of a
//! connection all the same.

use super::generate::{Disturbance, Generator, Promise};
use bytes::Bytes;
use umptcp_lab::link::LinkConfig;
use umptcp_lab::world::{
    ChangeBytes, DropMptcpSyn, ForgeReset, InsertBytes, Ip, MergeSegments, Middlebox, Nat,
    OptionsOfMerged, OptionsOfPieces, Pace, Path, ProactiveAck, RewriteSequence, Scenario,
    SplitSegments, StripMptcp, WireId, World,
};
use umptcp_stack::{ChecksumPolicy, Instant};

/// What a middlebox inserts.
const INSERTED: &[u8] = b"a few bytes more";

/// A kind of middlebox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Strip(StripMptcp),
    DropSyn(DropMptcpSyn),
    Nat,
    Rewrite,
    Split(SplitSegments),
    Merge(OptionsOfMerged),
    /// One byte, where it is in the stream of each subflow. Over two neighbours the checksum might
    /// be the same by chance.
    Change(u32),
    Insert(u32),
    Reset {
        behind: u32,
    },
    Acknowledge,
}

/// Which directions of a wire have the middlebox: 0 is from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    Up,
    Down,
    Both,
}

/// A middlebox on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rude {
    pub(crate) path: usize,
    pub(crate) kind: Kind,
    pub(crate) ways: Ways,
    /// When it begins; those that must see the whole of a connection are there from the start.
    pub(crate) from: Option<Instant>,
}

impl Ways {
    fn directions(self) -> &'static [usize] {
        match self {
            Self::Up => &[0],
            Self::Down => &[1],
            Self::Both => &[0, 1],
        }
    }
}

impl Rude {
    /// Puts it on its wire, now.
    pub(crate) fn place(self, world: &mut World, wire: WireId, ip: Ip) {
        match self.kind {
            Kind::Strip(strip) => self.each(world, wire, || strip),
            Kind::DropSyn(drop) => self.each(world, wire, || drop),
            Kind::Rewrite => {
                let seed = self.path as u64;
                self.each(world, wire, || RewriteSequence { seed });
            }
            Kind::Split(split) => self.each(world, wire, || split),
            Kind::Merge(options) => self.each(world, wire, || MergeSegments::new(options)),
            Kind::Change(at) => self.each(world, wire, || ChangeBytes::new(at..at + 1)),
            Kind::Reset { behind } => self.each(world, wire, || ForgeReset::behind(behind)),
            Kind::Nat => {
                let public = match ip {
                    Ip::V4 => format!("192.0.2.{}", self.path + 1),
                    Ip::V6 => format!("2001:db8::{}", self.path + 1),
                };
                pair(world, wire, Nat::pair(public.parse().expect("an address")));
            }
            Kind::Insert(at) => {
                let halves = InsertBytes::pair(at, Bytes::from_static(INSERTED));
                self.turned(world, wire, halves);
            }
            Kind::Acknowledge => self.turned(world, wire, ProactiveAck::pair()),
        }
    }

    fn each<M: Middlebox + 'static>(self, world: &mut World, wire: WireId, new: impl Fn() -> M) {
        for direction in self.ways.directions() {
            world.set_middlebox(wire, *direction, new());
        }
    }

    /// Halves for the direction of the data and the other.
    fn turned<M: Middlebox + 'static>(self, world: &mut World, wire: WireId, halves: [M; 2]) {
        let [there, back] = halves;
        match self.ways {
            Ways::Up | Ways::Both => pair(world, wire, [there, back]),
            Ways::Down => pair(world, wire, [back, there]),
        }
    }

    /// What it leaves of a connection over so many paths that has no other trouble.
    fn promise(self) -> Promise {
        match self.kind {
            Kind::Nat
            | Kind::Rewrite
            | Kind::Split(_)
            // Until MPTCP is tried no more.
            | Kind::DropSyn(_)
            // The checksum tells, and the first path has all bytes.
            | Kind::Change(_) => Promise::Intact,
            // From the start it is TCP, or does not join.
            Kind::Strip(_) if self.from.is_none() => Promise::Intact,
            // What only MPTCP could repair has no other path, perhaps.
            Kind::Strip(_)
            | Kind::Merge(_)
            | Kind::Insert(_)
            | Kind::Reset { .. }
            | Kind::Acknowledge => Promise::Clear,
        }
    }
}

fn pair<M: Middlebox + 'static>(world: &mut World, wire: WireId, halves: [M; 2]) {
    for (direction, half) in halves.into_iter().enumerate() {
        world.set_middlebox(wire, direction, half);
    }
}

impl Generator {
    /// The middleboxes of a scenario, which is changed where they need it, and what they leave.
    pub(crate) fn rude(
        &mut self,
        scenario: &mut Scenario,
        disturbances: &mut Vec<Disturbance>,
    ) -> (Vec<Rude>, Promise) {
        let mut boxes = Vec::new();
        if self.chance(0.4) {
            let path = self.number(scenario.paths.len());
            let rude = self.rude_on(path);
            boxes.push(rude);
            // The same on every path, as where all lead through one provider.
            if path == 0 && self.chance(0.3) && !matches!(rude.kind, Kind::Acknowledge) {
                boxes.extend((1..scenario.paths.len()).map(|path| Rude { path, ..rude }));
            }
        }
        let mut promise = Promise::Intact;
        for rude in &boxes {
            promise = promise.and(rude.promise());
            match rude.kind {
                Kind::Change(_) | Kind::Insert(_) => demand_checksums(scenario, disturbances),
                Kind::Acknowledge => lose_nothing(scenario, rude.path, disturbances),
                // Two segments in one: there is no MTU.
                Kind::Merge(_) => {
                    let path = &mut scenario.paths[rude.path];
                    (path.up.mtu, path.down.mtu) = (u16::MAX, u16::MAX);
                }
                _ => {}
            }
        }
        if !boxes.is_empty() && !disturbances.is_empty() {
            // What works may be what is taken away.
            promise = Promise::Clear;
        }
        (boxes, promise)
    }

    fn rude_on(&mut self, path: usize) -> Rude {
        let from = self.chance(0.5).then(|| self.instant(20..=3000));
        // Where the bytes of the only subflow are changed, nobody could repair that.
        let kind = match self.number(if path == 0 { 8 } else { 10 }) {
            0 => {
                let (on_syn, after_syn) = self.among(&[(true, true), (true, false), (false, true)]);
                Kind::Strip(StripMptcp { on_syn, after_syn })
            }
            1 => Kind::DropSyn(DropMptcpSyn { answers: true }),
            2 => Kind::Nat,
            3 => Kind::Rewrite,
            4 => Kind::Split(SplitSegments {
                payload: self.among(&[333, 700, 1200]),
                options: self.among(&[OptionsOfPieces::All, OptionsOfPieces::First]),
            }),
            5 => Kind::Merge(self.among(&[OptionsOfMerged::First, OptionsOfMerged::Second])),
            6 => Kind::Reset {
                behind: self.among(&[20, 100, 1000]),
            },
            7 => Kind::Acknowledge,
            8 => Kind::Change(self.among(&[0, 700, 20_000])),
            _ => Kind::Insert(self.among(&[100, 20_000])),
        };
        Rude {
            path,
            kind,
            ways: match kind {
                Kind::Rewrite | Kind::Nat => Ways::Both,
                _ => self.among(&[Ways::Up, Ways::Down, Ways::Both]),
            },
            from: from.filter(|_| matches!(kind, Kind::Strip(_) | Kind::Reset { .. })),
        }
    }
}

/// Both sides insist on checksums, and nothing takes the first path away.
fn demand_checksums(scenario: &mut Scenario, disturbances: &mut Vec<Disturbance>) {
    scenario.client.connection.checksum = ChecksumPolicy::Require;
    scenario.server.connection.checksum = ChecksumPolicy::Require;
    disturbances.clear();
}

/// What a proxy has acknowledged arrives, although the proxy does not keep it.
fn lose_nothing(scenario: &mut Scenario, path: usize, disturbances: &mut Vec<Disturbance>) {
    let Path { up, down, .. } = &mut scenario.paths[path];
    for link in [up, down] {
        *link = LinkConfig {
            rate: link.rate,
            delay: link.delay,
            queue: usize::MAX,
            mtu: link.mtu,
            ..LinkConfig::default()
        };
    }
    for side in [&mut scenario.client, &mut scenario.server] {
        // Nor does it keep to the window.
        side.connection.receive_buffer = 64 << 20;
        side.plan.sends = side.plan.sends.min(1_000_000);
        // Who waits for the peer would wait for ever.
        side.plan.pace = Pace::Free;
    }
    disturbances.clear();
}
