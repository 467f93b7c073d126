//! Which descriptor of the process is which socket, and which stacks there are.
//!
//! The module owns the tables. C programs have numbers only, so no pointer or descriptor that they
//! give is trusted: it is looked up.

use crate::app_fd::{AppFd, Identity};
use crate::descriptor::Descriptor;
use crate::running::RunningStack;
use nix::errno::Errno;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Tables {
    descriptors: HashMap<Identity, Arc<Descriptor>>,
    /// By their own ids, which are never used again.
    identities: HashMap<u64, Identity>,
    stacks: HashMap<usize, Arc<RunningStack>>,
    last_stack: usize,
}

static TABLES: Mutex<Option<Tables>> = Mutex::new(None);
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// What a stack's handle counts up by: handles look like pointers, and are never followed.
const HANDLE_STEP: usize = 16;

fn lock() -> MutexGuard<'static, Option<Tables>> {
    TABLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An id for a new descriptor.
pub(crate) fn new_id() -> u64 {
    LAST_ID.fetch_add(1, Ordering::Relaxed) + 1
}

/// The socket behind a descriptor.
///
/// # Errors
/// `EBADF` if it is not open, `ENOTSOCK` if it is none of ours.
pub(crate) fn find(fd: AppFd) -> Result<Arc<Descriptor>, Errno> {
    let identity = fd.identity()?;
    let tables = lock();
    let found = tables
        .as_ref()
        .and_then(|tables| tables.descriptors.get(&identity));
    found.cloned().ok_or(Errno::ENOTSOCK)
}

/// Adds a socket.
pub(crate) fn insert(identity: Identity, descriptor: Arc<Descriptor>) {
    let mut tables = lock();
    let tables = tables.get_or_insert_default();
    tables.identities.insert(descriptor.id(), identity);
    tables.descriptors.insert(identity, descriptor);
}

/// Forgets a socket.
pub(crate) fn remove(id: u64) -> Option<Arc<Descriptor>> {
    let mut tables = lock();
    let tables = tables.as_mut()?;
    let identity = tables.identities.remove(&id)?;
    tables.descriptors.remove(&identity)
}

/// Lets go of a socket, if the application has closed its end.
pub(crate) fn let_go_if_closed(id: u64) {
    let found = {
        let tables = lock();
        let tables = tables.as_ref();
        tables.and_then(|tables| {
            let identity = tables.identities.get(&id)?;
            tables.descriptors.get(identity).cloned()
        })
    };
    // Not under the lock: it reads a file.
    if let Some(descriptor) = found
        && !descriptor.is_open()
        && let Some(closed) = remove(id)
    {
        closed.application_closed();
    }
}

/// Adds a stack, and gives the handle by which C programs know it.
pub(crate) fn insert_stack(stack: Arc<RunningStack>) -> usize {
    let mut tables = lock();
    let tables = tables.get_or_insert_default();
    tables.last_stack += HANDLE_STEP;
    tables.stacks.insert(tables.last_stack, stack);
    tables.last_stack
}

/// The stack with this handle.
///
/// # Errors
/// `EFAULT` for null, `EINVAL` if there is no such stack, or no longer.
pub(crate) fn find_stack(handle: usize) -> Result<Arc<RunningStack>, Errno> {
    if handle == 0 {
        return Err(Errno::EFAULT);
    }
    let tables = lock();
    let found = tables
        .as_ref()
        .and_then(|tables| tables.stacks.get(&handle));
    found.cloned().ok_or(Errno::EINVAL)
}

/// Forgets a stack and all its sockets.
///
/// # Errors
/// As [`find_stack`].
pub(crate) fn remove_stack(
    handle: usize,
) -> Result<(Arc<RunningStack>, Vec<Arc<Descriptor>>), Errno> {
    if handle == 0 {
        return Err(Errno::EFAULT);
    }
    let mut tables = lock();
    let tables = tables.as_mut().ok_or(Errno::EINVAL)?;
    let stack = tables.stacks.remove(&handle).ok_or(Errno::EINVAL)?;
    let ours: Vec<_> = tables
        .descriptors
        .values()
        .filter(|descriptor| Arc::ptr_eq(descriptor.stack(), &stack))
        .cloned()
        .collect();
    for descriptor in &ours {
        if let Some(identity) = tables.identities.remove(&descriptor.id()) {
            tables.descriptors.remove(&identity);
        }
    }
    Ok((stack, ours))
}
