//! Ordinary options that an MPTCP socket takes: what is kept, and which subflows it reaches (API
//! reference 4.4).

use super::{Scene, Stage};
use crate::bsd::{Errno, Family, OptionProfile};
use std::time::Duration;
use umptcp_stack::{CongestionAlgorithm, Keepalive, SubflowOptions};

const PROFILES: [OptionProfile; 2] = [OptionProfile::Full, OptionProfile::Linux];
const SOCKET: i32 = libc::SOL_SOCKET;
const TCP: i32 = libc::IPPROTO_TCP;

/// Level, number, the value that is set, and what is read back then.
type Kept = (i32, i32, i32, i32);

/// They reach the first subflow, and are too late once it has begun.
const BEFORE_THE_FIRST: [Kept; 7] = [
    (SOCKET, libc::SO_REUSEADDR, 1, 1),
    (SOCKET, libc::SO_REUSEPORT, 1, 1),
    (SOCKET, 62, 2, 2),
    (libc::IPPROTO_IP, libc::IP_FREEBIND, 1, 1),
    (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1, 1),
    (libc::IPPROTO_IP, 51, 0x0200_0100, 0x0200_0100),
    (libc::IPPROTO_IPV6, 78, 1, 1),
];

/// They are kept for the connection.
const OF_THE_SOCKET: [Kept; 8] = [
    (TCP, libc::TCP_INQ, 1, 1),
    (TCP, libc::TCP_NOTSENT_LOWAT, 4096, 4096),
    (TCP, libc::TCP_NODELAY, 7, 1),
    (TCP, libc::TCP_CORK, 1, 1),
    (SOCKET, libc::SO_SNDBUF, 100_000, 200_000),
    (SOCKET, libc::SO_RCVBUF, 100_000, 200_000),
    (SOCKET, libc::SO_RCVLOWAT, 10, 10),
    (SOCKET, libc::SO_RCVLOWAT, 0, 1),
];

/// They are taken, and nothing comes of them; those that may be asked for give what was kept.
const WITHOUT_EFFECT: [Kept; 11] = [
    (SOCKET, libc::SO_NO_CHECK, 1, 0),
    (SOCKET, libc::SO_DONTROUTE, 1, 0),
    (SOCKET, libc::SO_BROADCAST, 1, 0),
    (SOCKET, libc::SO_BSDCOMPAT, 1, 0),
    (SOCKET, libc::SO_RXQ_OVFL, 1, 0),
    (SOCKET, libc::SO_WIFI_STATUS, 1, 0),
    (SOCKET, libc::SO_NOFCS, 1, 0),
    (SOCKET, libc::SO_SELECT_ERR_QUEUE, 1, 0),
    (SOCKET, libc::SO_PRIORITY, 3, 3),
    (SOCKET, libc::SO_DEBUG, 1, 1),
    (SOCKET, libc::SO_INCOMING_CPU, 2, 2),
];

/// Level, number, the value that is set, and what becomes of a subflow's options.
type Propagated = (i32, i32, i32, fn(&mut SubflowOptions));

/// They reach every subflow.
const OF_ALL_SUBFLOWS: [Propagated; 7] = [
    (SOCKET, libc::SO_MARK, 5, |options| options.tag = 5),
    (libc::IPPROTO_IP, libc::IP_TOS, 0x48, |options| {
        options.traffic_class = 0x48
    }),
    (TCP, libc::TCP_MAXSEG, 500, |options| {
        options.mss_clamp = Some(500)
    }),
    (SOCKET, libc::SO_KEEPALIVE, 1, |options| {
        options.keepalive = Some(Keepalive::default());
    }),
    (TCP, libc::TCP_KEEPIDLE, 50, |options| {
        change_keepalive(options, |times| times.idle = Duration::from_secs(50));
    }),
    (TCP, libc::TCP_KEEPINTVL, 51, |options| {
        change_keepalive(options, |times| times.interval = Duration::from_secs(51));
    }),
    (TCP, libc::TCP_KEEPCNT, 3, |options| {
        change_keepalive(options, |times| times.probes = 3)
    }),
];

fn change_keepalive(options: &mut SubflowOptions, change: impl FnOnce(&mut Keepalive)) {
    if let Some(times) = &mut options.keepalive {
        change(times);
    }
}

