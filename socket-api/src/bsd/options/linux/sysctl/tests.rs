//! The settings by name, against what Linux 6.18 gives.

use super::*;
use crate::bsd::testing::Pair;
use crate::bsd::{Family, IPPROTO_MPTCP, Socket};

/// Name, value before, and what becomes of values: the new one as it is read, or the error.
type Row = (
    &'static str,
    &'static str,
    &'static [(&'static str, Result<&'static str, Errno>)],
);

const NO_NUMBER: Result<&str, Errno> = Err(Errno::EINVAL);

/// As measured on Linux 6.18.
const ROWS: [Row; 13] = [
    (
        "add_addr_timeout",
        "120",
        &[
            ("0", Ok("0")),
            ("1000000", Ok("1000000")),
            ("5000000000", NO_NUMBER),
            ("4294967295", NO_NUMBER),
            ("abc", NO_NUMBER),
        ],
    ),
    (
        "allow_join_initial_addr_port",
        "1",
        &[("0", Ok("0")), ("2", NO_NUMBER), ("-1", NO_NUMBER)],
    ),
    (
        "available_path_managers",
        "kernel userspace fullmesh ndiffports",
        &[("kernel", Err(Errno::EACCES)), ("", Err(Errno::EACCES))],
    ),
    (
        "available_schedulers",
        "default roundrobin",
        &[("default", Err(Errno::EACCES))],
    ),
    (
        "blackhole_timeout",
        "3600",
        &[
            ("0", Ok("0")),
            ("256", Ok("256")),
            ("-1", NO_NUMBER),
            ("0x10", Ok("16")),
            ("010", Ok("8")),
        ],
    ),
    (
        "checksum_enabled",
        "0",
        &[("1", Ok("1")), ("0", Ok("0")), ("2", NO_NUMBER)],
    ),
    (
        "close_timeout",
        "60",
        &[
            ("0", Ok("0")),
            ("1 2", Ok("1")),
            ("", Ok("1")),
            ("abc", NO_NUMBER),
        ],
    ),
    (
        "enabled",
        "1",
        &[
            ("0", Ok("0")),
            ("  1  ", Ok("1")),
            ("2", NO_NUMBER),
            ("0x10", NO_NUMBER),
            ("+1", NO_NUMBER),
        ],
    ),
    (
        "path_manager",
        "fullmesh",
        &[
            ("userspace", Ok("userspace")),
            ("kernel", Ok("kernel")),
            ("ndiffports", Ok("ndiffports")),
            ("default", Err(Errno::ENOENT)),
            ("1", Err(Errno::ENOENT)),
        ],
    ),
    (
        "pm_type",
        "0",
        &[("1", Ok("1")), ("0", Ok("0")), ("2", NO_NUMBER)],
    ),
    (
        "scheduler",
        "default",
        &[
            ("roundrobin", Ok("roundrobin")),
            ("", Ok("roundrobin")),
            ("kernel", Err(Errno::ENOENT)),
        ],
    ),
    (
        "stale_loss_cnt",
        "4",
        &[
            ("0", Ok("0")),
            ("4294967295", Ok("4294967295")),
            ("-1", NO_NUMBER),
        ],
    ),
    (
        "syn_retrans_before_tcp_fallback",
        "2",
        &[
            ("0", Ok("0")),
            ("127", Ok("127")),
            ("128", Ok("128")),
            ("255", Ok("255")),
            ("256", NO_NUMBER),
        ],
    ),
];

#[test]
fn values_are_taken_and_refused_as_in_linux() {
    let names: Vec<&str> = ROWS.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(names, Sysctl::ALL.map(Sysctl::name));
    for (name, before, changes) in ROWS {
        let mut pair = Pair::new();
        let mut net = pair.net(0);
        let full = format!("net.mptcp.{name}");
        assert_eq!(net.sysctl(name).as_deref(), Ok(before), "{name}");
        for (value, outcome) in changes {
            let before = net.sysctl(&full);
            let set = net.set_sysctl(&full, value);
            let after = net.sysctl(&format!("net/mptcp/{name}"));
            match outcome {
                Ok(expected) => {
                    assert_eq!(set, Ok(()), "{name} {value}");
                    assert_eq!(after.as_deref(), Ok(*expected), "{name} {value}");
                }
                Err(errno) => {
                    assert_eq!(set, Err(*errno), "{name} {value}");
                    assert_eq!(after, before, "{name} {value}");
                }
            }
        }
    }
    let mut pair = Pair::new();
    for unknown in ["", "net.mptcp.", "nothing", "net.ipv4.enabled"] {
        assert_eq!(pair.net(0).sysctl(unknown), Err(Errno::ENOENT), "{unknown}");
        let set = pair.net(0).set_sysctl(unknown, "1");
        assert_eq!(set, Err(Errno::ENOENT), "{unknown}");
    }
}

#[test]
fn sockets_that_are_made_afterwards_have_what_was_set() {
    let mut pair = Pair::new();
    let before = pair.mptcp(0, Family::V4);
    let mut net = pair.net(0);
    for (name, value) in [
        ("add_addr_timeout", "7"),
        ("allow_join_initial_addr_port", "0"),
        ("blackhole_timeout", "9"),
        ("checksum_enabled", "1"),
        ("close_timeout", "8"),
        ("pm_type", "1"),
        ("scheduler", "roundrobin"),
        ("stale_loss_cnt", "6"),
        ("syn_retrans_before_tcp_fallback", "4"),
    ] {
        assert_eq!(net.set_sysctl(name, value), Ok(()), "{name}");
    }
    // The two are one setting.
    assert_eq!(net.sysctl("path_manager").as_deref(), Ok("userspace"));
    assert_eq!(net.set_sysctl("path_manager", "kernel"), Ok(()));
    assert_eq!(net.sysctl("pm_type").as_deref(), Ok("0"));
    assert_eq!(net.endpoint.blackhole_timeout(), Duration::from_secs(9));
    let shown = net.sysctls();
    assert_eq!(shown.len(), Sysctl::ALL.len());
    assert!(shown.contains(&("net.mptcp.close_timeout".to_owned(), "8".to_owned())));

    let after = pair.mptcp(0, Family::V4).config;
    assert_eq!(after.add_addr_timeout, Duration::from_secs(7));
    assert!(!after.allow_join_initial_address);
    assert_eq!(after.checksum, ChecksumPolicy::Require);
    assert_eq!(after.close_timeout, Duration::from_secs(8));
    assert_eq!(after.path_manager, PathManagerKind::Endpoints);
    assert_eq!(after.scheduler, SchedulerKind::RoundRobin);
    assert_eq!(after.stale_loss_count, 6);
    assert_eq!(after.syn_tries_with_mptcp, 5);
    assert_eq!(before.config.stale_loss_count, 4);

    pair.net(0).set_sysctl("enabled", "0").unwrap();
    let system = &pair.hosts[0].system;
    let refused = Socket::new(system, libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP);
    assert_eq!(refused.map(|_| ()), Err(Errno::ENOPROTOOPT));
}
