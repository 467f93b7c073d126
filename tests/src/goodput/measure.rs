//! The run of a cell, and of many on as many threads as there are processors.

use super::cell::Cell;
use super::script::{Sink, Source};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use umptcp_lab::world::{Connect, HostId, Outcome, SessionId, World};
use umptcp_stack::{ConnectionConfig, EndpointConfig, Instant, InterfaceConfig, SubflowInfo};

const PORT: u16 = 5001;

/// What a cell gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The cell.
    pub cell: Cell,
    /// Payload bits in order at the receiving application, over what the link could carry in
    /// that time: [`Cell::counted`], after [`Cell::start_up`].
    pub share: f64,
    /// Segments sent again, start-up included.
    pub retransmissions: u64,
    /// Expiries of the retransmission timer, start-up included.
    pub timeouts: u64,
    /// Packets handed to the link, and those that it lost: queue, accidents.
    pub packets: (u64, u64),
}

impl Measured {
    /// Payload in Mbit/s.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rates are small whole numbers")]
    pub fn goodput_mbit(&self) -> f64 {
        self.share * self.cell.rate_mbit as f64
    }
}

/// A world with one connection over the cell's path.
struct Bulk {
    world: World,
    server: HostId,
    session: SessionId,
    wire: umptcp_lab::world::WireId,
}

impl Bulk {
    fn of(cell: &Cell, seed: u64) -> Result<Self, String> {
        let mut world = World::new("goodput", seed);
        world.set_description(cell.to_string());
        world.record_nothing();
        // The checksums cost a third of the time and tell nothing here: nothing is damaged.
        let interface = InterfaceConfig {
            checksum_offload: true,
            ..InterfaceConfig::default()
        };
        let config = ConnectionConfig {
            mptcp: false,
            ..ConnectionConfig::default()
        };
        let addresses = [1, 2].map(|host| IpAddr::from(Ipv4Addr::new(10, 0, 0, host)));
        let client = world.add_host("client", EndpointConfig::default());
        let server = world.add_host("server", EndpointConfig::default());
        let ends = [(client, addresses[0]), (server, addresses[1])]
            .map(|(host, address)| (host, world.add_interface(host, interface, &[address])));
        let wire = world.add_wire(ends[0], ends[1], cell.data_link(), cell.ack_link());
        let remote = SocketAddr::new(addresses[1], PORT);
        let sink = Box::new(|_| Box::new(Sink::new()) as Box<_>);
        world
            .serve(server, remote, config.clone(), sink)
            .map_err(|error| error.to_string())?;
        let connect = Connect {
            at: Instant::ZERO,
            local: None,
            remote,
            config,
        };
        let session = world.connect(client, connect, Box::new(Source::new()));
        Ok(Self {
            world,
            server,
            session,
            wire,
        })
    }

    /// Runs until a time; bytes received by then.
    fn run_until(&mut self, time: Instant) -> Result<u64, String> {
        match self.world.run_until(|_| false, time) {
            Outcome::TimeLimit => {}
            other => {
                return Err(format!(
                    "the run ended at {:?}: {other:?}",
                    self.world.now()
                ));
            }
        }
        let mut accepted = self.world.sessions_of(self.server);
        Ok(accepted.next().map_or(0, |sink| sink.progress().received))
    }

    /// The sender's TCP.
    fn subflow(&self) -> Result<&SubflowInfo, String> {
        let sender = self.world.session(self.session);
        sender
            .last_subflows()
            .first()
            .ok_or_else(|| "nothing was sent".into())
    }
}

/// Runs a cell. The same seed gives the same result.
///
/// # Errors
/// What the run ended with, if not with its time, or which bytes were wrong.
#[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
pub fn run(cell: &Cell, seed: u64) -> Result<Measured, String> {
    let mut bulk = Bulk::of(cell, seed)?;
    let start = Instant::ZERO + cell.start_up();
    let before = bulk.run_until(start)?;
    let after = bulk.run_until(start + cell.counted())?;
    let subflow = bulk.subflow()?;
    let [data, _] = bulk.world.counters(bulk.wire);
    Ok(Measured {
        cell: *cell,
        share: (after - before) as f64 * 8.0 / (cell.rate() as f64 * cell.counted().as_secs_f64()),
        retransmissions: subflow.retransmissions,
        timeouts: subflow.timeouts,
        packets: (data.sent, data.dropped_queue + data.dropped_loss),
    })
}

/// Runs cells, each with the same seed, on all processors; `progress` hears of each that is done
/// and how many are, in no particular order.
///
/// # Errors
/// The first error in the order of the cells, with its cell.
pub fn run_all(
    cells: &[Cell],
    seed: u64,
    progress: impl Fn(&Measured, usize) + Sync,
) -> Result<Vec<Measured>, String> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::with_capacity(cells.len()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(number) else {
                return;
            };
            let result = run(cell, seed);
            let finished = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Ok(measured) = &result {
                progress(measured, finished);
            }
            let mut results = results.lock().unwrap_or_else(|poison| poison.into_inner());
            results.push((number, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    results.sort_by_key(|(number, _)| *number);
    results
        .into_iter()
        .map(|(number, result)| result.map_err(|reason| format!("{}: {reason}", cells[number])))
        .collect()
}