impl Scene {
    /// What the open subflows have, and what the next one starts with.
    fn subflow_options(&self) -> Vec<SubflowOptions> {
        let id = self.socket.connection().expect("a connection");
        let endpoint = &self.pair.hosts[0].endpoint;
        let open = endpoint.subflows(id).into_iter();
        let open = open
            .filter(|one| one.closed.is_none())
            .map(|one| Some(one.id));
        let all = open.chain([None]);
        all.map(|which| endpoint.subflow_options(id, which).expect("options"))
            .collect()
    }

    fn check_kept(&mut self, (level, name, value, kept): Kept) {
        assert_eq!(self.set_int(level, name, value), Ok(()), "{level} {name}");
        assert_eq!(self.get_int(level, name), Ok(kept), "{level} {name}");
    }
}

fn of(profile: OptionProfile, stage: Stage) -> Scene {
    // An IPv6 socket knows the options of both.
    Scene::new(profile, Family::V6, stage)
}

#[test]
fn some_are_for_the_first_subflow_and_come_too_late_afterwards() {
    for profile in PROFILES {
        for stage in [Stage::New, Stage::Listening] {
            for kept in BEFORE_THE_FIRST {
                of(profile, stage).check_kept(kept);
            }
        }
        let mut connected = of(profile, Stage::Connected);
        for (level, name, value, _) in BEFORE_THE_FIRST {
            let before = connected.get_int(level, name);
            let late = connected.set_int(level, name, value);
            assert_eq!(late, Err(Errno::EINVAL), "{level} {name}");
            assert_eq!(connected.get_int(level, name), before);
        }
        // Only those of SOL_SOCKET stay too late once the socket is plain TCP.
        let mut fallen = of(profile, Stage::FallenBack);
        for (level, name, value, _) in BEFORE_THE_FIRST {
            let expected = if level == SOCKET {
                Err(Errno::EINVAL)
            } else {
                Ok(())
            };
            assert_eq!(
                fallen.set_int(level, name, value),
                expected,
                "{level} {name}"
            );
        }
    }
}

#[test]
fn devices_are_bound_by_name_before_connecting() {
    for profile in PROFILES {
        let mut scene = of(profile, Stage::New);
        let bind = libc::SO_BINDTODEVICE;
        assert_eq!(scene.get(SOCKET, bind, &mut [0; 16]), Ok(0));
        assert_eq!(scene.set(SOCKET, bind, b"nowhere\0"), Err(Errno::ENODEV));
        assert_eq!(scene.set(SOCKET, bind, b"link1\0"), Ok(()));
        let mut name = [9; 16];
        assert_eq!(scene.get(SOCKET, bind, &mut name), Ok(6));
        assert_eq!(name[..6], *b"link1\0");
        assert_eq!(scene.get(SOCKET, bind, &mut [0; 15]), Err(Errno::EINVAL));
        assert_eq!(scene.get_int(SOCKET, 62), Ok(2));
        assert_eq!(scene.set_int(SOCKET, 62, 9), Err(Errno::ENODEV));
        assert_eq!(scene.set(SOCKET, bind, b""), Ok(()));
        assert_eq!(scene.get_int(SOCKET, 62), Ok(0));
        let mut late = of(profile, Stage::Connected);
        assert_eq!(late.set(SOCKET, bind, b"link1\0"), Err(Errno::EINVAL));
        let late = of(profile, Stage::New).set_int(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1);
        assert_eq!(late, Ok(()));
        for stage in [Stage::Listening, Stage::Connected, Stage::FallenBack] {
            let late = of(profile, stage).set_int(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1);
            assert_eq!(late, Err(Errno::EINVAL), "{stage:?}");
        }
    }
}

