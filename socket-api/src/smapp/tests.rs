//! The numbers of events, commands and attributes against the tables of the kernels' headers, and
//! values that survive being written down.

use super::*;
use std::net::SocketAddr;
use std::time::Duration;

const TOKEN: Token = Token(0x1234_5678);

fn end(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

fn connection() -> ConnectionTuple {
    ConnectionTuple {
        token: TOKEN,
        local_id: 0,
        remote_id: 0,
        local: end("192.0.2.1:1000"),
        remote: end("192.0.2.2:80"),
        server_side: false,
        deny_join_id0: true,
    }
}

fn subflow() -> SubflowTuple {
    SubflowTuple {
        token: TOKEN,
        local_id: 1,
        remote_id: 2,
        local: end("[2001:db8::1]:1000"),
        remote: end("[2001:db8::2]:80"),
        backup: true,
        interface: 1,
    }
}

/// One of each, with its numbers in `mptcp` and `mptcp_pm`.
fn events() -> Vec<(Event, Option<u8>, Option<u8>)> {
    let token = TOKEN;
    let local = end("192.0.2.1:80");
    vec![
        (Event::Created(connection()), Some(1), Some(1)),
        (Event::Established(connection()), Some(2), Some(2)),
        (Event::Closed { token }, Some(3), Some(3)),
        (
            Event::Announced {
                token,
                remote_id: 3,
                address: local,
            },
            Some(6),
            Some(6),
        ),
        (
            Event::Removed {
                token,
                remote_id: 3,
            },
            Some(7),
            Some(7),
        ),
        (Event::SubflowEstablished(subflow()), Some(10), Some(10)),
        (
            Event::SubflowClosed {
                subflow: subflow(),
                error: Some(Errno::ECONNRESET),
                reset: Some(Reset {
                    reason: 5,
                    transient: true,
                }),
            },
            Some(11),
            Some(11),
        ),
        (Event::SubflowPriority(subflow()), Some(13), Some(13)),
        (Event::ListenerCreated { local }, None, Some(15)),
        (Event::ListenerClosed { local }, None, Some(16)),
        (
            Event::Timeout {
                subflow: subflow(),
                rto: Duration::from_millis(1200),
                backoff: 2,
            },
            None,
            None,
        ),
        (
            Event::LocalAddressAdded {
                token,
                local_id: 4,
                address: local.ip(),
            },
            None,
            None,
        ),
        (
            Event::LocalAddressRemoved {
                token,
                local_id: 4,
                address: local.ip(),
            },
            None,
            None,
        ),
    ]
}

/// One of each, with its numbers in `mptcp` and `mptcp_pm`.
fn commands() -> Vec<(Command, Option<u8>, Option<u8>)> {
    let token = TOKEN;
    let (local, remote) = (end("192.0.2.1:1000"), end("192.0.2.2:80"));
    let endpoint = HostEndpoint {
        id: 0,
        address: local.ip(),
        port: None,
        flags: EndpointFlags::from_bits(0x02),
        interface: Some(1),
    };
    let limits = Limits {
        subflows: 2,
        add_addr_accepted: 1,
    };
    vec![
        (
            Command::Announce {
                token,
                local_id: Some(1),
                address: local.ip(),
                port: Some(81),
            },
            Some(4),
            Some(8),
        ),
        (Command::Remove { token, local_id: 1 }, Some(5), Some(9)),
        (
            Command::CreateSubflow(CreateSubflow::new(token, remote).from(local.ip())),
            Some(8),
            Some(10),
        ),
        (
            Command::DestroySubflow {
                token,
                local,
                remote,
            },
            Some(9),
            Some(11),
        ),
        (
            Command::SetPriority {
                token,
                local,
                remote,
                backup: true,
            },
            Some(12),
            Some(7),
        ),
        (Command::SetFilter(EventMask::ALL), Some(14), None),
        (Command::Exists { token }, Some(15), None),
        (Command::AddEndpoint(endpoint), None, Some(1)),
        (
            Command::RemoveEndpoint(EndpointKey::default()),
            None,
            Some(2),
        ),
        (Command::FlushEndpoints, None, Some(4)),
        (Command::SetLimits(limits), None, Some(5)),
        (
            Command::SetEndpointFlags(EndpointKey::default(), EndpointFlags::default()),
            None,
            Some(7),
        ),
    ]
}

#[test]
fn events_have_the_numbers_of_both_families() {
    for (event, mptcp, mptcp_pm) in events() {
        let numbers = [Family::Mptcp, Family::MptcpPm].map(|family| event.number(family));
        assert_eq!(numbers, [mptcp, mptcp_pm], "{event:?}");
    }
}

#[test]
fn commands_have_the_numbers_of_both_families() {
    for (command, mptcp, mptcp_pm) in commands() {
        let numbers = [Family::Mptcp, Family::MptcpPm].map(|family| command.number(family));
        assert_eq!(numbers, [mptcp, mptcp_pm], "{command:?}");
    }
    assert_eq!(Query::Endpoints.number(Family::MptcpPm), Some(3));
    assert_eq!(Query::Limits.number(Family::MptcpPm), Some(6));
    assert_eq!(Query::Limits.number(Family::Mptcp), None);
}

#[test]
fn attributes_have_the_numbers_of_the_headers() {
    let events = [
        Attribute::Token,
        Attribute::Family,
        Attribute::LocalId,
        Attribute::RemoteId,
        Attribute::SourceAddress4,
        Attribute::SourceAddress6,
        Attribute::DestinationAddress4,
        Attribute::DestinationAddress6,
        Attribute::SourcePort,
        Attribute::DestinationPort,
        Attribute::Backup,
        Attribute::Error,
        Attribute::Flags,
        Attribute::Timeout,
        Attribute::InterfaceIndex,
        Attribute::ResetReason,
        Attribute::ResetFlags,
        Attribute::ServerSide,
    ];
    assert_eq!(
        events.map(|a| a as u16).to_vec(),
        (1..=18).collect::<Vec<_>>()
    );
    let commands = [
        CommandAttribute::Address,
        CommandAttribute::ReceivedAddAddrs,
        CommandAttribute::Subflows,
        CommandAttribute::Token,
        CommandAttribute::LocalId,
        CommandAttribute::RemoteAddress,
    ];
    assert_eq!(commands.map(|a| a as u16), [1, 2, 3, 4, 5, 6]);
    let addresses = [
        AddressAttribute::Family,
        AddressAttribute::Id,
        AddressAttribute::Address4,
        AddressAttribute::Address6,
        AddressAttribute::Port,
        AddressAttribute::Flags,
        AddressAttribute::InterfaceIndex,
    ];
    assert_eq!(addresses.map(|a| a as u16), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(Family::Mptcp.event_group(), "mptcp_events");
    assert_eq!(Family::MptcpPm.event_group(), "mptcp_pm_events");
}

#[test]
fn flags_are_those_of_the_headers() {
    let mut tuple = connection();
    assert_eq!(tuple.flags(), 0x1);
    tuple.server_side = true;
    assert_eq!(tuple.flags(), 0x3);
    let reset = Reset {
        reason: 1,
        transient: true,
    };
    assert_eq!(reset.flags(), 1);
}

#[test]
fn every_event_has_a_bit_of_its_own_kind() {
    for (event, ..) in events() {
        let mask = EventMask::of(&event);
        assert_eq!(mask.bits().count_ones(), 1, "{event:?}");
        assert!(EventMask::ALL.contains(mask));
        // The bits of the kernel are in the order of its events.
        if let Some(number) = event.number(Family::Mptcp) {
            let bits = [1, 2, 3, 6, 7, 10, 11, 13];
            let position = bits.iter().position(|&bit| bit == number);
            assert_eq!(mask.bits(), 2 << position.expect("a number of the kernel"));
        }
    }
}

#[test]
fn values_survive_being_written() {
    for (event, ..) in events() {
        let written = serde_json::to_string(&event).expect("it can be written");
        let read: Event = serde_json::from_str(&written).expect("it can be read");
        assert_eq!(read, event, "{written}");
    }
    for (command, ..) in commands() {
        let written = serde_json::to_string(&command).expect("it can be written");
        let read: Command = serde_json::from_str(&written).expect("it can be read");
        assert_eq!(read, command, "{written}");
    }
}
