//! The text by which a C program describes a stack.
//!
//! The module owns its grammar; what it describes is made elsewhere.
//!
//! Parts are separated by `;`. A part is an interface: a device, then, after commas, addresses and
//! options. The device is the name of a TUN device to create, or `fd=` and the number of an open
//! descriptor. A part that begins with an option and not with a device is about the whole stack.

use std::net::IpAddr;
use std::str::FromStr;
use umptcp::Version;
use umptcp::bsd::OptionProfile;

/// MTU of a device that says nothing else.
const DEFAULT_MTU: u16 = 1500;
/// RFC 8200 §5: no link has less.
const LEAST_MTU: u16 = 1280;

/// What carries an interface's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A TUN device to create.
    Tun(String),
    /// An open descriptor of the application.
    Descriptor(i32),
    /// A link within the process.
    Memory,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceConfig {
    pub(crate) carrier: Carrier,
    pub(crate) mtu: u16,
    /// Addresses of the stack. With a prefix, the kernel is to route that prefix to the device.
    pub(crate) addresses: Vec<(IpAddr, Option<u8>)>,
    /// Addresses of the kernel's end of the device.
    pub(crate) host: Vec<(IpAddr, u8)>,
}

/// A whole stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackConfig {
    pub(crate) interfaces: Vec<InterfaceConfig>,
    pub(crate) profile: OptionProfile,
    /// Ports below 1024, and options that ask for privileges.
    pub(crate) privileged: bool,
    /// The version that new connections offer.
    pub(crate) version: Option<Version>,
}

/// The text is not as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadConfig;

impl StackConfig {
    /// Reads the text of a stack over devices.
    ///
    /// # Errors
    /// The text cannot be read, or describes no interface.
    pub(crate) fn parse(text: &str) -> Result<Self, BadConfig> {
        Self::parse_with(text, InterfaceConfig::over_device)
    }

    /// Reads the text of one of two stacks that are joined by links within the process: its interfaces
    /// have no device.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn parse_in_memory(text: &str) -> Result<Self, BadConfig> {
        Self::parse_with(text, |part| InterfaceConfig::new(Carrier::Memory, part))
    }

    fn parse_with(
        text: &str,
        interface: impl Fn(&str) -> Result<InterfaceConfig, BadConfig>,
    ) -> Result<Self, BadConfig> {
        let mut config = Self::default();
        for part in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let option = part.split_once('=');
            match option.map(|(name, value)| (name.trim(), value.trim())) {
                Some(("profile", value)) => config.profile = profile(value)?,
                Some(("privileged", value)) => config.privileged = switch(value)?,
                Some(("version", value)) => config.version = Some(version(value)?),
                _ => config.interfaces.push(interface(part)?),
            }
        }
        if config.interfaces.is_empty() {
            return Err(BadConfig);
        }
        Ok(config)
    }
}

impl InterfaceConfig {
    fn over_device(part: &str) -> Result<Self, BadConfig> {
        let (device, rest) = part.split_once(',').ok_or(BadConfig)?;
        let device = device.trim();
        let carrier = match device.split_once('=') {
            Some(("fd", number)) => Carrier::Descriptor(read(number)?),
            Some(_) => return Err(BadConfig),
            None if device.is_empty() || device.parse::<IpAddr>().is_ok() => return Err(BadConfig),
            None => Carrier::Tun(device.to_owned()),
        };
        Self::new(carrier, rest)
    }

