//! Names for the things an endpoint holds. An id is never reused for another thing while a holder
//! of the old one could be confused by it.

/// A network interface of the endpoint, as numbered by `Endpoint::add_interface`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(pub(crate) u32);

impl InterfaceId {
    /// The position in order of addition, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An MPTCP (or fallen-back TCP) connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// A listening address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub(crate) u32);

/// A subflow of one connection, numbered in the order of opening; the initial one is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubflowId(pub(crate) u32);

impl SubflowId {
    /// The subflow that the connection began with.
    pub const INITIAL: Self = Self(0);

    /// The order of opening within the connection, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// The number a host gives one of its addresses within a connection (RFC 6824 §3.2);
/// 0 is the address of the initial subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressId(pub u8);

impl AddressId {
    /// The address of the initial subflow.
    pub const INITIAL: Self = Self(0);
}
