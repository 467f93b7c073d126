//! The one table from the stack's errors to errnos (API reference 8.2), for all front ends.
//!
//! The module owns the mapping and nothing else.

use super::Errno;
use umptcp_stack::{
    AbortError, AddressError, CloseReason, ConnectError, ListenError, NetworkError,
    PathEndpointError, ReadError, SubflowCloseReason, SubflowError, WriteError,
};

/// An error of the stack that C programs know under a number.
pub trait ToErrno {
    /// Its number.
    fn to_errno(self) -> Errno;
}

impl ToErrno for NetworkError {
    fn to_errno(self) -> Errno {
        match self {
            Self::NetworkUnreachable => Errno::ENETUNREACH,
            // As Linux maps the ICMP codes.
            Self::PortUnreachable => Errno::ECONNREFUSED,
            Self::ProtocolUnreachable => Errno::ENOPROTOOPT,
            _ => Errno::EHOSTUNREACH,
        }
    }
}

impl ToErrno for CloseReason {
    fn to_errno(self) -> Errno {
        match self {
            Self::Finished => Errno::ENOTCONN,
            Self::ResetByPeer => Errno::ECONNRESET,
            Self::Refused => Errno::ECONNREFUSED,
            Self::Unreachable(error) => error.to_errno(),
            // A kernel socket whose only path is lost gives ETIMEDOUT, too.
            Self::TimedOut | Self::AllPathsLost => Errno::ETIMEDOUT,
            _ => Errno::ECONNABORTED,
        }
    }
}

impl ToErrno for ConnectError {
    fn to_errno(self) -> Errno {
        match self {
            // No route leads to an address of another family than ours.
            Self::NoLocalAddress(_) => Errno::ENETUNREACH,
            Self::UnknownLocalAddress(_) | Self::NoFreePort(_) => Errno::EADDRNOTAVAIL,
            Self::AddressInUse(_) => Errno::EADDRINUSE,
            _ => Errno::EINVAL,
        }
    }
}

impl ToErrno for ListenError {
    fn to_errno(self) -> Errno {
        match self {
            Self::AddressInUse(_) => Errno::EADDRINUSE,
            _ => Errno::EINVAL,
        }
    }
}

impl ToErrno for ReadError {
    fn to_errno(self) -> Errno {
        match self {
            Self::Blocked => Errno::EAGAIN,
            Self::Closed(reason) => reason.to_errno(),
            _ => Errno::ENOTCONN,
        }
    }
}

impl ToErrno for WriteError {
    fn to_errno(self) -> Errno {
        match self {
            Self::Blocked => Errno::EAGAIN,
            Self::ShutDown | Self::Closed(CloseReason::Finished) => Errno::EPIPE,
            Self::Closed(reason) => reason.to_errno(),
            _ => Errno::ENOTCONN,
        }
    }
}

impl ToErrno for AbortError {
    fn to_errno(self) -> Errno {
        Errno::ENOTCONN
    }
}

impl ToErrno for AddressError {
    fn to_errno(self) -> Errno {
        match self {
            Self::UnknownConnection => Errno::ENOTCONN,
            Self::UnknownAddress(_) => Errno::EADDRNOTAVAIL,
            _ => Errno::EOPNOTSUPP,
        }
    }
}

impl ToErrno for SubflowError {
    fn to_errno(self) -> Errno {
        match self {
            Self::UnknownConnection => Errno::ENOTCONN,
            Self::NotMultipath => Errno::EOPNOTSUPP,
            Self::NotYet => Errno::EAGAIN,
            Self::Closed(_) => Errno::ENOTCONN,
            Self::LimitReached => Errno::ENOSPC,
            Self::DeniedByPeer(_) | Self::NotAllowed(_) => Errno::EACCES,
            Self::AnotherInterface(_) => Errno::EADDRNOTAVAIL,
            Self::Address(cause) => cause.to_errno(),
            // A bad id, families that differ.
            _ => Errno::EINVAL,
        }
    }
}

/// Why a subflow ended; nothing if it was in order.
pub(super) fn subflow_errno(reason: SubflowCloseReason) -> Option<Errno> {
    Some(match reason {
        SubflowCloseReason::ClosedByUs
        | SubflowCloseReason::ClosedByPeer
        | SubflowCloseReason::ConnectionEnded => return None,
        SubflowCloseReason::ResetByUs(_) => Errno::ECONNABORTED,
        SubflowCloseReason::ResetByPeer(_) => Errno::ECONNRESET,
        SubflowCloseReason::Refused(_) => Errno::ECONNREFUSED,
        SubflowCloseReason::TimedOut => Errno::ETIMEDOUT,
        SubflowCloseReason::Unreachable(error) => error.to_errno(),
        SubflowCloseReason::LocalAddressGone => Errno::ENETDOWN,
        SubflowCloseReason::RemoteAddressGone => Errno::EHOSTUNREACH,
        _ => Errno::EIO,
    })
}

/// As Linux's path manager answers over netlink (API reference 3.3).
impl ToErrno for PathEndpointError {
    fn to_errno(self) -> Errno {
        match self {
            Self::Full => Errno::ERANGE,
            Self::IdInUse(_) => Errno::EBUSY,
            Self::Exists(_) => Errno::EEXIST,
            Self::NeitherIdNorAddress => Errno::EOPNOTSUPP,
            // Also what does not exist.
            _ => Errno::EINVAL,
        }
    }
}
