//! The rules of the controllers, one at a time, against a stack that only notes what it is told.

use super::*;
use crate::smapp::command::{Command, CreateSubflow, Reply};
use crate::smapp::controller::{Control, Controller};
use crate::smapp::event::{ConnectionTuple, Event, SubflowTuple};
use crate::smapp::query::{Addresses, Answer, ConnectionState, Query, SubflowState};
use nix::errno::Errno;
use std::time::Duration;
use umptcp_stack::Instant;

const TOKEN: Token = Token(7);

fn ip(host: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, host])
}

fn end(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(ip(host), port)
}

/// The server.
fn remote() -> SocketAddr {
    end(9, 80)
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Does what it is told, and keeps it.
struct Fake {
    /// What opening a subflow gives.
    refuses: Option<Errno>,
    acked: u64,
    written: u64,
    subflows: Vec<SubflowState>,
    addresses: Addresses,
    created: Vec<CreateSubflow>,
    destroyed: Vec<(SocketAddr, SocketAddr)>,
}

impl Fake {
    /// With the addresses 1 and 2.
    fn new() -> Self {
        Self {
            refuses: None,
            acked: 0,
            written: 0,
            subflows: Vec::new(),
            addresses: Addresses {
                local: vec![(0, ip(1)), (1, ip(2))],
                remote: vec![(0, remote())],
            },
            created: Vec::new(),
            destroyed: Vec::new(),
        }
    }

    fn tell(&mut self, controller: &mut dyn Controller, now: u64, event: Event) {
        let now = at(now);
        controller.handle_event(now, &event, &mut Commands::new(now, self));
    }

    /// Calls a controller whenever it wants, up to a moment.
    fn pass(&mut self, controller: &mut dyn Controller, until: u64) {
        while let Some(now) = controller.poll_timeout().filter(|&due| due <= at(until)) {
            controller.handle_timeout(now, &mut Commands::new(now, self));
            let next = controller.poll_timeout();
            assert!(next.is_none_or(|next| next > now), "it wants no end");
        }
    }

    fn local_addresses(&self) -> Vec<Option<IpAddr>> {
        self.created.iter().map(|created| created.local).collect()
    }
}

impl Control for Fake {
    fn execute(&mut self, _: Instant, command: &Command) -> Result<Reply, Errno> {
        match *command {
            Command::CreateSubflow(subflow) => {
                if let Some(error) = self.refuses {
                    return Err(error);
                }
                self.created.push(subflow);
                Ok(Reply::Subflow { id: 1 })
            }
            Command::DestroySubflow { local, remote, .. } => {
                self.destroyed.push((local, remote));
                Ok(Reply::Done)
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    fn query(&mut self, query: &Query) -> Result<Answer, Errno> {
        match query {
            Query::Connection(token) => Ok(Answer::Connection(ConnectionState {
                token: *token,
                server_side: false,
                fully_established: true,
                local: end(1, 1000),
                remote: remote(),
                bytes_written: self.written,
                bytes_sent: self.written,
                bytes_acked: self.acked,
                bytes_received: 0,
                snd_una: None,
                rcv_nxt: None,
                subflows: 1,
            })),
            Query::Subflows(_) => Ok(Answer::Subflows(self.subflows.clone())),
            Query::Addresses(_) => Ok(Answer::Addresses(self.addresses.clone())),
            _ => Err(Errno::EINVAL),
        }
    }
}

fn connection(server_side: bool) -> ConnectionTuple {
    ConnectionTuple {
        token: TOKEN,
        local_id: 0,
        remote_id: 0,
        local: end(1, 1000),
        remote: remote(),
        server_side,
        deny_join_id0: false,
    }
}

fn subflow(local: SocketAddr) -> SubflowTuple {
    SubflowTuple {
        token: TOKEN,
        local_id: 0,
        remote_id: 0,
        local,
        remote: remote(),
        backup: false,
        interface: 0,
    }
}

fn state(id: u32, port: u16, pacing_rate: u64, bytes_acked: u64) -> SubflowState {
    SubflowState {
        id,
        local_id: 0,
        remote_id: 0,
        local: end(1, port),
        remote: remote(),
        interface: 0,
        established: true,
        backup: false,
        pacing_rate,
        cwnd: 14_600,
        srtt: Some(Duration::from_millis(20)),
        rto: Duration::from_millis(220),
        backoff: 0,
        snd_una: 1,
        snd_nxt: 1,
        bytes_sent: bytes_acked,
        bytes_acked,
        bytes_received: 0,
        retransmissions: 0,
        timeouts: 0,
    }
}

fn closed(local: SocketAddr, error: Option<Errno>) -> Event {
    Event::SubflowClosed {
        subflow: subflow(local),
        error,
        reset: None,
    }
}

fn timeout(local: SocketAddr, rto: u64) -> Event {
    Event::Timeout {
        subflow: subflow(local),
        rto: Duration::from_millis(rto),
        backoff: 1,
    }
}

#[test]
fn nobody_rules_the_connections_of_the_other_side() {
    let controllers: [Box<dyn Controller>; 6] = [
        Box::new(FullMesh::default()),
        Box::new(SmartBackup::default()),
        Box::new(SmartStreaming::default()),
        Box::new(Refresh::default()),
        Box::new(RefreshingSubflows::default()),
        Box::new(DelayedEstablishment::default()),
    ];
    for mut controller in controllers {
        let mut fake = Fake::new();
        fake.tell(&mut *controller, 0, Event::Created(connection(true)));
        fake.tell(&mut *controller, 0, Event::Established(connection(true)));
        fake.tell(&mut *controller, 5, timeout(end(1, 1000), 60_000));
        assert_eq!(controller.poll_timeout(), None, "{controller:?}");
        assert!(fake.created.is_empty() && fake.destroyed.is_empty());
    }
}

#[test]
fn what_waits_ends_with_the_connection() {
    let controllers: [Box<dyn Controller>; 5] = [
        Box::new(FullMesh::default()),
        Box::new(SmartStreaming::default()),
        Box::new(Refresh::default()),
        Box::new(RefreshingSubflows::default()),
        Box::new(DelayedEstablishment::default()),
    ];
    for mut controller in controllers {
        let mut fake = Fake::new();
        // Something waits for the first data.
        fake.refuses = Some(Errno::EAGAIN);
        fake.tell(&mut *controller, 0, Event::Created(connection(false)));
        fake.tell(&mut *controller, 0, Event::Established(connection(false)));
        let address = Event::LocalAddressAdded {
            token: TOKEN,
            local_id: 1,
            address: ip(2),
        };
        fake.tell(&mut *controller, 0, address);
        fake.pass(&mut *controller, 100);
        assert!(controller.poll_timeout().is_some(), "{controller:?}");
        fake.tell(&mut *controller, 200, Event::Closed { token: TOKEN });
        assert_eq!(controller.poll_timeout(), None, "{controller:?}");
    }
}

/// A mesh of both local addresses and the server.
fn mesh(fake: &mut Fake) -> FullMesh {
    let mut mesh = FullMesh::default();
    fake.tell(&mut mesh, 0, Event::Created(connection(false)));
    let address = Event::LocalAddressAdded {
        token: TOKEN,
        local_id: 1,
        address: ip(2),
    };
    fake.tell(&mut mesh, 0, address);
    assert!(fake.created.is_empty(), "it is not established");
    fake.tell(&mut mesh, 0, Event::Established(connection(false)));
    assert_eq!(fake.local_addresses(), [Some(ip(2))]);
    fake.created.clear();
    mesh
}

#[test]
fn a_mesh_waits_as_long_as_the_error_asks_for() {
    let delays = ReopenDelays::default();
    for (error, delay) in [
        (Errno::ECONNRESET, delays.reset),
        (Errno::ECONNREFUSED, delays.refused),
        (Errno::ETIMEDOUT, delays.timed_out),
        (Errno::ENETUNREACH, delays.unreachable),
        (Errno::EHOSTUNREACH, delays.unreachable),
        (Errno::EBADMSG, delays.other),
    ] {
        let mut fake = Fake::new();
        let mut mesh = mesh(&mut fake);
        fake.tell(&mut mesh, 1000, closed(end(2, 2000), Some(error)));
        assert_eq!(mesh.poll_timeout(), Some(at(1000) + delay), "{error}");
        fake.pass(&mut mesh, 60_000);
        assert_eq!(fake.local_addresses(), [Some(ip(2))], "{error}");
    }
    assert!(delays.reset * 10 <= delays.unreachable);
}

#[test]
fn a_mesh_leaves_closed_what_was_closed_in_order() {
    let mut fake = Fake::new();
    let mut mesh = mesh(&mut fake);
    fake.tell(&mut mesh, 1000, closed(end(2, 2000), None));
    assert_eq!(mesh.poll_timeout(), None);
}

#[test]
fn a_mesh_grows_and_shrinks_with_the_addresses() {
    let mut fake = Fake::new();
    let mut mesh = mesh(&mut fake);
    let announced = |address| Event::Announced {
        token: TOKEN,
        remote_id: 3,
        address,
    };
    fake.tell(&mut mesh, 100, announced(end(8, 80)));
    assert_eq!(fake.local_addresses(), [Some(ip(1)), Some(ip(2))]);
    // No subflow between two families.
    fake.tell(
        &mut mesh,
        100,
        announced("[2001:db8::8]:80".parse().unwrap()),
    );
    assert_eq!(fake.created.len(), 2);
    // What is withdrawn is not opened again.
    let mut lost = subflow(end(2, 2001));
    lost.remote = end(8, 80);
    let lost = Event::SubflowClosed {
        subflow: lost,
        error: Some(Errno::ECONNRESET),
        reset: None,
    };
    fake.tell(&mut mesh, 200, lost);
    assert!(mesh.poll_timeout().is_some());
    let removed = Event::Removed {
        token: TOKEN,
        remote_id: 3,
    };
    fake.tell(&mut mesh, 210, removed);
    assert_eq!(mesh.poll_timeout(), None);
    assert_eq!(fake.created.len(), 2);
}

#[test]
fn a_mesh_tries_again_what_could_not_be_opened() {
    let mut fake = Fake::new();
    let mut mesh = mesh(&mut fake);
    fake.refuses = Some(Errno::EADDRNOTAVAIL);
    fake.tell(
        &mut mesh,
        1000,
        closed(end(2, 2000), Some(Errno::ECONNRESET)),
    );
    fake.pass(&mut mesh, 1100);
    let other = ReopenDelays::default().other;
    assert_eq!(mesh.poll_timeout(), Some(at(1100) + other));
    fake.refuses = None;
    fake.pass(&mut mesh, 60_000);
    assert_eq!(fake.created.len(), 1);
    // Without its connection it gives up.
    fake.refuses = Some(Errno::EBADR);
    fake.tell(
        &mut mesh,
        61_000,
        closed(end(2, 2001), Some(Errno::ECONNRESET)),
    );
    fake.pass(&mut mesh, 120_000);
    assert_eq!(mesh.poll_timeout(), None);
}

#[test]
fn a_backup_is_opened_only_beyond_the_limit_and_the_bad_path_left_then() {
    let mut fake = Fake::new();
    let mut backup = SmartBackup::default();
    fake.tell(&mut backup, 0, Event::Established(connection(false)));
    fake.tell(&mut backup, 10, timeout(end(1, 1000), 1000));
    assert!(fake.created.is_empty());
    fake.tell(&mut backup, 20, timeout(end(1, 1000), 1001));
    // Only once.
    fake.tell(&mut backup, 30, timeout(end(1, 1000), 2002));
    assert_eq!(fake.local_addresses(), [Some(ip(2))]);
    assert!(fake.destroyed.is_empty(), "there is no other yet");
    let usable = subflow(end(2, 2000));
    fake.tell(&mut backup, 40, Event::SubflowEstablished(usable));
    assert_eq!(fake.destroyed, [(end(1, 1000), remote())]);
    // And back, should the other turn bad as well.
    fake.tell(&mut backup, 50, timeout(end(2, 2000), 1500));
    assert_eq!(fake.local_addresses(), [Some(ip(2)), Some(ip(1))]);
}

#[test]
fn a_backup_that_fails_is_tried_again_at_the_next_timeout() {
    let mut fake = Fake::new();
    let mut backup = SmartBackup::default();
    fake.tell(&mut backup, 0, Event::Established(connection(false)));
    fake.tell(&mut backup, 10, timeout(end(1, 1000), 1500));
    let refused = Some(Errno::ECONNREFUSED);
    fake.tell(&mut backup, 20, closed(end(2, 2000), refused));
    fake.tell(&mut backup, 30, timeout(end(1, 1000), 3000));
    assert_eq!(fake.created.len(), 2);
    assert!(fake.destroyed.is_empty());
}

#[test]
fn streaming_opens_the_second_subflow_for_a_block_that_is_late() {
    let mut fake = Fake::new();
    let mut streaming = SmartStreaming::default();
    fake.tell(&mut streaming, 0, Event::Established(connection(false)));
    fake.written = 64 << 10;
    fake.acked = 32 << 10;
    fake.pass(&mut streaming, 1000);
    assert!(fake.created.is_empty(), "the first block is in time");
    fake.written = 2 * (64 << 10);
    fake.acked = (64 << 10) + (32 << 10) - 1;
    fake.pass(&mut streaming, 1499);
    assert!(fake.created.is_empty(), "it is not time to look");
    fake.pass(&mut streaming, 1500);
    assert_eq!(fake.local_addresses(), [Some(ip(2))]);
    // The first one goes when its timeout passes the limit and there is another.
    fake.tell(&mut streaming, 1600, timeout(end(1, 1000), 1500));
    assert!(fake.destroyed.is_empty());
    let second = subflow(end(2, 2000));
    fake.subflows = vec![state(0, 1000, 1, 0)];
    fake.tell(&mut streaming, 1610, Event::SubflowEstablished(second));
    assert!(fake.destroyed.is_empty(), "its timeout is short again");
    fake.tell(&mut streaming, 1700, timeout(end(1, 1000), 1500));
    assert_eq!(fake.destroyed, [(end(1, 1000), remote())]);
}

#[test]
fn streaming_does_not_ask_for_what_was_not_written() {
    let mut fake = Fake::new();
    let mut streaming = SmartStreaming::default();
    fake.tell(&mut streaming, 0, Event::Established(connection(false)));
    (fake.written, fake.acked) = (100, 100);
    fake.pass(&mut streaming, 10_000);
    assert!(fake.created.is_empty());
}

#[test]
fn the_subflow_with_the_lowest_pace_or_the_least_carried_is_replaced() {
    let controllers: [(Box<dyn Controller>, u16); 2] = [
        (Box::new(Refresh::default()), 1003),
        (Box::new(RefreshingSubflows::default()), 1001),
    ];
    for (mut controller, worst) in controllers {
        let mut fake = Fake::new();
        fake.tell(&mut *controller, 0, Event::Established(connection(false)));
        assert_eq!(fake.local_addresses(), [Some(ip(1)); 4]);
        fake.created.clear();
        fake.subflows = (0..5)
            .map(|n| state(n.into(), 1000 + n, 100 - u64::from(n % 4), 0))
            .collect();
        fake.pass(&mut *controller, 2500);
        assert!(
            fake.destroyed.is_empty(),
            "nothing was carried: nothing is known"
        );
        for (n, state) in (0..).zip(&mut fake.subflows) {
            state.bytes_acked = if n == 1 { 10 } else { 1000 };
        }
        fake.pass(&mut *controller, 5000);
        assert_eq!(fake.destroyed, [(end(1, worst), remote())]);
        assert_eq!(fake.local_addresses(), [Some(ip(1))]);
        assert_eq!(fake.created[0].local_port, 0, "any port");
    }
}

#[test]
fn subflows_that_are_missing_are_opened_before_any_is_replaced() {
    let mut fake = Fake::new();
    let mut refresh = Refresh::default();
    fake.refuses = Some(Errno::ENOSPC);
    fake.tell(&mut refresh, 0, Event::Established(connection(false)));
    fake.refuses = None;
    fake.subflows = vec![state(0, 1000, 1, 1000)];
    fake.pass(&mut refresh, 2500);
    assert_eq!(fake.created.len(), 4);
    assert!(fake.destroyed.is_empty());
}

#[test]
fn the_second_subflow_waits_for_bytes_or_for_time() {
    let config = DelayedEstablishmentConfig::default();
    let mut fake = Fake::new();
    let mut delayed = DelayedEstablishment::default();
    fake.tell(&mut delayed, 0, Event::Established(connection(false)));
    fake.acked = config.bytes - 1;
    fake.pass(&mut delayed, 1000);
    assert!(fake.created.is_empty());
    fake.acked += 1;
    fake.pass(&mut delayed, 1050);
    assert_eq!(fake.local_addresses(), [Some(ip(2))]);
    assert_eq!(delayed.poll_timeout(), None, "it has done its work");

    let mut fake = Fake::new();
    let mut delayed = DelayedEstablishment::default();
    fake.tell(&mut delayed, 0, Event::Established(connection(false)));
    fake.pass(&mut delayed, 4999);
    assert!(fake.created.is_empty());
    fake.pass(&mut delayed, 5000);
    assert_eq!(fake.created.len(), 1);
}

#[test]
fn a_connection_that_is_not_ready_is_asked_again() {
    let mut fake = Fake::new();
    let mut backup = SmartBackup::default();
    fake.refuses = Some(Errno::EAGAIN);
    fake.tell(&mut backup, 0, Event::Established(connection(false)));
    fake.tell(&mut backup, 0, timeout(end(1, 1000), 1500));
    fake.pass(&mut backup, 5000);
    let next = backup.poll_timeout().expect("it goes on asking");
    assert!(next <= at(6000), "and not too seldom");
    fake.refuses = None;
    fake.pass(&mut backup, 6000);
    assert_eq!(fake.created.len(), 1);
    assert_eq!(backup.poll_timeout(), None);
}
