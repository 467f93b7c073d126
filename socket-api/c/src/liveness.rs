//! Whether the application still has its end of a pair.
//!
//! A hang-up on our end says only that both directions are shut, which `shutdown` does as well as
//! `close`. To hold a copy of the application's end would keep it open. An epoll instance does not: the
//! kernel takes a file out of it when its last descriptor is closed, in whatever process. So each
//! application's end stands in one that nobody waits for, and its list in `/proc` says who is left.
//!
//! The module owns those instances, each for a few sockets, so that a list is short.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Sockets in one instance.
const MEMBERS: usize = 32;

/// Where new sockets go.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<Weak<Group>>);

#[derive(Debug)]
struct Group {
    epoll: Epoll,
    members: AtomicUsize,
}

/// One application's end, which it does not keep open.
#[derive(Debug)]
pub(crate) struct WeakEnd {
    group: Arc<Group>,
    /// What the kernel's list shows.
    id: u64,
}

impl Watch {
    /// Begins to watch an application's end; `id` is of no other.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM`, `ENOSPC` as of epoll.
    pub(crate) fn add(&self, id: u64, app: impl AsFd) -> Result<WeakEnd, Errno> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let with_room = |group: &Arc<Group>| group.members.load(Ordering::Relaxed) < MEMBERS;
        let group = match current.upgrade().filter(with_room) {
            Some(group) => group,
            None => {
                let group = Arc::new(Group {
                    epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
                    members: AtomicUsize::new(0),
                });
                *current = Arc::downgrade(&group);
                group
            }
        };
        group.members.fetch_add(1, Ordering::Relaxed);
        let end = WeakEnd { group, id };
        end.group
            .epoll
            .add(app, EpollEvent::new(EpollFlags::empty(), id))?;
        Ok(end)
    }
}

impl WeakEnd {
    /// Some process still has a descriptor of it. Where there is no `/proc` to look into, none counts
    /// as left: the caller asks after a hang-up, which is nearly always a `close`.
    pub(crate) fn is_open(&self) -> bool {
        let mut path = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            path,
            "/proc/thread-self/fdinfo/{}",
            self.group.epoll.0.as_raw_fd()
        );
        std::fs::read_to_string(path).is_ok_and(|list| lists(&list, self.id))
    }
}

impl Drop for WeakEnd {
    fn drop(&mut self) {
        self.group.members.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lines are `tfd: 5 events: 18 data: 2a pos:0 ino:9 sdev:8`, the data in hexadecimal digits.
fn lists(list: &str, id: u64) -> bool {
    list.lines().any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "data:");
        let data = words.nth(1).map(|data| u64::from_str_radix(data, 16));
        data == Some(Ok(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Pair;
    use nix::sys::socket::{Shutdown, shutdown};

    #[test]
    fn an_end_is_open_until_its_last_descriptor_is_closed() {
        let watch = Watch::default();
        let pairs: Vec<Pair> = (0..3 * MEMBERS)
            .map(|_| Pair::open(true, true).unwrap())
            .collect();
        let ends: Vec<WeakEnd> = (0_u64..)
            .zip(&pairs)
            .map(|(id, pair)| watch.add(id, &pair.app).unwrap())
            .collect();
        assert!(ends.iter().all(WeakEnd::is_open));
        let mut open = pairs.len();
        for (pair, end) in pairs.into_iter().zip(&ends) {
            let copy = pair.app.try_clone().unwrap();
            shutdown(copy.as_raw_fd(), Shutdown::Both).unwrap();
            drop(pair.app);
            assert!(end.is_open(), "the copy is left");
            drop(copy);
            assert!(!end.is_open());
            open -= 1;
            assert_eq!(ends.iter().filter(|end| end.is_open()).count(), open);
        }
    }

    #[test]
    fn instances_are_shared_and_go_with_their_members() {
        let watch = Watch::default();
        let pair = Pair::open(true, true).unwrap();
        let first = watch.add(1, &pair.app).unwrap();
        let other = Pair::open(true, true).unwrap();
        let second = watch.add(2, &other.app).unwrap();
        assert!(Arc::ptr_eq(&first.group, &second.group));
        let group = Arc::downgrade(&first.group);
        drop((first, second));
        assert!(group.upgrade().is_none());
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        let list = "pos:\t0\nflags:\t02000002\ntfd:        4 events:       18 data:               1f  pos:0 ino:1 sdev:8\n";
        assert!(lists(list, 0x1f));
        assert!(!lists(list, 0x1));
        assert!(!lists("data:", 0));
    }
}
