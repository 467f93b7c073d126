//! What `so_flags` say: settings of the plug-in and of its stack, as `key=value` pairs.
//!
//! The module owns the grammar. Each key, with its meaning, is in the README beside this crate;
//! a test holds the two together. What a key does is in `keys`.

mod keys;
mod value;

pub use keys::KEYS;

use crate::clock::TimeMode;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;
use umptcp_stack::{ConnectionConfig, EndpointConfig, PathEndpoint, PathLimits, PathManagerKind};

/// The environment variable with the address of a stack whose flags name none.
pub const LOCAL_IP_VARIABLE: &str = "OPT_LOCAL_IP";

/// The largest packets there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// In bytes, with the IP header.
    Mtu(u16),
    /// The payload of a segment without options.
    Mss(u16),
}

/// All that the flags say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our addresses.
    pub local: Vec<IpAddr>,
    /// Which clock.
    pub time: TimeMode,
    /// Where randomness grows from; `None` is a random place.
    pub seed: Option<u64>,
    /// How long `netdev_receive` waits for a packet.
    pub receive_timeout: Duration,
    /// The largest packets.
    pub size: Size,
    /// What the path manager is told of addresses; they are ours as well.
    pub path_endpoints: Vec<PathEndpoint>,
    /// How much of that each connection may use.
    pub path_limits: PathLimits,
    /// The path manager, if one is named.
    path_manager: Option<PathManagerKind>,
    /// Settings of the host.
    pub endpoint: EndpointConfig,
    /// Settings of its connections.
    pub connection: ConnectionConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            local: Vec::new(),
            time: TimeMode::Real,
            seed: None,
            receive_timeout: Duration::from_secs(5),
            size: Size::Mtu(1500),
            path_endpoints: Vec::new(),
            path_limits: PathLimits::default(),
            path_manager: None,
            endpoint: EndpointConfig::default(),
            connection: ConnectionConfig::default(),
        }
    }
}

/// Why flags are not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlagError {
    /// No such key.
    #[error("so_flags: there is no key \"{0}\"")]
    UnknownKey(String),
    /// A key that needs a value has none.
    #[error("so_flags: the key \"{0}\" needs a value: {1}")]
    NoValue(String, &'static str),
    /// The value means nothing.
    #[error("so_flags: \"{value}\" is no value for the key \"{key}\": {expected}")]
    BadValue {
        /// The key.
        key: String,
        /// What was given.
        value: String,
        /// What would have been understood.
        expected: &'static str,
    },
    /// The address in the environment is none.
    #[error("OPT_LOCAL_IP: \"{0}\" is no address")]
    BadVariable(String),
    /// There is no address at all.
    #[error("so_flags name no address (local=ADDRESS), and OPT_LOCAL_IP is not set")]
    NoAddress,
}

impl Settings {
    /// Reads flags; `variable` is the value of [`LOCAL_IP_VARIABLE`].
    ///
    /// Pairs stand between commas, semicolons or white space. A word without `=` that follows a key
    /// with a list is one more of that list.
    ///
    /// # Errors
    /// Whatever is not understood.
    pub fn parse(flags: &str, variable: Option<&str>) -> Result<Self, FlagError> {
        let mut settings = Self::default();
        let mut list = None;
        let words = flags.split(|c: char| c == ',' || c == ';' || c.is_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            if let Some((name, value)) = word.split_once('=') {
                let key = keys::find(name)?;
                settings.set(key, value)?;
                list = key.is_list.then_some(key);
            } else if let Some(key) = keys::of_switch(word) {
                settings.set(key, word)?;
                list = None;
            } else if let Some(key) = list {
                settings.set(key, word)?;
            } else {
                let key = keys::find(word)?;
                return Err(FlagError::NoValue(word.to_owned(), key.expected));
            }
        }
        settings.complete(variable)
    }

    fn set(&mut self, key: &keys::Key, value: &str) -> Result<(), FlagError> {
        (key.set)(self, value).ok_or_else(|| FlagError::BadValue {
            key: key.name.to_owned(),
            value: value.to_owned(),
            expected: key.expected,
        })
    }

    fn complete(mut self, variable: Option<&str>) -> Result<Self, FlagError> {
        if self.local.is_empty()
            && let Some(text) = variable
        {
            let address = value::address(text);
            let bad = || FlagError::BadVariable(text.to_owned());
            self.local.push(address.ok_or_else(bad)?);
        }
        if self.local.is_empty() {
            return Err(FlagError::NoAddress);
        }
        for endpoint in &self.path_endpoints {
            if !self.local.contains(&endpoint.address) {
                self.local.push(endpoint.address);
            }
        }
        if self.path_manager.is_none() && !self.path_endpoints.is_empty() {
            self.path_manager = Some(PathManagerKind::Endpoints);
        }
        if let Some(kind) = self.path_manager {
            self.connection.path_manager = kind;
        }
        Ok(self)
    }

    /// The MTU of the interface.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        match self.size {
            Size::Mtu(mtu) => mtu,
            // RFC 9293 §3.7.1: the MSS is the MTU less the fixed headers.
            Size::Mss(mss) if self.local.iter().all(IpAddr::is_ipv6) => mss.saturating_add(60),
            Size::Mss(mss) => mss.saturating_add(40),
        }
    }
}

#[cfg(test)]
mod tests;
