//! Values of flags as text.
//!
//! The module owns how a number, a time and an address are written. `None` is what is none.

use super::Announcement;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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
pub(super) fn announcement(text: &str) -> Option<Announcement> {
    if let Some(address) = address(text) {
        return Some(Announcement {
            address,
            port: None,
        });
    }
    let with_port: SocketAddr = text.parse().ok()?;
    (with_port.port() != 0).then_some(Announcement {
        address: with_port.ip(),
        port: Some(with_port.port()),
    })
}

/// Two ports, the lower first: `LOW-HIGH`.
pub(super) fn ports(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-')?;
    let (low, high) = (small(low)?, small(high)?);
    (low != 0 && low <= high).then_some((low, high))
}
