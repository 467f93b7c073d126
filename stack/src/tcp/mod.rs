//! One TCP connection.
pub mod state;
