//! Sockets as C programs know them, as a state machine: numbers in, numbers and bytes out.
//!
//! The module owns what a socket remembers beside its connection (what it is bound to, options that
//! were set before there was a connection, the pending error) and the numbers by which the calls
//! of a C program are known: families, levels, options, layouts, errnos. It drives an [`Endpoint`]
//! that somebody else owns, so it never blocks, sleeps or touches a device: whoever has to wait
//! gets `EAGAIN`, and looks at [`Socket::readiness`] again later. Both the C library and the plug-in
//! for packet scripts are built on it, and the option families of [`options`] are part of it.
//!
//! | file | what |
//! |---|---|
//! | `socket` | a socket, and the calls that change its state |
//! | `transfer` | reading, writing, what `poll` and `ioctl` tell |
//! | `bindings` | which ports are bound, also by sockets without a connection |
//! | `system` | what all sockets of a stack have in common |
//! | `address` | `sockaddr_in` and `sockaddr_in6` as bytes |
//! | `memory` | memory of the caller behind pointers |
//! | `errors` | the one table from the stack's errors to errnos |
//! | [`options`] | socket options, family by family |

mod address;
mod bindings;
mod errors;
mod memory;
pub mod options;
mod socket;
mod system;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod transfer;

pub use address::{Family, SOCKADDR_IN_LEN, SOCKADDR_IN6_LEN, SockAddr};
pub use errors::ToErrno;
pub use memory::{NoMemory, UserMemory};
pub use nix::errno::Errno;
pub use socket::{HowToShutDown, Net, Protocol, Socket, SocketState};
pub use system::{OptionProfile, System};
pub use transfer::{Readiness, ReceiveFlags, SendFlags};

use umptcp_stack::Endpoint;

/// `IPPROTO_MPTCP`: MPTCP as Linux has it, and as `umptcp.h` has it.
pub const IPPROTO_MPTCP: i32 = 262;

/// Reads a connection's snapshot, or says that there is none any more.
fn connection_info(
    endpoint: &Endpoint,
    connection: umptcp_stack::ConnectionId,
) -> Result<umptcp_stack::ConnectionInfo, Errno> {
    endpoint.connection_info(connection).ok_or(Errno::ENOTCONN)
}
