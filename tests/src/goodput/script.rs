//! The two applications: one sends without end, the other reads and compares.

use bytes::Bytes;
use umptcp_lab::payload::Pattern;
use umptcp_lab::world::{Io, Progress, Script};
use umptcp_stack::{Event, Instant, ReadError, WriteError};

/// Length of the block that is sent over and over: no multiple of a segment's payload, so a
/// segment in a wrong place does not look like the right one.
const BLOCK: usize = 64 << 10;

fn block() -> Bytes {
    Pattern::new(1).bytes(0, BLOCK).into()
}

/// Writes as much as the stack takes, for as long as it runs.
#[derive(Debug)]
pub struct Source {
    block: Bytes,
    /// What is left of the current block.
    rest: Bytes,
    sent: u64,
    blocked: bool,
}

impl Source {
    /// A source that has sent nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let block = block();
        Self {
            rest: block.clone(),
            block,
            sent: 0,
            blocked: false,
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::new()
    }
}

impl Script for Source {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Writable(_)) {
            self.blocked = false;
        }
    }

    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        while !self.blocked {
            match io
                .endpoint
                .write_bytes(io.now, io.connection, &mut self.rest)
            {
                Ok(taken) => self.sent += taken as u64,
                Err(WriteError::Blocked) => self.blocked = true,
                Err(error) => return Err(format!("write: {error}")),
            }
            if self.rest.is_empty() {
                self.rest = self.block.clone();
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_done(&self) -> bool {
        false
    }

    fn progress(&self) -> Progress {
        Progress {
            sent: self.sent,
            ..Progress::default()
        }
    }
}

/// Reads all there is and compares it with what a [`Source`] sends.
#[derive(Debug)]
pub struct Sink {
    block: Bytes,
    received: u64,
    blocked: bool,
}

impl Sink {
    /// A sink that has read nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            block: block(),
            received: 0,
            blocked: false,
        }
    }

    fn check(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let at = usize::try_from(self.received % BLOCK as u64).unwrap_or(0);
            let expected = &self.block[at..];
            let len = data.len().min(expected.len());
            if data[..len] != expected[..len] {
                return Err(format!("a wrong byte at or after {}", self.received));
            }
            self.received += len as u64;
            data = &data[len..];
        }
        Ok(())
    }
}

impl Default for Sink {
    fn default() -> Self {
        Self::new()
    }
}

impl Script for Sink {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Readable(_)) {
            self.blocked = false;
        }
    }

    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        while !self.blocked {
            match io.endpoint.read_chunk(io.now, io.connection, usize::MAX) {
                Ok(Some(data)) => self.check(&data)?,
                Ok(None) => return Err("an end of a stream that has none".into()),
                Err(ReadError::Blocked) => self.blocked = true,
                Err(error) => return Err(format!("read: {error}")),
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_done(&self) -> bool {
        false
    }

    fn progress(&self) -> Progress {
        Progress {
            received: self.received,
            ..Progress::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_sees_what_is_not_the_sources() {
        let mut sink = Sink::new();
        let sent = [block(), block()].concat();
        let (first, rest) = sent.split_at(BLOCK - 7);
        assert_eq!(sink.check(first), Ok(()));
        // Over the end of the block.
        assert_eq!(sink.check(&rest[..20]), Ok(()));
        // One byte too far.
        assert!(sink.check(&rest[21..30]).is_err());
        assert_eq!(sink.received, BLOCK as u64 + 13);
    }
}
