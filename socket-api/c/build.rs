//! Gives the shared library its SONAME: the name under which installed programs look for it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libumptcp.so.0");
}
