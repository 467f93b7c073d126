//! The script of nearly all experiments: send bytes of a pattern, check the bytes of the other.

use super::expectation::Expectation;
use super::script::{Io, Progress, Script};
use crate::payload::Pattern;
use bytes::Bytes;
use rand::rngs::ChaCha12Rng;
use rand::{RngExt as _, SeedableRng as _};
use std::time::Duration;
use umptcp_stack::{CloseReason, Event, Instant, ReadError, WriteError};

/// Sizes of reads or writes, and rests between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chunks {
    /// Smallest, in bytes.
    pub min: usize,
    /// Largest, in bytes.
    pub max: usize,
    /// Probability of a rest after each.
    pub pause_probability: f64,
    /// Longest rest.
    pub max_pause: Duration,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::of(64 << 10)
    }
}

impl Chunks {
    /// Always this size, without rest.
    #[must_use]
    pub const fn of(size: usize) -> Self {
        Self {
            min: size,
            max: size,
            pause_probability: 0.0,
            max_pause: Duration::ZERO,
        }
    }

    fn draw(&self, rng: &mut ChaCha12Rng) -> usize {
        rng.random_range(self.min.max(1)..=self.max.max(self.min).max(1))
    }

    fn draw_pause(&self, rng: &mut ChaCha12Rng) -> Option<Duration> {
        (self.pause_probability > 0.0 && rng.random_bool(self.pause_probability))
            .then(|| rng.random_range(Duration::ZERO..=self.max_pause))
    }
}

/// How much may be sent by when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Everything at any time.
    #[default]
    Free,
    /// As much as was received: an echo.
    Echo,
    /// Nothing before the end of the peer's stream.
    AfterEnd,
    /// Requests and responses: `mine` bytes after each `theirs` received.
    Turns {
        /// Bytes of each of our messages.
        mine: u64,
        /// Bytes of each of the peer's messages.
        theirs: u64,
        /// We begin.
        first: bool,
    },
}

impl Pace {
    fn allowed(self, progress: Progress) -> u64 {
        match self {
            Self::Free => u64::MAX,
            Self::Echo => progress.received,
            Self::AfterEnd if progress.end_of_stream => u64::MAX,
            Self::AfterEnd => 0,
            Self::Turns {
                mine,
                theirs,
                first,
            } => mine * (progress.received / theirs.max(1) + u64::from(first)),
        }
    }
}

/// A rest in reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPause {
    /// Once this much was read.
    pub at: u64,
    /// For this long.
    pub length: Duration,
}

/// What to do once everything is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// End the sending direction, and wait for `Event::Closed`.
    #[default]
    Shutdown,
    /// Release the connection when everything expected was received too, without waiting for the
    /// end of the peer's stream.
    Release,
    /// Nothing: wait for what the peer does.
    Hold,
}

/// When to give the connection up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// Once the stack took this much.
    AfterSent(u64),
    /// Once this much was read.
    AfterReceived(u64),
    /// At this time.
    At(Instant),
}

/// What one side of a transfer does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Bytes to send.
    pub sends: u64,
    /// How much of it when.
    pub pace: Pace,
    /// How it is written.
    pub writes: Chunks,
    /// How the peer's bytes are read.
    pub reads: Chunks,
    /// Rests in reading, in order of their places.
    pub read_pauses: Vec<ReadPause>,
    /// What comes at the end.
    pub finish: Finish,
    /// Premature end.
    pub abort: Option<Abort>,
    /// Write `Bytes` and read chunks, instead of copying.
    pub zero_copy: bool,
    /// Write before the connection is established.
    pub early: bool,
}

impl Plan {
    /// Sends this many bytes as fast as possible.
    #[must_use]
    pub fn sending(bytes: u64) -> Self {
        Self {
            sends: bytes,
            ..Self::default()
        }
    }
}

