//! What follows from the keys: tokens, initial data sequence numbers, HMACs.
//!
//! RFC 6824 §3.1, §3.2 (SHA-1) and RFC 8684 §3.1, §3.2, §3.4.1 (SHA-256).

use crate::base::config::Version;
use crate::base::id::AddressId;
use crate::base::seq::DataSeq;
use crate::wire::mptcp_option::{Key, Nonce, Token};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use std::net::IpAddr;

/// A host's key with what is derived from it.
#[derive(Clone, Copy, Debug)]
pub struct HostKey {
    /// The key.
    pub key: Key,
    /// The token by which a peer's MP_JOIN names the connection.
    pub token: Token,
    /// The data sequence number that the SYN stands for; the first byte is the one after it.
    pub idsn: DataSeq,
}

impl HostKey {
    /// Derives token and IDSN.
    #[must_use]
    pub fn new(version: Version, key: Key) -> Self {
        let key_bytes = key.0.to_be_bytes();
        // RFC 6824 §3.1: token is the most significant 32 bits of the hash, IDSN the least
        // significant 64.
        let (token, idsn) = match version {
            Version::V0 => ends(&Sha1::digest(key_bytes)),
            Version::V1 => ends(&Sha256::digest(key_bytes)),
        };
        Self {
            key,
            token: Token(token),
            idsn: DataSeq(idsn),
        }
    }
}

fn ends(digest: &[u8]) -> (u32, u64) {
    let mut first = [0; 4];
    let mut last = [0; 8];
    first.copy_from_slice(&digest[..4]);
    last.copy_from_slice(&digest[digest.len() - 8..]);
    (u32::from_be_bytes(first), u64::from_be_bytes(last))
}

/// The HMAC of MP_JOIN, as far as any option carries it: 160 bits.
#[derive(Clone, Copy)]
pub struct JoinHmac([u8; 20]);

impl JoinHmac {
    /// The HMAC that a host sends: its own key and nonce come first (RFC 6824 §3.2).
    #[must_use]
    pub fn new(version: Version, sender: (Key, Nonce), receiver: (Key, Nonce)) -> Self {
        let key = joined_keys(sender.0, receiver.0);
        let mut message = [0; 8];
        message[..4].copy_from_slice(&sender.1.0.to_be_bytes());
        message[4..].copy_from_slice(&receiver.1.0.to_be_bytes());
        let mut leftmost = [0; 20];
        match version {
            Version::V0 => {
                let mac = Hmac::<Sha1>::new_from_slice(&key).expect("HMAC takes any key length");
                leftmost.copy_from_slice(&mac.chain_update(message).finalize().into_bytes());
            }
            Version::V1 => leftmost.copy_from_slice(&hmac_sha256(&key, &message)[..20]),
        }
        Self(leftmost)
    }

    /// The 64 bits of a SYN/ACK.
    #[must_use]
    pub fn for_syn_ack(&self) -> [u8; 8] {
        let mut leftmost = [0; 8];
        leftmost.copy_from_slice(&self.0[..8]);
        leftmost
    }

    /// The 160 bits of a third ACK.
    #[must_use]
    pub fn for_ack(&self) -> [u8; 20] {
        self.0
    }

    /// Compares with what arrived, in a time that does not tell where they differ.
    #[must_use]
    pub fn matches(&self, received: &[u8]) -> bool {
        received.len() <= self.0.len() && constant_time_eq(&self.0[..received.len()], received)
    }
}

impl core::fmt::Debug for JoinHmac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("JoinHmac(..)")
    }
}

/// The HMAC of a version 1 ADD_ADDR: the rightmost 64 bits (RFC 8684 §3.4.1).
#[must_use]
pub fn add_addr_hmac(
    sender: Key,
    receiver: Key,
    id: AddressId,
    address: IpAddr,
    port: Option<u16>,
) -> [u8; 8] {
    let mut message = Vec::with_capacity(19);
    message.push(id.0);
    match address {
        IpAddr::V4(address) => message.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => message.extend_from_slice(&address.octets()),
    }
    message.extend_from_slice(&port.unwrap_or(0).to_be_bytes());
    let mut rightmost = [0; 8];
    rightmost.copy_from_slice(&hmac_sha256(&joined_keys(sender, receiver), &message)[24..]);
    rightmost
}

/// Equality in a time that depends on the lengths only.
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

