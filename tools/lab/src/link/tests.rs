use super::*;

const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn packet(number: u32, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn number(packet: &Bytes) -> u32 {
    u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]])
}

/// Everything that still comes out, with its time of arrival.
fn drain(link: &mut Link) -> Vec<(u64, Bytes)> {
    let mut delivered = Vec::new();
    while let Some(deadline) = link.next_deadline() {
        while let Some(packet) = link.poll_deliver(deadline) {
            delivered.push((deadline.as_nanos(), packet));
        }
    }
    delivered
}

fn numbers(delivered: &[(u64, Bytes)]) -> Vec<u32> {
    delivered.iter().map(|(_, packet)| number(packet)).collect()
}

#[test]
fn the_default_link_is_perfect() {
    let mut link = Link::new(LinkConfig::default(), 1);
    assert_eq!(link.next_deadline(), None);
    for n in 0..100 {
        link.push(at(7), packet(n, 65_535));
    }
    let delivered = drain(&mut link);
    assert_eq!(numbers(&delivered), (0..100).collect::<Vec<_>>());
    assert!(delivered.iter().all(|(time, _)| *time == 7));
    assert_eq!(link.counters().delivered, 100);
    assert_eq!(link.counters().delivered_bytes, 100 * 65_535);
}

#[test]
fn what_is_held_arrives_at_the_end_in_its_order() {
    let hold = Hold {
        from: at(100),
        to: at(200),
    };
    let mut link = Link::new(
        LinkConfig {
            delay: Duration::from_nanos(10),
            holds: vec![hold],
            ..Default::default()
        },
        1,
    );
    for (n, time) in [80, 90, 150, 189, 190].into_iter().enumerate() {
        link.push(at(time), packet(u32::try_from(n).unwrap(), 100));
    }
    let delivered = drain(&mut link);
    assert_eq!(numbers(&delivered), [0, 1, 2, 3, 4]);
    let times: Vec<u64> = delivered.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [90, 200, 200, 200, 200]);
}

#[test]
fn packets_leave_one_after_the_other_at_the_rate() {
    // 1500 bytes at 10 Mbit/s take 1.2 ms.
    let mut link = Link::new(
        LinkConfig {
            rate: Some(10_000_000),
            delay: Duration::from_millis(5),
            ..Default::default()
        },
        1,
    );
    for n in 0..3 {
        link.push(at(0), packet(n, 1500));
    }
    link.push(at(SECOND), packet(3, 750));
    let times: Vec<u64> = drain(&mut link).iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [6_200_000, 7_400_000, 8_600_000, SECOND + 5_600_000]);
}

#[test]
fn transmission_times_round_up() {
    assert_eq!(transmission_time(1, 8 * SECOND), Duration::from_nanos(1));
    assert_eq!(transmission_time(1, 9 * SECOND), Duration::from_nanos(1));
    assert_eq!(
        transmission_time(100, 3_000_000_000),
        Duration::from_nanos(267)
    );
    assert_eq!(
        transmission_time(usize::MAX, 1),
        Duration::from_nanos(u64::MAX)
    );
}

#[test]
fn nothing_comes_out_before_its_time() {
    let mut link = Link::new(LinkConfig::with_delay(Duration::from_millis(10)), 1);
    link.push(at(0), packet(0, 40));
    assert_eq!(link.poll_deliver(at(9_999_999)), None);
    assert_eq!(link.poll_deliver(at(10_000_000)), Some(packet(0, 40)));
    assert_eq!(link.poll_deliver(at(SECOND)), None);
}

#[test]
fn the_queue_drops_at_its_tail() {
    // One packet is being sent, three more fit into the queue.
    let config = LinkConfig {
        rate: Some(8_000_000),
        queue: 3000,
        ..Default::default()
    };
    let mut link = Link::new(config, 1);
    for n in 0..6 {
        link.push(at(0), packet(n, 1000));
    }
    assert_eq!(link.counters().dropped_queue, 2);
    // At 1 ms the first has left and the second is being sent: room for one more, exactly.
    link.push(at(1_000_000), packet(6, 1000));
    link.push(at(1_000_000), packet(7, 1000));
    assert_eq!(link.counters().dropped_queue, 3);
    assert_eq!(numbers(&drain(&mut link)), [0, 1, 2, 3, 6]);
}

