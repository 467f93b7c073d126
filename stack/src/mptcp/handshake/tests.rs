use super::*;
use crate::base::config::AcceptVersions;

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

fn config(checksum: ChecksumPolicy) -> ConnectionConfig {
    ConnectionConfig {
        checksum,
        ..ConnectionConfig::default()
    }
}

fn offer(version: Version, checksum: ChecksumPolicy) -> Offer {
    let config = ConnectionConfig {
        version,
        ..config(checksum)
    };
    Offer::new(&config, HostKey::new(version, Key(1)), None)
}

fn answer(syn: &MpCapable, config: &ConnectionConfig) -> Option<Answer> {
    match judge_syn(syn, config) {
        SynVerdict::Accept(version) => {
            let key = HostKey::new(version, Key(2));
            Some(Answer::new(version, key, syn, config))
        }
        SynVerdict::PlainTcp | SynVerdict::Ignore => None,
    }
}

/// Protocol statements 22, 23.
#[test]
fn both_versions_agree_on_keys_and_checksums() {
    use ChecksumPolicy::{Forbid, Offer, Require};
    for version in VERSIONS {
        for (ours, theirs, expected) in [
            (Offer, Offer, Some(false)),
            (Require, Offer, Some(true)),
            (Offer, Require, Some(true)),
            (Forbid, Offer, Some(false)),
            (Forbid, Require, None),
            (Require, Forbid, None),
        ] {
            let offer = offer(version, ours);
            let session = answer(&offer.syn(), &config(theirs)).and_then(|answer| {
                let client = offer.answered(&answer.syn_ack())?;
                let server = answer.completed(&client.third_ack())?;
                assert_eq!(client.remote.token, server.local.token);
                assert_eq!(client.checksum, server.checksum);
                Some(server)
            });
            assert_eq!(
                session.map(|session| session.checksum),
                expected,
                "{ours:?} {theirs:?}"
            );
        }
    }
}

#[test]
fn odd_options_end_in_tcp() {
    let config = config(ChecksumPolicy::Offer);
    let mut syn = offer(Version::V0, ChecksumPolicy::Offer).syn();
    syn.flags.extensibility = true;
    assert_eq!(judge_syn(&syn, &config), SynVerdict::Ignore);
    let mut syn = offer(Version::V1, ChecksumPolicy::Offer).syn();
    syn.version = 2;
    assert_eq!(judge_syn(&syn, &config), SynVerdict::Accept(Version::V1));
    syn.flags.extensibility = true;
    assert_eq!(judge_syn(&syn, &config), SynVerdict::PlainTcp);
    syn.flags = CapableFlags::default();
    assert_eq!(judge_syn(&syn, &config), SynVerdict::PlainTcp);
    let v1 = offer(Version::V1, ChecksumPolicy::Offer);
    let v0_answer = answer(&offer(Version::V0, ChecksumPolicy::Offer).syn(), &config);
    assert!(v1.answered(&v0_answer.unwrap().syn_ack()).is_none());
}

#[test]
fn a_listener_speaks_the_versions_that_it_is_told_to() {
    for version in VERSIONS {
        for accepted in VERSIONS {
            let config = ConnectionConfig {
                accept_versions: AcceptVersions::Only(accepted),
                ..ConnectionConfig::default()
            };
            let mut syn = offer(version, ChecksumPolicy::Offer).syn();
            let spoken = version == accepted;
            assert_eq!(answer(&syn, &config).is_some(), spoken);
            // Extension B of a version that is not spoken means nothing.
            syn.flags.extensibility = true;
            let verdict = match (version, spoken) {
                (Version::V0, true) => SynVerdict::Ignore,
                _ => SynVerdict::PlainTcp,
            };
            assert_eq!(judge_syn(&syn, &config), verdict);
        }
    }
}

/// RFC 8684 §3.1; in version 0 the bit of flag C stands for something else.
#[test]
fn flag_c_belongs_to_version_1() {
    for version in VERSIONS {
        let config = ConnectionConfig {
            version,
            allow_join_initial_address: false,
            ..ConnectionConfig::default()
        };
        let v1 = version == Version::V1;
        let offer = Offer::new(&config, HostKey::new(version, Key(1)), None);
        assert_eq!(offer.syn().flags.deny_join_initial, v1);
        let answer = answer(&offer.syn(), &config).unwrap();
        assert_eq!(answer.syn_ack().flags.deny_join_initial, v1);
        let session = offer.answered(&answer.syn_ack()).unwrap();
        assert_eq!(session.third_ack().flags.deny_join_initial, v1);
        // Whatever the peer sends there in version 0.
        let mut syn_ack = answer.syn_ack();
        syn_ack.flags.deny_join_initial = true;
        let session = offer.answered(&syn_ack).unwrap();
        assert_eq!(session.deny_join_initial, v1);
        assert!(session.refuse_join_initial);
    }
}

#[test]
fn the_answer_tells_what_the_peer_speaks() {
    for version in VERSIONS {
        let mut offer = offer(version, ChecksumPolicy::Offer);
        let syn_ack = |number, keys| MpCapable {
            version: number,
            flags: flags(version, false, false),
            keys,
        };
        let key = CapableKeys::Sender(Key(2));
        let refused = |answered| Lesson::Refuses {
            offered: version,
            answered,
        };
        let other = version.other();
        for on_syn in [true, false] {
            offer.on_syn = on_syn;
            let same = syn_ack(version.number(), key);
            assert_eq!(offer.lesson(Some(&same)), Lesson::Speaks(version));
            let different = syn_ack(other.number(), key);
            assert_eq!(offer.lesson(Some(&different)), refused(Some(other)));
        }
        assert_eq!(offer.lesson(None), Lesson::BlackHole);
        offer.on_syn = true;
        assert_eq!(offer.lesson(None), refused(None));
        assert_eq!(offer.lesson(Some(&syn_ack(7, key))), refused(None));
        let short = syn_ack(version.number(), CapableKeys::None);
        assert_eq!(offer.lesson(Some(&short)), refused(None));
    }
}
