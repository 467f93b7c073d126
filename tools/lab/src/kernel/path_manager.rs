//! The kernel's own path manager, asked over generic netlink what `ip mptcp` would ask it.
//!
//! It owns the few commands that experiments need: limits and endpoints. It reads nothing back but
//! whether the kernel agreed.

use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use rtnetlink::packet_core::{
    DecodeError, DefaultNla, Emitable, NLA_F_NESTED, NLM_F_ACK, NLM_F_REQUEST,
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
    ParseableParametrized,
};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};
use std::fmt::Debug;
use std::io;
use std::net::IpAddr;

// include/uapi/linux/mptcp_pm.h: commands, attributes, and attributes of an address.
const CMD_ADD_ADDR: u8 = 1;
const CMD_SET_LIMITS: u8 = 5;
const ATTR_ADDR: u16 = 1;
const ATTR_RCV_ADD_ADDRS: u16 = 2;
const ATTR_SUBFLOWS: u16 = 3;
const ADDR_ATTR_FAMILY: u16 = 1;
const ADDR_ATTR_ADDR4: u16 = 3;
const ADDR_ATTR_ADDR6: u16 = 4;
const ADDR_ATTR_FLAGS: u16 = 6;
/// Announce the address to peers (`MPTCP_PM_ADDR_FLAG_SIGNAL`).
const ADDR_FLAG_SIGNAL: u32 = 1;
/// Open subflows from the address (`MPTCP_PM_ADDR_FLAG_SUBFLOW`).
const ADDR_FLAG_SUBFLOW: u32 = 1 << 1;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// What the kernel does with an address it is given as an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Opens subflows from it, as a client.
    Subflow,
    /// Announces it to its peers, as a server.
    Signal,
}

/// The path manager of the network namespace of the thread that opened it.
pub struct PathManager {
    socket: Socket,
    family: u16,
}

impl Debug for PathManager {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PathManager")
            .field("family", &self.family)
            .finish_non_exhaustive()
    }
}

impl PathManager {
    /// Finds the path manager.
    ///
    /// # Errors
    /// The kernel has none ([`io::ErrorKind::NotFound`]), or netlink is out of reach.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let request = GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(Command::family_name().to_owned())],
        };
        send(&socket, GenlMessage::from_payload(request), NLM_F_REQUEST)?;
        match receive::<GenlMessage<GenlCtrl>>(&socket)? {
            NetlinkPayload::InnerMessage(reply) => {
                let family = reply
                    .payload
                    .nlas
                    .iter()
                    .find_map(|attribute| match attribute {
                        GenlCtrlAttrs::FamilyId(id) => Some(*id),
                        _ => None,
                    });
                let family = family.ok_or_else(|| unexpected("a family without a number"))?;
                Ok(Self { socket, family })
            }
            NetlinkPayload::Error(error) => Err(error.to_io()),
            _ => Err(unexpected("an answer of another kind")),
        }
    }

    /// Sets how many subflows a connection may have besides its first, in either role, and how
    /// many announced addresses a client takes up. The kernel allows at most 8 of each.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn set_limits(&self, additional_subflows: u32, accepted_addresses: u32) -> io::Result<()> {
        self.command(
            CMD_SET_LIMITS,
            vec![
                DefaultNla::new(
                    ATTR_RCV_ADD_ADDRS,
                    accepted_addresses.to_ne_bytes().to_vec(),
                ),
                DefaultNla::new(ATTR_SUBFLOWS, additional_subflows.to_ne_bytes().to_vec()),
            ],
        )
    }

    /// Gives the path manager an address to work with.
    ///
    /// # Errors
    /// The kernel refused: it has the address already, or eight of them.
    pub fn add_endpoint(&self, address: IpAddr, purpose: Use) -> io::Result<()> {
        let flags = match purpose {
            Use::Subflow => ADDR_FLAG_SUBFLOW,
            Use::Signal => ADDR_FLAG_SIGNAL,
        };
        let (family, octets) = match address {
            IpAddr::V4(v4) => (
                AF_INET,
                DefaultNla::new(ADDR_ATTR_ADDR4, v4.octets().to_vec()),
            ),
            IpAddr::V6(v6) => (
                AF_INET6,
                DefaultNla::new(ADDR_ATTR_ADDR6, v6.octets().to_vec()),
            ),
        };
        let attributes = [
            DefaultNla::new(ADDR_ATTR_FAMILY, family.to_ne_bytes().to_vec()),
            octets,
            DefaultNla::new(ADDR_ATTR_FLAGS, flags.to_ne_bytes().to_vec()),
        ];
        let mut nested = vec![0; attributes.as_slice().buffer_len()];
        attributes.as_slice().emit(&mut nested);
        self.command(
            CMD_ADD_ADDR,
            vec![DefaultNla::new(ATTR_ADDR | NLA_F_NESTED, nested)],
        )
    }

    fn command(&self, command: u8, attributes: Vec<DefaultNla>) -> io::Result<()> {
        let mut message = GenlMessage::from_payload(Command {
            command,
            attributes,
        });
        message.set_resolved_family_id(self.family);
        send(&self.socket, message, NLM_F_REQUEST | NLM_F_ACK)?;
        match receive::<GenlMessage<Command>>(&self.socket)? {
            // An error message without a code is the acknowledgment.
            NetlinkPayload::Error(error) if error.code.is_none() => Ok(()),
            NetlinkPayload::Error(error) => Err(error.to_io()),
            _ => Err(unexpected("an answer of another kind")),
        }
    }
}

fn send<F>(socket: &Socket, mut payload: GenlMessage<F>, flags: u16) -> io::Result<()>
where
    F: GenlFamily + Emitable + Clone + Debug + PartialEq + Eq,
    GenlMessage<F>: NetlinkSerializable,
{
    payload.finalize();
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(payload));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).map(|_| ())
}

fn receive<M: NetlinkDeserializable>(socket: &Socket) -> io::Result<NetlinkPayload<M>> {
    let (bytes, _) = socket.recv_from_full()?;
    NetlinkMessage::deserialize(&bytes)
        .map(|message| message.payload)
        .map_err(|error| unexpected(&error.to_string()))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the MPTCP path manager answered with {what}"),
    )
}

/// A command of the family `mptcp_pm` and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Command {
    command: u8,
    attributes: Vec<DefaultNla>,
}

impl GenlFamily for Command {
    fn family_name() -> &'static str {
        "mptcp_pm"
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Command {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Command {
    fn parse_with_param(_: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        Ok(Self {
            command: header.cmd,
            attributes: Vec::new(),
        })
    }
}