#[test]
fn long_packets_are_dropped() {
    let mut link = Link::new(
        LinkConfig {
            mtu: 1500,
            ..Default::default()
        },
        1,
    );
    link.push(at(0), packet(0, 1501));
    link.push(at(0), packet(1, 1500));
    assert_eq!(numbers(&drain(&mut link)), [1]);
    assert_eq!(link.counters().dropped_mtu, 1);
}

#[test]
fn independent_losses_come_at_their_rate() {
    let mut link = Link::new(LinkConfig::default().lossy(Loss::Bernoulli(0.05)), 42);
    for n in 0..100_000 {
        link.push(at(0), packet(n, 40));
    }
    let lost = link.counters().dropped_loss;
    // Standard deviation 69: four of them to each side.
    assert!((4724..=5276).contains(&lost), "{lost}");
    assert_eq!(drain(&mut link).len() as u64 + lost, 100_000);
}

#[test]
fn burst_losses_come_at_their_rate_and_in_bursts() {
    let loss = Loss::GilbertElliott {
        to_bad: 0.01,
        to_good: 0.2,
        loss_good: 0.0,
        loss_bad: 0.5,
    };
    let mut link = Link::new(LinkConfig::default().lossy(loss), 42);
    for n in 0..100_000 {
        link.push(at(0), packet(n, 40));
    }
    let lost = link.counters().dropped_loss;
    // The bad state holds 1/21 of the time: 2381 losses expected. Bursts widen the spread.
    assert!((2050..=2710).contains(&lost), "{lost}");
    let arrived = numbers(&drain(&mut link));
    let gaps = arrived
        .windows(2)
        .filter(|pair| pair[1] > pair[0] + 1)
        .count() as f64;
    // After a loss the chain is still bad with 0.8 and loses again with 0.5: runs of losses
    // have a mean length of 1 / (1 - 0.4), against 1.02 for independent losses of this rate.
    let run = lost as f64 / gaps;
    assert!((1.55..1.8).contains(&run), "{run}");
}

#[test]
fn jitter_spreads_but_keeps_the_order() {
    let config = LinkConfig {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(5),
        ..Default::default()
    };
    let mut link = Link::new(config, 3);
    for n in 0..10_000 {
        link.push(at(u64::from(n) * 100_000), packet(n, 40));
    }
    let delivered = drain(&mut link);
    assert_eq!(numbers(&delivered), (0..10_000).collect::<Vec<_>>());
    let delays: Vec<u64> = delivered
        .iter()
        .enumerate()
        .map(|(n, (time, _))| time - n as u64 * 100_000)
        .collect();
    assert!(
        delays
            .iter()
            .all(|delay| (10_000_000..=15_000_000).contains(delay))
    );
    assert!(delays.iter().any(|delay| *delay > 14_500_000));
    assert!(delays.iter().any(|delay| *delay < 14_000_000));
}

#[test]
fn reordering_holds_packets_back_for_the_extra_delay() {
    let config = LinkConfig {
        delay: Duration::from_millis(10),
        reorder: Reorder {
            probability: 0.1,
            extra_delay: Duration::from_millis(3),
        },
        ..Default::default()
    };
    let mut link = Link::new(config, 3);
    for n in 0..10_000 {
        link.push(at(u64::from(n) * 1_000_000), packet(n, 40));
    }
    let delivered = drain(&mut link);
    let mut late = 0;
    for (time, packet) in &delivered {
        match time - u64::from(number(packet)) * 1_000_000 {
            10_000_000 => {}
            13_000_000 => late += 1,
            other => panic!("delay of {other} ns"),
        }
    }
    assert_eq!(link.counters().reordered, late);
    assert!((880..=1120).contains(&late), "{late}");
    assert!(!numbers(&delivered).is_sorted());
}