fn joined_keys(first: Key, second: Key) -> [u8; 16] {
    let mut joined = [0; 16];
    joined[..8].copy_from_slice(&first.0.to_be_bytes());
    joined[8..].copy_from_slice(&second.0.to_be_bytes());
    joined
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key length");
    mac.chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Key = Key(0x0001_0203_0405_0607);
    const B: Key = Key(0x0809_0a0b_0c0d_0e0f);
    const RA: Nonce = Nonce(0x1122_3344);
    const RB: Nonce = Nonce(0x5566_7788);

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Protocol reference 2.2.
    /// Protocol statement 13.
    #[test]
    fn tokens_and_initial_data_sequence_numbers() {
        for (key, v0_token, v0_idsn, v1_token, v1_idsn) in [
            (
                A.0,
                0x6742_3ebf,
                0xd6c0_dc73_1a3d_dd6b,
                0x8a85_1ff8,
                0xe3db_22c6_785a_0d45,
            ),
            (
                B.0,
                0x7e18_779a,
                0xecf9_cd1f_7f49_3a7b,
                0x3417_9de5,
                0x9ac0_c6c2_9ef6_1a05,
            ),
            (
                0xdead_beef_cafe_f00d,
                0x5f54_c7d0,
                0x0cea_86c2_f9d6_7ff2,
                0x3214_d3b4,
                0x485b_e438_0370_c6fd,
            ),
            (
                1,
                0xcb47_3678,
                0x38f1_1011_007a_d27d,
                0xcd26_6215,
                0x19ec_5090_83d0_0a50,
            ),
            (
                u64::MAX,
                0xbe67_3e8a,
                0x8667_01c1_1ef8_e089,
                0x12a3_ae44,
                0x57fb_595b_bbac_f0ca,
            ),
        ] {
            let v0 = HostKey::new(Version::V0, Key(key));
            assert_eq!((v0.token, v0.idsn), (Token(v0_token), DataSeq(v0_idsn)));
            let v1 = HostKey::new(Version::V1, Key(key));
            assert_eq!((v1.token, v1.idsn), (Token(v1_token), DataSeq(v1_idsn)));
        }
    }

    /// Protocol reference 2.3: all four fields, for A joining B and for B joining A.
    ///
    /// Protocol statements 13, 37.
    #[test]
    fn join_hmacs() {
        let mac = |version, sender, receiver| JoinHmac::new(version, sender, receiver);
        let b_to_a = mac(Version::V0, (B, RB), (A, RA));
        assert_eq!(hex(&b_to_a.for_syn_ack()), "6742b944179e4b66");
        assert_eq!(
            hex(&b_to_a.for_ack()),
            "6742b944179e4b669718487b24def6c5e5a83c02"
        );
        let a_to_b = mac(Version::V0, (A, RA), (B, RB));
        assert_eq!(
            hex(&a_to_b.for_ack()),
            "49fa5176c77ec369b6860619288ed4aed56023c8"
        );
        assert_eq!(hex(&a_to_b.for_syn_ack()), "49fa5176c77ec369");
        let b_to_a = mac(Version::V1, (B, RB), (A, RA));
        assert_eq!(hex(&b_to_a.for_syn_ack()), "8ca07a5aec5498a6");
        assert_eq!(
            hex(&b_to_a.for_ack()),
            "8ca07a5aec5498a615901edebb40a5328763f304"
        );
        let a_to_b = mac(Version::V1, (A, RA), (B, RB));
        assert_eq!(
            hex(&a_to_b.for_ack()),
            "78e4d1f982df9b57a101934ddb41b72ee93f7ab3"
        );
        assert_eq!(hex(&a_to_b.for_syn_ack()), "78e4d1f982df9b57");
        assert!(a_to_b.matches(&a_to_b.for_syn_ack()));
        assert!(!a_to_b.matches(&b_to_a.for_ack()));
        // What swapped keys and swapped nonces would have given.
        assert_eq!(
            hex(&mac(Version::V0, (A, RB), (B, RA)).for_syn_ack()),
            "5fa7d19f27e7f065"
        );
        assert_eq!(
            hex(&mac(Version::V1, (B, RA), (A, RB)).for_syn_ack()),
            "cdbf6e9fdacbd745"
        );
    }

    /// Protocol reference 2.3: the check that agrees with the Linux unit test.
    /// Protocol statement 13.
    #[test]
    fn hmac_sha256_alone() {
        assert_eq!(
            hex(&hmac_sha256(b"0b0b0b0b0b0b0b0b", b"48692054")),
            "8385e24fb4235ac37556b6b886db106284a1da671699f46db1f235ec622dcafa"
        );
    }

    /// Protocol reference 2.4.
    /// Protocol statement 13.
    #[test]
    fn add_addr_hmacs() {
        let v4: IpAddr = "192.0.2.17".parse().unwrap();
        let v6: IpAddr = "2001:db8::42".parse().unwrap();
        for (sender, receiver, id, address, port, expected) in [
            (A, B, 1, v4, None, "817c50f3169ec0da"),
            (A, B, 1, v4, Some(8443), "999653b79b1ce591"),
            (A, B, 7, v6, None, "02592241ee6f1b51"),
            (A, B, 7, v6, Some(8443), "238308fbd17ca583"),
            (B, A, 1, v4, None, "35ad3dc38b23ec62"),
            (B, A, 7, v6, Some(8443), "7b1010d185587e7c"),
        ] {
            assert_eq!(
                hex(&add_addr_hmac(
                    sender,
                    receiver,
                    AddressId(id),
                    address,
                    port
                )),
                expected
            );
        }
    }

    /// Protocol statement 122.
    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let host = HostKey::new(Version::V0, A);
        assert!(
            !format!("{host:?}").contains("283686952306183"),
            "the key in decimal"
        );
        let mac = JoinHmac::new(Version::V0, (A, RA), (B, RB));
        assert_eq!(format!("{mac:?}"), "JoinHmac(..)");
    }
}
