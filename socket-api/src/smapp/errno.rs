//! Errors as numbers of the operating system, and what of the stack they stand for.
//!
//! Owns the one table from the stack's reasons to the numbers that the netlink families of the
//! kernels give. It decides nothing.

use nix::errno::Errno;
use umptcp_stack::{
    AddressError, ConnectError, NetworkError, PathEndpointError, ResetReason, SubflowCloseReason,
    SubflowError,
};

/// Errnos are written as numbers.
pub(super) mod number {
    use nix::errno::Errno;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    // The shape that serde wants.
    #[allow(clippy::ref_option)]
    pub(in crate::smapp) fn serialize<S: Serializer>(
        errno: &Option<Errno>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        errno.map(|errno| errno as i32).serialize(serializer)
    }

    pub(in crate::smapp) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Errno>, D::Error> {
        Ok(Option::<i32>::deserialize(deserializer)?.map(Errno::from_raw))
    }
}

/// Why a subflow ended, as its socket would say it; `None` for an end in order or by a command,
/// and where only the address of the peer has gone.
#[must_use]
pub fn of_subflow_end(reason: SubflowCloseReason) -> Option<Errno> {
    match reason {
        SubflowCloseReason::ResetByPeer(_) => Some(Errno::ECONNRESET),
        SubflowCloseReason::Refused(_) => Some(Errno::ECONNREFUSED),
        SubflowCloseReason::TimedOut => Some(Errno::ETIMEDOUT),
        SubflowCloseReason::Unreachable(error) => Some(of_network(error)),
        SubflowCloseReason::LocalAddressGone => Some(Errno::EADDRNOTAVAIL),
        // A command says nothing of the path; anything else is a failure of the protocol.
        SubflowCloseReason::ResetByUs(ResetReason::Unspecified) => None,
        SubflowCloseReason::ResetByUs(_) => Some(Errno::EBADMSG),
        _ => None,
    }
}

/// What the network says of a packet that was not delivered (RFC 1122 §4.2.3.9).
#[must_use]
pub const fn of_network(error: NetworkError) -> Errno {
    match error {
        NetworkError::NetworkUnreachable => Errno::ENETUNREACH,
        NetworkError::ProtocolUnreachable => Errno::ENOPROTOOPT,
        NetworkError::PortUnreachable => Errno::ECONNREFUSED,
        _ => Errno::EHOSTUNREACH,
    }
}

/// Why a subflow could not be opened.
#[must_use]
pub fn of_opening(error: &SubflowError) -> Errno {
    match error {
        SubflowError::UnknownConnection => Errno::EBADR,
        SubflowError::Closed(_) => Errno::EOWNERDEAD,
        SubflowError::NotMultipath => Errno::ENOTCONN,
        SubflowError::NotYet => Errno::EAGAIN,
        SubflowError::LimitReached => Errno::ENOSPC,
        SubflowError::UnknownSubflow => Errno::ESRCH,
        SubflowError::FamiliesDiffer(..) => Errno::EINVAL,
        SubflowError::AnotherInterface(_) => Errno::EADDRNOTAVAIL,
        SubflowError::NotAllowed(_) | SubflowError::DeniedByPeer(_) => Errno::EACCES,
        SubflowError::Address(error) => of_connect(error),
        _ => Errno::EINVAL,
    }
}

fn of_connect(error: &ConnectError) -> Errno {
    match error {
        ConnectError::NoLocalAddress(_)
        | ConnectError::UnknownLocalAddress(_)
        | ConnectError::NoFreePort(_) => Errno::EADDRNOTAVAIL,
        ConnectError::AddressInUse(_) => Errno::EADDRINUSE,
        ConnectError::InvalidRemote(_) => Errno::EINVAL,
        _ => Errno::EINVAL,
    }
}

/// Why an address could not be announced or withdrawn.
pub(super) fn of_address(error: &AddressError) -> Errno {
    match error {
        AddressError::NotPossible => Errno::ENOTCONN,
        _ => Errno::EINVAL,
    }
}

/// Why the endpoints of the host could not be changed.
pub(super) fn of_path_endpoint(error: &PathEndpointError) -> Errno {
    match error {
        PathEndpointError::Full => Errno::ERANGE,
        PathEndpointError::IdInUse(_) => Errno::EBUSY,
        PathEndpointError::Exists(_) => Errno::EEXIST,
        PathEndpointError::NeitherIdNorAddress => Errno::EOPNOTSUPP,
        _ => Errno::EINVAL,
    }
}
