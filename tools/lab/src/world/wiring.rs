//! Wires between hosts.

use super::host::{Attachment, Foreign, ForeignHost};
use super::parallel::Links;
use super::wire::{Direction, End};
use super::{ForeignId, HostId, WireId, World};
use crate::link::{Link, LinkConfig};

impl World {
    /// Connects two interfaces, given as host and position, by a wire with a link for each
    /// direction.
    ///
    /// # Panics
    /// If one of them has a wire already.
    pub fn add_wire(
        &mut self,
        a: (HostId, usize),
        b: (HostId, usize),
        a_to_b: LinkConfig,
        b_to_a: LinkConfig,
    ) -> WireId {
        self.add_parallel_wire(a, b, vec![(a_to_b, b_to_a)])
    }

    /// The same with a router at each end, and several links between them, each given as there and
    /// back: flows are spread over them by a hash of their addresses and ports (ECMP).
    ///
    /// # Panics
    /// If one of them has a wire already.
    pub fn add_parallel_wire(
        &mut self,
        a: (HostId, usize),
        b: (HostId, usize),
        links: Vec<(LinkConfig, LinkConfig)>,
    ) -> WireId {
        let ends = [a, b].map(|(host, interface)| End::Interface(host, interface));
        self.lay(ends, links)
    }

    /// Adds a host with another stack, at the other end of a wire from an interface of ours.
    ///
    /// # Panics
    /// If the interface has a wire already.
    pub fn add_foreign_host(
        &mut self,
        name: &str,
        host: Box<dyn ForeignHost>,
        ours: (HostId, usize),
        to_foreign: LinkConfig,
        from_foreign: LinkConfig,
    ) -> ForeignId {
        let id = ForeignId(self.foreign.len());
        let attachment = Attachment {
            wire: self.wires.len(),
            direction: 1,
        };
        self.foreign.push(Foreign {
            name: name.to_owned(),
            host,
            attachment,
        });
        let ends = [End::Interface(ours.0, ours.1), End::Foreign(id)];
        self.lay(ends, vec![(to_foreign, from_foreign)]);
        id
    }

    /// Lays a wire between two ends; the links are those away from each end.
    fn lay(&mut self, ends: [End; 2], links: Vec<(LinkConfig, LinkConfig)>) -> WireId {
        let wire = self.wires.len();
        for (direction, end) in ends.iter().enumerate() {
            if let End::Interface(HostId(host), interface) = *end {
                let interface = &mut self.hosts[host].interfaces[interface];
                assert!(interface.attachment.is_none(), "an interface has one wire");
                interface.attachment = Some(Attachment { wire, direction });
            }
        }
        let names = ends.map(|end| match end {
            End::Interface(HostId(host), _) => self.hosts[host].name.clone(),
            End::Foreign(ForeignId(foreign)) => self.foreign[foreign].name.clone(),
        });
        let seed = self.seed.wrapping_add((wire as u64 + 1) << 32);
        let (there, back): (Vec<_>, Vec<_>) = links.into_iter().unzip();
        let mut direction = |links: Vec<LinkConfig>, from: usize, to: usize| {
            let name = format!("wire {wire}: {} to {}", names[from], names[to]);
            let recorded_as = self.recorder.add_interface(name);
            let seeds = (seed + to as u64..).step_by(2);
            let links = links.into_iter().zip(seeds);
            let links = links
                .map(|(config, seed)| Link::new(config, seed))
                .collect();
            Direction::new(Links::new(links, seed), ends[to], recorded_as)
        };
        let directions = [direction(there, 0, 1), direction(back, 1, 0)];
        self.wires.push(directions);
        WireId(wire)
    }
}
