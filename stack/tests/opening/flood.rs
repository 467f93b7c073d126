//! SYN floods (RFC 4987) and floods of joins (RFC 7430 §3).

use super::*;
use umptcp_stack::wire::mptcp_option::MpJoin;
use umptcp_stack::{AddressId, SynCookies};

/// SYNs from addresses that never answer, each from another one.
struct Flood {
    sent: u32,
}

impl Flood {
    fn next(&mut self) -> Vec<u8> {
        self.sent += 1;
        let [_, b, c, d] = self.sent.to_be_bytes();
        let remote = SocketAddr::from(([198, b, c, d], 1024 + (self.sent % 60_000) as u16));
        let timestamp = self.sent.is_multiple_of(2).then_some(self.sent);
        syn(remote, self.sent.wrapping_mul(0x9e37_79b9), timestamp, None)
    }

    /// Hands the server so many SYNs; it answers into nowhere.
    fn strike(&mut self, net: &mut Net, count: u32) {
        for _ in 0..count {
            let packet = self.next();
            net.server.take(net.now, 0, packet);
            if self.sent.is_multiple_of(64) {
                net.server.packets(net.now);
            }
        }
    }
}

/// Protocol statement 50.
#[test]
fn honest_clients_connect_through_a_flood() {
    let config = EndpointConfig {
        syn_backlog: 64,
        ..EndpointConfig::default()
    };
    let mut net = Net::new(config);
    let mut flood = Flood { sent: 0 };
    let mut honest = 0;
    for (config, protocol) in dialects() {
        for timestamps in [true, false] {
            honest += 1;
            let accepted_before = net.server.endpoint.stats().cookies_accepted;
            let id = net.connect(&config);
            let mut accepted = None;
            let mut hand =
                |way, packet: &mut Vec<u8>| timestamps || without_timestamps(way, packet);
            for _ in 0..40 {
                flood.strike(&mut net, 500);
                net.step(&mut hand);
                accepted = accepted.or_else(|| net.accept());
            }
            let accepted = accepted.expect("it connected");
            assert_eq!(
                net.server.endpoint.stats().cookies_accepted,
                accepted_before + 1
            );
            assert_eq!(net.protocol_at_server(accepted), protocol);
            assert_eq!(net.protocol_at_client(id), protocol);
            net.transfer((id, accepted), &mut hand);
            net.run(Duration::from_secs(1), &mut hand);
            let subflows = if config.mptcp { 2 } else { 1 };
            assert_eq!(
                net.established_at_server(accepted),
                subflows,
                "{protocol:?}"
            );
            // The flood goes on to fill the queue as half-open connections expire.
            let in_table = net.server.endpoint.connection_count();
            assert!(in_table <= 64 + honest, "{in_table} connections");
        }
    }
    let stats = net.server.endpoint.stats();
    assert!(flood.sent > 100_000);
    assert!(stats.cookies_sent > 100_000, "{stats:?}");
    assert_eq!(stats.syns_dropped, 0);
    assert_eq!(stats.cookies_failed, 0);
}

#[test]
fn without_cookies_syns_beyond_the_backlog_are_dropped() {
    let mut net = Net::new(EndpointConfig {
        syn_backlog: 64,
        syn_cookies: SynCookies::Never,
        ..EndpointConfig::default()
    });
    Flood { sent: 0 }.strike(&mut net, 1000);
    assert_eq!(net.server.endpoint.connection_count(), 64);
    assert_eq!(net.server.endpoint.stats().syns_dropped, 936);
    assert_eq!(net.server.endpoint.stats().cookies_sent, 0);
}

/// RFC 9293 §3.8.3: a SYN/ACK is not sent for ever.
#[test]
fn half_open_connections_expire() {
    let mut net = Net::new(EndpointConfig::default());
    Flood { sent: 0 }.strike(&mut net, 100);
    assert_eq!(net.server.endpoint.connection_count(), 100);
    net.run(Duration::from_secs(130), &mut untouched);
    assert_eq!(net.server.endpoint.connection_count(), 0);
    let sent = net.server.endpoint.stats().packets_sent;
    assert_eq!(sent, 600, "six SYN/ACKs for each SYN");
    // All of the SYN backlog is free again.
    Flood { sent: 1000 }.strike(&mut net, 512);
    assert_eq!(net.server.endpoint.connection_count(), 512);
    assert_eq!(net.server.endpoint.stats().cookies_sent, 0);
}

/// Whoever knows the token can start joins, but neither fill the host nor keep the peer out.
///
/// Protocol statement 48.
#[test]
fn a_flood_of_joins_leaves_room_for_an_honest_one() {
    for (config, _) in dialects().into_iter().skip(1) {
        let mut net = Net::new(EndpointConfig::default());
        let mut token = None;
        let mut see_token = |way, packet: &mut Vec<u8>| {
            let joins = segment(packet).is_some_and(|segment| {
                segment.options.mptcp.iter().any(|option| {
                    if let MptcpOption::Join(MpJoin::Syn { token: theirs, .. }) = option {
                        token = Some(*theirs);
                    }
                    matches!(option, MptcpOption::Join(_))
                })
            });
            // No join gets through yet.
            way == Way::ToClient || !joins
        };
        let pair = net.establish(&config, &mut see_token);
        net.transfer(pair, &mut see_token);
        net.run(Duration::from_secs(1), &mut see_token);
        assert_eq!(net.established_at_server(pair.1), 1);
        let token = token.expect("the client tried to join");
        for round in 0..1000_u32 {
            let [_, _, c, d] = round.to_be_bytes();
            let join = MptcpOption::Join(MpJoin::Syn {
                backup: false,
                address_id: AddressId(9),
                token,
                nonce: umptcp_stack::wire::mptcp_option::Nonce(round),
            });
            let answers = net.spoof(syn(
                ([198, 51, c, d], 1234).into(),
                round,
                Some(1),
                Some(&join),
            ));
            assert!(answers.iter().any(|answer| answer.flags.syn), "{round}");
        }
        let listed = net.server.endpoint.subflows(pair.1).len();
        assert!(listed <= 8, "{listed} subflows");
        net.run(Duration::from_secs(5), &mut untouched);
        assert_eq!(net.established_at_server(pair.1), 2);
        // Whoever never proved a key never becomes a subflow.
        let spoofed = |remote: SocketAddr| remote.ip().to_string().starts_with("198.");
        let subflows = net.server.endpoint.subflows(pair.1);
        assert!(
            subflows
                .iter()
                .all(|subflow| !spoofed(subflow.remote) || subflow.state != TcpState::Established)
        );
    }
}
