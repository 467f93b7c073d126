//! `umptcp monitor`: what happens, a line each, as `ip mptcp monitor` prints it.

use super::args::MonitorArgs;
use super::{Failed, print};
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use umptcp::control_socket::{ControlClient, Happened, Line, Notice};
use umptcp::smapp::{ConnectionTuple, Event, EventMask, SubflowTuple, Token};

pub(super) fn run(client: &mut ControlClient, args: &MonitorArgs) -> Result<(), Failed> {
    client.monitor(EventMask::ALL, args.known)?;
    let mut left = args.count;
    while left != Some(0) {
        let notice = match client.next_notice(None) {
            Ok(Some(notice)) => notice,
            Ok(None) => continue,
            // The stack has stopped: there is nothing more to see.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        print(&if args.json {
            json(&notice)
        } else {
            text(&notice)
        })?;
        left = left.map(|left| left - 1);
    }
    Ok(())
}

fn json(notice: &Notice) -> String {
    let line = match *notice {
        Notice::Event(event) => Line::Event { event },
        Notice::Missed(missed) => Line::Missed { missed },
    };
    line.to_text().trim_end().to_owned()
}

fn text(notice: &Notice) -> String {
    match notice {
        Notice::Missed(missed) => format!("[MISSED       ] {missed} events"),
        Notice::Event(Happened { event, .. }) => words(event),
    }
}

/// The label and the fields of `ip mptcp monitor`; the last labels are ours.
fn words(event: &Event) -> String {
    match event {
        Event::Created(tuple) => connection("CREATED", tuple),
        Event::Established(tuple) => connection("ESTABLISHED", tuple),
        Event::Closed { token } => label("CLOSED", *token),
        Event::Announced {
            token,
            remote_id,
            address,
        } => {
            let mut line = label("ANNOUNCED", *token);
            let _ = write!(line, " remid={remote_id} ");
            push_address(&mut line, 'd', address.ip());
            let _ = write!(line, " dport={}", address.port());
            line
        }
        Event::Removed { token, remote_id } => {
            format!("{} remid={remote_id}", label("REMOVED", *token))
        }
        Event::SubflowEstablished(tuple) => subflow("SF_ESTABLISHED", tuple),
        Event::SubflowPriority(tuple) => subflow("SF_PRIO", tuple),
        Event::SubflowClosed {
            subflow: tuple,
            error,
            reset,
        } => {
            let mut line = subflow("SF_CLOSED", tuple);
            if let Some(error) = error {
                let _ = write!(line, " error={}", *error as i32);
            }
            if let Some(reset) = reset {
                let _ = write!(
                    line,
                    " reset_reason={} reset_flags={}",
                    reset.reason,
                    reset.flags()
                );
            }
            line
        }
        Event::ListenerCreated { local } => listener("LISTENER_CREATED", *local),
        Event::ListenerClosed { local } => listener("LISTENER_CLOSED", *local),
        Event::Timeout {
            subflow: tuple,
            rto,
            backoff,
        } => {
            let line = subflow("SF_TIMEOUT", tuple);
            format!("{line} timeout={} backoff={backoff}", rto.as_millis())
        }
        Event::LocalAddressAdded {
            token,
            local_id,
            address,
        } => local("LOCAL_ADDED", *token, *local_id, *address),
        Event::LocalAddressRemoved {
            token,
            local_id,
            address,
        } => local("LOCAL_REMOVED", *token, *local_id, *address),
        // Of a later version of the library.
        other => format!("[UNKNOWN      ] {other:?}"),
    }
}

fn label(name: &str, token: Token) -> String {
    format!("[{name:<14}] token={:08x}", token.0)
}

fn connection(name: &str, tuple: &ConnectionTuple) -> String {
    let mut line = label(name, tuple.token);
    let ids = format!(" remid={} locid={} ", tuple.remote_id, tuple.local_id);
    line += &ids;
    push_ends(&mut line, tuple.local, tuple.remote);
    if tuple.server_side {
        line += " server_side";
    }
    if tuple.flags() != 0 {
        let _ = write!(line, " flags={:x}", tuple.flags());
    }
    line
}

fn subflow(name: &str, tuple: &SubflowTuple) -> String {
    let mut line = label(name, tuple.token);
    let ids = format!(" remid={} locid={} ", tuple.remote_id, tuple.local_id);
    line += &ids;
    push_ends(&mut line, tuple.local, tuple.remote);
    let _ = write!(line, " backup={}", u8::from(tuple.backup));
    let _ = write!(line, " ifindex={}", tuple.interface + 1);
    line
}

fn listener(name: &str, local: SocketAddr) -> String {
    let mut line = format!("[{name:<14}] ");
    push_address(&mut line, 's', local.ip());
    let _ = write!(line, " sport={}", local.port());
    line
}

fn local(name: &str, token: Token, id: u8, address: IpAddr) -> String {
    let mut line = label(name, token);
    let _ = write!(line, " locid={id} ");
    push_address(&mut line, 's', address);
    line
}

fn push_ends(line: &mut String, local: SocketAddr, remote: SocketAddr) {
    push_address(line, 's', local.ip());
    line.push(' ');
    push_address(line, 'd', remote.ip());
    let _ = write!(line, " sport={} dport={}", local.port(), remote.port());
}

fn push_address(line: &mut String, side: char, address: IpAddr) {
    let family = if address.is_ipv4() { 4 } else { 6 };
    let _ = write!(line, "{side}addr{family}={address}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use umptcp::smapp::{Errno, Reset};

    #[test]
    fn lines_are_those_of_ip() {
        let tuple = SubflowTuple {
            token: Token(0xab),
            local_id: 1,
            remote_id: 2,
            local: "10.0.0.1:1000".parse().expect("an address"),
            remote: "10.0.0.2:80".parse().expect("an address"),
            backup: true,
            interface: 0,
        };
        let closed = Event::SubflowClosed {
            subflow: tuple,
            error: Some(Errno::ECONNREFUSED),
            reset: Some(Reset {
                reason: 3,
                transient: true,
            }),
        };
        assert_eq!(
            words(&closed),
            "[SF_CLOSED     ] token=000000ab remid=2 locid=1 saddr4=10.0.0.1 daddr4=10.0.0.2 \
             sport=1000 dport=80 backup=1 ifindex=1 error=111 reset_reason=3 reset_flags=1"
        );
        let announced = Event::Announced {
            token: Token(0xab),
            remote_id: 2,
            address: "[2001:db8::1]:80".parse().expect("an address"),
        };
        assert_eq!(
            words(&announced),
            "[ANNOUNCED     ] token=000000ab remid=2 daddr6=2001:db8::1 dport=80"
        );
    }
}
