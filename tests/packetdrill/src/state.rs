//! Everything a host has, behind one lock: the stack, its clock, its descriptors, and the packets
//! that nobody has fetched yet.
//!
//! The module owns what happens at one moment. It never waits; [`host`](crate::host) does.

use crate::clock::Clock;
use crate::descriptor::{Descriptor, Handle, Object, Table};
use crate::epoll::Ready;
use crate::flags::Settings;
use crate::pipe::Pipes;
use bytes::Bytes;
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::collections::VecDeque;
use std::net::IpAddr;
use umptcp::bsd::{Errno, Net, System};
use umptcp_stack::{
    ChecksumStatus, Endpoint, Instant, InterfaceConfig, InterfaceId, ReceivedPacket,
};

/// Sets of sets of sets: how deep their readiness is looked into, as in Linux (ELOOP beyond).
const MOST_NESTED: usize = 5;

/// A packet that has left the stack.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// When.
    pub sent_at: Instant,
    /// The packet from its IP header on.
    pub packet: Bytes,
}

/// The state of a host.
#[derive(Debug)]
pub struct State {
    /// The stack.
    pub endpoint: Endpoint,
    /// What its sockets have in common.
    pub system: System,
    /// The time.
    pub clock: Clock,
    /// Descriptors.
    pub table: Table,
    /// Pipes.
    pub pipes: Pipes,
    /// What has left the stack, in order.
    pub outgoing: VecDeque<Outgoing>,
    interface: InterfaceId,
    local: Vec<IpAddr>,
}

impl State {
    /// A host as the settings want it.
    ///
    /// # Errors
    /// `EIO` if there is no randomness to start from; `EADDRNOTAVAIL` if an address is told of twice
    /// to the path manager.
    pub fn new(settings: &Settings) -> Result<Self, Errno> {
        let clock = Clock::new(settings.time);
        let now = clock.now();
        let mut endpoint = Endpoint::new(settings.endpoint.clone(), seed(settings.seed)?);
        let interface = endpoint.add_interface(InterfaceConfig {
            mtu: settings.mtu(),
            ..InterfaceConfig::default()
        });
        for &address in &settings.local {
            endpoint.add_address(now, interface, address);
        }
        for &path_endpoint in &settings.path_endpoints {
            endpoint
                .add_path_endpoint(now, path_endpoint)
                .map_err(|_| Errno::EADDRNOTAVAIL)?;
        }
        endpoint
            .set_path_limits(now, settings.path_limits)
            .map_err(|_| Errno::EINVAL)?;
        let mut system = System::default();
        system.defaults = settings.connection.clone();
        // Scripts bind whatever port they like.
        system.privileged = true;
        Ok(Self {
            endpoint,
            system,
            clock,
            table: Table::default(),
            pipes: Pipes::default(),
            outgoing: VecDeque::new(),
            interface,
            local: settings.local.clone(),
        })
    }

    /// The stack for a call on a socket, and the descriptors.
    pub fn parts(&mut self) -> (&mut Table, Net<'_>) {
        let net = Net {
            now: self.clock.now(),
            endpoint: &mut self.endpoint,
            system: &mut self.system,
        };
        (&mut self.table, net)
    }