    fn new(carrier: Carrier, text: &str) -> Result<Self, BadConfig> {
        let mut config = Self {
            carrier,
            mtu: DEFAULT_MTU,
            addresses: Vec::new(),
            host: Vec::new(),
        };
        for word in text.split(',').map(str::trim) {
            match word.split_once('=') {
                Some(("mtu", value)) => config.mtu = read(value)?,
                Some(("host", value)) => {
                    let (address, prefix) = address(value)?;
                    config.host.push((address, prefix.ok_or(BadConfig)?));
                }
                Some(_) => return Err(BadConfig),
                None => config.addresses.push(address(word)?),
            }
        }
        // Only a device that we create has a kernel's end for us to set up.
        let routed = config.addresses.iter().any(|(_, prefix)| prefix.is_some());
        let created = matches!(config.carrier, Carrier::Tun(_));
        let needs_kernel = routed || !config.host.is_empty();
        if config.addresses.is_empty() || config.mtu < LEAST_MTU || (needs_kernel && !created) {
            return Err(BadConfig);
        }
        Ok(config)
    }
}

fn read<T: FromStr>(text: &str) -> Result<T, BadConfig> {
    text.trim().parse().map_err(|_| BadConfig)
}

fn address(text: &str) -> Result<(IpAddr, Option<u8>), BadConfig> {
    let Some((address, prefix)) = text.split_once('/') else {
        return Ok((read(text)?, None));
    };
    let (address, prefix): (IpAddr, u8) = (read(address)?, read(prefix)?);
    let longest = if address.is_ipv4() { 32 } else { 128 };
    if prefix > longest {
        return Err(BadConfig);
    }
    Ok((address, Some(prefix)))
}

fn profile(text: &str) -> Result<OptionProfile, BadConfig> {
    match text {
        "full" => Ok(OptionProfile::Full),
        "linux" => Ok(OptionProfile::Linux),
        "multipath-tcp.org" => Ok(OptionProfile::MultipathTcpOrg),
        _ => Err(BadConfig),
    }
}

fn switch(text: &str) -> Result<bool, BadConfig> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(BadConfig),
    }
}

fn version(text: &str) -> Result<Version, BadConfig> {
    match text {
        "0" => Ok(Version::V0),
        "1" => Ok(Version::V1),
        _ => Err(BadConfig),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_and_options_are_read() {
        let config =
            StackConfig::parse("tun0,10.0.0.2/24,mtu=1400,host=10.0.0.1/24; fd=5, 10.0.1.2,fd00::2;version=0;privileged=1;profile=linux;").unwrap();
        assert_eq!(config.version, Some(Version::V0));
        assert!(config.privileged);
        assert_eq!(config.profile, OptionProfile::Linux);
        let [first, second] = config.interfaces.as_slice() else {
            panic!("{config:?}");
        };
        assert_eq!(first.carrier, Carrier::Tun("tun0".to_owned()));
        assert_eq!(first.mtu, 1400);
        assert_eq!(first.addresses, [("10.0.0.2".parse().unwrap(), Some(24))]);
        assert_eq!(first.host, [("10.0.0.1".parse().unwrap(), 24)]);
        assert_eq!(second.carrier, Carrier::Descriptor(5));
        assert_eq!(second.addresses.len(), 2);
        let config = StackConfig::parse_in_memory("10.0.0.1;10.0.1.1,mtu=9000").unwrap();
        assert_eq!(config.interfaces[1].mtu, 9000);
        assert_eq!(config.interfaces[1].carrier, Carrier::Memory);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "",
            ";",
            "tun0",
            "10.0.0.1",
            "tun0,",
            "tun0,10.0.0",
            "tun0,10.0.0.1/33",
            "tun0,mtu=1500",
            "tun0,10.0.0.1,mtu=70000",
            "tun0,10.0.0.1,mtu=100",
            "tun0,10.0.0.1,host=10.0.0.2",
            "tun0,10.0.0.1,speed=1",
            "fd=x,10.0.0.1",
            "fd=5,10.0.0.1/24",
            "version=2;tun0,10.0.0.1",
            "version=1",
            "profile=;tun0,10.0.0.1",
            "=,10.0.0.1",
        ] {
            assert_eq!(StackConfig::parse(text), Err(BadConfig), "{text:?}");
        }
        assert_eq!(StackConfig::parse_in_memory("10.0.0.1/24"), Err(BadConfig));
    }
}
