//! Values of the caller: lengths and socket addresses behind pointers.
//!
//! The module owns the rule that every pointer is read and written by way of [`CallerMemory`].

use crate::memory::CallerMemory;
use nix::errno::Errno;
use std::time::{Duration, Instant};
use umptcp::bsd::{SOCKADDR_IN6_LEN, SockAddr, UserMemory as _};

/// The longest address that anybody gives: `sockaddr_storage`.
const LONGEST_ADDRESS: usize = 128;

/// Reads a socket address of `len` bytes.
///
/// # Errors
/// `EFAULT`; `EINVAL` for a length that no address has; `EAFNOSUPPORT`.
pub(super) fn read_address(address: u64, len: u32) -> Result<SockAddr, Errno> {
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    if address == 0 {
        return Err(Errno::EFAULT);
    }
    if len > LONGEST_ADDRESS {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; SOCKADDR_IN6_LEN];
    let known = len.min(SOCKADDR_IN6_LEN);
    let bytes = bytes.get_mut(..known).ok_or(Errno::EINVAL)?;
    CallerMemory.read(address, bytes)?;
    SockAddr::from_bytes(bytes)
}

/// Reads a length: it says how much room there is.
///
/// # Errors
/// `EFAULT`; `EINVAL` if it is negative.
pub(super) fn read_len(address: u64) -> Result<usize, Errno> {
    let len = i32::from_ne_bytes(CallerMemory.read_bytes(address)?);
    usize::try_from(len).map_err(|_| Errno::EINVAL)
}

/// Writes a length.
///
/// # Errors
/// `EFAULT`.
pub(super) fn write_len(address: u64, len: usize) -> Result<(), Errno> {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    CallerMemory.write(address, &len.to_ne_bytes())
}

/// Writes an address to where the caller has room for `room` bytes: as much as fits, and the whole
/// length.
///
/// # Errors
/// `EFAULT`.
pub(super) fn write_address(
    value: SockAddr,
    address: u64,
    room: usize,
    len: u64,
) -> Result<(), Errno> {
    let bytes = value.to_bytes();
    let fits = bytes.get(..room.min(bytes.len())).unwrap_or_default();
    CallerMemory.write(address, fits)?;
    write_len(len, bytes.len())
}

/// When a time limit is over that begins now.
pub(super) fn deadline(limit: Duration) -> Instant {
    let now = Instant::now();
    // A century, if somebody means never.
    let far = now + Duration::from_secs(3_155_760_000);
    now.checked_add(limit).unwrap_or(far)
}
