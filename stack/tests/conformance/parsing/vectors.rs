//! The vectors of the protocol reference, section 2: statement 13.

use crate::peer::options::{
    self, mp_capable_data, mp_fail, mp_join_ack, mp_join_syn, mp_join_syn_ack,
};
use crate::peer::{Dss, Version, crypto, hex};
use std::net::IpAddr;

/// The peer's own encoder against the vectors of the reference, so that it can be trusted.
/// Protocol statement 13.
#[test]
fn the_peer_knows_the_vectors() {
    const A: u64 = 0x0001_0203_0405_0607;
    const B: u64 = 0x0809_0a0b_0c0d_0e0f;
    const NONCES: (u32, u32) = (0x1122_3344, 0x5566_7788);
    let from_hex = |digits: &str| u64::from_str_radix(digits, 16).expect("hex");
    for (version, token_b, idsn_a) in [
        (Version::V0, "7e18779a", "d6c0dc731a3ddd6b"),
        (Version::V1, "34179de5", "e3db22c6785a0d45"),
    ] {
        assert_eq!(u64::from(crypto::token(version, B)), from_hex(token_b));
        assert_eq!(crypto::idsn(version, A), from_hex(idsn_a));
        let option = mp_join_syn(true, 2, crypto::token(version, B), NONCES.0);
        assert_eq!(option, hex(&format!("1e0c1102{token_b}11223344")));
    }
    let by_b = |version| crypto::join_hmac(version, (B, NONCES.1), (A, NONCES.0));
    let by_a = |version| crypto::join_hmac(version, (A, NONCES.0), (B, NONCES.1));
    for (version, syn_ack, ack) in [
        (
            Version::V0,
            "1e1010006742b944179e4b6655667788",
            "1e18100049fa5176c77ec369b6860619288ed4aed56023c8",
        ),
        (
            Version::V1,
            "1e1010008ca07a5aec5498a655667788",
            "1e18100078e4d1f982df9b57a101934ddb41b72ee93f7ab3",
        ),
    ] {
        let option = mp_join_syn_ack(false, 0, &by_b(version), NONCES.1);
        assert_eq!(option, hex(syn_ack));
        assert_eq!(mp_join_ack(&by_a(version)), hex(ack));
    }
    let port = Some(8443);
    let v6: IpAddr = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x42].into();
    assert_eq!(
        options::add_addr_v1(A, B, 7, v6, port),
        hex("1e1e300720010db800000000000000000000004220fb238308fbd17ca583")
    );
    assert_eq!(
        options::add_addr_v0(1, [192, 0, 2, 17].into(), port),
        hex("1e0a3401c000021120fb")
    );
    let dsn = crypto::idsn(Version::V0, A).wrapping_add(1);
    let data_ack = crypto::idsn(Version::V0, B).wrapping_add(1);
    let checksum = crypto::dss_checksum(dsn, 1, 5, b"MPTCP");
    let dss = Dss::new().ack64(data_ack).map64(dsn, 1, 5);
    assert_eq!(
        dss.checksum(checksum).bytes(),
        hex("1e1c200fecf9cd1f7f493a7cd6c0dc731a3ddd6c0000000100056387")
    );
    assert_eq!(mp_fail(dsn), hex("1e0c6000d6c0dc731a3ddd6c"));
    assert_eq!(
        mp_capable_data(0x01, A, B, 100, None),
        hex("1e160101000102030405060708090a0b0c0d0e0f0064")
    );
}
