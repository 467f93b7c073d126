use super::received::MAX_PENDING_MAPPINGS;
use super::waiting::MAX_UNMAPPED_PIECES;
use super::*;
use bytes::Bytes;

fn mapping(ssn: u32, dsn: u64, len: u16) -> NewMapping {
    NewMapping {
        ssn: SeqNum(ssn),
        relative_ssn: ssn,
        dsn: DataSeq(dsn),
        wire_len: len,
        data_fin: false,
        checksum: None,
    }
}

fn with_checksum(mut mapping: NewMapping, payload: &[u8]) -> NewMapping {
    let sum = Sum::of_dss_pseudo_header(mapping.dsn, mapping.relative_ssn, mapping.wire_len);
    mapping.checksum = Some(sum.and(Sum::of(payload)).checksum());
    mapping
}

fn map(mappings: &mut ReceivedMappings, ssn: u32, bytes: &[u8]) -> Result<Mapped, MappingError> {
    let mut out = Mapped::new();
    mappings.map(SeqNum(ssn), Bytes::copy_from_slice(bytes), None, &mut out)?;
    Ok(out)
}

/// The checksums of the protocol reference, section 2.6: P1, and P3 in pieces of 7 and 6.
#[test]
fn checksum_vectors() {
    let p1 = b"MPTCP";
    let p3: Vec<u8> = (0..13).collect();
    for (dsn, p1_sum, p3_sum) in [
        (0xd6c0_dc73_1a3d_dd6c, 0x6387, 0x2aef),
        (0xe3db_22c6_785a_0d46, 0x8223, 0x498b),
    ] {
        assert_eq!(with_checksum(mapping(1, dsn, 5), p1).checksum, Some(p1_sum));
        let whole = with_checksum(mapping(1, dsn, 13), &p3);
        assert_eq!(whole.checksum, Some(p3_sum));
        let mut mappings = ReceivedMappings::default();
        mappings.add(whole, SeqNum(1)).unwrap();
        assert!(map(&mut mappings, 1, &p3[..7]).unwrap().is_empty());
        let out = map(&mut mappings, 8, &p3[7..]).unwrap();
        assert_eq!(out.len(), 2);
        assert_eq!(out[1].0, DataSeq(dsn + 7));
    }
}

#[test]
fn a_wrong_byte_in_any_piece_is_found() {
    let payload: Vec<u8> = (0..13).collect();
    let mut mappings = ReceivedMappings::default();
    mappings
        .add(with_checksum(mapping(1, 100, 13), &payload), SeqNum(1))
        .unwrap();
    assert!(map(&mut mappings, 1, &payload[..7]).unwrap().is_empty());
    let mut damaged = payload[7..].to_vec();
    damaged[2] ^= 1;
    assert_eq!(
        map(&mut mappings, 8, &damaged),
        Err(MappingError::Checksum(DataSeq(100)))
    );
}

#[test]
fn a_wrong_byte_in_a_segment_with_a_mapping_of_its_own_is_found() {
    let payload: Vec<u8> = (0..13).collect();
    let whole = with_checksum(mapping(1, 100, 13), &payload);
    for (damaged, expected) in [
        (false, Ok(1)),
        (true, Err(MappingError::Checksum(DataSeq(100)))),
    ] {
        let mut mappings = ReceivedMappings::default();
        mappings.add(whole, SeqNum(1)).unwrap();
        let mut bytes = payload.clone();
        bytes[5] ^= u8::from(damaged);
        assert_eq!(map(&mut mappings, 1, &bytes).map(|out| out.len()), expected);
    }
}

#[test]
fn a_segment_may_end_one_mapping_and_begin_the_next() {
    let mut mappings = ReceivedMappings::default();
    mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
    mappings.add(mapping(11, 500, 10), SeqNum(1)).unwrap();
    let out = map(&mut mappings, 1, &[0; 15]).unwrap();
    assert_eq!(
        out.iter()
            .map(|(dsn, b)| (dsn.0, b.len()))
            .collect::<Vec<_>>(),
        [(100, 10), (500, 5)]
    );
    let out = map(&mut mappings, 16, &[0; 5]).unwrap();
    assert_eq!((out[0].0.0, out[0].1.len()), (505, 5));
}

#[test]
fn bytes_wait_for_a_late_mapping() {
    let mut mappings = ReceivedMappings::default();
    assert!(map(&mut mappings, 1, &[0; 5]).unwrap().is_empty());
    assert!(mappings.has_unmapped());
    mappings.add(mapping(1, 100, 5), SeqNum(6)).unwrap();
    let mut out = Mapped::new();
    mappings.map_waiting(&mut out).unwrap();
    assert_eq!(out[0].0, DataSeq(100));
    assert_eq!(mappings.waiting_len(), 0);
}

