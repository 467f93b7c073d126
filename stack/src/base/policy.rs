//! The policies of a connection by kind: which subflow carries the next bytes, and which subflows
//! there are at all. Their names are those that Linux and the multipath-tcp.org kernel use.
//!
//! Owns the kinds and their names. What they do is in `mptcp::scheduler` and
//! `mptcp::path_manager`.

/// Which subflow carries the next bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SchedulerKind {
    /// The subflow with the lowest smoothed round-trip time among those with room.
    #[default]
    LowestRtt,
    /// A segment for each subflow with room, in turn.
    RoundRobin,
}

impl SchedulerKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::LowestRtt, Self::RoundRobin];

    /// The name by which users know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowestRtt => "default",
            Self::RoundRobin => "roundrobin",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }
}

/// Which subflows are opened and which addresses are announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PathManagerKind {
    /// Every local address to every remote one, opened by the side that connected; the other side
    /// announces its addresses.
    #[default]
    FullMesh,
    /// Opens and announces nothing of its own, and takes what the peer opens: for applications that
    /// rule their subflows themselves.
    Passive,
    /// So many subflows, the initial one included, over the addresses of the initial subflow, from
    /// different ports; opened by the side that connected.
    NDiffPorts {
        /// How many.
        subflows: u8,
    },
    /// What the endpoints of the host say, as the path manager in the Linux kernel does
    /// (`Endpoint::add_path_endpoint`).
    Endpoints,
}

impl PathManagerKind {
    /// All of them, with the defaults of their parameters.
    pub const ALL: &'static [Self] = &[
        Self::FullMesh,
        Self::Passive,
        // As in the multipath-tcp.org kernel.
        Self::NDiffPorts { subflows: 2 },
        Self::Endpoints,
    ];

    /// The name by which users know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullMesh => "fullmesh",
            Self::Passive => "default",
            Self::NDiffPorts { .. } => "ndiffports",
            Self::Endpoints => "kernel",
        }
    }

    /// The one with this name, with the default of its parameter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_by_its_name() {
        for &kind in SchedulerKind::ALL {
            assert_eq!(SchedulerKind::from_name(kind.name()), Some(kind));
        }
        for &kind in PathManagerKind::ALL {
            assert_eq!(PathManagerKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(SchedulerKind::from_name("fullmesh"), None);
        assert_eq!(PathManagerKind::from_name(""), None);
    }
}
