//! Handshakes with SYN cookies whose packets are lost, late, overtaken or forged.

use super::*;
use umptcp_stack::wire::mptcp_option::MpCapable;
use umptcp_stack::{ChecksumPolicy, SynCookies};

fn always() -> EndpointConfig {
    EndpointConfig {
        syn_cookies: SynCookies::Always,
        ..EndpointConfig::default()
    }
}

fn mptcp(version: Version) -> ConnectionConfig {
    ConnectionConfig {
        version,
        max_subflows: 2,
        ..ConnectionConfig::default()
    }
}

#[test]
fn nothing_is_kept_of_a_syn() {
    let mut net = Net::new(always());
    let answers = net.spoof(syn(([192, 0, 2, 1], 4000).into(), 7, Some(77), None));
    assert_eq!(net.server.endpoint.connection_count(), 0);
    let [answer] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert!(answer.flags.syn && answer.ack == Some(SeqNum(8)));
    assert_eq!(answer.options.mss, Some(1460));
    assert!(answer.options.sack_permitted && answer.options.window_scale.is_some());
    assert_eq!(answer.options.timestamps.expect("offered").echo, 77);
    // RFC 7323 §2.2, §3.2: only what was offered is answered; and no MP_CAPABLE without one.
    let answers = net.spoof(syn(([192, 0, 2, 1], 4001).into(), 7, None, None));
    let options = &answers[0].options;
    assert!(options.timestamps.is_none() && !options.sack_permitted);
    assert!(options.window_scale.is_none() && options.mptcp.is_empty());
}

/// RFC 6824 §3.1: a flag A on either side turns checksums on, and the third packet repeats it.
#[test]
fn every_dialect_and_checksum_policy_works() {
    for (config, protocol) in dialects() {
        for checksum in [ChecksumPolicy::Offer, ChecksumPolicy::Require] {
            for timestamps in [true, false] {
                let config = ConnectionConfig {
                    checksum,
                    ..config.clone()
                };
                let mut hand =
                    |way, packet: &mut Vec<u8>| timestamps || without_timestamps(way, packet);
                let mut net = Net::new(always());
                let pair = net.establish(&config, &mut hand);
                assert_eq!(net.protocol_at_server(pair.1), protocol);
                net.transfer(pair, &mut hand);
                net.run(Duration::from_secs(1), &mut hand);
                let info = net.server.endpoint.connection_info(pair.1);
                let wanted = config.mptcp && checksum == ChecksumPolicy::Require;
                assert_eq!(info.expect("it lives").checksum, wanted);
                let subflows = if config.mptcp { 2 } else { 1 };
                assert_eq!(net.established_at_server(pair.1), subflows);
                assert_eq!(net.server.endpoint.stats().cookies_accepted, 1);
            }
        }
    }
}

/// Loses third packets without data, `lost` of them.
fn lose_third_acks(lost: &mut u32) -> impl FnMut(Way, &mut Vec<u8>) -> bool + '_ {
    move |way, packet| {
        let third = way == Way::ToServer && segment(packet).is_some_and(|s| is_third_ack(&s));
        *lost += u32::from(third);
        !third
    }
}

/// RFC 8684 §3.1: the first data of version 1 carries the keys, so it does for a third packet.
#[test]
fn version_1_needs_no_third_packet_besides_its_data() {
    let mut net = Net::new(always());
    let mut lost = 0;
    let mut hand = lose_third_acks(&mut lost);
    let id = net.connect(&mptcp(Version::V1));
    net.client
        .endpoint
        .write(net.now, id, b"early")
        .expect("there is room");
    net.run(Duration::from_millis(500), &mut hand);
    let accepted = net.accept().expect("the data completed the handshake");
    let mut buffer = [0; 10];
    let read = net.server.endpoint.read(net.now, accepted, &mut buffer);
    assert_eq!(
        read,
        Ok(5),
        "the segment that completed it brought its data along"
    );
    assert_eq!(&buffer[..5], b"early");
    let subflow = &net.client.endpoint.subflows(id)[0];
    assert_eq!(subflow.retransmissions, 0, "it was taken at once");
    net.transfer((id, accepted), &mut hand);
    net.run(Duration::from_secs(1), &mut untouched);
    assert_eq!(
        net.protocol_at_server(accepted),
        ConnectionProtocol::Mptcp(Version::V1)
    );
    assert_eq!(net.established_at_server(accepted), 2);
}

/// RFC 6824 §3.1: a stateless server of version 0 must see both keys; without them it is TCP.
#[test]
fn version_0_without_the_third_packet_becomes_plain_tcp() {
    let mut net = Net::new(always());
    let mut lost = 0;
    let id = net.connect(&mptcp(Version::V0));
    let mut hand = lose_third_acks(&mut lost);
    net.run(Duration::from_millis(100), &mut hand);
    assert!(net.accept().is_none());
    net.client
        .endpoint
        .write(net.now, id, b"data with a DSS")
        .expect("there is room");
    net.run(Duration::from_secs(3), &mut hand);
    let accepted = net.accept().expect("the data completed the handshake");
    let mut buffer = [0; 20];
    let read = net.server.endpoint.read(net.now, accepted, &mut buffer);
    assert_eq!(read, Ok(15));
    net.transfer((id, accepted), &mut untouched);
    assert_eq!(net.protocol_at_server(accepted), ConnectionProtocol::Tcp);
    assert_eq!(net.protocol_at_client(id), ConnectionProtocol::Tcp);
    assert_eq!(net.server.endpoint.stats().fallbacks, 1);
    drop(hand);
    assert!(lost > 0);
}

