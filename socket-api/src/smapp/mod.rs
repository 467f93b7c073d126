//! SMAPP: path management outside of the stack (Hesmans et al., CoNEXT 2015).
//!
//! A [`Controller`] hears the events of the kernels' netlink path managers, those that SMAPP adds
//! to them (expiries of retransmission timers, local addresses), and answers with their commands:
//! open and close subflows, change priorities, announce addresses, look at connections and
//! subflows. Everything it hears and says is plain data, so it can sit in the process of the stack
//! ([`Controllers`], `Stack::add_controller`) or behind a socket ([`Control`]).
//!
//! The module owns events, commands, and the controllers of [`controllers`]. It takes no part in the
//! protocol, and reads no clock.
//!
//! | file | what |
//! |---|---|
//! | `event`, `mask` | what a controller hears, and what it wants to hear |
//! | `command`, `query` | what it can ask for, and look at |
//! | `errno`, `numbers` | the numbers of the kernels for all of that |
//! | `controller` | the traits |
//! | `registry` | events of an endpoint as events for controllers |
//! | `execute` | commands carried out by an endpoint |
//! | `host` | controllers beside their endpoint |
//! | [`controllers`] | those of the paper, and of the use cases of draft-hesmans-mptcp-socket |

mod command;
mod controller;
pub mod controllers;
mod errno;
mod event;
mod execute;
mod host;
mod mask;
mod numbers;
mod query;
mod registry;
#[cfg(test)]
mod tests;

pub use command::{
    Command, CreateSubflow, EndpointFlags, EndpointKey, HostEndpoint, Limits, Reply,
};
pub use controller::{Commands, Control, Controller};
pub use errno::{of_network, of_opening, of_subflow_end};
pub use event::{
    ConnectionTuple, Event, FLAG_DENY_JOIN_ID0, FLAG_SERVER_SIDE, Reset, SubflowTuple, Token,
};
pub use host::{ControllerId, Controllers};
pub use mask::EventMask;
pub use nix::errno::Errno;
pub use numbers::{AddressAttribute, Attribute, CommandAttribute, Family};
pub use query::{Addresses, Answer, ConnectionState, Query, SubflowState};
