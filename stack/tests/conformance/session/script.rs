//! Plays a conversation that was written down as bytes, against the stack.
//!
//! A line that begins with `>` is a packet of the peer from its IP header on; the next lines that
//! are indented belong to it. A line with `<` says what the stack has to send: subflow (`*` for
//! any), flags, and what else counts. Other lines are for the application and the clock.
//!
//! The stack chooses its key, its sequence numbers, its nonces and its ports. Where they stand in a
//! packet there is a slot in braces, filled with what the stack has shown before:
//!
//! | slot | what |
//! |---|---|
//! | `{isn0+1}` | the stack's initial sequence number on that subflow, and so much more |
//! | `{ts0}` | the last timestamp of the stack on that subflow |
//! | `{key}`, `{token}` | the stack's key, and its token |
//! | `{dsn+1}`, `{dsn32_+1}` | its initial data sequence number and so much more; the low half |
//! | `{nonce1}` | its nonce on that subflow |
//! | `{mac8:peer}`, `{mac20:stack}` | so many bytes of the HMAC of that side on the last subflow |
//! | `{port0}` | its port on that subflow |
//! | `{tcp}` | the TCP checksum of a packet with slots |

use crate::peer::packet::flag;
use crate::peer::segment::complete_checksum;
use crate::peer::state::PeerSubflow;
use crate::peer::{Packet, Scene, Setup, Wide, crypto, hex};
use std::net::{Ipv4Addr, SocketAddr};
use umptcp_stack::CloseReason;

/// A conversation as it goes on.
pub(super) struct Replay {
    pub(super) scene: Scene,
    /// What the stack has sent, and no line has asked for yet.
    sent: Vec<Packet>,
}

