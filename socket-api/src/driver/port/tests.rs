use super::*;
use crate::testing::{interface, number, packet};
use futures::task::noop_waker;
use std::sync::{Arc, Mutex};

/// A device whose every answer the test has written down; where nothing is written it waits.
#[derive(Debug, Default)]
struct Script {
    receive: VecDeque<io::Result<usize>>,
    /// How sending goes; it works where nothing is written.
    send: VecDeque<io::ErrorKind>,
    send_ready: VecDeque<bool>,
    link: VecDeque<bool>,
    sent: Vec<u32>,
    polls: usize,
}

#[derive(Clone, Debug, Default)]
struct ScriptedDevice(Arc<Mutex<Script>>);

impl ScriptedDevice {
    fn with<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

impl Device for ScriptedDevice {
    fn poll_recv(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        self.with(|script| {
            script.polls += 1;
            script
                .receive
                .pop_front()
                .map_or(Poll::Pending, Poll::Ready)
        })
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        self.with(|script| match script.send.pop_front() {
            Some(kind) => Err(kind.into()),
            None => {
                script.sent.push(number(&packet.to_bytes()));
                Ok(())
            }
        })
    }

    fn mtu(&self) -> u16 {
        1500
    }

    fn poll_send_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.with(|script| script.send_ready.pop_front()) {
            Some(true) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    fn poll_link(&mut self, _: &mut Context<'_>) -> Poll<bool> {
        self.with(|script| script.link.pop_front())
            .map_or(Poll::Pending, Poll::Ready)
    }
}

fn port() -> (ScriptedDevice, Port) {
    let device = ScriptedDevice::default();
    let port = Port::new(interface(), Box::new(device.clone()));
    (device, port)
}

/// Receives once; gives the lengths of the packets and whether there may be more.
fn receive(port: &mut Port, now: Instant) -> (Vec<usize>, bool) {
    let waker = noop_waker();
    let mut packets = Vec::new();
    let more = port.receive(
        &mut Context::from_waker(&waker),
        now,
        &mut Arena::default(),
        &mut packets,
    );
    (
        packets
            .into_iter()
            .map(|(_, packet)| packet.data.len())
            .collect(),
        more,
    )
}

fn flush(port: &mut Port, now: Instant) {
    port.flush(&mut Context::from_waker(&noop_waker()), now);
}

#[test]
fn no_more_packets_are_taken_than_the_budget() {
    let (device, mut port) = port();
    device.with(|script| {
        script
            .receive
            .extend((0..RECEIVE_BUDGET + 3).map(|_| Ok(100)))
    });
    assert_eq!(
        receive(&mut port, Instant::ZERO),
        (vec![100; RECEIVE_BUDGET], true)
    );
    assert_eq!(receive(&mut port, Instant::ZERO), (vec![100; 3], false));
}

#[test]
fn a_full_device_gets_its_packets_later_and_in_order() {
    let (device, mut port) = port();
    device.with(|script| script.send.push_back(io::ErrorKind::WouldBlock));
    for number in 0..5 {
        port.send(Instant::ZERO, packet(number, 1));
    }
    assert!(device.with(|script| script.sent.is_empty()));
    flush(&mut port, Instant::ZERO);
    assert!(
        device.with(|script| script.sent.is_empty()),
        "there is no room yet"
    );
    device.with(|script| script.send_ready.extend([true; 3]));
    flush(&mut port, Instant::ZERO);
    assert_eq!(device.with(|script| script.sent.clone()), [0, 1, 2]);
    port.send(Instant::ZERO, packet(5, 1));
    device.with(|script| script.send_ready.extend([true; 3]));
    flush(&mut port, Instant::ZERO);
    assert_eq!(
        device.with(|script| script.sent.clone()),
        [0, 1, 2, 3, 4, 5]
    );
    assert_eq!(port.dropped, 0);
}

#[test]
fn the_queue_of_a_full_device_is_bounded() {
    let (device, mut port) = port();
    device.with(|script| script.send.push_back(io::ErrorKind::WouldBlock));
    let extra = 10_u64;
    for _ in 0..QUEUE_LEN as u64 + extra {
        port.send(Instant::ZERO, packet(0, 1));
    }
    assert_eq!((port.queue.len(), port.dropped), (QUEUE_LEN, extra));
}

#[test]
fn a_device_that_lies_about_its_room_loses_packets_but_no_time() {
    let (device, mut port) = port();
    device.with(|script| {
        script.send.extend([io::ErrorKind::WouldBlock; 3]);
        script.send_ready.extend([true; 2]);
    });
    port.send(Instant::ZERO, packet(1, 1));
    flush(&mut port, Instant::ZERO);
    assert_eq!((port.queue.len(), port.dropped), (0, 1));
    assert!(port.state_change().is_none(), "being full is no failure");
}

#[test]
fn a_failed_device_is_left_alone_and_tried_again() {
    let (device, mut port) = port();
    device.with(|script| {
        script
            .receive
            .push_back(Err(io::ErrorKind::NetworkDown.into()))
    });
    assert_eq!(receive(&mut port, Instant::ZERO), (vec![], false));
    assert_eq!(port.state_change(), Some(false));
    assert_eq!(port.state_change(), None, "told once");
    let retry_at = port.deadline().expect("a time to try again");

    let polls = device.with(|script| script.polls);
    receive(&mut port, retry_at - Duration::from_nanos(1));
    assert_eq!(
        device.with(|script| script.polls),
        polls,
        "not before its time"
    );
    receive(&mut port, retry_at);
    assert_eq!(device.with(|script| script.polls), polls + 1);
    assert_eq!(port.state_change(), Some(true));
    assert_eq!(port.deadline(), None);
}

#[test]
fn a_packet_that_cannot_be_sent_takes_the_port_down() {
    let (device, mut port) = port();
    device.with(|script| {
        script
            .send
            .extend([io::ErrorKind::WouldBlock, io::ErrorKind::NetworkDown]);
        script.send_ready.push_back(true);
    });
    port.send(Instant::ZERO, packet(1, 1));
    port.send(Instant::ZERO, packet(2, 1));
    flush(&mut port, Instant::ZERO);
    assert_eq!(port.state_change(), Some(false));
    assert_eq!((port.queue.len(), port.dropped), (0, 2));
    port.send(Instant::ZERO, packet(3, 1));
    assert!(
        device.with(|script| script.sent.is_empty()),
        "nothing goes to a failed device"
    );
}

#[test]
fn a_link_that_is_down_is_not_tried_again_until_it_is_up() {
    let (device, mut port) = port();
    let mut cx = Context::from_waker(futures::task::noop_waker_ref());
    device.with(|script| {
        script.send.push_back(io::ErrorKind::NetworkDown);
        script.link.push_back(false);
    });
    port.send(Instant::ZERO, packet(1, 1));
    assert!(!port.poll_link(&mut cx));
    assert_eq!(port.state_change(), Some(false));
    assert_eq!(port.deadline(), None, "its link will report");
    receive(&mut port, Instant::ZERO + 2 * RETRY_AFTER);
    assert_eq!(port.state_change(), None);
    device.with(|script| script.link.push_back(true));
    assert!(!port.poll_link(&mut cx));
    assert_eq!(port.state_change(), Some(true));
    port.send(Instant::ZERO, packet(2, 1));
    assert_eq!(device.with(|script| script.sent.clone()), [2]);
}

#[test]
fn a_link_that_flaps_without_end_does_not_hold_the_driver() {
    let (device, mut port) = port();
    device.with(|script| script.link.extend((0..100).map(|n| n % 2 == 0)));
    assert!(port.poll_link(&mut Context::from_waker(futures::task::noop_waker_ref())));
}
