//! A block of 64 KiB each second: most arrive within their second although the first path loses 10
//! to 40 %.

use super::blocks::{Arrivals, Sink, Source};
use super::*;
use std::net::SocketAddr;
use umptcp::smapp::controllers::SmartStreaming;
use umptcp_lab::world::Connect;

const BLOCKS: u64 = 30;

/// How many blocks arrived within their second.
fn in_time(seed: u64, loss: f64, controller: Option<Box<dyn Controller>>) -> usize {
    // The links of the paper: 5 Mbit/s, 10 ms.
    let link = LinkConfig::with_rate_and_delay(5_000_000, millis(10));
    let mut scenario = ruled("smart streaming", seed, link);
    scenario.listening = false;
    let config = scenario.client.connection.clone();
    let served = scenario.server.connection.clone();
    let remote = SocketAddr::new(scenario.server_address(0), 7001);
    let mut run = run_with(scenario, controller);
    let (client, server, wire) = (run.pair.client, run.pair.server, run.pair.wires[0]);
    lose_from(&mut run, wire, at(1000), loss);
    let arrivals = Arrivals::default();
    let noted = Arrivals::clone(&arrivals);
    let sink = move |_| -> Box<dyn umptcp_lab::world::Script> {
        Box::new(Sink::noting_in(Arrivals::clone(&noted)))
    };
    let world = run.world();
    world
        .serve(server, remote, served, Box::new(sink))
        .expect("the port is free");
    let connect = Connect {
        at: at(10),
        local: None,
        remote,
        config,
    };
    world.connect(client, connect, Box::new(Source::of(BLOCKS)));
    // Two seconds after the last one was written.
    world.run_until(|_| false, at((BLOCKS + 1) * 1000));
    let arrivals = arrivals.borrow();
    // The first was written when the connection was established, a round trip after the SYN.
    let written = (0..).map(|block: u64| at(30 + block * 1000));
    let pairs = arrivals.iter().zip(written);
    pairs
        .filter(|&(arrived, written)| *arrived <= written + Duration::from_secs(1))
        .count()
}

#[test]
fn most_blocks_arrive_within_their_second() {
    for loss in [0.1, 0.2, 0.3, 0.4] {
        for seed in SEEDS {
            let with = in_time(seed, loss, Some(Box::new(SmartStreaming::default())));
            let without = in_time(seed, loss, None);
            let description = format!("loss {loss}, seed {seed}: {with} and {without} of {BLOCKS}");
            eprintln!("{description}");
            assert!(with >= 24 && with > without, "{description}");
            // At 10 % loss recovery alone saves many.
            assert!(loss < 0.15 || without < 6, "{description}");
        }
    }
}
