//! A stack with a thread of its own.

use super::listener::MptcpListener;
use super::stream::MptcpStream;
use super::wait;
use crate::address::ToAddresses;
use crate::error;
use crate::stack::StackBuilder;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::sync::mpsc;
use umptcp_stack::ConnectionConfig;

/// A [`Stack`](crate::Stack) that a thread of its own drives.
///
/// Clones are the same stack. The thread ends when all clones, sockets, streams and listeners are
/// dropped and the connections have ended in order. It does not keep the process alive, and with
/// the process everything ends that is not delivered by then: unlike with a kernel's sockets,
/// [`MptcpStream::flushed`] is what to wait for before that.
///
/// What needs no waiting, such as counters, addresses and interfaces, is that of the async
/// [`Stack`](crate::Stack), which this dereferences to.
#[derive(Clone, Debug)]
pub struct Stack {
    stack: crate::Stack,
    runtime: Runtime,
}

/// A share in the thread and its runtime.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    handle: runtime::Handle,
    alive: mpsc::Sender<()>,
}

impl Runtime {
    /// Starts the thread. It ends when the last share is gone.
    fn start() -> io::Result<Self> {
        let (started, start) = std::sync::mpsc::channel();
        thread::Builder::new()
            .name("umptcp".to_owned())
            .spawn(move || {
                let built = runtime::Builder::new_current_thread().enable_all().build();
                match built {
                    Ok(runtime) => {
                        let (alive, mut last) = mpsc::channel(1);
                        let handle = runtime.handle().clone();
                        if started.send(Ok(Self { handle, alive })).is_ok() {
                            runtime.block_on(last.recv());
                        }
                    }
                    // Nobody waits for it only if the starter has panicked.
                    Err(error) => drop(started.send(Err(error))),
                }
            })
            .map_err(|source| error::failed("cannot start the stack's thread", source))?;
        start
            .recv()
            .map_err(|_| io::Error::other("the stack's thread has ended"))?
    }

    /// Waits for a future that may use the runtime's timers and resolver.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let _context = self.handle.enter();
        wait::block_on(future)
    }
}

impl Stack {
    /// Starts a stack and its thread.
    ///
    /// # Errors
    /// No thread can be had, or the operating system gives no random seed.
    pub fn start(builder: StackBuilder) -> io::Result<Self> {
        Self::start_with(|| Ok(builder))
    }

    /// As [`Self::start`], for devices that can only be opened inside a tokio runtime, such as
    /// [`TunDevice`](crate::TunDevice): `describe` is called where they can.
    ///
    /// # Errors
    /// As for [`Self::start`], or what `describe` gives.
    pub fn start_with(describe: impl FnOnce() -> io::Result<StackBuilder>) -> io::Result<Self> {
        let runtime = Runtime::start()?;
        let stack = {
            let _context = runtime.handle.enter();
            describe()?.start()?
        };
        // The thread goes on until the stack has ended, even if only streams are left.
        let shared = stack.handle().shared();
        let alive = runtime.alive.clone();
        runtime.handle.spawn(async move {
            poll_fn(|cx| shared.command(|state, _| state.poll_stopped(cx.waker()))).await;
            drop(alive);
        });
        Ok(Self { stack, runtime })
    }

    /// Waits for a future in the context of the stack's runtime, which
    /// [`Network`](crate::Network) needs, for example. The calling thread polls it.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// As [`Stack::connect`](crate::Stack::connect).
    ///
    /// # Errors
    /// As there.
    pub fn connect(&self, remote: impl ToAddresses) -> io::Result<MptcpStream> {
        let stream = self.block_on(self.stack.connect(remote))?;
        Ok(stream.into_blocking())
    }

    /// As [`Stack::connect_timeout`](crate::Stack::connect_timeout).
    ///
    /// # Errors
    /// As there.
    pub fn connect_timeout(
        &self,
        remote: impl ToAddresses,
        limit: Duration,
    ) -> io::Result<MptcpStream> {
        let stream = self.block_on(async { self.stack.connect_timeout(remote, limit).await })?;
        Ok(stream.into_blocking())
    }

    /// As [`Stack::connect_with`](crate::Stack::connect_with).
    ///
    /// # Errors
    /// As there.
    pub fn connect_with(
        &self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        config: ConnectionConfig,
    ) -> io::Result<MptcpStream> {
        let stream = self.block_on(self.stack.connect_with(local, remote, config))?;
        Ok(stream.into_blocking())
    }

    /// As [`Stack::listen`](crate::Stack::listen).
    ///
    /// # Errors
    /// As there.
    pub fn listen(&self, local: SocketAddr, config: ConnectionConfig) -> io::Result<MptcpListener> {
        Ok(MptcpListener::new(self.stack.listen(local, config)?))
    }

    /// As [`Stack::listen_at`](crate::Stack::listen_at).
    ///
    /// # Errors
    /// As there.
    pub fn listen_at(
        &self,
        locals: impl ToAddresses,
        config: ConnectionConfig,
    ) -> io::Result<MptcpListener> {
        let listener = self.block_on(self.stack.listen_at(locals, config))?;
        Ok(MptcpListener::new(listener))
    }

    /// As [`Stack::interface_up`](crate::Stack::interface_up).
    ///
    /// # Errors
    /// As there.
    pub fn interface_up(&self, interface: umptcp_stack::InterfaceId) -> io::Result<()> {
        wait::block_on(self.stack.interface_up(interface))
    }

    /// As [`Stack::stop`](crate::Stack::stop).
    pub fn stop(&self) {
        wait::block_on(self.stack.stop());
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

impl Deref for Stack {
    type Target = crate::Stack;

    fn deref(&self) -> &crate::Stack {
        &self.stack
    }
}