#[test]
fn duplicates_arrive_with_their_original() {
    let mut link = Link::new(
        LinkConfig {
            duplicate: 0.2,
            ..Default::default()
        },
        5,
    );
    for n in 0..1000 {
        link.push(at(0), packet(n, 40));
    }
    let arrived = numbers(&drain(&mut link));
    assert_eq!(arrived.len() as u64, 1000 + link.counters().duplicated);
    assert!((150..=250).contains(&link.counters().duplicated));
    assert!(arrived.is_sorted());
}

#[test]
fn corruption_flips_one_bit() {
    let mut link = Link::new(
        LinkConfig {
            corrupt: 0.5,
            ..Default::default()
        },
        5,
    );
    let original = packet(0x0102_0304, 64);
    for _ in 0..1000 {
        link.push(at(0), original.clone());
    }
    let mut damaged = 0;
    for (_, arrived) in drain(&mut link) {
        let flipped: u32 = arrived
            .iter()
            .zip(&original)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert!(flipped <= 1);
        damaged += u64::from(flipped);
    }
    assert_eq!(damaged, link.counters().corrupted);
    assert!((430..=570).contains(&damaged), "{damaged}");
}

#[test]
fn a_cut_loses_what_is_in_flight_and_what_is_sent() {
    let config = LinkConfig::with_delay(Duration::from_millis(10))
        .cut(Instant::from_millis(100), Some(Instant::from_millis(200)));
    let mut link = Link::new(config, 1);
    for (n, millis) in [
        (0, 89),
        (1, 90),
        (2, 95),
        (3, 100),
        (4, 199),
        (5, 200),
        (6, 300),
    ] {
        link.push(Instant::from_millis(millis), packet(n, 40));
    }
    assert_eq!(numbers(&drain(&mut link)), [0, 5, 6]);
    assert_eq!(link.counters().dropped_cut, 4);
}

#[test]
fn a_cut_without_end_lasts() {
    let mut link = Link::new(LinkConfig::default().cut(Instant::from_millis(1), None), 1);
    link.push(Instant::from_millis(0), packet(0, 40));
    link.push(Instant::from_millis(3_600_000), packet(1, 40));
    assert_eq!(numbers(&drain(&mut link)), [0]);
}

#[test]
fn a_healed_link_starts_with_an_empty_queue() {
    let config = LinkConfig {
        rate: Some(8_000),
        queue: 2000,
        ..Default::default()
    };
    let mut link = Link::new(config, 1);
    for n in 0..3 {
        link.push(at(0), packet(n, 1000));
    }
    link.set_down(Instant::from_millis(1500));
    link.push(Instant::from_millis(1600), packet(3, 1000));
    link.set_up(Instant::from_millis(1700));
    link.push(Instant::from_millis(1700), packet(4, 1000));
    // The first had arrived after a second, before the cut; nobody had asked for it yet.
    let delivered = drain(&mut link);
    assert_eq!(numbers(&delivered), [0, 4]);
    assert_eq!(delivered[1].0, 2_700_000_000);
    assert_eq!(link.counters().dropped_cut, 3);
}

#[test]
fn the_same_seed_gives_the_same_link() {
    let config = LinkConfig {
        rate: Some(1_000_000),
        jitter: Duration::from_millis(3),
        loss: Loss::Bernoulli(0.1),
        reorder: Reorder {
            probability: 0.1,
            extra_delay: Duration::from_millis(9),
        },
        duplicate: 0.1,
        corrupt: 0.1,
        ..Default::default()
    };
    let run = |seed| {
        let mut link = Link::new(config.clone(), seed);
        for n in 0..500 {
            link.push(at(u64::from(n) * 777_777), packet(n, 100));
        }
        drain(&mut link)
    };
    assert_eq!(run(9), run(9));
    assert_ne!(run(9), run(10));
}
