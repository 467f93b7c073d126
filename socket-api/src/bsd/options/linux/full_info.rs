//! `MPTCP_FULL_INFO`: the connection, and two arrays behind pointers, all of one moment.
//!
//! The module owns the rule by which they are read and written (API reference 4.3), as Linux 6.18 has
//! it.

use super::arrays::{LARGEST_SIZE, to_u32, to_usize};
use super::layout::layout;
use super::mptcp_info::MptcpInfo;
use super::subflow::{Listed, NumberedSubflow};
use super::tcp_info::TcpInfo;
use crate::bsd::options::value::write_truncated;
use crate::bsd::{Errno, UserMemory};

layout! {
    /// The part of `struct mptcp_full_info` before its `struct mptcp_info`.
    FullInfoHeader, 40;
    /// Bytes of a `struct tcp_info` in the stack's eyes; 0 from the caller.
    0 "size_tcpinfo_kernel" size_tcpinfo_kernel: u32,
    /// The same in the caller's; 0 leaves that array out.
    4 "size_tcpinfo_user" size_tcpinfo_user: u32,
    /// Bytes of a `struct mptcp_subflow_info` in the stack's eyes; 0 from the caller.
    8 "size_sfinfo_kernel" size_sfinfo_kernel: u32,
    /// The same in the caller's; 0 leaves that array out, 4 gives ids only.
    12 "size_sfinfo_user" size_sfinfo_user: u32,
    /// Subflows that there are; 0 from the caller.
    16 "num_subflows" num_subflows: u32,
    /// Elements for which both arrays have room.
    20 "size_arrays_user" size_arrays_user: u32,
    /// Where the array of `struct mptcp_subflow_info` begins.
    24 "subflow_info" subflow_info: u64,
    /// Where the array of `struct tcp_info` begins.
    32 "tcp_info" tcp_info: u64,
}

/// Bytes of `struct mptcp_full_info`.
pub const FULL_INFO_SIZE: usize = FullInfoHeader::SIZE + MptcpInfo::SIZE;

/// Fills the caller's buffer and arrays; gives the buffer's new length.
///
/// # Errors
/// `EINVAL` for a header that makes no sense, `EFAULT` for arrays that cannot be written.
pub(super) fn write(
    value: &mut [u8],
    memory: &mut dyn UserMemory,
    info: &MptcpInfo,
    subflows: &[Listed],
) -> Result<usize, Errno> {
    if value.len() < FullInfoHeader::SIZE {
        return Err(Errno::EINVAL);
    }
    let asked = FullInfoHeader::from_bytes(value);
    if asked.size_tcpinfo_kernel != 0
        || asked.size_sfinfo_kernel != 0
        || asked.num_subflows != 0
        || asked.size_tcpinfo_user > LARGEST_SIZE
        || asked.size_sfinfo_user > LARGEST_SIZE
    {
        return Err(Errno::EINVAL);
    }
    let tcp_len = to_usize(asked.size_tcpinfo_user).min(TcpInfo::SIZE);
    let subflow_len = to_usize(asked.size_sfinfo_user).min(NumberedSubflow::SIZE);
    let (mut tcp_at, mut subflow_at) = (asked.tcp_info, asked.subflow_info);
    for listed in subflows.iter().take(to_usize(asked.size_arrays_user)) {
        if tcp_len > 0 {
            memory.write(tcp_at, &listed.tcp.to_bytes()[..tcp_len])?;
            tcp_at = tcp_at.wrapping_add(tcp_len as u64);
        }
        if subflow_len > 0 {
            memory.write(subflow_at, &listed.subflow.to_bytes()[..subflow_len])?;
            subflow_at = subflow_at.wrapping_add(subflow_len as u64);
        }
    }
    let header = FullInfoHeader {
        size_tcpinfo_kernel: to_u32(TcpInfo::SIZE),
        size_tcpinfo_user: to_u32(tcp_len),
        size_sfinfo_kernel: to_u32(NumberedSubflow::SIZE),
        size_sfinfo_user: to_u32(subflow_len),
        num_subflows: to_u32(subflows.len()),
        ..asked
    };
    let (head, rest) = value.split_at_mut(FullInfoHeader::SIZE);
    head.copy_from_slice(&header.to_bytes());
    Ok(FullInfoHeader::SIZE + write_truncated(rest, &info.to_bytes()))
}
