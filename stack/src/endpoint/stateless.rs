//! Handshakes without state: a SYN is answered with a cookie, and the acknowledgment that brings
//! the cookie back makes the connection (RFC 4987 §3.6).
//!
//! Owns what is answered and what is believed. The connection it makes is the one that the SYN
//! would have made: the SYN is put together again, and the acknowledgment takes the usual way.
//!
//! MPTCP needs no more state, as the third packet shows both keys (RFC 6824 §3.1, RFC 8684 §3.1):
//! ours is a keyed hash of what we have to know again.

use super::Endpoint;

use super::syn_cookie::{CookieContext, KeyFacts, LIFETIME, SynFacts, TimestampFacts};

use crate::base::config::{ConnectionConfig, SubflowOptions, SynCookies, Version, WindowScale};
use crate::base::id::{InterfaceId, ListenerId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::connection::{SegmentAnswer, first_window};
use crate::mptcp::handshake::Answer;
use crate::mptcp::key::HostKey;
use crate::tcp::ecn::Ecn;
use crate::tcp::handshake::{MAX_SHIFT, default_mss};
use crate::tcp::tcb::TcbConfig;
use crate::tcp::timestamps::timestamp_clock;
use crate::wire::mptcp_option::{CapableKeys, Key, MpCapable, MptcpOption};
use crate::wire::packet::{
    Flags, Payload, Segment, SegmentHeader, Transmit, TransmitChecksum, emit,
};
use crate::wire::tcp_option::{OptionWriter, TcpOptions, Timestamps};
use bytes::Bytes;

/// MP_CAPABLE of a SYN, to be answered in this version.
pub(super) type Offered = (Version, MpCapable);

/// What a segment to a listener is, if not a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Third {
    /// It completed a handshake, or is dropped: it will come again.
    Taken,
    /// Nobody knows it.
    Stray,
}

/// Who sends a SYN/ACK, and with what.
struct SynAck<'a> {
    home: InterfaceId,
    tcb: &'a TcbConfig,
    options: &'a SubflowOptions,
    window: u16,
    answer: Option<&'a Answer>,
}

