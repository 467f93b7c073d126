//! One TCP connection: RFC 9293 and its companions.
//!
//! Owns sequence numbers, acknowledgment, retransmission, windows and congestion of one subflow.
//! It never learns that MPTCP exists: what it receives it hands up as values ([`receive::Arrival`]),
//! what it sends it is asked for ([`transmit`]), and options that are not TCP's own are put on by
//! its caller. It holds no clock: each call brings `now`.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod ack_policy;
mod acknowledge;
pub mod challenge_ack;
pub mod congestion;
pub mod ecn;
pub mod expiry;
pub mod handshake;
pub mod keepalive;
pub mod loss;
mod observation;
pub mod pacing;
pub mod path_mtu;
pub mod rack;
pub mod receive;
pub mod receive_rtt;
pub mod recovery;
pub mod rtt;
pub mod sack_report;
pub mod scoreboard;
pub mod send_room;
mod spurious;
pub mod state;
pub mod statistics;
pub mod tail_loss;
pub mod tcb;
pub mod time_wait;
pub mod timers;
pub mod timestamps;
pub mod traffic;
pub mod transmit;

#[cfg(test)]
mod tests;
