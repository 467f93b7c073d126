//! What the peer knows: keys and what follows from them, and for each subflow where both byte
//! streams stand.
//!
//! It also checks what must hold for whatever a stack sends: a byte sent again is the same byte,
//! at its place in the subflow and at its place in the connection, and a place in a subflow never
//! gets another place in the connection (statement 52).

use super::crypto;
use super::options::{Dss, Wide};
use super::packet::{DssMapping, JoinSyn, JoinSynAck, Packet, flag};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use umptcp_stack::Version;

/// The peer's side of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) version: Version,
    /// Its own key.
    pub(crate) key: u64,
    /// The stack's key, once it was shown.
    pub(crate) their_key: Option<u64>,
    /// Either side set flag A.
    pub(crate) checksum: bool,
    /// In the order of their SYNs; 0 is the initial one.
    pub(crate) subflows: Vec<PeerSubflow>,
    /// Bytes that the peer has sent at the data level; the DATA_FIN counts as one.
    pub(crate) data_sent: u64,
    /// What its DATA_ACKs say, counted from the first byte.
    pub(crate) data_acked: u64,
    /// What the stack has sent, by offset in its stream.
    pub(crate) received: BTreeMap<u64, u8>,
    /// The offset of the stack's DATA_FIN, once seen.
    pub(crate) their_data_fin: Option<u64>,
}

/// The peer's side of a subflow.
#[derive(Debug)]
pub(crate) struct PeerSubflow {
    /// The peer's end.
    pub(crate) local: SocketAddr,
    /// The stack's end.
    pub(crate) remote: SocketAddr,
    /// The peer's initial sequence number.
    pub(crate) iss: u32,
    /// What the peer sends next.
    pub(crate) snd_nxt: u32,
    /// The stack's initial sequence number.
    pub(crate) irs: u32,
    /// The end of what the stack has sent without a gap.
    pub(crate) rcv_nxt: u32,
    /// What the peer acknowledges: moved by `Scene::ack` and its like only.
    pub(crate) acked: u32,
    /// What the stack has acknowledged.
    pub(crate) their_ack: u32,
    /// The window field of the peer's segments.
    pub(crate) window: u16,
    /// The stack's window shift.
    pub(crate) their_scale: u8,
    /// Both sides use timestamps; the last value of the stack.
    pub(crate) timestamps: bool,
    pub(crate) ts_recent: u32,
    /// The SYN/ACK was seen or sent.
    pub(crate) synchronized: bool,
    /// The peer's nonce and address id, for joins.
    pub(crate) nonce: u32,
    pub(crate) id: u8,
    /// The stack's parts of a join.
    pub(crate) join_syn: Option<JoinSyn>,
    pub(crate) join_syn_ack: Option<JoinSynAck>,
    pub(crate) join_ack: Option<[u8; 20]>,
    /// The stack's stream of this subflow, by SSN.
    pub(crate) stream: BTreeMap<u32, u8>,
    /// Where mapped bytes belong: SSN to offset in the connection.
    pub(crate) places: BTreeMap<u32, u64>,
    /// The stack's FIN and RST.
    pub(crate) fin_seen: bool,
    pub(crate) rst_seen: bool,
}

impl PeerSubflow {
    pub(crate) fn new(local: SocketAddr, remote: SocketAddr, iss: u32, id: u8) -> Self {
        Self {
            local,
            remote,
            iss,
            snd_nxt: iss,
            irs: 0,
            rcv_nxt: 0,
            acked: 0,
            their_ack: 0,
            window: u16::MAX,
            their_scale: 0,
            timestamps: false,
            ts_recent: 0,
            synchronized: false,
            nonce: Self::nonce_for(iss),
            id,
            join_syn: None,
            join_syn_ack: None,
            join_ack: None,
            stream: BTreeMap::new(),
            places: BTreeMap::new(),
            fin_seen: false,
            rst_seen: false,
        }
    }

    /// Another nonce for each subflow.
    pub(crate) fn nonce_for(iss: u32) -> u32 {
        0x5566_7788_u32.wrapping_add(iss)
    }

    /// The subflow sequence number of what the peer sends next: 1 for the first byte.
    pub(crate) fn ssn(&self) -> u32 {
        self.snd_nxt.wrapping_sub(self.iss)
    }

    /// Bytes the stack has sent on this subflow without a gap, mapped or not.
    pub(crate) fn plain_stream(&self) -> Vec<u8> {
        (1..)
            .map_while(|ssn| self.stream.get(&ssn).copied())
            .collect()
    }

    /// The stack's nonce, from its SYN or SYN/ACK.
    pub(crate) fn their_nonce(&self) -> u32 {
        let syn = self.join_syn.map(|join| join.nonce);
        let syn_ack = self.join_syn_ack.map(|join| join.nonce);
        syn.or(syn_ack).expect("the stack has sent its MP_JOIN")
    }
}

