//! Memory of the C caller.
//!
//! The module owns every reading and writing behind a pointer. A null pointer gives `EFAULT` and a
//! length that cannot be gives `EINVAL`; that any other pointer is good is the caller's promise, as
//! it is to any function of C.

use libc::{c_int, iovec, msghdr, sockaddr, socklen_t};
use std::slice;
use umptcp::bsd::{Errno, SockAddr, UserMemory};

/// As many pieces as Linux takes (`UIO_MAXIOV`).
const MOST_PIECES: usize = 1024;
/// The most that one call moves; a stream may give or take less than is asked for.
const MOST_BYTES: usize = 64 << 20;

/// Bytes to read from.
///
/// # Safety
/// Unless null, `pointer` is good for reads of `len` bytes as long as the slice lives.
pub(crate) unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> Result<&'a [u8], Errno> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Errno::EFAULT);
    }
    if isize::try_from(len).is_err() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: not null, no longer than a slice can be, and good for reads by the caller's promise.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// Bytes to write to.
///
/// # Safety
/// Unless null, `pointer` is good for reads and writes of `len` bytes, which nobody else uses as
/// long as the slice lives.
pub(crate) unsafe fn bytes_mut<'a>(pointer: *mut u8, len: usize) -> Result<&'a mut [u8], Errno> {
    if len == 0 {
        return Ok(&mut []);
    }
    if pointer.is_null() {
        return Err(Errno::EFAULT);
    }
    if isize::try_from(len).is_err() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: not null, no longer than a slice can be, and the caller's alone by its promise.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, len) })
}

/// Reads a value.
///
/// # Safety
/// Unless null, `pointer` is good for a read of a `T`, which may be unaligned.
pub(crate) unsafe fn read<T: Copy>(pointer: *const T) -> Result<T, Errno> {
    if pointer.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: not null, and good for a read by the caller's promise.
    Ok(unsafe { pointer.read_unaligned() })
}

/// Writes a value.
///
/// # Safety
/// Unless null, `pointer` is good for a write of a `T`, which may be unaligned.
pub(crate) unsafe fn write<T: Copy>(pointer: *mut T, value: T) -> Result<(), Errno> {
    if pointer.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: not null, and good for a write by the caller's promise.
    unsafe { pointer.write_unaligned(value) };
    Ok(())
}

/// A socket address.
///
/// # Safety
/// Unless null, `pointer` is good for reads of `len` bytes.
pub(crate) unsafe fn address(pointer: *const sockaddr, len: socklen_t) -> Result<SockAddr, Errno> {
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    if len > size_of::<libc::sockaddr_storage>() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the caller's promise.
    SockAddr::from_bytes(unsafe { bytes(pointer.cast(), len) }?)
}

/// Gives the caller a socket address, cut to its buffer, if it wants one.
///
/// # Safety
/// Unless null, `len` is good for reads and writes, and `pointer` for writes of as many bytes as
/// `len` says.
pub(crate) unsafe fn give_address(
    pointer: *mut sockaddr,
    len: *mut socklen_t,
    given: SockAddr,
) -> Result<(), Errno> {
    if pointer.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let room = unsafe { read(len) }?;
    let given = given.to_bytes();
    // A length is signed to Linux.
    let room = c_int::try_from(room).map_err(|_| Errno::EINVAL)?;
    let count = usize::try_from(room).unwrap_or(0).min(given.len());
    // SAFETY: at most as many bytes as the caller promises.
    let place = unsafe { bytes_mut(pointer.cast(), count) }?;
    place.copy_from_slice(&given[..count]);
    // SAFETY: the caller's promise. At most 28.
    unsafe { write(len, socklen_t::try_from(given.len()).unwrap_or(0)) }
}

/// The pieces of a vector, at most [`MOST_BYTES`] of them.
#[derive(Debug)]
pub(crate) struct Pieces(Vec<(*mut u8, usize)>);

impl Pieces {
    /// Reads a vector.
    ///
    /// # Safety
    /// Unless null, `vector` is good for reads of `count` entries.
    pub(crate) unsafe fn new(vector: *const iovec, count: usize) -> Result<Self, Errno> {
        if count > MOST_PIECES {
            return Err(Errno::EINVAL);
        }
        let mut pieces = Vec::with_capacity(count);
        let mut total = 0_usize;
        for index in 0..count {
            if vector.is_null() {
                return Err(Errno::EFAULT);
            }
            // SAFETY: within the entries that the caller promises.
            let entry = unsafe { read(vector.add(index)) }?;
            let end = total.checked_add(entry.iov_len).ok_or(Errno::EINVAL)?;
            isize::try_from(end).map_err(|_| Errno::EINVAL)?;
            if entry.iov_base.is_null() && entry.iov_len != 0 {
                return Err(Errno::EFAULT);
            }
            let len = entry.iov_len.min(MOST_BYTES - total.min(MOST_BYTES));
            pieces.push((entry.iov_base.cast(), len));
            total = end;
        }
        Ok(Self(pieces))
    }

    /// Their length together.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|&(_, len)| len).sum()
    }

    /// All of their bytes.
    ///
    /// # Safety
    /// The pieces are good for reads.
    pub(crate) unsafe fn gather(&self) -> Result<Vec<u8>, Errno> {
        let mut gathered = Vec::with_capacity(self.len());
        for &(pointer, len) in &self.0 {
            // SAFETY: the caller's promise.
            gathered.extend_from_slice(unsafe { bytes(pointer, len) }?);
        }
        Ok(gathered)
    }

    /// Fills them from the front.
    ///
    /// # Safety
    /// The pieces are good for writes.
    pub(crate) unsafe fn scatter(&self, mut data: &[u8]) -> Result<(), Errno> {
        for &(pointer, len) in &self.0 {
            let (now, later) = data.split_at(len.min(data.len()));
            // SAFETY: the caller's promise.
            unsafe { bytes_mut(pointer, now.len()) }?.copy_from_slice(now);
            data = later;
        }
        Ok(())
    }
}

/// The vector of a message.
///
/// # Safety
/// Unless null, the pointers of `message` are as `recvmsg` and `sendmsg` want them.
pub(crate) unsafe fn pieces_of(message: &msghdr) -> Result<Pieces, Errno> {
    // The type is another with other C libraries.
    #[allow(clippy::useless_conversion)]
    let count = usize::try_from(message.msg_iovlen).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the caller's promise.
    unsafe { Pieces::new(message.msg_iov, count) }
}

/// Follows the pointers inside option values.
#[derive(Debug)]
pub(crate) struct CallerMemory(());

impl CallerMemory {
    /// # Safety
    /// Pointers in the value of the option at hand are good for what that option does with them.
    pub(crate) const unsafe fn new() -> Self {
        Self(())
    }
}

impl UserMemory for CallerMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        let pointer = pointer(address)?;
        // SAFETY: who made this has promised it.
        into.copy_from_slice(unsafe { bytes(pointer, into.len()) }?);
        Ok(())
    }

    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Errno> {
        let pointer = pointer(address)?;
        // SAFETY: who made this has promised it.
        unsafe { bytes_mut(pointer, from.len()) }?.copy_from_slice(from);
        Ok(())
    }
}

fn pointer(address: u64) -> Result<*mut u8, Errno> {
    let address = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    if address == 0 {
        return Err(Errno::EFAULT);
    }
    Ok(std::ptr::with_exposed_provenance_mut(address))
}