/// A running [`Plan`].
#[derive(Debug)]
pub struct Transfer {
    plan: Plan,
    pattern: Pattern,
    expected: Expectation,
    rng: ChaCha12Rng,
    progress: Progress,
    write_blocked: bool,
    read_blocked: bool,
    shut_down: bool,
    aborted: bool,
    next_write: Instant,
    next_read: Instant,
    pauses_done: usize,
    closed: Option<CloseReason>,
    write_error: Option<WriteError>,
    read_error: Option<ReadError>,
    buffer: Vec<u8>,
    last_step: Instant,
}

impl Transfer {
    /// A plan about to run: sends `pattern`, expects what it is told.
    #[must_use]
    pub fn new(plan: Plan, pattern: Pattern, expected: Expectation, seed: u64) -> Self {
        Self {
            plan,
            pattern,
            expected,
            rng: ChaCha12Rng::seed_from_u64(seed),
            progress: Progress::default(),
            write_blocked: false,
            read_blocked: false,
            shut_down: false,
            aborted: false,
            next_write: Instant::ZERO,
            next_read: Instant::ZERO,
            pauses_done: 0,
            closed: None,
            write_error: None,
            read_error: None,
            buffer: Vec::new(),
            last_step: Instant::ZERO,
        }
    }

    fn all_sent(&self) -> bool {
        self.progress.sent == self.plan.sends
    }

    fn may_write(&self, now: Instant) -> bool {
        !self.write_blocked
            && self.write_error.is_none()
            && self.writable_bytes() > 0
            && self.next_write <= now
    }

    /// Bytes that plan and pace let us write now.
    fn writable_bytes(&self) -> u64 {
        let until = self.plan.pace.allowed(self.progress).min(self.plan.sends);
        until.saturating_sub(self.progress.sent)
    }

    fn write_all(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        while self.may_write(io.now) {
            let allowed = usize::try_from(self.writable_bytes()).unwrap_or(usize::MAX);
            let len = self.plan.writes.draw(&mut self.rng).min(allowed);
            match self.write(io, len) {
                Ok(0) => return Err("a write took nothing and did not say Blocked".into()),
                Ok(taken) if taken > len => return Err(format!("{taken} bytes taken of {len}")),
                Ok(taken) => self.progress.sent += taken as u64,
                Err(WriteError::Blocked) => self.write_blocked = true,
                Err(error @ WriteError::Closed(_)) => self.write_error = Some(error),
                Err(error) => return Err(format!("write: {error}")),
            }
            if let Some(pause) = self.plan.writes.draw_pause(&mut self.rng) {
                self.next_write = io.now + pause;
            }
        }
        let ends = self.plan.finish == Finish::Shutdown && !self.shut_down && !self.aborted;
        if ends && self.all_sent() && self.write_error.is_none() {
            self.shut_down = true;
            match io.endpoint.shutdown(io.now, io.connection) {
                Ok(()) => {}
                Err(error @ WriteError::Closed(_)) => self.write_error = Some(error),
                Err(error) => return Err(format!("shutdown: {error}")),
            }
        }
        Ok(())
    }

    fn write(&mut self, io: &mut Io<'_>, len: usize) -> Result<usize, WriteError> {
        if self.plan.zero_copy {
            let mut data = Bytes::from(self.pattern.bytes(self.progress.sent, len));
            let before = data.clone();
            let taken = io.endpoint.write_bytes(io.now, io.connection, &mut data)?;
            assert_eq!(
                before.get(taken..),
                Some(&*data),
                "what write_bytes leaves is the rest"
            );
            return Ok(taken);
        }
        self.buffer.resize(len, 0);
        self.pattern.fill(self.progress.sent, &mut self.buffer);
        io.endpoint.write(io.now, io.connection, &self.buffer)
    }

    fn may_read(&self, now: Instant) -> bool {
        !self.read_blocked
            && !self.progress.end_of_stream
            && self.read_error.is_none()
            && self.next_read <= now
    }

