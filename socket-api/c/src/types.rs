//! Structs and constants of `umptcp.h`.
//!
//! The module owns layouts: those of draft-hesmans as umptcp has decided them (API reference 8.1), and
//! those of Linux 6.18 (4.3). The header has them under names of its own, as <linux/mptcp.h> and
//! <netinet/tcp.h> have others. Nothing here is ever made in Rust: the stack reads and writes bytes.

#![allow(
    non_camel_case_types,
    reason = "C programs use them, by way of the header that is made from this file"
)]

/// `IPPROTO_MPTCP`, for `ump_socket`.
pub const UMP_IPPROTO_MPTCP: i32 = 262;
/// `SOL_MPTCP`: the level of `UMP_MPTCP_INFO` and the three after it.
pub const UMP_SOL_MPTCP: i32 = 284;
/// Out: `ump_mptcp_info`, as much of it as fits.
pub const UMP_MPTCP_INFO: i32 = 1;
/// Out: `ump_subflow_data`, then a `struct tcp_info` for each subflow.
pub const UMP_MPTCP_TCPINFO: i32 = 2;
/// Out: `ump_subflow_data`, then an `ump_subflow_addrs` for each subflow.
pub const UMP_MPTCP_SUBFLOW_ADDRS: i32 = 3;
/// In and out: `ump_full_info`.
pub const UMP_MPTCP_FULL_INFO: i32 = 4;
/// Level `IPPROTO_TCP`, out: an `int`, 1 unless it is plain TCP or fell back to it.
pub const UMP_TCP_IS_MPTCP: i32 = 43;

/// Level `IPPROTO_TCP`, as the other options of subflows. Out: `ump_sub_ids`.
pub const UMP_GET_SUB_IDS: i32 = 66;
/// In: `ump_close_sub_id`.
pub const UMP_CLOSE_SUB_ID: i32 = 67;
/// In: the id in an `ump_sub_tuple`; out: all of it, and two socket addresses behind it.
pub const UMP_GET_SUB_TUPLE: i32 = 68;
/// In: `ump_sub_tuple` and two socket addresses behind it, source and destination; out: the id.
pub const UMP_OPEN_SUB_TUPLE: i32 = 69;
/// In: the id in the first byte; out: `struct tcp_info`.
pub const UMP_GET_SUB_INFO: i32 = 70;
/// In: `ump_sub_getsockopt`; out: what its pointers point to.
pub const UMP_SUB_GETSOCKOPT: i32 = 71;
/// `setsockopt`: `ump_sub_setsockopt`.
pub const UMP_SUB_SETSOCKOPT: i32 = 72;
/// `setsockopt`: `ump_sub_prio` (draft-samar).
pub const UMP_SET_SUB_PRIO: i32 = 73;

/// Get and set, an `int`: whether `ump_recvmsg` tells what happens to subflows.
pub const UMP_EVENTS: i32 = 76;

/// Type of ancillary data, an `ump_sub_event`: a subflow is established.
pub const UMP_EV_INIT_SUB: i32 = 1;
/// Type of ancillary data, an `ump_sub_event`: a subflow has ended.
pub const UMP_EV_DEL_SUB: i32 = 2;
/// Type of ancillary data, an `ump_sub_event`: a subflow is a backup now, or no longer.
pub const UMP_EV_SUB_PRIO: i32 = 3;
/// Type of ancillary data, an `ump_address_event`: an address of ours has come, or gone.
pub const UMP_EV_LOCAL_ADDR: i32 = 4;
/// Type of ancillary data, an `ump_address_event`: the peer has announced an address, or withdrawn one.
pub const UMP_EV_REMOTE_ADDR: i32 = 5;
/// Type of ancillary data, without any: what came before was lost.
pub const UMP_EV_OVERFLOW: i32 = 6;

