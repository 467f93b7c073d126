//! Stacks that talk to each other over links inside the process, and to the kernel over TUN
//! devices.

#[path = "../common/namespace.rs"]
mod namespace;

mod blocking;
mod connecting;
mod control;
mod control_socket;
mod hosts;
mod kernel_options;
mod lifecycle;
mod linux_options;
mod listening;
mod paths;
mod peers;
mod readiness;
mod sockets;
mod streams;
mod transfer;
mod tun;
