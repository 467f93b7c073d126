//! One of the two hosts does not speak MPTCP, or the handshake is stateless.

use crate::bed::Bed;
use crate::counts::Expected;
use crate::setup::{LEN, Opener, PeerKind, Setup};
use umptcp::{ConnectionProtocol, EndpointConfig, SynCookies, Version};
use umptcp_lab::topology::Family;

/// Both ways over one subflow of plain TCP.
fn over_tcp(setup: Setup, expected: Expected) {
    setup.run(async move |bed: &mut Bed| {
        let mut ends = bed.connect().await;
        ends.exchange(LEN).await;
        let protocol = ends.ours.info().protocol;
        assert_eq!(protocol, ConnectionProtocol::Tcp, "{:?}", bed.setup.opener);
        assert_eq!(ends.ours.subflows().len(), 1);
        expected
    });
}

/// A kernel whose MPTCP is off.
fn kernel_without(opener: Opener, change: impl FnOnce(&mut Setup)) -> Setup {
    Setup::new(PeerKind::KernelTcp, opener).with(|setup| {
        setup.settings = vec![("net/mptcp/enabled", "0")];
        change(setup);
    })
}

#[test]
fn a_kernel_without_mptcp_is_served() {
    for family in [Family::V4, Family::V6] {
        let setup = kernel_without(Opener::Peer, |setup| setup.family = family);
        over_tcp(setup, Expected::new());
    }
}

#[test]
fn a_kernel_without_mptcp_serves_us() {
    for family in [Family::V4, Family::V6] {
        for version in [Version::V0, Version::V1] {
            let setup = kernel_without(Opener::Ours, |setup| {
                setup.family = family;
                setup.config.version = version;
            });
            over_tcp(setup, Expected::new());
        }
    }
}

#[test]
fn we_speak_tcp_when_told_to() {
    let setup = kernel_without(Opener::Ours, |setup| setup.config.mptcp = false);
    over_tcp(setup, Expected::new());
    // The kernel has asked for MPTCP, and falls back.
    let setup = Setup::new(PeerKind::Kernel, Opener::Peer);
    let fell_back = Expected::new()
        .counts("MPCapableSYNTX", 1)
        .counts("MPCapableFallbackSYNACK", 1);
    over_tcp(setup.with(|setup| setup.config.mptcp = false), fell_back);
    // The kernel would have spoken it.
    let setup = Setup::new(PeerKind::Kernel, Opener::Ours);
    let setup = setup.with(|setup| setup.config.mptcp = false);
    over_tcp(setup, Expected::new().counts("MPCapableSYNRX", 0));
}

/// Stateless handshakes: the peer sees no difference, with MPTCP and without.
#[test]
fn syn_cookies_serve_everybody() {
    for family in [Family::V4, Family::V6] {
        for peer in PeerKind::MULTIPATH {
            let setup = Setup::new(peer, Opener::Peer).subflows(2);
            let setup = with_cookies(setup, family);
            setup.run(async move |bed: &mut Bed| {
                let mut ends = bed.connect().await;
                ends.greet().await;
                ends.subflows_are_up(2).await;
                ends.exchange(LEN).await;
                Expected::connection(bed.setup.opener, 1)
            });
        }
        let setup = with_cookies(kernel_without(Opener::Peer, |_| {}), family);
        over_tcp(setup, Expected::new());
    }
}

fn with_cookies(setup: Setup, family: Family) -> Setup {
    setup.with(|setup| {
        setup.family = family;
        setup.endpoint_config = EndpointConfig {
            syn_cookies: SynCookies::Always,
            ..EndpointConfig::default()
        };
    })
}
