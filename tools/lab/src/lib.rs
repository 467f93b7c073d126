//! Links, hosts, captures and topologies for experiments with umptcp.

pub mod kernel;
pub mod topology;