impl Endpoint {
    /// Answers a SYN and forgets it.
    pub(super) fn answer_with_cookie(
        &mut self,
        now: Instant,
        home: InterfaceId,
        listener: ListenerId,
        syn: &Segment,
        offered: Option<Offered>,
        config: &ConnectionConfig,
    ) {
        let context = CookieContext::new(now, syn.tuple, syn.seq);
        let answer = offered.and_then(|offered| self.verifiable_answer(&context, offered, config));
        if offered.is_some() && answer.is_none() {
            self.counters.count(MptcpCounter::MpFallbackTokenInit);
        }
        let version = answer.as_ref().map(|answer| answer.version);
        let facts = facts_of(syn, version, config);
        let mut tcb = self.tcb_config(now, &syn.tuple, home, (config, &config.subflow), None);
        tcb.iss = self.cookies.seal(&context, &facts);
        let syn_ack = SynAck {
            home,
            tcb: &tcb,
            options: &config.subflow,
            window: first_window(config),
            answer: answer.as_ref(),
        };
        let packet = syn_ack.packet(now, syn, &facts);
        self.stats.cookies_sent += 1;
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.cookies_until = Some(now + LIFETIME);
        }
        self.reply(packet);
    }

    /// The answer to MP_CAPABLE with a key that can be told again from its echo.
    ///
    /// RFC 6824 §3.1: a host that cannot choose another key must answer without MP_CAPABLE if the
    /// token is in use.
    fn verifiable_answer(
        &self,
        context: &CookieContext,
        (version, capable): Offered,
        config: &ConnectionConfig,
    ) -> Option<Answer> {
        // The flags are those of an answer with any key.
        let mut answer = Answer::new(version, HostKey::new(version, Key(0)), &capable, config);
        let key = self.cookies.key(
            context,
            &KeyFacts {
                version,
                checksum: answer.checksum,
                deny_join_initial: answer.deny_join_initial,
                remote: answer.remote.map(|remote| remote.key),
            },
        );
        answer.local = HostKey::new(version, key);
        self.is_free_key(&answer.local).then_some(answer)
    }

    /// A segment to a listener that belongs to no connection: does it bring a cookie back?
    pub(super) fn handle_third_packet(
        &mut self,
        now: Instant,
        home: InterfaceId,
        listener_id: ListenerId,
        segment: Segment,
    ) -> Third {
        let Some(listener) = self.listeners.get(listener_id) else {
            return Third::Stray;
        };
        let expected = self.config.syn_cookies != SynCookies::Never
            && listener.cookies_until.is_some_and(|until| now <= until);
        let Some(ack) = segment
            .ack
            .filter(|_| expected && !segment.flags.syn && !segment.flags.rst)
        else {
            return Third::Stray;
        };
        let full = listener.is_full();
        let config = listener.config.clone();
        let context = CookieContext::new(now, segment.tuple, segment.seq - 1);
        let echo = segment.options.timestamps.map(|timestamps| timestamps.echo);
        let Some((context, facts)) = self.cookies.open(context, ack - 1, echo) else {
            self.stats.cookies_failed += 1;
            // Later data of a peer whose third packet was lost or overtaken looks like this too:
            // an RST would end its connection, whereas its first segment comes again. So do its
            // FIN, its DATA_FIN, and its keys until they are acknowledged.
            let data_fin = segment.options.dss.is_some_and(|dss| dss.mapping.is_some());
            let keys = capable_of(&segment).is_some();
            return if segment.is_empty() && !data_fin && !keys {
                Third::Stray
            } else {
                Third::Taken
            };
        };
        if full {
            self.stats.accept_overflows += 1;
            return Third::Taken;
        }
        let capable = capable_of(&segment);
        let answer = match (facts.answered, capable) {
            (Some(version), Some(capable)) => {
                self.recognised_answer(&context, version, &capable, &config)
            }
            (Some(version), None) if awaits_keys(version, &segment) => return Third::Taken,
            (Some(_), None) | (None, _) => None,
        };
        self.stats.cookies_accepted += 1;
        if facts.answered.is_some() && answer.is_none() {
            self.stats.fallbacks += 1;
            self.counters.count(MptcpCounter::MpCapableFallbackAck);
        }
        let syn = syn_of(&context, &facts, &segment);
        let mut tcb = self.tcb_config(now, &segment.tuple, home, (&config, &config.subflow), None);
        tcb.iss = ack - 1;
        let id = self.insert_accepted(now, home, listener_id, &syn, tcb, answer, config);
        let Some(entry) = self.connections.get_mut(id) else {
            return Third::Stray;
        };
        entry.connection.assume_syn_ack_sent();
        let answer = entry.connection.handle_segment(now, SubflowId(0), segment);
        self.after(now, id);
        match answer {
            SegmentAnswer::None | SegmentAnswer::OfferAgain(_) => Third::Taken,
            SegmentAnswer::Reset => Third::Stray,
        }
    }

    /// What we had answered to the SYN, if the keys in the third packet prove it.
    ///
    /// `None` goes on with plain TCP, also if another connection has got the same token since
    /// (RFC 6824 §3.1 wants it unique): a peer that believes in MPTCP learns from the first
    /// acknowledgment without a DSS, and falls back as well (RFC 6824 §3.6). It cannot have joined
    /// before that.
    fn recognised_answer(
        &self,
        context: &CookieContext,
        version: Version,
        capable: &MpCapable,
        config: &ConnectionConfig,
    ) -> Option<Answer> {
        let (sender, receiver) = match capable.keys {
            CapableKeys::Both { sender, receiver }
            | CapableKeys::BothWithData {
                sender, receiver, ..
            } => (sender, receiver),
            CapableKeys::None | CapableKeys::Sender(_) => return None,
        };
        let remote = match version {
            Version::V0 => Some(sender),
            Version::V1 => None,
        };
        let made_from = |checksum, deny_join_initial| KeyFacts {
            version,
            checksum,
            deny_join_initial,
            remote,
        };
        // All four are computed, and each key compared as a whole: the time tells nothing.
        let facts = [
            made_from(false, false),
            made_from(false, true),
            made_from(true, false),
            made_from(true, true),
        ]
        .map(|facts| (facts, self.cookies.key(context, &facts).0 ^ receiver.0));
        let (facts, _) = facts.into_iter().find(|(_, difference)| *difference == 0)?;
        let local = HostKey::new(version, receiver);
        if !config.mptcp || !self.is_free_key(&local) {
            return None;
        }
        Some(Answer {
            version,
            local,
            remote: remote.map(|key| HostKey::new(version, key)),
            checksum: facts.checksum,
            deny_join_initial: facts.deny_join_initial,
            refuse_join_initial: !config.allow_join_initial_address,
        })
    }
}

