//! The end of a path that a stack of ours gets, and the queue of what has arrived there.

use super::Side;
use super::shared::Shared;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use umptcp::Device;
use umptcp_stack::Transmit;

/// Packets that wait for a stack to read them: more than any window of an experiment. What finds
/// it full is counted as refused.
const INBOX_LEN: usize = 1 << 16;

/// What has arrived for a stack.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<InboxState>);

#[derive(Debug, Default)]
struct InboxState {
    packets: VecDeque<Bytes>,
    /// The task that drives the stack, when it waits.
    reader: Option<Waker>,
    /// The device or the path is gone.
    closed: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a packet in, without telling the reader; `false` if there is no room or no reader.
    pub(super) fn put(&self, packet: Bytes) -> bool {
        let mut state = self.lock();
        let takes = !state.closed && state.packets.len() < INBOX_LEN;
        if takes {
            state.packets.push_back(packet);
        }
        takes
    }

    /// Tells the reader that there is something to read.
    pub(super) fn tell(&self) {
        let reader = self.lock().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes nothing in any more, and loses what was not read.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.packets.clear();
        drop(state);
        self.tell();
    }
}

impl InboxState {
    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            None => self.reader = Some(cx.waker().clone()),
        }
    }
}

/// One end of an [`EmulatedPath`](super::EmulatedPath), for a stack. A packet enters the link's
/// queue in the call that sends it, so that nothing but the link delays or drops it.
#[derive(Debug)]
pub struct PathDevice {
    shared: Arc<Shared>,
    side: Side,
    inbox: Arc<Inbox>,
    mtu: u16,
    reported_down: bool,
}

impl PathDevice {
    pub(super) fn new(shared: Arc<Shared>, side: Side, inbox: Arc<Inbox>, mtu: u16) -> Self {
        Self {
            shared,
            side,
            inbox,
            mtu,
            reported_down: false,
        }
    }
}

impl Device for PathDevice {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.inbox.lock();
        while let Some(packet) = state.packets.pop_front() {
            if let Some(room) = buffer.get_mut(..packet.len()) {
                room.copy_from_slice(&packet);
                return Poll::Ready(Ok(packet.len()));
            }
            // Longer than the MTU of this end.
            self.shared.refuse(1);
        }
        state.wait(cx);
        Poll::Pending
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        if self.shared.push(self.side, packet.to_bytes()) {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::NetworkDown,
                "the path has stopped",
            ))
        }
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.inbox.lock();
        if state.closed && !self.reported_down {
            self.reported_down = true;
            return Poll::Ready(false);
        }
        state.wait(cx);
        Poll::Pending
    }
}

impl Drop for PathDevice {
    fn drop(&mut self) {
        self.inbox.close();
    }
}