/// Flag of a status: not the initial subflow.
pub const UMP_SUB_SLAVE: u8 = 0x01;
/// Flag of a status: both sides have proven their keys.
pub const UMP_SUB_FULLY_ESTABLISHED: u8 = 0x02;
/// Flag of a status: the handshake of TCP is complete.
pub const UMP_SUB_ATTACHED: u8 = 0x04;
/// Flag of a status: a backup.
pub const UMP_SUB_LOW_PRIO: u8 = 0x08;
/// Flag of a status: the proof of the keys is on its way.
pub const UMP_SUB_PRE_ESTABLISHED: u8 = 0x10;

/// `how` of `ump_close_sub_id` beside `SHUT_WR` and `SHUT_RDWR`: reset the subflow.
pub const UMP_SUB_RST: i32 = 3;

/// Flag of `ump_mptcp_info`: fallen back to TCP.
pub const UMP_INFO_FLAG_FALLBACK: u32 = 1;
/// Flag of `ump_mptcp_info`: the peer's key is known.
pub const UMP_INFO_FLAG_REMOTE_KEY_RECEIVED: u32 = 2;

/// A stack: a host with interfaces, addresses and connections of its own.
#[derive(Debug)]
pub struct ump_stack {
    _private: [u8; 0],
}

/// One subflow among `ump_sub_ids`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_sub_status {
    /// Its id: 1 is the initial subflow.
    pub id: u8,
    /// `UMP_SUB_SLAVE` and the others.
    pub flags: u8,
}

/// Value of `UMP_SET_SUB_PRIO`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_sub_prio {
    /// Which.
    pub id: u8,
    /// 1 for a backup, 0 for a regular subflow.
    pub low_prio: u8,
}

/// What `UMP_GET_SUB_IDS` begins with; `sub_count` times `ump_sub_status` follow.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_sub_ids {
    /// Subflows that are not closed.
    pub sub_count: u8,
    /// 0.
    pub pad: u8,
}

/// Value of `UMP_CLOSE_SUB_ID`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_close_sub_id {
    /// Which.
    pub id: u8,
    /// 0.
    pub pad: [u8; 3],
    /// `SHUT_WR` or `SHUT_RDWR`: in order. `UMP_SUB_RST`: at once.
    pub how: i32,
}

/// What the values of `UMP_GET_SUB_TUPLE` and `UMP_OPEN_SUB_TUPLE` begin with; two `sockaddr_in` or
/// two `sockaddr_in6` follow, source and destination.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_sub_tuple {
    /// Which.
    pub id: u8,
    /// Not 0: a backup.
    pub prio: u8,
    /// 0.
    pub pad: u16,
    /// Interface, counted from 1; 0 for any.
    pub if_idx: i32,
}

/// Value of `UMP_SUB_GETSOCKOPT`: an option of one subflow.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_sub_getsockopt {
    /// Which.
    pub id: u8,
    /// Level of the option.
    pub level: i32,
    /// The option.
    pub optname: i32,
    /// Where its value goes.
    pub optval: *mut std::ffi::c_char,
    /// Room there; then its length.
    pub optlen: *mut u32,
}

/// Value of `UMP_SUB_SETSOCKOPT`: an option of one subflow.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_sub_setsockopt {
    /// Which.
    pub id: u8,
    /// Level of the option.
    pub level: i32,
    /// The option.
    pub optname: i32,
    /// Its value.
    pub optval: *mut std::ffi::c_char,
    /// Length of that.
    pub optlen: u32,
}

/// What has happened to a subflow.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_sub_event {
    /// Which.
    pub id: u8,
    /// 1 if the peer did it.
    pub by_peer: u8,
    /// 1 for a backup.
    pub low_prio: u8,
    /// Reason of a reset (RFC 8684 §3.6), or 255.
    pub reason: u8,
    /// An errno, or 0.
    pub error: i32,
}

/// What an address event begins with; a `sockaddr_in` or a `sockaddr_in6` follows, unless the peer has
/// withdrawn it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_address_event {
    /// The id of the address.
    pub id: u8,
    /// 1 if it has gone.
    pub removed: u8,
    /// 0.
    pub pad: u16,
}

