//! What the criterion groups in `benches/` and the commands share.

pub mod bulk;
pub mod callgrind;
pub mod hot_path;
pub mod operation;
pub mod record;
mod world;
