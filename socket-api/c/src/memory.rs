//! Memory of the C program behind the pointers that it gives.
//!
//! The module owns reading and writing there without trusting the pointer: the kernel copies, and gives
//! `EFAULT` where a program would crash. It uses `process_vm_readv` on our own process, or, where that
//! is forbidden, a pipe. It never keeps an address.

#![allow(
    unsafe_code,
    reason = "addresses of a C program, which only the kernel follows"
)]

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::{Pid, pipe2};
use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use umptcp::bsd::UserMemory;

/// The memory of this process, for addresses that may be wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallerMemory;

/// What goes through a pipe at once: it has room for as much without anybody reading.
const PIPE_PART: usize = 4096;

impl UserMemory for CallerMemory {
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        if bytes.is_empty() {
            return Ok(());
        }
        let remote = remote(address, bytes.len())?;
        let wanted = bytes.len();
        let local = &mut [IoSliceMut::new(bytes)];
        match process_vm_readv(Pid::this(), local, &[remote]) {
            Ok(read) if read == wanted => Ok(()),
            Err(error) if is_forbidden(error) => read_through_pipe(remote.base, bytes),
            // Only a part of it is there.
            Ok(_) | Err(_) => Err(Errno::EFAULT),
        }
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        if bytes.is_empty() {
            return Ok(());
        }
        let remote = remote(address, bytes.len())?;
        match process_vm_writev(Pid::this(), &[IoSlice::new(bytes)], &[remote]) {
            Ok(written) if written == bytes.len() => Ok(()),
            Err(error) if is_forbidden(error) => write_through_pipe(remote.base, bytes),
            Ok(_) | Err(_) => Err(Errno::EFAULT),
        }
    }
}

impl CallerMemory {
    /// Reads a value that has as many bytes.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(crate) fn read_bytes<const LEN: usize>(self, address: u64) -> Result<[u8; LEN], Errno> {
        let mut bytes = [0; LEN];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }
}

/// The address of what a pointer of the caller points to.
pub(crate) fn address_of<T>(pointer: *const T) -> u64 {
    pointer.addr() as u64
}

fn remote(address: u64, len: usize) -> Result<RemoteIoVec, Errno> {
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    if base == 0 {
        return Err(Errno::EFAULT);
    }
    Ok(RemoteIoVec { base, len })
}

/// The system call does not exist, or a filter does not let it through.
const fn is_forbidden(error: Errno) -> bool {
    matches!(error, Errno::EPERM | Errno::ENOSYS)
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
}

/// The kernel copies from the caller's memory into a pipe, from which we read.
fn read_through_pipe(address: usize, bytes: &mut [u8]) -> Result<(), Errno> {
    let (output, input) = pipe()?;
    let mut output = std::fs::File::from(output);
    for (place, part) in bytes.chunks_mut(PIPE_PART).enumerate() {
        let from = address.wrapping_add(place * PIPE_PART) as *const libc::c_void;
        // SAFETY: the kernel checks the address, and only reads there.
        let written = unsafe { libc::write(input.as_raw_fd(), from, part.len()) };
        if usize::try_from(written) != Ok(part.len()) {
            return Err(Errno::EFAULT);
        }
        output.read_exact(part).map_err(|_| Errno::EIO)?;
    }
    Ok(())
}

/// We write into a pipe, from which the kernel copies to the caller's memory.
fn write_through_pipe(address: usize, bytes: &[u8]) -> Result<(), Errno> {
    let (output, input) = pipe()?;
    let mut input = std::fs::File::from(input);
    for (place, part) in bytes.chunks(PIPE_PART).enumerate() {
        input.write_all(part).map_err(|_| Errno::EIO)?;
        let to = address.wrapping_add(place * PIPE_PART) as *mut libc::c_void;
        // SAFETY: the kernel checks the address. What it overwrites is what the caller told us to.
        let read = unsafe { libc::read(output.as_raw_fd(), to, part.len()) };
        if usize::try_from(read) != Ok(part.len()) {
            return Err(Errno::EFAULT);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reader = fn(u64, &mut [u8]) -> Result<(), Errno>;
    type Writer = fn(u64, &[u8]) -> Result<(), Errno>;

    fn ways() -> [(Reader, Writer); 2] {
        [
            (
                |address, bytes| CallerMemory.read(address, bytes),
                |address, bytes| CallerMemory.write(address, bytes),
            ),
            (
                |address, bytes| read_through_pipe(usize::try_from(address).unwrap(), bytes),
                |address, bytes| write_through_pipe(usize::try_from(address).unwrap(), bytes),
            ),
        ]
    }

    #[test]
    fn what_is_there_is_copied_both_ways() {
        for (read, write) in ways() {
            let source: Vec<u8> = (0..=255).cycle().take(3 * PIPE_PART + 5).collect();
            let mut copy = vec![0; source.len()];
            read(address_of(source.as_ptr()), &mut copy).unwrap();
            assert_eq!(copy, source);
            let target = vec![0_u8; source.len()];
            write(address_of(target.as_ptr()), &source).unwrap();
            assert_eq!(std::hint::black_box(target), source);
        }
    }

    #[test]
    fn bad_addresses_are_faults() {
        for (read, write) in ways() {
            for address in [0, 16, u64::MAX - 100, 1 << 63] {
                assert_eq!(read(address, &mut [0; 8]), Err(Errno::EFAULT), "{address}");
                assert_eq!(write(address, &[0; 8]), Err(Errno::EFAULT), "{address}");
            }
        }
        static CONSTANT: [u8; 8] = [1; 8];
        for (_, write) in ways() {
            assert_eq!(
                write(address_of(CONSTANT.as_ptr()), &[0; 8]),
                Err(Errno::EFAULT)
            );
        }
    }

    #[test]
    fn nothing_is_nowhere() {
        assert_eq!(CallerMemory.read(0, &mut []), Ok(()));
        assert_eq!(CallerMemory.write(0, &[]), Ok(()));
    }
}
