//! What the suites share: private networks, bytes to send, captures read back, and the rule about
//! skipping.

pub mod flow;
pub mod privilege;
pub mod tshark;