#[test]
fn some_are_kept_for_the_socket_at_any_time() {
    for profile in PROFILES {
        for stage in Stage::ALL {
            let mut scene = of(profile, stage);
            for kept in OF_THE_SOCKET.into_iter().chain(WITHOUT_EFFECT) {
                scene.check_kept(kept);
            }
            for name in [libc::SO_PASSCRED, libc::SO_PASSSEC, 76] {
                assert_eq!(scene.set_int(SOCKET, name, 1), Ok(()), "{name}");
                assert_eq!(
                    scene.get_int(SOCKET, name),
                    Err(Errno::EOPNOTSUPP),
                    "{name}"
                );
            }
            // Half of the receive buffer, which was set above.
            for wanted in [i32::MAX, -1] {
                scene.check_kept((SOCKET, libc::SO_RCVLOWAT, wanted, 100_000));
            }
            assert_eq!(scene.set_int(TCP, libc::TCP_INQ, 2), Err(Errno::EINVAL));
            assert_eq!(scene.set(TCP, libc::TCP_NODELAY, &[1]), Err(Errno::EINVAL));
            assert_eq!(scene.set_int(TCP, libc::TCP_DEFER_ACCEPT, 5), Ok(()));
            let time = [5_i64, 0].map(i64::to_ne_bytes).concat();
            for name in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO, 66, 67] {
                assert_eq!(scene.set(SOCKET, name, &time), Ok(()), "{name}");
                let mut read = [0; 16];
                assert_eq!(scene.get(SOCKET, name, &mut read), Ok(16));
                assert_eq!(read[..], time[..]);
                assert_eq!(scene.set(SOCKET, name, &time[..15]), Err(Errno::EINVAL));
            }
            let linger = [1_i32, 9].map(i32::to_ne_bytes).concat();
            assert_eq!(scene.set(SOCKET, libc::SO_LINGER, &linger), Ok(()));
            let mut read = [0; 8];
            assert_eq!(scene.get(SOCKET, libc::SO_LINGER, &mut read), Ok(8));
            assert_eq!(read[..], linger[..]);
            let short = scene.set(SOCKET, libc::SO_LINGER, &linger[..4]);
            assert_eq!(short, Err(Errno::EINVAL));
        }
    }
}

#[test]
fn buffers_and_small_segments_reach_the_connection() {
    for stage in [Stage::Connected, Stage::FallenBack] {
        let mut scene = of(OptionProfile::Linux, stage);
        for (level, name, value) in [
            (SOCKET, libc::SO_SNDBUF, 50_000),
            (SOCKET, libc::SO_RCVBUF, 60_000),
            (TCP, libc::TCP_NODELAY, 1),
        ] {
            assert_eq!(scene.set_int(level, name, value), Ok(()));
        }
        let id = scene.socket.connection().unwrap();
        let config = scene.pair.hosts[0].endpoint.connection_config(id).unwrap();
        assert_eq!(
            (config.send_buffer, config.receive_buffer),
            (100_000, 120_000)
        );
        assert!(config.nodelay, "{stage:?}");
    }
}

#[test]
fn some_reach_every_subflow_that_is_there_and_that_comes() {
    for profile in PROFILES {
        for stage in [Stage::Connected, Stage::FallenBack] {
            let mut scene = of(profile, stage);
            scene.pair.settle();
            let subflows = scene.subflow_options().len();
            assert_eq!(subflows > 2, stage == Stage::Connected, "{stage:?}");
            let mut expected = SubflowOptions::default();
            for (level, name, value, change) in OF_ALL_SUBFLOWS {
                assert_eq!(scene.set_int(level, name, value), Ok(()), "{name}");
                change(&mut expected);
                assert_eq!(scene.subflow_options(), vec![expected; subflows], "{name}");
                if name != libc::TCP_MAXSEG {
                    assert_eq!(scene.get_int(level, name), Ok(value), "{name}");
                }
            }
            let name = libc::TCP_CONGESTION;
            assert_eq!(scene.set(TCP, name, b"reno\0"), Ok(()));
            expected.congestion = CongestionAlgorithm::NewReno;
            assert_eq!(scene.subflow_options(), vec![expected; subflows]);
            let mut read = [9; 20];
            assert_eq!(scene.get(TCP, name, &mut read), Ok(16));
            assert_eq!(read[..5], *b"reno\0");
            assert_eq!(scene.set(TCP, name, b"nothing"), Err(Errno::ENOENT));
            for (name, value) in [
                (libc::TCP_KEEPIDLE, 0),
                (libc::TCP_KEEPIDLE, 32768),
                (libc::TCP_KEEPINTVL, 0),
                (libc::TCP_KEEPCNT, 128),
                (libc::TCP_MAXSEG, 87),
            ] {
                assert_eq!(
                    scene.set_int(TCP, name, value),
                    Err(Errno::EINVAL),
                    "{name}"
                );
            }
            assert_eq!(scene.subflow_options(), vec![expected; subflows]);
            // One byte is enough, and the bits of congestion notification are the stack's.
            assert_eq!(scene.set(libc::IPPROTO_IP, libc::IP_TOS, &[0x4b]), Ok(()));
            assert_eq!(scene.get_int(libc::IPPROTO_IP, libc::IP_TOS), Ok(0x48));
        }
    }
}