#[test]
fn duplicates_pass_and_conflicts_do_not() {
    let mut mappings = ReceivedMappings::default();
    mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
    mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
    mappings.add(mapping(5, 104, 3), SeqNum(1)).unwrap();
    assert_eq!(
        mappings.add(mapping(5, 105, 3), SeqNum(1)),
        Err(MappingError::Conflict)
    );
    assert_eq!(mappings.pending(), 1);
}

/// What came out, as DSN and length.
fn places(out: &Mapped) -> Vec<(u64, usize)> {
    out.iter()
        .map(|(dsn, bytes)| (dsn.0, bytes.len()))
        .collect()
}

fn map_waiting(mappings: &mut ReceivedMappings) -> Result<Mapped, MappingError> {
    let mut out = Mapped::new();
    mappings.map_waiting(&mut out)?;
    Ok(out)
}

#[test]
fn bytes_without_a_mapping_do_not_hold_up_those_behind_them() {
    let mut mappings = ReceivedMappings::default();
    assert!(map(&mut mappings, 1, &[0; 10]).unwrap().is_empty());
    mappings.add(mapping(11, 110, 10), SeqNum(11)).unwrap();
    assert_eq!(
        places(&map(&mut mappings, 11, &[0; 10]).unwrap()),
        [(110, 10)]
    );
    assert!(map(&mut mappings, 21, &[0; 10]).unwrap().is_empty());
    assert_eq!(
        (mappings.waiting_len(), mappings.has_unmapped()),
        (20, true)
    );
    // One mapping for the middle of the first gap, one over the second and beyond.
    mappings.add(mapping(4, 103, 3), SeqNum(31)).unwrap();
    mappings.add(mapping(21, 120, 20), SeqNum(31)).unwrap();
    let out = map_waiting(&mut mappings).unwrap();
    assert_eq!(places(&out), [(103, 3), (120, 10)]);
    assert_eq!(
        places(&map(&mut mappings, 31, &[0; 10]).unwrap()),
        [(130, 10)]
    );
    assert_eq!(mappings.waiting_len(), 7);
    let left: Vec<_> = mappings
        .take_waiting()
        .map(|(ssn, b)| (ssn.0, b.len()))
        .collect();
    assert_eq!(left, [(1, 3), (7, 4)]);
    assert!(!mappings.has_unmapped());
}

#[test]
fn a_late_mapping_is_verified_as_a_whole_too() {
    let payload: Vec<u8> = (0..40).collect();
    let whole = with_checksum(mapping(1, 100, 20), &payload[..20]);
    for damaged in [false, true] {
        let mut mappings = ReceivedMappings::default();
        let mut first = payload[..10].to_vec();
        first[3] ^= u8::from(damaged);
        assert!(map(&mut mappings, 1, &first).unwrap().is_empty());
        assert!(map(&mut mappings, 11, &payload[10..20]).unwrap().is_empty());
        // Another one is being collected when the late one comes.
        let next = with_checksum(mapping(21, 120, 20), &payload[20..]);
        mappings.add(next, SeqNum(21)).unwrap();
        assert!(map(&mut mappings, 21, &payload[20..30]).unwrap().is_empty());
        mappings.add(whole, SeqNum(31)).unwrap();
        let late = map_waiting(&mut mappings);
        if damaged {
            assert_eq!(late, Err(MappingError::Checksum(DataSeq(100))));
            continue;
        }
        assert_eq!(places(&late.unwrap()), [(100, 10), (110, 10)]);
        let rest = map(&mut mappings, 31, &payload[30..]).unwrap();
        assert_eq!(places(&rest), [(120, 10), (130, 10)]);
        assert_eq!((mappings.waiting_len(), mappings.pending()), (0, 0));
    }
}

#[test]
fn a_late_mapping_with_checksum_may_go_on_beyond_what_has_come() {
    let payload: Vec<u8> = (0..20).collect();
    let mut mappings = ReceivedMappings::default();
    assert!(map(&mut mappings, 1, &payload[..7]).unwrap().is_empty());
    let whole = with_checksum(mapping(1, 100, 20), &payload);
    mappings.add(whole, SeqNum(8)).unwrap();
    assert!(map_waiting(&mut mappings).unwrap().is_empty());
    let out = map(&mut mappings, 8, &payload[7..]).unwrap();
    assert_eq!(places(&out), [(100, 7), (107, 13)]);
}

