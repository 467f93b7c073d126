//! How far a connection has come with MP_CAPABLE (RFC 6824 §3.1, RFC 8684 §3.1).
//!
//! Each phase holds just the keys that are known in it, so that none is used before it is.

use super::fallback::FallingBack;
use super::key::HostKey;
use crate::base::config::{ChecksumPolicy, Version};
use crate::wire::mptcp_option::{CapableFlags, CapableKeys, Key, MpCapable};

/// The protocol of a connection.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// We sent MP_CAPABLE on a SYN and wait for the answer.
    Offered(Offer),
    /// We answered MP_CAPABLE on a SYN/ACK and wait for the third packet.
    Answered(Answer),
    /// Both keys are known: Multipath TCP.
    Mptcp(Session),
    /// MPTCP was given up in one direction at least, or is about to be.
    FallingBack(FallingBack),
    /// Plain TCP, from the start or after fallback.
    Plain,
}

/// What an initiator knows before the SYN/ACK.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The version offered.
    pub version: Version,
    /// Our key.
    pub local: HostKey,
    /// Our policy.
    pub checksum: ChecksumPolicy,
    /// Still on the SYN; false once SYNs with it went unanswered too often.
    pub on_syn: bool,
}

/// What a listener knows before the third packet.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The version of the connection.
    pub version: Version,
    /// Our key.
    pub local: HostKey,
    /// The peer's key: version 0 has it on the SYN, version 1 only on the third packet.
    pub remote: Option<HostKey>,
    /// DSS checksums, decided by both flags A.
    pub checksum: bool,
    /// The peer refuses further subflows to the address of its SYN (flag C).
    pub deny_join_initial: bool,
}

/// An established MPTCP connection.
#[derive(Clone, Debug)]
pub struct Session {
    /// The version.
    pub version: Version,
    /// Our key.
    pub local: HostKey,
    /// The peer's key.
    pub remote: HostKey,
    /// DSS checksums.
    pub checksum: bool,
    /// The peer refuses further subflows to its initial address (flag C).
    pub deny_join_initial: bool,
    /// A DSS arrived: the peer speaks MPTCP beyond doubt, and subflows may be added
    /// (RFC 6824 §3.1).
    pub confirmed: bool,
    /// A second subflow was established, or data sent again on another: the stream is no longer
    /// that of one subflow, and there is no way back to TCP.
    pub multipath: bool,
    /// The peer sends 8-byte DSNs and wants 8-byte DATA_ACKs (RFC 6824 §3.3.1).
    pub long_data_ack: bool,
    /// A DATA_ACK has acknowledged data of ours: the peer understands our mappings.
    pub data_acknowledged: bool,
}

/// The flags of an option we send.
fn flags(checksum: bool) -> CapableFlags {
    CapableFlags {
        checksum_required: checksum,
        hmac: true,
        ..CapableFlags::default()
    }
}

/// True if the flags of a received option allow MPTCP (RFC 6824 §3.1): HMAC is the only
/// algorithm there is, and extension B is unknown to us.
fn are_acceptable(flags: CapableFlags, policy: ChecksumPolicy) -> bool {
    flags.hmac
        && !flags.extensibility
        && !(flags.checksum_required && policy == ChecksumPolicy::Forbid)
}

impl Offer {
    /// The option of the SYN.
    #[must_use]
    pub fn syn(&self) -> MpCapable {
        MpCapable {
            version: self.version.number(),
            flags: flags(self.checksum == ChecksumPolicy::Require),
            keys: match self.version {
                Version::V0 => CapableKeys::Sender(self.local.key),
                // RFC 8684 §3.1: version 1 shows no key yet.
                Version::V1 => CapableKeys::None,
            },
        }
    }

    /// Reads the option of the SYN/ACK; `None` falls back to TCP.
    #[must_use]
    pub fn answered(&self, option: &MpCapable) -> Option<Session> {
        let CapableKeys::Sender(key) = option.keys else {
            return None;
        };
        let same_version = option.version == self.version.number();
        if !self.on_syn || !same_version || !are_acceptable(option.flags, self.checksum) {
            return None;
        }
        Some(Session {
            version: self.version,
            local: self.local,
            remote: HostKey::new(self.version, key),
            checksum: option.flags.checksum_required || self.checksum == ChecksumPolicy::Require,
            deny_join_initial: option.flags.deny_join_initial,
            confirmed: false,
            multipath: false,
            long_data_ack: self.version == Version::V1,
            data_acknowledged: false,
        })
    }
}

/// What the option of a SYN asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynVerdict {
    /// Answer in this version.
    Accept(Version),
    /// Answer without MPTCP.
    PlainTcp,
    /// Do not answer at all: version 0 with extension B (RFC 6824 §3.1).
    Ignore,
}

/// Judges the MP_CAPABLE of a SYN.
#[must_use]
pub fn judge_syn(option: &MpCapable, policy: ChecksumPolicy) -> SynVerdict {
    let version = match (option.version, option.keys) {
        (0, CapableKeys::Sender(_)) => Version::V0,
        // RFC 8684 §3.1: a higher version is answered with the highest we have.
        (1.., CapableKeys::None) => Version::V1,
        _ => return SynVerdict::PlainTcp,
    };
    if version == Version::V0 && option.flags.extensibility {
        return SynVerdict::Ignore;
    }
    if are_acceptable(option.flags, policy) {
        SynVerdict::Accept(version)
    } else {
        SynVerdict::PlainTcp
    }
}

