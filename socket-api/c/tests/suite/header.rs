//! The committed header is what the sources say.

use std::path::Path;

/// The sources that the header is made from.
const SOURCES: [&str; 5] = [
    "src/types.rs",
    "src/ffi/stack.rs",
    "src/ffi/socket.rs",
    "src/ffi/transfer.rs",
    "src/ffi/subflow.rs",
];

fn generate(root: &Path) -> String {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(source));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn header_is_not_stale() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("include/umptcp.h");
    let generated = generate(root);
    if std::env::var("UMPTCP_WRITE_HEADER").is_ok_and(|value| value == "1") {
        std::fs::write(&committed, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(committed).unwrap();
    assert!(
        committed == generated,
        "the sources have changed: UMPTCP_WRITE_HEADER=1 writes the header anew"
    );
    // Every exported function is in it.
    for source in SOURCES {
        let source = std::fs::read_to_string(root.join(source)).unwrap();
        for line in source.lines() {
            if let Some(rest) = line.strip_prefix("pub extern \"C\" fn ") {
                let name = rest.split('(').next().unwrap();
                assert!(committed.contains(&format!("{name}(")), "{name}");
            }
        }
    }
}
