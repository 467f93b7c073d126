//! The stack's errors as `io::Error`s: the kind is what a socket of the operating system would
//! give, the text and the source stay the stack's own.

use std::error::Error;
use std::io;
use umptcp_stack::{
    AbortError, AddressError, CloseReason, ConnectError, ListenError, NetworkError, ReadError,
    SubflowError, WriteError,
};

/// An error of the stack that has an `io::ErrorKind`.
pub(crate) trait StackError: Error + Send + Sync + Sized + 'static {
    /// The kind a socket of the operating system would give.
    fn kind(&self) -> io::ErrorKind;

    /// The operation is not possible yet: wait, then try again.
    fn is_blocked(&self) -> bool {
        false
    }

    /// Wraps the error, so that its text and type stay available.
    fn into_io(self) -> io::Error {
        io::Error::new(self.kind(), self)
    }
}

impl StackError for CloseReason {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Finished => io::ErrorKind::NotConnected,
            Self::ResetByPeer => io::ErrorKind::ConnectionReset,
            Self::Refused => io::ErrorKind::ConnectionRefused,
            // As a kernel socket maps them.
            Self::Unreachable(NetworkError::NetworkUnreachable) => {
                io::ErrorKind::NetworkUnreachable
            }
            Self::Unreachable(NetworkError::PortUnreachable) => io::ErrorKind::ConnectionRefused,
            Self::Unreachable(_) => io::ErrorKind::HostUnreachable,
            // A kernel socket whose only path is lost gives ETIMEDOUT, too.
            Self::TimedOut | Self::AllPathsLost => io::ErrorKind::TimedOut,
            Self::Aborted | Self::ProtocolViolation => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Other,
        }
    }
}

impl StackError for ConnectError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::NoLocalAddress(_) | Self::UnknownLocalAddress(_) | Self::NoFreePort(_) => {
                io::ErrorKind::AddrNotAvailable
            }
            Self::AddressInUse(_) => io::ErrorKind::AddrInUse,
            Self::InvalidRemote(_) => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        }
    }
}

impl StackError for ListenError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            // EADDRINUSE also where `bind` finds no ephemeral port.
            Self::AddressInUse(_) | Self::NoFreePort(_) => io::ErrorKind::AddrInUse,
            _ => io::ErrorKind::Other,
        }
    }
}

impl StackError for ReadError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Blocked => io::ErrorKind::WouldBlock,
            Self::Closed(reason) => reason.kind(),
            Self::UnknownConnection => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        }
    }

    fn is_blocked(&self) -> bool {
        *self == Self::Blocked
    }
}

impl StackError for WriteError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Blocked => io::ErrorKind::WouldBlock,
            // EPIPE: nobody will read what is written from now on.
            Self::ShutDown | Self::Closed(CloseReason::Finished) => io::ErrorKind::BrokenPipe,
            Self::Closed(reason) => reason.kind(),
            Self::UnknownConnection => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        }
    }

    fn is_blocked(&self) -> bool {
        *self == Self::Blocked
    }
}

impl StackError for AbortError {
    fn kind(&self) -> io::ErrorKind {
        io::ErrorKind::NotConnected
    }
}

impl StackError for AddressError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::UnknownConnection => io::ErrorKind::NotConnected,
            Self::UnknownAddress(_) => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        }
    }
}

impl StackError for SubflowError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::UnknownConnection => io::ErrorKind::NotConnected,
            Self::UnknownSubflow => io::ErrorKind::NotFound,
            Self::NotMultipath => io::ErrorKind::Unsupported,
            Self::NotYet => io::ErrorKind::WouldBlock,
            Self::Closed(reason) => reason.kind(),
            Self::LimitReached => io::ErrorKind::QuotaExceeded,
            Self::FamiliesDiffer(..) => io::ErrorKind::InvalidInput,
            Self::AnotherInterface(_) => io::ErrorKind::AddrNotAvailable,
            Self::NotAllowed(_) | Self::DeniedByPeer(_) => io::ErrorKind::PermissionDenied,
            Self::Address(cause) => cause.kind(),
            _ => io::ErrorKind::Other,
        }
    }
}

/// An error together with what was being done.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
struct Failed {
    what: String,
    source: io::Error,
}

/// Says what failed; the kind stays that of the cause.
pub(crate) fn failed(what: impl Into<String>, source: io::Error) -> io::Error {
    let what = what.into();
    io::Error::new(source.kind(), Failed { what, source })
}

/// Says which TUN device could not be opened, and what usually helps.
pub(crate) fn tun_open(name: &str, source: io::Error) -> io::Error {
    let hint = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            " (needs CAP_NET_ADMIN: run as root, or inside a user namespace with its own network \
             namespace)"
        }
        io::ErrorKind::NotFound => {
            " (/dev/net/tun is missing: load the tun module, or give the container the device)"
        }
        io::ErrorKind::ResourceBusy => " (another program has a link of this name)",
        _ => "",
    };
    failed(format!("cannot open the TUN device {name}{hint}"), source)
}

/// The stack's driver has ended, so nothing will ever happen on its connections again.
#[derive(Debug, thiserror::Error)]
#[error("the stack has stopped")]
pub(crate) struct Stopped;

impl StackError for Stopped {
    fn kind(&self) -> io::ErrorKind {
        io::ErrorKind::NotConnected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_kernel_sockets() {
        for (error, kind) in [
            (
                ReadError::Closed(CloseReason::Refused).into_io(),
                io::ErrorKind::ConnectionRefused,
            ),
            (
                ReadError::Closed(CloseReason::ResetByPeer).into_io(),
                io::ErrorKind::ConnectionReset,
            ),
            (
                ReadError::Closed(CloseReason::TimedOut).into_io(),
                io::ErrorKind::TimedOut,
            ),
            (
                WriteError::Closed(CloseReason::AllPathsLost).into_io(),
                io::ErrorKind::TimedOut,
            ),
            (
                WriteError::Closed(CloseReason::Finished).into_io(),
                io::ErrorKind::BrokenPipe,
            ),
            (WriteError::ShutDown.into_io(), io::ErrorKind::BrokenPipe),
            (
                AbortError::UnknownConnection.into_io(),
                io::ErrorKind::NotConnected,
            ),
            (Stopped.into_io(), io::ErrorKind::NotConnected),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn the_stacks_error_stays_inside() {
        let address = "192.0.2.1:80".parse().unwrap();
        let error = SubflowError::Address(ConnectError::AddressInUse(address)).into_io();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), "192.0.2.1:80 is in use");
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<SubflowError>());
        assert_eq!(
            inner,
            Some(&SubflowError::Address(ConnectError::AddressInUse(address)))
        );
    }

    #[test]
    fn a_tun_device_that_may_not_be_opened_says_what_to_do() {
        let error = tun_open("tun7", io::Error::from_raw_os_error(1));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let text = error.to_string();
        assert!(
            text.contains("tun7") && text.contains("CAP_NET_ADMIN"),
            "{text}"
        );
    }
}
