//! The recorded instruction counts, and how a later run compares with them.
//!
//! Owns the file and the tolerance. It never measures.

use crate::hot_path::VARIANTS;
use crate::operation::Operation;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A scenario may grow by so many percent: code that did not change is laid out and inlined
/// differently when its neighbours change.
pub const TOLERANCE_PERCENT: f64 = 5.0;

/// Instructions for each operation, and what they were measured with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The compiler, the C library and valgrind.
    pub measured_with: BTreeMap<String, String>,
    /// By scenario.
    pub instructions: BTreeMap<String, u64>,
}

impl Record {
    /// Reads a file.
    ///
    /// # Errors
    /// There is none, or it is not a record.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} (--record writes it)", path.display()))?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Writes the file: a line for each scenario, in the order of their names.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }
}

/// Where the record is kept.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instruction-counts.json")
}

/// What a variant's operation is called in the record.
#[must_use]
pub fn scenario(variant: &str, operation: Operation) -> String {
    format!("{variant}/{}", operation.name())
}

/// All scenarios, in the order of their names.
#[must_use]
pub fn scenarios() -> Vec<String> {
    let mut names: Vec<String> = VARIANTS
        .iter()
        .flat_map(|variant| Operation::ALL.map(|operation| scenario(variant.name, operation)))
        .collect();
    names.sort_unstable();
    names
}

/// How a scenario compares with its record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// By so many percent, within the tolerance.
    Little(f64),
    /// It needs so many percent more.
    Grew(f64),
    /// It needs so many percent less.
    Shrank(f64),
    /// There was none before.
    New,
    /// It is recorded and was not measured.
    Gone,
}

impl Change {
    /// Whether the comparison fails: also when the record is not about these scenarios.
    #[must_use]
    pub fn is_failure(self) -> bool {
        match self {
            Self::Little(_) | Self::Shrank(_) => false,
            Self::Grew(_) | Self::New | Self::Gone => true,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn between(recorded: u64, measured: u64) -> Self {
        let percent = (measured as f64 / recorded as f64 - 1.0) * 100.0;
        // Also what is not a number.
        if percent.abs() <= TOLERANCE_PERCENT {
            Self::Little(percent)
        } else if measured < recorded {
            Self::Shrank(percent)
        } else {
            Self::Grew(percent)
        }
    }
}

/// A line of the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// Instructions in the record.
    pub recorded: Option<u64>,
    /// Instructions now.
    pub measured: Option<u64>,
    /// How they compare.
    pub change: Change,
}

/// Compares every scenario that either of them has, in the order of their names.
#[must_use]
pub fn compare(recorded: &BTreeMap<String, u64>, measured: &BTreeMap<String, u64>) -> Vec<Row> {
    let mut names: Vec<&String> = recorded.keys().chain(measured.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let (recorded, measured) = (recorded.get(name), measured.get(name));
            Row {
                scenario: name.clone(),
                recorded: recorded.copied(),
                measured: measured.copied(),
                change: match (recorded, measured) {
                    (Some(&recorded), Some(&measured)) => Change::between(recorded, measured),
                    (None, _) => Change::New,
                    (Some(_), None) => Change::Gone,
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter()
            .map(|&(name, count)| (name.to_owned(), count))
            .collect()
    }

    #[test]
    fn the_file_names_exactly_the_scenarios_that_there_are() {
        let record = Record::read(&path()).unwrap();
        let recorded: Vec<&String> = record.instructions.keys().collect();
        assert_eq!(recorded, scenarios().iter().collect::<Vec<_>>());
        assert!(record.instructions.values().all(|&count| count > 0));
        let tools: Vec<&String> = record.measured_with.keys().collect();
        assert_eq!(tools, ["libc", "rustc", "valgrind"]);
    }

    #[test]
    fn the_file_is_as_it_would_be_written_again() {
        let text = std::fs::read_to_string(path()).unwrap();
        let record = Record::read(&path()).unwrap();
        let copy = std::env::temp_dir().join(format!("umptcp-record-{}.json", std::process::id()));
        record.write(&copy).unwrap();
        let again = std::fs::read_to_string(&copy).unwrap();
        std::fs::remove_file(&copy).unwrap();
        assert_eq!(text, again);
    }

    #[test]
    fn growth_beyond_the_tolerance_fails_and_nothing_else() {
        let change = |measured| {
            let rows = compare(&counts(&[("a", 1000)]), &counts(&[("a", measured)]));
            assert_eq!(rows.len(), 1);
            rows[0].change
        };
        assert!(matches!(change(1000), Change::Little(p) if p == 0.0));
        assert!(matches!(change(1049), Change::Little(p) if (4.8..5.0).contains(&p)));
        assert!(matches!(change(951), Change::Little(p) if (-5.0..-4.8).contains(&p)));
        assert!(matches!(change(1051), Change::Grew(p) if (5.0..5.2).contains(&p)));
        assert!(matches!(change(900), Change::Shrank(p) if (-10.1..-9.9).contains(&p)));
        assert!(change(1051).is_failure());
        assert!(!change(1049).is_failure() && !change(900).is_failure());
    }

    #[test]
    fn a_record_of_other_scenarios_fails() {
        let rows = compare(
            &counts(&[("a", 5), ("gone", 5)]),
            &counts(&[("a", 5), ("new", 5)]),
        );
        let changes: Vec<_> = rows
            .iter()
            .map(|row| (&*row.scenario, row.change))
            .collect();
        assert_eq!(
            changes,
            [
                ("a", Change::Little(0.0)),
                ("gone", Change::Gone),
                ("new", Change::New)
            ]
        );
        assert!(Change::Gone.is_failure() && Change::New.is_failure());
    }

    #[test]
    fn a_recorded_zero_is_not_a_licence_to_grow() {
        let rows = compare(&counts(&[("a", 0)]), &counts(&[("a", 5)]));
        assert!(rows[0].change.is_failure());
    }
}