#[test]
fn a_longer_mapping_adds_what_is_new_on_both_sides() {
    let mut mappings = ReceivedMappings::default();
    mappings.add(mapping(11, 110, 10), SeqNum(1)).unwrap();
    mappings.add(mapping(31, 130, 10), SeqNum(1)).unwrap();
    let mut long = mapping(5, 104, 50);
    (long.wire_len, long.data_fin) = (51, true);
    mappings.add(long, SeqNum(1)).unwrap();
    assert_eq!(mappings.pending(), 5);
    assert!(map(&mut mappings, 1, &[0; 4]).unwrap().is_empty());
    let out = map(&mut mappings, 5, &[0; 50]).unwrap();
    let expected = [(104, 6), (110, 10), (120, 10), (130, 10), (140, 14)];
    assert_eq!(places(&out), expected);
    assert_eq!(mappings.take_fin(), Some(DataSeq(154)));
}

#[test]
fn bytes_that_nothing_maps_are_kept_in_so_many_pieces() {
    let mut mappings = ReceivedMappings::default();
    let pieces = u32::try_from(MAX_UNMAPPED_PIECES).unwrap();
    for ssn in 1..=pieces {
        assert!(map(&mut mappings, ssn, &[0]).unwrap().is_empty());
    }
    assert_eq!(
        map(&mut mappings, pieces + 1, &[0]),
        Err(MappingError::Unmapped)
    );
}

#[test]
fn bytes_that_nothing_maps_are_forgotten_a_window_later() {
    let mut mappings = ReceivedMappings::default();
    for at in (1..1000).step_by(20) {
        assert!(map(&mut mappings, at, &[0; 5]).unwrap().is_empty());
        let dsn = 100 + u64::from(at);
        mappings
            .add(mapping(at + 5, dsn, 15), SeqNum(at + 5))
            .unwrap();
        assert_eq!(
            places(&map(&mut mappings, at + 5, &[0; 15]).unwrap()),
            [(dsn, 15)]
        );
        mappings.forget_hopeless(100);
        assert!(mappings.waiting_len() <= 25, "{}", mappings.waiting_len());
    }
    // Those of the last hundred bytes are still there.
    assert_eq!(mappings.waiting_len(), 25);
}

#[test]
fn what_waits_for_its_bytes_is_small() {
    // With MAX_PENDING_MAPPINGS of them a subflow holds a quarter of a megabyte at most.
    assert!(size_of::<NewMapping>() <= 32);
}

#[test]
fn the_mapping_of_the_next_byte_is_taken_however_many_wait() {
    let mut mappings = ReceivedMappings::default();
    let count = u32::try_from(MAX_PENDING_MAPPINGS).unwrap();
    for i in 1..=count {
        assert!(!mappings.is_full());
        let ahead = mapping(1 + 10 * i, 100 + 10 * u64::from(i), 10);
        mappings.add(ahead, SeqNum(1)).unwrap();
    }
    assert!(mappings.is_full());
    mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
    assert_eq!(map(&mut mappings, 1, &[0; 10]).unwrap()[0].0, DataSeq(100));
    let ahead = mapping(1 + 10 * (count + 1), 0, 10);
    mappings.add(ahead, SeqNum(11)).unwrap();
    assert_eq!(mappings.pending(), MAX_PENDING_MAPPINGS);
}

#[test]
fn sent_mappings_are_found_by_any_byte_until_acknowledged_at_both_levels() {
    let mut sent = SentMappings::default();
    for i in 0..3_u16 {
        sent.push(SentMapping {
            ssn: SeqNum(u32::MAX - 5) + u32::from(i) * 10,
            offset: u64::from(i) * 100,
            len: 10,
            data_fin: false,
            checksum: None,
            announcement: Announcement::Dss,
            sent_elsewhere: i == 0,
        });
    }
    assert_eq!(sent.find(SeqNum(8)).unwrap().offset, 100);
    assert!(sent.find(SeqNum(24)).is_none());
    assert_eq!(sent.end(), 210);
    // Acknowledged by the subflow only, by the connection only, and by both.
    assert!(!sent.release_before(SeqNum(14), 0));
    assert!(!sent.release_before(SeqNum(1), 110));
    assert_eq!(sent.find(SeqNum(8)).unwrap().offset, 100);
    assert!(sent.carries(205) && sent.carries(105));
    assert!(!sent.has_in_flight(105, SeqNum(14)) && sent.has_in_flight(205, SeqNum(14)));
    assert!(
        !sent.release_before(SeqNum(4), 110),
        "it was sent elsewhere too"
    );
    assert!(sent.release_before(SeqNum(14), 110));
    assert!(sent.find(SeqNum(8)).is_none());
    assert!(sent.carries(205) && !sent.carries(105));
}
