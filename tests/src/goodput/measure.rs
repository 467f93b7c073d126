//! The run of a cell, and of many on as many threads as there are processors.

use super::cell::Cell;
use super::script::{Sink, Source};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use umptcp_lab::link::LinkConfig;
use umptcp_lab::world::{Connect, HostId, Outcome, SessionId, WireId, World};
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
    /// Recoveries for nothing that were undone, start-up included.
    pub spurious_recoveries: u64,
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

/// A world with one plain TCP connection, which sends as fast as it can from the start on and
/// without end.
#[derive(Debug)]
pub struct Bulk {
    /// The world.
    pub world: World,
    /// The sender.
    pub client: HostId,
    /// The receiver.
    pub server: HostId,
    /// The sending application.
    pub session: SessionId,
    /// The wire between them; direction 0 carries the data.
    pub wire: WireId,
}

impl Bulk {
    /// A world in which nothing has happened yet, with these links for data and acknowledgments.
    ///
    /// # Panics
    /// If the server cannot listen, which a new host can.
    #[must_use]
    pub fn new(name: &str, seed: u64, data: LinkConfig, acks: LinkConfig) -> Self {
        let mut world = World::new(name, seed);
        world.set_description(format!("data: {data:#?}\nacknowledgments: {acks:#?}"));
        // The checksums cost much of the time and tell nothing here: nothing is damaged.
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
        let wire = world.add_wire(ends[0], ends[1], data, acks);
        let remote = SocketAddr::new(addresses[1], PORT);
        let sink = Box::new(|_| Box::new(Sink::new()) as Box<_>);
        world
            .serve(server, remote, config.clone(), sink)
            .expect("the port of a new host is free");
        let connect = Connect {
            at: Instant::ZERO,
            local: None,
            remote,
            config,
        };
        let session = world.connect(client, connect, Box::new(Source::new()));
        Self {
            world,
            client,
            server,
            session,
            wire,
        }
    }

    /// Runs until a time; bytes received by then.
    ///
    /// # Errors
    /// What the run ended with before that.
    pub fn run_until(&mut self, time: Instant) -> Result<u64, String> {
        match self.world.run_until(|_| false, time) {
            Outcome::TimeLimit => {}
            other => {
                let now = self.world.now();
                return Err(format!("the run ended at {now:?}: {other:?}"));
            }
        }
        let mut accepted = self.world.sessions_of(self.server);
        Ok(accepted.next().map_or(0, |sink| sink.progress().received))
    }

    /// The sender's TCP as it is now.
    ///
    /// # Panics
    /// If the connection does not exist any more, or not yet.
    #[must_use]
    pub fn sender(&self) -> SubflowInfo {
        let session = self.world.session(self.session);
        let connection = session.connection().expect("the sender has connected");
        let mut subflows = self.world.endpoint(self.client).subflows(connection);
        subflows.pop().expect("plain TCP is one subflow")
    }

    /// Data packets handed to the link so far, and those of them that it lost.
    #[must_use]
    pub fn packets(&self) -> (u64, u64) {
        let [data, _] = self.world.counters(self.wire);
        (data.sent, data.dropped_queue + data.dropped_loss)
    }
}

/// Runs a cell. The same seed gives the same result.
///
/// # Errors
/// What the run ended with, if not with its time, or which bytes were wrong.
#[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
pub fn run(cell: &Cell, seed: u64) -> Result<Measured, String> {
    let mut bulk = Bulk::new("goodput", seed, cell.data_link(), cell.ack_link());
    bulk.world.record_nothing();
    let start = Instant::ZERO + cell.start_up();
    let before = bulk.run_until(start)?;
    let after = bulk.run_until(start + cell.counted())?;
    let sender = bulk.sender();
    Ok(Measured {
        cell: *cell,
        share: (after - before) as f64 * 8.0 / (cell.rate() as f64 * cell.counted().as_secs_f64()),
        retransmissions: sender.retransmissions,
        timeouts: sender.timeouts,
        spurious_recoveries: sender.spurious_recoveries,
        packets: bulk.packets(),
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
