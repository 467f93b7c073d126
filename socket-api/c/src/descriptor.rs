//! One socket of a C program: the stack's side and the pair's.
//!
//! The module owns what both sides have to agree on: which phase the descriptor is in, what stands in
//! the pair that is not the application's, the error that is still to be told, and who lets the
//! stack's side go.

use crate::app_fd::{bytes_waiting, identity_of};
use crate::end;
use crate::liveness::WeakEnd;
use crate::pair::{Pair, fill};
use crate::running::RunningStack;
use crate::{listening, pump, registry};
use nix::errno::Errno;
use nix::sys::socket::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, watch};
use umptcp::bsd::{Net, Readiness, Socket};
use umptcp::{Interest, StackSocket};

/// What serves the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing: it is neither connected nor listening.
    Idle,
    /// A task that waits for the connection to be made.
    Connecting,
    /// A task that carries bytes, and lets the socket go when it has carried the last one.
    Carrying,
    /// A task that says when a connection waits.
    Listening,
    /// Nothing any more: the application's end has been hung up.
    HungUp,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Descriptor {
    id: u64,
    stack: Arc<RunningStack>,
    /// `None` once it was let go.
    socket: Mutex<Option<StackSocket>>,
    end: Arc<OwnedFd>,
    app: WeakEnd,
    phase: Mutex<Phase>,
    /// The application has closed its end.
    closed: watch::Sender<bool>,
    /// Bytes in the pair that are not the application's.
    filler: AtomicUsize,
    /// Bytes on their way from the pair to the stack.
    in_hand: Mutex<usize>,
    /// `SO_ERROR` of what our tasks have come across.
    error: Mutex<Option<Errno>>,
    /// `connect` has returned success.
    pub(crate) connect_told: AtomicBool,
    /// The last `send` had `MSG_MORE`.
    pub(crate) more_follows: AtomicBool,
    /// One `accept` after the other, and none while a connection is announced.
    pub(crate) accepting: Mutex<()>,
    /// The listening task looks again.
    pub(crate) look_again: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Descriptor {
    /// Puts a socket behind a pair and makes it known; the application's end is the result. What is
    /// not connected yet is not writable yet.
    ///
    /// # Errors
    /// `EMFILE`, `ENOMEM` and the like.
    pub(crate) fn open(
        stack: &Arc<RunningStack>,
        pair: Pair,
        socket: StackSocket,
        connected: bool,
    ) -> Result<(OwnedFd, Arc<Self>), Errno> {
        let Pair { app, end } = pair;
        let filler = if connected { 0 } else { fill(&app)? };
        let id = registry::new_id();
        let identity = identity_of(&app)?;
        let watched = stack.watch().add(id, &app)?;
        stack.hangups().add(id, &end)?;
        let descriptor = Arc::new(Self {
            id,
            stack: Arc::clone(stack),
            socket: Mutex::new(Some(socket)),
            end: Arc::new(end),
            app: watched,
            phase: Mutex::new(Phase::Idle),
            closed: watch::Sender::new(false),
            filler: AtomicUsize::new(filler),
            in_hand: Mutex::new(0),
            error: Mutex::new(None),
            connect_told: AtomicBool::new(connected),
            more_follows: AtomicBool::new(false),
            accepting: Mutex::new(()),
            look_again: Notify::new(),
        });
        registry::insert(identity, Arc::clone(&descriptor));
        Ok((app, descriptor))
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn stack(&self) -> &Arc<RunningStack> {
        &self.stack
    }

    pub(crate) const fn end(&self) -> &Arc<OwnedFd> {
        &self.end
    }

    /// The application still has its end.
    pub(crate) fn is_open(&self) -> bool {
        self.app.is_open()
    }

    /// Makes calls on the socket.
    ///
    /// # Errors
    /// `EBADF` once it was let go, or what the calls give.
    pub(crate) fn with<T>(
        &self,
        calls: impl FnOnce(&mut Socket, &mut Net<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        lock(&self.socket)
            .as_ref()
            .map_or(Err(Errno::EBADF), |socket| socket.with(calls))
    }

    /// `accept` on the stack's side.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn accept(&self) -> Result<StackSocket, Errno> {
        lock(&self.socket)
            .as_ref()
            .map_or(Err(Errno::EBADF), StackSocket::accept)
    }

    /// The stack's side is ready for something.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>, interest: Interest) -> Poll<Readiness> {
        lock(&self.socket).as_ref().map_or_else(
            || {
                Poll::Ready(Readiness {
                    hung_up: true,
                    error: true,
                    ..Readiness::default()
                })
            },
            |socket| socket.poll_ready(cx, interest),
        )
    }

    /// Waits until the application has closed its end.
    pub(crate) async fn closed(&self) {
        // It fails only when the sender is gone, which we are.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Starts to serve a connection, made or in the making.
    pub(crate) fn start_carrying(self: &Arc<Self>) {
        if *lock(&self.phase) == Phase::Idle && self.enter(Phase::Connecting) {
            self.stack.spawn(pump::serve(Arc::clone(self)));
        }
    }

    /// Starts to serve a listening socket, unless that is done already.
    pub(crate) fn start_listening(self: &Arc<Self>) {
        if *lock(&self.phase) != Phase::Listening && self.enter(Phase::Listening) {
            self.stack.spawn(listening::serve(Arc::clone(self)));
        }
    }

    /// It listens no longer, so that whoever makes it listen again starts a new task.
    pub(crate) fn has_stopped_listening(&self) -> bool {
        let mut phase = lock(&self.phase);
        let stopped = !listening::is_listening(self);
        if stopped {
            *phase = Phase::Idle;
        }
        stopped
    }

    /// The next phase; not if the application has closed its end, which is then let go.
    pub(crate) fn enter(&self, next: Phase) -> bool {
        let mut phase = lock(&self.phase);
        *phase = next;
        let closed = *self.closed.borrow();
        if closed {
            self.let_go();
        }
        !closed
    }

    pub(crate) fn phase(&self) -> Phase {
        *lock(&self.phase)
    }

    /// The application has closed its end: what it has written still goes out, everything else ends.
    pub(crate) fn application_closed(&self) {
        let phase = lock(&self.phase);
        self.closed.send_replace(true);
        if *phase != Phase::Carrying {
            self.let_go();
        }
    }

    /// Closes the stack's side.
    pub(crate) fn let_go(&self) {
        let socket = lock(&self.socket).take();
        drop(socket);
    }

    /// The application's end sees an end in both directions. What it had written and the stack has
    /// not taken is lost.
    pub(crate) fn hang_up(&self) {
        // First: whoever sees the end may at once connect again.
        self.enter(Phase::HungUp);
        end::end_direction(&self.end, Shutdown::Both);
        // A program that waits until it can write is to learn that it cannot.
        end::discard(&self.end, usize::MAX);
        self.filler.store(0, Ordering::Relaxed);
    }

    /// Keeps an error for whoever asks next; the first one stays.
    pub(crate) fn keep_error(&self, error: Errno) {
        lock(&self.error).get_or_insert(error);
    }

    /// `SO_ERROR`.
    pub(crate) fn take_error(&self) -> Option<Errno> {
        let kept = lock(&self.error).take();
        kept.or_else(|| self.with(|socket, net| Ok(socket.take_error(net))).ok()?)
    }

    /// Takes the stack's side out, for another descriptor.
    pub(crate) fn take_socket(&self) -> Option<StackSocket> {
        lock(&self.socket).take()
    }

    /// Makes room for the application to write: there is a connection, or there will be none.
    pub(crate) fn drain_filler(&self) {
        // Whoever comes second waits until it is done.
        let _in_hand = lock(&self.in_hand);
        let filler = self.filler.swap(0, Ordering::Relaxed);
        end::discard(&self.end, filler);
    }

    /// What the application has written and the stack has not taken.
    pub(crate) fn bytes_on_their_way(&self) -> usize {
        let in_hand = lock(&self.in_hand);
        let waiting = bytes_waiting(self.end.as_fd());
        let filler = self.filler.load(Ordering::Relaxed);
        waiting.saturating_sub(filler) + *in_hand
    }

    /// Moves bytes, and counts those in hand before anybody can look.
    pub(crate) fn moving(
        &self,
        step: impl FnOnce() -> Result<usize, Errno>,
        left: impl FnOnce(usize) -> usize,
    ) -> Result<usize, Errno> {
        let mut in_hand = lock(&self.in_hand);
        let moved = step()?;
        *in_hand = left(moved);
        Ok(moved)
    }
}
