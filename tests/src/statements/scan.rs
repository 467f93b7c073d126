//! Finds the tests that carry a statement, by reading sources line by line.

use super::list::COUNT;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How a line of a doc comment begins that names statements.
const MARK: &str = "Protocol statement";

/// A test that carries a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Carrier {
    /// The statement.
    pub statement: u32,
    /// The file, from the root of the workspace.
    pub file: String,
    /// The function.
    pub function: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Tests, once for each statement they carry.
    pub carriers: Vec<Carrier>,
    /// Lines that name a statement and should not, or not so: `file:line: what`.
    pub errors: Vec<String>,
}

/// Reads every Rust source below `root`, but for what is built and what is hidden.
///
/// # Errors
/// A file or folder cannot be read.
pub fn scan_workspace(root: &Path) -> io::Result<Scan> {
    let mut scan = Scan::default();
    for path in sources(root)? {
        let source = fs::read_to_string(&path)?;
        let file = path.strip_prefix(root).unwrap_or(&path);
        scan_source(&file.to_string_lossy(), &source, &mut scan);
    }
    scan.carriers.sort();
    Ok(scan)
}

/// Every `*.rs` below a folder, in the order of their names.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// An item that is being read: doc comment and attributes so far.
#[derive(Default)]
struct Item {
    statements: Vec<u32>,
    /// The first line that names one, from 1.
    line: usize,
    is_test: bool,
    is_ignored: bool,
}

/// Reads one source; `file` is its name.
pub fn scan_source(file: &str, source: &str, scan: &mut Scan) {
    let mut item = Item::default();
    // An attribute over several lines.
    let mut in_attribute = false;
    for (number, line) in (1..).zip(source.lines()) {
        let line = line.trim();
        if in_attribute {
            in_attribute = !line.ends_with(']');
        } else if let Some(doc) = line.strip_prefix("///") {
            match named(doc.trim()) {
                Ok(statements) if statements.is_empty() => {}
                Ok(statements) => {
                    item.line = number;
                    item.statements.extend(statements);
                }
                Err(error) => scan.errors.push(format!("{file}:{number}: {error}")),
            }
        } else if line.starts_with("#[") {
            item.is_test |= is_test_attribute(line);
            item.is_ignored |= line.starts_with("#[ignore");
            in_attribute = !line.ends_with(']');
        } else if !line.starts_with("//") {
            finish(file, core::mem::take(&mut item), line, scan);
        }
    }
    finish(file, item, "", scan);
}

/// The statements that a line of a doc comment names; none if it is about something else.
fn named(doc: &str) -> Result<Vec<u32>, String> {
    let Some(rest) = doc.strip_prefix(MARK) else {
        return Ok(Vec::new());
    };
    let (several, rest) = match rest.strip_prefix('s') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let form = || format!("not of the form `{MARK} 64.` or `{MARK}s 112, 116.`");
    let list = rest
        .strip_prefix(' ')
        .and_then(|rest| rest.strip_suffix('.'))
        .ok_or_else(form)?;
    let numbers: Vec<u32> = list
        .split(", ")
        .map(|number| number.parse().map_err(|_| form()))
        .collect::<Result<_, _>>()?;
    if several != (numbers.len() > 1) {
        return Err(form());
    }
    if let Some(number) = numbers.iter().find(|number| !(1..=COUNT).contains(*number)) {
        return Err(format!("there is no statement {number}, only 1 to {COUNT}"));
    }
    Ok(numbers)
}

