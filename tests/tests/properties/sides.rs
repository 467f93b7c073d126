//! Random settings of connections, and what applications do with them.

use super::generate::Generator;
use std::time::Duration;
use umptcp_lab::world::{Chunks, Finish, Pace, Plan, ReadPause, Scenario, Side};
use umptcp_stack::{
    AcceptVersions, ChecksumPolicy, CongestionAlgorithm, ConnectionConfig, EcnPolicy, Keepalive,
    OtherVersion, SubflowOptions, Version,
};

impl Generator {
    fn keepalive(&mut self) -> Keepalive {
        Keepalive {
            idle: self.duration(200..=10_000),
            interval: self.duration(200..=3000),
            // A cut must not look like a dead peer.
            probes: 500,
        }
    }

    fn subflow(&mut self) -> SubflowOptions {
        let congestion = self.among(CongestionAlgorithm::ALL);
        SubflowOptions {
            congestion,
            keepalive: self.chance(0.2).then(|| self.keepalive()),
            ..SubflowOptions::default()
        }
    }

    pub(crate) fn connection(&mut self) -> ConnectionConfig {
        ConnectionConfig {
            mptcp: self.chance(0.85),
            subflow: self.subflow(),
            ecn: self.among(&[EcnPolicy::Off, EcnPolicy::Accept, EcnPolicy::Request]),
            pacing: self.chance(0.7),
            delayed_ack: self.duration(0..=500),
            version: self.among(&[Version::V0, Version::V1]),
            checksum: self.among(&[
                ChecksumPolicy::Offer,
                ChecksumPolicy::Offer,
                ChecksumPolicy::Require,
                ChecksumPolicy::Forbid,
            ]),
            receive_buffer: self.buffer(),
            send_buffer: self.buffer(),
            nodelay: self.chance(0.3),
            max_subflows: self.among(&[1, 2, 4, 8, 16]),
            other_version: self.among(&[OtherVersion::NextConnection, OtherVersion::AtOnce]),
            accept_versions: self.among(&[
                AcceptVersions::Both,
                AcceptVersions::Both,
                AcceptVersions::Only(Version::V0),
                AcceptVersions::Only(Version::V1),
            ]),
            allow_join_initial_address: self.chance(0.9),
            // Losses in long rows after a cut must not look like a dead path.
            user_timeout: Duration::from_secs(1000),
            // Nor may a peer that rests be taken for one that is gone.
            close_timeout: Duration::from_secs(1000),
            fin_timeout: Duration::from_secs(1000),
            connect_timeout: Duration::from_secs(1000),
            stale_loss_count: self.among(&[0, 1, 4]),
            stuck_subflow_timeout: self.chance(0.5).then(|| self.duration(500..=10_000)),
            ..ConnectionConfig::default()
        }
    }

    fn buffer(&mut self) -> usize {
        if self.chance(0.7) {
            1 << 20
        } else {
            self.size(500..=200_000)
        }
    }

    fn chunks(&mut self, bytes: u64) -> Chunks {
        // At most some 2000 of them, so that pauses do not add up to hours.
        let min = self
            .size(1..=20_000)
            .max(usize::try_from(bytes / 2000).expect("small"));
        let max = min + self.size(1..=60_000);
        let pause_probability = self.among(&[0.0, 0.0, 0.01, 0.1]);
        Chunks {
            min,
            max,
            pause_probability,
            max_pause: self.duration(0..=2000),
        }
    }

    fn plan(&mut self, connections: [&ConnectionConfig; 2]) -> Plan {
        let buffers = connections
            .iter()
            .map(|c| c.receive_buffer.min(c.send_buffer));
        let smallest = buffers.min().unwrap_or(0) as u64;
        let sends = match self.number(10) {
            0 => 0,
            1..4 => self.magnitude(1..=10_000),
            _ => self.magnitude(10_000..=3_000_000),
        };
        // A tiny buffer lets through one buffer a round trip.
        let sends = sends.min(smallest * 200);
        let read_pauses = (0..self.among(&[0, 0, 0, 1, 2]))
            .map(|n| ReadPause {
                at: n * self.below(1_000_000),
                length: self.duration(1..=20_000),
            })
            .collect();
        Plan {
            sends,
            writes: Chunks::default(),
            reads: self.chunks(3_000_000),
            read_pauses,
            finish: if self.chance(0.15) {
                Finish::Release
            } else {
                Finish::Shutdown
            },
            zero_copy: self.chance(0.3),
            early: self.chance(0.2),
            pace: Pace::Free,
            abort: None,
        }
    }

    pub(crate) fn plans(&mut self, scenario: &mut Scenario) {
        let configs = [
            scenario.client.connection.clone(),
            scenario.server.connection.clone(),
        ];
        let Scenario {
            client: Side { plan: client, .. },
            server: Side { plan: server, .. },
            ..
        } = scenario;
        *client = self.plan([&configs[0], &configs[1]]);
        *server = self.plan([&configs[0], &configs[1]]);
        match self.number(10) {
            0 => {
                server.pace = Pace::Echo;
                server.sends = client.sends;
            }
            1 => {
                server.pace = Pace::AfterEnd;
                client.finish = Finish::Shutdown;
            }
            2 => {
                client.pace = Pace::AfterEnd;
                server.finish = Finish::Shutdown;
            }
            3 => {
                let (request, response) = (self.magnitude(1..=2000), self.magnitude(1..=5000));
                let turns = 1 + self.below(19);
                client.sends = request * turns;
                server.sends = response * turns;
                client.pace = Pace::Turns {
                    mine: request,
                    theirs: response,
                    first: true,
                };
                server.pace = Pace::Turns {
                    mine: response,
                    theirs: request,
                    first: false,
                };
            }
            _ => {}
        }
        client.writes = self.chunks(client.sends);
        server.writes = self.chunks(server.sends);
        if client.sends == 0 && server.sends == 0 {
            // Who has nothing to wait for would be gone before the connection stands.
            client.finish = Finish::Shutdown;
            server.finish = Finish::Shutdown;
        }
    }
}
