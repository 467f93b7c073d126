//! `MPTCP_INFO` of multipath-tcp.org: a table of lengths and pointers (API reference 5.1).
//!
//! The module owns its layout and those of the structs that it leads to.

use crate::bsd::options::value::int_of;
use crate::bsd::{Errno, Net, SOCKADDR_IN6_LEN, SockAddr, Socket, UserMemory};
use std::time::Duration;
use umptcp_stack::{ConnectionInfo, DataState, Instant, SubflowInfo};

/// Bytes of `struct mptcp_info`.
pub const MPTCP_INFO_SIZE: usize = 56;
/// Bytes of `struct mptcp_meta_info`.
pub const META_INFO_SIZE: usize = 48;
/// Bytes of `struct mptcp_sub_info`: two unions of `sockaddr_in` and `sockaddr_in6`.
pub const SUB_INFO_SIZE: usize = 2 * SOCKADDR_IN6_LEN;

// Offsets of the lengths, and of the pointers.
const TCP_INFO_LEN: usize = 0;
const SUB_LEN: usize = 4;
const META_LEN: usize = 8;
const SUB_INFO_LEN: usize = 12;
const TOTAL_SUB_INFO_LEN: usize = 16;
const META_INFO: usize = 24;
const INITIAL: usize = 32;
const SUBFLOWS: usize = 40;
const SUBFLOW_INFO: usize = 48;

impl Socket {
    pub(super) fn multipath_tcp_org_info(
        &self,
        net: &Net<'_>,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Result<usize, Errno> {
        let info = match self.multipath_connection(net) {
            Err(Errno::EOPNOTSUPP) => return Err(Errno::EINVAL),
            other => other?,
        };
        let table: &mut [u8; MPTCP_INFO_SIZE] = value.first_chunk_mut().ok_or(Errno::EINVAL)?;
        let subflows = net.endpoint.subflows(info.id);
        let figures = |subflow: &SubflowInfo| self.tcp_info_of(net, subflow).to_bytes().to_vec();
        let meta = pointer(table, META_INFO);
        if meta != 0 {
            let bytes = meta_info(net.now, &info, &subflows);
            let len = write_element(memory, meta, &bytes, length(table, META_LEN))?;
            set_length(table, META_LEN, len);
        }
        let initial = pointer(table, INITIAL);
        if initial != 0 {
            let first = subflows
                .first()
                .filter(|first| first.closed.is_none() || self.options.keep_initial);
            let bytes = figures(first.ok_or(Errno::EINVAL)?);
            let len = write_element(memory, initial, &bytes, length(table, TCP_INFO_LEN))?;
            set_length(table, TCP_INFO_LEN, len);
        }
        let open: Vec<&SubflowInfo> = subflows
            .iter()
            .filter(|subflow| subflow.closed.is_none())
            .collect();
        let array = pointer(table, SUBFLOWS);
        if array != 0 {
            let elements: Vec<_> = open.iter().map(|subflow| figures(subflow)).collect();
            let room = (length(table, TCP_INFO_LEN), length(table, SUB_LEN));
            let (element, total) = write_array(memory, array, &elements, room)?;
            set_length(table, TCP_INFO_LEN, element);
            set_length(table, SUB_LEN, total);
        }
        let array = pointer(table, SUBFLOW_INFO);
        if array != 0 {
            let elements: Vec<_> = open.iter().map(|subflow| sub_info(subflow)).collect();
            let room = (
                length(table, SUB_INFO_LEN),
                length(table, TOTAL_SUB_INFO_LEN),
            );
            let (element, total) = write_array(memory, array, &elements, room)?;
            set_length(table, SUB_INFO_LEN, element);
            set_length(table, TOTAL_SUB_INFO_LEN, total);
        }
        Ok(MPTCP_INFO_SIZE)
    }
}

/// Writes as much of an element as there is room for.
fn write_element(
    memory: &mut dyn UserMemory,
    address: u64,
    bytes: &[u8],
    room: usize,
) -> Result<usize, Errno> {
    let len = room.min(bytes.len());
    memory.write(address, bytes.get(..len).unwrap_or_default())?;
    Ok(len)
}

/// Writes whole elements, each cut to the first length, as long as the second has room.
fn write_array(
    memory: &mut dyn UserMemory,
    address: u64,
    elements: &[Vec<u8>],
    (element, total): (usize, usize),
) -> Result<(usize, usize), Errno> {
    let size = elements
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or(0)
        .min(element);
    if size == 0 {
        return Ok((size, 0));
    }
    let mut bytes = Vec::new();
    for element in elements.iter().take(total / size) {
        bytes.extend(element.get(..size).unwrap_or_default());
    }
    memory.write(address, &bytes)?;
    Ok((size, bytes.len()))
}

/// `struct mptcp_meta_info`.
fn meta_info(now: Instant, info: &ConnectionInfo, subflows: &[SubflowInfo]) -> Vec<u8> {
    let open = || subflows.iter().filter(|subflow| subflow.closed.is_none());
    let byte = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    let segment = subflows.first().map_or(1, |first| first.mss.max(1));
    let since = |moment: Option<Instant>| {
        let passed = moment.map(|moment| now.saturating_duration_since(moment));
        passed.map_or(0, millis)
    };
    let rto = open().map(|subflow| subflow.tcp.rto).max();
    let resent = usize::try_from(info.bytes_reinjected).unwrap_or(usize::MAX);
    let mut bytes = vec![
        state_number(info.data_state),
        byte(info.data_timeouts),
        byte(
            open()
                .map(|subflow| subflow.unanswered_probes)
                .max()
                .unwrap_or(0),
        ),
        byte(open().map(|subflow| subflow.tcp.backoff).max().unwrap_or(0)),
    ];
    for number in [
        rto.map_or(0, |rto| u32::try_from(rto.as_micros()).unwrap_or(u32::MAX)),
        narrow(info.unacked.div_ceil(segment)),
        since(info.last_data_sent),
        since(info.last_data_received),
        since(info.last_ack_received),
        narrow(resent.div_ceil(segment)),
        // Padding.
        0,
    ] {
        bytes.extend(number.to_ne_bytes());
    }
    for number in [info.bytes_acked, info.bytes_received] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

/// `struct mptcp_sub_info`.
fn sub_info(subflow: &SubflowInfo) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SUB_INFO_SIZE);
    for (end, address) in [(1, subflow.local), (2, subflow.remote)] {
        bytes.extend(SockAddr::plain(address).to_bytes());
        bytes.resize(end * SOCKADDR_IN6_LEN, 0);
    }
    bytes
}

/// The states of a kernel's `tcp_states.h`, by which that kernel's connections go as well.
const fn state_number(state: DataState) -> u8 {
    match state {
        DataState::Established => 1,
        DataState::FinWait1 => 4,
        DataState::FinWait2 => 5,
        DataState::TimeWait => 6,
        DataState::CloseWait => 8,
        DataState::LastAck => 9,
        DataState::Closing => 11,
        DataState::FastcloseWait | DataState::Closed => 7,
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn length(table: &[u8; MPTCP_INFO_SIZE], at: usize) -> usize {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&table[at..at + 4]);
    usize::try_from(u32::from_ne_bytes(bytes)).unwrap_or(usize::MAX)
}

fn set_length(table: &mut [u8; MPTCP_INFO_SIZE], at: usize, len: usize) {
    // Never more than the caller had said.
    table[at..at + 4].copy_from_slice(&int_of(len).to_ne_bytes());
}

fn pointer(table: &[u8; MPTCP_INFO_SIZE], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&table[at..at + 8]);
    u64::from_ne_bytes(bytes)
}
