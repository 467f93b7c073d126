//! The controllers of SMAPP and of draft-hesmans-mptcp-socket: each does what is claimed of it, and
//! what the same hosts do without it shows that the controller is why.

mod blocks;
mod delayed_establishment;
mod events;
mod full_mesh;
mod refresh;
mod smart_backup;
mod smart_streaming;

use super::*;
use rand::rngs::ChaCha12Rng;
use rand::{RngExt as _, SeedableRng as _};
use std::net::IpAddr;
use umptcp::smapp::Controller;
use umptcp_lab::world::{DropIf, HostId, Outcome, WireId, World};
use umptcp_stack::{Endpoint, Instant, PathManagerKind, SubflowInfo};

const SEEDS: std::ops::Range<u64> = 0..8;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A client that opens no subflow by itself, and a server that announces its second address, on the
/// second path.
fn ruled(name: &str, seed: u64, link: LinkConfig) -> Scenario {
    let mut scenario = scenario(name);
    scenario.client.connection.path_manager = PathManagerKind::Passive;
    scenario.seed = seed;
    scenario.paths = paths(2, link);
    scenario.server.plan = Plan::default();
    scenario
}

/// A run with a controller on the client's side, or without.
fn run_with(scenario: Scenario, controller: Option<Box<dyn Controller>>) -> Run {
    let mut run = Run::of(scenario);
    let client = run.pair.client;
    if let Some(controller) = controller {
        run.world().add_controller(client, controller);
    }
    run
}

/// From a moment on a wire loses this share of the packets of each direction.
fn lose_from(run: &mut Run, wire: WireId, from: Instant, share: f64) {
    for direction in [0, 1] {
        let seed = run.scenario.seed * 2 + direction as u64;
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let lost = DropIf(move |now, _: &bytes::Bytes| now >= from && rng.random_bool(share));
        run.world().set_middlebox(wire, direction, lost);
    }
}

/// The open subflows of a host's only connection.
fn open_subflows(world: &World, host: HostId) -> Vec<SubflowInfo> {
    let endpoint: &Endpoint = world.endpoint(host);
    let connections = endpoint.connections().into_iter();
    connections
        .flat_map(|id| endpoint.subflows(id))
        .filter(|subflow| subflow.closed.is_none())
        .collect()
}

/// The connection of a host has an established subflow from this address.
fn has_subflow_from(world: &World, host: HostId, local: IpAddr) -> bool {
    open_subflows(world, host)
        .iter()
        .any(|subflow| subflow.local.ip() == local && subflow.fully_established)
}
