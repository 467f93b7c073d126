//! Which protocol statement is covered by which test.
//!
//! Owns the list of statements, the scanner that finds the tests which carry one, and the report.
//! It runs no test: that a test fails when its statement is broken is the business of whoever
//! writes it.
//!
//! A test carries statements by a line of its doc comment: `Protocol statement 64.` or
//! `Protocol statements 112, 116.`

mod list;
mod report;
mod scan;

pub use list::{Level, Statement, Versions, all};
pub use report::Report;
pub use scan::{Carrier, Scan, scan_source, scan_workspace};
