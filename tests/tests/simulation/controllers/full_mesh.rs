//! A mesh that is whole again after a subflow was lost: soon after a reset, later where the network
//! says that it knows no way.

use super::*;
use umptcp::smapp::controllers::{FullMesh, ReopenDelays};
use umptcp_lab::world::{Reach, Undelivered};
use umptcp_stack::wire::icmp::IcmpErrorKind;
use umptcp_stack::{
    Event, NetworkError, PathEndpoint, PathEndpointFlags, ResetReason, SubflowCloseReason,
};

/// When a firewall on the second path forgets its state, and resets what it does not know.
const RESET_AT: Instant = Instant::from_millis(2000);

/// Two paths of 2 Mbit/s to the one address of the server.
fn mesh_run(controller: Option<Box<dyn Controller>>) -> Run {
    let link = LinkConfig::with_rate_and_delay(2_000_000, millis(10));
    let mut scenario = ruled("full mesh", 1, link);
    scenario.reach = Reach::WholeHost;
    scenario.server.connection.path_manager = PathManagerKind::Passive;
    scenario.client.plan = Plan::sending(10 * MEGABYTE);
    if controller.is_none() {
        scenario.client.connection.path_manager = PathManagerKind::Endpoints;
    }
    let second = scenario.client_address(1);
    let ruled = controller.is_some();
    let mut run = run_with(scenario, controller);
    let (client, server) = (run.pair.client, run.pair.server);
    if !ruled {
        let endpoint = PathEndpoint {
            id: 0,
            address: second,
            port: None,
            interface: None,
            flags: PathEndpointFlags {
                subflow: true,
                fullmesh: true,
                ..PathEndpointFlags::default()
            },
        };
        let added = run.world().endpoint_mut(client);
        added
            .add_path_endpoint(Instant::ZERO, endpoint)
            .expect("there is room for an endpoint");
    }
    run.world().at(RESET_AT, move |world| {
        let now = world.now();
        let subflows = open_subflows(world, server).into_iter();
        let lost: Vec<_> = subflows
            .filter(|subflow| subflow.remote.ip() == second)
            .map(|subflow| subflow.id)
            .collect();
        assert_eq!(lost.len(), 1, "the mesh was whole");
        let endpoint = world.endpoint_mut(server);
        for id in endpoint.connections() {
            endpoint
                .reset_subflow(now, id, lost[0], ResetReason::Unspecified)
                .expect("it is open");
        }
    });
    run
}

/// When further subflows were established, and how further subflows ended.
type Joins = (Vec<Instant>, Vec<(Instant, SubflowCloseReason)>);

fn joins(run: &Run) -> Joins {
    let mut joins = Joins::default();
    for (time, event) in run.client().events() {
        match *event {
            Event::SubflowEstablished(..) => joins.0.push(*time),
            Event::SubflowClosed(_, id, reason)
                if id.index() != 0 && reason != SubflowCloseReason::ConnectionEnded =>
            {
                joins.1.push((*time, reason));
            }
            _ => {}
        }
    }
    joins
}

#[test]
fn a_subflow_is_back_soon_after_a_reset() {
    let mut run = mesh_run(Some(Box::new(FullMesh::default())));
    run.complete_within(60).assert_intact();
    let (established, ended) = joins(&run);
    assert_eq!(established.len(), 2, "{established:?}");
    let [(lost, SubflowCloseReason::ResetByPeer(_)), ..] = ended[..] else {
        panic!("{ended:?}");
    };
    let pause = established[1].saturating_duration_since(lost);
    // And the handshake.
    let expected = ReopenDelays::default().reset..ReopenDelays::default().reset + millis(300);
    assert!(expected.contains(&pause), "{pause:?}");
    // Both paths go on carrying data.
    let carried = run.pair.world.counters(run.pair.wires[1])[0].delivered_bytes;
    assert!(carried > 4 * MEGABYTE, "{carried}");
}

/// As the Linux kernel does.
#[test]
fn the_path_manager_for_endpoints_never_opens_it_again() {
    let mut run = mesh_run(None);
    run.complete_within(60).assert_intact();
    let (established, ended) = joins(&run);
    assert_eq!(
        (established.len(), ended.len()),
        (1, 1),
        "{established:?} {ended:?}"
    );
    let carried = run.pair.world.counters(run.pair.wires[1])[0].delivered_bytes;
    assert!(carried < 2 * MEGABYTE, "{carried}");
}

#[test]
fn a_subflow_is_back_late_where_the_network_was_unreachable() {
    let mut run = mesh_run(Some(Box::new(FullMesh::default())));
    let wire = run.pair.wires[1];
    let no_way = RESET_AT..at(9000);
    let router = Undelivered::new(move |now, packet: &bytes::Bytes| {
        // RFC 9293 §3.1: the flags are in byte 13 of the header.
        let syn = packet.get(20 + 13).is_some_and(|flags| flags & 0x02 != 0);
        (syn && no_way.contains(&now))
            .then_some(IcmpErrorKind::Undelivered(NetworkError::NetworkUnreachable))
    });
    run.world().set_middlebox(wire, 0, router);
    run.complete_within(60).assert_intact();
    let (established, ended) = joins(&run);
    assert_eq!(established.len(), 2, "{established:?}");
    let unreachable = SubflowCloseReason::Unreachable(NetworkError::NetworkUnreachable);
    let gave_up = ended.iter().find(|(_, reason)| *reason == unreachable);
    let (gave_up, _) = gave_up.unwrap_or_else(|| panic!("{ended:?}"));
    let pause = established[1].saturating_duration_since(*gave_up);
    let delay = ReopenDelays::default().unreachable;
    assert!((delay..delay + millis(300)).contains(&pause), "{pause:?}");
}
