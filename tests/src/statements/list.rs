//! The statements about MPTCP and TCP that this project holds itself to.

use core::fmt;

/// How many there are.
pub(super) const COUNT: u32 = 122;

/// How binding a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A MUST of an RFC.
    Must,
    /// A SHOULD of an RFC.
    Should,
    /// Policy or robustness of this project.
    Policy,
}

/// The versions of MPTCP that a statement is about; of TCP both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// RFC 6824.
    V0,
    /// RFC 8684.
    V1,
    /// Both.
    Both,
}

/// Something that holds.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// From 1.
    pub number: u32,
    /// What it is about, in two or three words.
    pub group: &'static str,
    /// How binding it is.
    pub level: Level,
    /// For which versions.
    pub versions: Versions,
    /// What holds.
    pub text: &'static str,
    /// Why it has no test, if it needs none for now.
    pub reason: Option<&'static str>,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Must => 'M',
            Level::Should => 'S',
            Level::Policy => 'P',
        };
        let versions = match self.versions {
            Versions::V0 => "v0   ",
            Versions::V1 => "   v1",
            Versions::Both => "v0 v1",
        };
        write!(f, "  {:3} {level} {versions} {}", self.number, self.text)
    }
}

/// All statements, in their order.
pub fn all() -> impl Iterator<Item = Statement> {
    let groups = GROUPS.iter().flat_map(|(group, rows)| {
        let group: &'static str = group;
        rows.iter().map(move |row| (group, row))
    });
    (1..).zip(groups).map(|(number, (group, row))| {
        let &(level, versions, text) = row;
        Statement {
            number,
            group,
            level,
            versions,
            text,
            reason: REASONS
                .iter()
                .find(|(of, _)| *of == number)
                .map(|(_, reason)| *reason),
        }
    })
}

/// Why some have no test.
const REASONS: &[(u32, &str)] = &[
    (117, "coupled congestion control is not built yet"),
    (118, "coupled congestion control is not built yet"),
    (119, "further schedulers are not built yet"),
];

// Short, so that each statement stands on a line of its own.
const M: Level = Level::Must;
const S: Level = Level::Should;
const P: Level = Level::Policy;
const B: Versions = Versions::Both;
const V0: Versions = Versions::V0;
const V1: Versions = Versions::V1;

