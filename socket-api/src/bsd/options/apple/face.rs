//! Typed functions for Rust programs: the options on anything that has some, and the service on a
//! running stack.

use super::{Action, MPTCP_EXPECTED_PROGRESS_TARGET, MPTCP_SERVICE_TYPE, ServiceType};
use crate::bsd::Errno;
use crate::bsd::options::SocketOptions;
use crate::bsd::options::rfc6897::set_multipath_enabled;
use crate::stack_socket::StackSocket;
use std::io;
use std::time::Duration;

const TCP: i32 = libc::IPPROTO_TCP;

/// `URLSessionConfiguration.multipathServiceType` and `NWParameters.multipathServiceType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MultipathService {
    /// 0: plain TCP.
    #[default]
    None,
    /// 1.
    Handover,
    /// 2.
    Interactive,
    /// 3.
    Aggregate,
}

impl MultipathService {
    /// What the kernel knows it as; nothing stands for plain TCP.
    #[must_use]
    pub const fn service_type(self) -> Option<ServiceType> {
        match self {
            Self::None => None,
            Self::Handover => Some(ServiceType::Handover),
            Self::Interactive => Some(ServiceType::Interactive),
            Self::Aggregate => Some(ServiceType::Aggregate),
        }
    }
}

/// Sets a socket up before it connects, by the names of the public API.
///
/// # Errors
/// `EACCES` without the entitlement, `EINVAL` if the socket connects already.
pub fn set_multipath_service(
    socket: &impl SocketOptions,
    service: MultipathService,
) -> io::Result<()> {
    let service = service.service_type();
    set_multipath_enabled(socket, service.is_some())?;
    service.map_or(Ok(()), |service| set_service_type(socket, service))
}

/// Chooses how paths are used.
///
/// # Errors
/// `EACCES` without the entitlement, `EOPNOTSUPP` on plain TCP.
pub fn set_service_type(socket: &impl SocketOptions, service: ServiceType) -> io::Result<()> {
    let value = service.number().to_ne_bytes();
    socket.setsockopt(TCP, MPTCP_SERVICE_TYPE, &value)
}

/// How paths are used.
///
/// # Errors
/// `EOPNOTSUPP` on plain TCP.
pub fn service_type(socket: &impl SocketOptions) -> io::Result<ServiceType> {
    let mut value = [0; 4];
    socket.getsockopt(TCP, MPTCP_SERVICE_TYPE, &mut value)?;
    Ok(ServiceType::of_number(i32::from_ne_bytes(value))?)
}

/// When what is waiting is to have arrived, from now on; zero for no such wish.
///
/// # Errors
/// `EOPNOTSUPP` on plain TCP.
pub fn set_progress_target(socket: &impl SocketOptions, within: Duration) -> io::Result<()> {
    let nanos = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
    socket.setsockopt(TCP, MPTCP_EXPECTED_PROGRESS_TARGET, &nanos.to_ne_bytes())
}

/// [`Socket::run_service`](crate::bsd::Socket::run_service) on a running stack.
///
/// # Errors
/// `EOPNOTSUPP` on plain TCP, `ENOTCONN` without a connection.
pub fn run_service(socket: &StackSocket) -> io::Result<Vec<Action>> {
    let done: Result<_, Errno> = socket.with(|socket, net| socket.run_service(net));
    Ok(done?)
}
