//! Every key of the flags, and what it sets.
//!
//! The module owns the table and nothing else.

use super::value::{address, duration, number, path_endpoint, ports, small, switch};
use super::{FlagError, Settings, Size};
use crate::clock::TimeMode;
use std::time::Duration;
use umptcp_stack::{
    AcceptVersions, ChecksumPolicy, CongestionAlgorithm, EcnPolicy, FastcloseMethod, JoinPorts,
    OtherVersion, PathEndpointFlags, PathManagerKind, SchedulerKind, SynCookies, Version,
    WindowScale,
};

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it understands.
    pub expected: &'static str,
    /// Further values may follow.
    pub is_list: bool,
    /// Takes a value over; `None` if it means nothing.
    pub(super) set: fn(&mut Settings, &str) -> Option<()>,
}

const fn key(
    name: &'static str,
    expected: &'static str,
    set: fn(&mut Settings, &str) -> Option<()>,
) -> Key {
    Key {
        name,
        expected,
        is_list: false,
        set,
    }
}

const fn list(
    name: &'static str,
    expected: &'static str,
    set: fn(&mut Settings, &str) -> Option<()>,
) -> Key {
    Key {
        is_list: true,
        ..key(name, expected, set)
    }
}

const TIME: &str = "a time in milliseconds, or with us, ms or s";
const ON_OFF: &str = "on or off";
const COUNT: &str = "a number";
const BYTES: &str = "a number of bytes";
const LIMIT: &str = "0 to 8";
const ENDPOINTS: &str =
    "addresses, each with a port or without, and with +signal, +subflow, +backup or +fullmesh";
const ADDRESSES: &str = "addresses";

/// The smallest MTU of IPv4 (RFC 791 §3.2), and the MSS that goes with it.
const MIN_MTU: u16 = 68;

