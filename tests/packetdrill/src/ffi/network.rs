//! Packets and time.

use super::{User, call, memory};
use crate::interface::Micros;
use bytes::Bytes;
use libc::{c_int, c_longlong, c_void, size_t, timeval};
use std::time::Duration;
use umptcp::bsd::Errno;

pub(crate) unsafe extern "C" fn netdev_send(
    user: User,
    packet: *const c_void,
    len: size_t,
) -> c_int {
    call(user, |host| {
        // SAFETY: as C has it, `packet` has `len` bytes.
        let packet = unsafe { memory::bytes(packet.cast(), len) }?;
        if packet.is_empty() || packet.len() > usize::from(u16::MAX) {
            return Err(Errno::EINVAL);
        }
        let packet = Bytes::copy_from_slice(packet);
        host.drive(|state| state.receive(packet));
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn netdev_receive(
    user: User,
    buffer: *mut c_void,
    len: *mut size_t,
    time: *mut c_longlong,
) -> c_int {
    call(user, |host| {
        // SAFETY: as C has it, `len` is one.
        let room = unsafe { memory::read(len) }?;
        // SAFETY: as C has it, `buffer` has so many bytes.
        let buffer = unsafe { memory::bytes_mut(buffer.cast(), room) }?;
        let received = host.next_packet(buffer.len())?;
        if let Some((packet, sent_at)) = &received {
            buffer[..packet.len()].copy_from_slice(packet);
            if !time.is_null() {
                let sent_at = c_longlong::try_from(*sent_at).unwrap_or(c_longlong::MAX);
                // SAFETY: as C has it, `time` is one.
                unsafe { memory::write(time, sent_at) }?;
            }
        }
        let length = received.map_or(0, |(packet, _)| packet.len());
        // SAFETY: as C has it, `len` is the call's.
        unsafe { memory::write(len, length) }?;
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn usleep(user: User, micros: Micros) -> c_int {
    call(user, |host| {
        host.sleep(Duration::from_micros(micros.into()));
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn gettimeofday(
    user: User,
    time: *mut timeval,
    zone: *mut c_void,
) -> c_int {
    call(user, |host| {
        let micros = host.micros();
        let value = timeval {
            tv_sec: i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX),
            tv_usec: i64::try_from(micros % 1_000_000).unwrap_or(0),
        };
        if !time.is_null() {
            // SAFETY: as C has it, `time` is one.
            unsafe { memory::write(time, value) }?;
        }
        if !zone.is_null() {
            // `struct timezone` is two numbers: we are in Greenwich and know no summer.
            // SAFETY: as C has it, `zone` is one.
            unsafe { memory::write(zone.cast(), [0; 2] as [c_int; 2]) }?;
        }
        Ok(0)
    })
}