/// A DATA_FIN without data that comes before the keys is not taken for plain TCP: it comes again,
/// and the keys with it.
#[test]
fn an_end_without_data_waits_for_the_keys() {
    for version in [Version::V0, Version::V1] {
        let mut net = Net::new(always());
        let id = net.connect(&mptcp(version));
        let mut lost = 0;
        let mut hand = |way, packet: &mut Vec<u8>| {
            let third = way == Way::ToServer && segment(packet).is_some_and(|s| is_third_ack(&s));
            lost += u32::from(third);
            !third || lost > 1
        };
        net.run(Duration::from_millis(50), &mut hand);
        let client = &mut net.client.endpoint;
        client.shutdown(net.now, id).expect("it is open");
        net.run(Duration::from_secs(5), &mut hand);
        assert!(lost > 1);
        let accepted = net.accept().expect("the keys came");
        assert_eq!(
            net.protocol_at_server(accepted),
            ConnectionProtocol::Mptcp(version)
        );
        let end = net.server.endpoint.read(net.now, accepted, &mut [0; 1]);
        assert_eq!(end, Ok(0));
    }
}

/// RFC 6824 §3.1: SYNs with the option and without it race; the third packet decides.
#[test]
fn a_late_answer_to_the_syn_with_the_option_counts() {
    for version in [Version::V0, Version::V1] {
        let config = ConnectionConfig {
            syn_tries_with_mptcp: 1,
            ..mptcp(version)
        };
        let mut net = Net::new(always());
        let id = net.connect(&config);
        let (mut syns, mut held) = (0, None);
        net.run(Duration::from_millis(1500), &mut |way, packet| {
            match way {
                Way::ToServer => syns += 1,
                Way::ToClient => held = Some(packet.clone()),
            }
            // Only the first SYN arrives, and its answer waits.
            way == Way::ToServer && syns == 1
        });
        assert_eq!(syns, 2, "one with the option, one without");
        let answer = held.expect("the server answered");
        assert_eq!(segment(&answer).expect("TCP").options.mptcp.len(), 1);
        net.client.take(net.now, 0, answer);
        net.run(Duration::from_millis(100), &mut untouched);
        let accepted = net.accept().expect("it connected");
        let protocol = ConnectionProtocol::Mptcp(version);
        assert_eq!(net.protocol_at_server(accepted), protocol);
        assert_eq!(net.protocol_at_client(id), protocol);
        net.transfer((id, accepted), &mut untouched);
    }
}

/// Data that overtakes the third packet is no cookie, but no reason for an RST either.
#[test]
fn later_data_that_comes_first_does_no_harm() {
    for (config, _) in dialects() {
        let mut net = Net::new(always());
        let id = net.connect(&config);
        net.client
            .endpoint
            .write(net.now, id, &[5; 5000])
            .expect("there is room");
        let mut segments = 0;
        let mut resets = 0;
        net.run(Duration::from_secs(10), &mut |way, packet| {
            let segment = segment(packet).expect("our hosts send TCP");
            resets += u32::from(segment.flags.rst);
            if way == Way::ToClient || segment.flags.syn {
                return true;
            }
            segments += 1;
            // The third packet and the first data are lost, the rest arrives.
            segments > 2
        });
        let accepted = net.accept().expect("it connected in the end");
        assert_eq!(resets, 0);
        assert!(net.server.endpoint.stats().cookies_failed > 0);
        let mut buffer = [0; 6000];
        let mut read = 0;
        while let Ok(more @ 1..) = net
            .server
            .endpoint
            .read(net.now, accepted, &mut buffer[read..])
        {
            read += more;
        }
        assert_eq!(read, 5000);
        net.transfer((id, accepted), &mut untouched);
    }
}

/// Nor is a FIN, whether data went before it or not.
#[test]
fn an_end_that_comes_first_does_no_harm() {
    for bytes in [0, 100, 2000] {
        let config = ConnectionConfig {
            mptcp: false,
            ..ConnectionConfig::default()
        };
        let mut net = Net::new(always());
        let id = net.connect(&config);
        let mut overtaken = 0;
        let mut resets = 0;
        net.client
            .endpoint
            .write(net.now, id, &vec![5; bytes])
            .expect("there is room");
        net.client.endpoint.shutdown(net.now, id).expect("open");
        net.run(Duration::from_secs(10), &mut |way, packet| {
            let segment = segment(packet).expect("our hosts send TCP");
            resets += u32::from(segment.flags.rst);
            let before_fin = way == Way::ToServer && !segment.flags.syn && !segment.flags.fin;
            // All that goes before the first FIN is lost.
            let lost = before_fin && overtaken < 4;
            overtaken += u32::from(lost);
            !lost
        });
        assert_eq!(resets, 0, "{bytes}");
        assert!(net.accept().is_some(), "{bytes}");
    }
}

