//! The draft's structs as bytes, in the layouts that there are of them (API reference 2.2, 2.5, 8.1).
//!
//! The module owns offsets and lengths. What the fields mean is for the functions that use them.

use crate::bsd::{Errno, SOCKADDR_IN_LEN, SOCKADDR_IN6_LEN, SockAddr};

/// Whose structs the options of draft-hesmans have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DraftLayout {
    /// Ours: what the draft wants to say, with addresses that lie over nothing.
    ///
    /// `mptcp_sub_tuple { u8 id; u8 prio; u16 pad; i32 if_idx; sockaddr source, destination; }`,
    /// `mptcp_close_sub_id { u8 id; u8 pad[3]; i32 how; }`, of which the first byte will do,
    /// `mptcp_sub_status { u8 id; u8 flags; }` with the flags of the prototype.
    #[default]
    Umptcp,
    /// The draft's, as far as it can be: that of -00, whose tuple has no `if_idx`. Addresses are at
    /// offset 2 for opening and 1 for reading; the status has `low_prio` as its only flag, bit 0.
    Draft,
    /// The prototype's: addresses at offset 1 without priority, closing takes one byte.
    Prototype,
}

/// Flags of a status: not the initial subflow.
pub(super) const SLAVE: u8 = 0x01;
/// Both sides have proven their keys.
pub(super) const FULLY_ESTABLISHED: u8 = 0x02;
/// The handshake of TCP is complete.
pub(super) const ATTACHED: u8 = 0x04;
/// A backup.
pub(super) const LOW_PRIO: u8 = 0x08;
/// The handshake of TCP is complete, the proof of the keys is on its way.
pub(super) const PRE_ESTABLISHED: u8 = 0x10;
/// `low_prio` where it is alone.
const DRAFT_LOW_PRIO: u8 = 0x01;

/// Bytes before the statuses, and of each.
pub(super) const IDS_HEADER: usize = 2;
pub(super) const STATUS_LEN: usize = 2;
/// Bytes of `mptcp_sub_getsockopt` and `mptcp_sub_setsockopt`.
pub(super) const SUB_OPTION_LEN: usize = 32;
/// Bytes of a pointer to a segment routing header.
const POINTER_LEN: usize = 8;
/// Our number for the draft's RST.
const HOW_RESET: i32 = 3;

/// How a subflow is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    InOrder,
    Reset,
}

/// What is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) backup: bool,
    /// 0 for any.
    pub(super) interface: i32,
    pub(super) source: SockAddr,
    pub(super) destination: SockAddr,
}

impl DraftLayout {
    /// The flags of a status as this layout has them.
    pub(super) const fn flags(self, flags: u8) -> u8 {
        match self {
            Self::Umptcp | Self::Prototype => flags,
            Self::Draft if flags & LOW_PRIO != 0 => DRAFT_LOW_PRIO,
            Self::Draft => 0,
        }
    }

    /// Where the addresses begin when a subflow is opened.
    pub(super) const fn open_header(self) -> usize {
        match self {
            Self::Umptcp => 8,
            Self::Draft => 2,
            Self::Prototype => 1,
        }
    }

    /// Where they begin when they are read.
    pub(super) const fn get_header(self) -> usize {
        match self {
            Self::Umptcp => 8,
            Self::Draft | Self::Prototype => 1,
        }
    }

    /// Reads what is to be opened.
    pub(super) fn read_opening(self, value: &[u8]) -> Result<Opening, Errno> {
        let (header, rest) = value
            .split_at_checked(self.open_header())
            .ok_or(Errno::EINVAL)?;
        let family = SockAddr::from_bytes(rest)?.as_given();
        let len = if family.is_ipv4() {
            SOCKADDR_IN_LEN
        } else {
            SOCKADDR_IN6_LEN
        };
        let (addresses, after) = rest.split_at_checked(2 * len).ok_or(Errno::EINVAL)?;
        match (self, after.len()) {
            (_, 0) => {}
            (Self::Umptcp, POINTER_LEN) if after.iter().all(|byte| *byte == 0) => {}
            (Self::Umptcp, POINTER_LEN) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::EINVAL),
        }
        let (source, destination) = addresses.split_at(len);
        let source = SockAddr::from_bytes(source)?;
        let destination = SockAddr::from_bytes(destination)?;
        if source.as_given().is_ipv4() != destination.as_given().is_ipv4() {
            return Err(Errno::EINVAL);
        }
        let (backup, interface) = match self {
            Self::Umptcp => (header[1] != 0, read_i32(header, 4)?),
            Self::Draft => (header[1] != 0, 0),
            Self::Prototype => (false, 0),
        };
        Ok(Opening {
            backup,
            interface,
            source,
            destination,
        })
    }

    /// Reads which subflow is to end, and how.
    pub(super) fn read_close(self, value: &[u8]) -> Result<(u8, How), Errno> {
        let id = *value.first().ok_or(Errno::EINVAL)?;
        let short = match self {
            Self::Prototype => true,
            Self::Umptcp => value.len() == 1,
            Self::Draft => false,
        };
        if short {
            return Ok((id, How::InOrder));
        }
        let how = match read_i32(value, 4)? {
            libc::SHUT_WR | libc::SHUT_RDWR => How::InOrder,
            HOW_RESET => How::Reset,
            libc::SHUT_RD => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::EINVAL),
        };
        Ok((id, how))
    }
}

/// `mptcp_sub_getsockopt` or `mptcp_sub_setsockopt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubOption {
    pub(super) id: u8,
    pub(super) level: i32,
    pub(super) name: i32,
    /// Pointer to the value; 0 if it follows the struct.
    pub(super) value: u64,
    /// The length, or a pointer to it.
    pub(super) len: u64,
}

impl SubOption {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Errno> {
        let whole: &[u8; SUB_OPTION_LEN] = bytes.first_chunk().ok_or(Errno::EINVAL)?;
        Ok(Self {
            id: whole[0],
            level: read_i32(whole, 4)?,
            name: read_i32(whole, 8)?,
            value: read_u64(whole, 16)?,
            len: read_u64(whole, 24)?,
        })
    }

    /// The struct as bytes, for the typed functions.
    pub(super) fn to_bytes(self) -> [u8; SUB_OPTION_LEN] {
        let mut bytes = [0; SUB_OPTION_LEN];
        bytes[0] = self.id;
        bytes[4..8].copy_from_slice(&self.level.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.name.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.value.to_ne_bytes());
        bytes[24..].copy_from_slice(&self.len.to_ne_bytes());
        bytes
    }
}

fn read_i32(bytes: &[u8], at: usize) -> Result<i32, Errno> {
    let part = bytes.get(at..).and_then(<[u8]>::first_chunk);
    Ok(i32::from_ne_bytes(*part.ok_or(Errno::EINVAL)?))
}

fn read_u64(bytes: &[u8], at: usize) -> Result<u64, Errno> {
    let part = bytes.get(at..).and_then(<[u8]>::first_chunk);
    Ok(u64::from_ne_bytes(*part.ok_or(Errno::EINVAL)?))
}
