//! A network namespace of one's own, so that an experiment can make devices, addresses and routes
//! without anybody else seeing them.
//!
//! It owns how to get into one, with and without privileges, and the settings of the kernel in it.
//! It never touches the namespace it came from, and never starts a program.

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;
use thiserror::Error;

/// How a private namespace was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// With `CAP_SYS_ADMIN`: only the network is private.
    Administrator,
    /// Through a user namespace in which the caller is root.
    UserNamespace,
}

/// Why there is no private network to be had, or not with TUN devices.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// The kernel has no TUN driver, or `/dev` no file for it.
    #[error(
        "{TUN_FILE} is missing (hint: load the kernel module `tun`, or in a container pass --device {TUN_FILE})"
    )]
    NoTunFile,
    /// The file is there, for others.
    #[error(
        "{TUN_FILE} may not be opened: {0} (hint: run as root, or allow the file to this user)"
    )]
    TunNotPermitted(#[source] io::Error),
    /// Neither administrator nor user namespaces.
    #[error(
        "no private network namespace: {} (hint: run as root, or allow unprivileged user namespaces)",
        explain(*.0)
    )]
    NotPermitted(#[source] Errno),
    /// A namespace that was made is not to be had back.
    #[error("the network namespace cannot be entered: {0}")]
    NotEntered(#[source] io::Error),
    /// The user namespace came up without its identity.
    #[error("{path} of the user namespace cannot be written: {source}")]
    Identity {
        /// The file of `/proc` that was not writable.
        path: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A setting of the private network did not take.
    #[error("{path} cannot be set: {source}")]
    Setting {
        /// The file under `/proc/sys`.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What an error of `unshare` means; for one of them the usual text says something else.
fn explain(error: Errno) -> String {
    match error {
        // namespaces(7): the limits in /proc/sys/user, which administrators set to 0 to forbid them.
        Errno::ENOSPC => "the limit on namespaces is reached".to_owned(),
        other => other.desc().to_owned(),
    }
}

/// The file through which TUN devices are made.
pub const TUN_FILE: &str = "/dev/net/tun";

/// Tells whether this process may open TUN devices at all, a namespace of its own granted.
///
/// # Errors
/// It may not.
pub fn check_tun_file() -> Result<(), NamespaceError> {
    match OpenOptions::new().read(true).write(true).open(TUN_FILE) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NamespaceError::NoTunFile),
        Err(error) => Err(NamespaceError::TunNotPermitted(error)),
    }
}

/// Moves the calling thread, and every thread it starts afterwards, into a new network namespace.
///
/// Without privileges this goes through a user namespace, which Linux allows only to a process of
/// one thread: call it before the first thread and before any runtime is started.
///
/// # Errors
/// Neither way is open to the caller.
pub fn enter_private_network() -> Result<Privilege, NamespaceError> {
    let Err(directly) = unshare(CloneFlags::CLONE_NEWNET) else {
        return Ok(Privilege::Administrator);
    };
    // Asked for before the change: inside, both are the overflow ids until mapped.
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(|error| {
        // More than one thread: then the direct way is the only one there is.
        let only = error == Errno::EINVAL;
        NamespaceError::NotPermitted(if only { directly } else { error })
    })?;
    // user_namespaces(7): an unprivileged process must give up setgroups before it maps its group.
    write_identity("/proc/self/setgroups", "deny")?;
    write_identity("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write_identity("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    Ok(Privilege::UserNamespace)
}

fn write_identity(path: &'static str, text: &str) -> Result<(), NamespaceError> {
    fs::write(path, text).map_err(|source| NamespaceError::Identity { path, source })
}

/// A network namespace that the caller is not in: a second host, with the kernel as its stack. It
/// ends with its last device, socket and thread, once this handle is dropped.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// Makes a new one, which needs `CAP_SYS_ADMIN`: [`enter_private_network`] gives it to those
    /// who may have it.
    ///
    /// # Errors
    /// The caller may not.
    pub fn create() -> Result<Self, NamespaceError> {
        on_another_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(NamespaceError::NotPermitted)?;
            File::open("/proc/thread-self/ns/net")
                .map(Self)
                .map_err(NamespaceError::NotEntered)
        })
    }

    /// Runs `body` in it, on a thread of its own. What `body` opens stays in the namespace
    /// wherever it is used.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    ///
    /// # Panics
    /// When `body` does.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        on_another_thread(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET)
                .map_err(|error| NamespaceError::NotEntered(error.into()))?;
            Ok(body())
        })
    }
}

/// A thread that has changed its namespace is not to be used for anything else.
fn on_another_thread<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(body)
            .join()
            .unwrap_or_else(|cause| panic::resume_unwind(cause))
    })
}

/// Makes the kernel of the caller's namespace a router between the devices that will be made in
/// it: it forwards, believes every source address, and says nothing of its own accord.
///
/// # Errors
/// A setting cannot be written, as where `/proc/sys` is mounted read-only.
pub fn make_router() -> Result<(), NamespaceError> {
    set("net/ipv4/ip_forward", "1")?;
    for scope in ["all", "default"] {
        // A cut path leaves its routes gone while its packets are still under way.
        set(&format!("net/ipv4/conf/{scope}/rp_filter"), "0")?;
        set(&format!("net/ipv4/conf/{scope}/send_redirects"), "0")?;
    }
    if has_ipv6() {
        for scope in ["all", "default"] {
            set(&format!("net/ipv6/conf/{scope}/forwarding"), "1")?;
        }
    }
    make_quiet()
}

/// Makes the kernel of the caller's namespace speak IPv6 with the addresses it is given, at once,
/// and say nothing of its own accord. Devices that exist already keep their link-local addresses.
///
/// # Errors
/// A setting cannot be written, as where `/proc/sys` is mounted read-only.
pub fn make_quiet() -> Result<(), NamespaceError> {
    if !has_ipv6() {
        return Ok(());
    }
    for scope in ["all", "default"] {
        let ipv6 = format!("net/ipv6/conf/{scope}");
        // Some hosts switch IPv6 off for every new namespace.
        set(&format!("{ipv6}/disable_ipv6"), "0")?;
        set(&format!("{ipv6}/accept_ra"), "0")?;
        // Addresses are usable at once: on a link of two there is nobody to ask (RFC 4862 §5.4).
        set(&format!("{ipv6}/accept_dad"), "0")?;
    }
    // No link-local addresses, hence no router solicitations among the packets of the experiment.
    set("net/ipv6/conf/default/addr_gen_mode", "1")
}

fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// Reads a setting, such as `net/mptcp/enabled`; `None` where the kernel does not have it.
#[must_use]
pub fn setting(name: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
    Some(text.trim_end().to_owned())
}

/// Writes a setting of the caller's namespace, such as `net/ipv4/ip_forward`.
///
/// # Errors
/// The kernel has no such setting, or it may not be written.
pub fn set(name: &str, value: &str) -> Result<(), NamespaceError> {
    let path = Path::new("/proc/sys").join(name);
    fs::write(&path, value).map_err(|source| NamespaceError::Setting { path, source })
}
