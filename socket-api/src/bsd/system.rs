//! What all sockets of one stack have in common.
//!
//! The module owns the settings that a kernel would keep in sysctls, and the table of bound ports.

use super::Errno;
use super::bindings::Bindings;
use super::options::draft::{DraftLayout, Subscriptions};
use umptcp_stack::{ConnectionConfig, InterfaceId};

/// Whose meaning the option numbers have on which two kernels disagree, and how much is refused
/// (the decisions are written down in [`options`](super::options)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OptionProfile {
    /// Upstream Linux's numbers, and every option that the stack can serve.
    #[default]
    Full,
    /// Upstream Linux's numbers, and what Linux refuses on an MPTCP socket is refused.
    Linux,
    /// The numbers 42 to 45 of the multipath-tcp.org kernel at level `IPPROTO_TCP`, whose TCP
    /// sockets speak MPTCP.
    MultipathTcpOrg,
}

/// The common part of all sockets of a stack.
#[derive(Clone, Debug)]
pub struct System {
    /// What new connections start with; sockets copy it when they are made.
    pub defaults: ConnectionConfig,
    /// MPTCP sockets may be made: `net.mptcp.enabled`.
    pub enabled: bool,
    /// Meaning of option numbers.
    pub profile: OptionProfile,
    /// RFC 6897 §4.2.1: a socket that is bound to one address, of an application that did not ask
    /// for MPTCP by [`TCP_MULTIPATH_ENABLE`](super::options), uses plain TCP. Linux does not do so.
    pub legacy_rules: bool,
    /// Ports below 1024 may be bound, and options that ask for privileges in a kernel may be set.
    pub privileged: bool,
    /// The interfaces of the stack, with the names by which `SO_BINDTODEVICE` knows them.
    pub interfaces: Vec<(InterfaceId, String)>,
    /// Whose structs the options of draft-hesmans have.
    pub draft_layout: DraftLayout,
    pub(super) bindings: Bindings,
    pub(super) subscriptions: Subscriptions,
}

impl System {
    /// The interface with this name; an empty one stands for any interface.
    pub(super) fn interface_named(&self, name: &str) -> Result<Option<InterfaceId>, Errno> {
        if name.is_empty() {
            return Ok(None);
        }
        let mut interfaces = self.interfaces.iter();
        let found = interfaces.find(|(_, known)| known == name);
        found.map(|(id, _)| Some(*id)).ok_or(Errno::ENODEV)
    }

    /// The name of an interface.
    pub(super) fn name_of(&self, interface: InterfaceId) -> Option<&str> {
        let mut interfaces = self.interfaces.iter();
        let found = interfaces.find(|(id, _)| *id == interface);
        found.map(|(_, name)| name.as_str())
    }

    /// The interface with this index, counted from 1; 0 stands for any interface.
    pub(super) fn interface_numbered(&self, index: i32) -> Result<Option<InterfaceId>, Errno> {
        if index == 0 {
            return Ok(None);
        }
        let place = usize::try_from(index).map_err(|_| Errno::EINVAL)? - 1;
        let mut interfaces = self.interfaces.iter();
        let found = interfaces.find(|(id, _)| id.index() == place);
        found.map(|(id, _)| Some(*id)).ok_or(Errno::ENODEV)
    }
}

impl Default for System {
    fn default() -> Self {
        Self {
            defaults: ConnectionConfig::default(),
            enabled: true,
            profile: OptionProfile::default(),
            legacy_rules: false,
            privileged: false,
            interfaces: Vec::new(),
            draft_layout: DraftLayout::default(),
            bindings: Bindings::default(),
            subscriptions: Subscriptions::default(),
        }
    }
}
