//! Multipath TCP sockets in user space for C programs: `libumptcp` and `umptcp.h`.
//!
//! The crate owns what lies between a C program and a [`Stack`](umptcp::Stack): descriptors, pointers and
//! errnos. A socket is a real descriptor, one end of a pair of local stream sockets. The stack's thread
//! holds the other end and carries bytes between it and the connection, so that `read`, `write`,
//! `poll`, `epoll`, `sendfile` and any event loop work on it. What sockets mean is the business of
//! [`umptcp::bsd`]; nothing here decides about protocols or options.
//!
//! | file | what |
//! |---|---|
//! | `ffi/` | the exported functions: pointers in, errno out, no panic through |
//! | `calls/` | what they do, in safe Rust |
//! | `types` | structs and constants of the header |
//! | `registry` | which descriptor of the process is which socket; which stacks there are |
//! | `descriptor` | one socket: the stack's and the pair's side of it |
//! | `pair`, `end` | the pair of local sockets, and our end of it on the runtime |
//! | `pump`, `listening` | the tasks that serve a connection and a listening socket |
//! | `hangups`, `liveness` | how it is noticed that the application has closed its end |
//! | `running` | a stack and its thread |
//! | `config`, `device` | the text that describes a stack; devices over descriptors |
//! | `app_fd`, `memory` | descriptors and memory of the caller |
//!
//! `unsafe` is in `app_fd`, `device`, `end`, `memory` and `ffi/` only.

mod app_fd;
mod calls;
mod config;
mod descriptor;
mod device;
mod end;
pub mod ffi;
mod hangups;
mod listening;
mod liveness;
mod memory;
mod pair;
mod pump;
mod registry;
mod running;
pub mod types;
