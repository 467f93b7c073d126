//! `poll` and epoll.

use crate::descriptor::{Handle, Object};
use crate::epoll::{EpollSet, Wanted};
use crate::host::{Host, Wait};
use crate::state::State;
use std::time::Duration;
use umptcp::bsd::Errno;

/// A timeout as these calls have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(Wait);

impl Timeout {
    /// Milliseconds; anything negative is without end.
    #[must_use]
    pub fn of_millis(millis: i32) -> Self {
        let time = u64::try_from(millis).ok().map(Duration::from_millis);
        Self(match time {
            Some(Duration::ZERO) => Wait::No,
            time => Wait::For(time),
        })
    }
}

/// One entry of `poll`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// The descriptor; a negative one is passed over.
    pub number: i32,
    /// What is asked for.
    pub events: i16,
    /// What there is.
    pub found: i16,
}

/// What `epoll_ctl` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `EPOLL_CTL_ADD`.
    Add(Wanted),
    /// `EPOLL_CTL_MOD`.
    Modify(Wanted),
    /// `EPOLL_CTL_DEL`.
    Delete,
}

impl Host {
    /// `poll`: how many entries have something.
    ///
    /// # Errors
    /// `ECANCELED`.
    pub fn poll(&self, entries: &mut [Polled], timeout: Timeout) -> Result<usize, Errno> {
        let result = self.wait(timeout.0, |state| match look(state, entries) {
            0 => Err(Errno::EAGAIN),
            found => Ok(found),
        });
        match result {
            Err(Errno::EAGAIN) => Ok(0),
            result => result,
        }
    }

    /// `epoll_create`.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn epoll_create(&self) -> Result<i32, Errno> {
        self.act(|state| {
            let added = state.table.add(Object::Epoll(EpollSet::default()), false);
            added.map_err(|(errno, _)| errno)
        })
    }

    /// `epoll_ctl`.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` if `set` is none or the descriptor is the set itself; `ELOOP` for sets
    /// within sets within sets; `EEXIST`, `ENOENT`.
    pub fn epoll_control(&self, set: i32, number: i32, control: Control) -> Result<(), Errno> {
        self.act(|state| {
            let (set, handle) = (state.table.handle(set)?, state.table.handle(number)?);
            state.table.epoll(set)?;
            if set == handle {
                return Err(Errno::EINVAL);
            }
            if matches!(control, Control::Add(_)) && leads_to(state, handle, set, 0) {
                return Err(Errno::ELOOP);
            }
            let set = state.table.epoll(set)?;
            match control {
                Control::Add(wanted) => set.add(handle, wanted),
                Control::Modify(wanted) => set.modify(handle, wanted),
                Control::Delete => set.remove(handle),
            }
        })
    }

    /// `epoll_wait`: what there is, at most so much.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` if it is no set.
    pub fn epoll_wait(
        &self,
        set: i32,
        most: usize,
        timeout: Timeout,
    ) -> Result<Vec<Wanted>, Errno> {
        let set = self.handle(set)?;
        let result = self.wait(timeout.0, |state| {
            let found = news(state, set, most)?;
            if found.is_empty() {
                return Err(Errno::EAGAIN);
            }
            Ok(found)
        });
        match result {
            Err(Errno::EAGAIN) => Ok(Vec::new()),
            result => result,
        }
    }
}

fn look(state: &mut State, entries: &mut [Polled]) -> usize {
    let mut count = 0;
    for entry in entries {
        entry.found = 0;
        if entry.number < 0 {
            continue;
        }
        let handle = state.table.handle(entry.number);
        entry.found = match handle.and_then(|handle| state.poll_bits(handle)) {
            // These need not be asked for.
            Ok(bits) => bits & (entry.events | libc::POLLERR | libc::POLLHUP),
            Err(_) => libc::POLLNVAL,
        };
        count += usize::from(entry.found != 0);
    }
    count
}

fn news(state: &mut State, set: Handle, most: usize) -> Result<Vec<Wanted>, Errno> {
    let mut found = Vec::new();
    for handle in state.table.epoll(set)?.handles() {
        if found.len() >= most {
            break;
        }
        // One that was closed is no longer in the set.
        let Ok(ready) = state.ready(handle, 0) else {
            continue;
        };
        found.extend(state.table.epoll(set)?.tell(handle, ready));
    }
    Ok(found)
}

/// A set is, or holds, another one; so do sets that are nested too deep.
fn leads_to(state: &mut State, from: Handle, to: Handle, depth: usize) -> bool {
    let Ok(set) = state.table.epoll(from) else {
        return false;
    };
    let inner = set.handles();
    from == to
        || depth > 4
        || inner
            .into_iter()
            .any(|handle| leads_to(state, handle, to, depth + 1))
}