impl Peer {
    pub(crate) fn new(version: Version, key: u64) -> Self {
        Self {
            version,
            key,
            their_key: None,
            checksum: false,
            subflows: Vec::new(),
            data_sent: 0,
            data_acked: 0,
            received: BTreeMap::new(),
            their_data_fin: None,
        }
    }

    pub(crate) fn their_key(&self) -> u64 {
        self.their_key.expect("the stack has shown its key")
    }

    /// The peer's token, by which the stack joins.
    pub(crate) fn token(&self) -> u32 {
        crypto::token(self.version, self.key)
    }

    /// The stack's token, by which the peer joins.
    pub(crate) fn their_token(&self) -> u32 {
        crypto::token(self.version, self.their_key())
    }

    /// The DSN of a byte of the peer's stream; 0 is the first.
    pub(crate) fn dsn(&self, offset: u64) -> u64 {
        let idsn = crypto::idsn(self.version, self.key);
        idsn.wrapping_add(1).wrapping_add(offset)
    }

    /// The DSN of a byte of the stack's stream.
    pub(crate) fn their_dsn(&self, offset: u64) -> u64 {
        let idsn = crypto::idsn(self.version, self.their_key());
        idsn.wrapping_add(1).wrapping_add(offset)
    }

    /// The offset in the stack's stream that a DSN of it stands for.
    pub(crate) fn their_offset(&self, dsn: Wide) -> u64 {
        self.expand(dsn, self.their_dsn(self.data_received()))
            .wrapping_sub(self.their_dsn(0))
    }

    /// The offset in the peer's own stream that a DATA_ACK of the stack stands for.
    pub(crate) fn acked_offset(&self, data_ack: Wide) -> u64 {
        self.expand(data_ack, self.dsn(0)).wrapping_sub(self.dsn(0))
    }

    /// RFC 6824 §3.3.1: the number nearest to the reference.
    fn expand(&self, number: Wide, reference: u64) -> u64 {
        match number {
            Wide::Long(number) => number,
            Wide::Short(low) => {
                let ahead = low.wrapping_sub(reference as u32).cast_signed();
                reference.wrapping_add_signed(i64::from(ahead))
            }
        }
    }

    /// The length of what the stack has sent without a gap; its DATA_FIN counts as one.
    pub(crate) fn data_received(&self) -> u64 {
        // Keys are in order and start at 0 when nothing is missing.
        let bytes = self
            .received
            .keys()
            .zip(0..)
            .take_while(|(offset, at)| *offset == at)
            .count() as u64;
        bytes + u64::from(self.their_data_fin == Some(bytes))
    }

    /// What the stack has sent without a gap at the data level.
    pub(crate) fn stream(&self) -> Vec<u8> {
        let pairs = self.received.iter().zip(0..);
        pairs
            .take_while(|((offset, _), at)| *offset == at)
            .map(|((_, byte), _)| *byte)
            .collect()
    }

    /// A DSS with the DATA_ACK that the peer gives at the moment, 8 bytes wide.
    pub(crate) fn dss(&self) -> Dss {
        match self.their_key {
            Some(_) => Dss::new().ack64(self.their_dsn(self.data_acked)),
            None => Dss::new(),
        }
    }

    /// A DSS that maps `payload` at this offset and SSN, with DATA_ACK, and with a checksum if
    /// that was agreed on.
    pub(crate) fn dss_for(&self, offset: u64, ssn: u32, payload: &[u8]) -> Dss {
        let (dsn, len) = (self.dsn(offset), payload.len() as u16);
        let dss = self.dss().map64(dsn, ssn, len);
        if self.checksum {
            dss.checksum(crypto::dss_checksum(dsn, ssn, len, payload))
        } else {
            dss
        }
    }

    /// A bare DATA_FIN at this offset (RFC 6824 §3.3.3): SSN 0, length 1.
    pub(crate) fn dss_fin(&self, offset: u64) -> Dss {
        self.dss_for(offset, 0, &[0]).fin()
    }

    /// The HMAC that the peer sends on a subflow.
    pub(crate) fn join_hmac(&self, subflow: usize) -> Vec<u8> {
        let subflow = &self.subflows[subflow];
        let own = (self.key, subflow.nonce);
        let other = (self.their_key(), subflow.their_nonce());
        crypto::join_hmac(self.version, own, other)
    }

    /// The HMAC that the stack has to send on a subflow.
    pub(crate) fn their_join_hmac(&self, subflow: usize) -> Vec<u8> {
        let subflow = &self.subflows[subflow];
        let own = (self.key, subflow.nonce);
        let other = (self.their_key(), subflow.their_nonce());
        crypto::join_hmac(self.version, other, own)
    }

    /// The subflow of a packet of the stack.
    pub(crate) fn subflow_of(&self, packet: &Packet) -> Option<usize> {
        self.subflows
            .iter()
            .rposition(|subflow| subflow.local == packet.dst && subflow.remote == packet.src)
    }

