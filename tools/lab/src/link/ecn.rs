//! The ECN field of an IP packet (RFC 3168 §5): what a router says about congestion.
//!
//! Owns how the mark is set. When, is the business of the link.

use bytes::Bytes;
use umptcp_stack::wire::checksum::Sum;

/// Congestion Experienced: both bits.
const CE: u8 = 0b11;
/// An IPv4 header without options (RFC 791 §3.1).
const IPV4_HEADER_LEN: usize = 20;

/// The packet with the mark; `None` if its sender does not say that it understands marks, or if
/// it has one already.
pub(super) fn marked(packet: &Bytes) -> Option<Bytes> {
    let [first, second, ..] = packet[..] else {
        return None;
    };
    // RFC 3168 §5: the lower two bits of what was the type of service; in IPv6, of the traffic
    // class, whose lower half begins the second byte (RFC 8200 §3).
    let shift = match first >> 4 {
        4 => 0,
        6 => 4,
        _ => return None,
    };
    let field = (second >> shift) & CE;
    if field == 0 || field == CE {
        return None;
    }
    let mut bytes = packet.to_vec();
    bytes[1] |= CE << shift;
    if shift == 0 {
        let header = bytes.get_mut(..IPV4_HEADER_LEN)?;
        header[10..12].fill(0);
        let checksum = Sum::of(header).checksum();
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as a sender makes it, with this ECN field.
    fn ipv4(ecn: u8) -> Bytes {
        let mut header = vec![0; IPV4_HEADER_LEN + 5];
        (header[0], header[1], header[9]) = (0x45, 0b1011_0100 | ecn, 6);
        let checksum = Sum::of(&header[..IPV4_HEADER_LEN]).checksum();
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header.into()
    }

    #[test]
    fn a_mark_leaves_the_header_checksum_right_and_the_rest_alone() {
        for ecn in [0b01, 0b10] {
            let packet = marked(&ipv4(ecn)).unwrap();
            assert_eq!(packet[1], 0b1011_0111);
            assert_eq!(Sum::of(&packet[..IPV4_HEADER_LEN]).checksum(), 0);
            assert_eq!(packet, ipv4(CE));
        }
    }

    #[test]
    fn in_ipv6_the_field_lies_across_two_bytes() {
        let packet = Bytes::from(vec![0x6a, 0b1110_1111, 3]);
        assert_eq!(marked(&packet).unwrap()[..], [0x6a, 0b1111_1111, 3]);
    }

    #[test]
    fn only_those_who_understand_are_told() {
        assert_eq!(marked(&ipv4(0)), None);
        assert_eq!(marked(&ipv4(CE)), None);
        assert_eq!(marked(&Bytes::from_static(&[0x45])), None);
        assert_eq!(marked(&Bytes::from_static(&[0x45, 1])), None);
        assert_eq!(marked(&Bytes::from_static(&[0x15, 1])), None);
    }
}
