//! Networks to run experiments in: a client and a server joined by several paths.
//!
//! The module owns the numbering of addresses ([`AddressPlan`]), the private network namespace
//! ([`namespace`]), the paths through it ([`TunPaths`]) or through memory ([`MemoryPaths`]), kernels
//! that are hosts of their own ([`KernelHost`]), and the device that records what passes
//! ([`Captured`]). It starts no stack and sends no packet.

mod captured;
mod kernel_host;
mod memory;
pub mod namespace;
mod plan;
mod tun;

pub use captured::{Captured, Recorder};
pub use kernel_host::KernelHost;
pub use memory::MemoryPaths;
pub use plan::{AddressPlan, Family, MAX_PATHS};
pub use tun::{Interfaces, MTU, TunPaths};
