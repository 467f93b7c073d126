//! What an application rules on a connection that lives: options of subflows, subflows by hand, and
//! the endpoints of the host, seen from both ends and on the wire.
//!
//! | file | what |
//! |---|---|
//! | `net` | two hosts and the network between them |
//! | `options` | traffic class, hop limit, tag, MSS clamp, congestion control |
//! | `subflows` | opening, looking up and resetting |
//! | `endpoints` | the rules of the path manager `Endpoints` |
//! | `table` | the table of endpoints and its errors |
//! | `wishes` | which paths are backups, and sharing the fate of the initial subflow |

mod endpoints;
mod net;
mod options;
mod subflows;
mod table;
mod wishes;
