//! The stack's side of a control socket: the file, and who may come in.
//!
//! The module owns the file from its making to its removal. What is said is for `session`.

use super::session;
use crate::error;
use crate::stack::Stack;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

/// Clients that are served at a time; more are told to come back.
const MAX_CLIENTS: usize = 32;

/// A control socket that is open. Dropping it closes it for all clients and removes the file.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl ControlServer {
    /// Opens a control socket for a stack. A file that a server has left behind is replaced, one
    /// that somebody answers at is not.
    ///
    /// # Errors
    /// `AddrInUse` if somebody answers there, or what the file system gives.
    pub(crate) fn open(stack: Stack, path: &Path) -> io::Result<Self> {
        let listener = private_listener(path).map_err(|source| {
            let what = format!("cannot open the control socket {}", path.display());
            error::failed(what, source)
        })?;
        let task = tokio::spawn(serve(stack, listener));
        Ok(Self {
            path: path.to_owned(),
            task,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
        // Whoever has removed it already has done what we would do.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A listening socket whose file nobody but its owner can use, at no time.
fn private_listener(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Before it has a name: the file is made with these permissions.
    fchmod(&listener, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let address = UnixAddr::new(path)?;
    match bind(listener.as_raw_fd(), &address) {
        Err(nix::errno::Errno::EADDRINUSE) if is_left_behind(path) => {
            std::fs::remove_file(path)?;
            bind(listener.as_raw_fd(), &address)?;
        }
        other => other?,
    }
    listen(&listener, Backlog::new(16)?)?;
    UnixListener::from_std(std::os::unix::net::UnixListener::from(listener))
}

/// A socket at which nobody answers any more.
fn is_left_behind(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = std::os::unix::net::UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    is_socket && refused
}

async fn serve(stack: Stack, listener: UnixListener) {
    let mut sessions = JoinSet::new();
    loop {
        let client = tokio::select! {
            client = listener.accept() => client,
            Some(_) = sessions.join_next() => continue,
        };
        match client {
            Ok((client, _)) if !is_permitted(&client) => {
                tracing::warn!("somebody else's process was turned away from the control socket");
                sessions.spawn(session::turn_away(client, nix::errno::Errno::EACCES));
            }
            Ok((client, _)) if sessions.len() >= MAX_CLIENTS => {
                sessions.spawn(session::turn_away(client, nix::errno::Errno::EBUSY));
            }
            Ok((client, _)) => {
                sessions.spawn(session::run(stack.clone(), client));
            }
            Err(error) => {
                // Out of descriptors, say: it will be better when a client has gone.
                tracing::warn!(%error, "the control socket cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whoever runs the stack, or root.
fn is_permitted(client: &UnixStream) -> bool {
    let user = client.peer_cred().map(|credentials| credentials.uid());
    user.is_ok_and(|user| user == geteuid().as_raw() || user == 0)
}
