//! A handle on a connection: subflows, addresses, policies, events, and which bytes went where.

use crate::hosts::{Hosts, client_address, exchange, server_address, soon};
use futures::StreamExt as _;
use std::io::ErrorKind;
use umptcp::{
    CongestionAlgorithm, ConnectionConfig, ConnectionControl, ConnectionEvent, Event, MptcpStream,
    OpenSubflow, PathManagerKind, ResetReason, SchedulerKind, StackEvent, SubflowChange,
    SubflowCloseReason, SubflowError, SubflowId, SubflowSource,
};

/// Settings under which nothing happens by itself.
fn by_hand() -> ConnectionConfig {
    ConnectionConfig {
        path_manager: PathManagerKind::Passive,
        path_log: 64,
        ..ConnectionConfig::default()
    }
}

/// A connection that takes further subflows, and opens none by itself.
async fn connected(hosts: &Hosts) -> (MptcpStream, MptcpStream) {
    let local = "0.0.0.0:4000".parse().unwrap();
    let listener = hosts.server.listen(local, by_hand()).unwrap();
    let connect = hosts.client.connect_with(None, hosts.address(), by_hand());
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
    exchange(&mut client, &mut server).await;
    (client, server)
}

fn over(link: u8) -> OpenSubflow {
    OpenSubflow {
        local: SubflowSource::Address((client_address(link), 0).into()),
        remote: Some((server_address(link), crate::hosts::PORT).into()),
        ..OpenSubflow::default()
    }
}

