//! The hosts of a world: endpoints with their interfaces and with those who wait for connections,
//! and hosts with somebody else's stack.

use super::script::{Progress, Script};
use bytes::Bytes;
use std::fmt;
use std::net::IpAddr;
use umptcp::smapp::Controllers;
use umptcp_stack::{
    Endpoint, Instant, InterfaceConfig, InterfaceId, ListenerId, Transmit, TransmitChecksum,
};

/// One direction of one wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    pub(super) wire: usize,
    pub(super) direction: usize,
}

/// A host with another stack than ours, at the end of one wire.
pub trait ForeignHost {
    /// Takes a packet.
    fn handle_packet(&mut self, now: Instant, packet: Bytes);
    /// Does whatever is due; called at every timeout and after packets.
    fn handle_timeout(&mut self, now: Instant);
    /// The next packet to send.
    fn poll_transmit(&mut self) -> Option<Bytes>;
    /// When to call `handle_timeout` next.
    fn poll_timeout(&self) -> Option<Instant>;
    /// How far its application got, or what it found wrong.
    ///
    /// # Errors
    /// What was wrong, in words; it fails the run.
    fn progress(&self) -> Result<Progress, String>;
    /// True once its application is done.
    fn is_done(&self) -> bool;
}

/// A foreign host and its wire.
pub(super) struct Foreign {
    pub(super) name: String,
    pub(super) host: Box<dyn ForeignHost>,
    pub(super) attachment: Attachment,
}

#[derive(Debug)]
pub(super) struct Interface {
    pub(super) id: InterfaceId,
    pub(super) config: InterfaceConfig,
    pub(super) addresses: Vec<IpAddr>,
    /// Where packets sent here go; `None` while no wire is attached.
    pub(super) attachment: Option<Attachment>,
}

impl Interface {
    /// Says what the stack asks of this interface that it cannot do.
    pub(super) fn can_send(&self, transmit: &Transmit) -> Result<(), String> {
        let mtu = usize::from(self.config.mtu);
        if transmit.checksum == TransmitChecksum::Partial && !self.config.checksum_offload {
            return Err("a checksum left to a device that does not complete it".into());
        }
        let limit = match (transmit.segment_size, self.config.segmentation_offload) {
            (None, _) => mtu,
            (Some(size), Some(largest)) => {
                if transmit.header().len() + usize::from(size) > mtu {
                    return Err(format!("segments of {size} bytes for an MTU of {mtu}"));
                }
                transmit.header().len() + usize::from(largest)
            }
            (Some(_), None) => {
                return Err("a super-segment for a device that cuts none".into());
            }
        };
        if transmit.len() > limit {
            return Err(format!(
                "a packet of {} bytes, of at most {limit}",
                transmit.len()
            ));
        }
        Ok(())
    }
}

/// Makes the script of each accepted connection; the argument counts them from 0.
pub type ScriptFactory = Box<dyn FnMut(usize) -> Box<dyn Script>>;

pub(super) struct Service {
    pub(super) listener: ListenerId,
    pub(super) accepted: usize,
    pub(super) factory: ScriptFactory,
}

pub(super) struct Host {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) interfaces: Vec<Interface>,
    pub(super) services: Vec<Service>,
    /// Controllers that rule it.
    pub(super) controllers: Controllers,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.name)
            .field("interfaces", &self.interfaces)
            .finish_non_exhaustive()
    }
}
