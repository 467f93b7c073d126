//! What the suites share: runs of scenarios and what every run has to satisfy, private networks,
//! bytes to send, goodput in virtual and in real time, captures read back, the protocol statements
//! that tests carry, and the rule about skipping.

pub mod compare;
pub mod flow;
pub mod goodput;
pub mod mptcp_capture;
pub mod privilege;
pub mod run;
pub mod smoltcp_host;
pub mod statements;
pub mod tshark;
