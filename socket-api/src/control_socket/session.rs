//! One client of a control socket.
//!
//! The module owns the conversation: requests in, answers and events out. Events wait in a bounded
//! queue; a client that does not read them misses some and is told.

use super::message::{Answered, Failure, Happened, Hello, Line, PROTOCOL, Request};
use super::report;
use crate::events::{EventQueue, Overflow, Receiver};
use crate::shared::wake_all;
use crate::smapp::{Commands, Controller, ControllerId, Event, EventMask};
use crate::stack::Stack;
use nix::errno::Errno;
use std::future::poll_fn;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use umptcp_stack::Instant;

/// Events that wait for a client.
const QUEUE: usize = 1024;

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// Says why a client is not served.
pub(super) async fn turn_away(mut client: UnixStream, errno: Errno) {
    let line = Line::Failed {
        id: 0,
        failed: Failure::of(errno),
    };
    // Whoever does not listen need not know.
    let _ = client.write_all(line.to_text().as_bytes()).await;
}

/// Serves a client until it goes.
pub(super) async fn run(stack: Stack, client: UnixStream) {
    let (queue, events) = EventQueue::new(QUEUE);
    let mut session = Session {
        monitor: stack.add_controller(Box::new(Monitor { queue })),
        stack,
    };
    if let Err(error) = session.converse(client, events).await {
        tracing::debug!(%error, "a client of the control socket has gone");
    }
}

/// What a client has at the stack; it goes with the client.
struct Session {
    stack: Stack,
    monitor: ControllerId,
}

impl Session {
    async fn converse(
        &mut self,
        client: UnixStream,
        mut events: Receiver<Heard>,
    ) -> io::Result<()> {
        let (read, mut write) = client.into_split();
        let hello = Line::Hello {
            hello: Hello {
                umptcp: env!("CARGO_PKG_VERSION").to_owned(),
                protocol: PROTOCOL,
            },
        };
        send(&mut write, &hello).await?;
        let mut lines = BufReader::new(read).take(MAX_LINE);
        let mut text = Vec::new();
        loop {
            tokio::select! {
                // What was asked for is answered before what happened later is told.
                biased;
                read = lines.read_until(b'\n', &mut text) => {
                    // A part that was read before an event came stays in `text`.
                    if read? == 0 || text.last() != Some(&b'\n') {
                        return Ok(());
                    }
                    send(&mut write, &self.answer(&text)).await?;
                    text.clear();
                    lines.set_limit(MAX_LINE);
                }
                heard = poll_fn(|cx| events.poll_next(cx)) => {
                    let line = match heard {
                        Some(Heard::Event(event)) => Line::Event { event },
                        Some(Heard::Missed(missed)) => Line::Missed { missed },
                        // The stack has stopped.
                        None => return Ok(()),
                    };
                    send(&mut write, &line).await?;
                }
            }
        }
    }

    fn answer(&mut self, text: &[u8]) -> Line {
        let text = String::from_utf8_lossy(text);
        match Line::parse(&text) {
            Ok(Line::Request { id, request }) => match self.carry_out(&request) {
                Ok(done) => Line::Done { id, done },
                Err(errno) => Line::Failed {
                    id,
                    failed: Failure::of(errno),
                },
            },
            Ok(_) => Line::Failed {
                id: 0,
                failed: Failure::of(Errno::EPROTO),
            },
            Err(error) => Line::Failed {
                id: 0,
                failed: Failure::of_line(&error),
            },
        }
    }

    fn carry_out(&mut self, request: &Request) -> Result<Answered, Errno> {
        Ok(match request {
            Request::Command(command) => Answered::Reply(self.stack.execute(command)?),
            Request::Query(query) => Answered::Answer(self.stack.query(query)?),
            Request::Monitor { events, known } => {
                self.stack
                    .set_controller_events(self.monitor, *events, *known);
                Answered::Nothing
            }
            Request::Sockets => {
                let sockets =
                    |net: &mut crate::bsd::Net<'_>| Ok(report::all(net.endpoint, net.now));
                Answered::Sockets(self.stack.with_net(sockets)?)
            }
            Request::Counters => {
                let counters = self.stack.mptcp_counters();
                let named = counters
                    .iter()
                    .map(|(counter, value)| (counter.name().to_owned(), value));
                Answered::Counters(named.collect())
            }
            Request::Interfaces => {
                let names = |net: &mut crate::bsd::Net<'_>| {
                    let interfaces = net.system.interfaces.iter();
                    Ok(interfaces.map(|(_, name)| name.clone()).collect())
                };
                Answered::Interfaces(self.stack.with_net(names)?)
            }
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stack.remove_controller(self.monitor);
    }
}

async fn send(write: &mut OwnedWriteHalf, line: &Line) -> io::Result<()> {
    write.write_all(line.to_text().as_bytes()).await
}

/// What a client hears.
#[derive(Debug)]
enum Heard {
    Event(Happened),
    Missed(u64),
}

impl Overflow for Heard {
    fn missed(count: u64) -> Self {
        Self::Missed(count)
    }
}

/// A controller that only listens, for a client.
#[derive(Debug)]
struct Monitor {
    queue: EventQueue<Heard>,
}

impl Controller for Monitor {
    fn events(&self) -> EventMask {
        // Until the client asks for some.
        EventMask::NONE
    }

    fn handle_event(&mut self, now: Instant, event: &Event, _: &mut Commands<'_>) {
        let heard = Heard::Event(Happened {
            at: Duration::from_nanos(now.as_nanos()),
            event: *event,
        });
        let mut woken = Vec::new();
        // It is taken away with the client.
        self.queue.push(heard, &mut woken);
        wake_all(&mut woken);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant, _: &mut Commands<'_>) {}
}
