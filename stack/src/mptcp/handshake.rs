//! How far a connection has come with MP_CAPABLE (RFC 6824 §3.1, RFC 8684 §3.1).
//!
//! Each phase holds just the keys that are known in it, so that none is used before it is.

use super::key::HostKey;
use crate::base::config::{ChecksumPolicy, ConnectionConfig, Version};
use crate::wire::mptcp_option::{CapableFlags, CapableKeys, Key, MpCapable};

/// What an initiator knows before the SYN/ACK.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The version offered.
    pub version: Version,
    /// Our key.
    pub local: HostKey,
    /// Our policy.
    pub checksum: ChecksumPolicy,
    /// We refuse further subflows to our initial address and port (flag C).
    pub refuse_join_initial: bool,
    /// Still on the SYN; false once SYNs with it went unanswered too often.
    pub on_syn: bool,
    /// If the peer does not speak this version, a new attempt offers this one at once.
    pub retry_with: Option<Version>,
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
    /// We refuse further subflows to the address of its SYN.
    pub refuse_join_initial: bool,
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
    /// We refuse further subflows of the peer to our initial address and port (flag C, which
    /// version 0 does not have: there the peer learns it from an RST).
    pub refuse_join_initial: bool,
    /// The third packet of version 0 said nothing of MPTCP, and the first data decides. See
    /// [`Answer::assumed`].
    pub assumed: bool,
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

/// What the answer to our SYN tells of the peer, and of the path to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// The peer speaks this version.
    Speaks(Version),
    /// It answered a SYN that offered one version, but not in this version.
    Refuses {
        /// What was offered.
        offered: Version,
        /// The version it answered in instead: of no use for this connection, but for the next.
        answered: Option<Version>,
    },
    /// SYNs with MP_CAPABLE went unanswered, one without was answered.
    BlackHole,
}

/// The flags of an option we send.
fn flags(version: Version, checksum: bool, refuse_join_initial: bool) -> CapableFlags {
    CapableFlags {
        checksum_required: checksum,
        hmac: true,
        deny_join_initial: refuse_join_initial && has_flag_c(version),
        ..CapableFlags::default()
    }
}

