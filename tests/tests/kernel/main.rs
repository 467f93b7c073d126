//! The Linux kernel's MPTCP and TCP as peers, in both roles, over TUN devices; and the same
//! matrix between two stacks of ours in version 0.
//!
//! A row is a [`Setup`](setup::Setup) and what happens between its hosts. After each the peer's
//! counters are looked at, and tshark reads the capture.

mod bed;
mod counts;
mod cuts;
mod endpoints;
mod ends;
mod fast_close;
mod filter;
mod hosts;
mod instruments;
mod priority;
mod removal;
mod setup;
mod subflows;
mod transfers;
mod without_mptcp;
