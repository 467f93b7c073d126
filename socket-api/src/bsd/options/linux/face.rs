//! The family for Rust programs: its structures, asked of anything with socket options.
//!
//! The module owns the buffers that the calls need; what is in them is said by the other modules.

use super::full_info::{FULL_INFO_SIZE, FullInfoHeader};
use super::{
    MPTCP_FULL_INFO, MPTCP_INFO, MPTCP_SUBFLOW_ADDRS, MPTCP_TCPINFO, MptcpInfo, NumberedSubflow,
    SubflowAddrs, SubflowDataHeader, TCP_IS_MPTCP, TcpInfo,
};
use crate::bsd::options::face::SocketOptions;
use crate::bsd::options::{SOL_MPTCP, linux::arrays::to_u32};
use crate::bsd::{Errno, UserMemory};
use std::io;

/// Subflows for which there is room at first.
const USUAL_SUBFLOWS: usize = 8;

/// A connection and all its open subflows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullInfo {
    /// The connection.
    pub connection: MptcpInfo,
    /// The subflows, in the order of opening.
    pub subflows: Vec<NumberedSubflow>,
    /// The TCP of each of them.
    pub tcp: Vec<TcpInfo>,
}

/// `MPTCP_INFO`: the connection at this moment.
///
/// # Errors
/// `EOPNOTSUPP` if the socket is plain TCP, or fell back to it.
pub fn mptcp_info(socket: &impl SocketOptions) -> io::Result<MptcpInfo> {
    let mut value = [0; MptcpInfo::SIZE];
    let len = socket.getsockopt(SOL_MPTCP, MPTCP_INFO, &mut value)?;
    Ok(MptcpInfo::from_bytes(value.get(..len).unwrap_or_default()))
}

/// `TCP_INFO`: the initial subflow, also once it is closed, or the connection of plain TCP.
///
/// # Errors
/// The stack has stopped.
pub fn tcp_info(socket: &impl SocketOptions) -> io::Result<TcpInfo> {
    let mut value = [0; TcpInfo::SIZE];
    let len = socket.getsockopt(libc::IPPROTO_TCP, libc::TCP_INFO, &mut value)?;
    Ok(TcpInfo::from_bytes(value.get(..len).unwrap_or_default()))
}

/// `TCP_IS_MPTCP`: it is neither plain TCP nor fallen back to it.
///
/// # Errors
/// `ENOPROTOOPT` on a stack with the option numbers of multipath-tcp.org.
pub fn is_mptcp(socket: &impl SocketOptions) -> io::Result<bool> {
    let mut value = [0; 4];
    socket.getsockopt(libc::IPPROTO_TCP, TCP_IS_MPTCP, &mut value)?;
    Ok(i32::from_ne_bytes(value) != 0)
}

/// `MPTCP_SUBFLOW_ADDRS`: both ends of all open subflows, in the order of opening.
///
/// # Errors
/// As for [`mptcp_info`].
pub fn subflow_addrs(socket: &impl SocketOptions) -> io::Result<Vec<SubflowAddrs>> {
    let elements = array(socket, MPTCP_SUBFLOW_ADDRS, SubflowAddrs::SIZE)?;
    let addresses = elements
        .chunks_exact(SubflowAddrs::SIZE)
        .map(SubflowAddrs::from_bytes);
    addresses.collect::<Result<_, _>>().map_err(Errno::into)
}

/// `MPTCP_TCPINFO`: the TCP of all open subflows, in the order of opening.
///
/// # Errors
/// As for [`mptcp_info`].
pub fn subflow_tcp_infos(socket: &impl SocketOptions) -> io::Result<Vec<TcpInfo>> {
    let elements = array(socket, MPTCP_TCPINFO, TcpInfo::SIZE)?;
    let infos = elements.chunks_exact(TcpInfo::SIZE);
    Ok(infos.map(TcpInfo::from_bytes).collect())
}

/// `MPTCP_FULL_INFO`: the connection and its open subflows, all at the same moment.
///
/// # Errors
/// As for [`mptcp_info`].
pub fn full_info(socket: &impl SocketOptions) -> io::Result<FullInfo> {
    let mut room = USUAL_SUBFLOWS;
    loop {
        let tcp_len = room * TcpInfo::SIZE;
        let mut arena = Arena(vec![0; tcp_len + room * NumberedSubflow::SIZE]);
        let asked = FullInfoHeader {
            size_tcpinfo_user: to_u32(TcpInfo::SIZE),
            size_sfinfo_user: to_u32(NumberedSubflow::SIZE),
            size_arrays_user: to_u32(room),
            tcp_info: Arena::BEGIN,
            subflow_info: Arena::BEGIN + tcp_len as u64,
            ..FullInfoHeader::default()
        };
        let mut value = [0; FULL_INFO_SIZE];
        value[..FullInfoHeader::SIZE].copy_from_slice(&asked.to_bytes());
        socket.getsockopt_with(SOL_MPTCP, MPTCP_FULL_INFO, &mut value, &mut arena)?;
        let header = FullInfoHeader::from_bytes(&value);
        let count = super::arrays::to_usize(header.num_subflows);
        if count > room {
            room = count;
            continue;
        }
        let (tcp, subflows) = arena.0.split_at(tcp_len);
        let tcp = tcp.chunks_exact(TcpInfo::SIZE).take(count);
        let subflows = subflows.chunks_exact(NumberedSubflow::SIZE).take(count);
        return Ok(FullInfo {
            connection: MptcpInfo::from_bytes(&value[FullInfoHeader::SIZE..]),
            subflows: subflows
                .map(NumberedSubflow::from_bytes)
                .collect::<Result<_, _>>()
                .map_err(io::Error::from)?,
            tcp: tcp.map(TcpInfo::from_bytes).collect(),
        });
    }
}

/// All elements of one of the two array options.
fn array(socket: &impl SocketOptions, name: i32, size: usize) -> io::Result<Vec<u8>> {
    let mut room = USUAL_SUBFLOWS;
    loop {
        let asked = SubflowDataHeader {
            size_subflow_data: to_u32(SubflowDataHeader::SIZE),
            size_user: to_u32(size),
            ..SubflowDataHeader::default()
        };
        let mut value = asked.to_bytes().to_vec();
        value.resize(SubflowDataHeader::SIZE + room * size, 0);
        let len = socket.getsockopt(SOL_MPTCP, name, &mut value)?;
        let header = SubflowDataHeader::from_bytes(&value);
        let count = super::arrays::to_usize(header.num_subflows);
        if count > room {
            room = count;
            continue;
        }
        value.truncate(len);
        return Ok(value.split_off(SubflowDataHeader::SIZE.min(len)));
    }
}

/// Memory for arrays behind pointers: its first byte has the address [`Self::BEGIN`].
struct Arena(Vec<u8>);

impl Arena {
    /// Not 0, which would be a null pointer.
    const BEGIN: u64 = 4096;

    fn range(address: u64, len: usize) -> Option<std::ops::Range<usize>> {
        let begin = usize::try_from(address.checked_sub(Self::BEGIN)?).ok()?;
        Some(begin..begin.checked_add(len)?)
    }
}

impl UserMemory for Arena {
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        let range = Self::range(address, bytes.len()).ok_or(Errno::EFAULT)?;
        bytes.copy_from_slice(self.0.get(range).ok_or(Errno::EFAULT)?);
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let range = Self::range(address, bytes.len()).ok_or(Errno::EFAULT)?;
        let place = self.0.get_mut(range).ok_or(Errno::EFAULT)?;
        place.copy_from_slice(bytes);
        Ok(())
    }
}
