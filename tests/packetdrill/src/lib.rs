//! The stack behind the interface of the [packetdrill](https://github.com/google/packetdrill) tool.
//!
//! The tool runs scripts of packets and system calls against a stack. With `--so_filename` it takes
//! that stack from a shared library, through a table of functions that
//! [`packetdrill_interface_init`] fills. This crate is such a library; the README beside it tells
//! how to use it and what can be set. It is written from the facts of the interface and has nothing
//! of the tool in it.
//!
//! | module | owns |
//! |---|---|
//! | `ffi` | the way from C and back: the only `unsafe` code |
//! | [`interface`] | the table |
//! | `hosts` | hosts by number |
//! | [`flags`] | settings |
//! | [`host`], `waiting` | one lock, calls that wait, who moves time |
//! | [`calls`] | what each call does |
//! | [`state`] | everything a host has |
//! | [`clock`], [`descriptor`], [`epoll`], [`pipe`] | as they say |

pub mod calls;
pub mod clock;
pub mod descriptor;
pub mod epoll;
mod ffi;
pub mod flags;
pub mod host;
mod hosts;
pub mod interface;
pub mod pipe;
pub mod state;
mod waiting;

pub use ffi::packetdrill_interface_init;
