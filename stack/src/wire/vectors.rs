//! The test vectors of the protocol reference, section 2, as the tests of this floor share them.

use super::mptcp_option::Key;
use crate::base::seq::DataSeq;

pub(super) const KEY_A: Key = Key(0x0001_0203_0405_0607);
pub(super) const KEY_B: Key = Key(0x0809_0a0b_0c0d_0e0f);

/// Payloads of section 2.6.
pub(super) const P1: &[u8] = b"MPTCP";
pub(super) const P2: &[u8] = b"Multipath TCP test vector!";
pub(super) const P3: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Sequence numbers of section 2.6, version 0 and version 1.
pub(super) const FIRST_DSN: [DataSeq; 2] = [
    DataSeq(0xd6c0_dc73_1a3d_dd6c),
    DataSeq(0xe3db_22c6_785a_0d46),
];
pub(super) const DATA_ACK: [DataSeq; 2] = [
    DataSeq(0xecf9_cd1f_7f49_3a7c),
    DataSeq(0x9ac0_c6c2_9ef6_1a06),
];

/// Whole IPv4 packets of section 2.6.
pub(super) const V0_SYN: &str = "450000481234400040063c46c0000201c63364019c4001bb000003e8\
    00000000d002faf063e80000020405b40402080a0000006400000000010303071e0c00810001020304050607";
pub(super) const V1_SYN: &str = "450000401234400040063c4ec0000201c63364019c4001bb000003e8\
    00000000b002faf08f880000020405b40402080a0000006400000000010303071e040101";
pub(super) const V0_DATA: &str = "4500006a1234400040063c24c0000201c63364019c4001bb000003e9\
    00001389f01801f6aee600000101080a000000c80000012c1e1c200fecf9cd1f7f493a7cd6c0dc731a3ddd6c\
    00000001001a6f6f4d756c74697061746820544350207465737420766563746f7221";
pub(super) const V1_FIRST_DATA: &str = "450000661234400040063c28c0000201c63364019c4001bb\
    000003e900001389e01801f632ec00000101080a000000c80000012c1e160101000102030405060708090a0b\
    0c0d0e0f001a01014d756c74697061746820544350207465737420766563746f7221";

/// Bytes from hexadecimal digits.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    digits
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
