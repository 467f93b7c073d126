//! What a test may not be allowed to do, and what happens then.
//!
//! A test that cannot have what it needs fails. Only where `UMPTCP_ALLOW_SKIP=1` says that this is
//! expected is it left out, and says so where the test harness cannot hide it.

use std::io::{self, Write};
use std::panic;
use std::thread;
use umptcp_lab::topology::namespace;

/// Runs `body` on a thread of its own, in a network namespace of its own where TUN devices can be
/// made. A runtime that `body` starts stays in that namespace.
///
/// # Panics
/// When `body` does, and when there is no such namespace to be had and skipping is not allowed.
pub fn in_private_network(body: impl FnOnce() + Send + 'static) {
    let name = current_test();
    let entered = move || {
        namespace::check_tun_file()?;
        namespace::enter_private_network()
    };
    let thread = thread::Builder::new()
        .name(name.clone())
        .spawn(move || match entered() {
            Ok(_) => body(),
            Err(error) => cannot_run(&name, &error.to_string()),
        });
    if let Err(cause) = thread.expect("a thread").join() {
        // The message has been printed already; this keeps the test from passing.
        panic::resume_unwind(cause);
    }
}

/// Ends a test that lacks something: with a failure, or with a word that it was skipped.
///
/// # Panics
/// Where skipping is not allowed.
pub fn cannot_run(test: &str, reason: &str) {
    assert!(
        std::env::var("UMPTCP_ALLOW_SKIP").is_ok_and(|value| value == "1"),
        "{test} cannot run: {reason} (UMPTCP_ALLOW_SKIP=1 leaves such tests out)"
    );
    // Not `println!`, which the harness shows only for tests that fail.
    let _ = writeln!(io::stdout(), "SKIPPED: {test}: {reason}");
}

/// The name of the running test, as the harness names its threads.
#[must_use]
pub fn current_test() -> String {
    thread::current().name().unwrap_or("a test").to_owned()
}
