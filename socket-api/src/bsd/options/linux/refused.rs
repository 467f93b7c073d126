//! Which ordinary options Linux refuses on an MPTCP socket, and how (API reference 4.4, measured for
//! every number on Linux 6.18).
//!
//! The module owns the tables. They bind sockets under the profile `Linux` only; what has fallen back is
//! refused nothing but at level `SOL_SOCKET`.

use crate::bsd::{Errno, Family};

/// Options of `SOL_SOCKET` that may be set; the others give `EOPNOTSUPP`.
const SOCKET_LEVEL: [i32; 39] = [
    1, 2, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 18, 20, 21, 25, 29, 32, 33, 34, 35, 36, 37, 40,
    41, 43, 45, 46, 49, 62, 63, 64, 65, 66, 67, 69, 70, 76,
];

/// Options of `IPPROTO_TCP` that may be set; the others give `ENOPROTOOPT`.
const TCP_LEVEL: [i32; 14] = [1, 2, 3, 4, 5, 6, 9, 13, 23, 25, 30, 33, 34, 36];
/// Further ones that may be asked for; the others give `EOPNOTSUPP`.
const TCP_LEVEL_GET: [i32; 4] = [11, 26, 31, 43];

/// Options of `IPPROTO_IP` that may be set and asked for.
const IP_LEVEL: [i32; 5] = [1, 15, 19, 24, 51];
/// Those that give `EOPNOTSUPP` when set; the others give `ENOPROTOOPT`.
const IP_LEVEL_UNDONE: [i32; 14] = [2, 6, 7, 8, 10, 11, 12, 13, 18, 20, 21, 23, 25, 26];

/// The same for `IPPROTO_IPV6`.
const IPV6_LEVEL: [i32; 3] = [26, 75, 78];
const IPV6_LEVEL_UNDONE: [i32; 28] = [
    2, 3, 4, 5, 6, 8, 11, 16, 23, 24, 25, 31, 32, 33, 49, 50, 51, 53, 56, 58, 60, 62, 66, 67, 70,
    73, 74, 77,
];

/// Whether `setsockopt` is refused.
///
/// # Errors
/// What it gives.
pub(in crate::bsd) fn check_set(
    family: Family,
    is_mptcp: bool,
    level: i32,
    name: i32,
) -> Result<(), Errno> {
    match level {
        libc::SOL_SOCKET if SOCKET_LEVEL.contains(&name) => Ok(()),
        libc::SOL_SOCKET => Err(Errno::EOPNOTSUPP),
        _ if !is_mptcp => Ok(()),
        libc::IPPROTO_TCP if TCP_LEVEL.contains(&name) => Ok(()),
        libc::IPPROTO_IP if IP_LEVEL.contains(&name) => Ok(()),
        libc::IPPROTO_IP if IP_LEVEL_UNDONE.contains(&name) => Err(Errno::EOPNOTSUPP),
        libc::IPPROTO_IPV6 if family == Family::V6 && IPV6_LEVEL.contains(&name) => Ok(()),
        libc::IPPROTO_IPV6 if IPV6_LEVEL_UNDONE.contains(&name) => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::ENOPROTOOPT),
    }
}

/// Whether `getsockopt` is refused.
///
/// # Errors
/// What it gives.
pub(in crate::bsd) fn check_get(is_mptcp: bool, level: i32, name: i32) -> Result<(), Errno> {
    let known = match level {
        _ if !is_mptcp => true,
        libc::SOL_SOCKET | super::super::SOL_MPTCP => true,
        libc::IPPROTO_TCP => TCP_LEVEL.contains(&name) || TCP_LEVEL_GET.contains(&name),
        libc::IPPROTO_IP => IP_LEVEL.contains(&name),
        libc::IPPROTO_IPV6 => IPV6_LEVEL.contains(&name),
        _ => false,
    };
    known.then_some(()).ok_or(Errno::EOPNOTSUPP)
}
