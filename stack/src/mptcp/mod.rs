//! One MPTCP connection over several TCP subflows (RFC 6824, RFC 8684).
//!
//! Owns the data level: keys and tokens, the mapping between subflow and data sequence numbers,
//! reassembly across subflows, DATA_ACK and DATA_FIN, addresses, and the choice of subflow. It
//! drives one [`crate::tcp::tcb::Tcb`] for each subflow and never looks into its packets.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod connection;
pub mod data_receive;
pub mod data_send;
pub mod fallback;
pub mod handshake;
pub mod info;
pub mod key;
pub mod mapping;
pub mod outgoing_options;
pub mod path_health;
pub mod path_log;
pub mod path_manager;
pub mod protocol;
pub mod reasons;
pub mod receive_window;
pub mod scheduler;
pub mod signal_pace;
pub mod small_segments;
pub mod state;
pub mod subflow;
