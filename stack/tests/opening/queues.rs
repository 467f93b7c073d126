//! The queue of connections that wait to be accepted.

use super::*;
use umptcp_stack::SynCookies;

fn config(syn_cookies: SynCookies) -> EndpointConfig {
    EndpointConfig {
        backlog: 2,
        syn_cookies,
        ..EndpointConfig::default()
    }
}

#[test]
fn a_full_backlog_drops_syns_until_there_is_room() {
    for cookies in [SynCookies::Never, SynCookies::WhenFull, SynCookies::Always] {
        for (dialect, protocol) in dialects() {
            let mut net = Net::new(config(cookies));
            for _ in 0..2 {
                net.connect(&dialect);
            }
            net.run(Duration::from_millis(100), &mut untouched);
            let third = net.connect(&dialect);
            net.run(Duration::from_millis(500), &mut untouched);
            assert!(net.server.endpoint.stats().syns_dropped > 0);
            assert_eq!(net.server.endpoint.connection_count(), 2);
            assert_eq!(net.protocol_at_client(third), negotiating(&dialect));
            net.accept().expect("two wait");
            net.run(Duration::from_secs(4), &mut untouched);
            net.accept().expect("the second");
            let last = net.accept().expect("the third came through");
            assert!(net.accept().is_none());
            assert_eq!(net.protocol_at_server(last), protocol);
            net.transfer((third, last), &mut untouched);
        }
    }
}

fn negotiating(dialect: &ConnectionConfig) -> ConnectionProtocol {
    if dialect.mptcp {
        ConnectionProtocol::Negotiating
    } else {
        ConnectionProtocol::Tcp
    }
}

/// Handshakes that were begun while there was room are not completed when there is none: the
/// peer hears the SYN/ACK again.
#[test]
fn handshakes_wait_for_room_in_the_backlog() {
    for (dialect, protocol) in dialects() {
        let mut net = Net::new(config(SynCookies::Never));
        let clients: Vec<ConnectionId> = (0..3).map(|_| net.connect(&dialect)).collect();
        net.run(Duration::from_millis(100), &mut untouched);
        let stats = net.server.endpoint.stats();
        assert_eq!((stats.syns_dropped, stats.resets_sent), (0, 0));
        assert!(stats.accept_overflows > 0);
        let mut accepted = vec![
            net.accept().expect("the first"),
            net.accept().expect("the second"),
        ];
        assert!(net.accept().is_none());
        net.run(Duration::from_secs(4), &mut untouched);
        accepted.push(net.accept().expect("the third came through"));
        for (&client, accepted) in clients.iter().zip(accepted) {
            assert_eq!(net.protocol_at_server(accepted), protocol);
            net.transfer((client, accepted), &mut untouched);
        }
    }
}

/// With cookies there is no SYN/ACK to repeat: the client's data brings the cookie again.
#[test]
fn a_cookie_without_room_is_taken_later_from_the_data() {
    for (dialect, _) in dialects() {
        let mut net = Net::new(config(SynCookies::Always));
        let clients: Vec<ConnectionId> = (0..3).map(|_| net.connect(&dialect)).collect();
        net.run(Duration::from_millis(100), &mut untouched);
        assert!(net.server.endpoint.stats().accept_overflows > 0);
        net.accept().expect("the first");
        net.accept().expect("the second");
        net.client
            .endpoint
            .write(net.now, clients[2], b"still there")
            .expect("there is room");
        net.run(Duration::from_secs(4), &mut untouched);
        let accepted = net.accept().expect("the third came through");
        let mut buffer = [0; 20];
        let read = net.server.endpoint.read(net.now, accepted, &mut buffer);
        assert_eq!(read, Ok(11));
        net.transfer((clients[2], accepted), &mut untouched);
    }
}
