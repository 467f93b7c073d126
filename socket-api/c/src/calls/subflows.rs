//! Subflows by names and types instead of numbers: thin covers over the options of draft-hesmans.
//!
//! The module owns the layout of their arguments, which is that of `types`.

use super::values::{read_address, write_len};
use crate::app_fd::AppFd;
use crate::memory::CallerMemory;
use crate::registry;
use crate::types::{
    UMP_CLOSE_SUB_ID, UMP_GET_SUB_IDS, UMP_GET_SUB_TUPLE, UMP_OPEN_SUB_TUPLE, UMP_SET_SUB_PRIO,
    ump_close_sub_id, ump_sub_ids, ump_sub_status, ump_sub_tuple,
};
use nix::errno::Errno;
use std::mem::offset_of;
use umptcp::bsd::{SOCKADDR_IN6_LEN, UserMemory as _};

/// An id has 8 bits.
const MOST_SUBFLOWS: usize = 256;

fn get(fd: i32, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
    let descriptor = registry::find(AppFd::new(fd)?)?;
    let level = libc::IPPROTO_TCP;
    descriptor.with(|socket, net| socket.getsockopt(net, level, name, value, &mut CallerMemory))
}

fn put(value: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in value.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

fn id_of(id: i32) -> Result<u8, Errno> {
    u8::try_from(id).map_err(|_| Errno::EINVAL)
}

/// Writes up to `room` statuses, and gives how many subflows there are.
///
/// # Errors
/// As `UMP_GET_SUB_IDS`; `EFAULT`.
pub(crate) fn statuses(fd: i32, to: u64, room: usize) -> Result<i32, Errno> {
    let mut value = vec![0; size_of::<ump_sub_ids>() + MOST_SUBFLOWS * size_of::<ump_sub_status>()];
    let used = get(fd, UMP_GET_SUB_IDS, &mut value)?;
    let all = value
        .get(size_of::<ump_sub_ids>()..used)
        .unwrap_or_default();
    let fits = all
        .len()
        .min(room.saturating_mul(size_of::<ump_sub_status>()));
    CallerMemory.write(to, all.get(..fits).unwrap_or_default())?;
    Ok(i32::from(value.first().copied().unwrap_or(0)))
}

/// Opens a subflow, and gives its id.
///
/// # Errors
/// As `UMP_OPEN_SUB_TUPLE`; `EFAULT`.
pub(crate) fn open(
    fd: i32,
    local: (u64, u32),
    remote: (u64, u32),
    if_idx: i32,
    backup: bool,
) -> Result<i32, Errno> {
    let local = read_address(local.0, local.1)?;
    let remote = read_address(remote.0, remote.1)?;
    let mut value = vec![0; size_of::<ump_sub_tuple>()];
    put(
        &mut value,
        offset_of!(ump_sub_tuple, prio),
        &[u8::from(backup)],
    );
    put(
        &mut value,
        offset_of!(ump_sub_tuple, if_idx),
        &if_idx.to_ne_bytes(),
    );
    value.extend(local.to_bytes());
    value.extend(remote.to_bytes());
    get(fd, UMP_OPEN_SUB_TUPLE, &mut value)?;
    Ok(i32::from(value.first().copied().unwrap_or(0)))
}

/// Ends a subflow.
///
/// # Errors
/// As `UMP_CLOSE_SUB_ID`.
pub(crate) fn close(fd: i32, id: i32, how: i32) -> Result<i32, Errno> {
    let mut value = vec![0; size_of::<ump_close_sub_id>()];
    put(&mut value, offset_of!(ump_close_sub_id, id), &[id_of(id)?]);
    put(
        &mut value,
        offset_of!(ump_close_sub_id, how),
        &how.to_ne_bytes(),
    );
    get(fd, UMP_CLOSE_SUB_ID, &mut value)?;
    Ok(0)
}

/// Makes a subflow a backup, or a regular one.
///
/// # Errors
/// As `UMP_SET_SUB_PRIO`.
pub(crate) fn set_backup(fd: i32, id: i32, backup: bool) -> Result<i32, Errno> {
    let descriptor = registry::find(AppFd::new(fd)?)?;
    let value = [id_of(id)?, u8::from(backup)];
    let (level, name) = (libc::IPPROTO_TCP, UMP_SET_SUB_PRIO);
    descriptor
        .with(|socket, net| socket.setsockopt(net, level, name, &value, &mut CallerMemory))?;
    Ok(0)
}

/// Writes the addresses of a subflow; either place has room for a `sockaddr_storage`.
///
/// # Errors
/// As `UMP_GET_SUB_TUPLE`; `EFAULT`.
pub(crate) fn addresses(fd: i32, id: i32, local: u64, remote: u64, len: u64) -> Result<i32, Errno> {
    let header = size_of::<ump_sub_tuple>();
    let mut value = vec![0; header + 2 * SOCKADDR_IN6_LEN];
    put(&mut value, 0, &[id_of(id)?]);
    let used = get(fd, UMP_GET_SUB_TUPLE, &mut value)?;
    let both = value.get(header..used).ok_or(Errno::EIO)?;
    let (source, destination) = both.split_at_checked(both.len() / 2).ok_or(Errno::EIO)?;
    CallerMemory.write(local, source)?;
    CallerMemory.write(remote, destination)?;
    write_len(len, source.len())?;
    Ok(0)
}
