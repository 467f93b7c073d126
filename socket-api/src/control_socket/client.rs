//! The other side of a control socket, for programs without async.
//!
//! The module owns the conversation from the client's side: requests with their answers, and the
//! events that come in between. It can host a controller, which then rules a stack of another
//! process.

use super::message::{Answered, Failure, Happened, Line, PROTOCOL, Request};
use crate::smapp::{Answer, Command, Commands, Control, Controller, EventMask, Query, Reply};
use nix::errno::Errno;
use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use umptcp_stack::Instant;

/// A connection to the control socket of a running stack.
#[derive(Debug)]
pub struct ControlClient {
    stream: BufReader<UnixStream>,
    next_id: u64,
    /// Events that came before the answer to a request.
    early: VecDeque<Line>,
    /// What was read of a line whose rest is not there yet.
    partial: String,
}

/// What a monitor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something happened.
    Event(Happened),
    /// So many events got lost, as they were not read in time.
    Missed(u64),
}

impl ControlClient {
    /// Connects to the control socket at `path`.
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused` if no stack runs there, `PermissionDenied` if it is
    /// somebody else's, `Unsupported` if it speaks another version of the protocol.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        let mut client = Self {
            stream: BufReader::new(stream),
            next_id: 1,
            early: VecDeque::new(),
            partial: String::new(),
        };
        match client.read_line()? {
            Line::Hello { hello } if hello.protocol == PROTOCOL => Ok(client),
            Line::Hello { hello } => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "the stack speaks version {} of the control protocol, this program version \
                     {PROTOCOL}",
                    hello.protocol
                ),
            )),
            Line::Failed { failed, .. } => Err(failed.errno().into()),
            _ => Err(unexpected()),
        }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The errno of what failed, or what reading and writing give.
    pub fn request(&mut self, request: Request) -> io::Result<Answered> {
        let id = self.next_id;
        self.next_id += 1;
        let text = Line::Request { id, request }.to_text();
        self.stream.get_mut().write_all(text.as_bytes())?;
        loop {
            match self.read_line()? {
                Line::Done { id: of, done } if of == id => return Ok(done),
                Line::Failed { id: of, failed } if of == id || of == 0 => {
                    return Err(fail(&failed));
                }
                line @ (Line::Event { .. } | Line::Missed { .. }) => self.early.push_back(line),
                _ => return Err(unexpected()),
            }
        }
    }

    /// From now on these events come. With `known`, connections and listeners that are there already
    /// are told of first, as if they were new.
    ///
    /// # Errors
    /// As for [`Self::request`].
    pub fn monitor(&mut self, events: EventMask, known: bool) -> io::Result<()> {
        self.request(Request::Monitor { events, known }).map(drop)
    }

    /// The next event, for at most `wait`; `None` if none has come by then.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stack has stopped, or what reading gives.
    pub fn next_notice(&mut self, wait: Option<Duration>) -> io::Result<Option<Notice>> {
        let line = match self.early.pop_front() {
            Some(line) => line,
            None => {
                // A time of zero would stand for waiting for ever.
                let wait = wait.map(|wait| wait.max(Duration::from_micros(1)));
                self.stream.get_ref().set_read_timeout(wait)?;
                let line = self.read_line();
                self.stream.get_ref().set_read_timeout(None)?;
                match line {
                    Ok(line) => line,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        };
        match line {
            Line::Event { event } => Ok(Some(Notice::Event(event))),
            Line::Missed { missed } => Ok(Some(Notice::Missed(missed))),
            _ => Err(unexpected()),
        }
    }

    /// Lets a controller rule the stack, until the stack stops. It hears of connections that are
    /// there as if they were new.
    ///
    /// # Errors
    /// What reading and writing give. That the stack has stopped is none.
    pub fn host(&mut self, controller: &mut dyn Controller) -> io::Result<()> {
        self.monitor(controller.events(), true)?;
        let started = std::time::Instant::now();
        // The stack's clock, as its events tell it.
        let mut clock = Clock {
            started,
            at: Duration::ZERO,
        };
        loop {
            let now = clock.now();
            let wait = controller
                .poll_timeout()
                .map(|due| due.saturating_duration_since(now));
            if wait.is_some_and(|wait| wait.is_zero()) {
                controller.handle_timeout(now, &mut Commands::new(now, self));
                continue;
            }
            match self.next_notice(wait) {
                Ok(Some(Notice::Event(Happened { at, event }))) => {
                    clock.set(at);
                    let now = clock.now();
                    controller.handle_event(now, &event, &mut Commands::new(now, self));
                }
                Ok(Some(Notice::Missed(missed))) => {
                    tracing::warn!(missed, "a controller was too slow");
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn read_line(&mut self) -> io::Result<Line> {
        // After a timeout, what has come of a line stays for the next time.
        if self.stream.read_line(&mut self.partial)? == 0 || !self.partial.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = Line::parse(&self.partial);
        self.partial.clear();
        line.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// The time of a stack in another process: that of its last event, and what has passed since.
struct Clock {
    started: std::time::Instant,
    at: Duration,
}

impl Clock {
    fn now(&self) -> Instant {
        let now = self.at + self.started.elapsed();
        Instant::from_nanos(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    }

    /// It never goes back: deadlines that were set by it must come.
    fn set(&mut self, at: Duration) {
        if at > self.at + self.started.elapsed() {
            self.started = std::time::Instant::now();
            self.at = at;
        }
    }
}

impl Control for ControlClient {
    fn execute(&mut self, _: Instant, command: &Command) -> Result<Reply, Errno> {
        match self.request(Request::Command(*command)).map_err(to_errno)? {
            Answered::Reply(reply) => Ok(reply),
            _ => Err(Errno::EPROTO),
        }
    }

    fn query(&mut self, query: &Query) -> Result<Answer, Errno> {
        match self.request(Request::Query(*query)).map_err(to_errno)? {
            Answered::Answer(answer) => Ok(answer),
            _ => Err(Errno::EPROTO),
        }
    }
}

fn fail(failure: &Failure) -> io::Error {
    failure.errno().into()
}

fn to_errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EPIPE, Errno::from_raw)
}

fn unexpected() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the stack sent a line that does not belong here",
    )
}
