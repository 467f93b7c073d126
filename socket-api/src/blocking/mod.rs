//! The same sockets for programs without async: [`Stack`], [`MptcpSocket`], [`MptcpStream`] and
//! [`MptcpListener`], whose methods wait like those of `std::net`.
//!
//! The module owns the thread that drives the stack, the waiting of the calling thread, and time
//! limits. What waits is always the thread that calls; everything here may be used from many
//! threads at the same time.
//!
//! Nothing here panics inside an async runtime. But a method that waits keeps the runtime's thread
//! from its other tasks meanwhile, as a read of `std::net` would: use the async sockets there. A
//! stream that came from an async one by
//! [`into_blocking`](crate::MptcpStream::into_blocking) is still driven by that runtime, so that
//! waiting on the only thread of it would never end.
//!
//! ```
//! use std::io::{Read as _, Write as _};
//! use umptcp::{ConnectionConfig, MemoryDevice, blocking::Stack};
//!
//! # fn main() -> std::io::Result<()> {
//! // Two hosts in this process, with a link between them.
//! let (one, other) = MemoryDevice::pair(1500);
//! let host = |device, address: [u8; 4]| {
//!     Stack::start(umptcp::Stack::builder().interface(device, [address.into()]))
//! };
//! let (client, server) = (host(one, [10, 0, 0, 1])?, host(other, [10, 0, 0, 2])?);
//!
//! let listener = server.listen("10.0.0.2:7".parse().unwrap(), ConnectionConfig::default())?;
//! let mut stream = client.connect("10.0.0.2:7")?;
//! let (mut accepted, _) = listener.accept()?;
//! stream.write_all(b"hello")?;
//! let mut text = [0; 5];
//! accepted.read_exact(&mut text)?;
//! assert_eq!(&text, b"hello");
//! # Ok(())
//! # }
//! ```

mod listener;
mod socket;
mod stack;
mod stream;
mod wait;

pub use listener::{Incoming, MptcpListener};
pub use socket::MptcpSocket;
pub use stack::Stack;
pub use stream::MptcpStream;
