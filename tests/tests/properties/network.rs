//! Random paths and interfaces.

use super::generate::{Generator, Narrow};
use umptcp_lab::link::{Hold, LinkConfig, Loss, Reorder};
use umptcp_lab::world::{Ip, Path, Scenario};
use umptcp_stack::Instant;

impl Generator {
    pub(crate) fn path(&mut self, number: usize) -> Path {
        let (mut up, mut down) = (self.link(), self.link());
        if self.chance(0.15) {
            let from = self.instant(0..=8000);
            // The first path always heals: the connection may have no other.
            let forever = number > 0 && self.chance(0.5);
            let to = (!forever).then(|| from + self.duration(10..=20_000));
            let which = self.among(&[0, 1, 2]);
            if which != 1 {
                up = up.cut(from, to);
            }
            if which != 0 {
                down = down.cut(from, to);
            }
        }
        let ip = if self.chance(0.3) { Ip::V6 } else { Ip::V4 };
        Path { ip, up, down }
    }

    fn link(&mut self) -> LinkConfig {
        let rate = self
            .chance(0.9)
            .then(|| self.magnitude(500_000..=1_000_000_000));
        let mut link = LinkConfig {
            rate,
            delay: self.duration(0..=150),
            queue: self.size(5000..=500_000),
            ..LinkConfig::default()
        };
        if self.chance(0.4) {
            link.loss = if self.chance(0.6) {
                Loss::Bernoulli(self.among(&[0.001, 0.01, 0.05, 0.1]))
            } else {
                // Only packets move the chain on: where a long burst lost them all, so many
                // repetitions of one packet would be lost in a row that the connection gave up.
                let (to_good, loss_bad) = self.among(&[(0.1, 0.5), (0.3, 0.7), (0.5, 0.9)]);
                Loss::GilbertElliott {
                    to_bad: self.among(&[0.002, 0.01, 0.03]),
                    to_good,
                    loss_good: 0.0,
                    loss_bad,
                }
            };
        }
        if self.chance(0.3) {
            link.jitter = self.duration(0..=40);
        }
        if self.chance(0.25) {
            let most = self.among(&[60, 60, 400]);
            let extra_delay = self.duration(1..=most);
            link.reorder = Reorder {
                probability: self.among(&[0.005, 0.05, 0.3, 0.7]),
                extra_delay,
            };
        }
        if self.chance(0.2) {
            link.duplicate = self.among(&[0.01, 0.2, 0.6]);
        }
        if self.chance(0.15) {
            link.holds = self.holds();
        }
        if self.chance(0.2) {
            link.mark_above = Some(link.queue / self.among(&[2, 10]));
        }
        if self.chance(0.2) {
            link.corrupt = self.among(&[0.005, 0.03]);
        }
        link
    }

    /// Times at which a link keeps everything back for a while, one after the other.
    fn holds(&mut self) -> Vec<Hold> {
        let mut free = Instant::ZERO;
        let holds = (0..self.among(&[1, 2, 5])).map(|_| {
            let from = free + self.duration(0..=3000);
            let to = from + self.duration(50..=3000);
            free = to;
            Hold { from, to }
        });
        holds.collect()
    }

    /// What the interfaces of both hosts carry, and what their devices take off the stack.
    pub(crate) fn interfaces(&mut self, scenario: &mut Scenario) {
        let v6 = scenario.paths.iter().any(|path| path.ip == Ip::V6);
        // RFC 8200 §5: an IPv6 link carries 1280 bytes.
        let smallest = if v6 { 1280 } else { 576 };
        for side in [&mut scenario.client, &mut scenario.server] {
            let interface = &mut side.interface;
            interface.mtu = self.among(&[1500, 1500, 1500, 1400, 1280, smallest, 9000]);
            if self.chance(0.3) {
                interface.checksum_offload = true;
                interface.segmentation_offload = Some(self.among(&[4000, 16_000, 65_000]));
            }
        }
        // Where super-segments go as a whole, as over a cable in software, the wire has no MTU.
        if self.chance(0.8) {
            let (client, server) = (scenario.client.interface.mtu, scenario.server.interface.mtu);
            for path in &mut scenario.paths {
                // The MSS keeps both from sending more than the narrower one takes; what the wider
                // one would send before that, there is not.
                path.up.mtu = client.max(server);
                path.down.mtu = client.max(server);
            }
        }
    }

    pub(crate) fn narrow(&mut self, scenario: &Scenario) -> Vec<Narrow> {
        let (client, server) = (scenario.client.interface, scenario.server.interface);
        let most = client.mtu.min(server.mtu);
        let whole = scenario.paths.iter().any(|path| path.up.mtu == u16::MAX);
        if whole && (client.segmentation_offload.or(server.segmentation_offload)).is_some() {
            // A router behind a cable in software: super-segments would not get there.
            return Vec::new();
        }
        let mut narrow = Vec::new();
        for (number, path) in scenario.paths.iter().enumerate() {
            let least = if path.ip == Ip::V6 { 1280 } else { 576 };
            if least < most && self.chance(0.2) {
                narrow.push(Narrow {
                    path: number,
                    mtu: self.mtu(least..most),
                    speaks: self.chance(0.7),
                });
            }
        }
        narrow
    }
}
