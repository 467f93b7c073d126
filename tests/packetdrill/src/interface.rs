//! The table of functions that the tool wants, as C has it.
//!
//! The module owns the order and the types of its fields, and checks both when it is compiled.

use crate::ffi;
use libc::{
    c_int, c_long, c_longlong, c_uint, c_ulong, c_void, epoll_event, iovec, loff_t, msghdr, nfds_t,
    pollfd, size_t, sockaddr, socklen_t, ssize_t, timeval,
};

/// `useconds_t` of Linux.
pub(crate) type Micros = c_uint;
/// What tells hosts apart: a number, see [`hosts`](crate::hosts).
pub(crate) type User = *mut c_void;

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of a host, in the order of the tool's `packetdrill.h`.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct Interface {
            /// What every function takes first.
            pub userdata: User,
            $($(#[$doc])* pub $name: unsafe extern "C" fn(User $(, $argument)*) $(-> $result)?,)*
        }

        impl Interface {
            /// The table of one host.
            pub(crate) fn new(userdata: User) -> Self {
                Self { userdata, $($name: ffi::$name,)* }
            }
        }

        /// The fields after `userdata`, by name, as the header of the tests has them too.
        pub const FUNCTIONS: &[&str] = &[$(stringify!($name)),*];

        // One pointer for each, in this order, without gaps.
        const _: () = {
            let mut offset = size_of::<User>();
            $(
                assert!(std::mem::offset_of!(Interface, $name) == offset);
                offset += size_of::<User>();
            )*
            assert!(size_of::<Interface>() == offset);
            assert!(FUNCTIONS.len() == 32);
        };
    };
}

table! {
    /// Ends the host.
    free: fn();
    /// `socket`.
    socket: fn(c_int, c_int, c_int) -> c_int;
    /// `bind`.
    bind: fn(c_int, *const sockaddr, socklen_t) -> c_int;
    /// `listen`.
    listen: fn(c_int, c_int) -> c_int;
    /// `accept`.
    accept: fn(c_int, *mut sockaddr, *mut socklen_t) -> c_int;
    /// `connect`.
    connect: fn(c_int, *const sockaddr, socklen_t) -> c_int;
    /// `read`.
    read: fn(c_int, *mut c_void, size_t) -> ssize_t;
    /// `readv`.
    readv: fn(c_int, *const iovec, c_int) -> ssize_t;
    /// `recv`.
    recv: fn(c_int, *mut c_void, size_t, c_int) -> ssize_t;
    /// `recvfrom`.
    recvfrom: fn(c_int, *mut c_void, size_t, c_int, *mut sockaddr, *mut socklen_t) -> ssize_t;
    /// `recvmsg`.
    recvmsg: fn(c_int, *mut msghdr, c_int) -> ssize_t;
    /// `write`.
    write: fn(c_int, *const c_void, size_t) -> ssize_t;
    /// `writev`.
    writev: fn(c_int, *const iovec, c_int) -> ssize_t;
    /// `send`.
    send: fn(c_int, *const c_void, size_t, c_int) -> ssize_t;
    /// `sendto`.
    sendto: fn(c_int, *const c_void, size_t, c_int, *const sockaddr, socklen_t) -> ssize_t;
    /// `sendmsg`.
    sendmsg: fn(c_int, *const msghdr, c_int) -> ssize_t;
    /// `fcntl`; see `ffi` about its last argument.
    fcntl: fn(c_int, c_int, c_long) -> c_int;
    /// `ioctl`; see `ffi` about its last argument.
    ioctl: fn(c_int, c_ulong, *mut c_int) -> c_int;
    /// `close`.
    close: fn(c_int) -> c_int;
    /// `shutdown`.
    shutdown: fn(c_int, c_int) -> c_int;
    /// `getsockopt`.
    getsockopt: fn(c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int;
    /// `setsockopt`.
    setsockopt: fn(c_int, c_int, c_int, *const c_void, socklen_t) -> c_int;
    /// `poll`.
    poll: fn(*mut pollfd, nfds_t, c_int) -> c_int;
    /// A packet for the stack.
    netdev_send: fn(*const c_void, size_t) -> c_int;
    /// The next packet of the stack.
    netdev_receive: fn(*mut c_void, *mut size_t, *mut c_longlong) -> c_int;
    /// `usleep`.
    usleep: fn(Micros) -> c_int;
    /// `gettimeofday`.
    gettimeofday: fn(*mut timeval, *mut c_void) -> c_int;
    /// `epoll_create`.
    epoll_create: fn(c_int) -> c_int;
    /// `epoll_ctl`.
    epoll_ctl: fn(c_int, c_int, c_int, *mut epoll_event) -> c_int;
    /// `epoll_wait`.
    epoll_wait: fn(c_int, *mut epoll_event, c_int, c_int) -> c_int;
    /// `pipe`.
    pipe: fn(*mut c_int) -> c_int;
    /// `splice`.
    splice: fn(c_int, *mut loff_t, c_int, *mut loff_t, size_t, c_uint) -> ssize_t;
}
