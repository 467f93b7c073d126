//! Socket addresses as bytes: `sockaddr_in` and `sockaddr_in6` of the System V ABI.
//!
//! The module owns the two layouts. An IPv6 socket sees IPv4 addresses mapped (RFC 4291 §2.5.5.2);
//! the stack never does.

use super::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Bytes of a `sockaddr_in`.
pub const SOCKADDR_IN_LEN: usize = 16;
/// Bytes of a `sockaddr_in6`.
pub const SOCKADDR_IN6_LEN: usize = 28;

/// The family of a socket's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`; IPv4 addresses appear mapped.
    V6,
}

impl Family {
    /// The family with this number.
    ///
    /// # Errors
    /// `EAFNOSUPPORT` for any other number.
    pub const fn of_number(number: i32) -> Result<Self, Errno> {
        match number {
            libc::AF_INET => Ok(Self::V4),
            libc::AF_INET6 => Ok(Self::V6),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::V4 => libc::AF_INET,
            Self::V6 => libc::AF_INET6,
        }
    }

    /// The wildcard address with port 0.
    #[must_use]
    pub const fn unspecified(self) -> SocketAddr {
        match self {
            Self::V4 => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            Self::V6 => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
        }
    }
}

/// A socket address in the layout of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockAddr(SocketAddr);

impl SockAddr {
    /// The address as a socket of this family shows it: IPv6 sockets show IPv4 addresses mapped.
    #[must_use]
    pub fn shown_by(family: Family, address: SocketAddr) -> Self {
        match (family, address) {
            (Family::V6, SocketAddr::V4(v4)) => Self(SocketAddr::V6(SocketAddrV6::new(
                v4.ip().to_ipv6_mapped(),
                v4.port(),
                0,
                0,
            ))),
            (Family::V4, _) | (Family::V6, SocketAddr::V6(_)) => Self(address),
        }
    }

    /// The address as it is, whatever the family of the socket.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Reads an address that a caller gave.
    ///
    /// # Errors
    /// `EINVAL` if it is too short for its family, `EAFNOSUPPORT` for a family that is neither.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Errno> {
        let family = bytes.first_chunk().ok_or(Errno::EINVAL)?;
        match Family::of_number(i32::from(u16::from_ne_bytes(*family)))? {
            Family::V4 => {
                let bytes: &[u8; SOCKADDR_IN_LEN] = bytes.first_chunk().ok_or(Errno::EINVAL)?;
                let port = u16::from_be_bytes([bytes[2], bytes[3]]);
                let address = Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]);
                Ok(Self(SocketAddr::new(address.into(), port)))
            }
            Family::V6 => {
                let bytes: &[u8; SOCKADDR_IN6_LEN] = bytes.first_chunk().ok_or(Errno::EINVAL)?;
                let port = u16::from_be_bytes([bytes[2], bytes[3]]);
                let mut address = [0; 16];
                address.copy_from_slice(&bytes[8..24]);
                let flow = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
                let scope = u32::from_ne_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
                Ok(Self(SocketAddr::V6(SocketAddrV6::new(
                    address.into(),
                    port,
                    flow,
                    scope,
                ))))
            }
        }
    }

    /// The address in the layout of C, 16 or 28 bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        // The numbers of both families fit.
        let number = |family: Family| u16::try_from(family.number()).unwrap_or(0).to_ne_bytes();
        match self.0 {
            SocketAddr::V4(address) => {
                let mut bytes = vec![0; SOCKADDR_IN_LEN];
                bytes[..2].copy_from_slice(&number(Family::V4));
                bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&address.ip().octets());
                bytes
            }
            SocketAddr::V6(address) => {
                let mut bytes = vec![0; SOCKADDR_IN6_LEN];
                bytes[..2].copy_from_slice(&number(Family::V6));
                bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&address.flowinfo().to_be_bytes());
                bytes[8..24].copy_from_slice(&address.ip().octets());
                bytes[24..28].copy_from_slice(&address.scope_id().to_ne_bytes());
                bytes
            }
        }
    }

    /// The address for the stack: mapped IPv4 addresses become plain ones.
    #[must_use]
    pub fn for_stack(self) -> SocketAddr {
        SocketAddr::new(self.0.ip().to_canonical(), self.0.port())
    }

    /// The address as a caller gave it, mapped or not.
    #[must_use]
    pub const fn as_given(self) -> SocketAddr {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_those_of_linux() {
        let v4 = SockAddr::plain("192.0.2.1:258".parse().unwrap());
        let mut expected = vec![0; 16];
        expected[..2].copy_from_slice(&2_u16.to_ne_bytes());
        expected[2..8].copy_from_slice(&[1, 2, 192, 0, 2, 1]);
        assert_eq!(v4.to_bytes(), expected);

        let v6 = SockAddr::plain("[2001:db8::1]:258".parse().unwrap());
        let bytes = v6.to_bytes();
        assert_eq!(bytes.len(), 28);
        assert_eq!(bytes[..2], 10_u16.to_ne_bytes());
        assert_eq!(bytes[2..4], [1, 2]);
        assert_eq!(bytes[8..12], [0x20, 1, 0xd, 0xb8]);
        assert_eq!(bytes[23], 1);
        for address in [v4, v6] {
            assert_eq!(SockAddr::from_bytes(&address.to_bytes()), Ok(address));
        }
    }

    #[test]
    fn bad_addresses_are_refused() {
        for (bytes, errno) in [
            (vec![], Errno::EINVAL),
            (vec![2], Errno::EINVAL),
            (2_u16.to_ne_bytes().to_vec(), Errno::EINVAL),
            (
                [10_u16.to_ne_bytes().as_slice(), &[0; 25]].concat(),
                Errno::EINVAL,
            ),
            (
                [1_u16.to_ne_bytes().as_slice(), &[0; 26]].concat(),
                Errno::EAFNOSUPPORT,
            ),
        ] {
            assert_eq!(SockAddr::from_bytes(&bytes), Err(errno), "{bytes:?}");
        }
    }

    #[test]
    fn an_ipv6_socket_shows_ipv4_addresses_mapped() {
        let address: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let shown = SockAddr::shown_by(Family::V6, address);
        assert_eq!(shown.as_given(), "[::ffff:192.0.2.1]:80".parse().unwrap());
        assert_eq!(shown.for_stack(), address);
        assert_eq!(SockAddr::shown_by(Family::V4, address).as_given(), address);
    }
}
