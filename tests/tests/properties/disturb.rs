//! What happens to hosts and paths during a run, put into its world.

use super::generate::{self, Disturbance, Narrow};
use super::rude::Rude;
use umptcp_lab::world::{HostId, PathMtuRouter, Session, World};
use umptcp_stack::ConnectionId;
use umptcp_tests::run::Run;

/// Puts a narrow router on its path.
pub(crate) fn install(run: &mut Run, Narrow { path, mtu, speaks }: Narrow) {
    let wire = run.pair.wires[path];
    for direction in 0..2 {
        let router = if speaks {
            PathMtuRouter::new(mtu)
        } else {
            PathMtuRouter::black_hole(mtu)
        };
        run.world().set_middlebox(wire, direction, router);
    }
}

/// Lets a disturbance happen when its time has come.
pub(crate) fn schedule(run: &mut Run, disturbance: Disturbance) {
    let hosts = [run.pair.client, run.pair.server];
    let session = run.pair.session;
    let client = run.pair.client;
    match disturbance {
        Disturbance::InterfaceDown {
            at,
            until,
            host,
            interface,
        } => {
            let host = hosts[host];
            run.world().at(at, move |world| {
                world.set_interface_up(host, interface, false)
            });
            run.world().at(until, move |world| {
                world.set_interface_up(host, interface, true)
            });
        }
        Disturbance::CloseSubflow { at, number } => run.world().at(at, move |world| {
            let Some(id) = world.session(session).connection() else {
                return;
            };
            let now = world.now();
            // Never the last one: then nothing could arrive.
            let subflows = world.endpoint(client).subflows(id);
            let usable = generate::usable(world.session(session), &subflows);
            if usable.len() > 1 {
                let subflow = usable[number % usable.len()];
                assert_eq!(
                    world.endpoint_mut(client).close_subflow(now, id, subflow),
                    Ok(())
                );
            }
        }),
        Disturbance::Backup {
            at,
            host,
            number,
            backup,
        } => {
            let host = hosts[host];
            run.world().at(at, move |world| {
                set_backup(world, host, number, backup);
            });
        }
        Disturbance::Address {
            at,
            host,
            path,
            port,
            announce,
        } => {
            let address = if host == 0 {
                run.scenario.client_address(path)
            } else {
                run.scenario.server_address(path)
            };
            let host = hosts[host];
            run.world().at(at, move |world| {
                let Some((_, id)) = connected(world, host) else {
                    return;
                };
                let (now, endpoint) = (world.now(), world.endpoint_mut(host));
                // It may be plain TCP, or at its end.
                let _possible = if announce {
                    endpoint.announce_address(now, Some(id), address, port)
                } else {
                    endpoint.withdraw_address(now, Some(id), address, port)
                };
            });
        }
    }
}

/// Changes the priority of one of a host's subflows, if it has several.
fn set_backup(world: &mut World, host: HostId, number: usize, backup: bool) {
    let Some((session, id)) = connected(world, host) else {
        return;
    };
    let now = world.now();
    let subflows = world.endpoint(host).subflows(id);
    let usable = generate::usable(session, &subflows);
    if usable.len() > 1 {
        let subflow = usable[number % usable.len()];
        let done = world
            .endpoint_mut(host)
            .set_backup(now, id, subflow, backup);
        assert_eq!(done, Ok(()));
    }
}

/// The application of a host that has a connection.
fn connected(world: &World, host: HostId) -> Option<(&Session, ConnectionId)> {
    world
        .sessions_of(host)
        .find_map(|session| Some((session, session.connection()?)))
}

/// Puts a middlebox on its path, at once or when its time has come.
pub(crate) fn place(run: &mut Run, rude: Rude) {
    let wire = run.pair.wires[rude.path];
    let ip = run.scenario.paths[rude.path].ip;
    match rude.from {
        None => rude.place(run.world(), wire, ip),
        Some(from) => run
            .world()
            .at(from, move |world| rude.place(world, wire, ip)),
    }
}
