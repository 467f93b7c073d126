use super::*;
use crate::wire::vectors::{FIRST_DSN, P1, P2, P3};
use proptest::prelude::*;

/// RFC 1071 §1, word by word.
fn naive(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

/// RFC 1071 §3 adds these words.
#[test]
fn the_example_of_rfc_1071() {
    let sum = Sum::of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(sum.folded(), 0xddf2);
    assert_eq!(sum.checksum(), 0x220d);
}

#[test]
fn only_zeros_sum_up_to_zero() {
    assert_eq!(Sum::of(&[]).folded(), 0);
    assert_eq!(Sum::of(&[0; 77]).folded(), 0);
    assert_eq!(Sum::of(&[0xff; 76]).folded(), 0xffff);
    assert!(Sum::from(0xffff).and_word(0xffff).verifies());
}

/// Carries beyond 64 bits come back in.
#[test]
fn large_sums_wrap_around() {
    let mut sum = Sum(u64::MAX);
    assert_eq!(sum.folded(), 0xffff);
    for _ in 0..5 {
        sum = sum.and(Sum(u64::MAX));
    }
    assert_eq!(sum.folded(), 0xffff);
    assert_eq!(sum.and_word(1).folded(), 1);
    assert_eq!(sum, Sum::from(0xffff));
}

#[test]
fn pieces_at_odd_offsets() {
    let whole = Sum::of(P3);
    for split in 0..=P3.len() {
        let (head, tail) = P3.split_at(split);
        assert_eq!(Sum::of_pieces([head, tail]), whole, "split at {split}");
    }
    let (head, tail) = P3.split_at(7);
    assert_eq!(Sum::of(head).and(Sum::of(tail).at_odd_offset()), whole);
}

/// The DSS checksums of the reference, section 2.6: version 0 and version 1 of each.
/// Protocol statement 13.
#[test]
fn dss_vectors() {
    for (version, checksums) in [
        [0x6387, 0x6f64, 0x5501, 0x2aef, 0x6f6f],
        [0x8223, 0x8e00, 0x739d, 0x498b, 0x8e0b],
    ]
    .into_iter()
    .enumerate()
    {
        let first = FIRST_DSN[version];
        let [p1, p2_and_fin, bare_fin, p3, p2_first] = checksums;
        let check = |dsn, ssn, len, payload, expected| {
            let sum = Sum::of_dss_pseudo_header(dsn, ssn, len).and(payload);
            assert_eq!(sum.checksum(), expected, "{dsn:?} {ssn} {len}");
            assert!(sum.and_word(expected).verifies());
        };
        check(first, 1, 5, Sum::of(P1), p1);
        // DATA_FIN counts in the length, and takes the number after the payload.
        check(first + 5, 6, 27, Sum::of(P2), p2_and_fin);
        check(first + 5 + 26, 0, 1, Sum::default(), bare_fin);
        let (head, tail) = P3.split_at(7);
        check(
            first,
            1,
            13,
            Sum::of(head).and(Sum::of(tail).at_odd_offset()),
            p3,
        );
        check(first, 1, 13, Sum::of(P3), p3);
        check(first, 1, 26, Sum::of(P2), p2_first);
    }
}

proptest! {
    #[test]
    fn agrees_with_the_naive_sum(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        start in 0_usize..32,
    ) {
        let bytes = &bytes[start.min(bytes.len())..];
        prop_assert_eq!(Sum::of(bytes).folded(), naive(bytes));
    }

    #[test]
    fn pieces_add_up(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..6)) {
        let whole = pieces.concat();
        prop_assert_eq!(
            Sum::of_pieces(pieces.iter().map(Vec::as_slice)).folded(),
            naive(&whole),
        );
    }

    #[test]
    fn words_go_in_as_they_stand(bytes in prop::collection::vec(any::<u8>(), 0..40), word: u16) {
        let even = &bytes[..bytes.len() & !1];
        let mut appended = even.to_vec();
        appended.extend(word.to_be_bytes());
        prop_assert_eq!(Sum::of(even).and_word(word).folded(), naive(&appended));
        prop_assert_eq!(Sum::from(Sum::of(even).folded()), Sum::of(even));
    }
}

/// Every length and alignment around the block size, and lengths of real packets.
#[test]
fn every_length_and_alignment() {
    let bytes: Vec<u8> = (0_u32..70_000)
        .map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 24).unwrap())
        .collect();
    for start in 0..16 {
        for len in (0..200).chain([1460, 1461, 65_535]) {
            let piece = &bytes[start..start + len];
            assert_eq!(
                Sum::of(piece).folded(),
                naive(piece),
                "{len} bytes at {start}"
            );
        }
    }
}
