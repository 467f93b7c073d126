//! Which local addresses and ports sockets are bound to.
//!
//! The endpoint knows ports of connections and listeners; a socket that is only bound is known
//! here. The module owns the rule when two bindings are in each other's way.

use super::Errno;
use std::net::SocketAddr;

/// A binding; its number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindingId(u64);

#[derive(Clone, Copy, Debug)]
struct Binding {
    id: BindingId,
    local: SocketAddr,
    reuse: Reuse,
    listening: bool,
}

/// What a socket shares with others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reuse {
    /// `SO_REUSEADDR`: others that say the same may bind here while nobody listens.
    pub(super) address: bool,
    /// `SO_REUSEPORT`: so may they while somebody does.
    pub(super) port: bool,
}

/// All bindings of a stack's sockets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    bindings: Vec<Binding>,
    next: u64,
    /// Where the search for a free port goes on.
    last_port: u16,
}

/// First of the ports that are given to who asks for none (RFC 6335 §6).
const FIRST_PORT: u16 = 49152;

impl Bindings {
    /// Binds `local`; port 0 gets a free one.
    pub(super) fn bind(
        &mut self,
        local: SocketAddr,
        reuse: Reuse,
        range: (u16, u16),
    ) -> Result<(BindingId, SocketAddr), Errno> {
        let local = if local.port() == 0 {
            self.free_port(local, range)?
        } else if self.is_free(local, reuse) {
            local
        } else {
            return Err(Errno::EADDRINUSE);
        };
        let id = BindingId(self.next);
        self.next += 1;
        self.bindings.push(Binding {
            id,
            local,
            reuse,
            listening: false,
        });
        Ok((id, local))
    }

    /// A listener is in everybody's way who does not share the port.
    pub(super) fn set_listening(&mut self, id: BindingId) -> Result<(), Errno> {
        let Some(&own) = self.bindings.iter().find(|binding| binding.id == id) else {
            return Err(Errno::EINVAL);
        };
        let other = self.bindings.iter().any(|binding| {
            binding.id != id
                && binding.listening
                && overlap(binding.local, own.local)
                && !(binding.reuse.port && own.reuse.port)
        });
        if other {
            return Err(Errno::EADDRINUSE);
        }
        for binding in self.bindings.iter_mut().filter(|binding| binding.id == id) {
            binding.listening = true;
        }
        Ok(())
    }

    pub(super) fn release(&mut self, id: BindingId) {
        self.bindings.retain(|binding| binding.id != id);
    }

    fn is_free(&self, local: SocketAddr, reuse: Reuse) -> bool {
        !self.bindings.iter().any(|binding| {
            let shared = (binding.reuse.address && reuse.address && !binding.listening)
                || (binding.reuse.port && reuse.port);
            overlap(binding.local, local) && !shared
        })
    }

    /// A port that nobody is bound to, within a range whose ends may be left open by 0.
    pub(super) fn free_port(
        &mut self,
        local: SocketAddr,
        range: (u16, u16),
    ) -> Result<SocketAddr, Errno> {
        let first = if range.0 == 0 { FIRST_PORT } else { range.0 };
        let last = if range.1 == 0 { u16::MAX } else { range.1 };
        for _ in first..=last {
            let next = self.last_port.checked_add(1).unwrap_or(first);
            self.last_port = if (first..=last).contains(&next) {
                next
            } else {
                first
            };
            let candidate = SocketAddr::new(local.ip(), self.last_port);
            if self.is_free(candidate, Reuse::default()) {
                return Ok(candidate);
            }
        }
        Err(Errno::EADDRINUSE)
    }
}

/// The same port, of addresses of one family that are equal or of which one is the wildcard.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    const ALONE: Reuse = Reuse {
        address: false,
        port: false,
    };
    const ANY: (u16, u16) = (0, 0);

    #[test]
    fn an_address_is_bound_once() {
        let mut bindings = Bindings::default();
        let (first, local) = bindings.bind(at("10.0.0.1:80"), ALONE, ANY).unwrap();
        assert_eq!(local, at("10.0.0.1:80"));
        let sharing = Reuse {
            address: true,
            port: true,
        };
        for taken in ["10.0.0.1:80", "0.0.0.0:80"] {
            let refused = bindings.bind(at(taken), sharing, ANY);
            assert_eq!(refused, Err(Errno::EADDRINUSE), "{taken}");
        }
        for free in ["10.0.0.2:80", "10.0.0.1:81", "[::]:80"] {
            assert!(bindings.bind(at(free), ALONE, ANY).is_ok(), "{free}");
        }
        bindings.release(first);
        assert!(bindings.bind(at("10.0.0.1:80"), ALONE, ANY).is_ok());
    }

    #[test]
    fn reuse_of_the_address_ends_where_somebody_listens() {
        let mut bindings = Bindings::default();
        let sharing = Reuse {
            address: true,
            port: false,
        };
        let (first, _) = bindings.bind(at("0.0.0.0:80"), sharing, ANY).unwrap();
        let (second, _) = bindings.bind(at("0.0.0.0:80"), sharing, ANY).unwrap();
        assert_eq!(bindings.set_listening(first), Ok(()));
        assert_eq!(bindings.set_listening(second), Err(Errno::EADDRINUSE));
        let third = bindings.bind(at("0.0.0.0:80"), sharing, ANY);
        assert_eq!(third, Err(Errno::EADDRINUSE));
    }

    #[test]
    fn port_0_gets_a_free_one() {
        let mut bindings = Bindings::default();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let (_, local) = bindings.bind(at("0.0.0.0:0"), ALONE, ANY).unwrap();
            assert!(local.port() >= FIRST_PORT && seen.insert(local.port()));
        }
        for port in [700, 701] {
            let (_, local) = bindings.bind(at("0.0.0.0:0"), ALONE, (700, 701)).unwrap();
            assert_eq!(local.port(), port);
        }
        let none = bindings.bind(at("0.0.0.0:0"), ALONE, (700, 701));
        assert_eq!(none, Err(Errno::EADDRINUSE));
    }
}
