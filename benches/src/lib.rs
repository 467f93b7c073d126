//! What the criterion groups in `benches/` and the `bulk` command share.

pub mod bulk;
