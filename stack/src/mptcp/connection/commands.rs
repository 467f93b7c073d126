//! What the application asks for, and how a connection ends.

use super::Connection;
use super::health::Moved;
use crate::base::error::{CloseReason, ReadError, WriteError};
use crate::base::id::SubflowId;
use crate::base::time::Instant;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::subflow::Role;
use crate::wire::mptcp_option::ResetReason;
use bytes::Bytes;

impl Connection {
    /// Queues a copy of as much of `data` as there is room for.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, WriteError> {
        self.check_writable(data.is_empty())?;
        Ok(self.send.write(data))
    }

    /// Queues `data` itself, as much of it as there is room for.
    pub fn write_bytes(&mut self, data: &mut Bytes) -> Result<usize, WriteError> {
        self.check_writable(data.is_empty())?;
        Ok(self.send.write_bytes(data))
    }

    fn check_writable(&mut self, nothing: bool) -> Result<(), WriteError> {
        if let Some(reason) = self.closed {
            return Err(WriteError::Closed(reason));
        }
        if !self.state.can_write() {
            return Err(WriteError::ShutDown);
        }
        if self.send.room() == 0 && !nothing {
            self.writer_waits = true;
            return Err(WriteError::Blocked);
        }
        Ok(())
    }

    /// Reads into `buffer`; 0 is the end of the stream.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if self.receive.readable() == 0 && !buffer.is_empty() {
            return self.nothing_to_read().map(|()| 0);
        }
        let read = self.receive.read(buffer);
        self.announce_window_if_useful();
        Ok(read)
    }

    /// As [`Self::read`], and what was read stays.
    pub fn peek(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if self.receive.readable() == 0 && !buffer.is_empty() {
            return self.nothing_to_read().map(|()| 0);
        }
        Ok(self.receive.peek(buffer))
    }

    /// A read would not block: there is something to read, or the stream or the connection has
    /// ended. Else [`Effect::Readable`](super::Effect::Readable) will tell when that is so.
    pub fn want_read(&mut self) -> bool {
        self.receive.readable() > 0 || self.nothing_to_read() != Err(ReadError::Blocked)
    }

    /// A write would not block: there is room, or nothing can be written any more. Else
    /// [`Effect::Writable`](super::Effect::Writable) will tell when that is so.
    pub fn want_write(&mut self) -> bool {
        self.check_writable(false) != Err(WriteError::Blocked)
    }

    /// How much a write could take now, which is more than nothing.
    pub fn writable(&mut self) -> Result<usize, WriteError> {
        self.check_writable(false)?;
        Ok(self.send.room())
    }

    /// The application reads no more.
    pub fn shutdown_read(&mut self) {
        self.read_shut_down = true;
        // Also a reader that waits: it has come to the end.
        self.wake_reader();
    }

    /// Drops what nobody will read. It counts as read, so that the window stays open; but what
    /// comes once the application has let go of the connection ends it, as ever.
    pub(super) fn drop_unwanted(&mut self) {
        if !self.read_shut_down || self.released {
            return;
        }
        while self.receive.read_chunk(usize::MAX).is_some() {}
        self.announce_window_if_useful();
    }

    /// Reads up to `max` bytes as they lie; `None` is the end of the stream.
    pub fn read_chunk(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        match self.receive.read_chunk(max) {
            Some(chunk) => {
                self.announce_window_if_useful();
                Ok(Some(chunk))
            }
            None => self.nothing_to_read().map(|()| None),
        }
    }

    /// `Ok` at the end of the stream.
    fn nothing_to_read(&mut self) -> Result<(), ReadError> {
        let ended_otherwise = self
            .closed
            .is_some_and(|reason| reason != CloseReason::Finished);
        if self.receive.is_finished() && !ended_otherwise {
            return Ok(());
        }
        match self.closed {
            Some(CloseReason::Finished) if self.read_shut_down => Ok(()),
            Some(reason) => Err(ReadError::Closed(reason)),
            None if self.read_shut_down => Ok(()),
            None => {
                self.reader_waits = true;
                Err(ReadError::Blocked)
            }
        }
    }

    /// Reading has opened the window: the peer hears of it on every subflow, as each keeps a
    /// window of its own (protocol reference 3.5).
    fn announce_window_if_useful(&mut self) {
        let mss = self.subflows[0].tcb.mss;
        if self.receive.should_announce(mss) {
            for subflow in self
                .subflows
                .iter_mut()
                .filter(|subflow| subflow.can_signal())
            {
                // Also where our side is closed: the peer may go on sending there.
                subflow.tcb.ack.require_now();
            }
        }
    }

    /// Closes one subflow in order.
    pub fn close_subflow(&mut self, now: Instant, id: SubflowId) -> bool {
        let Some(index) = self.position(id) else {
            return false;
        };
        if self.subflows[index].is_closed() {
            return false;
        }
        match self.subflows[index].role {
            Role::Initial | Role::Joined => {
                self.move_data_away(now, index, Moved::Unacknowledged);
                self.close_one_subflow(index, SubflowCloseReason::ClosedByUs);
            }
            Role::Joining { .. } | Role::PreEstablished { .. } | Role::Answering { .. } => {
                self.reset_subflow(now, index, ResetReason::Unspecified);
            }
        }
        true
    }
}
