//! Values of options as bytes.
//!
//! The module owns how numbers, times and names are read from and written to the caller's buffer,
//! with the errors that Linux gives for buffers of a wrong size.

use crate::bsd::Errno;
use std::time::Duration;

/// Reads an `int`.
///
/// # Errors
/// `EINVAL` if there is less.
pub(super) fn read_int(value: &[u8]) -> Result<i32, Errno> {
    let bytes = value.first_chunk().ok_or(Errno::EINVAL)?;
    Ok(i32::from_ne_bytes(*bytes))
}

/// Reads an `int` as a truth value.
pub(super) fn read_bool(value: &[u8]) -> Result<bool, Errno> {
    Ok(read_int(value)? != 0)
}

/// Reads an `int` within a range.
pub(super) fn read_within(
    value: &[u8],
    range: std::ops::RangeInclusive<i32>,
) -> Result<u32, Errno> {
    let number = read_int(value)?;
    if !range.contains(&number) {
        return Err(Errno::EINVAL);
    }
    u32::try_from(number).map_err(|_| Errno::EINVAL)
}

/// Reads a name that ends with the buffer or a zero.
pub(super) fn read_name(value: &[u8]) -> Result<&str, Errno> {
    let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(name).map_err(|_| Errno::ENOENT)
}

/// Writes as much as there is room for, and says how much that is: the rule of most options.
pub(super) fn write_truncated(value: &mut [u8], bytes: &[u8]) -> usize {
    let len = value.len().min(bytes.len());
    value[..len].copy_from_slice(&bytes[..len]);
    len
}

/// Writes an `int`; a shorter buffer gets its first bytes, as in Linux.
pub(super) fn write_int(value: &mut [u8], number: i32) -> usize {
    write_truncated(value, &number.to_ne_bytes())
}

/// The same for options of which Linux writes one byte where there is no room for an `int` and the
/// number fits.
pub(super) fn write_small_int(value: &mut [u8], number: i32) -> usize {
    match u8::try_from(number) {
        Ok(byte) if value.len() < size_of::<i32>() => write_truncated(value, &[byte]),
        _ => write_int(value, number),
    }
}

/// Writes a name, padded with zeros to `size` bytes.
pub(super) fn write_name(value: &mut [u8], name: &str, size: usize) -> usize {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(size, 0);
    write_truncated(value, &bytes)
}

/// Bytes of a `struct timeval`.
const TIMEVAL_LEN: usize = 16;

/// Reads a `struct timeval`; zero stands for none.
///
/// # Errors
/// `EINVAL` if there is less, `EDOM` for microseconds that are none.
pub(super) fn read_timeval(value: &[u8]) -> Result<Option<Duration>, Errno> {
    let bytes: &[u8; TIMEVAL_LEN] = value.first_chunk().ok_or(Errno::EINVAL)?;
    let number = |at: usize| {
        let mut part = [0; 8];
        part.copy_from_slice(&bytes[at..at + 8]);
        i64::from_ne_bytes(part)
    };
    let (seconds, micros) = (number(0), number(8));
    let micros = u32::try_from(micros).map_err(|_| Errno::EDOM)?;
    if micros >= 1_000_000 {
        return Err(Errno::EDOM);
    }
    // As Linux: a negative time is over at once.
    let time = match u64::try_from(seconds) {
        Ok(seconds) => Duration::new(seconds, micros * 1000),
        Err(_) => Duration::from_nanos(1),
    };
    Ok((!time.is_zero()).then_some(time))
}

/// Writes a `struct timeval`.
pub(super) fn write_timeval(value: &mut [u8], time: Option<Duration>) -> usize {
    let time = time.unwrap_or_default();
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let mut bytes = [0; TIMEVAL_LEN];
    bytes[..8].copy_from_slice(&seconds.to_ne_bytes());
    bytes[8..].copy_from_slice(&i64::from(time.subsec_micros()).to_ne_bytes());
    write_truncated(value, &bytes)
}

/// As much of a number as an `int` can hold.
pub(super) fn int_of(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_buffers_are_refused_when_read_and_cut_when_written() {
        assert_eq!(read_int(&[1, 0, 0]), Err(Errno::EINVAL));
        assert_eq!(read_int(&7_i32.to_ne_bytes()), Ok(7));
        let mut two = [9; 2];
        assert_eq!(write_int(&mut two, 5), 2);
        assert_eq!(two, 5_i32.to_ne_bytes()[..2]);
        assert_eq!(write_int(&mut [0; 8], 5), 4);
        for (len, number, written) in [(3, 255, 1), (3, 256, 3), (3, -1, 3), (4, 5, 4), (0, 5, 0)] {
            assert_eq!(write_small_int(&mut vec![0; len], number), written);
        }
    }

    #[test]
    fn names_end_at_a_zero() {
        assert_eq!(read_name(b"cubic\0xx"), Ok("cubic"));
        assert_eq!(read_name(b"reno"), Ok("reno"));
        assert_eq!(read_name(&[0xff]), Err(Errno::ENOENT));
        let mut value = [1; 20];
        assert_eq!(write_name(&mut value, "reno", 16), 16);
        assert_eq!(&value[..5], b"reno\0");
    }

    #[test]
    fn times_are_checked() {
        let time =
            |seconds: i64, micros: i64| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
        assert_eq!(read_timeval(&time(0, 0)), Ok(None));
        let value = read_timeval(&time(1, 500_000));
        assert_eq!(value, Ok(Some(Duration::from_millis(1500))));
        assert_eq!(read_timeval(&time(1, 1_000_000)), Err(Errno::EDOM));
        assert_eq!(read_timeval(&time(1, -1)), Err(Errno::EDOM));
        assert_eq!(read_timeval(&[0; 15]), Err(Errno::EINVAL));
        let mut back = [0; 16];
        assert_eq!(
            write_timeval(&mut back, Some(Duration::from_millis(1500))),
            16
        );
        assert_eq!(back.to_vec(), time(1, 500_000));
    }
}