/// The third packet of a connection attempt, kept away from the server.
fn held_third_packet(net: &mut Net, config: &ConnectionConfig) -> Vec<u8> {
    net.connect(config);
    let mut held = None;
    net.run(Duration::from_millis(50), &mut |way, packet| {
        let to_keep = way == Way::ToServer && segment(packet).is_some_and(|s| !s.flags.syn);
        if to_keep {
            held.get_or_insert_with(|| packet.clone());
        }
        !to_keep
    });
    held.expect("the client answered the SYN/ACK")
}

#[test]
fn a_cookie_comes_back_late_but_not_too_late() {
    for (config, protocol) in dialects() {
        for (after, works) in [(60, true), (130, false), (200, false)] {
            let mut net = Net::new(always());
            // The counter is at the start of a step, so the cookie lives for two steps.
            net.now = Instant::from_millis(64_000 * 1000);
            let third = held_third_packet(&mut net, &config);
            net.now += Duration::from_secs(after);
            let answers = net.spoof(third);
            let accepted = net.accept();
            assert_eq!(accepted.is_some(), works, "{after} s");
            if let Some(accepted) = accepted {
                assert_eq!(net.protocol_at_server(accepted), protocol);
            } else {
                assert!(answers.len() == 1 && answers[0].flags.rst);
            }
        }
    }
}

/// No bit of the third packet's header or options can be changed so that a connection of another
/// kind comes of it.
#[test]
fn forged_third_packets_are_refused() {
    for (config, protocol) in dialects() {
        let mut net = Net::new(always());
        let third = held_third_packet(&mut net, &config);
        let end = third.len();
        // Behind the IP header: ports, sequence and acknowledgment numbers.
        for bit in (20 * 8..32 * 8).filter(|bit| !(22 * 8..24 * 8).contains(bit)) {
            let mut forged = third.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let answers = net.spoof(forged);
            assert!(net.accept().is_none(), "bit {bit}");
            assert!(answers.iter().all(|answer| answer.flags.rst));
        }
        if config.mptcp {
            // The keys stand at the end. A wrong one of ours means plain TCP (RFC 6824 §3.1);
            // in version 0 so does a wrong one of the peer.
            let first = if config.version == Version::V0 { 16 } else { 8 };
            for byte in end - first..end {
                let mut net = Net::new(always());
                let mut forged = held_third_packet(&mut net, &config);
                forged[byte] ^= 0x10;
                net.spoof(forged);
                let accepted = net.accept().expect("the cookie is good");
                assert_eq!(net.protocol_at_server(accepted), ConnectionProtocol::Tcp);
            }
        }
        net.spoof(third);
        let accepted = net.accept().expect("the true one is taken");
        assert_eq!(net.protocol_at_server(accepted), protocol);
    }
}

#[test]
fn cookies_count_only_where_some_were_sent() {
    let mut with = Net::new(always());
    let third = held_third_packet(&mut with, &mptcp(Version::V1));
    // The same host with the same secret, but no cookie of its own is out.
    let mut without = Net::new(always());
    without.now = with.now;
    let answers = without.spoof(third);
    assert!(answers[0].flags.rst);
    assert_eq!(without.server.endpoint.stats().cookies_failed, 0);
}

/// Flag C of a version 1 SYN and the answer's flags come through a cookie as through a SYN queue:
/// the SYN/ACK is the same but for the key.
#[test]
fn the_answer_is_that_of_a_kept_connection() {
    let answer_of = |config: EndpointConfig, option: &MptcpOption| -> MpCapable {
        let mut net = Net::new(config);
        let from = ([192, 0, 2, 1], 4000).into();
        let answers = net.spoof(syn(from, 7, Some(77), Some(option)));
        let [MptcpOption::Capable(capable)] = &answers[0].options.mptcp[..] else {
            panic!("{answers:?}");
        };
        *capable
    };
    for (version, keys) in [
        (
            0,
            CapableKeys::Sender(umptcp_stack::wire::mptcp_option::Key(5)),
        ),
        (1, CapableKeys::None),
        (2, CapableKeys::None),
    ] {
        for checksum_required in [false, true] {
            let option = MptcpOption::Capable(MpCapable {
                version,
                flags: umptcp_stack::wire::mptcp_option::CapableFlags {
                    checksum_required,
                    hmac: true,
                    ..Default::default()
                },
                keys,
            });
            let kept = answer_of(EndpointConfig::default(), &option);
            let cookie = answer_of(always(), &option);
            assert_eq!((kept.version, kept.flags), (cookie.version, cookie.flags));
            assert_ne!(kept.keys, cookie.keys);
        }
    }
}
