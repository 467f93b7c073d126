//! Listening sockets.

use super::stream::MptcpStream;
use super::wait::{self, Limit};
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// As [`umptcp::MptcpListener`](crate::MptcpListener), which this dereferences to for what needs no
/// waiting. It stops listening when it and all that `try_clone` made of it are dropped.
#[derive(Debug)]
pub struct MptcpListener {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    listener: crate::MptcpListener,
    nonblocking: AtomicBool,
}

impl MptcpListener {
    pub(super) fn new(listener: crate::MptcpListener) -> Self {
        Self {
            shared: Arc::new(Shared {
                listener,
                nonblocking: AtomicBool::new(false),
            }),
        }
    }

    /// Waits for the next connection; gives it, and who it is from. Several threads may accept at
    /// the same time.
    ///
    /// # Errors
    /// `WouldBlock` if there is none and [`Self::set_nonblocking`] was asked for, `NotConnected` if
    /// the stack has stopped.
    pub fn accept(&self) -> io::Result<(MptcpStream, SocketAddr)> {
        let limit = if self.shared.nonblocking.load(Ordering::Relaxed) {
            Limit::Now
        } else {
            Limit::None
        };
        let (stream, peer) = wait::poll_within(limit, |cx| self.shared.listener.poll_accept(cx))?;
        Ok((stream.into_blocking(), peer))
    }

    /// The connections one after the other, for ever.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// Makes [`Self::accept`] give `WouldBlock` instead of waiting, for all clones.
    ///
    /// # Errors
    /// Never; the type is that of `std::net`.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.shared
            .nonblocking
            .store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    /// The same listener once more.
    ///
    /// # Errors
    /// Never; the type is that of `std::net`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            shared: Arc::clone(&self.shared),
        })
    }
}

impl Deref for MptcpListener {
    type Target = crate::MptcpListener;

    fn deref(&self) -> &crate::MptcpListener {
        &self.shared.listener
    }
}

/// The connections that a listener accepts: see [`MptcpListener::incoming`].
#[derive(Debug)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Incoming<'listener>(&'listener MptcpListener);

impl Iterator for Incoming<'_> {
    type Item = io::Result<MptcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}