/// RFC 8684 §3.1. In version 0 the bit stands for an algorithm that nobody has.
const fn has_flag_c(version: Version) -> bool {
    match version {
        Version::V0 => false,
        Version::V1 => true,
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
    /// What a connection with these settings offers.
    #[must_use]
    pub fn new(config: &ConnectionConfig, local: HostKey, retry_with: Option<Version>) -> Self {
        Self {
            version: config.version,
            local,
            checksum: config.checksum,
            refuse_join_initial: !config.allow_join_initial_address,
            on_syn: true,
            retry_with,
        }
    }

    /// The option of the SYN.
    #[must_use]
    pub fn syn(&self) -> MpCapable {
        let checksum = self.checksum == ChecksumPolicy::Require;
        MpCapable {
            version: self.version.number(),
            flags: flags(self.version, checksum, self.refuse_join_initial),
            keys: match self.version {
                Version::V0 => CapableKeys::Sender(self.local.key),
                // RFC 8684 §3.1: version 1 shows no key yet.
                Version::V1 => CapableKeys::None,
            },
        }
    }

    /// Reads the option of the SYN/ACK; `None` falls back to TCP.
    ///
    /// It counts even if SYNs without the option have been sent by now: a SYN/ACK that has it
    /// answers one that had it. The peer goes by what the third packet says (RFC 6824 §3.1).
    #[must_use]
    pub fn answered(&self, option: &MpCapable) -> Option<Session> {
        let CapableKeys::Sender(key) = option.keys else {
            return None;
        };
        let same_version = option.version == self.version.number();
        if !same_version || !are_acceptable(option.flags, self.checksum) {
            return None;
        }
        let remote = HostKey::new(self.version, key);
        Some(Session {
            checksum: option.flags.checksum_required || self.checksum == ChecksumPolicy::Require,
            deny_join_initial: option.flags.deny_join_initial && has_flag_c(self.version),
            refuse_join_initial: self.refuse_join_initial,
            ..Session::new(self.version, self.local, remote)
        })
    }

    /// What the SYN/ACK, with this option or none, tells of the peer.
    #[must_use]
    pub fn lesson(&self, option: Option<&MpCapable>) -> Lesson {
        let answered = option
            .filter(|option| matches!(option.keys, CapableKeys::Sender(_)))
            .and_then(|option| Version::of_number(option.version));
        match answered {
            Some(version) if version == self.version => Lesson::Speaks(version),
            None if !self.on_syn => Lesson::BlackHole,
            _ => Lesson::Refuses {
                offered: self.version,
                answered,
            },
        }
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
pub fn judge_syn(option: &MpCapable, config: &ConnectionConfig) -> SynVerdict {
    let version = match (option.version, option.keys) {
        (0, CapableKeys::Sender(_)) => Version::V0,
        // RFC 8684 §3.1: a higher version is answered with the highest we have.
        (1.., CapableKeys::None) => Version::V1,
        _ => return SynVerdict::PlainTcp,
    };
    if !config.accept_versions.includes(version) {
        // The option of a version that this host does not know.
        return SynVerdict::PlainTcp;
    }
    if version == Version::V0 && option.flags.extensibility {
        return SynVerdict::Ignore;
    }
    if are_acceptable(option.flags, config.checksum) {
        SynVerdict::Accept(version)
    } else {
        SynVerdict::PlainTcp
    }
}

impl Answer {
    /// Takes a SYN that [`judge_syn`] accepted.
    #[must_use]
    pub fn new(
        version: Version,
        local: HostKey,
        syn: &MpCapable,
        config: &ConnectionConfig,
    ) -> Self {
        let remote = match syn.keys {
            CapableKeys::Sender(key) => Some(HostKey::new(version, key)),
            CapableKeys::None | CapableKeys::Both { .. } | CapableKeys::BothWithData { .. } => None,
        };
        Self {
            version,
            local,
            remote,
            checksum: syn.flags.checksum_required || config.checksum == ChecksumPolicy::Require,
            deny_join_initial: syn.flags.deny_join_initial && has_flag_c(version),
            refuse_join_initial: !config.allow_join_initial_address,
        }
    }

    /// The option of the SYN/ACK.
    #[must_use]
    pub fn syn_ack(&self) -> MpCapable {
        MpCapable {
            version: self.version.number(),
            flags: flags(self.version, self.checksum, self.refuse_join_initial),
            keys: CapableKeys::Sender(self.local.key),
        }
    }

    /// Reads the option of the third packet; `None` falls back to TCP.
    #[must_use]
    pub fn completed(&self, option: &MpCapable) -> Option<Session> {
        let sender = match (option.keys, self.version) {
            (CapableKeys::Both { sender, .. }, _) => sender,
            // A checksum that is missing, or there without having been agreed on, is one of the
            // inconsistencies that end MPTCP before it has begun.
            (
                CapableKeys::BothWithData {
                    sender, checksum, ..
                },
                Version::V1,
            ) if checksum.is_some() == self.checksum => sender,
            _ => return None,
        };
        let session = self.session(self.remote.map_or(sender, |remote| remote.key));
        session.is_confirmed_by(option).then_some(session)
    }

    /// Version 0: the third ACK was lost, but a DSS shows that the peer goes on with MPTCP; its
    /// key is known from the SYN.
    #[must_use]
    pub fn completed_by_dss(&self) -> Option<Session> {
        self.remote.map(|remote| self.session(remote.key))
    }

    /// Version 0: the third packet has neither an option nor data.
    ///
    /// RFC 6824 §3.1 takes that for plain TCP. The reference implementation waits for the first
    /// data, as what it brings tells for certain: a DSS goes on with MPTCP, none is plain TCP. We
    /// wait as well, which suits peers of either reading. Meanwhile acknowledgments say nothing of
    /// MPTCP, nobody is told of addresses, and only data of ours, if we speak first, carries
    /// mappings: a peer of plain TCP passes over them, and its acknowledgment without a DSS
    /// decides.
    ///
    /// Version 1 has nothing to wait with: the peer's key comes in the third packet only.
    #[must_use]
    pub fn assumed(&self) -> Option<Session> {
        self.completed_by_dss().map(|session| Session {
            assumed: true,
            ..session
        })
    }

    fn session(&self, remote: Key) -> Session {
        let remote = HostKey::new(self.version, remote);
        Session {
            checksum: self.checksum,
            deny_join_initial: self.deny_join_initial,
            refuse_join_initial: self.refuse_join_initial,
            ..Session::new(self.version, self.local, remote)
        }
    }
}

impl Session {
    /// Two keys, and nothing agreed on beyond them.
    fn new(version: Version, local: HostKey, remote: HostKey) -> Self {
        Self {
            version,
            local,
            remote,
            checksum: false,
            deny_join_initial: false,
            refuse_join_initial: false,
            assumed: false,
            confirmed: false,
            multipath: false,
            long_data_ack: version == Version::V1,
            data_acknowledged: false,
        }
    }

    /// The third packet's option fits what was agreed on: both keys, the peer's first, the
    /// version, and the algorithm (RFC 6824 §3.1, RFC 8684 §3.1).
    #[must_use]
    pub fn is_confirmed_by(&self, option: &MpCapable) -> bool {
        let (CapableKeys::Both { sender, receiver }
        | CapableKeys::BothWithData {
            sender, receiver, ..
        }) = option.keys
        else {
            return false;
        };
        sender == self.remote.key
            && receiver == self.local.key
            && option.version == self.version.number()
            && option.flags.hmac
            && !option.flags.extensibility
    }

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
            flags: flags(self.version, self.checksum, self.refuse_join_initial),
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
mod tests;
