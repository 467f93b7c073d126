//! Watches whether one link is up.
//!
//! The module owns a netlink socket that hears of all links of its network namespace and picks out
//! one. It changes nothing.

use super::AbortOnDrop;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkFlags, LinkMessage};
use rtnetlink::{Handle, MulticastGroup, sys};
use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};

type Events = futures::channel::mpsc::UnboundedReceiver<(
    NetlinkMessage<RouteNetlinkMessage>,
    sys::SocketAddr,
)>;

/// Reports each change of one link's state, its state at the beginning included.
pub(crate) struct LinkWatcher {
    name: String,
    /// Known from the first snapshot on; a name may go to another link later, an index does not.
    index: Option<u32>,
    reported: Option<bool>,
    handle: Handle,
    /// The answer to the question how the link is now, while it is open.
    snapshot: Option<BoxStream<'static, Result<LinkMessage, rtnetlink::Error>>>,
    events: Events,
    _connection: AbortOnDrop,
}

impl LinkWatcher {
    /// Watches the link `name` of the calling thread's network namespace; inside a tokio runtime.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let (connection, handle, events) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
        let connection = AbortOnDrop(tokio::spawn(connection));
        Ok(Self {
            name: name.to_owned(),
            index: None,
            reported: None,
            handle,
            snapshot: None,
            events,
            _connection: connection,
        })
    }

    /// Ready with the state when it differs from the one reported last.
    ///
    /// The first call asks for it, and not [`Self::new`]: whoever opens a device, brings its link
    /// up and then starts a stack must not be told that it was down before.
    pub(crate) fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.reported.is_none() && self.snapshot.is_none() {
            self.take_snapshot();
        }
        loop {
            let up = ready!(self.poll_message(cx));
            if self.reported != Some(up) {
                self.reported = Some(up);
                return Poll::Ready(up);
            }
        }
    }

    fn take_snapshot(&mut self) {
        let request = self.handle.link().get();
        let request = match self.index {
            Some(index) => request.match_index(index),
            None => request.match_name(self.name.as_str()),
        };
        self.snapshot = Some(request.execute().boxed());
    }

    /// The next state that the kernel tells, repetitions included.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if self.snapshot.is_some() {
                if let Some(up) = ready!(self.poll_snapshot(cx)) {
                    return Poll::Ready(up);
                }
                continue;
            }
            match ready!(self.poll_event(cx)) {
                LinkEvent::State(up) => return Poll::Ready(up),
                LinkEvent::Overrun => self.take_snapshot(),
            }
        }
    }

    /// The answer to the open question; `None` if it has to be asked again.
    fn poll_snapshot(&mut self, cx: &mut Context<'_>) -> Poll<Option<bool>> {
        let Some(snapshot) = &mut self.snapshot else {
            return Poll::Ready(None);
        };
        let answer = ready!(snapshot.poll_next_unpin(cx));
        self.snapshot = None;
        match answer {
            Some(Ok(link)) => {
                self.index = Some(link.header.index);
                let mut outdated = false;
                while self.poll_event(cx).is_ready() {
                    outdated = true;
                }
                if outdated {
                    // Events that are here already may be older or newer than the answer.
                    self.take_snapshot();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(is_up(&link)))
            }
            // Most likely the link is gone already.
            Some(Err(error)) => {
                tracing::debug!(link = self.name, %error, "cannot read the link's state");
                Poll::Ready(Some(false))
            }
            // The connection has ended, with the runtime: nothing more will come.
            None => Poll::Pending,
        }
    }

    /// The next event that concerns the link.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<LinkEvent> {
        loop {
            let Some((message, _)) = ready!(self.events.poll_next_unpin(cx)) else {
                return Poll::Pending;
            };
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link))
                    if Some(link.header.index) == self.index =>
                {
                    return Poll::Ready(LinkEvent::State(is_up(&link)));
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link))
                    if Some(link.header.index) == self.index =>
                {
                    return Poll::Ready(LinkEvent::State(false));
                }
                NetlinkPayload::Overrun(_) => return Poll::Ready(LinkEvent::Overrun),
                _ => {}
            }
        }
    }
}

/// What an event tells about the link.
enum LinkEvent {
    State(bool),
    /// The kernel had more to say than the socket could hold: events are missing.
    Overrun,
}

/// Set up by the administrator, and with a carrier.
fn is_up(link: &LinkMessage) -> bool {
    link.header
        .flags
        .contains(LinkFlags::Up | LinkFlags::LowerUp)
}

impl fmt::Debug for LinkWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkWatcher")
            .field("name", &self.name)
            .field("index", &self.index)
            .field("reported", &self.reported)
            .finish_non_exhaustive()
    }
}
