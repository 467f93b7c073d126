//! Stacks: starting, ending, and what belongs to a whole one.

use crate::app_fd::AppFd;
use crate::config::{BadConfig, Carrier, InterfaceConfig, StackConfig};
use crate::device::{FdDevice, copy_of};
use crate::memory::CallerMemory;
use crate::registry;
use crate::running::RunningStack;
use nix::errno::Errno;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use umptcp::bsd::Net;
use umptcp::{MemoryDevice, Network, Stack, StackBuilder, TunDevice};

/// The longest text that describes a stack.
const LONGEST_CONFIG: u64 = 64 * 1024;

/// A device, or what is needed for one that can only be made inside the runtime.
enum Prepared {
    Tun(String),
    Descriptor(OwnedFd),
    Memory(MemoryDevice),
}

/// Starts a stack over devices, and gives its handle.
///
/// # Errors
/// `EFAULT`, `EINVAL` for a text that is none, or what opening the devices gives.
pub(crate) fn new_stack(config: u64) -> Result<usize, Errno> {
    let config = StackConfig::parse(&read_text(config)?).map_err(bad)?;
    let mut prepared = Vec::new();
    for interface in &config.interfaces {
        prepared.push(match &interface.carrier {
            Carrier::Tun(name) => Prepared::Tun(name.clone()),
            Carrier::Descriptor(number) => Prepared::Descriptor(copy_of(AppFd::new(*number)?)?),
            Carrier::Memory => return Err(Errno::EINVAL),
        });
    }
    start(config, prepared)
}

/// Starts two stacks that are joined by links within the process, the first interface of one with
/// the first of the other and so on, and gives their handles.
///
/// # Errors
/// `EFAULT`, `EINVAL` for a text that is none or if they differ in the number of interfaces.
pub(crate) fn new_pair(first: u64, second: u64) -> Result<[usize; 2], Errno> {
    let [first, second] = [first, second].map(|text| {
        let text = read_text(text)?;
        StackConfig::parse_in_memory(&text).map_err(bad)
    });
    let (first, second) = (first?, second?);
    if first.interfaces.len() != second.interfaces.len() {
        return Err(Errno::EINVAL);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (one, other) in first.interfaces.iter().zip(&second.interfaces) {
        let (one, other) = MemoryDevice::pair(one.mtu.min(other.mtu));
        ours.push(Prepared::Memory(one));
        theirs.push(Prepared::Memory(other));
    }
    let first = start(first, ours)?;
    match start(second, theirs) {
        Ok(second) => Ok([first, second]),
        Err(error) => {
            free(first)?;
            Err(error)
        }
    }
}

/// Ends a stack at once, with everything on it.
///
/// # Errors
/// `EFAULT` for null, `EINVAL` if there is no such stack.
pub(crate) fn free(handle: usize) -> Result<i32, Errno> {
    let (stack, descriptors) = registry::remove_stack(handle)?;
    stack.stop(&descriptors);
    Ok(0)
}

/// Disables or enables an interface, counted from 0.
///
/// # Errors
/// As [`free`]; `ENXIO` if there is no such interface.
pub(crate) fn set_interface_up(handle: usize, index: u32, up: bool) -> Result<i32, Errno> {
    let stack = registry::find_stack(handle)?;
    let index = usize::try_from(index).map_err(|_| Errno::ENXIO)?;
    let interfaces = stack.stack().interfaces();
    let interface = *interfaces.get(index).ok_or(Errno::ENXIO)?;
    stack.stack().set_interface_up(interface, up);
    Ok(0)
}

const fn bad(_: BadConfig) -> Errno {
    Errno::EINVAL
}

/// Reads a text up to its final zero.
fn read_text(address: u64) -> Result<String, Errno> {
    let mut text = Vec::new();
    for place in 0..LONGEST_CONFIG {
        // A byte at a time: what follows the text may not be there.
        let at = address.checked_add(place).ok_or(Errno::EFAULT)?;
        let byte: [u8; 1] = CallerMemory.read_bytes(at)?;
        if byte == [0] {
            return String::from_utf8(text).map_err(|_| Errno::EINVAL);
        }
        text.extend(byte);
    }
    Err(Errno::EINVAL)
}

fn start(config: StackConfig, devices: Vec<Prepared>) -> Result<usize, Errno> {
    let interfaces = config.interfaces.clone();
    let (profile, privileged, version) = (config.profile, config.privileged, config.version);
    let prepare = move |stack: &Stack, net: &mut Net<'_>| {
        net.system.profile = profile;
        net.system.privileged = privileged;
        if let Some(version) = version {
            net.system.defaults.version = version;
        }
        let name = |(place, interface): (usize, &InterfaceConfig)| match &interface.carrier {
            Carrier::Tun(name) => name.clone(),
            Carrier::Descriptor(_) | Carrier::Memory => format!("ump{place}"),
        };
        let names = interfaces.iter().enumerate().map(name);
        net.system.interfaces = stack.interfaces().iter().copied().zip(names).collect();
    };
    let running = RunningStack::start(move || describe(config, devices), prepare);
    Ok(registry::insert_stack(
        running.map_err(|error| errno_of(&error))?,
    ))
}