    fn read_all(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        while self.may_read(io.now) {
            if let Some(pause) = self.plan.read_pauses.get(self.pauses_done)
                && pause.at <= self.progress.received
            {
                self.pauses_done += 1;
                self.next_read = io.now + pause.length;
                continue;
            }
            let len = self.plan.reads.draw(&mut self.rng);
            match self.read(io, len) {
                Ok(data) => self.check(&data, len)?,
                Err(ReadError::Blocked) => self.read_blocked = true,
                Err(error @ ReadError::Closed(_)) => self.read_error = Some(error),
                Err(error) => return Err(format!("read: {error}")),
            }
            if let Some(pause) = self.plan.reads.draw_pause(&mut self.rng) {
                self.next_read = io.now + pause;
            }
        }
        Ok(())
    }

    /// Reads up to `len` bytes; none at the end of the stream.
    fn read(&mut self, io: &mut Io<'_>, len: usize) -> Result<Bytes, ReadError> {
        if self.plan.zero_copy {
            let chunk = io.endpoint.read_chunk(io.now, io.connection, len)?;
            return Ok(chunk.unwrap_or_default());
        }
        self.buffer.resize(len, 0);
        let count = io.endpoint.read(io.now, io.connection, &mut self.buffer)?;
        Ok(Bytes::copy_from_slice(&self.buffer[..count]))
    }

    fn check(&mut self, data: &[u8], asked: usize) -> Result<(), String> {
        let at = self.progress.received;
        if data.len() > asked {
            return Err(format!("{} bytes read, at most {asked} wanted", data.len()));
        }
        if data.is_empty() {
            self.progress.end_of_stream = true;
            if at != self.expected.arriving() {
                return Err(format!(
                    "the stream ended after {at} of {} bytes",
                    self.expected.arriving()
                ));
            }
        }
        if let Some(wrong) = self.expected.first_difference(at, data) {
            return Err(format!("byte {wrong} is not what was sent"));
        }
        self.progress.received += data.len() as u64;
        if self.progress.received > self.expected.arriving() {
            return Err(format!(
                "more than the {} bytes that were sent",
                self.expected.arriving()
            ));
        }
        Ok(())
    }

    fn abort_if_due(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        let due = match self.plan.abort {
            None => false,
            Some(Abort::AfterSent(bytes)) => self.progress.sent >= bytes,
            Some(Abort::AfterReceived(bytes)) => self.progress.received >= bytes,
            Some(Abort::At(time)) => time <= io.now,
        };
        if due && !self.aborted && self.closed.is_none() {
            self.aborted = true;
            io.endpoint
                .abort(io.now, io.connection)
                .map_err(|error| format!("abort: {error}"))?;
        }
        Ok(())
    }
}

impl Script for Transfer {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Readable(_) => self.read_blocked = false,
            Event::Writable(_) => self.write_blocked = false,
            Event::Closed(_, reason) => {
                self.closed = Some(*reason);
                self.read_blocked = false;
                self.write_blocked = false;
            }
            _ => {}
        }
    }

    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        self.last_step = io.now;
        self.read_all(io)?;
        self.write_all(io)?;
        self.abort_if_due(io)
    }

    fn deadline(&self) -> Option<Instant> {
        let pauses = [
            (
                self.next_write,
                !self.write_blocked && self.writable_bytes() > 0,
            ),
            (
                self.next_read,
                !self.read_blocked && !self.progress.end_of_stream,
            ),
        ];
        let abort = match self.plan.abort {
            Some(Abort::At(time)) if !self.aborted => Some(time),
            _ => None,
        };
        let pauses = pauses
            .into_iter()
            .filter_map(|(time, wanted)| wanted.then_some(time));
        pauses
            .chain(abort)
            .filter(|time| *time > self.last_step)
            .min()
    }

    fn is_done(&self) -> bool {
        let drained = self.progress.end_of_stream || self.read_error.is_some();
        let released = self.plan.finish == Finish::Release
            && self.all_sent()
            && self.progress.received == self.expected.arriving();
        released || (self.closed.is_some() && drained)
    }

    fn starts_early(&self) -> bool {
        self.plan.early
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}
