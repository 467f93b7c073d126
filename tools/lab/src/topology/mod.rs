//! Networks to run experiments in.

pub mod namespace;
mod plan;

pub use plan::{AddressPlan, Family, MAX_PATHS};
