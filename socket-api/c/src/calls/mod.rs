//! What the exported functions do, in safe Rust: addresses instead of pointers, results instead of errno.
//!
//! | file | calls |
//! |---|---|
//! | `lifecycle` | stacks |
//! | `sockets`, `accepting`, `connecting` | `socket`, `bind`, names, `shutdown`, `close`; `listen`, `accept`; `connect` |
//! | `transfer` | `recv`, `send` and their relatives, `ioctl` |
//! | `options` | `getsockopt`, `setsockopt` |
//! | `subflows` | the same by names and types instead of numbers |
//! | `values` | values of the caller: lengths, addresses |

pub(crate) mod accepting;
pub(crate) mod connecting;
pub(crate) mod lifecycle;
pub(crate) mod options;
pub(crate) mod sockets;
pub(crate) mod subflows;
pub(crate) mod transfer;
mod values;
