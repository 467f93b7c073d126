//! Tests that need network devices run in a network namespace of their own.

use std::future::Future;

/// Runs a test in a new network namespace, on a thread and a runtime of its own.
///
/// Where the namespace cannot be made, the test fails, unless `UMPTCP_ALLOW_SKIP=1` says that it
/// may be skipped; then it says so.
pub(crate) fn in_network_namespace<F: Future<Output = ()>>(
    test: impl FnOnce() -> F + Send + 'static,
) {
    let body = move || {
        if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            let reason = format!("cannot make a network namespace: {error} (needs CAP_SYS_ADMIN)");
            assert!(
                std::env::var("UMPTCP_ALLOW_SKIP").is_ok_and(|value| value == "1"),
                "{reason}; UMPTCP_ALLOW_SKIP=1 allows to skip this test"
            );
            eprintln!("SKIPPED: {reason}");
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(test());
    };
    if let Err(panic) = std::thread::spawn(body).join() {
        std::panic::resume_unwind(panic);
    }
}
