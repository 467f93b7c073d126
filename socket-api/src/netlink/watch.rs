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
        let mut watcher = Self {
            name: name.to_owned(),
            index: None,
            reported: None,
            handle,
            snapshot: None,
            events,
            _connection: connection,
        };
        watcher.take_snapshot();
        Ok(watcher)
    }

    /// Ready with the state when it differs from the one reported last.
    pub(crate) fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
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

    /// The next state that the kernel tells, repetitions included. An open snapshot goes first:
    /// events from before its answer then come late, but the last of them agrees with it.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if let Some(snapshot) = &mut self.snapshot {
                let answer = ready!(snapshot.poll_next_unpin(cx));
                self.snapshot = None;
                match answer {
                    Some(Ok(link)) => {
                        self.index = Some(link.header.index);
                        return Poll::Ready(is_up(&link));
                    }
                    // Most likely the link is gone already.
                    Some(Err(error)) => {
                        tracing::debug!(link = self.name, %error, "cannot read the link's state");
                        return Poll::Ready(false);
                    }
                    None => continue,
                }
            }
            let Some((message, _)) = ready!(self.events.poll_next_unpin(cx)) else {
                // The connection has ended, with the runtime: nothing more will come.
                return Poll::Pending;
            };
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link))
                    if Some(link.header.index) == self.index =>
                {
                    return Poll::Ready(is_up(&link));
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link))
                    if Some(link.header.index) == self.index =>
                {
                    return Poll::Ready(false);
                }
                // The kernel had more to say than the socket could hold: ask anew.
                NetlinkPayload::Overrun(_) => self.take_snapshot(),
                _ => {}
            }
        }
    }
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
