//! Byte ranges: what waits to be sent, and what came out of order.
//!
//! Pure data structures over 64-bit stream offsets: no clock, no settings, no sequence numbers.
//! Both levels use them, a TCP subflow and the MPTCP connection above it.

pub mod assembler;
pub mod range_set;
pub mod send_buffer;