impl Replay {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            scene: Scene::new(setup),
            sent: Vec::new(),
        }
    }

    /// Plays all lines. In the end the stack may have sent acknowledgments that no line asks for,
    /// and nothing else.
    pub(super) fn play(&mut self, script: &str) {
        let mut lines = script.lines().peekable();
        while let Some(line) = lines.next() {
            let mut line = line.to_owned();
            while let Some(more) = lines.next_if(|next| next.starts_with("  ")) {
                line.push_str(more.trim());
            }
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "#" => {}
                ">" => self.packet_of_peer(rest),
                "<" => self.packet_of_stack(rest),
                _ => self.application(word, rest),
            }
            self.sent.extend(self.scene.sent());
        }
        let strays = self
            .sent
            .iter()
            .filter(|packet| !packet.is_pure_ack() || packet.mapping().is_some());
        assert_eq!(strays.count(), 0, "{:#?}", self.sent);
    }

    fn application(&mut self, word: &str, rest: &str) {
        let scene = &mut self.scene;
        match word {
            "connect" => self.sent.push(scene.connect()),
            "accept" => {
                scene.accept().expect("the handshake is complete");
            }
            "open" => {
                let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
                scene.open_subflow(local, remote, false);
            }
            "write" => scene.write(&hex(rest)),
            "read" => assert_eq!(scene.read(), hex(rest)),
            "end" => {
                assert_eq!(scene.read(), b"");
                assert!(scene.ended);
            }
            "close" => scene.shutdown(),
            "wait" => scene.advance_ms(rest.parse().expect("milliseconds")),
            "finished" => assert_eq!(scene.info().closed, Some(CloseReason::Finished)),
            _ => panic!("no such line: {word}"),
        }
    }

    /// Fills the slots of a packet and hands it to the stack.
    fn packet_of_peer(&mut self, template: &str) {
        if let Some((_, nonce)) = template.split_once("{mac8:peer}") {
            let subflow = self.scene.peer.subflows.last_mut().expect("a join");
            subflow.nonce = be32(&hex(&nonce[..8]));
        }
        let mut packet = self.fill(template);
        if template.contains("{tcp}") {
            complete_checksum(&mut packet);
        }
        let address = |at: usize, port: usize| {
            let octets = <[u8; 4]>::try_from(&packet[at..at + 4]).expect("four");
            let port = u16::from_be_bytes([packet[port], packet[port + 1]]);
            SocketAddr::new(Ipv4Addr::from(octets).into(), port)
        };
        let (from, to) = (address(12, 20), address(16, 22));
        let number = u32::from_be_bytes(packet[24..28].try_into().expect("four"));
        if packet[33] & (flag::SYN | flag::ACK) == flag::SYN {
            let id = self.scene.peer.subflows.len() as u8;
            let mut subflow = PeerSubflow::new(from, to, number, id);
            if let Some(join) = packet.windows(4).position(|bytes| bytes == [30, 12, 16, 2]) {
                subflow.nonce = be32(&packet[join + 8..]);
            }
            self.scene.peer.subflows.push(subflow);
        }
        self.scene.inject(&packet);
    }

    /// Takes the packet that the line describes out of what the stack has sent.
    fn packet_of_stack(&mut self, line: &str) {
        let mut words = line.split(' ');
        let subflow = words.next().expect("a subflow");
        let wanted: Vec<(&str, &str)> = words
            .map(|word| word.split_once('=').unwrap_or((word, "")))
            .collect();
        let found = self.sent.iter().position(|packet| {
            let index = self.scene.peer.subflow_of(packet).expect("a known subflow");
            (subflow == "*" || subflow == index.to_string())
                && wanted
                    .iter()
                    .all(|(what, value)| self.has(packet, what, value))
        });
        let Some(found) = found else {
            panic!("the stack has not sent {line}, but {:#?}", self.sent);
        };
        self.sent.remove(found);
    }

    /// One property of a packet.
    fn has(&self, packet: &Packet, what: &str, value: &str) -> bool {
        let peer = &self.scene.peer;
        let mapping = packet.mapping();
        let full_dsn = mapping.map(|mapping| {
            let offset = peer.their_offset(mapping.dsn);
            peer.their_dsn(offset)
        });
        match what {
            "flags" => [('S', flag::SYN), ('A', flag::ACK), ('F', flag::FIN)]
                .into_iter()
                .chain([('R', flag::RST)])
                .all(|(letter, bit)| packet.has(bit) == value.contains(letter)),
            "seq" => packet.seq == be32(&self.fill(value)),
            "ack" => packet.ack == Some(be32(&self.fill(value))),
            "mptcp" => (0..9).any(|subtype| packet.raw(subtype) == [self.fill(value)]),
            "payload" => packet.payload == hex(value),
            "data_ack" => packet
                .data_ack()
                .is_some_and(|ack| peer.dsn(peer.acked_offset(ack)) == be64(&self.fill(value))),
            "long" => matches!(packet.data_ack(), Some(Wide::Long(_))),
            "dsn" => full_dsn == Some(be64(&self.fill(value))),
            "ssn" => mapping.is_some_and(|mapping| mapping.ssn.to_string() == value),
            "len" => mapping.is_some_and(|mapping| mapping.len.to_string() == value),
            "fin" => mapping.is_some_and(|mapping| mapping.fin),
            "sum" => mapping.is_some_and(|mapping| {
                let dsn = full_dsn.expect("the mapping has one");
                let sum = crypto::dss_checksum(dsn, mapping.ssn, mapping.len, &packet.payload);
                mapping.checksum == Some(sum)
            }),
            _ => panic!("no such property: {what}"),
        }
    }

    /// Hex digits and slots as bytes.
    fn fill(&self, template: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let (slot, behind) = behind.split_once('}').expect("slots end");
            bytes.extend(hex(before));
            bytes.extend(self.slot(slot));
            rest = behind;
        }
        bytes.extend(hex(rest));
        bytes
    }

    fn slot(&self, slot: &str) -> Vec<u8> {
        let peer = &self.scene.peer;
        let (name, more) = slot.split_once('+').unwrap_or((slot, "0"));
        let more: u64 = more.parse().expect("a number");
        let of_subflow = |name: &str| {
            let index: usize = name.parse().expect("the number of a subflow");
            &peer.subflows[index]
        };
        let last = peer.subflows.len() - 1;
        let their_dsn = || peer.their_dsn(more).wrapping_sub(1);
        match name {
            "tcp" => vec![0, 0],
            "key" => peer.their_key().to_be_bytes().to_vec(),
            "token" => peer.their_token().to_be_bytes().to_vec(),
            "dsn" => their_dsn().to_be_bytes().to_vec(),
            "dsn32_" => (their_dsn() as u32).to_be_bytes().to_vec(),
            "mac8:peer" => peer.join_hmac(last)[..8].to_vec(),
            "mac8:stack" => peer.their_join_hmac(last)[..8].to_vec(),
            "mac20:peer" => peer.join_hmac(last)[..20].to_vec(),
            "mac20:stack" => peer.their_join_hmac(last)[..20].to_vec(),
            _ => {
                if let Some(index) = name.strip_prefix("isn") {
                    let seq = of_subflow(index).irs.wrapping_add(more as u32);
                    seq.to_be_bytes().to_vec()
                } else if let Some(index) = name.strip_prefix("ts") {
                    of_subflow(index).ts_recent.to_be_bytes().to_vec()
                } else if let Some(index) = name.strip_prefix("nonce") {
                    of_subflow(index).their_nonce().to_be_bytes().to_vec()
                } else if let Some(index) = name.strip_prefix("port") {
                    of_subflow(index).remote.port().to_be_bytes().to_vec()
                } else {
                    panic!("no such slot: {slot}")
                }
            }
        }
    }
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four"))
}

fn be64(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().expect("eight"))
}
