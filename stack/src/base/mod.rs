//! The ground floor: values that every other module speaks in. Nothing here knows a protocol.

pub mod config;
pub mod error;
pub mod id;
pub mod mptcp_counters;
pub mod num;
pub mod path_endpoint;
pub mod path_lists;
pub mod policy;
pub mod rng;
pub mod seq;
pub mod stats;
pub mod subflow_options;
pub mod time;
