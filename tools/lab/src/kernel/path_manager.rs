//! The kernel's own path manager, asked over generic netlink what `ip mptcp` would ask it.
//!
//! It owns the few commands that experiments need: limits, endpoints and their priority. It reads
//! nothing back but whether the kernel agreed.

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
use std::ops::BitOr;

// include/uapi/linux/mptcp_pm.h: commands, attributes, and attributes of an address.
const CMD_ADD_ADDR: u8 = 1;
const CMD_DEL_ADDR: u8 = 2;
const CMD_SET_LIMITS: u8 = 5;
const CMD_SET_FLAGS: u8 = 7;
const ATTR_ADDR: u16 = 1;
const ATTR_RCV_ADD_ADDRS: u16 = 2;
const ATTR_SUBFLOWS: u16 = 3;
const ADDR_ATTR_FAMILY: u16 = 1;
const ADDR_ATTR_ID: u16 = 2;
const ADDR_ATTR_ADDR4: u16 = 3;
const ADDR_ATTR_ADDR6: u16 = 4;
const ADDR_ATTR_PORT: u16 = 5;
const ADDR_ATTR_FLAGS: u16 = 6;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// What the kernel does with an address it is given as an endpoint (`MPTCP_PM_ADDR_FLAG_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use(u32);

impl Use {
    /// Announces it to its peers.
    pub const SIGNAL: Self = Self(1);
    /// Opens subflows from it, as a client.
    pub const SUBFLOW: Self = Self(1 << 1);
    /// Asks the peer to treat its subflows as backup.
    pub const BACKUP: Self = Self(1 << 2);
    /// Opens subflows from it to every address of the peer, as a client.
    pub const FULLMESH: Self = Self(1 << 3);
}

impl BitOr for Use {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An address of the kernel as its path manager knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelEndpoint {
    /// Its number in every connection, from 1 up: what peers see as the address ID.
    pub id: u8,
    /// The address.
    pub address: IpAddr,
    /// A port of its own that is announced with it, for [`Use::SIGNAL`] alone.
    pub port: Option<u16>,
}

impl KernelEndpoint {
    /// One without a port of its own.
    #[must_use]
    pub const fn new(id: u8, address: IpAddr) -> Self {
        Self {
            id,
            address,
            port: None,
        }
    }

    /// The nested attribute that stands for it, with these flags if there are any.
    fn attribute(self, purpose: Option<Use>) -> DefaultNla {
        let (family, octets) = match self.address {
            IpAddr::V4(v4) => (
                AF_INET,
                DefaultNla::new(ADDR_ATTR_ADDR4, v4.octets().to_vec()),
            ),
            IpAddr::V6(v6) => (
                AF_INET6,
                DefaultNla::new(ADDR_ATTR_ADDR6, v6.octets().to_vec()),
            ),
        };
        let mut attributes = vec![
            DefaultNla::new(ADDR_ATTR_FAMILY, family.to_ne_bytes().to_vec()),
            DefaultNla::new(ADDR_ATTR_ID, vec![self.id]),
            octets,
        ];
        attributes.extend(
            self.port
                .map(|port| DefaultNla::new(ADDR_ATTR_PORT, port.to_ne_bytes().to_vec())),
        );
        attributes.extend(
            purpose.map(|flags| DefaultNla::new(ADDR_ATTR_FLAGS, flags.0.to_ne_bytes().to_vec())),
        );
        let mut nested = vec![0; attributes.as_slice().buffer_len()];
        attributes.as_slice().emit(&mut nested);
        DefaultNla::new(ATTR_ADDR | NLA_F_NESTED, nested)
    }
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

    /// Gives the path manager an address to work with, in the connections there are as well.
    ///
    /// # Errors
    /// The kernel refused: it has the address or the number already, or eight of them.
    pub fn add_endpoint(&self, endpoint: KernelEndpoint, purpose: Use) -> io::Result<()> {
        self.command(CMD_ADD_ADDR, vec![endpoint.attribute(Some(purpose))])
    }

    /// Takes an endpoint away: the kernel closes its subflows, and tells their peers if they know
    /// the address. Number 0 stands for the local address of initial subflows.
    ///
    /// # Errors
    /// The kernel does not have it.
    pub fn remove_endpoint(&self, endpoint: KernelEndpoint) -> io::Result<()> {
        self.command(CMD_DEL_ADDR, vec![endpoint.attribute(None)])
    }

    /// Makes the subflows of an endpoint backup or regular ones, and tells their peers.
    ///
    /// # Errors
    /// The kernel does not have the endpoint.
    pub fn set_backup(&self, endpoint: KernelEndpoint, backup: bool) -> io::Result<()> {
        let flags = if backup { Use::BACKUP } else { Use(0) };
        self.command(CMD_SET_FLAGS, vec![endpoint.attribute(Some(flags))])
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
