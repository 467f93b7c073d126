//! The descriptors of a host: what each number stands for.
//!
//! The module owns the numbers. They begin where those of the process hardly reach: the tool keeps
//! ours and the kernel's in one list, and takes equal ones for a mistake.

use crate::epoll::EpollSet;
use crate::pipe::{End, PipeId};
use std::collections::BTreeMap;
use umptcp::bsd::{Errno, Socket};

/// The first number.
const FIRST: i32 = 1000;
/// More descriptors than this are refused (EMFILE).
const MOST: usize = 4096;

/// What a descriptor stands for.
#[derive(Debug)]
pub enum Object {
    /// A socket.
    Socket(Box<Socket>),
    /// An epoll set.
    Epoll(EpollSet),
    /// One end of a pipe.
    Pipe(PipeId, End),
}

/// A descriptor.
#[derive(Debug)]
pub struct Descriptor {
    /// What it stands for.
    pub object: Object,
    /// `O_NONBLOCK`.
    pub nonblocking: bool,
    /// `FD_CLOEXEC`: kept and told, and without effect.
    pub close_on_exec: bool,
    /// Tells it from a later one of the same number.
    pub serial: u64,
}

/// A number together with the descriptor it stood for when a call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// The number.
    pub number: i32,
    /// Which descriptor.
    pub serial: u64,
}

/// All descriptors.
#[derive(Debug, Default)]
pub struct Table {
    descriptors: BTreeMap<i32, Descriptor>,
    next_serial: u64,
}

impl Table {
    /// Gives an object the lowest free number.
    ///
    /// # Errors
    /// `EMFILE` if there are too many; the object comes back.
    pub fn add(&mut self, object: Object, nonblocking: bool) -> Result<i32, (Errno, Object)> {
        if self.is_full() {
            return Err((Errno::EMFILE, object));
        }
        let mut number = FIRST;
        for &taken in self.descriptors.keys() {
            if taken != number {
                break;
            }
            number += 1;
        }
        let descriptor = Descriptor {
            object,
            nonblocking,
            close_on_exec: false,
            serial: self.next_serial,
        };
        self.next_serial += 1;
        self.descriptors.insert(number, descriptor);
        Ok(number)
    }

    /// No number is left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.descriptors.len() >= MOST
    }

    /// Fixes what a number stands for.
    ///
    /// # Errors
    /// `EBADF` if it stands for nothing.
    pub fn handle(&self, number: i32) -> Result<Handle, Errno> {
        let descriptor = self.descriptors.get(&number).ok_or(Errno::EBADF)?;
        Ok(Handle {
            number,
            serial: descriptor.serial,
        })
    }

    /// The descriptor, unless it was closed since.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get_mut(&mut self, handle: Handle) -> Result<&mut Descriptor, Errno> {
        self.descriptors
            .get_mut(&handle.number)
            .filter(|descriptor| descriptor.serial == handle.serial)
            .ok_or(Errno::EBADF)
    }

    /// The socket of a descriptor.
    ///
    /// # Errors
    /// `EBADF`, or `ENOTSOCK`.
    pub fn socket(&mut self, handle: Handle) -> Result<&mut Socket, Errno> {
        match &mut self.get_mut(handle)?.object {
            Object::Socket(socket) => Ok(socket),
            Object::Epoll(_) | Object::Pipe(..) => Err(Errno::ENOTSOCK),
        }
    }

    /// The epoll set of a descriptor.
    ///
    /// # Errors
    /// `EBADF`, or `EINVAL` if it is none.
    pub fn epoll(&mut self, handle: Handle) -> Result<&mut EpollSet, Errno> {
        match &mut self.get_mut(handle)?.object {
            Object::Epoll(set) => Ok(set),
            Object::Socket(_) | Object::Pipe(..) => Err(Errno::EINVAL),
        }
    }

    /// Takes a descriptor out.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn remove(&mut self, number: i32) -> Result<Object, Errno> {
        let removed = self.descriptors.remove(&number).ok_or(Errno::EBADF)?;
        Ok(removed.object)
    }

    /// Every number in use.
    #[must_use]
    pub fn numbers(&self) -> Vec<i32> {
        self.descriptors.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoll() -> Object {
        Object::Epoll(EpollSet::default())
    }

    #[test]
    fn the_lowest_free_number_is_next() {
        let mut table = Table::default();
        let numbers: Vec<_> = (0..3).map(|_| table.add(epoll(), false).unwrap()).collect();
        assert_eq!(numbers, [FIRST, FIRST + 1, FIRST + 2]);
        table.remove(FIRST + 1).unwrap();
        assert_eq!(table.add(epoll(), false).unwrap(), FIRST + 1);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_descriptor() {
        let mut table = Table::default();
        let number = table.add(epoll(), false).unwrap();
        let before = table.handle(number).unwrap();
        table.remove(number).unwrap();
        assert_eq!(table.handle(number), Err(Errno::EBADF));
        assert_eq!(table.add(epoll(), false).unwrap(), number);
        assert!(table.get_mut(before).is_err());
        let now = table.handle(number).unwrap();
        assert!(table.epoll(now).is_ok());
        assert_eq!(table.socket(now).err(), Some(Errno::ENOTSOCK));
    }

    #[test]
    fn there_is_an_end_to_descriptors() {
        let mut table = Table::default();
        for _ in 0..MOST {
            table.add(epoll(), false).unwrap();
        }
        let (errno, _) = table.add(epoll(), false).unwrap_err();
        assert_eq!(errno, Errno::EMFILE);
    }
}
