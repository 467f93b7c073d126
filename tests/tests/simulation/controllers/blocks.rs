//! A source that writes a block each second, and a sink that notes when each is complete.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use umptcp_lab::world::{Io, Progress, Script};
use umptcp_stack::{Event, Instant, ReadError, WriteError};

/// Bytes of a block.
pub(super) const BLOCK: u64 = 64 << 10;
/// From one block to the next.
const PERIOD: Duration = Duration::from_secs(1);

/// Writes so many blocks, then ends the stream.
#[derive(Debug)]
pub(super) struct Source {
    blocks: u64,
    started: Option<Instant>,
    progress: Progress,
    shut_down: bool,
    closed: bool,
}

impl Source {
    pub(super) fn of(blocks: u64) -> Self {
        Self {
            blocks,
            started: None,
            progress: Progress::default(),
            shut_down: false,
            closed: false,
        }
    }

    /// Bytes that exist by now.
    fn made(&self, now: Instant) -> u64 {
        let started = self.started.unwrap_or(now);
        let periods = now.saturating_duration_since(started).as_secs();
        (periods + 1).min(self.blocks) * BLOCK
    }
}

impl Script for Source {
    fn event(&mut self, event: &Event) {
        self.closed |= matches!(event, Event::Closed(..));
    }

    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        self.started.get_or_insert(io.now);
        let made = self.made(io.now);
        while self.progress.sent < made && !self.closed {
            let len = usize::try_from(made - self.progress.sent).map_err(|e| e.to_string())?;
            match io.endpoint.write(io.now, io.connection, &vec![0; len]) {
                Ok(taken) => self.progress.sent += taken as u64,
                Err(WriteError::Blocked) => break,
                Err(error) => return Err(format!("write failed: {error}")),
            }
        }
        if self.progress.sent == self.blocks * BLOCK && !self.shut_down && !self.closed {
            self.shut_down = true;
            let shutdown = io.endpoint.shutdown(io.now, io.connection);
            shutdown.map_err(|error| format!("shutdown failed: {error}"))?;
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        // A write that is blocked waits for its event.
        let written = self.progress.sent / BLOCK;
        let whole = self.progress.sent.is_multiple_of(BLOCK);
        let started = self.started.filter(|_| whole && written < self.blocks)?;
        Some(started + PERIOD * u32::try_from(written).ok()?)
    }

    fn is_done(&self) -> bool {
        self.closed
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// When each block was complete.
pub(super) type Arrivals = Rc<RefCell<Vec<Instant>>>;

/// Reads to the end.
#[derive(Debug)]
pub(super) struct Sink {
    arrivals: Arrivals,
    progress: Progress,
    shut_down: bool,
    closed: bool,
}

impl Sink {
    pub(super) fn noting_in(arrivals: Arrivals) -> Self {
        Self {
            arrivals,
            progress: Progress::default(),
            shut_down: false,
            closed: false,
        }
    }
}

impl Script for Sink {
    fn event(&mut self, event: &Event) {
        self.closed |= matches!(event, Event::Closed(..));
    }

    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        loop {
            match io.endpoint.read_chunk(io.now, io.connection, 1 << 20) {
                Ok(Some(chunk)) => self.progress.received += chunk.len() as u64,
                Ok(None) => {
                    self.progress.end_of_stream = true;
                    break;
                }
                Err(ReadError::Blocked) => break,
                Err(error) => return Err(format!("read failed: {error}")),
            }
        }
        let mut arrivals = self.arrivals.borrow_mut();
        while (arrivals.len() as u64) < self.progress.received / BLOCK {
            arrivals.push(io.now);
        }
        if self.progress.end_of_stream && !self.shut_down && !self.closed {
            self.shut_down = true;
            let shutdown = io.endpoint.shutdown(io.now, io.connection);
            shutdown.map_err(|error| format!("shutdown failed: {error}"))?;
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_done(&self) -> bool {
        self.closed
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}
