//! What controllers hear on both sides, and what their commands give.

use super::*;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use umptcp::smapp::{
    Answer, Command, Commands, CreateSubflow, EndpointFlags, EndpointKey, Errno, Event, EventMask,
    HostEndpoint, Limits, Query, Reply, Reset, Token,
};
use umptcp_lab::world::Finish;
use umptcp_stack::{ResetReason, Version};

/// Notes what it hears.
#[derive(Debug)]
struct Notes {
    mask: EventMask,
    heard: Arc<Mutex<Vec<Event>>>,
}

impl Controller for Notes {
    fn events(&self) -> EventMask {
        self.mask
    }

    fn handle_event(&mut self, _: Instant, event: &Event, _: &mut Commands<'_>) {
        self.heard.lock().expect("nobody has panicked").push(*event);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant, _: &mut Commands<'_>) {}
}

/// What a controller on a host hears.
struct Ear(Arc<Mutex<Vec<Event>>>);

impl Ear {
    fn on(run: &mut Run, host: HostId, mask: EventMask) -> Self {
        let heard = Arc::default();
        let notes = Notes {
            mask,
            heard: Arc::clone(&heard),
        };
        run.world().add_controller(host, Box::new(notes));
        Self(heard)
    }

    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().expect("nobody has panicked"))
    }

    /// The names of what was heard, in order.
    fn names(events: &[Event]) -> Vec<&'static str> {
        let names = events.iter().map(|event| match event {
            Event::Created(_) => "created",
            Event::Established(_) => "established",
            Event::Closed { .. } => "closed",
            Event::Announced { .. } => "announced",
            Event::Removed { .. } => "removed",
            Event::SubflowEstablished(_) => "subflow established",
            Event::SubflowClosed { .. } => "subflow closed",
            Event::SubflowPriority(_) => "subflow priority",
            Event::ListenerCreated { .. } => "listener created",
            Event::ListenerClosed { .. } => "listener closed",
            Event::Timeout { .. } => "timeout",
            Event::LocalAddressAdded { .. } => "local address added",
            Event::LocalAddressRemoved { .. } => "local address removed",
            _ => "something else",
        });
        names.collect()
    }
}

/// A connection that stays open, with a passive client.
fn open(name: &str) -> Run {
    let mut scenario = ruled(name, 1, link()).connections(|config| config.version = Version::V1);
    scenario.client.plan = Plan {
        finish: Finish::Hold,
        ..Plan::sending(10_000)
    };
    Run::of(scenario)
}

