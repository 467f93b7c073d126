//! The table of path endpoints: ids, errors, limits.

use std::net::IpAddr;
use umptcp_stack::{
    Endpoint, EndpointConfig, Instant, InvalidPathEndpoint, PathEndpoint, PathEndpointError,
    PathEndpointFlags, PathEndpointKey, PathLimits,
};

const NOW: Instant = Instant::ZERO;

fn host() -> Endpoint {
    Endpoint::new(EndpointConfig::default(), [1; 32])
}

fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn endpoint(last: u8) -> PathEndpoint {
    PathEndpoint {
        id: 0,
        address: ip(last),
        port: None,
        interface: None,
        flags: PathEndpointFlags::default(),
    }
}

fn by_id(id: u8) -> PathEndpointKey {
    PathEndpointKey {
        id: Some(id),
        ..PathEndpointKey::default()
    }
}

fn ids(host: &Endpoint) -> Vec<u8> {
    host.path_endpoints().iter().map(|known| known.id).collect()
}

#[test]
fn ids_rise_from_the_last_one_and_begin_again_after_a_flush() {
    let mut host = host();
    for (last, id) in [(1, 1), (2, 2)] {
        assert_eq!(host.add_path_endpoint(NOW, endpoint(last)), Ok(id));
    }
    let chosen = PathEndpoint {
        id: 254,
        ..endpoint(3)
    };
    assert_eq!(host.add_path_endpoint(NOW, chosen), Ok(254));
    assert_eq!(host.add_path_endpoint(NOW, endpoint(4)), Ok(255));
    assert_eq!(host.add_path_endpoint(NOW, endpoint(5)), Ok(3));
    assert_eq!(ids(&host), [1, 2, 254, 255, 3]);
    assert_eq!(host.remove_path_endpoint(NOW, by_id(2)), Ok(()));
    assert_eq!(host.add_path_endpoint(NOW, endpoint(6)), Ok(2));
    host.flush_path_endpoints(NOW);
    assert_eq!(host.path_endpoints(), []);
    assert_eq!(host.add_path_endpoint(NOW, endpoint(9)), Ok(1));
}

#[test]
fn each_mistake_has_an_error_of_its_own() {
    use InvalidPathEndpoint as Invalid;
    use PathEndpointError as Error;
    let mut host = host();
    let mut add = |change: fn(&mut PathEndpoint)| {
        let mut wanted = endpoint(1);
        change(&mut wanted);
        host.add_path_endpoint(NOW, wanted)
    };
    let invalid = |error| Err(Error::Invalid(error));
    assert_eq!(
        add(|e| e.port = Some(1)),
        invalid(Invalid::PortWithoutSignal)
    );
    let port_and_subflow = add(|e| {
        e.port = Some(1);
        (e.flags.signal, e.flags.subflow) = (true, true);
    });
    assert_eq!(port_and_subflow, invalid(Invalid::PortWithSubflow));
    let signal_and_mesh = add(|e| (e.flags.signal, e.flags.fullmesh) = (true, true));
    assert_eq!(signal_and_mesh, invalid(Invalid::SignalWithFullMesh));
    assert_eq!(add(|e| e.flags.implicit = true), invalid(Invalid::Implicit));
    let unspecified = add(|e| e.address = [0, 0, 0, 0].into());
    assert_eq!(unspecified, invalid(Invalid::Address));
    let port_zero = add(|e| {
        e.port = Some(0);
        e.flags.signal = true;
    });
    assert_eq!(port_zero, invalid(Invalid::PortZero));
    assert_eq!(add(|e| e.id = 7), Ok(7));
    assert_eq!(
        add(|e| (e.id, e.address) = (7, ip(2))),
        Err(Error::IdInUse(7))
    );
    assert_eq!(add(|e| e.id = 8), Err(Error::Exists(ip(1))));
    assert_eq!(add(|_| {}), Err(Error::Exists(ip(1))));
    let another_port = add(|e| {
        e.port = Some(8080);
        e.flags.signal = true;
    });
    assert_eq!(another_port, Ok(8), "another port is another endpoint");
    for last in 11..=16 {
        assert!(host.add_path_endpoint(NOW, endpoint(last)).is_ok());
    }
    assert_eq!(host.add_path_endpoint(NOW, endpoint(17)), Err(Error::Full));

    let flags = PathEndpointFlags::default();
    let mesh = PathEndpointFlags {
        fullmesh: true,
        ..flags
    };
    assert_eq!(
        host.remove_path_endpoint(NOW, by_id(99)),
        Err(Error::NotFound)
    );
    assert_eq!(
        host.remove_path_endpoint(NOW, by_id(0)),
        Err(Error::NotFound)
    );
    let nothing = PathEndpointKey::default();
    let neither = Err(Error::NeitherIdNorAddress);
    assert_eq!(host.change_path_endpoint(NOW, nothing, flags), neither);
    let stranger = PathEndpointKey {
        address: Some(ip(99)),
        ..nothing
    };
    let changed = host.change_path_endpoint(NOW, stranger, flags);
    assert_eq!(changed, Err(Error::NotFound));
    let on_signal = host.change_path_endpoint(NOW, by_id(8), mesh);
    assert_eq!(on_signal, Err(Invalid::FullMeshNotPossible.into()));
}

#[test]
fn only_backup_and_full_mesh_can_be_changed() {
    let mut host = host();
    let wanted = PathEndpoint {
        flags: PathEndpointFlags {
            subflow: true,
            ..PathEndpointFlags::default()
        },
        ..endpoint(1)
    };
    host.add_path_endpoint(NOW, wanted).unwrap();
    let all = PathEndpointFlags {
        signal: true,
        subflow: false,
        backup: true,
        fullmesh: true,
        laminar: true,
        implicit: true,
    };
    let key = PathEndpointKey {
        address: Some(ip(1)),
        ..PathEndpointKey::default()
    };
    assert_eq!(host.change_path_endpoint(NOW, key, all), Ok(()));
    let expected = PathEndpointFlags {
        backup: true,
        fullmesh: true,
        ..wanted.flags
    };
    assert_eq!(host.path_endpoints()[0].flags, expected);
}

#[test]
fn limits_are_bounded() {
    let mut host = host();
    let default = PathLimits {
        extra_subflows: 2,
        add_addr_accepted: 0,
    };
    assert_eq!(host.path_limits(), default);
    for (extra_subflows, add_addr_accepted) in [(9, 0), (0, 9)] {
        let limits = PathLimits {
            extra_subflows,
            add_addr_accepted,
        };
        let too_high = Err(PathEndpointError::LimitTooHigh(9));
        assert_eq!(host.set_path_limits(NOW, limits), too_high);
    }
    assert_eq!(host.path_limits(), default);
    let most = PathLimits {
        extra_subflows: 8,
        add_addr_accepted: 8,
    };
    assert_eq!(host.set_path_limits(NOW, most), Ok(()));
    assert_eq!(host.path_limits(), most);
}
