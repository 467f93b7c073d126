//! The hosts of a process, by the number that their users know them by.
//!
//! The module owns the list. `userdata` of the interface is such a number and not a pointer: one
//! that is wrong, or that was freed, is then an error and not a crash.

use crate::flags::{LOCAL_IP_VARIABLE, Settings};
use crate::host::Host;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use umptcp::bsd::Errno;

#[derive(Debug)]
struct Hosts {
    hosts: BTreeMap<usize, Arc<Host>>,
    last: usize,
}

static HOSTS: Mutex<Hosts> = Mutex::new(Hosts {
    hosts: BTreeMap::new(),
    last: 0,
});

fn hosts() -> MutexGuard<'static, Hosts> {
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a host with these flags and the environment's address; 0 is none.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn start(flags: &str) -> Result<usize, String> {
    let variable = std::env::var(LOCAL_IP_VARIABLE).ok();
    let settings =
        Settings::parse(flags, variable.as_deref()).map_err(|error| error.to_string())?;
    let host = Host::start(&settings).map_err(|errno| format!("no host: {errno}"))?;
    let mut hosts = hosts();
    hosts.last += 1;
    let number = hosts.last;
    hosts.hosts.insert(number, host);
    Ok(number)
}

/// The host with this number.
///
/// # Errors
/// `EINVAL` if there is none.
pub(crate) fn get(number: usize) -> Result<Arc<Host>, Errno> {
    hosts().hosts.get(&number).cloned().ok_or(Errno::EINVAL)
}

/// Ends a host.
pub(crate) fn end(number: usize) {
    let host = hosts().hosts.remove(&number);
    if let Some(host) = host {
        host.stop();
    }
}
