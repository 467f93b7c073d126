//! Stacks that talk to each other over links inside the process, and to the kernel over TUN
//! devices.

#[path = "../common/namespace.rs"]
mod namespace;

mod control;
mod hosts;
mod lifecycle;
mod paths;
mod peers;
mod streams;
mod transfer;
mod tun;
