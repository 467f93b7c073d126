//! Epoll sets: which descriptors somebody wants to hear of, and what was told already.
//!
//! The module owns the interests. What a descriptor is ready for comes from outside.

use crate::descriptor::Handle;
use libc::{EPOLLERR, EPOLLET, EPOLLHUP, EPOLLONESHOT};
use std::collections::BTreeMap;
use umptcp::bsd::Errno;

const ALWAYS: u32 = (EPOLLERR | EPOLLHUP).cast_unsigned();
const EDGE: u32 = EPOLLET.cast_unsigned();
const ONCE: u32 = EPOLLONESHOT.cast_unsigned();

/// What somebody wants to hear of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// `EPOLL…` bits.
    pub events: u32,
    /// What the caller gave to be given back.
    pub data: u64,
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// `EPOLL…` bits.
    pub events: u32,
    /// Bytes that wait to be read: an edge is also that there are more of them.
    pub unread: usize,
}

#[derive(Debug)]
struct Interest {
    handle: Handle,
    wanted: Wanted,
    /// What was told last, for those that hear of edges only.
    told: Ready,
    /// Told once, and not asked for again.
    spent: bool,
}

/// An epoll set.
#[derive(Debug, Default)]
pub struct EpollSet {
    interests: BTreeMap<i32, Interest>,
}

impl EpollSet {
    /// `EPOLL_CTL_ADD`.
    ///
    /// # Errors
    /// `EEXIST`.
    pub fn add(&mut self, handle: Handle, wanted: Wanted) -> Result<(), Errno> {
        let known = self.interests.get(&handle.number);
        if known.is_some_and(|known| known.handle == handle) {
            return Err(Errno::EEXIST);
        }
        let interest = Interest {
            handle,
            wanted,
            told: Ready::default(),
            spent: false,
        };
        self.interests.insert(handle.number, interest);
        Ok(())
    }

    /// `EPOLL_CTL_MOD`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn modify(&mut self, handle: Handle, wanted: Wanted) -> Result<(), Errno> {
        let interest = self.interest(handle)?;
        interest.wanted = wanted;
        interest.told = Ready::default();
        interest.spent = false;
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn remove(&mut self, handle: Handle) -> Result<(), Errno> {
        self.interest(handle)?;
        self.interests.remove(&handle.number);
        Ok(())
    }

    fn interest(&mut self, handle: Handle) -> Result<&mut Interest, Errno> {
        self.interests
            .get_mut(&handle.number)
            .filter(|interest| interest.handle == handle)
            .ok_or(Errno::ENOENT)
    }

    /// The descriptors it asks about.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        let of = |interest: &Interest| interest.handle;
        self.interests.values().map(of).collect()
    }

    /// A descriptor was closed.
    pub fn forget(&mut self, handle: Handle) {
        // Most sets never heard of it.
        let _ = self.remove(handle);
    }

    /// What to tell of a descriptor that is ready for this; it counts as told.
    pub fn tell(&mut self, handle: Handle, ready: Ready) -> Option<Wanted> {
        let interest = self.interest(handle).ok()?;
        let events = interest.news(ready)?;
        interest.told = ready;
        interest.spent = interest.wanted.events & ONCE != 0;
        Some(Wanted {
            events,
            data: interest.wanted.data,
        })
    }

    /// There would be something to tell.
    #[must_use]
    pub fn has_news(&self, handle: Handle, ready: Ready) -> bool {
        let interest = self.interests.get(&handle.number);
        interest.is_some_and(|interest| interest.handle == handle && interest.would_tell(ready))
    }
}

impl Interest {
    fn events(&self, ready: Ready) -> u32 {
        ready.events & (self.wanted.events | ALWAYS)
    }

    fn would_tell(&self, ready: Ready) -> bool {
        let events = self.events(ready);
        let edge = events & !self.told.events != 0 || ready.unread > self.told.unread;
        events != 0 && !self.spent && (self.wanted.events & EDGE == 0 || edge)
    }

    /// The bits to tell. What is ready no more can become an edge again.
    fn news(&mut self, ready: Ready) -> Option<u32> {
        if self.would_tell(ready) {
            return Some(self.events(ready));
        }
        self.told.events &= ready.events;
        self.told.unread = self.told.unread.min(ready.unread);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libc::{EPOLLIN, EPOLLOUT};

    const IN: u32 = EPOLLIN.cast_unsigned();
    const OUT: u32 = EPOLLOUT.cast_unsigned();
    const HANDLE: Handle = Handle {
        number: 7,
        serial: 1,
    };

    fn set(events: u32) -> EpollSet {
        let mut set = EpollSet::default();
        set.add(HANDLE, Wanted { events, data: 5 }).unwrap();
        set
    }

    fn ready(events: u32, unread: usize) -> Ready {
        Ready { events, unread }
    }

    #[test]
    fn levels_are_told_as_long_as_they_last() {
        let mut set = set(IN);
        let news = Some(Wanted {
            events: IN,
            data: 5,
        });
        assert_eq!(set.tell(HANDLE, ready(OUT, 0)), None);
        assert_eq!(set.tell(HANDLE, ready(IN | OUT, 1)), news);
        assert_eq!(set.tell(HANDLE, ready(IN | OUT, 1)), news);
        let hung_up = ready(EPOLLHUP.cast_unsigned(), 0);
        assert!(
            set.tell(HANDLE, hung_up).is_some(),
            "nobody has to ask for it"
        );
    }

    #[test]
    fn edges_are_told_once() {
        let mut set = set(IN | EDGE);
        assert!(set.tell(HANDLE, ready(IN, 1)).is_some());
        assert!(set.tell(HANDLE, ready(IN, 1)).is_none());
        assert!(set.tell(HANDLE, ready(IN, 2)).is_some(), "more arrived");
        assert!(set.tell(HANDLE, ready(0, 0)).is_none());
        assert!(set.tell(HANDLE, ready(IN, 1)).is_some(), "ready again");
    }

    #[test]
    fn one_shots_are_told_until_they_are_armed_again() {
        let mut set = set(IN | ONCE);
        assert!(set.tell(HANDLE, ready(IN, 1)).is_some());
        assert!(set.tell(HANDLE, ready(IN, 2)).is_none());
        set.modify(
            HANDLE,
            Wanted {
                events: IN,
                data: 6,
            },
        )
        .unwrap();
        assert!(set.tell(HANDLE, ready(IN, 2)).is_some());
    }

    #[test]
    fn a_descriptor_is_in_a_set_once() {
        let mut set = set(IN);
        let wanted = Wanted {
            events: IN,
            data: 0,
        };
        assert_eq!(set.add(HANDLE, wanted), Err(Errno::EEXIST));
        let other = Handle {
            serial: 2,
            ..HANDLE
        };
        assert_eq!(set.remove(other), Err(Errno::ENOENT));
        assert_eq!(set.add(other, wanted), Ok(()), "the number is in use again");
        assert_eq!(set.remove(other), Ok(()));
        assert_eq!(set.modify(other, wanted), Err(Errno::ENOENT));
    }
}
