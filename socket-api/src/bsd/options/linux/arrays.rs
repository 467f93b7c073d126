//! `MPTCP_TCPINFO` and `MPTCP_SUBFLOW_ADDRS`: a header, then an element for each subflow.
//!
//! The module owns the rule by which header and elements are read from and written to the caller's
//! buffer (API reference 4.3), as Linux 6.18 has it.

use super::layout::layout;
use crate::bsd::Errno;

layout! {
    /// `struct mptcp_subflow_data`: the header of an array with an element for each subflow.
    SubflowDataHeader, 16;
    /// Bytes of the header in the caller's eyes.
    0 "size_subflow_data" size_subflow_data: u32,
    /// Subflows that there are; 0 from the caller.
    4 "num_subflows" num_subflows: u32,
    /// Bytes of an element in the stack's eyes; 0 from the caller.
    8 "size_kernel" size_kernel: u32,
    /// Bytes of an element in the caller's eyes; no more than `size_kernel` afterwards.
    12 "size_user" size_user: u32,
}

/// Linux takes no size that is larger.
pub(super) const LARGEST_SIZE: u32 = i32::MAX as u32;

/// A size on a machine where it surely fits.
pub(super) fn to_usize(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// A number of things or bytes in a structure of C.
pub(super) fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Fills the caller's buffer with as many whole elements as there is room for; gives its new
/// length. What did not fit is no error: the header says how many there are.
///
/// # Errors
/// `EINVAL` for a header that makes no sense.
pub(super) fn write<const N: usize>(
    value: &mut [u8],
    elements: &[[u8; N]],
) -> Result<usize, Errno> {
    if value.len() < SubflowDataHeader::SIZE {
        return Err(Errno::EINVAL);
    }
    let asked = SubflowDataHeader::from_bytes(value);
    let header_len = to_usize(asked.size_subflow_data);
    if asked.size_subflow_data > LARGEST_SIZE
        || asked.size_user > LARGEST_SIZE
        || header_len < SubflowDataHeader::SIZE
        || header_len > value.len()
        || asked.num_subflows != 0
        || asked.size_kernel != 0
    {
        return Err(Errno::EINVAL);
    }
    let element_len = to_usize(asked.size_user).min(N);
    let header = SubflowDataHeader {
        num_subflows: to_u32(elements.len()),
        size_kernel: to_u32(N),
        size_user: to_u32(element_len),
        ..asked
    };
    let (head, room) = value.split_at_mut(header_len);
    let mut written = 0;
    if element_len > 0 {
        for (place, element) in room.chunks_exact_mut(element_len).zip(elements) {
            place.copy_from_slice(&element[..element_len]);
            written += element_len;
        }
    }
    head[..SubflowDataHeader::SIZE].copy_from_slice(&header.to_bytes());
    Ok(match written {
        // As Linux: then it has written no more than what it knows of the header.
        0 => SubflowDataHeader::SIZE,
        written => header_len + written,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer of `len` bytes with the header's four numbers in it.
    fn buffer(len: usize, numbers: [u32; 4]) -> Vec<u8> {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
        bytes.resize(len, 0xee);
        bytes
    }

    fn header(bytes: &[u8]) -> [u32; 4] {
        let header = SubflowDataHeader::from_bytes(bytes);
        [
            header.size_subflow_data,
            header.num_subflows,
            header.size_kernel,
            header.size_user,
        ]
    }

    #[test]
    fn as_many_whole_elements_are_written_as_there_is_room_for() {
        // Length and numbers in, length and numbers out: measured on Linux 6.18 with elements of
        // 256 bytes.
        for (len, asked, out, told) in [
            (2064, [16, 0, 0, 256], 528, [16, 2, 256, 256]),
            (272, [16, 0, 0, 256], 272, [16, 2, 256, 256]),
            (271, [16, 0, 0, 256], 16, [16, 2, 256, 256]),
            (16, [16, 0, 0, 256], 16, [16, 2, 256, 256]),
            (2064, [16, 0, 0, 1000], 528, [16, 2, 256, 256]),
            (2064, [24, 0, 0, 256], 536, [24, 2, 256, 256]),
            (100, [20, 0, 0, 4], 28, [20, 2, 256, 4]),
            (100, [16, 0, 0, 0], 16, [16, 2, 256, 0]),
            (24, [24, 0, 0, 256], 16, [24, 2, 256, 256]),
        ] {
            let mut bytes = buffer(len, asked);
            let written = write(&mut bytes, &[[1_u8; 256], [2; 256]]);
            assert_eq!(written, Ok(out), "{len} {asked:?}");
            assert_eq!(header(&bytes), told, "{len} {asked:?}");
            let begin = to_usize(told[0]).min(out);
            let size = to_usize(told[3]);
            assert!(bytes[16..begin].iter().all(|byte| *byte == 0xee));
            for (index, byte) in bytes[begin..out].iter().enumerate() {
                assert_eq!(usize::from(*byte), 1 + index / size);
            }
            assert!(bytes[out..].iter().all(|byte| *byte == 0xee), "{len}");
        }
    }

    #[test]
    fn headers_that_make_no_sense_are_refused() {
        for (len, asked) in [
            (0, [16, 0, 0, 256]),
            (15, [16, 0, 0, 256]),
            (100, [15, 0, 0, 256]),
            (100, [0, 0, 0, 256]),
            (100, [101, 0, 0, 256]),
            (100, [1 << 31, 0, 0, 256]),
            (100, [16, 1, 0, 256]),
            (100, [16, 0, 1, 256]),
            (100, [16, 0, 0, 1 << 31]),
        ] {
            let mut bytes = buffer(16, asked);
            bytes.resize(len, 0);
            let before = bytes.clone();
            let refused = write(&mut bytes, &[[0_u8; 256]]);
            assert_eq!(refused, Err(Errno::EINVAL), "{len} {asked:?}");
            assert_eq!(bytes, before);
        }
    }
}
