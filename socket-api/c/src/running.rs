//! A stack and the thread that runs it.
//!
//! The module owns the thread: it starts and ends it, and nothing else runs there than the stack's driver
//! and the tasks that serve descriptors. No signal is handled on it.

use crate::descriptor::Descriptor;
use crate::end::End;
use crate::hangups::Hangups;
use crate::liveness::Watch;
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use umptcp::bsd::Net;
use umptcp::{Stack, StackBuilder};

/// A stack on its thread.
#[derive(Debug)]
pub(crate) struct RunningStack {
    stack: Stack,
    runtime: Handle,
    watch: Watch,
    hangups: Hangups,
    stopping: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl RunningStack {
    /// Starts a stack, which `describe` describes on its thread, inside the runtime; `prepare` then sets
    /// up what its sockets have in common.
    ///
    /// # Errors
    /// What `describe` and `prepare` give, or `EAGAIN` if there can be no thread.
    pub(crate) fn start<F>(
        describe: impl FnOnce() -> F + Send + 'static,
        prepare: impl FnOnce(&Stack, &mut Net<'_>) + Send + 'static,
    ) -> io::Result<Arc<Self>>
    where
        F: Future<Output = io::Result<StackBuilder>>,
    {
        let (started, start) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("umptcp".to_owned())
            .spawn(move || run(describe, prepare, &started))?;
        let running: io::Result<Arc<Self>> = start
            .recv()
            .map_err(|_| io::Error::from(Errno::EIO))
            .flatten();
        let running = running?;
        *running
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(running)
    }

    pub(crate) const fn stack(&self) -> &Stack {
        &self.stack
    }

    pub(crate) const fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(crate) const fn hangups(&self) -> &Hangups {
        &self.hangups
    }

    /// Starts a task on the thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Ends the stack and its thread, at once: `descriptors`, all that it has, hang up.
    pub(crate) fn stop(&self, descriptors: &[Arc<Descriptor>]) {
        for descriptor in descriptors {
            descriptor.hang_up();
        }
        self.stopping.send_replace(true);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic there has been reported, and has ended the thread all the same.
            let _ = thread.join();
        }
        for descriptor in descriptors {
            descriptor.let_go();
        }
    }
}

/// The thread.
fn run<F>(
    describe: impl FnOnce() -> F,
    prepare: impl FnOnce(&Stack, &mut Net<'_>),
    started: &mpsc::SyncSender<io::Result<Arc<RunningStack>>>,
) where
    F: Future<Output = io::Result<StackBuilder>>,
{
    // The program's handlers run on the program's threads. Without this it would only be less tidy.
    let _ = SigSet::all().thread_block();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    runtime.block_on(async {
        let running = match start_here(describe, prepare).await {
            Ok(running) => running,
            Err(error) => return drop(started.send(Err(error))),
        };
        let reports = running.hangups.descriptor().and_then(End::register);
        let reports = match reports {
            Ok(reports) => reports,
            Err(error) => return drop(started.send(Err(error))),
        };
        let mut stopping = running.stopping.subscribe();
        let stack = running.stack.clone();
        tokio::spawn(report_hangups(Arc::clone(&running), reports));
        if started.send(Ok(running)).is_ok() {
            // It fails only if nobody can stop it any more.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
        stack.stop().await;
    });
}

async fn start_here<F>(
    describe: impl FnOnce() -> F,
    prepare: impl FnOnce(&Stack, &mut Net<'_>),
) -> io::Result<Arc<RunningStack>>
where
    F: Future<Output = io::Result<StackBuilder>>,
{
    let stack = describe().await?.start()?;
    stack.with_net(|net| {
        prepare(&stack, net);
        Ok(())
    })?;
    Ok(Arc::new(RunningStack {
        stack,
        runtime: Handle::current(),
        watch: Watch::default(),
        hangups: Hangups::new()?,
        stopping: watch::Sender::new(false),
        thread: Mutex::new(None),
    }))
}

/// Lets go of descriptors as they are closed.
async fn report_hangups(running: Arc<RunningStack>, reports: End) {
    while reports.readable_anew().await.is_ok() {
        running.hangups.sweep();
    }
}
