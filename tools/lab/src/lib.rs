//! Links, hosts, captures and topologies for experiments with umptcp.

pub mod capture;
pub mod demo;
pub mod kernel;
pub mod link;
pub mod payload;
pub mod realtime;
pub mod topology;
pub mod world;
