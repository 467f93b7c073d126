//! Memory of the caller behind pointers that stand inside an option's value.
//!
//! A few options carry pointers (`MPTCP_SUB_GETSOCKOPT`, `MPTCP_FULL_INFO`, the `MPTCP_INFO` of
//! multipath-tcp.org). The module owns the contract by which they are followed; it never follows one
//! itself.

use super::Errno;

/// Follows pointers of whoever called.
pub trait UserMemory {
    /// Fills `bytes` from `address`.
    ///
    /// # Errors
    /// `EFAULT` if nothing readable is there.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno>;

    /// Writes `bytes` to `address`.
    ///
    /// # Errors
    /// `EFAULT` if nothing writable is there.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno>;
}

/// For callers that have no pointers to give: every pointer is a bad one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMemory;

impl UserMemory for NoMemory {
    fn read(&self, _: u64, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EFAULT)
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EFAULT)
    }
}
