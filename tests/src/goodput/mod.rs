//! What share of a link's rate one plain TCP connection gets, over a grid of rates, delays,
//! queues, losses and reordering, in virtual time.
//!
//! Owns the grid, the run of one cell, the floors and the printed forms. It changes no setting of
//! the stack but that the connection is plain TCP: what it measures is what an application gets
//! that sets nothing.
//!
//! The share is that of payload, as the receiving application has it in order, in the raw rate of
//! the link, which counts whole IP packets. So 1448 of 1500 bytes, 0.9653, is the most that there
//! is: 20 bytes of IPv4 header, 20 of TCP and 12 of timestamps are not for the application.

mod cell;
mod grid;
mod measure;
mod script;
mod table;

pub use cell::{Cell, Loss, Queue, Reordering};
pub use grid::{Grid, cells};
pub use measure::{Bulk, Measured, run, run_all};
pub use script::{Sink, Source};
pub use table::{json, lowest, table};

/// The least share that a kind of cell must reach; `None` where nothing is promised.
#[must_use]
pub fn floor(cell: &Cell) -> Option<f64> {
    match (cell.loss, cell.reordering) {
        // A bulk transfer leaves at most 1.6 % of the ceiling unused.
        (Loss::None, Reordering::None) => Some(0.95),
        // Nothing is lost, so nothing may be given away.
        (Loss::None, Reordering::TenPercent) => Some(0.95),
        (Loss::Random(_) | Loss::Burst(_), _) => None,
    }
}
