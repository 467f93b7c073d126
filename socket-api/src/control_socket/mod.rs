//! A Unix socket by which another process looks at a running stack and rules it.
//!
//! The module owns the protocol, the server that a stack runs and a client. What can be asked for and
//! done is that of [`smapp`](crate::smapp), and what `ss`, `nstat` and `sysctl` show of a kernel. The
//! file belongs to its owner alone (mode 0600), and whoever connects must be the same user or
//! root, whatever the file system says.
//!
//! # The protocol
//!
//! Lines of JSON, each a [`message`](Line) of its own, in UTF-8. The server begins with
//!
//! ```json
//! {"hello":{"umptcp":"0.1.0","protocol":1}}
//! ```
//!
//! and closes the connection after a line with `error` if it does not want to talk. `protocol` is
//! [`PROTOCOL`]; it grows when something is changed or taken away, not when something is added, so a
//! client ignores fields that it does not know. Requests carry a number of the client's choice, and
//! their answers carry it too; they are answered in order.
//!
//! ```json
//! {"id":1,"request":{"command":{"CreateSubflow":{"token":1234,…}}}}
//! {"id":1,"done":{"reply":{"Subflow":{"id":2}}}}
//! {"id":2,"request":{"query":{"Connection":99}}}
//! {"id":2,"failed":{"errno":22,"name":"EINVAL","text":"Invalid argument"}}
//! ```
//!
//! After the request `{"monitor":{"events":…,"known":false}}`, with the bits of an
//! [`EventMask`](crate::smapp::EventMask), lines with `event` come in between; a client that reads too slowly gets `missed` with a number in place
//! of what it missed, and asks anew.
//!
//! ```json
//! {"event":{"at":{"secs":12,"nanos":345},"event":{"Closed":{"token":1234}}}}
//! {"missed":17}
//! ```
//!
//! | file | what |
//! |---|---|
//! | `message` | the lines |
//! | `report` | sockets as `ss` shows them |
//! | `server`, `session` | the stack's side: all clients, and one |
//! | `client` | the other side, for programs without async; it also hosts controllers |

mod client;
mod message;
mod report;
mod server;
mod session;

pub use client::{ControlClient, Notice};
pub use message::{Answered, Failure, Happened, Hello, Line, PROTOCOL, Request};
pub use report::{MptcpReport, SocketReport, SocketState, SubflowReport, flags};
pub use server::ControlServer;
