//! Builds the library and C programs against it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the crate is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the library is; it is built if it is not up to date.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        // `cargo test` builds no library that Rust code cannot link. With this test beside it, everything
        // else is the same as for the test, and there already.
        let executable = std::env::current_exe().unwrap();
        let directory = executable.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "umptcp-capi"]);
        cargo.args(["--lib", "--test", "suite", "--target-dir"]);
        cargo.arg(directory.parent().unwrap());
        if directory.ends_with("release") {
            cargo.arg("--release");
        }
        run(cargo.current_dir(root()));
        for name in ["libumptcp.so", "libumptcp.a"] {
            assert!(directory.join(name).is_file(), "{name} is not there");
        }
        directory.to_owned()
    })
}

/// Runs a command, which must succeed, and gives what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} ends with {}:\n{text}{errors}",
        output.status
    );
    text
}

/// A folder that is removed in the end.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("umptcp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that has failed has told already what went wrong.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The compiler, as strict as it gets.
pub(crate) fn compiler() -> Command {
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g"]);
    gcc
}

/// Compiles a program against the shared library where it was built.
pub(crate) fn compile(source: &Path, to: &Folder) -> PathBuf {
    compile_with(source, to, &[])
}

/// The same with further arguments.
pub(crate) fn compile_with(source: &Path, to: &Folder, arguments: &[&str]) -> PathBuf {
    let library = library();
    let program = to.path().join(source.file_stem().unwrap());
    run(compiler()
        .args(arguments)
        .arg(source)
        .arg("-I")
        .arg(root().join("include"))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library)
        .args(["-lumptcp", "-lpthread"]));
    // The name under which programs look for it (SONAME) is made when it is installed.
    let link = to.path().join("libumptcp.so.0");
    if !link.exists() {
        std::os::unix::fs::symlink(library.join("libumptcp.so"), link).unwrap();
    }
    program
}
