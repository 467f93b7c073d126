//! Conformance: the stack against a peer that is made of bytes, statement by statement.
//!
//! The peer in `peer/` is not the stack: it has its own encoder, decoder and hashes, written from
//! the protocol. A test begins a [`peer::Scene`], sends what it wants the stack to meet, and looks
//! at what the stack does. The statements are numbered as in the project's protocol reference;
//! `cargo run -q -p umptcp-tests --bin statements` lists which test covers which.

#![allow(
    clippy::cast_possible_truncation,
    reason = "sequence numbers wrap, tests are small, and a wrong number fails"
)]

mod peer;

mod addresses;
mod capable;
mod closing;
mod dss;
mod fallback;
mod join;
mod observing;
mod parsing;
mod security;
mod session;
