//! What is installed can be found by pkg-config, and used with the shared and the static library.

use crate::build::{Folder, compiler, library, root, run};
use std::process::Command;

#[test]
fn installed_library_compiles_and_runs_a_program() {
    let folder = Folder::new("install");
    let staged = folder.path().join("staged");
    run(Command::new(root().join("install.sh"))
        .args(["--prefix", "/opt/umptcp", "--destdir"])
        .arg(&staged)
        .arg("--from")
        .arg(library()));
    let lib = staged.join("opt/umptcp/lib");
    let soname = run(Command::new("objdump")
        .arg("-p")
        .arg(lib.join("libumptcp.so")));
    let soname = soname.lines().find(|line| line.contains("SONAME")).unwrap();
    let soname = soname.split_whitespace().last().unwrap();
    assert!(
        lib.join(soname).is_file(),
        "{soname} is what programs look for"
    );

    let pkg_config = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        command
            .env("PKG_CONFIG_PATH", lib.join("pkgconfig"))
            .env("PKG_CONFIG_SYSROOT_DIR", &staged)
            .args(arguments)
            .arg("umptcp");
        let flags = run(&mut command);
        flags
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);

    let shared = folder.path().join("shared");
    run(compiler()
        .arg(root().join("examples/echo.c"))
        .args(pkg_config(&["--cflags", "--libs"]))
        .arg("-o")
        .arg(&shared));
    let text = run(Command::new(&shared).env("LD_LIBRARY_PATH", &lib));
    assert_eq!(text, "hello over two paths: MPTCP\n");

    // Only the static library is there to be found.
    std::fs::remove_file(lib.join("libumptcp.so")).unwrap();
    let fixed = folder.path().join("static");
    run(compiler()
        .arg(root().join("examples/echo.c"))
        .args(pkg_config(&["--static", "--cflags", "--libs"]))
        .arg("-o")
        .arg(&fixed));
    let text = run(Command::new(&fixed).env_remove("LD_LIBRARY_PATH"));
    assert_eq!(text, "hello over two paths: MPTCP\n");
}
