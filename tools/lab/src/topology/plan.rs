//! Who has which address: the numbering that every part of a topology agrees on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most paths a plan can have; a peer's address identifiers and the command line agree on it.
pub const MAX_PATHS: usize = 8;

/// The Internet Protocol that the paths carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Length of the prefix that holds one address.
    #[must_use]
    pub const fn host_prefix(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// Addresses and device names of a client and a server joined by a number of paths, and of the
/// kernel in between.
///
/// Path `i` has the devices `c<i>` and `s<i>`. All addresses are private (RFC 1918, RFC 4193).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPlan {
    /// Of path 0, where connections begin.
    first: Family,
    /// Of the others.
    others: Family,
    paths: u8,
}

/// The second number of an address tells whose it is.
const CLIENT: u8 = 77;
const SERVER: u8 = 78;
const KERNEL: u8 = 79;

impl AddressPlan {
    /// A plan for a number of paths; more than [`MAX_PATHS`] are cut to it, and 0 is 1.
    #[must_use]
    pub fn new(family: Family, paths: usize) -> Self {
        let paths = u8::try_from(paths.clamp(1, MAX_PATHS)).unwrap_or(1);
        Self {
            first: family,
            others: family,
            paths,
        }
    }

    /// The same with another family on path 0 than on all others.
    #[must_use]
    pub fn mixed(first: Family, paths: usize) -> Self {
        Self {
            others: first.other(),
            ..Self::new(first, paths)
        }
    }

    /// How many paths there are.
    #[must_use]
    pub const fn paths(self) -> usize {
        self.paths as usize
    }

    /// The client's device of a path.
    #[must_use]
    pub fn client_device(self, path: usize) -> String {
        format!("c{path}")
    }

    /// The server's device of a path.
    #[must_use]
    pub fn server_device(self, path: usize) -> String {
        format!("s{path}")
    }

    /// The client's address on a path.
    #[must_use]
    pub fn client(self, path: usize) -> IpAddr {
        self.address(CLIENT, path, 2)
    }

    /// The server's address on a path.
    #[must_use]
    pub fn server(self, path: usize) -> IpAddr {
        self.address(SERVER, path, 2)
    }

    /// An address for the kernel itself; the `index`-th of those it may want.
    #[must_use]
    pub fn kernel(self, index: usize) -> IpAddr {
        self.address(KERNEL, index, 1)
    }

    /// The path that an address of the client or the server belongs to.
    #[must_use]
    pub fn path_of(self, address: IpAddr) -> Option<usize> {
        (0..self.paths()).find(|&path| self.client(path) == address || self.server(path) == address)
    }

    fn address(self, owner: u8, index: usize, host: u8) -> IpAddr {
        let family = if index == 0 { self.first } else { self.others };
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        match family {
            Family::V4 => Ipv4Addr::new(10, owner, index, host).into(),
            // The owner reads as the same digits in both families: fd77::, fd78::, fd79::.
            Family::V6 => {
                let first = 0xfd00 | u16::from(owner / 10 * 16 + owner % 10);
                Ipv6Addr::new(first, 0, 0, index.into(), 0, 0, 0, host.into()).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn addresses_read_the_same_in_both_families() {
        let v4 = AddressPlan::new(Family::V4, 2);
        assert_eq!(v4.client(1).to_string(), "10.77.1.2");
        assert_eq!(v4.server(0).to_string(), "10.78.0.2");
        assert_eq!(v4.kernel(0).to_string(), "10.79.0.1");
        let v6 = AddressPlan::new(Family::V6, 2);
        assert_eq!(v6.client(1).to_string(), "fd77:0:0:1::2");
        assert_eq!(v6.server(1).to_string(), "fd78:0:0:1::2");
        assert_eq!(v6.kernel(0).to_string(), "fd79::1");
    }

    #[test]
    fn no_address_is_given_twice() {
        let uniform = [Family::V4, Family::V6].map(|family| AddressPlan::new(family, MAX_PATHS));
        let mixed = [Family::V4, Family::V6].map(|first| AddressPlan::mixed(first, MAX_PATHS));
        for plan in uniform.into_iter().chain(mixed) {
            let all: HashSet<IpAddr> = (0..plan.paths())
                .flat_map(|path| [plan.client(path), plan.server(path), plan.kernel(path)])
                .collect();
            assert_eq!(all.len(), 3 * MAX_PATHS);
            assert_eq!(plan.path_of(plan.server(5)), Some(5));
            assert_eq!(plan.path_of(plan.kernel(5)), None);
        }
    }

    #[test]
    fn a_mixed_plan_has_one_family_on_the_first_path_only() {
        let plan = AddressPlan::mixed(Family::V6, 3);
        let v4 = [0, 1, 2].map(|path| plan.client(path).is_ipv4());
        assert_eq!(v4, [false, true, true]);
    }
}