impl Answer {
    /// Takes a SYN that [`judge_syn`] accepted.
    #[must_use]
    pub fn new(version: Version, local: HostKey, syn: &MpCapable, policy: ChecksumPolicy) -> Self {
        let remote = match syn.keys {
            CapableKeys::Sender(key) => Some(HostKey::new(version, key)),
            CapableKeys::None | CapableKeys::Both { .. } | CapableKeys::BothWithData { .. } => None,
        };
        Self {
            version,
            local,
            remote,
            checksum: syn.flags.checksum_required || policy == ChecksumPolicy::Require,
            deny_join_initial: syn.flags.deny_join_initial,
        }
    }

    /// The option of the SYN/ACK.
    #[must_use]
    pub fn syn_ack(&self) -> MpCapable {
        MpCapable {
            version: self.version.number(),
            flags: flags(self.checksum),
            keys: CapableKeys::Sender(self.local.key),
        }
    }

    /// Reads the option of the third packet; `None` falls back to TCP.
    #[must_use]
    pub fn completed(&self, option: &MpCapable) -> Option<Session> {
        let (sender, receiver) = match option.keys {
            CapableKeys::Both { sender, receiver }
            | CapableKeys::BothWithData {
                sender, receiver, ..
            } => (sender, receiver),
            CapableKeys::None | CapableKeys::Sender(_) => return None,
        };
        let same_version = option.version == self.version.number();
        let expected = receiver == self.local.key
            && self.remote.is_none_or(|remote| remote.key == sender)
            && option.flags.hmac
            && !option.flags.extensibility;
        (same_version && expected).then(|| self.session(sender))
    }

    /// Version 0: the third ACK was lost, but a DSS shows that the peer goes on with MPTCP; its
    /// key is known from the SYN.
    #[must_use]
    pub fn completed_by_dss(&self) -> Option<Session> {
        self.remote.map(|remote| self.session(remote.key))
    }

    fn session(&self, remote: Key) -> Session {
        Session {
            version: self.version,
            local: self.local,
            remote: HostKey::new(self.version, remote),
            checksum: self.checksum,
            deny_join_initial: self.deny_join_initial,
            confirmed: false,
            multipath: false,
            long_data_ack: self.version == Version::V1,
            data_acknowledged: false,
        }
    }
}

impl Session {
    /// A mapping may come with this checksum, or without any: as was negotiated. Version 0 does not
    /// look at one that nobody wanted; every other difference closes the subflow
    /// (RFC 6824 §3.3, RFC 8684 §3.3).
    #[must_use]
    pub fn expects_checksum(&self, checksum: Option<u16>) -> bool {
        match (self.checksum, checksum, self.version) {
            (true, Some(_), _) | (false, None, _) | (false, Some(_), Version::V0) => true,
            (true, None, _) | (false, Some(_), Version::V1) => false,
        }
    }

    /// The option of the third ACK, with both keys.
    #[must_use]
    pub fn third_ack(&self) -> MpCapable {
        MpCapable {
            version: self.version.number(),
            flags: flags(self.checksum),
            keys: CapableKeys::Both {
                sender: self.local.key,
                receiver: self.remote.key,
            },
        }
    }

    /// The option of the first data in version 1 (RFC 8684 §3.1).
    #[must_use]
    pub fn first_data(&self, data_len: u16, checksum: Option<u16>) -> MpCapable {
        MpCapable {
            keys: CapableKeys::BothWithData {
                sender: self.local.key,
                receiver: self.remote.key,
                data_len,
                checksum,
            },
            ..self.third_ack()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(version: Version, checksum: ChecksumPolicy) -> Offer {
        Offer {
            version,
            local: HostKey::new(version, Key(1)),
            checksum,
            on_syn: true,
        }
    }

    fn answer(syn: &MpCapable, policy: ChecksumPolicy) -> Option<Answer> {
        match judge_syn(syn, policy) {
            SynVerdict::Accept(version) => Some(Answer::new(
                version,
                HostKey::new(version, Key(2)),
                syn,
                policy,
            )),
            SynVerdict::PlainTcp | SynVerdict::Ignore => None,
        }
    }

    #[test]
    fn both_versions_agree_on_keys_and_checksums() {
        use ChecksumPolicy::{Accept, Forbid, Require};
        for version in [Version::V0, Version::V1] {
            for (ours, theirs, expected) in [
                (Accept, Accept, Some(false)),
                (Require, Accept, Some(true)),
                (Accept, Require, Some(true)),
                (Forbid, Accept, Some(false)),
                (Forbid, Require, None),
                (Require, Forbid, None),
            ] {
                let offer = offer(version, ours);
                let session = answer(&offer.syn(), theirs).and_then(|answer| {
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
        let mut syn = offer(Version::V0, ChecksumPolicy::Accept).syn();
        syn.flags.extensibility = true;
        assert_eq!(judge_syn(&syn, ChecksumPolicy::Accept), SynVerdict::Ignore);
        let mut syn = offer(Version::V1, ChecksumPolicy::Accept).syn();
        syn.version = 2;
        assert_eq!(
            judge_syn(&syn, ChecksumPolicy::Accept),
            SynVerdict::Accept(Version::V1)
        );
        syn.flags.extensibility = true;
        assert_eq!(
            judge_syn(&syn, ChecksumPolicy::Accept),
            SynVerdict::PlainTcp
        );
        syn.flags = CapableFlags::default();
        assert_eq!(
            judge_syn(&syn, ChecksumPolicy::Accept),
            SynVerdict::PlainTcp
        );
        let v1 = offer(Version::V1, ChecksumPolicy::Accept);
        let v0_answer = answer(
            &offer(Version::V0, ChecksumPolicy::Accept).syn(),
            ChecksumPolicy::Accept,
        );
        assert!(v1.answered(&v0_answer.unwrap().syn_ack()).is_none());
    }
}
