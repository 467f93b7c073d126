use super::*;
use umptcp_stack::{
    AcceptVersions, ChecksumPolicy, CongestionAlgorithm, PathManagerKind, Version, WindowScale,
};

fn parse(flags: &str) -> Result<Settings, FlagError> {
    Settings::parse(flags, None)
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_list_goes_on_until_the_next_key() {
    for flags in [
        "local=192.0.2.1,2001:db8::1,seed=7,virtual",
        "virtual;local=192.0.2.1;2001:db8::1;seed=7",
        "  seed=7 time=virtual\nlocal=192.0.2.1,2001:db8::1,",
        "local=192.0.2.1 local=2001:db8::1 seed=0x7 virtual",
    ] {
        let settings = parse(flags).unwrap();
        assert_eq!(
            settings.local,
            addresses(&["192.0.2.1", "2001:db8::1"]),
            "{flags}"
        );
        assert_eq!(settings.seed, Some(7));
        assert_eq!(settings.time, TimeMode::Virtual);
    }
}

#[test]
fn settings_reach_the_stack() {
    let settings = parse(
        "local=10.0.0.1 version=1 accept_versions=1 checksum=require timestamps=off \
         window_scale=7 sack=off congestion=reno delayed_ack=25 key=0x10,17 isn=1000 \
         initial_rto=3s mss=1000 announce=10.0.0.2,[2001:db8::2]:80 \
         backup=10.0.0.3 endpoint=10.0.0.4+subflow+fullmesh extra_subflows=4 \
         max_subflows=2 ports=5000-5001",
    )
    .unwrap();
    let connection = &settings.connection;
    assert_eq!(connection.version, Version::V1);
    assert_eq!(
        connection.accept_versions,
        AcceptVersions::Only(Version::V1)
    );
    assert_eq!(connection.checksum, ChecksumPolicy::Require);
    assert!(!connection.syn_options.timestamps && !connection.syn_options.sack);
    assert_eq!(connection.syn_options.window_scale, WindowScale::Fixed(7));
    assert_eq!(connection.subflow.congestion, CongestionAlgorithm::NewReno);
    assert_eq!(connection.delayed_ack, Duration::from_millis(25));
    assert_eq!(connection.initial_rto, Duration::from_secs(3));
    assert_eq!(connection.max_subflows, 2);
    assert_eq!(settings.endpoint.fixed_keys, [16, 17]);
    assert_eq!(settings.endpoint.fixed_isn, Some(1000));
    assert_eq!(settings.endpoint.ephemeral_ports, (5000, 5001));
    assert_eq!(settings.mtu(), 1040);
    assert_eq!(settings.path_endpoints[1].port, Some(80));
    assert!(settings.path_endpoints[1].flags.signal);
    assert!(settings.path_endpoints[2].flags.backup);
    assert!(settings.path_endpoints[3].flags.fullmesh);
    assert_eq!(settings.path_limits.extra_subflows, 4);
    assert_eq!(connection.path_manager, PathManagerKind::Endpoints);
    // What the path manager is told of is ours.
    let local = addresses(&[
        "10.0.0.1",
        "10.0.0.2",
        "2001:db8::2",
        "10.0.0.3",
        "10.0.0.4",
    ]);
    assert_eq!(settings.local, local);
    let fullmesh = parse("local=10.0.0.1 announce=10.0.0.2 path_manager=fullmesh").unwrap();
    assert_eq!(fullmesh.connection.path_manager, PathManagerKind::FullMesh);
    assert_eq!(parse("local=fd00::1,mss=1000").unwrap().mtu(), 1060);
}

#[test]
fn errors_name_the_key() {
    for (flags, message) in [
        ("colour=red", "so_flags: there is no key \"colour\""),
        ("wrong", "so_flags: there is no key \"wrong\""),
        ("seed", "so_flags: the key \"seed\" needs a value: a number"),
        (
            "local=10.0.0.1,10.0.0",
            "so_flags: \"10.0.0\" is no value for the key \"local\": addresses",
        ),
        (
            "version=2",
            "so_flags: \"2\" is no value for the key \"version\": 0 or 1",
        ),
        (
            "window_scale=15",
            "so_flags: \"15\" is no value for the key \"window_scale\": on, off or 0 to 14",
        ),
        (
            "",
            "so_flags name no address (local=ADDRESS), and OPT_LOCAL_IP is not set",
        ),
    ] {
        assert_eq!(parse(flags).unwrap_err().to_string(), message);
    }
}

/// Each key refuses nonsense, and none panics.
#[test]
fn nonsense_is_refused() {
    for key in KEYS {
        for value in ["", "-1", "nonsense", "99999999999999999999", "0x", "\u{e9}"] {
            let error = parse(&format!("local=10.0.0.1 {}={value}", key.name));
            assert!(
                matches!(&error, Err(FlagError::BadValue { key: named, .. }) if named == key.name),
                "{}={value}: {error:?}",
                key.name
            );
        }
    }
}

#[test]
fn the_environment_names_an_address_where_flags_name_none() {
    let local = |flags, variable| Settings::parse(flags, variable).map(|settings| settings.local);
    assert_eq!(local("", Some("10.0.0.9")), Ok(addresses(&["10.0.0.9"])));
    assert_eq!(local("", Some("fd3d::1/48")), Ok(addresses(&["fd3d::1"])));
    assert_eq!(
        local("local=10.0.0.1", Some("10.0.0.9")),
        Ok(addresses(&["10.0.0.1"]))
    );
    let bad = FlagError::BadVariable("here".to_owned());
    assert_eq!(local("", Some("here")), Err(bad));
}

#[test]
fn the_readme_explains_every_key() {
    let readme = include_str!("../../README.md");
    for key in KEYS {
        let row = format!("| `{}` |", key.name);
        assert!(
            readme.contains(&row),
            "README.md does not explain {}",
            key.name
        );
    }
}