/// `struct mptcp_info` of Linux 6.18. `optlen` says afterwards how much of it is filled in.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_mptcp_info {
    /// Subflows without the initial one.
    pub mptcpi_extra_subflows: u8,
    /// ADD_ADDRs sent.
    pub mptcpi_add_addr_signal: u8,
    /// ADD_ADDRs accepted.
    pub mptcpi_add_addr_accepted: u8,
    /// Most extra subflows.
    pub mptcpi_limit_extra_subflows: u8,
    /// Endpoints that are announced.
    pub mptcpi_endp_signal_max: u8,
    /// Most ADD_ADDRs accepted.
    pub mptcpi_limit_add_addr_accepted: u8,
    /// `UMP_INFO_FLAG_FALLBACK` and the other.
    pub mptcpi_flags: u32,
    /// Our token.
    pub mptcpi_token: u32,
    /// The next data sequence number to be written.
    pub mptcpi_write_seq: u64,
    /// The first that is not acknowledged.
    pub mptcpi_snd_una: u64,
    /// The next that is expected.
    pub mptcpi_rcv_nxt: u64,
    /// Local addresses in use.
    pub mptcpi_local_addr_used: u8,
    /// Endpoints that subflows are opened from.
    pub mptcpi_endp_subflow_max: u8,
    /// There are checksums.
    pub mptcpi_csum_enabled: u8,
    /// Timeouts of the data level in a row.
    pub mptcpi_retransmits: u32,
    /// Bytes sent again.
    pub mptcpi_bytes_retrans: u64,
    /// Bytes sent, each once.
    pub mptcpi_bytes_sent: u64,
    /// Bytes received.
    pub mptcpi_bytes_received: u64,
    /// Bytes acknowledged.
    pub mptcpi_bytes_acked: u64,
    /// Subflows with the initial one.
    pub mptcpi_subflows_total: u8,
    /// As Linux 6.18.
    pub mptcpi_endp_laminar_max: u8,
    /// As Linux 6.18.
    pub mptcpi_endp_fullmesh_max: u8,
    /// 0.
    pub reserved: u8,
    /// Milliseconds since data was sent.
    pub mptcpi_last_data_sent: u32,
    /// Milliseconds since data was received.
    pub mptcpi_last_data_recv: u32,
    /// Milliseconds since an acknowledgment was received.
    pub mptcpi_last_ack_recv: u32,
}

/// `struct mptcp_subflow_data` of Linux: what two of the options begin with.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct ump_subflow_data {
    /// In: size of this struct.
    pub size_subflow_data: u32,
    /// In: 0. Out: how many subflows there are.
    pub num_subflows: u32,
    /// In: 0. Out: size of an element as the stack knows it.
    pub size_kernel: u32,
    /// In: size of an element as the caller knows it. Out: the smaller of the two.
    pub size_user: u32,
}

/// `struct mptcp_subflow_addrs` of Linux: two `sockaddr_storage`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct ump_subflow_addrs {
    /// Our address: `sockaddr_in` or `sockaddr_in6`.
    pub local: [u8; 128],
    /// The peer's.
    pub remote: [u8; 128],
}

/// `struct mptcp_subflow_info` of Linux.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_subflow_info {
    /// Counts up from 1 and is never used again.
    pub id: u32,
    /// Its addresses.
    pub addrs: ump_subflow_addrs,
}

/// `struct mptcp_full_info` of Linux.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ump_full_info {
    /// In: 0. Out: size of a `struct tcp_info` as the stack knows it.
    pub size_tcpinfo_kernel: u32,
    /// In: as the caller knows it. Out: the smaller of the two.
    pub size_tcpinfo_user: u32,
    /// In: 0. Out: size of an `ump_subflow_info` as the stack knows it.
    pub size_sfinfo_kernel: u32,
    /// In: as the caller knows it. Out: the smaller of the two.
    pub size_sfinfo_user: u32,
    /// In: 0. Out: how many subflows there are.
    pub num_subflows: u32,
    /// Elements that both arrays have room for.
    pub size_arrays_user: u32,
    /// Address of an array of `ump_subflow_info`.
    pub subflow_info: u64,
    /// Address of an array of `struct tcp_info`.
    pub tcp_info: u64,
    /// As `UMP_MPTCP_INFO` has it.
    pub mptcp_info: ump_mptcp_info,
}