/// `#[test]`, or that of a framework, such as `#[tokio::test(start_paused = true)]`.
fn is_test_attribute(line: &str) -> bool {
    let path: String = line[2..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
        .collect();
    path == "test" || path.ends_with("::test")
}

/// The line behind doc comment and attributes says what they were about.
fn finish(file: &str, item: Item, line: &str, scan: &mut Scan) {
    if item.statements.is_empty() {
        return;
    }
    let at = item.line;
    let Some(function) = function_name(line).filter(|_| item.is_test) else {
        scan.errors
            .push(format!("{file}:{at}: names a statement, but is no test"));
        return;
    };
    if item.is_ignored {
        scan.errors.push(format!(
            "{file}:{at}: {function} is ignored: it shows nothing"
        ));
        return;
    }
    for statement in item.statements {
        scan.carriers.push(Carrier {
            statement,
            file: file.to_owned(),
            function: function.to_owned(),
        });
    }
}

/// The name of the function that a line begins.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.find(|word| *word == "fn")?;
    let name = words.next()?;
    let end = name
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    (end > 0).then(|| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(source: &str) -> Scan {
        let mut scan = Scan::default();
        scan_source("a.rs", source, &mut scan);
        scan
    }

    fn carried(source: &str) -> Vec<(u32, String)> {
        let scan = scan(source);
        assert_eq!(scan.errors, Vec::<String>::new());
        let carriers = scan.carriers.into_iter();
        carriers
            .map(|carrier| (carrier.statement, carrier.function))
            .collect()
    }

    fn error(source: &str) -> String {
        let scan = scan(source);
        assert_eq!(scan.carriers, []);
        assert_eq!(scan.errors.len(), 1, "{:?}", scan.errors);
        scan.errors[0].clone()
    }

    #[test]
    fn tests_carry_one_statement_or_several() {
        assert_eq!(
            carried("/// Protocol statement 64.\n#[test]\nfn one() {}\n"),
            [(64, "one".into())]
        );
        assert_eq!(
            carried("    /// Protocol statements 112, 116.\n    #[test]\n    fn two() {\n"),
            [(112, "two".into()), (116, "two".into())]
        );
    }

    #[test]
    fn other_lines_stand_around_it() {
        let source = [
            "/// What it shows.",
            "///",
            "/// Protocol statement 1.",
            "/// More.",
            "#[test]",
            "// Why.",
            "#[expect(",
            "    clippy::unwrap_used,",
            "    reason = \"fn\"",
            ")]",
            "fn one() {}",
            "/// Protocol statement 2.",
            "/// Protocol statement 3.",
            "#[tokio::test(start_paused = true)]",
            "async fn two() {}",
            "/// Protocol statement 4.",
            "#[test]",
            "fn of_proptest(value in any::<u8>()) {",
        ]
        .join("\n");
        assert_eq!(
            carried(&source),
            [
                (1, "one".into()),
                (2, "two".into()),
                (3, "two".into()),
                (4, "of_proptest".into())
            ]
        );
    }

    #[test]
    fn what_names_no_statement_is_left_alone() {
        assert_eq!(carried("/// See statement 65.\nfn helper() {}\n"), []);
        assert_eq!(carried("//! Protocol statement 65.\nfn helper() {}\n"), []);
        assert_eq!(carried("let s = \"/// Protocol statement 65.\";\n"), []);
    }

    #[test]
    fn numbers_that_do_not_exist_are_errors() {
        for number in ["0", "123"] {
            let source = format!("/// Protocol statement {number}.\n#[test]\nfn one() {{}}\n");
            let expected = format!("a.rs:1: there is no statement {number}, only 1 to 122");
            assert_eq!(error(&source), expected);
        }
    }

    #[test]
    fn other_spellings_are_errors() {
        for line in [
            "Protocol statement 64",
            "Protocol statement 64, as always.",
            "Protocol statements 64.",
            "Protocol statement 64, 65.",
            "Protocol statements 64 and 65.",
            "Protocol statement x.",
            "Protocol statements.",
        ] {
            let source = format!("/// {line}\n#[test]\nfn one() {{}}\n");
            assert!(
                error(&source).starts_with("a.rs:1: not of the form"),
                "{line}"
            );
        }
    }

    #[test]
    fn only_tests_that_run_carry_statements() {
        let no_test = "a.rs:2: names a statement, but is no test";
        for behind in [
            "fn helper() {}\n",
            "#[test]\n\nfn late() {}\n",
            "mod tests {\n",
            "",
        ] {
            let source = format!("\n/// Protocol statement 64.\n{behind}");
            assert_eq!(error(&source), no_test, "{behind}");
        }
        let ignored = "\n/// Protocol statement 64.\n#[test]\n#[ignore = \"slow\"]\nfn one() {}\n";
        assert_eq!(error(ignored), "a.rs:2: one is ignored: it shows nothing");
    }

    #[test]
    fn the_workspace_is_read_without_what_was_built() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files = sources(&root).unwrap();
        let has = |end: &str| files.iter().any(|file| file.ends_with(end));
        assert!(has("tests/src/statements/scan.rs") && has("stack/src/lib.rs"));
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        assert!(files.iter().all(|file| !file.starts_with(&built)));
    }
}