/// The next event that `wanted` gives something for.
async fn wait_for<T>(
    events: &mut umptcp::ConnectionEvents,
    mut wanted: impl FnMut(ConnectionEvent) -> Option<T>,
) -> T {
    soon(async {
        loop {
            let event = events.next_event().await.expect("more events");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_subflow_lives_under_its_handle() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = connected(&hosts).await;
    let control = client.control();
    let mut events = control.events().unwrap();
    let mut at_server = server.control().events().unwrap();
    let subflow = control
        .open_subflow(OpenSubflow {
            local: SubflowSource::Interface(hosts.client.interfaces()[1]),
            backup: true,
            ..over(1)
        })
        .unwrap();
    soon(subflow.established()).await.unwrap();
    let info = subflow.info().unwrap();
    assert!(info.opened_by_us && info.backup);
    assert_eq!(info.local.ip(), client_address(1));
    let established = |event| match event {
        ConnectionEvent::SubflowEstablished(id) => Some(id),
        _ => None,
    };
    assert_eq!(wait_for(&mut events, established).await, subflow.id());
    let there = wait_for(&mut at_server, established).await;

    // It is told on the side that is asked.
    subflow.set_backup(false).unwrap();
    let asked = wait_for(&mut at_server, |event| match event {
        ConnectionEvent::SubflowPriority {
            subflow,
            backup,
            by_peer: true,
        } => Some((subflow, backup)),
        _ => None,
    });
    assert_eq!(asked.await, (there, false));

    subflow.probe().unwrap();
    let answered = wait_for(&mut events, |event| match event {
        ConnectionEvent::SubflowProbed { subflow, answered } => Some((subflow, answered)),
        _ => None,
    });
    assert_eq!(answered.await, (subflow.id(), true));

    exchange(&mut client, &mut server).await;
    subflow
        .reset(ResetReason::AdministrativelyProhibited)
        .unwrap();
    let closed = |event| match event {
        ConnectionEvent::SubflowClosed { subflow, reason } => Some((subflow, reason)),
        _ => None,
    };
    let ours = wait_for(&mut events, closed).await;
    let expected = SubflowCloseReason::ResetByUs(ResetReason::AdministrativelyProhibited);
    assert_eq!(ours, (subflow.id(), expected));
    let (id, theirs) = wait_for(&mut at_server, closed).await;
    assert_eq!(id, there);
    assert!(
        matches!(theirs, SubflowCloseReason::ResetByPeer(_)),
        "{theirs:?}"
    );
    assert_eq!(subflow.close().unwrap_err().kind(), ErrorKind::NotFound);
    exchange(&mut client, &mut server).await;
}

#[tokio::test]
async fn options_of_one_subflow_and_of_all() {
    let hosts = Hosts::start(2);
    let (client, _server) = connected(&hosts).await;
    let control = client.control();
    let first = control.subflow(client.subflows()[0].id);
    control.set_subflow_options(SubflowChange::Tag(7)).unwrap();
    first.set_option(SubflowChange::TrafficClass(0x20)).unwrap();
    let second = control.open_subflow(over(1)).unwrap();
    soon(second.established()).await.unwrap();
    assert_eq!(first.options().unwrap().traffic_class, 0x20);
    assert_eq!(second.options().unwrap().traffic_class, 0);
    assert_eq!(second.options().unwrap().tag, 7);
    assert_eq!(control.subflow_options().unwrap().tag, 7);
    for algorithm in [CongestionAlgorithm::NewReno, CongestionAlgorithm::Cubic] {
        control.set_congestion(algorithm).unwrap();
        assert_eq!(control.congestion().unwrap(), algorithm);
        assert_eq!(first.info().unwrap().congestion, algorithm);
    }
}

#[tokio::test]
async fn policies_change_on_a_live_connection() {
    let hosts = Hosts::start(2);
    let (client, server) = connected(&hosts).await;
    let control = client.control();
    assert_eq!(control.path_manager().unwrap(), PathManagerKind::Passive);
    assert_eq!(control.subflows().unwrap().len(), 1);
    control.set_scheduler(SchedulerKind::RoundRobin).unwrap();
    assert_eq!(control.scheduler().unwrap(), SchedulerKind::RoundRobin);
    // What the path manager left undone is done once it is told to.
    for control in [&control, &server.control()] {
        control.set_path_manager(PathManagerKind::FullMesh).unwrap();
    }
    crate::hosts::subflow_over(&client, 1).await;
}

#[tokio::test]
async fn local_addresses_are_allowed_announced_and_withdrawn() {
    let hosts = Hosts::start(2);
    let (client, server) = connected(&hosts).await;
    let control = client.control();
    control
        .set_allowed_local(Some(vec![client_address(0)]))
        .unwrap();
    let refused = control.open_subflow(over(1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    let cause = refused.get_ref().and_then(|error| error.downcast_ref());
    assert_eq!(cause, Some(&SubflowError::NotAllowed(client_address(1))));
    control.allow_local(client_address(1)).unwrap();
    let second = control.open_subflow(over(1)).unwrap();
    soon(second.established()).await.unwrap();

    let mut events = control.events().unwrap();
    let server = server.control();
    server
        .announce_address(server_address(1), Some(99))
        .unwrap();
    let announced = wait_for(&mut events, |event| match event {
        ConnectionEvent::RemoteAddressAdded { address, port, .. } => Some((address, port)),
        _ => None,
    });
    assert_eq!(announced.await, (server_address(1), Some(99)));
    let known = control.remote_addresses().unwrap();
    let wanted = (server_address(1), 99).into();
    let id = known
        .iter()
        .find(|remote| remote.address == wanted)
        .unwrap()
        .id;
    server
        .withdraw_address(server_address(1), Some(99))
        .unwrap();
    let withdrawn = wait_for(&mut events, |event| match event {
        ConnectionEvent::RemoteAddressRemoved { id } => Some(id),
        _ => None,
    });
    assert_eq!(withdrawn.await, id);
    let stranger = "192.0.2.1".parse().unwrap();
    let unknown = control.announce_address(stranger, None).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_bound_to_an_interface_never_leaves_it() {
    let hosts = Hosts::start(2);
    let listener = hosts.listen();
    let mut socket = hosts.client.socket_v4();
    socket.bind_interface(hosts.client.interfaces()[0]);
    let connecting = socket.connect(hosts.address());
    let (client, server) = soon(async { tokio::join!(connecting, listener.accept()) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
    exchange(&mut client, &mut server).await;
    let control = client.control();
    let allowed = control.allowed_local().unwrap();
    assert_eq!(allowed, Some(vec![client_address(0)]));
    let refused = control.open_subflow(over(1)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_slow_listener_learns_what_it_missed_and_goes_on() {
    let hosts = Hosts::start(2);
    let (client, _server) = connected(&hosts).await;
    let control = client.control();
    let mut events = control.events_with_queue(1).unwrap();
    let mut all = control.events().unwrap();
    for _ in 0..3 {
        let subflow = control.open_subflow(over(1)).unwrap();
        soon(subflow.established()).await.unwrap();
        subflow.reset(ResetReason::Unspecified).unwrap();
        wait_for(&mut all, |event| {
            matches!(event, ConnectionEvent::SubflowClosed { .. }).then_some(())
        })
        .await;
    }
    let first = events.next_event().await.unwrap();
    assert!(!matches!(first, ConnectionEvent::Missed(_)), "{first:?}");
    let then = events.next_event().await.unwrap();
    assert!(
        matches!(then, ConnectionEvent::Missed(missed) if missed >= 4),
        "{then:?}"
    );
    // What there is can be asked for.
    assert!(control.subflows().unwrap()[0].id == SubflowId::INITIAL);
    assert_eq!(events.try_next(), None);
    client.abort();
    let last = soon(events.by_ref().collect::<Vec<_>>()).await;
    assert!(
        matches!(last.last(), Some(ConnectionEvent::Closed(_))),
        "{last:?}"
    );
}

#[tokio::test]
async fn a_handle_does_not_keep_the_connection() {
    let hosts = Hosts::start(1);
    let (client, server) = connected(&hosts).await;
    let control: ConnectionControl = client.control();
    let mut events = control.events().unwrap();
    drop(client);
    assert_eq!(control.info().unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(soon(events.next_event()).await, None);
    // The peer sees the end of the stream.
    let (mut read, _write) = server.into_split();
    assert_eq!(soon(read.read_chunk(9)).await.unwrap(), None);
}

#[tokio::test]
async fn every_byte_is_accounted_for() {
    let hosts = Hosts::start(1);
    let (client, server) = connected(&hosts).await;
    let sent = client.control().take_path_log().unwrap().unwrap().sent;
    let received = server.control().take_path_log().unwrap().unwrap().received;
    assert_eq!(sent, received);
    let bytes: u64 = sent
        .iter()
        .map(|range| range.bytes.end - range.bytes.start)
        .sum();
    assert_eq!(bytes, 4);
    let again = client.control().take_path_log().unwrap().unwrap();
    assert!(again.sent.is_empty() && again.received.is_empty());
}

#[tokio::test]
async fn settings_by_their_linux_names_reach_new_sockets() {
    let hosts = Hosts::start(1);
    let stack = &hosts.client;
    stack
        .set_sysctl("net.mptcp.scheduler", "roundrobin")
        .unwrap();
    assert_eq!(stack.sysctl("scheduler").unwrap(), "roundrobin");
    let listener = hosts.listen();
    let stream = soon(stack.connect(hosts.address())).await.unwrap();
    let scheduler = stream.control().scheduler().unwrap();
    assert_eq!(scheduler, SchedulerKind::RoundRobin);
    stack.set_sysctl("enabled", "0").unwrap();
    let plain = soon(stack.connect(hosts.address())).await.unwrap();
    assert_eq!(plain.info().protocol, umptcp::ConnectionProtocol::Tcp);
    let unknown = stack.set_sysctl("net.mptcp.luck", "1").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    drop(listener);
}

#[tokio::test]
async fn a_monitor_hears_of_every_connection() {
    let hosts = Hosts::start(1);
    let mut events = hosts.client.events(64);
    let (client, _server) = connected(&hosts).await;
    let id = client.info().id;
    drop(client);
    let mut seen = Vec::new();
    soon(async {
        while let Some(StackEvent::Happened(event)) = events.next_event().await {
            let over = event == Event::Released(id);
            seen.push(event);
            if over {
                break;
            }
        }
    })
    .await;
    assert_eq!(seen.first(), Some(&Event::Created(id)));
    assert!(
        seen.iter()
            .any(|event| matches!(event, Event::Connected(..)))
    );
    hosts.client.stop().await;
    assert_eq!(soon(events.collect::<Vec<_>>()).await, []);
}
