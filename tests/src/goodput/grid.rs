//! Which cells are run.

use super::cell::{Cell, Loss, Queue, Reordering};

/// Mbit/s.
const RATES: [u64; 3] = [10, 100, 1000];
/// Milliseconds.
const RTTS: [u64; 3] = [5, 50, 200];
const QUEUES: [Queue; 3] = [Queue::Half, Queue::Full, Queue::Double];
const LOSSES: [Loss; 7] = [
    Loss::None,
    Loss::Random(0.1),
    Loss::Random(1.0),
    Loss::Random(3.0),
    Loss::Burst(0.1),
    Loss::Burst(1.0),
    Loss::Burst(3.0),
];
const REORDERINGS: [Reordering; 2] = [Reordering::None, Reordering::TenPercent];

/// How much of the product of all dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// A few cells that an unoptimised build runs in seconds.
    Small,
    /// Without loss, every rate, delay and queue, and with each rate and delay reordering at
    /// the middle queue; there too every loss. Losses together with reordering at one path only.
    Default,
    /// Everything.
    Full,
}

/// The cells of a grid, in the order of the table.
#[must_use]
pub fn cells(grid: Grid) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_mbit in RATES {
        for rtt_ms in RTTS {
            for queue in QUEUES {
                for reordering in REORDERINGS {
                    cells.extend(LOSSES.map(|loss| Cell {
                        rate_mbit,
                        rtt_ms,
                        queue,
                        loss,
                        reordering,
                    }));
                }
            }
        }
    }
    cells.retain(|cell| match grid {
        Grid::Small => is_in_small(cell),
        Grid::Default => is_in_default(cell),
        Grid::Full => true,
    });
    cells
}

fn is_in_default(cell: &Cell) -> bool {
    match (cell.loss, cell.reordering) {
        (Loss::None, Reordering::None) => true,
        (Loss::None, Reordering::TenPercent) | (_, Reordering::None) => cell.queue == Queue::Full,
        (_, Reordering::TenPercent) => {
            cell.queue == Queue::Full && (cell.rate_mbit, cell.rtt_ms) == (100, 50)
        }
    }
}

fn is_in_small(cell: &Cell) -> bool {
    if !is_in_default(cell) || cell.queue == Queue::Double {
        return false;
    }
    let undisturbed = cell.loss == Loss::None && cell.reordering == Reordering::None;
    match (cell.rate_mbit, cell.queue, cell.rtt_ms) {
        (10, ..) | (100, Queue::Full, 50) => true,
        (100, Queue::Full, _) | (1000, Queue::Full, 50) => undisturbed,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grid_is_part_of_the_next() {
        let [small, default, full] = [Grid::Small, Grid::Default, Grid::Full].map(cells);
        assert_eq!(full.len(), 3 * 3 * 3 * 2 * 7);
        assert!(small.iter().all(|cell| default.contains(cell)));
        assert!(default.iter().all(|cell| full.contains(cell)));
        // Every value of every dimension is in the default grid.
        for loss in LOSSES {
            assert!(default.iter().any(|cell| cell.loss == loss));
        }
        for queue in QUEUES {
            assert!(default.iter().any(|cell| cell.queue == queue));
        }
    }
}