/// The token of the client's only connection.
fn token(run: &mut Run) -> Token {
    let client = run.pair.client;
    match run.world().query(client, &Query::Connections) {
        Ok(Answer::Connections(tokens)) => tokens[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_life_is_told_on_both_sides() {
    let mut run = Run::of(scenario("a life"));
    let (client, server) = (run.pair.client, run.pair.server);
    let mask = EventMask::ALL;
    let ears = [client, server].map(|host| Ear::on(&mut run, host, mask));
    run.complete_within(60).assert_intact();
    run.world().stop_serving(server);
    run.assert_nothing_left();
    let [client, server] = ears.map(|ear| ear.take());
    let client_names = [
        "created",
        "established",
        "local address added",
        "announced",
        "subflow established",
        "closed",
    ];
    assert_eq!(Ear::names(&client), client_names);
    let server_names = [
        "listener created",
        "created",
        "established",
        "local address added",
        "subflow established",
        "closed",
        "listener closed",
    ];
    assert_eq!(Ear::names(&server), server_names);
    let (Event::Created(ours), Event::Created(theirs)) = (&client[0], &server[1]) else {
        unreachable!("by their names")
    };
    assert_eq!((ours.local, ours.remote), (theirs.remote, theirs.local));
    assert!(!ours.server_side && theirs.server_side);
    assert!(client.iter().all(|event| event.token() == Some(ours.token)));
    let (Event::SubflowEstablished(ours), Event::SubflowEstablished(theirs)) =
        (&client[4], &server[4])
    else {
        unreachable!("by their names")
    };
    assert_eq!((ours.local, ours.remote), (theirs.remote, theirs.local));
    assert_eq!(
        ours.local,
        SocketAddr::new(run.scenario.client_address(1), ours.local.port())
    );
    assert_eq!(
        (ours.local_id, ours.remote_id),
        (theirs.remote_id, theirs.local_id)
    );
    assert_eq!(ours.interface, 1);
}

#[test]
fn only_what_is_wanted_is_heard() {
    let mut run = Run::of(scenario("a mask"));
    let client = run.pair.client;
    let wanted = EventMask::CREATED | EventMask::CLOSED;
    let some = Ear::on(&mut run, client, wanted);
    let nothing = Ear::on(&mut run, client, EventMask::NONE);
    run.complete_within(60).assert_nothing_left();
    assert_eq!(Ear::names(&some.take()), ["created", "closed"]);
    assert_eq!(nothing.take(), []);
}

#[test]
fn who_comes_late_hears_what_there_is() {
    let mut run = open("late");
    let client = run.pair.client;
    run.world().run_until(|_| false, at(1000));
    let token = token(&mut run);
    let remote = SocketAddr::new(run.scenario.server_address(1), run.scenario.port);
    let create = CreateSubflow::new(token, remote).from(run.scenario.client_address(1));
    let created = run.world().execute(client, &Command::CreateSubflow(create));
    assert_eq!(created, Ok(Reply::Subflow { id: 1 }));
    run.world().run_until(|_| false, at(2000));
    let late = Ear::on(&mut run, client, EventMask::ALL);
    let heard = late.take();
    let (first, rest) = heard.split_at(2);
    assert_eq!(Ear::names(first), ["created", "established"]);
    assert!(
        matches!(rest.last(), Some(Event::SubflowEstablished(subflow)) if subflow.remote == remote)
    );
    assert!(Ear::names(rest).contains(&"announced"));
}

#[test]
fn resets_and_priorities_are_told_with_their_reasons() {
    let mut run = open("reasons");
    let (client, server) = (run.pair.client, run.pair.server);
    run.world().run_until(|_| false, at(1000));
    let token = token(&mut run);
    let remote = SocketAddr::new(run.scenario.server_address(1), run.scenario.port);
    let create = CreateSubflow::new(token, remote).from(run.scenario.client_address(1));
    run.world()
        .execute(client, &Command::CreateSubflow(create))
        .expect("it can be opened");
    run.world().run_until(|_| false, at(2000));
    let ears = [client, server].map(|host| Ear::on(&mut run, host, EventMask::ALL));
    let [ours, theirs] = ears.map(|ear| {
        ear.take();
        ear
    });
    let subflow = open_subflows(&run.pair.world, client)[1].clone();
    let priority = Command::SetPriority {
        token,
        local: subflow.local,
        remote: subflow.remote,
        backup: true,
    };
    assert_eq!(run.world().execute(client, &priority), Ok(Reply::Done));
    run.world().run_until(|_| false, at(3000));
    // Who asks is told nothing; the other is.
    assert_eq!(ours.take(), []);
    let [Event::SubflowPriority(asked)] = theirs.take()[..] else {
        panic!("the server heard of no priority")
    };
    assert!(asked.backup);
    let now = run.world().now();
    let endpoint = run.world().endpoint_mut(server);
    for id in endpoint.connections() {
        let known = endpoint
            .subflow_by_tuple(id, subflow.remote, subflow.local)
            .expect("the server has it as well");
        endpoint
            .reset_subflow(now, id, known, ResetReason::UnacceptablePerformance)
            .expect("it is open");
    }
    run.world().run_until(|_| false, at(4000));
    let [
        Event::SubflowClosed {
            subflow: lost,
            error,
            reset,
        },
    ] = ours.take()[..]
    else {
        panic!("the client heard of no end")
    };
    assert_eq!((lost.local, lost.remote), (subflow.local, subflow.remote));
    assert_eq!(error, Some(Errno::ECONNRESET));
    let said = Reset {
        reason: 5,
        transient: reset.is_some_and(|reset| reset.transient),
    };
    assert_eq!(reset, Some(said));
}

#[test]
fn a_join_that_is_refused_is_told_as_such() {
    let mut run = open("refused");
    let client = run.pair.client;
    run.world().run_until(|_| false, at(1000));
    let ear = Ear::on(&mut run, client, EventMask::ALL);
    ear.take();
    let token = token(&mut run);
    let nobody = SocketAddr::new(run.scenario.server_address(1), 9);
    let create = CreateSubflow::new(token, nobody).from(run.scenario.client_address(1));
    // The error comes later.
    let created = run.world().execute(client, &Command::CreateSubflow(create));
    assert!(matches!(created, Ok(Reply::Subflow { .. })), "{created:?}");
    run.world().run_until(|_| false, at(2000));
    let heard = ear.take();
    let [Event::SubflowClosed { subflow, error, .. }] = heard[..] else {
        panic!("{heard:?}")
    };
    assert_eq!((subflow.remote, error), (nobody, Some(Errno::ECONNREFUSED)));
}

#[test]
fn commands_fail_with_the_errnos_of_the_kernels() {
    let mut run = open("errnos");
    let client = run.pair.client;
    let addresses = [0, 1].map(|path| run.scenario.client_address(path));
    let remote = SocketAddr::new(run.scenario.server_address(1), run.scenario.port);
    run.world().run_until(|_| false, at(1000));
    let token = token(&mut run);
    let unknown = Token(token.0.wrapping_add(1));
    let mut command = |command: Command| run.world().execute(client, &command);
    let create = CreateSubflow::new(token, remote);
    let mut creating = |create: CreateSubflow| command(Command::CreateSubflow(create)).err();
    let foreign: IpAddr = "192.0.2.77".parse().expect("an address");
    assert_eq!(
        creating(CreateSubflow::new(unknown, remote)),
        Some(Errno::EBADR)
    );
    assert_eq!(creating(create.from(foreign)), Some(Errno::EADDRNOTAVAIL));
    let v6 = create.from("2001:db8::1".parse().expect("an address"));
    assert_eq!(creating(v6), Some(Errno::EINVAL));
    let mistaken = CreateSubflow {
        local_id: Some(77),
        ..create.from(addresses[1])
    };
    assert_eq!(creating(mistaken), Some(Errno::EINVAL));
    let nowhere = CreateSubflow {
        interface: Some(9),
        ..create
    };
    assert_eq!(creating(nowhere), Some(Errno::ENODEV));

    let local = SocketAddr::new(addresses[1], 1);
    let destroy = |token, local| Command::DestroySubflow {
        token,
        local,
        remote,
    };
    assert_eq!(command(destroy(unknown, local)), Err(Errno::EINVAL));
    assert_eq!(command(destroy(token, local)), Err(Errno::ESRCH));
    let no_port = SocketAddr::new(addresses[1], 0);
    assert_eq!(command(destroy(token, no_port)), Err(Errno::EINVAL));
    let priority = Command::SetPriority {
        token,
        local,
        remote,
        backup: true,
    };
    assert_eq!(command(priority), Err(Errno::ENOTCONN));
    let remove = Command::Remove {
        token,
        local_id: 77,
    };
    assert_eq!(command(remove), Err(Errno::EINVAL));
    let announce = |address| Command::Announce {
        token,
        local_id: None,
        address,
        port: None,
    };
    assert_eq!(command(announce(foreign)), Err(Errno::EINVAL));
    let announced = command(announce(addresses[1]));
    assert!(
        matches!(announced, Ok(Reply::Address { local_id: 1.. })),
        "{announced:?}"
    );
    assert_eq!(command(Command::Exists { token }), Ok(Reply::Done));
    assert_eq!(
        command(Command::Exists { token: unknown }),
        Err(Errno::ENOTCONN)
    );
}

#[test]
fn the_endpoints_of_the_host_are_ruled_with_the_errnos_of_linux() {
    let mut run = open("endpoints");
    let client = run.pair.client;
    let mut command = |command: Command| run.world().execute(client, &command);
    let endpoint = |host: u8, id: u8, flags: u32| {
        Command::AddEndpoint(HostEndpoint {
            id,
            address: [10, 9, 9, host].into(),
            port: None,
            flags: EndpointFlags::from_bits(flags),
            interface: None,
        })
    };
    assert_eq!(command(endpoint(1, 5, 0x02)), Ok(Reply::Endpoint { id: 5 }));
    assert_eq!(command(endpoint(2, 5, 0x02)), Err(Errno::EBUSY));
    assert_eq!(command(endpoint(1, 0, 0x02)), Err(Errno::EEXIST));
    assert_eq!(command(endpoint(3, 0, 0x01 | 0x08)), Err(Errno::EINVAL));
    let key = EndpointKey {
        id: Some(5),
        ..EndpointKey::default()
    };
    let backup = EndpointFlags::from_bits(0x04);
    assert_eq!(
        command(Command::SetEndpointFlags(key, backup)),
        Ok(Reply::Done)
    );
    let nobody = EndpointKey::default();
    assert_eq!(
        command(Command::SetEndpointFlags(nobody, backup)),
        Err(Errno::EOPNOTSUPP)
    );
    for host in 2..=8 {
        command(endpoint(host, 0, 0x02)).expect("there is room for eight");
    }
    assert_eq!(command(endpoint(9, 0, 0x02)), Err(Errno::ERANGE));
    let limits = |subflows| Limits {
        subflows,
        add_addr_accepted: 3,
    };
    assert_eq!(command(Command::SetLimits(limits(9))), Err(Errno::EINVAL));
    assert_eq!(command(Command::SetLimits(limits(4))), Ok(Reply::Done));
    assert_eq!(command(Command::RemoveEndpoint(key)), Ok(Reply::Done));
    assert_eq!(command(Command::RemoveEndpoint(key)), Err(Errno::EINVAL));
    let found = run.world().query(client, &Query::Limits);
    assert_eq!(found, Ok(Answer::Limits(limits(4))));
    let found = run.world().query(client, &Query::Endpoints);
    assert!(matches!(found, Ok(Answer::Endpoints(endpoints)) if endpoints.len() == 7));
    let flushed = run.world().execute(client, &Command::FlushEndpoints);
    assert_eq!(flushed, Ok(Reply::Done));
    let found = run.world().query(client, &Query::Endpoints);
    assert_eq!(found, Ok(Answer::Endpoints(Vec::new())));
}