impl SynAck<'_> {
    /// The packet: as the connection would send it, as far as the cookie can keep it.
    fn packet(&self, now: Instant, syn: &Segment, facts: &SynFacts) -> Transmit {
        let mut options = OptionWriter::new();
        // Together these are at most 32 bytes: there is always room.
        let _ = options.mss(self.tcb.announced_mss());
        if let Some((kept, theirs)) = facts.timestamp.zip(syn.options.timestamps) {
            let timestamps = Timestamps {
                value: kept.stamp(timestamp_clock(now, self.tcb.timestamp_offset)),
                echo: theirs.value,
            };
            let _ = if kept.sack {
                options.sack_permitted_and_timestamps(timestamps)
            } else {
                options.timestamps(timestamps)
            };
            if kept.window_scale.is_some() {
                let _ = options.window_scale(self.tcb.rcv_scale);
            }
        }
        if let Some(answer) = self.answer {
            let _ = options.mptcp(&MptcpOption::Capable(answer.syn_ack()));
        }
        let header = SegmentHeader {
            tuple: syn.tuple,
            seq: self.tcb.iss,
            ack: Some(syn.seq + 1),
            flags: Flags {
                syn: true,
                ece: facts.timestamp.is_some_and(|kept| kept.ecn),
                ..Flags::default()
            },
            traffic_class: self.options.traffic_class,
            hop_limit: self.options.hop_limit,
            ecn_capable: false,
            window: self.window,
            options: options.as_bytes(),
        };
        let mut transmit = emit(
            self.home,
            &header,
            Payload::new(),
            None,
            TransmitChecksum::Complete,
            None,
        );
        transmit.tag = self.options.tag;
        transmit
    }
}

/// What the cookie keeps of a SYN.
fn facts_of(syn: &Segment, answered: Option<Version>, config: &ConnectionConfig) -> SynFacts {
    let options = &syn.options;
    let ours = config.syn_options;
    let scale = options
        .window_scale
        .filter(|_| ours.window_scale != WindowScale::Off);
    let mss = options
        .mss
        .unwrap_or_else(|| default_mss(syn.tuple.remote.is_ipv6()));
    SynFacts {
        mss: SynFacts::keepable_mss(mss),
        answered,
        timestamp: options
            .timestamps
            .filter(|_| ours.timestamps)
            .map(|_| TimestampFacts {
                window_scale: scale.map(|shift| shift.min(MAX_SHIFT)),
                sack: options.sack_permitted && ours.sack,
                ecn: Ecn::accepts(config.ecn, syn.flags),
            }),
    }
}

/// The SYN again, as far as the cookie and its acknowledgment tell.
fn syn_of(context: &CookieContext, facts: &SynFacts, ack: &Segment) -> Segment {
    let kept = facts.timestamp;
    let ecn = kept.is_some_and(|kept| kept.ecn);
    Segment {
        tuple: context.tuple,
        seq: context.irs,
        ack: None,
        flags: Flags {
            syn: true,
            // RFC 3168 §6.1.1: an ECN-setup SYN has both.
            ece: ecn,
            cwr: ecn,
            ..Flags::default()
        },
        window: ack.window,
        options: TcpOptions {
            mss: Some(facts.mss),
            window_scale: kept.and_then(|kept| kept.window_scale),
            sack_permitted: kept.is_some_and(|kept| kept.sack),
            timestamps: ack.options.timestamps,
            ..TcpOptions::default()
        },
        payload: Bytes::new(),
        payload_sum: None,
        congestion_experienced: false,
    }
}

/// A third packet without keys, of a peer that speaks MPTCP: is it worth waiting for the keys?
///
/// A bare acknowledgment or DATA_FIN with a DSS loses nothing by that. The data of version 1 comes
/// again with the keys until a DSS of ours is heard (RFC 8684 §3.1). The data of version 0 comes
/// again without them, and we do not know the peer's key: plain TCP, as RFC 6824 §3.1 has it for
/// a stateless server.
fn awaits_keys(version: Version, segment: &Segment) -> bool {
    let empty = segment.payload.is_empty();
    segment.options.dss.is_some() && (empty || version == Version::V1)
}

