//! Packets and wakers for unit tests.

use bytes::Bytes;
use futures::task::ArcWake;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use umptcp_stack::base::seq::SeqNum;
use umptcp_stack::wire::packet::{Flags, FourTuple, SegmentHeader, emit};
use umptcp_stack::{
    Endpoint, EndpointConfig, InterfaceConfig, InterfaceId, Transmit, TransmitChecksum,
};

/// Bytes of the headers of [`packet`].
pub(crate) const HEADER_LEN: usize = 40;

/// The id of some interface.
pub(crate) fn interface() -> InterfaceId {
    Endpoint::new(EndpointConfig::default(), [0; 32]).add_interface(InterfaceConfig::default())
}

/// A TCP segment whose payload is `number`, 4 bytes long, in as many slices as asked for.
pub(crate) fn packet(number: u32, slices: usize) -> Transmit {
    let tuple = FourTuple {
        local: "192.0.2.2:1000".parse().expect("an address"),
        remote: "192.0.2.1:2000".parse().expect("an address"),
    };
    let flags = Flags {
        psh: true,
        ..Flags::default()
    };
    let header = SegmentHeader {
        traffic_class: 0,
        hop_limit: 64,
        ecn_capable: false,
        tuple,
        seq: SeqNum(number),
        ack: Some(SeqNum(0)),
        flags,
        window: 1000,
        options: &[],
    };
    let payload = Bytes::copy_from_slice(&number.to_be_bytes());
    let cut = payload.len() / slices;
    let parts = (0..slices).map(|part| payload.slice(part * cut..(part + 1) * cut));
    let checksum = TransmitChecksum::Complete;
    emit(interface(), &header, parts.collect(), None, checksum, None)
}

/// The number of a packet made by [`packet`].
pub(crate) fn number(data: &[u8]) -> u32 {
    u32::from_be_bytes(data[HEADER_LEN..].try_into().expect("4 bytes of payload"))
}

/// A waker that counts how often it is called.
#[derive(Default)]
pub(crate) struct CountingWaker(AtomicUsize);

impl CountingWaker {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        let waker = futures::task::waker(Arc::clone(&count));
        (count, waker)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl ArcWake for CountingWaker {
    fn wake_by_ref(waker: &Arc<Self>) {
        waker.0.fetch_add(1, Ordering::SeqCst);
    }
}