type Row = (Level, Versions, &'static str);

const GROUPS: &[(&str, &[Row])] = &[
    ("Parsing and encoding", PARSING),
    ("MP_CAPABLE", CAPABLE),
    ("MP_JOIN", JOIN),
    ("DSS and data transfer", DATA),
    ("Closing", CLOSING),
    ("Fallback and errors", FALLBACK),
    ("Addresses and priority", ADDRESSES),
    ("TCP engine and congestion", ENGINE),
];

#[rustfmt::skip]
const PARSING: &[Row] = &[
    (M, B, "options of kind 30 are told apart by the high half of their third byte; an unknown subtype is skipped, what stands behind it is still read"),
    (P, B, "a known subtype with a length that it cannot have counts as absent; no bytes whatever make the parser panic"),
    (M, V0, "MP_CAPABLE counts with 12 bytes on SYN and SYN/ACK and with 20 on the third ACK, and with no other length"),
    (M, V1, "MP_CAPABLE counts with 4 bytes on the SYN, 12 on the SYN/ACK, 20 on the third ACK, 22 or 24 on data, and nowhere else"),
    (M, B, "MP_JOIN counts with 12 bytes on the SYN, 16 on the SYN/ACK and 24 on the third ACK"),
    (M, B, "DSS is read for every combination of its flags: DATA_ACK before the mapping, a checksum if the length leaves room for one"),
    (M, B, "DSS flags m without M, a without A and F without M mean nothing"),
    (M, B, "reserved bits are sent as zero and ignored when received"),
    (M, B, "the family of ADD_ADDR follows from its IP version in version 0, where others are ignored, and from length and flag E in version 1"),
    (M, B, "every id in a REMOVE_ADDR counts"),
    (M, B, "MP_PRIO has 3 bytes, or 4 in version 0; version 1 ignores the long form"),
    (M, V1, "MP_TCPRST on a segment that does not reset is ignored"),
    (P, B, "the vectors of the protocol reference encode and decode byte for byte"),
];

#[rustfmt::skip]
const CAPABLE: &[Row] = &[
    (M, B, "a SYN carries MP_CAPABLE with H set and B clear; with the key in version 0, without in version 1"),
    (M, B, "a SYN without MP_CAPABLE is never answered with one"),
    (M, B, "a SYN/ACK without MP_CAPABLE makes plain TCP: no MPTCP option follows"),
    (M, B, "the third ACK carries both keys, the initiator's first"),
    (M, V0, "a SYN with flag B is not answered; one without it then is"),
    (M, V1, "flag B on SYN, SYN/ACK or third ACK makes plain TCP"),
    (M, B, "no algorithm in common makes plain TCP"),
    (M, V1, "a higher version on a 4-byte SYN is answered with version 1; a version 0 SYN/ACK to a version 1 SYN makes plain TCP"),
    (M, B, "flag A from either side turns checksums on in both directions, from neither leaves them off; the third ACK repeats the outcome"),
    (M, B, "flag A from the peer where checksums are forbidden makes plain TCP"),
    (M, V1, "the initiator's first data carries MP_CAPABLE with a length while no DSS of the peer has arrived"),
    (M, V1, "sent again, that data carries the same option; a receiver bears copies of it, also on slices of one segment"),
    (M, V1, "that data lies at IDSN + 1 and SSN 1, and is acknowledged there with 8 bytes"),
    (M, V1, "MP_CAPABLE with a length and DSS stand for each other when both sides send first"),
    (M, V0, "the initiator puts no data on the third ACK with MP_CAPABLE"),
    (P, V0, "a lost third ACK that is followed by data with a valid DSS keeps MPTCP"),
    (M, B, "a third packet and first data without any MPTCP option make plain TCP, and the data arrives"),
    (S, B, "after some SYNs without an answer the option is left out, with the same ISN; an answer to either SYN works"),
    (M, B, "keys are unique; a token that is in use leads to another key, never to two connections with one token"),
    (M, B, "the IDSN follows from the hash of the key; the first byte is IDSN + 1, and so is the first DATA_ACK"),
    (P, B, "SYNs with MP_CAPABLE that cross end as one plain TCP connection"),
    (M, B, "a listener that kept nothing verifies that it made the key that is echoed"),
    (M, V1, "flag C keeps joins away from that address and port; joins to announced addresses still happen"),
];

#[rustfmt::skip]
const JOIN: &[Row] = &[
    (M, B, "the SYN of a join shows the receiver's token, SYN/ACK and third ACK the right HMACs, whoever joins whom"),
    (M, B, "an unknown token is answered with RST, in version 1 with reason 1, and nothing is kept"),
    (M, B, "a wrong HMAC on the SYN/ACK of a join, or none, makes the initiator reset it, in version 1 with a reason"),
    (M, B, "a wrong HMAC on the third ACK of a join, or none, makes the responder reset it; the connection goes on"),
    (M, B, "the initiator of a join sends no data before its third ACK is acknowledged"),
    (M, B, "the third ACK of a join is sent again until it is acknowledged, a few times, then RST"),
    (M, B, "every valid copy of the third ACK of a join is acknowledged at once"),
    (M, B, "no join is sent before a DSS arrived on the initial subflow"),
    (M, B, "the address ids of SYN and SYN/ACK are kept; 0 is for the initial addresses only"),
    (M, B, "flag B of a join decides what the other side sends on that subflow, each direction for itself"),
    (M, B, "joins are refused after fallback and after MP_FASTCLOSE"),
    (P, B, "a join beyond the limit of subflows is reset, in version 1 with reason 2 or 3; a subflow that closes makes room"),
    (P, B, "two joins between the same hosts at once make two subflows; families may be mixed"),
    (P, B, "a join while SYN cookies are in use works or fails cleanly, and never gets in without HMAC"),
];

#[rustfmt::skip]
const DATA: &[Row] = &[
    (M, B, "every byte sent is mapped on its subflow, and until the peer has confirmed MPTCP every segment carries a DSS"),
    (M, B, "a place in a subflow keeps its mapping: what is sent again is mapped as before"),
    (M, B, "the same mapping twice is ignored, a contradicting one resets the subflow; what we send maps part of its own segment"),
    (M, B, "a mapping may span several segments with the option on only one of them"),
    (M, B, "a segment may hold the end of one mapping and the start of the next"),
    (S, B, "data that comes before its mapping is kept up to a receive window, then the subflow is reset"),
    (M, B, "4-byte DSNs, also of DATA_FINs, and DATA_ACKs are expanded near what is expected, across a wrap too"),
    (M, B, "8-byte DSNs of the peer are answered with 8-byte DATA_ACKs"),
    (M, B, "8-byte DSNs are sent where 32 bits could wrap within the lifetime of a segment"),
    (M, B, "the DSS checksum covers the 64-bit DSN, the relative SSN, the length, a zero word and the whole mapping, padded if odd"),
    (M, B, "a checksum that was agreed on and is missing resets the subflow"),
    (M, B, "a checksum that was not agreed on is ignored in version 0 and resets the subflow in version 1"),
    (M, B, "the DATA_ACK is cumulative for the connection; acknowledgments of a subflow do not move it over a gap"),
    (M, B, "sent data is freed when the DATA_ACK and every subflow it was sent on have acknowledged it"),
    (M, B, "there is one receive window, and its right edge never shrinks, whatever subflow told it"),
    (M, B, "only segments with a DATA_ACK move the connection's window, only to the right; the window of the subflow binds as well"),
    (P, B, "data beyond the advertised edge is dropped for the connection although its subflow acknowledges it, and accepted when it comes again later"),
    (M, B, "data that came on another subflow already is dropped: the first copy counts, a different one changes nothing"),
    (M, B, "data that was sent again on another subflow is still retransmitted where it was sent first"),
    (S, B, "what a subflow that was reset had not delivered is sent on another, and the stream is complete"),
    (M, B, "segments without DATA_ACK are fine once MPTCP is confirmed; a DATA_ACK of what was never sent, or of long ago, counts for nothing"),
    (P, B, "a mapping on an empty segment is ignored, and length 0 there is no fallback"),
    (M, B, "a duplicate acknowledgment with an MPTCP option other than DSS is no sign of congestion, and no more than two such follow each other"),
    (M, B, "DSS is on no SYN; after fallback there is no MPTCP option at all"),
];

#[rustfmt::skip]
const CLOSING: &[Row] = &[
    (M, B, "a DATA_FIN takes one number, counts in the length, and is acknowledged as its number + 1"),
    (M, B, "a bare DATA_FIN has SSN 0 and length 1, and a checksum over the pseudo-header if checksums are on"),
    (M, B, "a DATA_FIN that is ahead of missing data waits for it"),
    (M, B, "a lost DATA_FIN is sent again by a timer of the connection that backs off, on another subflow if need be"),
    (M, B, "the FIN of a subflow does not end the stream"),
    (M, B, "a host whose DATA_FIN is acknowledged closes all subflows with FIN, and not before its data is"),
    (S, B, "a connection outlives its last subflow for a while; a join revives it, else it ends with an error"),
    (P, B, "DATA_FINs that cross close the connection through CLOSING and TIME-WAIT; half-close works both ways"),
    (M, V0, "MP_FASTCLOSE goes out on an ACK with the peer's key while other subflows are reset; it is repeated a few times, then RST"),
    (M, B, "a valid MP_FASTCLOSE resets all subflows, and the application hears of a reset"),
    (M, B, "MP_FASTCLOSE with a wrong key on an ACK is ignored; on a RST, in version 1, it ends that subflow only"),
    (M, V1, "RST with MP_FASTCLOSE ends the connection without an answer; outside the window it has no effect"),
    (P, B, "closing with unread data, or with linger 0, sends MP_FASTCLOSE, after fallback a plain RST"),
];

#[rustfmt::skip]
const FALLBACK: &[Row] = &[
    (M, B, "the first data acknowledged on the initial subflow without DATA_ACK leads to an infinite mapping, then to no options"),
    (M, B, "the same on a joined subflow resets it, in version 1 with reason 6"),
    (M, B, "first data without a mapping on the initial subflow falls back, and the stream is whole"),
    (S, V1, "data without a mapping after MPTCP was confirmed resets the subflow instead of falling back"),
    (M, B, "a checksum error with several subflows sends RST with MP_FAIL and a 64-bit DSN; nothing behind it is acknowledged, and it comes again elsewhere"),
    (M, B, "a checksum error on the only subflow, with nothing missing, sends MP_FAIL on ACKs until it is answered"),
    (M, V1, "who receives MP_FAIL sends one too, and both directions fall back"),
    (M, B, "the infinite mapping starts in data that arrived intact, with length 0 and checksum 0, and every byte is delivered once"),
    (M, B, "where data is missing a checksum error resets with MP_FAIL"),
    (M, B, "after fallback there is one subflow, no way back, and the subflow's acknowledgments count"),
    (S, B, "RST on one subflow does not close the connection"),
    (S, V1, "reason and flag T of MP_TCPRST reach the path manager; without T the path is not tried again, other flags mean nothing"),
    (P, B, "middleboxes that strip options on all data or one way, change or insert bytes, split or merge segments, rewrite sequence numbers or drop SYNs with MP_CAPABLE do no harm to the stream"),
];

#[rustfmt::skip]
const ADDRESSES: &[Row] = &[
    (S, V1, "the HMAC of ADD_ADDR is verified; with a wrong one it is neither used nor echoed"),
    (M, V1, "a fresh ADD_ADDR is echoed with flag E, same id, address and port, without HMAC, even if it is not used"),
    (P, V1, "ADD_ADDR is repeated until its echo, a few times"),
    (S, B, "a known id with another address is ignored, in version 0 also a known id and port; an address that failed is not tried again before it is announced again"),
    (S, B, "a join goes to the announced port, or without one to that of the subflow that carried the announcement"),
    (S, B, "REMOVE_ADDR is followed by a keepalive probe; subflows that do not answer are reset and their data is sent elsewhere; an unknown id is ignored"),
    (M, B, "an address id is unique for its sender and connection, and used again only after its removal"),
    (M, B, "MP_PRIO with flag B keeps data off that subflow while a regular one works, and without it brings data back"),
    (M, B, "a backup is used once all regular subflows are gone"),
    (P, B, "a join whose address a NAT changed is accepted: the id decides"),
];

#[rustfmt::skip]
const ENGINE: &[Row] = &[
    (M, B, "RST in the window but not at RCV.NXT, and SYN in the window, are answered with a challenge ACK, at a limited rate"),
    (M, B, "PAWS works, timestamps are on all segments, window scale only on SYNs, and 32-bit sequence numbers wrap at a high rate"),
    (M, B, "retransmission timeouts are those of the vectors; TLP and RACK recover the tail without them"),
    (M, B, "SACK blocks are right across a wrap, reneging is survived, duplicates are reported"),
    (M, B, "a window of zero for the connection is probed, and a window update on any subflow resumes it"),
    (M, B, "plain TCP opens and closes simultaneously, and takes addresses over from TIME-WAIT"),
    (M, B, "LIA never grows by more than 1/w for a packet, and gives its vectors exactly"),
    (P, B, "OLIA, BALIA, wVegas and CUBIC give their vectors, and on one path the coupled ones equal NewReno or CUBIC"),
    (P, B, "schedulers give their vectors; redundancy duplicates nothing for the receiver; penalties come once a round trip at most"),
    (P, B, "no segment has more than 40 bytes of options, whatever comes together, and its payload makes room for them"),
    (P, B, "a path MTU that shrinks in mid-stream keeps the mappings; ICMP about a foreign sequence number is ignored"),
    (P, B, "no key is printed anywhere; floods of joins, of announcements and of reordering leave memory bounded"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_the_reference_has() {
        assert_eq!(all().count(), COUNT as usize);
        let first_of = |group: &str| all().find(|row| row.group == group).unwrap().number;
        let firsts = [1, 14, 37, 51, 75, 88, 101, 111];
        for ((group, _), first) in GROUPS.iter().zip(firsts) {
            assert_eq!(first_of(group), first, "{group}");
        }
    }

    #[test]
    fn reasons_are_for_statements_that_exist() {
        for (number, reason) in REASONS {
            let statement = all().find(|row| row.number == *number).unwrap();
            assert_eq!(statement.reason, Some(*reason));
        }
    }
}
