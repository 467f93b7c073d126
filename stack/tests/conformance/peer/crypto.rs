//! What follows from the keys, from the formulas of RFC 6824 §3.1 to §3.3 and RFC 8684 §3.1 to
//! §3.4: written apart from the stack's own.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use std::net::IpAddr;
use umptcp_stack::Version;

/// The hash of a key: 20 bytes in version 0, 32 in version 1.
fn digest(version: Version, key: u64) -> Vec<u8> {
    match version {
        Version::V0 => Sha1::digest(key.to_be_bytes()).to_vec(),
        Version::V1 => Sha256::digest(key.to_be_bytes()).to_vec(),
    }
}

/// The token of a key: the first 32 bits of the hash.
pub(crate) fn token(version: Version, key: u64) -> u32 {
    number(&digest(version, key)[..4]) as u32
}

/// The initial data sequence number of a key: the last 64 bits of the hash.
pub(crate) fn idsn(version: Version, key: u64) -> u64 {
    let digest = digest(version, key);
    number(&digest[digest.len() - 8..])
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The HMAC of the version.
pub(crate) fn hmac(version: Version, key: &[u8], message: &[u8]) -> Vec<u8> {
    match version {
        Version::V0 => {
            let mac = Hmac::<Sha1>::new_from_slice(key).expect("any length");
            mac.chain_update(message).finalize().into_bytes().to_vec()
        }
        Version::V1 => {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
            mac.chain_update(message).finalize().into_bytes().to_vec()
        }
    }
}

/// The whole HMAC that a host sends with MP_JOIN, from its own key and nonce and the other's:
/// 8 bytes of it go onto a SYN/ACK, 20 onto a third ACK.
pub(crate) fn join_hmac(version: Version, own: (u64, u32), other: (u64, u32)) -> Vec<u8> {
    let key = [own.0.to_be_bytes(), other.0.to_be_bytes()].concat();
    let message = [own.1.to_be_bytes(), other.1.to_be_bytes()].concat();
    hmac(version, &key, &message)
}

/// The eight bytes with which version 1 authenticates ADD_ADDR (RFC 8684 §3.4.1): the last of
/// the HMAC.
pub(crate) fn add_addr_hmac(
    sender: u64,
    receiver: u64,
    id: u8,
    address: IpAddr,
    port: Option<u16>,
) -> [u8; 8] {
    let key = [sender.to_be_bytes(), receiver.to_be_bytes()].concat();
    let mut message = vec![id];
    message.extend(address_bytes(address));
    message.extend(port.unwrap_or(0).to_be_bytes());
    let mac = hmac(Version::V1, &key, &message);
    mac[24..].try_into().expect("eight are left")
}

pub(crate) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The sum of 16-bit words in one's complement, complemented (RFC 9293 §3.1); an odd byte is
/// padded behind.
pub(crate) fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u64 = 0;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The DSS checksum (RFC 6824 §3.3.1): over the full DSN, the relative SSN, the length with the
/// DATA_FIN, two zero bytes, and the whole payload of the mapping.
pub(crate) fn dss_checksum(dsn: u64, ssn: u32, len: u16, payload: &[u8]) -> u16 {
    let mut bytes = dsn.to_be_bytes().to_vec();
    bytes.extend(ssn.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    internet_checksum(&bytes)
}