    /// The stack alone.
    pub fn net(&mut self) -> Net<'_> {
        self.parts().1
    }

    /// A packet arrives. One that is not for an address of ours is nobody's.
    pub fn receive(&mut self, packet: Bytes) {
        if destination(&packet).is_none_or(|to| !self.local.contains(&to)) {
            return;
        }
        let packet = ReceivedPacket {
            data: packet,
            checksum: ChecksumStatus::Unverified,
        };
        let now = self.clock.now();
        self.endpoint.handle_packet(now, self.interface, &packet);
    }

    /// Does what is due; true if something was.
    pub fn run_timers(&mut self) -> bool {
        let now = self.clock.now();
        let due = self.next_deadline().is_some_and(|deadline| deadline <= now);
        if due {
            self.endpoint.handle_timeout(now);
        }
        due
    }

    /// When the stack has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    /// Takes out what the stack wants to send.
    pub fn collect(&mut self) {
        let now = self.clock.now();
        while let Some(transmit) = self.endpoint.poll_transmit(now) {
            self.outgoing.push_back(Outgoing {
                sent_at: now,
                packet: transmit.to_bytes(),
            });
        }
        // Whoever waits looks at the state itself.
        while self.endpoint.poll_event().is_some() {}
    }

    /// What `poll` would say of a descriptor.
    pub fn poll_bits(&mut self, handle: Handle) -> Result<i16, Errno> {
        let ready = self.ready(handle, 0)?;
        // The bits of poll are the low ones of epoll.
        Ok(i16::try_from(ready.events & 0x7fff).unwrap_or(0))
    }

    /// What epoll would say of a descriptor, `depth` sets down.
    pub fn ready(&mut self, handle: Handle, depth: usize) -> Result<Ready, Errno> {
        let now = self.clock.now();
        let Descriptor { object, .. } = self.table.get_mut(handle)?;
        let bits = match object {
            Object::Socket(socket) => {
                let mut net = Net {
                    now,
                    endpoint: &mut self.endpoint,
                    system: &mut self.system,
                };
                let bits = socket.readiness(&mut net).poll_bits();
                return Ok(Ready {
                    events: bits_of_poll(bits),
                    // A listener has no bytes.
                    unread: socket.bytes_to_read(&net).unwrap_or(0),
                });
            }
            Object::Pipe(pipe, end) => {
                let events = bits_of_poll(self.pipes.poll_bits(*pipe, *end));
                let unread = self.pipes.len(*pipe);
                return Ok(Ready { events, unread });
            }
            Object::Epoll(set) => set.handles(),
        };
        if depth >= MOST_NESTED {
            return Err(Errno::ELOOP);
        }
        let mut events = 0;
        for inner in bits {
            let Ok(ready) = self.ready(inner, depth + 1) else {
                continue;
            };
            if self.table.epoll(handle)?.has_news(inner, ready) {
                events = bits_of_poll(libc::POLLIN | libc::POLLRDNORM);
            }
        }
        Ok(Ready { events, unread: 0 })
    }

    /// Closes a descriptor; sets forget it.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, number: i32) -> Result<(), Errno> {
        let closed = self.table.handle(number)?;
        let object = self.table.remove(number)?;
        for other in self.table.numbers() {
            let other = self.table.handle(other)?;
            if let Ok(set) = self.table.epoll(other) {
                set.forget(closed);
            }
        }
        match object {
            Object::Socket(socket) => socket.close(&mut self.net()),
            Object::Pipe(pipe, end) => self.pipes.close(pipe, end),
            Object::Epoll(_) => {}
        }
        Ok(())
    }
}

fn bits_of_poll(bits: i16) -> u32 {
    u32::from(bits.cast_unsigned())
}

/// Where randomness grows from.
fn seed(wanted: Option<u64>) -> Result<[u8; 32], Errno> {
    let mut seed = [0; 32];
    match wanted {
        Some(number) => seed[..8].copy_from_slice(&number.to_le_bytes()),
        None => SysRng.try_fill_bytes(&mut seed).map_err(|_| Errno::EIO)?,
    }
    Ok(seed)
}

/// The destination of an IP packet (RFC 791 §3.1, RFC 8200 §3).
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(IpAddr::from(*packet.get(16..)?.first_chunk::<4>()?)),
        6 => Some(IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_the_same_seed() {
        assert_eq!(seed(Some(7)).unwrap(), seed(Some(7)).unwrap());
        assert_ne!(seed(Some(7)).unwrap(), seed(Some(8)).unwrap());
        assert_ne!(seed(None).unwrap(), seed(None).unwrap());
    }

    #[test]
    fn destinations_are_read_from_both_families() {
        let mut v4 = [0; 20];
        v4[0] = 0x45;
        v4[16..].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(destination(&v4), Some("192.0.2.1".parse().unwrap()));
        let mut v6 = [0; 40];
        v6[0] = 0x60;
        v6[39] = 9;
        assert_eq!(destination(&v6), Some("::9".parse().unwrap()));
        for bad in [&[][..], &v4[..19], &v6[..39], &[0; 40]] {
            assert_eq!(destination(bad), None);
        }
    }
}
