use std::time::Duration;
use umptcp_lab::link::*;
use umptcp_lab::world::*;
use umptcp_stack::*;
fn main() {
    for mptcp in [false, true] {
        for paths in [1, 2] {
            for loss in [0.0, 0.0001, 0.001, 0.01, 0.05] {
                for queue in [30_000, 250_000] {
                    if !mptcp && paths == 2 {
                        continue;
                    }
                    let mut s = Scenario::new("goodput", 3);
                    let mut link =
                        LinkConfig::with_rate_and_delay(20_000_000, Duration::from_millis(10));
                    link.queue = queue;
                    if loss > 0.0 {
                        link.loss = Loss::Bernoulli(loss);
                    }
                    let back =
                        LinkConfig::with_rate_and_delay(20_000_000, Duration::from_millis(10));
                    s.paths = vec![
                        Path {
                            ip: Ip::V4,
                            up: link,
                            down: back
                        };
                        paths
                    ];
                    s.client.plan = Plan::sending(20_000_000);
                    s.client.connection.mptcp = mptcp;
                    s.client.connection.max_subflows = paths;
                    s.server.plan.pace = Pace::AfterEnd;
                    let mut p = s.build();
                    let o = p.world.run_until(
                        |w| {
                            w.sessions()
                                .iter()
                                .any(|s| s.progress().received == 20_000_000)
                        },
                        Instant::from_millis(600_000),
                    );
                    let t = p.world.now().as_nanos() as f64 / 1e9;
                    let c = p.world.counters(p.wires[0])[0];
                    let subs = p
                        .world
                        .session(p.session)
                        .connection()
                        .map(|id| p.world.endpoint(p.client).subflows(id))
                        .unwrap_or_default();
                    println!(
                        "mptcp {mptcp} paths {paths} loss {loss} queue {queue}: {o:?} {:.2} Mbit/s  dropped {}+{} rexmit {:?} cwnd {:?} srtt {:?}",
                        160.0 / t,
                        c.dropped_queue,
                        c.dropped_loss,
                        subs.iter().map(|s| s.retransmissions).collect::<Vec<_>>(),
                        subs.iter().map(|s| s.cwnd).collect::<Vec<_>>(),
                        subs.iter()
                            .map(|s| s.srtt.map(|s| s.as_millis()))
                            .collect::<Vec<_>>()
                    );
                }
            }
        }
    }
}
