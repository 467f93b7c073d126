//! The small grid of the goodput table: what it was, and what it may never fall under.

mod theory;

use umptcp_tests::goodput::{Grid, Measured, cells, floor, run, run_all, table};

const SEED: u64 = 1;

fn small() -> Vec<Measured> {
    run_all(&cells(Grid::Small), SEED, |_, _| {}).expect("every cell runs to its end")
}

/// `cargo run --release -q -p umptcp-tests --bin goodput-table` has the rest of it.
#[test]
fn the_small_table_and_its_floors() {
    let measured = small();
    insta::assert_snapshot!(table(&measured, 2));
    let below: Vec<String> = measured
        .iter()
        .filter_map(|measured| {
            let floor = floor(&measured.cell)?;
            let is_below = measured.share < floor;
            is_below.then(|| format!("{}: {:.4} < {floor}", measured.cell, measured.share))
        })
        .collect();
    assert!(below.is_empty(), "{below:#?}");
}

/// What a table says about the link holds only if the link is what limits it: no more can arrive
/// than what IP and TCP headers leave of the rate. But a segment may be missing as counting
/// begins; then what has arrived behind it counts as well, which is no more than the path and its
/// queue hold.
#[test]
#[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
fn no_share_is_above_what_headers_leave() {
    let cell = *cells(Grid::Small).first().expect("the grid has cells");
    let measured = run(&cell, SEED).expect("the cell runs to its end");
    let held = cell.rtt().as_secs_f64() + cell.queue_bytes() as f64 * 8.0 / cell.rate() as f64;
    let limit = 1448.0 / 1500.0 * (1.0 + held / cell.counted().as_secs_f64());
    assert!(measured.share <= limit, "{limit} {measured:?}");
    assert_eq!(
        Ok(measured),
        run(&cell, SEED),
        "the same seed, the same result"
    );
}
