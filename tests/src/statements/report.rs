//! What is covered and what is not, for people and for CI.

use super::list::{COUNT, Statement, all};
use super::scan::{Carrier, Scan};
use core::fmt;

/// Every statement with the tests that carry it.
#[derive(Clone, Debug)]
pub struct Report {
    lines: Vec<(Statement, Vec<Carrier>)>,
    errors: Vec<String>,
}

impl Report {
    /// Sorts what was found by statement.
    #[must_use]
    pub fn new(scan: &Scan) -> Self {
        let tests_of = |number: u32| {
            let carriers = scan.carriers.iter();
            carriers
                .filter(|carrier| carrier.statement == number)
                .cloned()
                .collect()
        };
        Self {
            lines: all()
                .map(|statement| (statement, tests_of(statement.number)))
                .collect(),
            errors: scan.errors.clone(),
        }
    }

    /// Statements that a test carries.
    #[must_use]
    pub fn covered(&self) -> usize {
        let tests = self.lines.iter().map(|(_, tests)| tests);
        tests.filter(|tests| !tests.is_empty()).count()
    }

    /// Statements that have neither a test nor a reason.
    #[must_use]
    pub fn missing(&self) -> Vec<u32> {
        let missing = self
            .lines
            .iter()
            .filter(|(statement, tests)| tests.is_empty() && statement.reason.is_none());
        missing.map(|(statement, _)| statement.number).collect()
    }

    /// Lines of sources that name statements wrongly.
    #[must_use]
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Nothing is missing and nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.missing().is_empty() && self.errors.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = "";
        for (statement, tests) in &self.lines {
            if statement.group != group {
                group = statement.group;
                writeln!(f, "{group}")?;
            }
            writeln!(f, "{statement}")?;
            for test in tests {
                writeln!(f, "          {}::{}", test.file, test.function)?;
            }
            match (tests.is_empty(), statement.reason) {
                (true, Some(reason)) => writeln!(f, "          no test: {reason}")?,
                (true, None) => writeln!(f, "          NO TEST")?,
                (false, _) => {}
            }
        }
        for error in &self.errors {
            writeln!(f, "error: {error}")?;
        }
        writeln!(f, "{} of {COUNT} covered", self.covered())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(statements: impl Iterator<Item = u32>) -> Scan {
        Scan {
            carriers: statements
                .map(|statement| Carrier {
                    statement,
                    file: "a.rs".into(),
                    function: format!("test_{statement}"),
                })
                .collect(),
            errors: Vec::new(),
        }
    }

    #[test]
    fn a_statement_without_test_and_reason_is_missing() {
        let report = Report::new(&carried((1..=COUNT).filter(|number| *number != 64)));
        assert_eq!(report.missing(), [64]);
        assert!(!report.is_good());
        let text = report.to_string();
        assert!(text.ends_with("\n121 of 122 covered\n"), "{text}");
        assert_eq!(text.matches("NO TEST").count(), 1);
        assert!(text.contains(" 63 M v0 v1 "), "{text}");
        assert!(text.contains("a.rs::test_63\n"), "{text}");
    }

    #[test]
    fn a_reason_stands_in_for_a_test() {
        let with_reason: Vec<u32> = all()
            .filter(|statement| statement.reason.is_some())
            .map(|statement| statement.number)
            .collect();
        let others = (1..=COUNT).filter(|number| !with_reason.contains(number));
        let report = Report::new(&carried(others));
        assert!(report.is_good(), "{:?}", report.missing());
        assert_eq!(report.covered() + with_reason.len(), COUNT as usize);
    }

    #[test]
    fn errors_are_not_good() {
        let mut scan = carried(1..=COUNT);
        assert!(Report::new(&scan).is_good());
        scan.errors.push("a.rs:1: what".into());
        let report = Report::new(&scan);
        assert!(!report.is_good());
        assert!(report.to_string().contains("error: a.rs:1: what\n"));
    }
}
