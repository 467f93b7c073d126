//! Which events a controller wants.
//!
//! Owns the bits. Those of the multipath-tcp.org kernel (`MPTCPF_EVENT_*`) are `1 << n` for n from
//! 1 to 8; the others are ours and lie above them.

use super::event::Event;
use serde::{Deserialize, Serialize};
use std::ops::{BitOr, BitOrAssign};

/// A set of kinds of events: those wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventMask(u32);

impl EventMask {
    /// None.
    pub const NONE: Self = Self(0);
    /// `MPTCPF_EVENT_CREATED`
    pub const CREATED: Self = Self(1 << 1);
    /// `MPTCPF_EVENT_ESTABLISHED`
    pub const ESTABLISHED: Self = Self(1 << 2);
    /// `MPTCPF_EVENT_CLOSED`
    pub const CLOSED: Self = Self(1 << 3);
    /// `MPTCPF_EVENT_ANNOUNCED`
    pub const ANNOUNCED: Self = Self(1 << 4);
    /// `MPTCPF_EVENT_REMOVED`
    pub const REMOVED: Self = Self(1 << 5);
    /// `MPTCPF_EVENT_SUB_ESTABLISHED`
    pub const SUBFLOW_ESTABLISHED: Self = Self(1 << 6);
    /// `MPTCPF_EVENT_SUB_CLOSED`
    pub const SUBFLOW_CLOSED: Self = Self(1 << 7);
    /// `MPTCPF_EVENT_SUB_PRIORITY`
    pub const SUBFLOW_PRIORITY: Self = Self(1 << 8);
    /// Listeners that open and close.
    pub const LISTENERS: Self = Self(1 << 16);
    /// Expiries of retransmission timers.
    pub const TIMEOUT: Self = Self(1 << 17);
    /// Local addresses that come and go.
    pub const LOCAL_ADDRESSES: Self = Self(1 << 18);
    /// Everything.
    pub const ALL: Self = Self(0x1fe | 0b111 << 16);

    /// The bits, as the attribute FLAGS of `MPTCP_CMD_SET_FILTER` has them; ours above.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with these bits; those that mean nothing are left out.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Has all of `other`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bit of an event.
    #[must_use]
    pub const fn of(event: &Event) -> Self {
        match event {
            Event::Created(_) => Self::CREATED,
            Event::Established(_) => Self::ESTABLISHED,
            Event::Closed { .. } => Self::CLOSED,
            Event::Announced { .. } => Self::ANNOUNCED,
            Event::Removed { .. } => Self::REMOVED,
            Event::SubflowEstablished(_) => Self::SUBFLOW_ESTABLISHED,
            Event::SubflowClosed { .. } => Self::SUBFLOW_CLOSED,
            Event::SubflowPriority(_) => Self::SUBFLOW_PRIORITY,
            Event::ListenerCreated { .. } | Event::ListenerClosed { .. } => Self::LISTENERS,
            Event::Timeout { .. } => Self::TIMEOUT,
            Event::LocalAddressAdded { .. } | Event::LocalAddressRemoved { .. } => {
                Self::LOCAL_ADDRESSES
            }
        }
    }
}

impl BitOr for EventMask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for EventMask {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_kernel() {
        let kernel = [
            EventMask::CREATED,
            EventMask::ESTABLISHED,
            EventMask::CLOSED,
            EventMask::ANNOUNCED,
            EventMask::REMOVED,
            EventMask::SUBFLOW_ESTABLISHED,
            EventMask::SUBFLOW_CLOSED,
            EventMask::SUBFLOW_PRIORITY,
        ];
        for (n, mask) in (1..).zip(kernel) {
            assert_eq!(mask.bits(), 1 << n);
        }
        assert_eq!(EventMask::from_bits(u32::MAX), EventMask::ALL);
        assert_eq!(EventMask::from_bits(1), EventMask::NONE);
        let two = EventMask::CREATED | EventMask::TIMEOUT;
        assert!(two.contains(EventMask::TIMEOUT) && !two.contains(EventMask::CLOSED));
    }
}
