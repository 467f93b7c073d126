//! Values of flags as text.
//!
//! The module owns how a number, a time and an address are written. `None` is what is none.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::{PathEndpoint, PathEndpointFlags};

/// A number, decimal or with `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A number of a smaller type.
pub(super) fn small<T: TryFrom<u64>>(text: &str) -> Option<T> {
    T::try_from(number(text)?).ok()
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "yes" | "true" | "1" => Some(true),
        "off" | "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// A time in milliseconds, or with a unit: `us`, `ms`, `s`; `never` is without end.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "never" {
        return Some(Duration::MAX);
    }
    let (count, unit): (_, fn(u64) -> Duration) = if let Some(count) = text.strip_suffix("us") {
        (count, Duration::from_micros)
    } else if let Some(count) = text.strip_suffix("ms") {
        (count, Duration::from_millis)
    } else if let Some(count) = text.strip_suffix('s') {
        (count, Duration::from_secs)
    } else {
        (text, Duration::from_millis)
    };
    number(count).map(unit)
}

/// An address; a prefix length is passed over, as in the addresses of the tool.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let address = text.split_once('/').map_or(text, |(address, _)| address);
    let address: IpAddr = address.parse().ok()?;
    (!address.is_unspecified() && !address.is_multicast()).then_some(address)
}

/// An address, or an address and a port as `192.0.2.1:80` or `[2001:db8::1]:80`.
fn address_and_port(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Some(address) = address(text) {
        return Some((address, None));
    }
    let with_port: SocketAddr = text.parse().ok()?;
    Some((
        address(&with_port.ip().to_string())?,
        Some(with_port.port()),
    ))
}

/// An address, maybe with a port, and after each `+` a word of what it is for, beside what is given.
pub(super) fn path_endpoint(text: &str, mut flags: PathEndpointFlags) -> Option<PathEndpoint> {
    let mut words = text.split('+');
    let (address, port) = address_and_port(words.next()?)?;
    for word in words {
        match word {
            "signal" => flags.signal = true,
            "subflow" => flags.subflow = true,
            "backup" => flags.backup = true,
            "fullmesh" => flags.fullmesh = true,
            _ => return None,
        }
    }
    let endpoint = PathEndpoint {
        id: 0,
        address,
        port,
        interface: None,
        flags,
    };
    endpoint.check().ok()?;
    Some(endpoint)
}

/// Two ports, the lower first: `LOW-HIGH`.
pub(super) fn ports(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-')?;
    let (low, high) = (small(low)?, small(high)?);
    (low != 0 && low <= high).then_some((low, high))
}