    /// Learns from a packet of the stack. `iss` is for the subflow that it may begin.
    pub(crate) fn see(&mut self, packet: &Packet, iss: u32) {
        let known = self.subflow_of(packet);
        let begins = packet.has(flag::SYN) && packet.ack.is_none();
        let index = match known {
            Some(index) if !begins || self.subflows[index].irs == packet.seq => index,
            Some(_) | None if begins => {
                let id = self.subflows.len() as u8;
                let subflow = PeerSubflow::new(packet.dst, packet.src, iss, id);
                self.subflows.push(subflow);
                self.subflows.len() - 1
            }
            _ => return,
        };
        self.see_options(index, packet);
        self.see_segment(index, packet);
    }

    fn see_options(&mut self, index: usize, packet: &Packet) {
        if let Some(capable) = packet.capable() {
            self.checksum |= capable.flags & 0x80 != 0;
            if let Some(key) = capable.keys.first() {
                assert!(self.their_key.is_none_or(|known| known == *key));
                self.their_key = Some(*key);
            }
        }
        let subflow = &mut self.subflows[index];
        subflow.join_syn = packet.join_syn().or(subflow.join_syn);
        subflow.join_syn_ack = packet.join_syn_ack().or(subflow.join_syn_ack);
        subflow.join_ack = packet.join_ack().or(subflow.join_ack);
        if let Some((value, _)) = packet.timestamps() {
            subflow.ts_recent = value;
        }
    }

    fn see_segment(&mut self, index: usize, packet: &Packet) {
        let subflow = &mut self.subflows[index];
        subflow.rst_seen |= packet.has(flag::RST);
        if packet.has(flag::RST) {
            return;
        }
        if packet.has(flag::SYN) {
            subflow.irs = packet.seq;
            subflow.rcv_nxt = packet.seq.wrapping_add(1);
            // The stack's SYN/ACK ends the handshake for this side; of its SYN the peer is to say.
            subflow.acked = subflow.rcv_nxt;
            subflow.synchronized |= packet.ack.is_some();
            subflow.timestamps = packet.timestamps().is_some();
            subflow.their_scale = packet
                .options
                .iter()
                .find_map(|option| match option {
                    super::packet::Opt::WindowScale(shift) => Some(*shift),
                    _ => None,
                })
                .unwrap_or(0);
        }
        if let Some(ack) = packet.ack {
            subflow.their_ack = ack;
        }
        let ssn = packet.seq.wrapping_sub(subflow.irs);
        for (at, byte) in (ssn..).zip(&packet.payload) {
            let known = subflow.stream.insert(at, *byte);
            assert!(
                known.is_none_or(|known| known == *byte),
                "another byte at SSN {at}: {packet:?}"
            );
        }
        while subflow
            .stream
            .contains_key(&subflow.rcv_nxt.wrapping_sub(subflow.irs))
        {
            subflow.rcv_nxt = subflow.rcv_nxt.wrapping_add(1);
        }
        let end = packet.seq.wrapping_add(packet.payload.len() as u32);
        if packet.has(flag::FIN) && end == subflow.rcv_nxt && !subflow.fin_seen {
            subflow.rcv_nxt = subflow.rcv_nxt.wrapping_add(1);
            subflow.fin_seen = true;
        }
        self.see_mapping(index, packet);
    }

    fn see_mapping(&mut self, index: usize, packet: &Packet) {
        if self.their_key.is_none() {
            return;
        }
        if let Some(mapping) = packet.mapping() {
            self.note_mapping(index, packet, &mapping);
        } else if let Some(len) = packet.capable().and_then(|capable| capable.data_len) {
            // RFC 8684 §3.1: the first data, at SSN 1 and IDSN + 1.
            self.note_places(index, 1, 0, u32::from(len));
        }
        let subflow = &self.subflows[index];
        let ssn = packet.seq.wrapping_sub(subflow.irs);
        for (at, byte) in (ssn..).zip(&packet.payload) {
            if let Some(offset) = subflow.places.get(&at) {
                let known = self.received.insert(*offset, *byte);
                assert!(
                    known.is_none_or(|known| known == *byte),
                    "another byte at offset {offset}: {packet:?}"
                );
            }
        }
    }

    fn note_mapping(&mut self, index: usize, packet: &Packet, mapping: &DssMapping) {
        let offset = self.their_offset(mapping.dsn);
        let len = u32::from(mapping.len) - u32::from(mapping.fin && mapping.len > 0);
        if mapping.fin {
            let fin = offset + u64::from(len);
            assert!(self.their_data_fin.is_none_or(|known| known == fin));
            self.their_data_fin = Some(fin);
        }
        if !packet.payload.is_empty() {
            self.note_places(index, mapping.ssn, offset, len);
        }
    }

    fn note_places(&mut self, index: usize, ssn: u32, offset: u64, len: u32) {
        for (ssn, offset) in (ssn..ssn.wrapping_add(len)).zip(offset..) {
            let known = self.subflows[index].places.insert(ssn, offset);
            assert!(
                known.is_none_or(|known| known == offset),
                "SSN {ssn} was mapped to {known:?}, now to {offset}"
            );
        }
    }
}
