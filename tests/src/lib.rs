//! What the suites share: runs of scenarios, and what every run has to satisfy.

pub mod run;
pub mod smoltcp_host;
