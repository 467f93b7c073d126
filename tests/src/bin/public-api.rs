//! The public interface of the crate `umptcp`, item by item, as it is committed for review.
//!
//! Without arguments it compares what the code has with `socket-api/public-api.txt` and fails if they
//! differ, telling where; `--write` brings the file up to date. A change of the interface is thus a
//! change that a reviewer sees.

use anyhow::{Context as _, Result, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is listed.
const PACKAGE: &str = "umptcp";

/// Set for the run of this program that stands for rustdoc.
const AS_RUSTDOC: &str = "UMPTCP_PUBLIC_API_AS_RUSTDOC";

fn main() -> Result<()> {
    if std::env::var_os(AS_RUSTDOC).is_some() {
        return as_rustdoc();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the tests are in a folder of the workspace")?;
    let file = root.join("socket-api/public-api.txt");
    let current = listing(&rustdoc_json(root)?)?;
    match std::env::args().nth(1).as_deref() {
        Some("--write") => {
            std::fs::write(&file, current).with_context(|| format!("writing {}", file.display()))
        }
        Some(other) => bail!("{other}: the only option is --write"),
        None => compare(
            &std::fs::read_to_string(&file).unwrap_or_default(),
            &current,
        ),
    }
}

/// Has rustdoc describe the crate; where its description is.
fn rustdoc_json(root: &Path) -> Result<PathBuf> {
    // Where everything it rests on is built already.
    let target = root.join("target");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["rustdoc", "--quiet", "--package", PACKAGE, "--lib"])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format", "json"])
        .env("RUSTDOC", std::env::current_exe()?)
        .env(AS_RUSTDOC, "1")
        .status()
        .context("running cargo rustdoc")?;
    if !status.success() {
        bail!("cargo rustdoc failed");
    }
    Ok(target.join(format!("doc/{}.json", PACKAGE.replace('-', "_"))))
}

/// The format is unstable, so that a stable rustdoc has to be told that this is meant. Only rustdoc
/// is: told the same, cargo would build all dependencies anew.
fn as_rustdoc() -> Result<()> {
    let status = Command::new("rustdoc")
        .args(std::env::args_os().skip(1))
        .env_remove(AS_RUSTDOC)
        .env("RUSTC_BOOTSTRAP", "1")
        .status()
        .context("running rustdoc")?;
    std::process::exit(status.code().unwrap_or(1));
}

fn listing(json: &Path) -> Result<String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .context("reading rustdoc's description")?;
    let mut text = String::new();
    for item in api.items() {
        writeln!(text, "{item}")?;
    }
    Ok(text)
}

fn compare(committed: &str, current: &str) -> Result<()> {
    if committed == current {
        println!("{} items, as committed", current.lines().count());
        return Ok(());
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (committed, current) = (lines(committed), lines(current));
    for gone in committed.iter().filter(|line| !current.contains(line)) {
        println!("- {gone}");
    }
    for new in current.iter().filter(|line| !committed.contains(line)) {
        println!("+ {new}");
    }
    bail!(
        "the public interface has changed: if that is meant, run \
         `cargo run -p umptcp-tests --bin public-api -- --write` and commit the listing"
    )
}