/// The MP_CAPABLE of a segment, if any.
pub(super) fn capable_of(segment: &Segment) -> Option<MpCapable> {
    segment.options.mptcp.iter().find_map(|option| {
        let MptcpOption::Capable(capable) = option else {
            return None;
        };
        Some(*capable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::config::EndpointConfig;
    use crate::base::id::ConnectionId;
    use crate::base::seq::SeqNum;
    use crate::wire::mptcp_option::CapableFlags;
    use crate::wire::packet::FourTuple;

    fn context() -> CookieContext {
        let tuple = FourTuple {
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([10, 0, 0, 2], 4000).into(),
        };
        CookieContext::new(Instant::from_millis(1), tuple, SeqNum(9))
    }

    fn offer(version: Version, checksum_required: bool, deny_join_initial: bool) -> Offered {
        let capable = MpCapable {
            version: version.number(),
            flags: CapableFlags {
                checksum_required,
                deny_join_initial,
                hmac: true,
                ..CapableFlags::default()
            },
            keys: match version {
                Version::V0 => CapableKeys::Sender(Key(0x1122)),
                Version::V1 => CapableKeys::None,
            },
        };
        (version, capable)
    }

    /// The third packet of a peer that repeats no flag but H.
    fn third(answer: &Answer) -> MpCapable {
        MpCapable {
            version: answer.version.number(),
            flags: CapableFlags {
                hmac: true,
                ..CapableFlags::default()
            },
            keys: CapableKeys::Both {
                sender: Key(0x1122),
                receiver: answer.local.key,
            },
        }
    }

    #[test]
    fn our_key_tells_what_was_answered() {
        let endpoint = Endpoint::new(EndpointConfig::default(), [1; 32]);
        let config = ConnectionConfig::default();
        for version in [Version::V0, Version::V1] {
            for (checksum, deny) in [(false, false), (false, true), (true, false), (true, true)] {
                let offered = offer(version, checksum, deny);
                let answer = endpoint.verifiable_answer(&context(), offered, &config);
                let answer = answer.unwrap();
                let third = third(&answer);
                let again = endpoint
                    .recognised_answer(&context(), version, &third, &config)
                    .unwrap();
                assert_eq!(
                    (again.checksum, again.deny_join_initial),
                    (checksum, deny && version == Version::V1),
                    "RFC 8684 §3.1: what the SYN said of A and C counts"
                );
                let session = again.completed(&third).unwrap();
                assert_eq!(session.remote.key, Key(0x1122));
                assert_eq!(session.local.token, answer.local.token);
            }
        }
    }

    #[test]
    fn a_key_for_another_connection_proves_nothing() {
        let endpoint = Endpoint::new(EndpointConfig::default(), [1; 32]);
        let config = ConnectionConfig::default();
        for (version, swapped) in [(Version::V0, Version::V1), (Version::V1, Version::V0)] {
            let offered = offer(version, false, false);
            let answer = endpoint.verifiable_answer(&context(), offered, &config);
            let answer = answer.unwrap();
            let third = third(&answer);
            let recognises = |context: &CookieContext, version, option: &MpCapable| {
                let found = endpoint.recognised_answer(context, version, option, &config);
                found.is_some()
            };
            assert!(recognises(&context(), version, &third));
            let mut other = context();
            other.tuple.remote.set_port(4001);
            assert!(!recognises(&other, version, &third));
            assert!(!recognises(&context(), swapped, &third));
            for bit in 0..64 {
                let forged = MpCapable {
                    keys: CapableKeys::Both {
                        sender: Key(0x1122),
                        receiver: Key(answer.local.key.0 ^ (1 << bit)),
                    },
                    ..third
                };
                assert!(!recognises(&context(), version, &forged));
            }
        }
    }

    /// RFC 6824 §3.1: the token is unique, and there is only one key to choose.
    #[test]
    fn a_token_in_use_means_plain_tcp() {
        let mut endpoint = Endpoint::new(EndpointConfig::default(), [1; 32]);
        let config = ConnectionConfig::default();
        let offered = offer(Version::V0, false, false);
        let answer = endpoint.verifiable_answer(&context(), offered, &config);
        let answer = answer.unwrap();
        let holder = ConnectionId {
            slot: 0,
            generation: 0,
        };
        endpoint.demux.insert_token(answer.local.token, holder);
        let third = third(&answer);
        let found = endpoint.recognised_answer(&context(), Version::V0, &third, &config);
        assert!(found.is_none());
        let answer = endpoint.verifiable_answer(&context(), offered, &config);
        assert!(answer.is_none());
    }
}
