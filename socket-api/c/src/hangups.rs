//! How it is noticed that an application has closed a descriptor.
//!
//! The module owns one epoll instance for each stack, in which our ends report that the other end
//! did something final. It decides nothing: who has closed is let go by its descriptor.

use crate::registry;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Reports of our ends.
#[derive(Debug)]
pub(crate) struct Hangups(Epoll);

impl Hangups {
    pub(crate) fn new() -> Result<Self, Errno> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Self)
    }

    /// Begins to watch one of our ends, until it is closed.
    ///
    /// # Errors
    /// `ENOMEM`, `ENOSPC` as of epoll.
    pub(crate) fn add(&self, id: u64, end: impl AsFd) -> Result<(), Errno> {
        // Reported once each time that something happens, as a hang-up never goes away.
        let events = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        self.0.add(end, EpollEvent::new(events, id))
    }

    /// Lets go of all descriptors that were closed so far.
    pub(crate) fn sweep(&self) {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            match self.0.wait(&mut events, EpollTimeout::ZERO) {
                Ok(0) => return,
                Ok(reported) => {
                    for event in events.iter().take(reported) {
                        registry::let_go_if_closed(event.data());
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// A second descriptor of the instance, for the runtime to wait for.
    pub(crate) fn descriptor(&self) -> io::Result<Arc<OwnedFd>> {
        self.0.0.try_clone().map(Arc::new)
    }
}