/// All keys.
pub const KEYS: &[Key] = &[
    list("local", ADDRESSES, |to, text| {
        let address = address(text)?;
        if !to.local.contains(&address) {
            to.local.push(address);
        }
        Some(())
    }),
    key("time", "real or virtual", |to, text| {
        to.time = match text {
            "real" => TimeMode::Real,
            "virtual" => TimeMode::Virtual,
            _ => return None,
        };
        Some(())
    }),
    key("seed", COUNT, |to, text| {
        to.seed = Some(number(text)?);
        Some(())
    }),
    key("isn", "a number of 32 bits", |to, text| {
        to.endpoint.fixed_isn = Some(small(text)?);
        Some(())
    }),
    list("key", "numbers of 64 bits that are not 0", |to, text| {
        let key = number(text).filter(|&key| key != 0)?;
        to.endpoint.fixed_keys.push(key);
        Some(())
    }),
    key("receive_timeout", TIME, |to, text| {
        to.receive_timeout = duration(text)?;
        Some(())
    }),
    list("endpoint", ENDPOINTS, |to, text| {
        let flags = PathEndpointFlags::default();
        to.path_endpoints.push(path_endpoint(text, flags)?);
        Some(())
    }),
    list("announce", ENDPOINTS, |to, text| {
        let flags = PathEndpointFlags {
            signal: true,
            ..PathEndpointFlags::default()
        };
        to.path_endpoints.push(path_endpoint(text, flags)?);
        Some(())
    }),
    list("backup", ENDPOINTS, |to, text| {
        let flags = PathEndpointFlags {
            subflow: true,
            backup: true,
            ..PathEndpointFlags::default()
        };
        to.path_endpoints.push(path_endpoint(text, flags)?);
        Some(())
    }),
    key(
        "path_manager",
        "fullmesh, default, ndiffports or kernel",
        |to, text| {
            to.path_manager = Some(PathManagerKind::from_name(text)?);
            Some(())
        },
    ),
    key("extra_subflows", LIMIT, |to, text| {
        to.path_limits.extra_subflows = small(text)?;
        to.path_limits.check().ok()
    }),
    key("add_addr_accepted", LIMIT, |to, text| {
        to.path_limits.add_addr_accepted = small(text)?;
        to.path_limits.check().ok()
    }),
    key("scheduler", "a name", |to, text| {
        to.connection.scheduler = SchedulerKind::from_name(text)?;
        Some(())
    }),
    key("max_subflows", COUNT, |to, text| {
        to.connection.max_subflows = small(text)?;
        Some(())
    }),
    key("max_accepted_addresses", COUNT, |to, text| {
        to.connection.max_accepted_addresses = small(text)?;
        Some(())
    }),
    key("backup_binds_both", ON_OFF, |to, text| {
        to.connection.backup_binds_both = switch(text)?;
        Some(())
    }),
    key("join_initial_address", ON_OFF, |to, text| {
        to.connection.allow_join_initial_address = switch(text)?;
        Some(())
    }),
    key("join_ports", "any or known", |to, text| {
        to.connection.join_ports = match text {
            "any" => JoinPorts::Any,
            "known" => JoinPorts::Known,
            _ => return None,
        };
        Some(())
    }),
    key("add_addr_timeout", TIME, |to, text| {
        to.connection.add_addr_timeout = duration(text)?;
        Some(())
    }),
    key("version", "0 or 1", |to, text| {
        to.connection.version = Version::of_number(small(text)?)?;
        Some(())
    }),
    key("other_version", "never, next or at_once", |to, text| {
        to.connection.other_version = match text {
            "never" => OtherVersion::Never,
            "next" => OtherVersion::NextConnection,
            "at_once" => OtherVersion::AtOnce,
            _ => return None,
        };
        Some(())
    }),
    key("accept_versions", "both, 0 or 1", |to, text| {
        to.connection.accept_versions = match text {
            "both" => AcceptVersions::Both,
            _ => AcceptVersions::Only(Version::of_number(small(text)?)?),
        };
        Some(())
    }),
    key("checksum", "offer, require or forbid", |to, text| {
        to.connection.checksum = match text {
            "offer" => ChecksumPolicy::Offer,
            "require" => ChecksumPolicy::Require,
            "forbid" => ChecksumPolicy::Forbid,
            _ => return None,
        };
        Some(())
    }),
    key("syn_tries", COUNT, |to, text| {
        to.connection.syn_tries_with_mptcp = small(text)?;
        Some(())
    }),
    key("fastclose", "reset or acknowledgment", |to, text| {
        to.connection.fastclose = match text {
            "reset" => FastcloseMethod::Reset,
            "acknowledgment" => FastcloseMethod::Acknowledgment,
            _ => return None,
        };
        Some(())
    }),
    key("stale_loss_count", COUNT, |to, text| {
        to.connection.stale_loss_count = small(text)?;
        Some(())
    }),
    key("timestamps", ON_OFF, |to, text| {
        to.connection.syn_options.timestamps = switch(text)?;
        Some(())
    }),
    key("sack", ON_OFF, |to, text| {
        to.connection.syn_options.sack = switch(text)?;
        Some(())
    }),
    key("window_scale", "on, off or 0 to 14", |to, text| {
        to.connection.syn_options.window_scale = match text {
            "on" => WindowScale::ForBuffer,
            "off" => WindowScale::Off,
            // RFC 7323 §2.3.
            _ => WindowScale::Fixed(small(text).filter(|&shift| shift <= 14)?),
        };
        Some(())
    }),
    key("mtu", "68 to 65535", |to, text| {
        to.size = Size::Mtu(small(text).filter(|&mtu| mtu >= MIN_MTU)?);
        Some(())
    }),
    key("mss", "28 to 65475", |to, text| {
        // What the headers of IPv6 and TCP leave of the largest packet, and those of IPv4 of the
        // smallest.
        let within = |mss: &u16| (MIN_MTU - 40..=u16::MAX - 60).contains(mss);
        to.size = Size::Mss(small(text).filter(within)?);
        Some(())
    }),
    key("congestion", "reno or cubic", |to, text| {
        to.connection.subflow.congestion = match text {
            "reno" => CongestionAlgorithm::NewReno,
            "cubic" => CongestionAlgorithm::Cubic,
            _ => return None,
        };
        Some(())
    }),
    key("delayed_ack", "off, or a time up to 500 ms", |to, text| {
        to.connection.delayed_ack = match text {
            "off" => Duration::ZERO,
            // RFC 9293 §3.8.6.3.
            _ => duration(text).filter(|&time| time <= Duration::from_millis(500))?,
        };
        Some(())
    }),
    key("initial_rto", TIME, |to, text| {
        to.connection.initial_rto = duration(text).filter(|time| !time.is_zero())?;
        Some(())
    }),
    key("pacing", ON_OFF, |to, text| {
        to.connection.pacing = switch(text)?;
        Some(())
    }),
    key("ecn", "off, accept or request", |to, text| {
        to.connection.ecn = match text {
            "off" => EcnPolicy::Off,
            "accept" => EcnPolicy::Accept,
            "request" => EcnPolicy::Request,
            _ => return None,
        };
        Some(())
    }),
    key("nodelay", ON_OFF, |to, text| {
        to.connection.nodelay = switch(text)?;
        Some(())
    }),
    key("receive_buffer", BYTES, |to, text| {
        to.connection.receive_buffer = small(text)?;
        Some(())
    }),
    key("send_buffer", BYTES, |to, text| {
        to.connection.send_buffer = small(text)?;
        Some(())
    }),
    key("connect_timeout", TIME, |to, text| {
        to.connection.connect_timeout = duration(text)?;
        Some(())
    }),
    key("user_timeout", TIME, |to, text| {
        to.connection.user_timeout = duration(text)?;
        Some(())
    }),
    key("close_timeout", TIME, |to, text| {
        to.connection.close_timeout = duration(text)?;
        Some(())
    }),
    key("fin_timeout", TIME, |to, text| {
        to.connection.fin_timeout = duration(text)?;
        Some(())
    }),
    key("time_wait", TIME, |to, text| {
        to.endpoint.time_wait = duration(text)?;
        Some(())
    }),
    key("syn_cookies", "never, when_full or always", |to, text| {
        to.endpoint.syn_cookies = match text {
            "never" => SynCookies::Never,
            "when_full" => SynCookies::WhenFull,
            "always" => SynCookies::Always,
            _ => return None,
        };
        Some(())
    }),
    key("reset_unknown", ON_OFF, |to, text| {
        to.endpoint.answer_unknown_with_reset = switch(text)?;
        Some(())
    }),
    key("ports", "LOW-HIGH", |to, text| {
        to.endpoint.ephemeral_ports = ports(text)?;
        Some(())
    }),
];

/// The key with this name.
pub(super) fn find(name: &str) -> Result<&'static Key, FlagError> {
    KEYS.iter()
        .find(|key| key.name == name)
        .ok_or_else(|| FlagError::UnknownKey(name.to_owned()))
}

/// `real` and `virtual` may stand alone.
pub(super) fn of_switch(word: &str) -> Option<&'static Key> {
    match word {
        "real" | "virtual" => KEYS.iter().find(|key| key.name == "time"),
        _ => None,
    }
}
