//! Packets and options, as bytes and as values.
//!
//! Owns the formats: IPv4, IPv6 and TCP headers (through smoltcp's wire types), ICMP errors,
//! TCP options and every MPTCP option of both versions. Whatever can be built can be emitted;
//! whatever cannot be parsed is skipped or refused, never a panic. It keeps no state and decides nothing.

pub mod checksum;
pub mod icmp;
pub mod mptcp_option;
pub mod packet;
pub mod tcp_option;

#[cfg(test)]
mod strategies;
#[cfg(test)]
mod vectors;