/// Makes the devices, and sets up the kernel's ends.
async fn describe(config: StackConfig, devices: Vec<Prepared>) -> io::Result<StackBuilder> {
    let mut builder = Stack::builder();
    for (interface, device) in config.interfaces.into_iter().zip(devices) {
        let addresses: Vec<_> = interface.addresses.iter().map(|(ip, _)| *ip).collect();
        builder = match device {
            Prepared::Memory(device) => builder.interface(device, addresses),
            Prepared::Descriptor(fd) => {
                builder.interface(FdDevice::new(fd, interface.mtu)?, addresses)
            }
            Prepared::Tun(name) => {
                let device = TunDevice::open(&name, interface.mtu)?;
                set_up_kernel(device.name(), &interface).await?;
                builder.interface(device, addresses)
            }
        };
    }
    Ok(builder)
}

async fn set_up_kernel(link: &str, interface: &InterfaceConfig) -> io::Result<()> {
    let routes = interface.addresses.iter();
    let routes = routes.filter_map(|(address, prefix)| prefix.map(|prefix| (*address, prefix)));
    let routes: Vec<_> = routes.collect();
    if routes.is_empty() && interface.host.is_empty() {
        return Ok(());
    }
    let network = Network::connect().await?;
    network.set_mtu(link, u32::from(interface.mtu)).await?;
    for (address, prefix) in &interface.host {
        network.add_address(link, *address, *prefix).await?;
    }
    network.set_up(link).await?;
    for (address, prefix) in routes {
        // The prefix of an address of the kernel's own there is routed already.
        let mut known = interface.host.iter();
        if known.any(|(host, bits)| {
            *bits == prefix && first_of(*host, prefix) == first_of(address, prefix)
        }) {
            continue;
        }
        network
            .add_route(first_of(address, prefix), prefix, link)
            .await?;
    }
    Ok(())
}

/// The address of the prefix itself: what is behind it is zero.
fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let behind = 32_u32.saturating_sub(u32::from(prefix));
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let behind = 128_u32.saturating_sub(u32::from(prefix));
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

/// The errno in an error: its own, or what its kind stands for.
fn errno_of(error: &io::Error) -> Errno {
    if let Some(number) = error.raw_os_error() {
        return Errno::from_raw(number);
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => Errno::EPERM,
        io::ErrorKind::NotFound => Errno::ENOENT,
        io::ErrorKind::ResourceBusy | io::ErrorKind::AddrInUse => Errno::EBUSY,
        io::ErrorKind::InvalidInput => Errno::EINVAL,
        io::ErrorKind::AlreadyExists => Errno::EEXIST,
        _ => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_in_zeros() {
        for (address, prefix, first) in [
            ("10.1.2.3", 24, "10.1.2.0"),
            ("10.1.2.3", 0, "0.0.0.0"),
            ("10.1.2.3", 32, "10.1.2.3"),
            ("fd00::1:2", 112, "fd00::1:0"),
            ("fd00::1:2", 0, "::"),
        ] {
            let first: IpAddr = first.parse().unwrap();
            assert_eq!(first_of(address.parse().unwrap(), prefix), first);
        }
    }
}
