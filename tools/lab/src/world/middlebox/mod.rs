//! Middleboxes that change or answer TCP segments, as those did for which RFC 6824 §6 makes
//! provisions.
//!
//! | file | what |
//! |---|---|
//! | `segment` | a packet whose fields can be changed |
//! | `strip` | MPTCP options taken away, SYNs with them dropped |
//! | `nat` | addresses and ports rewritten |
//! | `sequence` | sequence numbers rewritten |
//! | `cut` | segments split and merged |
//! | `payload` | bytes of the stream changed or inserted |
//! | `forge` | acknowledgments and resets that no host has sent |
//!
//! Those that must see both directions of a wire come as a pair, one for each direction.

mod cut;
mod forge;
mod nat;
mod payload;
mod segment;
mod sequence;
mod strip;

pub use cut::{MergeSegments, OptionsOfMerged, OptionsOfPieces, SplitSegments};
pub use forge::{ForgeReset, ProactiveAck};
pub use nat::Nat;
pub use payload::{ChangeBytes, InsertBytes};
pub use sequence::RewriteSequence;
pub use strip::{DropMptcpSyn, StripMptcp};
