//! What a stack remembers of others.

use crate::hosts::{Hosts, PORT, soon};
use umptcp::{ConnectionConfig, ConnectionProtocol, PeerKnowledge, PeerVersions, Version};

/// A server of plain TCP is asked for one version after the other; both answers are remembered, and
/// can be forgotten.
#[tokio::test]
async fn what_is_known_of_peers_can_be_seen_and_forgotten() {
    let hosts = Hosts::start(1);
    let plain = ConnectionConfig {
        mptcp: false,
        ..ConnectionConfig::default()
    };
    let local = ([0, 0, 0, 0], PORT).into();
    let listener = hosts.server.listen(local, plain).unwrap();
    let versions = |v0, v1| PeerVersions {
        remote: hosts.address(),
        v0,
        v1,
    };
    assert_eq!(hosts.client.peer_memory(), PeerKnowledge::default());
    for expected in [
        versions(Some(false), None),
        versions(Some(false), Some(false)),
    ] {
        let config = ConnectionConfig {
            version: Version::V0,
            ..ConnectionConfig::default()
        };
        let connect = hosts.client.connect_with(None, hosts.address(), config);
        let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
        let (client, _server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.info().protocol, ConnectionProtocol::Tcp);
        assert_eq!(hosts.client.peer_memory().versions, [expected]);
    }
    hosts.client.forget_peer([10, 0, 0, 9].into());
    assert_eq!(hosts.client.peer_memory().versions.len(), 1);
    hosts.client.forget_peer(hosts.address().ip());
    assert_eq!(hosts.client.peer_memory(), PeerKnowledge::default());
    hosts.client.forget_peers();
}
