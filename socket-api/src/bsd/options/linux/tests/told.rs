//! How MPTCP is told from TCP, and what is told of a listener (API reference 4.2 and 4.3).

use super::{Scene, Stage};
use crate::bsd::options::SOL_MPTCP;
use crate::bsd::options::linux::{
    MPTCP_FULL_INFO, MPTCP_INFO, MPTCP_SUBFLOW_ADDRS, MPTCP_TCPINFO, TCP_IS_MPTCP, TcpInfo,
};
use crate::bsd::{Errno, Family, IPPROTO_MPTCP, OptionProfile};

const ALL: [i32; 4] = [
    MPTCP_INFO,
    MPTCP_TCPINFO,
    MPTCP_SUBFLOW_ADDRS,
    MPTCP_FULL_INFO,
];

fn scene(stage: Stage) -> Scene {
    Scene::new(OptionProfile::Full, Family::V4, stage)
}

#[test]
fn without_mptcp_none_of_it_is_there() {
    for (profile, family, errno) in [
        (OptionProfile::Full, Family::V4, Errno::EOPNOTSUPP),
        (OptionProfile::Full, Family::V6, Errno::EOPNOTSUPP),
        (OptionProfile::Linux, Family::V4, Errno::EOPNOTSUPP),
        (OptionProfile::Linux, Family::V6, Errno::ENOPROTOOPT),
    ] {
        let mut scene = Scene::new(profile, family, Stage::FallenBack);
        for name in ALL.into_iter().chain([0, 5]) {
            for len in [0, 200] {
                let got = scene.get(SOL_MPTCP, name, &mut vec![0; len]);
                assert_eq!(got, Err(errno), "{profile:?} {family:?} {name}");
            }
        }
    }
    for stage in Stage::ALL {
        let mut scene = scene(stage);
        for name in ALL.into_iter().chain([0, 5]) {
            let set = scene.set_int(SOL_MPTCP, name, 1);
            assert_eq!(set, Err(Errno::ENOPROTOOPT), "{stage:?} {name}");
        }
    }
}

#[test]
fn mptcp_is_told_from_tcp() {
    // API reference 4.2.
    for (stage, is_mptcp) in [
        (Stage::New, 1),
        (Stage::Listening, 1),
        (Stage::Connected, 1),
        (Stage::FallenBack, 0),
    ] {
        let mut scene = scene(stage);
        let tcp = libc::IPPROTO_TCP;
        let protocol = scene.get_int(libc::SOL_SOCKET, libc::SO_PROTOCOL);
        assert_eq!(protocol, Ok(IPPROTO_MPTCP), "{stage:?}");
        assert_eq!(scene.get_int(tcp, TCP_IS_MPTCP), Ok(is_mptcp), "{stage:?}");
        let set = scene.set_int(tcp, TCP_IS_MPTCP, 1);
        assert_eq!(set, Err(Errno::ENOPROTOOPT));
        // The check that costs nothing.
        let in_use = scene.get(SOL_MPTCP, MPTCP_INFO, &mut []);
        assert_eq!(in_use.is_ok(), is_mptcp == 1);
        let mut one = [9];
        assert_eq!(scene.get(tcp, TCP_IS_MPTCP, &mut one), Ok(1));
        assert_eq!(i32::from(one[0]), is_mptcp);

        // The ULP of subflows has a name, also after a fallback, and cannot be set.
        let mut name = [9; 20];
        assert_eq!(scene.get(tcp, libc::TCP_ULP, &mut name), Ok(16));
        assert_eq!(name[..16], *b"mptcp\0\0\0\0\0\0\0\0\0\0\0");
        let set = scene.set(tcp, libc::TCP_ULP, b"mptcp");
        assert_eq!(set, Err(Errno::ENOPROTOOPT));
        assert_eq!(scene.get(tcp, libc::TCP_CC_INFO, &mut [0; 20]), Ok(0));
        let set = scene.set(tcp, libc::TCP_INFO, &[0; 280]);
        assert_eq!(set, Err(Errno::ENOPROTOOPT));
    }

    // What is accepted from a peer without MPTCP is plain TCP altogether.
    let mut pair = crate::bsd::testing::Pair::new();
    pair.strip = true;
    let [client, server, _listener] = pair.connected();
    for (host, mut socket, number) in [(0, client, IPPROTO_MPTCP), (1, server, 6)] {
        let mut net = pair.net(host);
        let mut value = [0; 4];
        let memory = &mut crate::bsd::NoMemory;
        let asked = [
            (libc::SOL_SOCKET, libc::SO_PROTOCOL, number),
            (libc::IPPROTO_TCP, TCP_IS_MPTCP, 0),
        ];
        for (level, name, expected) in asked {
            let got = socket.getsockopt(&mut net, level, name, &mut value, memory);
            assert_eq!((got, i32::from_ne_bytes(value)), (Ok(4), expected));
        }
        let info = socket.getsockopt(&mut net, SOL_MPTCP, MPTCP_INFO, &mut value, memory);
        assert_eq!(info, Err(Errno::EOPNOTSUPP));
    }
}

#[test]
fn a_listener_tells_how_many_wait() {
    let mut pair = crate::bsd::testing::Pair::new();
    let [_client, _server, mut listener] = pair.connected();
    let address = crate::bsd::SockAddr::plain(super::server_of(Family::V4));
    for waiting in 0..3 {
        let mut value = [0; 280];
        let memory = &mut crate::bsd::NoMemory;
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        let len = listener.getsockopt(&mut pair.net(1), level, name, &mut value, memory);
        assert_eq!(len, Ok(280));
        let info = TcpInfo::from_bytes(&value);
        assert_eq!((info.state, info.unacked, info.sacked), (10, waiting, 5));
        let mut next = pair.mptcp(0, Family::V4);
        let begun = next.connect(&mut pair.net(0), address);
        assert_eq!(begun, Err(Errno::EINPROGRESS));
        pair.settle();
    }
}
