//! Links, hosts, captures and topologies for experiments with umptcp.

pub mod capture;
pub mod link;
pub mod payload;
pub mod world;
