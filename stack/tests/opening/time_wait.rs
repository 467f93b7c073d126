//! New connections where one of the same four-tuple is in TIME-WAIT
//! (RFC 9293 §3.6.1, RFC 6191, RFC 1337).

use super::*;
use umptcp_stack::ConnectError;

/// A connection that has ended, the server in TIME-WAIT.
struct Ended {
    net: Net,
    local: SocketAddr,
    /// What the client sent last: the number after it, and its timestamp.
    client_next: SeqNum,
    client_timestamp: Option<u32>,
    /// The number after the last that the server sent.
    server_next: SeqNum,
    accepted: ConnectionId,
}

fn ended(config: &ConnectionConfig, timestamps: bool) -> Ended {
    let mut net = Net::new(EndpointConfig::default());
    let (mut client_next, mut server_next) = (SeqNum(0), SeqNum(0));
    let mut client_timestamp = None;
    let mut local = None;
    let mut hand = |way, packet: &mut Vec<u8>| {
        if !timestamps {
            without_timestamps(way, packet);
        }
        let segment = segment(packet).expect("our hosts send TCP");
        match way {
            Way::ToServer => {
                local = Some(segment.tuple.remote);
                client_next = segment.seq + segment.len();
                client_timestamp = segment.options.timestamps.map(|t| t.value);
            }
            Way::ToClient => server_next = segment.seq + segment.len(),
        }
        true
    };
    let config = ConnectionConfig {
        max_subflows: 1,
        ..config.clone()
    };
    let (id, accepted) = net.establish(&config, &mut hand);
    net.transfer((id, accepted), &mut hand);
    let server = &mut net.server.endpoint;
    server.shutdown(net.now, accepted).expect("it is open");
    net.run(Duration::from_millis(100), &mut hand);
    let client = &mut net.client.endpoint;
    client.shutdown(net.now, id).expect("it is open");
    net.run(Duration::from_millis(500), &mut hand);
    net.client.endpoint.release(net.now, id);
    assert_eq!(
        net.server.endpoint.subflows(accepted)[0].state,
        TcpState::TimeWait
    );
    Ended {
        local: local.expect("packets went by"),
        net,
        client_next,
        client_timestamp: client_timestamp.filter(|_| timestamps),
        server_next,
        accepted,
    }
}

impl Ended {
    /// What the server answers to a SYN whose number lies so far behind the last, and whose
    /// timestamp is so much newer.
    fn answer(&mut self, ahead: i32, newer: Option<i32>) -> Segment {
        let seq = self.client_next.0.wrapping_add_signed(ahead);
        let last = self.client_timestamp.unwrap_or(1_000_000);
        let timestamp = newer.map(|newer| last.wrapping_add_signed(newer));
        let answers = self.net.spoof(syn(self.local, seq, timestamp, None));
        let [answer] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert!(!answer.flags.rst);
        answer.clone()
    }

    fn assert_reused(&mut self, ahead: i32, newer: Option<i32>) {
        let answer = self.answer(ahead, newer);
        assert!(answer.flags.syn, "{ahead} {newer:?}");
        let acked = self
            .client_next
            .0
            .wrapping_add_signed(ahead)
            .wrapping_add(1);
        assert_eq!(answer.ack, Some(SeqNum(acked)));
        // RFC 9293 §3.6.1: beyond the largest number of the old connection.
        assert!(answer.seq.after(self.server_next));
        assert_eq!(self.net.server.endpoint.stats().time_waits_reused, 1);
        let old = self.net.server.endpoint.subflows(self.accepted);
        assert!(old.iter().all(|subflow| subflow.state == TcpState::Closed));
    }

    /// RFC 7323 §3.2: a segment without timestamps may go unanswered.
    fn assert_ignored(&mut self, ahead: i32) {
        let seq = self.client_next.0.wrapping_add_signed(ahead);
        let answers = self.net.spoof(syn(self.local, seq, None, None));
        assert!(answers.iter().all(|answer| !answer.flags.syn));
        assert_eq!(self.net.server.endpoint.stats().time_waits_reused, 0);
        let old = self.net.server.endpoint.subflows(self.accepted);
        assert_eq!(old[0].state, TcpState::TimeWait);
    }

    fn assert_acknowledged(&mut self, ahead: i32, newer: Option<i32>) {
        let answer = self.answer(ahead, newer);
        assert!(!answer.flags.syn, "{ahead} {newer:?}");
        assert_eq!(answer.ack, Some(self.client_next));
        assert_eq!(self.net.server.endpoint.stats().time_waits_reused, 0);
        let old = self.net.server.endpoint.subflows(self.accepted);
        assert_eq!(old[0].state, TcpState::TimeWait);
    }
}

/// Protocol statement 116.
#[test]
fn a_newer_timestamp_makes_a_new_connection() {
    for (config, _) in dialects() {
        // RFC 6191 §2: whatever the sequence number.
        for ahead in [-100_000, 0, 100_000] {
            ended(&config, true).assert_reused(ahead, Some(1));
        }
        // With the same timestamp the sequence number decides.
        ended(&config, true).assert_reused(1, Some(0));
    }
}

