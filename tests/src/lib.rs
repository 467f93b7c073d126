//! What the suites share: private networks, captures read back, and the rule about skipping.

pub mod privilege;
pub mod tshark;
