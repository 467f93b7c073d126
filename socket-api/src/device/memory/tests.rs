use super::*;
use crate::testing::{CountingWaker, HEADER_LEN, number, packet};

fn receive(device: &mut MemoryDevice, waker: &Waker, room: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; room];
    match device.poll_recv(&mut Context::from_waker(waker), &mut buffer) {
        Poll::Ready(len) => {
            buffer.truncate(len.expect("a memory device does not fail to receive"));
            Some(buffer)
        }
        Poll::Pending => None,
    }
}

#[test]
fn packets_arrive_in_order_and_wake_the_receiver() {
    let (mut one, mut other) = MemoryDevice::pair(1500);
    let (count, waker) = CountingWaker::new();
    assert!(receive(&mut other, &waker, 1500).is_none());
    for (index, slices) in [1, 2, 4].into_iter().enumerate() {
        one.send(&packet(u32::try_from(index).unwrap(), slices))
            .unwrap();
    }
    assert_eq!(
        count.count(),
        1,
        "the receiver is woken once for all of them"
    );
    for expected in 0..3 {
        let data = receive(&mut other, &waker, 1500).expect("a packet");
        assert_eq!(data.len(), HEADER_LEN + 4);
        assert_eq!(number(&data), expected);
    }
    assert!(receive(&mut other, &waker, 1500).is_none());
    assert!(
        receive(&mut one, &waker, 1500).is_none(),
        "nothing comes back by itself"
    );
    assert_eq!(
        (
            one.switch().packets_carried(),
            one.switch().packets_dropped()
        ),
        (3, 0)
    );
}

#[test]
fn a_full_queue_and_an_oversized_packet_are_dropped() {
    let (_, waker) = CountingWaker::new();
    let (mut one, mut other) = MemoryDevice::pair_with_queue(1500, 2);
    for number in 0..3 {
        one.send(&packet(number, 1)).unwrap();
    }
    assert_eq!(one.switch().packets_dropped(), 1);
    assert_eq!(number(&receive(&mut other, &waker, 1500).unwrap()), 0);
    assert!(
        receive(&mut other, &waker, HEADER_LEN).is_none(),
        "no room for the second"
    );

    let (mut small, mut end) = MemoryDevice::pair(40);
    small.send(&packet(1, 1)).unwrap();
    assert!(receive(&mut end, &waker, 1500).is_none());
    assert_eq!(end.switch().packets_dropped(), 1);
}

#[test]
fn both_ends_notice_a_cut_and_a_joined_link() {
    let (mut one, mut other) = MemoryDevice::pair(1500);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let switch = one.switch();
    one.send(&packet(1, 1)).unwrap();
    assert!(one.poll_link(&mut cx).is_pending());
    assert!(other.poll_link(&mut cx).is_pending());
    switch.set_up(false);
    assert_eq!(count.count(), 2);
    for end in [&mut one, &mut other] {
        assert_eq!(end.poll_link(&mut cx), Poll::Ready(false));
        assert!(end.poll_link(&mut cx).is_pending(), "told once");
        assert_eq!(
            end.send(&packet(2, 1)).unwrap_err().kind(),
            io::ErrorKind::NetworkDown
        );
    }
    assert!(
        receive(&mut other, &waker, 1500).is_none(),
        "what was on its way is lost"
    );
    switch.set_up(true);
    assert_eq!(one.poll_link(&mut cx), Poll::Ready(true));
    one.send(&packet(3, 1)).unwrap();
    assert_eq!(number(&receive(&mut other, &waker, 1500).unwrap()), 3);
}

#[test]
fn a_lost_end_takes_the_link_down_for_good() {
    let (one, mut other) = MemoryDevice::pair(1500);
    let (count, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    assert!(other.poll_link(&mut cx).is_pending());
    drop(one);
    assert_eq!(count.count(), 1);
    assert_eq!(other.poll_link(&mut cx), Poll::Ready(false));
    other.switch().set_up(true);
    assert!(other.poll_link(&mut cx).is_pending(), "an end is gone");
}