#[test]
fn an_old_duplicate_does_not() {
    for (config, _) in dialects() {
        let mut with = ended(&config, true);
        with.assert_acknowledged(100_000, Some(-1));
        with.assert_acknowledged(0, Some(0));
        with.assert_acknowledged(-100_000, Some(-1000));
        // RFC 6191 §2: without timestamps only a later number tells that it is new.
        with.assert_ignored(-1);
        let mut without = ended(&config, false);
        without.assert_acknowledged(-1, None);
        without.net.run(Duration::from_secs(1), &mut untouched);
        without.assert_acknowledged(-1, Some(1));
    }
}

/// Protocol statement 116.
#[test]
fn without_timestamps_a_later_sequence_number_does() {
    for (config, _) in dialects() {
        ended(&config, true).assert_reused(1, None);
        ended(&config, false).assert_reused(1, None);
        ended(&config, false).assert_reused(1, Some(1));
    }
}

/// A SYN that nobody would take ends no quiet time.
#[test]
fn nobody_listens_any_more() {
    let (config, _) = &dialects()[1];
    let mut ended = ended(config, true);
    let now = ended.net.now;
    let listener = ended.net.listener;
    ended.net.server.endpoint.close_listener(now, listener);
    let answer = ended.answer(1, Some(1));
    assert!(!answer.flags.syn);
    assert_eq!(
        ended.net.server.endpoint.subflows(ended.accepted)[0].state,
        TcpState::TimeWait
    );
}

/// The same client comes again from the same port: a whole connection, of either kind.
///
/// Protocol statement 116.
#[test]
fn a_client_comes_back_from_its_port() {
    for (config, protocol) in dialects() {
        for cookies in [false, true] {
            let mut ended = ended(&config, true);
            let net = &mut ended.net;
            net.run(Duration::from_millis(100), &mut untouched);
            if cookies {
                // A flood does not take the way of TIME-WAIT away.
                for host in 0..=255_u8 {
                    for port in 1..4 {
                        net.spoof(syn(([198, 51, 100, host], port).into(), 1, None, None));
                    }
                }
                assert!(net.server.endpoint.stats().cookies_sent > 0);
            }
            let id = net
                .client
                .endpoint
                .connect(net.now, Some(ended.local), server_address(), config.clone())
                .expect("the client is not in TIME-WAIT");
            net.run(Duration::from_millis(100), &mut untouched);
            let accepted = net.accept().expect("it connected");
            assert_eq!(net.protocol_at_server(accepted), protocol);
            assert_eq!(net.server.endpoint.stats().time_waits_reused, 1);
            assert_eq!(net.server.endpoint.stats().cookies_accepted, 0);
            net.transfer((id, accepted), &mut untouched);
        }
    }
}

/// Few ports, all used; those of our own ended connections are in TIME-WAIT.
#[test]
fn our_own_ports_come_back_where_timestamps_allow() {
    let few = EndpointConfig {
        ephemeral_ports: (50_000, 50_003),
        ..EndpointConfig::default()
    };
    let (config, _) = &dialects()[0];
    for timestamps in [true, false] {
        let mut hand = |way, packet: &mut Vec<u8>| timestamps || without_timestamps(way, packet);
        let mut net = Net::with_client(EndpointConfig::default(), few.clone());
        let pairs: Vec<_> = (0..4).map(|_| net.establish(config, &mut hand)).collect();
        net.transfer(pairs[1], &mut hand);
        let try_again = |net: &mut Net| {
            let client = &mut net.client.endpoint;
            client.connect(net.now, None, server_address(), config.clone())
        };
        assert_eq!(
            try_again(&mut net),
            Err(ConnectError::NoFreePort(server_address()))
        );
        let (client, server) = pairs[1];
        let old = net.client.endpoint.subflows(client)[0].local;
        net.client.endpoint.release(net.now, client);
        net.run(Duration::from_millis(50), &mut hand);
        net.server.endpoint.release(net.now, server);
        net.run(Duration::from_millis(50), &mut hand);
        // Both clocks have to move first.
        assert!(try_again(&mut net).is_err());
        net.run(Duration::from_millis(1200), &mut hand);
        let again = try_again(&mut net);
        if !timestamps {
            assert!(again.is_err());
            // Twice the MSL later it is free for everybody.
            net.run(Duration::from_secs(60), &mut hand);
        }
        let id = again.unwrap_or_else(|_| try_again(&mut net).expect("TIME-WAIT is over"));
        let reused = u64::from(timestamps);
        assert_eq!(net.client.endpoint.stats().time_waits_reused, reused);
        assert_eq!(net.client.endpoint.subflows(id)[0].local, old);
        net.run(Duration::from_millis(100), &mut hand);
        let accepted = net.accept().expect("it connected");
        net.transfer((id, accepted), &mut hand);
        let mut events = core::iter::from_fn(|| net.client.endpoint.poll_event());
        assert!(events.any(|event| matches!(event, Event::Connected(known, _) if known == id)));
    }
}
