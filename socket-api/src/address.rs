//! What can be connected to or listened at: addresses, and names that stand for some.
//!
//! The module owns turning these into addresses, and the order in which addresses are tried. Names
//! are asked of the operating system, whose resolver uses the operating system's network, not the
//! stack's. It never connects.

use std::collections::VecDeque;
use std::future::{Future, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Something that stands for one or several addresses with ports: an address, or a name such as
/// `"www.example.org:80"`, which the operating system's resolver is asked for.
///
/// Names need a tokio runtime, addresses do not.
pub trait ToAddresses: Send {
    /// The addresses, in the order of preference.
    ///
    /// Cancellation safe: an answer that comes later is forgotten.
    ///
    /// # Errors
    /// `InvalidInput` for a text without a port, otherwise what the resolver gives.
    fn to_addresses(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// What needs no asking.
macro_rules! already_addresses {
    ($($type:ty),*) => {$(
        impl ToAddresses for $type {
            fn to_addresses(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
                ready(Ok(vec![self.into()]))
            }
        }
    )*};
}

already_addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

impl ToAddresses for Vec<SocketAddr> {
    fn to_addresses(self) -> impl Future<Output = io::Result<Self>> + Send {
        ready(Ok(self))
    }
}

impl ToAddresses for &[SocketAddr] {
    fn to_addresses(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        ready(Ok(self.to_vec()))
    }
}

impl ToAddresses for &str {
    async fn to_addresses(self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address]);
        }
        Ok(tokio::net::lookup_host(self).await?.collect())
    }
}

impl ToAddresses for String {
    async fn to_addresses(self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_addresses().await
    }
}

impl ToAddresses for (&str, u16) {
    async fn to_addresses(self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = self;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![(ip, port).into()]);
        }
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

impl ToAddresses for (String, u16) {
    async fn to_addresses(self) -> io::Result<Vec<SocketAddr>> {
        (self.0.as_str(), self.1).to_addresses().await
    }
}

impl<T: ToAddresses + Clone + Sync> ToAddresses for &T {
    fn to_addresses(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        self.clone().to_addresses()
    }
}

/// The addresses of something; there is at least one.
pub(crate) async fn resolve(addresses: impl ToAddresses) -> io::Result<Vec<SocketAddr>> {
    let addresses = addresses.to_addresses().await?;
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name has no address",
        ));
    }
    Ok(addresses)
}

/// The order of trying (RFC 8305 §4, with a First Address Family Count of 1): the families take
/// turns, that of the first address first, and each keeps the order that it had.
pub(crate) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let mut seen = Vec::with_capacity(addresses.len());
    let mut preferred = VecDeque::new();
    let mut others = VecDeque::new();
    for address in addresses {
        if seen.contains(&address) {
            continue;
        }
        seen.push(address);
        if address.is_ipv4() == first.is_ipv4() {
            preferred.push_back(address);
        } else {
            others.push_back(address);
        }
    }
    let mut order = Vec::with_capacity(seen.len());
    while !preferred.is_empty() || !others.is_empty() {
        order.extend(preferred.pop_front());
        order.extend(others.pop_front());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_take_turns_and_nothing_is_tried_twice() {
        let given = addresses(&[
            "[2001:db8::1]:80",
            "[2001:db8::2]:80",
            "[2001:db8::1]:80",
            "[2001:db8::3]:80",
            "192.0.2.1:80",
            "192.0.2.2:80",
        ]);
        let expected = addresses(&[
            "[2001:db8::1]:80",
            "192.0.2.1:80",
            "[2001:db8::2]:80",
            "192.0.2.2:80",
            "[2001:db8::3]:80",
        ]);
        assert_eq!(interleave(given), expected);
        assert_eq!(interleave(Vec::new()), []);
    }

    #[tokio::test]
    async fn addresses_and_names_become_addresses() {
        let expected = addresses(&["192.0.2.1:80"]);
        assert_eq!(resolve("192.0.2.1:80").await.unwrap(), expected);
        assert_eq!(resolve(("192.0.2.1", 80)).await.unwrap(), expected);
        assert_eq!(
            resolve(String::from("192.0.2.1:80")).await.unwrap(),
            expected
        );
        assert_eq!(resolve((expected[0].ip(), 80)).await.unwrap(), expected);
        assert_eq!(resolve(&expected[0]).await.unwrap(), expected);
        assert_eq!(resolve(expected.as_slice()).await.unwrap(), expected);
        assert_eq!(resolve(expected.clone()).await.unwrap(), expected);
        let local = resolve("localhost:80").await.unwrap();
        assert!(local.iter().all(|address| address.ip().is_loopback()));
        for wrong in ["localhost", "localhost:70000"] {
            let error = resolve(wrong).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
        let nothing = resolve(Vec::new()).await.unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::InvalidInput);
    }
}