#[test]
fn what_is_set_before_connecting_is_there_from_the_first_subflow_on() {
    let mut scene = of(OptionProfile::Linux, Stage::New);
    let mut expected = SubflowOptions::default();
    for (level, name, value, change) in OF_ALL_SUBFLOWS {
        assert_eq!(scene.set_int(level, name, value), Ok(()), "{name}");
        change(&mut expected);
    }
    let nobody = crate::bsd::SockAddr::plain(super::server_of(Family::V6));
    let begun = scene.socket.connect(&mut scene.pair.net(0), nobody);
    assert_eq!(begun, Err(Errno::EINPROGRESS));
    assert_eq!(scene.subflow_options(), [expected; 2]);
}

#[test]
fn what_linux_refuses_and_the_stack_can_do_depends_on_the_profile() {
    for (level, name, value) in [
        (TCP, libc::TCP_USER_TIMEOUT, 5000),
        (TCP, libc::TCP_SYNCNT, 5),
        (TCP, libc::TCP_LINGER2, 7),
        (TCP, libc::TCP_QUICKACK, 1),
        (libc::IPPROTO_IP, libc::IP_TTL, 9),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS, 0x48),
        (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, 9),
    ] {
        let refused = if level == TCP {
            Errno::ENOPROTOOPT
        } else {
            Errno::EOPNOTSUPP
        };
        for stage in Stage::ALL {
            of(OptionProfile::Full, stage).check_kept((level, name, value, value));
            let mut linux = of(OptionProfile::Linux, stage);
            if stage == Stage::FallenBack {
                linux.check_kept((level, name, value, value));
            } else {
                assert_eq!(linux.set_int(level, name, value), Err(refused), "{name}");
                assert_eq!(linux.get_int(level, name), Err(Errno::EOPNOTSUPP), "{name}");
            }
        }
    }
    // At SOL_SOCKET it stays so after a fallback.
    for stage in Stage::ALL {
        let rate = libc::SO_MAX_PACING_RATE;
        of(OptionProfile::Full, stage).check_kept((SOCKET, rate, 1_000_000, 1_000_000));
        let mut linux = of(OptionProfile::Linux, stage);
        assert_eq!(linux.set_int(SOCKET, rate, 9), Err(Errno::EOPNOTSUPP));
        assert_eq!(linux.get_int(SOCKET, rate), Ok(-1), "no cap");
    }
}

/// They are for connections that are there, too.
#[test]
fn options_of_waiting_reach_a_live_connection() {
    let mut scene = of(OptionProfile::Full, Stage::Connected);
    for (name, value) in [
        (libc::TCP_QUICKACK, 1),
        (libc::TCP_LINGER2, 7),
        (libc::TCP_USER_TIMEOUT, 5000),
    ] {
        assert_eq!(scene.set_int(TCP, name, value), Ok(()));
    }
    let id = scene.socket.connection().expect("a connection");
    let config = scene.pair.net(0).endpoint.connection_config(id).cloned();
    let config = config.expect("its settings");
    assert_eq!(config.delayed_ack, Duration::ZERO);
    assert_eq!(config.fin_timeout, Duration::from_secs(7));
    assert_eq!(config.user_timeout, Duration::from_secs(5));
    let subflows = scene.pair.net(0).endpoint.subflows(id);
    assert!(
        subflows
            .iter()
            .all(|subflow| subflow.tcp.delayed_ack.is_zero())
    );
    assert_eq!(scene.set_int(TCP, libc::TCP_QUICKACK, 0), Ok(()));
    let subflows = scene.pair.net(0).endpoint.subflows(id);
    assert!(
        subflows
            .iter()
            .all(|subflow| !subflow.tcp.delayed_ack.is_zero())
    );
}

/// A connection is given up after so many SYNs that were repeated in vain.
#[test]
fn syns_are_repeated_as_often_as_was_asked_for() {
    let mut scene = of(OptionProfile::Full, Stage::New);
    assert_eq!(scene.set_int(TCP, libc::TCP_SYNCNT, 3), Ok(()));
    assert_eq!(scene.get_int(TCP, libc::TCP_SYNCNT), Ok(3));
    scene.pair.cut = [true; 2];
    let nobody = crate::bsd::SockAddr::plain(super::server_of(Family::V6));
    let begun = scene.socket.connect(&mut scene.pair.net(0), nobody);
    assert_eq!(begun, Err(Errno::EINPROGRESS));
    // 1 + 2 + 4 + 8 seconds.
    scene.pair.run_for(Duration::from_secs(14));
    assert_eq!(scene.socket.connecting(&mut scene.pair.net(0)), None);
    scene.pair.run_for(Duration::from_secs(3));
    let given_up = scene.socket.connecting(&mut scene.pair.net(0));
    assert_eq!(given_up, Some(Err(Errno::ETIMEDOUT)));
}
