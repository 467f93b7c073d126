//! Why there is no report.

use super::STALL_LIMIT;
use crate::kernel::KernelError;
use crate::topology::namespace::NamespaceError;
use std::io;
use thiserror::Error;

/// Why a demonstration came to no end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The options contradict each other.
    #[error("{0}")]
    BadOptions(String),
    /// TUN devices are asked for, and there is no place to make them.
    #[error("{0}")]
    Namespace(#[source] NamespaceError),
    /// TUN devices are asked for, and cannot be made.
    #[error("no paths over TUN devices: {0}")]
    Tun(#[source] io::Error),
    /// The kernel is asked for as a peer, and is none.
    #[error("{0}")]
    Kernel(#[from] KernelError),
    /// There is no runtime to be had.
    #[error("the runtime cannot be started: {0}")]
    Runtime(#[source] io::Error),
    /// A stack does not start, or does not listen.
    #[error("the stack cannot be started: {0}")]
    Stack(#[source] io::Error),
    /// The capture does not take its interfaces.
    #[error("the capture cannot be written: {0}")]
    Capture(#[source] io::Error),
    /// The hosts do not come together.
    #[error("the connection cannot be made: {0}")]
    Connect(#[source] io::Error),
    /// The payload turned out unreadable on the way.
    #[error("what is to be sent cannot be read: {0}")]
    Payload(#[source] io::Error),
    /// The connection broke at the sender.
    #[error("the transfer failed at the sender: {0}")]
    Send(#[source] io::Error),
    /// The connection broke at the receiver.
    #[error("the transfer failed at the receiver: {0}")]
    Receive(#[source] io::Error),
    /// Nothing moved any more.
    #[error("the transfer stalled: nothing arrived for {} s, after {arrived} bytes", STALL_LIMIT.as_secs())]
    Stalled {
        /// Bytes that had arrived.
        arrived: u64,
    },
    /// A path did not go down when it should.
    #[error("path {path} cannot be cut: {source}")]
    Cut {
        /// The path.
        path: usize,
        /// Why.
        source: io::Error,
    },
}

impl DemoError {
    /// The demonstration could not even begin, because of what was asked for or of where: asking
    /// again will not help.
    #[must_use]
    pub const fn is_bad_use(&self) -> bool {
        match self {
            Self::BadOptions(_) | Self::Namespace(_) | Self::Tun(_) | Self::Kernel(_) => true,
            Self::Runtime(_)
            | Self::Stack(_)
            | Self::Capture(_)
            | Self::Connect(_)
            | Self::Payload(_)
            | Self::Send(_)
            | Self::Receive(_)
            | Self::Stalled { .. }
            | Self::Cut { .. } => false,
        }
    }
}
