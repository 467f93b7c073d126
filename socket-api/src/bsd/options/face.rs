//! Socket options for Rust programs.
//!
//! The module owns the trait by which the families' typed functions work on every kind of socket.

use crate::bsd::{Errno, NoMemory, UserMemory};
use crate::stack_socket::StackSocket;
use std::io;

/// Something with socket options, by level and number as C programs know them.
///
/// The option families have typed functions over this; the numbers are for what they leave out.
pub trait SocketOptions {
    /// `getsockopt`: fills `value` from its start and gives the new length. Some options also
    /// read what is in `value`. Pointers inside of values are not followed.
    ///
    /// # Errors
    /// The errno of the option's family, as [`io::Error::raw_os_error`] gives it.
    fn getsockopt(&self, level: i32, name: i32, value: &mut [u8]) -> io::Result<usize> {
        self.getsockopt_with(level, name, value, &mut NoMemory)
    }

    /// The same, and pointers inside of values are followed by `memory`.
    ///
    /// # Errors
    /// As for [`Self::getsockopt`].
    fn getsockopt_with(
        &self,
        level: i32,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> io::Result<usize>;

    /// `setsockopt`.
    ///
    /// # Errors
    /// The errno of the option's family, as [`io::Error::raw_os_error`] gives it.
    fn setsockopt(&self, level: i32, name: i32, value: &[u8]) -> io::Result<()>;
}

impl SocketOptions for StackSocket {
    fn getsockopt_with(
        &self,
        level: i32,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> io::Result<usize> {
        self.with(|socket, net| socket.getsockopt(net, level, name, value, memory))
            .map_err(Errno::into)
    }

    fn setsockopt(&self, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
        self.with(|socket, net| socket.setsockopt(net, level, name, value, &mut NoMemory))
            .map_err(Errno::into)
    }
}

/// The same for sockets of the Rust API, which have one of a C program inside.
macro_rules! options_of_connection {
    ($socket:ty) => {
        impl SocketOptions for $socket {
            fn getsockopt_with(
                &self,
                level: i32,
                name: i32,
                value: &mut [u8],
                memory: &mut dyn UserMemory,
            ) -> io::Result<usize> {
                self.connection()
                    .with_socket(|socket, net| socket.getsockopt(net, level, name, value, memory))
                    .map_err(Errno::into)
            }

            fn setsockopt(&self, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
                self.connection()
                    .with_socket(|socket, net| {
                        socket.setsockopt(net, level, name, value, &mut NoMemory)
                    })
                    .map_err(Errno::into)
            }
        }
    };
}

options_of_connection!(crate::MptcpStream);
options_of_connection!(crate::blocking::MptcpStream);
